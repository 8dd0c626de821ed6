/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-auth.h"

#include <string.h>

/* Every method of the interface files stands here once; tests/check-dbus compares. One without a row is refused to all. */
static const BusAuthRow rows[] = {
  { "org.tpmid1.Device", "GetStatus", IDENTITY_RIGHT_READ },
  { "org.tpmid1.Device", "GetSerialNumber", IDENTITY_RIGHT_READ },
  { "org.tpmid1.Device", "SetSerialNumber", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "ClearSerialNumber", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "Reset", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "Reprovision", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "Migrate", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "ReleaseOwnership", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "RegenerateCertificate", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "InstallCertificate", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "BeginRotation", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "CommitRotation", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "RollbackRotation", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Device", "ListHandles", IDENTITY_RIGHT_ADMIN },
  { "org.tpmid1.Keys", "CreateKey", IDENTITY_RIGHT_CREATE },
  { "org.tpmid1.Keys", "ListKeys", IDENTITY_RIGHT_READ },
  { "org.tpmid1.Keys", "GetKey", IDENTITY_RIGHT_READ },
  { "org.tpmid1.Keys", "FindKey", IDENTITY_RIGHT_READ },
  { "org.tpmid1.Key", "Sign", IDENTITY_RIGHT_SIGN },
  { "org.tpmid1.Key", "SignMessage", IDENTITY_RIGHT_SIGN },
  { "org.tpmid1.Key", "Decrypt", IDENTITY_RIGHT_DECRYPT },
  { "org.tpmid1.Key", "CreateCsr", IDENTITY_RIGHT_SIGN },
};

struct BusAuth
{
  grefcount refs;
  IdentityGroups groups;
};

const BusAuthRow *
bus_auth_find (const char *interface, const char *method)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    if (strcmp (rows[i].interface, interface) == 0 && strcmp (rows[i].method, method) == 0)
      return &rows[i];
  return NULL;
}

BusAuth *
bus_auth_new (const BaseConfig *config)
{
  BusAuth *self = g_new0 (BusAuth, 1);

  g_ref_count_init (&self->refs);
  self->groups = identity_access_resolve_groups (config->sign_group, config->decrypt_group);
  return self;
}

BusAuth *
bus_auth_ref (BusAuth *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
bus_auth_unref (BusAuth *self)
{
  if (self != NULL && g_ref_count_dec (&self->refs))
    g_free (self);
}

gboolean
bus_auth_check (BusAuth *self, const BusAuthRow *row, const IdentityCaller *caller, guint owner, GError **error)
{
  return identity_access_check (caller, row->right, owner, &self->groups, error);
}

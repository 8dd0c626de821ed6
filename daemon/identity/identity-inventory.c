/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-inventory.h"

#include "base-hex.h"
#include "tpm-inventory.h"

#include <string.h>

/* Handles and indices with a fixed meaning. TCG Registry of Reserved TPM 2.0 Handles and Localities, 1.1, 2.3; TCG EK Credential Profile
 * 2.3, 2.2.1.4. */
static const struct
{
  guint32 first, last;
  const char *use;
} reserved[] = {
  { 0x81000001, 0x81000001, "shared storage root key" },
  { 0x81010000, 0x8101ffff, "endorsement key" },
  { 0x81020000, 0x8102ffff, "platform key, or IDevID" },
  { 0x01c00002, 0x01c0000c, "EK certificate" },
  { 0x01c00012, 0x01c0001f, "EK certificate" },
  { 0x01c00100, 0x01c001ff, "EK certificate chain" },
  { 0x01c08000, 0x01c0ffff, "platform certificate" },
  { 0x01000000, 0x013fffff, "of the TPM's manufacturer" },
};

static const char *
name_kind (TpmObjectKind kind)
{
  static const char *const names[] = {
    [TPM_OBJECT_PERSISTENT] = "persistent",
    [TPM_OBJECT_NV] = "nv",
    [TPM_OBJECT_TRANSIENT] = "transient",
    [TPM_OBJECT_SESSION] = "session",
  };

  return names[kind];
}

static const char *
name_hierarchy (const TpmObject *object)
{
  static const char *const names[] = {
    [TPM_HIERARCHY_OWNER] = "owner",
    [TPM_HIERARCHY_ENDORSEMENT] = "endorsement",
    [TPM_HIERARCHY_LOCKOUT] = "lockout",
    [TPM_HIERARCHY_PLATFORM] = "platform",
  };

  return object->is_hierarchy_known ? names[object->hierarchy] : "";
}

/* Returns: (nullable): what tpmidd keeps there */
static const char *
find_own_use (const BaseConfig *config, const TpmObject *object)
{
  const struct
  {
    guint32 handle;
    TpmPurpose purpose; /* FOREIGN: it is not told by its template */
    TpmNvKind nv_kind;  /* likewise */
    const char *use;
  } own[] = {
    { config->device_key_handle, TPM_PURPOSE_DEVICE, TPM_NV_OTHER, "identity key" },
    { config->credentials_key_handle, TPM_PURPOSE_CREDENTIALS, TPM_NV_OTHER, "key credentials" },
    { config->parent_handle, TPM_PURPOSE_FOREIGN, TPM_NV_OTHER, "storage root key of tpmidd's keys" },
    { config->serial_index, TPM_PURPOSE_FOREIGN, TPM_NV_OTHER, "serial number" },
    { config->password_index, TPM_PURPOSE_FOREIGN, TPM_NV_PASSWORDS, "passwords of the hierarchies" },
    { config->reset_index, TPM_PURPOSE_FOREIGN, TPM_NV_RESET_TOKENS, "last factory reset" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (own); i++)
    if (object->handle == own[i].handle && object->purpose == own[i].purpose && object->nv_kind == own[i].nv_kind && !object->platform_created)
      return own[i].use;
  return object->purpose == TPM_PURPOSE_DEVICE ? "identity key, but not where DeviceKeyHandle= looks for it" : NULL;
}

static const char *
find_reserved_use (guint32 handle)
{
  for (gsize i = 0; i < G_N_ELEMENTS (reserved); i++)
    if (handle >= reserved[i].first && handle <= reserved[i].last)
      return reserved[i].use;
  return "";
}

static IdentityHandle
describe (const BaseConfig *config, const TpmObject *object)
{
  const char *own = find_own_use (config, object);
  g_autofree char *name = base_hex_encode (object->name, object->name_size);
  IdentityHandle handle = {
    .handle = object->handle,
    .kind = name_kind (object->kind),
    .owner = own != NULL ? "tpmidd" : object->platform_created ? "platform" : "other",
    .use = own != NULL ? own : find_reserved_use (object->handle),
    .hierarchy = name_hierarchy (object),
    .size = object->size,
  };

  g_strlcpy (handle.name, name, sizeof handle.name);
  return handle;
}

GArray *
identity_inventory_list (TpmLink *link, const BaseConfig *config, GError **error)
{
  g_autoptr (GArray) objects = NULL;
  GArray *handles = g_array_new (FALSE, FALSE, sizeof (IdentityHandle));

  if (!tpm_inventory_list (link, &objects, error))
    {
      g_array_unref (handles);
      return NULL;
    }
  for (guint i = 0; i < objects->len; i++)
    {
      IdentityHandle handle = describe (config, &g_array_index (objects, TpmObject, i));
      g_array_append_val (handles, handle);
    }
  return handles;
}

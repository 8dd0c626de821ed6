/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * IdentityCaller:
 *
 * Who asks, as the bus (that is, the kernel) reports it. Ref-counted, immutable but for @gone, main thread.
 */
typedef struct
{
  grefcount refs;
  guint uid;
  guint *gids;        /* supplementary groups and the primary one */
  gsize n_gids;
  char *client;       /* unique bus name, ":1.42" */
  GCancellable *gone; /* cancelled when the caller leaves the bus */
} IdentityCaller;

/**
 * identity_caller_new:
 * @client: unique bus name; copied
 * @gids: (array length=n_gids) (nullable): copied
 */
IdentityCaller *identity_caller_new (const char *client, guint uid, const guint *gids, gsize n_gids);
IdentityCaller *identity_caller_ref (IdentityCaller *self);
void identity_caller_unref (IdentityCaller *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityCaller, identity_caller_unref)

typedef enum
{
  IDENTITY_RIGHT_READ,
  IDENTITY_RIGHT_SIGN,
  IDENTITY_RIGHT_DECRYPT,
  IDENTITY_RIGHT_CREATE,
  IDENTITY_RIGHT_OWN,
  IDENTITY_RIGHT_ADMIN,
} IdentityRight;

/**
 * IdentityGroups:
 *
 * The two client groups, resolved once at start. G_MAXUINT for a group that does not exist: nobody is in it.
 */
typedef struct
{
  guint sign_gid;
  guint decrypt_gid;
  const char *sign_group;    /* (nullable) the names, for messages; not owned */
  const char *decrypt_group;
} IdentityGroups;

/**
 * identity_access_resolve_groups:
 * @sign_group: kept by reference: must live as long as what is returned
 * @decrypt_group: likewise
 *
 * Looks both up in the system's group data base; may block on it, so it is called once, at start.
 */
IdentityGroups identity_access_resolve_groups (const char *sign_group, const char *decrypt_group);

/**
 * identity_access_check:
 * @owner: uid that owns the key in question; 0 where there is none (and for the device's own keys)
 * @error: TPMID_ERROR_NOT_AUTHORIZED, saying which group or uid would do
 *
 * Pure. The table of rights: read: anyone. sign: root, @owner, group sign. decrypt: root, @owner, group decrypt. create: root and
 * both groups. own: root, @owner. admin: root. Anything else is refused.
 */
gboolean identity_access_check (const IdentityCaller *caller, IdentityRight right, guint owner, const IdentityGroups *groups,
                                GError **error);

G_END_DECLS

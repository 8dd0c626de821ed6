/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-access.h"

#include "base-error.h"

#include <errno.h>
#include <grp.h>

#define GROUP_ENTRY_MAX (1024 * 1024) /* a group of many thousand members is not looked at further */

IdentityCaller *
identity_caller_new (const char *client, guint uid, const guint *gids, gsize n_gids)
{
  IdentityCaller *self = g_new0 (IdentityCaller, 1);

  g_ref_count_init (&self->refs);
  self->uid = uid;
  self->gids = g_memdup2 (gids, n_gids * sizeof *gids);
  self->n_gids = n_gids;
  self->client = g_strdup (client);
  self->gone = g_cancellable_new ();
  return self;
}

IdentityCaller *
identity_caller_ref (IdentityCaller *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
identity_caller_unref (IdentityCaller *self)
{
  if (self == NULL || !g_ref_count_dec (&self->refs))
    return;
  g_free (self->gids);
  g_free (self->client);
  g_object_unref (self->gone);
  g_free (self);
}

static guint
resolve_group (const char *name)
{
  g_autofree char *buffer = NULL;
  struct group entry;
  struct group *found = NULL;
  int result = ERANGE;

  for (gsize size = 1024; result == ERANGE && size <= GROUP_ENTRY_MAX; size *= 4)
    {
      g_free (buffer);
      buffer = g_malloc (size);
      result = getgrnam_r (name, &entry, buffer, size, &found);
    }
  return result == 0 && found != NULL ? found->gr_gid : G_MAXUINT;
}

IdentityGroups
identity_access_resolve_groups (const char *sign_group, const char *decrypt_group)
{
  return (IdentityGroups) {
    .sign_gid = resolve_group (sign_group),
    .decrypt_gid = resolve_group (decrypt_group),
    .sign_group = sign_group,
    .decrypt_group = decrypt_group,
  };
}

/* Who has each right besides root. */
static const struct
{
  const char *what;
  gboolean everybody, owner, sign_group, decrypt_group;
} rights[] = {
  [IDENTITY_RIGHT_READ] = { .what = "read", .everybody = TRUE },
  [IDENTITY_RIGHT_SIGN] = { .what = "sign with this key", .owner = TRUE, .sign_group = TRUE },
  [IDENTITY_RIGHT_DECRYPT] = { .what = "decrypt with this key", .owner = TRUE, .decrypt_group = TRUE },
  [IDENTITY_RIGHT_CREATE] = { .what = "create a key", .sign_group = TRUE, .decrypt_group = TRUE },
  [IDENTITY_RIGHT_OWN] = { .what = "change this key", .owner = TRUE },
  [IDENTITY_RIGHT_ADMIN] = { .what = "administer this device" },
};

static gboolean
is_member (const IdentityCaller *caller, guint gid)
{
  if (gid == G_MAXUINT)
    return FALSE;
  for (gsize i = 0; i < caller->n_gids; i++)
    if (caller->gids[i] == gid)
      return TRUE;
  return FALSE;
}

static void
name_group (GPtrArray *who, const char *name, guint gid)
{
  if (name != NULL)
    g_ptr_array_add (who, g_strdup_printf ("group %s%s", name, gid == G_MAXUINT ? " (which does not exist here)" : ""));
  else if (gid != G_MAXUINT)
    g_ptr_array_add (who, g_strdup_printf ("group %u", gid));
}

/* Returns: all who have the right, as "root, the key's owner (uid 7) or group tpmid-sign" */
static char *
describe (IdentityRight right, guint owner, const IdentityGroups *groups)
{
  g_autoptr (GPtrArray) who = g_ptr_array_new_with_free_func (g_free);
  GString *text = g_string_new ("root");

  if (rights[right].owner)
    g_ptr_array_add (who, g_strdup_printf ("the key's owner (uid %u)", owner));
  if (rights[right].sign_group)
    name_group (who, groups->sign_group, groups->sign_gid);
  if (rights[right].decrypt_group)
    name_group (who, groups->decrypt_group, groups->decrypt_gid);
  for (guint i = 0; i < who->len; i++)
    g_string_append_printf (text, "%s%s", i + 1 < who->len ? ", " : " or ", (const char *) who->pdata[i]);
  return g_string_free (text, FALSE);
}

gboolean
identity_access_check (const IdentityCaller *caller, IdentityRight right, guint owner, const IdentityGroups *groups,
                       GError **error)
{
  if ((guint) right >= G_N_ELEMENTS (rights))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_AUTHORIZED, "uid %u may not do this; nobody may", caller->uid);
      return FALSE;
    }
  if (caller->uid == 0 || rights[right].everybody || (rights[right].owner && caller->uid == owner)
      || (rights[right].sign_group && is_member (caller, groups->sign_gid))
      || (rights[right].decrypt_group && is_member (caller, groups->decrypt_gid)))
    return TRUE;

  g_autofree char *who = describe (right, owner, groups);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_AUTHORIZED, "uid %u may not %s; it takes %s", caller->uid,
               rights[right].what, who);
  return FALSE;
}

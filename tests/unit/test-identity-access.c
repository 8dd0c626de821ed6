/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-access.h"
#include "identity-support.h"

#include <grp.h>
#include <string.h>

enum
{
  OWNER = 1000,
  STRANGER = 1001,
  SIGN_GID = 700,
  DECRYPT_GID = 800,
};

static const IdentityGroups groups = { SIGN_GID, DECRYPT_GID, "tpmid-sign", "tpmid-decrypt" };

static gboolean
may (guint uid, guint gid, IdentityRight right, guint owner)
{
  guint gids[] = { 55, gid };
  g_autoptr (IdentityCaller) caller = identity_caller_new (":1.7", uid, gids, G_N_ELEMENTS (gids));
  g_autoptr (GError) error = NULL;
  gboolean allowed = identity_access_check (caller, right, owner, &groups, &error);

  if (allowed)
    g_assert_no_error (error);
  else
    g_assert_error (error, TPMID_ERROR, TPMID_ERROR_NOT_AUTHORIZED);
  return allowed;
}

/* The table of the contract, once more and in another form: r, o, s, d, - for root, owner, the two groups, a stranger. */
static void
test_table (void)
{
  static const struct
  {
    IdentityRight right;
    const char *who;
  } table[] = {
    { IDENTITY_RIGHT_READ, "rosd-" },    { IDENTITY_RIGHT_SIGN, "ros" },   { IDENTITY_RIGHT_DECRYPT, "rod" },
    { IDENTITY_RIGHT_CREATE, "rsd" },    { IDENTITY_RIGHT_OWN, "ro" },     { IDENTITY_RIGHT_ADMIN, "r" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      IdentityRight right = table[i].right;
      const char *who = table[i].who;

      g_assert_cmpint (may (0, 0, right, OWNER), ==, strchr (who, 'r') != NULL);
      g_assert_cmpint (may (OWNER, 56, right, OWNER), ==, strchr (who, 'o') != NULL);
      g_assert_cmpint (may (STRANGER, SIGN_GID, right, OWNER), ==, strchr (who, 's') != NULL);
      g_assert_cmpint (may (STRANGER, DECRYPT_GID, right, OWNER), ==, strchr (who, 'd') != NULL);
      g_assert_cmpint (may (STRANGER, 56, right, OWNER), ==, strchr (who, '-') != NULL);
      /* The device's own keys belong to root, and group 0 is no more than a group. */
      g_assert_cmpint (may (OWNER, 0, right, 0), ==, strchr (who, '-') != NULL);
    }
}

static void
test_unknown_right (void)
{
  g_assert_false (may (0, 0, (IdentityRight) (IDENTITY_RIGHT_ADMIN + 1), OWNER));
  g_assert_false (may (0, 0, (IdentityRight) -1, OWNER));
}

static void
test_missing_group (void)
{
  IdentityGroups missing = { G_MAXUINT, G_MAXUINT, "tpmid-sign", "tpmid-decrypt" };
  guint gids[] = { G_MAXUINT };
  g_autoptr (IdentityCaller) caller = identity_caller_new (":1.7", STRANGER, gids, 1);
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_access_check (caller, IDENTITY_RIGHT_SIGN, OWNER, &missing, &error));
  assert_refused (&error, TPMID_ERROR_NOT_AUTHORIZED, "group tpmid-sign (which does not exist here)");
  g_assert_false (identity_access_check (caller, IDENTITY_RIGHT_DECRYPT, OWNER, &missing, &error));
  assert_refused (&error, TPMID_ERROR_NOT_AUTHORIZED, "group tpmid-decrypt (which does not exist here)");
}

static void
test_sentences (void)
{
  static const struct
  {
    IdentityRight right;
    const char *sentence;
  } expected[] = {
    { IDENTITY_RIGHT_SIGN, "uid 1001 may not sign with this key; it takes root, the key's owner (uid 1000) or group tpmid-sign" },
    { IDENTITY_RIGHT_DECRYPT, "uid 1001 may not decrypt with this key; it takes root, the key's owner (uid 1000) or "
                                "group tpmid-decrypt" },
    { IDENTITY_RIGHT_CREATE, "uid 1001 may not create a key; it takes root, group tpmid-sign or group tpmid-decrypt" },
    { IDENTITY_RIGHT_OWN, "uid 1001 may not change this key; it takes root or the key's owner (uid 1000)" },
    { IDENTITY_RIGHT_ADMIN, "uid 1001 may not administer this device; it takes root" },
  };
  g_autoptr (IdentityCaller) caller = identity_caller_new (":1.7", STRANGER, NULL, 0);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      g_assert_false (identity_access_check (caller, expected[i].right, OWNER, &groups, &error));
      g_assert_cmpstr (error->message, ==, expected[i].sentence);
      g_clear_error (&error);
    }
  /* Names may be unknown. */
  IdentityGroups unnamed = { SIGN_GID, DECRYPT_GID, NULL, NULL };
  g_assert_false (identity_access_check (caller, IDENTITY_RIGHT_SIGN, OWNER, &unnamed, &error));
  assert_refused (&error, TPMID_ERROR_NOT_AUTHORIZED, "or group 700");
}

static void
test_resolve (void)
{
  struct group *entry = getgrnam ("tty");
  IdentityGroups resolved = identity_access_resolve_groups ("tty", "no-such-group-here");

  g_assert_nonnull (entry);
  g_assert_cmpuint (resolved.sign_gid, ==, entry->gr_gid);
  g_assert_cmpuint (resolved.decrypt_gid, ==, G_MAXUINT);
  g_assert_cmpstr (resolved.sign_group, ==, "tty");
  g_assert_cmpstr (resolved.decrypt_group, ==, "no-such-group-here");
}

static void
test_caller (void)
{
  guint gids[] = { 1, 2 };
  IdentityCaller *caller = identity_caller_new (":1.7", 5, gids, 2);
  GCancellable *gone = g_object_ref (caller->gone);

  gids[0] = 9;
  g_assert_cmpuint (caller->uid, ==, 5);
  g_assert_cmpuint (caller->gids[0], ==, 1);
  g_assert_cmpuint (caller->n_gids, ==, 2);
  g_assert_cmpstr (caller->client, ==, ":1.7");
  g_assert_false (g_cancellable_is_cancelled (caller->gone));
  identity_caller_unref (identity_caller_ref (caller));
  g_assert_cmpuint (G_OBJECT (gone)->ref_count, ==, 2);
  identity_caller_unref (caller);
  g_assert_cmpuint (G_OBJECT (gone)->ref_count, ==, 1);
  g_object_unref (gone);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/access/follows-the-table", test_table);
  g_test_add_func ("/identity/access/refuses-unknown-right-even-to-root", test_unknown_right);
  g_test_add_func ("/identity/access/nobody-is-in-a-group-that-does-not-exist", test_missing_group);
  g_test_add_func ("/identity/access/says-who-may", test_sentences);
  g_test_add_func ("/identity/access/resolves-groups", test_resolve);
  g_test_add_func ("/identity/access/caller-keeps-its-own-copy", test_caller);
  return g_test_run ();
}

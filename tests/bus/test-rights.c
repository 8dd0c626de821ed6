/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <string.h>

/* Who may do what, with callers of real uids and groups. */

#define NOT_AUTHORIZED "org.tpmid1.Error.NotAuthorized"
#define SIGN_ARGUMENTS "[byte 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32]", "{}"

typedef enum
{
  ROOT,
  STRANGER,
  SIGNER,
  DECRYPTER,
} Who;

static int
call_as (Testbed *t, Who who, char **ret_output, const char *path, const char *method, const char *first, const char *second)
{
  static const char *const groups[] = { "--clear-groups", "--clear-groups", "--groups=" SIGN_GROUP, "--groups=" DECRYPT_GROUP };
  const char *uid = who == ROOT ? "--reuid=root" : "--reuid=" OTHER_USER;
  const char *gid = who == ROOT ? "--regid=root" : "--regid=" OTHER_USER;

  return testbed_run (t, ret_output, "setpriv", uid, gid, groups[who], "gdbus", "call", "--address", t->address, "--dest",
                      BUS_NAME, "--object-path", path, "--method", method, first, second, NULL);
}

static void
assert_refused (Testbed *t, Who who, const char *path, const char *method, const char *first, const char *second)
{
  g_autofree char *output = NULL;

  g_assert_cmpint (call_as (t, who, &output, path, method, first, second), !=, 0);
  if (strstr (output, "org.tpmid1.Error.NotAuthorized") == NULL)
    g_error ("expected NotAuthorized, got %s", output);
}

static void
assert_allowed (Testbed *t, Who who, const char *path, const char *method, const char *first, const char *second)
{
  g_autofree char *output = NULL;

  if (call_as (t, who, &output, path, method, first, second) != 0)
    g_error ("%s", output);
}

static void
strangers_may_read (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_allowed (t, STRANGER, PATH_DEVICE, "org.tpmid1.Device.GetStatus", "{}", NULL);
  assert_allowed (t, STRANGER, PATH_DEVICE, "org.tpmid1.Device.GetSerialNumber", "{}", NULL);
  assert_allowed (t, STRANGER, PATH_KEYS, "org.tpmid1.Keys.GetKey", "device", "{}");
  assert_allowed (t, STRANGER, PATH_DEVICE, "org.freedesktop.DBus.Properties.GetAll", "org.tpmid1.Device", NULL);
  assert_allowed (t, STRANGER, PATH_DEVICE, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", NULL, NULL);
}

static void
strangers_may_not_sign_and_the_journal_says_so (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  guint64 before = testbed_get_tpm_number (t, "commands");

  assert_refused (t, STRANGER, PATH_KEY, "org.tpmid1.Key.Sign", SIGN_ARGUMENTS);
  testbed_wait_for_log (t, "<5>*refused*TPMID_OPERATION=org.tpmid1.Key.Sign*TPMID_KEY=device*TPMID_SENDER=:*TPMID_UID=9]*"
                           "TPMID_ERROR=org.tpmid1.Error.NotAuthorized*");
  assert_refused (t, STRANGER, PATH_KEY, "org.tpmid1.Key.CreateCsr", "/CN=x", "{}");
  assert_refused (t, DECRYPTER, PATH_KEY, "org.tpmid1.Key.Sign", SIGN_ARGUMENTS);
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);
}

static void
members_of_the_group_may_sign_and_the_journal_says_so (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_allowed (t, SIGNER, PATH_KEY, "org.tpmid1.Key.Sign", SIGN_ARGUMENTS);
  testbed_wait_for_log (t, "<6>*TPMID_OPERATION=org.tpmid1.Key.Sign*TPMID_KEY=device*TPMID_SENDER=:*TPMID_UID=9]*");
  assert_allowed (t, SIGNER, PATH_KEY, "org.tpmid1.Key.CreateCsr", "/CN=x", "{}");
}

/* --- decryption and new keys, for callers that stay connected --- */

/* Nothing decrypts to it; who may ask hears that. */
static GVariant *
decrypt_parameters (void)
{
  static const guint8 block[256];

  return bytes_parameters (block, sizeof block, NULL);
}

static GVariant *
create_parameters (const char *name, const char *options)
{
  g_autoptr (GVariant) dict = g_variant_parse (G_VARIANT_TYPE_VARDICT, options, NULL, NULL, NULL);

  g_assert_nonnull (dict);
  return g_variant_new ("(s@a{sv})", name, dict);
}

static void
boot_with_credentials (Testbed *t)
{
  testbed_start_tpm (t);
  testbed_start_daemon (t, "Credentials=auto", NULL);
  testbed_wait_for (t, "State", "ready");
  testbed_wait_for_key (t, PATH_CREDENTIALS, "usable");
}

static void
one_group_decrypts_and_the_journal_says_so (Testbed *t, gconstpointer data)
{
  const char *const decrypt = "org.tpmid1.Key.Decrypt";
  GDBusConnection *stranger = testbed_connect_as (t, OTHER_USER, OTHER_USER);
  GDBusConnection *signer = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);
  GDBusConnection *decrypter = testbed_connect_as (t, OTHER_USER, DECRYPT_GROUP);

  boot_with_credentials (t);
  guint64 before = testbed_get_tpm_number (t, "commands");
  assert_fails_from (stranger, PATH_CREDENTIALS, decrypt, decrypt_parameters (), NOT_AUTHORIZED);
  assert_fails_from (signer, PATH_CREDENTIALS, decrypt, decrypt_parameters (), NOT_AUTHORIZED);
  testbed_wait_for_log (t, "<5>Decrypt with key credentials refused*TPMID_OPERATION=org.tpmid1.Key.Decrypt*TPMID_KEY=credentials*"
                           "TPMID_SENDER=:*TPMID_UID=9]*TPMID_ERROR=org.tpmid1.Error.NotAuthorized*");
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);

  assert_fails_from (decrypter, PATH_CREDENTIALS, decrypt, decrypt_parameters (), "org.tpmid1.Error.DecryptFailed");
  testbed_wait_for_log (t, "<6>Decrypt with key credentials failed*TPMID_KEY=credentials*TPMID_UID=9]*"
                           "TPMID_ERROR=org.tpmid1.Error.DecryptFailed*");
  testbed_disconnect (decrypter);
  testbed_disconnect (signer);
  testbed_disconnect (stranger);
}

static void
both_groups_make_keys_and_nobody_else_does (Testbed *t, gconstpointer data)
{
  const char *const create = "org.tpmid1.Keys.CreateKey";
  GDBusConnection *stranger = testbed_connect_as (t, OTHER_USER, OTHER_USER);
  GDBusConnection *signer = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);
  GDBusConnection *decrypter = testbed_connect_as (t, OTHER_USER, DECRYPT_GROUP);

  testbed_boot (t);
  assert_fails_from (stranger, PATH_KEYS, create, create_parameters ("app", "{}"), NOT_AUTHORIZED);
  testbed_wait_for_log (t, "<5>CreateKey with key app refused*TPMID_OPERATION=org.tpmid1.Keys.CreateKey*TPMID_KEY=app*TPMID_UID=9]*"
                           "TPMID_ERROR=org.tpmid1.Error.NotAuthorized*");
  testbed_assert_fails (t, PATH_KEYS, "org.tpmid1.Keys.GetKey", g_variant_new ("(sa{sv})", "app", NULL), "org.tpmid1.Error.NotFound");
  g_variant_unref (try_from (signer, PATH_KEYS, create, create_parameters ("app", "{}"), NULL));
  testbed_wait_for_log (t, "<6>CreateKey with key app done*TPMID_KEY=app*TPMID_UID=9]*");
  g_variant_unref (try_from (decrypter, PATH_KEYS, create, create_parameters ("other", "{}"), NULL));
  testbed_wait_for_key (t, PATH_KEYS "/app", "usable");
  testbed_wait_for_log (t, "<5>key app (ecc-p256) is there*TPMID_KEY=app*TPMID_UID=9]*");
  testbed_wait_for_key (t, PATH_KEYS "/other", "usable");
  testbed_disconnect (decrypter);
  testbed_disconnect (signer);
  testbed_disconnect (stranger);
}

/* The groups are asked when a key is made; its owner needs none. */
static void
an_owner_uses_its_key_and_others_do_not (Testbed *t, gconstpointer data)
{
  const char *const create = "org.tpmid1.Keys.CreateKey";
  GDBusConnection *maker = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);
  GDBusConnection *owner = testbed_connect_as (t, OTHER_USER, OTHER_USER);
  GDBusConnection *stranger = testbed_connect_as (t, "nobody", "nogroup");

  testbed_boot (t);
  g_variant_unref (try_from (maker, PATH_KEYS, create, create_parameters ("rsa", "{'algorithm': <'rsa-2048'>}"), NULL));
  g_variant_unref (try_from (maker, PATH_KEYS, create, create_parameters ("ec", "{}"), NULL));
  testbed_wait_for_key (t, PATH_KEYS "/rsa", "usable");
  testbed_wait_for_key (t, PATH_KEYS "/ec", "usable");
  assert_fails_from (owner, PATH_KEYS "/rsa", "org.tpmid1.Key.Decrypt", decrypt_parameters (), "org.tpmid1.Error.DecryptFailed");
  assert_fails_from (stranger, PATH_KEYS "/rsa", "org.tpmid1.Key.Decrypt", decrypt_parameters (), NOT_AUTHORIZED);

  g_autoptr (GVariant) signature = try_from (owner, PATH_KEYS "/ec", "org.tpmid1.Key.SignMessage", sign_parameters (4, 1, NULL), NULL);
  g_assert_nonnull (signature);
  testbed_wait_for_log (t, "<6>SignMessage with key ec done*TPMID_OPERATION=org.tpmid1.Key.SignMessage*TPMID_KEY=ec*TPMID_UID=9]*");
  assert_fails_from (stranger, PATH_KEYS "/ec", "org.tpmid1.Key.SignMessage", sign_parameters (4, 1, NULL), NOT_AUTHORIZED);
  assert_fails_from (stranger, PATH_KEYS "/ec", "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL), NOT_AUTHORIZED);
  assert_fails_from (owner, PATH_KEY, "org.tpmid1.Key.SignMessage", sign_parameters (4, 1, NULL), NOT_AUTHORIZED);
  testbed_disconnect (stranger);
  testbed_disconnect (owner);
  testbed_disconnect (maker);
}

static void
only_root_may_set_the_serial_number (Testbed *t, gconstpointer data)
{
  const char *const set = "org.tpmid1.Device.SetSerialNumber";

  testbed_boot (t);
  assert_refused (t, STRANGER, PATH_DEVICE, set, "SN-0001", "{}");
  assert_refused (t, SIGNER, PATH_DEVICE, set, "SN-0001", "{}");
  assert_allowed (t, ROOT, PATH_DEVICE, set, "SN-0001", "{}");
  assert_refused (t, SIGNER, PATH_DEVICE, set, "SN-0002", "{}");
}

static void
only_the_daemons_user_may_own_the_name (Testbed *t, gconstpointer data)
{
  static const char *const users[] = { "root", OTHER_USER, DAEMON_USER };

  for (guint i = 0; i < G_N_ELEMENTS (users); i++)
    {
      g_autofree char *uid = g_strdup_printf ("--reuid=%s", users[i]);
      g_autofree char *output = NULL;
      int status = testbed_run (t, &output, "setpriv", uid, "--regid=nogroup", "--clear-groups", "gdbus", "call", "--address",
                                t->address, "--dest", "org.freedesktop.DBus", "--object-path", "/", "--method",
                                "org.freedesktop.DBus.RequestName", BUS_NAME, "4", NULL);
      if (g_str_equal (users[i], DAEMON_USER))
        g_assert_cmpint (status, ==, 0);
      else
        g_assert_nonnull (strstr (output, "org.freedesktop.DBus.Error.AccessDenied"));
    }
}

/* Interfaces that the policy does not name do not even reach the daemon. */
static void
the_bus_lets_nothing_else_through (Testbed *t, gconstpointer data)
{
  g_autofree char *output = NULL;

  testbed_boot (t);
  g_assert_cmpint (call_as (t, STRANGER, &output, PATH_DEVICE, "org.tpmid1.Secret.Give", NULL, NULL), !=, 0);
  g_assert_nonnull (strstr (output, "org.freedesktop.DBus.Error.AccessDenied"));
}

#define ADD(name, function) g_test_add ("/bus/rights/" name, Testbed, &setup, testbed_set_up, function, testbed_tear_down)

int
main (int argc, char **argv)
{
  Setup setup = { NULL, NULL };

  g_test_init (&argc, &argv, NULL);
  if (!setup_init (&setup, argc, argv))
    return 2;
  ADD ("strangers-may-read", strangers_may_read);
  ADD ("strangers-may-not-sign-and-the-journal-says-so", strangers_may_not_sign_and_the_journal_says_so);
  ADD ("members-of-the-group-may-sign-and-the-journal-says-so", members_of_the_group_may_sign_and_the_journal_says_so);
  ADD ("one-group-decrypts-and-the-journal-says-so", one_group_decrypts_and_the_journal_says_so);
  ADD ("both-groups-make-keys-and-nobody-else-does", both_groups_make_keys_and_nobody_else_does);
  ADD ("an-owner-uses-its-key-and-others-do-not", an_owner_uses_its_key_and_others_do_not);
  ADD ("only-root-may-set-the-serial-number", only_root_may_set_the_serial_number);
  ADD ("only-the-daemons-user-may-own-the-name", only_the_daemons_user_may_own_the_name);
  ADD ("the-bus-lets-nothing-else-through", the_bus_lets_nothing_else_through);
  int status = g_test_run ();
  setup_clear (&setup);
  return status;
}

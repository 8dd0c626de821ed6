/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <pwd.h>
#include <string.h>

/* Keys that applications ask for. */

#define CREATE "org.tpmid1.Keys.CreateKey"
#define INVALID "org.tpmid1.Error.InvalidArgument"
#define EXISTS "org.tpmid1.Error.Exists"
#define QUOTA "org.tpmid1.Error.QuotaExceeded"
#define RSA "{'algorithm': <'rsa-2048'>}"

static GVariant *
create_parameters (const char *name, const char *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) dict = g_variant_parse (G_VARIANT_TYPE_VARDICT, options != NULL ? options : "{}", NULL, NULL, &error);

  g_assert_no_error (error);
  return g_variant_new ("(s@a{sv})", name, dict);
}

/* Returns: (transfer full): the key's path */
static char *
create (GDBusConnection *client, const char *name, const char *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = try_from (client, PATH_KEYS, CREATE, create_parameters (name, options), &error);
  char *path;

  g_assert_no_error (error);
  g_variant_get (reply, "(o)", &path);
  return path;
}

static void
assert_not_created (GDBusConnection *client, const char *name, const char *options, const char *error)
{
  assert_fails_from (client, PATH_KEYS, CREATE, create_parameters (name, options), error);
}

static void
assert_created (Testbed *t, GDBusConnection *client, const char *name, const char *options)
{
  g_autofree char *path = create (client, name, options);

  testbed_wait_for_key (t, path, "usable");
}

static void
assert_property (Testbed *t, const char *path, const char *name, const char *value)
{
  g_autoptr (GVariant) property = testbed_get_key_property (t, path, name);

  g_assert_cmpstr (g_variant_get_string (property, NULL), ==, value);
}

static guint
get_owner (Testbed *t, const char *path)
{
  g_autoptr (GVariant) owner = testbed_get_key_property (t, path, "Owner");

  return g_variant_get_uint32 (owner);
}

static guint
count_keys (Testbed *t)
{
  g_autoptr (GVariant) reply = testbed_call (t, PATH_KEYS, "org.tpmid1.Keys.ListKeys", g_variant_new ("(a{sv})", NULL));
  g_autoptr (GVariant) paths = g_variant_get_child_value (reply, 0);

  return (guint) g_variant_n_children (paths);
}

static guint
other_uid (void)
{
  return getpwnam (OTHER_USER)->pw_uid;
}

/* openssl's own round trip: what it encrypts with the key's PublicKey comes back. */
static void
assert_decrypts (Testbed *t, GDBusConnection *client, const char *path)
{
  g_autoptr (GVariant) public_key = testbed_get_key_property (t, path, "PublicKey");
  g_autofree char *output = NULL;

  g_free (testbed_write_file (t, "public", g_variant_get_data (public_key), g_variant_get_size (public_key)));
  int status = testbed_run (t, &output, "sh", "-c", "cd \"$0\" && printf secret | openssl pkeyutl -encrypt -pubin -keyform DER -inkey "
                            "public -out cipher -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256", t->folder, NULL);
  if (status != 0)
    g_error ("openssl: %s", output);
  g_autofree char *cipher_path = g_build_filename (t->folder, "cipher", NULL);
  g_autofree char *cipher = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;
  g_assert_true (g_file_get_contents (cipher_path, &cipher, &size, NULL));
  g_autoptr (GVariant) reply = try_from (client, path, "org.tpmid1.Key.Decrypt", bytes_parameters (cipher, size, NULL), &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) bytes = reply_bytes (reply);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "secret", 6);
}

/* --- making --- */

static void
a_key_is_made_while_its_caller_goes_on (Testbed *t, gconstpointer data)
{
  const char *const path = PATH_KEYS "/app_2ersa";
  g_autoptr (GPtrArray) signals = g_ptr_array_new_with_free_func (g_free);

  testbed_boot (t);
  guint id = testbed_listen (t, signals);
  testbed_pause_tpm (t, TRUE);
  g_autofree char *created = create (t->bus, "app.rsa", RSA);
  g_assert_cmpstr (created, ==, path);
  assert_property (t, path, "State", "creating");
  assert_property (t, path, "Problem", "");
  assert_property (t, path, "Algorithm", "rsa-2048");
  assert_property (t, path, "Usage", "decrypt");
  wait_for_signal (signals, "InterfacesAdded (objectpath '/org/tpmid1/keys/app_2ersa'*'State': <'creating'>*");
  testbed_assert_fails (t, path, "org.tpmid1.Key.Decrypt", bytes_parameters ("", 0, NULL), "org.tpmid1.Error.NotReady");
  g_autofree char *again = create (t->bus, "app.rsa", RSA);
  g_assert_cmpstr (again, ==, path);
  g_assert_cmpuint (count_keys (t), ==, 2);

  testbed_pause_tpm (t, FALSE);
  wait_for_signal (signals, "PropertiesChanged ('org.tpmid1.Key'*'State': <'usable'>*");
  assert_property (t, path, "State", "usable");
  assert_decrypts (t, t->bus, path);
  g_autofree char *once_more = create (t->bus, "app.rsa", "{'usage': <'decrypt'>, 'algorithm': <'rsa-2048'>}");
  g_assert_cmpstr (once_more, ==, path);
  assert_property (t, path, "State", "usable");
  g_dbus_connection_signal_unsubscribe (t->bus, id);
}

static void
assert_signs_with (Testbed *t, const char *path, const char *hash, const char *options)
{
  g_autoptr (GVariant) public_key = testbed_get_key_property (t, path, "PublicKey");
  g_autoptr (GVariant) reply = testbed_call (t, path, "org.tpmid1.Key.SignMessage", bytes_parameters ("text", 4, options));
  g_autoptr (GBytes) signature = reply_bytes (reply);
  g_autofree char *output = NULL;
  g_autofree char *digest = g_strdup_printf ("-%s", hash);

  g_free (testbed_write_file (t, "text", "text", 4));
  g_free (testbed_write_file (t, "sig", g_bytes_get_data (signature, NULL), g_bytes_get_size (signature)));
  g_autofree char *public_path
      = testbed_write_file (t, "public", g_variant_get_data (public_key), g_variant_get_size (public_key));
  int status = testbed_run (t, &output, "sh", "-c", "cd \"$0\" && openssl dgst \"$1\" -keyform DER -verify public -signature sig text",
                            t->folder, digest, NULL);
  if (status != 0)
    g_error ("openssl: %s", output);
}

static void
each_algorithm_makes_a_key_that_works (Testbed *t, gconstpointer data)
{
  GDBusConnection *other = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);

  testbed_boot (t);
  assert_created (t, t->bus, "p256", NULL);
  assert_created (t, t->bus, "p384", "{'algorithm': <'ecc-p384'>, 'usage': <'sign'>}");
  assert_created (t, other, "rsa", RSA);
  assert_property (t, PATH_KEYS "/p256", "Algorithm", "ecc-p256");
  assert_property (t, PATH_KEYS "/p256", "Usage", "sign");
  assert_property (t, PATH_KEYS "/p384", "Algorithm", "ecc-p384");
  assert_property (t, PATH_KEYS "/rsa", "Usage", "decrypt");
  g_assert_cmpuint (get_owner (t, PATH_KEYS "/p256"), ==, 0);
  g_assert_cmpuint (get_owner (t, PATH_KEYS "/rsa"), ==, other_uid ());
  assert_signs_with (t, PATH_KEYS "/p256", "sha256", NULL);
  assert_signs_with (t, PATH_KEYS "/p384", "sha384", "{'hash': <'sha384'>}");
  assert_decrypts (t, other, PATH_KEYS "/rsa");

  g_autoptr (GVariant) reference = testbed_get_key_property (t, PATH_KEYS "/rsa", "Reference");
  g_autoptr (GVariant) found
      = testbed_call (t, PATH_KEYS, "org.tpmid1.Keys.FindKey", g_variant_new ("(@aya{sv})", reference, NULL));
  g_autofree char *text = g_variant_print (found, FALSE);
  g_assert_cmpstr (text, ==, "('/org/tpmid1/keys/rsa',)");
  testbed_disconnect (other);
}

static void
keys_without_a_tpm_are_made_in_software (Testbed *t, gconstpointer data)
{
  testbed_start_daemon (t, "Tpm=off", NULL);
  testbed_wait_for (t, "Mode", "software");
  assert_created (t, t->bus, "p384", "{'algorithm': <'ecc-p384'>}");
  assert_created (t, t->bus, "rsa", RSA);
  assert_signs_with (t, PATH_KEYS "/p384", "sha384", "{'hash': <'sha384'>}");
  assert_decrypts (t, t->bus, PATH_KEYS "/rsa");
  testbed_stop_daemon (t);
  testbed_start_daemon (t, "Tpm=off", NULL);
  testbed_wait_for (t, "Mode", "software");
  assert_decrypts (t, t->bus, PATH_KEYS "/rsa");
}

/* --- asked for once more, or by somebody else --- */

static void
a_name_that_is_taken_is_refused (Testbed *t, gconstpointer data)
{
  static const char *const reserved[] = { "device", "credentials", "attestation" };
  GDBusConnection *other = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);

  testbed_boot (t);
  assert_created (t, t->bus, "ec", NULL);
  assert_not_created (t->bus, "ec", "{'algorithm': <'ecc-p384'>}", EXISTS);
  assert_not_created (t->bus, "ec", RSA, EXISTS);
  assert_not_created (other, "ec", NULL, EXISTS);
  assert_created (t, other, "own", NULL);
  assert_not_created (t->bus, "own", NULL, EXISTS);
  for (guint i = 0; i < G_N_ELEMENTS (reserved); i++)
    {
      assert_not_created (t->bus, reserved[i], NULL, INVALID);
      assert_not_created (other, reserved[i], RSA, INVALID);
    }
  g_assert_cmpuint (count_keys (t), ==, 3);
  testbed_disconnect (other);
}

static void
names_and_options_that_cannot_be_used_are_refused (Testbed *t, gconstpointer data)
{
  static const char *const names[] = { "", "App", ".app", "-app", "_app", "a b", "../app", "a/b", "schlüssel", "a\n" };
  static const char *const options[] = {
    "{'algorithm': <'rsa-1024'>}", "{'algorithm': <''>}", "{'algorithm': <2048>}", "{'usage': <'eat'>}", "{'usage': <true>}",
    "{'usages': <'sign'>}",        "{'owner': <uint32 0>}",
  };
  g_autofree char *longest = g_strnfill (64, 'x');
  g_autofree char *too_long = g_strnfill (65, 'x');

  testbed_boot (t);
  guint64 before = testbed_get_tpm_number (t, "commands");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    assert_not_created (t->bus, names[i], NULL, INVALID);
  assert_not_created (t->bus, too_long, NULL, INVALID);
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    assert_not_created (t->bus, "app", options[i], INVALID);
  assert_not_created (t->bus, "app", "{'algorithm': <'rsa-2048'>, 'usage': <'sign'>}", "org.tpmid1.Error.UnsupportedAlgorithm");
  assert_not_created (t->bus, "app", "{'usage': <'decrypt'>}", "org.tpmid1.Error.UnsupportedAlgorithm");
  g_assert_cmpuint (count_keys (t), ==, 1);
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);
  assert_created (t, t->bus, longest, NULL);
}

static void
a_user_has_so_many_keys_and_no_more (Testbed *t, gconstpointer data)
{
  GDBusConnection *other = testbed_connect_as (t, OTHER_USER, DECRYPT_GROUP);
  GDBusConnection *third = testbed_connect_as (t, "games", SIGN_GROUP);

  testbed_start_tpm (t);
  testbed_start_daemon (t, "KeysPerUser=2", NULL);
  testbed_wait_for (t, "State", "ready");
  assert_created (t, other, "one", NULL);
  /* What is being made counts. */
  testbed_pause_tpm (t, TRUE);
  g_autofree char *two = create (other, "two", NULL);
  assert_not_created (other, "three", NULL, QUOTA);
  testbed_pause_tpm (t, FALSE);
  testbed_wait_for_key (t, two, "usable");
  assert_not_created (other, "three", NULL, QUOTA);
  assert_created (t, other, "one", NULL);

  assert_created (t, third, "three", NULL);
  assert_created (t, t->bus, "r1", NULL);
  assert_created (t, t->bus, "r2", NULL);
  assert_created (t, t->bus, "r3", NULL);
  testbed_stop_daemon (t);
  testbed_start_daemon (t, "KeysPerUser=2", NULL);
  testbed_wait_for (t, "State", "ready");
  assert_not_created (other, "four", NULL, QUOTA);
  testbed_disconnect (third);
  testbed_disconnect (other);
}

/* Both calls are under way before one of them is answered. */
static void
create_at_once (GDBusConnection *clients[2], const char *name, TestbedAnswer answers[2])
{
  for (guint i = 0; i < 2; i++)
    g_dbus_connection_call (clients[i], BUS_NAME, PATH_KEYS, "org.tpmid1.Keys", "CreateKey", create_parameters (name, NULL), NULL, 0,
                            LIMIT_MS, NULL, testbed_on_answer, &answers[i]);
  for (guint i = 0; i < 2; i++)
    wait_until (testbed_is_answered, &answers[i]);
}

static char *
key_files (Testbed *t)
{
  char *output = NULL;

  g_assert_cmpint (testbed_run (t, &output, "sh", "-c", "cd \"$0\"/persist/tpmidd/keys && stat -c '%n %a' *", t->folder, NULL), ==, 0);
  return output;
}

static void
two_who_ask_at_the_same_moment_get_the_same_key (Testbed *t, gconstpointer data)
{
  GDBusConnection *clients[2] = { testbed_connect (t), testbed_connect (t) };
  TestbedAnswer answers[2] = { { FALSE, NULL, NULL } };

  testbed_boot (t);
  create_at_once (clients, "shared", answers);
  for (guint i = 0; i < 2; i++)
    {
      const char *path;
      g_assert_no_error (answers[i].error);
      g_variant_get (answers[i].reply, "(&o)", &path);
      g_assert_cmpstr (path, ==, PATH_KEYS "/shared");
      testbed_answer_clear (&answers[i]);
      testbed_disconnect (clients[i]);
    }
  testbed_wait_for_key (t, PATH_KEYS "/shared", "usable");
  g_autoptr (GVariant) before = testbed_get_key_property (t, PATH_KEYS "/shared", "Reference");
  assert_created (t, t->bus, "later", NULL);
  /* A second key of that name would have been made by now, as the jobs have an order. */
  g_autoptr (GVariant) after = testbed_get_key_property (t, PATH_KEYS "/shared", "Reference");
  g_assert_true (g_variant_equal (before, after));
  g_assert_cmpuint (count_keys (t), ==, 3);
  g_autofree char *files = key_files (t);
  g_assert_cmpstr (files, ==, "later.pem 600\nshared.pem 600\n");
}

static void
of_two_users_who_ask_for_one_name_one_gets_it (Testbed *t, gconstpointer data)
{
  GDBusConnection *clients[2] = { testbed_connect_as (t, OTHER_USER, SIGN_GROUP), testbed_connect_as (t, "games", SIGN_GROUP) };
  const guint uids[2] = { other_uid (), getpwnam ("games")->pw_uid };
  TestbedAnswer answers[2] = { { FALSE, NULL, NULL } };

  testbed_boot (t);
  create_at_once (clients, "mine", answers);
  guint winner = answers[0].error == NULL ? 0 : 1;
  g_assert_no_error (answers[winner].error);
  assert_remote_error (answers[1 - winner].error, EXISTS);
  testbed_wait_for_key (t, PATH_KEYS "/mine", "usable");
  g_assert_cmpuint (get_owner (t, PATH_KEYS "/mine"), ==, uids[winner]);
  for (guint i = 0; i < 2; i++)
    {
      testbed_answer_clear (&answers[i]);
      testbed_disconnect (clients[i]);
    }
}

/* --- later --- */

static void
keys_are_there_again_after_a_restart (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_created (t, t->bus, "ec", NULL);
  assert_created (t, t->bus, "rsa", RSA);
  g_autoptr (GVariant) before = testbed_get_key_property (t, PATH_KEYS "/rsa", "Reference");
  testbed_stop_daemon (t);
  testbed_start_daemon (t, NULL);
  testbed_wait_for (t, "State", "ready");
  g_autoptr (GVariant) after = testbed_get_key_property (t, PATH_KEYS "/rsa", "Reference");

  g_assert_true (g_variant_equal (before, after));
  assert_decrypts (t, t->bus, PATH_KEYS "/rsa");
  assert_signs_with (t, PATH_KEYS "/ec", "sha256", NULL);
  g_autofree char *path = create (t->bus, "rsa", RSA);
  assert_property (t, path, "State", "usable");
  assert_not_created (t->bus, "rsa", NULL, EXISTS);
}

static void
a_key_whose_file_cannot_be_written_says_so_and_is_made_when_asked_again (Testbed *t, gconstpointer data)
{
  const char *const path = PATH_KEYS "/app";
  g_autofree char *in_the_way = g_build_filename (t->folder, "persist/tpmidd/keys", NULL);

  testbed_boot (t);
  g_free (testbed_write_file (t, "persist/tpmidd/keys", "", 0));
  g_autofree char *created = create (t->bus, "app", NULL);
  testbed_wait_for_key (t, path, "failed");
  g_autoptr (GVariant) problem = testbed_get_key_property (t, path, "Problem");
  g_assert_nonnull (strstr (g_variant_get_string (problem, NULL), "keys"));
  testbed_wait_for_log (t, "<4>key app could not be made:*TPMID_KEY=app*");
  testbed_assert_fails (t, path, "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL), "org.tpmid1.Error.Storage");

  g_assert_cmpint (testbed_run (t, NULL, "rm", in_the_way, NULL), ==, 0);
  assert_created (t, t->bus, "app", NULL);
  assert_property (t, path, "Problem", "");
  assert_signs_with (t, path, "sha256", NULL);
}

/* --- what is in the way --- */

static char *
look_at_key_files (Testbed *t)
{
  char *output = NULL;

  int status = testbed_run (t, &output, "sh", "-c", "cd \"$0\"/persist/tpmidd && "
                            "find keys -mindepth 1 -printf '%p %y %l %i %s %m %T@\\n' | sort && "
                            "find keys -type f -exec sha256sum {} + | sort", t->folder, NULL);

  g_assert_cmpint (status, ==, 0);
  return output;
}

static void
run_in_keys (Testbed *t, const char *script)
{
  g_autofree char *command = g_strconcat ("cd \"$0\"/persist/tpmidd/keys && ", script, NULL);
  g_autofree char *output = NULL;

  if (testbed_run (t, &output, "sh", "-c", command, t->folder, NULL) != 0)
    g_error ("%s: %s", command, output);
}

static void
assert_refuses_to_replace (Testbed *t, GDBusConnection *client, const char *name, const char *options)
{
  g_autofree char *before = look_at_key_files (t);
  g_autofree char *path = create (client, name, options);

  testbed_wait_for_key (t, path, "failed");
  assert_property (t, path, "ProblemError", EXISTS);
  g_autoptr (GVariant) problem = testbed_get_key_property (t, path, "Problem");
  g_assert_nonnull (strstr (g_variant_get_string (problem, NULL), "persist/tpmidd/keys/"));
  g_autofree char *after = look_at_key_files (t);
  g_assert_cmpstr (before, ==, after);
}

/* What tpmidd cannot read may be somebody's key, and is there once. */
static void
what_lies_in_a_keys_place_is_never_replaced (Testbed *t, gconstpointer data)
{
  static const char *const names[] = { "head", "link", "nowhere", "folder", "empty", "large" };
  GDBusConnection *other = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);

  testbed_boot (t);
  assert_created (t, t->bus, "head", NULL);
  assert_created (t, t->bus, "real", NULL);
  testbed_stop_daemon (t);
  run_in_keys (t, "sed -i 's/^Owner: 0$/Owner: 0x/' head.pem && grep -q '^Owner: 0x$' head.pem && "
                  "chown --reference=real.pem head.pem && ln -s real.pem link.pem && ln -s nothing nowhere.pem && mkdir folder.pem && "
                  ": >empty.pem && head -c 20000 /dev/zero >large.pem");
  testbed_start_daemon (t, NULL);
  testbed_wait_for (t, "State", "degraded");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      assert_refuses_to_replace (t, t->bus, names[i], NULL);
      assert_refuses_to_replace (t, other, names[i], NULL);
      assert_refuses_to_replace (t, other, names[i], RSA);
    }
  assert_signs_with (t, PATH_KEYS "/real", "sha256", NULL);
  /* What is moved away is in nobody's way. */
  run_in_keys (t, "mv head.pem head.txt");
  assert_created (t, t->bus, "head", NULL);
  testbed_disconnect (other);
}

static void
keys_that_failed_count_and_hold_no_name (Testbed *t, gconstpointer data)
{
  GDBusConnection *other = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);
  GDBusConnection *third = testbed_connect_as (t, "games", SIGN_GROUP);
  static const char *const names[] = { "a", "b" };

  testbed_start_tpm (t);
  testbed_start_daemon (t, "KeysPerUser=2", NULL);
  testbed_wait_for (t, "State", "ready");
  g_autofree char *in_the_way = testbed_write_file (t, "persist/tpmidd/keys", "", 0);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = create (other, names[i], NULL);
      testbed_wait_for_key (t, path, "failed");
    }
  assert_not_created (other, "c", NULL, QUOTA);
  g_assert_cmpuint (count_keys (t), ==, 3);

  g_assert_cmpint (testbed_run (t, NULL, "rm", in_the_way, NULL), ==, 0);
  assert_not_created (other, "c", NULL, QUOTA);
  assert_created (t, third, "a", RSA);
  g_assert_cmpuint (get_owner (t, PATH_KEYS "/a"), ==, getpwnam ("games")->pw_uid);
  assert_not_created (other, "a", NULL, EXISTS);
  /* The one that it still has is tried again, and another one has its place. */
  assert_created (t, other, "b", NULL);
  assert_created (t, other, "c", NULL);
  assert_not_created (other, "d", NULL, QUOTA);
  testbed_disconnect (third);
  testbed_disconnect (other);
}

/* --- decided anew --- */

static gboolean
signs_again (gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = testbed_try (data, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL), &error);

  if (reply == NULL)
    assert_remote_error (error, "org.tpmid1.Error.TpmUnavailable");
  return reply != NULL;
}

static gboolean
is_idle (gpointer data)
{
  g_autoptr (GVariant) reply = testbed_call (data, PATH_DEVICE, "org.tpmid1.Device.GetStatus", g_variant_new ("(a{sv})", NULL));
  g_autofree char *text = g_variant_print (reply, FALSE);

  return strstr (text, "'running': <''>") != NULL && testbed_get_tpm_number (data, "waiting") == 0;
}

static void
a_tpm_that_comes_back_finds_all_keys_again (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_created (t, t->bus, "ec", NULL);
  assert_created (t, t->bus, "rsa", RSA);
  for (guint round = 0; round < 3; round++)
    {
      g_autofree char *name = g_strdup_printf ("meanwhile.%u", round);
      testbed_kill_tpm (t);
      g_assert_false (signs_again (t));
      testbed_start_tpm (t);
      wait_until (signs_again, t);
      /* While the device is decided anew. */
      g_autofree char *path = create (t->bus, name, NULL);
      testbed_wait_for_key (t, path, "usable");
      wait_until (is_idle, t);
      g_assert_cmpuint (testbed_get_tpm_number (t, "reopened"), ==, round + 1);
      g_assert_cmpuint (count_keys (t), ==, 4 + round);
      g_autofree char *before = look_at_key_files (t);
      assert_created (t, t->bus, "ec", NULL);
      assert_created (t, t->bus, "rsa", RSA);
      assert_created (t, t->bus, name, NULL);
      g_autofree char *after = look_at_key_files (t);
      g_assert_cmpstr (before, ==, after);
      assert_signs_with (t, path, "sha256", NULL);
    }
  assert_decrypts (t, t->bus, PATH_KEYS "/rsa");
}

#define ADD(name, function) g_test_add ("/bus/keys/" name, Testbed, &setup, testbed_set_up, function, testbed_tear_down)

int
main (int argc, char **argv)
{
  Setup setup = { NULL, NULL };

  g_test_init (&argc, &argv, NULL);
  if (!setup_init (&setup, argc, argv))
    return 2;
  ADD ("a-key-is-made-while-its-caller-goes-on", a_key_is_made_while_its_caller_goes_on);
  ADD ("each-algorithm-makes-a-key-that-works", each_algorithm_makes_a_key_that_works);
  ADD ("keys-without-a-tpm-are-made-in-software", keys_without_a_tpm_are_made_in_software);
  ADD ("a-name-that-is-taken-is-refused", a_name_that_is_taken_is_refused);
  ADD ("names-and-options-that-cannot-be-used-are-refused", names_and_options_that_cannot_be_used_are_refused);
  ADD ("a-user-has-so-many-keys-and-no-more", a_user_has_so_many_keys_and_no_more);
  ADD ("two-who-ask-at-the-same-moment-get-the-same-key", two_who_ask_at_the_same_moment_get_the_same_key);
  ADD ("of-two-users-who-ask-for-one-name-one-gets-it", of_two_users_who_ask_for_one_name_one_gets_it);
  ADD ("keys-are-there-again-after-a-restart", keys_are_there_again_after_a_restart);
  ADD ("a-key-whose-file-cannot-be-written-says-so-and-is-made-when-asked-again",
       a_key_whose_file_cannot_be_written_says_so_and_is_made_when_asked_again);
  ADD ("what-lies-in-a-keys-place-is-never-replaced", what_lies_in_a_keys_place_is_never_replaced);
  ADD ("keys-that-failed-count-and-hold-no-name", keys_that_failed_count_and_hold_no_name);
  ADD ("a-tpm-that-comes-back-finds-all-keys-again", a_tpm_that_comes_back_finds_all_keys_again);
  int status = g_test_run ();
  setup_clear (&setup);
  return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <string.h>

/* What the key "credentials" decrypts, and what it says to everything else. */

#define DECRYPT "org.tpmid1.Key.Decrypt"
#define INVALID "org.tpmid1.Error.InvalidArgument"
#define FAILED "org.tpmid1.Error.DecryptFailed"
#define RATE_LIMITED "org.tpmid1.Error.RateLimited"

#define PLAIN "secret\0\xff\n"
#define PLAIN_SIZE (sizeof PLAIN - 1)
#define BLOCK_SIZE 256
#define CIPHERTEXT_MAX (256 * 1024)
#define FREE_FAILURES 10

/* Plain openssl; $0 is the device's folder, with public (DER), and plain in it. */
#define OAEP " -pkeyopt rsa_padding_mode:oaep"
#define CERTIFY \
  "cd \"$0\" && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=ca -out ca -days 2 2>/dev/null && " \
  "echo subjectKeyIdentifier=hash >ext && " \
  "openssl x509 -new -force_pubkey public -subj /CN=x -CA ca -CAkey ca.key -extfile ext -out cert -days 2"

static void
set_up (Testbed *t, gconstpointer setup)
{
  testbed_set_up (t, setup);
  testbed_start_tpm (t);
  testbed_start_daemon (t, "Credentials=auto", "Ownership=exclusive", NULL);
  testbed_wait_for (t, "State", "ready");
  testbed_wait_for_key (t, PATH_CREDENTIALS, "usable");
  g_autoptr (GVariant) public_key = testbed_get_key_property (t, PATH_CREDENTIALS, "PublicKey");
  g_free (testbed_write_file (t, "public", g_variant_get_data (public_key), g_variant_get_size (public_key)));
  g_free (testbed_write_file (t, "plain", PLAIN, PLAIN_SIZE));
}

static void
run_script (Testbed *t, const char *script, const char *words)
{
  g_autofree char *command = g_strdup_printf ("%s%s", script, words);
  g_autofree char *output = NULL;

  if (testbed_run (t, &output, "sh", "-c", command, t->folder, NULL) != 0)
    g_error ("%s: %s", command, output);
}

static GBytes *
read_file (Testbed *t, const char *name)
{
  g_autofree char *path = g_build_filename (t->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *data;
  gsize size;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (data, size);
}

static GBytes *
encrypt (Testbed *t, const char *words)
{
  run_script (t, "cd \"$0\" && openssl pkeyutl -encrypt -pubin -keyform DER -inkey public -in plain -out cipher", words);
  return read_file (t, "cipher");
}

/* A block whose private operation gives what is none of the paddings: 00 01 ff ff ... */
static GBytes *
encrypt_nonsense (Testbed *t)
{
  guint8 block[BLOCK_SIZE] = { 0x00, 0x01 };

  memset (block + 2, 0xff, sizeof block - 2);
  g_free (testbed_write_file (t, "block", block, sizeof block));
  run_script (t, "cd \"$0\" && openssl pkeyutl -encrypt -pubin -keyform DER -inkey public -in block -out cipher",
              " -pkeyopt rsa_padding_mode:none");
  return read_file (t, "cipher");
}

static GBytes *
encrypt_message (Testbed *t, const char *words)
{
  run_script (t, "cd \"$0\" && openssl cms -encrypt -binary -in plain -outform DER -out message", words);
  return read_file (t, "message");
}

static GVariant *
parameters_of (GBytes *data, const char *options)
{
  gsize size;
  gconstpointer bytes = g_bytes_get_data (data, &size);

  return bytes_parameters (bytes, size, options);
}

static void
assert_decrypts (Testbed *t, GBytes *ciphertext, const char *options)
{
  g_autoptr (GVariant) reply = testbed_call (t, PATH_CREDENTIALS, DECRYPT, parameters_of (ciphertext, options));
  g_autoptr (GBytes) bytes = reply_bytes (reply);
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  g_assert_cmpmem (data, size, PLAIN, PLAIN_SIZE);
}

/* Returns: (transfer full): the whole message of the error */
static char *
assert_failure (GDBusConnection *client, GBytes *ciphertext, const char *options, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = try_from (client, PATH_CREDENTIALS, DECRYPT, parameters_of (ciphertext, options), &error);

  g_assert_null (reply);
  assert_remote_error (error, name);
  return g_strdup (error->message);
}

static void
assert_invalid (Testbed *t, GBytes *ciphertext, const char *options)
{
  g_free (assert_failure (t->bus, ciphertext, options, INVALID));
}

/* --- what decrypts --- */

static void
blocks_of_openssl_come_back (Testbed *t, gconstpointer data)
{
  static const char *const hashes[] = { "sha1", "sha256", "sha384", "sha512" };

  g_autoptr (GBytes) pkcs1 = encrypt (t, "");
  assert_decrypts (t, pkcs1, "{'scheme': <'pkcs1'>}");
  for (guint i = 0; i < G_N_ELEMENTS (hashes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (hashes); j++)
      {
        g_autofree char *words
            = g_strdup_printf (OAEP " -pkeyopt rsa_oaep_md:%s -pkeyopt rsa_mgf1_md:%s -pkeyopt rsa_oaep_label:6c00ff", hashes[i], hashes[j]);
        g_autofree char *options = g_strdup_printf ("{'scheme': <'oaep'>, 'hash': <'%s'>, 'mgf1-hash': <'%s'>, "
                                                    "'label': <[byte 0x6c, 0, 0xff]>}", hashes[i], hashes[j]);
        g_autoptr (GBytes) oaep = encrypt (t, words);
        assert_decrypts (t, oaep, options);
      }
}

static void
what_is_left_out_of_the_options_is_sha256_and_no_label (Testbed *t, gconstpointer data)
{
  g_autoptr (GBytes) sha256 = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha256");
  g_autoptr (GBytes) sha384 = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha384");

  assert_decrypts (t, sha256, NULL);
  assert_decrypts (t, sha256, "{'scheme': <'oaep'>, 'hash': <'sha256'>, 'mgf1-hash': <'sha256'>, 'label': <@ay []>}");
  /* The mask's hash follows the hash. */
  assert_decrypts (t, sha384, "{'hash': <'sha384'>}");
  g_free (assert_failure (t->bus, sha384, "{'hash': <'sha384'>, 'mgf1-hash': <'sha256'>}", FAILED));
}

static void
labels_have_up_to_1024_bytes (Testbed *t, gconstpointer data)
{
  g_autofree char *hex = g_strnfill (2048, 'a');
  g_autofree char *words = g_strdup_printf (OAEP " -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_oaep_label:%s", hex);
  g_autoptr (GBytes) ciphertext = encrypt (t, words);
  g_autoptr (GString) list = g_string_new ("{'label': <[byte 0xaa");

  for (guint i = 1; i < 1024; i++)
    g_string_append (list, ", 0xaa");
  g_autofree char *longest = g_strdup_printf ("%s]>}", list->str);
  g_autofree char *too_long = g_strdup_printf ("%s, 0xaa]>}", list->str);
  assert_decrypts (t, ciphertext, longest);
  assert_invalid (t, ciphertext, too_long);
}

static void
messages_of_openssl_come_back (Testbed *t, gconstpointer data)
{
  static const char *const ways[] = {
    " -aes-128-cbc cert", " -aes-256-cbc cert", " -des3 cert", " -aes-256-cbc -stream cert", " -aes-256-gcm cert",
    " -aes-256-cbc -keyid cert", " -aes-256-gcm -keyid ca cert", " -aes-128-gcm -recip cert -keyopt rsa_padding_mode:oaep",
    " -aes-256-cbc -recip cert -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
  };

  run_script (t, CERTIFY, "");
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autoptr (GBytes) message = encrypt_message (t, ways[i]);
      assert_decrypts (t, message, "{'scheme': <'cms'>}");
    }
}

static void
assert_one_command (Testbed *t, GBytes *ciphertext, const char *options)
{
  for (guint i = 0; i < 5; i++)
    {
      guint64 before = testbed_get_tpm_number (t, "commands");
      assert_decrypts (t, ciphertext, options);
      g_assert_cmpuint (testbed_get_tpm_number (t, "commands") - before, ==, 1);
    }
}

static void
a_warm_decrypt_is_one_tpm_command (Testbed *t, gconstpointer data)
{
  g_autoptr (GBytes) pkcs1 = encrypt (t, "");
  g_autoptr (GBytes) oaep = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha256");

  run_script (t, CERTIFY, "");
  g_autoptr (GBytes) message = encrypt_message (t, " -aes-256-cbc cert");
  assert_decrypts (t, oaep, NULL);
  assert_one_command (t, oaep, NULL);
  assert_one_command (t, pkcs1, "{'scheme': <'pkcs1'>}");
  assert_one_command (t, message, "{'scheme': <'cms'>}");
}

/* --- what does not --- */

static void
options_that_cannot_be_used_are_refused (Testbed *t, gconstpointer data)
{
  static const char *const options[] = {
    "{'padding': <'oaep'>}", "{'': <'oaep'>}", "{'scheme': <1>}", "{'scheme': <b'oaep'>}", "{'scheme': <'OAEP'>}",
    "{'scheme': <''>}", "{'scheme': <'none'>}", "{'hash': <256>}", "{'hash': <b'sha256'>}", "{'hash': <'md5'>}", "{'hash': <''>}",
    "{'mgf1-hash': <'md5'>}", "{'mgf1-hash': <1>}", "{'label': <'text'>}", "{'label': <1>}", "{'label': <['a']>}",
    "{'scheme': <<'oaep'>>}", "{'scheme': <'pkcs1'>, 'hash': <'sha256'>}", "{'scheme': <'pkcs1'>, 'mgf1-hash': <'sha256'>}",
    "{'scheme': <'pkcs1'>, 'label': <@ay []>}", "{'scheme': <'cms'>, 'hash': <'sha256'>}",
    "{'scheme': <'cms'>, 'mgf1-hash': <'sha1'>}", "{'scheme': <'cms'>, 'label': <@ay []>}", "{'scheme': <'oaep'>, 'scheme': <'oaep'>}",
    /* The open part of what is no message at all is told. */
    "{'scheme': <'cms'>}",
  };
  g_autoptr (GBytes) ciphertext = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha256");
  guint64 before = testbed_get_tpm_number (t, "commands");

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    assert_invalid (t, ciphertext, options[i]);
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);
}

static void
more_than_256_kib_is_refused (Testbed *t, gconstpointer data)
{
  static const char *const options[] = { NULL, "{'scheme': <'pkcs1'>}", "{'scheme': <'cms'>}" };
  g_autoptr (GBytes) most = g_bytes_new_take (g_malloc0 (CIPHERTEXT_MAX), CIPHERTEXT_MAX);
  g_autoptr (GBytes) more = g_bytes_new_take (g_malloc0 (CIPHERTEXT_MAX + 1), CIPHERTEXT_MAX + 1);

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    assert_invalid (t, more, options[i]);
  g_free (assert_failure (t->bus, most, NULL, FAILED));
  g_free (assert_failure (t->bus, most, "{'scheme': <'pkcs1'>}", FAILED));
}

/* The file plain of another size fills the largest message to the byte. */
static void
a_message_of_256_kib_decrypts (Testbed *t, gconstpointer data)
{
  run_script (t, CERTIFY, " && head -c 261000 /dev/zero >plain");
  g_autoptr (GBytes) first = encrypt_message (t, " -aes-256-gcm cert");
  g_autofree char *fill = g_strdup_printf ("cd \"$0\" && head -c %" G_GSIZE_FORMAT " /dev/zero >plain",
                                           261000 + CIPHERTEXT_MAX - g_bytes_get_size (first));
  run_script (t, fill, "");
  g_autoptr (GBytes) message = encrypt_message (t, " -aes-256-gcm cert");
  g_autoptr (GBytes) plain = read_file (t, "plain");

  g_assert_cmpuint (g_bytes_get_size (message), ==, CIPHERTEXT_MAX);
  g_autoptr (GVariant) reply = testbed_call (t, PATH_CREDENTIALS, DECRYPT, parameters_of (message, "{'scheme': <'cms'>}"));
  g_autoptr (GBytes) found = reply_bytes (reply);
  g_assert_true (g_bytes_equal (found, plain));
}

static GBytes *
with_byte_changed (GBytes *bytes, gssize place)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  guint8 *changed = g_memdup2 (data, size);

  changed[place >= 0 ? (gsize) place : size - (gsize) -place] ^= 0x80;
  return g_bytes_new_take (changed, size);
}

typedef struct
{
  Testbed *testbed;
  char *words; /* of the first one */
  guint count;
} Failures;

static void
assert_fails_alike (Failures *failures, GBytes *ciphertext, const char *options)
{
  g_autofree char *message = assert_failure (failures->testbed->bus, ciphertext, options, FAILED);

  if (failures->words == NULL)
    failures->words = g_strdup (message);
  g_assert_cmpstr (message, ==, failures->words);
  failures->count++;
}

static void
fail_with_blocks (Testbed *t, Failures *failures)
{
  g_autoptr (GBytes) oaep = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha256");
  g_autoptr (GBytes) nonsense = encrypt_nonsense (t);
  g_autoptr (GBytes) zero = g_bytes_new_take (g_malloc0 (BLOCK_SIZE), BLOCK_SIZE);

  assert_fails_alike (failures, oaep, "{'hash': <'sha1'>}");
  assert_fails_alike (failures, oaep, "{'mgf1-hash': <'sha1'>}");
  assert_fails_alike (failures, oaep, "{'label': <b'x'>}");
  assert_fails_alike (failures, nonsense, NULL);
  assert_fails_alike (failures, nonsense, "{'scheme': <'pkcs1'>}");
  assert_fails_alike (failures, zero, NULL);
  assert_fails_alike (failures, zero, "{'scheme': <'pkcs1'>}");
}

static void
fail_with_messages (Testbed *t, Failures *failures)
{
  const char *const cms = "{'scheme': <'cms'>}";

  run_script (t, CERTIFY, "");
  g_autoptr (GBytes) cbc = encrypt_message (t, " -aes-256-cbc cert");
  g_autoptr (GBytes) gcm = encrypt_message (t, " -aes-256-gcm cert");
  g_autoptr (GBytes) of_other = encrypt_message (t, " -aes-256-gcm ca");
  /* The one block of content, its tag and length, and before them the last byte of the IV: it changes the last byte of the padding. */
  g_autoptr (GBytes) bad_padding = with_byte_changed (cbc, -19);
  g_autoptr (GBytes) bad_tag = with_byte_changed (gcm, -1);

  assert_fails_alike (failures, bad_tag, cms);
  assert_fails_alike (failures, of_other, cms);
  assert_fails_alike (failures, bad_padding, cms);
}

static void
whatever_does_not_decrypt_is_said_in_the_same_words (Testbed *t, gconstpointer data)
{
  Failures failures = { t, NULL, 0 };
  g_autoptr (GBytes) good = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha256");

  assert_decrypts (t, good, NULL);
  guint64 before = testbed_get_tpm_number (t, "commands");
  fail_with_blocks (t, &failures);
  fail_with_messages (t, &failures);
  g_assert_cmpuint (failures.count, ==, 10);
  /* One command for each (the block for the other key may be too large a number for this one): no doubt of the TPM, nothing made anew. */
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands") - before, <=, failures.count);
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands") - before, >=, failures.count - 1);
  g_assert_cmpuint (testbed_get_tpm_number (t, "reopened"), ==, 0);
  g_autofree char *state = testbed_get_string (t, "TpmState");
  g_assert_cmpstr (state, ==, "ready");
  testbed_wait_for_key (t, PATH_CREDENTIALS, "usable");
  assert_one_command (t, good, NULL);
  g_free (failures.words);
}

static void
blocks_of_a_wrong_size_cost_no_tpm_command (Testbed *t, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 255, 257, 512 };
  g_autoptr (GBytes) nonsense = encrypt_nonsense (t);
  g_autofree guint8 *all_ones = g_malloc (BLOCK_SIZE);
  Failures failures = { t, NULL, 0 };

  assert_fails_alike (&failures, nonsense, NULL);
  guint64 before = testbed_get_tpm_number (t, "commands");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) block = g_bytes_new_take (g_malloc0 (sizes[i] + 1), sizes[i]);
      assert_fails_alike (&failures, block, NULL);
      assert_fails_alike (&failures, block, "{'scheme': <'pkcs1'>}");
    }
  memset (all_ones, 0xff, BLOCK_SIZE);
  g_autoptr (GBytes) too_large = g_bytes_new (all_ones, BLOCK_SIZE);
  assert_fails_alike (&failures, too_large, NULL);
  assert_fails_alike (&failures, too_large, "{'scheme': <'pkcs1'>}");
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);
  g_free (failures.words);
}

/* --- the back-off --- */

typedef struct
{
  Testbed *testbed;
  GBytes *ciphertext;
} Retry;

static gboolean
is_let_through (gpointer data)
{
  Retry *retry = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = testbed_try (retry->testbed, PATH_CREDENTIALS, DECRYPT,
                                            parameters_of (retry->ciphertext, "{'scheme': <'pkcs1'>}"), &error);

  if (reply == NULL)
    assert_remote_error (error, RATE_LIMITED);
  return reply != NULL;
}

/* The pause begins with a second: a machine that is slower than that sees the next one. */
static gboolean
becomes_busy (Testbed *t, GBytes *nonsense, const char *options)
{
  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) reply
          = testbed_try (t, PATH_CREDENTIALS, DECRYPT, parameters_of (nonsense, options), &error);
      g_assert_null (reply);
      if (strstr (error->message, RATE_LIMITED) != NULL)
        return TRUE;
      assert_remote_error (error, FAILED);
    }
  return FALSE;
}

static void
ten_failures_with_pkcs1_make_its_user_wait (Testbed *t, gconstpointer data)
{
  g_autoptr (GBytes) nonsense = encrypt_nonsense (t);
  g_autoptr (GBytes) good = encrypt (t, "");
  g_autoptr (GBytes) oaep = encrypt (t, OAEP " -pkeyopt rsa_oaep_md:sha256");
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  GDBusConnection *other = testbed_connect_as (t, OTHER_USER, DECRYPT_GROUP);
  Retry retry = { t, good };

  run_script (t, CERTIFY, "");
  g_autoptr (GBytes) message = encrypt_message (t, " -aes-256-gcm cert");
  /* What the key never sees is not counted, nor is what was tried with OAEP. */
  for (guint i = 0; i < FREE_FAILURES + 2; i++)
    {
      g_free (assert_failure (t->bus, empty, "{'scheme': <'pkcs1'>}", FAILED));
      g_free (assert_failure (t->bus, nonsense, NULL, FAILED));
    }
  for (guint i = 0; i < FREE_FAILURES; i++)
    g_free (assert_failure (t->bus, nonsense, "{'scheme': <'pkcs1'>}", FAILED));
  guint64 before = testbed_get_tpm_number (t, "commands");
  if (!becomes_busy (t, nonsense, "{'scheme': <'pkcs1'>}"))
    g_error ("nobody is made to wait");
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands") - before, <, 6);

  g_free (assert_failure (other, nonsense, "{'scheme': <'pkcs1'>}", FAILED));
  g_variant_unref (try_from (other, PATH_CREDENTIALS, DECRYPT, parameters_of (good, "{'scheme': <'pkcs1'>}"), NULL));
  assert_decrypts (t, oaep, NULL);
  wait_until (is_let_through, &retry);
  g_autoptr (GVariant) reply
      = testbed_call (t, PATH_CREDENTIALS, DECRYPT, parameters_of (message, "{'scheme': <'cms'>}"));
  testbed_disconnect (other);
}

static void
messages_with_pkcs1_inside_wait_as_well (Testbed *t, gconstpointer data)
{
  run_script (t, CERTIFY, "");
  g_autoptr (GBytes) message = encrypt_message (t, " -aes-256-gcm cert");
  g_autoptr (GBytes) with_oaep = encrypt_message (t, " -aes-256-gcm -recip cert -keyopt rsa_padding_mode:oaep");
  g_autoptr (GBytes) changed = with_byte_changed (message, -1);
  guint failed = 0;
  gboolean busy = FALSE;

  while (!busy && failed < FREE_FAILURES + 6)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (testbed_try (t, PATH_CREDENTIALS, DECRYPT, parameters_of (changed, "{'scheme': <'cms'>}"), &error));
      busy = strstr (error->message, RATE_LIMITED) != NULL;
      if (!busy)
        assert_remote_error (error, FAILED);
      failed += !busy;
    }
  g_assert_true (busy);
  g_assert_cmpuint (failed, >=, FREE_FAILURES);
  assert_decrypts (t, with_oaep, "{'scheme': <'cms'>}");
}

/* An unauthenticated content tells by its padding what the block cipher made of it, whatever the key came in. */
static void
messages_without_a_tag_wait_and_those_with_one_do_not (Testbed *t, gconstpointer data)
{
  const char *const cms = "{'scheme': <'cms'>}";

  run_script (t, CERTIFY, "");
  g_autoptr (GBytes) cbc = encrypt_message (t, " -aes-256-cbc -recip cert -keyopt rsa_padding_mode:oaep");
  g_autoptr (GBytes) gcm = encrypt_message (t, " -aes-256-gcm -recip cert -keyopt rsa_padding_mode:oaep");
  g_autoptr (GBytes) bad_padding = with_byte_changed (cbc, -19);
  g_autoptr (GBytes) bad_tag = with_byte_changed (gcm, -1);
  for (guint i = 0; i < 2 * FREE_FAILURES; i++)
    g_free (assert_failure (t->bus, bad_tag, cms, FAILED));
  assert_decrypts (t, cbc, cms);

  for (guint i = 0; i < FREE_FAILURES; i++)
    g_free (assert_failure (t->bus, bad_padding, cms, FAILED));
  if (!becomes_busy (t, bad_padding, cms))
    g_error ("nobody is made to wait");
  g_free (assert_failure (t->bus, bad_tag, cms, FAILED));
  assert_decrypts (t, gcm, cms);
}

/* QueuePerClient=8 */
#define CLIENTS 3
#define CALLS_PER_CLIENT 8

/* More at once than may fail. */
static void
many_at_once_are_all_answered (Testbed *t, gconstpointer data)
{
  GDBusConnection *clients[CLIENTS];
  TestbedAnswer answers[CLIENTS * CALLS_PER_CLIENT] = { { FALSE, NULL, NULL } };
  g_autoptr (GBytes) good = encrypt (t, "");

  for (guint i = 0; i < CLIENTS; i++)
    clients[i] = testbed_connect_as (t, OTHER_USER, DECRYPT_GROUP);
  testbed_pause_tpm (t, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    g_dbus_connection_call (clients[i / CALLS_PER_CLIENT], BUS_NAME, PATH_CREDENTIALS, "org.tpmid1.Key", "Decrypt",
                            parameters_of (good, "{'scheme': <'pkcs1'>}"), NULL, 0, LIMIT_MS, NULL, testbed_on_answer, &answers[i]);
  for (guint i = 0; i < CLIENTS; i++)
    g_dbus_connection_flush_sync (clients[i], NULL, NULL);
  testbed_pause_tpm (t, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      wait_until (testbed_is_answered, &answers[i]);
      g_assert_no_error (answers[i].error);
      g_autoptr (GBytes) plain = reply_bytes (answers[i].reply);
      g_assert_cmpmem (g_bytes_get_data (plain, NULL), g_bytes_get_size (plain), PLAIN, PLAIN_SIZE);
      g_variant_unref (answers[i].reply);
    }
  for (guint i = 0; i < CLIENTS; i++)
    testbed_disconnect (clients[i]);
}

/* As long as the TPM is not there again, nothing but that is said. */
static gboolean
is_decrypted (gpointer data)
{
  Retry *retry = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = testbed_try (retry->testbed, PATH_CREDENTIALS, DECRYPT,
                                            parameters_of (retry->ciphertext, "{'scheme': <'pkcs1'>}"), &error);

  if (reply == NULL)
    assert_remote_error (error, "org.tpmid1.Error.TpmUnavailable");
  return reply != NULL;
}

static void
a_tpm_that_is_not_there_is_held_against_nobody (Testbed *t, gconstpointer data)
{
  g_autoptr (GBytes) good = encrypt (t, "");
  Retry retry = { t, good };

  assert_decrypts (t, good, "{'scheme': <'pkcs1'>}");
  testbed_kill_tpm (t);
  for (guint i = 0; i < 2 * FREE_FAILURES; i++)
    g_free (assert_failure (t->bus, good, "{'scheme': <'pkcs1'>}", "org.tpmid1.Error.TpmUnavailable"));
  testbed_start_tpm (t);
  wait_until (is_decrypted, &retry);
}

/* --- those who may not --- */

/* Whoever has no right makes nobody parse anything for him, and learns nothing from how it went. */
static void
strangers_are_refused_whatever_they_send (Testbed *t, gconstpointer data)
{
  GDBusConnection *stranger = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);

  run_script (t, CERTIFY, "");
  g_autoptr (GBytes) message = encrypt_message (t, " -aes-256-cbc cert");
  g_autoptr (GBytes) cut = g_bytes_new_from_bytes (message, 0, g_bytes_get_size (message) - 1);
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);
  GBytes *const sent[] = { message, cut, garbage, empty };
  for (guint i = 0; i < G_N_ELEMENTS (sent); i++)
    {
      g_free (assert_failure (stranger, sent[i], "{'scheme': <'cms'>}", "org.tpmid1.Error.NotAuthorized"));
      g_free (assert_failure (stranger, sent[i], "{'scheme': <'pkcs1'>}", "org.tpmid1.Error.NotAuthorized"));
      g_free (assert_failure (stranger, sent[i], NULL, "org.tpmid1.Error.NotAuthorized"));
      if (i > 0)
        assert_invalid (t, sent[i], "{'scheme': <'cms'>}");
    }
  testbed_disconnect (stranger);
}

/* --- keys that cannot --- */

static void
each_key_does_what_it_is_for (Testbed *t, gconstpointer data)
{
  const char *const unsupported = "org.tpmid1.Error.NotSupported";
  g_autoptr (GBytes) ciphertext = encrypt (t, "");

  testbed_assert_fails (t, PATH_KEY, DECRYPT, parameters_of (ciphertext, NULL), unsupported);
  testbed_assert_fails (t, PATH_KEY, DECRYPT, parameters_of (ciphertext, "{'scheme': <'cms'>}"), unsupported);
  testbed_assert_fails (t, PATH_CREDENTIALS, "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL), unsupported);
  testbed_assert_fails (t, PATH_CREDENTIALS, "org.tpmid1.Key.SignMessage", sign_parameters (32, 1, NULL), unsupported);
  testbed_assert_fails (t, PATH_CREDENTIALS, "org.tpmid1.Key.CreateCsr", g_variant_new ("(sa{sv})", "/CN=x", NULL), unsupported);
}

#define ADD(name, function) g_test_add ("/bus/decrypt/" name, Testbed, &setup, set_up, function, testbed_tear_down)

int
main (int argc, char **argv)
{
  Setup setup = { NULL, NULL };

  g_test_init (&argc, &argv, NULL);
  if (!setup_init (&setup, argc, argv))
    return 2;
  ADD ("blocks-of-openssl-come-back", blocks_of_openssl_come_back);
  ADD ("what-is-left-out-of-the-options-is-sha256-and-no-label", what_is_left_out_of_the_options_is_sha256_and_no_label);
  ADD ("labels-have-up-to-1024-bytes", labels_have_up_to_1024_bytes);
  ADD ("messages-of-openssl-come-back", messages_of_openssl_come_back);
  ADD ("a-warm-decrypt-is-one-tpm-command", a_warm_decrypt_is_one_tpm_command);
  ADD ("options-that-cannot-be-used-are-refused", options_that_cannot_be_used_are_refused);
  ADD ("more-than-256-kib-is-refused", more_than_256_kib_is_refused);
  ADD ("a-message-of-256-kib-decrypts", a_message_of_256_kib_decrypts);
  ADD ("whatever-does-not-decrypt-is-said-in-the-same-words", whatever_does_not_decrypt_is_said_in_the_same_words);
  ADD ("blocks-of-a-wrong-size-cost-no-tpm-command", blocks_of_a_wrong_size_cost_no_tpm_command);
  ADD ("ten-failures-with-pkcs1-make-its-user-wait", ten_failures_with_pkcs1_make_its_user_wait);
  ADD ("messages-with-pkcs1-inside-wait-as-well", messages_with_pkcs1_inside_wait_as_well);
  ADD ("messages-without-a-tag-wait-and-those-with-one-do-not", messages_without_a_tag_wait_and_those_with_one_do_not);
  ADD ("many-at-once-are-all-answered", many_at_once_are_all_answered);
  ADD ("a-tpm-that-is-not-there-is-held-against-nobody", a_tpm_that_is_not_there_is_held_against_nobody);
  ADD ("strangers-are-refused-whatever-they-send", strangers_are_refused_whatever_they_send);
  ADD ("each-key-does-what-it-is-for", each_key_does_what_it_is_for);
  int status = g_test_run ();
  setup_clear (&setup);
  return status;
}

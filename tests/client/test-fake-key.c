/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the library and tpmidctl send to a key, and what they make of its answers: by a tpmidd that the test plays itself, as
 * the real one makes no key that fails, and shows nobody the options that it was given.
 */
#include "fake-key.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 20000

static char *tpmidctl;

static void
test_wait_ends_when_usable (Fake *self, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();

  fake_key_set_states (self, "creating", "creating", "usable");
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpuint (self->looks, ==, 2);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 100000);
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", TIMEOUT_MS, NULL), ==, 0);
}

static void
assert_wait_fails (Fake *self, const char *state, const char *name, const char *message)
{
  tpmid_error error;

  fake_key_set_states (self, "creating", state, NULL);
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", TIMEOUT_MS, &error), ==, -error.number);
  g_assert_true (tpmid_error_is (&error, name));
  g_assert_nonnull (strstr (error.message, message));
  fake_key_set_states (self, state, NULL, NULL);
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", TIMEOUT_MS, NULL), ==, -error.number);
}

static void
test_wait_tells_the_problem (Fake *self, gconstpointer data)
{
  self->problem = "the TPM is full";
  assert_wait_fails (self, "failed", "Failed", "k1 could not be made: the TPM is full");
  assert_wait_fails (self, "orphaned", "KeyOrphaned", "the TPM is full");
  assert_wait_fails (self, "missing", "IdentityFault", "the TPM is full");
  self->problem = "";
  assert_wait_fails (self, "failed", "Failed", "does not say why");
}

static void
test_wait_tells_the_error (Fake *self, gconstpointer data)
{
  static const char *const states[] = { "failed", "missing", "orphaned" };
  gint64 start = g_get_monotonic_time ();

  self->problem = "the disk is full";
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    {
      self->problem_error = "org.tpmid1.Error.Storage";
      assert_wait_fails (self, states[i], "Storage", "the disk is full");
      self->problem_error = "org.tpmid1.Error.NoDevice";
      assert_wait_fails (self, states[i], "NoDevice", "the disk is full");
      g_assert_cmpint (tpmid_wait_key (self->client, "k1", TIMEOUT_MS, NULL), ==, -ENODEV);
      /* Which is waited for where a call says it, and not where it is why a key stays as it is. */
      self->problem_error = "org.tpmid1.Error.NotReady";
      assert_wait_fails (self, states[i], "NotReady", "the disk is full");
    }
  g_assert_cmpint (g_get_monotonic_time () - start, <, TIMEOUT_MS * 1000);
  self->problem_error = "";
  assert_wait_fails (self, "orphaned", "KeyOrphaned", "the disk is full");
}

static void
test_wait_keeps_its_deadline (Fake *self, gconstpointer data)
{
  gint64 start = g_get_monotonic_time ();
  tpmid_error error;

  fake_key_set_states (self, "creating", NULL, NULL);
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", 400, &error), ==, -ETIMEDOUT);
  g_assert_cmpstr (error.name, ==, "org.freedesktop.DBus.Error.NoReply");
  g_assert_cmpstr (error.message, ==, "the key k1 is still being made");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 400000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 10000000);
}

/* The answer is there within a millisecond: none is left for it. */
static void
test_wait_is_no_longer_than_told (Fake *self, gconstpointer data)
{
  fake_key_set_states (self, "usable", NULL, NULL);
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", TIMEOUT_MS, NULL), ==, 0);
  for (guint i = 0; i < 200; i++)
    g_assert_cmpint (tpmid_wait_key (self->client, "k1", 0, NULL), ==, -ETIMEDOUT);
  g_assert_cmpint (tpmid_wait_key (self->client, "k1", G_MAXINT, NULL), ==, 0);
}

static void
test_create_sends_name_and_options (Fake *self, gconstpointer data)
{
  tpmid_value *options = tpmid_value_new_dict ();
  tpmid_error error;

  tpmid_value_set_string (options, "algorithm", "rsa-2048");
  g_assert_cmpint (tpmid_create_key (self->client, "k1", options, TIMEOUT_MS, &error), ==, 0);
  g_assert_cmpstr (self->call, ==, "CreateKey ('k1', {'algorithm': <'rsa-2048'>})");
  g_assert_cmpint (tpmid_create_key (self->client, "k1", NULL, TIMEOUT_MS, &error), ==, 0);
  g_assert_cmpstr (self->call, ==, "CreateKey ('k1', {})");
  g_clear_pointer (&self->call, g_free);
  g_assert_cmpint (tpmid_create_key (self->client, "K1", NULL, TIMEOUT_MS, &error), ==, -EINVAL);
  g_assert_true (tpmid_error_is (&error, "InvalidArgument"));
  g_assert_null (self->call);
  self->error = "org.tpmid1.Error.QuotaExceeded";
  g_assert_cmpint (tpmid_create_key (self->client, "k1", NULL, TIMEOUT_MS, &error), ==, -EDQUOT);
  tpmid_value_free (options);
}

static void
test_decrypt_sends_bytes_and_options (Fake *self, gconstpointer data)
{
  static const uint8_t ciphertext[] = { 1, 0, 255 };
  tpmid_value *options = tpmid_value_new_dict ();
  uint8_t *plaintext = NULL;
  size_t size = 1;
  tpmid_error error;

  tpmid_value_set_string (options, "hash", "sha1");
  tpmid_value_set_bytes (options, "label", "l\0", 2);
  self->answer = "secret";
  g_assert_cmpint (tpmid_decrypt (self->client, "k1", ciphertext, 3, options, TIMEOUT_MS, &plaintext, &size, &error), ==, 0);
  g_assert_cmpstr (self->call, ==, "Decrypt ([0x01, 0x00, 0xff], {'hash': <'sha1'>, 'label': <b'l'>})");
  g_assert_cmpmem (plaintext, size, "secret", 6);
  free (plaintext);

  self->answer = "";
  g_assert_cmpint (tpmid_decrypt (self->client, "k1", ciphertext, 3, NULL, TIMEOUT_MS, &plaintext, &size, &error), ==, 0);
  g_assert_nonnull (plaintext);
  g_assert_cmpuint (size, ==, 0);
  free (plaintext);

  plaintext = NULL;
  self->error = "org.tpmid1.Error.DecryptFailed";
  g_assert_cmpint (tpmid_decrypt (self->client, "k1", ciphertext, 3, NULL, TIMEOUT_MS, &plaintext, &size, &error), ==, -EBADMSG);
  g_assert_true (tpmid_error_is (&error, "DecryptFailed"));
  g_assert_null (plaintext);
  tpmid_value_free (options);
}

static void
test_message_is_sent_whole (Fake *self, gconstpointer data)
{
  static const uint8_t message[] = { 1, 2 };
  uint8_t *signature = NULL;
  size_t size = 0;

  self->answer = "signature";
  g_assert_cmpint (tpmid_sign_message (self->client, "k1", message, 2, NULL, TIMEOUT_MS, &signature, &size, NULL), ==, 0);
  g_assert_cmpstr (self->call, ==, "SignMessage ([0x01, 0x02], {})");
  g_assert_cmpmem (signature, size, "signature", 9);
  free (signature);
}

/* Runs a script in which $0 is tpmidctl and $1 a folder of its own; returns the exit status. */
static int
run_script (Fake *self, const char *script, char **ret_output)
{
  g_autofree char *folder = g_dir_make_tmp ("fake-XXXXXX", NULL);
  g_autofree char *command = g_strdup_printf ("bus=%s; ctl () { \"$0\" --bus-address $bus \"$@\"; }; "
                                              "cd \"$1\" || exit 99; (%s); s=$?; rm -f -- *; exit $s",
                                              self->address, script);
  const char *argv[] = { "sh", "-c", command, tpmidctl, folder, NULL };
  g_autofree char *errors = NULL;
  g_autoptr (GError) error = NULL;
  int status = -1;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, ret_output, &errors, &status, &error);
  g_assert_no_error (error);
  if (errors[0] != '\0')
    g_test_message ("%s", errors);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
assert_script (Fake *self, const char *script, int status, const char *output)
{
  g_autofree char *found = NULL;

  g_assert_cmpint (run_script (self, script, &found), ==, status);
  g_assert_cmpstr (found, ==, output);
}

static void
test_decrypted_file_is_its_owner_s (Fake *self, gconstpointer data)
{
  self->answer = "secret";
  assert_script (self, "echo c >c; ctl decrypt --key k1 --in c --out new; umask 0; echo long enough >old; "
                       "ctl decrypt --key k1 --in c --out old; stat -c %a new old; cat new old",
                 0, "600\n600\nsecretsecret");
  assert_script (self, "umask 022; echo c >c; mkfifo p; ctl decrypt --key k1 --in c --out p & cat p; wait; stat -c %a p", 0,
                 "secret644\n");
  assert_script (self, "echo c | ctl decrypt --key k1 --in -", 0, "secret");
}

static void
test_who_made_the_file_gets_nothing (Fake *self, gconstpointer data)
{
  self->answer = "secret";
  assert_script (self, "echo c >c; echo before >f; exec 3<f 4>>f; ctl decrypt --key k1 --in c --out f; echo behind >&4; "
                       "cat f; echo; cat <&3; ls -A",
                 0, "secret\nbefore\nbehind\nc\nf\n");
  assert_script (self, "echo c >c; echo before >f; ln f g; ctl decrypt --key k1 --in c --out f; cat f g", 0, "secretbefore\n");
  assert_script (self, "echo c >c; echo before >f; ln -s f l; ctl decrypt --key k1 --in c --out l; test ! -L l && cat l f", 0,
                 "secretbefore\n");
  assert_script (self, "echo c >c; ln -s absent l; ctl decrypt --key k1 --in c --out \"$PWD/l\"; ls; stat -c %a l", 0,
                 "c\nl\n600\n");
}

static void
test_descriptors_are_written_to (Fake *self, gconstpointer data)
{
  self->answer = "secret";
  assert_script (self, "echo c >c; ctl decrypt --key k1 --in c --out /dev/stdout | cat; ctl decrypt --key k1 --in c --out "
                       "/dev/fd/3 3>&1 | cat; ctl decrypt --key k1 --in c --out /proc/self/fd/1 >f; stat -c %a f; cat f; "
                       "ctl decrypt --key k1 --in c --out /dev/null; test -c /dev/null -a -L /dev/stdout",
                 0, "secretsecret600\nsecret");
}

static void
test_failure_leaves_the_file (Fake *self, gconstpointer data)
{
  self->answer = "secret";
  assert_script (self, "echo c >c; echo before >f; chmod 444 f; mkdir d; (ulimit -f 0; trap '' XFSZ; ctl decrypt --key k1 --in c "
                       "--out f); s=$?; ctl decrypt --key k1 --in c --out d || ctl decrypt --key k1 --in c --out d/; ls -A . d; "
                       "cat f; rmdir d; exit $s",
                 1, ".:\nc\nd\nf\n\nd:\nbefore\n");
}

static void
test_fifo_of_a_stranger_is_refused (Fake *self, gconstpointer data)
{
  if (geteuid () != 0)
    {
      g_test_skip ("machine lacks: root, who may give a file away");
      return;
    }
  self->answer = "secret";
  assert_script (self, "echo c >c; chmod 1777 .; mkfifo p; chown 65534 p; exec 3<>p; ctl decrypt --key k1 --in c --out p; s=$?; "
                       "chmod 755 .; ctl decrypt --key k1 --in c --out p && head -c 6 <&3; exit $s",
                 1, "secret");
}

static void
test_decrypted_json_is_base64 (Fake *self, gconstpointer data)
{
  self->answer = "secret!";
  assert_script (self, "echo c | ctl --json decrypt --key k1 --in -", 0,
                 "{\n  \"key\" : \"k1\",\n  \"scheme\" : \"oaep\",\n  \"hash\" : \"sha256\",\n"
                 "  \"plaintext\" : \"c2VjcmV0IQ==\"\n}\n");
  assert_script (self, "echo c | ctl --json decrypt --key k1 --mgf1-hash sha1 --in - | grep hash", 0,
                 "  \"hash\" : \"sha256\",\n  \"mgf1-hash\" : \"sha1\",\n");
  self->answer = "";
  assert_script (self, "echo c | ctl --json decrypt --key k1 --scheme pkcs1 --in -", 0,
                 "{\n  \"key\" : \"k1\",\n  \"scheme\" : \"pkcs1\",\n  \"plaintext\" : \"\"\n}\n");
}

static void
assert_terminal (Fake *self, const char *answer, const char *more, int status, const char *output)
{
  g_autofree char *script = g_strdup_printf (
    "echo c >c; script -qec \"'$0' --bus-address $bus decrypt --key k1 --in c %s 2>err\" /dev/null >out </dev/null; s=$?; "
    "tr -d '\\r' <out; cat err; exit $s",
    more);

  self->answer = answer;
  assert_script (self, script, status, output);
}

static void
test_terminal_gets_text_only (Fake *self, gconstpointer data)
{
  static const char *const texts[] = { "", "a password\n", "two\twords\n\nb", "p\xc3\xa4ss \xe2\x82\xac\n", "\xc2\xa0" };
  static const char *const binaries[] = { "\x1b[2J", "a\x07", "\x7f", "\xff\xfe", "cut \xc3", "\xc2\x9bK", "\xed\xa0\x80" };
  static const char refusal[] =
    "tpmidctl: the decrypted data is binary, and standard output is a terminal; give --out FILE "
    "(--out - prints it all the same)\n"
    "tpmidctl --help lists the verbs, tpmidctl VERB --help the options of one.\n";

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_terminal (self, texts[i], "", 0, texts[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (binaries); i++)
    {
      assert_terminal (self, binaries[i], "", 2, refusal);
      assert_terminal (self, binaries[i], "--out -", 0, binaries[i]);
    }
}

static void
test_decrypt_options_are_those_of_the_command_line (Fake *self, gconstpointer data)
{
  assert_script (self, "printf AB | ctl decrypt --key k1 --hash sha1 --label 'x y' --in -", 0, "");
  g_assert_cmpstr (self->call, ==,
                   "Decrypt ([0x41, 0x42], {'scheme': <'oaep'>, 'hash': <'sha1'>, 'label': <[byte 0x78, 0x20, 0x79]>})");
  assert_script (self, "printf AB | ctl decrypt --key k1 --mgf1-hash sha1 --in -", 0, "");
  g_assert_cmpstr (self->call, ==, "Decrypt ([0x41, 0x42], {'scheme': <'oaep'>, 'hash': <'sha256'>, 'mgf1-hash': <'sha1'>})");
  assert_script (self, "printf AB | ctl decrypt --key k1 --scheme pkcs1 --in -", 0, "");
  g_assert_cmpstr (self->call, ==, "Decrypt ([0x41, 0x42], {'scheme': <'pkcs1'>})");
  self->error = "org.tpmid1.Error.DecryptFailed";
  assert_script (self, "printf AB | ctl decrypt --key k1 --in - --out new; s=$?; ls; exit $s", 13, "");
  self->error = "org.tpmid1.Error.RateLimited";
  assert_script (self, "printf AB | ctl decrypt --key k1 --scheme pkcs1 --in - 2>&1", 8, "tpmidctl: refused\n");
}

static void
test_every_form_of_a_message_is_sent_as_the_same_der (Fake *self, gconstpointer data)
{
  static const char *const convert[] = {
    "cat m >x",
    "openssl cms -cmsout -inform DER -in m -outform PEM -out x",
    "openssl cms -cmsout -inform DER -in m -outform SMIME -out x",
    "{ echo A message:; openssl cms -cmsout -inform DER -in m -outform PEM; } >x",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (convert); i++)
    {
      g_autofree char *script = g_strdup_printf (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -subj /CN=x -out c 2>/dev/null; echo text >t; "
        "openssl cms -encrypt -aes-256-cbc -in t -outform DER -out m c; %s; ctl decrypt --key k1 --scheme cms --in x; "
        "od -An -v -tx1 m | tr -d ' \\n'",
        convert[i]);
      g_autofree char *der = NULL;
      g_assert_cmpint (run_script (self, script, &der), ==, 0);

      GString *wanted = g_string_new ("Decrypt ([");
      for (gsize at = 0; der[at] != '\0'; at += 2)
        g_string_append_printf (wanted, "%s0x%.2s", at > 0 ? ", " : "", der + at);
      g_string_append (wanted, "], {'scheme': <'cms'>})");
      g_assert_cmpstr (self->call, ==, wanted->str);
      g_string_free (wanted, TRUE);
    }
}

static void
test_streamed_message_is_made_definite (Fake *self, gconstpointer data)
{
  assert_script (self, "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -subj /CN=x -out c 2>/dev/null; echo text >t; "
                       "openssl cms -encrypt -stream -aes-256-cbc -in t -outform DER -out m c; head -c 2 m | od -An -tx1; "
                       "ctl decrypt --key k1 --scheme cms --in m",
                 0, " 30 80\n");
  g_assert_true (g_str_has_prefix (self->call, "Decrypt ([0x30, 0x82, "));
}

static void
test_keys_create_waits_and_shows (Fake *self, gconstpointer data)
{
  fake_key_set_states (self, "creating", "usable", NULL);
  assert_script (self, "ctl keys create k1 --algorithm rsa-2048 --usage decrypt | grep -e Name -e State -e Problem", 0,
                 "Name        k1\nState       usable\n");
  g_assert_cmpstr (self->call, ==, "CreateKey ('k1', {'algorithm': <'rsa-2048'>, 'usage': <'decrypt'>})");
  self->problem = "the TPM is full";
  fake_key_set_states (self, "creating", "failed", NULL);
  assert_script (self, "ctl keys create k1 2>&1", 1,
                 "tpmidctl: the key k1 could not be made: the TPM is full\njournalctl -u tpmidd has the details.\n");
  assert_script (self, "ctl keys show k1 | grep -e State -e Problem", 0, "State       failed\nProblem     the TPM is full\n");
  self->problem_error = "org.tpmid1.Error.TpmFailure";
  assert_script (self, "ctl keys create k1 2>&1", 7, "tpmidctl: the key k1 could not be made: the TPM is full\n");
  assert_script (self, "ctl --json keys show k1 | grep problem-error; ctl keys show k1 | grep -c TpmFailure", 1,
                 "  \"problem-error\" : \"org.tpmid1.Error.TpmFailure\"\n0\n");
  fake_key_set_states (self, "creating", NULL, NULL);
  assert_script (self, "ctl --timeout 0.3 keys create k1 2>&1", 8,
                 "tpmidctl: the key k1 is still being made\n--timeout SECONDS waits longer.\n");
}

static void
make_public_key (Fake *self)
{
  g_autofree char *hex = NULL;
  g_autofree guint8 *der = NULL;
  gsize size;

  g_assert_cmpint (run_script (self, "openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -outform DER 2>/dev/null | "
                                     "od -An -v -tx1 | tr -d ' \\n'",
                               &hex),
                   ==, 0);
  size = strlen (hex) / 2;
  der = g_malloc (size);
  for (gsize i = 0; i < size; i++)
    der[i] = (guint8) (g_ascii_xdigit_value (hex[2 * i]) * 16 + g_ascii_xdigit_value (hex[2 * i + 1]));
  self->public_key = g_bytes_new_take (g_steal_pointer (&der), size);
}

#define SHOW_PUBLIC "ctl --timeout 20 keys show k1 --public | openssl pkey -pubin -noout && echo good"
#define ENCRYPT "echo c | ctl --timeout 20 encrypt --key k1 --in - | wc -c"

static void
test_public_key_is_waited_for (Fake *self, gconstpointer data)
{
  make_public_key (self);
  fake_key_set_states (self, "creating", "creating", "usable");
  assert_script (self, SHOW_PUBLIC, 0, "good\n");
  fake_key_set_states (self, "creating", "creating", "usable");
  assert_script (self, ENCRYPT, 0, "256\n");
  fake_key_set_states (self, "usable", NULL, NULL);
  assert_script (self, SHOW_PUBLIC "; " ENCRYPT, 0, "good\n256\n");
  /* It cannot be used, and whoever wants to know which key it was is told. */
  fake_key_set_states (self, "missing", NULL, NULL);
  assert_script (self, SHOW_PUBLIC, 0, "good\n");
}

static void
test_public_key_that_never_comes_is_explained (Fake *self, gconstpointer data)
{
  static const char *const scripts[] = { "ctl --timeout 0.3 keys show k1 --public --out p 2>&1; s=$?; ls; exit $s",
                                         "echo c | ctl --timeout 0.3 encrypt --key k1 --in - --out p 2>&1; s=$?; ls; exit $s" };

  self->problem = "the TPM is full";
  self->problem_error = "org.tpmid1.Error.TpmFailure";
  for (gsize i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      fake_key_set_states (self, "creating", NULL, NULL);
      assert_script (self, scripts[i], 8, "tpmidctl: the key k1 is still being made\n--timeout SECONDS waits longer.\n");
      fake_key_set_states (self, "creating", "failed", NULL);
      assert_script (self, scripts[i], 7, "tpmidctl: the key k1 could not be made: the TPM is full\n");
      fake_key_set_states (self, "usable", NULL, NULL);
      assert_script (self, scripts[i], 4, "tpmidctl: the public key of k1 is not known\n");
    }
}

static void
test_row_without_a_value_is_left_out (Fake *self, gconstpointer data)
{
  fake_key_set_states (self, "creating", NULL, NULL);
  assert_script (self, "ctl keys show k1 >out; grep -e State -e Reference out", 0, "State       creating\n");
}

static void
test_progress_is_for_terminals (Fake *self, gconstpointer data)
{
  fake_key_set_states (self, "creating", NULL, NULL);
  assert_script (self, "ctl --timeout 1.5 keys create k1 2>&1 | tr -cd '\\r'", 0, "");
  assert_script (self, "script -qec \"'$0' --bus-address $bus --timeout 1.5 keys create k1\" /dev/null "
                       "| tr -s '\\r ' '\\n ' | grep -c 'The key k1 is being made: 1 s'",
                 0, "1\n");
}

#define ADD(path, test) g_test_add (path, Fake, NULL, fake_key_set_up, test, fake_key_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  tpmidctl = g_canonicalize_filename (argv[1], NULL);
  ADD ("/lib/key/wait-ends-when-usable", test_wait_ends_when_usable);
  ADD ("/lib/key/wait-tells-the-problem", test_wait_tells_the_problem);
  ADD ("/lib/key/wait-tells-the-error", test_wait_tells_the_error);
  ADD ("/lib/key/wait-keeps-its-deadline", test_wait_keeps_its_deadline);
  ADD ("/lib/key/wait-is-no-longer-than-told", test_wait_is_no_longer_than_told);
  ADD ("/lib/key/create-sends-name-and-options", test_create_sends_name_and_options);
  ADD ("/lib/key/decrypt-sends-bytes-and-options", test_decrypt_sends_bytes_and_options);
  ADD ("/lib/key/message-is-sent-whole", test_message_is_sent_whole);
  ADD ("/tpmidctl/decrypt/file-is-its-owner-s", test_decrypted_file_is_its_owner_s);
  ADD ("/tpmidctl/decrypt/who-made-the-file-gets-nothing", test_who_made_the_file_gets_nothing);
  ADD ("/tpmidctl/decrypt/descriptors-are-written-to", test_descriptors_are_written_to);
  ADD ("/tpmidctl/decrypt/failure-leaves-the-file", test_failure_leaves_the_file);
  ADD ("/tpmidctl/decrypt/fifo-of-a-stranger-is-refused", test_fifo_of_a_stranger_is_refused);
  ADD ("/tpmidctl/decrypt/json-is-base64", test_decrypted_json_is_base64);
  ADD ("/tpmidctl/decrypt/terminal-gets-text-only", test_terminal_gets_text_only);
  ADD ("/tpmidctl/decrypt/options-are-those-of-the-command-line", test_decrypt_options_are_those_of_the_command_line);
  ADD ("/tpmidctl/decrypt/every-form-of-a-message-is-sent-as-the-same-der", test_every_form_of_a_message_is_sent_as_the_same_der);
  ADD ("/tpmidctl/decrypt/streamed-message-is-made-definite", test_streamed_message_is_made_definite);
  ADD ("/tpmidctl/keys/create-waits-and-shows", test_keys_create_waits_and_shows);
  ADD ("/tpmidctl/keys/public-key-is-waited-for", test_public_key_is_waited_for);
  ADD ("/tpmidctl/keys/public-key-that-never-comes-is-explained", test_public_key_that_never_comes_is_explained);
  ADD ("/tpmidctl/keys/row-without-a-value-is-left-out", test_row_without_a_value_is_left_out);
  ADD ("/tpmidctl/keys/progress-is-for-terminals", test_progress_is_for_terminals);

  int status = g_test_run ();
  g_free (tpmidctl);
  return status;
}

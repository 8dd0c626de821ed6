/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-support.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static IdentitySoftkey *
load (Fixture *fixture, const char *name, char **ret_warning, GError **error)
{
  g_autofree char *path = fixture_path (fixture, name);

  return identity_softkey_load (path, ret_warning, error);
}

static void
assert_load_refused (Fixture *fixture, const char *name, TpmidError code, const char *words)
{
  static char untouched[] = "untouched";
  g_autoptr (GError) error = NULL;
  char *warning = untouched;

  g_assert_null (load (fixture, name, &warning, &error));
  g_assert_true (warning == untouched);
  if (code != TPMID_ERROR_FAILED)
    assert_contains (error->message, name);
  assert_refused (&error, code, words);
}

/* openssl's verdict on a signature that @key makes with @hash */
static void
assert_signs (Fixture *fixture, IdentitySoftkey *key, IdentityHash hash)
{
  g_autoptr (GBytes) digest = identity_hash_digest (hash, "to be signed", 12);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) signature = identity_softkey_sign (key, hash, digest, &error);

  g_assert_no_error (error);
  g_free (fixture_write (fixture, "data", "to be signed", 12));
  g_free (fixture_write_bytes (fixture, "signature", signature));
  g_free (fixture_write_bytes (fixture, "spki", identity_softkey_peek_spki (key)));
  g_free (run_openssl (fixture, "pkey -pubin -inform DER -in spki -out spki.pem"));
  g_free (run_openssl (fixture, "dgst -%s -verify spki.pem -signature signature data", identity_hash_name (hash)));
  g_assert_true (identity_public_verify (identity_softkey_peek_spki (key), digest, signature));
}

static void
test_signs (Fixture *fixture, gconstpointer data)
{
  for (int algorithm = IDENTITY_ALGORITHM_ECC_P256; algorithm <= IDENTITY_ALGORITHM_ECC_P384; algorithm++)
    {
      g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", (IdentityAlgorithm) algorithm);
      for (int hash = IDENTITY_HASH_SHA256; hash <= IDENTITY_HASH_SHA512; hash++)
        assert_signs (fixture, key, (IdentityHash) hash);
    }
}

static void
test_digest_length (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  static const gsize sizes[] = { 0, 31, 33, 48, 64 };
  guint8 bytes[64] = { 0 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) digest = g_bytes_new (bytes, sizes[i]);
      g_assert_null (identity_softkey_sign (key, IDENTITY_HASH_SHA256, digest, &error));
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "a sha256 digest has 32 bytes");
    }
}

/* Every form that openssl writes a key in holds the same key. */
static void
test_forms (Fixture *fixture, gconstpointer data)
{
  static const char *const forms[] = {
    "ec -in key.pem -out form.pem",
    "ec -in key.pem -no_public -out form.pem",
    "ec -in key.pem -param_enc explicit -conv_form compressed -out form.pem",
    "pkcs8 -topk8 -nocrypt -in key.pem -out form.pem",
  };
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autoptr (GError) error = NULL;
      g_free (run_openssl (fixture, "%s", forms[i]));
      g_autoptr (IdentitySoftkey) form = load (fixture, "form.pem", NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (identity_softkey_peek_spki (form), identity_softkey_peek_spki (key)));
      assert_signs (fixture, form, IDENTITY_HASH_SHA256);
    }
}

static void
test_blocks_before (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_free (run_openssl (fixture, "ecparam -name prime256v1 -genkey -out key.pem"));
  g_autoptr (GBytes) text = fixture_read (fixture, "key.pem");
  g_assert_nonnull (g_strstr_len (g_bytes_get_data (text, NULL), (gssize) g_bytes_get_size (text), "BEGIN EC PARAMETERS"));
  g_autoptr (IdentitySoftkey) key = load (fixture, "key.pem", NULL, &error);
  g_assert_no_error (error);
  assert_signs (fixture, key, IDENTITY_HASH_SHA256);
}

static void
test_exposure (Fixture *fixture, gconstpointer data)
{
  identity_softkey_unref (make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256));
  g_autofree char *path = fixture_path (fixture, "key.pem");
  static const mode_t open_modes[] = { 0640, 0604, 0620, 0666 };

  g_assert_cmpint (g_chmod (path, 0600), ==, 0);
  char *warning = path;
  identity_softkey_unref (load (fixture, "key.pem", &warning, NULL));
  g_assert_null (warning);
  for (guint i = 0; i < G_N_ELEMENTS (open_modes); i++)
    {
      g_autofree char *mode = g_strdup_printf ("(mode %04o)", open_modes[i]);
      g_assert_cmpint (g_chmod (path, (int) open_modes[i]), ==, 0);
      identity_softkey_unref (load (fixture, "key.pem", &warning, NULL));
      g_assert_nonnull (warning);
      assert_contains (warning, path);
      assert_contains (warning, mode);
      assert_contains (warning, "chmod 600");
      g_free (warning);
    }
}

static void
test_exposure_without_modes (void)
{
  g_autofree char *warning = identity_softkey_describe_exposure ("/config/device.key.pem", 0755, FALSE);

  assert_contains (warning, "/config/device.key.pem");
  assert_contains (warning, "umask=0077");
  assert_lacks (warning, "chmod");
  g_assert_null (identity_softkey_describe_exposure ("/config/device.key.pem", 0700, FALSE));
}

static void
test_encrypted (Fixture *fixture, gconstpointer data)
{
  identity_softkey_unref (make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256));

  g_free (run_openssl (fixture, "pkcs8 -topk8 -in key.pem -passout pass:secret -out pkcs8.pem"));
  assert_load_refused (fixture, "pkcs8.pem", TPMID_ERROR_CORRUPT, "is encrypted");
  g_free (run_openssl (fixture, "ec -in key.pem -aes256 -passout pass:secret -out sec1.pem"));
  assert_load_refused (fixture, "sec1.pem", TPMID_ERROR_CORRUPT, "is encrypted");
  /* An empty password is a password. */
  g_free (run_openssl (fixture, "pkcs8 -topk8 -in key.pem -passout pass: -out empty.pem"));
  assert_load_refused (fixture, "empty.pem", TPMID_ERROR_CORRUPT, "is encrypted");
}

static void
test_other_kinds (Fixture *fixture, gconstpointer data)
{
  g_free (run_openssl (fixture, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem"));
  assert_load_refused (fixture, "rsa.pem", TPMID_ERROR_UNSUPPORTED_ALGORITHM, "is an RSA key");
  g_free (run_openssl (fixture, "rsa -in rsa.pem -traditional -out rsa1.pem"));
  assert_load_refused (fixture, "rsa1.pem", TPMID_ERROR_UNSUPPORTED_ALGORITHM, "is an RSA key");
  g_free (run_openssl (fixture, "genpkey -algorithm ED25519 -out ed.pem"));
  assert_load_refused (fixture, "ed.pem", TPMID_ERROR_UNSUPPORTED_ALGORITHM, "is an ED25519 key");
  g_free (run_openssl (fixture, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.pem"));
  assert_load_refused (fixture, "p521.pem", TPMID_ERROR_UNSUPPORTED_ALGORITHM, "the curve secp521r1");
}

static void
test_no_key (Fixture *fixture, gconstpointer data)
{
  static const char no_base64[] = "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n";
  static const char no_key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  identity_softkey_unref (make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256));
  g_autoptr (GBytes) pem = fixture_read (fixture, "key.pem");

  g_free (fixture_write (fixture, "zero.pem", "", 0));
  assert_load_refused (fixture, "zero.pem", TPMID_ERROR_CORRUPT, "no private key");
  g_free (fixture_write (fixture, "garbage.pem", "\0\xff garbage", 10));
  assert_load_refused (fixture, "garbage.pem", TPMID_ERROR_CORRUPT, "no private key");
  g_free (fixture_write (fixture, "base64.pem", no_base64, -1));
  assert_load_refused (fixture, "base64.pem", TPMID_ERROR_CORRUPT, "no private key");
  g_free (fixture_write (fixture, "der.pem", no_key, -1));
  assert_load_refused (fixture, "der.pem", TPMID_ERROR_CORRUPT, "no private key");
  g_free (run_openssl (fixture, "pkey -in key.pem -pubout -out public.pem"));
  assert_load_refused (fixture, "public.pem", TPMID_ERROR_CORRUPT, "no private key");
  g_free (run_openssl (fixture, "ecparam -name prime256v1 -out parameters.pem"));
  assert_load_refused (fixture, "parameters.pem", TPMID_ERROR_CORRUPT, "no private key");
  g_free (fixture_write (fixture, "half.pem", g_bytes_get_data (pem, NULL), (gssize) g_bytes_get_size (pem) / 2));
  assert_load_refused (fixture, "half.pem", TPMID_ERROR_CORRUPT, "no private key");
}

static GBytes *
read_der (Fixture *fixture, const char *name)
{
  g_free (run_openssl (fixture, "ec -in %s -outform DER -out der", name));
  return fixture_read (fixture, "der");
}

/* The private half of one key with the public half of another. SEC 1: both stand at fixed places. */
static void
test_mixed_pair (Fixture *fixture, gconstpointer data)
{
  identity_softkey_unref (make_key (fixture, "one.pem", IDENTITY_ALGORITHM_ECC_P256));
  identity_softkey_unref (make_key (fixture, "two.pem", IDENTITY_ALGORITHM_ECC_P256));
  g_autoptr (GBytes) one_der = read_der (fixture, "one.pem");
  g_autoptr (GBytes) two_der = read_der (fixture, "two.pem");
  gsize size = g_bytes_get_size (one_der);
  g_autofree guint8 *mixed = g_memdup2 (g_bytes_get_data (one_der, NULL), size);

  g_assert_cmpuint (g_bytes_get_size (two_der), ==, size);
  memcpy (mixed + size - 64, (const guint8 *) g_bytes_get_data (two_der, NULL) + size - 64, 64);
  g_autofree char *base64 = g_base64_encode (mixed, size);
  g_autofree char *pem = g_strdup_printf ("-----BEGIN EC PRIVATE KEY-----\n%.64s\n%.64s\n%s\n"
                                          "-----END EC PRIVATE KEY-----\n", base64, base64 + 64, base64 + 128);
  g_free (fixture_write (fixture, "mixed.pem", pem, -1));
  assert_load_refused (fixture, "mixed.pem", TPMID_ERROR_CORRUPT, "does not belong to the public key");
}

static void
test_bad_file (Fixture *fixture, gconstpointer data)
{
  identity_softkey_unref (make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256));
  g_autoptr (GBytes) pem = fixture_read (fixture, "key.pem");
  g_autofree char *link = fixture_path (fixture, "link.pem");
  g_autofree char *folder = fixture_path (fixture, "folder.pem");
  g_autofree char *pipe = fixture_path (fixture, "pipe.pem");
  g_autofree char *large = g_strnfill (16 * 1024 + 1, '\n');

  assert_load_refused (fixture, "absent.pem", TPMID_ERROR_NOT_FOUND, "does not exist");
  g_assert_cmpint (symlink ("key.pem", link), ==, 0);
  assert_load_refused (fixture, "link.pem", TPMID_ERROR_STORAGE, "cannot open");
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  assert_load_refused (fixture, "folder.pem", TPMID_ERROR_STORAGE, "not a regular file");
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  assert_load_refused (fixture, "pipe.pem", TPMID_ERROR_STORAGE, "not a regular file");
  assert_load_refused (fixture, "key.pem/inside", TPMID_ERROR_STORAGE, "cannot open");

  memcpy (large, g_bytes_get_data (pem, NULL), g_bytes_get_size (pem));
  g_free (fixture_write (fixture, "large.pem", large, 16 * 1024 + 1));
  assert_load_refused (fixture, "large.pem", TPMID_ERROR_STORAGE, "larger than 16384 bytes");
  g_free (fixture_write (fixture, "large.pem", large, 16 * 1024));
  g_autoptr (GError) error = NULL;
  g_autoptr (IdentitySoftkey) largest = load (fixture, "large.pem", NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (largest);
}

static void
test_generate (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = fixture_path (fixture, "new.pem");
  g_autoptr (GError) error = NULL;
  mode_t mask = umask (0);
  g_autoptr (IdentitySoftkey) key = identity_softkey_generate (path, &error);
  struct stat st;
  char *warning = path;

  umask (mask);
  g_assert_no_error (error);
  g_assert_cmpint (identity_softkey_get_algorithm (key), ==, IDENTITY_ALGORITHM_ECC_P256);
  g_assert_cmpint (lstat (path, &st), ==, 0);
  g_assert_cmpuint (st.st_mode, ==, S_IFREG | 0600);
  assert_signs (fixture, key, IDENTITY_HASH_SHA256);

  g_autoptr (IdentitySoftkey) again = load (fixture, "new.pem", &warning, &error);
  g_assert_no_error (error);
  g_assert_null (warning);
  g_assert_true (g_bytes_equal (identity_softkey_peek_spki (again), identity_softkey_peek_spki (key)));
  g_autoptr (GBytes) pem = fixture_read (fixture, "new.pem");
  g_assert_true (g_str_has_prefix (g_bytes_get_data (pem, NULL), "-----BEGIN PRIVATE KEY-----\n"));
  g_free (run_openssl (fixture, "pkey -in new.pem -check -noout"));
}

static void
test_generate_refuses (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = fixture_write (fixture, "there.pem", "", 0);
  g_autofree char *link = fixture_path (fixture, "link.pem");
  g_autofree char *target = fixture_path (fixture, "target.pem");
  g_autofree char *nowhere = fixture_path (fixture, "nowhere/key.pem");
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_softkey_generate (path, &error));
  assert_refused (&error, TPMID_ERROR_EXISTS, "there.pem");
  g_autoptr (GBytes) kept = fixture_read (fixture, "there.pem");
  g_assert_cmpuint (g_bytes_get_size (kept), ==, 0);

  g_assert_cmpint (symlink ("target.pem", link), ==, 0);
  g_assert_null (identity_softkey_generate (link, &error));
  assert_refused (&error, TPMID_ERROR_EXISTS, "link.pem");
  g_assert_false (g_file_test (target, G_FILE_TEST_EXISTS));

  g_assert_null (identity_softkey_generate (nowhere, &error));
  assert_refused (&error, TPMID_ERROR_STORAGE, nowhere);
}

static void
test_generates_another (Fixture *fixture, gconstpointer data)
{
  g_autofree char *one_path = fixture_path (fixture, "one.pem");
  g_autofree char *two_path = fixture_path (fixture, "two.pem");
  g_autoptr (IdentitySoftkey) one = identity_softkey_generate (one_path, NULL);
  g_autoptr (IdentitySoftkey) two = identity_softkey_generate (two_path, NULL);

  g_assert_false (g_bytes_equal (identity_softkey_peek_spki (one), identity_softkey_peek_spki (two)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/identity/softkey/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("openssl-verifies-every-curve-and-hash", test_signs);
  ADD ("refuses-digest-of-other-length", test_digest_length);
  ADD ("every-form-holds-the-same-key", test_forms);
  ADD ("passes-over-ec-parameters", test_blocks_before);
  ADD ("warns-of-file-open-to-others", test_exposure);
  g_test_add_func ("/identity/softkey/names-the-remedy-where-there-are-no-modes", test_exposure_without_modes);
  ADD ("refuses-encrypted-key", test_encrypted);
  ADD ("refuses-other-kinds-of-key", test_other_kinds);
  ADD ("refuses-file-without-a-key", test_no_key);
  ADD ("refuses-halves-of-two-keys", test_mixed_pair);
  ADD ("refuses-what-is-no-small-regular-file", test_bad_file);
  ADD ("generates-a-private-file", test_generate);
  ADD ("generate-replaces-nothing", test_generate_refuses);
  ADD ("generates-another-key-each-time", test_generates_another);
  return g_test_run ();
}

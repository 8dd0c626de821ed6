/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-rsa-support.h"
#include "identity-rsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#define BLOCK_SIZE 256

static IdentityRsaPadding *
new_padding (const char *scheme, const char *hash, const char *mgf1_hash, const char *label)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = label != NULL ? g_bytes_new (label, strlen (label)) : NULL;
  IdentityRsaPadding *padding = identity_rsa_padding_new (scheme, hash, mgf1_hash, bytes, &error);

  assert_clean (error);
  return padding;
}

/* Has openssl encrypt, with its options for padding, and does the private operation. */
static BaseSecret *
encrypt_and_apply (Fixture *fixture, TestRsaKey *key, const char *options, gconstpointer plaintext, gsize size)
{
  g_autoptr (GError) error = NULL;

  g_free (fixture_write (fixture, "plaintext", plaintext, (gssize) size));
  g_free (run_openssl (fixture, "pkeyutl -encrypt -pubin -inkey rsa.pub -in plaintext -out ciphertext %s", options));
  g_autoptr (GBytes) ciphertext = fixture_read (fixture, "ciphertext");
  g_assert_true (identity_rsa_check_ciphertext (key->spki, ciphertext, &error));
  assert_clean (error);
  return test_rsa_key_apply (key, ciphertext);
}

static void
assert_unpads (const IdentityRsaPadding *padding, const BaseSecret *block, gconstpointer plaintext, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSecret) found = identity_rsa_unpad (padding, block, &error);

  assert_clean (error);
  assert_secret (found, plaintext, size);
}

static void
assert_does_not_unpad (const IdentityRsaPadding *padding, const BaseSecret *block)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_rsa_unpad (padding, block, &error));
  assert_decrypt_failed (&error);
  g_assert_null (identity_rsa_unpad (padding, block, NULL));
}

static void
test_oaep_of_openssl (Fixture *fixture, gconstpointer data)
{
  static const char *const hashes[] = { "sha1", "sha256", "sha384", "sha512" };
  static const gsize overheads[] = { 42, 66, 98, 130 }; /* RFC 8017, 7.1.1: 2 * hash + 2 */
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  guint8 longest[BLOCK_SIZE];

  memset (longest, 0x5a, sizeof longest);
  for (guint i = 0; i < G_N_ELEMENTS (hashes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (hashes); j++)
      {
        g_autofree char *options = g_strdup_printf ("-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:%s "
                                                    "-pkeyopt rsa_mgf1_md:%s", hashes[i], hashes[j]);
        g_autoptr (IdentityRsaPadding) padding = new_padding ("oaep", hashes[i], hashes[j], NULL);
        gsize size = j == 0 ? BLOCK_SIZE - overheads[i] : j;
        g_autoptr (BaseSecret) block = encrypt_and_apply (fixture, key, options, longest, size);

        g_assert_false (identity_rsa_padding_is_pkcs1 (padding));
        assert_unpads (padding, block, longest, size);
      }
}

static void
test_oaep_by_default (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  const char *with_sha256 = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256";
  const char *with_sha384 = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha384";
  g_autoptr (IdentityRsaPadding) all = new_padding (NULL, NULL, NULL, NULL);
  g_autoptr (IdentityRsaPadding) mgf1 = new_padding (NULL, "sha384", NULL, NULL);
  g_autoptr (BaseSecret) block256 = encrypt_and_apply (fixture, key, with_sha256, "secret", 6);
  g_autoptr (BaseSecret) block384 = encrypt_and_apply (fixture, key, with_sha384, "secret", 6);

  assert_unpads (all, block256, "secret", 6);
  assert_unpads (mgf1, block384, "secret", 6);
  assert_does_not_unpad (all, block384);
  assert_does_not_unpad (mgf1, block256);
}

static void
test_oaep_label (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  const char *options = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_oaep_label:6c6162656c00";
  g_autoptr (BaseSecret) block = encrypt_and_apply (fixture, key, options, "secret", 6);
  g_autoptr (GBytes) with_nul = g_bytes_new_static ("label", 6);
  g_autoptr (IdentityRsaPadding) same = identity_rsa_padding_new ("oaep", "sha256", NULL, with_nul, NULL);
  g_autoptr (IdentityRsaPadding) shorter = new_padding ("oaep", "sha256", NULL, "label");
  g_autoptr (IdentityRsaPadding) none = new_padding ("oaep", "sha256", NULL, NULL);

  assert_unpads (same, block, "secret", 6);
  assert_does_not_unpad (shorter, block);
  assert_does_not_unpad (none, block);
}

static void
test_oaep_parameters_must_agree (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  const char *options = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha1";
  g_autoptr (BaseSecret) block = encrypt_and_apply (fixture, key, options, "secret", 6);
  g_autoptr (IdentityRsaPadding) hash = new_padding ("oaep", "sha1", NULL, NULL);
  g_autoptr (IdentityRsaPadding) mgf1 = new_padding ("oaep", "sha256", NULL, NULL);
  g_autoptr (IdentityRsaPadding) scheme = new_padding ("pkcs1", NULL, NULL, NULL);
  g_autoptr (IdentityRsaPadding) same = new_padding ("oaep", "sha256", "sha1", NULL);

  assert_does_not_unpad (hash, block);
  assert_does_not_unpad (mgf1, block);
  assert_does_not_unpad (scheme, block);
  assert_unpads (same, block, "secret", 6);
}

static void
test_pkcs1_of_openssl (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  g_autoptr (IdentityRsaPadding) padding = new_padding ("pkcs1", NULL, NULL, NULL);
  g_autoptr (IdentityRsaPadding) other = new_padding ("oaep", NULL, NULL, NULL);
  static const gsize sizes[] = { 1, 2, 16, 127, 128, 244, 245 };
  guint8 plaintext[245] = { 0 };

  g_assert_true (identity_rsa_padding_is_pkcs1 (padding));
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (BaseSecret) block
        = encrypt_and_apply (fixture, key, "-pkeyopt rsa_padding_mode:pkcs1", plaintext, sizes[i]);

      assert_unpads (padding, block, plaintext, sizes[i]);
      assert_does_not_unpad (other, block);
    }
}

/* A modulus whose bits do not fill its bytes, and one too small for the hash. */
static void
test_other_sizes_of_keys (Fixture *fixture, gconstpointer data)
{
  static const guint bits[] = { 1024, 2041, 3072 };
  g_autoptr (IdentityRsaPadding) oaep = new_padding ("oaep", "sha1", NULL, NULL);
  g_autoptr (IdentityRsaPadding) pkcs1 = new_padding ("pkcs1", NULL, NULL, NULL);
  g_autoptr (IdentityRsaPadding) large = new_padding ("oaep", "sha512", NULL, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (bits); i++)
    {
      g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", bits[i]);
      g_autoptr (BaseSecret) block = encrypt_and_apply (fixture, key, "-pkeyopt rsa_padding_mode:oaep", "secret", 6);
      g_autoptr (BaseSecret) old = encrypt_and_apply (fixture, key, "-pkeyopt rsa_padding_mode:pkcs1", "secret", 6);

      assert_unpads (oaep, block, "secret", 6);
      assert_unpads (pkcs1, old, "secret", 6);
      assert_does_not_unpad (large, block);
    }
}

static void
test_no_changed_byte_passes_oaep (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  const char *options = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256";
  g_autoptr (BaseSecret) block = encrypt_and_apply (fixture, key, options, "", 0);
  g_autoptr (IdentityRsaPadding) padding = new_padding (NULL, NULL, NULL, NULL);
  guint8 changed[BLOCK_SIZE];
  gsize size;

  assert_unpads (padding, block, "", 0);
  memcpy (changed, base_secret_peek (block, &size), BLOCK_SIZE);
  g_assert_cmpuint (size, ==, BLOCK_SIZE);
  for (guint i = 0; i < BLOCK_SIZE; i++)
    for (guint bit = 0; bit < 8; bit += 7)
      {
        changed[i] ^= (guint8) (1U << bit);
        g_autoptr (BaseSecret) other = base_secret_new (changed, size);
        assert_does_not_unpad (padding, other);
        changed[i] ^= (guint8) (1U << bit);
      }
}

/* EM = 00 02 PS 00 M with at least eight bytes of PS that are not zero (RFC 8017, 7.2.2, step 3). */
static void
make_pkcs1_block (guint8 block[BLOCK_SIZE], guint zero_at)
{
  memset (block, 0xff, BLOCK_SIZE);
  block[0] = 0;
  block[1] = 2;
  if (zero_at < BLOCK_SIZE)
    block[zero_at] = 0;
}

static void
assert_pkcs1_fails (const guint8 block[BLOCK_SIZE])
{
  g_autoptr (IdentityRsaPadding) padding = new_padding ("pkcs1", NULL, NULL, NULL);
  g_autoptr (BaseSecret) secret = base_secret_new (block, BLOCK_SIZE);

  assert_does_not_unpad (padding, secret);
}

static void
test_every_pkcs1_block (void)
{
  g_autoptr (IdentityRsaPadding) padding = new_padding ("pkcs1", NULL, NULL, NULL);
  guint8 block[BLOCK_SIZE];

  for (guint zero_at = 2; zero_at <= BLOCK_SIZE; zero_at++)
    {
      make_pkcs1_block (block, zero_at);
      g_autoptr (BaseSecret) secret = base_secret_new (block, BLOCK_SIZE);
      if (zero_at >= 10 && zero_at < BLOCK_SIZE)
        assert_unpads (padding, secret, block + zero_at + 1, BLOCK_SIZE - zero_at - 1);
      else
        assert_does_not_unpad (padding, secret);
    }
  for (guint value = 1; value < 256; value++)
    {
      make_pkcs1_block (block, 100);
      block[0] = (guint8) value;
      assert_pkcs1_fails (block);
      make_pkcs1_block (block, 100);
      block[1] = (guint8) (value == 2 ? 0 : value);
      assert_pkcs1_fails (block);
    }
}

static void
test_blocks_of_no_use (void)
{
  static const guint8 zeros[IDENTITY_RSA_BLOCK_MAX];
  static const gsize sizes[] = { 0, 1, 2, 10, 11, 12, 65, 66, 255, 256, IDENTITY_RSA_BLOCK_MAX };
  static const char *const schemes[] = { "oaep", "pkcs1" };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (schemes); j++)
      {
        g_autoptr (IdentityRsaPadding) padding = new_padding (schemes[j], NULL, NULL, NULL);
        g_autoptr (BaseSecret) block = base_secret_new (zeros, sizes[i]);
        g_autoptr (GError) error = NULL;

        assert_does_not_unpad (padding, block);
        g_autoptr (BaseSecret) key = identity_rsa_unpad_or_random (padding, block, 32, &error);
        assert_clean (error);
        g_assert_nonnull (key);
      }
}

/* Ciphertexts */

static void
assert_ciphertext (TestRsaKey *key, gconstpointer data, gsize size, gboolean good)
{
  g_autoptr (GBytes) ciphertext = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_rsa_check_ciphertext (key->spki, ciphertext, &error) == good);
  if (good)
    assert_clean (error);
  else
    assert_decrypt_failed (&error);
}

static void
test_ciphertext_is_below_the_modulus (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  BIGNUM *modulus = NULL;
  guint8 number[BLOCK_SIZE + 1] = { 0 };

  g_assert_cmpint (EVP_PKEY_get_bn_param (key->key, OSSL_PKEY_PARAM_RSA_N, &modulus), ==, 1);
  g_assert_cmpint (BN_bn2binpad (modulus, number + 1, BLOCK_SIZE), ==, BLOCK_SIZE);
  BN_free (modulus);

  assert_ciphertext (key, number + 1, BLOCK_SIZE, FALSE);
  number[BLOCK_SIZE]--; /* the modulus is odd */
  assert_ciphertext (key, number + 1, BLOCK_SIZE, TRUE);
  assert_ciphertext (key, number, BLOCK_SIZE + 1, FALSE);
  assert_ciphertext (key, number + 1, BLOCK_SIZE - 1, FALSE);
  assert_ciphertext (key, number, BLOCK_SIZE, TRUE);
  assert_ciphertext (key, number, 0, FALSE);
  memset (number, 0xff, sizeof number);
  assert_ciphertext (key, number, BLOCK_SIZE, FALSE);
  memset (number, 0, sizeof number);
  assert_ciphertext (key, number, BLOCK_SIZE, TRUE);
}

static void
test_key_is_rsa (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) ec = make_key (fixture, "ec.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  GBytes *keys[] = { identity_softkey_peek_spki (ec), garbage };
  guint8 number[BLOCK_SIZE] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      TestRsaKey key = { .spki = keys[i] };

      assert_ciphertext (&key, number, sizeof number, FALSE);
      assert_ciphertext (&key, number, 0, FALSE);
    }
}

static void
test_large_ciphertexts_are_not_taken (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  g_autofree guint8 *large = g_malloc0 (256 * 1024);

  assert_ciphertext (key, large, 256 * 1024, FALSE);
}

/* Keys in place of keys */

static BaseSecret *
unpad_key (const IdentityRsaPadding *padding, const BaseSecret *block, gsize size)
{
  g_autoptr (GError) error = NULL;
  BaseSecret *key = identity_rsa_unpad_or_random (padding, block, size, &error);
  gsize found;

  assert_clean (error);
  base_secret_peek (key, &found);
  g_assert_cmpuint (found, ==, size);
  return key;
}

static gboolean
secrets_equal (const BaseSecret *a, const BaseSecret *b)
{
  gsize a_size, b_size;
  const guint8 *a_data = base_secret_peek (a, &a_size);
  const guint8 *b_data = base_secret_peek (b, &b_size);

  return a_size == b_size && memcmp (a_data, b_data, a_size) == 0;
}

static void
test_good_key_comes_through (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "rsa", 2048);
  static const char *const schemes[] = { "oaep", "pkcs1" };
  guint8 wanted[IDENTITY_RSA_SYMMETRIC_MAX];

  for (guint i = 0; i < sizeof wanted; i++)
    wanted[i] = (guint8) i;
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    for (gsize size = 16; size <= 32; size += 8)
      {
        g_autofree char *options = g_strdup_printf ("-pkeyopt rsa_padding_mode:%s", schemes[i]);
        g_autoptr (BaseSecret) block = encrypt_and_apply (fixture, key, options, wanted, size);
        g_autoptr (IdentityRsaPadding) padding = new_padding (schemes[i], i == 0 ? "sha1" : NULL, NULL, NULL);
        g_autoptr (BaseSecret) found = unpad_key (padding, block, size);

        assert_secret (found, wanted, size);
      }
}

/* Nothing of the plaintext, no constant, the same each time, and another one for another block. */
static void
test_bad_key_is_replaced (void)
{
  g_autoptr (IdentityRsaPadding) padding = new_padding ("pkcs1", NULL, NULL, NULL);
  static const guint8 zeros[32];
  static const guint zeros_at[] = { 9, BLOCK_SIZE - 32, BLOCK_SIZE - 34, BLOCK_SIZE - 1, BLOCK_SIZE };
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func ((GDestroyNotify) base_secret_unref);
  guint8 block[BLOCK_SIZE];

  for (guint i = 0; i < G_N_ELEMENTS (zeros_at); i++)
    {
      make_pkcs1_block (block, zeros_at[i]);
      g_autoptr (BaseSecret) secret = base_secret_new (block, BLOCK_SIZE);
      BaseSecret *key = unpad_key (padding, secret, 32);
      g_autoptr (BaseSecret) again = unpad_key (padding, secret, 32);

      g_assert_true (secrets_equal (key, again));
      g_ptr_array_add (keys, key);
    }
  g_ptr_array_add (keys, base_secret_new (zeros, sizeof zeros));
  g_ptr_array_add (keys, base_secret_new (block + BLOCK_SIZE - 32, 32));
  for (guint i = 0; i < keys->len; i++)
    for (guint j = 0; j < i; j++)
      g_assert_false (secrets_equal (keys->pdata[i], keys->pdata[j]));
}

static void
test_every_size_is_told_apart (void)
{
  g_autoptr (IdentityRsaPadding) padding = new_padding ("pkcs1", NULL, NULL, NULL);
  guint8 block[BLOCK_SIZE];

  for (guint in_block = 0; in_block <= 245; in_block++)
    for (gsize asked = 1; asked <= IDENTITY_RSA_SYMMETRIC_MAX; asked++)
      {
        make_pkcs1_block (block, BLOCK_SIZE - 1 - in_block);
        g_autoptr (BaseSecret) secret = base_secret_new (block, BLOCK_SIZE);
        g_autoptr (BaseSecret) key = unpad_key (padding, secret, asked);
        g_autoptr (BaseSecret) plain = base_secret_new (block + BLOCK_SIZE - asked, asked);

        if (in_block == asked || asked >= 4) /* shorter ones meet by chance */
          g_assert_true (secrets_equal (key, plain) == (in_block == asked));
      }
}

/* Names */

static void
assert_padding_refused (const char *scheme, const char *hash, const char *mgf1_hash, GBytes *label, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_rsa_padding_new (scheme, hash, mgf1_hash, label, &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, words);
  g_assert_null (identity_rsa_padding_new (scheme, hash, mgf1_hash, label, NULL));
}

static void
test_unknown_names (void)
{
  const char *hashes = "use sha1, sha256, sha384 or sha512";
  g_autofree char *endless = g_strnfill (10000, 'x');
  g_autofree char *cut = g_strnfill (32, 'x');
  g_autofree char *shown = g_strdup_printf ("there is no hash \"%s\"; use", cut);

  assert_padding_refused ("raw", NULL, NULL, NULL, "there is no RSA encryption scheme \"raw\"; use oaep, pkcs1 or cms");
  assert_padding_refused ("", NULL, NULL, NULL, "use oaep, pkcs1 or cms");
  assert_padding_refused ("OAEP", NULL, NULL, NULL, "use oaep, pkcs1 or cms");
  assert_padding_refused (NULL, "md5", NULL, NULL, hashes);
  assert_padding_refused (NULL, "SHA256", NULL, NULL, hashes);
  assert_padding_refused (NULL, "", NULL, NULL, hashes);
  assert_padding_refused (NULL, NULL, "sha224", NULL, hashes);
  assert_padding_refused (NULL, "a\n\xff\"", NULL, NULL, "there is no hash \"a\\n\\377\\\"\"");
  assert_padding_refused (NULL, endless, NULL, NULL, shown);
}

static void
test_label_is_limited (void)
{
  g_autofree guint8 *data = g_malloc0 (IDENTITY_RSA_LABEL_MAX + 1);
  g_autoptr (GBytes) longest = g_bytes_new (data, IDENTITY_RSA_LABEL_MAX);
  g_autoptr (GBytes) longer = g_bytes_new (data, IDENTITY_RSA_LABEL_MAX + 1);
  g_autoptr (IdentityRsaPadding) padding = identity_rsa_padding_new (NULL, NULL, NULL, longest, NULL);

  g_assert_nonnull (padding);
  assert_padding_refused (NULL, NULL, NULL, longer, "the label has 1025 bytes; at most 1024 are allowed");
}

static void
test_pkcs1_has_no_parameters (void)
{
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);

  assert_padding_refused ("pkcs1", "sha256", NULL, NULL, "neither a hash nor a label");
  assert_padding_refused ("pkcs1", NULL, "sha256", NULL, "neither a hash nor a label");
  assert_padding_refused ("pkcs1", NULL, NULL, empty, "neither a hash nor a label");
}

#define ADD(path, function) g_test_add ("/identity/rsa/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("oaep-of-openssl-with-every-hash-unpads", test_oaep_of_openssl);
  ADD ("oaep-with-sha256-is-the-default", test_oaep_by_default);
  ADD ("oaep-label-is-taken-byte-for-byte", test_oaep_label);
  ADD ("oaep-parameters-must-agree", test_oaep_parameters_must_agree);
  ADD ("pkcs1-of-openssl-unpads", test_pkcs1_of_openssl);
  ADD ("other-sizes-of-keys-work", test_other_sizes_of_keys);
  ADD ("no-changed-byte-passes-oaep", test_no_changed_byte_passes_oaep);
  g_test_add_func ("/identity/rsa/every-pkcs1-block-is-judged-as-the-rfc-has-it", test_every_pkcs1_block);
  g_test_add_func ("/identity/rsa/blocks-of-no-use-fail-like-all-others", test_blocks_of_no_use);
  ADD ("ciphertext-must-be-below-the-modulus-and-of-its-size", test_ciphertext_is_below_the_modulus);
  ADD ("key-must-be-rsa", test_key_is_rsa);
  ADD ("large-ciphertexts-are-not-taken", test_large_ciphertexts_are_not_taken);
  ADD ("good-symmetric-key-comes-through", test_good_key_comes_through);
  g_test_add_func ("/identity/rsa/bad-symmetric-key-is-replaced", test_bad_key_is_replaced);
  g_test_add_func ("/identity/rsa/symmetric-key-of-another-size-is-replaced", test_every_size_is_told_apart);
  g_test_add_func ("/identity/rsa/unknown-names-are-refused-with-those-there-are", test_unknown_names);
  g_test_add_func ("/identity/rsa/label-is-limited", test_label_is_limited);
  g_test_add_func ("/identity/rsa/pkcs1-has-no-parameters", test_pkcs1_has_no_parameters);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-support.h"

#include <string.h>

static const IdentityAlgorithm algorithms[] = { IDENTITY_ALGORITHM_ECC_P256, IDENTITY_ALGORITHM_ECC_P384 };
static const IdentityHash hashes[] = { IDENTITY_HASH_SHA256, IDENTITY_HASH_SHA384, IDENTITY_HASH_SHA512 };

static gsize
coordinate_size (IdentityAlgorithm algorithm)
{
  return algorithm == IDENTITY_ALGORITHM_ECC_P384 ? 48 : 32;
}

/* The public key of NAME.pem as openssl encodes it */
static GBytes *
make_public (Fixture *fixture, const char *name, IdentityAlgorithm algorithm)
{
  g_autofree char *file = g_strconcat (name, ".pem", NULL);
  g_autofree char *der = g_strconcat (name, ".der", NULL);

  identity_softkey_unref (make_key (fixture, file, algorithm));
  g_free (run_openssl (fixture, "pkey -in %s -pubout -outform DER -out %s", file, der));
  return fixture_read (fixture, der);
}

static void
test_names (void)
{
  g_autoptr (GError) error = NULL;
  IdentityHash hash = IDENTITY_HASH_SHA256;

  g_assert_cmpstr (identity_algorithm_name (IDENTITY_ALGORITHM_ECC_P256), ==, "ecc-p256");
  g_assert_cmpstr (identity_algorithm_name (IDENTITY_ALGORITHM_ECC_P384), ==, "ecc-p384");
  for (guint i = 0; i < G_N_ELEMENTS (hashes); i++)
    {
      g_assert_true (identity_hash_from_name (identity_hash_name (hashes[i]), &hash, &error));
      g_assert_no_error (error);
      g_assert_cmpint (hash, ==, hashes[i]);
      g_assert_cmpuint (identity_hash_size (hash), ==, 32 + 16 * i);
    }
}

static void
test_unknown_hash (void)
{
  static const char *const names[] = { "", "sha1", "SHA256", "sha256 ", "sha-256", "\xff\n" };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      IdentityHash hash = IDENTITY_HASH_SHA384;
      g_assert_false (identity_hash_from_name (names[i], &hash, &error));
      g_assert_cmpint (hash, ==, IDENTITY_HASH_SHA384);
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "use sha256, sha384 or sha512");
    }
}

static void
test_digest (Fixture *fixture, gconstpointer data)
{
  g_free (fixture_write (fixture, "data", "abc", 3));
  for (guint i = 0; i < G_N_ELEMENTS (hashes); i++)
    {
      g_autoptr (GBytes) digest = identity_hash_digest (hashes[i], "abc", 3);
      g_free (run_openssl (fixture, "dgst -%s -binary -out digest data", identity_hash_name (hashes[i])));
      g_autoptr (GBytes) expected = fixture_read (fixture, "digest");
      g_assert_true (g_bytes_equal (digest, expected));
      g_assert_cmpuint (g_bytes_get_size (digest), ==, identity_hash_size (hashes[i]));
    }
}

static void
test_point (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      g_autoptr (GBytes) expected = make_public (fixture, "key", algorithms[i]);
      g_autoptr (GError) error = NULL;
      gsize size = coordinate_size (algorithms[i]);
      gsize total;
      const guint8 *end = g_bytes_get_data (expected, &total);

      end += total;
      g_autoptr (GBytes) spki = identity_public_from_point (algorithms[i], end - 2 * size, end - size, size, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (spki, expected));

      g_autoptr (GBytes) reference = identity_public_reference (spki);
      g_free (run_openssl (fixture, "dgst -sha256 -binary -out digest key.der"));
      g_autoptr (GBytes) digest = fixture_read (fixture, "digest");
      g_assert_true (g_bytes_equal (reference, digest));
      g_assert_cmpuint (g_bytes_get_size (reference), ==, IDENTITY_REFERENCE_SIZE);
    }
}

static void
test_bad_point (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      g_autoptr (GBytes) good = make_public (fixture, "key", algorithms[i]);
      g_autoptr (GError) error = NULL;
      gsize size = coordinate_size (algorithms[i]);
      guint8 x[48], y[48], ones[48], zeros[48] = { 0 };
      const guint8 *end = (const guint8 *) g_bytes_get_data (good, NULL) + g_bytes_get_size (good);

      memcpy (x, end - 2 * size, size);
      memcpy (y, end - size, size);
      memset (ones, 0xff, sizeof ones);
      g_assert_null (identity_public_from_point (algorithms[i], x, y, size - 1, &error));
      assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "is not on the curve");
      g_assert_null (identity_public_from_point (algorithms[1 - i], x, y, size, &error));
      assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, identity_algorithm_name (algorithms[1 - i]));
      g_assert_null (identity_public_from_point (algorithms[i], zeros, zeros, size, &error));
      assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "is not on the curve");
      g_assert_null (identity_public_from_point (algorithms[i], ones, y, size, &error));
      assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "is not on the curve");
      y[size - 1] ^= 1;
      g_assert_null (identity_public_from_point (algorithms[i], x, y, size, &error));
      assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "is not on the curve");
    }
}

static void
assert_der (const guint8 *r, const guint8 *s, gsize size, const guint8 *expected, gsize expected_size)
{
  g_autoptr (GBytes) der = identity_public_signature_to_der (r, s, size);

  g_assert_cmpmem (g_bytes_get_data (der, NULL), g_bytes_get_size (der), expected, expected_size);
}

static void
test_signature_der (void)
{
  static const guint8 low[4] = { 0x00, 0x00, 0x01, 0x02 };
  static const guint8 high[4] = { 0x00, 0x80, 0x01, 0x02 };
  static const guint8 full[4] = { 0xff, 0x80, 0x01, 0x02 };
  static const guint8 zero[4] = { 0 };
  static const guint8 low_high[] = { 0x30, 10, 0x02, 2, 0x01, 0x02, 0x02, 4, 0x00, 0x80, 0x01, 0x02 };
  static const guint8 full_zero[] = { 0x30, 10, 0x02, 5, 0x00, 0xff, 0x80, 0x01, 0x02, 0x02, 1, 0x00 };
  guint8 ones[48];
  guint8 longest[104] = { 0x30, 102, 0x02, 49 };

  assert_der (low, high, 4, low_high, sizeof low_high);
  assert_der (full, zero, 4, full_zero, sizeof full_zero);
  memset (ones, 0xff, sizeof ones);
  memset (longest + 5, 0xff, 48);
  longest[53] = 0x02;
  longest[54] = 49;
  memset (longest + 56, 0xff, 48);
  assert_der (ones, ones, sizeof ones, longest, sizeof longest);
}

/* Takes a DER signature apart, pads it as a TPM does, and has it put together again. */
static void
test_signature_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) digest = identity_hash_digest (IDENTITY_HASH_SHA256, "abc", 3);
  guint seen[2] = { 0, 0 };

  for (guint i = 0; i < 64; i++)
    {
      g_autoptr (GBytes) signature = identity_softkey_sign (key, IDENTITY_HASH_SHA256, digest, NULL);
      const guint8 *at = (const guint8 *) g_bytes_get_data (signature, NULL) + 2;
      guint8 numbers[2][32] = { { 0 }, { 0 } };

      for (guint j = 0; j < 2; j++)
        {
          gsize pad = at[1] == 33 ? 1 : 0;
          gsize size = at[1] - pad;
          seen[pad]++;
          memcpy (numbers[j] + 32 - size, at + 2 + pad, size);
          at += 2 + at[1];
        }
      g_autoptr (GBytes) again = identity_public_signature_to_der (numbers[0], numbers[1], 32);
      g_assert_true (g_bytes_equal (again, signature));
      g_assert_true (identity_public_verify (identity_softkey_peek_spki (key), digest, again));
    }
  /* Half of all numbers have the top bit set: both forms were there. */
  g_assert_cmpuint (seen[0], >, 0);
  g_assert_cmpuint (seen[1], >, 0);
}

static void
test_verify (Fixture *fixture, gconstpointer data)
{
  g_free (fixture_write (fixture, "data", "to be signed", -1));
  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    for (guint j = 0; j < G_N_ELEMENTS (hashes); j++)
      {
        g_autoptr (GBytes) spki = make_public (fixture, "key", algorithms[i]);
        g_autoptr (GBytes) digest = identity_hash_digest (hashes[j], "to be signed", 12);

        g_free (run_openssl (fixture, "dgst -%s -sign key.pem -out signature data", identity_hash_name (hashes[j])));
        g_autoptr (GBytes) signature = fixture_read (fixture, "signature");
        g_assert_true (identity_public_verify (spki, digest, signature));
      }
}

static GBytes *
flip (GBytes *bytes, gsize at)
{
  gsize size;
  guint8 *copy = g_memdup2 (g_bytes_get_data (bytes, &size), g_bytes_get_size (bytes));

  copy[at % size] ^= 0x01;
  return g_bytes_new_take (copy, size);
}

static GBytes *
lengthen (GBytes *bytes)
{
  g_autoptr (GByteArray) longer = g_byte_array_new ();

  g_byte_array_append (longer, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  g_byte_array_append (longer, (const guint8 *) "", 1);
  return g_byte_array_free_to_bytes (g_steal_pointer (&longer));
}

static void
test_bad_signature (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  GBytes *spki = identity_softkey_peek_spki (key);
  g_autoptr (GBytes) digest = identity_hash_digest (IDENTITY_HASH_SHA256, "abc", 3);
  g_autoptr (GBytes) signature = identity_softkey_sign (key, IDENTITY_HASH_SHA256, digest, NULL);
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  g_autoptr (GBytes) longer = lengthen (signature);

  g_assert_true (identity_public_verify (spki, digest, signature));
  for (gsize i = 0; i < g_bytes_get_size (signature); i++)
    {
      g_autoptr (GBytes) other = flip (signature, i);
      g_assert_false (identity_public_verify (spki, digest, other));
    }
  for (gsize i = 0; i < g_bytes_get_size (digest); i++)
    {
      g_autoptr (GBytes) other = flip (digest, i);
      g_assert_false (identity_public_verify (spki, other, signature));
    }
  g_assert_false (identity_public_verify (spki, digest, empty));
  g_assert_false (identity_public_verify (spki, digest, longer));
  g_assert_false (identity_public_verify (spki, empty, signature));
}

/* ECDSA takes what is left of a digest, so a longer one with the same beginning would do; it must not. */
static void
test_digest_length (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  guint8 padded[65] = { 0x5a };
  g_autoptr (GBytes) digest = g_bytes_new (padded, 32);
  g_autoptr (GBytes) signature = identity_softkey_sign (key, IDENTITY_HASH_SHA256, digest, NULL);

  for (gsize size = 0; size <= sizeof padded; size++)
    {
      g_autoptr (GBytes) other = g_bytes_new (padded, size);
      gboolean allowed = size == 32 || size == 48 || size == 64;
      g_assert_cmpint (identity_public_verify (identity_softkey_peek_spki (key), other, signature), ==, allowed);
    }
}

static void
test_bad_key (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) digest = identity_hash_digest (IDENTITY_HASH_SHA256, "abc", 3);
  g_autoptr (GBytes) signature = identity_softkey_sign (key, IDENTITY_HASH_SHA256, digest, NULL);
  g_autoptr (GBytes) other = make_public (fixture, "other", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) other_curve = make_public (fixture, "other", IDENTITY_ALGORITHM_ECC_P384);
  g_autoptr (GBytes) longer = lengthen (identity_softkey_peek_spki (key));
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);

  g_free (run_openssl (fixture, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem"));
  g_free (run_openssl (fixture, "pkey -in rsa.pem -pubout -outform DER -out rsa.der"));
  g_free (fixture_write_bytes (fixture, "digest", digest));
  g_free (run_openssl (fixture, "pkeyutl -sign -inkey rsa.pem -in digest -out rsa.sig"));
  g_autoptr (GBytes) rsa = fixture_read (fixture, "rsa.der");
  g_autoptr (GBytes) rsa_signature = fixture_read (fixture, "rsa.sig");

  g_assert_false (identity_public_verify (other, digest, signature));
  g_assert_false (identity_public_verify (other_curve, digest, signature));
  g_assert_false (identity_public_verify (longer, digest, signature));
  g_assert_false (identity_public_verify (garbage, digest, signature));
  g_assert_false (identity_public_verify (empty, digest, signature));
  g_assert_false (identity_public_verify (rsa, digest, rsa_signature));
}

/* The same key in another encoding, and what is no point in ours */
static void
test_other_encoding (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", algorithms[i]);
      g_autoptr (GBytes) digest = identity_hash_digest (IDENTITY_HASH_SHA256, "abc", 3);
      g_autoptr (GBytes) signature = identity_softkey_sign (key, IDENTITY_HASH_SHA256, digest, NULL);
      GBytes *spki = identity_softkey_peek_spki (key);
      g_autoptr (GBytes) off_curve = flip (spki, g_bytes_get_size (spki) - 1);

      g_free (run_openssl (fixture, "ec -in key.pem -pubout -conv_form compressed -outform DER -out spki"));
      g_autoptr (GBytes) compressed = fixture_read (fixture, "spki");
      g_assert_true (identity_public_verify (compressed, digest, signature));
      g_assert_false (identity_public_verify (off_curve, digest, signature));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/identity/public/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  g_test_add_func ("/identity/public/names-go-both-ways", test_names);
  g_test_add_func ("/identity/public/refuses-unknown-hash", test_unknown_hash);
  ADD ("digests-are-openssl's", test_digest);
  ADD ("point-becomes-openssl's-encoding", test_point);
  ADD ("refuses-point-off-the-curve", test_bad_point);
  g_test_add_func ("/identity/public/signature-integers-are-shortest", test_signature_der);
  ADD ("signature-halves-become-the-signature-again", test_signature_round_trip);
  ADD ("verifies-openssl's-signatures-of-every-curve-and-hash", test_verify);
  ADD ("refuses-any-flipped-bit", test_bad_signature);
  ADD ("refuses-digest-of-other-length", test_digest_length);
  ADD ("refuses-other-key", test_bad_key);
  ADD ("verifies-with-other-encodings-of-the-key", test_other_encoding);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-public.h"

#include "base-error.h"
#include "identity-x509.h"

#include <openssl/err.h>

static const char *const algorithm_names[] = {
  [IDENTITY_ALGORITHM_ECC_P256] = "ecc-p256",
  [IDENTITY_ALGORITHM_ECC_P384] = "ecc-p384",
};

static const struct
{
  const char *name;
  gsize size;
  GChecksumType type;
} hashes[] = {
  [IDENTITY_HASH_SHA256] = { "sha256", 32, G_CHECKSUM_SHA256 },
  [IDENTITY_HASH_SHA384] = { "sha384", 48, G_CHECKSUM_SHA384 },
  [IDENTITY_HASH_SHA512] = { "sha512", 64, G_CHECKSUM_SHA512 },
};

const char *
identity_algorithm_name (IdentityAlgorithm algorithm)
{
  g_assert ((guint) algorithm < G_N_ELEMENTS (algorithm_names));
  return algorithm_names[algorithm];
}

gboolean
identity_hash_from_name (const char *name, IdentityHash *ret_hash, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (hashes); i++)
    if (g_str_equal (name, hashes[i].name))
      {
        *ret_hash = (IdentityHash) i;
        return TRUE;
      }

  g_autofree char *shown = g_strndup (name, 32);
  g_autofree char *escaped = g_strescape (shown, NULL);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "there is no hash \"%s\"; use sha256, sha384 or sha512",
               escaped);
  return FALSE;
}

const char *
identity_hash_name (IdentityHash hash)
{
  g_assert ((guint) hash < G_N_ELEMENTS (hashes));
  return hashes[hash].name;
}

gsize
identity_hash_size (IdentityHash hash)
{
  g_assert ((guint) hash < G_N_ELEMENTS (hashes));
  return hashes[hash].size;
}

GBytes *
identity_hash_digest (IdentityHash hash, gconstpointer data, gsize size)
{
  gsize length = identity_hash_size (hash);
  g_autoptr (GChecksum) checksum = g_checksum_new (hashes[hash].type);
  guint8 digest[64];

  g_checksum_update (checksum, data, (gssize) size);
  g_checksum_get_digest (checksum, digest, &length);
  return g_bytes_new (digest, length);
}

GBytes *
identity_public_from_point (IdentityAlgorithm algorithm, const guint8 *x, const guint8 *y, gsize size, GError **error)
{
  g_autoptr (GBytes) spki = identity_x509_spki_from_point (algorithm, x, y, size);
  g_autoptr (EVP_PKEY) key = spki != NULL ? identity_x509_key_from_spki (spki) : NULL;

  if (key != NULL)
    return g_steal_pointer (&spki);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "a public point of %" G_GSIZE_FORMAT
               " bytes a coordinate is not on the curve of %s", size, identity_algorithm_name (algorithm));
  return NULL;
}

GBytes *
identity_public_reference (GBytes *spki)
{
  return identity_hash_digest (IDENTITY_HASH_SHA256, g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
}

/* An INTEGER is signed and as short as can be (X.690, 8.3.2): no leading zero bytes, but one where the top bit is set. */
static void
append_integer (GByteArray *der, const guint8 *number, gsize size)
{
  while (size > 1 && *number == 0)
    {
      number++;
      size--;
    }
  guint8 pad = (*number & 0x80) != 0 ? 1 : 0;
  guint8 header[] = { 0x02, (guint8) (size + pad), 0x00 };

  g_byte_array_append (der, header, 2U + pad);
  g_byte_array_append (der, number, (guint) size);
}

GBytes *
identity_public_signature_to_der (const guint8 *r, const guint8 *s, gsize size)
{
  g_autoptr (GByteArray) der = g_byte_array_new ();
  guint8 header[] = { 0x30, 0x00 };

  /* One byte of length must do: 2 * (2 + 1 + 61) is still below 128. */
  g_assert (size > 0 && size <= 61);
  g_byte_array_append (der, header, sizeof header);
  append_integer (der, r, size);
  append_integer (der, s, size);
  der->data[1] = (guint8) (der->len - sizeof header);
  return g_byte_array_free_to_bytes (g_steal_pointer (&der));
}

gboolean
identity_public_verify (GBytes *spki, GBytes *digest, GBytes *signature)
{
  g_autoptr (EVP_PKEY) key = identity_x509_key_from_spki (spki);
  g_autoptr (EVP_PKEY_CTX) context = NULL;
  gsize digest_size, signature_size;
  const guint8 *digest_data = g_bytes_get_data (digest, &digest_size);
  const guint8 *signature_data = g_bytes_get_data (signature, &signature_size);
  gboolean good = FALSE;

  if (key != NULL && EVP_PKEY_is_a (key, "EC"))
    context = EVP_PKEY_CTX_new_from_pkey (NULL, key, NULL);
  if (digest_size == 32 || digest_size == 48 || digest_size == 64)
    good = context != NULL && EVP_PKEY_verify_init (context) == 1
           && EVP_PKEY_verify (context, signature_data, signature_size, digest_data, digest_size) == 1;
  ERR_clear_error ();
  return good;
}

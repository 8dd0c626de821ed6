/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-algorithm.h"

#include "base-error.h"

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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-algorithm.h"

#include "base-error.h"

static const char *const algorithm_names[] = {
  [IDENTITY_ALGORITHM_ECC_P256] = "ecc-p256",
  [IDENTITY_ALGORITHM_ECC_P384] = "ecc-p384",
  [IDENTITY_ALGORITHM_RSA_2048] = "rsa-2048",
};

static const char *const usage_names[] = {
  [IDENTITY_USAGE_SIGN] = "sign",
  [IDENTITY_USAGE_DECRYPT] = "decrypt",
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

/* The caller's word comes back cut and escaped. */
static gboolean
refuse (GError **error, const char *kind, const char *name, const char *known)
{
  g_autofree char *shown = g_strndup (name, 32);
  g_autofree char *escaped = g_strescape (shown, NULL);

  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "there is no %s \"%s\"; use %s", kind, escaped, known);
  return FALSE;
}

gboolean
identity_algorithm_from_name (const char *name, IdentityAlgorithm *ret_algorithm, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (algorithm_names); i++)
    if (g_str_equal (name, algorithm_names[i]))
      {
        *ret_algorithm = (IdentityAlgorithm) i;
        return TRUE;
      }
  return refuse (error, "algorithm", name, "ecc-p256, ecc-p384 or rsa-2048");
}

const char *
identity_usage_name (IdentityUsage usage)
{
  g_assert ((guint) usage < G_N_ELEMENTS (usage_names));
  return usage_names[usage];
}

gboolean
identity_usage_from_name (const char *name, IdentityUsage *ret_usage, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (usage_names); i++)
    if (g_str_equal (name, usage_names[i]))
      {
        *ret_usage = (IdentityUsage) i;
        return TRUE;
      }
  return refuse (error, "usage", name, "sign or decrypt");
}

IdentityUsage
identity_algorithm_default_usage (IdentityAlgorithm algorithm)
{
  return algorithm == IDENTITY_ALGORITHM_RSA_2048 ? IDENTITY_USAGE_DECRYPT : IDENTITY_USAGE_SIGN;
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
  return refuse (error, "hash", name, "sha256, sha384 or sha512");
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

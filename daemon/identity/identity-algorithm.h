/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The kinds of keys and hashes, their names and sizes. Pure, any thread. */

typedef enum
{
  IDENTITY_ALGORITHM_ECC_P256,
  IDENTITY_ALGORITHM_ECC_P384,
  IDENTITY_ALGORITHM_RSA_2048,
} IdentityAlgorithm;

typedef enum
{
  IDENTITY_USAGE_SIGN,
  IDENTITY_USAGE_DECRYPT,
} IdentityUsage;

typedef enum
{
  IDENTITY_HASH_SHA256,
  IDENTITY_HASH_SHA384,
  IDENTITY_HASH_SHA512,
} IdentityHash;

/**
 * identity_algorithm_name:
 *
 * Returns: (transfer none): "ecc-p256", "ecc-p384" or "rsa-2048"
 */
const char *identity_algorithm_name (IdentityAlgorithm algorithm);

/**
 * identity_algorithm_from_name:
 * @error: TPMID_ERROR_INVALID_ARGUMENT, naming the algorithms there are
 */
gboolean identity_algorithm_from_name (const char *name, IdentityAlgorithm *ret_algorithm, GError **error);

/**
 * identity_usage_name:
 *
 * Returns: (transfer none): "sign" or "decrypt"
 */
const char *identity_usage_name (IdentityUsage usage);

/**
 * identity_usage_from_name:
 * @error: TPMID_ERROR_INVALID_ARGUMENT, naming the usages there are
 */
gboolean identity_usage_from_name (const char *name, IdentityUsage *ret_usage, GError **error);

/**
 * identity_algorithm_default_usage:
 *
 * Returns: what a key of @algorithm can do here: EC keys sign, RSA keys decrypt
 */
IdentityUsage identity_algorithm_default_usage (IdentityAlgorithm algorithm);

/**
 * identity_hash_from_name:
 * @name: "sha256", "sha384" or "sha512"
 * @error: TPMID_ERROR_INVALID_ARGUMENT, naming the hashes there are
 */
gboolean identity_hash_from_name (const char *name, IdentityHash *ret_hash, GError **error);

const char *identity_hash_name (IdentityHash hash);

/**
 * identity_hash_size:
 *
 * Returns: bytes in a digest: 32, 48 or 64
 */
gsize identity_hash_size (IdentityHash hash);

/**
 * identity_hash_digest:
 *
 * Returns: (transfer full): the digest of @data
 */
GBytes *identity_hash_digest (IdentityHash hash, gconstpointer data, gsize size);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The kinds of keys and hashes, their names and sizes. Pure, any thread. */

typedef enum
{
  IDENTITY_ALGORITHM_ECC_P256,
  IDENTITY_ALGORITHM_ECC_P384,
} IdentityAlgorithm;

typedef enum
{
  IDENTITY_HASH_SHA256,
  IDENTITY_HASH_SHA384,
  IDENTITY_HASH_SHA512,
} IdentityHash;

/**
 * identity_algorithm_name:
 *
 * Returns: (transfer none): "ecc-p256" or "ecc-p384"
 */
const char *identity_algorithm_name (IdentityAlgorithm algorithm);

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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"

#include <openssl/evp.h>

G_BEGIN_DECLS

#define CLIENT_DIGEST_MAX 64

/**
 * ClientDigestSource:
 * @digest_file: (nullable): file that holds a digest, raw; "-" for standard input
 * @in_file: (nullable): file to hash, of any size; "-" for standard input
 * @hash: (nullable): sha256 (the default), sha384 or sha512
 *
 * Where --digest, --in and --hash say that a digest comes from.
 */
typedef struct ClientDigestSource
{
  char *digest_file;
  char *in_file;
  char *hash;
} ClientDigestSource;

/** ClientDigest: a digest, exactly as long as its hash makes it */
typedef struct ClientDigest
{
  const char *hash;
  const EVP_MD *md;
  guint8 data[CLIENT_DIGEST_MAX];
  gsize size;
} ClientDigest;

void client_digest_source_clear (ClientDigestSource *source);

/**
 * client_digest_load:
 * @ret_digest: (out): filled in
 * @error: Usage (not exactly one file), InvalidArgument (unknown hash, wrong length), File
 *
 * Reads at most CLIENT_DIGEST_MAX + 1 bytes of a digest file; a file to hash is never held in memory.
 */
gboolean client_digest_load (const ClientDigestSource *source, ClientDigest *ret_digest, tpmid_error *error);

/**
 * client_crypto_verify:
 * @public_key: SubjectPublicKeyInfo, DER, of an EC key
 * @error: SignatureMismatch; UnsupportedAlgorithm (no EC key); Failed (not a public key)
 *
 * Verifies an ECDSA signature in software.
 */
gboolean client_crypto_verify (const guint8 *public_key, gsize public_key_size, const ClientDigest *digest, GBytes *signature,
                               tpmid_error *error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClientDigestSource, client_digest_source_clear)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Pure helpers on public keys, digests and signatures. Any thread. */

#define IDENTITY_REFERENCE_SIZE 32

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

/**
 * identity_public_from_point:
 * @x: (array length=size): big-endian, padded to @size
 * @y: (array length=size): likewise
 * @size: 32 for P-256, 48 for P-384
 * @error: TPMID_ERROR_UNTRUSTED_RESPONSE when the point is not on the curve, or @size is not the curve's
 *
 * Returns: (transfer full) (nullable): DER SubjectPublicKeyInfo with a named curve and an uncompressed point (RFC 5480)
 */
GBytes *identity_public_from_point (IdentityAlgorithm algorithm, const guint8 *x, const guint8 *y, gsize size, GError **error);

/**
 * identity_public_reference:
 * @spki: DER SubjectPublicKeyInfo
 *
 * Returns: (transfer full): SHA-256 over @spki, 32 bytes
 */
GBytes *identity_public_reference (GBytes *spki);

/**
 * identity_public_signature_to_der:
 * @r: (array length=size): big-endian
 * @s: (array length=size): big-endian
 *
 * Returns: (transfer full): DER ECDSA-Sig-Value (RFC 3279, 2.2.3)
 */
GBytes *identity_public_signature_to_der (const guint8 *r, const guint8 *s, gsize size);

/**
 * identity_public_verify:
 * @spki: DER SubjectPublicKeyInfo of an EC key
 * @digest: the digest that was signed, any of 32, 48 or 64 bytes
 * @signature: DER ECDSA-Sig-Value
 *
 * Returns: whether the signature is good; %FALSE for anything that does not parse
 */
gboolean identity_public_verify (GBytes *spki, GBytes *digest, GBytes *signature);

/**
 * IdentitySigner:
 *
 * Something that signs a digest with one private key, wherever it is. Lives on the thread that made it (the TPM thread).
 */
typedef struct
{
  GBytes *spki; /* (transfer none): DER SubjectPublicKeyInfo of the key */
  /* Returns: (transfer full) (nullable): DER ECDSA-Sig-Value, already verified against @spki */
  GBytes *(*sign) (gpointer data, IdentityHash hash, GBytes *digest, GError **error);
  gpointer data;
} IdentitySigner;

G_END_DECLS

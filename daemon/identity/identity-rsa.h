/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* RSA decryption but for the private operation (RFC 8017, 7): what a ciphertext must look like before it, and how the padding
 * comes off after it. The private operation itself is raw, in the TPM (TPM2_RSA_Decrypt with TPM_ALG_NULL) or in software, so no
 * private key is ever seen here. Pure, any thread.
 *
 * Whoever can tell why a ciphertext does not decrypt can decrypt others with it (Bleichenbacher, Manger). So every such failure
 * is TPMID_ERROR_DECRYPT_FAILED with the sentence of identity_rsa_fail(), and padding is looked at in constant time. */

#define IDENTITY_RSA_BLOCK_MAX 2048   /* bytes: a modulus of 16384 bits, the largest that OpenSSL takes */
#define IDENTITY_RSA_LABEL_MAX 1024   /* bytes in an OAEP label */
#define IDENTITY_RSA_SYMMETRIC_MAX 32 /* bytes in a key from identity_rsa_unpad_or_random() */

/**
 * IdentityRsaPadding:
 *
 * An encryption scheme with its parameters. Immutable.
 */
typedef struct IdentityRsaPadding IdentityRsaPadding;

/**
 * identity_rsa_padding_new:
 * @scheme: (nullable): "oaep" (RSAES-OAEP) or "pkcs1" (RSAES-PKCS1-v1_5); %NULL for oaep
 * @hash: (nullable): "sha1", "sha256", "sha384" or "sha512"; %NULL for sha256; oaep only
 * @mgf1_hash: (nullable): the hash in the mask generation function, of the same names; %NULL for @hash; oaep only
 * @label: (nullable): at most IDENTITY_RSA_LABEL_MAX bytes, taken as they are; %NULL for the empty one; oaep only
 * @error: TPMID_ERROR_INVALID_ARGUMENT, naming what there is
 *
 * Returns: (transfer full) (nullable): the scheme
 */
IdentityRsaPadding *identity_rsa_padding_new (const char *scheme, const char *hash, const char *mgf1_hash, GBytes *label,
                                              GError **error);

/**
 * identity_rsa_padding_is_pkcs1:
 *
 * Returns: whether it is PKCS#1 v1.5, of which success and failure alone tell enough that they must be rationed
 */
gboolean identity_rsa_padding_is_pkcs1 (const IdentityRsaPadding *self);

void identity_rsa_padding_free (IdentityRsaPadding *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityRsaPadding, identity_rsa_padding_free)

/**
 * identity_rsa_fail:
 * @error: (out) (optional): TPMID_ERROR_DECRYPT_FAILED, always with the same sentence
 *
 * The one answer to every ciphertext that does not decrypt, for callers too that learn it from elsewhere (from the TPM).
 *
 * Returns: %FALSE always
 */
gboolean identity_rsa_fail (GError **error);

/**
 * identity_rsa_check_ciphertext:
 * @spki: DER SubjectPublicKeyInfo
 * @ciphertext: what is to go through the private operation
 * @error: that of identity_rsa_fail()
 *
 * Returns: whether @spki is an RSA key and @ciphertext has exactly as many bytes as its modulus and is, as a number, below it
 *   (RFC 8017, 7.1.2, step 1, and 5.1.2). The raw result of the private operation has the same size, so one that came without
 *   its leading zeros is to be padded to it.
 */
gboolean identity_rsa_check_ciphertext (GBytes *spki, GBytes *ciphertext, GError **error);

/**
 * identity_rsa_unpad:
 * @block: the raw result of the private operation: exactly as many bytes as the modulus has, zeros on the left included; at
 *   most IDENTITY_RSA_BLOCK_MAX
 * @error: that of identity_rsa_fail()
 *
 * Returns: (transfer full) (nullable): the plaintext, 0 bytes or more
 */
BaseSecret *identity_rsa_unpad (const IdentityRsaPadding *self, const BaseSecret *block, GError **error);

/**
 * identity_rsa_unpad_or_random:
 * @block: as for identity_rsa_unpad()
 * @size: 1 to IDENTITY_RSA_SYMMETRIC_MAX
 * @error: TPMID_ERROR_FAILED, whatever is in @block
 *
 * For a key that is then used to decrypt something else (RFC 3218, 2.3.2): where the padding is bad, or what is in it has
 * another size, a key comes all the same, with which the content then does not decrypt. It is HMAC-SHA256 over a fixed text,
 * keyed with @block: random to everybody who does not know the result of the private operation, and the same each time, so that
 * asking again does not tell it from a true one either. Takes the same time for both.
 *
 * Returns: (transfer full) (nullable): @size bytes; %NULL never for a reason that lies in @block
 */
BaseSecret *identity_rsa_unpad_or_random (const IdentityRsaPadding *self, const BaseSecret *block, gsize size, GError **error);

G_END_DECLS

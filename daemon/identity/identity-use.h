/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "identity-csr.h"
#include "identity-keys.h"

G_BEGIN_DECLS

/* What can be done with a key. Main thread; the private operation runs as a job on the TPM thread, one TPM command when warm. Errors of
 * every _finish: TPMID_ERROR_NOT_FOUND when the key changed meanwhile, those of identity_key_check_usable(), of the queue and of the link. */

/* Bytes in a ciphertext or a message, at most. */
#define IDENTITY_USE_MAX (256 * 1024)

/**
 * identity_use_sign_async:
 * @caller: whose turn in the queue it takes; when it leaves the bus, the job is cancelled
 * @digest: checked by identity_key_check_sign()
 *
 * Signs. The signature is verified in software before it is handed out.
 */
void identity_use_sign_async (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, IdentityHash hash, GBytes *digest,
                              GAsyncReadyCallback callback, gpointer user_data);

/**
 * identity_use_sign_finish:
 * @error: also TPMID_ERROR_UNTRUSTED_RESPONSE, and those of tpm_key_sign()
 *
 * Returns: (transfer full) (nullable): DER ECDSA-Sig-Value
 */
GBytes *identity_use_sign_finish (IdentityKeys *keys, GAsyncResult *result, GError **error);

/**
 * identity_use_create_csr_async:
 * @csr: (transfer full): what to sign
 */
void identity_use_create_csr_async (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, IdentityCsr *csr,
                                    GAsyncReadyCallback callback, gpointer user_data);

/**
 * identity_use_create_csr_finish:
 *
 * Returns: (transfer full) (nullable): DER CertificationRequest
 */
GBytes *identity_use_create_csr_finish (IdentityKeys *keys, GAsyncResult *result, GError **error);

/**
 * IdentityCiphertext:
 *
 * What is to be decrypted, and how.
 */
typedef struct IdentityCiphertext IdentityCiphertext;

/**
 * identity_ciphertext_new:
 * @key: the key that is to decrypt it
 * @data: at most IDENTITY_USE_MAX bytes
 * @scheme: (nullable): "oaep", "pkcs1" or "cms"; %NULL = oaep
 * @hash: (nullable): see identity_rsa_padding_new(), as the two that follow; none of them with cms
 * @error: TPMID_ERROR_INVALID_ARGUMENT, and those of identity_key_check_usable()
 *
 * Whether the request can work at all, as far as everybody may know, without looking into @data: what is in it only
 * identity_use_decrypt_finish() says.
 *
 * Returns: (transfer full) (nullable): the request
 */
IdentityCiphertext *identity_ciphertext_new (IdentityKey *key, GBytes *data, const char *scheme, const char *hash, const char *mgf1_hash,
                                             GBytes *label, GError **error);
void identity_ciphertext_free (IdentityCiphertext *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityCiphertext, identity_ciphertext_free)

/**
 * identity_use_decrypt_async:
 * @ciphertext: (transfer full): made for @key
 *
 * Decrypts. What helps an attacker by its failing, PKCS#1 v1.5 and content ciphers without authentication, is rationed by uid (identity-backoff.h).
 */
void identity_use_decrypt_async (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, IdentityCiphertext *ciphertext,
                                 GAsyncReadyCallback callback, gpointer user_data);

/**
 * identity_use_decrypt_finish:
 * @error: also TPMID_ERROR_DECRYPT_FAILED, always with the same sentence; _INVALID_ARGUMENT for a CMS message that is not understood;
 *   _RATE_LIMITED; and those of tpm_key_decrypt()
 *
 * Returns: (transfer full) (nullable): the plaintext
 */
BaseSecret *identity_use_decrypt_finish (IdentityKeys *keys, GAsyncResult *result, GError **error);

G_END_DECLS

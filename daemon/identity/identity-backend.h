/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-public.h"
#include "identity-softkey.h"
#include "tpm-key.h"

G_BEGIN_DECLS

/**
 * IdentityBackend:
 *
 * Where a private key is, and how to use it: in the TPM, in software, or out of reach. One interface, so that nothing
 * above needs to know. Immutable, ref-counted, any thread.
 */
typedef struct IdentityBackend IdentityBackend;

/**
 * identity_backend_new_tpm:
 * @ref: copied
 * @public: the key's public half
 * @error: TPMID_ERROR_UNTRUSTED_RESPONSE when @public is no point on its curve
 */
IdentityBackend *identity_backend_new_tpm (const TpmKeyRef *ref, const TpmPublic *public, GError **error);

IdentityBackend *identity_backend_new_software (IdentitySoftkey *softkey);

/**
 * identity_backend_new_unreachable:
 * @spki: DER SubjectPublicKeyInfo of the key, as far as anybody remembers it
 *
 * Signing with it gives TPMID_ERROR_IDENTITY_FAULT.
 */
IdentityBackend *identity_backend_new_unreachable (IdentityAlgorithm algorithm, GBytes *spki);

IdentityBackend *identity_backend_ref (IdentityBackend *self);
void identity_backend_unref (IdentityBackend *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityBackend, identity_backend_unref)

gboolean identity_backend_needs_tpm (const IdentityBackend *self);
gboolean identity_backend_is_reachable (const IdentityBackend *self);
IdentityAlgorithm identity_backend_get_algorithm (const IdentityBackend *self);
IdentityUsage identity_backend_get_usage (const IdentityBackend *self);

/* Returns: (transfer none): DER SubjectPublicKeyInfo */
GBytes *identity_backend_peek_spki (const IdentityBackend *self);

/* Returns: the key's persistent handle; 0 when it has none */
guint32 identity_backend_get_tpm_handle (const IdentityBackend *self);

/* Returns: (transfer full) (nullable): the key's TPM name in hex; %NULL outside a TPM */
char *identity_backend_dup_tpm_name (const IdentityBackend *self);

/**
 * identity_backend_equal:
 *
 * Returns: whether both are the same key in the same place
 */
gboolean identity_backend_equal (const IdentityBackend *a, const IdentityBackend *b);

/**
 * identity_backend_sign:
 * @link: (nullable): the TPM, open; needed only where identity_backend_needs_tpm()
 * @digest: as long as @hash makes it
 * @error: TPMID_ERROR_NOT_SUPPORTED for a key that decrypts, _IDENTITY_FAULT, and those of tpm_key_sign()
 *
 * TPM thread. One TPM command when warm. What it returns must pass identity_backend_check() before anybody sees it.
 *
 * Returns: (transfer full) (nullable): DER ECDSA-Sig-Value
 */
GBytes *identity_backend_sign (IdentityBackend *self, TpmLink *link, IdentityHash hash, GBytes *digest, GError **error);

/**
 * identity_backend_check:
 * @digest: what was given to identity_backend_sign()
 * @signature: what it returned
 * @error: TPMID_ERROR_UNTRUSTED_RESPONSE when the signature does not verify
 *
 * Any thread: verifying takes a quarter as long as a signature of a TPM in software, so it does not hold the TPM thread.
 */
gboolean identity_backend_check (const IdentityBackend *self, GBytes *digest, GBytes *signature, GError **error);

/**
 * identity_backend_decrypt:
 * @block: as long as the modulus, and below it as a number (identity_rsa_check_ciphertext())
 * @error: TPMID_ERROR_NOT_SUPPORTED for a key that signs, _DECRYPT_FAILED, _IDENTITY_FAULT, and those of tpm_key_decrypt()
 *
 * TPM thread. The bare private operation of RSA; the padding is for identity-rsa. One TPM command when warm.
 *
 * Returns: (transfer full) (nullable): as many bytes as @block has
 */
BaseSecret *identity_backend_decrypt (IdentityBackend *self, TpmLink *link, GBytes *block, GError **error);

/**
 * IdentityBackendSigner:
 *
 * An IdentitySigner on a backend, for the stack of one function on the TPM thread. Checks what it signs.
 */
typedef struct
{
  IdentitySigner signer;
  IdentityBackend *backend;
  TpmLink *link;
} IdentityBackendSigner;

void identity_backend_signer_init (IdentityBackendSigner *self, IdentityBackend *backend, TpmLink *link);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "identity-public.h"

G_BEGIN_DECLS

/**
 * IdentitySoftkey:
 *
 * A private key in the daemon's memory: the identity of a device without a TPM. Immutable after construction, any
 * thread. The key's memory is OpenSSL's and is cleared when freed.
 */
typedef struct IdentitySoftkey IdentitySoftkey;

/**
 * identity_softkey_load:
 * @path: unencrypted PEM private key (PKCS #8 or SEC 1), EC P-256 or P-384, at most 16 KiB; text and PEM blocks of other
 *   kinds in the file are passed over
 * @ret_warning: (out) (optional) (nullable) (transfer full): what identity_softkey_describe_exposure() says
 * @error: TPMID_ERROR_NOT_FOUND when there is no such file; _STORAGE when it cannot be read, is too large or not a regular
 *   file (a symbolic link is none); _CORRUPT when it is no private key, encrypted, or its public half is not its own;
 *   _UNSUPPORTED_ALGORITHM when it is a sound key of another kind, as the RSA keys of some older software are
 *
 * Never asks for a password. What was read is wiped before this returns.
 *
 * Returns: (transfer full) (nullable): the key
 */
IdentitySoftkey *identity_softkey_load (const char *path, char **ret_warning, GError **error);

/**
 * identity_softkey_describe_exposure:
 * @path: where the key is
 * @mode: the file's permission bits
 * @has_modes: whether its file system keeps modes (vfat and exfat do not)
 *
 * Returns: (transfer full) (nullable): a sentence that says what to do when others than the owner may use the file; %NULL
 *   when they may not
 */
char *identity_softkey_describe_exposure (const char *path, guint mode, gboolean has_modes);

/**
 * identity_softkey_generate:
 * @path: where to store the new key, PKCS #8 PEM, mode 0600, atomically; must not exist
 * @error: TPMID_ERROR_EXISTS, _STORAGE
 *
 * Makes a new P-256 key; on stable storage when this returns. On a file system without modes the mode is not kept:
 * identity_softkey_load() warns of it.
 *
 * Returns: (transfer full) (nullable): the key
 */
IdentitySoftkey *identity_softkey_generate (const char *path, GError **error);

/**
 * identity_softkey_new:
 * @error: TPMID_ERROR_FAILED
 *
 * Makes a new key that is nowhere else. An RSA key takes tenths of a second.
 *
 * Returns: (transfer full) (nullable): the key
 */
IdentitySoftkey *identity_softkey_new (IdentityAlgorithm algorithm, GError **error);

/**
 * identity_softkey_decode:
 * @pem: (array length=size): unencrypted PEM private key of any #IdentityAlgorithm; text before it is passed over
 * @path: where it came from, for the errors
 * @error: TPMID_ERROR_CORRUPT, _UNSUPPORTED_ALGORITHM
 *
 * Returns: (transfer full) (nullable): the key
 */
IdentitySoftkey *identity_softkey_decode (const char *pem, gsize size, const char *path, GError **error);

/**
 * identity_softkey_encode:
 * @error: TPMID_ERROR_FAILED
 *
 * Returns: (transfer full) (nullable): PKCS #8 PEM
 */
BaseSecret *identity_softkey_encode (const IdentitySoftkey *self, GError **error);

IdentitySoftkey *identity_softkey_ref (IdentitySoftkey *self);
void identity_softkey_unref (IdentitySoftkey *self);

IdentityAlgorithm identity_softkey_get_algorithm (const IdentitySoftkey *self);

/**
 * identity_softkey_peek_spki:
 *
 * Returns: (transfer none): DER SubjectPublicKeyInfo
 */
GBytes *identity_softkey_peek_spki (const IdentitySoftkey *self);

/**
 * identity_softkey_sign:
 * @digest: as long as @hash makes it; truncated to the curve's order as FIPS 186-4, 6.4 has it
 * @error: TPMID_ERROR_INVALID_ARGUMENT when @digest has another length, _FAILED
 *
 * Does not verify what it made: an #IdentitySigner around it does.
 *
 * Returns: (transfer full) (nullable): DER ECDSA-Sig-Value
 */
GBytes *identity_softkey_sign (const IdentitySoftkey *self, IdentityHash hash, GBytes *digest, GError **error);

/**
 * identity_softkey_decrypt:
 * @block: as long as the modulus, and below it as a number
 * @error: TPMID_ERROR_DECRYPT_FAILED
 *
 * RSADP (RFC 8017, 5.1.2) with an RSA key.
 *
 * Returns: (transfer full) (nullable): as many bytes as @block has
 */
BaseSecret *identity_softkey_decrypt (const IdentitySoftkey *self, GBytes *block, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentitySoftkey, identity_softkey_unref)

G_END_DECLS

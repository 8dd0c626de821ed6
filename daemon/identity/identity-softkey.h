/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

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
 * @path: unencrypted PEM private key (PKCS #8 or SEC 1), EC P-256 or P-384, at most 16 KiB
 * @ret_warning: (out) (optional) (nullable) (transfer full): a sentence when others may read the file (and the file
 *   system has modes)
 * @error: TPMID_ERROR_NOT_FOUND when there is no such file, _STORAGE when it cannot be read, _CORRUPT when it is not such a key
 */
IdentitySoftkey *identity_softkey_load (const char *path, char **ret_warning, GError **error);

/**
 * identity_softkey_generate:
 * @path: where to store the new key, PKCS #8 PEM, mode 0600, atomically; must not exist
 * @error: TPMID_ERROR_EXISTS, _STORAGE
 *
 * Makes a new P-256 key; on stable storage when this returns.
 */
IdentitySoftkey *identity_softkey_generate (const char *path, GError **error);

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
 *
 * Returns: (transfer full) (nullable): DER ECDSA-Sig-Value
 */
GBytes *identity_softkey_sign (const IdentitySoftkey *self, IdentityHash hash, GBytes *digest, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentitySoftkey, identity_softkey_unref)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "tpm-link.h"
#include "tpm-types.h"

G_BEGIN_DECLS

/**
 * tpm_key_find:
 * @handle: persistent handle
 * @purpose: what the key there must be for: a purpose with a tag
 * @ret_public: (out caller-allocates): what lies there
 * @error: TPMID_ERROR_NOT_FOUND when nothing lies there, TPMID_ERROR_HANDLE_TAKEN when it is no such key of ours
 *
 * At most 2 commands (ReadPublic for ESYS and for us); the object stays in the link's cache.
 */
gboolean tpm_key_find (TpmLink *link, guint32 handle, TpmPurpose purpose, TpmPublic *ret_public, GError **error);

/**
 * tpm_key_sign:
 * @hash: the hash that made @digest
 * @digest: as long as @hash makes it; the TPM gets its leftmost bytes, as many as the curve's order has (FIPS 186-4, 6.4)
 * @error: TPMID_ERROR_KEY_ORPHANED when another object or none lies at the key's handle, or the TPM cannot load it; _TPM_LOCKOUT and those
 *   of the link
 *
 * Signs with an EC key. One command when the key is persistent and in the link's cache (after tpm_key_find() or tpm_make_key()), three else;
 * three for a key that is loaded. The signature is not verified here.
 */
gboolean tpm_key_sign (TpmLink *link, const TpmKeyRef *key, TpmHash hash, const guint8 *digest, TpmSignature *ret_signature,
                       GError **error);

/**
 * tpm_key_decrypt:
 * @ciphertext: (array length=size): as long as the modulus, and below it as a number
 * @ret_block: (out) (transfer full): the result of RSADP (RFC 8017, 5.1.2), @size bytes: padding is on it still
 * @error: TPMID_ERROR_DECRYPT_FAILED when the TPM finds fault with @ciphertext, _KEY_ORPHANED as in tpm_key_sign(), _UNTRUSTED_RESPONSE when
 *   the answer was changed on its way, and those of tpm_parent_get() and of the link
 *
 * The private operation of an RSA key, as such: TPM2_RSA_Decrypt with TPM_ALG_NULL. The answer crosses the wire encrypted, in a session that is
 * salted with the key's parent. One command when the key is persistent and in the link's cache and the device is ours alone; one more for the
 * session else; two more for a key that is loaded.
 */
gboolean tpm_key_decrypt (TpmLink *link, const TpmKeyRef *key, const guint8 *ciphertext, gsize size, BaseSecret **ret_block,
                          GError **error);

/**
 * tpm_key_evict:
 * @handle: persistent handle
 * @purpose: what the key there must be for: a purpose with a tag
 * @error: TPMID_ERROR_HANDLE_TAKEN when something else lies there: it is not touched; _HIERARCHY_AUTH_REQUIRED and those of the
 *   link
 *
 * Removes a key of ours from its place; nothing there is a success. Three commands, and one for the owner's password; one when
 * nothing is there.
 */
gboolean tpm_key_evict (TpmLink *link, guint32 handle, TpmPurpose purpose, GError **error);

/**
 * tpm_key_hash_size:
 *
 * Returns: bytes in a digest of @hash: 32, 48 or 64
 */
gsize tpm_key_hash_size (TpmHash hash);

G_END_DECLS

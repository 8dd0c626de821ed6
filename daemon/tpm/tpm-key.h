/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"
#include "tpm-types.h"

G_BEGIN_DECLS

/**
 * tpm_key_find:
 * @handle: persistent handle
 * @ret_public: (out caller-allocates): what lies there
 * @error: TPMID_ERROR_NOT_FOUND when nothing lies there, TPMID_ERROR_HANDLE_TAKEN when it is no key of ours
 *
 * At most 2 commands (ReadPublic for ESYS and for us); the object stays in the link's cache.
 */
gboolean tpm_key_find (TpmLink *link, guint32 handle, TpmPublic *ret_public, GError **error);

/**
 * tpm_key_create:
 * @handle: persistent handle for the new key
 * @ret_public: (out caller-allocates): the new key
 * @ret_srk_name: (out caller-allocates) (array fixed-size=34): Name of the storage root key that it was made under
 * @error: TPMID_ERROR_HANDLE_TAKEN (nothing is evicted), _HIERARCHY_AUTH_REQUIRED, _HIERARCHY_DISABLED, _EXHAUSTED,
 *   _NV_FULL, _UNSUPPORTED_ALGORITHM and those of the link
 *
 * Makes a new random key under the owner's ECC storage root key (made for the occasion, noDA, the TCG template) and makes it
 * persistent. fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign; scheme NULL; empty authValue. At
 * most 7 commands.
 */
gboolean tpm_key_create (TpmLink *link, guint32 handle, TpmKeyAlgorithm algorithm, TpmPublic *ret_public,
                         guint8 ret_srk_name[TPM_NAME_SIZE], GError **error);

/**
 * tpm_key_sign:
 * @handle: persistent handle
 * @name: (array fixed-size=34): the Name that the key must have
 * @hash: the hash that made @digest
 * @digest: as long as @hash makes it; the TPM gets its leftmost bytes, as many as the curve's order has (FIPS 186-4, 6.4)
 * @error: TPMID_ERROR_KEY_ORPHANED when another object or none lies at @handle, _TPM_LOCKOUT and those of the link
 *
 * One command when the key is in the link's cache (after tpm_key_find() or tpm_key_create()), three else. The signature is
 * not verified here.
 */
gboolean tpm_key_sign (TpmLink *link, guint32 handle, const guint8 name[TPM_NAME_SIZE], TpmHash hash,
                       const guint8 *digest, TpmSignature *ret_signature, GError **error);

/**
 * tpm_key_hash_size:
 *
 * Returns: bytes in a digest of @hash: 32, 48 or 64
 */
gsize tpm_key_hash_size (TpmHash hash);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"
#include "tpm-types.h"

G_BEGIN_DECLS

/**
 * TpmNewKey:
 *
 * A key that was made. g_auto.
 */
typedef struct
{
  TpmPublic public;
  guint8 srk_name[TPM_NAME_SIZE];     /* Name of the storage root key that it was made under */
  GBytes *public_blob, *private_blob; /* both halves as they are loaded again under that key: TPM2B_PUBLIC, TPM2B_PRIVATE */
} TpmNewKey;

void tpm_new_key_clear (TpmNewKey *key);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TpmNewKey, tpm_new_key_clear)

/**
 * tpm_make_key:
 * @parent: (nullable): what to make it under (see tpm_parent_get()); %NULL makes a storage root key for the occasion
 * @handle: persistent handle for the new key; 0 leaves it to the caller to keep its two halves
 * @ret_key: (out caller-allocates): the new key
 * @error: TPMID_ERROR_HANDLE_TAKEN (nothing is evicted), _UNSUPPORTED_ALGORITHM, _HIERARCHY_AUTH_REQUIRED, _HIERARCHY_DISABLED,
 *   _EXHAUSTED, _NV_FULL, _KEY_ORPHANED (the parent is another TPM's) and those of the link
 *
 * Makes a new random key of the template that tpm-template.h has for @algorithm and @purpose, with an empty authValue. At most 7
 * commands with a handle and without a parent, 1 without a handle under a parent that is in the link's cache. An RSA key takes a real
 * chip up to a minute. One command more for each that the owner's password authorizes: the making of a storage root key, and
 * keeping the key.
 */
gboolean tpm_make_key (TpmLink *link, const TpmParent *parent, guint32 handle, TpmKeyAlgorithm algorithm, TpmPurpose purpose,
                       TpmNewKey *ret_key, GError **error);

/**
 * tpm_make_persistent:
 * @key: with both blobs
 * @handle: persistent handle
 * @error: as tpm_make_key(); _KEY_ORPHANED when the TPM cannot load the key
 *
 * Puts a key that was made before back to its place. At most 5 commands.
 */
gboolean tpm_make_persistent (TpmLink *link, const TpmKeyRef *key, guint32 handle, GError **error);

G_END_DECLS

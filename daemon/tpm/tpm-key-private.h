/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this room share about keys. TPM thread. */

#include "tpm-guard.h"
#include "tpm-key.h"

G_BEGIN_DECLS

/* Returns: %FALSE always, with TPMID_ERROR_HANDLE_TAKEN */
gboolean tpm_key_fail_taken (guint32 handle, GError **error);

/**
 * tpm_key_load:
 * @key: (inout): an empty guard of @link; holds the loaded key afterwards
 * @error: TPMID_ERROR_KEY_ORPHANED when the TPM or the parent is another than the key was made under, _CORRUPT
 *
 * One command.
 */
gboolean tpm_key_load (TpmLink *link, ESYS_TR parent, GBytes *public_blob, GBytes *private_blob, TpmTransient *key, GError **error);

/**
 * tpm_key_load_ref:
 * @ref: with both blobs
 * @key: (inout): as for tpm_key_load()
 * @error: those of tpm_key_load() and of tpm_parent_get()
 *
 * The same under the parent of @ref, which is looked at first. One command when the parent is in the link's cache.
 */
gboolean tpm_key_load_ref (TpmLink *link, const TpmKeyRef *ref, TpmTransient *key, GError **error);

/**
 * tpm_key_keep:
 * @key: a loaded key
 * @public: what it is
 * @handle: a free persistent handle
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _NV_FULL and those of the link
 *
 * Makes a key persistent; it is in the link's cache then. One command, and one for the owner's password.
 */
gboolean tpm_key_keep (TpmLink *link, ESYS_TR key, const TpmPublic *public, guint32 handle, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Persistent objects. TPM thread. */

#include "tpm-guard.h"

G_BEGIN_DECLS

/**
 * tpm_persist_keep:
 * @key: any loaded key
 * @handle: a free persistent handle of the owner's
 * @doing: as for tpm_rc_set_error()
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _NV_FULL and those of the link
 *
 * Makes a key persistent; it is in the link's cache then. One command, and one for the owner's password.
 */
gboolean tpm_persist_keep (TpmLink *link, ESYS_TR key, guint32 handle, const char *doing, GError **error);

/**
 * tpm_persist_remove:
 * @key: the ESYS object of @handle
 *
 * Removes a persistent key, and forgets it. One command, and one for the owner's password.
 */
gboolean tpm_persist_remove (TpmLink *link, ESYS_TR key, guint32 handle, const char *doing, GError **error);

G_END_DECLS

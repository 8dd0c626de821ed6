/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this room share about NV indices. TPM thread. */

#include "tpm-guard.h"
#include "tpm-nv.h"

G_BEGIN_DECLS

/**
 * tpm_nv_open:
 * @reference: (inout): an empty guard of @link; ESYS's record of the index afterwards
 * @error: TPMID_ERROR_NOT_FOUND and those of the link
 *
 * Two commands: what ESYS wants to know of the index, and what we do.
 */
gboolean tpm_nv_open (TpmLink *link, guint32 index, TpmReference *reference, TPMS_NV_PUBLIC *ret_public, GError **error);

/**
 * tpm_nv_define:
 * @reference: (inout): likewise
 * @error: TPMID_ERROR_HANDLE_TAKEN, _NV_FULL, _HIERARCHY_AUTH_REQUIRED and those of the link
 *
 * One command, and one for the owner's password.
 */
gboolean tpm_nv_define (TpmLink *link, const TPM2B_NV_PUBLIC *template, TpmReference *reference, GError **error);

/**
 * tpm_nv_fail_taken:
 *
 * Sets TPMID_ERROR_HANDLE_TAKEN: @index is not of tpm_nv_store(). Returns: %FALSE always
 */
gboolean tpm_nv_fail_taken (guint32 index, GError **error);

/**
 * tpm_nv_is_owners:
 *
 * Pure. Returns: whether @index is in the owner's range: TCG Registry of Reserved TPM 2.0 Handles and Localities, 2.2.2
 */
gboolean tpm_nv_is_owners (guint32 index);

G_END_DECLS

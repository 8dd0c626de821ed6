/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-error.h"

G_BEGIN_DECLS

/**
 * tpm_rc_to_error:
 * @rc: a TSS2_RC other than success, of any layer
 *
 * Pure. Strips handle, session and parameter bits and the layers of the kernel's and the TSS's resource manager, and
 * looks the rest up. TPM 2.0 Library Part 2, 6.6; TSS 2.0 Overview, "response codes".
 *
 * Returns: the code for the caller; TPMID_ERROR_FAILED for an rc without a row
 */
TpmidError tpm_rc_to_error (guint32 rc);

/**
 * tpm_rc_is_transport:
 *
 * Returns: whether @rc means that the context is poisoned for good, so that the link must be rebuilt
 */
gboolean tpm_rc_is_transport (guint32 rc);

/**
 * tpm_rc_is_transient:
 *
 * Returns: whether waiting and sending the same command again is the remedy (RETRY, YIELDED, TESTING, NV_RATE,
 * NV_UNAVAILABLE)
 */
gboolean tpm_rc_is_transient (guint32 rc);

/**
 * tpm_rc_set_error:
 * @doing: what was being done, "sign with key at 0x81005401"
 *
 * Sets a TPMID_ERROR for @rc: "@doing: stable sentence that says what to do". The rc and its decoded text are not part of
 * the message; they are noted as tpm_rc_note() does.
 *
 * Returns: %FALSE always
 */
gboolean tpm_rc_set_error (GError **error, guint32 rc, const char *doing);

/**
 * tpm_rc_note:
 * @error: (nullable): where an error of TPMID_ERROR stands that was made because of @rc
 *
 * Notes the rc and its decoded text in it, for the journal: base_error_get_tpm().
 */
void tpm_rc_note (GError **error, guint32 rc);

G_END_DECLS

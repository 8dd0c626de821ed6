/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-types.h"

#include <tss2/tss2_esys.h>

G_BEGIN_DECLS

/* The first words with a TPM whose contexts are open. TPM thread; knows no link. */

/**
 * tpm_open_greet:
 * @exclusive: Startup is ours to send, and stale objects and sessions are ours to flush
 * @suspect_failure: (inout): failure mode was confirmed before, so ask again; updated
 * @ret_facts: (out caller-allocates): what the TPM says about itself
 * @error: TPMID_ERROR_TPM_NOT_STARTED, _TPM_FAILURE, _TPM_VERSION, _BUSY, _TPM_UNAVAILABLE
 *
 * Commands: see tpm_link_ensure().
 */
gboolean tpm_open_greet (ESYS_CONTEXT *esys, gboolean exclusive, gboolean *suspect_failure, TpmFacts *ret_facts, GError **error);

/**
 * tpm_open_ask_failure_mode:
 * @ret_failed: (out): whether the TPM says of itself that it is in failure mode
 *
 * One TPM2_GetTestResult.
 */
TSS2_RC tpm_open_ask_failure_mode (ESYS_CONTEXT *esys, gboolean *ret_failed);

G_END_DECLS

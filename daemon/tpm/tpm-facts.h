/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-types.h"

#include <tss2/tss2_esys.h>

G_BEGIN_DECLS

/* What TPM2_GetCapability says; TPM thread. These functions know no link: its opening is made of them. */

/**
 * tpm_facts_read_fixed:
 * @facts: (inout): only the members that cannot change are written, and only on success
 *
 * One command, more only where the TPM answers in pieces.
 */
TSS2_RC tpm_facts_read_fixed (ESYS_CONTEXT *esys, TpmFacts *facts);

/**
 * tpm_facts_read_variable:
 * @facts: (inout): only the members that can change are written, and only on success
 * @ret_complete: (out): %FALSE when the TPM does not say what every healthy one must (TPM_PT_PERMANENT), as in failure mode
 */
TSS2_RC tpm_facts_read_variable (ESYS_CONTEXT *esys, TpmFacts *facts, gboolean *ret_complete);

/**
 * tpm_facts_is_set:
 *
 * Pure. Returns: see tpm_hierarchy_is_set()
 */
gboolean tpm_facts_is_set (const TpmFacts *facts, TpmHierarchy hierarchy);

/**
 * tpm_facts_read_handles:
 * @first: first handle of the range
 * @max: at most so many
 * @ret_handles: (out) (transfer full) (element-type guint32): handles of the same type as @first, ascending;
 *   %TPM2_LOADED_SESSION_FIRST lists HMAC and policy sessions
 */
TSS2_RC tpm_facts_read_handles (ESYS_CONTEXT *esys, guint32 first, guint max, GArray **ret_handles);

G_END_DECLS

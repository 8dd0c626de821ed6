/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <tss2/tss2_tcti.h>

G_BEGIN_DECLS

/**
 * TpmTcti:
 *
 * A TCTI that stands between ESYS and the real one: counts commands, remembers the running one, waits transient answers
 * out (RETRY, YIELDED, TESTING, NV_RATE, NV_UNAVAILABLE: the same bytes again after 20 ms, 40 ms ... 1 s, sent ten times in
 * all within 4.3 s; then the answer goes up, marked with the resource manager's layer so that ESYS does not send the
 * command five times more), and lets a test inject faults.
 */
typedef struct TpmTcti TpmTcti;

/**
 * TpmTctiFault:
 * @command_code: TPM_CC of the command about to be sent
 * @nth: its number since the start, from 1; what is sent again, or answered by the hook, counts as well
 *
 * Called on the TPM thread before a command is sent. May sleep to play a slow TPM.
 *
 * Returns: 0 to send the command; a TPM-layer rc (below 0x10000) to answer with that without sending; any other rc to
 * fail the transmission with it
 */
typedef TSS2_RC (*TpmTctiFault) (guint32 command_code, guint64 nth, gpointer user_data);

/**
 * tpm_tcti_new:
 * @inner: (transfer full): an initialised TCTI, as made by Tss2_TctiLdr_Initialize()
 * @commands: (transfer none): counter, atomically incremented for each command sent to the TPM
 * @fault: (nullable): fault hook
 */
TpmTcti *tpm_tcti_new (TSS2_TCTI_CONTEXT *inner, guint64 *commands, TpmTctiFault fault, gpointer user_data);

/**
 * tpm_tcti_context:
 *
 * Returns: (transfer none): for Esys_Initialize()
 */
TSS2_TCTI_CONTEXT *tpm_tcti_context (TpmTcti *self);

/**
 * tpm_tcti_free:
 *
 * Finalizes and frees the inner TCTI as well. NULL-safe.
 */
void tpm_tcti_free (TpmTcti *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TpmTcti, tpm_tcti_free)

G_END_DECLS

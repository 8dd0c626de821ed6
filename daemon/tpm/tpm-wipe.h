/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"

G_BEGIN_DECLS

/**
 * tpm_wipe_traces:
 * @rc: what the function of ESYS returned
 *
 * To be called by the function that made ESYS send a secret or receive one, right afterwards: wipes what the TSS leaves of it in
 * the buffer of the answer and on the stack. TPM thread; no command.
 */
void tpm_wipe_traces (TpmLink *link, guint32 rc);

G_END_DECLS

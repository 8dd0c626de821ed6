/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HMAC sessions as such. TPM thread. */

#include "tpm-guard.h"

G_BEGIN_DECLS

/**
 * tpm_hmac_start_salted:
 * @salt_key: what the session is salted with: only the TPM that has this key can answer in it
 * @attributes: %TPMA_SESSION_DECRYPT encrypts the first parameter of the command, %TPMA_SESSION_ENCRYPT that of the answer, with
 *   AES-128-CFB; without %TPMA_SESSION_CONTINUESESSION it is for one command
 * @ret_tr: (out): the session
 *
 * One command.
 */
gboolean tpm_hmac_start_salted (TpmLink *link, ESYS_TR salt_key, TPMA_SESSION attributes, ESYS_TR *ret_tr, GError **error);

/**
 * tpm_hmac_start_plain:
 * @session: (inout): an empty guard of @link; holds a session without salt and encryption for one command afterwards: the
 *   password that it proves must be beyond guessing
 *
 * One command.
 */
gboolean tpm_hmac_start_plain (TpmLink *link, TpmSession *session, GError **error);

/**
 * tpm_hmac_end:
 * @session: a guard; empty afterwards
 * @rc: how the command that used it ended
 *
 * For a session for one command: flushes it where the TPM did not do so itself, after an error.
 */
void tpm_hmac_end (TpmSession *session, TSS2_RC rc);

/**
 * tpm_hmac_drop:
 * @session: (inout): ESYS_TR_NONE afterwards
 *
 * Flushes a session; one that is gone cannot be flushed, and that is no error.
 */
void tpm_hmac_drop (TpmLink *link, ESYS_TR *session);

G_END_DECLS

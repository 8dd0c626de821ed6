/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-guard.h"

G_BEGIN_DECLS

/**
 * tpm_session_open:
 * @parent: what the session is salted with: only the TPM that has this key can answer in it
 * @guard: (inout): an empty guard of @link; holds the session where it is not the link's own
 * @ret_tr: (out): an HMAC session for one command, whose answer's first parameter comes back encrypted with AES-128-CFB (TPM 2.0 Library
 *   Part 1, 21)
 * @error: those of tpm_parent_get() and of the link
 *
 * TPM thread. On a device that is held alone the session is the link's, and costs one command for each opening of the link; else the kernel
 * would load and save it around every command, and it costs one command each time.
 */
gboolean tpm_session_open (TpmLink *link, const TpmParent *parent, TpmSession *guard, ESYS_TR *ret_tr, GError **error);

/**
 * tpm_session_spent:
 * @rc: how the command that used the session ended
 *
 * To be called right after the command, before tpm_link_fail(). A session is not used again after an error.
 *
 * Returns: whether @rc is about the session (it is gone, as the TPM was suspended or restarted, or somebody removed it), so that the command
 *   did not run and may be sent again in a new one
 */
gboolean tpm_session_spent (TpmLink *link, TpmSession *guard, TSS2_RC rc);

/**
 * tpm_session_is_about:
 * @rc: how a command ended
 *
 * Pure. TPM 2.0 Library Part 2, 6.6.3: bit 11 of a format-one code says that it is about a session.
 *
 * Returns: whether the TPM found fault with a session, and not with what the command was to do
 */
gboolean tpm_session_is_about (TSS2_RC rc);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-authority.h"
#include "tpm-parent.h"

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
 * tpm_session_start:
 * @parent: (nullable): as for tpm_session_open(); %NULL salts the session with a primary key of the null hierarchy, which needs
 *   no password and nothing persistent: it keeps a secret from whoever listens, but cannot tell the TPM from somebody who plays
 *   it
 * @attributes: %TPMA_SESSION_DECRYPT encrypts the first parameter of the command, %TPMA_SESSION_ENCRYPT that of the answer
 * @session: (inout): an empty guard of @link; holds an HMAC session for one command afterwards
 *
 * TPM thread. One command, with the parent in the link's cache; three without a parent.
 */
gboolean tpm_session_start (TpmLink *link, const TpmParent *parent, TPMA_SESSION attributes, TpmSession *session, GError **error);

/**
 * tpm_session_authorize:
 * @parent: (nullable): likewise
 * @authority: (inout): a new one; it authorizes a command then whose first parameter crosses the wire encrypted
 * @error: those of tpm_authority_open() too
 *
 * TPM thread. The commands of tpm_session_start(); and for the lockout hierarchy, or where the facts say no, one to read them.
 */
gboolean tpm_session_authorize (const TpmParent *parent, TpmAuthority *authority, GError **error);

/**
 * tpm_session_authorize_platform:
 * @authority: (inout): a new one, of the platform hierarchy; as for tpm_session_authorize() where it is open, else as it was
 * @ret_is_open: (out): whether its password is empty
 *
 * TPM thread. The session is salted with a primary key of the platform hierarchy: making it tells at no cost whether the password
 * is empty. One command where it is not, or the hierarchy is switched off; else three.
 */
gboolean tpm_session_authorize_platform (TpmAuthority *authority, gboolean *ret_is_open, GError **error);

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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this room share about commands that the password of a hierarchy authorizes. TPM thread. */

#include "tpm-guard.h"

G_BEGIN_DECLS

/**
 * TpmAuthority:
 *
 * The right of a hierarchy for one command. Its password is known to ESYS only as long as this lives, so that no other command
 * can send it in the clear. g_auto, from TPM_AUTHORITY(); always followed by tpm_authority_end() where a command was sent with
 * it.
 */
typedef struct
{
  TpmSession session;
  TpmHierarchy hierarchy;
  ESYS_TR tr; /* the hierarchy; ESYS_TR_NONE before it is opened */
  ESYS_TR by; /* what authorizes the command: an HMAC session, or ESYS_TR_PASSWORD where the password is empty */
} TpmAuthority;

#define TPM_AUTHORITY(the_link, the_hierarchy)                                                                                           \
  {                                                                                                                                      \
    .session = { (the_link), ESYS_TR_NONE }, .hierarchy = (the_hierarchy), .tr = ESYS_TR_NONE, .by = ESYS_TR_NONE                        \
  }

void tpm_authority_clear (TpmAuthority *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TpmAuthority, tpm_authority_clear)

/**
 * tpm_authority_name:
 *
 * Returns: (transfer none): see tpm_hierarchy_name()
 */
const char *tpm_authority_name (TpmHierarchy hierarchy);

/**
 * tpm_authority_open:
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED (a password is set and none is known), _HIERARCHY_DISABLED and those of the link
 *
 * No command where the password is empty; one (StartAuthSession, without a salt: the password is a long random one) where it is
 * known. One more where the facts say no, since somebody may have taken his password away, and for the lockout hierarchy always,
 * as a wrong password would lock it.
 */
gboolean tpm_authority_open (TpmAuthority *self, GError **error);

/**
 * tpm_authority_check:
 * @error: those of tpm_authority_open()
 *
 * Whether it makes sense to open an authority, by what the TPM says; no password is tried. Commands: those one more of
 * tpm_authority_open().
 */
gboolean tpm_authority_check (TpmLink *link, TpmHierarchy hierarchy, GError **error);

/**
 * tpm_authority_open_in_session:
 * @self: with a session for one command in its guard, after tpm_authority_check()
 *
 * The same in a session of the caller's: tpm_session_authorize(). No command.
 */
void tpm_authority_open_in_session (TpmAuthority *self);

/**
 * tpm_authority_end:
 * @rc: how the command ended
 * @doing: as for tpm_rc_set_error()
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED when the password was refused: it is dropped then, and the facts are read again;
 *   else as tpm_link_fail()
 *
 * To be called right after the command.
 *
 * Returns: whether @rc is success
 */
gboolean tpm_authority_end (TpmAuthority *self, TSS2_RC rc, GError **error, const char *doing);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this room share, and tests of it may use. TPM thread, unless a function says otherwise. */

#include "tpm-cache.h"
#include "tpm-link.h"
#include "tpm-tcti.h"

#include <tss2/tss2_esys.h>

G_BEGIN_DECLS

/**
 * tpm_link_esys:
 *
 * Returns: (transfer none): the open context; asserts the TPM thread and that tpm_link_ensure() succeeded
 */
ESYS_CONTEXT *tpm_link_esys (TpmLink *link);

/**
 * tpm_link_is_open:
 *
 * TPM thread. Whether there is a context; a failed command may have closed it in the middle of a job.
 */
gboolean tpm_link_is_open (TpmLink *link);

/**
 * tpm_link_check_open:
 * @error: TPMID_ERROR_TPM_UNAVAILABLE
 *
 * For between the parts of a job: the scope guards at the end of a part send commands too, and cannot tell of an error.
 */
gboolean tpm_link_check_open (TpmLink *link, GError **error);

/**
 * tpm_link_fail:
 * @rc: what an Esys function returned
 * @doing: as for tpm_rc_set_error()
 *
 * The one way out of a failed command: maps @rc, re-diagnoses 0x101 with TPM2_GetTestResult, reads the lockout facts
 * again after TPM_LOCKOUT, and closes the link when the rc poisons it or the TPM is in failure mode.
 *
 * Returns: %FALSE always
 */
gboolean tpm_link_fail (TpmLink *link, TSS2_RC rc, GError **error, const char *doing);

/**
 * tpm_link_flush:
 * @tr: a transient object or a session
 *
 * Flushes @tr; nothing happens when the link is closed. Where that fails, closes the link, since only that still gets rid
 * of @tr: the kernel's resource manager flushes what a closed file held, and under exclusive the next opening does.
 */
void tpm_link_flush (TpmLink *link, ESYS_TR tr);

/**
 * tpm_link_facts:
 *
 * Returns: (transfer none): what the TPM said at its opening, or since; TPM thread
 */
const TpmFacts *tpm_link_facts (TpmLink *link);

/**
 * tpm_link_set_facts:
 * @facts: what the TPM says now, as a command that succeeded made it
 *
 * No command.
 */
void tpm_link_set_facts (TpmLink *link, const TpmFacts *facts);

/**
 * tpm_link_refuse_password:
 *
 * The TPM refused the password of @hierarchy.
 */
void tpm_link_refuse_password (TpmLink *link, TpmHierarchy hierarchy);

/**
 * tpm_link_forget_all:
 *
 * Empties the link's cache, and flushes its session: after TPM2_Clear nothing of it is true any more.
 */
void tpm_link_forget_all (TpmLink *link);

/**
 * tpm_link_has_handle:
 * @handle: persistent or NV handle
 * @ret_exists: (out): whether it is defined
 *
 * One GetCapability, which (unlike a probe by ReadPublic) is no error when there is nothing.
 */
gboolean tpm_link_has_handle (TpmLink *link, guint32 handle, gboolean *ret_exists, GError **error);

/**
 * tpm_link_get_persistent:
 * @ret_tr: (out): owned by the link's cache; valid until the link closes or tpm_link_forget()
 *
 * The ESYS object of a persistent handle; no command when it is cached, else one ReadPublic.
 */
gboolean tpm_link_get_persistent (TpmLink *link, guint32 handle, ESYS_TR *ret_tr, GError **error);

/**
 * tpm_link_adopt_persistent:
 * @tr: (transfer full): what Esys_EvictControl() made for @handle
 *
 * Puts an object into the link's cache, so that its first use needs no ReadPublic. No command.
 */
void tpm_link_adopt_persistent (TpmLink *link, guint32 handle, ESYS_TR tr);

/**
 * tpm_link_note:
 *
 * Returns: (transfer none) (nullable): what tpm-key keeps with an object in the cache, zero at first; %NULL when @handle is not in
 * the cache. No command.
 */
TpmNote *tpm_link_note (TpmLink *link, guint32 handle);

/**
 * tpm_link_forget:
 *
 * Drops @handle from the cache; nothing happens when it is not there. No command.
 */
void tpm_link_forget (TpmLink *link, guint32 handle);

/**
 * tpm_link_is_exclusive:
 *
 * Returns: whether this device is ours alone
 */
gboolean tpm_link_is_exclusive (TpmLink *link);

/**
 * tpm_link_own_session:
 *
 * Returns: (transfer none): where tpm-session keeps the link's session; ESYS_TR_NONE when there is none. The link flushes it when it
 * closes.
 */
ESYS_TR *tpm_link_own_session (TpmLink *link);

/**
 * tpm_link_set_generating:
 *
 * Says that the next command makes an RSA key, or that it has ended.
 */
void tpm_link_set_generating (TpmLink *link, gboolean generating);

/**
 * tpm_link_set_fault:
 *
 * For tests, before the first tpm_link_ensure(): handed to each TpmTcti that the link makes.
 */
void tpm_link_set_fault (TpmLink *link, TpmTctiFault fault, gpointer user_data);

G_END_DECLS

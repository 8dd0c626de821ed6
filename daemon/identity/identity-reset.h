/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-journal.h"

G_BEGIN_DECLS

typedef struct TpmLink TpmLink;

/*
 * The factory reset: everything that is this device's goes, the serial number stays. A request becomes the journal's operation once the
 * TPM can be used; from then on the reset is carried out exactly once, however often it is interrupted.
 */

/**
 * identity_reset_is_requested:
 * @link: (nullable): the TPM, open: it remembers the last token as well
 * @ret_token: (out) (nullable) (transfer full): SHA-256 of the kernel command line's token, hex, where that is the request
 * @ret_problem: (out) (nullable) (transfer full): why a request that is there is not one: a sentence that says what to do
 *
 * TPM thread; with a %NULL @link any. Looks for STATE/reset-request and for tpmid.reset=TOKEN. The flag file counts only when it is a
 * regular file of root's, mode 0600, with one name, in a folder that nobody but root and tpmidd can write to. A token counts once: those
 * that were done are on disk (the last 512) and in the TPM (the last 4). At most 3 commands, and none without a token that the disk does not know.
 */
gboolean identity_reset_is_requested (TpmLink *link, const BaseConfig *config, char **ret_token, char **ret_problem);

/**
 * identity_reset_check:
 * @journal: (inout): of a reset, as on disk
 * @error: TPMID_ERROR_STORAGE and those of the link: the reset cannot be begun, and nothing was changed
 *
 * TPM thread. Sees to it, while there is a way back, that nothing stands in the way of a reset, and that what has to outlast it is in the journal: the serial number's
 * index, and the tokens that only the TPM knows. At most 8 commands.
 */
gboolean identity_reset_check (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, GError **error);

/**
 * identity_reset_erase:
 * @link: the TPM, open and usable
 * @journal: (inout): of a reset that was checked; how far it is is added, on disk as well
 * @key_handle: where the identity key is
 * @error: those of the link; TPMID_ERROR_STORAGE. May be called again
 *
 * TPM thread. Clears the TPM (TPM2_Clear) where ClearOnReset= allows it and the TPM lets us; else removes exactly what is ours from
 * it, and the journal says why the reset is incomplete. Then removes keys, records, certificate, archive and software key from disk.
 */
gboolean identity_reset_erase (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, guint32 key_handle, GError **error);

/**
 * identity_reset_restore:
 * @journal: of a reset that erased everything
 *
 * TPM thread. Puts the serial number back, and the token. At most 9 commands.
 */
gboolean identity_reset_restore (TpmLink *link, const BaseConfig *config, const IdentityJournal *journal, GError **error);

/**
 * identity_reset_finish:
 *
 * TPM thread, when the new identity is on disk: the request is done. The journal goes last.
 */
gboolean identity_reset_finish (const BaseConfig *config, const IdentityJournal *journal, GError **error);

G_END_DECLS

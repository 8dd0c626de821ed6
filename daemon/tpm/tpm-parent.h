/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link-private.h"

G_BEGIN_DECLS

/**
 * tpm_parent_get:
 * @parent: which one; where its Name is not pinned, it must be that of a fresh primary key
 * @ret_tr: (out): owned by the link's cache; valid until the link closes or tpm_link_forget()
 * @ret_name: (out caller-allocates) (array fixed-size=34) (optional): its Name
 * @error: TPMID_ERROR_HANDLE_TAKEN when something else lies at the handle, _KEY_ORPHANED when the TPM now makes another storage root
 *   key than the pinned one (it was cleared, or is another), and those of tpm_primary_make()
 *
 * TPM thread. The persistent storage root key; made and made persistent when nothing lies there. No command when it is in the link's
 * cache, else one; three more where it has to be made, two where it is there and its Name is not pinned. Where the owner has a
 * password, one more for each command that it authorizes: two where it has to be made, one where its Name is not pinned.
 */
gboolean tpm_parent_get (TpmLink *link, const TpmParent *parent, ESYS_TR *ret_tr, guint8 *ret_name, GError **error);

/**
 * tpm_parent_evict:
 * @error: TPMID_ERROR_HANDLE_TAKEN when something else lies there, and those of tpm_parent_get() and of tpm_authority_open()
 *
 * TPM thread. Removes the persistent storage root key; nothing there is a success. Two commands where its Name is pinned, four
 * else; one more for each that the owner's password authorizes.
 */
gboolean tpm_parent_evict (TpmLink *link, const TpmParent *parent, GError **error);

/**
 * tpm_parent_look_again:
 * @cause: why a command that has the parent as its only handle failed
 *
 * TPM thread. Somebody may remove the parent, put something else in its place, or clear the TPM, while it is in the link's cache. It is not
 * any more after an error that this may have caused, so that the next tpm_parent_get() looks again. No command.
 *
 * Returns: whether it may be that, and the command may be sent once more under what tpm_parent_get() finds now
 */
gboolean tpm_parent_look_again (TpmLink *link, const TpmParent *parent, const GError *cause);

G_END_DECLS

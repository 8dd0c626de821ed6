/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-ownership-status.h"
#include "tpm-link.h"

G_BEGIN_DECLS

/* Who has the passwords of the TPM. TPM thread, with an open link, unless a function says otherwise.
 *
 * Passwords of ours rest on disk (STATE/ownership) and in the TPM (NV index PasswordIndex=), both before the TPM is changed, so
 * that no crash and no loss of the disk loses them; identity-passwords.h has the formats. Each step looks first at what the TPM
 * says, and so can be done again. */

/**
 * identity_ownership_prepare:
 * @link: (nullable): where there is none, or it is closed, nothing is known
 * @ret_status: (out caller-allocates): overwritten; the platform is unknown in it
 *
 * At each decision, right after the link was opened and its facts are fresh: hands the link the passwords that are known to be
 * right. The copy in the TPM counts: its tag tells whether those on disk are the same; where they are not, it is read, and
 * written to the disk again. Where it is locked against reading already, none is handed over, and @ret_status asks for a restart
 * of the device. Without a copy the owner's password proves those on disk, since trying it costs nothing; a lockout password that
 * nothing proves is not handed over. Else supplied ones. What the TPM refuses is not tried again in this boot of the machine,
 * whoever starts tpmidd again. Never tries one of a hierarchy that has none.
 *
 * No command where no password is set. Else one for the tag; 6 more to read the copy, or 4 to try the owner's without one; 4 for
 * each supplied password of owner and endorsement, once for each opening of tpmidd; a supplied lockout password is not tried
 * before it is needed.
 */
void identity_ownership_prepare (TpmLink *link, const BaseConfig *config, IdentityOwnership *ret_status);

/**
 * identity_ownership_take:
 * @parent: the storage root key, made where it lacks: what encrypts the passwords on their way
 * @status: (inout): of identity_ownership_prepare()
 * @error: those of the link, TPMID_ERROR_STORAGE, _HANDLE_TAKEN (the parent's) and others that another try may mend
 *
 * Under exclusive, where all passwords are empty and nothing of others is in the TPM: sets the lockout password, the owner's, and
 * the dictionary-attack parameters (32 tries, 600 s, 3600 s). Goes on where a crash ended it; as long as no password is set, only
 * where still nothing of others is there. Under shared, or where something is in the way, nothing happens, and @status says why.
 *
 * 26 commands for a TPM that is as new and empty; one more for each object in it. None where it is owned already.
 *
 * Returns: %FALSE where it was begun, or should have been, and did not end: identity_ownership_settle() and the next boot go on
 */
gboolean identity_ownership_take (TpmLink *link, const BaseConfig *config, const TpmParent *parent, IdentityOwnership *status, GError **error);

/**
 * identity_ownership_settle:
 * @link: (nullable): where there is none, or it is closed, nothing happens
 * @may_take: whether the TPM is the device's own beyond doubt: only then passwords are set
 * @status: (inout): of identity_ownership_prepare(), or _take()
 *
 * The last thing at each boot: goes on with taking (under exclusive, with @may_take) or releasing what a crash left, puts the copy in the TPM
 * back where it lacks, locks it against reading until the TPM restarts, resets the dictionary-attack counter (once in a boot,
 * where it is above 0, the TPM was not shut down orderly, and the lockout password is ours), and closes the platform hierarchy
 * (under exclusive). What fails is in the journal and in @status.
 *
 * A healthy boot: under exclusive 2 commands where firmware closed the platform hierarchy, 5 where it did not (1 and 4 without
 * ownership); under shared 1 where passwords of ours are set, else none.
 */
void identity_ownership_settle (TpmLink *link, const BaseConfig *config, gboolean may_take, IdentityOwnership *status);

/**
 * identity_ownership_release:
 * @status: (inout)
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED where one of them is not ours, or not known: nothing is changed then; or where it
 *   was refused; _STORAGE and those of the link
 *
 * Makes the passwords empty again, the owner's first; once the TPM says that both are, removes the copy in the TPM and the file,
 * whatever the policy; goes on where a crash ended it. They come from the disk, the link, or the copy in the TPM, as in
 * identity_ownership_prepare(). Where both are empty already it is a success that changes nothing. Eleven commands.
 */
gboolean identity_ownership_release (TpmLink *link, const BaseConfig *config, IdentityOwnership *status, GError **error);

/**
 * identity_ownership_forget:
 * @link: (nullable)
 * @error: TPMID_ERROR_STORAGE
 *
 * After TPM2_Clear, which made the passwords empty and removed the copy in the TPM: removes the file, and the link forgets them.
 * Where a crash comes before, the file is stale, and is not used. No command.
 */
gboolean identity_ownership_forget (TpmLink *link, const BaseConfig *config, GError **error);

G_END_DECLS

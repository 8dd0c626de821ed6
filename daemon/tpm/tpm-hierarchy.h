/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "tpm-link.h"
#include "tpm-types.h"

G_BEGIN_DECLS

/* The hierarchies of the TPM and their passwords. TPM thread. "One for the password" below is the session that a command takes which a password
 * authorizes that is not empty; for the lockout hierarchy the facts are read before each, one command more. */

/**
 * tpm_hierarchy_name:
 *
 * Any thread. Returns: (transfer none): "owner", "endorsement", "lockout" or "platform", as tpm2-tools write it too
 */
const char *tpm_hierarchy_name (TpmHierarchy hierarchy);

/**
 * tpm_hierarchy_is_set:
 *
 * Pure. Returns: whether @hierarchy has a password by what the TPM says; %FALSE for the platform, of which it does not tell
 */
gboolean tpm_hierarchy_is_set (const TpmFacts *facts, TpmHierarchy hierarchy);

/**
 * tpm_hierarchy_read_anchor:
 * @hierarchy: owner: the ECC storage root key that tpm_key_create() uses; endorsement: the TCG EK template L-2 (P-256)
 * @ret_name: (out caller-allocates) (array fixed-size=34): the primary key's Name
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _HIERARCHY_DISABLED and those of the link
 *
 * What tells this TPM from another (endorsement), and this life of it from the one before TPM2_Clear (owner): primary
 * keys are a function of seed and template. Two commands (CreatePrimary, FlushContext), tens of milliseconds up to
 * seconds on a real chip; one for the password. Template L-2: TCG EK Credential Profile 2.3, B.3.4.
 */
gboolean tpm_hierarchy_read_anchor (TpmLink *link, TpmHierarchy hierarchy, guint8 ret_name[TPM_NAME_SIZE], GError **error);

/**
 * tpm_hierarchy_try_password:
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED when the password that the link knows is wrong, or it knows none and one is set;
 *   _TPM_LOCKOUT and those of the link
 *
 * Whether the password is right, by a command that changes nothing: TPM2_PolicySecret in a trial session. A wrong one of the
 * lockout hierarchy locks it. Three commands, and one for the password; one more for the lockout hierarchy.
 */
gboolean tpm_hierarchy_try_password (TpmLink *link, TpmHierarchy hierarchy, GError **error);

/**
 * tpm_hierarchy_change_password:
 * @parent: (nullable): what encrypts @password on its way (tpm_parent_get() makes it where it lacks); %NULL = a key for the
 *   occasion
 * @password: (nullable): the new one, at most 64 bytes; %NULL = empty
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _HIERARCHY_DISABLED, _TPM_LOCKOUT, _INVALID_ARGUMENT, those of tpm_parent_get()
 *   and of the link
 *
 * TPM2_HierarchyChangeAuth. On success the link knows the new password. A new one takes two commands with the parent in the
 * link's cache and four without a parent; an empty one takes one, and one for the password, and nothing of @parent. One more for
 * the lockout hierarchy.
 */
gboolean tpm_hierarchy_change_password (TpmLink *link, TpmHierarchy hierarchy, const TpmParent *parent, BaseSecret *password, GError **error);

/**
 * tpm_hierarchy_clear:
 * @error: TPMID_ERROR_CLEAR_DISABLED, _HIERARCHY_AUTH_REQUIRED, _TPM_LOCKOUT and those of the link
 *
 * TPM2_Clear by the lockout hierarchy: all keys, persistent or not, and indices of the owner and the endorsement hierarchy are
 * gone, their passwords and that of lockout are empty. The link forgets its passwords, its cache and its session. Three commands,
 * one for the password, and one for a session of the link.
 */
gboolean tpm_hierarchy_clear (TpmLink *link, GError **error);

/**
 * tpm_hierarchy_set_lockout_parameters:
 * @limit: tries before the lockout
 * @interval_sec: after so long one try is forgotten; 0 = nothing is protected
 * @recovery_sec: so long a wrong lockout password locks; 0 = until the TPM restarts
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _TPM_LOCKOUT and those of the link
 *
 * TPM2_DictionaryAttackParameters. Two commands, and one for the password. TPM 2.0 Library Part 1, 19.8.
 */
gboolean tpm_hierarchy_set_lockout_parameters (TpmLink *link, guint32 limit, guint32 interval_sec, guint32 recovery_sec, GError **error);

/**
 * tpm_hierarchy_reset_lockout:
 * @error: as for tpm_hierarchy_set_lockout_parameters()
 *
 * TPM2_DictionaryAttackLockReset: the counter is 0 again. Two commands, and one for the password.
 */
gboolean tpm_hierarchy_reset_lockout (TpmLink *link, GError **error);

/**
 * tpm_hierarchy_close_platform:
 * @password: what to set, and to forget
 * @ret_was_open: (out) (optional): whether the password was empty
 * @error: those of the link; a platform hierarchy that has a password or is switched off is closed, and no error
 *
 * Sets a password where the platform hierarchy has none. Only trying tells: one command where it is closed (it is not protected
 * against a dictionary attack, so that costs no try), four where it was open. TPM 2.0 Library Part 1, 13.3.
 */
gboolean tpm_hierarchy_close_platform (TpmLink *link, BaseSecret *password, gboolean *ret_was_open, GError **error);

G_END_DECLS

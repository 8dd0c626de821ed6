/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-ownership-status.h"
#include "identity-passwords.h"
#include "tpm-link.h"

G_BEGIN_DECLS

/* What every step of identity-ownership.h works with, and what each of them does with a password. TPM thread, with an open link,
 * unless a function says otherwise. */

/**
 * IdentityOwning:
 * @link: (nullable): where there is none, identity_owning_is_ready() says so, and nothing else is to be called
 * @parent: (nullable): the storage root key, where passwords are to be set
 * @status: (inout): what is found and what is in the way
 * @own: (owned): the passwords of ours that are right, or nothing
 *
 * One step's, for its duration. g_auto.
 */
typedef struct
{
  TpmLink *link;
  const BaseConfig *config;
  const TpmParent *parent;
  IdentityOwnership *status;
  IdentityPasswords own;
} IdentityOwning;

void identity_owning_clear (IdentityOwning *work);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (IdentityOwning, identity_owning_clear)

/* What the TPM said when its facts were read last; no command. */
TpmFacts identity_owning_get_facts (const IdentityOwning *work);

/* Returns: whether there is a link, and it is open; no command */
gboolean identity_owning_is_ready (const IdentityOwning *work);

/* Returns: whether owner or lockout has a password: those that tpmidd sets */
gboolean identity_owning_is_any_set (const TpmFacts *facts);

/* From now on no passwords of ours are known to be right. The file stays. */
void identity_owning_forget (IdentityOwning *work);

/**
 * identity_owning_hand_over:
 *
 * Gives the link a password to use, unless the TPM refused it in this boot of the machine; where the link says that it did,
 * remembers it for this boot. No command.
 *
 * Returns: whether the link has it
 */
gboolean identity_owning_hand_over (const IdentityOwning *work, TpmHierarchy hierarchy, BaseSecret *password);

/**
 * identity_owning_is_right:
 * @hierarchy: not lockout, which a wrong password locks; for the others it costs nothing
 *
 * Hands it over, and tries it, if it was not refused in this boot of the machine already. A refused one is remembered for this
 * boot; what else fails is logged. Up to four commands.
 */
gboolean identity_owning_is_right (const IdentityOwning *work, TpmHierarchy hierarchy, BaseSecret *password);

/* Puts into the status, where nothing is in it yet, that the TPM refuses what we take for its password, and what to do. */
void identity_owning_describe_refused (const IdentityOwning *work, TpmHierarchy hierarchy);

/* Any thread. Logs a warning: "ownership: @what: @error". */
void identity_owning_log_problem (const char *what, const GError *error);

G_END_DECLS

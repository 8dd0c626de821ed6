/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-facts.h"
#include "identity-report.h"

G_BEGIN_DECLS

/**
 * identity_boot_execute:
 * @link: (nullable): the TPM, open if the decision needs it; %NULL as for identity_facts_gather()
 * @facts: what was found and decided
 * @before: (nullable): what this boot came to before
 *
 * TPM thread; with a %NULL @link any thread. Makes keys and certificates as the decision says; writes nothing but key
 * material, and the note that a software key has had its time: everything else is left to identity_settle(). Never fails: what
 * could not be done turns the mode into unprovisioned with reason
 * provisioning-failed, and is named. Eleven TPM commands at most, for a first boot.
 *
 * Returns: (transfer full): the report
 */
IdentityReport *identity_boot_execute (TpmLink *link, const BaseConfig *config, const IdentityFacts *facts, const IdentityReport *before);

G_END_DECLS

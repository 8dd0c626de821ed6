/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "tpm-types.h"

#include <tss2/tss2_tpm2_types.h>

G_BEGIN_DECLS

/**
 * TpmPasswords:
 *
 * The passwords of the hierarchies as far as they are known, and those that the TPM refused. A plain value, zero when nothing is
 * known. Belongs to the link, and with it to the TPM thread; no function sends a command.
 */
typedef struct
{
  struct
  {
    BaseSecret *known, *refused;
  } rows[TPM_N_HIERARCHIES];
} TpmPasswords;

/**
 * tpm_passwords_set:
 * @password: (nullable): its reference is taken
 *
 * What the TPM refused before is not taken again; another one, or %NULL, makes that forgotten.
 */
void tpm_passwords_set (TpmPasswords *self, TpmHierarchy hierarchy, BaseSecret *password);

/**
 * tpm_passwords_refuse:
 *
 * The TPM refused the one that is known: it is known no more.
 */
void tpm_passwords_refuse (TpmPasswords *self, TpmHierarchy hierarchy);

/**
 * tpm_passwords_drop_stale:
 * @facts: which passwords are set
 *
 * Drops what is known of a hierarchy that has no password any more: somebody else's next one must not be met with it.
 */
void tpm_passwords_drop_stale (TpmPasswords *self, const TpmFacts *facts);

void tpm_passwords_clear (TpmPasswords *self);

/**
 * tpm_passwords_to_auth:
 * @password: (nullable): %NULL = the empty one
 * @ret_auth: (out caller-allocates): as the TPM keeps it, without zeros at its end (TPM 2.0 Library Part 1, 19.6.5); to be wiped
 *
 * Returns: %FALSE when it is longer than any TPM takes
 */
gboolean tpm_passwords_to_auth (const BaseSecret *password, TPM2B_AUTH *ret_auth);

G_END_DECLS

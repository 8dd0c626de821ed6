/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-password-holders.h"

#include "tpm-hierarchy.h"

static gboolean
hand_over_supplied (const IdentityOwning *work, TpmHierarchy hierarchy, BaseSecret *password)
{
  gboolean had = tpm_link_has_password (work->link, hierarchy);

  if (had || hierarchy == TPM_HIERARCHY_LOCKOUT)
    return identity_owning_hand_over (work, hierarchy, password);
  return identity_owning_is_right (work, hierarchy, password)
         || (tpm_link_has_password (work->link, hierarchy) && !tpm_link_is_password_wrong (work->link, hierarchy));
}

static IdentityPasswordKind
judge (const IdentityOwning *work, const TpmFacts *facts, TpmHierarchy hierarchy, BaseSecret *own)
{
  if (!tpm_hierarchy_is_set (facts, hierarchy))
    {
      tpm_link_set_password (work->link, hierarchy, NULL);
      return IDENTITY_PASSWORD_EMPTY;
    }
  if (own != NULL && identity_owning_hand_over (work, hierarchy, own))
    return IDENTITY_PASSWORD_OWN;
  g_autoptr (BaseSecret) supplied = identity_passwords_read_supplied (work->config, hierarchy);
  if (supplied != NULL && hand_over_supplied (work, hierarchy, supplied))
    return IDENTITY_PASSWORD_SUPPLIED;
  if (own != NULL)
    identity_owning_describe_refused (work, hierarchy);
  /* Out of the TPM, by a disk that could not be written. */
  return tpm_link_has_password (work->link, hierarchy) ? IDENTITY_PASSWORD_OWN : IDENTITY_PASSWORD_FOREIGN;
}

static IdentityOwnershipState
conclude (const IdentityOwnership *status, IdentityPasswordsState recorded)
{
  gboolean both = status->owner == IDENTITY_PASSWORD_OWN && status->lockout == IDENTITY_PASSWORD_OWN;

  if (both)
    return recorded == IDENTITY_PASSWORDS_OWNED || recorded == IDENTITY_PASSWORDS_NONE ? IDENTITY_OWNERSHIP_OWNED : IDENTITY_OWNERSHIP_PARTIAL;
  if (status->owner > IDENTITY_PASSWORD_OWN || status->lockout > IDENTITY_PASSWORD_OWN || status->endorsement > IDENTITY_PASSWORD_OWN)
    return IDENTITY_OWNERSHIP_FOREIGN;
  if (status->owner == IDENTITY_PASSWORD_OWN || status->lockout == IDENTITY_PASSWORD_OWN)
    return IDENTITY_OWNERSHIP_PARTIAL;
  return IDENTITY_OWNERSHIP_NONE;
}

static void
describe_foreign (IdentityOwnership *status, TpmHierarchy hierarchy)
{
  const char *name = tpm_hierarchy_name (hierarchy);

  identity_ownership_set_detail (status,
                                 "somebody else set a password on the %s hierarchy of the TPM; make it empty (tpm2_changeauth "
                                 "-c %s -p PASSWORD), supply it as credential tpmidd.%s-auth and restart tpmidd, or clear the "
                                 "TPM in the firmware's setup",
                                 name, name, name);
}

static void
describe (IdentityOwnership *status)
{
  if (status->detail[0] != '\0')
    return;
  if (status->owner == IDENTITY_PASSWORD_FOREIGN)
    describe_foreign (status, TPM_HIERARCHY_OWNER);
  else if (status->lockout == IDENTITY_PASSWORD_FOREIGN)
    describe_foreign (status, TPM_HIERARCHY_LOCKOUT);
  else if (status->endorsement == IDENTITY_PASSWORD_FOREIGN)
    describe_foreign (status, TPM_HIERARCHY_ENDORSEMENT);
  else if (status->state == IDENTITY_OWNERSHIP_FOREIGN)
    identity_ownership_set_detail (status, "somebody else owns the TPM, and supplied the passwords");
  else if (status->state == IDENTITY_OWNERSHIP_PARTIAL)
    identity_ownership_set_detail (status,
                                   "not all passwords of the TPM are set; a restart of tpmidd under Ownership=exclusive goes on "
                                   "with what was begun, and tpmidctl release-ownership makes all of them empty");
  else if (status->state == IDENTITY_OWNERSHIP_NONE && status->is_exclusive)
    identity_ownership_set_detail (status, "no password of the TPM is set; a factory reset takes ownership");
}

void
identity_password_holders_assess (IdentityOwning *work)
{
  const TpmFacts facts = identity_owning_get_facts (work);
  IdentityOwnership *status = work->status;

  status->owner = judge (work, &facts, TPM_HIERARCHY_OWNER, work->own.owner);
  status->lockout = judge (work, &facts, TPM_HIERARCHY_LOCKOUT, work->own.lockout);
  status->endorsement = judge (work, &facts, TPM_HIERARCHY_ENDORSEMENT, NULL);
  status->state = conclude (status, work->own.state);
  describe (status);
}

void
identity_password_holders_assess_again (IdentityOwning *work)
{
  if (identity_owning_is_ready (work))
    identity_password_holders_assess (work);
}

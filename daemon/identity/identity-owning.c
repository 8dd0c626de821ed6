/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-owning.h"

#include "base-log.h"
#include "identity-attempts.h"
#include "tpm-hierarchy.h"

void
identity_owning_clear (IdentityOwning *work)
{
  identity_passwords_clear (&work->own);
}

void
identity_owning_log_problem (const char *what, const GError *error)
{
  base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "ownership: %s: %s", what, error->message);
}

TpmFacts
identity_owning_get_facts (const IdentityOwning *work)
{
  TpmLinkStatus status;

  tpm_link_get_status (work->link, &status);
  return status.facts;
}

gboolean
identity_owning_is_ready (const IdentityOwning *work)
{
  TpmLinkStatus status;

  if (work->link == NULL)
    return FALSE;
  tpm_link_get_status (work->link, &status);
  return status.state == TPM_STATE_READY;
}

gboolean
identity_owning_is_any_set (const TpmFacts *facts)
{
  return facts->owner_auth_set || facts->lockout_auth_set;
}

void
identity_owning_forget (IdentityOwning *work)
{
  identity_passwords_clear (&work->own);
  work->status->is_disk_current = FALSE;
}

void
identity_owning_describe_refused (const IdentityOwning *work, TpmHierarchy hierarchy)
{
  const char *name = tpm_hierarchy_name (hierarchy);

  if (work->status->detail[0] == '\0')
    identity_ownership_set_detail (work->status,
                                   "the TPM refuses the password of the %s hierarchy that is in %s/ownership%s; restart the "
                                   "device (reboot); if that does not help, the password was changed: supply it as credential "
                                   "tpmidd.%s-auth, or clear the TPM in the firmware's setup",
                                   name, work->config->state_path,
                                   work->status->has_copy ? " and in its NV index" : ", and its NV index has no copy", name);
}

/* Not one that the TPM refused in this boot; the link says so of one that it refused since it was made. */
gboolean
identity_owning_hand_over (const IdentityOwning *work, TpmHierarchy hierarchy, BaseSecret *password)
{
  const char *name = tpm_hierarchy_name (hierarchy);

  if (identity_attempts_has (work->config, name, password))
    return FALSE;
  tpm_link_set_password (work->link, hierarchy, password);
  if (tpm_link_has_password (work->link, hierarchy))
    return TRUE;
  identity_attempts_add (work->config, name, password);
  return FALSE;
}

/* Costs nothing but for the lockout hierarchy, which a wrong one locks. */
gboolean
identity_owning_is_right (const IdentityOwning *work, TpmHierarchy hierarchy, BaseSecret *password)
{
  g_autoptr (GError) error = NULL;

  if (!identity_owning_hand_over (work, hierarchy, password) || !identity_owning_is_ready (work))
    return FALSE;
  if (tpm_hierarchy_try_password (work->link, hierarchy, &error))
    return TRUE;
  if (tpm_link_is_password_wrong (work->link, hierarchy))
    identity_attempts_add (work->config, tpm_hierarchy_name (hierarchy), password);
  else
    identity_owning_log_problem ("a password could not be tried", error);
  return FALSE;
}

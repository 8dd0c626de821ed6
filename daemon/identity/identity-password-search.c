/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-password-search.h"

#include "base-error.h"
#include "base-log.h"
#include "tpm-hierarchy.h"
#include "tpm-nv.h"

static void
load_disk (IdentityOwning *work)
{
  g_autoptr (GError) error = NULL;

  identity_passwords_clear (&work->own);
  if (!identity_passwords_load (work->config->state_path, &work->own, &error))
    identity_owning_log_problem ("the passwords on disk", error);
}

/* A wrong one of lockout locks it. */
static void
distrust_all (IdentityOwning *work)
{
  identity_owning_forget (work);
  tpm_link_set_password (work->link, TPM_HIERARCHY_OWNER, NULL);
  tpm_link_set_password (work->link, TPM_HIERARCHY_LOCKOUT, NULL);
}

/* The passwords that the TPM has, which are not on disk. */
static void
adopt (IdentityOwning *work, const TpmFacts *facts, IdentityPasswords *found)
{
  g_autoptr (GError) error = NULL;

  found->state = facts->owner_auth_set && facts->lockout_auth_set ? IDENTITY_PASSWORDS_OWNED : IDENTITY_PASSWORDS_TAKING;
  identity_passwords_clear (&work->own);
  work->own = *found;
  *found = (IdentityPasswords){ IDENTITY_PASSWORDS_NONE, NULL, NULL };
  work->status->is_disk_current = identity_passwords_save (work->config->state_path, &work->own, &error);
  if (work->status->is_disk_current)
    base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the passwords of the TPM were not on disk; they were found, and are again");
  else
    identity_owning_log_problem ("the passwords of the TPM were found, but not on disk", error);
}

static gboolean
tells (const TpmNvTag *tag, const IdentityPasswords *passwords)
{
  g_autoptr (BaseSecret) content = NULL;

  if (passwords->state == IDENTITY_PASSWORDS_NONE)
    return FALSE;
  content = identity_passwords_to_nv (passwords);
  return tpm_nv_tag_tells (tag, content);
}

/* Nothing is tried with passwords that are known to be others. */
static void
wait_for_restart (IdentityOwning *work)
{
  guint32 index = work->config->password_index;

  if (work->own.state == IDENTITY_PASSWORDS_NONE)
    identity_ownership_set_detail (work->status,
                                   "the passwords of the TPM are not on disk, and those in NV index 0x%08x cannot be read "
                                   "before the TPM starts again; restart the device (reboot)",
                                   index);
  else
    identity_ownership_set_detail (work->status,
                                   "%s/ownership holds other passwords than the TPM has (out of a backup?), and the right ones "
                                   "in NV index 0x%08x cannot be read before the TPM starts again; restart the device (reboot)",
                                   work->config->state_path, index);
  distrust_all (work);
}

static gboolean
read_copy (const IdentityOwning *work, IdentityPasswords *ret_found, GError **error)
{
  g_autoptr (BaseSecret) content = NULL;

  if (!tpm_nv_read_secret (work->link, work->config->password_index, NULL, &content, error))
    return FALSE;
  if (identity_passwords_from_nv (content, ret_found))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "NV index 0x%08x does not hold the passwords of the TPM", work->config->password_index);
  return FALSE;
}

/* The copy in the TPM was written before the passwords were set, so it counts. */
static void
find_by_copy (IdentityOwning *work, const TpmFacts *facts, const TpmNvTag *tag)
{
  g_auto (IdentityPasswords) found = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) error = NULL;

  if (tells (tag, &work->own))
    return;
  if (identity_passwords_join (tpm_link_peek_password (work->link, TPM_HIERARCHY_OWNER),
                               tpm_link_peek_password (work->link, TPM_HIERARCHY_LOCKOUT), &found)
      && tells (tag, &found))
    adopt (work, facts, &found);
  else if (tag->is_locked)
    wait_for_restart (work);
  else
    {
      identity_passwords_clear (&found);
      if (read_copy (work, &found, &error))
        {
          adopt (work, facts, &found);
          return;
        }
      identity_owning_log_problem ("the copy in the TPM", error);
      identity_ownership_set_detail (work->status, "the copy of the passwords in the TPM: %s", error->message);
      distrust_all (work);
    }
}

static void
describe_unproven (const IdentityOwning *work)
{
  if (work->status->detail[0] == '\0')
    identity_ownership_set_detail (work->status,
                                   "nothing proves that the lockout password of the TPM is that of %s/ownership, as NV index "
                                   "0x%08x has no copy of it, and a wrong one would lock it; supply it as credential "
                                   "tpmidd.lockout-auth, or clear the TPM in the firmware's setup",
                                   work->config->state_path, work->config->password_index);
}

/* No copy in the TPM tells. The owner's password is tried, and what was set with it is right where it is. */
static void
find_by_owner (IdentityOwning *work, const TpmFacts *facts)
{
  g_auto (IdentityPasswords) found = { IDENTITY_PASSWORDS_NONE, NULL, NULL };

  if (work->own.state == IDENTITY_PASSWORDS_NONE
      && identity_passwords_join (tpm_link_peek_password (work->link, TPM_HIERARCHY_OWNER),
                                  tpm_link_peek_password (work->link, TPM_HIERARCHY_LOCKOUT), &found))
    adopt (work, facts, &found);
  if (work->own.state == IDENTITY_PASSWORDS_NONE
      || (facts->owner_auth_set && identity_owning_is_right (work, TPM_HIERARCHY_OWNER, work->own.owner)))
    return;
  if (facts->owner_auth_set)
    identity_owning_describe_refused (work, TPM_HIERARCHY_OWNER);
  else
    describe_unproven (work);
  identity_owning_forget (work);
  tpm_link_set_password (work->link, TPM_HIERARCHY_LOCKOUT, NULL);
}

static gboolean
look_at_copy (const IdentityOwning *work, TpmNvTag *ret_tag)
{
  g_autoptr (GError) error = NULL;

  if (tpm_nv_read_tag (work->link, work->config->password_index, ret_tag, &error))
    return ret_tag->kind == TPM_NV_PASSWORDS && ret_tag->is_written;
  if (!g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    identity_owning_log_problem ("the copy in the TPM", error);
  return FALSE;
}

/* Afterwards only what is right is in @work, or nothing; where no password is set, what is on disk. */
void
identity_password_search_run (IdentityOwning *work)
{
  const TpmFacts facts = identity_owning_get_facts (work);
  IdentityOwnership *status = work->status;
  TpmNvTag tag;

  load_disk (work);
  status->is_disk_current = work->own.state != IDENTITY_PASSWORDS_NONE;
  status->has_copy = FALSE;
  if (!identity_owning_is_any_set (&facts))
    return;
  status->has_copy = look_at_copy (work, &tag);
  if (status->has_copy)
    find_by_copy (work, &facts, &tag);
  else if (identity_owning_is_ready (work))
    find_by_owner (work, &facts);
  else
    identity_owning_forget (work);
}

/* What was found before, by the same status; no command. */
void
identity_password_search_reload (IdentityOwning *work)
{
  const TpmFacts facts = identity_owning_get_facts (work);

  load_disk (work);
  if (identity_owning_is_any_set (&facts) && !work->status->is_disk_current)
    identity_owning_forget (work);
}

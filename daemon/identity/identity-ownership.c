/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-ownership.h"

#include "base-error.h"
#include "base-log.h"
#include "identity-attempts.h"
#include "identity-foreign.h"
#include "identity-owning.h"
#include "identity-password-holders.h"
#include "identity-password-search.h"
#include "identity-passwords.h"
#include "tpm-hierarchy.h"
#include "tpm-nv.h"

/* TCG TPM v2.0 Provisioning Guidance 1.0, 7.6, leaves them to the owner; what a person at a shell mistypes must not lock the device for hours. */
#define LOCKOUT_LIMIT 32
#define LOCKOUT_INTERVAL_SEC 600
#define LOCKOUT_RECOVERY_SEC 3600

void
identity_ownership_prepare (TpmLink *link, const BaseConfig *config, IdentityOwnership *ret_status)
{
  g_auto (IdentityOwning) work = { .link = link, .config = config, .status = ret_status };

  *ret_status = (IdentityOwnership){ .is_exclusive = config->ownership == BASE_OWNERSHIP_EXCLUSIVE };
  if (!identity_owning_is_ready (&work))
    return;
  identity_password_search_run (&work);
  identity_password_holders_assess (&work);
}

/* Taking. */

static gboolean
store_copy (const IdentityOwning *work, GError **error)
{
  g_autoptr (BaseSecret) content = identity_passwords_to_nv (&work->own);
  const TpmNvStore what = { .kind = TPM_NV_PASSWORDS, .secret = content, .lock_until_restart = TRUE };

  work->status->has_copy = tpm_nv_store (work->link, work->config->password_index, &what, work->parent, error);
  return work->status->has_copy;
}

static gboolean
set_password (const IdentityOwning *work, TpmHierarchy hierarchy, BaseSecret *password, GError **error)
{
  const TpmFacts facts = identity_owning_get_facts (work);

  return tpm_hierarchy_is_set (&facts, hierarchy)
         || tpm_hierarchy_change_password (work->link, hierarchy, work->parent, password, error);
}

static gboolean
set_parameters (const IdentityOwning *work, GError **error)
{
  const TpmFacts facts = identity_owning_get_facts (work);

  if (facts.lockout_limit == LOCKOUT_LIMIT && facts.lockout_interval_sec == LOCKOUT_INTERVAL_SEC
      && facts.lockout_recovery_sec == LOCKOUT_RECOVERY_SEC)
    return TRUE;
  return tpm_hierarchy_set_lockout_parameters (work->link, LOCKOUT_LIMIT, LOCKOUT_INTERVAL_SEC, LOCKOUT_RECOVERY_SEC, error);
}

static gboolean
record (IdentityOwning *work, IdentityPasswordsState state, GError **error)
{
  work->own.state = state;
  work->status->is_disk_current = identity_passwords_save (work->config->state_path, &work->own, error);
  return work->status->is_disk_current;
}

/* What a password was refused for is not gone on with by itself: each boot would spend another try. */
static void
stop_where_refused (IdentityOwning *work)
{
  g_autoptr (GError) error = NULL;

  if (work->own.state == IDENTITY_PASSWORDS_NONE
      || (!tpm_link_is_password_wrong (work->link, TPM_HIERARCHY_OWNER) && !tpm_link_is_password_wrong (work->link, TPM_HIERARCHY_LOCKOUT)))
    return;
  if (!record (work, IDENTITY_PASSWORDS_OWNED, &error))
    identity_owning_log_problem ("the passwords on disk", error);
}

static gboolean
remove_copy (const IdentityOwning *work, GError **error)
{
  g_autoptr (GError) cause = NULL;

  /* Somebody else's in its place is none of ours. */
  if (tpm_nv_undefine_store (work->link, work->config->password_index, TPM_NV_PASSWORDS, &cause)
      || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND) || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

/* No password is set any more, or yet. */
static gboolean
remove_passwords (IdentityOwning *work, GError **error)
{
  if (!remove_copy (work, error) || !identity_passwords_remove (work->config->state_path, error))
    return FALSE;
  work->status->has_copy = FALSE;
  identity_owning_forget (work);
  return TRUE;
}

/* No passwords without the copy that outlasts the disk. Nothing was set yet. */
static gboolean
give_up (IdentityOwning *work, const GError *cause, GError **error)
{
  identity_ownership_set_detail (work->status,
                                 "no place in the TPM for a copy of its passwords, so none was set: %s",
                                 cause->message);
  identity_owning_forget (work);
  return identity_passwords_remove (work->config->state_path, error);
}

static gboolean
is_hopeless (const GError *error)
{
  return g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NV_FULL) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN)
         || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT);
}

/* The passwords are on disk. */
static gboolean
set_all (IdentityOwning *work, GError **error)
{
  g_autoptr (GError) cause = NULL;
  const TpmFacts facts = identity_owning_get_facts (work);

  if (!store_copy (work, &cause))
    {
      if (is_hopeless (cause) && !identity_owning_is_any_set (&facts))
        return give_up (work, cause, error);
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!set_password (work, TPM_HIERARCHY_LOCKOUT, work->own.lockout, error) || !set_password (work, TPM_HIERARCHY_OWNER, work->own.owner, error)
      || !set_parameters (work, error) || !record (work, IDENTITY_PASSWORDS_OWNED, error))
    return FALSE;
  work->status->detail[0] = '\0';
  base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the TPM has passwords of ours for owner and lockout");
  return TRUE;
}

/* No password is set. @ret_begun: passwords to set are on disk. */
static gboolean
begin (IdentityOwning *work, gboolean *ret_begun, GError **error)
{
  gboolean others;

  *ret_begun = FALSE;
  if (!identity_foreign_look (work, &others, error))
    return FALSE;
  if (others)
    return work->own.state != IDENTITY_PASSWORDS_TAKING || remove_passwords (work, error);
  if (work->own.state != IDENTITY_PASSWORDS_TAKING)
    {
      identity_passwords_clear (&work->own);
      if (!identity_passwords_generate (&work->own, error) || !record (work, IDENTITY_PASSWORDS_TAKING, error))
        return FALSE;
    }
  *ret_begun = TRUE;
  return TRUE;
}

static gboolean
take (IdentityOwning *work, GError **error)
{
  const TpmFacts facts = identity_owning_get_facts (work);
  gboolean go_on = work->own.state == IDENTITY_PASSWORDS_TAKING;

  /* A file that says that the TPM is owned, and it has no password: it was cleared since. */
  if (!identity_owning_is_any_set (&facts))
    return begin (work, &go_on, error) && (!go_on || set_all (work, error));
  if (work->own.state == IDENTITY_PASSWORDS_RELEASING)
    {
      go_on = TRUE;
      if (!record (work, IDENTITY_PASSWORDS_TAKING, error))
        return FALSE;
    }
  return !go_on || set_all (work, error);
}

gboolean
identity_ownership_take (TpmLink *link, const BaseConfig *config, const TpmParent *parent, IdentityOwnership *status, GError **error)
{
  g_auto (IdentityOwning) work = { .link = link, .config = config, .parent = parent, .status = status };

  if (!status->is_exclusive || status->state == IDENTITY_OWNERSHIP_OWNED || !identity_owning_is_ready (&work))
    return TRUE;
  /* What the TPM says now, not what it said when the link was opened. */
  if (!tpm_link_refresh_facts (link, error))
    return FALSE;
  status->detail[0] = '\0';
  identity_password_search_run (&work);
  if (!tpm_link_ensure (link, error))
    return FALSE;
  identity_password_holders_assess (&work);
  if (status->state != IDENTITY_OWNERSHIP_NONE && status->state != IDENTITY_OWNERSHIP_PARTIAL)
    return TRUE;
  status->detail[0] = '\0';
  gboolean taken = take (&work, error);
  identity_password_holders_assess_again (&work);
  return taken;
}

/* Releasing. */

static gboolean
empty (const IdentityOwning *work, TpmHierarchy hierarchy, IdentityPasswordKind kind, GError **error)
{
  return kind != IDENTITY_PASSWORD_OWN || tpm_hierarchy_change_password (work->link, hierarchy, NULL, NULL, error);
}

static gboolean
is_releasable (const IdentityOwnership *status)
{
  return (status->owner == IDENTITY_PASSWORD_OWN || status->owner == IDENTITY_PASSWORD_EMPTY)
         && (status->lockout == IDENTITY_PASSWORD_OWN || status->lockout == IDENTITY_PASSWORD_EMPTY);
}

static gboolean
fail_release (const IdentityOwning *work, GError **error)
{
  const char *detail = work->status->detail;

  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
               "not every password of the TPM is one that tpmidd set and has, so none was made empty (owner: %s, lockout: %s)%s%s",
               identity_password_kind_name (work->status->owner), identity_password_kind_name (work->status->lockout), detail[0] != '\0' ? ": " : "",
               detail);
  return FALSE;
}

/* The owner's first: it tells at no cost whether the passwords are right, before that of lockout is tried. */
static gboolean
empty_both (IdentityOwning *work, GError **error)
{
  if (work->own.state != IDENTITY_PASSWORDS_NONE && work->own.state != IDENTITY_PASSWORDS_RELEASING
      && !record (work, IDENTITY_PASSWORDS_RELEASING, error))
    return FALSE;
  if (empty (work, TPM_HIERARCHY_OWNER, work->status->owner, error) && empty (work, TPM_HIERARCHY_LOCKOUT, work->status->lockout, error))
    return TRUE;
  stop_where_refused (work);
  return FALSE;
}

static gboolean
release (IdentityOwning *work, GError **error)
{
  if (!is_releasable (work->status))
    return fail_release (work, error);
  if (!empty_both (work, error) || !tpm_link_refresh_facts (work->link, error))
    return FALSE;
  /* File and copy stay as long as they may be needed. */
  const TpmFacts facts = identity_owning_get_facts (work);
  if (identity_owning_is_any_set (&facts))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
                   "somebody set a password of the TPM while tpmidd made them empty; look who else uses the TPM, and try again");
      return FALSE;
    }
  if (!remove_passwords (work, error))
    return FALSE;
  work->status->detail[0] = '\0';
  base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the passwords of the TPM are empty again");
  return TRUE;
}

gboolean
identity_ownership_release (TpmLink *link, const BaseConfig *config, IdentityOwnership *status, GError **error)
{
  g_auto (IdentityOwning) work = { .link = link, .config = config, .status = status };

  if (!tpm_link_ensure (link, error) || !tpm_link_refresh_facts (link, error))
    return FALSE;
  const TpmFacts facts = identity_owning_get_facts (&work);
  status->detail[0] = '\0';
  identity_password_search_run (&work);
  if (!tpm_link_ensure (link, error))
    return FALSE;
  identity_password_holders_assess (&work);
  if (!identity_owning_is_any_set (&facts) && work.own.state != IDENTITY_PASSWORDS_RELEASING)
    return TRUE;
  gboolean released = release (&work, error);
  identity_password_holders_assess_again (&work);
  return released;
}

/* The end of each boot. */

static gboolean
may_go_on_taking (const IdentityOwning *work)
{
  return work->own.state == IDENTITY_PASSWORDS_TAKING && work->status->is_exclusive
         && (work->status->state == IDENTITY_OWNERSHIP_PARTIAL || work->status->state == IDENTITY_OWNERSHIP_NONE);
}

static void
go_on (IdentityOwning *work, gboolean may_take)
{
  g_autoptr (GError) error = NULL;
  gboolean done = TRUE;

  if (work->own.state == IDENTITY_PASSWORDS_RELEASING)
    done = release (work, &error);
  else if (may_take && may_go_on_taking (work))
    {
      work->status->detail[0] = '\0';
      done = take (work, &error);
    }
  else
    return;
  if (!done)
    {
      stop_where_refused (work);
      identity_ownership_set_detail (work->status, "%s", error->message);
      identity_owning_log_problem ("what was begun is not done", error);
    }
  identity_password_holders_assess_again (work);
}

static gboolean
has_own (const IdentityOwnership *status)
{
  return status->owner == IDENTITY_PASSWORD_OWN || status->lockout == IDENTITY_PASSWORD_OWN;
}

static void
lock_copy (const IdentityOwning *work)
{
  guint32 index = work->config->password_index;
  g_autoptr (GError) error = NULL;

  /* Somebody else's in its place is not to be locked. */
  if (!has_own (work->status) || (work->status->has_copy && tpm_nv_lock_reading (work->link, index, &error)))
    return;
  /* Somebody removed it; the disk still has what it held. */
  if ((error == NULL || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND)) && work->own.state != IDENTITY_PASSWORDS_NONE)
    {
      g_clear_error (&error);
      if (store_copy (work, &error) && tpm_nv_lock_reading (work->link, index, &error))
        return;
    }
  if (error == NULL)
    return;
  identity_owning_log_problem ("the copy of the passwords in the TPM", error);
  identity_ownership_set_detail (work->status, "the copy of the passwords in the TPM: %s", error->message);
}

/* With passwords of another life of the TPM, its new owner's lockout would be locked: the owner's tells at no cost. */
static void
reset_counter (const IdentityOwning *work)
{
  const TpmFacts facts = identity_owning_get_facts (work);
  g_autoptr (GError) error = NULL;

  if (facts.lockout_counter == 0 || facts.orderly || work->status->owner != IDENTITY_PASSWORD_OWN || work->status->lockout != IDENTITY_PASSWORD_OWN
      || identity_attempts_has (work->config, "lockout-reset", NULL))
    return;
  identity_attempts_add (work->config, "lockout-reset", NULL);
  if (!tpm_hierarchy_try_password (work->link, TPM_HIERARCHY_OWNER, &error) || !tpm_hierarchy_reset_lockout (work->link, &error))
    {
      identity_owning_log_problem ("the dictionary-attack counter", error);
      return;
    }
  base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the TPM was not shut down orderly, and its dictionary-attack counter was %u; it is 0 again",
            facts.lockout_counter);
}

static void
close_platform (const IdentityOwning *work)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSecret) password = NULL;
  gboolean was_open;

  if (!work->status->is_exclusive)
    return;
  password = identity_passwords_generate_one (&error);
  if (password == NULL || !tpm_hierarchy_close_platform (work->link, password, &was_open, &error))
    {
      identity_owning_log_problem ("the platform hierarchy", error);
      return;
    }
  work->status->platform = IDENTITY_PLATFORM_CLOSED;
}

void
identity_ownership_settle (TpmLink *link, const BaseConfig *config, gboolean may_take, IdentityOwnership *status)
{
  static void (*const steps[]) (const IdentityOwning *work) = { lock_copy, reset_counter, close_platform };
  g_auto (IdentityOwning) work = { .link = link, .config = config, .status = status };

  if (!identity_owning_is_ready (&work))
    return;
  identity_password_search_reload (&work);
  go_on (&work, may_take);
  for (gsize i = 0; i < G_N_ELEMENTS (steps) && identity_owning_is_ready (&work); i++)
    steps[i](&work);
  /* What was refused on the way must be known before tpmidd starts again. */
  identity_password_holders_assess_again (&work);
}

gboolean
identity_ownership_forget (TpmLink *link, const BaseConfig *config, GError **error)
{
  if (link != NULL)
    {
      tpm_link_set_password (link, TPM_HIERARCHY_OWNER, NULL);
      tpm_link_set_password (link, TPM_HIERARCHY_LOCKOUT, NULL);
      tpm_link_set_password (link, TPM_HIERARCHY_ENDORSEMENT, NULL);
    }
  return identity_passwords_remove (config->state_path, error);
}

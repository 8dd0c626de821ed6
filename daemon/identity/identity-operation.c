/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-operation.h"

#include "base-error.h"
#include "identity-archive.h"
#include "identity-migration.h"
#include "identity-reset.h"
#include "identity-rotation.h"
#include "identity-serial.h"
#include "identity-store.h"

void
identity_operation_facts_clear (IdentityOperationFacts *facts)
{
  g_clear_pointer (&facts->journal, identity_journal_free);
  g_clear_pointer (&facts->problem, g_free);
}

/* --- begin --- */

static gboolean
may_replace (IdentityOperation before, IdentityOperation operation)
{
  return before == IDENTITY_OPERATION_NONE || operation == IDENTITY_OPERATION_RESET
         || (before == IDENTITY_OPERATION_MIGRATE_TO_TPM && operation == IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE)
         || (before == IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE && operation == IDENTITY_OPERATION_MIGRATE_TO_TPM);
}

/* A reset that erased everything and cannot put back what outlasts it is begun once more with what it knows. */
static void
inherit (IdentityJournal *journal, const IdentityJournal *before)
{
  if (journal->operation != IDENTITY_OPERATION_RESET || before->operation != IDENTITY_OPERATION_RESET)
    return;
  journal->serial = g_strdup (before->serial);
  journal->token = g_strdup (before->token);
}

gboolean
identity_operation_begin (const BaseConfig *config, IdentityOperation operation, gboolean with_keys, gboolean is_there, char **ret_id,
                          GError **error)
{
  g_autoptr (IdentityJournal) before = NULL;
  g_autoptr (IdentityJournal) journal = identity_journal_new (operation);

  if (!identity_journal_load (config->state_path, &before, error))
    return FALSE;
  *ret_id = NULL;
  if (before->operation == IDENTITY_OPERATION_NONE && is_there)
    return TRUE;
  if (before->operation == operation && !before->is_carried_out)
    {
      *ret_id = g_strdup (before->stamp);
      return TRUE;
    }
  if (!may_replace (before->operation, operation))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_WRONG_STATE, "%s is under way; wait for its end (tpmidctl status)",
                   identity_operation_name (before->operation));
      return FALSE;
    }
  journal->with_keys = with_keys;
  inherit (journal, before);
  if (!identity_journal_save (config->state_path, journal, error))
    return FALSE;
  *ret_id = g_strdup (journal->stamp);
  return TRUE;
}

/* --- at each decision --- */

static void
set_problem (IdentityOperationFacts *facts, GError *cause)
{
  g_free (facts->problem);
  facts->problem = g_strdup_printf ("%s: %s", identity_operation_name (facts->journal->operation), cause->message);
  facts->error = cause->code;
}

static void
accept_request (TpmLink *link, const BaseConfig *config, const char *token, IdentityOperationFacts *facts)
{
  g_autoptr (IdentityJournal) journal = identity_journal_new (IDENTITY_OPERATION_RESET);
  g_autoptr (GError) error = NULL;

  journal->token = g_strdup (token);
  if (link != NULL && !identity_journal_save (config->state_path, journal, &error))
    {
      facts->problem = g_strdup_printf ("reset: a factory reset was requested and cannot be begun: %s", error->message);
      facts->error = error->code;
    }
  identity_journal_free (facts->journal);
  facts->journal = g_steal_pointer (&journal);
}

static void
look_for_request (TpmLink *link, const BaseConfig *config, IdentityOperationFacts *facts)
{
  g_autofree char *token = NULL;
  g_autofree char *problem = NULL;

  if (facts->journal->operation == IDENTITY_OPERATION_RESET)
    return;
  if (identity_reset_is_requested (link, config, &token, &problem))
    accept_request (link, config, token, facts);
  if (facts->problem == NULL)
    facts->problem = g_steal_pointer (&problem);
}

static gboolean
archive (const BaseConfig *config, IdentityJournal *journal, GError **error)
{
  if (journal->is_carried_out)
    return TRUE;
  if (!identity_archive_identity (config, journal->stamp, journal->with_keys, error))
    return FALSE;
  journal->is_carried_out = TRUE;
  return identity_journal_save (config->state_path, journal, error);
}

static char *
read_serial (TpmLink *link, const BaseConfig *config)
{
  g_autofree char *problem = NULL;
  const char *source;
  char *serial;

  identity_serial_read (link, config, &serial, &source, &problem);
  return serial;
}

/* What was taken before, and perhaps released, is not taken again on the way back. */
static gboolean
is_first_time (const BaseConfig *config)
{
  g_autoptr (IdentityRecord) record = NULL;

  return identity_store_load (config->state_path, &record, NULL)
         && (record->kind == IDENTITY_RECORD_SOFTWARE || (record->kind == IDENTITY_RECORD_MIGRATED && record->srk_name == NULL));
}

static gboolean
migrate_to_tpm (TpmLink *link, const BaseConfig *config, IdentityOwnership *ownership, GError **error)
{
  const TpmParent parent = { .handle = config->parent_handle };
  g_autofree char *serial = read_serial (link, config);

  return (!is_first_time (config) || identity_ownership_take (link, config, &parent, ownership, error))
         && identity_migration_carry_out (link, config, TRUE, serial, error);
}

static gboolean
migrate_to_software (TpmLink *link, const BaseConfig *config, GError **error)
{
  g_autofree char *serial = read_serial (link, config);

  return identity_migration_carry_out (link, config, FALSE, serial, error);
}

static gboolean
carry_out (TpmLink *link, const BaseConfig *config, IdentityOwnership *ownership, IdentityJournal *journal, GError **error)
{
  switch (journal->operation)
    {
    case IDENTITY_OPERATION_NONE:
      return TRUE;
    case IDENTITY_OPERATION_RESET:
      return !journal->is_carried_out || identity_reset_restore (link, config, journal, error);
    case IDENTITY_OPERATION_REPROVISION:
      return archive (config, journal, error);
    case IDENTITY_OPERATION_MIGRATE_TO_TPM:
      return migrate_to_tpm (link, config, ownership, error);
    case IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE:
      return migrate_to_software (link, config, error);
    case IDENTITY_OPERATION_ROTATE_COMMIT:
    case IDENTITY_OPERATION_ROTATE_ROLLBACK:
      return identity_rotation_carry_out (link, config, journal, error);
    case IDENTITY_N_OPERATIONS:
      break;
    }
  g_return_val_if_reached (FALSE);
}

static gboolean
is_waiting (TpmLink *link, const IdentityJournal *journal)
{
  return link == NULL && journal->operation != IDENTITY_OPERATION_NONE && journal->operation != IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE;
}

static void
set_waiting (IdentityOperationFacts *facts)
{
  facts->problem = g_strdup_printf ("%s: waits for the TPM", identity_operation_name (facts->journal->operation));
  facts->error = TPMID_ERROR_TPM_UNAVAILABLE;
}

/* While there is a way back, what hinders a reset leaves the device as it is. */
static gboolean
can_reset (TpmLink *link, const BaseConfig *config, IdentityOperationFacts *facts)
{
  g_autoptr (GError) error = NULL;

  if (facts->journal->operation != IDENTITY_OPERATION_RESET || facts->journal->is_carried_out || facts->problem != NULL)
    return FALSE;
  if (link == NULL || identity_reset_check (link, config, facts->journal, &error))
    return TRUE;
  set_problem (facts, error);
  return FALSE;
}

static void
go_on (TpmLink *link, const BaseConfig *config, IdentityOwnership *ownership, IdentityOperationFacts *facts)
{
  g_autoptr (GError) error = NULL;

  facts->is_reset_wanted = can_reset (link, config, facts);
  if (facts->is_reset_wanted || facts->problem != NULL)
    return;
  if (is_waiting (link, facts->journal))
    set_waiting (facts);
  else if (!carry_out (link, config, ownership, facts->journal, &error))
    set_problem (facts, error);
}

static gboolean
is_half_done (const IdentityJournal *journal)
{
  return journal->operation == IDENTITY_OPERATION_REPROVISION
         || (journal->operation == IDENTITY_OPERATION_RESET && (journal->is_erasing || journal->is_carried_out));
}

void
identity_operation_prepare (TpmLink *link, const BaseConfig *config, IdentityLook look, IdentityOwnership *ownership,
                            IdentityOperationFacts *ret_facts)
{
  IdentityOperationFacts facts = { 0 };
  g_autoptr (GError) error = NULL;

  if (!identity_journal_load (config->state_path, &facts.journal, &error))
    {
      facts.journal = identity_journal_new (IDENTITY_OPERATION_NONE);
      facts.problem = g_strdup_printf ("operation: %s", error->message);
      facts.error = error->code;
    }
  if (look == IDENTITY_LOOK_AT_BOOT)
    look_for_request (link, config, &facts);
  if (look != IDENTITY_LOOK_ASIDE)
    go_on (link, config, ownership, &facts);
  else if (facts.journal->operation != IDENTITY_OPERATION_NONE && facts.problem == NULL)
    set_waiting (&facts);
  facts.is_half_done = is_half_done (facts.journal);
  *ret_facts = facts;
}

/* --- at its end --- */

gboolean
identity_operation_finish (const BaseConfig *config, const IdentityJournal *journal, GError **error)
{
  if (journal->operation == IDENTITY_OPERATION_RESET)
    return identity_reset_finish (config, journal, error);
  if (journal->operation == IDENTITY_OPERATION_REPROVISION)
    return identity_journal_remove (config->state_path, error);
  return TRUE; /* the others ended by themselves, in one with their last step */
}

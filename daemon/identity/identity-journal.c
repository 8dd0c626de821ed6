/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-journal.h"

#include "base-error.h"
#include "base-file.h"
#include "identity-archive.h"

#include <string.h>

#define GROUP "journal"
#define LIMIT (16 * 1024)

static const char *const names[IDENTITY_N_OPERATIONS] = {
  [IDENTITY_OPERATION_NONE] = "",
  [IDENTITY_OPERATION_RESET] = "reset",
  [IDENTITY_OPERATION_REPROVISION] = "reprovision",
  [IDENTITY_OPERATION_MIGRATE_TO_TPM] = "migrate-to-tpm",
  [IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE] = "migrate-to-software",
  [IDENTITY_OPERATION_ROTATE_COMMIT] = "rotate-commit",
  [IDENTITY_OPERATION_ROTATE_ROLLBACK] = "rotate-rollback",
};

const char *
identity_operation_name (IdentityOperation operation)
{
  g_assert ((guint) operation < G_N_ELEMENTS (names));
  return names[operation];
}

IdentityJournal *
identity_journal_new (IdentityOperation operation)
{
  IdentityJournal *journal = g_new0 (IdentityJournal, 1);

  journal->operation = operation;
  journal->stamp = identity_archive_stamp ();
  return journal;
}

IdentityJournal *
identity_journal_copy (const IdentityJournal *journal)
{
  IdentityJournal *copy = g_new0 (IdentityJournal, 1);

  copy->operation = journal->operation;
  copy->is_erasing = journal->is_erasing;
  copy->is_cleared = journal->is_cleared;
  copy->keeps_tpm = journal->keeps_tpm;
  copy->is_carried_out = journal->is_carried_out;
  copy->with_keys = journal->with_keys;
  copy->stamp = g_strdup (journal->stamp);
  copy->serial = g_strdup (journal->serial);
  copy->token = g_strdup (journal->token);
  copy->shortfall = g_strdup (journal->shortfall);
  return copy;
}

void
identity_journal_free (IdentityJournal *journal)
{
  if (journal == NULL)
    return;
  g_free (journal->stamp);
  g_free (journal->serial);
  g_free (journal->token);
  g_free (journal->shortfall);
  g_free (journal);
}

static char *
journal_path (const char *state_path)
{
  return g_build_filename (state_path, "journal", NULL);
}

static IdentityOperation
operation_from_name (const char *name)
{
  for (guint i = 1; name != NULL && i < G_N_ELEMENTS (names); i++)
    if (strcmp (names[i], name) == 0)
      return (IdentityOperation) i;
  return IDENTITY_OPERATION_NONE;
}

static gboolean
parse (GBytes *bytes, const char *path, IdentityJournal **ret_journal, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  gboolean is_read = g_key_file_load_from_bytes (file, bytes, G_KEY_FILE_NONE, NULL);
  g_autofree char *name = is_read ? g_key_file_get_string (file, GROUP, "operation", NULL) : NULL;
  IdentityOperation operation = operation_from_name (name);

  if (operation == IDENTITY_OPERATION_NONE)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT,
                   "%s names no operation that this release knows; a newer release may have begun it and can end it. To give it up, remove the file",
                   path);
      return FALSE;
    }
  IdentityJournal *journal = identity_journal_new (operation);
  g_free (journal->stamp);
  journal->stamp = g_key_file_get_string (file, GROUP, "stamp", NULL);
  journal->is_erasing = g_key_file_get_boolean (file, GROUP, "erasing", NULL);
  journal->is_cleared = g_key_file_get_boolean (file, GROUP, "cleared", NULL);
  journal->keeps_tpm = g_key_file_get_boolean (file, GROUP, "keeps-tpm", NULL);
  journal->is_carried_out = g_key_file_get_boolean (file, GROUP, "carried-out", NULL);
  journal->with_keys = g_key_file_get_boolean (file, GROUP, "with-keys", NULL);
  journal->serial = g_key_file_get_string (file, GROUP, "serial", NULL);
  journal->token = g_key_file_get_string (file, GROUP, "token", NULL);
  journal->shortfall = g_key_file_get_string (file, GROUP, "shortfall", NULL);
  *ret_journal = journal;
  return TRUE;
}

gboolean
identity_journal_load (const char *state_path, IdentityJournal **ret_journal, GError **error)
{
  g_autofree char *path = journal_path (state_path);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) cause = NULL;

  if (base_file_read (path, LIMIT, &bytes, &cause))
    return parse (bytes, path, ret_journal, error);
  if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  *ret_journal = identity_journal_new (IDENTITY_OPERATION_NONE);
  return TRUE;
}

static void
set_string (GKeyFile *file, const char *key, const char *value)
{
  if (value != NULL)
    g_key_file_set_string (file, GROUP, key, value);
}

gboolean
identity_journal_save (const char *state_path, const IdentityJournal *journal, GError **error)
{
  g_autofree char *path = journal_path (state_path);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  gsize size;

  g_assert (journal->operation != IDENTITY_OPERATION_NONE);
  set_string (file, "operation", identity_operation_name (journal->operation));
  set_string (file, "stamp", journal->stamp);
  g_key_file_set_boolean (file, GROUP, "erasing", journal->is_erasing);
  g_key_file_set_boolean (file, GROUP, "cleared", journal->is_cleared);
  g_key_file_set_boolean (file, GROUP, "keeps-tpm", journal->keeps_tpm);
  g_key_file_set_boolean (file, GROUP, "carried-out", journal->is_carried_out);
  g_key_file_set_boolean (file, GROUP, "with-keys", journal->with_keys);
  set_string (file, "serial", journal->serial);
  set_string (file, "token", journal->token);
  set_string (file, "shortfall", journal->shortfall);
  g_autofree char *text = g_key_file_to_data (file, &size, NULL);
  return base_file_ensure_private_folder (state_path, error) && base_file_replace (path, text, size, 0600, error);
}

gboolean
identity_journal_remove (const char *state_path, GError **error)
{
  g_autofree char *path = journal_path (state_path);

  return base_file_remove (path, error);
}

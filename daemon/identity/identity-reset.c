/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-reset.h"

#include "base-error.h"
#include "base-file.h"
#include "base-folder.h"
#include "base-hex.h"
#include "base-log.h"
#include "identity-active.h"
#include "identity-ownership.h"
#include "identity-serial.h"
#include "tpm-hierarchy.h"
#include "tpm-key.h"
#include "tpm-nv.h"
#include "tpm-parent.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PARAMETER "tpmid.reset="
#define TOKEN_MAX 128
#define COMMAND_LINE_LIMIT (64 * 1024)
#define DONE_LIMIT (64 * 1024)
#define DONE_MAX 512         /* tokens on disk; the oldest go first */
#define DONE_IN_TPM_MAX 4    /* and in the TPM, whose NV memory is scarce */
#define HASH_SIZE 32

static char *
state_file (const BaseConfig *config, const char *name)
{
  return g_build_filename (config->state_path, name, NULL);
}

/* --- the flag file --- */

static gboolean
is_folder_safe (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 && S_ISDIR (st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid ()) && (st.st_mode & 0022) == 0;
}

/* Only its being there counts: tpmidd may not be able to read a file of root's. */
static gboolean
has_flag (const BaseConfig *config, char **ret_problem)
{
  g_autofree char *path = state_file (config, "reset-request");
  struct stat st;

  if (lstat (path, &st) < 0)
    return FALSE;
  if (S_ISREG (st.st_mode) && st.st_uid == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1 && is_folder_safe (config->state_path))
    return TRUE;
  *ret_problem = g_strdup_printf ("reset: %s is no request: it has to be a regular file of root's with mode 0600 and one name, in a folder that only root and "
                                  "tpmidd can write to (install -m 0600 /dev/null %s, as root). Nothing was reset",
                                  path, path);
  return FALSE;
}

/* --- the kernel command line --- */

/* The last one counts, as with the kernel's own parameters. */
static char *
find_token (const BaseConfig *config)
{
  g_autofree char *path = g_build_filename (config->proc_root, "cmdline", NULL);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *line = NULL;
  char *token = NULL;
  gsize size;

  if (!base_file_read (path, COMMAND_LINE_LIMIT, &bytes, NULL))
    return NULL;
  const char *data = g_bytes_get_data (bytes, &size);
  line = g_strndup (data, size);
  g_auto (GStrv) words = g_strsplit_set (line, " \t\n", -1);
  for (char **word = words; *word != NULL; word++)
    if (g_str_has_prefix (*word, PARAMETER))
      {
        g_free (token);
        token = g_strdup (*word + strlen (PARAMETER));
      }
  return token;
}

static char *
hash_token (const char *token)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, token, -1);
}

/* @ret_done: (out) (transfer full): the hashes on disk, oldest first */
static gboolean
load_done (const BaseConfig *config, GStrv *ret_done, GError **error)
{
  g_autofree char *path = state_file (config, "reset-done");
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) cause = NULL;
  const char *text = "";
  gsize size = 0;

  if (base_file_read (path, DONE_LIMIT, &bytes, &cause))
    text = g_bytes_get_data (bytes, &size);
  else if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  g_autofree char *lines = g_strndup (text, size);
  *ret_done = g_strsplit (g_strstrip (lines), "\n", -1);
  return TRUE;
}

static gboolean
note_done_on_disk (const BaseConfig *config, const char *hash, GError **error)
{
  g_autofree char *path = state_file (config, "reset-done");
  g_auto (GStrv) done = NULL;

  if (!load_done (config, &done, error))
    return FALSE;
  if (g_strv_contains ((const char *const *) done, hash))
    return TRUE;
  guint count = g_strv_length (done);
  GString *lines = g_string_new (NULL);
  for (guint i = count < DONE_MAX ? 0 : count - DONE_MAX + 1; i < count; i++)
    if (*done[i] != '\0')
      g_string_append_printf (lines, "%s\n", done[i]);
  g_string_append_printf (lines, "%s\n", hash);
  g_autofree char *text = g_string_free (lines, FALSE);
  return base_file_ensure_private_folder (config->state_path, error) && base_file_replace (path, text, strlen (text), 0600, error);
}

/* TPM2_Clear takes what the TPM knows, and a disk that was erased has lost it: whichever of the two knows a token, both do afterwards. */
static gboolean
note_done_in_tpm (TpmLink *link, const BaseConfig *config, GError **error)
{
  g_autoptr (GBytes) hashes = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size;

  if (!tpm_nv_read (link, config->reset_index, &hashes, &cause))
    {
      /* One that cannot be read without a password is somebody else's. */
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND) || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_AUTH_FAILED))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  const guint8 *data = g_bytes_get_data (hashes, &size);
  for (gsize i = 0; i + HASH_SIZE <= size; i += HASH_SIZE)
    {
      g_autofree char *hash = base_hex_encode (data + i, HASH_SIZE);
      if (!note_done_on_disk (config, hash, error))
        return FALSE;
    }
  return TRUE;
}

/* A reset too many is worse than one that somebody has to ask for again: what cannot be read counts as done, and is told. */
static gboolean
is_done (TpmLink *link, const BaseConfig *config, const char *hash, char **ret_problem)
{
  g_auto (GStrv) done = NULL;
  g_autoptr (GError) error = NULL;

  if (load_done (config, &done, &error) && g_strv_contains ((const char *const *) done, hash))
    return TRUE;
  g_clear_pointer (&done, g_strfreev);
  if (error == NULL && (link == NULL || note_done_in_tpm (link, config, &error)) && load_done (config, &done, &error))
    return g_strv_contains ((const char *const *) done, hash);
  *ret_problem = g_strdup_printf ("reset: whether the token of the kernel command line was done already cannot be told: %s. Nothing was reset", error->message);
  return TRUE;
}

static gboolean
has_new_token (TpmLink *link, const BaseConfig *config, char **ret_hash, char **ret_problem)
{
  g_autofree char *token = find_token (config);

  if (token == NULL)
    return FALSE;
  if (*token == '\0' || strlen (token) > TOKEN_MAX)
    {
      *ret_problem = g_strdup_printf ("reset: %s on the kernel command line wants a token of 1 to %d characters, another one for each reset. Nothing was reset",
                                      PARAMETER, TOKEN_MAX);
      return FALSE;
    }
  g_autofree char *hash = hash_token (token);
  if (is_done (link, config, hash, ret_problem))
    return FALSE;
  *ret_hash = g_steal_pointer (&hash);
  return TRUE;
}

gboolean
identity_reset_is_requested (TpmLink *link, const BaseConfig *config, char **ret_token, char **ret_problem)
{
  g_autofree char *problem = NULL;
  g_autofree char *token_problem = NULL;
  gboolean by_flag = has_flag (config, &problem);

  *ret_token = NULL;
  gboolean by_token = has_new_token (link, config, ret_token, &token_problem);
  *ret_problem = problem != NULL ? g_steal_pointer (&problem) : g_steal_pointer (&token_problem);
  return by_flag || by_token;
}

/* --- erase --- */

/* What would make a removal fail is asked for while there is a way back. */
static gboolean
check_removable (const char *path, GError **error)
{
  struct stat st;

  if (!identity_active_check_writable (path, error))
    return FALSE;
  if (lstat (path, &st) < 0 || !S_ISDIR (st.st_mode))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE, "there is a folder in the place of %s; move it away", path);
  return FALSE;
}

static gboolean
is_clear_allowed (const BaseConfig *config)
{
  return config->clear_on_reset == BASE_CLEAR_ALWAYS
         || (config->clear_on_reset == BASE_CLEAR_AUTO && config->ownership == BASE_OWNERSHIP_EXCLUSIVE);
}

static gboolean
save_serial (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, GError **error)
{
  g_autoptr (GBytes) content = NULL;
  g_autofree char *obstacle = NULL;

  if (!is_clear_allowed (config) || !identity_serial_save (link, config, &content, &obstacle, error))
    return !is_clear_allowed (config);
  if (content != NULL)
    {
      g_free (journal->serial);
      journal->serial = base_hex_encode_bytes (content);
    }
  journal->keeps_tpm = obstacle != NULL;
  g_free (journal->shortfall);
  journal->shortfall = g_steal_pointer (&obstacle);
  return TRUE;
}

gboolean
identity_reset_check (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, GError **error)
{
  if (journal->is_erasing)
    return TRUE;
  return check_removable (config->certificate_path, error) && check_removable (config->software_key_path, error)
         && save_serial (link, config, journal, error) && note_done_in_tpm (link, config, error)
         && identity_journal_save (config->state_path, journal, error);
}

/* Somebody else's decision, that we neither fight nor wait for. */
static gboolean
is_refusal (const GError *error)
{
  static const TpmidError refusals[] = {
    TPMID_ERROR_CLEAR_DISABLED, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, TPMID_ERROR_AUTH_FAILED, TPMID_ERROR_TPM_LOCKOUT,
    TPMID_ERROR_HIERARCHY_DISABLED, TPMID_ERROR_UNSUPPORTED_BY_TPM,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++)
    if (g_error_matches (error, TPMID_ERROR, (gint) refusals[i]))
      return TRUE;
  return FALSE;
}

static gboolean
clear (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, gboolean *ret_cleared, GError **error)
{
  g_autoptr (GError) cause = NULL;

  *ret_cleared = journal->is_cleared;
  if (journal->is_cleared || journal->keeps_tpm)
    return TRUE;
  g_clear_pointer (&journal->shortfall, g_free);
  if (!is_clear_allowed (config))
    journal->shortfall = g_strdup ("the TPM was not cleared, as ClearOnReset= does not allow it here: a copy of an old key would still load in it");
  else if (tpm_hierarchy_clear (link, &cause))
    {
      *ret_cleared = journal->is_cleared = TRUE;
      return identity_journal_save (config->state_path, journal, error);
    }
  else if (is_refusal (cause))
    journal->shortfall = g_strdup_printf ("the TPM was not cleared: %s. A copy of an old key would still load in it", cause->message);
  else
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  return TRUE;
}

/* Where somebody else's object is in the place of ours, ours is not there. */
static gboolean
evict (TpmLink *link, guint32 handle, TpmPurpose purpose, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (tpm_key_evict (link, handle, purpose, &cause) || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
remove_own (TpmLink *link, const BaseConfig *config, guint32 key_handle, GError **error)
{
  return evict (link, key_handle, TPM_PURPOSE_DEVICE, error) && evict (link, config->device_key_handle, TPM_PURPOSE_DEVICE, error)
         && evict (link, config->credentials_key_handle, TPM_PURPOSE_CREDENTIALS, error);
}

/* What was moved aside from the file's place, and what a crash left of writing it. In a folder where others may write, too, it may be theirs. */
static void
erase_aside (const char *path)
{
  static const char *const marks[] = { ".archived", ".corrupt", ".tmp" };
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *prefix = g_strconcat (name, ".", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    for (gsize i = 0; i < G_N_ELEMENTS (marks) && g_str_has_prefix (entry, prefix); i++)
      if (strstr (entry, marks[i]) != NULL)
        {
          g_autofree char *aside = g_build_filename (folder, entry, NULL);
          g_autoptr (GError) error = NULL;
          if (!base_file_remove (aside, &error))
            base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "reset: %s", error->message);
        }
}

static gboolean
erase_file (const char *path, GError **error)
{
  erase_aside (path);
  return base_file_remove (path, error);
}

/* The passwords stay as long as the TPM has them. */
static gboolean
erase_files (TpmLink *link, const BaseConfig *config, gboolean is_cleared, GError **error)
{
  static const char *const keep[] = { "journal", "reset-request", "reset-done", "ownership", NULL };

  return (!is_cleared || identity_ownership_forget (link, config, error)) && base_folder_empty (config->state_path, keep, error) && erase_file (config->certificate_path, error)
         && erase_file (config->software_key_path, error);
}

static gboolean
begin_erasing (const BaseConfig *config, IdentityJournal *journal, GError **error)
{
  if (journal->is_erasing)
    return TRUE;
  journal->is_erasing = TRUE;
  return identity_journal_save (config->state_path, journal, error);
}

gboolean
identity_reset_erase (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, guint32 key_handle, GError **error)
{
  gboolean is_cleared;

  if (!begin_erasing (config, journal, error) || !clear (link, config, journal, &is_cleared, error)
      || (!is_cleared && !remove_own (link, config, key_handle, error)) || !erase_files (link, config, is_cleared, error))
    return FALSE;
  journal->is_carried_out = TRUE;
  return identity_journal_save (config->state_path, journal, error);
}

/* --- and after it --- */

static gboolean
restore_serial (TpmLink *link, const BaseConfig *config, const char *hex, GError **error)
{
  g_autoptr (GBytes) content = hex != NULL ? base_hex_decode_bytes (hex) : NULL;

  if (content == NULL || identity_serial_restore (link, config, content, error))
    return TRUE;
  g_prefix_error (error, "the serial number could not be put back: ");
  return FALSE;
}

static GBytes *
join_last (const BaseConfig *config)
{
  g_auto (GStrv) done = NULL;
  GByteArray *joined = g_byte_array_new ();
  guint count = load_done (config, &done, NULL) ? g_strv_length (done) : 0;

  for (guint i = count < DONE_IN_TPM_MAX ? 0 : count - DONE_IN_TPM_MAX; i < count; i++)
    {
      guint8 raw[HASH_SIZE];
      if (base_hex_decode (done[i], raw, sizeof raw))
        g_byte_array_append (joined, raw, HASH_SIZE);
    }
  return g_byte_array_free_to_bytes (joined);
}

/* The disk knows the tokens; what hinders the TPM from knowing them for good must not keep the reset from its end. */
static gboolean
store_tokens (TpmLink *link, const BaseConfig *config, const char *token, GError **error)
{
  static const TpmidError lasting[] = { TPMID_ERROR_HANDLE_TAKEN, TPMID_ERROR_NV_FULL, TPMID_ERROR_INVALID_ARGUMENT, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED };
  g_autoptr (GError) cause = NULL;

  if (token != NULL && !note_done_on_disk (config, token, error))
    return FALSE;
  g_autoptr (GBytes) bytes = join_last (config);
  const TpmNvStore store = { .kind = TPM_NV_RESET_TOKENS, .bytes = bytes };
  if (g_bytes_get_size (bytes) == 0 || tpm_nv_store (link, config->reset_index, &store, NULL, &cause))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (lasting); i++)
    if (g_error_matches (cause, TPMID_ERROR, (gint) lasting[i]))
      {
        base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "reset: the TPM cannot remember the token (%s): an erased disk would not know it",
                  cause->message);
        return TRUE;
      }
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

gboolean
identity_reset_restore (TpmLink *link, const BaseConfig *config, const IdentityJournal *journal, GError **error)
{
  return restore_serial (link, config, journal->serial, error) && store_tokens (link, config, journal->token, error);
}

gboolean
identity_reset_finish (const BaseConfig *config, const IdentityJournal *journal, GError **error)
{
  g_autofree char *flag = state_file (config, "reset-request");

  return base_file_remove (flag, error) && identity_journal_remove (config->state_path, error);
}

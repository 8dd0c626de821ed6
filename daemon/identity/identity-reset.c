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

/* Returns: (transfer full): the hashes on disk, oldest first */
static GStrv
load_done (const BaseConfig *config)
{
  g_autofree char *path = state_file (config, "reset-done");
  g_autoptr (GBytes) bytes = NULL;
  gsize size = 0;

  const char *text = base_file_read (path, DONE_LIMIT, &bytes, NULL) ? g_bytes_get_data (bytes, &size) : "";
  g_autofree char *lines = g_strndup (text, size);
  return g_strsplit (g_strstrip (lines), "\n", -1);
}

static gboolean
is_done_on_disk (const BaseConfig *config, const char *hash)
{
  g_auto (GStrv) done = load_done (config);

  return g_strv_contains ((const char *const *) done, hash);
}

static gboolean
note_done_on_disk (const BaseConfig *config, const char *hash, GError **error)
{
  g_autofree char *path = state_file (config, "reset-done");
  g_auto (GStrv) done = load_done (config);
  guint count = g_strv_length (done);
  GString *lines = g_string_new (NULL);

  if (g_strv_contains ((const char *const *) done, hash))
    return TRUE;
  for (guint i = count < DONE_MAX ? 0 : count - DONE_MAX + 1; i < count; i++)
    if (*done[i] != '\0')
      g_string_append_printf (lines, "%s\n", done[i]);
  g_string_append_printf (lines, "%s\n", hash);
  g_autofree char *text = g_string_free (lines, FALSE);
  return base_file_ensure_private_folder (config->state_path, error) && base_file_replace (path, text, strlen (text), 0600, error);
}

static gboolean
has_hash (GBytes *hashes, const guint8 hash[HASH_SIZE])
{
  gsize size;
  const guint8 *data = g_bytes_get_data (hashes, &size);

  for (gsize i = 0; i + HASH_SIZE <= size; i += HASH_SIZE)
    if (memcmp (data + i, hash, HASH_SIZE) == 0)
      return TRUE;
  return FALSE;
}

/* A reset too many is worse than one that somebody has to ask for again: what cannot be read counts as done, and is told. */
static gboolean
is_done_in_tpm (TpmLink *link, const BaseConfig *config, const char *hash, char **ret_problem)
{
  guint8 raw[HASH_SIZE];
  g_autoptr (GBytes) hashes = NULL;
  g_autoptr (GError) error = NULL;

  if (!base_hex_decode (hash, raw, sizeof raw))
    return FALSE;
  if (tpm_nv_read (link, config->reset_index, &hashes, &error))
    return has_hash (hashes, raw);
  if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    return FALSE;
  *ret_problem = g_strdup_printf ("reset: whether the token of the kernel command line was done already cannot be read: %s. Nothing was reset", error->message);
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
  if (is_done_on_disk (config, hash))
    return FALSE;
  if (link != NULL && is_done_in_tpm (link, config, hash, ret_problem))
    {
      if (*ret_problem == NULL)
        (void) note_done_on_disk (config, hash, NULL);
      return FALSE;
    }
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

/* An index of the platform's outlives TPM2_Clear by itself. */
static gboolean
save_serial (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autofree char *serial = NULL;

  if (journal->serial != NULL)
    return TRUE;
  if (!identity_serial_read_own (link, config, &serial, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return TRUE;
      /* Nobody ever saw a serial number in it. */
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_CORRUPT) || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_AUTH_FAILED))
        {
          base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s; the reset does not carry it over", cause->message);
          return TRUE;
        }
      g_propagate_prefixed_error (error, g_steal_pointer (&cause), "the serial number has to be saved first: ");
      return FALSE;
    }
  journal->serial = g_steal_pointer (&serial);
  return identity_journal_save (config->state_path, journal, error);
}

static gboolean
is_clear_allowed (const BaseConfig *config)
{
  return config->clear_on_reset == BASE_CLEAR_ALWAYS
         || (config->clear_on_reset == BASE_CLEAR_AUTO && config->ownership == BASE_OWNERSHIP_EXCLUSIVE);
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

  *ret_cleared = FALSE;
  g_clear_pointer (&journal->shortfall, g_free);
  if (!is_clear_allowed (config))
    journal->shortfall = g_strdup ("the TPM was not cleared, as ClearOnReset= does not allow it here: a copy of an old key would still load in it");
  else if (tpm_hierarchy_clear (link, &cause))
    *ret_cleared = TRUE;
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

static gboolean
erase_file (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *prefix = g_strconcat (name, ".", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *aside = g_build_filename (folder, entry, NULL);
      gboolean is_ours = g_str_has_prefix (entry, prefix)
                         && (strstr (entry, ".archived") != NULL || strstr (entry, ".corrupt") != NULL || g_str_has_suffix (entry, ".tmp"));
      if (is_ours && !base_file_remove (aside, error))
        return FALSE;
    }
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

gboolean
identity_reset_erase (TpmLink *link, const BaseConfig *config, IdentityJournal *journal, guint32 key_handle, GError **error)
{
  gboolean is_cleared;

  if (!identity_active_check_writable (config->certificate_path, error) || !identity_active_check_writable (config->software_key_path, error)
      || !save_serial (link, config, journal, error) || !clear (link, config, journal, &is_cleared, error)
      || (!is_cleared && !remove_own (link, config, key_handle, error)) || !erase_files (link, config, is_cleared, error))
    return FALSE;
  journal->is_carried_out = TRUE;
  return identity_journal_save (config->state_path, journal, error);
}

/* --- and after it --- */

static gboolean
restore_serial (TpmLink *link, const BaseConfig *config, const char *serial, GError **error)
{
  if (serial == NULL || identity_serial_write (link, config, serial, error))
    return TRUE;
  g_prefix_error (error, "the serial number %s could not be put back: ", serial);
  return FALSE;
}

/* TPM2_Clear takes what the TPM knew; the disk knows it, and what is known on neither side was never done. */
static GBytes *
join_last (const BaseConfig *config, const guint8 hash[HASH_SIZE])
{
  g_auto (GStrv) done = load_done (config);
  guint count = g_strv_length (done);
  GByteArray *joined = g_byte_array_new ();

  for (guint i = count < DONE_IN_TPM_MAX ? 0 : count - DONE_IN_TPM_MAX + 1; i < count; i++)
    {
      guint8 raw[HASH_SIZE];
      if (base_hex_decode (done[i], raw, sizeof raw) && memcmp (raw, hash, HASH_SIZE) != 0)
        g_byte_array_append (joined, raw, HASH_SIZE);
    }
  g_byte_array_append (joined, hash, HASH_SIZE);
  return g_byte_array_free_to_bytes (joined);
}

static gboolean
store_token (TpmLink *link, const BaseConfig *config, const char *token, GError **error)
{
  guint8 raw[HASH_SIZE];

  if (token == NULL || !base_hex_decode (token, raw, sizeof raw))
    return TRUE;
  g_autoptr (GBytes) bytes = join_last (config, raw);
  const TpmNvStore store = { .bytes = bytes };
  return tpm_nv_store (link, config->reset_index, &store, NULL, error);
}

gboolean
identity_reset_restore (TpmLink *link, const BaseConfig *config, const IdentityJournal *journal, GError **error)
{
  return restore_serial (link, config, journal->serial, error) && store_token (link, config, journal->token, error);
}

gboolean
identity_reset_finish (const BaseConfig *config, const IdentityJournal *journal, GError **error)
{
  g_autofree char *flag = state_file (config, "reset-request");

  return (journal->token == NULL || note_done_on_disk (config, journal->token, error)) && base_file_remove (flag, error)
         && identity_journal_remove (config->state_path, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-store.h"

#include "base-error.h"
#include "base-file.h"

#include <string.h>

#define FORMAT 1
#define GROUP "identity"
#define RECORD_LIMIT (16 * 1024)
#define CERTIFICATE_LIMIT (64 * 1024)

static const char *const kind_names[IDENTITY_N_RECORDS] = {
  [IDENTITY_RECORD_NONE] = "none",
  [IDENTITY_RECORD_TPM] = "tpm",
  [IDENTITY_RECORD_SOFTWARE] = "software",
  [IDENTITY_RECORD_MIGRATED] = "migrated",
};

IdentityRecord *
identity_record_new (IdentityRecordKind kind)
{
  IdentityRecord *record = g_new0 (IdentityRecord, 1);

  record->kind = kind;
  return record;
}

IdentityRecord *
identity_record_copy (const IdentityRecord *record)
{
  IdentityRecord *copy = identity_record_new (record->kind);

  copy->key_handle = record->key_handle;
  copy->key_name = g_strdup (record->key_name);
  copy->key_reference = g_strdup (record->key_reference);
  copy->srk_name = g_strdup (record->srk_name);
  copy->ek_name = g_strdup (record->ek_name);
  copy->reset_shortfall = g_strdup (record->reset_shortfall);
  copy->archive_software_key = record->archive_software_key;
  return copy;
}

void
identity_record_free (IdentityRecord *record)
{
  if (record == NULL)
    return;
  g_free (record->key_name);
  g_free (record->key_reference);
  g_free (record->srk_name);
  g_free (record->ek_name);
  g_free (record->reset_shortfall);
  g_free (record);
}

static char *
record_path (const char *state_path)
{
  return g_build_filename (state_path, "identity", NULL);
}

static char *
certificate_path (const char *state_path)
{
  return g_build_filename (state_path, "device.cert.pem", NULL);
}

static gboolean
kind_from_name (const char *name, IdentityRecordKind *ret_kind)
{
  for (int kind = 0; name != NULL && kind < IDENTITY_N_RECORDS; kind++)
    if (kind_names[kind] != NULL && strcmp (kind_names[kind], name) == 0)
      {
        *ret_kind = (IdentityRecordKind) kind;
        return TRUE;
      }
  return FALSE;
}

static gboolean
parse_record (GKeyFile *file, const char *path, IdentityRecord **ret_record, GError **error)
{
  g_autofree char *kind_name = g_key_file_get_string (file, GROUP, "kind", NULL);
  g_autofree char *handle = g_key_file_get_string (file, GROUP, "key-handle", NULL);
  IdentityRecordKind kind;

  /* A newer format adds keys and keeps these; a "format" that this release cannot read would go by another file name. */
  if (!kind_from_name (kind_name, &kind))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s does not say which kind of identity it records", path);
      return FALSE;
    }
  IdentityRecord *record = identity_record_new (kind);
  record->key_handle = handle != NULL ? (guint32) g_ascii_strtoull (handle, NULL, 0) : 0;
  record->key_name = g_key_file_get_string (file, GROUP, "key-name", NULL);
  record->key_reference = g_key_file_get_string (file, GROUP, "key-reference", NULL);
  record->srk_name = g_key_file_get_string (file, GROUP, "srk-name", NULL);
  record->ek_name = g_key_file_get_string (file, GROUP, "ek-name", NULL);
  record->reset_shortfall = g_key_file_get_string (file, GROUP, "reset-shortfall", NULL);
  record->archive_software_key = g_key_file_get_boolean (file, GROUP, "archive-software-key", NULL);
  *ret_record = record;
  return TRUE;
}

static gboolean
load_key_file (const char *path, GKeyFile **ret_file, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) cause = NULL;

  if (!base_file_read (path, RECORD_LIMIT, &bytes, error))
    return FALSE;
  if (!g_key_file_load_from_bytes (file, bytes, G_KEY_FILE_KEEP_COMMENTS, &cause))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s cannot be decoded: %s", path, cause->message);
      return FALSE;
    }
  *ret_file = g_steal_pointer (&file);
  return TRUE;
}

static gboolean
load_record (const char *state_path, IdentityRecord **ret_record, GError **error)
{
  g_autofree char *path = record_path (state_path);
  g_autofree char *parent = g_path_get_dirname (state_path);
  g_autoptr (GKeyFile) file = NULL;
  g_autoptr (GError) cause = NULL;

  if (!g_file_test (parent, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE, "%s is not there (yet), so nobody knows what was recorded", parent);
      return FALSE;
    }
  if (g_file_test (state_path, G_FILE_TEST_EXISTS) && !base_file_ensure_private_folder (state_path, error))
    return FALSE;
  if (load_key_file (path, &file, &cause))
    return parse_record (file, path, ret_record, error);
  if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  *ret_record = identity_record_new (IDENTITY_RECORD_NONE);
  return TRUE;
}

gboolean
identity_store_load (const char *state_path, IdentityRecord **ret_record, GError **error)
{
  if (load_record (state_path, ret_record, error))
    return TRUE;
  *ret_record = identity_record_new (IDENTITY_RECORD_UNREADABLE);
  return FALSE;
}

static void
set_or_remove (GKeyFile *file, const char *key, const char *value)
{
  if (value != NULL)
    g_key_file_set_string (file, GROUP, key, value);
  else
    (void) g_key_file_remove_key (file, GROUP, key, NULL);
}

static void
fill_key_file (GKeyFile *file, const IdentityRecord *record)
{
  g_autofree char *handle = record->key_handle != 0 ? g_strdup_printf ("0x%08x", record->key_handle) : NULL;

  if (!g_key_file_has_key (file, GROUP, "format", NULL))
    g_key_file_set_integer (file, GROUP, "format", FORMAT);
  set_or_remove (file, "kind", kind_names[record->kind]);
  set_or_remove (file, "key-handle", handle);
  set_or_remove (file, "key-name", record->key_name);
  set_or_remove (file, "key-reference", record->key_reference);
  set_or_remove (file, "srk-name", record->srk_name);
  set_or_remove (file, "ek-name", record->ek_name);
  set_or_remove (file, "reset-shortfall", record->reset_shortfall);
  set_or_remove (file, "archive-software-key", record->archive_software_key ? "true" : NULL);
}

gboolean
identity_store_save (const char *state_path, const IdentityRecord *record, GError **error)
{
  g_autofree char *path = record_path (state_path);
  g_autoptr (GKeyFile) file = NULL;
  g_autoptr (IdentityRecord) found = NULL;
  g_autoptr (GError) cause = NULL;
  g_autofree char *before = NULL;

  g_assert (kind_names[record->kind] != NULL);
  if (!base_file_ensure_private_folder (state_path, error))
    return FALSE;
  if (load_key_file (path, &file, &cause) && parse_record (file, path, &found, &cause))
    before = g_key_file_to_data (file, NULL, NULL);
  else
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_CORRUPT) && !base_file_set_aside (path, "corrupt", error))
        return FALSE;
      g_clear_pointer (&file, g_key_file_unref);
      file = g_key_file_new ();
    }
  fill_key_file (file, record);

  gsize size;
  g_autofree char *after = g_key_file_to_data (file, &size, NULL);
  return g_strcmp0 (before, after) == 0 || base_file_replace (path, after, size, 0600, error);
}

gboolean
identity_store_load_certificate (const char *state_path, GBytes **ret_pem, GError **error)
{
  g_autofree char *path = certificate_path (state_path);

  return base_file_read (path, CERTIFICATE_LIMIT, ret_pem, error);
}

gboolean
identity_store_save_certificate (const char *state_path, const char *pem, GError **error)
{
  g_autofree char *path = certificate_path (state_path);
  g_autoptr (GBytes) before = NULL;
  g_autoptr (GBytes) after = g_bytes_new_static (pem, strlen (pem));

  if (base_file_read (path, CERTIFICATE_LIMIT, &before, NULL) && g_bytes_equal (before, after))
    return TRUE;
  return base_file_ensure_private_folder (state_path, error) && base_file_replace (path, pem, strlen (pem), 0600, error);
}

/* One folder for each thing that was archived; a private key may be in it. */
static void
sweep_archive (const char *state_path)
{
  g_autofree char *archive = g_build_filename (state_path, "archive", NULL);
  g_autoptr (GDir) dir = g_dir_open (archive, 0, NULL);
  const char *stamp;

  while (dir != NULL && (stamp = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *folder = g_build_filename (archive, stamp, NULL);
      base_file_remove_temporaries (folder);
    }
}

void
identity_store_sweep (const BaseConfig *config)
{
  static const char *const folders[] = { "", "keys", "slots", "kept" };

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *folder = g_build_filename (config->state_path, folders[i], NULL);
      base_file_remove_temporaries (folder);
    }
  sweep_archive (config->state_path);
  base_file_remove_temporaries (config->runtime_path);
  base_file_remove_temporaries_of (config->certificate_path);
  base_file_remove_temporaries_of (config->software_key_path);
  base_file_remove_temporaries_of (config->marker_path);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-keyfile.h"

#include "base-error.h"
#include "base-file.h"
#include "base-folder.h"
#include "identity-key.h"

#include <string.h>

#define FILE_MAX (16 * 1024)
#define SUFFIX ".pem"
#define HEADING "A key of tpmidd\n"

void
identity_keyfile_clear (IdentityKeyfile *self)
{
  identity_tss2_clear (&self->tpm);
  g_clear_pointer (&self->softkey, identity_softkey_unref);
}

static char *
folder_path (const char *state_path)
{
  return g_build_filename (state_path, "keys", NULL);
}

static char *
file_path (const char *state_path, const char *name)
{
  g_autofree char *base = g_strconcat (name, SUFFIX, NULL);

  return g_build_filename (state_path, "keys", base, NULL);
}

GPtrArray *
identity_keyfile_list (const char *state_path, GError **error)
{
  g_autofree char *folder = folder_path (state_path);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) cause = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &cause);
  const char *entry;

  if (dir == NULL && !g_error_matches (cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      (void) base_error_from_io (error, g_steal_pointer (&cause), "cannot look for keys");
      return NULL;
    }
  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *name = g_str_has_suffix (entry, SUFFIX) ? g_strndup (entry, strlen (entry) - strlen (SUFFIX)) : g_strdup ("");
      if (identity_key_check_name (name, NULL))
        g_ptr_array_add (names, g_steal_pointer (&name));
    }
  return g_steal_pointer (&names);
}

static gboolean
parse_owner (const char *line, guint *ret_owner)
{
  static const char prefix[] = "Owner: ";
  char *end = NULL;

  if (!g_str_has_prefix (line, prefix))
    return FALSE;
  const char *text = line + strlen (prefix);
  guint64 owner = g_ascii_strtoull (text, &end, 10);
  if (!g_ascii_isdigit (*text) || *end != '\0' || owner > G_MAXUINT32)
    return FALSE;
  *ret_owner = (guint) owner;
  return TRUE;
}

static gboolean
parse_usage (const char *line, IdentityUsage *ret_usage)
{
  static const char prefix[] = "Usage: ";

  return g_str_has_prefix (line, prefix) && identity_usage_from_name (line + strlen (prefix), ret_usage, NULL);
}

static gboolean
parse_text (const char *text, gsize size, const char *path, IdentityKeyfile *file, GError **error)
{
  const char *end = g_strstr_len (text, (gssize) size, "-----BEGIN");
  g_autofree char *head = g_strndup (text, end != NULL ? (gsize) (end - text) : 0);
  g_auto (GStrv) lines = g_strsplit (head, "\n", -1);
  gboolean has_usage = FALSE, has_owner = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      has_usage |= parse_usage (lines[i], &file->usage);
      has_owner |= parse_owner (lines[i], &file->owner);
    }
  if (has_usage && has_owner)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s does not say whose key it is and what for", path);
  return FALSE;
}

static gboolean
parse (const char *text, gsize size, const char *path, IdentityKeyfile *file, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (!parse_text (text, size, path, file, error))
    return FALSE;
  if (identity_tss2_decode (text, size, path, &file->tpm, &cause))
    return TRUE;
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    file->softkey = identity_softkey_decode (text, size, path, error);
  else
    g_propagate_error (error, g_steal_pointer (&cause));
  return file->softkey != NULL;
}

gboolean
identity_keyfile_load (const char *state_path, const char *name, IdentityKeyfile *ret_file, GError **error)
{
  g_autofree char *path = file_path (state_path, name);
  g_auto (IdentityKeyfile) file = { 0 };
  g_autoptr (BaseSecret) text = NULL;
  gsize size;

  if (!base_file_read_secret (path, FILE_MAX, &text, error))
    return FALSE;
  const guint8 *data = base_secret_peek (text, &size);
  if (!parse ((const char *) data, size, path, &file, error))
    return FALSE;
  *ret_file = file;
  file = (IdentityKeyfile){ 0 };
  return TRUE;
}

static BaseSecret *
encode_key (const IdentityKeyfile *file, GError **error)
{
  if (file->softkey != NULL)
    return identity_softkey_encode (file->softkey, error);
  g_autofree char *pem = identity_tss2_encode (&file->tpm, error);
  return pem != NULL ? base_secret_new (pem, strlen (pem)) : NULL;
}

static BaseSecret *
compose (const IdentityKeyfile *file, GError **error)
{
  g_autoptr (BaseSecret) key = encode_key (file, error);
  g_autofree char *head = g_strdup_printf (HEADING "Usage: %s\nOwner: %u\n", identity_usage_name (file->usage), file->owner);
  gsize size;

  if (key == NULL)
    return NULL;
  const guint8 *pem = base_secret_peek (key, &size);
  char *text = g_strdup_printf ("%s%.*s", head, (int) size, (const char *) pem);
  BaseSecret *whole = base_secret_new (text, strlen (text));
  explicit_bzero (text, strlen (text));
  g_free (text);
  return whole;
}

gboolean
identity_keyfile_create (const char *state_path, const char *name, const IdentityKeyfile *file, GError **error)
{
  g_autofree char *folder = folder_path (state_path);
  g_autofree char *path = file_path (state_path, name);
  g_autoptr (BaseSecret) text = compose (file, error);
  gsize size;

  if (text == NULL || !base_file_ensure_private_folder (state_path, error) || !base_file_ensure_private_folder (folder, error))
    return FALSE;
  const guint8 *data = base_secret_peek (text, &size);
  return base_file_create (path, data, size, 0600, error);
}

gboolean
identity_keyfile_set_aside (const char *state_path, const char *name, const char *suffix, GError **error)
{
  g_autofree char *path = file_path (state_path, name);

  return base_file_set_aside (path, suffix, error);
}

static char *
kept_path (const char *state_path, const char *name, const char *side)
{
  g_autofree char *file = g_strdup_printf ("%s.%s.pem", name, side);

  return g_build_filename (state_path, "kept", file, NULL);
}

gboolean
identity_keyfile_keep (const char *state_path, const char *name, const char *side, GError **error)
{
  g_autofree char *path = file_path (state_path, name);
  g_autofree char *kept = kept_path (state_path, name, side);
  g_autofree char *folder = g_path_get_dirname (kept);
  g_autoptr (GError) cause = NULL;

  if (!base_file_ensure_private_folder (folder, error))
    return FALSE;
  if (base_folder_move (path, kept, &cause))
    return TRUE;
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_EXISTS))
    return identity_keyfile_set_aside (state_path, name, "orphaned", error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

gboolean
identity_keyfile_take_back (const char *state_path, const char *name, const char *side, GError **error)
{
  g_autofree char *path = file_path (state_path, name);
  g_autofree char *kept = kept_path (state_path, name, side);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) cause = NULL;

  if (!g_file_test (kept, G_FILE_TEST_EXISTS))
    return TRUE;
  if (!base_file_ensure_private_folder (folder, error))
    return FALSE;
  if (base_folder_move (kept, path, &cause) || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_EXISTS))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

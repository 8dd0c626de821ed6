/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-archive.h"

#include "base-error.h"
#include "base-file.h"
#include "base-folder.h"
#include "base-secret.h"

#define FILE_LIMIT (256 * 1024)

char *
identity_archive_stamp (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  return g_date_time_format (now, "%Y%m%dT%H%M%S.%fZ");
}

static gboolean
make_folder (const BaseConfig *config, const char *stamp, char **ret_folder, GError **error)
{
  g_autofree char *archive = g_build_filename (config->state_path, "archive", NULL);
  g_autofree char *folder = g_build_filename (archive, stamp, NULL);

  if (!base_file_ensure_private_folder (config->state_path, error) || !base_file_ensure_private_folder (archive, error)
      || !base_file_ensure_private_folder (folder, error))
    return FALSE;
  *ret_folder = g_steal_pointer (&folder);
  return TRUE;
}

gboolean
identity_archive_file (const BaseConfig *config, const char *stamp, const char *path, const char *name, GError **error)
{
  g_autofree char *folder = NULL;
  g_autoptr (BaseSecret) content = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size;

  if (!base_file_read_secret (path, FILE_LIMIT, &content, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!make_folder (config, stamp, &folder, error))
    return FALSE;
  g_autofree char *target = g_build_filename (folder, name, NULL);
  const guint8 *bytes = base_secret_peek (content, &size);
  return base_file_replace (target, bytes, size, 0600, error);
}

static gboolean
put_away (const BaseConfig *config, const char *stamp, const char *path, const char *name, GError **error)
{
  return identity_archive_file (config, stamp, path, name, error) && base_file_remove (path, error);
}

static gboolean
move_away (const BaseConfig *config, const char *stamp, const char *what, const char *name, GError **error)
{
  g_autofree char *from = g_build_filename (config->state_path, what, NULL);
  g_autofree char *folder = NULL;

  if (!make_folder (config, stamp, &folder, error))
    return FALSE;
  g_autofree char *to = g_build_filename (folder, name, NULL);
  return base_folder_move (from, to, error);
}

/* One file after the other: what is moved is moved, and a crash leaves the rest for the next try. */
static gboolean
move_folder (const BaseConfig *config, const char *stamp, const char *name, GError **error)
{
  g_autofree char *from = g_build_filename (config->state_path, name, NULL);
  g_autofree char *folder = NULL;
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *entry;

  if (dir == NULL)
    return TRUE;
  if (!make_folder (config, stamp, &folder, error))
    return FALSE;
  g_autofree char *to = g_build_filename (folder, name, NULL);
  if (!base_file_ensure_private_folder (to, error))
    return FALSE;
  while ((entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *source = g_build_filename (from, entry, NULL);
      g_autofree char *target = g_build_filename (to, entry, NULL);
      if (!base_folder_move (source, target, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
identity_archive_identity (const BaseConfig *config, const char *stamp, gboolean with_keys, GError **error)
{
  static const char *const of_the_tpm[] = { "keys", "slots", "kept" };

  for (gsize i = 0; with_keys && i < G_N_ELEMENTS (of_the_tpm); i++)
    if (!move_folder (config, stamp, of_the_tpm[i], error))
      return FALSE;
  if (with_keys && !move_away (config, stamp, "ownership", "ownership", error))
    return FALSE;
  /* The stored copy of the certificate stays where the TPM is the same: the key that it may fit is in it. */
  return put_away (config, stamp, config->software_key_path, "device.key.pem", error)
         && put_away (config, stamp, config->certificate_path, "device.cert.pem", error)
         && (!with_keys || move_away (config, stamp, "device.cert.pem", "stored.cert.pem", error))
         && move_away (config, stamp, "identity", "identity", error);
}

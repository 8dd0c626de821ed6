/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-attempts.h"

#include "base-file.h"
#include "base-log.h"

#include <string.h>

#define FILE_LIMIT (64 * 1024)
#define BOOT_ID_LIMIT 128

static char *
read_boot_id (const BaseConfig *config)
{
  g_autofree char *path = g_build_filename (config->proc_root, "sys/kernel/random/boot_id", NULL);
  g_autofree char *text = NULL;

  /* The kernel's file has no size that base_file_read() could go by. */
  if (!g_file_get_contents (path, &text, NULL, NULL) || strlen (text) > BOOT_ID_LIMIT)
    return g_strdup ("unknown");
  return g_strdup (g_strstrip (text));
}

/* The line without its newline. */
static char *
compose (const char *boot_id, const char *name, const BaseSecret *password)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size = 0;
  const guint8 *data = password != NULL ? base_secret_peek (password, &size) : NULL;

  /* Each with its NUL, so that one does not run into the other. */
  g_checksum_update (sum, (const guchar *) boot_id, (gssize) strlen (boot_id) + 1);
  g_checksum_update (sum, (const guchar *) name, (gssize) strlen (name) + 1);
  if (data != NULL)
    g_checksum_update (sum, data, (gssize) size);
  return g_strdup_printf ("%s %s", boot_id, g_checksum_get_string (sum));
}

static GStrv
read_lines (const char *path)
{
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  if (!base_file_read (path, FILE_LIMIT, &bytes, NULL))
    return g_new0 (char *, 1);
  const char *data = g_bytes_get_data (bytes, &size);
  g_autofree char *text = g_strndup (data != NULL ? data : "", size);
  return g_strsplit (text, "\n", -1);
}

gboolean
identity_attempts_has (const BaseConfig *config, const char *name, const BaseSecret *password)
{
  g_autofree char *path = g_build_filename (config->runtime_path, "attempts", NULL);
  g_autofree char *boot_id = read_boot_id (config);
  g_autofree char *line = compose (boot_id, name, password);
  g_auto (GStrv) lines = read_lines (path);

  return g_strv_contains ((const char *const *) lines, line);
}

void
identity_attempts_add (const BaseConfig *config, const char *name, const BaseSecret *password)
{
  g_autofree char *path = g_build_filename (config->runtime_path, "attempts", NULL);
  g_autofree char *boot_id = read_boot_id (config);
  g_autofree char *line = compose (boot_id, name, password);
  g_auto (GStrv) lines = read_lines (path);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  if (g_strv_contains ((const char *const *) lines, line))
    return;
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], boot_id))
      g_string_append_printf (text, "%s\n", lines[i]);
  g_string_append_printf (text, "%s\n", line);
  if (!base_file_replace (path, text->str, text->len, 0600, &error))
    base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s", error->message);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-remount.h"

#include "base-file.h"
#include "base-log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAMP_NAME "restarted" /* below RuntimePath=: the boot id of the boot in which a restart was asked for */

/* Fields of a line, counted from 0; behind MOUNT_OPTIONS come optional ones up to a "-", and behind that SUPER_OPTIONS. */
enum
{
  MOUNT_POINT = 4,
  MOUNT_OPTIONS = 5,
  SUPER_OPTIONS = 3,
};

static gboolean
is_below (const char *path, const char *mount_point)
{
  gsize size = strlen (mount_point);

  return g_str_equal (mount_point, "/") || (strncmp (path, mount_point, size) == 0 && (path[size] == '/' || path[size] == '\0'));
}

/* The kernel writes "ro" or "rw" first. */
static gboolean
is_read_only (const char *options)
{
  return g_str_has_prefix (options, "ro") && (options[2] == ',' || options[2] == '\0');
}

static const char *
find_super_options (char **fields)
{
  for (guint i = MOUNT_OPTIONS + 1; i < g_strv_length (fields); i++)
    if (g_str_equal (fields[i], "-"))
      return g_strv_length (fields) > i + SUPER_OPTIONS ? fields[i + SUPER_OPTIONS] : NULL;
  return NULL;
}

char *
identity_remount_parse (const char *mountinfo, const char *path)
{
  g_auto (GStrv) lines = g_strsplit (mountinfo, "\n", -1);
  g_autofree char *found = NULL;
  gboolean is_stale = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], " ", -1);
      const char *super_options = find_super_options (fields);
      if (super_options == NULL)
        continue;
      g_autofree char *mount_point = g_strcompress (fields[MOUNT_POINT]); /* blanks are written \040 */
      /* Of two at the same place the later one lies on top. */
      if (!is_below (path, mount_point) || (found != NULL && strlen (mount_point) < strlen (found)))
        continue;
      is_stale = is_read_only (fields[MOUNT_OPTIONS]) && !is_read_only (super_options);
      g_free (found);
      found = g_steal_pointer (&mount_point);
    }
  return is_stale ? g_steal_pointer (&found) : NULL;
}

/* Without symbolic links, as far as there is something. */
static char *
resolve (const char *path)
{
  g_autofree char *part = g_strdup (path);

  while (TRUE)
    {
      char *real = realpath (part, NULL);
      if (real != NULL || strlen (part) <= 1)
        return real;
      char *parent = g_path_get_dirname (part);
      g_free (part);
      part = parent;
    }
}

static char *
read_proc (const BaseConfig *config, const char *name)
{
  g_autofree char *path = g_build_filename (config->proc_root, name, NULL);
  char *text = NULL;

  (void) g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

char *
identity_remount_find (const BaseConfig *config)
{
  const char *const paths[] = { config->marker_path, config->certificate_path, config->state_path };
  g_autofree char *mountinfo = read_proc (config, "self/mountinfo");

  for (gsize i = 0; mountinfo != NULL && i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *real = resolve (paths[i]);
      char *found = real != NULL ? identity_remount_parse (mountinfo, real) : NULL;
      if (found != NULL)
        return found;
    }
  return NULL;
}

/* systemd.exec(5): the process that systemd executed, and no child of it. */
static gboolean
is_started_by_systemd (void)
{
  const char *pid = g_getenv ("SYSTEMD_EXEC_PID");

  return pid != NULL && g_ascii_strtoll (pid, NULL, 10) == getpid ();
}

/* A restart that is not recorded could be one of many. */
static gboolean
take_stamp (const BaseConfig *config)
{
  g_autofree char *path = g_build_filename (config->runtime_path, STAMP_NAME, NULL);
  g_autofree char *boot_id = read_proc (config, "sys/kernel/random/boot_id");
  g_autofree char *before = NULL;

  if (boot_id == NULL)
    return FALSE;
  if (g_file_get_contents (path, &before, NULL, NULL) && g_str_equal (before, boot_id))
    return FALSE;
  return base_file_replace (path, boot_id, strlen (boot_id), 0644, NULL);
}

gboolean
identity_remount_should_restart (const BaseConfig *config)
{
  g_autofree char *mount_point = identity_remount_find (config);

  if (mount_point == NULL || !is_started_by_systemd () || !take_stamp (config))
    return FALSE;
  base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_PROBLEM, NULL,
            "%s is read-only for tpmidd alone, as it was when tpmidd started; it ends, with status 75, to be started again", mount_point);
  return TRUE;
}

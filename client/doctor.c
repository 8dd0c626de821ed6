/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include "client-value.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define READ_MAX 65536

/* Of tpmidd.conf(5), with its defaults; its reader is stricter, and says in the journal what is wrong with a file. The names are
 * those of the member "paths" of tpmidd's status. */
static const struct
{
  const char *name;
  const char *key;
  const char *path;
} configured[] = {
  { "marker", "MarkerPath", "/persist/config/tpm_in_use" },
  { "state", "StatePath", "/persist/tpmidd" },
  { "runtime", "RuntimePath", "/run/tpmid" },
};

static void
check_free (gpointer data)
{
  DoctorCheck *check = data;

  g_free (check->text);
  g_free (check->next);
  g_free (check);
}

char *
doctor_path (const Doctor *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *path = g_strdup_vprintf (format, args);
  va_end (args);
  return g_strconcat (self->root, path, NULL);
}

char *
doctor_find_path (Doctor *self, const char *check, const char *key)
{
  const char *path = g_hash_table_lookup (self->paths, key);

  if (path != NULL)
    return doctor_path (self, "%s", path);
  doctor_add (self, "identity", check, DOCTOR_SKIP, NULL, "where it is nobody says: tpmidd %s, and there is no tpmidd.conf",
              self->status != NULL ? "is an older one" : "does not answer");
  return NULL;
}

void
doctor_take_paths (Doctor *self)
{
  const tpmid_value *paths = tpmid_value_find (self->status, "paths");

  if (tpmid_value_count (paths) == 0)
    return;
  g_hash_table_remove_all (self->paths);
  for (gsize i = 0; i < G_N_ELEMENTS (configured); i++)
    {
      const char *path = client_value_text (paths, configured[i].name);
      if (path[0] == '/')
        g_hash_table_replace (self->paths, g_strdup (configured[i].name), g_strdup (path));
    }
}

void
doctor_note_error (Doctor *self, const tpmid_error *error)
{
  self->is_hung = self->is_hung || tpmid_error_is (error, "Timeout") || g_str_equal (error->name, CLIENT_ERROR_NO_REPLY)
                  || g_str_equal (error->name, "org.freedesktop.DBus.Error.Timeout")
                  || g_str_equal (error->name, "org.freedesktop.DBus.Error.TimedOut");
}

char *
doctor_read (const char *path)
{
  FILE *file = fopen (path, "re");
  g_autofree char *content = g_malloc (READ_MAX + 1);

  if (file == NULL)
    return NULL;
  gsize size = fread (content, 1, READ_MAX, file);
  int number = ferror (file) ? EIO : 0;
  (void) fclose (file);
  errno = number;
  if (number != 0)
    return NULL;
  content[size] = '\0';
  return g_steal_pointer (&content);
}

static void
assign (Doctor *self, const char *key, const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (configured) && path[0] == '/'; i++)
    if (g_str_equal (configured[i].key, key))
      g_hash_table_replace (self->paths, g_strdup (configured[i].name), g_strdup (path));
}

/* A later assignment takes the place of an earlier one. Returns: whether there is such a file. */
static gboolean
read_configuration (Doctor *self, const char *path)
{
  g_autofree char *content = doctor_read (path);
  g_auto (GStrv) lines = g_strsplit (content != NULL ? content : "", "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *value = strchr (lines[i], '=');
      if (value == NULL)
        continue;
      *value = '\0';
      assign (self, g_strstrip (lines[i]), g_strstrip (value + 1));
    }
  return content != NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* By file name; one in /etc masks its namesake in /usr/lib. */
static void
read_drop_ins (Doctor *self)
{
  static const char *const folders[] = { "/usr/lib/tpmidd/tpmidd.conf.d", "/etc/tpmidd/tpmidd.conf.d" };
  g_autoptr (GHashTable) by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  const char *name;

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *folder = doctor_path (self, "%s", folders[i]);
      g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        if (g_str_has_suffix (name, ".conf"))
          g_hash_table_replace (by_name, g_strdup (name), g_build_filename (folder, name, NULL));
    }

  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init (&iter, by_name);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (names, key);
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    (void) read_configuration (self, g_hash_table_lookup (by_name, names->pdata[i]));
}

/* A file of /etc below the root; NULL on this machine, where the C library knows more than the file, and in a tree that has
 * none. */
static FILE *
open_list (const Doctor *self, const char *name)
{
  g_autofree char *path = doctor_path (self, "/etc/%s", name);

  return self->root[0] != '\0' ? fopen (path, "re") : NULL;
}

/* By @name, or where that is NULL by @uid. */
static gboolean
find_user (const Doctor *self, const char *name, uid_t uid, char **ret_name, uid_t *ret_uid)
{
  FILE *file = open_list (self, "passwd");
  const struct passwd *user = NULL;

  if (file == NULL)
    user = name != NULL ? getpwnam (name) : getpwuid (uid);
  while (file != NULL && (user = fgetpwent (file)) != NULL)
    if (name != NULL ? g_str_equal (user->pw_name, name) : user->pw_uid == uid)
      break;
  if (user != NULL)
    {
      *ret_name = g_strdup (user->pw_name);
      *ret_uid = user->pw_uid;
    }
  if (file != NULL)
    (void) fclose (file);
  return user != NULL;
}

char *
doctor_user_name (const Doctor *self, uid_t uid)
{
  char *name = NULL;

  return find_user (self, NULL, uid, &name, &uid) ? name : g_strdup_printf ("%u", (guint) uid);
}

/* Users whose own group it is are members without a word in the group's list. */
static gboolean
is_somebodys_own (const Doctor *self, gid_t gid)
{
  g_autofree char *path = doctor_path (self, "/etc/passwd");
  FILE *file = fopen (path, "re");
  const struct passwd *user = NULL;

  while (file != NULL && (user = fgetpwent (file)) != NULL)
    if (user->pw_gid == gid && user->pw_uid != self->tpmidd_uid)
      break;
  if (file != NULL)
    (void) fclose (file);
  return user != NULL;
}

char *
doctor_group_name (const Doctor *self, gid_t gid, gboolean *ret_members)
{
  FILE *file = open_list (self, "group");
  const struct group *group = file == NULL ? getgrgid (gid) : NULL;
  char *name;

  while (file != NULL && (group = fgetgrent (file)) != NULL && group->gr_gid != gid)
    continue;
  name = group != NULL ? g_strdup (group->gr_name) : g_strdup_printf ("%u", (guint) gid);
  *ret_members = (group != NULL && group->gr_mem[0] != NULL) || is_somebodys_own (self, gid);
  if (file != NULL)
    (void) fclose (file);
  return name;
}

/* Without a file at its place, there may be one somewhere else: nothing is known then. */
static void
read_configurations (Doctor *self)
{
  static const char *const files[] = { "/usr/lib/tpmidd/tpmidd.conf", "/etc/tpmidd/tpmidd.conf" };
  gboolean found = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (configured); i++)
    assign (self, configured[i].key, configured[i].path);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = doctor_path (self, "%s", files[i]);
      found = read_configuration (self, path) || found;
    }
  if (found)
    read_drop_ins (self);
  else
    g_hash_table_remove_all (self->paths);
}

void
doctor_init (Doctor *self, ClientSession *session, const char *root)
{
  g_autofree char *name = NULL;

  *self = (Doctor){ .session = session, .root = root, .daemon_uid = DOCTOR_NOBODY, .tpmidd_uid = DOCTOR_NOBODY };
  self->checks = g_ptr_array_new_with_free_func (check_free);
  self->paths = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  read_configurations (self);
  (void) find_user (self, "tpmidd", 0, &name, &self->tpmidd_uid);
}

void
doctor_clear (Doctor *self)
{
  g_clear_pointer (&self->paths, g_hash_table_unref);
  g_clear_pointer (&self->checks, g_ptr_array_unref);
  g_clear_pointer (&self->status, tpmid_value_free);
}

void
doctor_add (Doctor *self, const char *group, const char *name, DoctorResult result, const char *next, const char *format, ...)
{
  DoctorCheck *check = g_new0 (DoctorCheck, 1);
  va_list args;

  va_start (args, format);
  *check = (DoctorCheck){ group, name, result, g_strdup_vprintf (format, args), g_strdup (next != NULL ? next : "") };
  va_end (args);
  g_ptr_array_add (self->checks, check);
}

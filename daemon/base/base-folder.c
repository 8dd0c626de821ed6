/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-folder.h"

#include "base-error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16 /* of folders in folders: what tpmidd makes has two */

static void
dir_close (DIR *dir)
{
  (void) closedir (dir);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DIR, dir_close)

static gboolean empty_at (int parent, const char *name, const char *const *keep, guint depth);

static gboolean
remove_entry (int folder, const char *name, guint depth)
{
  static const char *const nothing[] = { NULL };

  if (unlinkat (folder, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  /* EISDIR is what Linux says of a folder, EPERM what POSIX does. */
  if (errno != EISDIR && errno != EPERM)
    return FALSE;
  return empty_at (folder, name, nothing, depth + 1) && unlinkat (folder, name, AT_REMOVEDIR) == 0;
}

static gboolean
is_kept (const char *name, const char *const *keep)
{
  return g_str_equal (name, ".") || g_str_equal (name, "..") || g_strv_contains (keep, name);
}

static gboolean
empty_at (int parent, const char *name, const char *const *keep, guint depth)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  g_autoptr (DIR) dir = fd >= 0 ? fdopendir (fd) : NULL;
  const struct dirent *entry;

  if (dir == NULL || depth > DEPTH_MAX)
    {
      if (fd >= 0 && dir == NULL)
        (void) close (fd);
      errno = depth > DEPTH_MAX ? ELOOP : errno;
      return FALSE;
    }
  while ((errno = 0, entry = readdir (dir)) != NULL)
    if (!is_kept (entry->d_name, keep) && !remove_entry (fd, entry->d_name, depth))
      return FALSE;
  return errno == 0 && fsync (fd) == 0;
}

gboolean
base_folder_empty (const char *path, const char *const *keep, GError **error)
{
  if (access (path, F_OK) < 0 && errno == ENOENT)
    return TRUE;
  if (!empty_at (AT_FDCWD, path, keep, 0))
    return base_error_set_errno (error, errno, "cannot empty folder %s", path);
  return TRUE;
}

static gboolean
sync_parent (const char *path, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);
  int fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean good = fd >= 0 && fsync (fd) == 0;
  int errsv = errno;

  if (fd >= 0)
    (void) close (fd);
  return good || base_error_set_errno (error, errsv, "cannot sync folder %s", parent);
}

gboolean
base_folder_move (const char *from, const char *to, GError **error)
{
  if (renameat2 (AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
    return sync_parent (to, error) && sync_parent (from, error);
  if (errno == ENOENT && access (from, F_OK) < 0)
    return TRUE;
  if (errno != EEXIST)
    return base_error_set_errno (error, errno, "cannot move %s to %s", from, to);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS, "cannot move %s: there is something at %s", from, to);
  return FALSE;
}

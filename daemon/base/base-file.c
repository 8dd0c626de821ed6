/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-file.h"

#include "base-error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET_ASIDE_MAX 99

/* PATH.XXXXXX.tmp: a name that nobody can take before us, nor another thread with the same path. */
#define TEMPORARY_SUFFIX ".tmp"
#define RANDOM_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define RANDOM_SIZE 6
#define TRIES_MAX 8

typedef int FdGuard;
static void
fd_guard_clear (FdGuard *fd)
{
  if (*fd >= 0)
    (void) close (*fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FdGuard, fd_guard_clear)

static gboolean
sync_folder_of (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_auto (FdGuard) fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0 || fsync (fd) < 0)
    return base_error_set_errno (error, errno, "cannot sync folder %s", folder);
  return TRUE;
}

static gboolean
write_all (int fd, const guint8 *data, gsize size)
{
  while (size > 0)
    {
      ssize_t n = write (fd, data, size);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      size -= (gsize) n;
    }
  return TRUE;
}

static char *
make_temporary_name (const char *path)
{
  char random[RANDOM_SIZE + 1] = "";

  for (gsize i = 0; i < RANDOM_SIZE; i++)
    random[i] = RANDOM_LETTERS[g_random_int_range (0, sizeof RANDOM_LETTERS - 1)];
  return g_strconcat (path, ".", random, TEMPORARY_SUFFIX, NULL);
}

/* What stands there already (left by a crash, or planted by somebody) is never opened: the content goes into a file that is new, and
 * thus ours. */
static int
open_temporary (const char *path, mode_t mode, char **ret_name)
{
  int fd = -1;

  for (int i = 0; i < TRIES_MAX; i++)
    {
      g_free (*ret_name);
      *ret_name = make_temporary_name (path);
      fd = open (*ret_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
      if (fd >= 0 || errno != EEXIST)
        break;
    }
  return fd;
}

/* Returns: (transfer full) (nullable): where the content is now, whole and synced; %NULL with errno, and nothing is left. */
static char *
write_temporary (const char *path, gconstpointer data, gsize size, mode_t mode)
{
  g_autofree char *name = NULL;
  g_auto (FdGuard) fd = open_temporary (path, mode, &name);

  if (fd < 0)
    return NULL;
  /* EPERM is how file systems without modes answer. */
  if ((fchmod (fd, mode) == 0 || errno == EPERM) && write_all (fd, data, size) && fsync (fd) == 0)
    return g_steal_pointer (&name);
  int errsv = errno;
  (void) unlink (name);
  errno = errsv;
  return NULL;
}

gboolean
base_file_replace (const char *path, gconstpointer data, gsize size, mode_t mode, GError **error)
{
  g_autofree char *temporary = write_temporary (path, data, size, mode);

  if (temporary != NULL && rename (temporary, path) == 0)
    return sync_folder_of (path, error);
  int errsv = errno;
  if (temporary != NULL)
    (void) unlink (temporary);
  return base_error_set_errno (error, errsv, "cannot write %s", path);
}

gboolean
base_file_create (const char *path, gconstpointer data, gsize size, mode_t mode, GError **error)
{
  g_autofree char *temporary = write_temporary (path, data, size, mode);

  if (temporary == NULL)
    return base_error_set_errno (error, errno, "cannot write %s", path);
  if (renameat2 (AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
    return sync_folder_of (path, error);
  int errsv = errno;
  (void) unlink (temporary);
  if (errsv != EEXIST)
    return base_error_set_errno (error, errsv, "cannot write %s", path);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS, "%s is there already and is not replaced; look what it is, and move it away", path);
  return FALSE;
}

static int
open_regular (const char *path, gsize limit, GError **error)
{
  g_auto (FdGuard) fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  gboolean good = FALSE;

  if (fd < 0 && errno == ENOENT)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "%s does not exist", path);
  else if (fd < 0 || fstat (fd, &st) < 0)
    (void) base_error_set_errno (error, errno, "cannot open %s", path);
  else if (!S_ISREG (st.st_mode))
    (void) base_error_set_errno (error, EINVAL, "%s is not a regular file", path);
  else if (st.st_size < 0 || (guint64) st.st_size > limit)
    (void) base_error_set_errno (error, EFBIG, "%s is larger than %" G_GSIZE_FORMAT " bytes", path, limit);
  else
    good = TRUE;
  if (!good)
    return -1;
  int result = fd;
  fd = -1;
  return result;
}

/* @buffer has room for one byte more than @limit: a file that grows meanwhile is found out. No copy is made on the way. */
static gboolean
read_regular (const char *path, gsize limit, guint8 *buffer, gsize *ret_size, GError **error)
{
  g_auto (FdGuard) fd = open_regular (path, limit, error);
  gsize size = 0;
  ssize_t n;

  if (fd < 0)
    return FALSE;
  while (size <= limit && (n = read (fd, buffer + size, limit + 1 - size)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return base_error_set_errno (error, errno, "cannot read %s", path);
      size += (gsize) n;
    }
  if (size > limit)
    return base_error_set_errno (error, EFBIG, "%s is larger than %" G_GSIZE_FORMAT " bytes", path, limit);
  *ret_size = size;
  return TRUE;
}

gboolean
base_file_read (const char *path, gsize limit, GBytes **ret_data, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (limit + 1);
  gsize size;

  if (!read_regular (path, limit, buffer, &size, error))
    return FALSE;
  *ret_data = g_bytes_new (buffer, size);
  return TRUE;
}

gboolean
base_file_read_secret (const char *path, gsize limit, BaseSecret **ret_data, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (limit + 1);
  gsize size;
  gboolean good = read_regular (path, limit, buffer, &size, error);

  if (good)
    *ret_data = base_secret_new (buffer, size);
  explicit_bzero (buffer, limit + 1);
  return good;
}

gboolean
base_file_remove (const char *path, GError **error)
{
  if (unlink (path) == 0)
    return sync_folder_of (path, error);
  if (errno == ENOENT || errno == ENOTDIR)
    return TRUE;
  return base_error_set_errno (error, errno, "cannot remove %s", path);
}

static gboolean
is_any_temporary (const char *name, const struct stat *st, gconstpointer unused)
{
  return g_str_has_suffix (name, TEMPORARY_SUFFIX);
}

/* Also NAME.tmp, as older releases called it. */
static gboolean
is_temporary_of (const char *name, const struct stat *st, gconstpointer of)
{
  gsize size = strlen (of);

  if (st->st_uid != geteuid () || strncmp (name, of, size) != 0)
    return FALSE;
  name += size;
  if (name[0] == '.' && strspn (name + 1, RANDOM_LETTERS) == RANDOM_SIZE && name[1 + RANDOM_SIZE] == '.')
    name += 1 + RANDOM_SIZE;
  return g_str_equal (name, TEMPORARY_SUFFIX);
}

static void
sweep (const char *folder, gboolean (*is_to_go) (const char *, const struct stat *, gconstpointer), gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      struct stat st;
      if (lstat (path, &st) == 0 && S_ISREG (st.st_mode) && is_to_go (name, &st, data))
        (void) unlink (path);
    }
}

void
base_file_remove_temporaries (const char *folder)
{
  sweep (folder, is_any_temporary, NULL);
}

void
base_file_remove_temporaries_of (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);

  sweep (folder, is_temporary_of, name);
}

gboolean
base_file_set_aside (const char *path, const char *suffix, GError **error)
{
  g_autofree char *target = g_strdup_printf ("%s.%s", path, suffix);

  for (int i = 1; renameat2 (AT_FDCWD, path, AT_FDCWD, target, RENAME_NOREPLACE) < 0; i++)
    {
      if (errno != EEXIST || i > SET_ASIDE_MAX)
        return base_error_set_errno (error, errno, "cannot move %s to %s", path, target);
      g_free (target);
      target = g_strdup_printf ("%s.%s.%d", path, suffix, i);
    }
  return sync_folder_of (path, error);
}

static gboolean
check_folder_owner (const char *path, const struct stat *st, GError **error)
{
  if (!S_ISDIR (st->st_mode))
    return base_error_set_errno (error, ENOTDIR, "%s is in the place of a folder", path);
  if (st->st_uid != geteuid ())
    return base_error_set_errno (error, EPERM,
                                 "folder %s belongs to uid %u, not to uid %u; chown it, or run systemd-tmpfiles --create", path,
                                 (unsigned) st->st_uid, (unsigned) geteuid ());
  return TRUE;
}

gboolean
base_file_ensure_private_folder (const char *path, GError **error)
{
  struct stat st;

  /* Whatever mkdir() says, what counts is the folder that is there then. */
  if (mkdir (path, 0700) == 0 && !sync_folder_of (path, error))
    return FALSE;
  if (lstat (path, &st) < 0)
    return base_error_set_errno (error, errno, "cannot make folder %s (as uid %u)", path, (unsigned) geteuid ());
  if (!check_folder_owner (path, &st, error))
    return FALSE;
  if ((st.st_mode & 0777) != 0700 && chmod (path, 0700) < 0)
    return base_error_set_errno (error, errno, "folder %s has mode %04o instead of 0700", path, st.st_mode & 07777);
  return TRUE;
}

gboolean
base_file_lock (const char *path, int *ret_fd, GError **error)
{
  g_auto (FdGuard) fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd < 0)
    return base_error_set_errno (error, errno, "cannot open lock file %s", path);
  if (flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      if (errno != EWOULDBLOCK)
        return base_error_set_errno (error, errno, "cannot lock %s", path);
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_BUSY, "another tpmidd is running (it holds %s)", path);
      return FALSE;
    }
  *ret_fd = fd;
  fd = -1;
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIECE_SIZE 65536
/* A new file, before it gets its name: ".tpmidctl-" and 16 hex digits; how many names are tried. */
#define NEW_NAME_SIZE 32
#define NEW_TRIES 16

typedef int FdGuard;

static void
fd_guard_clear (FdGuard *fd)
{
  if (*fd > STDERR_FILENO)
    (void) close (*fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FdGuard, fd_guard_clear)

static gboolean
is_standard (const char *path)
{
  return path == NULL || g_str_equal (path, "-");
}

const char *
client_file_name (const char *path)
{
  if (g_str_equal (path, "-"))
    return "standard input";
  return path[0] != '\0' ? path : "\"\"";
}

static gboolean
fail (tpmid_error *error, int errsv, const char *what, const char *path)
{
  return client_error_set (error, CLIENT_ERROR_FILE, "cannot %s %s: %s", what, client_file_name (path), g_strerror (errsv));
}

static int
open_input (const char *path, tpmid_error *error)
{
  int fd = is_standard (path) ? STDIN_FILENO : open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

  if (fd < 0)
    fail (error, errno, "open", path);
  return fd;
}

static ssize_t
read_piece (int fd, guint8 *buffer, gsize size)
{
  ssize_t n;

  do
    n = read (fd, buffer, size);
  while (n < 0 && errno == EINTR);
  return n;
}

gboolean
client_file_stream (const char *path, ClientFileFunc func, gpointer user_data, tpmid_error *error)
{
  g_auto (FdGuard) fd = open_input (path, error);
  g_autofree guint8 *buffer = g_malloc (PIECE_SIZE);
  ssize_t n;

  if (fd < 0)
    return FALSE;
  while ((n = read_piece (fd, buffer, PIECE_SIZE)) > 0)
    if (!func (buffer, (gsize) n, user_data))
      return client_error_set (error, CLIENT_ERROR_FAILED, "cannot work on %s", client_file_name (path));
  return n == 0 ? TRUE : fail (error, errno, "read", path);
}

gboolean
client_file_read_secret (const char *path, gsize limit, ClientSecret *ret_content, tpmid_error *error)
{
  g_auto (FdGuard) fd = open_input (path, error);
  g_auto (ClientSecret) content = { .data = g_malloc (limit), .room = limit };
  ssize_t n = 1;

  if (fd < 0)
    return FALSE;
  while (content.size < limit && (n = read_piece (fd, content.data + content.size, limit - content.size)) > 0)
    content.size += (gsize) n;
  if (n < 0)
    return fail (error, errno, "read", path);
  *ret_content = content;
  content = (ClientSecret){ 0 };
  return TRUE;
}

gboolean
client_file_read_start (const char *path, gsize limit, GBytes **ret_content, tpmid_error *error)
{
  g_auto (ClientSecret) content = { 0 };

  if (!client_file_read_secret (path, limit, &content, error))
    return FALSE;
  *ret_content = g_bytes_new (content.data, content.size);
  return TRUE;
}

static gboolean
write_stdout (gconstpointer data, gsize size, tpmid_error *error)
{
  if (fwrite (data, 1, size, stdout) != size || fflush (stdout) != 0)
    return fail (error, errno, "write", "standard output");
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

gboolean
client_file_check_binary (const char *path, const char *what, tpmid_error *error)
{
  if (path != NULL || !isatty (STDOUT_FILENO))
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_USAGE,
                           "%s is binary, and standard output is a terminal; give --out FILE (--out - prints it all the same)", what);
}

static gboolean
finish_file (int fd, const char *path, int errsv, tpmid_error *error)
{
  if (close (fd) < 0 && errsv == 0)
    errsv = errno;
  return errsv == 0 ? TRUE : fail (error, errsv, "write", path);
}

gboolean
client_file_write (const char *path, gconstpointer data, gsize size, tpmid_error *error)
{
  if (is_standard (path))
    return write_stdout (data, size, error);

  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
  if (fd < 0)
    return fail (error, errno, "open", path);

  return finish_file (fd, path, write_all (fd, data, size) ? 0 : errno, error);
}

/* Place: where a path leads: a name in an open folder */
typedef struct Place
{
  const char *path;
  const char *name;
  FdGuard folder;
} Place;

static void
place_clear (Place *place)
{
  fd_guard_clear (&place->folder);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

static gboolean
open_place (const char *path, Place *ret_place, tpmid_error *error)
{
  const char *slash = strrchr (path, '/');
  g_autofree char *folder = slash == NULL ? g_strdup (".") : g_strndup (path, (gsize) (slash - path) + 1);
  int fd = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return fail (error, errno, "open the folder of", path);
  *ret_place = (Place){ path, slash == NULL ? path : slash + 1, fd };
  return TRUE;
}

/* /dev/stdout, /dev/fd/3 and what they lead to: names of root and the kernel, which nobody else puts there. */
static gboolean
is_system_folder (int folder)
{
  struct statfs fs;
  struct stat st, dev;

  if (fstatfs (folder, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
    return TRUE;
  return fstat (folder, &st) == 0 && stat ("/dev", &dev) == 0 && st.st_dev == dev.st_dev && st.st_ino == dev.st_ino;
}

static gboolean
is_replaced (const Place *place)
{
  struct stat st;

  if (fstatat (place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT && place->name[0] != '\0';
  return S_ISREG (st.st_mode) || S_ISLNK (st.st_mode);
}

/* The rule of fs.protected_fifos (proc(5)), which not every device has set: who waits at a FIFO in /tmp is not always who was
   meant. */
static gboolean
is_of_a_stranger (const struct stat *fifo, int folder)
{
  struct stat st;

  if (fstat (folder, &st) < 0)
    return TRUE;
  return (st.st_mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH) && fifo->st_uid != geteuid () && fifo->st_uid != st.st_uid;
}

/* A regular file is one that standard output or another descriptor of ours leads to, or it was put there meanwhile. */
static int
judge_open (const Place *place, int fd, gboolean is_system)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return errno;
  if (S_ISFIFO (st.st_mode) && !is_system && is_of_a_stranger (&st, place->folder))
    return EACCES;
  if (!S_ISREG (st.st_mode))
    return 0;
  if (!is_system)
    return EEXIST;
  return fchmod (fd, 0600) < 0 || ftruncate (fd, 0) < 0 ? errno : 0;
}

static gboolean
write_to_open (const Place *place, gboolean is_system, const ClientSecret *content, tpmid_error *error)
{
  int fd = openat (place->folder, place->name, O_WRONLY | O_CLOEXEC | O_NOCTTY | (is_system ? 0 : O_NOFOLLOW));

  if (fd < 0)
    return fail (error, errno, "open", place->path);

  int errsv = judge_open (place, fd, is_system);
  if (errsv == 0 && !write_all (fd, content->data, content->size))
    errsv = errno;
  return finish_file (fd, place->path, errsv, error);
}

static int
open_new (int folder, char name[NEW_NAME_SIZE])
{
  int fd = -1;

  for (int i = 0; i < NEW_TRIES && fd < 0 && (i == 0 || errno == EEXIST); i++)
    {
      g_snprintf (name, NEW_NAME_SIZE, ".tpmidctl-%08x%08x", g_random_int (), g_random_int ());
      fd = openat (folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
  return fd;
}

/* Whoever made the file that was there, or has it open, or made a link of its name, has no part in the new one. */
static gboolean
write_and_replace (const Place *place, const ClientSecret *content, tpmid_error *error)
{
  char name[NEW_NAME_SIZE];
  int fd = open_new (place->folder, name);

  if (fd < 0)
    return fail (error, errno, "make a file in the folder of", place->path);

  gboolean good = fchmod (fd, 0600) == 0 && write_all (fd, content->data, content->size) && fsync (fd) == 0;
  good = finish_file (fd, place->path, good ? 0 : errno, error);
  if (good && renameat (place->folder, name, place->folder, place->name) < 0)
    good = fail (error, errno, "write", place->path);
  if (!good)
    (void) unlinkat (place->folder, name, 0);
  return good;
}

gboolean
client_file_write_secret (const char *path, const ClientSecret *content, tpmid_error *error)
{
  if (is_standard (path))
    {
      if (fflush (stdout) != 0 || !write_all (STDOUT_FILENO, content->data, content->size))
        return fail (error, errno, "write", "standard output");
      return TRUE;
    }

  g_auto (Place) place = { .folder = -1 };
  if (!open_place (path, &place, error))
    return FALSE;

  gboolean is_system = is_system_folder (place.folder);
  if (!is_system && is_replaced (&place))
    return write_and_replace (&place, content, error);
  return write_to_open (&place, is_system, content, error);
}

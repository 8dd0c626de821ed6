/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_SIZE 65536

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

static gboolean
fail (tpmid_error *error, int errsv, const char *what, const char *path)
{
  return client_error_set (error, CLIENT_ERROR_FILE, "cannot %s %s: %s", what, path, g_strerror (errsv));
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
      return client_error_set (error, CLIENT_ERROR_FAILED, "cannot work on %s", path);
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

/* Truncated only now: a file that must not be taken keeps what is in it. */
static int
make_private (int fd)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return errno;
  if (S_ISREG (st.st_mode) && (fchmod (fd, 0600) < 0 || ftruncate (fd, 0) < 0))
    return errno;
  return 0;
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

  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd < 0)
    return fail (error, errno, "open", path);

  int errsv = make_private (fd);
  if (errsv == 0 && !write_all (fd, content->data, content->size))
    errsv = errno;
  return finish_file (fd, path, errsv, error);
}

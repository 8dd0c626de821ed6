/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preloaded into tpmidd: stands in for the functions of the C library that send a TPM command or change a file, so that each
 * becomes an event of crash-events.h. What changes a file in another way is noticed by the driver, which compares the folders. */

/* Else open() and open64() would be two declarations of the same symbol. */
#undef _FILE_OFFSET_BITS

#include "crash-events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t
write_vector (int fd, const struct iovec *vector, int n)
{
  char saved[PATH_MAX];
  CrashPlace place;

  if (!crash_find_fd (fd, &place))
    {
      ssize_t sent = syscall (SYS_writev, fd, vector, n);
      if (sent > 0)
        crash_note_command (fd, vector[0].iov_base, vector[0].iov_len);
      return sent;
    }
  crash_enter ();
  crash_save_content (&place, saved);
  ssize_t written = syscall (SYS_writev, fd, vector, n);
  if (written >= 0)
    crash_leave ("write\t%lu\t%s\t%s", place.inode, crash_name_of (saved), place.path);
  else
    crash_leave_quietly ();
  return written;
}

ssize_t
write (int fd, const void *data, size_t size)
{
  const struct iovec vector = { .iov_base = (void *) (uintptr_t) data, .iov_len = size };

  return write_vector (fd, &vector, 1);
}

ssize_t
writev (int fd, const struct iovec *vector, int n)
{
  return write_vector (fd, vector, n);
}

ssize_t
send (int fd, const void *data, size_t size, int flags)
{
  ssize_t sent = syscall (SYS_sendto, fd, data, size, flags, NULL, 0);

  if (sent > 0)
    crash_note_command (fd, data, size);
  return sent;
}

static int
open_place (int folder, const char *path, int flags, mode_t mode)
{
  char saved[PATH_MAX] = "";
  CrashPlace place;

  if ((flags & (O_CREAT | O_TRUNC)) == 0 || !crash_find (folder, path, &place))
    return (int) syscall (SYS_openat, folder, path, flags, mode);
  crash_enter ();
  crash_look (&place);
  bool is_cut = place.exists && (flags & O_TRUNC) != 0;
  if (is_cut)
    crash_save_content (&place, saved);
  int fd = (int) syscall (SYS_openat, folder, path, flags, mode);
  if (fd >= 0 && is_cut)
    crash_leave ("write\t%lu\t%s\t%s", place.inode, crash_name_of (saved), place.path);
  else if (fd >= 0 && !place.exists)
    {
      crash_look (&place);
      crash_set_dirty (&place);
      crash_leave ("create\t%lu\t%s", place.inode, place.path);
    }
  else
    crash_leave_quietly ();
  return fd;
}

static mode_t
read_mode (int flags, va_list list)
{
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg (list, mode_t) : 0;
}

#define DEFINE_OPEN(name)                                                                                             \
  int name (const char *path, int flags, ...)                                                                         \
  {                                                                                                                   \
    va_list list;                                                                                                     \
    va_start (list, flags);                                                                                           \
    mode_t mode = read_mode (flags, list);                                                                            \
    va_end (list);                                                                                                    \
    return open_place (AT_FDCWD, path, flags, mode);                                                                  \
  }
#define DEFINE_OPENAT(name)                                                                                           \
  int name (int folder, const char *path, int flags, ...)                                                             \
  {                                                                                                                   \
    va_list list;                                                                                                     \
    va_start (list, flags);                                                                                           \
    mode_t mode = read_mode (flags, list);                                                                            \
    va_end (list);                                                                                                    \
    return open_place (folder, path, flags, mode);                                                                    \
  }
#define DEFINE_CREAT(name)                                                                                            \
  int name (const char *path, mode_t mode) { return open_place (AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
DEFINE_OPEN (open)
DEFINE_OPEN (open64)
DEFINE_OPENAT (openat)
DEFINE_OPENAT (openat64)
DEFINE_CREAT (creat)
DEFINE_CREAT (creat64)

static int
sync_fd (int fd, long number)
{
  CrashPlace place;

  if (!crash_find_fd (fd, &place))
    return (int) syscall (number, fd);
  if (crash_is_swallowed (&place))
    return 0;
  crash_enter ();
  int result = (int) syscall (number, fd);
  if (result < 0)
    {
      crash_leave_quietly ();
      return result;
    }
  crash_set_clean (place.inode);
  crash_leave ("%s\t%lu\t%s", place.is_folder ? "sync-folder" : "sync", place.inode, place.path);
  return result;
}

int
fsync (int fd)
{
  return sync_fd (fd, SYS_fsync);
}

int
fdatasync (int fd)
{
  return sync_fd (fd, SYS_fdatasync);
}

/* A rename that fails although its target was saved by moving it puts the target back. */
static int
rename_saving (const CrashPlace *from, const CrashPlace *to, unsigned flags, char saved[PATH_MAX])
{
  saved[0] = '\0';
  if (flags == 0)
    crash_save_file (to, saved);
  int result = (int) syscall (SYS_renameat2, AT_FDCWD, from->path, AT_FDCWD, to->path, flags);
  int errsv = errno;
  if (result < 0 && saved[0] != '\0')
    (void) syscall (SYS_renameat2, AT_FDCWD, saved, AT_FDCWD, to->path, 0);
  errno = errsv;
  return result;
}

int
renameat2 (int old_folder, const char *old, int new_folder, const char *new, unsigned flags)
{
  char saved[PATH_MAX];
  CrashPlace from, to;

  bool is_from_ours = crash_find (old_folder, old, &from);
  bool is_to_ours = crash_find (new_folder, new, &to);
  if (!is_from_ours || !is_to_ours)
    {
      if (is_from_ours || is_to_ours)
        crash_note_bad ("rename", is_from_ours ? from.path : to.path);
      return (int) syscall (SYS_renameat2, old_folder, old, new_folder, new, flags);
    }
  crash_enter ();
  crash_look (&to);
  int result = rename_saving (&from, &to, flags, saved);
  if (result == 0)
    crash_leave ("%s\t%s\t%s\t%s", (flags & RENAME_EXCHANGE) != 0 ? "exchange" : "rename", crash_name_of (saved), from.path,
                 to.path);
  else
    crash_leave_quietly ();
  return result;
}

int
renameat (int old_folder, const char *old, int new_folder, const char *new)
{
  return renameat2 (old_folder, old, new_folder, new, 0);
}

int
rename (const char *old, const char *new)
{
  return renameat2 (AT_FDCWD, old, AT_FDCWD, new, 0);
}

int
unlinkat (int folder, const char *path, int flags)
{
  char saved[PATH_MAX];
  CrashPlace place;

  if (!crash_find (folder, path, &place))
    return (int) syscall (SYS_unlinkat, folder, path, flags);
  crash_enter ();
  crash_look (&place);
  crash_save_file (&place, saved);
  int result = (int) syscall (SYS_unlinkat, AT_FDCWD, place.path, flags);
  if (result < 0 && errno == ENOENT && saved[0] != '\0')
    result = 0;
  if (result < 0)
    crash_leave_quietly ();
  else if ((flags & AT_REMOVEDIR) != 0)
    crash_leave ("rmdir\t%s", place.path);
  else
    crash_leave ("unlink\t%s\t%s", crash_name_of (saved), place.path);
  return result;
}

int
unlink (const char *path)
{
  return unlinkat (AT_FDCWD, path, 0);
}

int
rmdir (const char *path)
{
  return unlinkat (AT_FDCWD, path, AT_REMOVEDIR);
}

int
remove (const char *path)
{
  int result = unlinkat (AT_FDCWD, path, 0);

  return result < 0 && (errno == EISDIR || errno == EPERM) ? rmdir (path) : result;
}

int
mkdirat (int folder, const char *path, mode_t mode)
{
  CrashPlace place;

  if (!crash_find (folder, path, &place))
    return (int) syscall (SYS_mkdirat, folder, path, mode);
  crash_enter ();
  int result = (int) syscall (SYS_mkdirat, folder, path, mode);
  if (result == 0)
    crash_leave ("mkdir\t%s", place.path);
  else
    crash_leave_quietly ();
  return result;
}

int
mkdir (const char *path, mode_t mode)
{
  return mkdirat (AT_FDCWD, path, mode);
}

int
linkat (int old_folder, const char *old, int new_folder, const char *new, int flags)
{
  CrashPlace from, to;

  if (!crash_find (new_folder, new, &to) || !crash_find (old_folder, old, &from))
    return (int) syscall (SYS_linkat, old_folder, old, new_folder, new, flags);
  crash_enter ();
  int result = (int) syscall (SYS_linkat, old_folder, old, new_folder, new, flags);
  if (result == 0)
    crash_leave ("link\t-\t%s\t%s", from.path, to.path);
  else
    crash_leave_quietly ();
  return result;
}

int
link (const char *old, const char *new)
{
  return linkat (AT_FDCWD, old, AT_FDCWD, new, 0);
}

int
fchmod (int fd, mode_t mode)
{
  CrashPlace place;

  if (!crash_find_fd (fd, &place))
    return (int) syscall (SYS_fchmod, fd, mode);
  crash_enter ();
  int result = (int) syscall (SYS_fchmod, fd, mode);
  if (result == 0)
    crash_leave ("chmod\t%s", place.path);
  else
    crash_leave_quietly ();
  return result;
}

int
chmod (const char *path, mode_t mode)
{
  CrashPlace place;

  if (!crash_find (AT_FDCWD, path, &place))
    return (int) syscall (SYS_fchmodat, AT_FDCWD, path, mode);
  crash_enter ();
  int result = (int) syscall (SYS_fchmodat, AT_FDCWD, path, mode);
  if (result == 0)
    crash_leave ("chmod\t%s", place.path);
  else
    crash_leave_quietly ();
  return result;
}

static int
cut_fd (int fd, off_t size)
{
  char saved[PATH_MAX];
  CrashPlace place;

  if (!crash_find_fd (fd, &place))
    return (int) syscall (SYS_ftruncate, fd, size);
  crash_enter ();
  crash_save_content (&place, saved);
  int result = (int) syscall (SYS_ftruncate, fd, size);
  if (result == 0)
    crash_leave ("write\t%lu\t%s\t%s", place.inode, crash_name_of (saved), place.path);
  else
    crash_leave_quietly ();
  return result;
}

int
ftruncate (int fd, off_t size)
{
  return cut_fd (fd, size);
}

int
ftruncate64 (int fd, off64_t size)
{
  return cut_fd (fd, size);
}

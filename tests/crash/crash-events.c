/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash-events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOTS_MAX 8
#define DIRTY_MAX 256
#define LINE_SIZE (2 * PATH_MAX + 128)
#define ANSWER_LIMIT_MS 60000
#define COMMAND_HEADER_SIZE 10 /* tag, size, code: TPM 2.0 Library Part 1, 18 */

typedef enum
{
  EVENT_TPM,
  EVENT_FILE,
  N_EVENTS
} Event;

static const char *const event_names[N_EVENTS] = { "tpm", "file" };

static struct
{
  int log_fd; /* -1: nothing is done */
  const char *tpm, *save, *gate, *swallow;
  char roots[ROOTS_MAX][PATH_MAX];
  int n_roots;
  bool is_open; /* the gate */
  Event kill_event;
  unsigned kill_number; /* 0: never */
  unsigned counts[N_EVENTS];
  unsigned n_saved;
  ino_t dirty[DIRTY_MAX];
  int n_dirty;
} shim = { .log_fd = -1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
add_roots (const char *list)
{
  while (list != NULL && *list != '\0' && shim.n_roots < ROOTS_MAX)
    {
      size_t size = strcspn (list, ":");
      (void) snprintf (shim.roots[shim.n_roots++], PATH_MAX, "%.*s", (int) size, list);
      list += size + (list[size] == ':');
    }
}

static void
set_target (const char *text)
{
  for (int event = 0; text != NULL && event < N_EVENTS; event++)
    {
      size_t size = strlen (event_names[event]);
      if (strncmp (text, event_names[event], size) == 0 && text[size] == ':')
        {
          shim.kill_event = (Event) event;
          shim.kill_number = (unsigned) strtoul (text + size + 1, NULL, 10);
        }
    }
}

__attribute__ ((constructor)) static void
begin_shim (void)
{
  const char *log = getenv ("TPMID_CRASH_LOG");

  if (log == NULL)
    return;
  shim.tpm = getenv ("TPMID_CRASH_TPM");
  shim.save = getenv ("TPMID_CRASH_SAVE");
  shim.gate = getenv ("TPMID_CRASH_GATE");
  shim.swallow = getenv ("TPMID_CRASH_SWALLOW");
  add_roots (getenv ("TPMID_CRASH_ROOTS"));
  set_target (getenv ("TPMID_CRASH_AT"));
  shim.log_fd = (int) syscall (SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
}

/* The log */

__attribute__ ((format (printf, 1, 2))) static void
print (const char *format, ...)
{
  char line[LINE_SIZE];
  va_list list;

  va_start (list, format);
  int size = vsnprintf (line, sizeof line, format, list);
  va_end (list);
  if (size > 0 && (size_t) size < sizeof line && syscall (SYS_write, shim.log_fd, line, (size_t) size) == size)
    return;
  (void) syscall (SYS_write, shim.log_fd, "bad\tlog\t-\n", 10);
}

static unsigned
count (Event event)
{
  if (!shim.is_open)
    shim.is_open = shim.gate == NULL || access (shim.gate, F_OK) == 0;
  return shim.is_open ? ++shim.counts[event] : 0;
}

/* The lock is held, and never given back: no other thread does one thing more. */
static void
die_if_told (Event event, unsigned number)
{
  if (number == 0 || event != shim.kill_event || number != shim.kill_number)
    return;
  print ("crash\t%s\t%u\n", event_names[event], number);
  for (;;)
    (void) syscall (SYS_kill, getpid (), SIGKILL);
}

void
crash_enter (void)
{
  (void) pthread_mutex_lock (&lock);
}

void
crash_leave_quietly (void)
{
  int errsv = errno;

  (void) pthread_mutex_unlock (&lock);
  errno = errsv;
}

void
crash_leave (const char *format, ...)
{
  char text[LINE_SIZE - 64];
  int errsv = errno;
  va_list list;

  va_start (list, format);
  (void) vsnprintf (text, sizeof text, format, list);
  va_end (list);
  unsigned number = count (EVENT_FILE);
  print ("file\t%u\t%s\n", number, text);
  die_if_told (EVENT_FILE, number);
  errno = errsv;
  crash_leave_quietly ();
}

void
crash_note_bad (const char *what, const char *path)
{
  print ("bad\t%s\t%s\n", what, path);
}

/* What is touched */

static bool
is_ours (const char *path)
{
  for (int i = 0; i < shim.n_roots; i++)
    {
      size_t size = strlen (shim.roots[i]);
      if (strncmp (path, shim.roots[i], size) == 0 && (path[size] == '/' || path[size] == '\0'))
        return true;
    }
  return false;
}

void
crash_look (CrashPlace *place)
{
  struct stat st;

  place->exists = lstat (place->path, &st) == 0;
  place->is_folder = place->exists && S_ISDIR (st.st_mode);
  place->inode = place->exists ? st.st_ino : 0;
}

static bool
read_fd_path (int fd, char path[PATH_MAX])
{
  char link[64];

  (void) snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink (link, path, PATH_MAX - 1);
  if (size <= 0)
    return false;
  path[size] = '\0';
  return path[0] == '/';
}

/* The folder without links, and the name in it as it is. */
static bool
find_path (int folder, const char *path, CrashPlace *place)
{
  char whole[2 * PATH_MAX], parent[PATH_MAX];

  if (shim.log_fd < 0 || path == NULL)
    return false;
  if (path[0] == '/')
    (void) snprintf (whole, sizeof whole, "%s", path);
  else if (folder == AT_FDCWD ? getcwd (parent, sizeof parent) != NULL : read_fd_path (folder, parent))
    (void) snprintf (whole, sizeof whole, "%s/%s", parent, path);
  else
    return false;

  char *slash = strrchr (whole, '/');
  *slash = '\0';
  if (realpath (slash == whole ? "/" : whole, parent) == NULL)
    return false;
  int size = snprintf (place->path, sizeof place->path, "%s/%s", parent, slash + 1);
  return size > 0 && (size_t) size < sizeof place->path && is_ours (place->path);
}

bool
crash_find (int folder, const char *path, CrashPlace *place)
{
  int errsv = errno;
  bool found = find_path (folder, path, place);

  errno = errsv;
  return found;
}

bool
crash_find_fd (int fd, CrashPlace *place)
{
  int errsv = errno;
  struct stat st;
  bool found = shim.log_fd >= 0 && read_fd_path (fd, place->path) && is_ours (place->path) && fstat (fd, &st) == 0;

  if (found)
    {
      place->exists = true;
      place->is_folder = S_ISDIR (st.st_mode);
      place->inode = st.st_ino;
    }
  errno = errsv;
  return found;
}

/* What a power cut would bring back */

static void
next_saved (char name[PATH_MAX])
{
  (void) snprintf (name, PATH_MAX, "%s/%u", shim.save, ++shim.n_saved);
}

const char *
crash_name_of (const char *path)
{
  return path[0] != '\0' ? strrchr (path, '/') + 1 : "-";
}

/* A file of somebody else may not be linked; it is moved, which the caller was about to do. */
void
crash_save_file (const CrashPlace *place, char saved[PATH_MAX])
{
  saved[0] = '\0';
  if (!place->exists || place->is_folder || shim.save == NULL)
    return;
  next_saved (saved);
  if (syscall (SYS_linkat, AT_FDCWD, place->path, AT_FDCWD, saved, 0) != 0
      && syscall (SYS_renameat2, AT_FDCWD, place->path, AT_FDCWD, saved, 0) != 0)
    {
      crash_note_bad ("save", place->path);
      saved[0] = '\0';
    }
}

static int
find_dirty (ino_t inode)
{
  for (int i = 0; i < shim.n_dirty; i++)
    if (shim.dirty[i] == inode)
      return i;
  return -1;
}

void
crash_set_dirty (const CrashPlace *place)
{
  if (shim.n_dirty < DIRTY_MAX)
    shim.dirty[shim.n_dirty++] = place->inode;
  else
    crash_note_bad ("dirty", place->path);
}

void
crash_set_clean (ino_t inode)
{
  int at = find_dirty (inode);

  if (at >= 0)
    shim.dirty[at] = shim.dirty[--shim.n_dirty];
}

static bool
copy (const char *from, const char *to)
{
  char data[4096];
  int in = (int) syscall (SYS_openat, AT_FDCWD, from, O_RDONLY | O_CLOEXEC, 0);
  int out = (int) syscall (SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ssize_t size = -1;

  while (in >= 0 && out >= 0 && (size = read (in, data, sizeof data)) > 0)
    if (syscall (SYS_write, out, data, (size_t) size) != size)
      break;
  if (in >= 0)
    (void) close (in);
  if (out >= 0)
    (void) close (out);
  return size == 0;
}

void
crash_save_content (const CrashPlace *place, char saved[PATH_MAX])
{
  saved[0] = '\0';
  if (find_dirty (place->inode) >= 0 || shim.save == NULL)
    return;
  crash_set_dirty (place);
  next_saved (saved);
  if (!copy (place->path, saved))
    {
      crash_note_bad ("copy", place->path);
      saved[0] = '\0';
    }
}

static bool
is_tpm (int fd)
{
  struct sockaddr_un peer;
  socklen_t size = sizeof peer;
  int errsv = errno;
  bool found = shim.log_fd >= 0 && shim.tpm != NULL && getpeername (fd, (struct sockaddr *) &peer, &size) == 0
               && peer.sun_family == AF_UNIX && strncmp (peer.sun_path, shim.tpm, sizeof peer.sun_path) == 0;

  errno = errsv;
  return found;
}

void
crash_note_command (int fd, const void *data, size_t size)
{
  struct pollfd answer = { .fd = fd, .events = POLLIN };
  const unsigned char *command = data;
  int errsv = errno;
  unsigned code = 0;

  if (!is_tpm (fd))
    return;
  (void) poll (&answer, 1, ANSWER_LIMIT_MS);
  for (size_t i = 6; size >= COMMAND_HEADER_SIZE && i < COMMAND_HEADER_SIZE; i++)
    code = code << 8 | command[i];
  crash_enter ();
  unsigned number = count (EVENT_TPM);
  print ("tpm\t%u\t%08x\n", number, code);
  die_if_told (EVENT_TPM, number);
  errno = errsv;
  crash_leave_quietly ();
}

bool
crash_is_swallowed (const CrashPlace *place)
{
  return shim.swallow != NULL && strcmp (shim.swallow, place->is_folder ? "folder" : "file") == 0;
}

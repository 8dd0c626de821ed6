/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* Tag, size, code: TPM 2.0 Library Part 1, 18. */
#define HEADER_SIZE 10
#define MESSAGE_SIZE 4096
#define SHORT_SIZE 5

typedef struct
{
  TestSpoil spoil;
  guint nth, times; /* nothing is spoiled when times is 0 */
  guint32 code;
} Plan;

/* The first of what a proxy of terminals waits for; behind them the far ends of terminals that programs have open. */
enum
{
  ROW_STOP,
  ROW_NEXT, /* far end of the terminal under the name, which the next program opens */
};

struct TestProxy
{
  TestProxyFront front;
  char *path, *tpm, *tcti;
  int fd;       /* the socket that listens */
  int node;     /* near end of the terminal under the name, held open: this is what the name stands for */
  GArray *rows; /* of struct pollfd */
  int stop[2];
  GThread *thread;

  GMutex mutex;
  Plan plan;
  guint commands, spoiled;
  GByteArray *record; /* NULL while nothing is recorded */
};

static guint32
get_be32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_BE (value);
}

static void
put_be32 (guint8 *bytes, guint32 value)
{
  value = GUINT32_TO_BE (value);
  memcpy (bytes, &value, sizeof value);
}

static struct sockaddr_un
address_of (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <, sizeof address.sun_path);
  return address;
}

static int
new_socket (void)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static void
open_socket (TestProxy *self)
{
  struct sockaddr_un address = address_of (self->path);
  g_autofree char *control = g_strconcat (self->path, ".ctrl", NULL);
  g_autofree char *target = g_strconcat (self->tpm, ".ctrl", NULL);

  self->fd = new_socket ();
  g_assert_no_errno (bind (self->fd, (struct sockaddr *) &address, sizeof address));
  g_assert_no_errno (listen (self->fd, 8));
  g_assert_no_errno (symlink (target, control));
}

/* Makes a terminal and gives it the name: its near end gets the number of the one before it, and no file system takes its
 * time with that. The far end. */
static int
open_terminal (TestProxy *self)
{
  char name[64];
  struct termios mode;
  int fd = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_no_errno (unlockpt (fd));
  g_assert_cmpint (ptsname_r (fd, name, sizeof name), ==, 0);
  int node = open (name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (node, >=, 0);
  g_assert_no_errno (tcgetattr (node, &mode));
  cfmakeraw (&mode);
  g_assert_no_errno (tcsetattr (node, TCSANOW, &mode));
  if (self->node < 0)
    self->node = node;
  else
    {
      g_assert_cmpint (dup3 (node, self->node, O_CLOEXEC), ==, self->node);
      g_assert_no_errno (close (node));
    }
  return fd;
}

static guint
add_row (TestProxy *self, int fd)
{
  struct pollfd row = { .fd = fd, .events = POLLIN };

  g_array_append_val (self->rows, row);
  return self->rows->len - 1;
}

static gboolean
wait_for (TestProxy *self, int fd)
{
  struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = self->stop[0], .events = POLLIN } };

  g_assert_cmpint (TEMP_FAILURE_RETRY (poll (fds, G_N_ELEMENTS (fds), -1)), >, 0);
  return fds[1].revents == 0;
}

static gboolean
read_all (TestProxy *self, int fd, guint8 *buffer, gsize size)
{
  for (gsize at = 0; at < size;)
    {
      if (!wait_for (self, fd))
        return FALSE;
      gssize n = TEMP_FAILURE_RETRY (read (fd, buffer + at, size - at));
      if (n <= 0)
        return FALSE;
      at += (gsize) n;
    }
  return TRUE;
}

/* A command or an answer; 0 when the other side is gone, or the proxy is to stop. */
static gsize
read_message (TestProxy *self, int fd, guint8 buffer[MESSAGE_SIZE])
{
  if (!read_all (self, fd, buffer, HEADER_SIZE))
    return 0;
  gsize size = get_be32 (buffer + 2);
  g_assert_cmpuint (size, >=, HEADER_SIZE);
  g_assert_cmpuint (size, <=, MESSAGE_SIZE);
  return read_all (self, fd, buffer + HEADER_SIZE, size - HEADER_SIZE) ? size : 0;
}

static gboolean
write_message (int fd, const guint8 *buffer, gsize size)
{
  return TEMP_FAILURE_RETRY (write (fd, buffer, size)) == (gssize) size; /* without SIGPIPE: see test-swtpm.c */
}

/* One connection for each command, as the TCTI of swtpm does, so that others can use the TPM in between. */
static gsize
ask_tpm (TestProxy *self, const guint8 *command, gsize size, guint8 answer[MESSAGE_SIZE])
{
  struct sockaddr_un address = address_of (self->tpm);
  int fd = new_socket ();
  gsize answered = 0;

  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0 && write_message (fd, command, size))
    answered = read_message (self, fd, answer);
  g_assert_no_errno (close (fd));
  return answered;
}

/* Whether the answer to this command is one to be spoiled. */
static gboolean
take_plan (TestProxy *self, Plan *ret_plan)
{
  g_mutex_lock (&self->mutex);
  *ret_plan = self->plan;
  self->commands++;
  gboolean now = self->plan.times > 0 && self->plan.nth <= 1;
  if (self->plan.nth > 1)
    self->plan.nth--;
  else if (now)
    self->plan.times--;
  g_mutex_unlock (&self->mutex);
  return now;
}

static void
count_spoiled (TestProxy *self)
{
  g_mutex_lock (&self->mutex);
  self->spoiled++;
  g_mutex_unlock (&self->mutex);
}

static void
record (TestProxy *self, const guint8 *message, gsize size)
{
  g_mutex_lock (&self->mutex);
  if (self->record != NULL)
    g_byte_array_append (self->record, message, (guint) size);
  g_mutex_unlock (&self->mutex);
}

/* The same in each run. */
static void
fill_with_noise (guint8 *bytes, gsize size)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) size);

  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) g_rand_int (rand);
}

static gsize
spoil (const Plan *plan, guint8 *answer, gsize size)
{
  switch (plan->spoil)
    {
    case TEST_SPOIL_NOTHING:
      return 0;
    case TEST_SPOIL_SHORT:
      return SHORT_SIZE;
    case TEST_SPOIL_CUT:
      return size - 1;
    case TEST_SPOIL_LARGE:
      put_be32 (answer + 2, (guint32) size + 1);
      return size;
    case TEST_SPOIL_SMALL:
      put_be32 (answer + 2, HEADER_SIZE - 1);
      return size;
    case TEST_SPOIL_HUGE:
      put_be32 (answer + 2, G_MAXUINT32);
      return size;
    case TEST_SPOIL_TAG:
      answer[0] = 0x12;
      return size;
    case TEST_SPOIL_BODY:
      fill_with_noise (answer + HEADER_SIZE, size - HEADER_SIZE);
      return size;
    case TEST_SPOIL_GARBAGE:
      fill_with_noise (answer, size);
      return size;
    case TEST_SPOIL_BIT:
      answer[plan->code] ^= 1;
      return size;
    case TEST_SPOIL_CODE:
    case TEST_N_SPOILS:
      break;
    }
  g_assert_not_reached ();
}

static gsize
refuse (const Plan *plan, guint8 *answer)
{
  static const guint8 refusal[HEADER_SIZE] = { 0x80, 0x01, 0, 0, 0, HEADER_SIZE };

  memcpy (answer, refusal, HEADER_SIZE);
  put_be32 (answer + 6, plan->code);
  return HEADER_SIZE;
}

static gboolean
has_nothing_to_spoil (const Plan *plan, gsize size)
{
  return (plan->spoil == TEST_SPOIL_BODY && size == HEADER_SIZE) || (plan->spoil == TEST_SPOIL_BIT && size <= plan->code);
}

/* @ret_broken: what is given back is no message, nobody can tell where it ends. */
static gsize
make_answer (TestProxy *self, const guint8 *command, gsize size, guint8 answer[MESSAGE_SIZE], gboolean *ret_broken)
{
  Plan plan;
  gboolean now = take_plan (self, &plan);

  *ret_broken = FALSE;
  if (now && plan.spoil == TEST_SPOIL_CODE)
    {
      count_spoiled (self);
      return refuse (&plan, answer);
    }
  size = ask_tpm (self, command, size, answer);
  if (!now || size == 0 || has_nothing_to_spoil (&plan, size))
    return size;
  count_spoiled (self);
  *ret_broken = TRUE;
  return spoil (&plan, answer, size);
}

/* Serves one command; %FALSE when the connection has to end. */
static gboolean
serve (TestProxy *self, int fd)
{
  guint8 command[MESSAGE_SIZE], answer[MESSAGE_SIZE];
  gboolean broken;
  gsize size = read_message (self, fd, command);

  if (size == 0)
    return FALSE;
  record (self, command, size);
  size = make_answer (self, command, size, answer, &broken);
  record (self, answer, size);
  if (size == 0 || !write_message (fd, answer, size))
    return FALSE;
  /* On a socket a reader would wait for what is missing; a device gives what it has. */
  return !broken || self->front == TEST_PROXY_DEVICE;
}

static void
serve_connection (TestProxy *self)
{
  int fd = TEMP_FAILURE_RETRY (accept4 (self->fd, NULL, NULL, SOCK_CLOEXEC));

  g_assert_cmpint (fd, >=, 0);
  while (serve (self, fd))
    continue;
  g_assert_no_errno (close (fd));
}

/* The first of the rows that has something; a TPM serves one command at a time. */
static guint
wait_for_row (TestProxy *self)
{
  struct pollfd *rows = (struct pollfd *) self->rows->data;
  guint row = 0;

  g_assert_cmpint (TEMP_FAILURE_RETRY (poll (rows, self->rows->len, -1)), >, 0);
  while (rows[row].revents == 0)
    row++;
  return row;
}

/* The program that has the terminal under the name keeps it, and the next one gets another before this one has its answer.
 * So nobody finds what somebody else has not read, as each opening of a device has a buffer of its own; emptying that of a
 * terminal instead, while a program polls it, can tell the program for a moment that there is something to read. */
static guint
hand_over_terminal (TestProxy *self)
{
  int fd = g_array_index (self->rows, struct pollfd, ROW_NEXT).fd;

  g_array_index (self->rows, struct pollfd, ROW_NEXT).fd = open_terminal (self);
  return add_row (self, fd);
}

static void
serve_terminals (TestProxy *self)
{
  for (guint row = wait_for_row (self); row != ROW_STOP; row = wait_for_row (self))
    {
      if (row == ROW_NEXT)
        row = hand_over_terminal (self);
      int fd = g_array_index (self->rows, struct pollfd, row).fd;
      if (serve (self, fd))
        continue;
      g_assert_no_errno (close (fd));
      g_array_remove_index (self->rows, row);
    }
}

static gpointer
run (gpointer data)
{
  TestProxy *self = (TestProxy *) data;

  if (self->front == TEST_PROXY_DEVICE)
    serve_terminals (self);
  else
    while (wait_for (self, self->fd))
      serve_connection (self);
  return NULL;
}

TestProxy *
test_proxy_new (TestProxyFront front, const char *path, const char *tpm)
{
  TestProxy *self = g_new0 (TestProxy, 1);

  self->front = front;
  self->path = g_strdup (path);
  self->tpm = g_strdup (tpm);
  self->node = -1;
  g_mutex_init (&self->mutex);
  g_assert_true (g_unix_open_pipe (self->stop, FD_CLOEXEC, NULL));
  if (front == TEST_PROXY_DEVICE)
    {
      (void) signal (SIGHUP, SIG_IGN);
      self->rows = g_array_new (FALSE, FALSE, sizeof (struct pollfd));
      (void) add_row (self, self->stop[0]);
      (void) add_row (self, open_terminal (self));
      self->tcti = g_strdup_printf ("device:/proc/self/fd/%d", self->node);
    }
  else
    {
      open_socket (self);
      self->tcti = g_strconcat ("swtpm:path=", path, NULL);
    }
  self->thread = g_thread_new ("proxy", run, self);
  return self;
}

static void
close_terminals (TestProxy *self)
{
  for (guint row = ROW_NEXT; row < self->rows->len; row++)
    g_assert_no_errno (close (g_array_index (self->rows, struct pollfd, row).fd));
  g_assert_no_errno (close (self->node));
  g_array_unref (self->rows);
}

static void
close_socket (TestProxy *self)
{
  g_autofree char *control = g_strconcat (self->path, ".ctrl", NULL);

  g_assert_no_errno (close (self->fd));
  g_assert_no_errno (g_unlink (self->path));
  g_assert_no_errno (g_unlink (control));
}

void
test_proxy_free (TestProxy *self)
{
  if (self == NULL)
    return;
  g_assert_no_errno (close (self->stop[1]));
  (void) g_thread_join (self->thread);
  g_assert_no_errno (close (self->stop[0]));
  if (self->front == TEST_PROXY_DEVICE)
    close_terminals (self);
  else
    close_socket (self);
  g_mutex_clear (&self->mutex);
  g_clear_pointer (&self->record, g_byte_array_unref);
  g_free (self->path);
  g_free (self->tpm);
  g_free (self->tcti);
  g_free (self);
}

const char *
test_proxy_tcti (TestProxy *self)
{
  return self->tcti;
}

void
test_proxy_spoil (TestProxy *self, TestSpoil spoil_with, guint nth, guint times, guint32 code)
{
  g_mutex_lock (&self->mutex);
  self->plan = (Plan){ spoil_with, nth, times, code };
  g_mutex_unlock (&self->mutex);
}

guint
test_proxy_get_spoiled (TestProxy *self)
{
  g_mutex_lock (&self->mutex);
  guint spoiled = self->spoiled;
  g_mutex_unlock (&self->mutex);
  return spoiled;
}

guint
test_proxy_get_commands (TestProxy *self)
{
  g_mutex_lock (&self->mutex);
  guint commands = self->commands;
  g_mutex_unlock (&self->mutex);
  return commands;
}

void
test_proxy_record (TestProxy *self)
{
  g_mutex_lock (&self->mutex);
  g_clear_pointer (&self->record, g_byte_array_unref);
  self->record = g_byte_array_new ();
  g_mutex_unlock (&self->mutex);
}

GBytes *
test_proxy_take_record (TestProxy *self)
{
  g_mutex_lock (&self->mutex);
  GByteArray *taken = g_steal_pointer (&self->record);
  g_mutex_unlock (&self->mutex);
  g_assert_nonnull (taken);
  return g_byte_array_free_to_bytes (taken);
}

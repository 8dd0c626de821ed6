/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How much of what somebody else sent us is taken from the socket before a call goes out. */
#define DRAIN_MAX 1024

/* Process: tells a process from its ancestors */
typedef struct Process
{
  pid_t pid;
  unsigned forks;
} Process;

/* Socket: what a child has to know to close the socket that it inherited, and no other file under the same number */
typedef struct Socket
{
  dev_t device;
  ino_t inode;
  atomic_int fd; /* set last and unset first; -1: none */
} Socket;

struct LibConnection
{
  LibPool *pool;
  bool is_leased; /* under the pool's lock; what follows is the lease holder's */
  sd_bus *bus;    /* NULL: not opened */
  Socket socket;
};

struct LibPool
{
  Process owner;
  pthread_mutex_t mutex;
  pthread_cond_t released;
  LibConnection connections[LIB_CONNECTIONS_MAX];
};

/* How many calls of fork() lie between the first process and this one. The process id alone could come back in a later
   generation; this number alone would not see a process that was made past the C library. */
static atomic_uint forks;

static void
on_fork (void)
{
  atomic_fetch_add (&forks, 1);
}

__attribute__ ((constructor)) static void
count_forks (void)
{
  (void) pthread_atfork (NULL, NULL, on_fork);
}

static Process
this_process (void)
{
  return (Process){ getpid (), atomic_load (&forks) };
}

static bool
is_ours (const LibPool *pool)
{
  Process process = this_process ();

  return pool->owner.pid == process.pid && pool->owner.forks == process.forks;
}

/* Deadlines are CLOCK_MONOTONIC. */
static int
init_condition (pthread_cond_t *condition)
{
  pthread_condattr_t attributes;
  int r = pthread_condattr_init (&attributes);

  if (r != 0)
    return r;
  r = pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  if (r == 0)
    r = pthread_cond_init (condition, &attributes);
  (void) pthread_condattr_destroy (&attributes);
  return r;
}

LibPool *
lib_pool_new (void)
{
  LibPool *pool = calloc (1, sizeof *pool);

  if (pool == NULL || pthread_mutex_init (&pool->mutex, NULL) != 0)
    {
      free (pool);
      return NULL;
    }
  if (init_condition (&pool->released) != 0)
    {
      (void) pthread_mutex_destroy (&pool->mutex);
      free (pool);
      return NULL;
    }
  pool->owner = this_process ();
  for (size_t i = 0; i < LIB_CONNECTIONS_MAX; i++)
    {
      pool->connections[i].pool = pool;
      atomic_init (&pool->connections[i].socket.fd, -1);
    }
  return pool;
}

static void
close_bus (LibConnection *connection)
{
  atomic_store (&connection->socket.fd, -1);
  connection->bus = sd_bus_close_unref (connection->bus);
}

void
lib_connection_close (LibConnection *connection)
{
  close_bus (connection);
}

/* In a child: the memory is as it was at the instant of the fork, perhaps in the middle of anything. */
static void
close_inherited (const LibPool *pool)
{
  for (size_t i = 0; i < LIB_CONNECTIONS_MAX; i++)
    {
      const Socket *inherited = &pool->connections[i].socket;
      int fd = atomic_load (&inherited->fd);
      struct stat info;
      if (fd >= 0 && fstat (fd, &info) == 0 && S_ISSOCK (info.st_mode) && info.st_dev == inherited->device
          && info.st_ino == inherited->inode)
        (void) close (fd);
    }
}

void
lib_pool_free (LibPool *pool)
{
  if (!is_ours (pool))
    {
      close_inherited (pool);
      return;
    }
  for (size_t i = 0; i < LIB_CONNECTIONS_MAX; i++)
    close_bus (&pool->connections[i]);
  (void) pthread_cond_destroy (&pool->released);
  (void) pthread_mutex_destroy (&pool->mutex);
  free (pool);
}

/* The client's pool of this process; of several threads that find none one makes it. */
static LibPool *
pool_of (tpmid_client *client)
{
  LibPool *pool = atomic_load (&client->pool);

  while (!is_ours (pool))
    {
      LibPool *fresh = lib_pool_new ();
      if (fresh == NULL)
        return NULL;
      if (atomic_compare_exchange_strong (&client->pool, &pool, fresh))
        {
          lib_pool_free (pool);
          return fresh;
        }
      lib_pool_free (fresh);
    }
  return pool;
}

/* An open connection before one that has to be opened. */
static LibConnection *
pick (LibPool *pool)
{
  LibConnection *found = NULL;

  for (size_t i = 0; i < LIB_CONNECTIONS_MAX; i++)
    {
      LibConnection *connection = &pool->connections[i];
      if (!connection->is_leased && (found == NULL || (found->bus == NULL && connection->bus != NULL)))
        found = connection;
    }
  return found;
}

static LibConnection *
take (LibPool *pool, uint64_t deadline)
{
  struct timespec until = { (time_t) (deadline / 1000000), (long) (deadline % 1000000) * 1000 };
  LibConnection *connection;
  int r = 0;

  (void) pthread_mutex_lock (&pool->mutex);
  while ((connection = pick (pool)) == NULL && r == 0)
    r = pthread_cond_timedwait (&pool->released, &pool->mutex, &until);
  if (connection != NULL)
    connection->is_leased = true;
  (void) pthread_mutex_unlock (&pool->mutex);
  return connection;
}

int
lib_client_lease (tpmid_client *client, uint64_t deadline, LibConnection **ret_connection, tpmid_error *error)
{
  LibPool *pool = pool_of (client);

  if (pool == NULL)
    return lib_error_set_errno (error, -ENOMEM, "cannot connect to the bus");

  LibConnection *connection = take (pool, deadline);
  if (connection == NULL)
    return lib_error_set (error, ETIMEDOUT, LIB_DBUS_ERROR ("NoReply"), "%d calls of this client are waiting for tpmidd already",
                          LIB_CONNECTIONS_MAX);
  *ret_connection = connection;
  return 0;
}

void
lib_connection_release (LibConnection *connection)
{
  if (connection == NULL)
    return;

  LibPool *pool = connection->pool;
  (void) pthread_mutex_lock (&pool->mutex);
  connection->is_leased = false;
  (void) pthread_cond_signal (&pool->released);
  (void) pthread_mutex_unlock (&pool->mutex);
}

static bool
is_usable (sd_bus *bus)
{
  if (bus == NULL)
    return false;
  /* Also tells a connection that broke since the last call, before anything is sent on it. */
  for (int i = 0; i < DRAIN_MAX && sd_bus_process (bus, NULL) > 0; i++)
    continue;
  return sd_bus_is_open (bus) > 0;
}

static void
note_socket (LibConnection *connection)
{
  int fd = sd_bus_get_fd (connection->bus);
  struct stat info;

  if (fd < 0 || fstat (fd, &info) != 0)
    return;
  connection->socket.device = info.st_dev;
  connection->socket.inode = info.st_ino;
  atomic_store (&connection->socket.fd, fd);
}

int
lib_connection_ready (LibConnection *connection, const char *address, uint64_t deadline, sd_bus **ret_bus, tpmid_error *error)
{
  if (!is_usable (connection->bus))
    {
      close_bus (connection);
      sd_bus *bus = NULL;
      int r = lib_bus_open (address, deadline, &bus, error);
      if (r < 0)
        return r;
      connection->bus = bus;
      note_socket (connection);
    }
  *ret_bus = connection->bus;
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stress-client ADDRESS SECONDS: one client of tpmidd, used by twenty threads of this process, more than it has connections, and
 * by eight of each of four children, which are forked while the parent's threads are in calls or wait for a connection. Each
 * thread signs the hash of a counter, verifies the signature in software, and reads the status, until the time is over; one more
 * thread in each process breaks a connection now and then.
 * Exit status 0: no wrong result, and no error but those of an answer that was lost twice. Without GLib: it does not live
 * through a fork of many threads.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <tpmid.h>
#include <unistd.h>

#define THREADS_MAX 20
#define CHILD_THREADS 8
#define CHILDREN 4
#define CALL_LIMIT_MS 30000
/* What a process may take beyond its time before it is taken for hanging. */
#define GRACE_SEC 60
#define BREAK_PAUSE_US 600000
#define FD_MAX 256
/* Of a thousand calls so many may lose their answer twice: these are broken, stopped and killed without mercy. */
#define LOST_PER_MILLE 20

typedef struct Counts
{
  atomic_uint signatures, statuses, lost, wrong;
} Counts;

typedef struct Stress
{
  tpmid_client *client;
  tpmid_identity *identity;
  EVP_PKEY *key;
  uint64_t end_ms;
  unsigned process; /* 0: the parent */
  unsigned threads;
  Counts counts;
} Stress;

typedef struct Worker
{
  Stress *stress;
  pthread_t thread;
  unsigned number;
  atomic_uint rounds;
} Worker;

/* Of OpenSSL's locks, which a child would inherit as they are: nobody verifies while a fork happens. */
static pthread_mutex_t verifying = PTHREAD_MUTEX_INITIALIZER;

static uint64_t
now_ms (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

static void
complain (Stress *stress, const char *what, const char *why)
{
  atomic_fetch_add (&stress->counts.wrong, 1);
  fprintf (stderr, "process %u: %s: %s\n", stress->process, what, why);
}

/* What the header names for an answer that was lost twice. */
static void
judge_error (Stress *stress, const char *what, const tpmid_error *error)
{
  static const char *const names[] = {
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.Disconnected",
    "org.tpmid1.Error.Cancelled",
  };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp (error->name, names[i]) == 0 && strstr (error->message, "in time") == NULL)
      {
        atomic_fetch_add (&stress->counts.lost, 1);
        return;
      }
  fprintf (stderr, "%s: ", error->name);
  complain (stress, what, error->message);
}

static bool
is_good (Stress *stress, const uint8_t digest[32], const uint8_t *signature, size_t size)
{
  (void) pthread_mutex_lock (&verifying);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new (stress->key, NULL);
  bool good = context != NULL && EVP_PKEY_verify_init (context) > 0
              && EVP_PKEY_verify (context, signature, size, digest, 32) == 1;
  EVP_PKEY_CTX_free (context);
  (void) pthread_mutex_unlock (&verifying);
  return good;
}

static void
make_digest (const Worker *worker, uint8_t digest[32])
{
  unsigned counter[3] = { worker->stress->process, worker->number, atomic_load (&worker->rounds) };

  (void) pthread_mutex_lock (&verifying);
  (void) SHA256 ((const unsigned char *) counter, sizeof counter, digest);
  (void) pthread_mutex_unlock (&verifying);
}

static void
sign (Worker *worker)
{
  Stress *stress = worker->stress;
  uint8_t digest[32], *signature = NULL;
  tpmid_error error;
  size_t size = 0;
  int r;

  make_digest (worker, digest);
  if (worker->number % 2 == 0)
    r = tpmid_sign (stress->client, "device", digest, sizeof digest, NULL, CALL_LIMIT_MS, &signature, &size, &error);
  else
    r = tpmid_identity_sign (stress->identity, "sha256", digest, sizeof digest, CALL_LIMIT_MS, &signature, &size, &error);
  if (r < 0)
    {
      judge_error (stress, "Sign", &error);
      return;
    }
  if (!is_good (stress, digest, signature, size))
    complain (stress, "Sign", "the signature is not this digest's");
  free (signature);
  atomic_fetch_add (&stress->counts.signatures, 1);
}

static void
read_status (Stress *stress)
{
  tpmid_value *status = NULL;
  tpmid_error error;

  if (tpmid_get_status (stress->client, CALL_LIMIT_MS, &status, &error) < 0)
    {
      judge_error (stress, "GetStatus", &error);
      return;
    }
  const char *mode = tpmid_value_string (tpmid_value_find (status, "mode"));
  if (strcmp (mode, "tpm") != 0 && strcmp (mode, "unprovisioned") != 0)
    complain (stress, "mode", mode);
  tpmid_value_free (status);
  atomic_fetch_add (&stress->counts.statuses, 1);
}

static void
read_identity (Stress *stress)
{
  tpmid_identity *identity = NULL;
  tpmid_error error;

  if (tpmid_get_identity (stress->client, CALL_LIMIT_MS, &identity, &error) < 0)
    {
      judge_error (stress, "identity", &error);
      return;
    }
  if (memcmp (tpmid_identity_reference (identity), tpmid_identity_reference (stress->identity), 32) != 0
      || strcmp (tpmid_identity_certificate (identity), tpmid_identity_certificate (stress->identity)) != 0)
    complain (stress, "identity", "it is another one");
  tpmid_identity_free (identity);
}

static void *
work (void *data)
{
  Worker *worker = data;

  while (now_ms () < worker->stress->end_ms)
    {
      sign (worker);
      unsigned round = atomic_fetch_add (&worker->rounds, 1);
      if (round % 4 == worker->number % 4)
        read_status (worker->stress);
      if (round % 16 == worker->number % 16)
        read_identity (worker->stress);
    }
  return NULL;
}

/* The nth descriptor that is a connection to a bus, from @first on and round once; -1 when there is none. */
static int
find_connection (int first)
{
  for (int i = 0; i < FD_MAX; i++)
    {
      struct sockaddr_un peer = { .sun_family = AF_UNSPEC };
      socklen_t size = sizeof peer;
      int fd = (first + i) % FD_MAX;
      if (getpeername (fd, (struct sockaddr *) &peer, &size) == 0 && peer.sun_family == AF_UNIX && peer.sun_path[0] == '/')
        return fd;
    }
  return -1;
}

static void *
break_connections (void *data)
{
  Stress *stress = data;
  int fd = -1;

  while (now_ms () + 2 * BREAK_PAUSE_US / 1000 < stress->end_ms)
    {
      (void) usleep (BREAK_PAUSE_US);
      fd = find_connection (fd + 1);
      if (fd >= 0)
        (void) shutdown (fd, SHUT_RDWR);
    }
  return NULL;
}

static void
start (Stress *stress, Worker *workers, pthread_t *breaker)
{
  bool good = pthread_create (breaker, NULL, break_connections, stress) == 0;

  for (unsigned i = 0; i < stress->threads; i++)
    {
      workers[i].stress = stress;
      workers[i].number = i;
      atomic_init (&workers[i].rounds, 0);
      good = good && pthread_create (&workers[i].thread, NULL, work, &workers[i]) == 0;
    }
  if (!good)
    {
      perror ("pthread_create");
      _exit (EXIT_FAILURE);
    }
}

static bool
join (Stress *stress, Worker *workers, pthread_t breaker)
{
  Counts *counts = &stress->counts;

  for (unsigned i = 0; i < stress->threads; i++)
    {
      (void) pthread_join (workers[i].thread, NULL);
      if (atomic_load (&workers[i].rounds) < 3)
        complain (stress, "a thread", "it did not come round three times");
    }
  (void) pthread_join (breaker, NULL);
  printf ("process %u: %u signatures, %u status answers, %u lost twice, %u wrong\n", stress->process, counts->signatures,
          counts->statuses, counts->lost, counts->wrong);
  fflush (stdout);
  return counts->wrong == 0 && counts->lost * 1000 <= LOST_PER_MILLE * (counts->signatures + counts->statuses) + 1000;
}

/* The child lives from the client that it inherited, whatever the parent's threads are doing with it. */
static int
run_child (Stress *stress, unsigned process)
{
  Worker workers[THREADS_MAX];
  pthread_t breaker;

  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  (void) alarm ((unsigned) (stress->end_ms - now_ms ()) / 1000 + GRACE_SEC);
  stress->process = process;
  stress->threads = CHILD_THREADS;
  memset (&stress->counts, 0, sizeof stress->counts);
  start (stress, workers, &breaker);
  bool good = join (stress, workers, breaker);
  tpmid_client_free (stress->client);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void
make_children (Stress *stress, pid_t children[CHILDREN])
{
  for (unsigned i = 0; i < CHILDREN; i++)
    {
      (void) usleep (50000);
      fflush (stdout);
      (void) pthread_mutex_lock (&verifying);
      children[i] = fork ();
      (void) pthread_mutex_unlock (&verifying);
      if (children[i] == 0)
        _exit (run_child (stress, i + 1));
    }
}

static bool
await_children (const pid_t children[CHILDREN])
{
  bool good = true;

  for (unsigned i = 0; i < CHILDREN; i++)
    {
      int status = -1;
      if (children[i] < 0 || waitpid (children[i], &status, 0) != children[i] || status != 0)
        {
          fprintf (stderr, "process %u ended with status %#x\n", i + 1, (unsigned) status);
          good = false;
        }
    }
  return good;
}

static bool
prepare (Stress *stress, const char *address)
{
  tpmid_error error = { .message = "out of memory" };
  size_t size = 0;

  if (tpmid_client_new (address, &stress->client) < 0
      || tpmid_get_identity (stress->client, CALL_LIMIT_MS, &stress->identity, &error) < 0)
    {
      fprintf (stderr, "%s\n", error.message);
      return false;
    }
  const unsigned char *der = tpmid_identity_public_key (stress->identity, &size);
  stress->key = d2i_PUBKEY (NULL, &der, (long) size);
  return stress->key != NULL;
}

int
main (int argc, char **argv)
{
  Stress stress = { .process = 0, .threads = THREADS_MAX };
  Worker workers[THREADS_MAX];
  pid_t children[CHILDREN];
  pthread_t breaker;

  if (argc != 3)
    return 2;
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  (void) alarm ((unsigned) atoi (argv[2]) + GRACE_SEC);
  if (!prepare (&stress, argv[1]))
    return EXIT_FAILURE;
  stress.end_ms = now_ms () + (uint64_t) atoi (argv[2]) * 1000;
  start (&stress, workers, &breaker);
  make_children (&stress, children);
  bool good = join (&stress, workers, breaker);
  good = await_children (children) && good;
  EVP_PKEY_free (stress.key);
  tpmid_identity_free (stress.identity);
  tpmid_client_free (stress.client);
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

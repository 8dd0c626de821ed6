/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-caller WAY OPERATION TARGET KEY GIVEN CALLERS MILLISECONDS
 *
 * CALLERS threads, each with a connection of its own, do one operation over and over on what is in the file GIVEN. Each
 * has done one before the line "ready" is printed; a line on standard input starts them all; none starts another operation
 * after MILLISECONDS. Then the times are printed, in ns: first from the start to the end of the last operation, then of
 * each operation, one a line, and "end". The connections are closed when standard input ends. scripts/bench is who calls
 * this.
 */
#include "bench-caller.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const BenchOperation operations[] = {
  { "esapi", "sign-p256", bench_esapi_open_sign, bench_esapi_sign_p256, bench_esapi_close },
  { "esapi", "decrypt-rsa2048", bench_esapi_open_decrypt, bench_esapi_decrypt, bench_esapi_close },
  { "esapi-clear", "decrypt-rsa2048", bench_esapi_open_decrypt_clear, bench_esapi_decrypt, bench_esapi_close },
  { "tpmid", "sign-p256", bench_tpmid_open, bench_tpmid_sign, bench_tpmid_close },
  { "tpmid", "decrypt-rsa2048", bench_tpmid_open, bench_tpmid_decrypt, bench_tpmid_close },
};

#define CALLERS_MAX 256
#define MILLISECONDS_MAX 600000

/* Bench: what all callers share */
typedef struct
{
  const BenchOperation *operation;
  BenchSubject subject;
  guint callers;
  gint64 start, deadline; /* ns; set between the barriers */
  pthread_barrier_t warm, go;
} Bench;

typedef struct
{
  Bench *bench;
  gpointer self;
  GThread *thread;
  GArray *times; /* gint64, ns */
  gint64 end;
} Caller;

void
bench_fail (const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  (void) vfprintf (stderr, format, arguments);
  va_end (arguments);
  (void) fputc ('\n', stderr);
  (void) fflush (stderr);
  _exit (1);
}

static gint64
now (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (gint64) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static gpointer
call (gpointer data)
{
  Caller *caller = data;
  Bench *bench = caller->bench;
  const BenchOperation *operation = bench->operation;

  caller->self = operation->open (&bench->subject);
  operation->operate (caller->self);
  (void) pthread_barrier_wait (&bench->warm);
  (void) pthread_barrier_wait (&bench->go);

  caller->end = bench->start;
  do
    {
      gint64 begin = now ();
      operation->operate (caller->self);
      caller->end = now ();
      gint64 time = caller->end - begin;
      g_array_append_val (caller->times, time);
    }
  while (caller->end < bench->deadline);
  return NULL;
}

static void
wait_for_line (void)
{
  char c;
  ssize_t n;

  do
    n = read (STDIN_FILENO, &c, 1);
  while ((n < 0 && errno == EINTR) || (n > 0 && c != '\n'));
}

static void
start_callers (Bench *bench, Caller *callers)
{
  (void) pthread_barrier_init (&bench->warm, NULL, bench->callers + 1);
  (void) pthread_barrier_init (&bench->go, NULL, bench->callers + 1);
  for (guint i = 0; i < bench->callers; i++)
    {
      callers[i].bench = bench;
      callers[i].times = g_array_new (FALSE, FALSE, sizeof (gint64));
      callers[i].thread = g_thread_new ("caller", call, &callers[i]);
    }
  (void) pthread_barrier_wait (&bench->warm);
}

static void
report (const Bench *bench, const Caller *callers)
{
  gint64 end = bench->start;

  for (guint i = 0; i < bench->callers; i++)
    end = MAX (end, callers[i].end);
  (void) printf ("%" G_GINT64_FORMAT "\n", end - bench->start);
  for (guint i = 0; i < bench->callers; i++)
    for (guint j = 0; j < callers[i].times->len; j++)
      (void) printf ("%" G_GINT64_FORMAT "\n", g_array_index (callers[i].times, gint64, j));
  (void) puts ("end");
  (void) fflush (stdout);
}

static void
run (Bench *bench, gint64 milliseconds)
{
  g_autofree Caller *callers = g_new0 (Caller, bench->callers);

  start_callers (bench, callers);
  (void) puts ("ready");
  (void) fflush (stdout);
  wait_for_line ();

  bench->start = now ();
  bench->deadline = bench->start + milliseconds * 1000000;
  (void) pthread_barrier_wait (&bench->go);
  for (guint i = 0; i < bench->callers; i++)
    (void) g_thread_join (callers[i].thread);
  report (bench, callers);
  wait_for_line ();

  for (guint i = 0; i < bench->callers; i++)
    {
      bench->operation->close (callers[i].self);
      g_array_unref (callers[i].times);
    }
  (void) pthread_barrier_destroy (&bench->warm);
  (void) pthread_barrier_destroy (&bench->go);
}

static const BenchOperation *
find_operation (const char *way, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (operations); i++)
    if (strcmp (operations[i].way, way) == 0 && strcmp (operations[i].name, name) == 0)
      return &operations[i];
  bench_fail ("there is no operation %s by %s", name, way);
}

static guint64
read_number (const char *text, guint64 max)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 1, max, &number, NULL))
    bench_fail ("%s is not a number from 1 to %" G_GUINT64_FORMAT, text, max);
  return number;
}

int
main (int argc, char **argv)
{
  g_autofree char *given = NULL;
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };

  if (argc != 8)
    bench_fail ("usage: bench-caller WAY OPERATION TARGET KEY GIVEN CALLERS MILLISECONDS");
  bench.operation = find_operation (argv[1], argv[2]);
  bench.subject = (BenchSubject){ .target = argv[3], .key = argv[4] };
  if (!g_file_get_contents (argv[5], &given, &bench.subject.given_size, &error))
    bench_fail ("%s", error->message);
  bench.subject.given = (const guint8 *) given;
  bench.callers = (guint) read_number (argv[6], CALLERS_MAX);
  run (&bench, (gint64) read_number (argv[7], MILLISECONDS_MAX));
  return 0;
}

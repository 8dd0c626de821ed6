/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <tpmid.h>
#include <unistd.h>

#define TIMEOUT_MS 20000
#define THREADS 12
#define DBUS_ERROR(name) "org.freedesktop.DBus.Error." name
#define TPMID_ERROR(name) "org.tpmid1.Error." name

static const char *fake_program;

/* Bed: a bus with a tpmidd on it that does as it is told */
typedef struct Bed
{
  Bus bus;
  GPid fake;
  char *calls; /* file with one line for each call that came through */
  tpmid_client *client;
} Bed;

static void
fake_start (Bed *bed, const char *words)
{
  g_autofree char *line = g_strdup_printf ("%s %s %s %s", fake_program, bed->bus.address, bed->calls, words);
  g_auto (GStrv) argv = g_strsplit (line, " ", -1);
  g_autoptr (GError) error = NULL;
  int out = -1;
  char c;

  g_assert_cmpint (bed->fake, ==, 0);
  if (words[0] == '\0')
    g_clear_pointer (&argv[3], g_free);
  g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL, &bed->fake, NULL, &out, NULL,
                            &error);
  g_assert_no_error (error);
  g_assert_cmpint (read (out, &c, 1), ==, 1);
  close (out);
}

static void
fake_stop (Bed *bed)
{
  kill (bed->fake, SIGKILL);
  g_assert_cmpint (waitpid (bed->fake, NULL, 0), ==, bed->fake);
  bed->fake = 0;
}

static void
bed_set_up (Bed *bed, gconstpointer words)
{
  bus_set_up (&bed->bus, NULL);
  bed->calls = g_build_filename (bed->bus.folder, "calls", NULL);
  g_assert_cmpint (tpmid_client_new (bed->bus.address, &bed->client), ==, 0);
  fake_start (bed, words);
}

static void
bed_tear_down (Bed *bed, gconstpointer words)
{
  tpmid_client_free (bed->client);
  if (bed->fake > 0)
    fake_stop (bed);
  g_unlink (bed->calls);
  g_free (bed->calls);
  bus_tear_down (&bed->bus, NULL);
}

static void
assert_calls (Bed *bed, const char *expected)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (bed->calls, &text, NULL, NULL));
  g_strdelimit (g_strchomp (text), "\n", ' ');
  g_assert_cmpstr (text, ==, expected);
}

static int
ask (Bed *bed, int timeout_ms, tpmid_error *error)
{
  tpmid_value *status = NULL;
  int r = tpmid_get_status (bed->client, timeout_ms, &status, error);

  g_assert_true ((r == 0) == (status != NULL));
  tpmid_value_free (status);
  return r;
}

static void
assert_good (Bed *bed)
{
  tpmid_error error = { .name = "" };
  int r = ask (bed, TIMEOUT_MS, &error);

  g_assert_cmpstr (error.name, ==, "");
  g_assert_cmpint (r, ==, 0);
}

static void
assert_fails (Bed *bed, int timeout_ms, const char *name)
{
  tpmid_error error;
  int r = ask (bed, timeout_ms, &error);

  g_assert_cmpint (r, <, 0);
  g_assert_cmpint (r, ==, -error.number);
  g_assert_cmpstr (error.name, ==, name);
}

static void
test_waits_out (Bed *bed, gconstpointer words)
{
  gint64 start = g_get_monotonic_time ();

  assert_good (bed);
  assert_calls (bed, "GetStatus GetStatus GetStatus");
  /* Three quarters of 50 and of 100 ms at least. */
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 110000);
}

static void
test_busy_for_long (Bed *bed, gconstpointer words)
{
  gint64 start = g_get_monotonic_time ();

  assert_fails (bed, 500, TPMID_ERROR ("Busy"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 400000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 4000000);
}

static void
test_rate_limit (Bed *bed, gconstpointer words)
{
  tpmid_error error;

  g_assert_cmpint (ask (bed, TIMEOUT_MS, &error), ==, -EBUSY);
  g_assert_cmpstr (error.name, ==, TPMID_ERROR ("RateLimited"));
  g_assert_cmpstr (error.message, ==, "as told");
  assert_calls (bed, "GetStatus");
}

static void
test_one_loss (Bed *bed, gconstpointer words)
{
  assert_good (bed);
  assert_calls (bed, "GetStatus GetStatus");
}

static void
test_two_losses (Bed *bed, gconstpointer words)
{
  assert_fails (bed, TIMEOUT_MS, g_str_has_prefix (words, "gone") ? DBUS_ERROR ("NoReply") : TPMID_ERROR ("Cancelled"));
  assert_calls (bed, "GetStatus GetStatus");
}

static void
test_gone_for_good (Bed *bed, gconstpointer words)
{
  gint64 start = g_get_monotonic_time ();

  assert_good (bed);
  fake_stop (bed);
  assert_fails (bed, 500, DBUS_ERROR ("ServiceUnknown"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 400000);
  /* The time that it is given ends, whatever the caller's. */
  start = g_get_monotonic_time ();
  assert_fails (bed, 60000, DBUS_ERROR ("ServiceUnknown"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 9000000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 30000000);
}

static gpointer
ask_in_thread (gpointer data)
{
  assert_good (data);
  return NULL;
}

static void
test_bus_restart_under_a_call (Bed *bed, gconstpointer words)
{
  assert_good (bed);
  GThread *thread = g_thread_new (NULL, ask_in_thread, bed); /* the slow one */
  g_usleep (100000);
  bus_stop (&bed->bus);
  fake_stop (bed);
  g_usleep (200000);
  bus_start (&bed->bus);
  g_usleep (200000);
  fake_start (bed, "");
  g_thread_join (thread);
  assert_calls (bed, "GetStatus GetStatus GetStatus");
}

static int
rollback (Bed *bed)
{
  tpmid_error error = { .number = 0 };
  int r = tpmid_rollback_rotation (bed->client, TIMEOUT_MS, &error);

  g_assert_cmpint (r, ==, -error.number);
  return r;
}

/* The answer is lost, but perhaps not what was done: a second rollback would undo something else. */
static void
test_once (Bed *bed, gconstpointer words)
{
  g_assert_cmpint (rollback (bed), ==, g_str_has_prefix (words, "gone") ? -ETIMEDOUT : -ECANCELED);
  assert_calls (bed, "RollbackRotation");
  g_assert_cmpint (rollback (bed), ==, 0);
}

/* Nothing was done. */
static void
test_once_and_refused (Bed *bed, gconstpointer words)
{
  g_assert_cmpint (rollback (bed), ==, 0);
  assert_calls (bed, "RollbackRotation RollbackRotation RollbackRotation RollbackRotation");
}

/* Whatever tpmidd is doing when it says Timeout may still be done. */
static void
test_timeout_is_final (Bed *bed, gconstpointer words)
{
  g_assert_cmpint (rollback (bed), ==, -ETIMEDOUT);
  g_assert_cmpint (tpmid_reset (bed->client, TIMEOUT_MS, NULL), ==, -ETIMEDOUT);
  g_assert_cmpint (tpmid_migrate (bed->client, "tpm", TIMEOUT_MS, NULL), ==, -ETIMEDOUT);
  assert_calls (bed, "RollbackRotation Reset Migrate");
}

static void
test_every_method_of_the_device (Bed *bed, gconstpointer words)
{
  tpmid_client *client = bed->client;
  char *key = NULL;
  tpmid_value *handles = NULL;

  g_assert_cmpint (tpmid_reset (client, TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_reprovision (client, TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_migrate (client, "software", TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_release_ownership (client, TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_clear_serial_number (client, TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_regenerate_certificate (client, TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_install_certificate (client, "pem", TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_begin_rotation (client, TIMEOUT_MS, &key, NULL), ==, 0);
  g_assert_cmpstr (key, ==, "device-next");
  g_assert_cmpint (tpmid_commit_rotation (client, NULL, TIMEOUT_MS, NULL), ==, 0);
  g_assert_cmpint (tpmid_list_handles (client, TIMEOUT_MS, &handles, NULL), ==, 0);
  g_assert_cmpuint (tpmid_value_unsigned (tpmid_value_find (tpmid_value_at (handles, 0, NULL), "handle")), ==, 0x81005401);
  g_assert_cmpint (tpmid_install_certificate (client, "\xff", TIMEOUT_MS, NULL), ==, -EINVAL);
  assert_calls (bed, "Reset Reprovision Migrate ReleaseOwnership ClearSerialNumber RegenerateCertificate InstallCertificate "
                     "BeginRotation CommitRotation ListHandles");
  tpmid_value_free (handles);
  free (key);
}

static void
test_migration_is_asked_for_again (Bed *bed, gconstpointer words)
{
  g_assert_cmpint (tpmid_migrate (bed->client, "tpm", TIMEOUT_MS, NULL), ==, 0);
  assert_calls (bed, "Migrate Migrate");
}

/* The object of a key is not there: before the boot decision; while tpmidd takes its objects away; for good. */
static void
test_key_object (Bed *bed, gconstpointer words)
{
  const uint8_t digest[32] = { 0 };
  uint8_t *signature = NULL;
  size_t size = 0;
  tpmid_error error;

  g_assert_cmpint (tpmid_sign (bed->client, "device", digest, sizeof digest, NULL, TIMEOUT_MS, &signature, &size, NULL), ==, 0);
  g_assert_cmpmem (signature, size, "signature", 9);
  free (signature);
  g_assert_cmpint (tpmid_sign (bed->client, "device", digest, sizeof digest, NULL, TIMEOUT_MS, &signature, &size, &error), ==,
                   -ENOENT);
  g_assert_true (tpmid_error_is (&error, "NotFound"));
  assert_calls (bed, "Sign GetKey Sign GetKey Sign Sign GetKey");
}

/* Whether anywhere in memory that was allocated, or was freed since, is a part of what the fake's Decrypt answers. */
static gboolean
has_secret (const char *from, const char *to)
{
  guint found = 1;

  for (const guint8 *byte = (const guint8 *) from + 1; byte < (const guint8 *) to && found < 64; byte++)
    found = *byte == (guint8) (byte[-1] * 5 + 17) ? found + 1 : 1;
  return found >= 64;
}

static gboolean
is_secret_in_memory (void)
{
  g_autofree char *maps = NULL;
  const char *end = NULL;
  unsigned long from = 0, to = 0;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  end = strstr (maps, "[heap]");
  g_assert_nonnull (end);
  while (end > maps && end[-1] != '\n')
    end--;
  g_assert_cmpint (sscanf (end, "%lx-%lx", &from, &to), ==, 2);
  return has_secret ((const char *) from, (const char *) to);
}

static void
decrypt (Bed *bed, int timeout_ms, int result)
{
  const uint8_t ciphertext[1] = { 0 };
  uint8_t *plaintext = NULL;
  size_t size = 0;

  g_assert_cmpint (tpmid_decrypt (bed->client, "k1", ciphertext, 1, NULL, timeout_ms, &plaintext, &size, NULL), ==, result);
  g_assert_true ((plaintext != NULL) == (result == 0));
  if (plaintext == NULL)
    return;
  g_assert_cmpuint (size, ==, 20000);
  g_assert_true (is_secret_in_memory ());
  explicit_bzero (plaintext, size);
  free (plaintext);
}

#ifndef __SANITIZE_ADDRESS__
static void
test_secret_is_wiped (Bed *bed, gconstpointer words)
{
  decrypt (bed, TIMEOUT_MS, 0);
  g_assert_false (is_secret_in_memory ());
}
#endif

static guint
count_sockets (void)
{
  guint count = 0;

  for (int fd = 0; fd < 256; fd++)
    {
      struct stat info;
      if (fstat (fd, &info) == 0 && S_ISSOCK (info.st_mode))
        count++;
    }
  return count;
}

static void
test_late_secret_does_not_come (Bed *bed, gconstpointer words)
{
  guint others = count_sockets ();

  assert_good (bed);
  g_assert_cmpuint (count_sockets (), ==, others + 1);
  decrypt (bed, 100, -ETIMEDOUT);
  g_assert_cmpuint (count_sockets (), ==, others);
  g_usleep (400000);
  assert_good (bed);
  assert_calls (bed, "GetStatus Decrypt GetStatus");
#ifndef __SANITIZE_ADDRESS__
  g_assert_false (is_secret_in_memory ());
#endif
}

static void
on_alarm (int number)
{
}

static void
test_signals (Bed *bed, gconstpointer words)
{
  const struct sigaction action = { .sa_handler = on_alarm };
  const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
  const struct itimerval never = { { 0, 0 }, { 0, 0 } };

  g_assert_cmpint (sigaction (SIGALRM, &action, NULL), ==, 0);
  g_assert_cmpint (setitimer (ITIMER_REAL, &often, NULL), ==, 0);
  assert_good (bed);
  g_assert_cmpint (setitimer (ITIMER_REAL, &never, NULL), ==, 0);
  assert_calls (bed, "GetStatus");
}

static void
ask_in_threads (Bed *bed)
{
  GThread *threads[THREADS];

  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new (NULL, ask_in_thread, bed);
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
}

static void
test_threads (Bed *bed, gconstpointer words)
{
  gint64 start = g_get_monotonic_time ();

  ask_in_threads (bed);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 300000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, THREADS * 300000 / 2);
}

/* More callers than connections. */
static void
test_bound (Bed *bed, gconstpointer words)
{
  GThread *threads[20];
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, ask_in_thread, bed);
  g_usleep (100000);
  assert_fails (bed, 50, DBUS_ERROR ("NoReply"));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 600000);
}

/* Functions of the child: no GLib, which may be in the middle of anything. */

static bool
child_asks (tpmid_client *client)
{
  tpmid_value *status = NULL;
  bool good = tpmid_get_status (client, TIMEOUT_MS, &status, NULL) == 0
              && strcmp (tpmid_value_string (tpmid_value_find (status, "mode")), "tpm") == 0;

  tpmid_value_free (status);
  return good;
}

static int
child_main (Bed *bed, guint others, int reused)
{
  struct stat before, after;

  /* A program may have put another file in the place of a descriptor that it inherited. */
  if (reused >= 0 && (dup2 (STDIN_FILENO, reused) != reused || fstat (reused, &before) != 0))
    return 1;
  if (!child_asks (bed->client))
    return 2;
  if (count_sockets () != others + 1)
    return 3;
  if (reused >= 0 && (fstat (reused, &after) != 0 || after.st_ino != before.st_ino))
    return 4;
  tpmid_client_free (bed->client);
  return count_sockets () != others ? 5 : 0;
}

static void
assert_child_is_good (Bed *bed, guint others, int reused)
{
  int status = -1;
  pid_t pid = fork ();

  if (pid == 0)
    {
      alarm (20);
      _exit (child_main (bed, others, reused));
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

static void
test_fork_with_idle_connections (Bed *bed, gconstpointer words)
{
  guint others = count_sockets ();
  int first = -1;

  ask_in_threads (bed);
  g_assert_cmpuint (count_sockets (), ==, others + THREADS);
  for (int fd = 255; fd >= 0; fd--)
    {
      struct stat info;
      if (fstat (fd, &info) == 0 && S_ISSOCK (info.st_mode))
        first = fd;
    }
  /* Standard input of a test may be a socket too: not that one. */
  g_assert_cmpint (first, >, others == 0 ? 2 : -1);
  assert_child_is_good (bed, others, -1);
  if (others == 0)
    assert_child_is_good (bed, others, first);
  g_assert_cmpuint (count_sockets (), ==, others + THREADS);
  ask_in_threads (bed);
  g_assert_cmpuint (count_sockets (), ==, others + THREADS);
}

static void
test_fork_under_calls (Bed *bed, gconstpointer words)
{
  GThread *threads[4];
  guint others = count_sockets ();

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, ask_in_thread, bed);
  g_usleep (100000);
  for (guint i = 0; i < 3; i++)
    assert_child_is_good (bed, others, -1);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_good (bed);
}

/* ---- the identity ---- */

static void
assert_identity (Bed *bed, const char *mode, guint8 number)
{
  g_autofree char *certificate = g_strdup_printf ("certificate %s %u", mode, number);
  guint8 reference[32];
  tpmid_identity *identity = NULL;
  tpmid_error error = { .name = "" };
  size_t size = 0;

  int r = tpmid_get_identity (bed->client, TIMEOUT_MS, &identity, &error);
  g_assert_cmpstr (error.name, ==, "");
  g_assert_cmpint (r, ==, 0);
  memset (reference, number, sizeof reference);
  g_assert_cmpstr (tpmid_identity_mode (identity), ==, mode);
  g_assert_cmpstr (tpmid_identity_key (identity), ==, "device");
  g_assert_cmpstr (tpmid_identity_algorithm (identity), ==, "ecc-p256");
  g_assert_cmpstr (tpmid_identity_certificate (identity), ==, certificate);
  g_assert_cmpmem (tpmid_identity_reference (identity), 32, reference, 32);
  g_assert_cmpint (tpmid_identity_public_key (identity, &size)[0], ==, number);
  g_assert_cmpuint (size, ==, 1);
  tpmid_identity_free (identity);
}

static void
test_identity (Bed *bed, gconstpointer words)
{
  assert_identity (bed, "tpm", 1);
  assert_calls (bed, "GetStatus GetAll GetStatus");
}

static void
test_identity_exchanged (Bed *bed, gconstpointer words)
{
  assert_identity (bed, "tpm", 2);
}

static void
test_identity_migrated (Bed *bed, gconstpointer words)
{
  assert_identity (bed, "software", 1);
}

static void
assert_no_identity (Bed *bed, int timeout_ms, const char *name)
{
  tpmid_identity *identity = NULL;
  tpmid_error error;

  int r = tpmid_get_identity (bed->client, timeout_ms, &identity, &error);
  g_assert_cmpstr (error.name, ==, name);
  g_assert_cmpint (r, ==, -error.number);
  g_assert_nonnull (strstr (error.message, "ask the fake"));
  g_assert_null (identity);
}

static void
test_identity_fault (Bed *bed, gconstpointer words)
{
  assert_no_identity (bed, TIMEOUT_MS, TPMID_ERROR ("IdentityFault"));
  assert_no_identity (bed, TIMEOUT_MS, TPMID_ERROR ("NotReady"));
  assert_calls (bed, "GetStatus GetStatus");
  /* Now it is starting. */
  assert_no_identity (bed, 200, TPMID_ERROR ("NotReady"));
}

#define ADD(path, words, function) g_test_add (path, Bed, words, bed_set_up, function, bed_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (argc != 2)
    return 2;
  fake_program = argv[1];
  ADD ("/lib/repeat/waits-out-busy", "Busy Busy", test_waits_out);
  ADD ("/lib/repeat/waits-out-the-boot-decision", "NotReady NotReady", test_waits_out);
  ADD ("/lib/repeat/busy-to-the-end-is-busy", "Busy Busy Busy Busy Busy Busy Busy Busy Busy Busy Busy Busy", test_busy_for_long);
  ADD ("/lib/repeat/rate-limit-is-final", "RateLimited", test_rate_limit);
  ADD ("/lib/repeat/asks-again-when-tpmidd-dies-under-the-call", "gone", test_one_loss);
  ADD ("/lib/repeat/asks-again-when-tpmidd-stops-under-the-call", "Cancelled", test_one_loss);
  ADD ("/lib/repeat/asks-again-when-tpmidd-takes-its-objects-away", "UnknownMethod", test_one_loss);
  ADD ("/lib/repeat/does-not-kill-tpmidd-a-third-time", "gone gone", test_two_losses);
  ADD ("/lib/repeat/cancelled-twice-is-cancelled", "Cancelled Cancelled", test_two_losses);
  ADD ("/lib/device/every-method", "", test_every_method_of_the_device);
  ADD ("/lib/repeat/once-is-once-when-tpmidd-dies", "gone", test_once);
  ADD ("/lib/repeat/once-is-once-when-tpmidd-stops", "Cancelled", test_once);
  ADD ("/lib/repeat/once-is-repeated-while-nothing-was-done", "Busy NotReady UnknownMethod", test_once_and_refused);
  ADD ("/lib/repeat/timeout-is-final", "Timeout Timeout Timeout", test_timeout_is_final);
  ADD ("/lib/repeat/migration-is-asked-for-again", "gone", test_migration_is_asked_for_again);
  ADD ("/lib/repeat/waits-for-a-tpmidd-that-was-there-but-not-for-ever", "", test_gone_for_good);
  ADD ("/lib/repeat/bus-restart-under-a-call", "tpm-1 slow", test_bus_restart_under_a_call);
  ADD ("/lib/repeat/key-object-that-is-not-there-has-a-reason",
       "UnknownObject NotReady UnknownObject tpm-1 tpm-1 UnknownObject NotFound", test_key_object);
#ifndef __SANITIZE_ADDRESS__ /* which has a heap of its own */
  ADD ("/lib/secret/is-wiped", "", test_secret_is_wiped);
#endif
  ADD ("/lib/secret/that-is-late-does-not-come", "tpm-1 slow", test_late_secret_does_not_come);
  ADD ("/lib/repeat/signals-do-not-end-a-call", "slow", test_signals);
  ADD ("/lib/threads/calls-run-side-by-side", "slow slow slow slow slow slow slow slow slow slow slow slow", test_threads);
  ADD ("/lib/threads/calls-at-one-time-are-bounded",
       "slow slow slow slow slow slow slow slow slow slow slow slow slow slow slow slow slow slow slow slow", test_bound);
  ADD ("/lib/fork/child-closes-what-it-inherited-and-nothing-else", "slow slow slow slow slow slow slow slow slow slow slow slow",
       test_fork_with_idle_connections);
  ADD ("/lib/fork/child-works-while-the-parent-s-threads-are-in-calls", "slow slow slow slow", test_fork_under_calls);
  ADD ("/lib/identity/costs-three-calls", "", test_identity);
  ADD ("/lib/identity/key-exchanged-in-between", "tpm-1 tpm-2 tpm-2 tpm-2 tpm-2 tpm-2", test_identity_exchanged);
  ADD ("/lib/identity/key-gone-in-between", "tpm-1 UnknownObject NotFound tpm-2 tpm-2 tpm-2", test_identity_exchanged);
  ADD ("/lib/identity/mode-changed-in-between", "tpm-1 tpm-1 software-1 software-1 software-1 software-1",
       test_identity_migrated);
  ADD ("/lib/identity/waits-for-the-decision", "starting-0 starting-0 software-1 software-1 software-1", test_identity_migrated);
  ADD ("/lib/identity/fault-and-unprovisioned-have-a-hint",
       "fault-0 waiting-0 starting-0 starting-0 starting-0 starting-0 starting-0 starting-0 starting-0", test_identity_fault);
  return g_test_run ();
}

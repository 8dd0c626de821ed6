/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpmidd ends, or the power is cut, before the k-th command to the TPM or the k-th change of a file, for every k, while the passwords of the TPM are set,
 * taken away or cleared. The next boot makes good of it: no password is ever lost. */
#include "test-ownership.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRASHED 77
#define POINTS_MAX 500

/* Counts down; the process ends when it comes to 0. Negative: never. */
static int points_left = -1;
static gboolean is_counting;

static void
maybe_crash (void)
{
  if (!is_counting || points_left < 0)
    return;
  if (points_left-- == 0)
    _exit (CRASHED);
}

/* These take the place of the C library's, for all that is linked into this program. */
int
fsync (int fd)
{
  maybe_crash ();
  return (int) syscall (SYS_fsync, fd);
}

int
rename (const char *from, const char *to)
{
  maybe_crash ();
  return (int) syscall (SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlink (const char *path)
{
  maybe_crash ();
  return (int) syscall (SYS_unlinkat, AT_FDCWD, path, 0);
}

/* TPM2_HierarchyChangeAuth. */
#define CC_CHANGE 0x129u

static TSS2_RC
on_command (guint32 command_code, guint64 nth, gpointer user_data)
{
  const TestDevice *device = (const TestDevice *) user_data;

  /* No password is changed that is not on disk. */
  g_assert_true (command_code != CC_CHANGE || g_file_test (device->file, G_FILE_TEST_EXISTS));
  maybe_crash ();
  return TSS2_RC_SUCCESS;
}

typedef gboolean (*Scenario) (TestDevice *device, TpmLink *link, GError **error);

static gboolean
take (TestDevice *device, TpmLink *link, GError **error)
{
  IdentityOwnership status;

  return test_device_try_boot (device, link, TRUE, &status, error);
}

static gboolean
release (TestDevice *device, TpmLink *link, GError **error)
{
  IdentityOwnership status;

  if (!tpm_link_ensure (link, error))
    return FALSE;
  identity_ownership_prepare (link, device->config, &status);
  return identity_ownership_release (link, device->config, &status, error);
}

static gboolean
clear (TestDevice *device, TpmLink *link, GError **error)
{
  IdentityOwnership status;

  if (!tpm_link_ensure (link, error))
    return FALSE;
  identity_ownership_prepare (link, device->config, &status);
  return tpm_hierarchy_clear (link, error) && identity_ownership_forget (link, device->config, error);
}

static void G_GNUC_NORETURN
be_tpmidd (TestDevice *device, Scenario scenario, int points)
{
  TpmLink *link = test_device_link (device);
  g_autoptr (GError) error = NULL;

  tpm_link_set_fault (link, on_command, device);
  points_left = points;
  is_counting = TRUE;
  gboolean done = scenario (device, link, &error);
  if (!done)
    g_printerr ("%s\n", error->message);
  /* No orderly end either way. */
  _exit (done ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Returns: whether it came to the end before the crash */
static gboolean
run (TestDevice *device, Scenario scenario, int points)
{
  pid_t pid = fork ();
  int status;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    be_tpmidd (device, scenario, points);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) != CRASHED)
    g_assert_cmpint (WEXITSTATUS (status), ==, EXIT_SUCCESS);
  return WEXITSTATUS (status) == EXIT_SUCCESS;
}

/* What happens to the device before it boots again. */
typedef enum
{
  AFTER_NOTHING,   /* tpmidd alone died */
  AFTER_POWER_CUT,
  AFTER_DISK_LOST, /* and a power cut */
  N_AFTER
} After;

static void
suffer (TestDevice *device, After after)
{
  if (after != AFTER_NOTHING)
    test_device_cut_power (device);
  if (after == AFTER_DISK_LOST)
    test_device_lose_disk (device);
}

static guint n_tried;

typedef void (*Judge) (TestDevice *device, After after);

/* @begin: (nullable): what was before. Each k is a device of its own. */
static void
crash_everywhere (Scenario begin, Scenario scenario, After after, Judge judge)
{
  gboolean ended = FALSE;

  for (int points = 0; !ended; points++)
    {
      g_auto (TestDevice) device = { NULL };

      g_assert_cmpint (points, <, POINTS_MAX);
      test_device_init (&device, "exclusive");
      if (begin != NULL)
        {
          g_assert_true (run (&device, begin, -1));
          test_device_cut_power (&device);
        }
      ended = run (&device, scenario, points);
      suffer (&device, after);
      judge (&device, after);
      n_tried++;
      /* Sessions of a tpmidd that died are flushed by the next one that opens the TPM. */
      g_autoptr (TpmLink) link = test_device_link (&device);
      test_tpm_ensure (link);
    }
}

static IdentityOwnership
boot (TestDevice *device, gboolean again)
{
  g_autoptr (TpmLink) link = test_device_link (device);

  return test_device_boot (device, link, again);
}

static void
judge_taken (TestDevice *device, After after)
{
  IdentityOwnership status = boot (device, TRUE);

  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  g_assert_cmpstr (status.detail, ==, "");
  test_device_assert_passwords_work (device);
  g_assert_cmpuint (test_swtpm_lockout_counter (device->swtpm), ==, 0);
  /* And both copies are the same. */
  test_device_cut_power (device);
  test_device_lose_disk (device);
  status = boot (device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (device);
}

/* All of it, or nothing; and of a disk that is lost at that moment, all of it again. */
static void
judge_released (TestDevice *device, After after)
{
  IdentityOwnership status = boot (device, FALSE);

  if (status.state == IDENTITY_OWNERSHIP_OWNED)
    test_device_assert_passwords_work (device);
  else
    {
      assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
      test_device_assert_empty (device);
    }
}

static void
judge_cleared (TestDevice *device, After after)
{
  IdentityOwnership status = boot (device, TRUE);

  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (device);
}

static void
check (Scenario begin, Scenario scenario, Judge judge)
{
  for (guint after = 0; after < N_AFTER; after++)
    crash_everywhere (begin, scenario, (After) after, judge);
  g_print ("# crash points: %u tried, %u survived\n", n_tried, n_tried);
}

static void
taking_survives_a_crash_anywhere (void)
{
  check (NULL, take, judge_taken);
}

static void
releasing_survives_a_crash_anywhere (void)
{
  check (take, release, judge_released);
}

static void
clearing_survives_a_crash_anywhere (void)
{
  check (take, clear, judge_cleared);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
  g_test_add_func ("/identity/ownership-crash/taking-survives-a-crash-anywhere", taking_survives_a_crash_anywhere);
  g_test_add_func ("/identity/ownership-crash/releasing-survives-a-crash-anywhere", releasing_survives_a_crash_anywhere);
  g_test_add_func ("/identity/ownership-crash/clearing-survives-a-crash-anywhere", clearing_survives_a_crash_anywhere);
  return g_test_run ();
}

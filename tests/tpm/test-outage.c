/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TPM that is killed and returns, again and again, under one process. */
#include "test-trouble.h"

#define OUTAGES 100
/* For the other side of a connection to close. */
#define CLOSING_LIMIT_US (5 * G_USEC_PER_SEC)

static TestFaults faults;

/* Entries of a folder of /proc/self, the reader's own file descriptor among them. */
static guint
count (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  guint entries = 0;

  g_assert_no_error (error);
  while (g_dir_read_name (dir) != NULL)
    entries++;
  return entries;
}

/* What stands between the link and the TPM may take a moment to close its side. */
static void
assert_count (const char *folder, guint expected)
{
  gint64 limit = g_get_monotonic_time () + CLOSING_LIMIT_US;

  while (count (folder) != expected && g_get_monotonic_time () < limit)
    g_usleep (1000);
  g_assert_cmpuint (count (folder), ==, expected);
}

/* Each kind of outage tells whether the link must have noticed. */

static gboolean
kill_between_jobs (TestSwtpm *swtpm, TpmQueue *queue, const TpmPublic *key)
{
  test_swtpm_kill (swtpm);
  return FALSE;
}

static gboolean
kill_and_miss (TestSwtpm *swtpm, TpmQueue *queue, const TpmPublic *key)
{
  g_autoptr (GError) error = NULL;

  test_swtpm_kill (swtpm);
  g_assert_false (test_trouble_signs (queue, key, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  return TRUE;
}

static guint64
commands (TpmQueue *queue)
{
  return test_tpm_status (tpm_queue_peek_link (queue)).commands;
}

static gboolean
kill_in_mid_command (TestSwtpm *swtpm, TpmQueue *queue, const TpmPublic *key)
{
  gint64 limit = g_get_monotonic_time () + TEST_LIMIT_US;
  guint64 before = commands (queue);
  g_auto (TestAnswer) answer = { FALSE };

  test_swtpm_freeze (swtpm);
  test_trouble_push (queue, test_trouble_sign, key, 0, &answer);
  while (commands (queue) == before)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, limit);
      g_usleep (500);
    }
  test_swtpm_kill (swtpm);
  test_trouble_await (&answer);
  assert_tpmid_error (answer.error, TPMID_ERROR_TPM_UNAVAILABLE);
  return TRUE;
}

typedef gboolean (*Outage) (TestSwtpm *swtpm, TpmQueue *queue, const TpmPublic *key);

static void
works_on_after_100_outages_in_one_process (void)
{
  static const Outage outages[] = { kill_between_jobs, kill_and_miss, kill_in_mid_command };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autofree TpmPublic *key = NULL;
  g_autoptr (TpmQueue) queue = test_trouble_queue (swtpm, &key);
  guint files = count ("/proc/self/fd");
  guint threads = count ("/proc/self/task");
  gint64 slowest = 0;
  guint noticed = 0;

  for (guint i = 0; i < OUTAGES; i++)
    {
      noticed += (guint) outages[i % G_N_ELEMENTS (outages)](swtpm, queue, key);
      faults.injected++;
      test_swtpm_start (swtpm);
      gint64 took = test_trouble_recover (queue, key);
      slowest = MAX (slowest, took);
      test_trouble_assert_recovered (queue, key);
      test_tpm_assert_state (tpm_queue_peek_link (queue), TPM_STATE_READY);
      g_assert_cmpuint (test_tpm_status (tpm_queue_peek_link (queue)).reopened, ==, noticed);
      assert_count ("/proc/self/fd", files);
      assert_count ("/proc/self/task", threads);
      faults.survived++;
    }
  test_swtpm_assert_clean (swtpm);
  g_print ("# recoveries: %u, slowest %" G_GINT64_FORMAT " ms\n", OUTAGES, slowest / 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/outage/works-on-after-100-outages-in-one-process", works_on_after_100_outages_in_one_process);
  int status = g_test_run ();
  test_faults_print (&faults);
  return status;
}

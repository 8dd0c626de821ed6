/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TPM that stops answering without going away. */
#include "test-trouble.h"

#include <string.h>

#define STALL_MS 8000
/* How late an answer may be where the machine is busy. */
#define LATE_MS 5000
/* The promise is 50 ms, with the same excuse. */
#define STATUS_LIMIT_US G_USEC_PER_SEC

static TestFaults faults;
static gint64 slowest_status;
static guint n_statuses;

static TpmQueueStatus
ask_status (TpmQueue *queue)
{
  gint64 start = g_get_monotonic_time ();
  TpmQueueStatus status;
  TpmLinkStatus link_status;

  tpm_queue_get_status (queue, &status);
  tpm_link_get_status (tpm_queue_peek_link (queue), &link_status);
  gint64 took = g_get_monotonic_time () - start;

  g_assert_cmpint (took, <, STATUS_LIMIT_US);
  g_assert_cmpstr (tpm_state_name (link_status.state), ==, "ready");
  slowest_status = MAX (slowest_status, took);
  n_statuses++;
  return status;
}

/* Lives on as the main thread does, asking for the status all the time; the last one. */
static TpmQueueStatus
live_until (TpmQueue *queue, gint64 until)
{
  while (g_get_monotonic_time () < until)
    {
      (void) ask_status (queue);
      while (g_main_context_iteration (NULL, FALSE))
        continue;
      g_usleep (1000);
    }
  return ask_status (queue);
}

static void
assert_timed_out (const TestAnswer *answer, gint64 pushed_at, guint deadline_ms)
{
  gint64 took_ms = (answer->at - pushed_at) / 1000;

  g_assert_true (answer->done);
  assert_tpmid_error (answer->error, TPMID_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (answer->error->message, "'sign'"));
  g_assert_cmpint (took_ms, >=, deadline_ms);
  g_assert_cmpint (took_ms, <, deadline_ms + LATE_MS);
}

static void
assert_back (TestSwtpm *swtpm, TpmQueue *queue, const TpmPublic *key)
{
  test_trouble_assert_recovered (queue, key);
  TpmQueueStatus status = ask_status (queue);
  g_assert_false (status.wedged);
  g_assert_cmpuint (status.waiting, ==, 0);
  test_swtpm_assert_clean (swtpm);
  faults.survived++;
}

static void
callers_leave_a_stall_of_8_s_at_their_deadlines (void)
{
  static const guint deadlines_ms[] = { 200, 1000, 2500 };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autofree TpmPublic *key = NULL;
  g_autoptr (TpmQueue) queue = test_trouble_queue (swtpm, &key);
  TestAnswer answers[G_N_ELEMENTS (deadlines_ms)] = { { FALSE } };
  g_auto (TestAnswer) patient = { FALSE };

  test_swtpm_freeze (swtpm);
  faults.injected++;
  gint64 start = g_get_monotonic_time ();
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    test_trouble_push (queue, test_trouble_sign, key, deadlines_ms[i], &answers[i]);
  test_trouble_push (queue, test_trouble_sign, key, 0, &patient);

  TpmQueueStatus status = live_until (queue, start + STALL_MS * 1000);
  g_assert_cmpstr (status.running, ==, "sign");
  g_assert_cmpuint (status.running_ms, >=, STALL_MS - LATE_MS);
  g_assert_cmpuint (status.waiting, ==, 1);
  g_assert_false (status.wedged);
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      assert_timed_out (&answers[i], start, deadlines_ms[i]);
      test_answer_clear (&answers[i]);
    }
  g_assert_false (patient.done);

  /* Who was patient is served, over the connection that there was. */
  test_swtpm_thaw (swtpm);
  test_trouble_await (&patient);
  g_assert_no_error (patient.error);
  g_assert_cmpuint (test_tpm_status (tpm_queue_peek_link (queue)).reopened, ==, 0);
  assert_back (swtpm, queue, key);
}

static void
a_stall_for_ever_is_wedged_until_the_tpm_is_replaced (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autofree TpmPublic *key = NULL;
  g_autoptr (TpmQueue) queue = test_trouble_queue (swtpm, &key);
  g_auto (TestAnswer) first = { FALSE };
  g_auto (TestAnswer) second = { FALSE };

  test_swtpm_freeze (swtpm);
  faults.injected++;
  gint64 start = g_get_monotonic_time ();
  test_trouble_push (queue, test_trouble_sign, key, 500, &first);
  TpmQueueStatus status = live_until (queue, start + (TPM_QUEUE_WEDGED_MS - 1500) * 1000);
  g_assert_true (!status.wedged || status.running_ms > TPM_QUEUE_WEDGED_MS);
  assert_timed_out (&first, start, 500);
  while (!live_until (queue, g_get_monotonic_time () + 10000).wedged)
    g_assert_cmpint (g_get_monotonic_time () - start, <, (TPM_QUEUE_WEDGED_MS + LATE_MS) * 1000);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, TPM_QUEUE_WEDGED_MS * 1000);

  /* Whoever comes now is not kept either. */
  gint64 pushed_at = g_get_monotonic_time ();
  test_trouble_push (queue, test_trouble_sign, key, 200, &second);
  test_trouble_await (&second);
  assert_timed_out (&second, pushed_at, 200);

  /* The queue does nothing about it: a TPM that is reset breaks the connection, and the next job finds a new one. */
  test_swtpm_kill (swtpm);
  test_swtpm_start (swtpm);
  (void) test_trouble_recover (queue, key);
  assert_back (swtpm, queue, key);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/stall/callers-leave-a-stall-of-8-s-at-their-deadlines", callers_leave_a_stall_of_8_s_at_their_deadlines);
  g_test_add_func ("/tpm/stall/a-stall-for-ever-is-wedged-until-the-tpm-is-replaced",
                   a_stall_for_ever_is_wedged_until_the_tpm_is_replaced);
  int status = g_test_run ();
  g_print ("# status: asked %u times while the TPM stalled, slowest %" G_GINT64_FORMAT " us\n", n_statuses, slowest_status);
  test_faults_print (&faults);
  return status;
}

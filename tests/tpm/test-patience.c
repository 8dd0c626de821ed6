/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What takes long: a TPM that does not come back at all. */
#include "base-error.h"
#include "tpm-queue.h"

#include <unistd.h>

static GMutex door;
static GError *answer;

static gpointer
hang (TpmLink *link, gpointer request, GError **error)
{
  g_mutex_lock (&door);
  g_mutex_unlock (&door);
  return g_strdup ("late");
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_assert_null (tpm_queue_push_finish (result, &answer));
}

static gboolean
on_timer (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
iterate_for (guint ms)
{
  gboolean over = FALSE;

  (void) g_timeout_add (ms, on_timer, &over);
  while (!over)
    (void) g_main_context_iteration (NULL, TRUE);
}

static void
hang_and_give_up (void)
{
  TpmQueue *queue = tpm_queue_new (tpm_link_new (&(TpmLinkOptions){ .tcti = "", .sysfs_root = "/nonexistent" }), 4, 2);
  TpmJob job = { .operation = "create", .priority = TPM_PRIORITY_NORMAL, .run = hang, .result_free = g_free };
  TpmQueueStatus status;

  g_mutex_lock (&door);
  tpm_queue_push_async (queue, &job, NULL, on_done, NULL);
  iterate_for (TPM_QUEUE_WEDGED_MS - 1000);
  tpm_queue_get_status (queue, &status);
  g_assert_cmpstr (status.running, ==, "create");
  g_assert_false (status.wedged);
  iterate_for (1500);
  tpm_queue_get_status (queue, &status);
  g_assert_true (status.wedged);
  g_assert_cmpuint (status.running_ms, >, TPM_QUEUE_WEDGED_MS);

  gint64 start = g_get_monotonic_time ();
  tpm_queue_close (queue);
  g_assert_error (answer, TPMID_ERROR, TPMID_ERROR_CANCELLED);
  g_assert_false (tpm_queue_free (queue));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 10 * G_USEC_PER_SEC);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 12 * G_USEC_PER_SEC);

  /* Should it come back after all, nobody is hurt. */
  g_mutex_unlock (&door);
  iterate_for (100);
}

static void
a_tpm_that_hangs_is_a_state_and_does_not_keep_the_process (void)
{
  if (g_test_subprocess ())
    {
      hang_and_give_up ();
      /* Past the leak checker: what the hanging thread uses is left behind on purpose. */
      _exit (0);
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/patience/a-tpm-that-hangs-is-a-state-and-does-not-keep-the-process",
                   a_tpm_that_hangs_is_a_state_and_does_not_keep_the_process);
  return g_test_run ();
}

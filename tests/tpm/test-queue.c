/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tpm.h"

#include "tpm-queue.h"

#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 10000

/* What the main thread waits for never takes longer than this, or the test fails. */
static gboolean
on_patience (gpointer data)
{
  g_error ("nothing came within %d ms", PATIENCE_MS);
  return G_SOURCE_REMOVE;
}

static void
wait_until (const gboolean *flag)
{
  guint patience = g_timeout_add (PATIENCE_MS, on_patience, NULL);

  while (!*flag)
    (void) g_main_context_iteration (NULL, TRUE);
  g_source_remove (patience);
}

/* A door that holds the TPM thread until the main thread opens it. */
typedef struct
{
  GMutex mutex;
  GCond changed;
  gboolean entered, open;
} Door;

static void
door_pass (Door *door)
{
  g_mutex_lock (&door->mutex);
  door->entered = TRUE;
  g_cond_broadcast (&door->changed);
  while (!door->open)
    g_cond_wait (&door->changed, &door->mutex);
  g_mutex_unlock (&door->mutex);
}

static void
door_wait_for_entry (Door *door)
{
  gint64 limit = g_get_monotonic_time () + PATIENCE_MS * 1000;

  g_mutex_lock (&door->mutex);
  while (!door->entered)
    g_assert_true (g_cond_wait_until (&door->changed, &door->mutex, limit));
  g_mutex_unlock (&door->mutex);
}

static void
door_open (Door *door)
{
  g_mutex_lock (&door->mutex);
  door->open = TRUE;
  g_cond_broadcast (&door->changed);
  g_mutex_unlock (&door->mutex);
}

/* One request from push to answer. */
typedef struct
{
  const char *name;
  Door *door;     /* (nullable) */
  GString *order; /* (nullable): TPM thread writes the name into it */
  gint runs;
  gboolean done;
  char *result;
  GError *error;
} Probe;

static void
probe_clear (Probe *probe)
{
  g_free (probe->result);
  g_clear_error (&probe->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Probe, probe_clear)

static gint freed_results;

static void
free_result (gpointer result)
{
  g_atomic_int_inc (&freed_results);
  g_free (result);
}

static gpointer
run_probe (TpmLink *link, gpointer request, GError **error)
{
  Probe *probe = *(Probe **) request;
  gboolean exists;

  g_atomic_int_inc (&probe->runs);
  if (probe->door != NULL)
    door_pass (probe->door);
  if (probe->order != NULL)
    g_string_append_printf (probe->order, "%s ", probe->name);
  if (link != NULL && !tpm_link_has_handle (link, TEST_HANDLE, &exists, error))
    return NULL;
  return g_strdup (probe->name);
}

static void
on_probe_done (GObject *source, GAsyncResult *result, gpointer data)
{
  Probe *probe = (Probe *) data;

  g_assert_false (probe->done);
  probe->result = (char *) tpm_queue_push_finish (result, &probe->error);
  probe->done = TRUE;
}

static TpmJob
job_for (Probe *probe)
{
  Probe **request = g_new (Probe *, 1);

  *request = probe;
  return (TpmJob){
    .operation = probe->name,
    .priority = TPM_PRIORITY_NORMAL,
    .uid = 1000,
    .client = ":1.1",
    .run = run_probe,
    .request = request,
    .request_free = g_free,
    .result_free = free_result,
  };
}

static void
push (TpmQueue *queue, Probe *probe)
{
  TpmJob job = job_for (probe);

  tpm_queue_push_async (queue, &job, NULL, on_probe_done, probe);
  g_assert_false (probe->done);
}

static TpmQueue *
queue_without_tpm (void)
{
  return tpm_queue_new (tpm_link_new (&(TpmLinkOptions){ .tcti = "swtpm:path=/nonexistent/s", .sysfs_root = "/nonexistent" }), 4,
                        2);
}

/* Holds the TPM thread in a job of the daemon's own. */
static void
hold (TpmQueue *queue, Probe *holder, Door *door)
{
  holder->name = "holder";
  holder->door = door;
  TpmJob job = job_for (holder);
  job.client = NULL;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, holder);
  door_wait_for_entry (door);
}

static void
a_job_brings_its_result (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_auto (Probe) probe = { .name = "sign" };

  push (queue, &probe);
  wait_until (&probe.done);
  g_assert_no_error (probe.error);
  g_assert_cmpstr (probe.result, ==, "sign");
}

static void
without_a_tpm_a_job_gets_the_openings_error (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_auto (Probe) probe = { .name = "sign" };
  TpmJob job = job_for (&probe);

  job.needs_tpm = TRUE;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probe);
  wait_until (&probe.done);
  assert_tpmid_error (probe.error, TPMID_ERROR_NO_DEVICE);
  g_assert_cmpint (probe.runs, ==, 0);
}

static void
runs_by_priority (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_autoptr (GString) order = g_string_new (NULL);
  g_auto (Probe) holder = { 0 };
  Probe probes[] = { { .name = "background" }, { .name = "normal" }, { .name = "urgent" } };
  static const TpmPriority priorities[] = { TPM_PRIORITY_BACKGROUND, TPM_PRIORITY_NORMAL, TPM_PRIORITY_URGENT };
  static const char *const clients[] = { ":1.1", ":1.2", ":1.3" };
  Door door = { 0 };

  hold (queue, &holder, &door);
  for (gsize i = 0; i < G_N_ELEMENTS (probes); i++)
    {
      probes[i].order = order;
      TpmJob job = job_for (&probes[i]);
      job.priority = priorities[i];
      job.client = clients[i];
      tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probes[i]);
    }
  door_open (&door);
  wait_until (&probes[0].done);
  g_assert_cmpstr (order->str, ==, "urgent normal background ");
  for (gsize i = 0; i < G_N_ELEMENTS (probes); i++)
    {
      wait_until (&probes[i].done);
      probe_clear (&probes[i]);
    }
}

static void
refuses_at_once_when_a_bound_is_reached (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  static const char *const clients[] = { ":1.1", ":1.1", ":1.1", ":1.2", ":1.3", ":1.4", NULL };
  static const gboolean refused[] = { FALSE, FALSE, TRUE, FALSE, FALSE, TRUE, FALSE };
  Probe probes[G_N_ELEMENTS (clients)] = { 0 };
  g_auto (Probe) holder = { 0 };
  Door door = { 0 };

  hold (queue, &holder, &door);
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      probes[i].name = "sign";
      TpmJob job = job_for (&probes[i]);
      job.client = clients[i];
      tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probes[i]);
      g_assert_false (probes[i].done);
      if (!refused[i])
        continue;
      wait_until (&probes[i].done);
      assert_tpmid_error (probes[i].error, TPMID_ERROR_BUSY);
      g_assert_nonnull (strstr (probes[i].error->message, "try again"));
    }
  door_open (&door);
  for (gsize i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      wait_until (&probes[i].done);
      g_assert_cmpint (probes[i].runs, ==, !refused[i]);
      probe_clear (&probes[i]);
    }
}

typedef struct
{
  guint uid;
  const char *client;
  gboolean refused;
} Arrival;

/* Four places, two for each client. The flood comes from as many connections as it needs, and still gives way. */
static void
who_floods_takes_nobody_elses_place (void)
{
  static const Arrival arrivals[] = {
    { 1000, ":1.1", FALSE }, { 1000, ":1.1", FALSE }, { 1000, ":1.2", FALSE }, { 1000, ":1.2", TRUE },
    { 1000, ":1.3", TRUE },  { 1001, ":1.4", FALSE }, { 1000, ":1.3", TRUE },
  };
  enum { DISPLACED = 3, NEWCOMER = 5 };
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  Probe probes[G_N_ELEMENTS (arrivals)] = { 0 };
  g_auto (Probe) holder = { 0 };
  TpmQueueStatus status;
  Door door = { 0 };

  hold (queue, &holder, &door);
  for (gsize i = 0; i < G_N_ELEMENTS (arrivals); i++)
    {
      probes[i].name = "sign";
      TpmJob job = job_for (&probes[i]);
      job.uid = arrivals[i].uid;
      job.client = arrivals[i].client;
      tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probes[i]);
      /* Nobody is called back out of the call that took his place. */
      g_assert_false (probes[i].done || probes[DISPLACED].done);
    }
  tpm_queue_get_status (queue, &status);
  g_assert_cmpuint (status.waiting, ==, 4);
  for (gsize i = 0; i < G_N_ELEMENTS (arrivals); i++)
    if (arrivals[i].refused)
      wait_until (&probes[i].done);
  g_assert_false (probes[NEWCOMER].done);
  door_open (&door);
  for (gsize i = 0; i < G_N_ELEMENTS (arrivals); i++)
    {
      wait_until (&probes[i].done);
      g_assert_cmpint (probes[i].runs, ==, !arrivals[i].refused);
      if (arrivals[i].refused)
        assert_tpmid_error (probes[i].error, TPMID_ERROR_BUSY);
      else
        g_assert_no_error (probes[i].error);
      probe_clear (&probes[i]);
    }
}

static void
a_waiting_job_that_is_cancelled_leaves_at_once (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Probe) holder = { 0 };
  g_auto (Probe) probe = { .name = "sign" };
  TpmQueueStatus status;
  Door door = { 0 };

  hold (queue, &holder, &door);
  TpmJob job = job_for (&probe);
  tpm_queue_push_async (queue, &job, cancellable, on_probe_done, &probe);
  tpm_queue_get_status (queue, &status);
  g_assert_cmpuint (status.waiting, ==, 1);
  g_cancellable_cancel (cancellable);
  g_assert_false (probe.done);
  wait_until (&probe.done);
  assert_tpmid_error (probe.error, TPMID_ERROR_CANCELLED);
  tpm_queue_get_status (queue, &status);
  g_assert_cmpuint (status.waiting, ==, 0);
  door_open (&door);
  wait_until (&holder.done);
  g_assert_cmpint (probe.runs, ==, 0);
}

static void
a_job_that_is_cancelled_before_is_not_queued (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Probe) probe = { .name = "sign" };
  TpmJob job = job_for (&probe);

  g_cancellable_cancel (cancellable);
  tpm_queue_push_async (queue, &job, cancellable, on_probe_done, &probe);
  g_assert_false (probe.done);
  wait_until (&probe.done);
  assert_tpmid_error (probe.error, TPMID_ERROR_CANCELLED);
  g_assert_cmpint (probe.runs, ==, 0);
}

static gpointer
cancel_from_thread (gpointer cancellable)
{
  g_cancellable_cancel (G_CANCELLABLE (cancellable));
  return NULL;
}

static void
a_running_jobs_result_is_dropped_when_cancelled (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Probe) probe = { .name = "sign" };
  g_auto (Probe) next = { .name = "next" };
  gint freed = g_atomic_int_get (&freed_results);
  Door door = { 0 };

  probe.door = &door;
  TpmJob job = job_for (&probe);
  tpm_queue_push_async (queue, &job, cancellable, on_probe_done, &probe);
  door_wait_for_entry (&door);
  (void) g_thread_join (g_thread_new ("cancel", cancel_from_thread, cancellable));
  wait_until (&probe.done);
  assert_tpmid_error (probe.error, TPMID_ERROR_CANCELLED);
  door_open (&door);
  push (queue, &next);
  wait_until (&next.done);
  g_assert_cmpint (g_atomic_int_get (&freed_results), ==, freed + 1);
}

static void
a_deadline_ends_the_wait_for_a_turn (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_auto (Probe) holder = { 0 };
  g_auto (Probe) probe = { .name = "sign" };
  Door door = { 0 };

  hold (queue, &holder, &door);
  TpmJob job = job_for (&probe);
  job.deadline_ms = 50;
  gint64 start = g_get_monotonic_time ();
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probe);
  wait_until (&probe.done);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 49 * 1000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  assert_tpmid_error (probe.error, TPMID_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (probe.error->message, "'holder'"));
  door_open (&door);
  wait_until (&holder.done);
  g_assert_cmpint (probe.runs, ==, 0);
}

static void
a_deadline_ends_the_wait_for_a_running_job (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_auto (Probe) probe = { .name = "create" };
  g_auto (Probe) next = { .name = "next" };
  gint freed = g_atomic_int_get (&freed_results);
  Door door = { 0 };

  probe.door = &door;
  TpmJob job = job_for (&probe);
  job.deadline_ms = 50;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probe);
  wait_until (&probe.done);
  assert_tpmid_error (probe.error, TPMID_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (probe.error->message, "'create'"));
  door_open (&door);
  push (queue, &next);
  wait_until (&next.done);
  g_assert_no_error (next.error);
  g_assert_cmpint (g_atomic_int_get (&freed_results), ==, freed + 1);
}

static void
status_answers_while_the_tpm_hangs (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmQueue) queue = tpm_queue_new (test_tpm_link (swtpm), 4, 2);
  g_auto (Probe) first = { .name = "first" };
  g_auto (Probe) stuck = { .name = "stuck" };
  g_auto (Probe) next = { .name = "next" };
  TpmLinkStatus link_status;
  TpmQueueStatus status;

  TpmJob job = job_for (&first);
  job.needs_tpm = TRUE;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &first);
  wait_until (&first.done);
  g_assert_no_error (first.error);

  test_swtpm_freeze (swtpm);
  job = job_for (&stuck);
  job.needs_tpm = TRUE;
  job.deadline_ms = 200;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &stuck);
  gint64 start = g_get_monotonic_time ();
  wait_until (&stuck.done);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 220 * 1000 + 100 * 1000);
  assert_tpmid_error (stuck.error, TPMID_ERROR_TIMEOUT);

  start = g_get_monotonic_time ();
  tpm_queue_get_status (queue, &status);
  tpm_link_get_status (tpm_queue_peek_link (queue), &link_status);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 50 * 1000);
  g_assert_cmpstr (status.running, ==, "stuck");
  g_assert_cmpuint (status.running_ms, >=, 190);
  g_assert_false (status.wedged);
  g_assert_cmpint (link_status.state, ==, TPM_STATE_READY);

  test_swtpm_thaw (swtpm);
  start = g_get_monotonic_time ();
  job = job_for (&next);
  job.needs_tpm = TRUE;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &next);
  wait_until (&next.done);
  g_assert_no_error (next.error);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
}

/* Commands that fail, by their number; the last is 0. */
typedef guint64 Break[3];

static TSS2_RC
break_transport (guint32 command_code, guint64 nth, gpointer user_data)
{
  const guint64 *fault = (const guint64 *) user_data;

  return nth == fault[0] || nth == fault[1] ? TSS2_TCTI_RC_IO_ERROR : TSS2_RC_SUCCESS;
}

/* Opening takes four commands, so the fifth is the job's own; after it come another opening and the job's again. */
static void
check_replay (const Break fault, gboolean replayable, gint runs, gboolean works)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  TpmLink *link = test_tpm_link (swtpm);
  g_auto (Probe) probe = { .name = "look" };

  tpm_link_set_fault (link, break_transport, (gpointer) fault);
  g_autoptr (TpmQueue) queue = tpm_queue_new (link, 4, 2);
  TpmJob job = job_for (&probe);
  job.needs_tpm = TRUE;
  job.replayable = replayable;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probe);
  wait_until (&probe.done);
  g_assert_cmpint (probe.runs, ==, runs);
  if (works)
    g_assert_no_error (probe.error);
  else
    assert_tpmid_error (probe.error, TPMID_ERROR_TPM_UNAVAILABLE);
}

static void
replays_what_is_harmless_once (void)
{
  check_replay ((Break){ 5 }, TRUE, 2, TRUE);
}

static void
replays_not_twice (void)
{
  check_replay ((Break){ 5, 10 }, TRUE, 2, FALSE);
}

static void
replays_not_without_a_tpm (void)
{
  check_replay ((Break){ 5, 6 }, TRUE, 1, FALSE);
}

static void
replays_nothing_else (void)
{
  check_replay ((Break){ 5 }, FALSE, 1, FALSE);
}

static gpointer
open_later (gpointer door)
{
  g_usleep (100 * 1000);
  door_open ((Door *) door);
  return NULL;
}

static void
free_answers_everybody_and_waits_for_the_running_job (void)
{
  TpmQueue *queue = queue_without_tpm ();
  g_auto (Probe) running = { .name = "running" };
  g_auto (Probe) waiting = { .name = "waiting" };
  g_auto (Probe) late = { .name = "late" };
  Door door = { 0 };

  running.door = &door;
  TpmJob job = job_for (&running);
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &running);
  door_wait_for_entry (&door);
  push (queue, &waiting);
  tpm_queue_close (queue);
  /* The TPM thread is still behind the door. */
  g_assert_true (waiting.done && running.done);
  assert_tpmid_error (waiting.error, TPMID_ERROR_CANCELLED);
  assert_tpmid_error (running.error, TPMID_ERROR_CANCELLED);
  push (queue, &late);
  wait_until (&late.done);
  assert_tpmid_error (late.error, TPMID_ERROR_CANCELLED);

  GThread *opener = g_thread_new ("open", open_later, &door);
  g_assert_true (tpm_queue_free (queue));
  (void) g_thread_join (opener);
  g_assert_cmpint (running.runs, ==, 1);
  g_assert_cmpint (waiting.runs + late.runs, ==, 0);
}

static void
free_shuts_the_tpm_down (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  TpmQueue *queue = tpm_queue_new (test_tpm_link (swtpm), 4, 2);
  g_auto (Probe) probe = { .name = "look" };
  TpmJob job = job_for (&probe);

  job.needs_tpm = TRUE;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probe);
  wait_until (&probe.done);
  g_assert_no_error (probe.error);
  tpm_queue_free (queue);
  test_swtpm_assert_clean (swtpm);
}

static gpointer
return_nothing (TpmLink *link, gpointer request, GError **error)
{
  return NULL;
}

static void
a_job_without_result_and_error_is_a_failure (void)
{
  g_autoptr (TpmQueue) queue = queue_without_tpm ();
  g_auto (Probe) probe = { .name = "odd" };
  TpmJob job = job_for (&probe);

  job.run = return_nothing;
  tpm_queue_push_async (queue, &job, NULL, on_probe_done, &probe);
  wait_until (&probe.done);
  assert_tpmid_error (probe.error, TPMID_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/queue/a-job-brings-its-result", a_job_brings_its_result);
  g_test_add_func ("/tpm/queue/without-a-tpm-a-job-gets-the-openings-error", without_a_tpm_a_job_gets_the_openings_error);
  g_test_add_func ("/tpm/queue/runs-by-priority", runs_by_priority);
  g_test_add_func ("/tpm/queue/refuses-at-once-when-a-bound-is-reached", refuses_at_once_when_a_bound_is_reached);
  g_test_add_func ("/tpm/queue/who-floods-takes-nobody-elses-place", who_floods_takes_nobody_elses_place);
  g_test_add_func ("/tpm/queue/a-waiting-job-that-is-cancelled-leaves-at-once", a_waiting_job_that_is_cancelled_leaves_at_once);
  g_test_add_func ("/tpm/queue/a-job-that-is-cancelled-before-is-not-queued", a_job_that_is_cancelled_before_is_not_queued);
  g_test_add_func ("/tpm/queue/a-running-jobs-result-is-dropped-when-cancelled", a_running_jobs_result_is_dropped_when_cancelled);
  g_test_add_func ("/tpm/queue/a-deadline-ends-the-wait-for-a-turn", a_deadline_ends_the_wait_for_a_turn);
  g_test_add_func ("/tpm/queue/a-deadline-ends-the-wait-for-a-running-job", a_deadline_ends_the_wait_for_a_running_job);
  g_test_add_func ("/tpm/queue/status-answers-while-the-tpm-hangs", status_answers_while_the_tpm_hangs);
  g_test_add_func ("/tpm/queue/replays-what-is-harmless-once", replays_what_is_harmless_once);
  g_test_add_func ("/tpm/queue/replays-not-twice", replays_not_twice);
  g_test_add_func ("/tpm/queue/replays-not-without-a-tpm", replays_not_without_a_tpm);
  g_test_add_func ("/tpm/queue/replays-nothing-else", replays_nothing_else);
  g_test_add_func ("/tpm/queue/free-answers-everybody-and-waits-for-the-running-job",
                   free_answers_everybody_and_waits_for_the_running_job);
  g_test_add_func ("/tpm/queue/free-shuts-the-tpm-down", free_shuts_the_tpm_down);
  g_test_add_func ("/tpm/queue/a-job-without-result-and-error-is-a-failure", a_job_without_result_and_error_is_a_failure);
  return g_test_run ();
}

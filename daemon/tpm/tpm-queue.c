/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-queue.h"

#include "base-error.h"
#include "tpm-link-private.h"
#include "tpm-turns.h"

/* How long tpm_queue_free() waits for a command that does not come back. */
#define STOP_LIMIT_USEC (10 * G_USEC_PER_SEC)

/* A job is counted: the rows of waiting jobs hold a reference, which goes to the TPM thread with the job; so does each of
 * its GSources, and the one that brings it back. Who may touch a member:
 *   m: the main thread   t: the TPM thread, and the main thread after that sent it home   c: constant after push */
typedef struct
{
  TpmTurn turn;       /* c; first: the queue's rows know the job by it */
  gboolean waits;     /* under the queue's mutex */
  TpmQueue *queue;    /* m; only as long as the caller has not been answered */
  TpmJob spec;        /* c */
  char *client;       /* c */
  gint64 pushed_at;   /* c */
  GTask *task;        /* m; NULL when the caller has been answered */
  GSource *deadline;  /* m */
  GSource *cancelled; /* m */
  gpointer result;    /* t */
  GError *error;      /* t */
} Job;

struct TpmQueue
{
  TpmLink *link; /* the TPM thread's, except for its "any thread" functions */
  GMainContext *context;
  GThread *thread;
  guint limit, limit_per_client;
  GHashTable *unanswered; /* main thread: Job, not counted */

  GMutex mutex;
  GCond changed;
  TpmTurns *waiting;
  Job *running;
  gint64 running_since;
  gboolean stopping, stopped;
};

static void
job_clear (gpointer data)
{
  Job *job = (Job *) data;

  if (job->result != NULL && job->spec.result_free != NULL)
    job->spec.result_free (job->result);
  if (job->spec.request != NULL && job->spec.request_free != NULL)
    job->spec.request_free (job->spec.request);
  g_clear_object (&job->task);
  g_clear_error (&job->error);
  g_free (job->client);
}

static void
job_unref (gpointer job)
{
  g_atomic_rc_box_release_full (job, job_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Job, job_unref)

static Job *
job_ref (Job *job)
{
  return (Job *) g_atomic_rc_box_acquire (job);
}

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* Takes the task for an answer; nothing else will answer the job after this. */
static GTask *
job_close (Job *job)
{
  clear_source (&job->deadline);
  clear_source (&job->cancelled);
  g_hash_table_remove (job->queue->unanswered, job);
  return g_steal_pointer (&job->task);
}

static void
job_fail (Job *job, GError *error)
{
  g_autoptr (GTask) task = job_close (job);

  g_task_return_error (task, error);
}

/* The job is back from the TPM thread. */
static gboolean
on_job_done (gpointer data)
{
  Job *job = (Job *) data;

  if (job->task == NULL)
    return G_SOURCE_REMOVE;
  if (job->error != NULL)
    job_fail (job, g_steal_pointer (&job->error));
  else
    {
      g_autoptr (GTask) task = job_close (job);
      g_task_return_pointer (task, g_steal_pointer (&job->result), job->spec.result_free);
    }
  return G_SOURCE_REMOVE;
}

/* Takes over one reference of the job. Never g_main_context_invoke(): it would call back on the TPM thread while the main
 * loop does not run. */
static GSource *
attach (GMainContext *context, GSource *source, GSourceFunc func, Job *job)
{
  g_source_set_callback (source, func, job, job_unref);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_attach (source, context);
  return source;
}

/* Takes a waiting job out. A running one stays where it is, and what it brings will find nobody. */
static void
withdraw (Job *job)
{
  TpmQueue *queue = job->queue;
  g_autoptr (Job) removed = NULL;

  g_mutex_lock (&queue->mutex);
  if (job->waits)
    {
      tpm_turns_remove (queue->waiting, &job->turn);
      job->waits = FALSE;
      removed = job;
    }
  g_mutex_unlock (&queue->mutex);
}

/* A TPM that makes an RSA key cannot be interrupted; that is no fault, and a job that has not begun can be sent again. */
static GError *
new_timeout (Job *job)
{
  double waited = (double) (g_get_monotonic_time () - job->pushed_at) / G_USEC_PER_SEC;
  TpmQueueStatus status;

  g_mutex_lock (&job->queue->mutex);
  gboolean has_begun = !job->waits;
  g_mutex_unlock (&job->queue->mutex);
  tpm_queue_get_status (job->queue, &status);
  if (status.running == NULL)
    return g_error_new (TPMID_ERROR, TPMID_ERROR_TIMEOUT, "%s: no answer after %.1f s; try again", job->spec.operation, waited);
  if (!has_begun && status.generating && !status.wedged)
    return g_error_new (TPMID_ERROR, TPMID_ERROR_BUSY,
                        "%s: the TPM has been making a key for %.1f s, which cannot be interrupted; try again",
                        job->spec.operation, (double) status.running_ms / 1000);
  return g_error_new (TPMID_ERROR, TPMID_ERROR_TIMEOUT,
                      "%s: no answer after %.1f s; the TPM has been busy with '%s' for %.1f s; try again later",
                      job->spec.operation, waited, status.running, (double) status.running_ms / 1000);
}

static gboolean
on_deadline (gpointer data)
{
  Job *job = (Job *) data;

  if (job->task != NULL)
    {
      GError *error = new_timeout (job);
      withdraw (job);
      job_fail (job, error);
    }
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  Job *job = (Job *) data;

  if (job->task != NULL)
    {
      withdraw (job);
      job_fail (job, g_error_new (TPMID_ERROR, TPMID_ERROR_CANCELLED, "%s: cancelled", job->spec.operation));
    }
  return G_SOURCE_REMOVE;
}

/* TPM thread, as are the next ones. */
static void
call (TpmLink *link, Job *job)
{
  job->result = job->spec.run (job->spec.needs_tpm ? link : NULL, job->spec.request, &job->error);
  if (job->result == NULL && job->error == NULL)
    g_set_error (&job->error, TPMID_ERROR, TPMID_ERROR_FAILED, "%s: neither a result nor an error; report this",
                 job->spec.operation);
}

static gboolean
broke_the_link (TpmLink *link, const Job *job)
{
  return job->spec.needs_tpm && !tpm_link_is_open (link)
         && g_error_matches (job->error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE);
}

static void
run (TpmLink *link, Job *job)
{
  if (job->spec.needs_tpm && !tpm_link_ensure (link, &job->error))
    return;
  call (link, job);
  if (!job->spec.replayable || !broke_the_link (link, job))
    return;
  g_clear_error (&job->error);
  if (tpm_link_ensure (link, &job->error))
    call (link, job);
}

static Job *
next_job (TpmQueue *queue)
{
  TpmTurn *turn;

  while ((turn = tpm_turns_pop (queue->waiting)) == NULL && !queue->stopping)
    g_cond_wait (&queue->changed, &queue->mutex);
  if (turn == NULL)
    return NULL;
  queue->running = (Job *) turn;
  queue->running->waits = FALSE;
  queue->running_since = g_get_monotonic_time ();
  return queue->running;
}

static gpointer
run_jobs (gpointer data)
{
  TpmQueue *queue = (TpmQueue *) data;
  Job *job;

  g_mutex_lock (&queue->mutex);
  while ((job = next_job (queue)) != NULL)
    {
      g_mutex_unlock (&queue->mutex);
      run (queue->link, job);
      g_mutex_lock (&queue->mutex);
      queue->running = NULL;
      g_source_unref (attach (queue->context, g_idle_source_new (), on_job_done, job));
    }
  g_mutex_unlock (&queue->mutex);

  tpm_link_close (queue->link);

  g_mutex_lock (&queue->mutex);
  queue->stopped = TRUE;
  g_cond_broadcast (&queue->changed);
  g_mutex_unlock (&queue->mutex);
  return NULL;
}

TpmQueue *
tpm_queue_new (TpmLink *link, guint limit, guint limit_per_client)
{
  TpmQueue *queue = g_new0 (TpmQueue, 1);

  queue->link = link;
  queue->context = g_main_context_ref_thread_default ();
  queue->limit = limit;
  queue->limit_per_client = limit_per_client;
  queue->unanswered = g_hash_table_new (NULL, NULL);
  queue->waiting = tpm_turns_new ();
  g_mutex_init (&queue->mutex);
  g_cond_init (&queue->changed);
  queue->thread = g_thread_new ("tpm", run_jobs, queue);
  return queue;
}

static gboolean
on_abandoned (gpointer data)
{
  Job *job = (Job *) data;

  if (job->task != NULL)
    job_fail (job, g_error_new (TPMID_ERROR, TPMID_ERROR_CANCELLED, "%s: tpmidd is stopping", job->spec.operation));
  return G_SOURCE_REMOVE;
}

/* Takes over one reference of the job. */
static void
abandon (TpmQueue *queue, Job *job)
{
  g_source_unref (attach (queue->context, g_idle_source_new (), on_abandoned, job));
}

void
tpm_queue_close (TpmQueue *queue)
{
  TpmTurn *turn;

  g_mutex_lock (&queue->mutex);
  queue->stopping = TRUE;
  while ((turn = tpm_turns_pop (queue->waiting)) != NULL)
    {
      ((Job *) turn)->waits = FALSE;
      abandon (queue, (Job *) turn);
    }
  if (queue->running != NULL)
    abandon (queue, job_ref (queue->running));
  g_cond_broadcast (&queue->changed);
  g_mutex_unlock (&queue->mutex);

  while (g_hash_table_size (queue->unanswered) > 0)
    (void) g_main_context_iteration (queue->context, TRUE);
}

static gboolean
wait_for_thread (TpmQueue *queue)
{
  gint64 limit = g_get_monotonic_time () + STOP_LIMIT_USEC;
  gboolean in_time = TRUE;

  g_mutex_lock (&queue->mutex);
  while (!queue->stopped && in_time)
    in_time = g_cond_wait_until (&queue->changed, &queue->mutex, limit);
  gboolean stopped = queue->stopped;
  g_mutex_unlock (&queue->mutex);
  return stopped;
}

gboolean
tpm_queue_free (TpmQueue *queue)
{
  if (queue == NULL)
    return TRUE;

  tpm_queue_close (queue);
  gboolean stopped = wait_for_thread (queue);
  /* A thread that hangs in its transport still looks at the queue when it comes back: both are left behind. */
  if (!stopped)
    {
      g_thread_unref (queue->thread);
      return FALSE;
    }
  (void) g_thread_join (queue->thread);
  /* Not before: while the last answers went out their receivers could still ask for the link's status. */
  tpm_link_free (queue->link);
  g_hash_table_unref (queue->unanswered);
  tpm_turns_free (queue->waiting);
  g_main_context_unref (queue->context);
  g_cond_clear (&queue->changed);
  g_mutex_clear (&queue->mutex);
  g_free (queue);
  return TRUE;
}

static Job *
job_new (TpmQueue *queue, const TpmJob *spec, GAsyncReadyCallback callback, gpointer user_data)
{
  Job *job = g_atomic_rc_box_new0 (Job);

  job->queue = queue;
  job->spec = *spec;
  job->client = g_strdup (spec->client);
  job->spec.client = job->client;
  job->turn = (TpmTurn){ .priority = spec->priority, .uid = spec->uid, .client = job->client };
  job->pushed_at = g_get_monotonic_time ();
  job->task = g_task_new (NULL, NULL, callback, user_data);
  g_task_set_name (job->task, spec->operation);
  g_hash_table_add (queue->unanswered, job);
  return job;
}

static gboolean
on_displaced (gpointer data)
{
  Job *job = (Job *) data;

  if (job->task != NULL)
    job_fail (job, g_error_new (TPMID_ERROR, TPMID_ERROR_BUSY,
                                "%s: too many requests wait for the TPM, and most of them are of this user; try again later",
                                job->spec.operation));
  return G_SOURCE_REMOVE;
}

/* Makes a place for a job of @uid. Under the mutex. Who loses its place hears so later: its callback may call the queue. */
static gboolean
displace (TpmQueue *queue, guint uid)
{
  TpmTurn *turn = tpm_turns_find_greedy (queue->waiting, uid);

  if (turn == NULL)
    return FALSE;
  Job *job = (Job *) turn;
  tpm_turns_remove (queue->waiting, turn);
  job->waits = FALSE;
  g_source_unref (attach (queue->context, g_idle_source_new (), on_displaced, job));
  return TRUE;
}

/* Under the mutex. */
static GError *
refuse (TpmQueue *queue, const TpmJob *spec, GCancellable *cancellable)
{
  if (queue->stopping)
    return g_error_new (TPMID_ERROR, TPMID_ERROR_CANCELLED, "%s: tpmidd is stopping", spec->operation);
  if (g_cancellable_is_cancelled (cancellable))
    return g_error_new (TPMID_ERROR, TPMID_ERROR_CANCELLED, "%s: cancelled", spec->operation);
  if (spec->client == NULL)
    return NULL;

  guint waiting = tpm_turns_count (queue->waiting, NULL);
  guint of_client = tpm_turns_count (queue->waiting, spec->client);
  if (of_client >= queue->limit_per_client || (waiting >= queue->limit && !displace (queue, spec->uid)))
    return g_error_new (TPMID_ERROR, TPMID_ERROR_BUSY,
                        "%s: %u requests wait for the TPM, %u of them of this client; try again later", spec->operation, waiting,
                        of_client);
  return NULL;
}

static void
watch (Job *job, GCancellable *cancellable)
{
  GMainContext *context = job->queue->context;

  if (job->spec.deadline_ms != 0)
    job->deadline = attach (context, g_timeout_source_new (job->spec.deadline_ms), on_deadline, job_ref (job));
  if (cancellable != NULL)
    job->cancelled = attach (context, g_cancellable_source_new (cancellable), G_SOURCE_FUNC (on_cancelled), job_ref (job));
}

void
tpm_queue_push_async (TpmQueue *queue, const TpmJob *spec, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer user_data)
{
  g_autoptr (Job) job = job_new (queue, spec, callback, user_data);

  g_mutex_lock (&queue->mutex);
  GError *error = refuse (queue, spec, cancellable);
  if (error == NULL)
    {
      job->waits = TRUE;
      tpm_turns_push (queue->waiting, (TpmTurn *) job_ref (job));
      g_cond_signal (&queue->changed);
    }
  g_mutex_unlock (&queue->mutex);

  if (error != NULL)
    job_fail (job, error);
  else
    watch (job, cancellable);
}

gpointer
tpm_queue_push_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Under the mutex. What a job does after it has made a key has its full time again. */
static void
judge_running (TpmQueue *queue, TpmQueueStatus *status)
{
  gint64 now = g_get_monotonic_time (), since_us;

  status->running = queue->running->spec.operation;
  status->running_ms = (guint64) (now - queue->running_since) / 1000;
  status->generating = tpm_link_is_generating (queue->link, &since_us);
  guint64 limit_ms = status->generating ? TPM_QUEUE_WEDGED_GENERATING_MS : TPM_QUEUE_WEDGED_MS;
  status->wedged = (guint64) (now - MAX (queue->running_since, since_us)) / 1000 > limit_ms;
}

void
tpm_queue_get_status (TpmQueue *queue, TpmQueueStatus *ret_status)
{
  TpmQueueStatus status = { 0 };

  g_mutex_lock (&queue->mutex);
  status.waiting = tpm_turns_count_all (queue->waiting);
  if (queue->running != NULL)
    judge_running (queue, &status);
  g_mutex_unlock (&queue->mutex);
  *ret_status = status;
}

TpmLink *
tpm_queue_peek_link (TpmQueue *queue)
{
  return queue->link;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-lifecycle.h"

#include "base-error.h"
#include "base-log.h"
#include "identity-decider.h"
#include "identity-watch.h"
#include "identity-writer.h"

#include <string.h>

#define TICK_SEC 2                /* while something is not as it should be */
#define DECIDE_MAX_SEC 300        /* longest pause before deciding again, where that costs TPM commands */
#define WAITERS_LIMIT_SEC 5       /* who did something that is done hears so, even if the TPM does not let it be looked at */
#define STOP_LIMIT_SEC 5          /* for files that are being written when the daemon stops */

struct _IdentityLifecycle
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;

  const char *state;        /* static */
  IdentityReport *report;   /* (nullable): until the first decision was carried out */
  IdentityDecider *decider;
  IdentityWriter *writer;
  GStrv problems;           /* the report's, the files' and the TPM's, for the outside */
  IdentityProgress *progress;
  GPtrArray *waiters;       /* of GTask: jobs that are done, and whose outcome has yet to show */
  gint64 waiting_since_us;

  gboolean is_decided;      /* has been told to the outside */
  gboolean is_stopped;
  gboolean is_probing;
  gboolean looks_again;
  guint seen_reopened;
  char *held_back;          /* (nullable): a problem: why a later decision was not carried out */
  char *keys_problem;       /* (nullable): as it was told to us */
  guint timer;
  guint decide_pause_sec;
  gint64 decide_again_us;
  IdentityWatch *watch;     /* (nullable): from the first decision on */
};

G_DEFINE_FINAL_TYPE (IdentityLifecycle, identity_lifecycle, G_TYPE_OBJECT)

static void
identity_lifecycle_finalize (GObject *object)
{
  IdentityLifecycle *self = IDENTITY_LIFECYCLE (object);

  (void) identity_lifecycle_stop (self);
  g_clear_pointer (&self->report, identity_report_unref);
  g_clear_object (&self->writer);
  g_clear_object (&self->decider);
  g_ptr_array_unref (self->waiters);
  g_clear_object (&self->progress);
  g_strfreev (self->problems);
  g_free (self->held_back);
  g_free (self->keys_problem);
  G_OBJECT_CLASS (identity_lifecycle_parent_class)->finalize (object);
}

static void
identity_lifecycle_class_init (IdentityLifecycleClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_lifecycle_finalize;
  g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("decided", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("restart-wanted", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_lifecycle_init (IdentityLifecycle *self)
{
  self->state = "starting";
  self->decide_pause_sec = TICK_SEC;
  self->problems = g_new0 (char *, 1);
  self->waiters = g_ptr_array_new_with_free_func (g_object_unref);
}

/* TPM thread */

static gpointer
identity_lifecycle_probe_job (TpmLink *link, gpointer data, GError **error)
{
  return tpm_link_ensure (data, error) ? g_strdup ("") : NULL;
}

/* main thread: what the outside sees */

static TpmState
get_tpm_state (IdentityLifecycle *self)
{
  TpmLinkStatus link;

  tpm_link_get_status (tpm_queue_peek_link (self->queue), &link);
  return link.state;
}

static gboolean
is_wedged (IdentityLifecycle *self)
{
  TpmQueueStatus queue;

  tpm_queue_get_status (self->queue, &queue);
  return queue.wedged;
}

static gboolean
is_tpm_answering (IdentityLifecycle *self)
{
  return get_tpm_state (self) == TPM_STATE_READY && !is_wedged (self);
}

static void
collect (GPtrArray *into, GPtrArray *from)
{
  for (guint i = 0; i < from->len; i++)
    g_ptr_array_add (into, g_strdup (from->pdata[i]));
}

static void
update_problems (IdentityLifecycle *self)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new ();

  collect (problems, self->report->problems);
  collect (problems, identity_writer_peek_problems (self->writer));
  if (self->held_back != NULL)
    g_ptr_array_add (problems, g_strdup (self->held_back));
  if (self->keys_problem != NULL)
    g_ptr_array_add (problems, g_strdup (self->keys_problem));
  if (identity_progress_peek_problem (self->progress) != NULL)
    g_ptr_array_add (problems, g_strdup (identity_progress_peek_problem (self->progress)));
  if (self->report->mode == IDENTITY_MODE_TPM && is_wedged (self))
    g_ptr_array_add (problems, g_strdup ("tpm: a command does not come back"));
  else if (self->report->mode == IDENTITY_MODE_TPM && !is_tpm_answering (self))
    g_ptr_array_add (problems, g_strdup_printf ("tpm: %s; it is looked for", tpm_state_name (get_tpm_state (self))));
  g_ptr_array_add (problems, NULL);
  g_strfreev (self->problems);
  self->problems = (GStrv) g_ptr_array_free (g_steal_pointer (&problems), FALSE);
}

static void
publish (IdentityLifecycle *self)
{
  if (self->report != NULL)
    {
      update_problems (self);
      self->state = identity_report_get_state (self->report);
      if (g_str_equal (self->state, "ready") && self->problems[0] != NULL)
        self->state = "degraded";
      if (identity_progress_is_wanted (self->progress) || identity_progress_is_ending (self->progress))
        self->state = "provisioning";
    }
  g_signal_emit_by_name (self, "changed");
}

static void
log_decision (const IdentityReport *report)
{
  gboolean is_fault = report->mode == IDENTITY_MODE_FAULT;
  g_autofree char *row = g_strdup_printf ("%u", report->row);
  const BaseLogField fields[] = {
    { "TPMID_MODE", identity_mode_name (report->mode) },
    { "TPMID_ROW", row },
    { NULL, NULL },
  };

  base_log (is_fault ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, is_fault ? BASE_LOG_ID_FAULT : BASE_LOG_ID_DECISION, fields,
            "mode %s, row %u, %s (%" G_GUINT64_FORMAT " TPM commands)%s%s", identity_mode_name (report->mode), report->row,
            report->reason, report->boot_commands, *report->hint != '\0' ? ": " : "", report->hint);
}

/* main thread: settle */

static void arm_timer (IdentityLifecycle *self);

static void
begin_decision (IdentityLifecycle *self)
{
  self->looks_again = FALSE;
  identity_progress_note_decision (self->progress);
  identity_decider_begin (self->decider);
}

/* Not to be put off to the next tick: somebody waits for it. */
static void
decide_now (IdentityLifecycle *self)
{
  self->looks_again = TRUE;
  arm_timer (self);
  if (self->report != NULL && !identity_decider_is_busy (self->decider))
    begin_decision (self);
}

static void
tell_waiters (IdentityLifecycle *self)
{
  g_autoptr (GPtrArray) waiters = g_steal_pointer (&self->waiters);

  self->waiters = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < waiters->len; i++)
    g_task_return_boolean (waiters->pdata[i], TRUE);
}

static void
on_file_touched (IdentityWatch *watch, IdentityLifecycle *self)
{
  /* Perhaps it was us; then all is as it should be, and nothing is written. */
  identity_writer_again (self->writer);
}

static void
on_folder_moved (IdentityWatch *watch, IdentityLifecycle *self)
{
  base_log (G_LOG_LEVEL_INFO, NULL, NULL, "a file system was mounted or unmounted where tpmidd has its files");
  identity_lifecycle_look_again (self);
}

static void
tell_decided (IdentityLifecycle *self)
{
  self->is_decided = TRUE;
  self->watch = identity_watch_new (self->config);
  g_signal_connect (self->watch, "touched", G_CALLBACK (on_file_touched), self);
  g_signal_connect (self->watch, "moved", G_CALLBACK (on_folder_moved), self);
  g_signal_emit_by_name (self, "decided");
}

/* All is told: who waits for it hears now; or what came meanwhile is looked at. */
static void
go_on (IdentityLifecycle *self)
{
  if (identity_decider_is_busy (self->decider) || identity_progress_is_ending (self->progress))
    return;
  if (self->looks_again && (self->waiters->len > 0 || identity_progress_is_wanted (self->progress)))
    begin_decision (self);
  else if (!self->looks_again)
    tell_waiters (self);
}

static void
on_settled (IdentityWriter *writer, IdentityLifecycle *self)
{
  identity_progress_note_files (self->progress, identity_writer_get_pending (writer));
  publish (self);
  if (!self->is_decided)
    tell_decided (self);
  arm_timer (self);
  go_on (self);
}

static void
on_progressed (IdentityProgress *progress, IdentityLifecycle *self)
{
  publish (self);
  arm_timer (self);
  go_on (self);
}

static void
on_reported (IdentityDecider *decider, IdentityReport *report, IdentityLifecycle *self)
{
  gboolean is_news = self->report == NULL || self->report->row != report->row || self->report->mode != report->mode
                     || !g_str_equal (self->report->hint, report->hint);

  if (is_news)
    {
      log_decision (report);
      self->decide_pause_sec = TICK_SEC;
    }
  identity_report_log_new_problems (self->report != NULL ? self->report->problems : NULL, report->problems);
  g_clear_pointer (&self->report, identity_report_unref);
  g_clear_pointer (&self->held_back, g_free);
  identity_progress_note_report (self->progress, report);
  self->report = identity_report_ref (report);
  identity_writer_put (self->writer, report);
}

static void
on_held_back (IdentityDecider *decider, const char *reason, IdentityLifecycle *self)
{
  g_autofree char *problem
      = g_strdup_printf ("device: what is found now would make another device of it (%s); a file system or the TPM seems to be missing. "
                         "Nothing was changed; restart tpmidd if this is meant",
                         reason);

  if (g_strcmp0 (problem, self->held_back) != 0)
    base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s", problem);
  g_free (self->held_back);
  self->held_back = g_steal_pointer (&problem);
  identity_progress_note_held_back (self->progress, self->held_back);
  publish (self);
  tell_waiters (self);
}

static void
on_progress (IdentityDecider *decider, const char *state, IdentityLifecycle *self)
{
  if (self->report != NULL)
    return; /* deciding again is not news until it comes to another end */
  self->state = state;
  publish (self);
}

/* main thread: again what did not work */

/* A command that has just begun may be one that does not come back. */
static gboolean
is_tpm_at_rest (IdentityLifecycle *self)
{
  TpmQueueStatus queue;

  tpm_queue_get_status (self->queue, &queue);
  return queue.running_ms < 1000 * TICK_SEC;
}

static gboolean
is_settled (IdentityLifecycle *self)
{
  return self->report != NULL && is_tpm_at_rest (self) && !identity_decider_is_busy (self->decider) && !self->looks_again && !identity_writer_is_pending (self->writer)
         && !identity_progress_is_ending (self->progress) && self->waiters->len == 0 && !self->report->retry_decision && (self->report->mode != IDENTITY_MODE_TPM || is_tpm_answering (self));
}

static void
on_probed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityLifecycle) self = user_data;

  g_free (tpm_queue_push_finish (result, NULL));
  self->is_probing = FALSE;
  if (!self->is_stopped)
    publish (self);
}

static void
begin_probing (IdentityLifecycle *self)
{
  TpmJob job = {
    .operation = "probe",
    .priority = TPM_PRIORITY_URGENT,
    .run = identity_lifecycle_probe_job,
    .request = tpm_queue_peek_link (self->queue),
    .result_free = g_free,
  };

  self->is_probing = TRUE;
  tpm_queue_push_async (self->queue, &job, NULL, on_probed, g_object_ref (self));
}

/* A TPM that is missing costs no command to look for; anything else is asked for less and less often. */
static gboolean
is_time_to_decide (IdentityLifecycle *self)
{
  gint64 now = g_get_monotonic_time ();

  if (self->looks_again)
    return self->report->mode != IDENTITY_MODE_TPM || is_tpm_answering (self);
  if (!self->report->retry_decision || now < self->decide_again_us)
    return FALSE;
  if (get_tpm_state (self) != TPM_STATE_NO_DEVICE)
    self->decide_pause_sec = MIN (2 * self->decide_pause_sec, DECIDE_MAX_SEC);
  self->decide_again_us = now + (gint64) self->decide_pause_sec * G_USEC_PER_SEC;
  return TRUE;
}

/* Not before others were told who the device is, and not into a decision or a file that is being written. */
static gboolean
needs_restart (IdentityLifecycle *self)
{
  return self->is_decided && !identity_decider_is_busy (self->decider) && identity_writer_wants_restart (self->writer);
}

static void
mend (IdentityLifecycle *self)
{
  identity_decider_tick (self->decider);
  if (self->report == NULL)
    return;
  if (needs_restart (self))
    g_signal_emit_by_name (self, "restart-wanted");
  if (identity_writer_is_pending (self->writer) || identity_progress_is_ending (self->progress))
    identity_writer_again (self->writer);
  if (identity_decider_is_busy (self->decider))
    return;
  if (is_time_to_decide (self))
    begin_decision (self);
  else if (self->report->mode == IDENTITY_MODE_TPM && !self->is_probing && !is_tpm_answering (self))
    begin_probing (self);
}

/* A TPM that went away and returned may be another one. */
static void
notice_reopening (IdentityLifecycle *self)
{
  TpmLinkStatus link;

  tpm_link_get_status (tpm_queue_peek_link (self->queue), &link);
  if (link.reopened == self->seen_reopened)
    return;
  self->seen_reopened = link.reopened;
  self->looks_again = self->report != NULL;
}

static gboolean
on_tick (gpointer user_data)
{
  IdentityLifecycle *self = user_data;

  notice_reopening (self);
  publish (self);
  if (self->waiters->len > 0 && g_get_monotonic_time () - self->waiting_since_us > WAITERS_LIMIT_SEC * G_USEC_PER_SEC)
    tell_waiters (self);
  if (is_settled (self))
    {
      self->timer = 0;
      return G_SOURCE_REMOVE;
    }
  mend (self);
  return G_SOURCE_CONTINUE;
}

static void
arm_timer (IdentityLifecycle *self)
{
  if (self->timer == 0 && !self->is_stopped)
    self->timer = g_timeout_add_seconds (TICK_SEC, on_tick, self);
}

/* main thread: interface */

IdentityLifecycle *
identity_lifecycle_new (const BaseConfig *config, TpmQueue *queue)
{
  IdentityLifecycle *self = g_object_new (IDENTITY_TYPE_LIFECYCLE, NULL);

  self->config = config;
  self->queue = queue;
  self->progress = identity_progress_new (config, queue);
  g_signal_connect (self->progress, "changed", G_CALLBACK (on_progressed), self);
  self->decider = identity_decider_new (config, queue);
  g_signal_connect (self->decider, "progress", G_CALLBACK (on_progress), self);
  g_signal_connect (self->decider, "reported", G_CALLBACK (on_reported), self);
  g_signal_connect (self->decider, "held-back", G_CALLBACK (on_held_back), self);
  self->writer = identity_writer_new (config);
  g_signal_connect (self->writer, "settled", G_CALLBACK (on_settled), self);
  return self;
}

void
identity_lifecycle_start (IdentityLifecycle *self)
{
  begin_decision (self);
  arm_timer (self);
}

static gboolean
is_at_files (IdentityLifecycle *self)
{
  return identity_writer_is_busy (self->writer) || identity_decider_is_at_files (self->decider);
}

static gboolean
on_stop_limit (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

gboolean
identity_lifecycle_stop (IdentityLifecycle *self)
{
  gboolean is_over = FALSE;

  self->is_stopped = TRUE;
  g_clear_handle_id (&self->timer, g_source_remove);
  if (self->watch != NULL)
    g_signal_handlers_disconnect_by_data (self->watch, self);
  g_clear_object (&self->watch);
  guint limit = g_timeout_add_seconds (STOP_LIMIT_SEC, on_stop_limit, &is_over);
  identity_decider_stop (self->decider);
  identity_progress_stop (self->progress);
  g_signal_handlers_disconnect_by_data (self->progress, self);
  g_signal_handlers_disconnect_by_data (self->decider, self);
  g_signal_handlers_disconnect_by_data (self->writer, self);
  tell_waiters (self);
  while (is_at_files (self) && !is_over)
    (void) g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
  return !is_at_files (self);
}

void
identity_lifecycle_look_after_tpm (IdentityLifecycle *self)
{
  arm_timer (self);
}

void
identity_lifecycle_refresh (IdentityLifecycle *self)
{
  publish (self);
}

gboolean
identity_lifecycle_is_deciding (IdentityLifecycle *self)
{
  return identity_decider_is_busy (self->decider);
}

void
identity_lifecycle_look_again (IdentityLifecycle *self)
{
  self->looks_again = TRUE;
  arm_timer (self);
}

void
identity_lifecycle_begin (IdentityLifecycle *self, IdentityOperation operation, const char *id)
{
  identity_progress_begin (self->progress, operation, id);
  publish (self);
  decide_now (self);
}

void
identity_lifecycle_catch_up (IdentityLifecycle *self, GTask *task)
{
  if (self->waiters->len == 0)
    self->waiting_since_us = g_get_monotonic_time ();
  g_ptr_array_add (self->waiters, task);
  if (self->is_stopped)
    tell_waiters (self);
  else
    decide_now (self);
}

gboolean
identity_lifecycle_is_writing (IdentityLifecycle *self)
{
  return identity_writer_is_pending (self->writer);
}

void
identity_lifecycle_get_operation (IdentityLifecycle *self, IdentityOperationStatus *ret_status)
{
  identity_progress_get_status (self->progress, ret_status);
}

void
identity_lifecycle_set_keys_problem (IdentityLifecycle *self, const char *problem)
{
  if (g_strcmp0 (problem, self->keys_problem) == 0)
    return;
  g_free (self->keys_problem);
  self->keys_problem = g_strdup (problem);
  publish (self);
  /* What the report complains of may have had the same cause: a folder that could not be read, and the keys in it. */
  if (problem == NULL && self->report != NULL && self->report->problems->len > 0)
    identity_lifecycle_look_again (self);
}

IdentityReport *
identity_lifecycle_peek_report (IdentityLifecycle *self)
{
  return self->report;
}

const char *
identity_lifecycle_get_state (IdentityLifecycle *self)
{
  return self->state;
}

const char *const *
identity_lifecycle_get_problems (IdentityLifecycle *self)
{
  return (const char *const *) self->problems;
}

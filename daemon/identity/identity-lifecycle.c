/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-lifecycle.h"

#include "base-log.h"
#include "identity-boot.h"
#include "identity-remount.h"
#include "identity-watch.h"
#include "identity-writer.h"

#include <string.h>

#define WAIT_POLL_MS 500          /* while an announced TPM has not probed */
#define TICK_SEC 2                /* while something is not as it should be */
#define DECIDE_MAX_SEC 300        /* longest pause before deciding again, where that costs TPM commands */
#define STOP_LIMIT_SEC 5          /* for files that are being written when the daemon stops */
#define SILENT_TPM_MIN_SEC 5      /* a TPM that has not answered for this long, at least, is not waited for at boot */

struct _IdentityLifecycle
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;

  const char *state;        /* static */
  IdentityReport *report;   /* (nullable): until the first decision was carried out */
  IdentityWriter *writer;
  GStrv problems;           /* the report's, the files' and the TPM's, for the outside */

  gint64 started_us;
  gboolean is_decided;      /* has been told to the outside */
  gboolean is_stopped;
  gboolean is_deciding;     /* decide and execute are under way on the TPM thread */
  gboolean is_going_without_tpm;
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
}

/* What the jobs take along: all of it is theirs, or constant. */
typedef struct
{
  const BaseConfig *config;
  TpmLink *link;
  IdentityFacts *facts;
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  g_clear_pointer (&work->facts, identity_facts_free);
  g_free (work);
}

static Work *
work_new (IdentityLifecycle *self)
{
  Work *work = g_new0 (Work, 1);

  work->config = self->config;
  work->link = tpm_queue_peek_link (self->queue);
  return work;
}

/* The daemon's own jobs open the link themselves, as they also have something to say where there is no TPM. */
static void
push (IdentityLifecycle *self, const char *operation, TpmJobFunc run, Work *work, GDestroyNotify result_free,
      GAsyncReadyCallback callback)
{
  TpmJob job = {
    .operation = operation,
    .priority = TPM_PRIORITY_URGENT,
    .run = run,
    .request = work,
    .request_free = work_free,
    .result_free = result_free,
  };

  tpm_queue_push_async (self->queue, &job, NULL, callback, g_object_ref (self));
}

static void
run_aside (IdentityLifecycle *self, GTaskThreadFunc run, Work *work, GAsyncReadyCallback callback)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, g_object_ref (self));

  g_task_set_task_data (task, work, work_free);
  g_task_run_in_thread (task, run);
}

/* TPM thread */

static gpointer
identity_lifecycle_decide_job (TpmLink *link, gpointer data, GError **error)
{
  Work *work = data;

  return identity_facts_gather (work->link, work->config);
}

static gpointer
identity_lifecycle_execute_job (TpmLink *link, gpointer data, GError **error)
{
  Work *work = data;

  return identity_boot_execute (work->link, work->config, work->facts);
}

static gpointer
identity_lifecycle_probe_job (TpmLink *link, gpointer data, GError **error)
{
  Work *work = data;

  return tpm_link_ensure (work->link, error) ? g_strdup ("") : NULL;
}

/* threads of GTask */

static void
decide_without_tpm_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Work *work = data;
  g_autoptr (IdentityFacts) facts = identity_facts_gather (NULL, work->config);

  /* The TPM thread may be making keys at this moment: here nothing is made. */
  g_assert (facts->decision.actions == 0);
  g_task_return_pointer (task, identity_boot_execute (NULL, work->config, facts), (GDestroyNotify) identity_report_unref);
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

static void begin_decision (IdentityLifecycle *self);
static void arm_timer (IdentityLifecycle *self);

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

static void
on_settled (IdentityWriter *writer, IdentityLifecycle *self)
{
  publish (self);
  if (!self->is_decided)
    tell_decided (self);
  arm_timer (self);
}

static void
adopt_report (IdentityLifecycle *self, IdentityReport *report)
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
  self->report = report;
  identity_writer_put (self->writer, report);
}

/* main thread: decide and execute */

static gboolean
had_identity (const IdentityReport *report)
{
  return report->mode != IDENTITY_MODE_UNPROVISIONED && strcmp (report->reason, "state-unreadable") != 0;
}

/* Who the device is was told to others. A file system that went away, or a TPM that is gone for a moment, must not make
 * another device of it at run time: nothing is created any more, and TPM and software do not change places. Where there was no
 * identity, one may still be made; but a software key only where that was the plan from the start. */
static gboolean
may_carry_out (const IdentityReport *before, const IdentityDecision *decision)
{
  if (before == NULL)
    return TRUE;
  if (had_identity (before))
    return decision->actions == 0
           && (decision->mode == before->mode || (decision->mode != IDENTITY_MODE_SOFTWARE && before->mode != IDENTITY_MODE_SOFTWARE));
  return decision->mode != IDENTITY_MODE_SOFTWARE || decision->row == before->row || strcmp (before->reason, "state-unreadable") == 0;
}

static void
hold_back (IdentityLifecycle *self, const IdentityDecision *decision)
{
  g_autofree char *problem
      = g_strdup_printf ("device: what is found now would make another device of it (%s); a file system or the TPM seems to be missing. "
                         "Nothing was changed; restart tpmidd if this is meant",
                         decision->reason);

  self->is_deciding = FALSE;
  if (g_strcmp0 (problem, self->held_back) != 0)
    base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s", problem);
  g_free (self->held_back);
  self->held_back = g_steal_pointer (&problem);
  publish (self);
}

static void
on_executed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityLifecycle) self = user_data;
  g_autoptr (IdentityReport) report = tpm_queue_push_finish (result, NULL);

  if (self->is_stopped || report == NULL)
    return;
  self->is_deciding = FALSE;
  adopt_report (self, identity_report_ref (report));
}

/* Firmware says that there is a TPM, or the configuration names one, and nothing answers yet: a late TPM must not turn into a
 * software identity for life. */
static gboolean
is_tpm_expected (const BaseConfig *config)
{
  gboolean names_no_device = config->tcti[0] != '\0' && !g_str_has_prefix (config->tcti, "device:");

  return names_no_device || tpm_link_is_announced (config->sysfs_root);
}

static gboolean
should_wait_for_tpm (const IdentityLifecycle *self, const IdentityFacts *facts)
{
  gint64 waited_us = g_get_monotonic_time () - self->started_us;

  return self->report == NULL && self->config->tpm == BASE_TPM_AUTO && facts->inputs.tpm == IDENTITY_TPM_ABSENT
         && waited_us < (gint64) self->config->tpm_wait_sec * G_USEC_PER_SEC && is_tpm_expected (self->config);
}

static gboolean
on_wait_is_over (gpointer user_data)
{
  IdentityLifecycle *self = user_data;

  if (!self->is_stopped)
    begin_decision (self);
  g_object_unref (self);
  return G_SOURCE_REMOVE;
}

static void
set_state (IdentityLifecycle *self, const char *state)
{
  if (self->report != NULL)
    return; /* deciding again is not news until it comes to another end */
  self->state = state;
  publish (self);
}

static void
on_decided (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityLifecycle) self = user_data;
  g_autoptr (IdentityFacts) facts = tpm_queue_push_finish (result, NULL);

  if (self->is_stopped || facts == NULL)
    return;
  if (should_wait_for_tpm (self, facts))
    {
      set_state (self, "waiting");
      tpm_link_retry_now (tpm_queue_peek_link (self->queue));
      g_timeout_add (WAIT_POLL_MS, on_wait_is_over, g_object_ref (self));
      return;
    }
  if (!may_carry_out (self->report, &facts->decision))
    {
      hold_back (self, &facts->decision);
      return;
    }
  g_clear_pointer (&self->held_back, g_free);
  if (facts->decision.actions != 0)
    set_state (self, "provisioning");

  Work *work = work_new (self);
  work->facts = g_steal_pointer (&facts);
  push (self, "provision", identity_lifecycle_execute_job, work, (GDestroyNotify) identity_report_unref, on_executed);
}

static void
begin_decision (IdentityLifecycle *self)
{
  self->is_deciding = TRUE;
  self->looks_again = FALSE;
  push (self, "boot-decision", identity_lifecycle_decide_job, work_new (self), (GDestroyNotify) identity_facts_free, on_decided);
}

/* main thread: a TPM that hangs while the boot waits for it */

static void
on_decided_without_tpm (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityLifecycle) self = user_data;
  g_autoptr (IdentityReport) report = g_task_propagate_pointer (G_TASK (result), NULL);

  self->is_going_without_tpm = FALSE;
  if (!self->is_stopped && self->report == NULL)
    adopt_report (self, identity_report_ref (report));
}

static gboolean
is_tpm_silent (IdentityLifecycle *self)
{
  TpmQueueStatus queue;

  if (self->config->tpm == BASE_TPM_OFF)
    return FALSE;
  tpm_queue_get_status (self->queue, &queue);
  return queue.running_ms >= 1000 * (guint64) MAX (self->config->tpm_wait_sec, SILENT_TPM_MIN_SEC);
}

/* What the TPM thread was at is adopted when it comes back after all. */
static void
go_without_tpm (IdentityLifecycle *self)
{
  self->is_going_without_tpm = TRUE;
  run_aside (self, decide_without_tpm_in_thread, work_new (self), on_decided_without_tpm);
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
  return self->report != NULL && is_tpm_at_rest (self) && !self->is_deciding && !self->looks_again && !identity_writer_is_pending (self->writer)
         && !self->report->retry_decision && (self->report->mode != IDENTITY_MODE_TPM || is_tpm_answering (self));
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
  self->is_probing = TRUE;
  push (self, "probe", identity_lifecycle_probe_job, work_new (self), g_free, on_probed);
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
  return self->is_decided && !self->is_deciding && identity_writer_is_pending (self->writer) && !identity_writer_is_busy (self->writer)
         && identity_remount_should_restart (self->config);
}

static void
mend (IdentityLifecycle *self)
{
  if (self->report == NULL)
    {
      if (!self->is_going_without_tpm && is_tpm_silent (self))
        go_without_tpm (self);
      return;
    }
  if (needs_restart (self))
    g_signal_emit_by_name (self, "restart-wanted");
  if (identity_writer_is_pending (self->writer))
    identity_writer_again (self->writer);
  if (self->is_deciding)
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
  self->writer = identity_writer_new (config);
  g_signal_connect (self->writer, "settled", G_CALLBACK (on_settled), self);
  return self;
}

void
identity_lifecycle_start (IdentityLifecycle *self)
{
  self->started_us = g_get_monotonic_time ();
  begin_decision (self);
  arm_timer (self);
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
  g_signal_handlers_disconnect_by_data (self->writer, self);
  while ((identity_writer_is_busy (self->writer) || self->is_going_without_tpm) && !is_over)
    (void) g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
  return !identity_writer_is_busy (self->writer) && !self->is_going_without_tpm;
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
  return self->is_deciding;
}

void
identity_lifecycle_look_again (IdentityLifecycle *self)
{
  self->looks_again = TRUE;
  arm_timer (self);
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

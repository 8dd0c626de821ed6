/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-decider.h"

#include "identity-boot.h"

#include <string.h>

#define WAIT_POLL_MS 500      /* while an announced TPM has not probed */
#define SILENT_TPM_MIN_SEC 5  /* a TPM that has not answered for this long, at least, is not waited for at boot */

struct _IdentityDecider
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;

  IdentityReport *report; /* (nullable): the latest */
  gint64 started_us;      /* of the first decision; 0 before */
  gboolean is_busy, is_stopped;
  gboolean is_going_without_tpm;
};

G_DEFINE_FINAL_TYPE (IdentityDecider, identity_decider, G_TYPE_OBJECT)

static void
identity_decider_finalize (GObject *object)
{
  IdentityDecider *self = IDENTITY_DECIDER (object);

  g_clear_pointer (&self->report, identity_report_unref);
  G_OBJECT_CLASS (identity_decider_parent_class)->finalize (object);
}

static void
identity_decider_class_init (IdentityDeciderClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_decider_finalize;
  g_signal_new ("progress", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  g_signal_new ("reported", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  g_signal_new ("held-back", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
identity_decider_init (IdentityDecider *self)
{
}

IdentityDecider *
identity_decider_new (const BaseConfig *config, TpmQueue *queue)
{
  IdentityDecider *self = g_object_new (IDENTITY_TYPE_DECIDER, NULL);

  self->config = config;
  self->queue = queue;
  return self;
}

/* What the jobs take along: all of it is theirs, or constant. */
typedef struct
{
  const BaseConfig *config;
  TpmLink *link;
  IdentityLook look;
  IdentityFacts *facts;
  IdentityReport *before; /* (nullable) */
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  g_clear_pointer (&work->facts, identity_facts_free);
  g_clear_pointer (&work->before, identity_report_unref);
  g_free (work);
}

/* At boot, and as long as one from then could not be begun. */
static gboolean
takes_requests (const IdentityDecider *self)
{
  return self->report == NULL || strcmp (self->report->operation_state, "waiting") == 0 || strcmp (self->report->operation_state, "failed") == 0;
}

static Work *
work_new (IdentityDecider *self)
{
  Work *work = g_new0 (Work, 1);

  work->config = self->config;
  work->link = tpm_queue_peek_link (self->queue);
  work->before = self->report != NULL ? identity_report_ref (self->report) : NULL;
  work->look = takes_requests (self) ? IDENTITY_LOOK_AT_BOOT : IDENTITY_LOOK_AGAIN;
  return work;
}

/* These jobs open the link themselves, as they also have something to say where there is no TPM. */
static void
push (IdentityDecider *self, const char *operation, TpmJobFunc run, Work *work, GDestroyNotify result_free, GAsyncReadyCallback callback)
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

/* TPM thread */

static gpointer
identity_decider_decide_job (TpmLink *link, gpointer data, GError **error)
{
  Work *work = data;

  return identity_facts_gather (work->link, work->config, work->look);
}

static gpointer
identity_decider_execute_job (TpmLink *link, gpointer data, GError **error)
{
  Work *work = data;

  return identity_boot_execute (work->link, work->config, work->facts, work->before);
}

/* threads of GTask */

static void
decide_without_tpm_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Work *work = data;
  g_autoptr (IdentityFacts) facts = identity_facts_gather (NULL, work->config, IDENTITY_LOOK_ASIDE);

  /* The TPM thread may be making keys at this moment: here nothing is made. */
  g_assert (facts->decision.actions == 0);
  g_task_return_pointer (task, identity_boot_execute (NULL, work->config, facts, NULL), (GDestroyNotify) identity_report_unref);
}

/* main thread: decide and execute */

static void
tell (IdentityDecider *self, IdentityReport *report)
{
  g_clear_pointer (&self->report, identity_report_unref);
  self->report = identity_report_ref (report);
  g_signal_emit_by_name (self, "reported", report);
}

static gboolean
had_identity (const IdentityReport *report)
{
  return report->mode != IDENTITY_MODE_UNPROVISIONED && strcmp (report->reason, "state-unreadable") != 0;
}

/* Who the device is was told to others. A file system that went away, or a TPM that is gone for a moment, must not make
 * another device of it at run time: nothing is created any more, and TPM and software do not change places, unless an operation asks for it.
 * Where there was no identity, one may still be made; but a software key only where that was the plan from the start. */
static gboolean
may_carry_out (const IdentityReport *before, const IdentityFacts *facts)
{
  const IdentityDecision *decision = &facts->decision;
  gboolean is_asked_for = facts->operation.journal->operation != IDENTITY_OPERATION_NONE && facts->operation.problem == NULL
                          && !decision->request_kept;

  if (before == NULL || is_asked_for)
    return TRUE;
  if (had_identity (before))
    return decision->actions == 0
           && (decision->mode == before->mode || (decision->mode != IDENTITY_MODE_SOFTWARE && before->mode != IDENTITY_MODE_SOFTWARE));
  return decision->mode != IDENTITY_MODE_SOFTWARE || decision->row == before->row || strcmp (before->reason, "state-unreadable") == 0;
}

static void
on_executed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityDecider) self = user_data;
  g_autoptr (IdentityReport) report = tpm_queue_push_finish (result, NULL);

  if (self->is_stopped || report == NULL)
    return;
  self->is_busy = FALSE;
  tell (self, report);
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
should_wait_for_tpm (const IdentityDecider *self, const IdentityFacts *facts)
{
  gint64 waited_us = g_get_monotonic_time () - self->started_us;

  return self->report == NULL && self->config->tpm == BASE_TPM_AUTO && facts->inputs.tpm == IDENTITY_TPM_ABSENT
         && waited_us < (gint64) self->config->tpm_wait_sec * G_USEC_PER_SEC && is_tpm_expected (self->config);
}

static gboolean
on_wait_is_over (gpointer user_data)
{
  IdentityDecider *self = user_data;

  if (!self->is_stopped)
    identity_decider_begin (self);
  g_object_unref (self);
  return G_SOURCE_REMOVE;
}

static void
wait_for_tpm (IdentityDecider *self)
{
  g_signal_emit_by_name (self, "progress", "waiting");
  tpm_link_retry_now (tpm_queue_peek_link (self->queue));
  g_timeout_add (WAIT_POLL_MS, on_wait_is_over, g_object_ref (self));
}

static void
hold_back (IdentityDecider *self, const IdentityDecision *decision)
{
  self->is_busy = FALSE;
  g_signal_emit_by_name (self, "held-back", decision->reason);
}

static void
on_decided (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityDecider) self = user_data;
  g_autoptr (IdentityFacts) facts = tpm_queue_push_finish (result, NULL);

  if (self->is_stopped || facts == NULL)
    return;
  if (should_wait_for_tpm (self, facts))
    {
      wait_for_tpm (self);
      return;
    }
  if (!may_carry_out (self->report, facts))
    {
      hold_back (self, &facts->decision);
      return;
    }
  if (facts->decision.actions != 0)
    g_signal_emit_by_name (self, "progress", "provisioning");

  Work *work = work_new (self);
  work->facts = g_steal_pointer (&facts);
  push (self, "provision", identity_decider_execute_job, work, (GDestroyNotify) identity_report_unref, on_executed);
}

void
identity_decider_begin (IdentityDecider *self)
{
  if (self->started_us == 0)
    self->started_us = g_get_monotonic_time ();
  self->is_busy = TRUE;
  push (self, "boot-decision", identity_decider_decide_job, work_new (self), (GDestroyNotify) identity_facts_free, on_decided);
}

gboolean
identity_decider_is_busy (IdentityDecider *self)
{
  return self->is_busy;
}

/* main thread: a TPM that hangs while the boot waits for it */

static void
on_decided_without_tpm (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityDecider) self = user_data;
  g_autoptr (IdentityReport) report = g_task_propagate_pointer (G_TASK (result), NULL);

  self->is_going_without_tpm = FALSE;
  if (!self->is_stopped && self->report == NULL)
    tell (self, report);
}

static gboolean
is_tpm_silent (IdentityDecider *self)
{
  TpmQueueStatus queue;

  if (self->config->tpm == BASE_TPM_OFF)
    return FALSE;
  tpm_queue_get_status (self->queue, &queue);
  return queue.running_ms >= 1000 * (guint64) MAX (self->config->tpm_wait_sec, SILENT_TPM_MIN_SEC);
}

void
identity_decider_tick (IdentityDecider *self)
{
  if (self->report != NULL || self->is_going_without_tpm || !is_tpm_silent (self))
    return;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_decided_without_tpm, g_object_ref (self));
  g_task_set_task_data (task, work_new (self), work_free);
  self->is_going_without_tpm = TRUE;
  g_task_run_in_thread (task, decide_without_tpm_in_thread);
}

void
identity_decider_stop (IdentityDecider *self)
{
  self->is_stopped = TRUE;
}

gboolean
identity_decider_is_at_files (IdentityDecider *self)
{
  return self->is_going_without_tpm;
}

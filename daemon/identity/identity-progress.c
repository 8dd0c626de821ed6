/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-progress.h"

#include "base-error.h"
#include "identity-operation.h"

#include <string.h>

#define MADE_BY_IT (IDENTITY_PENDING_RECORD | IDENTITY_PENDING_STORED_COPY | IDENTITY_PENDING_CERTIFICATE | IDENTITY_PENDING_ARCHIVE)

struct _IdentityProgress
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;

  IdentityOperation begun; /* on record, and not carried out as far as is known */
  gboolean is_covered;     /* by the decision that is under way */
  IdentityOperationStatus status;
  IdentityReport *ending;  /* (nullable): the report whose operation's entry has to end */
  gboolean is_at_it;       /* a job ends it */
  char *problem;           /* (nullable) */
  gboolean is_stopped;
};

G_DEFINE_FINAL_TYPE (IdentityProgress, identity_progress, G_TYPE_OBJECT)

static void
identity_progress_finalize (GObject *object)
{
  IdentityProgress *self = IDENTITY_PROGRESS (object);

  g_free (self->status.id);
  g_free (self->status.detail);
  g_clear_pointer (&self->ending, identity_report_unref);
  g_free (self->problem);
  G_OBJECT_CLASS (identity_progress_parent_class)->finalize (object);
}

static void
identity_progress_class_init (IdentityProgressClass *class)
{
  G_OBJECT_CLASS (class)->finalize = identity_progress_finalize;
  g_signal_new ("changed", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_progress_init (IdentityProgress *self)
{
}

IdentityProgress *
identity_progress_new (const BaseConfig *config, TpmQueue *queue)
{
  IdentityProgress *self = g_object_new (IDENTITY_TYPE_PROGRESS, NULL);

  self->config = config;
  self->queue = queue;
  return self;
}

/* The time is that of the operation's beginning, as far as this process saw it. */
static void
set_status (IdentityProgress *self, IdentityOperation operation, const char *id, const char *state, const char *detail, int error)
{
  gboolean is_same = g_strcmp0 (self->status.id, id) == 0;
  IdentityOperationStatus before = self->status;

  self->status = (IdentityOperationStatus) {
    .operation = operation,
    .id = g_strdup (id),
    .state = state,
    .detail = g_strdup (detail),
    .error = error,
    .time = is_same ? before.time : g_get_real_time () / G_USEC_PER_SEC,
  };
  g_free (before.id);
  g_free (before.detail);
}

void
identity_progress_begin (IdentityProgress *self, IdentityOperation operation, const char *id)
{
  self->begun = operation;
  self->is_covered = FALSE;
  set_status (self, operation, id, "running", "", 0);
}

void
identity_progress_note_decision (IdentityProgress *self)
{
  self->is_covered = self->begun != IDENTITY_OPERATION_NONE;
}

/* Where the decision found no entry any more, an earlier one had carried the operation out, and told so; a later operation may have taken its
 * place. */
static void
end_begun (IdentityProgress *self)
{
  if (!self->is_covered)
    return;
  if (g_strcmp0 (self->status.state, "running") == 0 && self->ending == NULL)
    set_status (self, self->begun, self->status.id, "done", "", 0);
  self->begun = IDENTITY_OPERATION_NONE;
  self->is_covered = FALSE;
}

void
identity_progress_note_report (IdentityProgress *self, IdentityReport *report)
{
  g_clear_pointer (&self->ending, identity_report_unref);
  g_clear_pointer (&self->problem, g_free);
  if (report->has_to_end)
    self->ending = identity_report_ref (report);
  if (report->operation_state[0] != '\0')
    set_status (self, report->journal->operation, report->journal->stamp, report->has_to_end ? "running" : report->operation_state, report->operation_detail,
                report->operation_error);
  end_begun (self);
}

void
identity_progress_note_held_back (IdentityProgress *self, const char *reason)
{
  if (!self->is_covered)
    return;
  set_status (self, self->begun, self->status.id, "failed", reason, TPMID_ERROR_WRONG_STATE);
  end_begun (self);
}

/* --- the entry's end --- */

typedef struct
{
  const BaseConfig *config;
  IdentityReport *report;
} Request;

static void
request_free (gpointer data)
{
  Request *request = data;

  identity_report_unref (request->report);
  g_free (request);
}

/* TPM thread: as all else that touches the journal */

static gpointer
identity_progress_end_job (TpmLink *link, gpointer data, GError **error)
{
  const Request *request = data;

  return identity_operation_finish (request->config, request->report->journal, error) ? g_strdup ("") : NULL;
}

/* main thread */

typedef struct
{
  IdentityProgress *self;
  IdentityReport *report;
} Ending;

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Ending *ending = user_data;
  g_autoptr (IdentityProgress) self = ending->self;
  g_autoptr (IdentityReport) report = ending->report;
  g_autoptr (GError) error = NULL;
  g_autofree char *done = tpm_queue_push_finish (result, &error);

  g_free (ending);
  self->is_at_it = FALSE;
  if (self->is_stopped || report != self->ending)
    return;
  g_clear_pointer (&self->problem, g_free);
  if (done != NULL)
    {
      set_status (self, report->journal->operation, report->journal->stamp, report->operation_state, report->operation_detail,
                  report->operation_error);
      g_clear_pointer (&self->ending, identity_report_unref);
    }
  else
    self->problem = g_strdup_printf ("operation: %s", error->message);
  g_signal_emit_by_name (self, "changed");
}

void
identity_progress_note_files (IdentityProgress *self, guint pending)
{
  if (self->ending == NULL || self->is_at_it || (pending & MADE_BY_IT) != 0)
    return;
  Request *request = g_new0 (Request, 1);
  *request = (Request) { self->config, identity_report_ref (self->ending) };
  TpmJob job = {
    .operation = "end-operation",
    .priority = TPM_PRIORITY_URGENT,
    .run = identity_progress_end_job,
    .request = request,
    .request_free = request_free,
    .result_free = g_free,
  };
  Ending *ending = g_new0 (Ending, 1);
  *ending = (Ending) { g_object_ref (self), identity_report_ref (self->ending) };
  self->is_at_it = TRUE;
  tpm_queue_push_async (self->queue, &job, NULL, on_ended, ending);
}

gboolean
identity_progress_is_wanted (IdentityProgress *self)
{
  return self->begun != IDENTITY_OPERATION_NONE;
}

gboolean
identity_progress_is_ending (IdentityProgress *self)
{
  return self->ending != NULL;
}

void
identity_progress_get_status (IdentityProgress *self, IdentityOperationStatus *ret_status)
{
  *ret_status = self->status;
  if (self->begun != IDENTITY_OPERATION_NONE)
    ret_status->state = "running";
}

const char *
identity_progress_peek_problem (IdentityProgress *self)
{
  return self->problem;
}

void
identity_progress_stop (IdentityProgress *self)
{
  self->is_stopped = TRUE;
}

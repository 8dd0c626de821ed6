/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-writer.h"

#include "identity-remount.h"
#include "identity-settle.h"

struct _IdentityWriter
{
  GObject parent_instance;
  const BaseConfig *config;
  IdentityReport *report; /* (nullable) */
  guint pending;          /* IdentityPending of the report */
  GPtrArray *problems;    /* of char * */
  gboolean may_restart;   /* the one restart of this boot was granted to us */
  gboolean wants_restart;
  gboolean is_busy;
  gboolean has_to_go_again;
};

G_DEFINE_FINAL_TYPE (IdentityWriter, identity_writer, G_TYPE_OBJECT)

static void
identity_writer_finalize (GObject *object)
{
  IdentityWriter *self = IDENTITY_WRITER (object);

  g_clear_pointer (&self->report, identity_report_unref);
  g_ptr_array_unref (self->problems);
  G_OBJECT_CLASS (identity_writer_parent_class)->finalize (object);
}

static void
identity_writer_class_init (IdentityWriterClass *class)
{
  G_OBJECT_CLASS (class)->finalize = identity_writer_finalize;
  g_signal_new ("settled", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_writer_init (IdentityWriter *self)
{
  self->problems = g_ptr_array_new_with_free_func (g_free);
}

IdentityWriter *
identity_writer_new (const BaseConfig *config)
{
  IdentityWriter *self = g_object_new (IDENTITY_TYPE_WRITER, NULL);

  self->config = config;
  return self;
}

/* All of it is the thread's, or constant. */
typedef struct
{
  const BaseConfig *config;
  IdentityReport *report;
  guint pending;
  GPtrArray *problems;
  gboolean may_restart, wants_restart;
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  identity_report_unref (work->report);
  g_clear_pointer (&work->problems, g_ptr_array_unref);
  g_free (work);
}

/* Here and not in the main thread, as storage that hangs would hold up all of that too. What was granted once is not granted again, and stays
 * until somebody acts on it. */
static void
look_for_restart (Work *work)
{
  if (work->pending == 0)
    return;
  if (work->may_restart)
    {
      g_autofree char *mount_point = identity_remount_find (work->config);
      work->wants_restart = mount_point != NULL;
    }
  else
    work->may_restart = work->wants_restart = identity_remount_should_restart (work->config);
}

static void
settle_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Work *work = data;

  work->pending = identity_settle (work->report, work->config, work->pending, &work->problems);
  look_for_restart (work);
  g_task_return_boolean (task, TRUE);
}

static void
on_settled (GObject *source, GAsyncResult *result, gpointer user_data)
{
  IdentityWriter *self = IDENTITY_WRITER (source);
  Work *work = g_task_get_task_data (G_TASK (result));

  self->is_busy = FALSE;
  self->may_restart = work->may_restart;
  self->wants_restart = work->wants_restart;
  if (work->report == self->report)
    {
      identity_report_log_new_problems (self->problems, work->problems);
      self->pending = work->pending;
      g_ptr_array_unref (self->problems);
      self->problems = g_ptr_array_ref (work->problems);
    }
  if (self->has_to_go_again)
    identity_writer_again (self);
  else
    g_signal_emit_by_name (self, "settled");
}

void
identity_writer_again (IdentityWriter *self)
{
  self->has_to_go_again = self->is_busy;
  if (self->is_busy)
    return;

  g_autoptr (GTask) task = g_task_new (self, NULL, on_settled, NULL);
  Work *work = g_new0 (Work, 1);
  *work = (Work) {
    .config = self->config,
    .report = identity_report_ref (self->report),
    .pending = self->pending,
    .may_restart = self->may_restart,
  };
  g_task_set_task_data (task, work, work_free);
  self->is_busy = TRUE;
  g_task_run_in_thread (task, settle_in_thread);
}

void
identity_writer_put (IdentityWriter *self, IdentityReport *report)
{
  g_clear_pointer (&self->report, identity_report_unref);
  self->report = identity_report_ref (report);
  self->pending = report->pending;
  identity_writer_again (self);
}

gboolean
identity_writer_is_busy (IdentityWriter *self)
{
  return self->is_busy;
}

gboolean
identity_writer_is_pending (IdentityWriter *self)
{
  return self->is_busy || self->pending != 0;
}

guint
identity_writer_get_pending (IdentityWriter *self)
{
  return self->pending;
}

gboolean
identity_writer_wants_restart (IdentityWriter *self)
{
  return self->wants_restart && !self->is_busy;
}

GPtrArray *
identity_writer_peek_problems (IdentityWriter *self)
{
  return self->problems;
}

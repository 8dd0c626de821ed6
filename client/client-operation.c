/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-operation.h"

#include "client-json.h"
#include "client-progress.h"
#include "client-value.h"

#define LOOK_MS 10000 /* for one look */
#define PAUSE_FIRST_US 50000
#define PAUSE_MAX_US 1000000
/* How long a device that is at rest may show no operation of ours: a restart drops the one that is over. */
#define GRACE_US 2000000

/* Watch: one operation from its start on */
typedef struct Watch
{
  ClientSession *session;
  const ClientOperation *operation;
  tpmid_value *before;  /* the status before the call */
  tpmid_value *now;     /* the status at the last look that was answered */
  char *id;             /* (nullable): the operation's, from the first look at it on */
  gboolean is_lost;     /* the call's answer was */
  tpmid_error lost;
  gboolean is_away;     /* tpmidd did not answer the last look */
  tpmid_error away;
  gint64 end_us;        /* monotonic, as all times here */
  gint64 at_rest_since; /* with no new operation; 0: not at rest */
} Watch;

static void
watch_clear (Watch *self)
{
  tpmid_value_free (self->before);
  tpmid_value_free (self->now);
  g_free (self->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Watch, watch_clear)

static const tpmid_value *
operation_of (const tpmid_value *status)
{
  return tpmid_value_find (status, "operation");
}

static const char *
reference_of (const tpmid_value *status)
{
  return client_value_text (tpmid_value_find (status, "key"), "reference");
}

static int
left_ms (const Watch *self)
{
  return (int) CLAMP ((self->end_us - g_get_monotonic_time ()) / 1000, 0, G_MAXINT);
}

/* Another that was under way before the call goes on under its id: it is the one that was asked for. */
static gboolean
was_under_way (const Watch *self)
{
  const tpmid_value *before = operation_of (self->before);

  return client_value_is (before, "state", "running") || client_value_is (before, "state", "waiting");
}

static gboolean
is_candidate (const Watch *self)
{
  const tpmid_value *before = operation_of (self->before), *now = operation_of (self->now);
  const char *id = client_value_text (now, "id");

  return client_value_is (now, "name", self->operation->name) && id[0] != '\0'
         && (!client_value_is (before, "id", id) || was_under_way (self));
}

/* One that was under way may yet give way to a new one of the same name. */
static void
note_id (Watch *self)
{
  if (!is_candidate (self) || (self->id != NULL && !client_value_is (operation_of (self->before), "id", self->id)))
    return;
  g_free (self->id);
  self->id = g_strdup (client_value_text (operation_of (self->now), "id"));
}

/* The operation that is shown is ours. */
static gboolean
is_shown (const Watch *self)
{
  return self->id != NULL && client_value_is (operation_of (self->now), "id", self->id);
}

static gboolean
is_at_rest (const tpmid_value *status)
{
  return !client_value_is (status, "state", "starting") && !client_value_is (status, "state", "provisioning")
         && !client_value_is (operation_of (status), "state", "running");
}

static gboolean
is_there_already (const Watch *self)
{
  return self->operation->mode != NULL && client_value_is (self->before, "mode", self->operation->mode)
         && client_value_is (self->now, "mode", self->operation->mode);
}

static gboolean
is_over (Watch *self)
{
  if (is_shown (self) && client_value_is (operation_of (self->now), "state", "waiting"))
    return TRUE;
  if (!is_at_rest (self->now))
    {
      self->at_rest_since = 0;
      return FALSE;
    }
  if (is_shown (self) || is_there_already (self))
    return TRUE;
  if (self->at_rest_since == 0)
    self->at_rest_since = g_get_monotonic_time ();
  return g_get_monotonic_time () - self->at_rest_since >= GRACE_US;
}

static gboolean
look (Watch *self, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;

  if (tpmid_get_status (client_session_get (self->session), MIN (left_ms (self), LOOK_MS), &status, error) < 0)
    return FALSE;
  tpmid_value_free (self->now);
  self->now = g_steal_pointer (&status);
  return TRUE;
}

static gboolean
look_at_operation (Watch *self, tpmid_error *error)
{
  self->is_away = !look (self, error);
  if (self->is_away)
    {
      self->away = *error;
      return FALSE;
    }
  note_id (self);
  return TRUE;
}

/* Out of time. */
static gboolean
give_up (const Watch *self, tpmid_error *error)
{
  if (self->is_away)
    {
      *error = self->away;
      return FALSE;
    }
  if (self->is_lost && !is_shown (self))
    {
      *error = self->lost;
      return FALSE;
    }
  return client_error_set (error, CLIENT_ERROR_NO_REPLY, "%s is not over yet; tpmidctl status shows how it goes",
                           self->operation->name);
}

static gboolean
wait_for_end (Watch *self, tpmid_error *error)
{
  gint64 pause = PAUSE_FIRST_US;

  while (left_ms (self) > 0)
    {
      if (look_at_operation (self, error))
        {
          if (is_over (self))
            return TRUE;
        }
      else if (!client_error_may_pass (error->name))
        return FALSE;
      g_usleep ((gulong) MIN (pause, (gint64) left_ms (self) * 1000));
      pause = MIN (pause * 2, PAUSE_MAX_US);
    }
  return give_up (self, error);
}

static gboolean
start (Watch *self, tpmid_error *error)
{
  const ClientOperation *operation = self->operation;

  if (!look (self, error))
    return FALSE;
  self->before = g_steal_pointer (&self->now);
  if (operation->start (client_session_get (self->session), operation->argument, left_ms (self), error) >= 0)
    return TRUE;
  /* Whether it was recorded before tpmidd went, the status tells. */
  self->is_lost = g_str_equal (error->name, "org.tpmid1.Error.Cancelled") || g_str_equal (error->name, CLIENT_ERROR_NO_REPLY)
                  || g_str_equal (error->name, "org.freedesktop.DBus.Error.Disconnected");
  self->lost = *error;
  return self->is_lost && left_ms (self) > 0;
}

static gboolean
is_done_by_answer (const Watch *self)
{
  return self->operation->is_done_on_return && !self->is_lost;
}

static gboolean
carry_out (Watch *self, tpmid_error *error)
{
  return start (self, error) && (is_done_by_answer (self) ? look (self, error) : wait_for_end (self, error));
}

static gboolean
watch (Watch *self, tpmid_error *error)
{
  g_autofree char *text = g_strdup_printf ("%s is under way", self->operation->name);
  /* Standard error carries the errors as JSON then, and nothing else. */
  ClientProgressKind kind = self->session->json ? CLIENT_PROGRESS_TERMINAL : CLIENT_PROGRESS_ALWAYS;
  ClientProgress *progress = client_progress_start (text, kind);
  gboolean is_done = carry_out (self, error);

  client_progress_end (progress);
  return is_done;
}

static gboolean
has_new_key (const Watch *self)
{
  return !g_str_equal (reference_of (self->before), reference_of (self->now));
}

/* What the operation came to, in the words of property Operation; "" where nobody knows. What a restart of tpmidd took out of
 * the property shows by what it left, but for an operation that may have left out something. */
static const char *
outcome_of (const Watch *self)
{
  const tpmid_value *operation = operation_of (self->now);

  if (is_done_by_answer (self))
    return "done";
  if (is_shown (self))
    return client_value_text (operation, "state");
  if (is_there_already (self) || (has_new_key (self) && !self->operation->may_be_incomplete))
    return "done";
  /* One that failed before, and was taken up again, has failed again. */
  return !self->is_lost && client_value_is (operation, "name", self->operation->name)
             && client_value_is (operation, "state", "failed")
           ? "failed" : "";
}

static gboolean
set_unknown (const Watch *self, tpmid_error *error)
{
  if (has_new_key (self))
    return client_error_set (error, CLIENT_ERROR_TPMIDD_FAILED,
                             "%s was carried out, the device has a new identity, but tpmidd started again in between and does "
                             "not say whether it was complete; its journal does: journalctl -u tpmidd", self->operation->name);
  if (self->is_lost)
    {
      *error = self->lost;
      return FALSE;
    }
  return client_error_set (error, CLIENT_ERROR_TPMIDD_FAILED,
                           "tpmidd does not say how %s ended; tpmidctl status shows the device", self->operation->name);
}

static void
print_json (const Watch *self, const char *outcome)
{
  const tpmid_value *operation = client_value_is (operation_of (self->now), "state", outcome) ? operation_of (self->now) : NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  client_json_add_string (builder, "operation", self->operation->name);
  client_json_add_string (builder, "state", outcome);
  client_json_add_string (builder, "detail", client_value_text (operation, "detail"));
  client_json_add_string (builder, "error", client_value_text (operation, "error"));
  client_json_add_string (builder, "mode", client_value_text (self->now, "mode"));
  client_json_add_string (builder, "reference", reference_of (self->now));
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static void
print_text (const Watch *self, const char *outcome)
{
  const char *name = self->operation->name;

  if (g_str_equal (outcome, "done"))
    printf ("%s: complete\n", name);
  else
    printf ("%s: incomplete: %s\n", name, client_value_text (operation_of (self->now), "detail"));
  if (reference_of (self->now)[0] != '\0')
    printf ("reference: %s\n", reference_of (self->now));
}

static gboolean
report (const Watch *self, tpmid_error *error)
{
  const char *outcome = outcome_of (self), *name = self->operation->name;
  const char *detail = client_value_text (operation_of (self->now), "detail");
  const char *cause = client_value_text (operation_of (self->now), "error");

  if (outcome[0] == '\0')
    return set_unknown (self, error);
  if (self->session->json)
    print_json (self, outcome);
  if (g_str_equal (outcome, "waiting"))
    return client_error_set (error, CLIENT_ERROR_TPM_UNAVAILABLE,
                             "%s is waiting: it is recorded, and carried out as soon as the TPM can be used%s%s", name,
                             detail[0] != '\0' ? ": " : "", detail);
  if (g_str_equal (outcome, "failed"))
    return client_error_set (error, cause[0] != '\0' ? cause : CLIENT_ERROR_TPMIDD_FAILED, "%s failed: %s", name, detail);
  if (!self->session->json)
    print_text (self, outcome);
  return TRUE;
}

gboolean
client_operation_run (ClientSession *session, const ClientOperation *operation, tpmid_error *error)
{
  gint64 limit_ms = session->has_timeout ? session->timeout_ms : CLIENT_OPERATION_WAIT_MS;
  g_auto (Watch) self = { .session = session, .operation = operation };

  self.end_us = g_get_monotonic_time () + limit_ms * 1000;
  return watch (&self, error) && report (&self, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-device.h"

#include "base-error.h"
#include "base-log.h"
#include "identity-keys-private.h"
#include "identity-lifecycle.h"
#include "identity-store.h"

#include <string.h>

struct _IdentityDevice
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;
  IdentityLifecycle *lifecycle;
  IdentityKeys *keys;

  IdentityReport *report;    /* (nullable): the one that @serial and @keys come from */
  char *serial;
  const char *serial_source; /* static */
  const char *tpm_state;     /* static: as last told */
  gboolean is_stopped;
};

G_DEFINE_FINAL_TYPE (IdentityDevice, identity_device, G_TYPE_OBJECT)

static void
identity_device_finalize (GObject *object)
{
  IdentityDevice *self = IDENTITY_DEVICE (object);

  (void) identity_device_stop (self);
  g_object_unref (self->lifecycle);
  g_object_unref (self->keys);
  g_clear_pointer (&self->report, identity_report_unref);
  g_free (self->serial);
  G_OBJECT_CLASS (identity_device_parent_class)->finalize (object);
}

static void
identity_device_class_init (IdentityDeviceClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_device_finalize;
  g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("decided", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_device_init (IdentityDevice *self)
{
  self->serial = g_strdup ("");
  self->serial_source = "none";
  self->tpm_state = "starting";
}

/* Whatever brought the news: the state is told when it changes, and once. A TPM that is ready at the start is not one that came back. */
static gboolean
note_tpm_state (IdentityDevice *self)
{
  const char *id = g_str_equal (self->tpm_state, "starting") ? NULL : BASE_LOG_ID_TPM_BACK;
  IdentityTpmStatus status;

  identity_device_get_tpm_status (self, &status);
  if (status.state == self->tpm_state)
    return FALSE;
  if (g_str_equal (status.state, "ready"))
    base_log (G_LOG_LEVEL_INFO, id, NULL, "TPM %s %s is ready (%s)", status.manufacturer, status.firmware, status.tcti);
  else if (self->report != NULL || g_str_equal (status.state, "wedged"))
    base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_TPM_LOST, NULL, "TPM: %s: %s", status.state, status.detail);
  self->tpm_state = status.state;
  return TRUE;
}

static void
tell_tpm_state (IdentityDevice *self)
{
  if (note_tpm_state (self))
    identity_lifecycle_refresh (self->lifecycle);
}

static void
adopt_report (IdentityDevice *self, IdentityReport *report)
{
  if (report == NULL || report == self->report)
    return;
  g_clear_pointer (&self->report, identity_report_unref);
  self->report = identity_report_ref (report);
  g_free (self->serial);
  self->serial = g_strdup (report->serial);
  self->serial_source = report->serial_source;

  identity_keys_adopt (self->keys, report);
}

static void
on_lifecycle_changed (IdentityLifecycle *lifecycle, IdentityDevice *self)
{
  adopt_report (self, identity_lifecycle_peek_report (lifecycle));
  (void) note_tpm_state (self);
  g_signal_emit_by_name (self, "changed");
}

static void
on_lifecycle_decided (IdentityLifecycle *lifecycle, IdentityDevice *self)
{
  g_signal_emit_by_name (self, "decided");
}

static void
on_keys_changed (IdentityKeys *keys, IdentityDevice *self)
{
  g_autofree char *problem = identity_keys_describe_trouble (keys);

  identity_lifecycle_set_keys_problem (self->lifecycle, problem);
}

static void
on_key_job (IdentityKeys *keys, IdentityDevice *self)
{
  tell_tpm_state (self);
  identity_lifecycle_look_after_tpm (self->lifecycle);
}

static void
on_key_orphaned (IdentityKeys *keys, IdentityDevice *self)
{
  identity_lifecycle_look_again (self->lifecycle);
}

IdentityDevice *
identity_device_new (const BaseConfig *config, TpmQueue *queue)
{
  IdentityDevice *self = g_object_new (IDENTITY_TYPE_DEVICE, NULL);

  self->config = config;
  self->queue = queue;
  identity_store_sweep (config->state_path);
  self->lifecycle = identity_lifecycle_new (config, queue);
  g_signal_connect (self->lifecycle, "changed", G_CALLBACK (on_lifecycle_changed), self);
  g_signal_connect (self->lifecycle, "decided", G_CALLBACK (on_lifecycle_decided), self);
  self->keys = identity_keys_new (config, queue);
  g_signal_connect (self->keys, "changed", G_CALLBACK (on_keys_changed), self);
  g_signal_connect (self->keys, "job", G_CALLBACK (on_key_job), self);
  g_signal_connect (self->keys, "orphaned", G_CALLBACK (on_key_orphaned), self);
  return self;
}

void
identity_device_start (IdentityDevice *self)
{
  identity_lifecycle_start (self->lifecycle);
}

gboolean
identity_device_stop (IdentityDevice *self)
{
  self->is_stopped = TRUE;
  g_signal_handlers_disconnect_by_data (self->lifecycle, self);
  g_signal_handlers_disconnect_by_data (self->keys, self);
  identity_keys_close (self->keys);
  return identity_lifecycle_stop (self->lifecycle);
}

IdentityKeys *
identity_device_peek_keys (IdentityDevice *self)
{
  return self->keys;
}

void
identity_device_get_status (IdentityDevice *self, IdentityStatus *ret_status)
{
  const IdentityReport *report = self->report;
  const IdentityCert *certificate = report != NULL ? report->certificate : NULL;

  *ret_status = (IdentityStatus) {
    .row = report != NULL ? report->row : 0,
    .mode = identity_mode_name (report != NULL ? report->mode : IDENTITY_MODE_UNPROVISIONED),
    .state = identity_lifecycle_get_state (self->lifecycle),
    .reason = report != NULL ? report->reason : "starting",
    .hint = report != NULL ? report->hint : "",
    .problems = identity_lifecycle_get_problems (self->lifecycle),
    .serial = self->serial,
    .serial_source = self->serial_source,
    .certificate = certificate != NULL ? identity_cert_peek_pem (certificate) : "",
    .boot_commands = report != NULL ? report->boot_commands : 0,
  };
}

static const char *
name_tpm_state (const TpmLinkStatus *link, const TpmQueueStatus *queue)
{
  if (queue->wedged)
    return "wedged";
  if (link->state == TPM_STATE_READY && link->facts.in_lockout)
    return "lockout";
  if (link->state == TPM_STATE_READY && link->facts.owner_auth_set)
    return "hierarchy-auth-required";
  return tpm_state_name (link->state);
}

static void
describe_trouble (IdentityTpmStatus *status)
{
  if (g_str_equal (status->state, "wedged"))
    g_snprintf (status->detail, sizeof status->detail, "'%s' has not come back for %" G_GUINT64_FORMAT " s", status->running,
                status->running_ms / 1000);
  else if (g_str_equal (status->state, "hierarchy-auth-required"))
    g_strlcpy (status->detail, "an owner password is set that tpmidd does not know", sizeof status->detail);
  else if (g_str_equal (status->state, "lockout"))
    g_strlcpy (status->detail, "the TPM refuses passwords for a time, as wrong ones were tried", sizeof status->detail);
}

static void
copy_facts (const TpmFacts *facts, IdentityTpmStatus *ret_status)
{
  memcpy (ret_status->manufacturer, facts->manufacturer, sizeof ret_status->manufacturer);
  memcpy (ret_status->vendor, facts->vendor, sizeof ret_status->vendor);
  memcpy (ret_status->firmware, facts->firmware, sizeof ret_status->firmware);
  ret_status->revision = facts->revision;
  ret_status->owner_auth_set = facts->owner_auth_set;
  ret_status->endorsement_auth_set = facts->endorsement_auth_set;
  ret_status->lockout_auth_set = facts->lockout_auth_set;
  ret_status->clear_disabled = facts->clear_disabled;
  ret_status->in_lockout = facts->in_lockout;
  ret_status->orderly = facts->orderly;
  ret_status->lockout_counter = facts->lockout_counter;
  ret_status->lockout_limit = facts->lockout_limit;
  ret_status->lockout_interval_sec = facts->lockout_interval_sec;
  ret_status->lockout_recovery_sec = facts->lockout_recovery_sec;
}

void
identity_device_get_tpm_status (IdentityDevice *self, IdentityTpmStatus *ret_status)
{
  TpmLinkStatus link;
  TpmQueueStatus queue;

  tpm_link_get_status (tpm_queue_peek_link (self->queue), &link);
  tpm_queue_get_status (self->queue, &queue);
  *ret_status = (IdentityTpmStatus) {
    .state = name_tpm_state (&link, &queue),
    .present = link.facts.manufacturer[0] != '\0',
    .commands = link.commands,
    .reopened = link.reopened,
    .waiting = queue.waiting,
    .running = queue.running != NULL ? queue.running : "",
    .running_ms = queue.running_ms,
  };
  memcpy (ret_status->detail, link.detail, sizeof ret_status->detail);
  memcpy (ret_status->tcti, link.tcti, sizeof ret_status->tcti);
  describe_trouble (ret_status);
  copy_facts (&link.facts, ret_status);
}

/* main thread: the serial number */

typedef struct
{
  const BaseConfig *config;
  char *serial;
} SerialRequest;

/* What the answer needs. */
typedef struct
{
  char *serial;
  guint uid;
} SerialCall;

static void
serial_request_free (gpointer data)
{
  SerialRequest *request = data;

  g_free (request->serial);
  g_free (request);
}

static void
serial_call_free (gpointer data)
{
  SerialCall *call = data;

  g_free (call->serial);
  g_free (call);
}

static void
log_serial (const SerialCall *call)
{
  g_autofree char *uid = g_strdup_printf ("%u", call->uid);
  const BaseLogField fields[] = { { "TPMID_UID", uid }, { NULL, NULL } };

  base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_SERIAL_SET, fields, "the serial number is %s", call->serial);
}

/* The job of a caller that does not wait for it any more may yet write the serial number. */
static gboolean
may_still_happen (const GError *error)
{
  return g_error_matches (error, TPMID_ERROR, TPMID_ERROR_TIMEOUT) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CANCELLED);
}

static void
on_serial_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  IdentityDevice *self = g_task_get_source_object (task);
  const SerialCall *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autofree char *done = tpm_queue_push_finish (result, &error);

  if (!self->is_stopped)
    on_key_job (self->keys, self);
  if (done == NULL)
    {
      if (may_still_happen (error) && !self->is_stopped)
        identity_lifecycle_look_again (self->lifecycle);
      if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE))
        error->code = TPMID_ERROR_NOT_SUPPORTED;
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_free (self->serial);
  self->serial = g_strdup (call->serial);
  self->serial_source = "tpm-nv";
  log_serial (call);
  if (identity_lifecycle_is_deciding (self->lifecycle))
    identity_lifecycle_look_again (self->lifecycle);
  if (!self->is_stopped)
    g_signal_emit_by_name (self, "changed");
  g_task_return_boolean (task, TRUE);
}

static gpointer
identity_device_set_serial_job (TpmLink *link, gpointer data, GError **error)
{
  SerialRequest *request = data;

  return identity_serial_write (link, request->config, request->serial, error) ? g_strdup ("") : NULL;
}

void
identity_device_set_serial_async (IdentityDevice *self, IdentityCaller *caller, const char *serial, GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  if (self->config->tpm == BASE_TPM_OFF)
    {
      g_task_return_new_error (task, TPMID_ERROR, TPMID_ERROR_NOT_SUPPORTED, "the serial number is kept in the TPM, and Tpm=off");
      return;
    }
  if (self->report == NULL)
    {
      g_task_return_new_error (task, TPMID_ERROR, TPMID_ERROR_NOT_READY,
                               "the boot decision is not made yet; wait until State leaves starting");
      return;
    }
  SerialRequest *request = g_new0 (SerialRequest, 1);
  *request = (SerialRequest) { self->config, g_strdup (serial) };
  SerialCall *call = g_new0 (SerialCall, 1);
  *call = (SerialCall) { g_strdup (serial), caller->uid };
  g_task_set_task_data (task, call, serial_call_free);
  TpmJob job = {
    .operation = "set-serial",
    .priority = TPM_PRIORITY_NORMAL,
    .uid = caller->uid,
    .client = caller->client,
    .deadline_ms = self->config->request_timeout_sec * 1000,
    .needs_tpm = TRUE,
    .replayable = TRUE, /* written already with the same value is a success */
    .run = identity_device_set_serial_job,
    .request = request,
    .request_free = serial_request_free,
    .result_free = g_free,
  };
  tpm_queue_push_async (self->queue, &job, caller->gone, on_serial_set, g_steal_pointer (&task));
}

gboolean
identity_device_set_serial_finish (IdentityDevice *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

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
  IdentityAdmin *admin;

  IdentityReport *report;    /* (nullable) */
  const char *tpm_state;     /* static: as last told */
  gboolean is_stopped;
};

G_DEFINE_FINAL_TYPE (IdentityDevice, identity_device, G_TYPE_OBJECT)

static void
identity_device_finalize (GObject *object)
{
  IdentityDevice *self = IDENTITY_DEVICE (object);

  (void) identity_device_stop (self);
  g_object_unref (self->admin);
  g_object_unref (self->lifecycle);
  g_object_unref (self->keys);
  g_clear_pointer (&self->report, identity_report_unref);
  G_OBJECT_CLASS (identity_device_parent_class)->finalize (object);
}

static void
identity_device_class_init (IdentityDeviceClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_device_finalize;
  g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("decided", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("restart-wanted", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_device_init (IdentityDevice *self)
{
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
on_restart_wanted (IdentityLifecycle *lifecycle, IdentityDevice *self)
{
  g_signal_emit_by_name (self, "restart-wanted");
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
  self->lifecycle = identity_lifecycle_new (config, queue);
  g_signal_connect (self->lifecycle, "changed", G_CALLBACK (on_lifecycle_changed), self);
  g_signal_connect (self->lifecycle, "decided", G_CALLBACK (on_lifecycle_decided), self);
  g_signal_connect (self->lifecycle, "restart-wanted", G_CALLBACK (on_restart_wanted), self);
  self->admin = identity_admin_new (config, queue, self->lifecycle);
  self->keys = identity_keys_new (config, queue);
  g_signal_connect (self->keys, "changed", G_CALLBACK (on_keys_changed), self);
  g_signal_connect (self->keys, "job", G_CALLBACK (on_key_job), self);
  g_signal_connect (self->keys, "orphaned", G_CALLBACK (on_key_orphaned), self);
  return self;
}

void
identity_device_start (IdentityDevice *self)
{
  identity_store_sweep (self->config);
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
    .serial = report != NULL ? report->serial : "",
    .serial_source = report != NULL ? report->serial_source : "none",
    .certificate = certificate != NULL ? identity_cert_peek_pem (certificate) : "",
    .boot_commands = report != NULL ? report->boot_commands : 0,
  };
}

static gboolean
knows_owner_password (const IdentityReport *report)
{
  return report != NULL && (report->ownership.owner == IDENTITY_PASSWORD_OWN || report->ownership.owner == IDENTITY_PASSWORD_SUPPLIED);
}

static const char *
name_tpm_state (const IdentityReport *report, const TpmLinkStatus *link, const TpmQueueStatus *queue)
{
  if (queue->wedged)
    return "wedged";
  if (link->state == TPM_STATE_READY && link->facts.in_lockout)
    return "lockout";
  if (link->state == TPM_STATE_READY && link->facts.owner_auth_set && !knows_owner_password (report))
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
    .state = name_tpm_state (self->report, &link, &queue),
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

void
identity_device_get_operation (IdentityDevice *self, IdentityOperationStatus *ret_status)
{
  identity_lifecycle_get_operation (self->lifecycle, ret_status);
}

void
identity_device_get_ownership (IdentityDevice *self, IdentityOwnership *ret_ownership)
{
  if (self->report != NULL)
    *ret_ownership = self->report->ownership;
  else
    *ret_ownership = (IdentityOwnership) { .is_exclusive = self->config->ownership == BASE_OWNERSHIP_EXCLUSIVE };
}

IdentityAdmin *
identity_device_peek_admin (IdentityDevice *self)
{
  return self->admin;
}

const BaseConfig *
identity_device_peek_config (IdentityDevice *self)
{
  return self->config;
}

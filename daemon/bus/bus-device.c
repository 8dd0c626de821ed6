/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-device.h"

#include "base-error.h"
#include "base-log.h"
#include "bus-gen.h"
#include "bus-variant.h"
#include "tpmid-build.h"

#include <string.h>

#define SERIAL_MAX 64
#define CHAIN_MAX (64 * 1024) /* bytes of PEM */

struct BusDevice
{
  IdentityDevice *device;
  BusGenDevice *skeleton;
};

static const BusOption no_options[] = { { NULL, NULL } };

/* --- pure: from the identity room's structs to what the interface documents --- */

static void
add_tpm_facts (GVariantDict *dict, const IdentityTpmStatus *tpm)
{
  if (!tpm->present)
    {
      if (tpm->detail[0] != '\0')
        g_variant_dict_insert (dict, "detail", "s", tpm->detail);
      return;
    }
  g_variant_dict_insert (dict, "manufacturer", "s", tpm->manufacturer);
  g_variant_dict_insert (dict, "vendor", "s", tpm->vendor);
  g_variant_dict_insert (dict, "firmware", "s", tpm->firmware);
  g_variant_dict_insert (dict, "revision", "u", tpm->revision);
  g_variant_dict_insert (dict, "tcti", "s", tpm->tcti);
  g_variant_dict_insert (dict, "detail", "s", tpm->detail);
  g_variant_dict_insert (dict, "owner-auth-set", "b", tpm->owner_auth_set);
  g_variant_dict_insert (dict, "endorsement-auth-set", "b", tpm->endorsement_auth_set);
  g_variant_dict_insert (dict, "lockout-auth-set", "b", tpm->lockout_auth_set);
  g_variant_dict_insert (dict, "clear-disabled", "b", tpm->clear_disabled);
  g_variant_dict_insert (dict, "orderly", "b", tpm->orderly);
}

static GVariant *
pack_tpm (const IdentityTpmStatus *tpm)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  add_tpm_facts (&dict, tpm);
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_lockout (const IdentityTpmStatus *tpm)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  if (tpm->present)
    {
      g_variant_dict_insert (&dict, "in-lockout", "b", tpm->in_lockout);
      g_variant_dict_insert (&dict, "counter", "u", tpm->lockout_counter);
      g_variant_dict_insert (&dict, "limit", "u", tpm->lockout_limit);
      g_variant_dict_insert (&dict, "interval", "u", tpm->lockout_interval_sec);
      g_variant_dict_insert (&dict, "recovery", "u", tpm->lockout_recovery_sec);
    }
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_tpm_status (const IdentityTpmStatus *tpm, guint64 boot_commands)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  add_tpm_facts (&dict, tpm);
  g_variant_dict_insert (&dict, "state", "s", tpm->state);
  g_variant_dict_insert (&dict, "commands", "t", tpm->commands);
  g_variant_dict_insert_value (&dict, "lockout", pack_lockout (tpm));
  g_variant_dict_insert (&dict, "reopened", "u", tpm->reopened);
  g_variant_dict_insert (&dict, "running", "s", tpm->running);
  g_variant_dict_insert (&dict, "running-ms", "t", tpm->running_ms);
  g_variant_dict_insert (&dict, "waiting", "u", tpm->waiting);
  g_variant_dict_insert (&dict, "boot-commands", "t", boot_commands);
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_ownership (const IdentityOwnership *ownership)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "policy", "s", ownership->is_exclusive ? "exclusive" : "shared");
  g_variant_dict_insert (&dict, "state", "s", identity_ownership_state_name (ownership->state));
  g_variant_dict_insert (&dict, "owner-auth", "s", identity_password_kind_name (ownership->owner));
  g_variant_dict_insert (&dict, "lockout-auth", "s", identity_password_kind_name (ownership->lockout));
  g_variant_dict_insert (&dict, "endorsement-auth", "s", identity_password_kind_name (ownership->endorsement));
  g_variant_dict_insert (&dict, "platform", "s", identity_platform_name (ownership->platform));
  g_variant_dict_insert (&dict, "detail", "s", ownership->detail);
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_operation (const IdentityOperationStatus *operation)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  if (operation->operation == IDENTITY_OPERATION_NONE)
    return g_variant_dict_end (&dict);
  g_variant_dict_insert (&dict, "name", "s", identity_operation_name (operation->operation));
  gboolean is_wrong = g_str_equal (operation->state, "failed");
  g_variant_dict_insert (&dict, "id", "s", operation->id);
  g_variant_dict_insert (&dict, "state", "s", operation->state);
  g_variant_dict_insert (&dict, "detail", "s", operation->detail);
  g_variant_dict_insert (&dict, "error", "s", is_wrong ? base_error_dbus_name (operation->error) : "");
  g_variant_dict_insert (&dict, "time", "t", (guint64) operation->time);
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_paths (const BaseConfig *config)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "marker", "s", config->marker_path);
  g_variant_dict_insert (&dict, "certificate", "s", config->certificate_path);
  g_variant_dict_insert (&dict, "software-key", "s", config->software_key_path);
  g_variant_dict_insert (&dict, "state", "s", config->state_path);
  g_variant_dict_insert (&dict, "runtime", "s", config->runtime_path);
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_handle (const IdentityHandle *handle)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  g_variant_dict_insert (&dict, "handle", "u", handle->handle);
  g_variant_dict_insert (&dict, "kind", "s", handle->kind);
  g_variant_dict_insert (&dict, "owner", "s", handle->owner);
  g_variant_dict_insert (&dict, "use", "s", handle->use);
  g_variant_dict_insert (&dict, "hierarchy", "s", handle->hierarchy);
  g_variant_dict_insert (&dict, "size", "u", handle->size);
  g_variant_dict_insert (&dict, "name", "s", handle->name);
  return g_variant_dict_end (&dict);
}

static GVariant *
pack_key (const IdentityKey *key)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

  if (key != NULL)
    {
      g_autofree char *reference = bus_variant_hex (key->reference);
      g_variant_dict_insert (&dict, "name", "s", key->name);
      g_variant_dict_insert (&dict, "algorithm", "s", identity_algorithm_name (key->algorithm));
      g_variant_dict_insert (&dict, "reference", "s", reference);
    }
  return g_variant_dict_end (&dict);
}

static void
add_status (GVariantDict *dict, const IdentityStatus *status)
{
  g_variant_dict_insert (dict, "mode", "s", status->mode);
  g_variant_dict_insert (dict, "state", "s", status->state);
  g_variant_dict_insert (dict, "reason", "s", status->reason);
  g_variant_dict_insert (dict, "hint", "s", status->hint);
  g_variant_dict_insert (dict, "row", "u", status->row);
  g_variant_dict_insert (dict, "problems", "^as", status->problems);
  g_variant_dict_insert (dict, "version", "s", TPMID_VERSION);
  g_variant_dict_insert (dict, "serial", "s", status->serial);
  g_variant_dict_insert (dict, "serial-source", "s", status->serial_source);
}

/* --- methods --- */

static void
act_get_status (BusCall *call)
{
  IdentityDevice *device = IDENTITY_DEVICE (call->target);
  g_autoptr (IdentityKey) key = identity_keys_lookup (identity_device_peek_keys (device), IDENTITY_NAME_DEVICE, NULL);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  IdentityStatus status;
  IdentityTpmStatus tpm;
  IdentityOwnership ownership;
  IdentityOperationStatus operation;

  identity_device_get_status (device, &status);
  identity_device_get_tpm_status (device, &tpm);
  identity_device_get_ownership (device, &ownership);
  identity_device_get_operation (device, &operation);
  add_status (&dict, &status);
  g_variant_dict_insert_value (&dict, "ownership", pack_ownership (&ownership));
  g_variant_dict_insert_value (&dict, "operation", pack_operation (&operation));
  g_variant_dict_insert_value (&dict, "paths", pack_paths (identity_device_peek_config (device)));
  g_variant_dict_insert_value (&dict, "key", pack_key (key));
  g_variant_dict_insert_value (&dict, "tpm", pack_tpm_status (&tpm, status.boot_commands));
  bus_call_return (call, g_variant_new ("(@a{sv})", g_variant_dict_end (&dict)));
}

static void
act_get_serial_number (BusCall *call)
{
  IdentityStatus status;

  identity_device_get_status (IDENTITY_DEVICE (call->target), &status);
  bus_call_return (call, g_variant_new ("(ss)", status.serial, status.serial_source));
}

static gboolean
prepare_set_serial_number (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *serial;

  g_variant_get_child (parameters, 0, "&s", &serial);
  if (!identity_serial_check (serial, SERIAL_MAX, error) || !bus_variant_check_options (options, no_options, error))
    return FALSE;
  call->request = g_strdup (serial);
  call->request_free = g_free;
  return TRUE;
}

/* --- what an administrator asks for --- */

static IdentityAdmin *
admin_of (const BusCall *call)
{
  return identity_device_peek_admin (IDENTITY_DEVICE (call->target));
}

static gboolean
prepare_options (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 0);

  return bus_variant_check_options (options, no_options, error);
}

/* A chain is looked at closely by who knows the key; here only that it is no flood. */
static gboolean
prepare_chain (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *pem;

  g_variant_get_child (parameters, 0, "&s", &pem);
  if (!bus_variant_check_options (options, no_options, error))
    return FALSE;
  if (strlen (pem) > CHAIN_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "the certificate chain has %" G_GSIZE_FORMAT " bytes; at most %d are taken",
                   strlen (pem), CHAIN_MAX);
      return FALSE;
    }
  call->request = g_strdup (pem);
  call->request_free = g_free;
  return TRUE;
}

static gboolean
prepare_migrate (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *target;

  g_variant_get_child (parameters, 0, "&s", &target);
  if (!bus_variant_check_options (options, no_options, error))
    return FALSE;
  if (!g_str_equal (target, "tpm") && !g_str_equal (target, "software"))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "a device migrates to \"tpm\" or to \"software\", not to \"%s\"", target);
      return FALSE;
    }
  call->request = g_strdup (target);
  call->request_free = g_free;
  return TRUE;
}

static void
on_begun (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (identity_admin_begin_finish (IDENTITY_ADMIN (source), result, &error))
    bus_call_return (call, g_variant_new ("()"));
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static void
act_reset (BusCall *call)
{
  identity_admin_begin_async (admin_of (call), IDENTITY_OPERATION_RESET, on_begun, call);
}

static void
act_reprovision (BusCall *call)
{
  identity_admin_begin_async (admin_of (call), IDENTITY_OPERATION_REPROVISION, on_begun, call);
}

static void
act_migrate (BusCall *call)
{
  gboolean to_tpm = g_str_equal (call->request, "tpm");

  identity_admin_begin_async (admin_of (call), to_tpm ? IDENTITY_OPERATION_MIGRATE_TO_TPM : IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE, on_begun,
                              call);
}

static GVariant *
pack_handles (const GArray *handles)
{
  g_auto (GVariantBuilder) list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < handles->len; i++)
    g_variant_builder_add_value (&list, pack_handle (&g_array_index (handles, IdentityHandle, i)));
  return g_variant_new ("(aa{sv})", &list);
}

/* What a method answers is told by its name: most have nothing to say but that it is done. */
static GVariant *
pack_answer (const BusCall *call, const GArray *handles)
{
  if (g_str_equal (call->method->name, "ListHandles"))
    return pack_handles (handles);
  if (!g_str_equal (call->method->name, "BeginRotation"))
    return g_variant_new ("()");
  g_autofree char *path = bus_variant_key_path (IDENTITY_NAME_NEXT);
  return g_variant_new ("(o)", path);
}

static void
on_run (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusCall *call = user_data;
  g_autoptr (GArray) handles = NULL;
  g_autoptr (GError) error = NULL;

  if (identity_admin_run_finish (IDENTITY_ADMIN (source), result, &handles, &error))
    bus_call_return (call, pack_answer (call, handles));
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static const struct
{
  const char *method;
  IdentityAdminJob job;
} jobs[] = {
  { "SetSerialNumber", IDENTITY_ADMIN_SET_SERIAL },
  { "ClearSerialNumber", IDENTITY_ADMIN_CLEAR_SERIAL },
  { "ReleaseOwnership", IDENTITY_ADMIN_RELEASE_OWNERSHIP },
  { "RegenerateCertificate", IDENTITY_ADMIN_REGENERATE_CERTIFICATE },
  { "InstallCertificate", IDENTITY_ADMIN_INSTALL_CERTIFICATE },
  { "BeginRotation", IDENTITY_ADMIN_BEGIN_ROTATION },
  { "CommitRotation", IDENTITY_ADMIN_COMMIT_ROTATION },
  { "RollbackRotation", IDENTITY_ADMIN_ROLLBACK_ROTATION },
  { "ListHandles", IDENTITY_ADMIN_LIST_HANDLES },
};

static void
act_job (BusCall *call)
{
  gsize i = 0;

  while (!g_str_equal (jobs[i].method, call->method->name))
    i++;
  identity_admin_run_async (admin_of (call), call->caller, jobs[i].job, call->request, on_run, call);
}

static const BusMethod methods[] = {
  { "GetStatus", prepare_options, act_get_status },
  { "GetSerialNumber", prepare_options, act_get_serial_number },
  { "SetSerialNumber", prepare_set_serial_number, act_job },
  { "ClearSerialNumber", prepare_options, act_job },
  { "Reset", prepare_options, act_reset },
  { "Reprovision", prepare_options, act_reprovision },
  { "Migrate", prepare_migrate, act_migrate },
  { "ReleaseOwnership", prepare_options, act_job },
  { "RegenerateCertificate", prepare_options, act_job },
  { "InstallCertificate", prepare_chain, act_job },
  { "BeginRotation", prepare_options, act_job },
  { "CommitRotation", prepare_chain, act_job },
  { "RollbackRotation", prepare_options, act_job },
  { "ListHandles", prepare_options, act_job },
  { NULL, NULL, NULL },
};

/* --- properties --- */

static void
update_identity_key (BusDevice *self)
{
  g_autoptr (IdentityKey) key = identity_keys_lookup (identity_device_peek_keys (self->device), IDENTITY_NAME_DEVICE, NULL);
  g_autofree char *path = key != NULL ? bus_variant_key_path (key->name) : NULL;

  bus_gen_device_set_identity_key (self->skeleton, path != NULL ? path : "/");
}

/* The skeleton collects what really changed, and sends one PropertiesChanged when the loop is idle. */
static void
update_properties (BusDevice *self)
{
  IdentityStatus status;
  IdentityTpmStatus tpm;
  IdentityOwnership ownership;
  IdentityOperationStatus operation;

  identity_device_get_status (self->device, &status);
  identity_device_get_tpm_status (self->device, &tpm);
  identity_device_get_ownership (self->device, &ownership);
  identity_device_get_operation (self->device, &operation);
  bus_gen_device_set_ownership (self->skeleton, pack_ownership (&ownership));
  bus_gen_device_set_operation (self->skeleton, pack_operation (&operation));
  bus_gen_device_set_mode (self->skeleton, status.mode);
  bus_gen_device_set_state (self->skeleton, status.state);
  bus_gen_device_set_reason (self->skeleton, status.reason);
  bus_gen_device_set_hint (self->skeleton, status.hint);
  bus_gen_device_set_row (self->skeleton, status.row);
  bus_gen_device_set_problems (self->skeleton, status.problems);
  bus_gen_device_set_tpm_state (self->skeleton, tpm.state);
  bus_gen_device_set_tpm (self->skeleton, pack_tpm (&tpm));
  bus_gen_device_set_lockout (self->skeleton, pack_lockout (&tpm));
  bus_gen_device_set_serial_number (self->skeleton, status.serial);
  bus_gen_device_set_serial_source (self->skeleton, status.serial_source);
  bus_gen_device_set_certificate (self->skeleton, status.certificate);
  bus_gen_device_set_version (self->skeleton, TPMID_VERSION);
  update_identity_key (self);
}

BusDevice *
bus_device_new (GDBusConnection *connection, BusCalls *calls, IdentityDevice *device)
{
  BusDevice *self = g_new0 (BusDevice, 1);
  g_autoptr (GError) error = NULL;

  self->device = g_object_ref (device);
  self->skeleton = bus_gen_device_skeleton_new ();
  bus_calls_serve (calls, G_DBUS_INTERFACE_SKELETON (self->skeleton), methods, G_OBJECT (device), NULL);
  g_signal_connect_swapped (device, "changed", G_CALLBACK (update_properties), self);
  g_signal_connect_swapped (identity_device_peek_keys (device), "changed", G_CALLBACK (update_identity_key), self);
  update_properties (self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection, BUS_PATH_DEVICE, &error))
    base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "exporting %s: %s", BUS_PATH_DEVICE, error->message);
  return self;
}

void
bus_device_free (BusDevice *self)
{
  if (self == NULL)
    return;
  g_signal_handlers_disconnect_by_data (identity_device_peek_keys (self->device), self);
  g_signal_handlers_disconnect_by_data (self->device, self);
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (self->skeleton)) != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->skeleton));
  g_object_unref (self->skeleton);
  g_object_unref (self->device);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-device.h"

#include "base-log.h"
#include "bus-gen.h"
#include "bus-variant.h"
#include "tpmid-build.h"

#include <string.h>

#define SERIAL_MAX 64
#define DEVICE_KEY "device"

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

static gboolean
prepare_get_status (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 0);

  return bus_variant_check_options (options, no_options, error);
}

static void
act_get_status (BusCall *call)
{
  IdentityDevice *device = IDENTITY_DEVICE (call->target);
  g_autoptr (IdentityKey) key = identity_keys_lookup (identity_device_peek_keys (device), DEVICE_KEY, NULL);
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  IdentityStatus status;
  IdentityTpmStatus tpm;

  identity_device_get_status (device, &status);
  identity_device_get_tpm_status (device, &tpm);
  add_status (&dict, &status);
  g_variant_dict_insert_value (&dict, "key", pack_key (key));
  g_variant_dict_insert_value (&dict, "tpm", pack_tpm_status (&tpm, status.boot_commands));
  bus_call_return (call, g_variant_new ("(@a{sv})", g_variant_dict_end (&dict)));
}

static gboolean
prepare_get_serial_number (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 0);

  return bus_variant_check_options (options, no_options, error);
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

static void
on_serial_set (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (identity_device_set_serial_finish (IDENTITY_DEVICE (call->target), result, &error))
    bus_call_return (call, g_variant_new ("()"));
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static void
act_set_serial_number (BusCall *call)
{
  identity_device_set_serial_async (IDENTITY_DEVICE (call->target), call->caller, call->request, on_serial_set, call);
}

static const BusMethod methods[] = {
  { "GetStatus", prepare_get_status, act_get_status },
  { "GetSerialNumber", prepare_get_serial_number, act_get_serial_number },
  { "SetSerialNumber", prepare_set_serial_number, act_set_serial_number },
  { NULL, NULL, NULL },
};

/* --- properties --- */

static void
update_identity_key (BusDevice *self)
{
  g_autoptr (IdentityKey) key = identity_keys_lookup (identity_device_peek_keys (self->device), DEVICE_KEY, NULL);
  g_autofree char *path = key != NULL ? bus_variant_key_path (key->name) : NULL;

  bus_gen_device_set_identity_key (self->skeleton, path != NULL ? path : "/");
}

/* The skeleton collects what really changed, and sends one PropertiesChanged when the loop is idle. */
static void
update_properties (BusDevice *self)
{
  IdentityStatus status;
  IdentityTpmStatus tpm;

  identity_device_get_status (self->device, &status);
  identity_device_get_tpm_status (self->device, &tpm);
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-call.h"

#include "base-error.h"
#include "base-log.h"
#include "bus-error.h"
#include "bus-variant.h"

#include <string.h>

#define LOG_MESSAGE_MAX 512

struct BusCalls
{
  grefcount refs;
  BusClients *clients;
  BusAuth *auth;
};

/* What stands behind one exported interface. */
typedef struct
{
  BusCalls *calls;
  const BusMethod *methods;
  GObject *target;
  char *key;
} Desk;

BusCalls *
bus_calls_new (BusClients *clients, BusAuth *auth)
{
  BusCalls *self = g_new0 (BusCalls, 1);

  g_ref_count_init (&self->refs);
  self->clients = bus_clients_ref (clients);
  self->auth = bus_auth_ref (auth);
  return self;
}

BusCalls *
bus_calls_ref (BusCalls *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
bus_calls_unref (BusCalls *self)
{
  if (self == NULL || !g_ref_count_dec (&self->refs))
    return;
  bus_clients_unref (self->clients);
  bus_auth_unref (self->auth);
  g_free (self);
}

static BusCall *
call_new (const Desk *desk, GDBusMethodInvocation *invocation)
{
  BusCall *call = g_new0 (BusCall, 1);

  call->calls = bus_calls_ref (desk->calls);
  call->target = g_object_ref (desk->target);
  call->key = g_strdup (desk->key);
  call->invocation = invocation;
  return call;
}

static void
call_free (BusCall *call)
{
  if (call->request_free != NULL && call->request != NULL)
    call->request_free (call->request);
  g_clear_pointer (&call->caller, identity_caller_unref);
  g_clear_pointer (&call->client, bus_client_end);
  g_clear_object (&call->invocation);
  g_clear_object (&call->target);
  g_free (call->key);
  bus_calls_unref (call->calls);
  g_free (call);
}

/* --- log and reply --- */

static void
log_call (const BusCall *call, GLogLevelFlags level, const char *message_id, const char *outcome, const GError *error)
{
  const char *interface = g_dbus_method_invocation_get_interface_name (call->invocation);
  const char *method = g_dbus_method_invocation_get_method_name (call->invocation);
  const char *sender = g_dbus_method_invocation_get_sender (call->invocation);
  g_autofree char *operation = g_strdup_printf ("%s.%s", interface, method);
  g_autofree char *uid = call->caller != NULL ? g_strdup_printf ("%u", call->caller->uid) : NULL;
  g_autofree char *reason = error != NULL ? bus_variant_printable (error->message, LOG_MESSAGE_MAX) : NULL;
  const char *rc_text = NULL;
  guint32 rc = error != NULL ? base_error_get_tpm (error, &rc_text) : 0;
  g_autofree char *rc_hex = rc != 0 ? g_strdup_printf ("0x%x", rc) : NULL;
  const BaseLogField fields[] = {
    { "TPMID_OPERATION", operation },
    { "TPMID_KEY", call->key },
    { "TPMID_SENDER", sender },
    { "TPMID_UID", uid },
    { "TPMID_ERROR", error != NULL ? base_error_to_dbus_error (error) : NULL },
    { "TPM_RC", rc_hex },
    { "TPM_RC_TEXT", rc_text },
    { NULL, NULL },
  };

  base_log (level, message_id, fields, "%s%s%s %s%s%s", method, call->key != NULL ? " with key " : "",
            call->key != NULL ? call->key : "", outcome, reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

static void
log_success (const BusCall *call)
{
  switch (call->row->right)
    {
    case IDENTITY_RIGHT_READ:
      return;
    case IDENTITY_RIGHT_SIGN:
    case IDENTITY_RIGHT_DECRYPT:
      log_call (call, G_LOG_LEVEL_INFO, BASE_LOG_ID_KEY_USED, "done", NULL);
      return;
    case IDENTITY_RIGHT_CREATE:
    case IDENTITY_RIGHT_OWN:
    case IDENTITY_RIGHT_ADMIN:
      log_call (call, G_LOG_LEVEL_INFO, NULL, "done", NULL);
      return;
    }
}

static void
log_failure (const BusCall *call, const GError *error)
{
  if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_AUTHORIZED))
    log_call (call, G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_REFUSED, "refused", error);
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_FAILED)
           || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE))
    log_call (call, G_LOG_LEVEL_WARNING, NULL, "failed", error);
  else
    log_call (call, G_LOG_LEVEL_INFO, NULL, "failed", error);
}

void
bus_call_return (BusCall *call, GVariant *result)
{
  log_success (call);
  g_dbus_method_invocation_return_value (g_steal_pointer (&call->invocation), result);
  call_free (call);
}

void
bus_call_fail (BusCall *call, GError *error)
{
  log_failure (call, error);
  bus_error_return (g_steal_pointer (&call->invocation), error);
  g_error_free (error);
  call_free (call);
}

/* --- the order of things --- */

static void
authorize_and_act (BusCall *call, IdentityCaller *caller)
{
  g_autoptr (GError) error = NULL;

  call->caller = identity_caller_ref (caller);
  if (!bus_auth_check (call->calls->auth, call->row, caller, call->owner, &error))
    bus_call_fail (call, g_steal_pointer (&error));
  else
    call->method->act (call);
}

static void
on_identified (IdentityCaller *caller, const GError *error, gpointer user_data)
{
  BusCall *call = user_data;

  if (caller != NULL)
    authorize_and_act (call, caller);
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CANCELLED))
    call_free (call);
  else
    bus_call_fail (call, g_error_copy (error));
}

static void
run_call (BusCall *call)
{
  g_autoptr (GError) error = NULL;

  call->client = bus_clients_begin (call->calls->clients, g_dbus_method_invocation_get_sender (call->invocation), &error);
  if (call->client == NULL
      || !call->method->prepare (call, g_dbus_method_invocation_get_parameters (call->invocation), &error))
    return bus_call_fail (call, g_steal_pointer (&error));

  IdentityCaller *caller = bus_client_peek_caller (call->client);
  if (caller != NULL)
    authorize_and_act (call, caller);
  else
    bus_client_identify (call->client, on_identified, call);
}

static const BusMethod *
find_method (const BusMethod *methods, const char *name)
{
  for (const BusMethod *method = methods; method->name != NULL; method++)
    if (strcmp (method->name, name) == 0)
      return method;
  return NULL;
}

static void
enter (const Desk *desk, GDBusMethodInvocation *invocation)
{
  const char *name = g_dbus_method_invocation_get_method_name (invocation);
  BusCall *call = call_new (desk, invocation);

  call->row = bus_auth_find (g_dbus_method_invocation_get_interface_name (invocation), name);
  call->method = find_method (desk->methods, name);
  if (call->row == NULL || call->method == NULL || g_dbus_method_invocation_get_sender (invocation) == NULL)
    bus_call_fail (call, g_error_new (TPMID_ERROR, TPMID_ERROR_NOT_AUTHORIZED, "nobody may call %s", name));
  else
    run_call (call);
}

/* Marshals any of the skeleton's handle-* signals: (skeleton, invocation, unpacked parameters...) -> handled. The
   invocation, with its reference, is ours from here on. */
static void
marshal_call (GClosure *closure, GValue *ret_handled, guint n_values, const GValue *values, gpointer hint, gpointer marshal_data)
{
  enter (closure->data, g_value_get_object (&values[1]));
  g_value_set_boolean (ret_handled, TRUE);
}

/* Not g-authorize-method: GDBus emits that one on a thread of its own for each call, which would also lose the order. */
static void
connect_all (GDBusInterfaceSkeleton *skeleton, GType type, GClosure *closure)
{
  guint n_ids;
  g_autofree guint *ids = g_signal_list_ids (type, &n_ids);

  for (guint i = 0; i < n_ids; i++)
    if (g_str_has_prefix (g_signal_name (ids[i]), "handle-"))
      g_signal_connect_closure_by_id (skeleton, ids[i], 0, closure, FALSE);
}

static void
desk_free (gpointer data, GClosure *closure)
{
  Desk *desk = data;

  bus_calls_unref (desk->calls);
  g_object_unref (desk->target);
  g_free (desk->key);
  g_free (desk);
}

void
bus_calls_serve (BusCalls *self, GDBusInterfaceSkeleton *skeleton, const BusMethod *methods, GObject *target, const char *key)
{
  Desk *desk = g_new0 (Desk, 1);
  g_autoptr (GClosure) closure = g_closure_new_simple (sizeof (GClosure), desk);
  g_autofree GType *interfaces = g_type_interfaces (G_OBJECT_TYPE (skeleton), NULL);

  desk->calls = bus_calls_ref (self);
  desk->methods = methods;
  desk->target = g_object_ref (target);
  desk->key = g_strdup (key);
  g_closure_ref (closure);
  g_closure_sink (closure);
  g_closure_set_marshal (closure, marshal_call);
  g_closure_add_finalize_notifier (closure, desk, desk_free);
  for (const GType *type = interfaces; *type != 0; type++)
    connect_all (skeleton, *type, closure);
}

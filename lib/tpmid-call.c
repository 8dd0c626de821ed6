/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const LibTarget keys = { "/org/tpmid1/keys", "org.tpmid1.Keys", NULL };

/* First the messages: they hold on to the connection. */
void
lib_call_clear (LibCall *call)
{
  call->message = sd_bus_message_unref (call->message);
  call->reply = sd_bus_message_unref (call->reply);
  lib_connection_release (call->connection);
  call->connection = NULL;
}

int
lib_call_begin (LibCall *call, sd_bus *bus, const LibTarget *target, const char *method, uint64_t deadline, tpmid_error *error)
{
  const char *service = target->service != NULL ? target->service : LIB_SERVICE;
  int r;

  call->bus = bus;
  call->deadline = deadline;
  r = sd_bus_message_new_method_call (bus, &call->message, service, target->path, target->interface, method);
  if (r < 0)
    return lib_error_set_errno (error, r, "cannot make a call");
  return 0;
}

static bool
may_try_again (LibCall *call, const tpmid_error *failure)
{
  return call->client != NULL
         && lib_retry_pause (&call->retry, failure, atomic_load (&call->client->is_served), call->deadline);
}

static int
connect_call (LibCall *call, tpmid_error *error)
{
  tpmid_error failure;
  int r;

  while ((r = lib_connection_ready (call->connection, call->client->address, call->deadline, &call->bus, &failure)) < 0
         && may_try_again (call, &failure))
    continue;
  if (r < 0 && error != NULL)
    *error = failure;
  return r;
}

int
lib_call_open (LibCall *call, tpmid_client *client, const LibTarget *target, const char *method, uint64_t deadline,
               tpmid_error *error)
{
  int r = lib_client_lease (client, deadline, &call->connection, error);

  call->client = client;
  call->deadline = deadline;
  if (r >= 0)
    r = connect_call (call, error);
  return r < 0 ? r : lib_call_begin (call, call->bus, target, method, deadline, error);
}

static int
on_answer (sd_bus_message *answer, void *data, sd_bus_error *error)
{
  LibCall *call = data;

  call->reply = sd_bus_message_ref (answer);
  /* sd-bus then wipes it when it frees it. */
  if (call->is_secret)
    (void) sd_bus_message_sensitive (answer);
  return 1;
}

/* What sd_bus_call() does, which however gives up at the first signal that the thread gets. */
static int
wait_for_answer (LibCall *call)
{
  int r = 0;

  while (r >= 0 && call->reply == NULL)
    {
      uint64_t left = lib_deadline_left (call->deadline);
      if (left == 0)
        return -ETIMEDOUT;
      r = sd_bus_wait (call->bus, left);
      if (r >= 0 || r == -EINTR)
        r = sd_bus_process (call->bus, NULL);
    }
  /* Of a connection that broke sd-bus makes an answer from nobody. */
  return r >= 0 && sd_bus_is_open (call->bus) <= 0 ? -ECONNRESET : r;
}

static int
report_failure (int result, tpmid_error *error)
{
  if (result == -ETIMEDOUT)
    return lib_error_set (error, ETIMEDOUT, LIB_DBUS_ERROR ("NoReply"), "tpmidd did not answer in time");
  return lib_error_set_errno (error, result, "cannot call tpmidd");
}

static int
send_and_wait (LibCall *call, tpmid_error *error)
{
  sd_bus_slot *slot = NULL;
  int r = sd_bus_call_async (call->bus, &slot, call->message, on_answer, call, UINT64_MAX);

  if (r >= 0)
    r = wait_for_answer (call);
  sd_bus_slot_unref (slot);
  if (r < 0 && call->is_secret)
    lib_connection_close (call->connection);
  if (r >= 0 && sd_bus_message_is_method_error (call->reply, NULL) <= 0)
    return 0;

  r = r < 0 ? report_failure (r, error) : lib_error_set_reply (error, sd_bus_message_get_error (call->reply));
  call->reply = sd_bus_message_unref (call->reply);
  return r;
}

static bool
says_no_such_object (const tpmid_error *error)
{
  static const char *const names[] = {
    LIB_DBUS_ERROR ("UnknownObject"),
    LIB_DBUS_ERROR ("UnknownInterface"),
    LIB_DBUS_ERROR ("UnknownMethod"),
    LIB_DBUS_ERROR ("InvalidArgs"),
  };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp (error->name, names[i]) == 0)
      return true;
  return false;
}

/* Why the object of the key @name is not there; 0 when it is there by now. */
static int
look_up (const LibCall *outer, const char *name, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  int r = lib_call_begin (&call, outer->bus, &keys, "GetKey", outer->deadline, error);

  if (r < 0)
    return r;
  r = sd_bus_message_append (call.message, "s", name);
  if (r >= 0)
    r = lib_value_write (call.message, NULL);
  return lib_call_finish (&call, r, "o", error);
}

/* The bus says NoReply of a tpmidd that left without an answer; later than that it is our own clock that says it. */
static bool
comes_from_tpmidd (const LibCall *call, const tpmid_error *failure)
{
  static const char prefix[] = LIB_ERROR ("");

  return strncmp (failure->name, prefix, sizeof prefix - 1) == 0
         || (strcmp (failure->name, LIB_DBUS_ERROR ("NoReply")) == 0 && lib_deadline_left (call->deadline) > 0);
}

static int
try_once (LibCall *call, tpmid_error *failure)
{
  int r = send_and_wait (call, failure);

  if (r < 0 && call->client != NULL && says_no_such_object (failure))
    {
      char *name = lib_text_key_name (sd_bus_message_get_path (call->message));
      tpmid_error reason;
      int r2 = name != NULL ? look_up (call, name, &reason) : 0;
      free (name);
      if (r2 < 0)
        {
          *failure = reason;
          r = r2;
        }
    }
  if (call->client != NULL && (r >= 0 || comes_from_tpmidd (call, failure)))
    atomic_store (&call->client->is_served, true);
  return r;
}

static int
copy_message (sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_copy)
{
  sd_bus_message *copy = NULL;
  int r = sd_bus_message_new_method_call (bus, &copy, sd_bus_message_get_destination (message),
                                          sd_bus_message_get_path (message), sd_bus_message_get_interface (message),
                                          sd_bus_message_get_member (message));

  /* Only a sealed message can be read; one that was not even sent is not sealed yet. */
  (void) sd_bus_message_seal (message, 1, 0);
  if (r >= 0)
    r = sd_bus_message_rewind (message, true);
  if (r >= 0)
    r = sd_bus_message_copy (copy, message, true);
  if (r < 0)
    {
      sd_bus_message_unref (copy);
      return r;
    }
  *ret_copy = copy;
  return 0;
}

/* The same call once more, on a connection that is open. */
static int
renew (LibCall *call, tpmid_error *error)
{
  sd_bus_message *copy = NULL;
  int r = connect_call (call, error);

  if (r < 0)
    return r;
  r = copy_message (call->bus, call->message, &copy);
  if (r < 0)
    return lib_error_set_errno (error, r, "cannot repeat a call");
  sd_bus_message_unref (call->message);
  call->message = copy;
  return 0;
}

int
lib_call_finish (LibCall *call, int result, const char *signature, tpmid_error *error)
{
  tpmid_error failure, repeated_for = { .number = 0 };
  int r;

  if (result < 0)
    return lib_error_set_errno (error, result, "cannot make a call of these arguments");
  while ((r = try_once (call, &failure)) < 0 && may_try_again (call, &failure))
    {
      repeated_for = failure;
      r = renew (call, &failure);
      if (r < 0)
        break;
    }
  /* That the time ran out in the last of many tries says less than why there were many. */
  if (r == -ETIMEDOUT && repeated_for.number != 0 && lib_deadline_left (call->deadline) == 0)
    {
      failure = repeated_for;
      r = -repeated_for.number;
    }
  if (r < 0)
    {
      if (error != NULL)
        *error = failure;
      return r;
    }
  if (sd_bus_message_has_signature (call->reply, signature) <= 0)
    return lib_error_set (error, EBADMSG, LIB_DBUS_ERROR ("InconsistentMessage"),
                          "tpmidd answered with another type than \"%s\"; tpmidd and libtpmid do not fit", signature);
  return 0;
}

static int
unreadable (tpmid_error *error, int result)
{
  return lib_error_set_errno (error, result, "cannot read tpmidd's answer");
}

int
lib_call_string (LibCall *call, char **ret_string, tpmid_error *error)
{
  const char *string = NULL;
  char type = 0;
  int r = sd_bus_message_peek_type (call->reply, &type, NULL);

  if (r > 0)
    r = sd_bus_message_read_basic (call->reply, type, &string);
  if (r <= 0)
    return unreadable (error, r < 0 ? r : -EBADMSG);
  if (ret_string == NULL)
    return 0;

  char *copy = strdup (string);
  if (copy == NULL)
    return unreadable (error, -ENOMEM);
  *ret_string = copy;
  return 0;
}

int
lib_call_bytes (LibCall *call, uint8_t **ret_data, size_t *ret_size, tpmid_error *error)
{
  const void *data = NULL;
  size_t size = 0;
  int r = sd_bus_message_read_array (call->reply, SD_BUS_TYPE_BYTE, &data, &size);

  if (r < 0)
    return unreadable (error, r);

  uint8_t *copy = malloc (size + 1);
  if (copy == NULL)
    return unreadable (error, -ENOMEM);
  if (size > 0)
    memcpy (copy, data, size);
  *ret_data = copy;
  *ret_size = size;
  return 0;
}

int
lib_call_value (LibCall *call, tpmid_value **ret_value, tpmid_error *error)
{
  int r = lib_value_read (call->reply, ret_value);

  return r < 0 ? unreadable (error, r) : 0;
}

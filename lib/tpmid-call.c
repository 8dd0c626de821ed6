/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
lib_call_clear (LibCall *call)
{
  call->message = sd_bus_message_unref (call->message);
  call->reply = sd_bus_message_unref (call->reply);
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

int
lib_call_open (LibCall *call, tpmid_client *client, const LibTarget *target, const char *method, uint64_t deadline,
               tpmid_error *error)
{
  sd_bus *bus = NULL;
  int r = lib_client_bus (client, deadline, &bus, error);

  return r < 0 ? r : lib_call_begin (call, bus, target, method, deadline, error);
}

/* sd_bus_call() reports what happened on this side in the same structure as the peer's answer, under a name of its own. */
static int
report_failure (const LibCall *call, int result, const sd_bus_error *failure, tpmid_error *error)
{
  static const char local_prefix[] = "System.Error.";

  if (result == -ETIMEDOUT && lib_deadline_left (call->deadline) == 0)
    return lib_error_set (error, ETIMEDOUT, LIB_DBUS_ERROR ("NoReply"), "tpmidd did not answer in time");
  if (!sd_bus_error_is_set (failure) || strncmp (failure->name, local_prefix, strlen (local_prefix)) == 0)
    return lib_error_set_errno (error, result, "cannot call tpmidd");
  return lib_error_set_reply (error, failure);
}

static int
send_and_wait (LibCall *call, tpmid_error *error)
{
  sd_bus_error failure = SD_BUS_ERROR_NULL;
  uint64_t left = lib_deadline_left (call->deadline);
  int r;

  /* sd-bus takes 0 for its own default. */
  r = sd_bus_call (call->bus, call->message, left > 0 ? left : 1, &failure, &call->reply);
  if (r < 0)
    r = report_failure (call, r, &failure, error);
  sd_bus_error_free (&failure);
  return r;
}

int
lib_call_finish (LibCall *call, int result, const char *signature, tpmid_error *error)
{
  int r;

  if (result < 0)
    return lib_error_set_errno (error, result, "cannot make a call of these arguments");
  r = send_and_wait (call, error);
  if (r < 0)
    return r;
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

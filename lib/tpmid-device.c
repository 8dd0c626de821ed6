/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>

#define DEVICE_PATH "/org/tpmid1"
#define DEVICE_INTERFACE "org.tpmid1.Device"

static const LibTarget device = { DEVICE_PATH, DEVICE_INTERFACE, NULL };
static const LibTarget device_properties = { DEVICE_PATH, "org.freedesktop.DBus.Properties", NULL };

int
tpmid_get_status (tpmid_client *client, int timeout_ms, tpmid_value **ret_status, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  int r = lib_call_open (&call, client, &device, "GetStatus", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = lib_call_finish (&call, lib_value_write (call.message, NULL), "a{sv}", error);
  return r < 0 ? r : lib_call_value (&call, ret_status, error);
}

int
tpmid_get_serial_number (tpmid_client *client, int timeout_ms, char **ret_serial, char **ret_source, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  char *serial = NULL;
  int r = lib_call_open (&call, client, &device, "GetSerialNumber", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = lib_call_finish (&call, lib_value_write (call.message, NULL), "ss", error);
  if (r >= 0)
    r = lib_call_string (&call, &serial, error);
  if (r >= 0)
    r = lib_call_string (&call, ret_source, error);
  if (r < 0)
    {
      free (serial);
      return r;
    }
  *ret_serial = serial;
  return 0;
}

int
tpmid_set_serial_number (tpmid_client *client, const char *serial, int timeout_ms, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  int r;

  if (!lib_text_is_utf8 (serial))
    return lib_error_set (error, EINVAL, LIB_ERROR ("InvalidArgument"), "the serial number is not printable ASCII");
  r = lib_call_open (&call, client, &device, "SetSerialNumber", lib_deadline (timeout_ms), error);
  if (r < 0)
    return r;
  r = sd_bus_message_append (call.message, "s", serial);
  if (r >= 0)
    r = lib_value_write (call.message, NULL);
  return lib_call_finish (&call, r, "", error);
}

int
tpmid_get_certificate (tpmid_client *client, int timeout_ms, char **ret_pem, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  int r = lib_call_open (&call, client, &device_properties, "Get", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = lib_call_finish (&call, sd_bus_message_append (call.message, "ss", DEVICE_INTERFACE, "Certificate"), "v", error);
  if (r < 0)
    return r;
  r = sd_bus_message_enter_container (call.reply, SD_BUS_TYPE_VARIANT, "s");
  if (r <= 0)
    return lib_error_set_errno (error, r < 0 ? r : -EBADMSG, "cannot read the certificate");
  return lib_call_string (&call, ret_pem, error);
}

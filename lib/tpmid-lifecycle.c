/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>

static const LibTarget device = { "/org/tpmid1", "org.tpmid1.Device", NULL };

/* Request: one method of the device that changes it */
typedef struct Request
{
  const char *method;
  const char *argument; /* NULL: none before the options */
  bool is_once;         /* see LibRetry */
} Request;

static int
call_device (LibCall *call, tpmid_client *client, const Request *request, int timeout_ms, const char *signature,
             tpmid_error *error)
{
  int r;

  if (request->argument != NULL && !lib_text_is_utf8 (request->argument))
    return lib_error_set (error, EINVAL, LIB_ERROR ("InvalidArgument"), "an argument of %s is not UTF-8", request->method);
  r = lib_call_open (call, client, &device, request->method, lib_deadline (timeout_ms), error);
  if (r < 0)
    return r;
  call->retry.is_once = request->is_once;
  if (request->argument != NULL)
    r = sd_bus_message_append (call->message, "s", request->argument);
  if (r >= 0)
    r = lib_value_write (call->message, NULL);
  return lib_call_finish (call, r, signature, error);
}

static int
change_device (tpmid_client *client, const Request *request, int timeout_ms, tpmid_error *error)
{
  lib_auto_call call = { 0 };

  return call_device (&call, client, request, timeout_ms, "", error);
}

int
tpmid_reset (tpmid_client *client, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "Reset", .is_once = true }, timeout_ms, error);
}

int
tpmid_reprovision (tpmid_client *client, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "Reprovision", .is_once = true }, timeout_ms, error);
}

int
tpmid_migrate (tpmid_client *client, const char *target, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "Migrate", target }, timeout_ms, error);
}

int
tpmid_release_ownership (tpmid_client *client, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "ReleaseOwnership", .is_once = true }, timeout_ms, error);
}

int
tpmid_clear_serial_number (tpmid_client *client, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "ClearSerialNumber", .is_once = true }, timeout_ms, error);
}

int
tpmid_regenerate_certificate (tpmid_client *client, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "RegenerateCertificate", .is_once = true }, timeout_ms, error);
}

int
tpmid_install_certificate (tpmid_client *client, const char *pem, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "InstallCertificate", pem }, timeout_ms, error);
}

int
tpmid_begin_rotation (tpmid_client *client, int timeout_ms, char **ret_key, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  char *path = NULL, *key;
  int r = call_device (&call, client, &(Request){ "BeginRotation" }, timeout_ms, "o", error);

  if (r >= 0)
    r = lib_call_string (&call, &path, error);
  if (r < 0)
    return r;
  key = lib_text_key_name (path);
  free (path);
  if (key == NULL)
    return lib_error_set_errno (error, -errno, "cannot read the name of the next key");
  *ret_key = key;
  return 0;
}

int
tpmid_commit_rotation (tpmid_client *client, const char *pem, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "CommitRotation", pem != NULL ? pem : "", .is_once = true }, timeout_ms, error);
}

int
tpmid_rollback_rotation (tpmid_client *client, int timeout_ms, tpmid_error *error)
{
  return change_device (client, &(Request){ "RollbackRotation", .is_once = true }, timeout_ms, error);
}

int
tpmid_list_handles (tpmid_client *client, int timeout_ms, tpmid_value **ret_handles, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  int r = call_device (&call, client, &(Request){ "ListHandles" }, timeout_ms, "aa{sv}", error);

  return r < 0 ? r : lib_call_value (&call, ret_handles, error);
}

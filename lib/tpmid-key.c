/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_INTERFACE "org.tpmid1.Key"
#define REFERENCE_SIZE 32

static const LibTarget keys = { "/org/tpmid1/keys", "org.tpmid1.Keys", NULL };

/* KeyCall: one call to a key's object */
typedef struct KeyCall
{
  tpmid_client *client;
  const char *key;
  LibCall call;
} KeyCall;

static void
key_call_clear (KeyCall *self)
{
  lib_call_clear (&self->call);
}
#define auto_key_call __attribute__ ((cleanup (key_call_clear))) KeyCall

static int
key_call_begin (KeyCall *self, const char *interface, const char *method, int timeout_ms, tpmid_error *error)
{
  char path[LIB_KEY_PATH_SIZE];
  LibTarget target = { path, interface, NULL };

  if (!lib_text_is_key_name (self->key))
    return lib_error_set (error, EINVAL, LIB_ERROR ("InvalidArgument"),
                          "\"%.80s\" is not a key name: lower-case letters, digits, '.', '_' and '-', at most 64 of them",
                          lib_text_is_utf8 (self->key) ? self->key : "(not UTF-8)");
  lib_text_key_path (self->key, path);
  return lib_call_open (&self->call, self->client, &target, method, lib_deadline (timeout_ms), error);
}

static int
key_call_finish (KeyCall *self, int result, const char *signature, tpmid_error *error)
{
  return lib_call_finish (&self->call, result, signature, error);
}

static int
read_name (const char *path, char **ret_name, tpmid_error *error)
{
  char *name = lib_text_key_name (path);

  if (name == NULL)
    return lib_error_set_errno (error, -errno, path);
  *ret_name = name;
  return 0;
}

static int
names_of_paths (const tpmid_value *paths, char ***ret_names, tpmid_error *error)
{
  size_t count = tpmid_value_count (paths);
  char **names = calloc (count + 1, sizeof *names);
  int r = names != NULL ? 0 : lib_error_set_errno (error, -ENOMEM, "cannot list the keys");

  for (size_t i = 0; r >= 0 && i < count; i++)
    r = read_name (tpmid_value_string (tpmid_value_at (paths, i, NULL)), &names[i], error);
  if (r < 0)
    {
      tpmid_strv_free (names);
      return r;
    }
  *ret_names = names;
  return 0;
}

int
tpmid_list_keys (tpmid_client *client, int timeout_ms, char ***ret_names, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  lib_auto_value paths = NULL;
  int r = lib_call_open (&call, client, &keys, "ListKeys", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = lib_call_finish (&call, lib_value_write (call.message, NULL), "ao", error);
  if (r >= 0)
    r = lib_call_value (&call, &paths, error);
  return r < 0 ? r : names_of_paths (paths, ret_names, error);
}

int
tpmid_find_key (tpmid_client *client, const uint8_t reference[REFERENCE_SIZE], int timeout_ms, char **ret_name,
                tpmid_error *error)
{
  lib_auto_call call = { 0 };
  char *path = NULL;
  int r = lib_call_open (&call, client, &keys, "FindKey", lib_deadline (timeout_ms), error);

  if (r < 0)
    return r;
  r = sd_bus_message_append_array (call.message, SD_BUS_TYPE_BYTE, reference, REFERENCE_SIZE);
  if (r >= 0)
    r = lib_value_write (call.message, NULL);
  r = lib_call_finish (&call, r, "o", error);
  if (r >= 0)
    r = lib_call_string (&call, &path, error);
  if (r >= 0)
    r = read_name (path, ret_name, error);
  free (path);
  return r;
}

int
tpmid_get_key (tpmid_client *client, const char *key, int timeout_ms, tpmid_value **ret_properties, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r = key_call_begin (&self, "org.freedesktop.DBus.Properties", "GetAll", timeout_ms, error);

  if (r >= 0)
    r = key_call_finish (&self, sd_bus_message_append (self.call.message, "s", KEY_INTERFACE), "a{sv}", error);
  return r < 0 ? r : lib_call_value (&self.call, ret_properties, error);
}

int
tpmid_sign (tpmid_client *client, const char *key, const uint8_t *digest, size_t digest_size, const tpmid_value *options,
            int timeout_ms, uint8_t **ret_signature, size_t *ret_size, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r = key_call_begin (&self, KEY_INTERFACE, "Sign", timeout_ms, error);

  if (r < 0)
    return r;
  r = sd_bus_message_append_array (self.call.message, SD_BUS_TYPE_BYTE, digest, digest_size);
  if (r >= 0)
    r = lib_value_write (self.call.message, options);
  r = key_call_finish (&self, r, "ay", error);
  return r < 0 ? r : lib_call_bytes (&self.call, ret_signature, ret_size, error);
}

int
tpmid_create_csr (tpmid_client *client, const char *key, const char *subject, const tpmid_value *options, int timeout_ms,
                  uint8_t **ret_csr, size_t *ret_size, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r;

  if (!lib_text_is_utf8 (subject))
    return lib_error_set (error, EINVAL, LIB_ERROR ("InvalidArgument"), "the subject is not UTF-8");
  r = key_call_begin (&self, KEY_INTERFACE, "CreateCsr", timeout_ms, error);
  if (r < 0)
    return r;
  r = sd_bus_message_append (self.call.message, "s", subject);
  if (r >= 0)
    r = lib_value_write (self.call.message, options);
  r = key_call_finish (&self, r, "ay", error);
  return r < 0 ? r : lib_call_bytes (&self.call, ret_csr, ret_size, error);
}

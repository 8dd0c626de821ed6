/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_INTERFACE "org.tpmid1.Key"
#define REFERENCE_SIZE 32
/* How long tpmid_wait_key() sleeps between two looks at the key: at first, and at most. */
#define WAIT_PAUSE_US 50000
#define WAIT_PAUSE_MAX_US 1000000

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
check_name (const char *name, tpmid_error *error)
{
  if (lib_text_is_key_name (name))
    return 0;
  return lib_error_set (error, EINVAL, LIB_ERROR ("InvalidArgument"),
                        "\"%.80s\" is not a key name: it begins with a lower-case letter or digit, and at most 63 of these, "
                        "'.', '_' and '-' follow",
                        lib_text_is_utf8 (name) ? name : "(not UTF-8)");
}

static int
key_call_begin (KeyCall *self, const char *interface, const char *method, uint64_t deadline, tpmid_error *error)
{
  char path[LIB_KEY_PATH_SIZE];
  LibTarget target = { path, interface, NULL };
  int r = check_name (self->key, error);

  if (r < 0)
    return r;
  lib_text_key_path (self->key, path);
  return lib_call_open (&self->call, self->client, &target, method, deadline, error);
}

static int
key_call_finish (KeyCall *self, int result, const char *signature, tpmid_error *error)
{
  return lib_call_finish (&self->call, result, signature, error);
}

/* Most methods of a key take bytes and options, and answer with bytes. */
static int
key_call_exchange (KeyCall *self, const uint8_t *data, size_t size, const tpmid_value *options, tpmid_error *error)
{
  int r = sd_bus_message_append_array (self->call.message, SD_BUS_TYPE_BYTE, data, size);

  if (r >= 0)
    r = lib_value_write (self->call.message, options);
  return key_call_finish (self, r, "ay", error);
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

static int
get_key (tpmid_client *client, const char *key, uint64_t deadline, tpmid_value **ret_properties, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r = key_call_begin (&self, "org.freedesktop.DBus.Properties", "GetAll", deadline, error);

  if (r >= 0)
    r = key_call_finish (&self, sd_bus_message_append (self.call.message, "s", KEY_INTERFACE), "a{sv}", error);
  return r < 0 ? r : lib_call_value (&self.call, ret_properties, error);
}

int
tpmid_get_key (tpmid_client *client, const char *key, int timeout_ms, tpmid_value **ret_properties, tpmid_error *error)
{
  return get_key (client, key, lib_deadline (timeout_ms), ret_properties, error);
}

int
tpmid_sign (tpmid_client *client, const char *key, const uint8_t *digest, size_t digest_size, const tpmid_value *options,
            int timeout_ms, uint8_t **ret_signature, size_t *ret_size, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r = key_call_begin (&self, KEY_INTERFACE, "Sign", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = key_call_exchange (&self, digest, digest_size, options, error);
  return r < 0 ? r : lib_call_bytes (&self.call, ret_signature, ret_size, error);
}

int
tpmid_sign_message (tpmid_client *client, const char *key, const uint8_t *message, size_t message_size,
                    const tpmid_value *options, int timeout_ms, uint8_t **ret_signature, size_t *ret_size, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r = key_call_begin (&self, KEY_INTERFACE, "SignMessage", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = key_call_exchange (&self, message, message_size, options, error);
  return r < 0 ? r : lib_call_bytes (&self.call, ret_signature, ret_size, error);
}

int
tpmid_decrypt (tpmid_client *client, const char *key, const uint8_t *ciphertext, size_t ciphertext_size,
               const tpmid_value *options, int timeout_ms, uint8_t **ret_plaintext, size_t *ret_size, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key, .call.is_secret = true };
  int r = key_call_begin (&self, KEY_INTERFACE, "Decrypt", lib_deadline (timeout_ms), error);

  if (r >= 0)
    r = key_call_exchange (&self, ciphertext, ciphertext_size, options, error);
  return r < 0 ? r : lib_call_bytes (&self.call, ret_plaintext, ret_size, error);
}

int
tpmid_create_csr (tpmid_client *client, const char *key, const char *subject, const tpmid_value *options, int timeout_ms,
                  uint8_t **ret_csr, size_t *ret_size, tpmid_error *error)
{
  auto_key_call self = { .client = client, .key = key };
  int r;

  if (!lib_text_is_utf8 (subject))
    return lib_error_set (error, EINVAL, LIB_ERROR ("InvalidArgument"), "the subject is not UTF-8");
  r = key_call_begin (&self, KEY_INTERFACE, "CreateCsr", lib_deadline (timeout_ms), error);
  if (r < 0)
    return r;
  r = sd_bus_message_append (self.call.message, "s", subject);
  if (r >= 0)
    r = lib_value_write (self.call.message, options);
  r = key_call_finish (&self, r, "ay", error);
  return r < 0 ? r : lib_call_bytes (&self.call, ret_csr, ret_size, error);
}

int
tpmid_create_key (tpmid_client *client, const char *name, const tpmid_value *options, int timeout_ms, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  int r = check_name (name, error);

  if (r >= 0)
    r = lib_call_open (&call, client, &keys, "CreateKey", lib_deadline (timeout_ms), error);
  if (r < 0)
    return r;
  r = sd_bus_message_append (call.message, "s", name);
  if (r >= 0)
    r = lib_value_write (call.message, options);
  return lib_call_finish (&call, r, "o", error);
}

static const char *
text_of (const tpmid_value *key, const char *property)
{
  return tpmid_value_string (tpmid_value_find (key, property));
}

/* What is wrong in a state in which a key stays; of a tpmidd that does not name the error, the one of its state. */
static int
report_problem (const char *name, const tpmid_value *key, tpmid_error *error)
{
  const char *state = text_of (key, "State"), *problem = text_of (key, "Problem"), *given = text_of (key, "ProblemError");
  const char *what = "could not be made", *error_name = LIB_ERROR ("Failed");

  if (strcmp (state, "orphaned") == 0)
    {
      what = "is orphaned";
      error_name = LIB_ERROR ("KeyOrphaned");
    }
  else if (strcmp (state, "missing") == 0)
    {
      what = "cannot be reached";
      error_name = LIB_ERROR ("IdentityFault");
    }
  if (given[0] != '\0')
    error_name = given;
  return lib_error_set (error, lib_error_number (error_name), error_name, "the key %s %s: %s", name, what,
                        problem[0] != '\0' ? problem : "tpmidd does not say why");
}

/* NotReady, as tpmidd says it before the boot decision, is the one failure that is worth waiting for. */
static int
look_at_key (tpmid_client *client, const char *name, uint64_t deadline, bool *ret_is_waiting, tpmid_error *error)
{
  lib_auto_value key = NULL;
  int r = get_key (client, name, deadline, &key, error);

  *ret_is_waiting = r < 0 ? tpmid_error_is (error, "NotReady") : strcmp (text_of (key, "State"), "creating") == 0;
  if (r < 0 || strcmp (text_of (key, "State"), "usable") == 0)
    return r;
  if (*ret_is_waiting)
    return lib_error_set (error, EAGAIN, LIB_ERROR ("NotReady"), "the key %s is still being made", name);
  return report_problem (name, key, error);
}

static void
pause_for (uint64_t us)
{
  struct timespec ts = { (time_t) (us / 1000000), (long) (us % 1000000) * 1000 };

  (void) nanosleep (&ts, NULL);
}

int
tpmid_wait_key (tpmid_client *client, const char *name, int timeout_ms, tpmid_error *error)
{
  uint64_t deadline = lib_deadline (timeout_ms), pause = WAIT_PAUSE_US;
  tpmid_error local, waiting = { .message = "" };
  bool is_waiting;
  int r;

  while ((r = look_at_key (client, name, deadline, &is_waiting, &local)) < 0 && is_waiting)
    {
      uint64_t left = lib_deadline_left (deadline);
      waiting = local;
      pause_for (pause < left ? pause : left);
      pause = pause * 2 < WAIT_PAUSE_MAX_US ? pause * 2 : WAIT_PAUSE_MAX_US;
    }
  /* That there was no time for another look says less than what the last one saw. */
  if (r < 0 && strcmp (local.name, LIB_DBUS_ERROR ("NoReply")) == 0 && lib_deadline_left (deadline) == 0
      && waiting.message[0] != '\0')
    memcpy (local.message, waiting.message, sizeof local.message);
  if (r < 0 && error != NULL)
    *error = local;
  return r;
}

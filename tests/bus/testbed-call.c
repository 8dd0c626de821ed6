/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* The test bed's view of a device from outside: calls, properties, commands. */

GVariant *
try_from (GDBusConnection *client, const char *path, const char *method, GVariant *parameters, GError **error)
{
  const char *dot = strrchr (method, '.');
  g_autofree char *interface = g_strndup (method, (gsize) (dot - method));

  return g_dbus_connection_call_sync (client, BUS_NAME, path, interface, dot + 1, parameters, NULL, G_DBUS_CALL_FLAGS_NONE, LIMIT_MS,
                                      NULL, error);
}

GVariant *
testbed_try (Testbed *self, const char *path, const char *method, GVariant *parameters, GError **error)
{
  return try_from (self->bus, path, method, parameters, error);
}

GVariant *
testbed_call (Testbed *self, const char *path, const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = testbed_try (self, path, method, parameters, &error);

  g_assert_no_error (error);
  return reply;
}

void
assert_remote_error (const GError *error, const char *name)
{
  g_assert_nonnull (error);
  g_autofree char *remote = g_dbus_error_get_remote_error (error);
  if (g_strcmp0 (remote, name) != 0)
    g_error ("expected %s, got %s", name, error->message);
}

void
assert_fails_from (GDBusConnection *client, const char *path, const char *method, GVariant *parameters, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = try_from (client, path, method, parameters, &error);

  g_assert_null (reply);
  assert_remote_error (error, name);
}

void
testbed_assert_fails (Testbed *self, const char *path, const char *method, GVariant *parameters, const char *name)
{
  assert_fails_from (self->bus, path, method, parameters, name);
}

GDBusConnection *
testbed_connect_as (Testbed *self, const char *user, const char *group)
{
  const struct group *entry = getgrnam (group);
  const struct passwd *account = getpwnam (user);

  g_assert_nonnull (entry);
  g_assert_nonnull (account);
  g_assert_no_errno (setegid (entry->gr_gid));
  g_assert_no_errno (seteuid (account->pw_uid));
  GDBusConnection *connection = testbed_connect (self);
  g_assert_no_errno (seteuid (0));
  g_assert_no_errno (setegid (0));
  return connection;
}

void
testbed_disconnect (GDBusConnection *client)
{
  g_dbus_connection_close_sync (client, NULL, NULL);
  g_object_unref (client);
}

static GVariant *
get_property (Testbed *self, const char *path, const char *interface, const char *property)
{
  g_autoptr (GVariant) reply
      = testbed_call (self, path, "org.freedesktop.DBus.Properties.Get", g_variant_new ("(ss)", interface, property));
  GVariant *value = NULL;

  g_variant_get (reply, "(v)", &value);
  return value;
}

char *
testbed_get_string (Testbed *self, const char *property)
{
  g_autoptr (GVariant) value = get_property (self, PATH_DEVICE, "org.tpmid1.Device", property);

  return g_variant_dup_string (value, NULL);
}

GVariant *
testbed_get_key_property (Testbed *self, const char *path, const char *property)
{
  return get_property (self, path, "org.tpmid1.Key", property);
}

typedef struct
{
  Testbed *testbed;
  const char *property, *value;
} AwaitedValue;

static gboolean
has_value (gpointer data)
{
  AwaitedValue *awaited = data;
  g_autofree char *value = testbed_get_string (awaited->testbed, awaited->property);

  return g_str_equal (value, awaited->value);
}

void
testbed_wait_for (Testbed *self, const char *property, const char *value)
{
  AwaitedValue awaited = { self, property, value };

  wait_until (has_value, &awaited);
}

static gboolean
is_key_in_state (gpointer data)
{
  AwaitedValue *awaited = data;
  g_autoptr (GVariant) state = testbed_get_key_property (awaited->testbed, awaited->property, "State");

  return g_str_equal (g_variant_get_string (state, NULL), awaited->value);
}

void
testbed_wait_for_key (Testbed *self, const char *path, const char *state)
{
  AwaitedValue awaited = { self, path, state };

  wait_until (is_key_in_state, &awaited);
}

/* --- signals --- */

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  g_autofree char *text = g_variant_print (parameters, TRUE);

  g_ptr_array_add (user_data, g_strdup_printf ("%s %s", signal, text));
}

guint
testbed_listen (Testbed *self, GPtrArray *signals)
{
  return g_dbus_connection_signal_subscribe (self->bus, BUS_NAME, NULL, NULL, NULL, NULL, 0, on_signal, signals, NULL);
}

typedef struct
{
  GPtrArray *signals;
  const char *pattern;
} AwaitedSignal;

static gboolean
has_arrived (gpointer data)
{
  AwaitedSignal *awaited = data;

  for (guint i = 0; i < awaited->signals->len; i++)
    if (g_pattern_match_simple (awaited->pattern, awaited->signals->pdata[i]))
      return TRUE;
  return FALSE;
}

void
wait_for_signal (GPtrArray *signals, const char *pattern)
{
  AwaitedSignal awaited = { signals, pattern };

  wait_until (has_arrived, &awaited);
}

/* --- numbers and parameters --- */

guint64
testbed_get_tpm_number (Testbed *self, const char *name)
{
  g_autoptr (GVariant) reply = testbed_call (self, PATH_DEVICE, "org.tpmid1.Device.GetStatus", g_variant_new ("(a{sv})", NULL));
  g_autoptr (GVariant) status = g_variant_get_child_value (reply, 0);
  g_autoptr (GVariant) tpm = g_variant_lookup_value (status, "tpm", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) value = g_variant_lookup_value (tpm, name, NULL);

  g_assert_nonnull (value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32 (value) : g_variant_get_uint64 (value);
}

GVariant *
bytes_parameters (gconstpointer data, gsize size, const char *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) dict = g_variant_parse (G_VARIANT_TYPE_VARDICT, options != NULL ? options : "{}", NULL, NULL, &error);

  g_assert_no_error (error);
  return g_variant_new ("(@ay@a{sv})", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1), dict);
}

GVariant *
sign_parameters (gsize size, guint8 fill, const char *options)
{
  g_autofree guint8 *digest = g_malloc (size + 1);

  memset (digest, fill, size + 1);
  return bytes_parameters (digest, size, options);
}

GBytes *
reply_bytes (GVariant *reply)
{
  g_autoptr (GVariant) array = g_variant_get_child_value (reply, 0);

  g_assert_true (g_variant_is_of_type (array, G_VARIANT_TYPE_BYTESTRING));
  return g_variant_get_data_as_bytes (array);
}

/* --- looking at it from outside --- */

int
testbed_run (Testbed *self, char **ret_output, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;
  const char *word;
  va_list words;

  g_ptr_array_add (argv, (char *) "timeout");
  g_ptr_array_add (argv, (char *) "30");
  va_start (words, ret_output);
  while ((word = va_arg (words, const char *)) != NULL)
    g_ptr_array_add (argv, (char *) word);
  va_end (words);
  g_ptr_array_add (argv, NULL);
  g_autoptr (GSubprocess) process = g_subprocess_newv ((const char *const *) argv->pdata,
                                                       G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  if (ret_output != NULL)
    *ret_output = g_steal_pointer (&output);
  return g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
}

char *
testbed_write_file (Testbed *self, const char *name, gconstpointer data, gsize size)
{
  char *path = g_build_filename (self->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
  return path;
}

void
testbed_assert_verifies (Testbed *self, GVariant *reply, guint8 fill)
{
  guint8 digest[32];
  g_autoptr (GVariant) public_key = testbed_get_key_property (self, PATH_KEY, "PublicKey");
  g_autoptr (GVariant) signature = g_variant_get_child_value (reply, 0);

  memset (digest, fill, sizeof digest);
  g_autofree char *digest_path = testbed_write_file (self, "digest", digest, sizeof digest);
  g_autofree char *public_path
      = testbed_write_file (self, "public", g_variant_get_data (public_key), g_variant_get_size (public_key));
  g_autofree char *path = testbed_write_file (self, "signature", g_variant_get_data (signature), g_variant_get_size (signature));
  g_autofree char *output = NULL;
  int status = testbed_run (self, &output, "openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", public_path,
                            "-sigfile", path, "-in", digest_path, "-pkeyopt", "digest:sha256", NULL);
  if (status != 0)
    g_error ("openssl: %s", output);
}

char *
testbed_snapshot (Testbed *self)
{
  char *output = NULL;
  int status = testbed_run (self, &output, "sh", "-c",
                            "cd \"$0\" && find persist config run -printf '%p %T@ %s %i\\n' | sort && "
                            "find persist config run -type f -exec sha256sum {} + | sort",
                            self->folder, NULL);

  g_assert_cmpint (status, ==, 0);
  return output;
}

void
testbed_on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TestbedAnswer *answer = user_data;

  answer->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &answer->error);
  answer->done = TRUE;
}

gboolean
testbed_is_answered (gpointer answer)
{
  return ((TestbedAnswer *) answer)->done;
}

void
testbed_answer_clear (TestbedAnswer *answer)
{
  g_clear_pointer (&answer->reply, g_variant_unref);
  g_clear_error (&answer->error);
  answer->done = FALSE;
}

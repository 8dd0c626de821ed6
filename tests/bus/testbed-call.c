/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <string.h>

/* The test bed's view of a device from outside: calls, properties, commands. */

GVariant *
testbed_try (Testbed *self, const char *path, const char *method, GVariant *parameters, GError **error)
{
  const char *dot = strrchr (method, '.');
  g_autofree char *interface = g_strndup (method, (gsize) (dot - method));

  return g_dbus_connection_call_sync (self->bus, BUS_NAME, path, interface, dot + 1, parameters, NULL, G_DBUS_CALL_FLAGS_NONE,
                                      LIMIT_MS, NULL, error);
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
testbed_assert_fails (Testbed *self, const char *path, const char *method, GVariant *parameters, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = testbed_try (self, path, method, parameters, &error);

  g_assert_null (reply);
  assert_remote_error (error, name);
}

char *
testbed_get_string (Testbed *self, const char *property)
{
  g_autoptr (GVariant) reply = testbed_call (self, PATH_DEVICE, "org.freedesktop.DBus.Properties.Get",
                                             g_variant_new ("(ss)", "org.tpmid1.Device", property));
  g_autoptr (GVariant) value = NULL;

  g_variant_get (reply, "(v)", &value);
  return g_variant_dup_string (value, NULL);
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
sign_parameters (gsize size, guint8 fill, const char *options)
{
  g_autofree guint8 *digest = g_malloc (size + 1);
  g_autoptr (GError) error = NULL;

  memset (digest, fill, size + 1);
  g_autoptr (GVariant) dict = g_variant_parse (G_VARIANT_TYPE_VARDICT, options != NULL ? options : "{}", NULL, NULL, &error);
  g_assert_no_error (error);
  return g_variant_new ("(@ay@a{sv})", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, digest, size, 1), dict);
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

static char *
write_bytes (Testbed *self, const char *name, gconstpointer data, gsize size)
{
  char *path = g_build_filename (self->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
  return path;
}

void
testbed_assert_verifies (Testbed *self, GVariant *reply, guint8 fill)
{
  guint8 digest[32];
  g_autoptr (GVariant) property = testbed_call (self, PATH_KEY, "org.freedesktop.DBus.Properties.Get",
                                                g_variant_new ("(ss)", "org.tpmid1.Key", "PublicKey"));
  g_autoptr (GVariant) boxed = g_variant_get_child_value (property, 0);
  g_autoptr (GVariant) public_key = g_variant_get_variant (boxed);
  g_autoptr (GVariant) signature = g_variant_get_child_value (reply, 0);

  memset (digest, fill, sizeof digest);
  g_autofree char *digest_path = write_bytes (self, "digest", digest, sizeof digest);
  g_autofree char *public_path = write_bytes (self, "public", g_variant_get_data (public_key), g_variant_get_size (public_key));
  g_autofree char *path = write_bytes (self, "signature", g_variant_get_data (signature), g_variant_get_size (signature));
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

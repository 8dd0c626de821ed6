/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <string.h>

#define INVALID "org.tpmid1.Error.InvalidArgument"
#define MESSAGE_MAX (256 * 1024)

/* What tpmidd answers to good and to bad requests. */

static GVariant *
no_options (void)
{
  return g_variant_new ("(a{sv})", NULL);
}

/* --- introspection --- */

static void
describe_args (GString *text, GDBusArgInfo **args)
{
  for (guint i = 0; args != NULL && args[i] != NULL; i++)
    g_string_append_printf (text, " %s:%s", args[i]->name, args[i]->signature);
}

/* All that matters to a caller, in an order of its own. */
static char *
describe (const GDBusInterfaceInfo *info)
{
  g_autoptr (GString) text = g_string_new (info->name);

  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    {
      g_string_append_printf (text, "\nmethod %s in", info->methods[i]->name);
      describe_args (text, info->methods[i]->in_args);
      g_string_append (text, " out");
      describe_args (text, info->methods[i]->out_args);
    }
  for (guint i = 0; info->signals != NULL && info->signals[i] != NULL; i++)
    {
      g_string_append_printf (text, "\nsignal %s", info->signals[i]->name);
      describe_args (text, info->signals[i]->args);
    }
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    g_string_append_printf (text, "\nproperty %s %s %u", info->properties[i]->name, info->properties[i]->signature,
                            (guint) info->properties[i]->flags);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static GDBusNodeInfo *
introspect (Testbed *t, const char *path)
{
  g_autoptr (GVariant) reply = testbed_call (t, path, "org.freedesktop.DBus.Introspectable.Introspect", NULL);
  g_autoptr (GError) error = NULL;
  const char *xml;

  g_variant_get (reply, "(&s)", &xml);
  GDBusNodeInfo *node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return node;
}

static GDBusNodeInfo *
read_xml (Testbed *t, const char *interface)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.xml", t->setup->xml, interface);
  g_autofree char *xml = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &xml, NULL, &error);
  g_assert_no_error (error);
  GDBusNodeInfo *node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return node;
}

static void
assert_busctl_shows (Testbed *t, const char *path, const GDBusInterfaceInfo *info)
{
  g_autofree char *address = g_strdup_printf ("--address=%s", t->address);
  g_autofree char *output = NULL;

  g_assert_cmpint (testbed_run (t, &output, "busctl", address, "--no-pager", "introspect", BUS_NAME, path, info->name, NULL), ==,
                   0);
  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    {
      g_autofree char *pattern = g_strdup_printf ("*\n.%s *method*", info->methods[i]->name);
      g_assert_true (g_pattern_match_simple (pattern, output));
    }
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    {
      g_autofree char *pattern = g_strdup_printf ("*\n.%s *property*%s *emits-change*", info->properties[i]->name,
                                                  info->properties[i]->signature);
      if (!g_pattern_match_simple (pattern, output))
        g_error ("no %s in: %s", info->properties[i]->name, output);
    }
}

static void
assert_gdbus_shows (Testbed *t, const char *path, const char *text)
{
  g_autofree char *output = NULL;

  g_assert_cmpint (testbed_run (t, &output, "gdbus", "introspect", "--address", t->address, "--dest", BUS_NAME, "--object-path",
                                path, NULL), ==, 0);
  if (strstr (output, text) == NULL)
    g_error ("no %s in: %s", text, output);
}

static void
introspection_agrees_with_the_xml (Testbed *t, gconstpointer data)
{
  static const struct
  {
    const char *path, *interface;
  } cases[] = {
    { PATH_DEVICE, "org.tpmid1.Device" },
    { PATH_KEYS, "org.tpmid1.Keys" },
    { PATH_KEY, "org.tpmid1.Key" },
  };

  testbed_boot (t);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GDBusNodeInfo) running = introspect (t, cases[i].path);
      g_autoptr (GDBusNodeInfo) documented = read_xml (t, cases[i].interface);
      GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface (running, cases[i].interface);
      g_assert_nonnull (info);
      g_autofree char *a = describe (info);
      g_autofree char *b = describe (documented->interfaces[0]);
      g_assert_cmpstr (a, ==, b);
      assert_busctl_shows (t, cases[i].path, info);
      assert_gdbus_shows (t, cases[i].path, cases[i].interface);
    }
  assert_gdbus_shows (t, PATH_DEVICE, "org.freedesktop.DBus.ObjectManager");
  assert_gdbus_shows (t, "/", "node org");
}

static void
the_object_manager_lists_all_keys (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  g_autoptr (GVariant) reply = testbed_call (t, PATH_DEVICE, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", NULL);
  g_autofree char *text = g_variant_print (reply, TRUE);

  g_assert_nonnull (strstr (text, "'/org/tpmid1/keys': {"));
  g_assert_nonnull (strstr (text, "'/org/tpmid1/keys/device': {"));
  g_assert_nonnull (strstr (text, "'Algorithm': <'ecc-p256'>"));
  g_autoptr (GVariant) list = testbed_call (t, PATH_KEYS, "org.tpmid1.Keys.ListKeys", no_options ());
  g_autofree char *keys = g_variant_print (list, FALSE);
  g_assert_cmpstr (keys, ==, "(['/org/tpmid1/keys/device'],)");
}

/* --- what works --- */

static void
a_signature_verifies_with_openssl (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  g_autofree char *mode = testbed_get_string (t, "Mode");
  g_assert_cmpstr (mode, ==, "tpm");
  for (guint8 fill = 1; fill < 5; fill++)
    {
      g_autoptr (GVariant) reply = testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, fill, NULL));
      testbed_assert_verifies (t, reply, fill);
    }
}

/* What openssl hashes itself, and what it is told the digest of. */
static void
a_message_is_signed_as_its_digest_would_be (Testbed *t, gconstpointer data)
{
  static const struct
  {
    const char *hash, *options;
    gsize size;
  } cases[] = {
    { "-sha256", NULL, 0 },
    { "-sha256", "{'scheme': <'ecdsa'>, 'hash': <'sha256'>}", 1 },
    { "-sha384", "{'hash': <'sha384'>}", 4096 },
    { "-sha512", "{'hash': <'sha512'>}", MESSAGE_MAX },
  };
  g_autofree guint8 *message = g_malloc (MESSAGE_MAX + 1);

  memset (message, 'm', MESSAGE_MAX + 1);
  testbed_boot (t);
  g_autoptr (GVariant) public_key = testbed_get_key_property (t, PATH_KEY, "PublicKey");
  g_free (testbed_write_file (t, "public", g_variant_get_data (public_key), g_variant_get_size (public_key)));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) reply = testbed_call (t, PATH_KEY, "org.tpmid1.Key.SignMessage",
                                                 bytes_parameters (message, cases[i].size, cases[i].options));
      g_autoptr (GBytes) signature = reply_bytes (reply);
      g_autofree char *output = NULL;
      g_free (testbed_write_file (t, "message", message, cases[i].size));
      g_free (testbed_write_file (t, "sig", g_bytes_get_data (signature, NULL), g_bytes_get_size (signature)));
      int status = testbed_run (t, &output, "sh", "-c", "cd \"$0\" && openssl dgst \"$1\" -keyform DER -verify public -signature sig "
                                "message && openssl dgst \"$1\" -binary message >digest && openssl pkeyutl -verify -pubin -keyform DER "
                                "-inkey public -sigfile sig -in digest", t->folder, cases[i].hash, NULL);
      if (status != 0)
        g_error ("openssl: %s", output);
    }
  testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.SignMessage", bytes_parameters (message, MESSAGE_MAX + 1, NULL), INVALID);
}

static void
options_of_a_message_are_those_of_a_digest (Testbed *t, gconstpointer data)
{
  static const char *const options[] = {
    "{'hsah': <'sha256'>}", "{'hash': <'md5'>}", "{'hash': <1>}", "{'scheme': <'rsassa'>}", "{'reference': <b'x'>}", "{'label': <b'x'>}",
  };

  testbed_boot (t);
  guint64 before = testbed_get_tpm_number (t, "commands");
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.SignMessage", bytes_parameters ("text", 4, options[i]), INVALID);
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);
  g_variant_unref (testbed_call (t, PATH_KEY, "org.tpmid1.Key.SignMessage", bytes_parameters ("text", 4, NULL)));
  before = testbed_get_tpm_number (t, "commands");
  g_variant_unref (testbed_call (t, PATH_KEY, "org.tpmid1.Key.SignMessage", bytes_parameters ("text", 4, NULL)));
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands") - before, ==, 1);
}

static void
without_a_tpm_the_same_calls_work_in_software (Testbed *t, gconstpointer data)
{
  testbed_start_daemon (t, "Tpm=off", NULL);
  testbed_wait_for (t, "Mode", "software");
  g_autofree char *state = testbed_get_string (t, "TpmState");
  g_assert_cmpstr (state, ==, "off");
  g_autoptr (GVariant) reply = testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 7, NULL));
  testbed_assert_verifies (t, reply, 7);
  testbed_assert_fails (t, PATH_DEVICE, "org.tpmid1.Device.SetSerialNumber", g_variant_new ("(sa{sv})", "SN1", NULL),
                        "org.tpmid1.Error.NotSupported");
}

static void
a_key_is_found_by_name_and_reference (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  g_autoptr (GVariant) property = testbed_call (t, PATH_KEY, "org.freedesktop.DBus.Properties.Get",
                                                g_variant_new ("(ss)", "org.tpmid1.Key", "Reference"));
  g_autoptr (GVariant) boxed = g_variant_get_child_value (property, 0);
  g_autoptr (GVariant) reference = g_variant_get_variant (boxed);
  g_autoptr (GVariant) by_reference = testbed_call (t, PATH_KEYS, "org.tpmid1.Keys.FindKey",
                                                    g_variant_new ("(@aya{sv})", reference, NULL));
  g_autoptr (GVariant) by_name
      = testbed_call (t, PATH_KEYS, "org.tpmid1.Keys.GetKey", g_variant_new ("(sa{sv})", "device", NULL));
  g_autofree char *text = g_variant_print (by_name, FALSE);

  g_assert_cmpstr (text, ==, "('/org/tpmid1/keys/device',)");
  g_assert_true (g_variant_equal (by_name, by_reference));
}

static void
a_csr_verifies_with_openssl (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  g_autoptr (GVariant) options
      = g_variant_ref_sink (g_variant_new_parsed ("{'dns': <['a.example']>, 'eku': <['clientAuth']>}"));
  g_autoptr (GVariant) reply
      = testbed_call (t, PATH_KEY, "org.tpmid1.Key.CreateCsr", g_variant_new ("(s@a{sv})", "/CN=uuid:0a1b/O=Example", options));
  g_autoptr (GVariant) csr = g_variant_get_child_value (reply, 0);
  g_autofree char *path = g_build_filename (t->folder, "csr", NULL);
  g_autofree char *output = NULL;

  g_assert_true (g_file_set_contents (path, g_variant_get_data (csr), (gssize) g_variant_get_size (csr), NULL));
  int status = testbed_run (t, &output, "openssl", "req", "-inform", "DER", "-in", path, "-verify", "-noout", "-text", NULL);
  g_assert_cmpint (status, ==, 0);
  g_assert_nonnull (strstr (output, "DNS:a.example"));
  g_assert_nonnull (strstr (output, "uuid:0a1b"));
}

static void
the_serial_number_is_written_once (Testbed *t, gconstpointer data)
{
  const char *const set = "org.tpmid1.Device.SetSerialNumber";
  g_autofree char *long_serial = g_strnfill (65, '7');

  testbed_boot (t);
  testbed_assert_fails (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", "", NULL), INVALID);
  testbed_assert_fails (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", long_serial, NULL), INVALID);
  testbed_assert_fails (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", "two words", NULL), INVALID);
  testbed_assert_fails (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", "Gerät", NULL), INVALID);
  g_variant_unref (testbed_call (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", "SN-0001", NULL)));
  g_variant_unref (testbed_call (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", "SN-0001", NULL)));
  testbed_assert_fails (t, PATH_DEVICE, set, g_variant_new ("(sa{sv})", "SN-0002", NULL), "org.tpmid1.Error.Exists");

  g_autoptr (GVariant) reply = testbed_call (t, PATH_DEVICE, "org.tpmid1.Device.GetSerialNumber", no_options ());
  g_autofree char *text = g_variant_print (reply, FALSE);
  g_assert_cmpstr (text, ==, "('SN-0001', 'tpm-nv')");
}

static void
a_warm_sign_is_one_tpm_command (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  g_variant_unref (testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL)));
  for (guint8 i = 0; i < 5; i++)
    {
      guint64 before = testbed_get_tpm_number (t, "commands");
      g_variant_unref (testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, i, NULL)));
      g_assert_cmpuint (testbed_get_tpm_number (t, "commands") - before, ==, 1);
    }
}

/* What is read costs no TPM command at all. */
static void
reading_costs_no_tpm_command (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  guint64 before = testbed_get_tpm_number (t, "commands");

  g_variant_unref (testbed_call (t, PATH_DEVICE, "org.tpmid1.Device.GetSerialNumber", no_options ()));
  g_variant_unref (testbed_call (t, PATH_KEYS, "org.tpmid1.Keys.ListKeys", no_options ()));
  g_variant_unref (testbed_call (t, PATH_DEVICE, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", NULL));
  g_variant_unref (
      testbed_call (t, PATH_DEVICE, "org.freedesktop.DBus.Properties.GetAll", g_variant_new ("(s)", "org.tpmid1.Device")));
  g_assert_cmpuint (testbed_get_tpm_number (t, "commands"), ==, before);
}

/* --- signals --- */

static void
changes_are_announced (Testbed *t, gconstpointer data)
{
  g_autoptr (GPtrArray) signals = g_ptr_array_new_with_free_func (g_free);
  guint id = testbed_listen (t, signals);

  testbed_boot (t);
  wait_for_signal (signals, "InterfacesAdded (*'/org/tpmid1/keys/device'*'State': <'usable'>*");
  wait_for_signal (signals, "PropertiesChanged ('org.tpmid1.Device'*'Mode': <'tpm'>*");
  g_variant_unref (
      testbed_call (t, PATH_DEVICE, "org.tpmid1.Device.SetSerialNumber", g_variant_new ("(sa{sv})", "SN-0001", NULL)));
  wait_for_signal (signals, "PropertiesChanged ('org.tpmid1.Device'*'SerialNumber': <'SN-0001'>*");
  g_dbus_connection_signal_unsubscribe (t->bus, id);
}

/* --- bad input --- */

static void
digests_of_a_wrong_size_are_refused (Testbed *t, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 20, 31, 33, 48, 64, 4096, 1 << 20 };

  testbed_boot (t);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (sizes[i], 1, NULL), INVALID);
  testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, "{'hash': <'sha384'>}"), INVALID);
  g_variant_unref (testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (48, 1, "{'hash': <'sha384'>}")));
  g_variant_unref (testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (64, 1, "{'hash': <'sha512'>}")));
}

static void
options_that_cannot_be_used_are_refused (Testbed *t, gconstpointer data)
{
  static const char *const options[] = {
    "{'hsah': <'sha256'>}",     "{'': <'sha256'>}",      "{'hash': <256>}",          "{'hash': <b'sha256'>}",
    "{'hash': <'md5'>}",        "{'hash': <''>}",        "{'scheme': <'rsassa'>}",   "{'scheme': <1>}",
    "{'reference': <'00'>}",    "{'reference': <b'x'>}", "{'hash': <<'sha256'>>}",   "{'hash': <'sha256'>, 'hash': <'sha256'>}",
  };
  g_autofree char *name = g_strnfill (10000, 'x');
  g_autofree char *endless = g_strdup_printf ("{'%s': <1>}", name);
  g_autofree char *value = g_strdup_printf ("{'hash': <'%s'>}", name);

  testbed_boot (t);
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, options[i]), INVALID);
  testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, endless), INVALID);
  testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, value), INVALID);
  testbed_assert_fails (t, PATH_DEVICE, "org.tpmid1.Device.GetStatus", g_variant_new_parsed ("({'all': <true>},)"), INVALID);
}

static void
keys_that_do_not_exist_are_named_so (Testbed *t, gconstpointer data)
{
  static const char *const names[] = { "", "Device", ".x", "a b", "../device", "a/b", "schlüssel" };
  g_autofree char *endless = g_strnfill (10000, 'x');
  g_autoptr (GBytes) other = g_bytes_new_take (g_malloc0 (32), 32);
  const char *const get = "org.tpmid1.Keys.GetKey";

  testbed_boot (t);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    testbed_assert_fails (t, PATH_KEYS, get, g_variant_new ("(sa{sv})", names[i], NULL), INVALID);
  testbed_assert_fails (t, PATH_KEYS, get, g_variant_new ("(sa{sv})", endless, NULL), INVALID);
  testbed_assert_fails (t, PATH_KEYS, get, g_variant_new ("(sa{sv})", "other", NULL), "org.tpmid1.Error.NotFound");
  testbed_assert_fails (t, PATH_KEYS, "org.tpmid1.Keys.FindKey",
                        g_variant_new ("(@aya{sv})", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, other, TRUE), NULL),
                        "org.tpmid1.Error.NotFound");
  testbed_assert_fails (t, PATH_KEYS, "org.tpmid1.Keys.FindKey", g_variant_new_parsed ("(@ay [1, 2], @a{sv} {})"), INVALID);
  g_autofree char *options = g_strdup ("{'reference': <@ay [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]>}");
  testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, options), "org.tpmid1.Error.NotFound");
  testbed_assert_fails (t, PATH_KEYS "/other", "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL),
                        "org.freedesktop.DBus.Error.UnknownMethod");
}

static void
subjects_that_cannot_be_used_are_refused (Testbed *t, gconstpointer data)
{
  static const char *const requests[] = {
    "('', @a{sv} {})",
    "('CN=x', @a{sv} {})",
    "('/CN=x', {'dns': <['under_score.example', 'a..b']>})",
    "('/CN=x', {'ip': <['300.1.1.1']>})",
    "('/CN=x', {'email': <['nobody']>})",
    "('/CN=x', {'eku': <['notAnUsage']>})",
    "('/CN=x', {'dns': <'not-an-array'>})",
    "('/CN=x', {'days': <10>})",
  };
  g_autofree char *endless = g_strnfill (10000, 'x');
  g_autofree char *subject = g_strdup_printf ("/CN=%s", endless);
  const char *const create = "org.tpmid1.Key.CreateCsr";

  testbed_boot (t);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    testbed_assert_fails (t, PATH_KEY, create, g_variant_new_parsed (requests[i]), INVALID);
  testbed_assert_fails (t, PATH_KEY, create, g_variant_new ("(sa{sv})", subject, NULL), INVALID);
}

/* Sends a call of GetKey whose bytes were changed on their way, as no library would. */
static void
send_damaged (Testbed *t, const char *from, const char *to)
{
  GDBusConnection *connection = testbed_connect (t);
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (BUS_NAME, PATH_KEYS, "org.tpmid1.Keys", "GetKey");
  g_autoptr (GError) error = NULL;
  gsize size;

  g_dbus_message_set_body (message, g_variant_new ("(sa{sv})", "schluessel", NULL));
  g_dbus_message_set_serial (message, 4711);
  g_autofree guchar *blob = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
  g_assert_no_error (error);
  guchar *place = memmem (blob, size, from, strlen (from));
  g_assert_nonnull (place);
  memcpy (place, to, strlen (to));

  GOutputStream *stream = g_io_stream_get_output_stream (g_dbus_connection_get_stream (connection));
  g_assert_true (g_output_stream_write_all (stream, blob, size, NULL, NULL, &error));
  g_assert_no_error (error);
  wait_until ((gboolean (*) (gpointer)) g_dbus_connection_is_closed, connection);
  g_object_unref (connection);
}

static void
messages_that_are_no_utf8_or_no_path_end_at_the_bus (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  send_damaged (t, "schluessel", "schl\xfcssel");
  send_damaged (t, PATH_KEYS, "/org/tpmid1/ke-s");
  send_damaged (t, PATH_KEYS, "/org/tpmid1//eys");
  g_autofree char *mode = testbed_get_string (t, "Mode");
  g_assert_cmpstr (mode, ==, "tpm");
}

#define ADD(name, function) g_test_add ("/bus/calls/" name, Testbed, &setup, testbed_set_up, function, testbed_tear_down)

int
main (int argc, char **argv)
{
  Setup setup = { NULL, NULL };

  g_test_init (&argc, &argv, NULL);
  if (!setup_init (&setup, argc, argv))
    return 2;
  ADD ("introspection-agrees-with-the-xml", introspection_agrees_with_the_xml);
  ADD ("the-object-manager-lists-all-keys", the_object_manager_lists_all_keys);
  ADD ("a-signature-verifies-with-openssl", a_signature_verifies_with_openssl);
  ADD ("a-message-is-signed-as-its-digest-would-be", a_message_is_signed_as_its_digest_would_be);
  ADD ("options-of-a-message-are-those-of-a-digest", options_of_a_message_are_those_of_a_digest);
  ADD ("without-a-tpm-the-same-calls-work-in-software", without_a_tpm_the_same_calls_work_in_software);
  ADD ("a-key-is-found-by-name-and-reference", a_key_is_found_by_name_and_reference);
  ADD ("a-csr-verifies-with-openssl", a_csr_verifies_with_openssl);
  ADD ("the-serial-number-is-written-once", the_serial_number_is_written_once);
  ADD ("a-warm-sign-is-one-tpm-command", a_warm_sign_is_one_tpm_command);
  ADD ("reading-costs-no-tpm-command", reading_costs_no_tpm_command);
  ADD ("changes-are-announced", changes_are_announced);
  ADD ("digests-of-a-wrong-size-are-refused", digests_of_a_wrong_size_are_refused);
  ADD ("options-that-cannot-be-used-are-refused", options_that_cannot_be_used_are_refused);
  ADD ("keys-that-do-not-exist-are-named-so", keys_that_do_not_exist_are_named_so);
  ADD ("subjects-that-cannot-be-used-are-refused", subjects_that_cannot_be_used_are_refused);
  ADD ("messages-that-are-no-utf8-or-no-path-end-at-the-bus", messages_that_are_no_utf8_or_no_path_end_at_the_bus);
  int status = g_test_run ();
  setup_clear (&setup);
  return status;
}

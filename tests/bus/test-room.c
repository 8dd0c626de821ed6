/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-error.h"
#include "bus-auth.h"
#include "bus-clients.h"
#include "bus-service.h"
#include "fake-identity.h"

#include <string.h>

/* The bus room between a real dbus-daemon and an identity room whose timing is the test's to choose. */

#define DEVICE "/org/tpmid1"
#define KEY "/org/tpmid1/keys/device"
#define LIMIT_MS 20000

typedef struct
{
  GTestDBus *bus;
  GDBusConnection *server, *client;
  IdentityDevice *device;
  BusService *service;
} Fixture;

typedef struct
{
  gboolean done;
  GVariant *reply;
  GError *error;
} Answer;

static GDBusConnection *
join_bus (GTestDBus *bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

  g_assert_no_error (error);
  return connection;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  BaseConfig config = { .sign_group = (char *) "root", .decrypt_group = (char *) "root" };

  f->bus = (GTestDBus *) data;
  f->server = join_bus (f->bus);
  f->client = join_bus (f->bus);
  f->device = fake_identity_new ("device", 0);
  f->service = bus_service_new (f->server, f->device, &config);
}

static void
wait_until (gboolean (*condition) (gpointer), gpointer data)
{
  gint64 end = g_get_monotonic_time () + LIMIT_MS * G_TIME_SPAN_MILLISECOND;

  while (!condition (data))
    {
      if (g_get_monotonic_time () > end)
        g_error ("nothing happened for %d ms", LIMIT_MS);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (1000);
    }
}

static gboolean
is_only_reference (gpointer data)
{
  return G_OBJECT (data)->ref_count == 1;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->service, bus_service_free);
  /* No call under way is forgotten: the last one lets go of the device. */
  wait_until (is_only_reference, f->device);
  g_assert_finalize_object (f->device);
  g_dbus_connection_close_sync (f->client, NULL, NULL);
  g_dbus_connection_close_sync (f->server, NULL, NULL);
  g_object_unref (f->client);
  g_object_unref (f->server);
}

/* --- calls --- */

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &answer->error);
  answer->done = TRUE;
}

static gboolean
is_answered (gpointer data)
{
  return ((Answer *) data)->done;
}

static void
answer_clear (Answer *answer)
{
  g_clear_pointer (&answer->reply, g_variant_unref);
  g_clear_error (&answer->error);
  answer->done = FALSE;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static void
start_call (Fixture *f, GDBusConnection *client, const char *path, const char *method, GVariant *parameters, Answer *answer)
{
  const char *dot = strrchr (method, '.');
  g_autofree char *interface = g_strndup (method, (gsize) (dot - method));

  g_dbus_connection_call (client, g_dbus_connection_get_unique_name (f->server), path, interface, dot + 1, parameters, NULL,
                          G_DBUS_CALL_FLAGS_NONE, LIMIT_MS, NULL, on_answer, answer);
}

static void
call (Fixture *f, const char *path, const char *method, const char *parameters, Answer *answer)
{
  g_autoptr (GError) error = NULL;
  GVariant *tuple = g_variant_parse (NULL, parameters, NULL, NULL, &error);

  g_assert_no_error (error);
  start_call (f, f->client, path, method, tuple, answer);
  g_variant_unref (tuple);
  wait_until (is_answered, answer);
}

static void
assert_fails (Fixture *f, const char *path, const char *method, const char *parameters, const char *name)
{
  g_auto (Answer) answer = { 0 };

  call (f, path, method, parameters, &answer);
  g_assert_nonnull (answer.error);
  g_autofree char *remote = g_dbus_error_get_remote_error (answer.error);
  g_assert_cmpstr (remote, ==, name);
}

static void
start_sign (Fixture *f, GDBusConnection *client, guint8 fill, Answer *answer)
{
  guint8 digest[32];

  memset (digest, fill, sizeof digest);
  start_call (f, client, KEY, "org.tpmid1.Key.Sign",
              g_variant_new ("(@aya{sv})", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, digest, sizeof digest, 1), NULL),
              answer);
}

typedef struct
{
  IdentityDevice *device;
  guint count;
} Waiting;

static gboolean
has_waiting (gpointer data)
{
  return fake_identity_waiting (((Waiting *) data)->device) == ((Waiting *) data)->count;
}

static void
wait_for_waiting (Fixture *f, guint count)
{
  Waiting waiting = { f->device, count };

  wait_until (has_waiting, &waiting);
}

/* --- cases --- */

static void
calls_of_one_sender_keep_their_order (Fixture *f, gconstpointer data)
{
  Answer answers[8] = { 0 };

  /* All are sent before the bus has said who sends them. */
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    start_sign (f, f->client, (guint8) i, &answers[i]);
  wait_for_waiting (f, G_N_ELEMENTS (answers));
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      fake_identity_let_go (f->device);
      wait_until (is_answered, &answers[i]);
      g_assert_no_error (answers[i].error);
      g_autoptr (GVariant) signature = g_variant_get_child_value (answers[i].reply, 0);
      g_assert_cmpuint (((const guint8 *) g_variant_get_data (signature))[0], ==, i);
      answer_clear (&answers[i]);
    }
}

static void
a_client_that_vanishes_takes_its_waiting_jobs_along (Fixture *f, gconstpointer data)
{
  GDBusConnection *other = join_bus (f->bus);
  Answer lost = { 0 };
  g_auto (Answer) kept = { 0 };

  start_sign (f, other, 1, &lost);
  start_sign (f, f->client, 2, &kept);
  wait_for_waiting (f, 2);
  g_assert_true (g_dbus_connection_close_sync (other, NULL, NULL));
  wait_for_waiting (f, 1);
  g_assert_cmpuint (fake_identity_cancelled (f->device), ==, 1);
  wait_until (is_answered, &lost);
  answer_clear (&lost);
  g_object_unref (other);

  fake_identity_let_go (f->device);
  wait_until (is_answered, &kept);
  g_assert_no_error (kept.error);
}

static void
the_65th_call_of_a_connection_is_busy_at_once (Fixture *f, gconstpointer data)
{
  GDBusConnection *other = join_bus (f->bus);
  Answer answers[BUS_CLIENT_CALLS_MAX] = { 0 };
  g_auto (Answer) others = { 0 };

  for (guint i = 0; i < BUS_CLIENT_CALLS_MAX; i++)
    start_sign (f, f->client, 1, &answers[i]);
  wait_for_waiting (f, BUS_CLIENT_CALLS_MAX);
  assert_fails (f, DEVICE, "org.tpmid1.Device.GetStatus", "(@a{sv} {},)", "org.tpmid1.Error.Busy");

  /* Another connection does not feel it. */
  start_sign (f, other, 2, &others);
  wait_for_waiting (f, BUS_CLIENT_CALLS_MAX + 1);
  for (guint i = 0; i <= BUS_CLIENT_CALLS_MAX; i++)
    fake_identity_let_go (f->device);
  for (guint i = 0; i < BUS_CLIENT_CALLS_MAX; i++)
    {
      wait_until (is_answered, &answers[i]);
      g_assert_no_error (answers[i].error);
      answer_clear (&answers[i]);
    }
  wait_until (is_answered, &others);
  g_assert_no_error (others.error);
  g_dbus_connection_close_sync (other, NULL, NULL);
  g_object_unref (other);

  g_auto (Answer) again = { 0 };
  call (f, DEVICE, "org.tpmid1.Device.GetStatus", "(@a{sv} {},)", &again);
  g_assert_no_error (again.error);
}

static void
more_connections_than_are_remembered_are_all_served (Fixture *f, gconstpointer data)
{
  GDBusConnection *others[BUS_CLIENTS_IDLE_MAX + 20];

  for (guint round = 0; round < 2; round++)
    for (guint i = 0; i < G_N_ELEMENTS (others); i++)
      {
        g_auto (Answer) answer = { 0 };
        if (round == 0)
          others[i] = join_bus (f->bus);
        start_call (f, others[i], DEVICE, "org.tpmid1.Device.GetStatus", g_variant_new ("(a{sv})", NULL), &answer);
        wait_until (is_answered, &answer);
        g_assert_no_error (answer.error);
      }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_dbus_connection_close_sync (others[i], NULL, NULL);
      g_object_unref (others[i]);
    }
}

static void
calls_under_way_outlive_the_service (Fixture *f, gconstpointer data)
{
  g_auto (Answer) answer = { 0 };

  start_sign (f, f->client, 1, &answer);
  wait_for_waiting (f, 1);
  g_clear_pointer (&f->service, bus_service_free);
  wait_until (is_answered, &answer);
  g_autofree char *remote = g_dbus_error_get_remote_error (answer.error);
  g_assert_cmpstr (remote, ==, "org.tpmid1.Error.Cancelled");
}

static void
foreign_errors_leave_as_failed_and_are_complained_about (Fixture *f, gconstpointer data)
{
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, "error of foreign domain*");
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL, "error of foreign domain*");
  assert_fails (f, KEY, "org.tpmid1.Key.CreateCsr", "('/CN=x', @a{sv} {})", "org.tpmid1.Error.Failed");
  g_test_assert_expected_messages ();
}

static void
bad_input_has_its_typed_error (Fixture *f, gconstpointer data)
{
  const char *const invalid = "org.tpmid1.Error.InvalidArgument";

  assert_fails (f, KEY, "org.tpmid1.Key.Sign", "(@ay [1, 2], @a{sv} {})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.Sign", "(@ay [], {'hsah': <'sha256'>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.Sign", "(@ay [], {'hash': <256>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.Sign", "(@ay [], {'hash': <'md5'>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.CreateCsr", "('/CN=x', {'dns': <'x'>})", invalid);
  assert_fails (f, DEVICE "/keys", "org.tpmid1.Keys.FindKey", "(@ay [1], @a{sv} {})", invalid);
  assert_fails (f, DEVICE "/keys", "org.tpmid1.Keys.GetKey", "('', @a{sv} {})", invalid);
  assert_fails (f, DEVICE "/keys", "org.tpmid1.Keys.GetKey", "('none', @a{sv} {})", "org.tpmid1.Error.NotFound");
  assert_fails (f, DEVICE "/keys", "org.tpmid1.Keys.CreateKey", "('a b', @a{sv} {})", invalid);
  assert_fails (f, DEVICE "/keys", "org.tpmid1.Keys.CreateKey", "('app', {'algorithm': <'des'>})", invalid);
  assert_fails (f, DEVICE "/keys", "org.tpmid1.Keys.CreateKey", "('app', {'size': <2048>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.Decrypt", "(@ay [1], {'label': <'text'>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.Decrypt", "(@ay [1], {'padding': <'oaep'>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.SignMessage", "(@ay [1], {'hash': <'md5'>})", invalid);
  assert_fails (f, KEY, "org.tpmid1.Key.Decrypt", "('text', @a{sv} {})", "org.freedesktop.DBus.Error.InvalidArgs");
  assert_fails (f, DEVICE, "org.tpmid1.Device.GetStatus", "({'all': <true>},)", invalid);
  assert_fails (f, DEVICE, "org.tpmid1.Device.SetSerialNumber", "('', @a{sv} {})", invalid);
  assert_fails (f, DEVICE, "org.tpmid1.Device.SetSerialNumber", "(1, @a{sv} {})", "org.freedesktop.DBus.Error.InvalidArgs");
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  g_autofree char *text = g_variant_print (parameters, FALSE);

  g_ptr_array_add (user_data, g_strdup_printf ("%s %s %s", path, signal, text));
}

static gboolean
has_some (gpointer data)
{
  return ((GPtrArray *) data)->len > 0;
}

static void
assert_next_signal (GPtrArray *signals, const char *pattern)
{
  wait_until (has_some, signals);
  if (!g_pattern_match_simple (pattern, signals->pdata[0]))
    g_error ("\"%s\" does not match \"%s\"", (char *) signals->pdata[0], pattern);
  g_ptr_array_remove_index (signals, 0);
}

static void
changes_are_announced (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) signals = g_ptr_array_new_with_free_func (g_free);
  guint id = g_dbus_connection_signal_subscribe (f->client, g_dbus_connection_get_unique_name (f->server), NULL, NULL, NULL, NULL,
                                                 0, on_signal, signals, NULL);
  g_auto (Answer) synchronized = { 0 };

  call (f, DEVICE, "org.tpmid1.Device.GetStatus", "(@a{sv} {},)", &synchronized);
  fake_identity_set_mode (f->device, "fault");
  assert_next_signal (signals, "/org/tpmid1 PropertiesChanged ('org.tpmid1.Device', {'Mode': <'fault'>}, *)");
  fake_identity_add_key (f->device, "my-app");
  assert_next_signal (signals, "/org/tpmid1 InterfacesAdded ('/org/tpmid1/keys/my_2dapp', {'org.tpmid1.Key': {*'my-app'*");
  fake_identity_drop_keys (f->device);
  assert_next_signal (signals, "/org/tpmid1 InterfacesRemoved ('/org/tpmid1/keys/*");
  assert_next_signal (signals, "/org/tpmid1 InterfacesRemoved ('/org/tpmid1/keys/*");
  assert_next_signal (signals, "/org/tpmid1 PropertiesChanged *'IdentityKey': <objectpath '/'>*");
  g_dbus_connection_signal_unsubscribe (f->client, id);
}

static void
a_method_without_a_row_has_no_right (void)
{
  g_assert_nonnull (bus_auth_find ("org.tpmid1.Key", "Sign"));
  g_assert_null (bus_auth_find ("org.tpmid1.Key", "sign"));
  g_assert_null (bus_auth_find ("org.tpmid1.Keys", "Sign"));
  g_assert_null (bus_auth_find ("org.tpmid1.Key", ""));
}

static void
the_same_serial_number_again_is_a_success (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    {
      g_auto (Answer) answer = { 0 };
      call (f, DEVICE, "org.tpmid1.Device.SetSerialNumber", "('SN1', @a{sv} {})", &answer);
      g_assert_no_error (answer.error);
    }
}

static GVariant *
filled (gsize size, guint8 fill)
{
  g_autofree guint8 *bytes = g_malloc (size + 1);

  memset (bytes, fill, size + 1);
  return g_variant_new ("(@aya{sv})", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, size, 1), NULL);
}

/* The fake signature is the digest it was asked for. */
static void
a_message_reaches_the_key_as_its_digest (Fixture *f, gconstpointer data)
{
  static const GChecksumType types[] = { G_CHECKSUM_SHA256, G_CHECKSUM_SHA384, G_CHECKSUM_SHA512 };
  static const char *const requests[] = {
    "(@ay [97, 98, 99], @a{sv} {})", "(@ay [97, 98, 99], {'hash': <'sha384'>})", "(@ay [97, 98, 99], {'hash': <'sha512'>})",
  };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_auto (Answer) answer = { 0 };
      g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_parse (NULL, requests[i], NULL, NULL, NULL));
      g_autofree char *digest = g_compute_checksum_for_string (types[i], "abc", 3);
      g_autoptr (GString) hex = g_string_new (NULL);

      start_call (f, f->client, KEY, "org.tpmid1.Key.SignMessage", parameters, &answer);
      wait_for_waiting (f, 1);
      fake_identity_let_go (f->device);
      wait_until (is_answered, &answer);
      g_assert_no_error (answer.error);
      g_autoptr (GVariant) signature = g_variant_get_child_value (answer.reply, 0);
      for (gsize j = 0; j < g_variant_get_size (signature); j++)
        g_string_append_printf (hex, "%02x", ((const guint8 *) g_variant_get_data (signature))[j]);
      g_assert_cmpstr (hex->str, ==, digest);
    }
}

static void
messages_end_at_256_kib (Fixture *f, gconstpointer data)
{
  g_auto (Answer) more = { 0 };
  g_auto (Answer) most = { 0 };

  start_call (f, f->client, KEY, "org.tpmid1.Key.SignMessage", filled (256 * 1024 + 1, 1), &more);
  wait_until (is_answered, &more);
  g_autofree char *remote = g_dbus_error_get_remote_error (more.error);
  g_assert_cmpstr (remote, ==, "org.tpmid1.Error.InvalidArgument");
  start_call (f, f->client, KEY, "org.tpmid1.Key.SignMessage", filled (256 * 1024, 1), &most);
  wait_for_waiting (f, 1);
  fake_identity_let_go (f->device);
  wait_until (is_answered, &most);
  g_assert_no_error (most.error);
}

/* The fake plaintext is the ciphertext. */
static void
plaintexts_come_back_whole (Fixture *f, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 256, 256 * 1024 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_auto (Answer) answer = { 0 };
      g_autoptr (GVariant) parameters = g_variant_ref_sink (filled (sizes[i], 0xa5));
      g_autoptr (GVariant) ciphertext = g_variant_get_child_value (parameters, 0);

      start_call (f, f->client, KEY, "org.tpmid1.Key.Decrypt", parameters, &answer);
      wait_until (is_answered, &answer);
      g_assert_no_error (answer.error);
      g_autoptr (GVariant) plaintext = g_variant_get_child_value (answer.reply, 0);
      g_assert_true (g_variant_equal (plaintext, ciphertext));
    }
}

static void
a_key_that_is_made_is_shown_at_once (Fixture *f, gconstpointer data)
{
  g_auto (Answer) created = { 0 };
  g_auto (Answer) found = { 0 };
  const char *path, *state;

  call (f, DEVICE "/keys", "org.tpmid1.Keys.CreateKey", "('my-app', {'algorithm': <'rsa-2048'>})", &created);
  g_assert_no_error (created.error);
  g_variant_get (created.reply, "(&o)", &path);
  g_assert_cmpstr (path, ==, "/org/tpmid1/keys/my_2dapp");
  call (f, path, "org.freedesktop.DBus.Properties.Get", "('org.tpmid1.Key', 'State')", &found);
  g_assert_no_error (found.error);
  g_autoptr (GVariant) boxed = g_variant_get_child_value (found.reply, 0);
  g_autoptr (GVariant) value = g_variant_get_variant (boxed);
  state = g_variant_get_string (value, NULL);
  g_assert_cmpstr (state, ==, "creating");
}

static void
unknown_methods_and_objects_are_refused_by_name (Fixture *f, gconstpointer data)
{
  assert_fails (f, DEVICE, "org.tpmid1.Device.Format", "()", "org.freedesktop.DBus.Error.UnknownMethod");
  assert_fails (f, DEVICE "/keys/none", "org.tpmid1.Key.Sign", "(@ay [], @a{sv} {})",
                "org.freedesktop.DBus.Error.UnknownMethod");
  assert_fails (f, DEVICE, "org.freedesktop.DBus.Properties.Set", "('org.tpmid1.Device', 'Mode', <'tpm'>)",
                "org.freedesktop.DBus.Error.InvalidArgs");
}

#define ADD(name, function) g_test_add ("/bus/room/" name, Fixture, bus, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_autoptr (GTestDBus) bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus);
  g_test_add_func ("/bus/room/a-method-without-a-row-has-no-right", a_method_without_a_row_has_no_right);
  ADD ("calls-of-one-sender-keep-their-order", calls_of_one_sender_keep_their_order);
  ADD ("a-client-that-vanishes-takes-its-waiting-jobs-along", a_client_that_vanishes_takes_its_waiting_jobs_along);
  ADD ("the-65th-call-of-a-connection-is-busy-at-once", the_65th_call_of_a_connection_is_busy_at_once);
  ADD ("more-connections-than-are-remembered-are-all-served", more_connections_than_are_remembered_are_all_served);
  ADD ("calls-under-way-outlive-the-service", calls_under_way_outlive_the_service);
  ADD ("foreign-errors-leave-as-failed-and-are-complained-about", foreign_errors_leave_as_failed_and_are_complained_about);
  ADD ("bad-input-has-its-typed-error", bad_input_has_its_typed_error);
  ADD ("changes-are-announced", changes_are_announced);
  ADD ("the-same-serial-number-again-is-a-success", the_same_serial_number_again_is_a_success);
  ADD ("a-message-reaches-the-key-as-its-digest", a_message_reaches_the_key_as_its_digest);
  ADD ("messages-end-at-256-kib", messages_end_at_256_kib);
  ADD ("plaintexts-come-back-whole", plaintexts_come_back_whole);
  ADD ("a-key-that-is-made-is-shown-at-once", a_key_that_is_made_is_shown_at_once);
  ADD ("unknown-methods-and-objects-are-refused-by-name", unknown_methods_and_objects_are_refused_by_name);
  int status = g_test_run ();
  g_test_dbus_stop (bus);
  return status;
}

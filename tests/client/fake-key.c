/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-key.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXCHANGE(name) \
  "<method name='" name "'><arg type='ay' direction='in'/><arg type='a{sv}' direction='in'/>" \
  "<arg type='ay' direction='out'/></method>"

static const char interfaces[] =
  "<node><interface name='org.tpmid1.Keys'><method name='CreateKey'><arg type='s' direction='in'/>"
  "<arg type='a{sv}' direction='in'/><arg type='o' direction='out'/></method></interface>"
  "<interface name='org.tpmid1.Key'><property name='Name' type='s' access='read'/>"
  "<property name='Usage' type='s' access='read'/><property name='PublicKey' type='ay' access='read'/>"
  "<property name='State' type='s' access='read'/><property name='Problem' type='s' access='read'/>"
  "<property name='ProblemError' type='s' access='read'/>"
  EXCHANGE ("Decrypt") EXCHANGE ("SignMessage") "</interface></node>";

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data)
{
  Fake *self = data;
  g_autofree char *text = g_variant_print (arguments, FALSE);

  g_free (self->call);
  self->call = g_strdup_printf ("%s %s", method, text);
  if (self->error != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, self->error, "refused");
  else if (g_str_equal (method, "CreateKey"))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", "/org/tpmid1/keys/k1"));
  else
    g_dbus_method_invocation_return_value (
      invocation,
      g_variant_new ("(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, self->answer, strlen (self->answer), 1)));
}

/* Of the look that State comes to next: the properties are asked for in the order in which they stand. */
static GVariant *
get_public_key (const Fake *self)
{
  const char *state = self->states[self->looks];
  gsize size = 0;
  const guint8 *data = NULL;

  if (self->public_key != NULL && !g_str_equal (state, "creating") && !g_str_equal (state, "failed"))
    data = g_bytes_get_data (self->public_key, &size);
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1);
}

static GVariant *
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *property,
        GError **error, gpointer data)
{
  Fake *self = data;

  if (g_str_equal (property, "Name"))
    return g_variant_new_string ("k1");
  if (g_str_equal (property, "Usage"))
    return g_variant_new_string ("decrypt");
  if (g_str_equal (property, "PublicKey"))
    return get_public_key (self);
  if (g_str_equal (property, "Problem"))
    return g_variant_new_string (self->problem);
  if (g_str_equal (property, "ProblemError"))
    {
      if (self->problem_error != NULL)
        return g_variant_new_string (self->problem_error);
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY, "there is none");
      return NULL;
    }

  const char *state = self->states[self->looks];
  if (self->states[self->looks + 1] != NULL)
    self->looks++;
  return g_variant_new_string (state);
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call, .get_property = on_get };

static GDBusConnection *
connect_service (Fake *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
    self->address,
    G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

  g_assert_no_error (error);
  g_dbus_connection_register_object (connection, "/org/tpmid1/keys", self->info->interfaces[0], &vtable, self, NULL, &error);
  g_assert_no_error (error);
  g_dbus_connection_register_object (connection, "/org/tpmid1/keys/k1", self->info->interfaces[1], &vtable, self, NULL, &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "RequestName", g_variant_new ("(su)", "org.tpmid1", 0), NULL, 0, -1, NULL, &error);
  g_assert_no_error (error);
  return connection;
}

static gpointer
serve (gpointer data)
{
  Fake *self = data;
  GDBusConnection *connection;

  g_main_context_push_thread_default (self->context);
  connection = connect_service (self);
  g_main_loop_run (self->loop);
  g_dbus_connection_close_sync (connection, NULL, NULL);
  g_object_unref (connection);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

/* An assertion that fails ends the test at once: the bus goes with it. */
static void
die_with_parent (gpointer data)
{
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
start_bus (Fake *self)
{
  g_autofree char *option = NULL;
  g_autoptr (GError) error = NULL;
  int out = -1;
  char c;

  self->folder = g_dir_make_tmp ("fake-XXXXXX", &error);
  g_assert_no_error (error);
  self->address = g_strdup_printf ("unix:path=%s/bus", self->folder);
  option = g_strdup_printf ("--address=%s", self->address);

  const char *argv[] = { "dbus-daemon", "--session", "--nofork", "--print-address=1", option, NULL };
  g_spawn_async_with_pipes (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL,
                            &self->bus, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  /* It prints its address when it listens. */
  g_assert_cmpint (read (out, &c, 1), ==, 1);
  close (out);
}

static void
stop_bus (Fake *self)
{
  g_autofree char *socket_path = g_build_filename (self->folder, "bus", NULL);

  kill (self->bus, SIGKILL);
  g_assert_cmpint (waitpid (self->bus, NULL, 0), ==, self->bus);
  g_unlink (socket_path);
  g_assert_cmpint (g_rmdir (self->folder), ==, 0);
  g_free (self->folder);
  g_free (self->address);
}

static gboolean
say_ready (gpointer data)
{
  g_atomic_int_set ((int *) data, 1);
  return G_SOURCE_REMOVE;
}

void
fake_key_set_up (Fake *self, gconstpointer data)
{
  static int ready;
  g_autoptr (GSource) source = g_idle_source_new ();

  g_atomic_int_set (&ready, 0);
  self->problem = self->answer = "";
  self->info = g_dbus_node_info_new_for_xml (interfaces, NULL);
  start_bus (self);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_source_set_callback (source, say_ready, &ready, NULL);
  g_source_attach (source, self->context);
  self->thread = g_thread_new ("service", serve, self);
  for (int i = 0; i < 2000 && !g_atomic_int_get (&ready); i++)
    g_usleep (10000);
  g_assert_true (g_atomic_int_get (&ready));
  g_assert_cmpint (tpmid_client_new (self->address, &self->client), ==, 0);
}

void
fake_key_tear_down (Fake *self, gconstpointer data)
{
  tpmid_client_free (self->client);
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_dbus_node_info_unref (self->info);
  stop_bus (self);
  g_clear_pointer (&self->public_key, g_bytes_unref);
  g_free (self->call);
}

void
fake_key_set_states (Fake *self, const char *first, const char *second, const char *third)
{
  const char *const states[] = { first, second, third };

  memset (self->states, 0, sizeof self->states);
  memcpy (self->states, states, sizeof states);
  self->looks = 0;
}

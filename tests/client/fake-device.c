/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-device.h"

#include <string.h>

#define DEVICE_PATH "/org/tpmid1"
#define NEXT_PATH "/org/tpmid1/keys/device_2dnext"
#define AWAY_MS 300

static const char *interfaces;

static void join (FakeDevice *self);

static void add_next_key (FakeDevice *self);

static GVariant *
answer (FakeDevice *self, const char *method)
{
  if (g_str_equal (method, "BeginRotation") && !self->is_begun)
    add_next_key (self);
  if (g_str_equal (method, "BeginRotation"))
    return g_variant_new ("(o)", NEXT_PATH);
  if (g_str_equal (method, "ListHandles"))
    return g_variant_new ("(@aa{sv})", g_variant_new_parsed (self->handles));
  return NULL;
}

static const char *
next_status (FakeDevice *self)
{
  const char *status = self->statuses[self->looks];

  if (self->statuses[self->looks + 1] != NULL)
    self->looks++;
  return status;
}

static gboolean
come_back (gpointer data)
{
  join (data);
  return G_SOURCE_REMOVE;
}

static void
leave (FakeDevice *self)
{
  g_autoptr (GSource) source = NULL;

  self->is_leaving = FALSE;
  g_dbus_connection_close_sync (self->connection, NULL, NULL);
  g_clear_object (&self->connection);
  if (self->is_staying)
    return;
  source = g_timeout_source_new (AWAY_MS);
  g_source_set_callback (source, come_back, self, NULL);
  g_source_attach (source, self->context);
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data)
{
  FakeDevice *self = data;
  g_autofree char *text = g_variant_print (arguments, FALSE);

  if (g_str_equal (method, "GetStatus"))
    {
      g_dbus_method_invocation_return_value (invocation,
                                             g_variant_new ("(@a{sv})", g_variant_new_parsed (next_status (self))));
      return;
    }
  g_string_append_printf (self->calls, "%s %s\n", method, text);
  if (self->is_leaving)
    {
      leave (self);
      g_object_unref (invocation);
    }
  else if (self->error != NULL)
    g_dbus_method_invocation_return_dbus_error (invocation, self->error, "refused");
  else
    g_dbus_method_invocation_return_value (invocation, answer (self, method));
}

/* All that a caller can want of the two objects: an empty value of the property's type, but for these. */
static GVariant *
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *property,
        GError **error, gpointer data)
{
  const FakeDevice *self = data;
  const GDBusInterfaceInfo *info = g_str_equal (path, NEXT_PATH) ? self->key->interfaces[0] : self->device->interfaces[0];
  const char *signature = g_dbus_interface_info_lookup_property ((GDBusInterfaceInfo *) info, property)->signature;

  if (g_str_equal (property, "Certificate"))
    return g_variant_new_string ("the certificate\n");
  if (g_str_equal (property, "Algorithm"))
    return g_variant_new_string ("ecc-p256");
  if (g_str_equal (property, "Reference"))
    return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "\x01\x02", 2, 1);
  switch (signature[0])
    {
    case 's':
      return g_variant_new_string ("");
    case 'o':
      return g_variant_new_object_path ("/");
    case 'u':
      return g_variant_new_uint32 (0);
    default:
      return g_variant_new_array (G_VARIANT_TYPE (signature + 1), NULL, 0);
    }
}

static const GDBusInterfaceVTable vtable = { .method_call = on_call, .get_property = on_get };

static void
add_next_key (FakeDevice *self)
{
  g_autoptr (GError) error = NULL;

  g_dbus_connection_register_object (self->connection, NEXT_PATH, self->key->interfaces[0], &vtable, self, NULL, &error);
  g_assert_no_error (error);
  self->is_begun = TRUE;
}

static void
join (FakeDevice *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  self->connection = g_dbus_connection_new_for_address_sync (
    self->bus.address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
    &error);
  g_assert_no_error (error);
  g_dbus_connection_register_object (self->connection, DEVICE_PATH, self->device->interfaces[0], &vtable, self, NULL, &error);
  g_assert_no_error (error);
  if (self->is_begun)
    add_next_key (self);
  reply = g_dbus_connection_call_sync (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "RequestName", g_variant_new ("(su)", "org.tpmid1", 0), NULL, 0, -1, NULL, &error);
  g_assert_no_error (error);
}

static gpointer
serve (gpointer data)
{
  FakeDevice *self = data;

  g_main_context_push_thread_default (self->context);
  join (self);
  g_main_loop_run (self->loop);
  if (self->connection != NULL)
    g_dbus_connection_close_sync (self->connection, NULL, NULL);
  g_clear_object (&self->connection);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

static gboolean
say_ready (gpointer data)
{
  g_atomic_int_set ((int *) data, 1);
  return G_SOURCE_REMOVE;
}

static GDBusNodeInfo *
load (const char *name)
{
  g_autofree char *path = g_build_filename (interfaces, name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  GDBusNodeInfo *info = g_dbus_node_info_new_for_xml (text, &error);
  g_assert_no_error (error);
  return info;
}

void
fake_device_interfaces (const char *folder)
{
  interfaces = folder;
}

void
fake_device_set_up (FakeDevice *self, gconstpointer data)
{
  static int ready;
  g_autoptr (GSource) source = g_idle_source_new ();

  g_atomic_int_set (&ready, 0);
  self->calls = g_string_new (NULL);
  self->handles = "@aa{sv} []";
  self->device = load ("org.tpmid1.Device.xml");
  self->key = load ("org.tpmid1.Key.xml");
  bus_set_up (&self->bus, NULL);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_source_set_callback (source, say_ready, &ready, NULL);
  g_source_attach (source, self->context);
  self->thread = g_thread_new ("device", serve, self);
  for (int i = 0; i < 2000 && !g_atomic_int_get (&ready); i++)
    g_usleep (10000);
  g_assert_true (g_atomic_int_get (&ready));
}

void
fake_device_tear_down (FakeDevice *self, gconstpointer data)
{
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_dbus_node_info_unref (self->device);
  g_dbus_node_info_unref (self->key);
  g_string_free (self->calls, TRUE);
  bus_tear_down (&self->bus, NULL);
}

void
fake_device_set_statuses (FakeDevice *self, const char *first, const char *second, const char *third, const char *fourth)
{
  const char *const statuses[] = { first, second, third, fourth };

  memset (self->statuses, 0, sizeof self->statuses);
  memcpy (self->statuses, statuses, sizeof statuses);
  self->looks = 0;
}

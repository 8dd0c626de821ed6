/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-service.h"

#include "bus-auth.h"
#include "bus-call.h"
#include "bus-clients.h"
#include "bus-device.h"
#include "bus-keys.h"
#include "bus-variant.h"

struct BusService
{
  BusClients *clients;
  GDBusObjectManagerServer *manager;
  BusDevice *device;
  BusKeys *keys;
};

BusService *
bus_service_new (GDBusConnection *connection, IdentityDevice *device, const BaseConfig *config)
{
  BusService *self = g_new0 (BusService, 1);
  g_autoptr (BusAuth) auth = bus_auth_new (config);

  self->clients = bus_clients_new (connection);
  self->manager = g_dbus_object_manager_server_new (BUS_PATH_DEVICE);

  g_autoptr (BusCalls) calls = bus_calls_new (self->clients, auth);
  /* An object manager cannot manage its own path, so org.tpmid1.Device is exported beside it. Keys come first: the device
     names the path of one. */
  self->keys = bus_keys_new (self->manager, calls, identity_device_peek_keys (device));
  g_dbus_object_manager_server_set_connection (self->manager, connection);
  self->device = bus_device_new (connection, calls, device);
  return self;
}

void
bus_service_free (BusService *self)
{
  if (self == NULL)
    return;
  bus_device_free (self->device);
  bus_keys_free (self->keys);
  g_dbus_object_manager_server_set_connection (self->manager, NULL);
  g_object_unref (self->manager);
  bus_clients_close (self->clients);
  bus_clients_unref (self->clients);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-call.h"
#include "identity-device.h"

G_BEGIN_DECLS

/**
 * BusDevice:
 *
 * The interface org.tpmid1.Device at /org/tpmid1. Its properties follow the device. Main thread.
 */
typedef struct BusDevice BusDevice;

/**
 * bus_device_new:
 *
 * Exports the interface. That something else is exported at its path already is a defect, and told as one.
 */
BusDevice *bus_device_new (GDBusConnection *connection, BusCalls *calls, IdentityDevice *device);

/**
 * bus_device_free:
 *
 * Takes the interface off the bus. Calls under way go on to their end.
 */
void bus_device_free (BusDevice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusDevice, bus_device_free)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-device.h"

G_BEGIN_DECLS

/**
 * BusService:
 *
 * Everything that tpmidd shows on the bus. Main thread.
 */
typedef struct BusService BusService;

/**
 * bus_service_new:
 * @connection: a message bus
 * @device: a reference is kept; started or not
 * @config: SignGroup= and DecryptGroup= are used, now
 *
 * Exports all objects. To own the name, afterwards, is left to the caller.
 */
BusService *bus_service_new (GDBusConnection *connection, IdentityDevice *device, const BaseConfig *config);

/**
 * bus_service_free:
 *
 * Takes all objects off the bus and cancels the waiting jobs of all callers. Calls that the identity room still works
 * on are answered as its callbacks come, also after this.
 */
void bus_service_free (BusService *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusService, bus_service_free)

G_END_DECLS

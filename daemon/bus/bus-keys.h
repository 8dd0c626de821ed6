/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-call.h"
#include "identity-keys.h"

G_BEGIN_DECLS

/**
 * BusKeys:
 *
 * The interface org.tpmid1.Keys at /org/tpmid1/keys, and below it one object a key, which come, change and go with the
 * keys. Main thread.
 */
typedef struct BusKeys BusKeys;

/**
 * bus_keys_new:
 * @manager: (transfer none): the object manager at /org/tpmid1; a reference is kept
 */
BusKeys *bus_keys_new (GDBusObjectManagerServer *manager, BusCalls *calls, IdentityKeys *keys);

/**
 * bus_keys_free:
 *
 * Takes all objects out of the manager. Calls under way go on to their end.
 */
void bus_keys_free (BusKeys *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusKeys, bus_keys_free)

G_END_DECLS

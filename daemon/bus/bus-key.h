/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-call.h"
#include "identity-keys.h"

G_BEGIN_DECLS

/**
 * bus_key_new:
 * @keys: where calls find the key's present state
 *
 * Makes the object of one key with the interface org.tpmid1.Key, for an object manager to export. Main thread.
 *
 * Returns: (transfer full): the object
 */
GDBusObjectSkeleton *bus_key_new (BusCalls *calls, IdentityKeys *keys, IdentityKey *key);

/**
 * bus_key_update:
 * @object: from bus_key_new()
 * @key: the key as it is now, of the same name
 */
void bus_key_update (GDBusObjectSkeleton *object, IdentityKey *key);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-access.h"

G_BEGIN_DECLS

/**
 * BusAuthRow:
 *
 * One method of one interface and the right that it takes.
 */
typedef struct
{
  const char *interface;
  const char *method;
  IdentityRight right;
} BusAuthRow;

/**
 * bus_auth_find:
 *
 * Looks a method up in the table of rights.
 *
 * Returns: (transfer none) (nullable): its row; %NULL means that nobody may call it
 */
const BusAuthRow *bus_auth_find (const char *interface, const char *method);

/**
 * BusAuth:
 *
 * Decides whether a caller may use a method. Ref-counted, main thread.
 */
typedef struct BusAuth BusAuth;

/**
 * bus_auth_new:
 * @config: SignGroup= and DecryptGroup= are resolved once, here
 */
BusAuth *bus_auth_new (const BaseConfig *config);
BusAuth *bus_auth_ref (BusAuth *self);
void bus_auth_unref (BusAuth *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusAuth, bus_auth_unref)

/**
 * bus_auth_check:
 * @owner: uid that owns the object that the method works on; 0 where there is none
 * @error: TPMID_ERROR_NOT_AUTHORIZED, saying which uid or group would do
 */
gboolean bus_auth_check (BusAuth *self, const BusAuthRow *row, const IdentityCaller *caller, guint owner, GError **error);

G_END_DECLS

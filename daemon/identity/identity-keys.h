/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-access.h"
#include "identity-key.h"

G_BEGIN_DECLS

/**
 * IdentityKeys:
 *
 * All keys of the device, whether in the TPM or in software. Main thread. How to use one: identity-use.h.
 *
 * Signals: "changed" (no arguments) after keys were added, removed or changed; look at identity_keys_list().
 */
#define IDENTITY_TYPE_KEYS (identity_keys_get_type ())
G_DECLARE_FINAL_TYPE (IdentityKeys, identity_keys, IDENTITY, KEYS, GObject)

/**
 * identity_keys_list:
 *
 * Returns: (transfer container) (element-type IdentityKey): all keys, sorted by name
 */
GPtrArray *identity_keys_list (IdentityKeys *self);

/**
 * identity_keys_lookup:
 * @error: TPMID_ERROR_NOT_FOUND, _NOT_READY before the boot decision
 *
 * Returns: (transfer full) (nullable): the key with this name
 */
IdentityKey *identity_keys_lookup (IdentityKeys *self, const char *name, GError **error);

/**
 * identity_keys_find:
 * @reference: 32 bytes
 * @error: TPMID_ERROR_NOT_FOUND, _NOT_READY before the boot decision
 *
 * Returns: (transfer full) (nullable): the key with this reference
 */
IdentityKey *identity_keys_find (IdentityKeys *self, GBytes *reference, GError **error);

/**
 * identity_keys_create:
 * @name: checked by identity_key_check_name()
 * @uid: who will own the key
 * @error: TPMID_ERROR_INVALID_ARGUMENT when @name is for the device itself; _EXISTS when there is a key of this name with another owner,
 *   algorithm or usage; _UNSUPPORTED_ALGORITHM when keys of
 *   @algorithm have no such @usage; _QUOTA_EXCEEDED; _NOT_READY before the boot decision; _IDENTITY_FAULT when the mode allows no new keys
 *
 * Begins to make a key, in the background; it is IDENTITY_KEY_CREATING until then. The same key once more is a success and the same key; one
 * that failed is tried again.
 */
gboolean identity_keys_create (IdentityKeys *self, const char *name, IdentityAlgorithm algorithm, IdentityUsage usage, guint uid,
                               GError **error);

G_END_DECLS

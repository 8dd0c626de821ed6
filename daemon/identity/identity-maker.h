/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-keyring.h"
#include "tpm-queue.h"

G_BEGIN_DECLS

/**
 * identity_maker_make_async:
 * @keyring: copied
 * @key: the key to make, as it is shown meanwhile; "credentials" is looked for first (identity_keyring_ensure_credentials())
 * @callback: called on the main thread, when the queue closes at the latest
 *
 * Main thread. Makes a key as a job in the background: it waits for all others, and when its command runs, they wait for it.
 */
void identity_maker_make_async (TpmQueue *queue, const IdentityKeyring *keyring, IdentityKey *key, GAsyncReadyCallback callback,
                                gpointer user_data);

/**
 * identity_maker_make_finish:
 * @ret_wanted: (out) (transfer none): the @key of the call; valid as long as @result
 * @error: those of identity_keyring_make(), TPMID_ERROR_CANCELLED when tpmidd stops
 *
 * Writes a journal entry for a key that was not there before, and for one that could not be made.
 *
 * Returns: (transfer full) (nullable): the key, usable
 */
IdentityKey *identity_maker_make_finish (GAsyncResult *result, IdentityKey **ret_wanted, GError **error);

G_END_DECLS

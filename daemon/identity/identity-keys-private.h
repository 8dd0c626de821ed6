/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backoff.h"
#include "identity-keys.h"
#include "identity-report.h"
#include "tpm-queue.h"

G_BEGIN_DECLS

/**
 * identity_keys_new:
 * @config: (transfer none): must outlive the keys
 * @queue: (transfer none): must outlive the keys
 *
 * Beside "changed" they have two signals for the room alone, without arguments: "job" when a job went to the TPM thread or came back, so that the
 * TPM's state may have changed; "orphaned" when the TPM does not know a key any more.
 */
IdentityKeys *identity_keys_new (const BaseConfig *config, TpmQueue *queue);

/**
 * identity_keys_adopt:
 * @report: who the device is, with all keys that were found
 *
 * Shows the identity key of the report, adds the keys that were not known yet, and shows which of all of them can be used in the report's mode. Sees to
 * it in the background, and again as long as that fails, that the key "credentials" is there. From now on a key that is not there is NotFound, not
 * NotReady.
 */
void identity_keys_adopt (IdentityKeys *self, const IdentityReport *report);

/**
 * identity_keys_close:
 *
 * Jobs that are still answered change nothing any more.
 */
void identity_keys_close (IdentityKeys *self);

/**
 * identity_keys_has:
 *
 * Returns: whether @key is one of the device's keys as it is now
 */
gboolean identity_keys_has (IdentityKeys *self, const IdentityKey *key);

/**
 * identity_keys_push:
 * @job: with operation, run, request and result; its queue, caller and deadline are filled in here
 * @caller: whose turn in the queue it takes; when it leaves the bus, the job is cancelled
 * @task: (transfer full): with the keys as source object; returns what the job does, or its error
 *
 * One use of @key.
 */
void identity_keys_push (IdentityKeys *self, TpmJob *job, IdentityKey *key, IdentityCaller *caller, GAsyncReadyCallback callback, GTask *task);

/* Returns: (transfer full) (nullable): "keys: sentence" about a key that the device should have and has not */
char *identity_keys_describe_trouble (IdentityKeys *self);

/* Returns: (transfer none): what rations requests that may be an attack */
IdentityBackoff *identity_keys_peek_backoff (IdentityKeys *self);

/**
 * identity_keys_note:
 * @error: (nullable): how a use of @key ended
 *
 * Tells those who look after the TPM.
 */
void identity_keys_note (IdentityKeys *self, IdentityKey *key, const GError *error);

G_END_DECLS

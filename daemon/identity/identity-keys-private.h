/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-backend.h"
#include "identity-keys.h"
#include "tpm-queue.h"

G_BEGIN_DECLS

/**
 * identity_keys_new:
 * @queue: (transfer none): must outlive the keys
 * @deadline_ms: for each operation
 */
IdentityKeys *identity_keys_new (TpmQueue *queue, guint deadline_ms);

/**
 * identity_keys_set_decided:
 *
 * From now on a key that is not there is NotFound, not NotReady.
 */
void identity_keys_set_decided (IdentityKeys *self);

/**
 * identity_keys_put:
 * @backend: (nullable): %NULL removes the key
 * @certificate: PEM chain, or ""
 *
 * Adds, replaces or removes the key @name; "changed" follows if that made a difference.
 */
void identity_keys_put (IdentityKeys *self, const char *name, IdentityBackend *backend, const char *certificate);

G_END_DECLS

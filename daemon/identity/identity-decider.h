/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-report.h"
#include "tpm-queue.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * IdentityDecider:
 *
 * Has the boot decision made and carried out on the TPM thread, once or again. Waits, bounded, for a TPM that is announced and late, and does
 * not wait for one that hangs. Main thread.
 *
 * Signals: "progress" (const char *: static) where it takes a while: "waiting" or "provisioning", the word of Device.State; "reported"
 * (IdentityReport *) when a decision was carried out; "held-back" (const char *: the decision's reason, static) when a later one was not, as
 * it would have made another device of this one and nobody had asked for it.
 */
#define IDENTITY_TYPE_DECIDER (identity_decider_get_type ())
G_DECLARE_FINAL_TYPE (IdentityDecider, identity_decider, IDENTITY, DECIDER, GObject)

/**
 * identity_decider_new:
 * @config: (transfer none): must outlive the object
 * @queue: (transfer none): must live until identity_decider_stop()
 */
IdentityDecider *identity_decider_new (const BaseConfig *config, TpmQueue *queue);

/**
 * identity_decider_begin:
 *
 * Begins a decision; not while identity_decider_is_busy().
 */
void identity_decider_begin (IdentityDecider *self);

/* Returns: whether a decision is under way, whose facts may be older than what happens now */
gboolean identity_decider_is_busy (IdentityDecider *self);

/**
 * identity_decider_tick:
 *
 * To be called every other second: a first decision whose TPM has been silent for too long is made without it; what the TPM thread was at is
 * told when it comes back after all.
 */
void identity_decider_tick (IdentityDecider *self);

/**
 * identity_decider_stop:
 *
 * Lets go of the queue; jobs that are still answered tell nothing any more.
 */
void identity_decider_stop (IdentityDecider *self);

/* Returns: whether a thread beside the queue's is at the files */
gboolean identity_decider_is_at_files (IdentityDecider *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-progress.h"
#include "identity-report.h"
#include "tpm-queue.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * IdentityLifecycle:
 *
 * Sees to it that the boot decision is made, carried out and written down, and again what did not work: a TPM that is late or
 * gone, a file system that is late, full or read-only, a marker that somebody changed. Main thread; its work runs as jobs on
 * the TPM thread.
 *
 * Signals: "changed" (no arguments) after state, problems or report changed; "decided" (no arguments) once, after the
 * first decision was carried out and the marker and the mode file were tried for the first time; "restart-wanted" (no
 * arguments) when the process should end with EX_TEMPFAIL, see identity_writer_wants_restart().
 */
#define IDENTITY_TYPE_LIFECYCLE (identity_lifecycle_get_type ())
G_DECLARE_FINAL_TYPE (IdentityLifecycle, identity_lifecycle, IDENTITY, LIFECYCLE, GObject)

/**
 * identity_lifecycle_new:
 * @config: (transfer none): must outlive the object
 * @queue: (transfer none): must live until identity_lifecycle_stop()
 */
IdentityLifecycle *identity_lifecycle_new (const BaseConfig *config, TpmQueue *queue);

/**
 * identity_lifecycle_start:
 *
 * Begins the boot decision. Nothing is read or written before this call.
 */
void identity_lifecycle_start (IdentityLifecycle *self);

/**
 * identity_lifecycle_stop:
 *
 * Lets go of the queue; jobs that are still answered change nothing any more. Waits for files that are being written, up to
 * 5 s.
 *
 * Returns: %FALSE when a thread is still at its files, and reads the configuration: the process then has to end by _exit()
 */
gboolean identity_lifecycle_stop (IdentityLifecycle *self);

/**
 * identity_lifecycle_refresh:
 *
 * Says that the TPM's state changed: state and problems are looked at anew, and "changed" is emitted.
 */
void identity_lifecycle_refresh (IdentityLifecycle *self);

/**
 * identity_lifecycle_is_deciding:
 *
 * Returns: whether a decision is under way, whose facts may be older than what happens now
 */
gboolean identity_lifecycle_is_deciding (IdentityLifecycle *self);

/**
 * identity_lifecycle_look_after_tpm:
 *
 * Says that the TPM may have stopped answering: from now on it is looked for every two seconds until it answers.
 */
void identity_lifecycle_look_after_tpm (IdentityLifecycle *self);

/**
 * identity_lifecycle_look_again:
 *
 * Says that the device may be another than the report says: as soon as the TPM answers, everything is looked at and
 * decided anew. A device that has an identity keeps it, whatever is found (see may_carry_out() in identity-decider.c).
 */
void identity_lifecycle_look_again (IdentityLifecycle *self);

/**
 * identity_lifecycle_begin:
 * @operation: its entry is in the journal
 * @id: its stamp
 *
 * Has the operation carried out as soon as the TPM answers, whatever that makes of the device.
 */
void identity_lifecycle_begin (IdentityLifecycle *self, IdentityOperation operation, const char *id);

/**
 * identity_lifecycle_catch_up:
 * @task: (transfer full)
 *
 * Has everything looked at again; @task returns %TRUE when what is true now shows in the report.
 */
void identity_lifecycle_catch_up (IdentityLifecycle *self, GTask *task);

/* Returns: whether files of the report are being written, or could not be written yet */
gboolean identity_lifecycle_is_writing (IdentityLifecycle *self);

/* @ret_status: (out caller-allocates): its strings are valid until the next "changed" */
void identity_lifecycle_get_operation (IdentityLifecycle *self, IdentityOperationStatus *ret_status);

/**
 * identity_lifecycle_set_keys_problem:
 * @problem: (nullable): one more sentence for the problems; %NULL takes it back
 *
 * When it is taken back, and the report has problems as well, everything is looked at again.
 */
void identity_lifecycle_set_keys_problem (IdentityLifecycle *self, const char *problem);

/* Returns: (transfer none) (nullable): the latest report; %NULL before the first decision was carried out */
IdentityReport *identity_lifecycle_peek_report (IdentityLifecycle *self);

/* Returns: (transfer none): the word of Device.State; static */
const char *identity_lifecycle_get_state (IdentityLifecycle *self);

/* Returns: (transfer none): the sentences of Device.Problems; valid until the next "changed" */
const char *const *identity_lifecycle_get_problems (IdentityLifecycle *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-report.h"
#include "tpm-queue.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * IdentityOperationStatus:
 *
 * The operation that was begun last, or that the boot carried out; NONE when there was none since the start.
 */
typedef struct
{
  IdentityOperation operation;
  char *id;          /* of this operation and no other: its entry's stamp */
  const char *state; /* static: "running", "waiting", "done", "incomplete", "failed" */
  char *detail;      /* a sentence, or "" */
  int error;         /* a TpmidError where it waits or failed */
  gint64 time;       /* of its beginning, seconds since 1970 */
} IdentityOperationStatus;

/**
 * IdentityProgress:
 *
 * How far the operation is that somebody asked for: from its entry in the journal to the decision that carries it out, to what that made being on
 * disk, to the entry's end. Main thread; the journal itself is the TPM thread's alone.
 *
 * Signal: "changed" (no arguments) after the entry's end, or an attempt at it.
 */
#define IDENTITY_TYPE_PROGRESS (identity_progress_get_type ())
G_DECLARE_FINAL_TYPE (IdentityProgress, identity_progress, IDENTITY, PROGRESS, GObject)

/**
 * identity_progress_new:
 * @config: (transfer none): must outlive the object's jobs
 * @queue: (transfer none): must live until identity_progress_stop()
 */
IdentityProgress *identity_progress_new (const BaseConfig *config, TpmQueue *queue);

/* An operation is on record now, with @id as its stamp; a decision that begins from now on carries it out. */
void identity_progress_begin (IdentityProgress *self, IdentityOperation operation, const char *id);

/* A decision begins. */
void identity_progress_note_decision (IdentityProgress *self);

/* A decision came to this. */
void identity_progress_note_report (IdentityProgress *self, IdentityReport *report);

/* A decision was not carried out, for @reason. */
void identity_progress_note_held_back (IdentityProgress *self, const char *reason);

/**
 * identity_progress_note_files:
 * @pending: IdentityPending of the latest report
 *
 * The files were written, or tried: where all is there that the operation made, its entry ends, by a job.
 */
void identity_progress_note_files (IdentityProgress *self, guint pending);

/* Returns: whether an operation is on record and no decision that carries it out has come to an end */
gboolean identity_progress_is_wanted (IdentityProgress *self);

/* Returns: whether an operation's entry has yet to end */
gboolean identity_progress_is_ending (IdentityProgress *self);

/* @ret_status: (out caller-allocates): its strings are valid until the next change */
void identity_progress_get_status (IdentityProgress *self, IdentityOperationStatus *ret_status);

/* Returns: (transfer none) (nullable): "operation: sentence": why the entry could not be ended */
const char *identity_progress_peek_problem (IdentityProgress *self);

/* Jobs that are still answered tell nothing any more. */
void identity_progress_stop (IdentityProgress *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-report.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * IdentityWriter:
 *
 * Makes the files say what the latest report says, on a thread of its own: a TPM that hangs must not keep the marker from being
 * written. Main thread.
 *
 * Signal: "settled" (no arguments) after each attempt.
 */
#define IDENTITY_TYPE_WRITER (identity_writer_get_type ())
G_DECLARE_FINAL_TYPE (IdentityWriter, identity_writer, IDENTITY, WRITER, GObject)

/**
 * identity_writer_new:
 * @config: (transfer none): must live as long as the object is busy
 */
IdentityWriter *identity_writer_new (const BaseConfig *config);

/**
 * identity_writer_put:
 * @report: from now on the files have to say this
 *
 * Begins to write, at once or after what is being written.
 */
void identity_writer_put (IdentityWriter *self, IdentityReport *report);

/**
 * identity_writer_again:
 *
 * Looks at marker and mode file again, and tries again what is pending.
 */
void identity_writer_again (IdentityWriter *self);

/* Returns: whether a thread is at the files */
gboolean identity_writer_is_busy (IdentityWriter *self);

/* Returns: whether the latest report is not written yet, or not in full */
gboolean identity_writer_is_pending (IdentityWriter *self);

/* Returns: IdentityPending of what is not known to be written */
guint identity_writer_get_pending (IdentityWriter *self);

/**
 * identity_writer_wants_restart:
 *
 * Whether ending, to be started again by systemd, may help files that the last attempt could not write: the answer of
 * identity_remount_should_restart(), which is given once a boot, and stays here for as long as that is so.
 *
 * Returns: %TRUE when the process should end with EX_TEMPFAIL; %FALSE while a thread is at the files
 */
gboolean identity_writer_wants_restart (IdentityWriter *self);

/* Returns: (transfer none) (element-type utf8): what could not be written, one sentence each; valid until "settled" */
GPtrArray *identity_writer_peek_problems (IdentityWriter *self);

G_END_DECLS

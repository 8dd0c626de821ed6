/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** ClientProgress: a line on standard error that counts seconds while something takes long; written by a thread of its own */
typedef struct ClientProgress ClientProgress;

/**
 * client_progress_start:
 * @text: what takes long, copied
 *
 * The line comes after a second, and only where standard error is a terminal.
 *
 * Returns: (transfer full): client_progress_end()
 */
ClientProgress *client_progress_start (const char *text);

/** client_progress_end: @progress: (transfer full): its line, if there is one, is blank when this returns */
void client_progress_end (ClientProgress *progress);

G_END_DECLS

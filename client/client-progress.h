/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** ClientProgress: says on standard error for how many seconds something has taken; from a thread of its own */
typedef struct ClientProgress ClientProgress;

typedef enum ClientProgressKind
{
  CLIENT_PROGRESS_TERMINAL, /* a line that counts, where standard error is a terminal; otherwise nothing */
  CLIENT_PROGRESS_ALWAYS    /* where it is none a line every 5 seconds */
} ClientProgressKind;

/**
 * client_progress_start:
 * @text: what takes long, copied
 *
 * The line on a terminal comes after a second.
 *
 * Returns: (transfer full): client_progress_end()
 */
ClientProgress *client_progress_start (const char *text, ClientProgressKind kind);

/** client_progress_end: @progress: (transfer full): its line on a terminal is blank when this returns */
void client_progress_end (ClientProgress *progress);

G_END_DECLS

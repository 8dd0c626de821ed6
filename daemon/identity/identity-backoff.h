/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Failures of one user that cost nothing yet. */
#define IDENTITY_BACKOFF_FREE 10

/**
 * IdentityBackoff:
 *
 * Rations requests whose failing tells something about a secret, by uid. After IDENTITY_BACKOFF_FREE failures one request at a time is let
 * through, with a pause of 1 s before it that doubles with each further failure up to 5 minutes. Successes change nothing, as whoever asks can
 * make them. What runs already when the last free one fails is answered still. An hour without a failure is forgiven. A table without a clock; ref-counted, any thread.
 */
typedef struct IdentityBackoff IdentityBackoff;

IdentityBackoff *identity_backoff_new (void);
IdentityBackoff *identity_backoff_ref (IdentityBackoff *self);
void identity_backoff_unref (IdentityBackoff *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityBackoff, identity_backoff_unref)

/**
 * identity_backoff_begin:
 * @now_us: monotonic time
 * @error: TPMID_ERROR_RATE_LIMITED, saying how long to wait
 *
 * Returns: whether the request may run; identity_backoff_end() must follow then
 */
gboolean identity_backoff_begin (IdentityBackoff *self, guint uid, gint64 now_us, GError **error);

void identity_backoff_end (IdentityBackoff *self, guint uid, gboolean failed, gint64 now_us);

G_END_DECLS

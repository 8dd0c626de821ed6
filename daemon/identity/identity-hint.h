/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * identity_hint_compose:
 * @reason: the word of Device.Reason
 * @trouble: (nullable): why the TPM, or the software key, cannot be used
 *
 * Pure.
 *
 * Returns: (transfer full): what a person should know and do, or ""
 */
char *identity_hint_compose (const char *reason, const char *trouble);

/* Returns: whether the cause of @reason may go away by itself, so that the decision is worth making again. Pure. */
gboolean identity_hint_may_go_away (const char *reason);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-report.h"

G_BEGIN_DECLS

/**
 * identity_settle:
 * @pending: IdentityPending to do; marker and mode file are looked at in any case
 * @ret_problems: (out) (transfer full) (element-type utf8): "marker: /path: Read-only file system", one for each that failed
 *
 * Any thread, one at a time. Makes the files say what @report says; each step is atomic and may be repeated. The software key
 * is archived only after the certificate and the record are written.
 *
 * Returns: what is still pending
 */
guint identity_settle (const IdentityReport *report, const BaseConfig *config, guint pending, GPtrArray **ret_problems);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * IdentityWatch:
 *
 * Notices what others do to tpmidd's files: that the marker or the mode file is changed or removed, and that a file system
 * is mounted or unmounted where one of tpmidd's folders is. Main thread.
 *
 * Signals: "touched" (no arguments), at most once a second, after somebody (perhaps tpmidd itself) changed the marker or
 * the mode file; "moved" (no arguments) after one of the folders became another.
 */
#define IDENTITY_TYPE_WATCH (identity_watch_get_type ())
G_DECLARE_FINAL_TYPE (IdentityWatch, identity_watch, IDENTITY, WATCH, GObject)

/**
 * identity_watch_new:
 * @config: (transfer none): must outlive the object
 */
IdentityWatch *identity_watch_new (const BaseConfig *config);

G_END_DECLS

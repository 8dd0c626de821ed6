/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "base-secret.h"

G_BEGIN_DECLS

/* What may be done once in a boot of the machine, however often tpmidd starts: RUNTIME/attempts, 0600. A line has the boot id, and a hash of boot
 * id, name and password: a password cannot be taken from it, and lines of other boots count for nothing. Any thread. */

/**
 * identity_attempts_has:
 * @name: of what was tried, "owner"
 * @password: (nullable): with which password
 *
 * Returns: whether that was added in this boot
 */
gboolean identity_attempts_has (const BaseConfig *config, const char *name, const BaseSecret *password);

/**
 * identity_attempts_add:
 *
 * Remembers that; where it cannot be written, a warning says so.
 */
void identity_attempts_add (const BaseConfig *config, const char *name, const BaseSecret *password);

G_END_DECLS

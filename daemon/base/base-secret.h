/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BaseSecret:
 *
 * Bytes that are wiped (explicit_bzero over the whole allocation) when the last reference goes. Thread-safe counting;
 * the bytes themselves do not change after construction. Never logged, never put into a GVariant that is kept.
 */
typedef struct BaseSecret BaseSecret;

/**
 * base_secret_new:
 * @data: (array length=size): bytes to copy; the caller wipes its own copy
 * @size: 0 or more
 *
 * Returns: (transfer full): a secret
 */
BaseSecret *base_secret_new (gconstpointer data, gsize size);

BaseSecret *base_secret_ref (BaseSecret *self);
void base_secret_unref (BaseSecret *self);

/**
 * base_secret_peek:
 * @ret_size: (out): number of bytes
 *
 * Returns: (transfer none): the bytes; NUL-terminated beyond @ret_size, valid as long as @self
 */
const guint8 *base_secret_peek (const BaseSecret *self, gsize *ret_size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseSecret, base_secret_unref)

G_END_DECLS

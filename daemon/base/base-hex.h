/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * base_hex_encode:
 *
 * Returns: (transfer full): @size bytes as lower-case hex digits
 */
char *base_hex_encode (gconstpointer data, gsize size);

/**
 * base_hex_encode_bytes:
 *
 * Returns: (transfer full): likewise
 */
char *base_hex_encode_bytes (GBytes *bytes);

/**
 * base_hex_decode:
 * @hex: (nullable): exactly two hex digits for each byte
 * @data: (out caller-allocates) (array length=size): the bytes; undefined on failure
 *
 * Returns: whether @hex is that
 */
gboolean base_hex_decode (const char *hex, guint8 *data, gsize size);

/**
 * base_hex_decode_bytes:
 *
 * Returns: (transfer full) (nullable): the bytes; %NULL where @hex is anything but pairs of hex digits
 */
GBytes *base_hex_decode_bytes (const char *hex);

G_END_DECLS

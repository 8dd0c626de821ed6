/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Bytes as text. Pure. */

/** client_text_hex: (transfer full): lower-case hex digits */
char *client_text_hex (const guint8 *data, gsize size);

/**
 * client_text_pem:
 * @label: for example "PUBLIC KEY"
 * @data: DER
 *
 * Returns: (transfer full): PEM (RFC 7468), with a newline at its end
 */
char *client_text_pem (const char *label, const guint8 *data, gsize size);

/**
 * client_text_is_text:
 *
 * Returns: whether @data is UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F) other than newline, tab and
 *   carriage return: what a terminal shows, and does not obey
 */
gboolean client_text_is_text (const guint8 *data, gsize size);

G_END_DECLS

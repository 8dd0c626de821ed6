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

G_END_DECLS

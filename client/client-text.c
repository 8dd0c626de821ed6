/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-text.h"

#include <string.h>

#define PEM_LINE 64 /* RFC 7468, 2 */

char *
client_text_hex (const guint8 *data, gsize size)
{
  GString *hex = g_string_sized_new (2 * size + 1);

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (hex, "%02x", data[i]);
  return g_string_free (hex, FALSE);
}

char *
client_text_pem (const char *label, const guint8 *data, gsize size)
{
  g_autofree char *base64 = g_base64_encode (data, size);
  gsize length = strlen (base64);
  GString *pem = g_string_new (NULL);

  g_string_append_printf (pem, "-----BEGIN %s-----\n", label);
  for (gsize i = 0; i < length; i += PEM_LINE)
    g_string_append_printf (pem, "%.*s\n", PEM_LINE, base64 + i);
  g_string_append_printf (pem, "-----END %s-----\n", label);
  return g_string_free (pem, FALSE);
}

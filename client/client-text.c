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

static gboolean
is_control (gunichar c)
{
  return c < 0x20 ? c != '\n' && c != '\t' && c != '\r' : c >= 0x7f && c < 0xa0;
}

gboolean
client_text_is_text (const guint8 *data, gsize size)
{
  const char *at = (const char *) data, *end = at + size;

  if (size == 0)
    return TRUE;
  if (!g_utf8_validate_len (at, size, NULL))
    return FALSE;
  for (; at < end; at = g_utf8_next_char (at))
    if (is_control (g_utf8_get_char (at)))
      return FALSE;
  return TRUE;
}

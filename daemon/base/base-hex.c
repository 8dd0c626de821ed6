/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-hex.h"

#include <string.h>

char *
base_hex_encode (gconstpointer data, gsize size)
{
  static const char digits[] = "0123456789abcdef";
  const guint8 *bytes = data;
  char *hex = g_malloc (2 * size + 1);

  for (gsize i = 0; i < size; i++)
    {
      hex[2 * i] = digits[bytes[i] >> 4];
      hex[2 * i + 1] = digits[bytes[i] & 0xf];
    }
  hex[2 * size] = '\0';
  return hex;
}

char *
base_hex_encode_bytes (GBytes *bytes)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  return base_hex_encode (data, size);
}

gboolean
base_hex_decode (const char *hex, guint8 *data, gsize size)
{
  if (hex == NULL || strlen (hex) != 2 * size)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    {
      int high = g_ascii_xdigit_value (hex[2 * i]), low = g_ascii_xdigit_value (hex[2 * i + 1]);
      if (high < 0 || low < 0)
        return FALSE;
      data[i] = (guint8) (16 * high + low);
    }
  return TRUE;
}

GBytes *
base_hex_decode_bytes (const char *hex)
{
  gsize size = strlen (hex) / 2;
  g_autofree guint8 *data = g_malloc (size + 1);

  return base_hex_decode (hex, data, size) ? g_bytes_new (data, size) : NULL;
}

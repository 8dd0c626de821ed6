/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-variant.h"

#include "base-error.h"

#include <string.h>

/* Longest part of a caller's own word that is repeated to it in a message. */
#define WORD_MAX 64

static const BusOption *
find_option (const BusOption *known, const char *name)
{
  for (const BusOption *option = known; option->name != NULL; option++)
    if (strcmp (option->name, name) == 0)
      return option;
  return NULL;
}

static char *
join_names (const BusOption *known)
{
  g_autoptr (GString) text = g_string_new (known->name != NULL ? "the options here are: " : "there are no options here");

  for (const BusOption *option = known; option->name != NULL; option++)
    g_string_append_printf (text, "%s%s", option == known ? "" : ", ", option->name);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static gboolean
check_option (const BusOption *known, const char *name, GVariant *value, GError **error)
{
  const BusOption *option = find_option (known, name);
  g_autofree char *word = bus_variant_printable (name, WORD_MAX);

  if (option == NULL)
    {
      g_autofree char *names = join_names (known);
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "unknown option \"%s\"; %s", word, names);
      return FALSE;
    }
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (option->type)))
    {
      g_autofree char *type = bus_variant_printable (g_variant_get_type_string (value), WORD_MAX);
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "option \"%s\" must be of type %s, not %s", word,
                   option->type, type);
      return FALSE;
    }
  return TRUE;
}

gboolean
bus_variant_check_options (GVariant *options, const BusOption *known, GError **error)
{
  /* The known names bound this set, whatever the caller sends: an unknown one ends the loop. */
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autoptr (GVariant) owned = value;
      if (!check_option (known, name, owned, error))
        return FALSE;
      if (!g_hash_table_add (seen, (gpointer) find_option (known, name)->name))
        {
          g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "option \"%s\" is given twice", name);
          return FALSE;
        }
    }
  return TRUE;
}

GBytes *
bus_variant_lookup_bytes (GVariant *options, const char *name)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (options, name, G_VARIANT_TYPE_BYTESTRING);

  return value != NULL ? g_variant_get_data_as_bytes (value) : NULL;
}

GBytes *
bus_variant_child_bytes (GVariant *tuple, gsize index)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (tuple, index);

  g_assert (g_variant_is_of_type (child, G_VARIANT_TYPE_BYTESTRING));
  return g_variant_get_data_as_bytes (child);
}

GVariant *
bus_variant_from_bytes (GBytes *bytes)
{
  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

char *
bus_variant_hex (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autoptr (GString) text = g_string_sized_new (2 * size);

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (text, "%02x", data[i]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

char *
bus_variant_key_path (const char *name)
{
  g_autoptr (GString) path = g_string_new (BUS_PATH_KEYS "/");

  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_isalnum (*p))
      g_string_append_c (path, *p);
    else
      g_string_append_printf (path, "_%02x", (guint8) *p);
  return g_string_free (g_steal_pointer (&path), FALSE);
}

/* Where to cut valid UTF-8 so that at most @limit bytes stay. */
static gsize
cut_at (const char *text, gsize limit)
{
  while (limit > 0 && ((guint8) text[limit] & 0xc0) == 0x80)
    limit--;
  return limit;
}

char *
bus_variant_printable (const char *text, gsize limit)
{
  gsize size = strnlen (text, limit + 1);
  /* One more character than fits tells a cut text from one that just fits. */
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) size);
  g_autoptr (GString) line = g_string_new (NULL);

  g_assert (limit >= 4);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)) || g_utf8_get_char (p) == 0x2028 || g_utf8_get_char (p) == 0x2029)
      g_string_append_c (line, '?');
    else
      g_string_append_len (line, p, g_utf8_next_char (p) - p);
  if (line->len > limit)
    {
      g_string_truncate (line, cut_at (line->str, limit - 3));
      g_string_append (line, "...");
    }
  return g_string_free (g_steal_pointer (&line), FALSE);
}

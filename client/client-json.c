/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-json.h"

#include "client-text.h"

#include <string.h>

void
client_json_add_string (JsonBuilder *builder, const char *member, const char *string)
{
  g_autofree char *valid = g_utf8_make_valid (string, -1);

  json_builder_set_member_name (builder, member);
  json_builder_add_string_value (builder, valid);
}

void
client_json_add_bytes (JsonBuilder *builder, const char *member, const guint8 *data, gsize size)
{
  g_autofree char *hex = client_text_hex (data, size);

  json_builder_set_member_name (builder, member);
  json_builder_add_string_value (builder, hex);
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* In the order of the alphabet, not of the bus message, which is nobody's promise. */
static void
add_object (JsonBuilder *builder, const tpmid_value *dict)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  const char *key = NULL;

  for (gsize i = 0; tpmid_value_at (dict, i, &key) != NULL; i++)
    g_ptr_array_add (keys, (gpointer) key);
  g_ptr_array_sort (keys, compare_keys);

  json_builder_begin_object (builder);
  for (guint i = 0; i < keys->len; i++)
    {
      json_builder_set_member_name (builder, keys->pdata[i]);
      client_json_add_value (builder, tpmid_value_find (dict, keys->pdata[i]));
    }
  json_builder_end_object (builder);
}

static void
add_array (JsonBuilder *builder, const tpmid_value *list)
{
  json_builder_begin_array (builder);
  for (gsize i = 0; i < tpmid_value_count (list); i++)
    client_json_add_value (builder, tpmid_value_at (list, i, NULL));
  json_builder_end_array (builder);
}

static void
add_hex (JsonBuilder *builder, const tpmid_value *bytes)
{
  gsize size;
  const guint8 *data = tpmid_value_bytes (bytes, &size);
  g_autofree char *hex = client_text_hex (data, size);

  json_builder_add_string_value (builder, hex);
}

/* JSON's integers are json-glib's, which are signed: what is larger stands as its digits. */
static void
add_unsigned (JsonBuilder *builder, guint64 number)
{
  if (number <= G_MAXINT64)
    {
      json_builder_add_int_value (builder, (gint64) number);
      return;
    }

  g_autofree char *digits = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
  json_builder_add_string_value (builder, digits);
}

void
client_json_add_value (JsonBuilder *builder, const tpmid_value *value)
{
  switch (tpmid_value_kind (value))
    {
    case TPMID_KIND_BOOLEAN:
      json_builder_add_boolean_value (builder, tpmid_value_boolean (value));
      return;
    case TPMID_KIND_UNSIGNED:
      add_unsigned (builder, tpmid_value_unsigned (value));
      return;
    case TPMID_KIND_SIGNED:
      json_builder_add_int_value (builder, tpmid_value_signed (value));
      return;
    case TPMID_KIND_REAL:
      json_builder_add_double_value (builder, tpmid_value_real (value));
      return;
    case TPMID_KIND_STRING:
      json_builder_add_string_value (builder, tpmid_value_string (value));
      return;
    case TPMID_KIND_BYTES:
      add_hex (builder, value);
      return;
    case TPMID_KIND_LIST:
      add_array (builder, value);
      return;
    case TPMID_KIND_DICT:
      add_object (builder, value);
      return;
    case TPMID_KIND_NONE:
      break;
    }
  json_builder_add_null_value (builder);
}

char *
client_json_property_name (const char *property)
{
  GString *name = g_string_new (NULL);

  for (const char *c = property; *c != '\0'; c++)
    {
      if (g_ascii_isupper (*c) && c != property)
        g_string_append_c (name, '-');
      g_string_append_c (name, g_ascii_tolower (*c));
    }
  return g_string_free (name, FALSE);
}

static void
add_property (JsonBuilder *builder, const char *property, const tpmid_value *value)
{
  g_autofree char *name = client_json_property_name (property);

  if (!g_str_equal (property, "PublicKey"))
    {
      json_builder_set_member_name (builder, name);
      client_json_add_value (builder, value);
      return;
    }

  gsize size;
  const guint8 *data = tpmid_value_bytes (value, &size);
  g_autofree char *pem = client_text_pem ("PUBLIC KEY", data, size);
  client_json_add_string (builder, name, pem);
}

void
client_json_add_properties (JsonBuilder *builder, const tpmid_value *properties)
{
  const tpmid_value *value;
  const char *property = NULL;

  json_builder_begin_object (builder);
  for (gsize i = 0; (value = tpmid_value_at (properties, i, &property)) != NULL; i++)
    add_property (builder, property, value);
  json_builder_end_object (builder);
}

/* json-glib puts blanks into an object of nothing. What looks like one inside of a string is stepped over, string by string. */
static char *
close_up (const char *text)
{
  g_autoptr (GRegex) empty = g_regex_new ("\"(?:[^\"\\\\]++|\\\\.)*+\"(*SKIP)(*FAIL)|([\\[{])\\s+([\\]}])", 0, 0, NULL);

  return g_regex_replace (empty, text, -1, 0, "\\1\\2", 0, NULL);
}

void
client_json_print (JsonBuilder *builder, FILE *file, gboolean one_line)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = json_builder_get_root (builder);

  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, !one_line);

  g_autofree char *text = json_generator_to_data (generator, NULL);
  g_autofree char *closed = close_up (text);
  fprintf (file, "%s\n", closed != NULL ? closed : text);
}

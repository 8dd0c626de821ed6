/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-error.h"
#include "bus-variant.h"

#include <string.h>

static const BusOption known[] = { { "hash", "s" }, { "reference", "ay" }, { NULL, NULL } };

static void
assert_refused (const char *text, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_false (bus_variant_check_options (options, known, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT);
  if (strstr (error->message, expected) == NULL)
    g_error ("\"%s\" does not speak of \"%s\"", error->message, expected);
}

static void
options_of_the_right_names_and_types_pass (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, "{'hash': <'sha384'>, 'reference': <b'abc'>}", NULL,
                                                  NULL, NULL);
  g_assert_true (bus_variant_check_options (options, known, &error));
  g_autoptr (GBytes) bytes = bus_variant_lookup_bytes (options, "reference");
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "abc", 4);
  g_assert_null (bus_variant_lookup_bytes (options, "nonce"));
}

static void
options_that_are_unknown_are_named (void)
{
  assert_refused ("{'hsah': <'sha256'>}", "\"hsah\"");
  assert_refused ("{'': <1>}", "unknown option");
}

static void
options_of_a_wrong_type_are_named (void)
{
  assert_refused ("{'hash': <256>}", "\"hash\" must be of type s, not i");
  assert_refused ("{'reference': <'00ff'>}", "\"reference\" must be of type ay, not s");
  assert_refused ("{'hash': <<'sha256'>>}", "must be of type s, not v");
}

static void
options_given_twice_are_refused (void)
{
  assert_refused ("{'hash': <'sha256'>, 'hash': <'sha512'>}", "twice");
}

static void
options_with_endless_names_are_cut_in_the_message (void)
{
  g_autofree char *name = g_strnfill (10000, 'x');
  g_autofree char *text = g_strdup_printf ("{'%s': <1>}", name);
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (bus_variant_check_options (options, known, &error));
  g_assert_cmpuint (strlen (error->message), <, 200);
}

static void
printable_text_is_one_line_of_valid_utf8 (void)
{
  const struct
  {
    const char *text;
    gsize limit;
    const char *expected;
  } cases[] = {
    { "plain", 16, "plain" },
    { "", 16, "" },
    { "two\nlines\x1b[31m", 32, "two?lines?[31m" },
    { "exactly ten", 11, "exactly ten" },
    { "exactly ten", 10, "exactly..." },
    { "grün", 5, "grün" },
    { "grüngrün", 6, "gr..." }, /* never half a character */
    { "line\u2028separator", 32, "line?separator" },
    { "bad\xff", 16, "bad\uFFFD" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = bus_variant_printable (cases[i].text, cases[i].limit);
      g_assert_cmpstr (text, ==, cases[i].expected);
      g_assert_true (g_utf8_validate (text, -1, NULL));
      g_assert_cmpuint (strlen (text), <=, cases[i].limit);
    }
}

static void
key_paths_escape_what_a_path_cannot_hold (void)
{
  g_autofree char *plain = bus_variant_key_path ("device");
  g_autofree char *escaped = bus_variant_key_path ("my-app_1.x");

  g_assert_cmpstr (plain, ==, "/org/tpmid1/keys/device");
  g_assert_cmpstr (escaped, ==, "/org/tpmid1/keys/my_2dapp_5f1_2ex");
  g_assert_true (g_variant_is_object_path (escaped));
}

static void
bytes_become_lower_case_hex (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("\x00\xAB\xff", 3);
  g_autofree char *hex = bus_variant_hex (bytes);

  g_assert_cmpstr (hex, ==, "00abff");
}

static void
bytes_of_any_length_are_unpacked (void)
{
  for (gsize size = 0; size <= 1 << 20; size = size * 2 + 1)
    {
      g_autofree guint8 *data = g_malloc0 (size + 1);
      g_autoptr (GVariant) tuple = g_variant_ref_sink (
          g_variant_new ("(s@ay)", "x", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1)));
      g_autoptr (GBytes) bytes = bus_variant_child_bytes (tuple, 1);
      g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/variant/options-of-the-right-names-and-types-pass", options_of_the_right_names_and_types_pass);
  g_test_add_func ("/bus/variant/options-that-are-unknown-are-named", options_that_are_unknown_are_named);
  g_test_add_func ("/bus/variant/options-of-a-wrong-type-are-named", options_of_a_wrong_type_are_named);
  g_test_add_func ("/bus/variant/options-given-twice-are-refused", options_given_twice_are_refused);
  g_test_add_func ("/bus/variant/options-with-endless-names-are-cut-in-the-message",
                   options_with_endless_names_are_cut_in_the_message);
  g_test_add_func ("/bus/variant/printable-text-is-one-line-of-valid-utf8", printable_text_is_one_line_of_valid_utf8);
  g_test_add_func ("/bus/variant/key-paths-escape-what-a-path-cannot-hold", key_paths_escape_what_a_path_cannot_hold);
  g_test_add_func ("/bus/variant/bytes-become-lower-case-hex", bytes_become_lower_case_hex);
  g_test_add_func ("/bus/variant/bytes-of-any-length-are-unpacked", bytes_of_any_length_are_unpacked);
  return g_test_run ();
}

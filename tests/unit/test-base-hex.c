/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-hex.h"

#include <string.h>

static void
test_what_is_encoded_comes_back (void)
{
  guint8 all[256], back[sizeof all];

  for (guint i = 0; i < sizeof all; i++)
    all[i] = (guint8) i;
  for (gsize size = 0; size <= sizeof all; size++)
    {
      g_autofree char *hex = base_hex_encode (all, size);
      g_assert_cmpuint (strlen (hex), ==, 2 * size);
      g_assert_true (base_hex_decode (hex, back, size));
      g_assert_cmpmem (back, size, all, size);
    }
}

static void
test_digits_may_be_of_either_case (void)
{
  static const guint8 expected[] = { 0x09, 0xaf, 0xaf, 0xf0 };
  guint8 found[sizeof expected];

  g_assert_true (base_hex_decode ("09afAFf0", found, sizeof found));
  g_assert_cmpmem (found, sizeof found, expected, sizeof expected);
}

static void
test_anything_else_is_refused (void)
{
  static const char *const bad[] = {
    NULL, "", "0", "00", "0001020", "000102030", "0001020304", "0x000102", "000102 3", "00010g03", "0001-203", " 0001020", "000102\xc3\xa4",
  };
  guint8 found[4];

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (base_hex_decode (bad[i], found, sizeof found));
  g_assert_false (base_hex_decode (NULL, found, 0));
  g_assert_true (base_hex_decode ("", found, 0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/hex/what-is-encoded-comes-back", test_what_is_encoded_comes_back);
  g_test_add_func ("/base/hex/digits-may-be-of-either-case", test_digits_may_be_of_either_case);
  g_test_add_func ("/base/hex/anything-else-is-refused", test_anything_else_is_refused);
  return g_test_run ();
}

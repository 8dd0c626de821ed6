/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-base-folder.h"

#include "base/base-error.h"
#include "identity/identity-serial.h"

#include <string.h>

static char *
clean (const char *text)
{
  return identity_serial_clean ((const guint8 *) text, strlen (text));
}

static void
test_trailing_padding_is_stripped (void)
{
  static const guint8 raw[] = { 'A', '-', '1', 0, 0xff, '\n', 0xff, 0 };
  g_autofree char *serial = identity_serial_clean (raw, sizeof raw);

  g_assert_cmpstr (serial, ==, "A-1");
}

static void
test_blanks_around_are_stripped_and_inside_are_kept (void)
{
  g_autofree char *serial = clean (" \tSN 42 \r\n");

  g_assert_cmpstr (serial, ==, "SN 42");
}

static void
test_nothing_but_padding_is_no_serial (void)
{
  static const guint8 erased[20] = { 0xff, 0xff, 0xff, 0xff };

  g_assert_null (identity_serial_clean (erased, sizeof erased));
  g_assert_null (identity_serial_clean (erased, 0));
}

static void
test_unprintable_bytes_are_no_serial (void)
{
  g_assert_null (clean ("A\001B"));
  g_assert_null (clean ("S\303\244ge"));
  static const guint8 hole[] = { 'A', 0, 'B' };
  g_assert_null (identity_serial_clean (hole, sizeof hole));
}

static void
test_sixty_four_bytes_are_the_most (void)
{
  g_autofree char *most = g_strnfill (64, 'x');
  g_autofree char *more = g_strnfill (65, 'x');
  g_autofree char *serial = clean (most);

  g_assert_cmpstr (serial, ==, most);
  g_assert_null (clean (more));
}

static void
test_placeholders_of_firmware_are_no_serial (void)
{
  g_assert_null (clean ("To Be Filled By O.E.M."));
  g_assert_null (clean ("Default string\n"));
  g_assert_null (clean ("Not Specified"));
  g_assert_null (clean ("0"));
}

static void
assert_refused (const char *serial, gsize limit)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_serial_check (serial, limit, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT);
}

static void
test_what_may_be_set_is_stricter_than_what_may_be_found (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *most = g_strnfill (64, 'x');

  g_assert_true (identity_serial_check ("A-1", 64, &error));
  g_assert_true (identity_serial_check (most, 64, &error));
  g_assert_no_error (error);
  assert_refused ("", 64);
  assert_refused (most, 63);
  assert_refused ("A 1", 64);
  assert_refused ("A\n", 64);
  assert_refused ("\303\244", 64);
  assert_refused ("none", 64);
}

/* The sources that need no TPM. */
static void
test_sources_are_asked_in_the_configured_order (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *dmi = g_build_filename (folder, "class", "dmi", "id", NULL);
  g_autofree char *product_serial = g_build_filename (dmi, "product_serial", NULL);
  g_autofree char *file = g_build_filename (folder, "serial", NULL);
  const char *const sources[] = { "tpm-nv", "dmi", "file", NULL };
  BaseConfig config = { .serial_sources = (GStrv) sources, .serial_file = file, .sysfs_root = folder, .proc_root = folder };
  g_autofree char *from_file = NULL, *from_dmi = NULL, *problem = NULL;
  const char *source = NULL;

  g_assert_true (g_file_set_contents (file, "FILE-1\nsecond line\n", -1, NULL));
  identity_serial_read (NULL, &config, &from_file, &source, &problem);
  g_assert_cmpstr (from_file, ==, "FILE-1");
  g_assert_cmpstr (source, ==, "file");

  g_assert_cmpint (g_mkdir_with_parents (dmi, 0700), ==, 0);
  g_assert_true (g_file_set_contents (product_serial, "DMI-1\n", -1, NULL));
  identity_serial_read (NULL, &config, &from_dmi, &source, &problem);
  g_assert_cmpstr (from_dmi, ==, "DMI-1");
  g_assert_cmpstr (source, ==, "dmi");
  g_assert_null (problem);
}

static void
test_no_source_is_none (void)
{
  const char *const sources[] = { "tpm-nv", NULL };
  BaseConfig config = { .serial_sources = (GStrv) sources };
  g_autofree char *serial = NULL, *problem = NULL;
  const char *source = NULL;

  identity_serial_read (NULL, &config, &serial, &source, &problem);
  g_assert_cmpstr (serial, ==, "");
  g_assert_cmpstr (source, ==, "none");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/serial/trailing-padding-is-stripped", test_trailing_padding_is_stripped);
  g_test_add_func ("/identity/serial/blanks-around-are-stripped-and-inside-are-kept", test_blanks_around_are_stripped_and_inside_are_kept);
  g_test_add_func ("/identity/serial/nothing-but-padding-is-no-serial", test_nothing_but_padding_is_no_serial);
  g_test_add_func ("/identity/serial/unprintable-bytes-are-no-serial", test_unprintable_bytes_are_no_serial);
  g_test_add_func ("/identity/serial/sixty-four-bytes-are-the-most", test_sixty_four_bytes_are_the_most);
  g_test_add_func ("/identity/serial/placeholders-of-firmware-are-no-serial", test_placeholders_of_firmware_are_no_serial);
  g_test_add_func ("/identity/serial/what-may-be-set-is-stricter-than-what-may-be-found",
                   test_what_may_be_set_is_stricter_than_what_may_be_found);
  g_test_add_func ("/identity/serial/sources-are-asked-in-the-configured-order", test_sources_are_asked_in_the_configured_order);
  g_test_add_func ("/identity/serial/no-source-is-none", test_no_source_is_none);
  return g_test_run ();
}

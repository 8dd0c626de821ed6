/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-base-folder.h"

#include "base/base-error.h"
#include "base/base-folder.h"

#include <glib/gstdio.h>

static char *
path_in (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
test_empties_all_but_what_is_kept (void)
{
  static const char *const keep[] = { "kept", NULL };
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *kept = path_in (folder, "kept");
  g_autofree char *deep = path_in (folder, "a/b/c");
  g_autofree char *inner = path_in (folder, "a/b/c/kept");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (deep, 0700), ==, 0);
  test_folder_write (inner, "goes: only the names at the top are kept");
  test_folder_write (kept, "stays");
  g_assert_true (base_folder_empty (folder, keep, &error));
  g_assert_no_error (error);
  test_folder_assert_n_entries (folder, 1);
  test_folder_assert_content (kept, "stays");
}

static void
test_does_not_follow_links_out_of_the_folder (void)
{
  static const char *const keep[] = { NULL };
  g_auto (TestFolder) outside = test_folder_new ();
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *precious = path_in (outside, "precious");
  g_autofree char *link = path_in (folder, "link");
  g_autoptr (GError) error = NULL;

  test_folder_write (precious, "stays");
  g_assert_cmpint (symlink (outside, link), ==, 0);
  g_assert_true (base_folder_empty (folder, keep, &error));
  g_assert_no_error (error);
  test_folder_assert_n_entries (folder, 0);
  test_folder_assert_content (precious, "stays");
}

static void
test_folder_that_is_a_link_is_not_emptied (void)
{
  static const char *const keep[] = { NULL };
  g_auto (TestFolder) outside = test_folder_new ();
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *precious = path_in (outside, "precious");
  g_autofree char *link = path_in (folder, "link");
  g_autoptr (GError) error = NULL;

  test_folder_write (precious, "stays");
  g_assert_cmpint (symlink (outside, link), ==, 0);
  g_assert_false (base_folder_empty (link, keep, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE);
  test_folder_assert_content (precious, "stays");
}

static void
test_no_folder_is_empty (void)
{
  static const char *const keep[] = { NULL };
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *missing = path_in (folder, "missing");
  g_autoptr (GError) error = NULL;

  g_assert_true (base_folder_empty (missing, keep, &error));
  g_assert_no_error (error);
}

static void
test_moves_a_folder_and_replaces_nothing (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *from = path_in (folder, "from");
  g_autofree char *inner = path_in (folder, "from/file");
  g_autofree char *to = path_in (folder, "to");
  g_autofree char *moved = path_in (folder, "to/file");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (from, 0700), ==, 0);
  test_folder_write (inner, "x");
  g_assert_true (base_folder_move (from, to, &error));
  g_assert_no_error (error);
  test_folder_assert_content (moved, "x");
  g_assert_true (base_folder_move (from, to, &error)); /* nothing is there any more */
  g_assert_no_error (error);

  g_assert_cmpint (g_mkdir (from, 0700), ==, 0);
  g_assert_false (base_folder_move (from, to, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS);
  test_folder_assert_content (moved, "x");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/folder/empties-all-but-what-is-kept", test_empties_all_but_what_is_kept);
  g_test_add_func ("/base/folder/does-not-follow-links-out-of-the-folder", test_does_not_follow_links_out_of_the_folder);
  g_test_add_func ("/base/folder/folder-that-is-a-link-is-not-emptied", test_folder_that_is_a_link_is_not_emptied);
  g_test_add_func ("/base/folder/no-folder-is-empty", test_no_folder_is_empty);
  g_test_add_func ("/base/folder/moves-a-folder-and-replaces-nothing", test_moves_a_folder_and_replaces_nothing);
  return g_test_run ();
}

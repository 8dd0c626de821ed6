/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <ftw.h>
#include <glib.h>
#include <stdio.h>
#include <unistd.h>

/**
 * TestFolder:
 *
 * The path of an empty folder of one test case's own; it is removed with all that is in it at the end of the scope.
 * (After a failed assertion it stays, to be looked at.)
 */
typedef char *TestFolder;

static inline TestFolder
test_folder_new (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("tpmid-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

static inline int
test_folder_remove_entry (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  return remove (path);
}

static inline void
test_folder_clear (TestFolder *folder)
{
  if (*folder != NULL)
    g_assert_cmpint (nftw (*folder, test_folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
  g_clear_pointer (folder, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestFolder, test_folder_clear)

static inline void
test_folder_write (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static inline void
test_folder_assert_content (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *found = NULL;

  g_file_get_contents (path, &found, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (found, ==, text);
}

static inline void
test_folder_assert_n_entries (const char *path, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (path, 0, &error);
  guint found = 0;

  g_assert_no_error (error);
  while (g_dir_read_name (dir) != NULL)
    found++;
  g_assert_cmpuint (found, ==, n);
}

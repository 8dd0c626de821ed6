/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* base-file's folders and locks. Failures are provoked by things that stop root too. */

#include "base/base-error.h"
#include "base/base-file.h"
#include "test-base-file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LIMIT_SEC 20

/* --- private folder --------------------------------------------------------------------------------------------- */

static void
ensure_private (const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (base_file_ensure_private_folder (path, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (mode_of (path), ==, 0700);
}

static void
assert_not_private (const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (base_file_ensure_private_folder (path, &error));
  assert_storage_error_naming (error, path);
}

static void
test_private_folder_is_created_closed (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "state");
  mode_t before = umask (0);

  ensure_private (path);
  umask (before);
  ensure_private (path);
}

static void
test_private_folder_is_tightened_and_keeps_its_content (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "state");
  g_autofree char *file = in_folder (folder, "state/file");
  const mode_t modes[] = { 0755, 0777, 0710, 0500, 0 };

  g_assert_no_errno (mkdir (path, 0700));
  test_folder_write (file, "content");
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      /* Without its read bit, only root may open a folder to mend it. */
      if ((modes[i] & 0400) == 0 && geteuid () != 0)
        continue;
      g_assert_no_errno (chmod (path, modes[i]));
      ensure_private (path);
    }
  test_folder_assert_content (file, "content");
}

static void
test_private_folder_of_another_owner_is_refused (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "state");

  /* Root can give a folder away; anybody else finds that / is not his. */
  if (geteuid () != 0)
    {
      assert_not_private ("/");
      return;
    }
  g_assert_no_errno (mkdir (path, 0755));
  g_assert_no_errno (chown (path, 12345, 12345));
  assert_not_private (path);
  g_assert_cmpuint (mode_of (path), ==, 0755);
}

static void
test_private_folder_is_neither_link_nor_file (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *real = in_folder (folder, "real");
  g_autofree char *link_path = in_folder (folder, "link");
  g_autofree char *file = in_folder (folder, "file");

  g_assert_no_errno (mkdir (real, 0700));
  g_assert_no_errno (chmod (real, 0755));
  g_assert_no_errno (symlink (real, link_path));
  test_folder_write (file, "content");
  assert_not_private (link_path);
  g_assert_cmpuint (mode_of (real), ==, 0755);
  assert_not_private (file);
  test_folder_assert_content (file, "content");
}

static void
test_private_folder_is_made_one_level_deep (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "missing/state");

  assert_not_private (path);
  test_folder_assert_n_entries (folder, 0);
}

/* --- lock ------------------------------------------------------------------------------------------------------- */

#define EXIT_LOCKED 0
#define EXIT_BUSY 10
#define EXIT_OTHER 11

/* What another process gets. */
static int
try_lock_elsewhere (const char *path)
{
  int status = 0;
  pid_t child = fork ();

  g_assert_no_errno (child);
  if (child == 0)
    {
      g_autoptr (GError) error = NULL;
      int fd = -1;

      alarm (LIMIT_SEC);
      if (base_file_lock (path, &fd, &error))
        _exit (EXIT_LOCKED);
      _exit (fd == -1 && g_error_matches (error, TPMID_ERROR, TPMID_ERROR_BUSY) ? EXIT_BUSY : EXIT_OTHER);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
test_lock_excludes_a_second_process_until_released (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "lock");
  g_autoptr (GError) error = NULL;
  int fd = -1;

  g_assert_true (base_file_lock (path, &fd, &error));
  g_assert_no_error (error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (try_lock_elsewhere (path), ==, EXIT_BUSY);
  g_assert_no_errno (close (fd));
  g_assert_cmpint (try_lock_elsewhere (path), ==, EXIT_LOCKED);
}

static void
test_lock_ends_with_the_process_that_held_it (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "lock");

  g_assert_cmpint (try_lock_elsewhere (path), ==, EXIT_LOCKED);
  g_assert_cmpint (try_lock_elsewhere (path), ==, EXIT_LOCKED);
}

static void
test_lock_is_not_inherited_by_programs (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "lock");
  g_autoptr (GError) error = NULL;
  int fd = -1;

  g_assert_true (base_file_lock (path, &fd, &error));
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpuint (mode_of (path), ==, 0600);
  g_assert_no_errno (close (fd));
}

static void
test_lock_refuses_a_link_and_a_missing_folder (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  const char *const names[] = { "link", "missing/lock" };
  g_autofree char *target = in_folder (folder, "target");
  g_autofree char *link_path = in_folder (folder, "link");

  g_assert_no_errno (symlink (target, link_path));
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = in_folder (folder, names[i]);
      g_autoptr (GError) error = NULL;
      int fd = -7;

      g_assert_false (base_file_lock (path, &fd, &error));
      assert_storage_error_naming (error, path);
      g_assert_cmpint (fd, ==, -7);
    }
  g_assert_false (g_file_test (target, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/file/private-folder/is-created-closed", test_private_folder_is_created_closed);
  g_test_add_func ("/base/file/private-folder/is-tightened-and-keeps-its-content",
                   test_private_folder_is_tightened_and_keeps_its_content);
  g_test_add_func ("/base/file/private-folder/of-another-owner-is-refused", test_private_folder_of_another_owner_is_refused);
  g_test_add_func ("/base/file/private-folder/is-neither-link-nor-file", test_private_folder_is_neither_link_nor_file);
  g_test_add_func ("/base/file/private-folder/is-made-one-level-deep", test_private_folder_is_made_one_level_deep);
  g_test_add_func ("/base/file/lock/excludes-a-second-process-until-released",
                   test_lock_excludes_a_second_process_until_released);
  g_test_add_func ("/base/file/lock/ends-with-the-process-that-held-it", test_lock_ends_with_the_process_that_held_it);
  g_test_add_func ("/base/file/lock/is-not-inherited-by-programs", test_lock_is_not_inherited_by_programs);
  g_test_add_func ("/base/file/lock/refuses-a-link-and-a-missing-folder", test_lock_refuses_a_link_and_a_missing_folder);
  return g_test_run ();
}

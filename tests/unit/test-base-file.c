/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Failures are provoked by things that stop root too: missing folders, folders in place of files, a size limit. */

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

static void
replace (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (base_file_replace (path, text, strlen (text), 0600, &error));
  g_assert_no_error (error);
}

static void
assert_replace_fails (const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (base_file_replace (path, "new", 3, 0600, &error));
  assert_storage_error_naming (error, path);
}

/* --- replace ---------------------------------------------------------------------------------------------------- */

static void
test_replace_creates_and_replaces (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");

  replace (path, "old content, longer");
  test_folder_assert_content (path, "old content, longer");
  replace (path, "new");
  test_folder_assert_content (path, "new");
  test_folder_assert_n_entries (folder, 1);
}

static void
test_replace_takes_nothing_for_empty_content (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autoptr (GError) error = NULL;

  replace (path, "old");
  g_assert_true (base_file_replace (path, NULL, 0, 0600, &error));
  g_assert_no_error (error);
  test_folder_assert_content (path, "");
}

static void
test_replace_gives_the_mode_whatever_the_umask (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autoptr (GError) error = NULL;
  mode_t before = umask (0077);

  g_assert_true (base_file_replace (path, "x", 1, 0644, &error));
  umask (0);
  g_assert_cmpuint (mode_of (path), ==, 0644);
  g_assert_true (base_file_replace (path, "x", 1, 0600, &error));
  umask (before);
  g_assert_cmpuint (mode_of (path), ==, 0600);
}

/* A disk that is full in the middle of a write, as far as write(2) can tell: it takes a part and then refuses. */
static void
test_replace_keeps_the_old_content_when_the_write_breaks_off (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *big = g_strnfill (100000, 'x');
  g_autoptr (GError) error = NULL;
  struct rlimit before;

  replace (path, "old");
  g_assert_no_errno (getrlimit (RLIMIT_FSIZE, &before));
  struct rlimit tight = { .rlim_cur = 10000, .rlim_max = before.rlim_max };
  void (*handler) (int) = signal (SIGXFSZ, SIG_IGN);
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &tight));
  gboolean done = base_file_replace (path, big, 100000, 0600, &error);
  g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &before));
  signal (SIGXFSZ, handler);

  g_assert_false (done);
  assert_storage_error_naming (error, path);
  g_assert_nonnull (strstr (error->message, g_strerror (EFBIG)));
  test_folder_assert_content (path, "old");
  test_folder_assert_n_entries (folder, 1);
}

static void
test_replace_leaves_a_folder_in_place_of_the_file (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");

  g_assert_no_errno (mkdir (path, 0700));
  assert_replace_fails (path);
  g_assert_true (g_file_test (path, G_FILE_TEST_IS_DIR));
  test_folder_assert_n_entries (folder, 1);
}

static void
test_replace_names_the_file_when_its_folder_is_missing (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "missing/file");

  assert_replace_fails (path);
  test_folder_assert_n_entries (folder, 0);
}

/* Whatever others put at the names that an older release wrote through: it is in nobody's way, and stays as it is. */
static void
test_replace_is_not_stopped_by_what_stands_at_a_fixed_name (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  const char *const names[] = { "folder", "file", "pipe", "link" };
  g_autofree char *victim = in_folder (folder, "victim");

  test_folder_write (victim, "precious");
  alarm (LIMIT_SEC);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = in_folder (folder, names[i]);
      g_autofree char *temporary = g_strconcat (path, ".tmp", NULL);
      g_autoptr (GError) error = NULL;
      if (i == 0)
        g_assert_no_errno (mkdir (temporary, 0700));
      else if (i == 1)
        test_folder_write (temporary, "precious");
      else if (i == 2)
        g_assert_no_errno (mkfifo (temporary, 0600));
      else
        g_assert_no_errno (symlink (victim, temporary));
      g_assert_true (base_file_create (path, "first", 5, 0600, &error));
      g_assert_no_error (error);
      test_folder_assert_content (path, "first");
      replace (path, "new");
      test_folder_assert_content (path, "new");
      if (i == 1)
        test_folder_assert_content (temporary, "precious");
    }
  alarm (0);
  test_folder_assert_content (victim, "precious");
  test_folder_assert_n_entries (folder, 1 + 2 * G_N_ELEMENTS (names));
}

/* Each writes the same path as fast as it can. */
static gpointer
replace_many_times (gpointer data)
{
  guint failed = 0;

  for (guint i = 0; i < 200; i++)
    if (!base_file_replace (data, "content", 7, 0600, NULL))
      failed++;
  return GUINT_TO_POINTER (failed);
}

static void
test_replace_by_several_threads_fails_in_none (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  GThread *threads[4];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("writer", replace_many_times, path);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_assert_cmpuint (GPOINTER_TO_UINT (g_thread_join (threads[i])), ==, 0);
  test_folder_assert_content (path, "content");
  test_folder_assert_n_entries (folder, 1);
}

static void
test_replace_replaces_a_link_and_not_what_it_names (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *victim = in_folder (folder, "victim");

  test_folder_write (victim, "precious");
  g_assert_no_errno (symlink (victim, path));
  replace (path, "new");
  test_folder_assert_content (victim, "precious");
  test_folder_assert_content (path, "new");
  g_assert_false (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
}

#define BIG (64 * 1024)

typedef struct
{
  const char *path;
  int stop; /* atomic */
  guint wrong;
} Reader;

static gpointer
read_until_stopped (gpointer data)
{
  Reader *reader = data;

  do
    {
      g_autoptr (GBytes) bytes = NULL;
      if (!base_file_read (reader->path, BIG, &bytes, NULL) || g_bytes_get_size (bytes) != BIG)
        {
          reader->wrong++;
          continue;
        }
      const char *content = g_bytes_get_data (bytes, NULL);
      if (memcmp (content, content + 1, BIG - 1) != 0)
        reader->wrong++;
    }
  while (!g_atomic_int_get (&reader->stop));
  return NULL;
}

static void
test_replace_never_shows_a_part (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *old = g_strnfill (BIG, 'o');
  g_autofree char *new = g_strnfill (BIG, 'n');
  Reader reader = { .path = path };

  replace (path, old);
  GThread *thread = g_thread_new ("reader", read_until_stopped, &reader);
  for (int i = 0; i < 100; i++)
    replace (path, i % 2 == 0 ? new : old);
  g_atomic_int_set (&reader.stop, TRUE);
  g_thread_join (thread);
  g_assert_cmpuint (reader.wrong, ==, 0);
}

/* --- read ------------------------------------------------------------------------------------------------------- */

static void
assert_read_is_refused (const char *path, gsize limit, TpmidError code)
{
  g_autoptr (GError) error = NULL;
  GBytes *untouched = (GBytes *) &error;
  GBytes *bytes = untouched;

  alarm (LIMIT_SEC);
  g_assert_false (base_file_read (path, limit, &bytes, &error));
  alarm (0);
  g_assert_true (bytes == untouched);
  g_assert_error (error, TPMID_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, path));
}

static void
assert_read_gives (const char *path, gsize limit, const char *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_assert_true (base_file_read (path, limit, &bytes, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), data, size);
}

static void
test_read_gives_all_bytes (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *big = g_strnfill (100001, 'x');
  g_autoptr (GError) error = NULL;

  g_assert_true (base_file_replace (path, "a\0b\377", 4, 0600, &error));
  assert_read_gives (path, 100, "a\0b\377", 4);
  replace (path, big);
  assert_read_gives (path, 200000, big, 100001);
  replace (path, "");
  assert_read_gives (path, 0, "", 0);
}

static void
test_read_takes_exactly_the_limit (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");

  test_folder_write (path, "12345");
  assert_read_gives (path, 5, "12345", 5);
  assert_read_is_refused (path, 4, TPMID_ERROR_STORAGE);
}

/* Files of procfs say that they are empty and then give more. */
static void
test_read_holds_the_limit_whatever_size_the_file_claims (void)
{
  assert_read_is_refused ("/proc/self/status", 10, TPMID_ERROR_STORAGE);
}

static void
test_read_tells_a_missing_file_from_the_rest (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");

  assert_read_is_refused (path, 100, TPMID_ERROR_NOT_FOUND);
}

static void
test_read_refuses_all_but_regular_files (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *link_path = in_folder (folder, "link");
  g_autofree char *dangling = in_folder (folder, "dangling");
  g_autofree char *fifo = in_folder (folder, "fifo");

  test_folder_write (path, "content");
  g_assert_no_errno (symlink (path, link_path));
  g_assert_no_errno (symlink ("nowhere", dangling));
  g_assert_no_errno (mkfifo (fifo, 0600));
  assert_read_is_refused (link_path, 100, TPMID_ERROR_STORAGE);
  assert_read_is_refused (dangling, 100, TPMID_ERROR_STORAGE);
  assert_read_is_refused (fifo, 100, TPMID_ERROR_STORAGE);
  assert_read_is_refused (folder, 100, TPMID_ERROR_STORAGE);
  assert_read_is_refused ("/dev/zero", 100, TPMID_ERROR_STORAGE);
}

/* --- remove and set aside --------------------------------------------------------------------------------------- */

static void
test_remove_succeeds_also_when_there_is_nothing (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *deeper = in_folder (folder, "missing/file");
  g_autoptr (GError) error = NULL;

  test_folder_write (path, "content");
  g_assert_true (base_file_remove (path, &error));
  test_folder_assert_n_entries (folder, 0);
  g_assert_true (base_file_remove (path, &error));
  g_assert_true (base_file_remove (deeper, &error));
  g_assert_no_error (error);
}

static void
test_remove_leaves_a_folder_alone (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autoptr (GError) error = NULL;

  g_assert_no_errno (mkdir (path, 0700));
  g_assert_false (base_file_remove (path, &error));
  assert_storage_error_naming (error, path);
  test_folder_assert_n_entries (folder, 1);
}

static void
test_remove_temporaries_takes_them_and_nothing_else (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *left = in_folder (folder, "key.pem.tmp");
  g_autofree char *key = in_folder (folder, "key.pem");
  g_autofree char *link = in_folder (folder, "link.tmp");
  g_autofree char *below = in_folder (folder, "folder.tmp");

  test_folder_write (left, "half of a key");
  test_folder_write (key, "a key");
  g_assert_no_errno (symlink (key, link));
  g_assert_no_errno (mkdir (below, 0700));
  base_file_remove_temporaries (folder);
  g_assert_false (g_file_test (left, G_FILE_TEST_EXISTS));
  test_folder_assert_content (key, "a key");
  test_folder_assert_n_entries (folder, 3);
}

/* Every one that is left in a real crash: here a child that is killed while it writes. */
static void
leave_temporary (const char *path)
{
  int status = 0;
  pid_t child = fork ();

  g_assert_no_errno (child);
  if (child == 0)
    {
      const struct rlimit limit = { .rlim_cur = 1000, .rlim_max = 1000 };
      g_autofree char *big = g_strnfill (2000, 'x');
      (void) signal (SIGXFSZ, SIG_DFL);
      (void) setrlimit (RLIMIT_CORE, &(struct rlimit){ 0 });
      (void) setrlimit (RLIMIT_FSIZE, &limit);
      /* It writes up to the limit, and is killed by the next write. */
      (void) base_file_replace (path, big, 2000, 0600, NULL);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status));
}

static void
test_remove_temporaries_takes_what_a_crash_left (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "device.cert.pem");

  leave_temporary (path);
  leave_temporary (path);
  test_folder_assert_n_entries (folder, 2);
  base_file_remove_temporaries (folder);
  test_folder_assert_n_entries (folder, 0);
  leave_temporary (path);
  base_file_remove_temporaries_of (path);
  test_folder_assert_n_entries (folder, 0);
}

static void
test_remove_temporaries_of_a_file_leaves_all_else (void)
{
  static const char *const to_go[] = { "a.pem.tmp", "a.pem.Ab3xYz.tmp", "a.pem.000000.tmp" };
  static const char *const to_stay[] = {
    "a.pem", "a.pem.archived", "a.pem.Ab3xY.tmp", "a.pem.Ab3xYz0.tmp", "a.pem.Ab3.Yz.tmp", "a.pem.Ab3x-z.tmp", "a.pem.Ab3xYz.tmp.tmp",
    "a.pem.Ab3xYz", "b.pem.tmp", "a.pemAb3xYz.tmp", "a.pem.Ab3xYztmp",
  };
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "a.pem");
  g_autofree char *below = in_folder (folder, "a.pem.folder.tmp");
  g_autofree char *link = in_folder (folder, "a.pem.symlnk.tmp");
  g_autofree char *foreign = in_folder (folder, "a.pem.others.tmp");
  guint n = G_N_ELEMENTS (to_stay) + 2;

  for (gsize i = 0; i < G_N_ELEMENTS (to_go) + G_N_ELEMENTS (to_stay); i++)
    {
      g_autofree char *file = in_folder (folder, i < G_N_ELEMENTS (to_go) ? to_go[i] : to_stay[i - G_N_ELEMENTS (to_go)]);
      test_folder_write (file, "content");
    }
  g_assert_no_errno (mkdir (below, 0700));
  g_assert_no_errno (symlink (path, link));
  /* Only root can give a file away. */
  if (geteuid () == 0)
    {
      test_folder_write (foreign, "another user's");
      g_assert_no_errno (chown (foreign, 12345, 12345));
      n++;
    }
  base_file_remove_temporaries_of (path);
  test_folder_assert_n_entries (folder, n);
  for (gsize i = 0; i < G_N_ELEMENTS (to_go); i++)
    {
      g_autofree char *gone = in_folder (folder, to_go[i]);
      g_assert_false (g_file_test (gone, G_FILE_TEST_EXISTS));
    }
}

static void
test_remove_temporaries_bears_a_missing_folder (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *missing = in_folder (folder, "missing");

  base_file_remove_temporaries (missing);
  base_file_remove_temporaries_of (missing);
  g_assert_false (g_file_test (missing, G_FILE_TEST_EXISTS));
}

static void
set_aside (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;

  test_folder_write (path, text);
  g_assert_true (base_file_set_aside (path, "corrupt", &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_set_aside_loses_none_of_ten (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *first = in_folder (folder, "file.corrupt");

  for (int i = 0; i <= 9; i++)
    {
      g_autofree char *text = g_strdup_printf ("content %d", i);
      set_aside (path, text);
    }
  test_folder_assert_n_entries (folder, 10);
  test_folder_assert_content (first, "content 0");
  for (int i = 1; i <= 9; i++)
    {
      g_autofree char *text = g_strdup_printf ("content %d", i);
      g_autofree char *target = g_strdup_printf ("%s.corrupt.%d", path, i);
      test_folder_assert_content (target, text);
    }
}

static void
test_set_aside_never_replaces_anything (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autofree char *last = in_folder (folder, "file.corrupt.99");
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 100; i++)
    set_aside (path, i == 99 ? "last" : "older");
  test_folder_write (path, "newest");
  g_assert_false (base_file_set_aside (path, "corrupt", &error));
  assert_storage_error_naming (error, path);
  test_folder_assert_content (path, "newest");
  test_folder_assert_content (last, "last");
}

static void
test_set_aside_fails_when_there_is_nothing (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = in_folder (folder, "file");
  g_autoptr (GError) error = NULL;

  g_assert_false (base_file_set_aside (path, "corrupt", &error));
  assert_storage_error_naming (error, path);
}

static void
add_replace_tests (void)
{
  g_test_add_func ("/base/file/replace/creates-and-replaces", test_replace_creates_and_replaces);
  g_test_add_func ("/base/file/replace/takes-nothing-for-empty-content", test_replace_takes_nothing_for_empty_content);
  g_test_add_func ("/base/file/replace/gives-the-mode-whatever-the-umask", test_replace_gives_the_mode_whatever_the_umask);
  g_test_add_func ("/base/file/replace/keeps-the-old-content-when-the-write-breaks-off",
                   test_replace_keeps_the_old_content_when_the_write_breaks_off);
  g_test_add_func ("/base/file/replace/leaves-a-folder-in-place-of-the-file",
                   test_replace_leaves_a_folder_in_place_of_the_file);
  g_test_add_func ("/base/file/replace/names-the-file-when-its-folder-is-missing",
                   test_replace_names_the_file_when_its_folder_is_missing);
  g_test_add_func ("/base/file/replace/is-not-stopped-by-what-stands-at-a-fixed-name",
                   test_replace_is_not_stopped_by_what_stands_at_a_fixed_name);
  g_test_add_func ("/base/file/replace/by-several-threads-fails-in-none", test_replace_by_several_threads_fails_in_none);
  g_test_add_func ("/base/file/replace/replaces-a-link-and-not-what-it-names",
                   test_replace_replaces_a_link_and_not_what_it_names);
  g_test_add_func ("/base/file/replace/never-shows-a-part", test_replace_never_shows_a_part);
}

static void
add_other_tests (void)
{
  g_test_add_func ("/base/file/read/gives-all-bytes", test_read_gives_all_bytes);
  g_test_add_func ("/base/file/read/takes-exactly-the-limit", test_read_takes_exactly_the_limit);
  g_test_add_func ("/base/file/read/holds-the-limit-whatever-size-the-file-claims",
                   test_read_holds_the_limit_whatever_size_the_file_claims);
  g_test_add_func ("/base/file/read/tells-a-missing-file-from-the-rest", test_read_tells_a_missing_file_from_the_rest);
  g_test_add_func ("/base/file/read/refuses-all-but-regular-files", test_read_refuses_all_but_regular_files);
  g_test_add_func ("/base/file/remove/succeeds-also-when-there-is-nothing", test_remove_succeeds_also_when_there_is_nothing);
  g_test_add_func ("/base/file/remove/leaves-a-folder-alone", test_remove_leaves_a_folder_alone);
  g_test_add_func ("/base/file/remove-temporaries/takes-them-and-nothing-else", test_remove_temporaries_takes_them_and_nothing_else);
  g_test_add_func ("/base/file/remove-temporaries/takes-what-a-crash-left", test_remove_temporaries_takes_what_a_crash_left);
  g_test_add_func ("/base/file/remove-temporaries/of-a-file-leaves-all-else", test_remove_temporaries_of_a_file_leaves_all_else);
  g_test_add_func ("/base/file/remove-temporaries/bears-a-missing-folder", test_remove_temporaries_bears_a_missing_folder);
  g_test_add_func ("/base/file/set-aside/loses-none-of-ten", test_set_aside_loses_none_of_ten);
  g_test_add_func ("/base/file/set-aside/never-replaces-anything", test_set_aside_never_replaces_anything);
  g_test_add_func ("/base/file/set-aside/fails-when-there-is-nothing", test_set_aside_fails_when_there_is_nothing);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_replace_tests ();
  add_other_tests ();
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-remount.h"
#include "identity-writer.h"

#include "test-base-folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LIMIT_SEC 20

/* Of a service with ProtectSystem=strict and ReadWritePaths=/persist. */
#define SERVICE(persist)                                                                                                \
  "146 113 259:0 / / ro,relatime shared:87 master:1 - ext4 /dev/root rw\n"                                              \
  "147 146 0:6 / /dev rw,nosuid shared:88 master:2 - devtmpfs devtmpfs rw,size=232860k,nr_inodes=58215,mode=755\n"      \
  "152 146 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:93 master:12 - proc proc rw,hidepid=invisible\n"         \
  "171 155 0:24 / /run/tpmid rw,nosuid,nodev shared:95 master:11 - tmpfs tmpfs rw,size=95448k,nr_inodes=819200\n"       \
  "172 146 259:0 /config /config rw,relatime shared:103 master:1 - ext4 /dev/root rw\n"                                 \
  "176 146 259:1 / /persist " persist "\n"

static void
assert_found (const char *mountinfo, const char *path, const char *wanted)
{
  g_autofree char *found = identity_remount_parse (mountinfo, path);

  g_assert_cmpstr (found, ==, wanted);
}

static void
test_mount_that_stayed_read_only_for_us_is_found (void)
{
  const char *text = SERVICE ("ro,relatime shared:104 master:30 - ext4 /dev/nvme1n1 rw");

  assert_found (text, "/persist/config/tpm_in_use", "/persist");
  assert_found (text, "/persist", "/persist");
  assert_found (text, "/config/device.cert.pem", NULL);
  assert_found (text, "/usr/lib", "/");
}

static void
test_what_is_writable_or_read_only_for_all_is_not (void)
{
  assert_found (SERVICE ("rw,relatime shared:104 master:30 - ext4 /dev/nvme1n1 rw"), "/persist/x", NULL);
  assert_found (SERVICE ("ro,relatime shared:104 master:30 - ext4 /dev/nvme1n1 ro"), "/persist/x", NULL);
  assert_found (SERVICE ("rw,relatime shared:104 master:30 - ext4 /dev/nvme1n1 ro,errors=remount-ro"), "/persist/x", NULL);
}

static void
test_a_name_that_only_begins_the_same_is_another_place (void)
{
  const char *text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                     "2 1 8:2 / /persist ro - ext4 /dev/sda2 rw\n";

  assert_found (text, "/persistent/marker", NULL);
  assert_found (text, "/persist/marker", "/persist");
}

static void
test_the_innermost_and_the_latest_mount_counts (void)
{
  const char *text = "65 45 0:39 / /data ro,relatime - tmpfs persist rw\n"
                     "66 65 0:40 / /data/persist ro,relatime - tmpfs x rw\n"
                     "67 66 0:41 / /data/persist rw,relatime - tmpfs y rw\n"
                     "45 44 254:0 / / ro,relatime - ext4 /dev/vda rw,discard\n";

  assert_found (text, "/data/persist/marker", NULL);
  assert_found (text, "/data/marker", "/data");
  assert_found (text, "/marker", "/");
}

static void
test_blanks_in_names_are_understood (void)
{
  const char *text = "66 45 0:40 / /tmp/a\\040b ro,relatime shared:1 master:2 propagate_from:3 - fuse.x\\040y  rw\n";

  assert_found (text, "/tmp/a b/marker", "/tmp/a b");
  assert_found (text, "/tmp/a", NULL);
}

static void
test_other_lines_are_passed_over (void)
{
  static const char *const texts[] = {
    "", "\n\n", "proc", "1 2 3 4 /persist ro", "1 2 3 4 /persist ro - ext4", "1 2 3 4 /persist ro - ext4 /dev/sda", "- - - ext4 x rw",
    "1 2 3 4 /persist rox - ext4 /dev/sda rw",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_found (texts[i], "/persist/marker", NULL);
}

/* A configuration whose procfs is a folder of the case's own, with a mount at that folder's real path. */
typedef struct
{
  TestFolder folder;
  char *mountinfo, *boot_id;
  BaseConfig config;
} Case;

static void
case_clear (Case *c)
{
  g_free (c->mountinfo);
  g_free (c->boot_id);
  g_free (c->config.marker_path);
  g_free (c->config.certificate_path);
  g_free (c->config.state_path);
  test_folder_clear (&c->folder);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

static void
make_parents (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
}

static void
case_mount (Case *c, const char *options, const char *super_options)
{
  g_autofree char *text = g_strdup_printf ("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                           "2 1 8:2 / %s/persist %s - ext4 /dev/sda2 %s\n",
                                           c->folder, options, super_options);

  test_folder_write (c->mountinfo, text);
}

static void
case_init (Case *c)
{
  c->folder = test_folder_new ();
  c->mountinfo = g_build_filename (c->folder, "self", "mountinfo", NULL);
  c->boot_id = g_build_filename (c->folder, "sys", "kernel", "random", "boot_id", NULL);
  c->config.proc_root = c->config.runtime_path = c->folder;
  /* By way of a link, and below a folder that is not there yet. */
  g_autofree char *link = g_build_filename (c->folder, "link", NULL);
  g_assert_cmpint (symlink ("persist", link), ==, 0);
  c->config.marker_path = g_build_filename (link, "config", "tpm_in_use", NULL);
  c->config.certificate_path = g_strdup ("/config/device.cert.pem");
  c->config.state_path = g_build_filename (c->folder, "persist", "tpmidd", NULL);
  make_parents (c->mountinfo);
  make_parents (c->boot_id);
  make_parents (c->config.state_path);
  test_folder_write (c->boot_id, "7a0d7f3c-6f3e-4b9e-8d38-0f0a3d6d0c11\n");
}

static void
pretend_to_be_started_by_systemd (void)
{
  g_autofree char *pid = g_strdup_printf ("%d", (int) getpid ());

  g_setenv ("SYSTEMD_EXEC_PID", pid, TRUE);
}

static void
test_files_of_the_configuration_are_looked_for_where_they_really_lie (void)
{
  g_auto (Case) c = { 0 };
  case_init (&c);
  g_autofree char *persist = g_build_filename (c.folder, "persist", NULL);

  g_assert_null (identity_remount_find (&c.config));
  case_mount (&c, "ro,relatime", "rw");
  g_autofree char *found = identity_remount_find (&c.config);
  g_assert_cmpstr (found, ==, persist);
  case_mount (&c, "ro,relatime", "ro");
  g_assert_null (identity_remount_find (&c.config));
}

static void
test_restart_is_asked_for_once_in_a_boot (void)
{
  g_auto (Case) c = { 0 };
  case_init (&c);
  pretend_to_be_started_by_systemd ();

  case_mount (&c, "rw,relatime", "rw");
  g_assert_false (identity_remount_should_restart (&c.config));
  case_mount (&c, "ro,relatime", "rw");
  g_assert_true (identity_remount_should_restart (&c.config));
  g_assert_false (identity_remount_should_restart (&c.config));
  test_folder_write (c.boot_id, "e3b1c1de-58a7-4c67-8a52-5d8a1b0c2d22\n");
  g_assert_true (identity_remount_should_restart (&c.config));
  g_assert_false (identity_remount_should_restart (&c.config));
}

static void
test_restart_that_cannot_be_recorded_is_not_asked_for (void)
{
  g_auto (Case) c = { 0 };
  case_init (&c);
  g_autofree char *nowhere = g_build_filename (c.folder, "nowhere", NULL);
  pretend_to_be_started_by_systemd ();

  case_mount (&c, "ro,relatime", "rw");
  c.config.runtime_path = nowhere;
  g_assert_false (identity_remount_should_restart (&c.config));
  c.config.runtime_path = c.folder;
  g_assert_cmpint (remove (c.boot_id), ==, 0);
  g_assert_false (identity_remount_should_restart (&c.config));
}

static void
test_only_who_is_started_by_systemd_ends (void)
{
  g_auto (Case) c = { 0 };
  case_init (&c);

  case_mount (&c, "ro,relatime", "rw");
  g_unsetenv ("SYSTEMD_EXEC_PID");
  g_assert_false (identity_remount_should_restart (&c.config));
  g_setenv ("SYSTEMD_EXEC_PID", "1", TRUE);
  g_assert_false (identity_remount_should_restart (&c.config));
  pretend_to_be_started_by_systemd ();
  g_assert_true (identity_remount_should_restart (&c.config));
}

/* What the record has to say cannot be written: a file stands in the place of the state folder. */
static IdentityReport *
report_that_cannot_be_written (Case *c)
{
  IdentityReport *report = g_new0 (IdentityReport, 1);

  g_atomic_ref_count_init (&report->refs);
  report->marker_action = IDENTITY_MARKER_KEEP;
  report->marker = g_strdup ("MODE=tpm\n");
  report->record = identity_record_new (IDENTITY_RECORD_SOFTWARE);
  report->problems = g_ptr_array_new_with_free_func (g_free);
  report->pending = IDENTITY_PENDING_RECORD;
  test_folder_write (c->config.state_path, "no folder");
  return report;
}

static gboolean
on_limit (gpointer data)
{
  g_error ("the writer does not come to an end");
  return G_SOURCE_REMOVE;
}

static void
await_writer (IdentityWriter *writer)
{
  guint limit = g_timeout_add_seconds (LIMIT_SEC, on_limit, NULL);

  while (identity_writer_is_busy (writer))
    (void) g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
}

static gboolean
writes_and_wants_restart (IdentityWriter *writer)
{
  identity_writer_again (writer);
  await_writer (writer);
  return identity_writer_wants_restart (writer);
}

static void
test_writer_wants_the_restart_until_the_mount_is_writable (void)
{
  g_auto (Case) c = { 0 };
  case_init (&c);
  g_autoptr (IdentityReport) report = report_that_cannot_be_written (&c);
  g_autoptr (IdentityWriter) writer = identity_writer_new (&c.config);
  g_autoptr (IdentityWriter) another = identity_writer_new (&c.config);
  pretend_to_be_started_by_systemd ();

  case_mount (&c, "rw,relatime", "rw");
  identity_writer_put (writer, report);
  await_writer (writer);
  g_assert_cmpuint (identity_writer_get_pending (writer), ==, IDENTITY_PENDING_RECORD);
  g_assert_false (identity_writer_wants_restart (writer));

  /* Also where nobody could act on it at first. */
  case_mount (&c, "ro,relatime", "rw");
  g_assert_true (writes_and_wants_restart (writer));
  g_assert_true (writes_and_wants_restart (writer));
  case_mount (&c, "rw,relatime", "rw");
  g_assert_false (writes_and_wants_restart (writer));
  case_mount (&c, "ro,relatime", "rw");
  g_assert_true (writes_and_wants_restart (writer));

  /* The next process of the same boot. */
  identity_writer_put (another, report);
  await_writer (another);
  g_assert_false (identity_writer_wants_restart (another));

  /* With all files written there is no reason any more, whatever the mount is. */
  g_assert_cmpint (remove (c.config.state_path), ==, 0);
  g_assert_false (writes_and_wants_restart (writer));
  g_assert_cmpuint (identity_writer_get_pending (writer), ==, 0);
}

/* The mounts are read from a pipe that nobody fills: the thread waits, and who asks does not. */
static void
test_storage_that_hangs_holds_up_the_thread_alone (void)
{
  g_auto (Case) c = { 0 };
  case_init (&c);
  g_autoptr (IdentityReport) report = report_that_cannot_be_written (&c);
  g_autoptr (IdentityWriter) writer = identity_writer_new (&c.config);

  g_assert_cmpint (mkfifo (c.mountinfo, 0600), ==, 0);
  gint64 begun = g_get_monotonic_time ();
  identity_writer_put (writer, report);
  for (int i = 0; i < 10; i++)
    {
      g_usleep (10000);
      (void) g_main_context_iteration (NULL, FALSE);
      g_assert_true (identity_writer_is_busy (writer));
      g_assert_false (identity_writer_wants_restart (writer));
    }
  g_assert_cmpint (g_get_monotonic_time () - begun, <, LIMIT_SEC * G_USEC_PER_SEC / 2);
  /* Both ends at once: with a name at which nothing is, what is read next ends. */
  int fd = open (c.mountinfo, O_RDWR);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (remove (c.mountinfo), ==, 0);
  g_usleep (50000);
  g_assert_cmpint (close (fd), ==, 0);
  await_writer (writer);
  g_assert_false (identity_writer_wants_restart (writer));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal ((GLogLevelFlags) (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK)); /* not what cannot be written */
  g_test_add_func ("/identity/remount/mount-that-stayed-read-only-for-us-is-found", test_mount_that_stayed_read_only_for_us_is_found);
  g_test_add_func ("/identity/remount/what-is-writable-or-read-only-for-all-is-not", test_what_is_writable_or_read_only_for_all_is_not);
  g_test_add_func ("/identity/remount/a-name-that-only-begins-the-same-is-another-place", test_a_name_that_only_begins_the_same_is_another_place);
  g_test_add_func ("/identity/remount/the-innermost-and-the-latest-mount-counts", test_the_innermost_and_the_latest_mount_counts);
  g_test_add_func ("/identity/remount/blanks-in-names-are-understood", test_blanks_in_names_are_understood);
  g_test_add_func ("/identity/remount/other-lines-are-passed-over", test_other_lines_are_passed_over);
  g_test_add_func ("/identity/remount/files-of-the-configuration-are-looked-for-where-they-really-lie",
                   test_files_of_the_configuration_are_looked_for_where_they_really_lie);
  g_test_add_func ("/identity/remount/restart-is-asked-for-once-in-a-boot", test_restart_is_asked_for_once_in_a_boot);
  g_test_add_func ("/identity/remount/restart-that-cannot-be-recorded-is-not-asked-for", test_restart_that_cannot_be_recorded_is_not_asked_for);
  g_test_add_func ("/identity/remount/only-who-is-started-by-systemd-ends", test_only_who_is_started_by_systemd_ends);
  g_test_add_func ("/identity/remount/writer-wants-the-restart-until-the-mount-is-writable",
                   test_writer_wants_the_restart_until_the_mount_is_writable);
  g_test_add_func ("/identity/remount/storage-that-hangs-holds-up-the-thread-alone", test_storage_that_hangs_holds_up_the_thread_alone);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONFIG \
  "[tpmidd]\nTcti=swtpm:path=%s/t\nMarkerPath=%s/persist/config/tpm_in_use\nCertificatePath=%s/config/device.cert.pem\n" \
  "SoftwareKeyPath=%s/config/device.key.pem\nCredentials=off\nStatePath=%s/persist/tpmidd\nRuntimePath=%s/run\nSysfsRoot=%s/sys\n" \
  "ProcRoot=%s/proc\nSignGroup=" SIGN_GROUP "\nDecryptGroup=" DECRYPT_GROUP "\nSerialSources=tpm-nv\nTpmWaitSec=0\n"

static const struct passwd *
daemon_user (void)
{
  const struct passwd *user = getpwnam (DAEMON_USER);

  g_assert_nonnull (user);
  return user;
}

gboolean
setup_init (Setup *setup, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc != 3)
    {
      g_printerr ("usage: under-bus POLICY " DAEMON_USER " %s TPMIDD XML-FOLDER\n", argv[0]);
      return FALSE;
    }
  /* The build folder may lie where DAEMON_USER cannot go. */
  g_autofree char *folder = g_dir_make_tmp ("exe-XXXXXX", &error);
  g_assert_no_error (error);
  g_assert_no_errno (chmod (folder, 0755));
  setup->daemon = g_build_filename (folder, "tpmidd", NULL);
  g_autoptr (GFile) from = g_file_new_for_path (argv[1]);
  g_autoptr (GFile) to = g_file_new_for_path (setup->daemon);
  g_file_copy (from, to, G_FILE_COPY_NONE, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_no_errno (chmod (setup->daemon, 0755));
  setup->xml = g_strdup (argv[2]);
  return TRUE;
}

void
setup_clear (Setup *setup)
{
  g_autofree char *folder = g_path_get_dirname (setup->daemon);

  (void) unlink (setup->daemon);
  (void) rmdir (folder);
  g_free (setup->daemon);
  g_free (setup->xml);
}

void
wait_until (gboolean (*condition) (gpointer), gpointer data)
{
  gint64 end = g_get_monotonic_time () + LIMIT_MS * G_TIME_SPAN_MILLISECOND;

  while (!condition (data))
    {
      if (g_get_monotonic_time () > end)
        g_error ("it did not happen within %d ms", LIMIT_MS);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (2000);
    }
}

/* --- processes --- */

static GSubprocess *
spawn (Testbed *self, const char *log, const char *const *argv)
{
  /* They die with this program, also when it aborts. */
  static const char *const prefix[]
      = { "setpriv", "--reuid=" DAEMON_USER, "--regid=" DAEMON_USER, "--clear-groups", "--pdeathsig=KILL", NULL };
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;

  g_strv_builder_addv (words, (const char **) prefix);
  g_strv_builder_addv (words, (const char **) argv);
  g_auto (GStrv) command = g_strv_builder_end (words);
  g_autofree char *path = g_build_filename (self->folder, log, NULL);
  g_subprocess_launcher_set_stderr_file_path (launcher, path);
  g_subprocess_launcher_set_stdout_file_path (launcher, "/dev/null");
  g_subprocess_launcher_set_cwd (launcher, "/");
  GSubprocess *process = g_subprocess_launcher_spawnv (launcher, (const char *const *) command, &error);
  g_assert_no_error (error);
  return process;
}

static void
make_folder (Testbed *self, const char *name, mode_t mode)
{
  g_autofree char *path = g_build_filename (self->folder, name, NULL);

  g_assert_no_errno (mkdir (path, mode));
  g_assert_no_errno (chmod (path, mode));
  g_assert_no_errno (chown (path, daemon_user ()->pw_uid, daemon_user ()->pw_gid));
}

static void
write_config (Testbed *self)
{
  const char *f = self->folder;
  g_autofree char *text = g_strdup_printf (CONFIG, f, f, f, f, f, f, f, f);
  g_autoptr (GError) error = NULL;

  self->config = g_build_filename (f, "tpmidd.conf", NULL);
  g_file_set_contents (self->config, text, -1, &error);
  g_assert_no_error (error);
}

GDBusConnection *
testbed_connect (Testbed *self)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      self->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);

  g_assert_no_error (error);
  return connection;
}

void
testbed_set_up (Testbed *self, gconstpointer setup)
{
  static const char *const folders[] = { "persist", "persist/config", "persist/tpmidd", "config", "run", "sys", "proc", NULL };
  g_autoptr (GError) error = NULL;

  self->setup = setup;
  self->address = g_strdup (g_getenv ("DBUS_SYSTEM_BUS_ADDRESS"));
  g_assert_nonnull (self->address);
  self->folder = g_dir_make_tmp ("d-XXXXXX", &error);
  g_assert_no_error (error);
  g_assert_no_errno (chmod (self->folder, 0755));
  g_assert_no_errno (chown (self->folder, daemon_user ()->pw_uid, daemon_user ()->pw_gid));
  make_folder (self, "swtpm", 0700);
  for (guint i = 0; folders[i] != NULL; i++)
    make_folder (self, folders[i], g_str_equal (folders[i], "persist/tpmidd") ? 0700 : 0755);
  write_config (self);
  self->bus = testbed_connect (self);
}

static int
remove_entry (const char *path, const struct stat *info, int type, struct FTW *ftw)
{
  return remove (path);
}

void
testbed_tear_down (Testbed *self, gconstpointer setup)
{
  if (self->tpm != NULL)
    testbed_pause_tpm (self, FALSE);
  if (self->daemon != NULL)
    testbed_stop_daemon (self);
  if (self->tpm != NULL)
    testbed_kill_tpm (self);
  g_dbus_connection_close_sync (self->bus, NULL, NULL);
  g_object_unref (self->bus);
  g_assert_no_errno (nftw (self->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
  g_free (self->folder);
  g_free (self->address);
  g_free (self->config);
}

/* --- the TPM --- */

static gboolean
is_listening (gpointer path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <, sizeof address.sun_path);
  gboolean success = connect (fd, (const struct sockaddr *) &address, sizeof address) == 0;
  (void) close (fd);
  return success;
}

void
testbed_start_tpm (Testbed *self)
{
  g_autofree char *state = g_strdup_printf ("dir=%s/swtpm", self->folder);
  g_autofree char *data = g_strdup_printf ("type=unixio,path=%s/t", self->folder);
  g_autofree char *control = g_strdup_printf ("type=unixio,path=%s/t.ctrl", self->folder);
  g_autofree char *control_path = g_strdup_printf ("%s/t.ctrl", self->folder);
  g_autofree char *data_path = g_strdup_printf ("%s/t", self->folder);
  const char *const argv[] = {
    "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", data, "--ctrl", control, "--flags",
    "not-need-init,startup-clear", NULL,
  };

  g_assert_null (self->tpm);
  (void) unlink (control_path);
  (void) unlink (data_path);
  self->tpm = spawn (self, "swtpm.log", argv);
  /* A connection to the data socket would take the daemon's place. */
  wait_until (is_listening, control_path);
}

void
testbed_kill_tpm (Testbed *self)
{
  g_subprocess_send_signal (self->tpm, SIGKILL);
  g_subprocess_wait (self->tpm, NULL, NULL);
  g_clear_object (&self->tpm);
}

/* The state stands behind the name in brackets: proc(5), /proc/pid/stat. */
static gboolean
is_paused (gpointer data)
{
  Testbed *self = data;
  g_autofree char *path = g_strdup_printf ("/proc/%s/stat", g_subprocess_get_identifier (self->tpm));
  g_autofree char *stat = NULL;

  g_assert_true (g_file_get_contents (path, &stat, NULL, NULL));
  const char *end = strrchr (stat, ')');
  g_assert_nonnull (end);
  return end[2] == 'T';
}

void
testbed_pause_tpm (Testbed *self, gboolean pause)
{
  const char *pid = g_subprocess_get_identifier (self->tpm);

  /* Not g_subprocess_send_signal(): that leaves the signal to another thread, and the TPM could answer once more. */
  g_assert_no_errno (kill ((pid_t) g_ascii_strtoll (pid, NULL, 10), pause ? SIGSTOP : SIGCONT));
  if (pause)
    wait_until (is_paused, self);
}

/* --- the daemon --- */

static char *
log_name (Testbed *self)
{
  return g_strdup_printf ("tpmidd.%u.log", self->log_number);
}

char *
testbed_read_log (Testbed *self)
{
  g_autofree char *name = log_name (self);
  g_autofree char *path = g_build_filename (self->folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

typedef struct
{
  Testbed *testbed;
  const char *pattern;
} AwaitedLine;

static gboolean
is_logged (gpointer data)
{
  AwaitedLine *awaited = data;
  g_autofree char *text = testbed_read_log (awaited->testbed);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_pattern_match_simple (awaited->pattern, lines[i]))
      return TRUE;
  return FALSE;
}

void
testbed_wait_for_log (Testbed *self, const char *pattern)
{
  AwaitedLine awaited = { self, pattern };

  wait_until (is_logged, &awaited);
}

static gboolean
is_name_owned (gpointer data)
{
  Testbed *self = data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      self->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
      g_variant_new ("(s)", BUS_NAME), G_VARIANT_TYPE ("(b)"), 0, LIMIT_MS, NULL, NULL);
  gboolean owned = FALSE;

  g_assert_nonnull (reply);
  if (self->daemon != NULL && g_subprocess_get_identifier (self->daemon) == NULL)
    {
      g_autofree char *log = testbed_read_log (self);
      g_error ("tpmidd has ended: %s", log);
    }
  g_variant_get (reply, "(b)", &owned);
  return owned;
}

void
testbed_start_daemon (Testbed *self, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  const char *override;
  va_list overrides;

  g_assert_null (self->daemon);
  self->log_number++;
  g_ptr_array_add (argv, g_strdup (self->setup->daemon));
  g_ptr_array_add (argv, g_strdup_printf ("--config=%s", self->config));
  g_ptr_array_add (argv, g_strdup_printf ("--bus-address=%s", self->address));
  va_start (overrides, self);
  while ((override = va_arg (overrides, const char *)) != NULL)
    g_ptr_array_add (argv, g_strdup_printf ("--set=%s", override));
  va_end (overrides);
  g_ptr_array_add (argv, NULL);

  g_autofree char *log = log_name (self);
  self->daemon = spawn (self, log, (const char *const *) argv->pdata);
  wait_until (is_name_owned, self);
}

static gboolean
has_ended (gpointer process)
{
  return g_subprocess_get_identifier (process) == NULL;
}

void
testbed_stop_daemon (Testbed *self)
{
  g_autofree char *log = NULL;

  g_subprocess_send_signal (self->daemon, SIGTERM);
  wait_until (has_ended, self->daemon);
  g_subprocess_wait (self->daemon, NULL, NULL);
  log = testbed_read_log (self);
  if (!g_subprocess_get_successful (self->daemon) || strstr (log, "<3>") != NULL || strstr (log, "Sanitizer") != NULL)
    g_error ("tpmidd did not end well: %s", log);
  g_clear_object (&self->daemon);
}

void
testbed_boot (Testbed *self)
{
  testbed_start_tpm (self);
  testbed_start_daemon (self, NULL);
  testbed_wait_for (self, "State", "ready");
}

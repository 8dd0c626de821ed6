/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-swtpm.h"

#include "test-proxy.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_LIMIT_MS 30000

struct TestSwtpm
{
  char *folder, *state, *socket;
  char *tcti;       /* of tpm2-tools: the TPM's own */
  TestProxy *proxy; /* NULL unless the tests run over a device */
  gboolean started_by_firmware;
  GPid pid; /* 0 while it is dead */
};

static void
die_with_parent (gpointer user_data)
{
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* Whether the TPM answers a command: swtpm listens before it has read its state, which takes long where the disk is busy. */
static gboolean
answers (const char *path)
{
  static const guint8 get_test_result[] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7c };
  struct timeval patience = { .tv_sec = 1 };
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  guint8 byte;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <, sizeof address.sun_path);
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
  gboolean answered = connect (fd, (struct sockaddr *) &address, sizeof address) == 0
                      && send (fd, get_test_result, sizeof get_test_result, MSG_NOSIGNAL) == sizeof get_test_result
                      && recv (fd, &byte, sizeof byte, 0) == sizeof byte;
  g_assert_no_errno (close (fd));
  return answered;
}

static void
assert_alive (TestSwtpm *self)
{
  int status = 0;

  if (waitpid (self->pid, &status, WNOHANG) == 0)
    return;
  self->pid = 0;
  g_error ("swtpm ended with status 0x%x", status);
}

void
test_swtpm_start (TestSwtpm *self)
{
  g_autofree char *state = g_strconcat ("dir=", self->state, NULL);
  g_autofree char *server = g_strconcat ("type=unixio,path=", self->socket, NULL);
  g_autofree char *control = g_strconcat ("type=unixio,path=", self->socket, ".ctrl", NULL);
  g_autofree char *control_path = g_strconcat (self->socket, ".ctrl", NULL);
  const char *argv[] = {
    "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control, "--flags",
    self->started_by_firmware ? "not-need-init,startup-clear" : "not-need-init", NULL,
  };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (self->pid, ==, 0);
  /* What a killed one left: swtpm would not bind over it, and nobody may take it for the new one. */
  (void) g_unlink (self->socket);
  (void) g_unlink (control_path);
  g_spawn_async (NULL, (char **) argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                 die_with_parent, NULL, &self->pid, &error);
  g_assert_no_error (error);

  gint64 limit = g_get_monotonic_time () + READY_LIMIT_MS * 1000;
  while (!answers (self->socket))
    {
      assert_alive (self);
      g_assert_cmpint (g_get_monotonic_time (), <, limit);
      g_usleep (1000);
    }
}

static TestSwtpm *
new_in_folder (gboolean started_by_firmware)
{
  TestSwtpm *self = g_new0 (TestSwtpm, 1);
  g_autoptr (GError) error = NULL;

  /* A TPM that dies while it is written to is an error and no signal, as in every program that uses GIO's sockets. */
  (void) signal (SIGPIPE, SIG_IGN);
  self->started_by_firmware = started_by_firmware;
  self->folder = g_dir_make_tmp ("tpmid-XXXXXX", &error);
  g_assert_no_error (error);
  self->state = g_build_filename (self->folder, "state", NULL);
  self->socket = g_build_filename (self->folder, "s", NULL);
  self->tcti = g_strconcat ("swtpm:path=", self->socket, NULL);
  g_assert_no_errno (g_mkdir (self->state, 0700));
  test_swtpm_start (self);
  if (test_swtpm_is_device ())
    self->proxy = test_proxy_new (TEST_PROXY_DEVICE, NULL, self->socket);
  return self;
}

gboolean
test_swtpm_is_device (void)
{
  return g_strcmp0 (g_getenv ("TPMID_TEST_TCTI"), "device") == 0;
}

TestSwtpm *
test_swtpm_new (void)
{
  return new_in_folder (TRUE);
}

TestSwtpm *
test_swtpm_new_unstarted (void)
{
  return new_in_folder (FALSE);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);
      if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
        remove_tree (child);
      else
        g_assert_no_errno (g_unlink (child));
    }
  g_assert_no_errno (g_rmdir (path));
}

void
test_swtpm_kill (TestSwtpm *self)
{
  g_assert_cmpint (self->pid, >, 0);
  g_assert_no_errno (kill (self->pid, SIGKILL));
  g_assert_cmpint (TEMP_FAILURE_RETRY (waitpid (self->pid, NULL, 0)), ==, self->pid);
  g_spawn_close_pid (self->pid);
  self->pid = 0;
}

void
test_swtpm_free (TestSwtpm *self)
{
  if (self == NULL)
    return;
  test_proxy_free (self->proxy);
  if (self->pid != 0)
    test_swtpm_kill (self);
  remove_tree (self->folder);
  g_free (self->folder);
  g_free (self->state);
  g_free (self->socket);
  g_free (self->tcti);
  g_free (self);
}

void
test_swtpm_forget_state (TestSwtpm *self)
{
  g_assert_cmpint (self->pid, ==, 0);
  remove_tree (self->state);
  g_assert_no_errno (g_mkdir (self->state, 0700));
}

void
test_swtpm_freeze (TestSwtpm *self)
{
  g_assert_no_errno (kill (self->pid, SIGSTOP));
}

void
test_swtpm_thaw (TestSwtpm *self)
{
  g_assert_no_errno (kill (self->pid, SIGCONT));
}

const char *
test_swtpm_tcti (TestSwtpm *self)
{
  return self->proxy != NULL ? test_proxy_tcti (self->proxy) : self->tcti;
}

const char *
test_swtpm_socket (TestSwtpm *self)
{
  return self->socket;
}

const char *
test_swtpm_folder (TestSwtpm *self)
{
  return self->folder;
}

static char *
run_line (TestSwtpm *self, const char *line)
{
  g_auto (GStrv) argv = NULL;
  g_auto (GStrv) environment = g_environ_setenv (g_get_environ (), "TPM2TOOLS_TCTI", self->tcti, TRUE);
  g_autofree char *output = NULL;
  g_autofree char *complaint = NULL;
  g_autoptr (GError) error = NULL;
  int status = 0;

  g_shell_parse_argv (line, NULL, &argv, &error);
  g_assert_no_error (error);
  g_spawn_sync (self->folder, argv, environment, G_SPAWN_SEARCH_PATH, die_with_parent, NULL, &output, &complaint, &status,
                &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, &error))
    g_error ("%s: %s: %s", line, error->message, complaint);
  return g_steal_pointer (&output);
}

char *
test_swtpm_tool (TestSwtpm *self, const char *command, ...)
{
  va_list args;

  va_start (args, command);
  g_autofree char *line = g_strdup_vprintf (command, args);
  va_end (args);
  return run_line (self, line);
}

void
test_swtpm_run (TestSwtpm *self, const char *command, ...)
{
  va_list args;

  va_start (args, command);
  g_autofree char *line = g_strdup_vprintf (command, args);
  va_end (args);
  g_free (run_line (self, line));
}

void
test_swtpm_suspend (TestSwtpm *self)
{
  gboolean started_by_firmware = self->started_by_firmware;

  test_swtpm_run (self, "tpm2_shutdown");
  test_swtpm_kill (self);
  self->started_by_firmware = FALSE;
  test_swtpm_start (self);
  self->started_by_firmware = started_by_firmware;
  test_swtpm_run (self, "tpm2_startup");
}

void
test_swtpm_assert_clean (TestSwtpm *self)
{
  g_autofree char *objects = test_swtpm_tool (self, "tpm2_getcap handles-transient");
  g_autofree char *loaded = test_swtpm_tool (self, "tpm2_getcap handles-loaded-session");
  g_autofree char *saved = test_swtpm_tool (self, "tpm2_getcap handles-saved-session");

  g_assert_cmpstr (objects, ==, "");
  g_assert_cmpstr (loaded, ==, "");
  g_assert_cmpstr (saved, ==, "");
}

guint
test_swtpm_lockout_counter (TestSwtpm *self)
{
  g_autofree char *output = test_swtpm_tool (self, "tpm2_getcap properties-variable");
  const char *at = strstr (output, "TPM2_PT_LOCKOUT_COUNTER:");

  g_assert_nonnull (at);
  return (guint) g_ascii_strtoull (at + strlen ("TPM2_PT_LOCKOUT_COUNTER:"), NULL, 0);
}

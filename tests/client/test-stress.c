/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <signal.h>

#define STRESS_SEC 10
#define RESTARTS 6
#define RESTART_PAUSE_US 1300000

static const char *stress_program;

static void
kill_daemon (Testbed *bed)
{
  g_subprocess_send_signal (bed->daemon, SIGKILL);
  g_subprocess_wait (bed->daemon, NULL, NULL);
  g_clear_object (&bed->daemon);
}

static gboolean
has_ended (gpointer process)
{
  return g_subprocess_get_identifier (process) == NULL;
}

static void
restart_again_and_again (Testbed *bed)
{
  for (guint i = 0; i < RESTARTS; i++)
    {
      g_usleep (RESTART_PAUSE_US);
      if (i % 2 == 0)
        testbed_stop_daemon (bed);
      else
        kill_daemon (bed);
      testbed_start_daemon (bed, NULL);
    }
}

static void
test_restarts (Testbed *bed, gconstpointer setup)
{
  g_autofree char *seconds = g_strdup_printf ("%d", STRESS_SEC);
  g_autofree char *path = g_build_filename (bed->folder, "stress.log", NULL);
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;

  testbed_boot (bed);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_subprocess_launcher_set_stdout_file_path (launcher, path);
  g_autoptr (GSubprocess) client = g_subprocess_launcher_spawn (launcher, &error, "setpriv", "--pdeathsig=KILL", stress_program,
                                                                bed->address, seconds, NULL);
  g_assert_no_error (error);
  restart_again_and_again (bed);
  wait_until (has_ended, client);
  g_assert_true (g_file_get_contents (path, &output, NULL, NULL));
  g_test_message ("%s", output);
  g_assert_true (g_subprocess_get_successful (client));
}

int
main (int argc, char **argv)
{
  Setup setup = { NULL };

  g_test_init (&argc, &argv, NULL);
  if (argc != 4 || !setup_init (&setup, 3, argv))
    return 2;
  stress_program = argv[3];
  g_test_add ("/lib/stress/one-client-for-all-threads-and-processes-while-tpmidd-is-restarted", Testbed, &setup, testbed_set_up,
              test_restarts, testbed_tear_down);
  int status = g_test_run ();
  setup_clear (&setup);
  return status;
}

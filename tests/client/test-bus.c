/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char bus_config[] = "<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
                                 "<policy context='default'><allow send_destination='*' eavesdrop='true'/>"
                                 "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>";

void
die_with_parent (gpointer data)
{
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
}

void
bus_start (Bus *bus)
{
  g_autofree char *option = g_strdup_printf ("--config-file=%s/config", bus->folder);
  const char *argv[] = { "dbus-daemon", option, "--nofork", "--print-address=1", NULL };
  g_autoptr (GError) error = NULL;
  int out = -1;
  char c;

  g_spawn_async_with_pipes (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent,
                            NULL, &bus->pid, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  /* It prints its address when it listens. */
  g_assert_cmpint (read (out, &c, 1), ==, 1);
  close (out);
}

void
bus_stop (Bus *bus)
{
  kill (bus->pid, SIGKILL);
  g_assert_cmpint (waitpid (bus->pid, NULL, 0), ==, bus->pid);
  bus->pid = 0;
}

void
bus_set_up (Bus *bus, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bus->folder = g_dir_make_tmp ("lib-XXXXXX", &error);
  g_assert_no_error (error);
  bus->address = g_strdup_printf ("unix:path=%s/bus", bus->folder);

  g_autofree char *path = g_build_filename (bus->folder, "config", NULL);
  g_autofree char *config = g_strdup_printf (bus_config, bus->folder);
  g_assert_true (g_file_set_contents (path, config, -1, NULL));
  bus_start (bus);
}

void
bus_tear_down (Bus *bus, gconstpointer data)
{
  g_autofree char *config = g_build_filename (bus->folder, "config", NULL);
  g_autofree char *socket_path = g_build_filename (bus->folder, "bus", NULL);

  if (bus->pid > 0)
    bus_stop (bus);
  g_unlink (config);
  g_unlink (socket_path);
  g_assert_cmpint (g_rmdir (bus->folder), ==, 0);
  g_free (bus->folder);
  g_free (bus->address);
}

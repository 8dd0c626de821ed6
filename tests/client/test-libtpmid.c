/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-bus.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <tpmid.h>
#include <unistd.h>

#define TIMEOUT_MS 5000
#define SERVICE_UNKNOWN "org.freedesktop.DBus.Error.ServiceUnknown"

static tpmid_client *
make_client (const char *address)
{
  tpmid_client *client = NULL;

  g_assert_cmpint (tpmid_client_new (address, &client), ==, 0);
  return client;
}

static void
assert_status_fails (tpmid_client *client, int number, const char *name)
{
  tpmid_value *status = NULL;
  tpmid_error error;

  g_assert_cmpint (tpmid_get_status (client, TIMEOUT_MS, &status, &error), ==, -number);
  g_assert_cmpstr (error.name, ==, name);
  g_assert_cmpint (error.number, ==, number);
  g_assert_cmpuint (strlen (error.message), >, 0);
  g_assert_null (status);
}

static void
test_no_daemon (Bus *bus, gconstpointer data)
{
  tpmid_client *client = make_client (bus->address);

  assert_status_fails (client, EHOSTUNREACH, SERVICE_UNKNOWN);
  /* The failure cost nothing: the same connection serves again; and who wants no error need not take it. */
  assert_status_fails (client, EHOSTUNREACH, SERVICE_UNKNOWN);
  g_assert_cmpint (tpmid_get_status (client, TIMEOUT_MS, NULL, NULL), ==, -EHOSTUNREACH);
  tpmid_client_free (client);
}

static void
test_bus_restart (Bus *bus, gconstpointer data)
{
  tpmid_client *client = make_client (bus->address);

  assert_status_fails (client, EHOSTUNREACH, SERVICE_UNKNOWN);
  bus_stop (bus);
  assert_status_fails (client, ECONNREFUSED, "org.freedesktop.DBus.Error.NoServer");
  bus_start (bus);
  assert_status_fails (client, EHOSTUNREACH, SERVICE_UNKNOWN);
  tpmid_client_free (client);
}

static void
test_fork (Bus *bus, gconstpointer data)
{
  tpmid_client *client = make_client (bus->address);
  int child_status = -1;
  pid_t pid;

  assert_status_fails (client, EHOSTUNREACH, SERVICE_UNKNOWN);
  pid = fork ();
  if (pid == 0)
    {
      int r = tpmid_get_status (client, TIMEOUT_MS, NULL, NULL);
      tpmid_client_free (client);
      _exit (r == -EHOSTUNREACH ? 0 : 1);
    }
  g_assert_cmpint (waitpid (pid, &child_status, 0), ==, pid);
  g_assert_cmpint (child_status, ==, 0);
  assert_status_fails (client, EHOSTUNREACH, SERVICE_UNKNOWN);
  tpmid_client_free (client);
}

static void
test_watch_needs_no_daemon (Bus *bus, gconstpointer data)
{
  tpmid_client *client = make_client (bus->address);
  tpmid_watch *watch = NULL;
  tpmid_value *change = NULL;
  tpmid_error error;

  g_assert_cmpint (tpmid_watch_new (client, TIMEOUT_MS, &watch, &error), ==, 0);
  tpmid_client_free (client);
  g_assert_cmpint (tpmid_watch_fd (watch), >=, 0);
  g_assert_cmpint (tpmid_watch_next (watch, 0, &change, &error), ==, 0);
  g_assert_cmpint (tpmid_watch_next (watch, 50, &change, &error), ==, 0);

  bus_stop (bus);
  g_assert_cmpint (tpmid_watch_next (watch, TIMEOUT_MS, &change, &error), <, 0);
  g_assert_cmpstr (error.name, ==, "org.freedesktop.DBus.Error.Disconnected");
  g_assert_null (change);
  tpmid_watch_free (watch);
}

static int
listen_silently (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fd, 1), ==, 0);
  return fd;
}

static void
test_silent_bus (void)
{
  g_autofree char *folder = g_dir_make_tmp ("lib-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "silent", NULL);
  g_autofree char *address = g_strdup_printf ("unix:path=%s", path);
  int fd = listen_silently (path);
  tpmid_client *client = make_client (address);
  gint64 start = g_get_monotonic_time ();
  tpmid_error error;

  g_assert_cmpint (tpmid_get_status (client, 200, NULL, &error), ==, -ETIMEDOUT);
  g_assert_cmpstr (error.name, ==, "org.freedesktop.DBus.Error.NoReply");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 190000);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 5000000);
  tpmid_client_free (client);
  close (fd);
  g_unlink (path);
  g_rmdir (folder);
}

/* No bus is needed to refuse what can never work. */
static void
test_bad_arguments (void)
{
  static const char *const bad_names[] = { "", "Device", ".x", "-x", "a/b", "a b", "\xff", "\xc3\xa9" };
  tpmid_client *client = make_client ("unix:path=/nonexistent");
  g_autofree char *long_name = g_strnfill (65, 'a');
  tpmid_error error;

  for (gsize i = 0; i < G_N_ELEMENTS (bad_names); i++)
    {
      g_assert_cmpint (tpmid_get_key (client, bad_names[i], TIMEOUT_MS, NULL, &error), ==, -EINVAL);
      g_assert_true (tpmid_error_is (&error, "InvalidArgument"));
      g_assert_true (g_utf8_validate (error.message, -1, NULL));
    }
  g_assert_cmpint (tpmid_get_key (client, long_name, TIMEOUT_MS, NULL, &error), ==, -EINVAL);
  g_assert_true (tpmid_error_is (&error, "InvalidArgument"));
  long_name[64] = '\0';
  g_assert_cmpint (tpmid_get_key (client, long_name, TIMEOUT_MS, NULL, &error), ==, -ENOENT);
  g_assert_false (tpmid_error_is (&error, "InvalidArgument"));

  g_assert_cmpint (tpmid_set_serial_number (client, "\xed\xa0\x80", TIMEOUT_MS, &error), ==, -EINVAL);
  g_assert_cmpint (tpmid_create_csr (client, "device", "/CN=\xc0\xaf", NULL, TIMEOUT_MS, NULL, NULL, &error), ==, -EINVAL);
  g_assert_true (tpmid_error_is (&error, "InvalidArgument"));
  tpmid_client_free (client);
}

static void
test_values (void)
{
  tpmid_value *dict = tpmid_value_new_dict ();
  const char *key = NULL;
  size_t size = 0;

  g_assert_cmpint (tpmid_value_set_string (dict, "hash", "sha256"), ==, 0);
  g_assert_cmpint (tpmid_value_set_bytes (dict, "reference", "\0\1", 2), ==, 0);
  g_assert_cmpint (tpmid_value_add_string (dict, "dns", "a"), ==, 0);
  g_assert_cmpint (tpmid_value_add_string (dict, "dns", "b"), ==, 0);

  g_assert_cmpuint (tpmid_value_count (dict), ==, 3);
  g_assert_cmpstr (tpmid_value_string (tpmid_value_find (dict, "hash")), ==, "sha256");
  g_assert_cmpmem (tpmid_value_bytes (tpmid_value_find (dict, "reference"), &size), 2, "\0\1", 2);
  g_assert_cmpuint (size, ==, 2);
  g_assert_cmpint (tpmid_value_kind (tpmid_value_at (dict, 2, &key)), ==, TPMID_KIND_LIST);
  g_assert_cmpstr (key, ==, "dns");
  g_assert_cmpstr (tpmid_value_string (tpmid_value_at (tpmid_value_find (dict, "dns"), 1, &key)), ==, "b");
  g_assert_null (key);

  g_assert_cmpint (tpmid_value_set_string (dict, "hash", "again"), ==, -EINVAL);
  g_assert_cmpint (tpmid_value_add_string (dict, "hash", "x"), ==, -EINVAL);
  g_assert_cmpint (tpmid_value_set_string (dict, "bad", "\xf5\x80\x80\x80"), ==, -EINVAL);
  g_assert_cmpuint (tpmid_value_count (dict), ==, 3);
  tpmid_value_free (dict);
}

static void
test_absent_values (void)
{
  size_t size = 1;

  g_assert_cmpint (tpmid_value_kind (NULL), ==, TPMID_KIND_NONE);
  g_assert_null (tpmid_value_find (NULL, "x"));
  g_assert_null (tpmid_value_at (NULL, 0, NULL));
  g_assert_cmpstr (tpmid_value_string (tpmid_value_find (NULL, "x")), ==, "");
  g_assert_cmpuint (tpmid_value_unsigned (NULL), ==, 0);
  g_assert_cmpint (tpmid_value_signed (NULL), ==, 0);
  g_assert_false (tpmid_value_boolean (NULL));
  g_assert_null (tpmid_value_bytes (NULL, &size));
  g_assert_cmpuint (size, ==, 0);
  tpmid_value_free (NULL);
  tpmid_client_free (NULL);
  tpmid_watch_free (NULL);
  tpmid_strv_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lib/value/keeps-what-was-set", test_values);
  g_test_add_func ("/lib/value/absent-is-empty", test_absent_values);
  g_test_add_func ("/lib/client/refuses-bad-arguments-without-a-bus", test_bad_arguments);
  g_test_add_func ("/lib/client/deadline-holds-on-a-silent-bus", test_silent_bus);
  g_test_add ("/lib/client/names-the-error-without-a-daemon", Bus, NULL, bus_set_up, test_no_daemon, bus_tear_down);
  g_test_add ("/lib/client/connects-again-after-a-bus-restart", Bus, NULL, bus_set_up, test_bus_restart, bus_tear_down);
  g_test_add ("/lib/client/works-on-both-sides-of-a-fork", Bus, NULL, bus_set_up, test_fork, bus_tear_down);
  g_test_add ("/lib/watch/needs-no-daemon-and-names-a-lost-bus", Bus, NULL, bus_set_up, test_watch_needs_no_daemon,
              bus_tear_down);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Composition only: options, configuration, the objects, the bus name, the loop. */

#include "base-config.h"
#include "base-error.h"
#include "base-file.h"
#include "base-log.h"
#include "bus-service.h"
#include "identity-device.h"
#include "tpm-queue.h"
#include "tpmid-build.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define BUS_NAME "org.tpmid1"
#define EXIT_USAGE 2
#define EXIT_START_AGAIN 75 /* EX_TEMPFAIL, sysexits.h */
#define EXIT_BAD_CONFIG 78  /* EX_CONFIG, sysexits.h */

typedef struct
{
  char *config_path;
  char **overrides;
  char *bus_address;
  gboolean debug, check_config, help_config, version;
} Options;

typedef struct
{
  GMainLoop *loop;
  IdentityDevice *device;
  gboolean is_name_owned;
  int exit_status;
} Daemon;

static gboolean
parse_options (Options *options, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config_path, "Read FILE and FILE.d/*.conf only", "FILE" },
    { "set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &options->overrides, "Override a configuration key; repeatable", "KEY=VALUE" },
    { "bus-address", 0, 0, G_OPTION_ARG_STRING, &options->bus_address, "Use this bus in place of the system's", "ADDRESS" },
    { "debug", 'd', 0, G_OPTION_ARG_NONE, &options->debug, "Log debug messages", NULL },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_config, "Print the effective configuration and exit", NULL },
    { "help-config", 0, 0, G_OPTION_ARG_NONE, &options->help_config, "Describe every configuration key and exit", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL },
    { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, "Owns the TPM 2.0 of this device and serves its identity over D-Bus as " BUS_NAME ".");
  g_option_context_set_description (context, "Exit status: 0 stopped in order; 1 failure; 2 wrong usage;\n"
                                             "75 to be started again; 78 configuration error.\n"
                                             "See tpmidd(8) and tpmidd.conf(5).");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "unexpected argument %s", (*argv)[1]);
      return FALSE;
    }
  return TRUE;
}

static void
options_clear (Options *options)
{
  g_free (options->config_path);
  g_strfreev (options->overrides);
  g_free (options->bus_address);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* Before any library reads its environment. */
static void
isolate_process (void)
{
  /* Keys and passwords must not end up in a core dump or under a debugger of the same uid. (The leak sanitizer is one.) */
  if (!TPMID_SANITIZED)
    (void) prctl (PR_SET_DUMPABLE, 0);
  /* A TPM that goes away while a command is written to its socket is an error of that command. */
  (void) signal (SIGPIPE, SIG_IGN);
  /* Expected answers of a TPM are errors to the TSS, which prints them. */
  g_setenv ("TSS2_LOG", "all+NONE", FALSE);
  /* A system-wide provider that reaches the TPM through tpmidd would wait for tpmidd for ever, in tpmidd. */
  g_setenv ("OPENSSL_CONF", "/dev/null", TRUE);
}

static BaseConfig *
load_config (const Options *options)
{
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;
  BaseConfig *config
      = base_config_load (options->config_path, (const char *const *) options->overrides, &warnings, &error);

  if (config == NULL)
    {
      base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s", error->message);
      return NULL;
    }
  for (guint i = 0; i < warnings->len; i++)
    base_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s", (const char *) warnings->pdata[i]);
  return config;
}

static GDBusConnection *
connect_to_bus (const char *address, GError **error)
{
  if (address != NULL)
    return g_dbus_connection_new_for_address_sync (
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, error);
  return g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
}

static TpmQueue *
make_queue (const BaseConfig *config)
{
  const TpmLinkOptions options = {
    .tcti = config->tcti,
    .sysfs_root = config->sysfs_root,
    .exclusive = config->ownership == BASE_OWNERSHIP_EXCLUSIVE,
    .off = config->tpm == BASE_TPM_OFF,
  };

  return tpm_queue_new (tpm_link_new (&options), config->queue_size, config->queue_per_client);
}

static void
quit (Daemon *daemon, int exit_status)
{
  daemon->exit_status = exit_status;
  g_main_loop_quit (daemon->loop);
}

/* Nothing is read or changed before the name is ours: of two daemons the second must not touch the device. */
static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Daemon *daemon = user_data;

  daemon->is_name_owned = TRUE;
  identity_device_start (daemon->device);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Daemon *daemon = user_data;

  if (connection == NULL || g_dbus_connection_is_closed (connection))
    base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "the message bus is gone");
  else if (daemon->is_name_owned)
    base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "the bus name " BUS_NAME " was taken away");
  else
    base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL,
              "the bus name " BUS_NAME " cannot be owned: another tpmidd is running, or the bus policy does not allow it to uid %u",
              (unsigned) getuid ());
  quit (daemon, EXIT_FAILURE);
}

static void
on_decided (IdentityDevice *device, gpointer user_data)
{
  IdentityStatus status;

  identity_device_get_status (device, &status);
  (void) sd_notifyf (0, "READY=1\nSTATUS=mode %s, row %u, %s", status.mode, status.row, status.reason);
}

static void
on_restart_wanted (IdentityDevice *device, Daemon *daemon)
{
  quit (daemon, EXIT_START_AGAIN);
}

static gboolean
on_terminate (gpointer user_data)
{
  quit (user_data, EXIT_SUCCESS);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_watchdog (gpointer user_data)
{
  (void) sd_notify (0, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static void
feed_watchdog (void)
{
  uint64_t interval_us;

  if (sd_watchdog_enabled (0, &interval_us) > 0)
    g_timeout_add ((guint) (interval_us / 2000), on_watchdog, NULL);
}

/* The lock complements the bus name: two daemons on two buses must not share a device either. */
static gboolean
take_lock (const BaseConfig *config, int *ret_fd)
{
  g_autofree char *path = g_build_filename (config->runtime_path, "lock", NULL);
  g_autoptr (GError) error = NULL;

  *ret_fd = -1;
  if (base_file_lock (path, ret_fd, &error))
    return TRUE;
  gboolean is_busy = g_error_matches (error, TPMID_ERROR, TPMID_ERROR_BUSY);
  base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "%s%s", error->message,
            is_busy ? "" : "; make the folder RuntimePath= for the user tpmidd, or start tpmidd by its unit, which makes it");
  return !is_busy;
}

static int
serve (GDBusConnection *connection, const BaseConfig *config)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  TpmQueue *queue = make_queue (config);
  IdentityDevice *device = identity_device_new (config, queue);
  Daemon daemon = { loop, device, FALSE, EXIT_SUCCESS };
  BusService *service = bus_service_new (connection, device, config);

  g_signal_connect (device, "decided", G_CALLBACK (on_decided), NULL);
  g_signal_connect (device, "restart-wanted", G_CALLBACK (on_restart_wanted), &daemon);
  g_unix_signal_add (SIGTERM, on_terminate, &daemon);
  g_unix_signal_add (SIGINT, on_terminate, &daemon);
  feed_watchdog ();
  guint name = g_bus_own_name_on_connection (connection, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_name_acquired, on_name_lost,
                                             &daemon, NULL);
  g_main_loop_run (loop);

  (void) sd_notify (0, "STOPPING=1");
  g_bus_unown_name (name);
  bus_service_free (service);
  /* Callers hear at once that their jobs were cancelled; what follows may have to wait for a TPM or a disk that hangs. */
  tpm_queue_close (queue);
  (void) g_dbus_connection_flush_sync (connection, NULL, NULL);
  gboolean are_files_written = identity_device_stop (device);
  gboolean is_thread_ended = tpm_queue_free (queue);
  /* A thread that hangs is in libraries, and reads the configuration, that exit() and this function would take down. */
  if (!is_thread_ended || !are_files_written)
    _exit (daemon.exit_status);
  g_object_unref (device);
  return daemon.exit_status;
}

int
main (int argc, char **argv)
{
  g_auto (Options) options = { 0 };
  g_autoptr (GError) error = NULL;

  isolate_process ();
  if (!parse_options (&options, &argc, &argv, &error))
    {
      fprintf (stderr, "tpmidd: %s\ntpmidd --help lists the options.\n", error->message);
      return EXIT_USAGE;
    }
  if (options.version || options.help_config)
    {
      g_autofree char *text = options.version ? g_strdup ("tpmidd " TPMID_VERSION "\n") : base_config_describe ();
      fputs (text, stdout);
      return EXIT_SUCCESS;
    }

  base_log_init (options.debug);
  g_autoptr (BaseConfig) config = load_config (&options);
  if (config == NULL)
    return EXIT_BAD_CONFIG;
  if (options.check_config)
    {
      g_autofree char *text = base_config_print (config);
      fputs (text, stdout);
      return EXIT_SUCCESS;
    }

  int lock;
  if (!take_lock (config, &lock))
    return EXIT_FAILURE;
  g_autoptr (GDBusConnection) connection = connect_to_bus (options.bus_address, &error);
  if (connection == NULL)
    {
      base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "the message bus cannot be reached: %s", error->message);
      return EXIT_FAILURE;
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  base_log (G_LOG_LEVEL_INFO, BASE_LOG_ID_STARTED, NULL, "tpmidd " TPMID_VERSION " started");
  int exit_status = serve (connection, config);
  if (lock >= 0)
    (void) close (lock);
  return exit_status;
}

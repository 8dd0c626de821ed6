/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Accounts that every Debian has; the bus policy of these tests lets DAEMON_USER own the name. */
#define DAEMON_USER "uucp"
#define OTHER_USER "news"
#define SIGN_GROUP "games"
#define DECRYPT_GROUP "irc"

#define BUS_NAME "org.tpmid1"
#define PATH_DEVICE "/org/tpmid1"
#define PATH_KEYS "/org/tpmid1/keys"
#define PATH_KEY "/org/tpmid1/keys/device"
#define PATH_CREDENTIALS "/org/tpmid1/keys/credentials"

/* Nothing that these tests wait for takes so long, unless it is broken. */
#define LIMIT_MS 30000

/* What the command line gives. */
typedef struct
{
  char *daemon; /* a copy that DAEMON_USER can run */
  char *xml;    /* folder of the interface files */
} Setup;

/* One device: a software TPM, its folders, the real tpmidd as DAEMON_USER on the bus that this program was started under. */
typedef struct
{
  const Setup *setup;
  char *folder, *address, *config;
  GDBusConnection *bus; /* of root */
  GSubprocess *tpm, *daemon;
  guint log_number;
} Testbed;

gboolean setup_init (Setup *setup, int argc, char **argv);
void setup_clear (Setup *setup);

/* For g_test_add(): a device that never booted; nothing runs yet. */
void testbed_set_up (Testbed *self, gconstpointer setup);
/* Ends all processes; a daemon that runs must end in order and have complained about no defect. */
void testbed_tear_down (Testbed *self, gconstpointer setup);

void testbed_start_tpm (Testbed *self);
/* Ends it as a power cut would. Its memory stays. */
void testbed_kill_tpm (Testbed *self);
/* The TPM stops answering, or goes on. */
void testbed_pause_tpm (Testbed *self, gboolean pause);

/* Starts tpmidd with "KEY=VALUE" overrides, ended by NULL, and waits until it owns the name. */
void testbed_start_daemon (Testbed *self, ...) G_GNUC_NULL_TERMINATED;
void testbed_stop_daemon (Testbed *self);
/* TPM and daemon, and the boot decision made: the usual start. */
void testbed_boot (Testbed *self);
/* Waits until a string property of org.tpmid1.Device has this value. */
void testbed_wait_for (Testbed *self, const char *property, const char *value);
char *testbed_get_string (Testbed *self, const char *property);
/* A property of the key object @path. */
GVariant *testbed_get_key_property (Testbed *self, const char *path, const char *property);
/* Waits until the key has this State. */
void testbed_wait_for_key (Testbed *self, const char *path, const char *state);
/* An unsigned number of GetStatus' "tpm". */
guint64 testbed_get_tpm_number (Testbed *self, const char *name);
/* What tpmidd has logged since its last start. */
char *testbed_read_log (Testbed *self);
/* Waits until tpmidd has logged a line that matches the glob pattern. */
void testbed_wait_for_log (Testbed *self, const char *pattern);
/* Content and modification time of all files of the device, to compare. */
char *testbed_snapshot (Testbed *self);

/* Calls; @method is INTERFACE.METHOD, @parameters are consumed when floating. */
GVariant *testbed_try (Testbed *self, const char *path, const char *method, GVariant *parameters, GError **error);
GVariant *testbed_call (Testbed *self, const char *path, const char *method, GVariant *parameters);
void testbed_assert_fails (Testbed *self, const char *path, const char *method, GVariant *parameters, const char *name);
void assert_remote_error (const GError *error, const char *name);
GDBusConnection *testbed_connect (Testbed *self);
/* As another user, with @group as its only group beside root's own; the bus looks at who connects, not at who calls later. */
GDBusConnection *testbed_connect_as (Testbed *self, const char *user, const char *group);
void testbed_disconnect (GDBusConnection *client);
/* The same calls from another connection. */
GVariant *try_from (GDBusConnection *client, const char *path, const char *method, GVariant *parameters, GError **error);
void assert_fails_from (GDBusConnection *client, const char *path, const char *method, GVariant *parameters, const char *name);

/* What tpmidd says to all, one text for each signal, "NAME PARAMETERS"; to be ended by g_dbus_connection_signal_unsubscribe(). */
guint testbed_listen (Testbed *self, GPtrArray *signals);
/* Waits until one of the texts matches the glob pattern. */
void wait_for_signal (GPtrArray *signals, const char *pattern);

/* What came of an asynchronous call: zero before it, to be cleared after it; the callback, and a condition for wait_until(). */
typedef struct
{
  gboolean done;
  GVariant *reply;
  GError *error;
} TestbedAnswer;

void testbed_on_answer (GObject *source, GAsyncResult *result, gpointer answer);
gboolean testbed_is_answered (gpointer answer);
void testbed_answer_clear (TestbedAnswer *answer);

/* Parameters (ay, options as text or NULL). */
GVariant *bytes_parameters (gconstpointer data, gsize size, const char *options);
/* Parameters of Sign: a digest of @size bytes @fill and options as text, or NULL. */
GVariant *sign_parameters (gsize size, guint8 fill, const char *options);
/* Asks openssl whether the reply to sign_parameters (32, @fill, ...) is good. */
void testbed_assert_verifies (Testbed *self, GVariant *reply, guint8 fill);

/* The bytes of the reply "(ay)". */
GBytes *reply_bytes (GVariant *reply);
/* A file of the device's folder; its path. */
char *testbed_write_file (Testbed *self, const char *name, gconstpointer data, gsize size);
/* Runs a command, words ended by NULL; @ret_output (nullable) gets stdout and stderr. */
int testbed_run (Testbed *self, char **ret_output, ...) G_GNUC_NULL_TERMINATED;

void wait_until (gboolean (*condition) (gpointer), gpointer data);

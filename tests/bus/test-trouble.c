/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testbed.h"

#include <signal.h>
#include <string.h>

/* TPMs that stop, die, come back or come late; clients that vanish or flood; two daemons at once. */

#define STATUS_LIMIT_US (G_USEC_PER_SEC) /* the promise is 50 ms; a machine that runs tests has other things to do */

static void
start_sign (GDBusConnection *client, guint8 fill, TestbedAnswer *answer)
{
  g_dbus_connection_call (client, BUS_NAME, PATH_KEY, "org.tpmid1.Key", "Sign", sign_parameters (32, fill, NULL), NULL, 0,
                          LIMIT_MS, NULL, testbed_on_answer, answer);
}

static void
assert_signs (Testbed *t)
{
  g_autoptr (GVariant) reply = testbed_call (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 9, NULL));

  testbed_assert_verifies (t, reply, 9);
}

typedef struct
{
  Testbed *testbed;
  guint64 number;
} AwaitedWaiting;

static gboolean
has_waiting (gpointer data)
{
  AwaitedWaiting *awaited = data;

  return testbed_get_tpm_number (awaited->testbed, "waiting") == awaited->number;
}

static void
wait_for_waiting (Testbed *t, guint64 number)
{
  AwaitedWaiting awaited = { t, number };

  wait_until (has_waiting, &awaited);
}

/* --- the TPM --- */

static void
the_status_answers_while_the_tpm_does_not (Testbed *t, gconstpointer data)
{
  TestbedAnswer answer = { FALSE, NULL, NULL };

  testbed_start_tpm (t);
  testbed_start_daemon (t, "RequestTimeoutSec=1", NULL);
  testbed_wait_for (t, "State", "ready");
  assert_signs (t);
  testbed_pause_tpm (t, TRUE);
  start_sign (t->bus, 1, &answer);

  while (!answer.done)
    {
      gint64 begin = g_get_monotonic_time ();
      guint64 age = testbed_get_tpm_number (t, "running-ms");
      g_assert_cmpint (g_get_monotonic_time () - begin, <, STATUS_LIMIT_US);
      g_assert_cmpuint (age, <, LIMIT_MS);
      g_main_context_iteration (NULL, FALSE);
    }
  assert_remote_error (answer.error, "org.tpmid1.Error.Timeout");
  testbed_answer_clear (&answer);
  testbed_pause_tpm (t, FALSE);
  assert_signs (t);
}

static gboolean
signs_again (gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = testbed_try (data, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL), &error);

  if (reply == NULL)
    assert_remote_error (error, "org.tpmid1.Error.TpmUnavailable");
  return reply != NULL;
}

static void
a_tpm_that_dies_and_returns_signs_again_in_the_same_process (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_signs (t);
  g_autofree char *pid = g_strdup (g_subprocess_get_identifier (t->daemon));
  testbed_kill_tpm (t);
  testbed_assert_fails (t, PATH_KEY, "org.tpmid1.Key.Sign", sign_parameters (32, 1, NULL), "org.tpmid1.Error.TpmUnavailable");
  testbed_wait_for_log (t, "*TPMID_OPERATION=org.tpmid1.Key.Sign*TPMID_ERROR=org.tpmid1.Error.TpmUnavailable*"
                           "TPM_RC=0xa????] [TPM_RC_TEXT=?*]");
  g_autofree char *mode = testbed_get_string (t, "Mode");
  g_assert_cmpstr (mode, ==, "tpm");

  testbed_start_tpm (t);
  wait_until (signs_again, t);
  assert_signs (t);
  g_assert_cmpuint (testbed_get_tpm_number (t, "reopened"), >=, 1);
  g_assert_cmpstr (pid, ==, g_subprocess_get_identifier (t->daemon));
  testbed_wait_for (t, "TpmState", "ready");
}

static void
a_tpm_that_was_replaced_between_two_calls_is_not_noticed (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_signs (t);
  testbed_kill_tpm (t);
  testbed_start_tpm (t);
  /* The same TPM after its own power cut: the link is rebuilt and the job run again. */
  wait_until (signs_again, t);
  assert_signs (t);
}

static void
a_tpm_that_comes_later_is_taken_on (Testbed *t, gconstpointer data)
{
  testbed_start_daemon (t, "Tpm=required", NULL);
  testbed_wait_for (t, "State", "waiting");
  g_autofree char *mode = testbed_get_string (t, "Mode");
  g_assert_cmpstr (mode, ==, "unprovisioned");
  testbed_assert_fails (t, PATH_KEYS, "org.tpmid1.Keys.GetKey", g_variant_new ("(sa{sv})", "device", NULL),
                        "org.tpmid1.Error.NotFound");

  testbed_start_tpm (t);
  testbed_wait_for (t, "Mode", "tpm");
  assert_signs (t);
}

/* --- clients --- */

static void
a_client_that_vanishes_mid_call_harms_nobody (Testbed *t, gconstpointer data)
{
  GDBusConnection *client = testbed_connect (t);
  TestbedAnswer answers[4] = { { FALSE, NULL, NULL } };

  testbed_boot (t);
  assert_signs (t);
  testbed_pause_tpm (t, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    start_sign (client, 1, &answers[i]);
  g_dbus_connection_flush_sync (client, NULL, NULL);
  wait_for_waiting (t, G_N_ELEMENTS (answers) - 1);
  g_dbus_connection_close_sync (client, NULL, NULL);
  wait_for_waiting (t, 0);
  testbed_pause_tpm (t, FALSE);
  assert_signs (t);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      wait_until (testbed_is_answered, &answers[i]);
      testbed_answer_clear (&answers[i]);
    }
  g_object_unref (client);
}

static guint
count_busy (TestbedAnswer *answers, guint n)
{
  guint busy = 0;

  for (guint i = 0; i < n; i++)
    if (answers[i].error != NULL)
      {
        assert_remote_error (answers[i].error, "org.tpmid1.Error.Busy");
        busy++;
      }
  return busy;
}

static void
a_flood_is_busy_and_others_are_served (Testbed *t, gconstpointer data)
{
  enum { FLOOD = 120 }; /* dbus-daemon itself refuses the 129th */
  GDBusConnection *client = testbed_connect (t);
  g_autofree TestbedAnswer *answers = g_new0 (TestbedAnswer, FLOOD);
  TestbedAnswer other = { FALSE, NULL, NULL };

  testbed_boot (t);
  assert_signs (t);
  testbed_pause_tpm (t, TRUE);
  for (guint i = 0; i < FLOOD; i++)
    start_sign (client, 1, &answers[i]);
  /* Those that are refused are so at once, while the TPM does nothing at all. */
  wait_until (testbed_is_answered, &answers[FLOOD - 1]);
  assert_remote_error (answers[FLOOD - 1].error, "org.tpmid1.Error.Busy");
  start_sign (t->bus, 9, &other);
  g_dbus_connection_flush_sync (t->bus, NULL, NULL);
  testbed_pause_tpm (t, FALSE);
  wait_until (testbed_is_answered, &other);
  g_assert_no_error (other.error);
  testbed_assert_verifies (t, other.reply, 9);
  testbed_answer_clear (&other);

  for (guint i = 0; i < FLOOD; i++)
    wait_until (testbed_is_answered, &answers[i]);
  /* Eight waiting (QueuePerClient=8), and one at the TPM where the TPM thread was quick enough to take it before. */
  guint served = FLOOD - count_busy (answers, FLOOD);
  g_assert_cmpuint (served, >=, 8);
  g_assert_cmpuint (served, <=, 9);
  for (guint i = 0; i < FLOOD; i++)
    testbed_answer_clear (&answers[i]);
  g_dbus_connection_close_sync (client, NULL, NULL);
  g_object_unref (client);
}

#define FLOOD_CONNECTIONS 12
#define FLOOD_PER_CONNECTION 8 /* QueuePerClient=8: none of these is over the bound of its own connection */

typedef struct
{
  gboolean stop;
  guint under_way, done, busy;
} Flood;

static void flood_once (GDBusConnection *client, Flood *flood);

static void
on_flood_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Flood *flood = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  flood->under_way--;
  flood->done++;
  if (reply == NULL)
    {
      assert_remote_error (error, "org.tpmid1.Error.Busy");
      flood->busy++;
    }
  if (!flood->stop)
    flood_once (G_DBUS_CONNECTION (source), flood);
}

static void
flood_once (GDBusConnection *client, Flood *flood)
{
  flood->under_way++;
  g_dbus_connection_call (client, BUS_NAME, PATH_KEY, "org.tpmid1.Key", "Sign", sign_parameters (32, 1, NULL), NULL, 0, LIMIT_MS,
                          NULL, on_flood_answer, flood);
}

static gboolean
is_flooded (gpointer data)
{
  return ((Flood *) data)->busy >= FLOOD_CONNECTIONS;
}

static gboolean
is_over (gpointer data)
{
  return ((Flood *) data)->under_way == 0;
}

static void
a_flood_of_one_user_from_many_connections_costs_others_nothing (Testbed *t, gconstpointer data)
{
  enum { CALLS = 30 };
  GDBusConnection *clients[FLOOD_CONNECTIONS];
  Flood flood = { FALSE, 0, 0, 0 };

  testbed_boot (t);
  for (guint i = 0; i < FLOOD_CONNECTIONS; i++)
    clients[i] = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);
  for (guint i = 0; i < FLOOD_CONNECTIONS * FLOOD_PER_CONNECTION; i++)
    flood_once (clients[i / FLOOD_PER_CONNECTION], &flood);
  wait_until (is_flooded, &flood);

  for (guint i = 0; i < CALLS; i++)
    {
      TestbedAnswer answer = { FALSE, NULL, NULL };
      start_sign (t->bus, 9, &answer);
      wait_until (testbed_is_answered, &answer);
      g_assert_no_error (answer.error);
      if (i == 0)
        testbed_assert_verifies (t, answer.reply, 9);
      testbed_answer_clear (&answer);
    }
  /* It went on all the while, and was served where there was a place. */
  g_assert_cmpuint (flood.busy, >, FLOOD_CONNECTIONS);
  g_assert_cmpuint (flood.done, >, flood.busy);

  flood.stop = TRUE;
  wait_until (is_over, &flood);
  for (guint i = 0; i < FLOOD_CONNECTIONS; i++)
    testbed_disconnect (clients[i]);
}

/* --- keys that are made --- */

static void
create_key (GDBusConnection *client, const char *name, const char *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed (options));
  g_autoptr (GVariant) reply
      = try_from (client, PATH_KEYS, "org.tpmid1.Keys.CreateKey", g_variant_new ("(s@a{sv})", name, dict), &error);

  g_assert_no_error (error);
}

static gboolean
is_making (gpointer data)
{
  g_autoptr (GVariant) reply = testbed_call (data, PATH_DEVICE, "org.tpmid1.Device.GetStatus", g_variant_new ("(a{sv})", NULL));
  g_autofree char *text = g_variant_print (reply, FALSE);

  return strstr (text, "'make-key'") != NULL;
}

static void
while_a_key_is_made_others_are_busy_and_nothing_is_wrong (Testbed *t, gconstpointer data)
{
  TestbedAnswer answer = { FALSE, NULL, NULL };

  testbed_start_tpm (t);
  testbed_start_daemon (t, "RequestTimeoutSec=1", NULL);
  testbed_wait_for (t, "State", "ready");
  assert_signs (t);
  /* With the storage root key at hand, making a key is one command. */
  create_key (t->bus, "first", "@a{sv} {}");
  testbed_wait_for_key (t, PATH_KEYS "/first", "usable");
  testbed_pause_tpm (t, TRUE);
  create_key (t->bus, "app", "{'algorithm': <'rsa-2048'>}");
  wait_until (is_making, t);
  gint64 begin = g_get_monotonic_time ();
  start_sign (t->bus, 1, &answer);
  while (!answer.done)
    {
      gint64 asked = g_get_monotonic_time ();
      g_assert_cmpuint (testbed_get_tpm_number (t, "running-ms"), <, LIMIT_MS);
      g_assert_cmpint (g_get_monotonic_time () - asked, <, STATUS_LIMIT_US);
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, G_USEC_PER_SEC);
  assert_remote_error (answer.error, "org.tpmid1.Error.Busy");
  testbed_answer_clear (&answer);
  g_assert_cmpuint (testbed_get_tpm_number (t, "waiting"), ==, 0);
  g_autofree char *state = testbed_get_string (t, "TpmState");
  g_assert_cmpstr (state, ==, "ready");

  testbed_pause_tpm (t, FALSE);
  testbed_wait_for_key (t, PATH_KEYS "/app", "usable");
  assert_signs (t);
}

static void
a_key_is_made_although_who_asked_for_it_has_left (Testbed *t, gconstpointer data)
{
  GDBusConnection *client = testbed_connect_as (t, OTHER_USER, SIGN_GROUP);

  testbed_boot (t);
  testbed_pause_tpm (t, TRUE);
  create_key (client, "app", "{'algorithm': <'rsa-2048'>}");
  testbed_disconnect (client);
  testbed_pause_tpm (t, FALSE);
  testbed_wait_for_key (t, PATH_KEYS "/app", "usable");
}

static gboolean
is_made_again (gpointer data)
{
  create_key (((Testbed *) data)->bus, "app", "@a{sv} {}");
  g_autoptr (GVariant) state = testbed_get_key_property (data, PATH_KEYS "/app", "State");
  return g_str_equal (g_variant_get_string (state, NULL), "usable");
}

static void
a_key_that_a_dead_tpm_did_not_make_says_so_and_is_made_when_asked_again (Testbed *t, gconstpointer data)
{
  testbed_boot (t);
  assert_signs (t);
  testbed_kill_tpm (t);
  create_key (t->bus, "app", "@a{sv} {}");
  testbed_wait_for_key (t, PATH_KEYS "/app", "failed");
  g_autoptr (GVariant) problem = testbed_get_key_property (t, PATH_KEYS "/app", "Problem");
  g_assert_cmpstr (g_variant_get_string (problem, NULL), !=, "");
  testbed_wait_for_log (t, "<4>key app could not be made:*TPMID_KEY=app*TPM_RC=0x*");

  testbed_start_tpm (t);
  wait_until (is_made_again, t);
  assert_signs (t);
}

/* --- daemons --- */

static void
of_two_daemons_the_second_leaves_and_changes_nothing (Testbed *t, gconstpointer data)
{
  g_autofree char *address = NULL, *config = NULL, *log = NULL, *other_run = NULL;

  testbed_boot (t);
  address = g_strdup_printf ("--bus-address=%s", t->address);
  config = g_strdup_printf ("--config=%s", t->config);
  other_run = g_strdup_printf ("--set=RuntimePath=%s/proc", t->folder);
  g_autofree char *before = testbed_snapshot (t);

  int status = testbed_run (t, &log, "setpriv", "--reuid=" DAEMON_USER, "--regid=" DAEMON_USER, "--clear-groups",
                            t->setup->daemon, config, address, NULL);
  g_assert_cmpint (status, ==, 1);
  g_assert_nonnull (strstr (log, "lock"));
  g_clear_pointer (&log, g_free);

  /* Even where the lock does not keep it away, the name does. */
  status = testbed_run (t, &log, "setpriv", "--reuid=" DAEMON_USER, "--regid=" DAEMON_USER, "--clear-groups", t->setup->daemon,
                        config, address, other_run, NULL);
  g_assert_cmpint (status, ==, 1);
  g_assert_nonnull (strstr (log, "another tpmidd is running"));

  g_autofree char *after = testbed_snapshot (t);
  g_assert_cmpstr (before, ==, after);
  assert_signs (t);
}

static void
a_stop_answers_those_who_wait (Testbed *t, gconstpointer data)
{
  TestbedAnswer answers[4] = { { FALSE, NULL, NULL } };

  testbed_boot (t);
  assert_signs (t);
  testbed_pause_tpm (t, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    start_sign (t->bus, 1, &answers[i]);
  wait_for_waiting (t, G_N_ELEMENTS (answers) - 1);
  gint64 begin = g_get_monotonic_time ();
  g_subprocess_send_signal (t->daemon, SIGTERM);
  for (guint i = 1; i < G_N_ELEMENTS (answers); i++)
    wait_until (testbed_is_answered, &answers[i]);
  /* Long before the daemon gives up on the TPM. */
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 5 * G_USEC_PER_SEC);
  testbed_pause_tpm (t, FALSE);
  testbed_stop_daemon (t);
  wait_until (testbed_is_answered, &answers[0]);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      if (i > 0)
        assert_remote_error (answers[i].error, "org.tpmid1.Error.Cancelled");
      testbed_answer_clear (&answers[i]);
    }
}

#define ADD(name, function) g_test_add ("/bus/trouble/" name, Testbed, &setup, testbed_set_up, function, testbed_tear_down)

int
main (int argc, char **argv)
{
  Setup setup = { NULL, NULL };

  g_test_init (&argc, &argv, NULL);
  if (!setup_init (&setup, argc, argv))
    return 2;
  ADD ("the-status-answers-while-the-tpm-does-not", the_status_answers_while_the_tpm_does_not);
  ADD ("a-tpm-that-dies-and-returns-signs-again-in-the-same-process",
       a_tpm_that_dies_and_returns_signs_again_in_the_same_process);
  ADD ("a-tpm-that-was-replaced-between-two-calls-is-not-noticed", a_tpm_that_was_replaced_between_two_calls_is_not_noticed);
  ADD ("a-tpm-that-comes-later-is-taken-on", a_tpm_that_comes_later_is_taken_on);
  ADD ("a-client-that-vanishes-mid-call-harms-nobody", a_client_that_vanishes_mid_call_harms_nobody);
  ADD ("a-flood-is-busy-and-others-are-served", a_flood_is_busy_and_others_are_served);
  ADD ("a-flood-of-one-user-from-many-connections-costs-others-nothing",
       a_flood_of_one_user_from_many_connections_costs_others_nothing);
  ADD ("while-a-key-is-made-others-are-busy-and-nothing-is-wrong", while_a_key_is_made_others_are_busy_and_nothing_is_wrong);
  ADD ("a-key-is-made-although-who-asked-for-it-has-left", a_key_is_made_although_who_asked_for_it_has_left);
  ADD ("a-key-that-a-dead-tpm-did-not-make-says-so-and-is-made-when-asked-again",
       a_key_that_a_dead_tpm_did_not_make_says_so_and_is_made_when_asked_again);
  ADD ("of-two-daemons-the-second-leaves-and-changes-nothing", of_two_daemons_the_second_leaves_and_changes_nothing);
  ADD ("a-stop-answers-those-who-wait", a_stop_answers_those_who_wait);
  int status = g_test_run ();
  setup_clear (&setup);
  return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The writer of GLib's log can be set once in a process, so each case runs in a process of its own; its stderr is a pipe
 * and thus never the journal. */

#include "base/base-log.h"

#define LIMIT_USEC (20 * G_USEC_PER_SEC)

static void
run_again (void)
{
  g_test_trap_subprocess (NULL, LIMIT_USEC, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

/* The test framework puts its own handler in the way of g_message() and the like; a daemon has none. */
static void
init_as_main_does (gboolean debug)
{
  g_log_set_default_handler (g_log_default_handler, NULL);
  base_log_init (debug);
}

static void
test_fields_stand_in_brackets_behind_the_message (void)
{
  const BaseLogField fields[] = { { "TPMID_KEY", "device" }, { "TPM_RC", "0x921" }, { NULL, NULL } };

  if (g_test_subprocess ())
    {
      init_as_main_does (FALSE);
      base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_KEY_USED, fields, "signed %d times", 3);
      return;
    }
  run_again ();
  g_test_trap_assert_stderr ("*<5>signed 3 times [TPMID_KEY=device] [TPM_RC=0x921]\n*");
}

static void
test_fields_without_a_value_are_left_out (void)
{
  const BaseLogField fields[] = { { "TPMID_KEY", NULL }, { "TPMID_UID", "1000" }, { NULL, NULL } };

  if (g_test_subprocess ())
    {
      init_as_main_does (FALSE);
      base_log (G_LOG_LEVEL_MESSAGE, NULL, fields, "refused");
      return;
    }
  run_again ();
  g_test_trap_assert_stderr ("*<5>refused [TPMID_UID=1000]\n*");
  g_test_trap_assert_stderr_unmatched ("*TPMID_KEY*");
}

static void
test_bookkeeping_fields_stay_out_of_the_line (void)
{
  if (g_test_subprocess ())
    {
      init_as_main_does (FALSE);
      base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_STARTED, NULL, "started");
      return;
    }
  run_again ();
  g_test_trap_assert_stderr ("*<5>started\n*");
  g_test_trap_assert_stderr_unmatched ("*" BASE_LOG_ID_STARTED "*");
}

static void
test_each_level_has_its_priority (void)
{
  if (g_test_subprocess ())
    {
      init_as_main_does (TRUE);
      base_log (G_LOG_LEVEL_CRITICAL, NULL, NULL, "a bug");
      base_log (G_LOG_LEVEL_WARNING, NULL, NULL, "degraded");
      base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "for the operator");
      base_log (G_LOG_LEVEL_INFO, NULL, NULL, "state change");
      base_log (G_LOG_LEVEL_DEBUG, NULL, NULL, "detail");
      return;
    }
  run_again ();
  g_test_trap_assert_stderr ("*<3>a bug\n<4>degraded\n<5>for the operator\n<6>state change\n<7>detail\n*");
}

static void
test_debug_is_silent_unless_wanted (void)
{
  if (g_test_subprocess ())
    {
      init_as_main_does (FALSE);
      base_log (G_LOG_LEVEL_DEBUG, NULL, NULL, "detail");
      g_debug ("detail of a library");
      base_log (G_LOG_LEVEL_INFO, NULL, NULL, "state change");
      return;
    }
  run_again ();
  g_test_trap_assert_stderr ("*<6>state change\n*");
  g_test_trap_assert_stderr_unmatched ("*detail*");
}

static void
test_libraries_write_through_the_same_door (void)
{
  if (g_test_subprocess ())
    {
      init_as_main_does (FALSE);
      g_message ("from a library");
      return;
    }
  run_again ();
  g_test_trap_assert_stderr ("*<5>from a library\n*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/base/log/fields-stand-in-brackets-behind-the-message", test_fields_stand_in_brackets_behind_the_message);
  g_test_add_func ("/base/log/fields-without-a-value-are-left-out", test_fields_without_a_value_are_left_out);
  g_test_add_func ("/base/log/bookkeeping-fields-stay-out-of-the-line", test_bookkeeping_fields_stay_out_of_the_line);
  g_test_add_func ("/base/log/each-level-has-its-priority", test_each_level_has_its_priority);
  g_test_add_func ("/base/log/debug-is-silent-unless-wanted", test_debug_is_silent_unless_wanted);
  g_test_add_func ("/base/log/libraries-write-through-the-same-door", test_libraries_write_through_the_same_door);
  return g_test_run ();
}

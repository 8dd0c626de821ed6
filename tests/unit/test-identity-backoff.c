/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-backoff.h"

#include "base-error.h"

#include <string.h>

#define SECOND ((gint64) G_USEC_PER_SEC)
#define HOUR (3600 * SECOND)
#define ALICE 1000
#define BOB 1001

static gboolean
begins (IdentityBackoff *backoff, guint uid, gint64 now)
{
  g_autoptr (GError) error = NULL;
  gboolean may = identity_backoff_begin (backoff, uid, now, &error);

  if (may)
    g_assert_no_error (error);
  else
    g_assert_error (error, TPMID_ERROR, TPMID_ERROR_RATE_LIMITED);
  return may;
}

static void
fail_once (IdentityBackoff *backoff, guint uid, gint64 now)
{
  g_assert_true (begins (backoff, uid, now));
  identity_backoff_end (backoff, uid, TRUE, now);
}

static void
fail_all_free_ones (IdentityBackoff *backoff, guint uid, gint64 now)
{
  for (guint i = 0; i < IDENTITY_BACKOFF_FREE; i++)
    fail_once (backoff, uid, now);
}

static void
test_ten_failures_are_free (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();

  g_assert_cmpuint (IDENTITY_BACKOFF_FREE, ==, 10);
  fail_all_free_ones (backoff, ALICE, 5 * SECOND);
  g_assert_false (begins (backoff, ALICE, 5 * SECOND));
  g_assert_false (begins (backoff, ALICE, 6 * SECOND - 1));
  g_assert_true (begins (backoff, ALICE, 6 * SECOND));
}

static void
test_pauses_double_up_to_five_minutes (void)
{
  static const gint64 pauses[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300 };
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();
  gint64 now = 77;

  fail_all_free_ones (backoff, ALICE, now);
  for (gsize i = 0; i < G_N_ELEMENTS (pauses); i++)
    {
      g_assert_false (begins (backoff, ALICE, now + pauses[i] * SECOND - 1));
      now += pauses[i] * SECOND;
      fail_once (backoff, ALICE, now);
    }
}

static void
test_each_user_has_a_count_of_its_own (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();

  fail_all_free_ones (backoff, ALICE, 0);
  g_assert_false (begins (backoff, ALICE, 0));
  fail_all_free_ones (backoff, BOB, 0);
  g_assert_false (begins (backoff, BOB, 0));
  fail_all_free_ones (backoff, 0, 0);
  g_assert_false (begins (backoff, 0, 0));
}

/* Many at once are no failures. */
static void
test_who_has_not_failed_is_not_refused (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();

  for (guint i = 0; i < 4 * IDENTITY_BACKOFF_FREE; i++)
    g_assert_true (begins (backoff, ALICE, 0));
  for (guint i = 0; i < 2 * IDENTITY_BACKOFF_FREE; i++)
    identity_backoff_end (backoff, ALICE, FALSE, 0);
  g_assert_true (begins (backoff, ALICE, 0));
  /* What runs meanwhile ends as it ends, and counts. */
  for (guint i = 0; i <= 2 * IDENTITY_BACKOFF_FREE; i++)
    identity_backoff_end (backoff, ALICE, TRUE, 0);
  g_assert_false (begins (backoff, ALICE, 60 * SECOND));
  g_assert_true (begins (backoff, ALICE, 300 * SECOND));
}

static void
test_only_one_at_a_time_runs_after_the_free_ones (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();

  fail_all_free_ones (backoff, ALICE, 0);
  g_assert_true (begins (backoff, ALICE, SECOND));
  /* However long it takes. */
  g_assert_false (begins (backoff, ALICE, SECOND));
  g_assert_false (begins (backoff, ALICE, 2 * HOUR));
  identity_backoff_end (backoff, ALICE, FALSE, 2 * HOUR);
  g_assert_true (begins (backoff, ALICE, 2 * HOUR));
}

static void
test_success_changes_nothing (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();

  for (guint i = 0; i < IDENTITY_BACKOFF_FREE; i++)
    {
      fail_once (backoff, ALICE, 0);
      if (i + 1 == IDENTITY_BACKOFF_FREE)
        break;
      g_assert_true (begins (backoff, ALICE, 0));
      identity_backoff_end (backoff, ALICE, FALSE, 0);
    }
  g_assert_false (begins (backoff, ALICE, 0));
  /* And after one that worked the next failure costs what it would have. */
  g_assert_true (begins (backoff, ALICE, SECOND));
  identity_backoff_end (backoff, ALICE, FALSE, SECOND);
  fail_once (backoff, ALICE, SECOND);
  g_assert_false (begins (backoff, ALICE, 3 * SECOND - 1));
  g_assert_true (begins (backoff, ALICE, 3 * SECOND));
}

static void
test_an_hour_without_failure_is_forgiven (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();

  fail_all_free_ones (backoff, ALICE, 0);
  fail_once (backoff, ALICE, SECOND);
  /* Not a moment earlier. */
  fail_once (backoff, ALICE, SECOND + HOUR - 1);
  g_assert_false (begins (backoff, ALICE, SECOND + HOUR + 3 * SECOND));
  fail_all_free_ones (backoff, ALICE, SECOND + 2 * HOUR);
  g_assert_false (begins (backoff, ALICE, SECOND + 2 * HOUR));
  g_assert_true (begins (backoff, ALICE, 2 * SECOND + 2 * HOUR));
}

static void
test_the_error_says_how_long_to_wait (void)
{
  g_autoptr (IdentityBackoff) backoff = identity_backoff_new ();
  g_autoptr (GError) error = NULL;

  fail_all_free_ones (backoff, ALICE, 0);
  for (guint i = 0; i < 4; i++)
    fail_once (backoff, ALICE, i * 60 * SECOND + 60 * SECOND);
  g_assert_false (identity_backoff_begin (backoff, ALICE, 4 * 60 * SECOND + SECOND / 2, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_RATE_LIMITED);
  g_assert_nonnull (strstr (error->message, "uid 1000 "));
  g_assert_nonnull (strstr (error->message, " 16 s"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/backoff/ten-failures-are-free", test_ten_failures_are_free);
  g_test_add_func ("/identity/backoff/pauses-double-up-to-five-minutes", test_pauses_double_up_to_five_minutes);
  g_test_add_func ("/identity/backoff/each-user-has-a-count-of-its-own", test_each_user_has_a_count_of_its_own);
  g_test_add_func ("/identity/backoff/who-has-not-failed-is-not-refused", test_who_has_not_failed_is_not_refused);
  g_test_add_func ("/identity/backoff/only-one-at-a-time-runs-after-the-free-ones", test_only_one_at_a_time_runs_after_the_free_ones);
  g_test_add_func ("/identity/backoff/success-changes-nothing", test_success_changes_nothing);
  g_test_add_func ("/identity/backoff/an-hour-without-failure-is-forgiven", test_an_hour_without_failure_is_forgiven);
  g_test_add_func ("/identity/backoff/the-error-says-how-long-to-wait", test_the_error_says_how_long_to_wait);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hierarchies that have passwords, of ours and of others. */
#include "test-password.h"

#include "tpm-key.h"
#include "tpm-nv.h"

typedef struct
{
  TestSwtpm *swtpm;
  TpmLink *link;
} Bench;

static void
bench_init (Bench *bench)
{
  bench->swtpm = test_swtpm_new ();
  bench->link = test_tpm_link (bench->swtpm);
  test_tpm_ensure (bench->link);
}

static void
bench_clear (Bench *bench)
{
  tpm_link_free (bench->link);
  test_swtpm_assert_clean (bench->swtpm);
  test_swtpm_free (bench->swtpm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

#define BENCH(name)                                                                                                                      \
  g_auto (Bench) name = { NULL };                                                                                                        \
  bench_init (&name)

static gboolean
define (TpmLink *link, GError **error)
{
  return tpm_nv_define_write_once (link, TEST_INDEX, 13, error);
}

static gboolean
undefine (TpmLink *link, GError **error)
{
  return tpm_nv_undefine (link, TEST_INDEX, error);
}

static gboolean
make_key (TpmLink *link, GError **error)
{
  TpmPublic public;

  return test_tpm_make (link, TPM_KEY_ECC_P256, &public, error);
}

static gboolean
evict_key (TpmLink *link, GError **error)
{
  return tpm_key_evict (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, error);
}

static gboolean
make_parent (TpmLink *link, GError **error)
{
  ESYS_TR tr;

  return tpm_parent_get (link, &test_parent, &tr, NULL, error);
}

static gboolean
evict_parent (TpmLink *link, GError **error)
{
  return tpm_parent_evict (link, &test_parent, error);
}

static gboolean
read_anchor (TpmLink *link, GError **error)
{
  guint8 name[TPM_NAME_SIZE];

  return tpm_hierarchy_read_anchor (link, TPM_HIERARCHY_OWNER, name, error);
}

static gboolean
clear (TpmLink *link, GError **error)
{
  return tpm_hierarchy_clear (link, error);
}

static gboolean
set_parameters (TpmLink *link, GError **error)
{
  return tpm_hierarchy_set_lockout_parameters (link, 32, 600, 3600, error);
}

static gboolean
reset_lockout (TpmLink *link, GError **error)
{
  return tpm_hierarchy_reset_lockout (link, error);
}

typedef gboolean (*Operation) (TpmLink *link, GError **error);

static void
assert_works (TpmLink *link, Operation operation)
{
  g_autoptr (GError) error = NULL;

  (void) operation (link, &error);
  g_assert_no_error (error);
}

static void
assert_fails (TpmLink *link, Operation operation, TpmidError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (operation (link, &error));
  assert_tpmid_error (error, (int) code);
}

/* In an order in which each can work. */
static const Operation owner_operations[]
    = { read_anchor, evict_parent, make_parent, evict_parent, define, undefine, make_key, evict_key };

static void
a_known_password_authorizes (void)
{
  BENCH (bench);

  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  /* The tools cannot without it: it is set. */
  test_swtpm_run (bench.swtpm, "sh -c '! tpm2_changeauth -Q -c owner'");
  for (gsize i = 0; i < G_N_ELEMENTS (owner_operations); i++)
    assert_works (bench.link, owner_operations[i]);
  g_assert_true (tpm_link_has_password (bench.link, TPM_HIERARCHY_OWNER));
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner -p %s", TEST_PASSWORD);
}

static void
read_by_owner (TpmLink *link)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  (void) tpm_nv_read (link, TEST_INDEX, &bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "abcd", 4);
}

static void
a_known_password_reads_what_only_the_owner_may (void)
{
  BENCH (bench);

  test_swtpm_run (bench.swtpm, "tpm2_nvdefine -Q -C o -s 4 -a 'ownerread|ownerwrite' 0x%x", TEST_INDEX);
  test_swtpm_run (bench.swtpm, "sh -c 'printf abcd | tpm2_nvwrite -Q -C o -i - 0x%x'", TEST_INDEX);
  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  read_by_owner (bench.link);
}

static void
a_known_password_outlasts_an_opening (void)
{
  BENCH (bench);

  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  tpm_link_close (bench.link);
  test_swtpm_kill (bench.swtpm);
  test_swtpm_start (bench.swtpm);
  test_tpm_ensure (bench.link);
  assert_works (bench.link, define);
}

static void
a_password_can_be_changed_and_taken_away (void)
{
  static const TpmHierarchy hierarchies[] = { TPM_HIERARCHY_OWNER, TPM_HIERARCHY_ENDORSEMENT, TPM_HIERARCHY_LOCKOUT };
  BENCH (bench);

  for (gsize i = 0; i < G_N_ELEMENTS (hierarchies); i++)
    {
      TpmHierarchy hierarchy = hierarchies[i];

      test_change (bench.link, hierarchy, TEST_PASSWORD);
      test_change (bench.link, hierarchy, TEST_OTHER_PASSWORD);
      g_assert_true (tpm_hierarchy_is_set (tpm_link_facts (bench.link), hierarchy));
      /* What the link believes is what the TPM says. */
      test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c %s -p %s %s", tpm_hierarchy_name (hierarchy), TEST_OTHER_PASSWORD,
                      TEST_OTHER_PASSWORD);
      test_change (bench.link, hierarchy, NULL);
      g_assert_false (tpm_link_has_password (bench.link, hierarchy));
      g_assert_false (tpm_hierarchy_is_set (tpm_link_facts (bench.link), hierarchy));
      test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c %s", tpm_hierarchy_name (hierarchy));
    }
}

static void
a_password_that_no_tpm_takes_is_refused (void)
{
  const char too_long[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
  g_autoptr (BaseSecret) long_one = test_secret (too_long);
  g_autoptr (BaseSecret) empty = base_secret_new ("\0\0", 2);
  g_autoptr (GError) error = NULL;
  BENCH (bench);
  guint64 before = test_tpm_status (bench.link).commands;

  g_assert_false (tpm_hierarchy_change_password (bench.link, TPM_HIERARCHY_OWNER, NULL, long_one, &error));
  assert_tpmid_error (error, TPMID_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_false (tpm_hierarchy_change_password (bench.link, TPM_HIERARCHY_OWNER, NULL, empty, &error));
  assert_tpmid_error (error, TPMID_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 0);
}

/* TPM 2.0 Library Part 1, 19.6.5: the TPM keeps no zeros at the end. */
static void
zeros_at_the_end_of_a_password_do_not_matter (void)
{
  g_autoptr (BaseSecret) password = base_secret_new ("password\0\0", 10);
  g_autoptr (GError) error = NULL;
  BENCH (bench);

  (void) tpm_hierarchy_change_password (bench.link, TPM_HIERARCHY_OWNER, NULL, password, &error);
  g_assert_no_error (error);
  assert_works (bench.link, define);
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner -p password");
}

/* The parent is gone, and only the password can make it again. */
static void
a_missing_parent_is_no_hindrance (void)
{
  BENCH (bench);

  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  assert_works (bench.link, evict_parent);
  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_OTHER_PASSWORD);
  assert_works (bench.link, evict_parent);
  test_change (bench.link, TPM_HIERARCHY_OWNER, NULL);
}

static void
a_password_of_others_is_not_tried (void)
{
  BENCH (bench);
  guint64 before;

  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner theirs");
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  tpm_link_close (bench.link);
  test_tpm_ensure (bench.link);
  before = test_tpm_status (bench.link).commands;
  assert_fails (bench.link, read_anchor, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_fails (bench.link, define, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_fails (bench.link, clear, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_fails (bench.link, set_parameters, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_fails (bench.link, reset_lockout, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  /* A look at the facts each. */
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 5);
  /* Not locked: the right one still works. */
  test_swtpm_run (bench.swtpm, "tpm2_clear -Q -c l theirs");
}

/* Even where the facts are old: a wrong one would lock it. */
static void
a_lockout_password_set_meanwhile_is_not_tried (void)
{
  BENCH (bench);

  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  g_assert_false (tpm_link_facts (bench.link)->lockout_auth_set);
  assert_fails (bench.link, clear, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_fails (bench.link, set_parameters, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  test_swtpm_run (bench.swtpm, "tpm2_clear -Q -c l theirs");
}

static void
assert_wrong_once (Bench *bench, TpmHierarchy hierarchy, Operation operation)
{
  guint64 before;

  test_know (bench->link, hierarchy, TEST_PASSWORD);
  g_assert_false (tpm_link_is_password_wrong (bench->link, hierarchy));
  assert_fails (bench->link, operation, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  g_assert_true (tpm_link_is_password_wrong (bench->link, hierarchy));
  g_assert_false (tpm_link_has_password (bench->link, hierarchy));

  /* Not a second time, and not when somebody says it again. */
  for (guint i = 0; i < 2; i++)
    {
      before = test_tpm_status (bench->link).commands;
      assert_fails (bench->link, operation, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
      g_assert_cmpuint (test_commands (bench->link, &before), ==, 1);
      test_know (bench->link, hierarchy, TEST_PASSWORD);
      g_assert_true (tpm_link_is_password_wrong (bench->link, hierarchy));
    }
}

static void
a_wrong_password_is_tried_once (void)
{
  BENCH (bench);

  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner theirs");
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  tpm_link_close (bench.link);
  test_tpm_ensure (bench.link);
  assert_wrong_once (&bench, TPM_HIERARCHY_OWNER, define);
  g_assert_cmpuint (test_swtpm_lockout_counter (bench.swtpm), ==, 0);
  /* Another one is tried. */
  test_know (bench.link, TPM_HIERARCHY_OWNER, "theirs");
  assert_works (bench.link, define);
  assert_wrong_once (&bench, TPM_HIERARCHY_LOCKOUT, set_parameters);
  /* Locked now, as the TPM does it; that is told for what it is, and the right password is not forgotten for it. */
  test_know (bench.link, TPM_HIERARCHY_LOCKOUT, "theirs");
  assert_fails (bench.link, set_parameters, TPMID_ERROR_TPM_LOCKOUT);
  g_assert_true (tpm_link_has_password (bench.link, TPM_HIERARCHY_LOCKOUT));
}

/* What was right once must not lock somebody else's. */
static gboolean
try_owner (TpmLink *link, GError **error)
{
  return tpm_hierarchy_try_password (link, TPM_HIERARCHY_OWNER, error);
}

static void
a_password_can_be_tried (void)
{
  BENCH (bench);

  assert_works (bench.link, try_owner);
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner theirs");
  (void) tpm_link_refresh_facts (bench.link, NULL);
  assert_fails (bench.link, try_owner, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_wrong_once (&bench, TPM_HIERARCHY_OWNER, try_owner);
  test_know (bench.link, TPM_HIERARCHY_OWNER, "theirs");
  assert_works (bench.link, try_owner);
  g_assert_cmpuint (test_swtpm_lockout_counter (bench.swtpm), ==, 0);
}

static void
a_stale_password_is_dropped (void)
{
  BENCH (bench);
  g_autoptr (GError) error = NULL;

  test_change (bench.link, TPM_HIERARCHY_LOCKOUT, TEST_PASSWORD);
  test_swtpm_run (bench.swtpm, "tpm2_clear -Q -c l %s", TEST_PASSWORD);
  (void) tpm_link_refresh_facts (bench.link, &error);
  g_assert_no_error (error);
  g_assert_false (tpm_link_has_password (bench.link, TPM_HIERARCHY_LOCKOUT));
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  assert_fails (bench.link, set_parameters, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c lockout -p theirs");
  assert_works (bench.link, set_parameters);
}

static void
clearing_forgets_everything (void)
{
  BENCH (bench);
  TpmPublic public;
  g_autoptr (GError) error = NULL;

  assert_works (bench.link, make_key);
  test_change (bench.link, TPM_HIERARCHY_LOCKOUT, TEST_PASSWORD);
  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_OTHER_PASSWORD);
  assert_works (bench.link, define);
  assert_works (bench.link, clear);
  g_assert_cmpuint (tpm_link_is_open (bench.link), ==, TRUE);
  for (guint hierarchy = 0; hierarchy < TPM_N_HIERARCHIES; hierarchy++)
    g_assert_false (tpm_link_has_password (bench.link, (TpmHierarchy) hierarchy));
  g_assert_false (tpm_link_facts (bench.link)->owner_auth_set);
  g_assert_false (tpm_link_facts (bench.link)->lockout_auth_set);
  g_assert_false (tpm_key_find (bench.link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &public, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_FOUND);
  /* As new: what the link had of before is gone. */
  assert_works (bench.link, make_parent);
  test_swtpm_run (bench.swtpm, "tpm2_readpublic -Q -c 0x%x", TEST_PARENT_HANDLE);
  for (gsize i = 0; i < G_N_ELEMENTS (owner_operations); i++)
    assert_works (bench.link, owner_operations[i]);
}

static void
clearing_that_is_disabled_is_told (void)
{
  BENCH (bench);

  test_swtpm_run (bench.swtpm, "tpm2_clearcontrol -Q -C l s");
  assert_fails (bench.link, clear, TPMID_ERROR_CLEAR_DISABLED);
  test_change (bench.link, TPM_HIERARCHY_LOCKOUT, TEST_PASSWORD);
  assert_fails (bench.link, clear, TPMID_ERROR_CLEAR_DISABLED);
  g_assert_true (tpm_link_has_password (bench.link, TPM_HIERARCHY_LOCKOUT));
  test_swtpm_run (bench.swtpm, "tpm2_clearcontrol -Q -C p c");
  assert_works (bench.link, clear);
}

/* A try at a dictionary-attack protected thing: an index with a password. */
static void
raise_lockout_counter (TestSwtpm *swtpm)
{
  test_swtpm_run (swtpm, "tpm2_nvdefine -Q -C o -p secret -s 4 -a 'authread|authwrite' 0x01805477");
  test_swtpm_run (swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
}

static void
lockout_parameters_are_set_and_the_counter_reset (void)
{
  BENCH (bench);
  TpmFacts told;
  g_autoptr (GError) error = NULL;

  raise_lockout_counter (bench.swtpm);
  test_change (bench.link, TPM_HIERARCHY_LOCKOUT, TEST_PASSWORD);
  assert_works (bench.link, set_parameters);
  g_assert_cmpuint (test_swtpm_lockout_counter (bench.swtpm), ==, 1);
  assert_works (bench.link, reset_lockout);
  g_assert_cmpuint (test_swtpm_lockout_counter (bench.swtpm), ==, 0);

  /* What the status says is what the TPM says. */
  told = test_tpm_status (bench.link).facts;
  (void) tpm_link_refresh_facts (bench.link, &error);
  g_assert_no_error (error);
  TpmFacts asked = test_tpm_status (bench.link).facts;
  g_assert_cmpmem (&told, sizeof told, &asked, sizeof asked);
  g_assert_cmpuint (asked.lockout_limit, ==, 32);
  g_assert_cmpuint (asked.lockout_interval_sec, ==, 600);
  g_assert_cmpuint (asked.lockout_recovery_sec, ==, 3600);
}

static gboolean
close_platform (TpmLink *link)
{
  g_autoptr (BaseSecret) password = test_secret (TEST_PASSWORD);
  g_autoptr (GError) error = NULL;
  gboolean was_open;

  (void) tpm_hierarchy_close_platform (link, password, &was_open, &error);
  g_assert_no_error (error);
  return was_open;
}

static void
an_open_platform_hierarchy_is_closed (void)
{
  BENCH (bench);
  guint64 before = test_tpm_status (bench.link).commands;

  g_assert_true (close_platform (bench.link));
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 4);
  test_swtpm_run (bench.swtpm, "sh -c '! tpm2_changeauth -Q -c platform x'");
  g_assert_false (close_platform (bench.link));
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 1);
  g_assert_false (tpm_link_has_password (bench.link, TPM_HIERARCHY_PLATFORM));
  g_assert_cmpuint (test_swtpm_lockout_counter (bench.swtpm), ==, 0);
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c platform -p %s", TEST_PASSWORD);
  g_assert_true (close_platform (bench.link));
  /* Open again with the next start. */
  test_swtpm_kill (bench.swtpm);
  test_swtpm_start (bench.swtpm);
  (void) tpm_link_refresh_facts (bench.link, NULL);
  tpm_link_retry_now (bench.link);
  test_tpm_ensure (bench.link);
  g_assert_true (close_platform (bench.link));
}

static void
a_platform_hierarchy_that_is_switched_off_is_closed (void)
{
  BENCH (bench);

  test_swtpm_run (bench.swtpm, "tpm2_hierarchycontrol -Q -C p phEnable clear");
  g_assert_false (close_platform (bench.link));
}

typedef struct
{
  Operation operation;
  guint empty, known;
} Cost;

/* What the headers promise, with an empty password and with one that is known. */
static void
the_commands_are_as_many_as_promised (void)
{
  static const Cost owner[] = { { read_anchor, 2, 3 }, { evict_parent, 1, 1 }, { make_parent, 4, 6 }, { define, 1, 2 }, { undefine, 3, 4 },
                                { make_key, 7, 9 }, { evict_key, 3, 4 }, { evict_key, 1, 1 }, { try_owner, 3, 4 } };
  static const Cost lockout[] = { { set_parameters, 2, 3 }, { reset_lockout, 2, 3 } };

  for (guint known = 0; known < 2; known++)
    {
      BENCH (bench);
      guint64 before;

      if (known)
        {
          test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
          test_change (bench.link, TPM_HIERARCHY_LOCKOUT, TEST_PASSWORD);
          assert_works (bench.link, evict_parent);
        }
      before = test_tpm_status (bench.link).commands;
      for (gsize i = 0; i < G_N_ELEMENTS (owner); i++)
        {
          assert_works (bench.link, owner[i].operation);
          g_assert_cmpuint (test_commands (bench.link, &before), ==, known ? owner[i].known : owner[i].empty);
        }
      for (gsize i = 0; i < G_N_ELEMENTS (lockout); i++)
        {
          assert_works (bench.link, lockout[i].operation);
          g_assert_cmpuint (test_commands (bench.link, &before), ==, known ? lockout[i].known : lockout[i].empty);
        }
      /* With the parent in the cache. */
      test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_OTHER_PASSWORD);
      g_assert_cmpuint (test_commands (bench.link, &before), ==, 2);
      test_change (bench.link, TPM_HIERARCHY_OWNER, NULL);
      g_assert_cmpuint (test_commands (bench.link, &before), ==, 2);
      assert_works (bench.link, clear);
      g_assert_cmpuint (test_commands (bench.link, &before), ==, known ? 4 : 3);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/hierarchy/a-known-password-authorizes", a_known_password_authorizes);
  g_test_add_func ("/tpm/hierarchy/a-known-password-reads-what-only-the-owner-may", a_known_password_reads_what_only_the_owner_may);
  g_test_add_func ("/tpm/hierarchy/a-known-password-outlasts-an-opening", a_known_password_outlasts_an_opening);
  g_test_add_func ("/tpm/hierarchy/a-password-can-be-changed-and-taken-away", a_password_can_be_changed_and_taken_away);
  g_test_add_func ("/tpm/hierarchy/a-password-that-no-tpm-takes-is-refused", a_password_that_no_tpm_takes_is_refused);
  g_test_add_func ("/tpm/hierarchy/zeros-at-the-end-of-a-password-do-not-matter", zeros_at_the_end_of_a_password_do_not_matter);
  g_test_add_func ("/tpm/hierarchy/a-missing-parent-is-no-hindrance", a_missing_parent_is_no_hindrance);
  g_test_add_func ("/tpm/hierarchy/a-password-of-others-is-not-tried", a_password_of_others_is_not_tried);
  g_test_add_func ("/tpm/hierarchy/a-lockout-password-set-meanwhile-is-not-tried", a_lockout_password_set_meanwhile_is_not_tried);
  g_test_add_func ("/tpm/hierarchy/a-wrong-password-is-tried-once", a_wrong_password_is_tried_once);
  g_test_add_func ("/tpm/hierarchy/a-password-can-be-tried", a_password_can_be_tried);
  g_test_add_func ("/tpm/hierarchy/a-stale-password-is-dropped", a_stale_password_is_dropped);
  g_test_add_func ("/tpm/hierarchy/clearing-forgets-everything", clearing_forgets_everything);
  g_test_add_func ("/tpm/hierarchy/clearing-that-is-disabled-is-told", clearing_that_is_disabled_is_told);
  g_test_add_func ("/tpm/hierarchy/lockout-parameters-are-set-and-the-counter-reset", lockout_parameters_are_set_and_the_counter_reset);
  g_test_add_func ("/tpm/hierarchy/an-open-platform-hierarchy-is-closed", an_open_platform_hierarchy_is_closed);
  g_test_add_func ("/tpm/hierarchy/a-platform-hierarchy-that-is-switched-off-is-closed", a_platform_hierarchy_that_is_switched_off_is_closed);
  g_test_add_func ("/tpm/hierarchy/the-commands-are-as-many-as-promised", the_commands_are_as_many_as_promised);
  return g_test_run ();
}

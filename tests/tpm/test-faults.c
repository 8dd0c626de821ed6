/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-decrypt.h"
#include "test-trouble.h"

#include "tpm-nv.h"

#include <string.h>

/* Opening a TPM takes so many commands: alone, and where others use it too. */
#define OPENING 4
#define OPENING_SHARED 2

static TestFaults faults;

/* Fails the command of a certain number, or all of a certain kind, so many times. */
typedef struct
{
  guint64 nth;
  guint32 command_code;
  guint times;
  TSS2_RC rc;
  guint64 seen; /* number of the last command */
} Fault;

static TSS2_RC
inject (guint32 command_code, guint64 nth, gpointer user_data)
{
  Fault *fault = (Fault *) user_data;

  fault->seen = nth;
  if (fault->times == 0 || (nth != fault->nth && command_code != fault->command_code))
    return TSS2_RC_SUCCESS;
  fault->times--;
  return fault->rc;
}

static TpmLink *
link_with_fault (TestSwtpm *swtpm, Fault *fault)
{
  TpmLink *link = test_tpm_link (swtpm);

  tpm_link_set_fault (link, inject, fault);
  return link;
}

static gboolean
create (TpmLink *link, GError **error)
{
  TpmPublic public;

  return test_tpm_make (link, TPM_KEY_ECC_P256, &public, error);
}

/* The whole life of a serial number. */
static gboolean
store_serial (TpmLink *link, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("serial", 6);

  if (!tpm_nv_define_write_once (link, TEST_INDEX, 6, error) && !g_error_matches (*error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    return FALSE;
  g_clear_error (error);
  return tpm_nv_write_once (link, TEST_INDEX, bytes, error);
}

typedef gboolean (*Operation) (TpmLink *link, GError **error);

/* Fails each command of an operation in turn, on a fresh TPM each time, until the operation has no more commands. */
static void
fail_each_command (Operation operation, TSS2_RC rc, TpmidError expected, guint least)
{
  guint failed = 0;

  for (guint64 nth = OPENING + 1;; nth++)
    {
      g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
      Fault fault = { .nth = nth, .times = 1, .rc = rc };
      g_autoptr (TpmLink) link = link_with_fault (swtpm, &fault);
      g_autoptr (GError) error = NULL;

      test_tpm_ensure (link);
      if (!operation (link, &error))
        {
          /* What cannot be flushed costs the connection, whatever the reason was. */
          assert_tpmid_error (error, (int) (tpm_link_is_open (link) ? expected : TPMID_ERROR_TPM_UNAVAILABLE));
          failed++;
        }
      if (fault.seen < nth)
        break;
      g_assert_cmpuint (fault.times, ==, 0);
      faults.injected++;

      /* An error of the transport ends the link: what it left in the TPM goes when it opens again. */
      test_tpm_ensure (link);
      test_swtpm_assert_clean (swtpm);
      /* Whatever happened, trying again ends well. */
      g_clear_error (&error);
      if (!operation (link, &error) && !g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN)
          && !g_error_matches (error, TPMID_ERROR, TPMID_ERROR_POLICY_NOT_MET))
        g_assert_no_error (error);
      test_swtpm_assert_clean (swtpm);
      faults.survived++;
    }
  g_assert_cmpuint (failed, >=, least);
}

static void
io_errors_leave_nothing_behind_when_creating (void)
{
  /* Five commands that make the key; what fails after that is only the tidying up. */
  fail_each_command (create, TSS2_TCTI_RC_IO_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, 5);
}

static void
answers_of_the_tpm_leave_nothing_behind_when_creating (void)
{
  fail_each_command (create, TPM2_RC_SESSION_MEMORY, TPMID_ERROR_EXHAUSTED, 5);
}

static void
io_errors_leave_nothing_behind_when_writing_nv (void)
{
  fail_each_command (store_serial, TSS2_TCTI_RC_IO_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, 10);
}

static void
answers_of_the_tpm_leave_nothing_behind_when_writing_nv (void)
{
  fail_each_command (store_serial, TPM2_RC_SESSION_MEMORY, TPMID_ERROR_EXHAUSTED, 10);
}

/* Keys under a persistent parent, in one TPM. */
typedef struct Work Work;
struct Work
{
  gboolean (*run) (const Work *work, TpmLink *link, GError **error);
  gboolean exclusive;
  guint least;           /* commands */
  TestKeyKind kind;
  TestSwtpm *swtpm;
  const TpmNewKey *made; /* what decrypts; NULL when that is made anew each time */
};

typedef struct
{
  TSS2_RC rc;
  int expected; /* TpmidError; 0 = it depends on the command, and so may success */
} Trouble;

static gboolean
make_signing_key (const Work *work, TpmLink *link, GError **error)
{
  static const TpmParent parent = { .handle = TEST_PARENT };
  g_auto (TpmNewKey) made = { 0 };

  return tpm_make_key (link, &parent, 0, TPM_KEY_ECC_P256, TPM_PURPOSE_SIGN, &made, error);
}

static gboolean
make_credentials (const Work *work, TpmLink *link, GError **error)
{
  g_auto (TpmNewKey) made = { 0 };

  return test_decrypt_make (link, TEST_KEY_PERSISTENT, &made, error);
}

static gboolean
decrypt (const Work *work, TpmLink *link, GError **error)
{
  TpmKeyRef key = test_decrypt_ref (work->made, work->kind);
  TestBlock block;

  test_block_init (&block, &work->made->public, 1);
  return test_decrypt_try (link, &key, &block, error);
}

/* What made keys makes them again, and their parent. */
static void
forget_keys (const Work *work)
{
  if (work->made == NULL)
    test_swtpm_run (work->swtpm, "sh -c 'for h in $(tpm2_getcap handles-persistent | cut -c3-); do tpm2_evictcontrol -Q -C o -c $h; done'");
}

static void
assert_survives (const Work *work, TpmLink *link)
{
  g_autoptr (GError) error = NULL;

  test_decrypt_play_resource_manager (link, work->swtpm);
  test_tpm_ensure (link);
  test_decrypt_assert_tidy (link);
  if (!work->run (work, link, &error) && !g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    g_assert_no_error (error);
  g_assert_true (tpm_link_is_open (link));
  test_decrypt_assert_tidy (link);
  tpm_link_close (link);
  test_swtpm_assert_clean (work->swtpm);
  faults.survived++;
}

/* Whether the work had so many commands. */
static gboolean
fail_one_command (const Work *work, const Trouble *trouble, guint nth)
{
  Fault fault = { .nth = nth + (work->exclusive ? OPENING : OPENING_SHARED), .times = 1, .rc = trouble->rc };
  g_autoptr (TpmLink) link = test_decrypt_link (test_swtpm_tcti (work->swtpm), work->exclusive);
  g_autoptr (GError) error = NULL;

  forget_keys (work);
  tpm_link_set_fault (link, inject, &fault);
  test_tpm_ensure (link);
  gboolean done = work->run (work, link, &error);
  /* As in fail_each_command(). */
  int expected = tpm_link_is_open (link) ? trouble->expected : TPMID_ERROR_TPM_UNAVAILABLE;
  if (!done && trouble->expected != 0)
    assert_tpmid_error (error, expected);
  if (fault.seen < fault.nth)
    {
      g_assert_no_error (error);
      fault.times = 0;
      return FALSE;
    }
  g_assert_cmpuint (fault.times, ==, 0);
  faults.injected++;
  assert_survives (work, link);
  return TRUE;
}

static void
fail_each_command_of (Work *work, const Trouble *troubles, gsize n_troubles)
{
  for (guint exclusive = 0; exclusive < 2; exclusive++)
    for (gsize i = 0; i < n_troubles; i++)
      {
        guint nth = 1;

        work->exclusive = (gboolean) exclusive;
        while (fail_one_command (work, &troubles[i], nth))
          nth++;
        g_assert_cmpuint (nth - 1, >=, work->least);
      }
}

static void
no_fault_outlives_the_making_of_a_key (void)
{
  static const Trouble troubles[] = {
    { TSS2_TCTI_RC_IO_ERROR, TPMID_ERROR_TPM_UNAVAILABLE },
    { TPM2_RC_OBJECT_MEMORY, TPMID_ERROR_EXHAUSTED },
    { TPM2_RC_HANDLE + TPM2_RC_1, 0 },
    { TPM2_RC_FAILURE, 0 },
  };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  Work work = { .run = make_signing_key, .least = 5, .swtpm = swtpm };

  fail_each_command_of (&work, troubles, G_N_ELEMENTS (troubles));
}

static void
no_fault_outlives_the_making_of_credentials (void)
{
  static const Trouble troubles[] = {
    { TSS2_TCTI_RC_IO_ERROR, TPMID_ERROR_TPM_UNAVAILABLE },
    { TPM2_RC_OBJECT_MEMORY, TPMID_ERROR_EXHAUSTED },
  };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  Work work = { .run = make_credentials, .least = 9, .swtpm = swtpm };

  fail_each_command_of (&work, troubles, G_N_ELEMENTS (troubles));
}

/* A key is made, and then nothing of it is in ESYS any more. */
static void
no_fault_outlives_a_decryption (TestKeyKind kind)
{
  static const Trouble troubles[] = {
    { TSS2_TCTI_RC_IO_ERROR, TPMID_ERROR_TPM_UNAVAILABLE },
    { TPM2_RC_SESSION_MEMORY, TPMID_ERROR_EXHAUSTED },
    { TPM2_RC_LOCKOUT, TPMID_ERROR_TPM_LOCKOUT },
    { TPM2_RC_REFERENCE_S0, TPMID_ERROR_TPM_UNAVAILABLE },
    { TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1, TPMID_ERROR_AUTH_FAILED },
    { TPM2_RC_HANDLE + TPM2_RC_1, 0 },
    { TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1, 0 },
    { TPM2_RC_FAILURE, 0 },
  };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_auto (TpmNewKey) made = { 0 };
  g_autoptr (GError) error = NULL;
  Work work = { .run = decrypt, .kind = kind, .least = 5, .swtpm = swtpm, .made = &made };

  test_tpm_ensure (link);
  (void) test_decrypt_make (link, kind, &made, &error);
  g_assert_no_error (error);
  tpm_link_close (link);
  fail_each_command_of (&work, troubles, G_N_ELEMENTS (troubles));
}

static void
no_fault_outlives_a_decryption_with_a_persistent_key (void)
{
  no_fault_outlives_a_decryption (TEST_KEY_PERSISTENT);
}

static void
no_fault_outlives_a_decryption_with_a_loaded_key (void)
{
  no_fault_outlives_a_decryption (TEST_KEY_LOADED);
}

static void
transient_answers_are_waited_out (void)
{
  static const TSS2_RC rcs[] = { TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE, TPM2_RC_NV_UNAVAILABLE };

  for (gsize i = 0; i < G_N_ELEMENTS (rcs); i++)
    {
      g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
      Fault fault = { .command_code = TPM2_CC_EvictControl, .times = 4, .rc = rcs[i] };
      g_autoptr (TpmLink) link = link_with_fault (swtpm, &fault);
      g_autoptr (GError) error = NULL;

      test_tpm_ensure (link);
      gint64 start = g_get_monotonic_time ();
      (void) create (link, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (fault.times, ==, 0);
      g_assert_cmpint (g_get_monotonic_time () - start, >=, (20 + 40 + 80 + 160) * 1000);
      test_swtpm_assert_clean (swtpm);
    }
}

static void
waiting_ends (TSS2_RC rc, TpmidError expected)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  Fault fault = { .command_code = TPM2_CC_EvictControl, .times = G_MAXUINT, .rc = rc };
  g_autoptr (TpmLink) link = link_with_fault (swtpm, &fault);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  gint64 start = g_get_monotonic_time ();
  g_assert_false (create (link, &error));
  assert_tpmid_error (error, (int) expected);
  g_assert_cmpuint (G_MAXUINT - fault.times, ==, 10);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
  test_tpm_assert_state (link, TPM_STATE_READY);
  test_swtpm_assert_clean (swtpm);
}

static void
waiting_for_retry_ends_in_busy (void)
{
  waiting_ends (TPM2_RC_RETRY, TPMID_ERROR_BUSY);
}

static void
waiting_for_nv_ends_in_rate_limited (void)
{
  waiting_ends (TPM2_RC_NV_RATE, TPMID_ERROR_RATE_LIMITED);
}

static void
a_self_test_that_does_not_end_is_a_state (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  Fault fault = { .command_code = TPM2_CC_GetCapability, .times = 10, .rc = TPM2_RC_TESTING };
  g_autoptr (TpmLink) link = link_with_fault (swtpm, &fault);
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_link_ensure (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_BUSY);
  test_tpm_assert_state (link, TPM_STATE_SELF_TEST);
  tpm_link_retry_now (link);
  test_tpm_ensure (link);
}

static void
a_refusal_with_0x101_is_not_failure_mode (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  Fault fault = { .command_code = TPM2_CC_Create, .times = 1, .rc = TPM2_RC_FAILURE };
  g_autoptr (TpmLink) link = link_with_fault (swtpm, &fault);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  g_assert_false (create (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "self-test"));
  test_tpm_assert_state (link, TPM_STATE_READY);
  test_swtpm_assert_clean (swtpm);
  g_clear_error (&error);
  (void) create (link, &error);
  g_assert_no_error (error);
}

static TSS2_RC
fail_everything (guint32 command_code, guint64 nth, gpointer user_data)
{
  return nth > OPENING && *(const gboolean *) user_data ? TPM2_RC_FAILURE : TSS2_RC_SUCCESS;
}

/* In failure mode the TPM goes on answering GetCapability. */
static TSS2_RC
fail_all_but_capabilities (guint32 command_code, guint64 nth, gpointer user_data)
{
  return command_code == TPM2_CC_GetCapability ? TSS2_RC_SUCCESS : fail_everything (command_code, nth, user_data);
}

static void
check_failure_mode (TpmTctiFault hook)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  gboolean failing = TRUE;

  tpm_link_set_fault (link, hook, &failing);
  test_tpm_ensure (link);
  g_assert_false (create (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_FAILURE);
  test_tpm_assert_state (link, TPM_STATE_FAILURE_MODE);
  g_assert_nonnull (strstr (test_tpm_status (link).detail, "power-cycle"));

  g_clear_error (&error);
  g_assert_false (tpm_link_ensure (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_FAILURE);
  test_tpm_assert_state (link, TPM_STATE_FAILURE_MODE);

  failing = FALSE;
  tpm_link_retry_now (link);
  test_tpm_ensure (link);
  test_tpm_assert_state (link, TPM_STATE_READY);
}

static void
failure_mode_is_believed_when_confirmed (void)
{
  check_failure_mode (fail_everything);
}

static void
failure_mode_is_asked_for_again_at_opening (void)
{
  check_failure_mode (fail_all_but_capabilities);
}

static void
lockout_is_reported_with_fresh_facts (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  Fault fault = { .command_code = TPM2_CC_Create, .times = 1, .rc = TPM2_RC_LOCKOUT };
  g_autoptr (TpmLink) link = link_with_fault (swtpm, &fault);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  test_swtpm_run (swtpm, "tpm2_dictionarylockout -Q -s -n 7 -t 1000 -l 2000");
  g_assert_false (create (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_LOCKOUT);
  g_assert_cmpuint (test_tpm_status (link).facts.lockout_limit, ==, 7);
  g_assert_cmpuint (test_tpm_status (link).facts.lockout_interval_sec, ==, 1000);
  g_assert_cmpuint (test_tpm_status (link).facts.lockout_recovery_sec, ==, 2000);
  test_swtpm_assert_clean (swtpm);
}

static void
errors_of_esys_rebuild_the_link (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  g_assert_false (tpm_link_fail (link, TSS2_ESYS_RC_RSP_AUTH_FAILED, &error, "decrypt"));
  assert_tpmid_error (error, TPMID_ERROR_UNTRUSTED_RESPONSE);
  g_assert_false (tpm_link_is_open (link));
  test_tpm_assert_state (link, TPM_STATE_UNAVAILABLE);
  test_tpm_ensure (link);
  g_assert_cmpuint (test_tpm_status (link).reopened, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/faults/io-errors-leave-nothing-behind-when-creating", io_errors_leave_nothing_behind_when_creating);
  g_test_add_func ("/tpm/faults/answers-of-the-tpm-leave-nothing-behind-when-creating",
                   answers_of_the_tpm_leave_nothing_behind_when_creating);
  g_test_add_func ("/tpm/faults/io-errors-leave-nothing-behind-when-writing-nv", io_errors_leave_nothing_behind_when_writing_nv);
  g_test_add_func ("/tpm/faults/answers-of-the-tpm-leave-nothing-behind-when-writing-nv",
                   answers_of_the_tpm_leave_nothing_behind_when_writing_nv);
  g_test_add_func ("/tpm/faults/no-fault-outlives-the-making-of-a-key", no_fault_outlives_the_making_of_a_key);
  g_test_add_func ("/tpm/faults/no-fault-outlives-the-making-of-credentials", no_fault_outlives_the_making_of_credentials);
  g_test_add_func ("/tpm/faults/no-fault-outlives-a-decryption-with-a-persistent-key",
                   no_fault_outlives_a_decryption_with_a_persistent_key);
  g_test_add_func ("/tpm/faults/no-fault-outlives-a-decryption-with-a-loaded-key", no_fault_outlives_a_decryption_with_a_loaded_key);
  g_test_add_func ("/tpm/faults/transient-answers-are-waited-out", transient_answers_are_waited_out);
  g_test_add_func ("/tpm/faults/waiting-for-retry-ends-in-busy", waiting_for_retry_ends_in_busy);
  g_test_add_func ("/tpm/faults/waiting-for-nv-ends-in-rate-limited", waiting_for_nv_ends_in_rate_limited);
  g_test_add_func ("/tpm/faults/a-self-test-that-does-not-end-is-a-state", a_self_test_that_does_not_end_is_a_state);
  g_test_add_func ("/tpm/faults/a-refusal-with-0x101-is-not-failure-mode", a_refusal_with_0x101_is_not_failure_mode);
  g_test_add_func ("/tpm/faults/failure-mode-is-believed-when-confirmed", failure_mode_is_believed_when_confirmed);
  g_test_add_func ("/tpm/faults/failure-mode-is-asked-for-again-at-opening", failure_mode_is_asked_for_again_at_opening);
  g_test_add_func ("/tpm/faults/lockout-is-reported-with-fresh-facts", lockout_is_reported_with_fresh_facts);
  g_test_add_func ("/tpm/faults/errors-of-esys-rebuild-the-link", errors_of_esys_rebuild_the_link);
  int status = g_test_run ();
  test_faults_print (&faults);
  return status;
}

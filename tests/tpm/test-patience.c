/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What takes long: a TPM that does not come back at all. */
#include "test-trouble.h"

#include <unistd.h>

static GMutex door;
static GError *answer;

static gpointer
hang (TpmLink *link, gpointer request, GError **error)
{
  g_mutex_lock (&door);
  g_mutex_unlock (&door);
  return g_strdup ("late");
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer data)
{
  g_assert_null (tpm_queue_push_finish (result, &answer));
}

static gboolean
on_timer (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
iterate_for (guint ms)
{
  gboolean over = FALSE;

  (void) g_timeout_add (ms, on_timer, &over);
  while (!over)
    (void) g_main_context_iteration (NULL, TRUE);
}

static void
hang_and_give_up (void)
{
  TpmQueue *queue = tpm_queue_new (tpm_link_new (&(TpmLinkOptions){ .tcti = "", .sysfs_root = "/nonexistent" }), 4, 2);
  TpmJob job = { .operation = "create", .priority = TPM_PRIORITY_NORMAL, .run = hang, .result_free = g_free };
  TpmQueueStatus status;

  g_mutex_lock (&door);
  tpm_queue_push_async (queue, &job, NULL, on_done, NULL);
  iterate_for (TPM_QUEUE_WEDGED_MS - 1000);
  tpm_queue_get_status (queue, &status);
  g_assert_cmpstr (status.running, ==, "create");
  g_assert_false (status.wedged);
  iterate_for (1500);
  tpm_queue_get_status (queue, &status);
  g_assert_true (status.wedged);
  g_assert_cmpuint (status.running_ms, >, TPM_QUEUE_WEDGED_MS);

  gint64 start = g_get_monotonic_time ();
  tpm_queue_close (queue);
  g_assert_error (answer, TPMID_ERROR, TPMID_ERROR_CANCELLED);
  g_assert_false (tpm_queue_free (queue));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 10 * G_USEC_PER_SEC);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 12 * G_USEC_PER_SEC);

  /* Should it come back after all, nobody is hurt. */
  g_mutex_unlock (&door);
  iterate_for (100);
}

static void
a_tpm_that_hangs_is_a_state_and_does_not_keep_the_process (void)
{
  if (g_test_subprocess ())
    {
      hang_and_give_up ();
      /* Past the leak checker: what the hanging thread uses is left behind on purpose. */
      _exit (0);
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

/* --- what is made in the background --- */

#define PARENT 0x81005400u
#define CREDENTIALS 0x81005402u
#define IMPATIENT_MS 200

/* A TPM that stops for ever at a command. */
typedef struct
{
  TestSwtpm *swtpm;
  TpmQueue *queue;
  guint32 stops_at; /* command code; 0 = none */
  TestAnswer answer;
} Halt;

static TSS2_RC
stop_at (guint32 command_code, guint64 nth, gpointer data)
{
  Halt *halt = (Halt *) data;

  if (command_code == halt->stops_at)
    test_swtpm_freeze (halt->swtpm);
  return TSS2_RC_SUCCESS;
}

static gpointer
make_key (TpmLink *link, TpmKeyAlgorithm algorithm, TpmPurpose purpose, GError **error)
{
  static const TpmParent parent = { .handle = PARENT };
  g_auto (TpmNewKey) made = { 0 };

  return tpm_make_key (link, &parent, 0, algorithm, purpose, &made, error) ? g_strdup ("made") : NULL;
}

static gpointer
make_ecc (TpmLink *link, gpointer request, GError **error)
{
  return make_key (link, TPM_KEY_ECC_P256, TPM_PURPOSE_SIGN, error);
}

static gpointer
make_rsa (TpmLink *link, gpointer request, GError **error)
{
  return make_key (link, TPM_KEY_RSA_2048, TPM_PURPOSE_DECRYPT, error);
}

static gpointer
look_for_credentials (TpmLink *link, gpointer request, GError **error)
{
  g_autoptr (GError) cause = NULL;
  TpmPublic public;

  g_assert_false (tpm_key_find (link, CREDENTIALS, TPM_PURPOSE_CREDENTIALS, &public, &cause));
  assert_tpmid_error (cause, TPMID_ERROR_NOT_FOUND);
  return g_strdup ("not there");
}

static void
push (Halt *halt, TpmJobFunc run, TpmPriority priority, guint deadline_ms, TestAnswer *ret_answer)
{
  TpmJob job = {
    .operation = priority == TPM_PRIORITY_BACKGROUND ? "make-key" : "look",
    .priority = priority,
    .client = ":1.1",
    .deadline_ms = deadline_ms,
    .needs_tpm = TRUE,
    .run = run,
    .result_free = g_free,
  };

  tpm_queue_push_async (halt->queue, &job, NULL, test_trouble_on_answer, ret_answer);
}

static void
halt_init (Halt *halt)
{
  g_auto (TestAnswer) first = { FALSE };

  *halt = (Halt){ .swtpm = test_swtpm_new () };
  TpmLink *link = test_tpm_link (halt->swtpm);
  tpm_link_set_fault (link, stop_at, halt);
  halt->queue = tpm_queue_new (link, 8, 8);
  /* With the parent there, and after a key that was made as it should. */
  push (halt, make_rsa, TPM_PRIORITY_BACKGROUND, 0, &first);
  test_trouble_await (&first);
  g_assert_no_error (first.error);
}

static void
halt_clear (Halt *halt)
{
  test_swtpm_thaw (halt->swtpm);
  (void) tpm_queue_free (halt->queue);
  test_answer_clear (&halt->answer);
  test_swtpm_free (halt->swtpm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Halt, halt_clear)

static TpmQueueStatus
halt_status (Halt *halt)
{
  TpmQueueStatus status;

  tpm_queue_get_status (halt->queue, &status);
  return status;
}

/* Begins @run, whose TPM stops at @stops_at for ever. */
static void
halt_begin (Halt *halt, TpmJobFunc run, guint32 stops_at)
{
  halt->stops_at = stops_at;
  push (halt, run, TPM_PRIORITY_BACKGROUND, 0, &halt->answer);
  while (halt_status (halt).running == NULL)
    iterate_for (10);
  iterate_for (IMPATIENT_MS);
}

static void
halt_assert_impatient_gets (Halt *halt, TpmidError code)
{
  g_auto (TestAnswer) impatient = { FALSE };

  push (halt, look_for_credentials, TPM_PRIORITY_NORMAL, IMPATIENT_MS, &impatient);
  test_trouble_await (&impatient);
  assert_tpmid_error (impatient.error, (int) code);
}

static void
halt_assert_ends (Halt *halt)
{
  g_auto (TestAnswer) look = { FALSE };
  gint64 since;

  test_swtpm_thaw (halt->swtpm);
  test_trouble_await (&halt->answer);
  g_assert_no_error (halt->answer.error);
  halt->stops_at = 0;
  push (halt, look_for_credentials, TPM_PRIORITY_NORMAL, 0, &look);
  test_trouble_await (&look);
  g_assert_no_error (look.error);
  g_assert_false (halt_status (halt).wedged);
  g_assert_false (halt_status (halt).generating);
  g_assert_false (tpm_link_is_generating (tpm_queue_peek_link (halt->queue), &since));
}

static void
only_an_rsa_key_takes_longer_than_a_tpm_that_hangs (void)
{
  g_auto (Halt) ecc = { NULL };
  g_auto (Halt) look = { NULL };
  g_auto (Halt) rsa = { NULL };

  halt_init (&ecc);
  halt_init (&look);
  halt_init (&rsa);
  gint64 start = g_get_monotonic_time ();
  halt_begin (&ecc, make_ecc, TPM2_CC_Create);
  halt_begin (&look, look_for_credentials, TPM2_CC_ReadPublic);
  halt_begin (&rsa, make_rsa, TPM2_CC_Create);
  halt_assert_impatient_gets (&ecc, TPMID_ERROR_TIMEOUT);
  halt_assert_impatient_gets (&look, TPMID_ERROR_TIMEOUT);
  halt_assert_impatient_gets (&rsa, TPMID_ERROR_BUSY);
  g_assert_false (halt_status (&ecc).wedged);
  g_assert_false (halt_status (&look).wedged);

  iterate_for ((guint) (TPM_QUEUE_WEDGED_MS + 2000 - (g_get_monotonic_time () - start) / 1000));
  g_assert_true (halt_status (&ecc).wedged);
  g_assert_true (halt_status (&look).wedged);
  g_assert_false (halt_status (&rsa).wedged);
  g_assert_true (halt_status (&rsa).generating);
  g_assert_cmpuint (halt_status (&rsa).running_ms, >, TPM_QUEUE_WEDGED_MS);
  halt_assert_impatient_gets (&ecc, TPMID_ERROR_TIMEOUT);
  halt_assert_impatient_gets (&rsa, TPMID_ERROR_BUSY);

  halt_assert_ends (&ecc);
  halt_assert_ends (&look);
  halt_assert_ends (&rsa);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/patience/a-tpm-that-hangs-is-a-state-and-does-not-keep-the-process",
                   a_tpm_that_hangs_is_a_state_and_does_not_keep_the_process);
  g_test_add_func ("/tpm/patience/only-an-rsa-key-takes-longer-than-a-tpm-that-hangs",
                   only_an_rsa_key_takes_longer_than_a_tpm_that_hangs);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-tpm.h"
#include "tpm-facts.h"
#include "tpm-key.h"
#include "tpm-queue.h"

G_BEGIN_DECLS

/* For tests of a TPM in trouble: what was done to it and what came through, and jobs that wait for their result. */

/* Nothing takes so long, unless it is broken. */
#define TEST_LIMIT_US (30 * G_USEC_PER_SEC)
/* The promise is one second; a machine that runs tests has other things to do. */
#define TEST_RECOVERY_US (5 * G_USEC_PER_SEC)

typedef struct
{
  guint injected, survived;
} TestFaults;

/* The closing line of a test program. */
static inline void
test_faults_print (const TestFaults *faults)
{
  g_print ("# faults: %u injected, %u survived\n", faults->injected, faults->survived);
}

/**
 * test_trouble_assert_nothing_left:
 *
 * Asks the TPM, over an open link: no transient object and no session, loaded or saved, is in it.
 */
static inline void
test_trouble_assert_nothing_left (TpmLink *link)
{
  /* Transient objects, loaded sessions, saved sessions: TPM 2.0 Library Part 2, 7.2. */
  static const guint32 firsts[] = { 0x80000000u, 0x02000000u, 0x03000000u };

  for (gsize i = 0; i < G_N_ELEMENTS (firsts); i++)
    {
      g_autoptr (GArray) handles = NULL;

      g_assert_cmpuint (tpm_facts_read_handles (tpm_link_esys (link), firsts[i], 64, &handles), ==, 0);
      g_assert_cmpuint (handles->len, ==, 0);
    }
}

/* Jobs. */

static inline gpointer
test_trouble_create (TpmLink *link, gpointer request, GError **error)
{
  g_autofree TpmPublic *key = g_new0 (TpmPublic, 1);

  return test_tpm_make (link, TPM_KEY_ECC_P256, key, error) ? g_steal_pointer (&key) : NULL;
}

static inline gpointer
test_trouble_sign (TpmLink *link, gpointer request, GError **error)
{
  static const guint8 digest[32] = { 1 };
  TpmKeyRef key = test_tpm_ref (request);
  g_autofree TpmSignature *signature = g_new0 (TpmSignature, 1);

  return tpm_key_sign (link, &key, TPM_HASH_SHA256, digest, signature, error) ? g_steal_pointer (&signature)
                                                                                               : NULL;
}

static inline gpointer
test_trouble_look (TpmLink *link, gpointer request, GError **error)
{
  test_trouble_assert_nothing_left (link);
  return g_strdup ("");
}

typedef struct
{
  gboolean done;
  gint64 at; /* monotonic time of the answer */
  gpointer result;
  GError *error;
} TestAnswer;

static inline void
test_trouble_on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  TestAnswer *answer = (TestAnswer *) data;

  answer->result = tpm_queue_push_finish (result, &answer->error);
  answer->at = g_get_monotonic_time ();
  answer->done = TRUE;
}

static inline void
test_answer_clear (TestAnswer *answer)
{
  g_free (answer->result);
  g_clear_error (&answer->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestAnswer, test_answer_clear)

/**
 * test_trouble_push:
 * @run: test_trouble_create(), _sign() or _look()
 * @request: (nullable) (transfer none): outlives the job
 * @deadline_ms: 0 = none
 */
static inline void
test_trouble_push (TpmQueue *queue, TpmJobFunc run, const TpmPublic *request, guint deadline_ms, TestAnswer *answer)
{
  TpmJob job = {
    .operation = run == test_trouble_sign ? "sign" : "work",
    .priority = TPM_PRIORITY_NORMAL,
    .client = ":1.1",
    .deadline_ms = deadline_ms,
    .needs_tpm = TRUE,
    .replayable = run == test_trouble_sign,
    .run = run,
    .request = (gpointer) request,
    .result_free = g_free,
  };

  tpm_queue_push_async (queue, &job, NULL, test_trouble_on_answer, answer);
}

static inline void
test_trouble_await (TestAnswer *answer)
{
  gint64 limit = g_get_monotonic_time () + TEST_LIMIT_US;

  while (!answer->done)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, limit);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (500);
    }
}

/* Waits for the result, which is never %NULL without an error. */
static inline gpointer
test_trouble_call (TpmQueue *queue, TpmJobFunc run, const TpmPublic *request, GError **error)
{
  g_auto (TestAnswer) answer = { FALSE };

  test_trouble_push (queue, run, request, 0, &answer);
  test_trouble_await (&answer);
  if (answer.error != NULL)
    g_propagate_error (error, g_steal_pointer (&answer.error));
  return g_steal_pointer (&answer.result);
}

static inline gboolean
test_trouble_signs (TpmQueue *queue, const TpmPublic *key, GError **error)
{
  g_autofree TpmSignature *signature = (TpmSignature *) test_trouble_call (queue, test_trouble_sign, key, error);

  return signature != NULL;
}

/* A queue whose TPM has a key and has signed with it. */
static inline TpmQueue *
test_trouble_queue (TestSwtpm *swtpm, TpmPublic **ret_key)
{
  TpmQueue *queue = tpm_queue_new (test_tpm_link (swtpm), 64, 64);
  g_autoptr (GError) error = NULL;

  *ret_key = (TpmPublic *) test_trouble_call (queue, test_trouble_create, NULL, &error);
  g_assert_no_error (error);
  (void) test_trouble_signs (queue, *ret_key, &error);
  g_assert_no_error (error);
  return queue;
}

/**
 * test_trouble_recover:
 *
 * Tries as a caller would, until the TPM signs again; meanwhile it may be unavailable and nothing else. One second is the
 * promise, the limit is TEST_RECOVERY_US.
 *
 * Returns: how long that took, in microseconds
 */
static inline gint64
test_trouble_recover (TpmQueue *queue, const TpmPublic *key)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  while (!test_trouble_signs (queue, key, &error))
    {
      assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
      g_clear_error (&error);
      g_assert_cmpint (g_get_monotonic_time () - start, <, TEST_RECOVERY_US);
      g_usleep (2000);
    }
  return g_get_monotonic_time () - start;
}

/* Works again, and holds nothing of what went wrong. */
static inline void
test_trouble_assert_recovered (TpmQueue *queue, const TpmPublic *key)
{
  g_autoptr (GError) error = NULL;

  (void) test_trouble_signs (queue, key, &error);
  g_assert_no_error (error);
  g_free (test_trouble_call (queue, test_trouble_look, NULL, &error));
  g_assert_no_error (error);
}

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TPM whose answers cannot be what a TPM answers, and one that asks for patience, seen on the wire. */
#include "test-decrypt.h"
#include "test-proxy.h"
#include "test-trouble.h"

#include "tpm-nv.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static TestFaults faults;
/* By kind; made once for each TPM. */
static TpmNewKey keys[TEST_N_KEY_KINDS];

/* A TPM whose answers can be spoiled, and a link to it. */
typedef struct
{
  TestSwtpm *swtpm;
  TestProxy *proxy;
  TpmLink *link;
} Bench;

static Bench
bench_new (void)
{
  Bench bench = { .swtpm = test_swtpm_new () };
  g_autofree char *path = g_build_filename (test_swtpm_folder (bench.swtpm), "spoilt", NULL);

  bench.proxy = test_proxy_new (test_swtpm_is_device () ? TEST_PROXY_DEVICE : TEST_PROXY_SOCKET, path,
                                test_swtpm_socket (bench.swtpm));
  bench.link = tpm_link_new (
    &(TpmLinkOptions){ .tcti = test_proxy_tcti (bench.proxy), .sysfs_root = "/nonexistent", .exclusive = TRUE });
  return bench;
}

static void
bench_clear (Bench *bench)
{
  tpm_link_free (bench->link);
  test_proxy_free (bench->proxy);
  test_swtpm_free (bench->swtpm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

typedef gboolean (*Operation) (TpmLink *link, GError **error);

static gboolean
create (TpmLink *link, GError **error)
{
  g_autofree TpmPublic *key = (TpmPublic *) test_trouble_create (link, NULL, error);

  return key != NULL || g_error_matches (*error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN);
}

static gboolean
store_serial (TpmLink *link, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("serial", 6);

  if (!tpm_nv_define_write_once (link, TEST_INDEX, 6, error) && !g_error_matches (*error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    return FALSE;
  g_clear_error (error);
  return tpm_nv_write_once (link, TEST_INDEX, bytes, error)
         || g_error_matches (*error, TPMID_ERROR, TPMID_ERROR_POLICY_NOT_MET);
}

static gboolean
sign (TpmLink *link, GError **error)
{
  TpmPublic key;

  if (!tpm_key_find (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &key, error))
    return FALSE;
  g_autofree TpmSignature *signature = (TpmSignature *) test_trouble_sign (link, &key, error);
  return signature != NULL;
}

static gboolean
make (TestKeyKind kind, TpmLink *link, GError **error)
{
  tpm_new_key_clear (&keys[kind]);
  return test_decrypt_make (link, kind, &keys[kind], error) || g_error_matches (*error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN);
}

static gboolean
make_persistent (TpmLink *link, GError **error)
{
  return keys[TEST_KEY_PERSISTENT].public_blob != NULL || make (TEST_KEY_PERSISTENT, link, error);
}

static gboolean
make_loaded (TpmLink *link, GError **error)
{
  return keys[TEST_KEY_LOADED].public_blob != NULL || make (TEST_KEY_LOADED, link, error);
}

static gboolean
decrypt (TestKeyKind kind, TpmLink *link, GError **error)
{
  TpmKeyRef key = test_decrypt_ref (&keys[kind], kind);
  TestBlock block;

  test_block_init (&block, &keys[kind].public, 1);
  return test_decrypt_try (link, &key, &block, error);
}

static gboolean
decrypt_persistent (TpmLink *link, GError **error)
{
  return decrypt (TEST_KEY_PERSISTENT, link, error);
}

static gboolean
decrypt_loaded (TpmLink *link, GError **error)
{
  return decrypt (TEST_KEY_LOADED, link, error);
}

/* Opens as the queue does, and works. */
static gboolean
use (Bench *bench, Operation operation, GError **error)
{
  return tpm_link_ensure (bench->link, error) && operation (bench->link, error);
}

static void
assert_works (Bench *bench, Operation operation)
{
  g_autoptr (GError) error = NULL;

  tpm_link_retry_now (bench->link);
  if (!use (bench, operation, &error))
    g_assert_no_error (error);
  test_tpm_ensure (bench->link);
  test_decrypt_assert_tidy (bench->link);
}

/* A job may succeed where nothing but its tidying up failed, and then the link has to go. Opening the TCTI tries out, with
 * a command of its own, what a device can do, and takes any answer. */
static void
assert_outcome (Bench *bench, gboolean done, gboolean is_trial, const GError *error)
{
  if (!done)
    assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  else if (!is_trial)
    g_assert_false (tpm_link_is_open (bench->link));
}

/* Whether there was an answer with that number. */
static gboolean
spoil_one (Bench *bench, Operation operation, TestSpoil spoil, guint nth)
{
  gboolean is_trial = test_swtpm_is_device () && !tpm_link_is_open (bench->link) && nth == 1;
  guint commands = test_proxy_get_commands (bench->proxy);
  guint spoiled = test_proxy_get_spoiled (bench->proxy);
  g_autoptr (GError) error = NULL;

  test_proxy_spoil (bench->proxy, spoil, nth, 1, 0);
  gboolean done = use (bench, operation, &error);
  test_proxy_spoil (bench->proxy, spoil, 0, 0, 0);
  spoiled = test_proxy_get_spoiled (bench->proxy) - spoiled;
  if (spoiled > 0)
    assert_outcome (bench, done, is_trial, error);
  else
    g_assert_no_error (error);
  if (test_proxy_get_commands (bench->proxy) < commands + nth)
    return FALSE;

  faults.injected += spoiled;
  assert_works (bench, operation);
  faults.survived += spoiled;
  return TRUE;
}

static gboolean
spoil_one_on_a_fresh_tpm (Operation operation, TestSpoil spoil, guint nth)
{
  g_auto (Bench) bench = bench_new ();

  test_tpm_ensure (bench.link);
  return spoil_one (&bench, operation, spoil, nth);
}

static void
spoil_each (Operation operation, guint least)
{
  for (guint spoil = 0; spoil < TEST_SPOIL_CODE; spoil++)
    {
      guint nth = 1;

      while (spoil_one_on_a_fresh_tpm (operation, (TestSpoil) spoil, nth))
        nth++;
      g_assert_cmpuint (nth - 1, >=, least);
    }
}

static void
no_spoilt_answer_outlives_its_job_when_creating (void)
{
  spoil_each (create, 7);
}

static void
no_spoilt_answer_outlives_its_job_when_writing_nv (void)
{
  spoil_each (store_serial, 10);
}

/* @least: commands, with the four of the opening */
static void
spoil_each_with_opening (Operation prepare, Operation operation, guint least)
{
  g_auto (Bench) bench = bench_new ();

  assert_works (&bench, prepare);
  for (guint spoil = 0; spoil < TEST_SPOIL_CODE; spoil++)
    {
      guint nth = 0;

      do
        {
          tpm_link_close (bench.link);
          nth++;
        }
      while (spoil_one (&bench, operation, (TestSpoil) spoil, nth));
      g_assert_cmpuint (nth - 1, >=, least);
    }
}

static void
no_spoilt_answer_outlives_its_job_when_opening_and_signing (void)
{
  spoil_each_with_opening (create, sign, 4 + 3);
}

static void
no_spoilt_answer_outlives_its_job_when_opening_and_decrypting (void)
{
  spoil_each_with_opening (make_persistent, decrypt_persistent, 4 + 5);
}

static void
no_spoilt_answer_outlives_its_job_when_opening_and_decrypting_with_a_loaded_key (void)
{
  spoil_each_with_opening (make_loaded, decrypt_loaded, 4 + 5);
}

/* Four times, at the opening or after it. */
static void
wait_out (TPM2_RC rc, gboolean opening)
{
  g_auto (Bench) bench = bench_new ();

  assert_works (&bench, create);
  if (opening)
    tpm_link_close (bench.link);
  gint64 start = g_get_monotonic_time ();
  test_proxy_spoil (bench.proxy, TEST_SPOIL_CODE, 2, 4, rc);
  faults.injected += 4;
  assert_works (&bench, sign);
  g_assert_cmpuint (test_proxy_get_spoiled (bench.proxy), ==, 4);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, (20 + 40 + 80 + 160) * 1000);
  g_assert_cmpuint (test_tpm_status (bench.link).reopened, ==, opening ? 1 : 0);
  faults.survived += 4;
}

static void
every_transient_answer_is_waited_out (void)
{
  static const TPM2_RC rcs[] = { TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE, TPM2_RC_NV_UNAVAILABLE };

  for (gsize i = 0; i < G_N_ELEMENTS (rcs); i++)
    {
      wait_out (rcs[i], FALSE);
      wait_out (rcs[i], TRUE);
    }
}

/* The device here is to be like the kernel's: else what one program leaves unread fails all openings after it, one by one. */
static void
an_answer_that_nobody_read_is_not_the_next_one (void)
{
  static const guint8 get_test_result[] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7c };
  g_auto (Bench) bench = bench_new ();
  const char *path = test_proxy_tcti (bench.proxy) + strlen ("device:");
  struct pollfd row = { .fd = open (path, O_RDWR | O_NOCTTY | O_CLOEXEC), .events = POLLIN };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (row.fd, >=, 0);
  g_assert_cmpint (write (row.fd, get_test_result, sizeof get_test_result), ==, sizeof get_test_result);
  g_assert_cmpint (poll (&row, 1, TEST_LIMIT_US / 1000), ==, 1);
  g_assert_no_errno (close (row.fd));

  row.fd = open (path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (row.fd, >=, 0);
  g_assert_cmpint (poll (&row, 1, 0), ==, 0);
  g_assert_no_errno (close (row.fd));
  (void) tpm_link_ensure (bench.link, &error);
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/answers/no-spoilt-answer-outlives-its-job-when-creating",
                   no_spoilt_answer_outlives_its_job_when_creating);
  g_test_add_func ("/tpm/answers/no-spoilt-answer-outlives-its-job-when-writing-nv",
                   no_spoilt_answer_outlives_its_job_when_writing_nv);
  g_test_add_func ("/tpm/answers/no-spoilt-answer-outlives-its-job-when-opening-and-signing",
                   no_spoilt_answer_outlives_its_job_when_opening_and_signing);
  g_test_add_func ("/tpm/answers/no-spoilt-answer-outlives-its-job-when-opening-and-decrypting",
                   no_spoilt_answer_outlives_its_job_when_opening_and_decrypting);
  g_test_add_func ("/tpm/answers/no-spoilt-answer-outlives-its-job-when-opening-and-decrypting-with-a-loaded-key",
                   no_spoilt_answer_outlives_its_job_when_opening_and_decrypting_with_a_loaded_key);
  g_test_add_func ("/tpm/answers/every-transient-answer-is-waited-out", every_transient_answer_is_waited_out);
  if (test_swtpm_is_device ())
    g_test_add_func ("/tpm/answers/an-answer-that-nobody-read-is-not-the-next-one",
                     an_answer_that_nobody_read_is_not_the_next_one);
  int status = g_test_run ();
  test_faults_print (&faults);
  for (guint kind = 0; kind < TEST_N_KEY_KINDS; kind++)
    tpm_new_key_clear (&keys[kind]);
  return status;
}

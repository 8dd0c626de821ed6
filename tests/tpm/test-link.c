/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tpm.h"

#include "tpm-key.h"
#include "tpm-nv.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534
#define NODE_VARIABLE "TPMID_TEST_NODE"

static TpmLink *
link_to (const char *tcti)
{
  return tpm_link_new (&(TpmLinkOptions){ .tcti = tcti, .sysfs_root = "/nonexistent" });
}

static void
assert_fails (TpmLink *link, TpmidError code, TpmState state, const char *word)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_link_ensure (link, &error));
  assert_tpmid_error (error, (int) code);
  test_tpm_assert_state (link, state);
  g_assert_nonnull (strstr (test_tpm_status (link).detail, word));
}

static void
opens_and_reports_facts (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_tpm_assert_state (link, TPM_STATE_STARTING);
  test_tpm_ensure (link);

  TpmLinkStatus status = test_tpm_status (link);
  test_tpm_assert_state (link, TPM_STATE_READY);
  g_assert_cmpstr (status.detail, ==, "");
  g_assert_cmpstr (status.tcti, ==, test_swtpm_tcti (swtpm));
  g_assert_cmpstr (status.facts.manufacturer, ==, "IBM");
  g_assert_cmpstr (status.facts.vendor, ==, "SW   TPM");
  g_assert_cmpuint (status.facts.revision, >=, 116);
  g_assert_cmpuint (status.facts.nv_buffer_max, >=, 512);
  g_assert_true (status.facts.owner_enabled && status.facts.endorsement_enabled);
  g_assert_false (status.facts.owner_auth_set || status.facts.lockout_auth_set || status.facts.in_lockout);
  g_assert_cmpuint (status.facts.lockout_limit, >, 0);
  g_assert_cmpuint (status.commands, ==, 4);
  g_assert_cmpuint (status.reopened, ==, 0);
  test_swtpm_assert_clean (swtpm);
}

static void
an_open_link_costs_nothing (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = link_to (test_swtpm_tcti (swtpm));

  test_tpm_ensure (link);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, 2);
  test_tpm_ensure (link);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, 2);
}

static void
starts_the_tpm_when_alone (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new_unstarted ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_tpm_ensure (link);
  test_tpm_assert_state (link, TPM_STATE_READY);
  test_swtpm_assert_clean (swtpm);
}

static void
leaves_startup_to_others_when_shared (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new_unstarted ();
  g_autoptr (TpmLink) link = link_to (test_swtpm_tcti (swtpm));

  assert_fails (link, TPMID_ERROR_TPM_NOT_STARTED, TPM_STATE_NOT_STARTED, "firmware");
}

/* An object, a sequence (which has no public area) and sessions of both kinds, as a program leaves them that was killed. */
static void
leave_behind (TestSwtpm *swtpm)
{
  static const TPMT_SYM_DEF no_encryption = { .algorithm = TPM2_ALG_NULL };
  static const TPM2_SE kinds[] = { TPM2_SE_HMAC, TPM2_SE_POLICY };
  g_autoptr (TpmLink) link = link_to (test_swtpm_tcti (swtpm));

  test_swtpm_run (swtpm, "tpm2_createprimary -Q -C o -c primary.ctx");
  TPM2B_AUTH no_auth = { 0 };
  ESYS_TR tr;

  test_tpm_ensure (link);
  g_assert_cmpuint (Esys_HashSequenceStart (tpm_link_esys (link), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth,
                                            TPM2_ALG_SHA256, &tr), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    g_assert_cmpuint (Esys_StartAuthSession (tpm_link_esys (link), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                             ESYS_TR_NONE, NULL, kinds[i], &no_encryption, TPM2_ALG_SHA256, &tr), ==, 0);
}

static void
flushes_what_others_left_when_alone (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  leave_behind (swtpm);
  g_autofree char *sessions = test_swtpm_tool (swtpm, "tpm2_getcap handles-loaded-session");
  g_autofree char *objects = test_swtpm_tool (swtpm, "tpm2_getcap handles-transient");
  g_assert_cmpstr (sessions, ==, "- 0x2000000\n- 0x3000001\n");
  g_assert_nonnull (strstr (objects, "0x80000000"));

  test_tpm_ensure (link);
  test_swtpm_assert_clean (swtpm);
}

static void
says_that_no_device_answers (void)
{
  g_autoptr (TpmLink) link = link_to ("swtpm:path=/nonexistent/s");

  assert_fails (link, TPMID_ERROR_NO_DEVICE, TPM_STATE_NO_DEVICE, "/nonexistent/s");
}

static void
callers_learn_neither_the_transport_nor_its_code (void)
{
  g_autoptr (TpmLink) link = link_to ("swtpm:path=/nonexistent/s");
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) again = NULL;
  const char *text = NULL;

  g_assert_false (tpm_link_ensure (link, &error));
  g_assert_null (strstr (error->message, "swtpm"));
  g_assert_null (strstr (error->message, "/nonexistent"));
  g_assert_null (strstr (error->message, "0x"));
  g_assert_cmpuint (base_error_get_tpm (error, &text), ==, TSS2_TCTI_RC_IO_ERROR);
  g_assert_nonnull (text);
  /* While the back-off runs too. */
  g_assert_false (tpm_link_ensure (link, &again));
  g_assert_cmpuint (base_error_get_tpm (again, &text), ==, TSS2_TCTI_RC_IO_ERROR);
}

static void
says_that_there_is_no_node (void)
{
  g_autoptr (TpmLink) link = link_to ("device:/nonexistent/tpm0");

  assert_fails (link, TPMID_ERROR_NO_DEVICE, TPM_STATE_NO_DEVICE, "/nonexistent/tpm0");
}

static void
says_that_sysfs_knows_no_tpm (void)
{
  g_autoptr (TpmLink) link = link_to ("");

  assert_fails (link, TPMID_ERROR_NO_DEVICE, TPM_STATE_NO_DEVICE, "/nonexistent/class/tpm");
}

static void
says_that_the_tcti_is_unknown (void)
{
  g_autoptr (TpmLink) link = link_to ("nosuchtcti:x");

  assert_fails (link, TPMID_ERROR_BAD_TCTI, TPM_STATE_BAD_TCTI, "nosuchtcti:x");
}

static void
says_that_the_configuration_is_not_understood (void)
{
  g_autoptr (TpmLink) link = link_to ("swtpm:colour=blue");

  assert_fails (link, TPMID_ERROR_BAD_TCTI, TPM_STATE_BAD_TCTI, "Tcti=");
}

static void
takes_no_file_for_a_tpm (void)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("tpmid-file-XXXXXX", &path, NULL);
  g_autofree char *tcti = g_strconcat ("device:", path, NULL);
  g_autoptr (TpmLink) link = link_to (tcti);

  g_assert_no_errno (close (fd));
  assert_fails (link, TPMID_ERROR_TPM_UNAVAILABLE, TPM_STATE_UNAVAILABLE, "connection");
  g_assert_no_errno (g_unlink (path));
}

static void
stays_off (void)
{
  g_autoptr (TpmLink) link = tpm_link_new (&(TpmLinkOptions){ .tcti = "device:/dev/null", .sysfs_root = "/sys", .off = TRUE });
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_link_ensure (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_SUPPORTED);
  test_tpm_assert_state (link, TPM_STATE_OFF);
}

/* Runs as a user whom the mode keeps out; root could open anything. */
static void
assert_node_is_refused (const char *path)
{
  g_autofree char *tcti = g_strconcat ("device:", path, NULL);

  if (geteuid () == 0)
    g_assert_no_errno (setuid (NOBODY));
  g_autofree char *uid = g_strdup_printf ("uid %u", (unsigned) geteuid ());
  g_autoptr (TpmLink) link = link_to (tcti);
  assert_fails (link, TPMID_ERROR_NO_PERMISSION, TPM_STATE_NO_PERMISSION, path);
  g_assert_nonnull (strstr (test_tpm_status (link).detail, uid));
  g_assert_nonnull (strstr (test_tpm_status (link).detail, "belongs to"));
}

static void
names_a_node_without_permission (void)
{
  g_autofree char *path = NULL;

  if (g_test_subprocess ())
    {
      assert_node_is_refused (g_getenv (NODE_VARIABLE));
      return;
    }

  int fd = g_file_open_tmp ("tpmid-node-XXXXXX", &path, NULL);
  g_assert_cmpint (fd, >=, 0);
  g_assert_no_errno (close (fd));
  g_assert_no_errno (chmod (path, 0));
  g_assert_true (g_setenv (NODE_VARIABLE, path, TRUE));
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_assert_no_errno (g_unlink (path));
  g_test_trap_assert_passed ();
}

/* A socket that is not there tells that nothing is; a node is there without its TPM too. */
static TpmidError
assert_finds_no_tpm (TpmLink *link)
{
  if (test_swtpm_is_device ())
    {
      assert_fails (link, TPMID_ERROR_TPM_UNAVAILABLE, TPM_STATE_UNAVAILABLE, "connection");
      return TPMID_ERROR_TPM_UNAVAILABLE;
    }
  assert_fails (link, TPMID_ERROR_NO_DEVICE, TPM_STATE_NO_DEVICE, "nothing answers");
  return TPMID_ERROR_NO_DEVICE;
}

static void
backs_off_until_told_to_retry (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  test_swtpm_kill (swtpm);
  TpmidError reason = assert_finds_no_tpm (link);
  /* Until it waits for 1.6 s, long enough for a TPM to start meanwhile. */
  for (gulong wait_ms = 100; wait_ms < 1600; wait_ms *= 2)
    {
      g_usleep ((wait_ms + 10) * 1000);
      (void) assert_finds_no_tpm (link);
    }
  test_swtpm_start (swtpm);
  g_assert_false (tpm_link_ensure (link, &error));
  assert_tpmid_error (error, (int) reason);
  tpm_link_retry_now (link);
  test_tpm_ensure (link);
  g_assert_cmpuint (test_tpm_status (link).reopened, ==, 0);
}

static void
opens_after_the_back_off_by_itself (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_swtpm_kill (swtpm);
  (void) assert_finds_no_tpm (link);
  test_swtpm_start (swtpm);
  g_usleep (150 * 1000);
  test_tpm_ensure (link);
}

/* Asks the TPM for anything, as a job would. */
static gboolean
use (TpmLink *link, GError **error)
{
  gboolean exists;

  return tpm_link_ensure (link, error) && tpm_link_has_handle (link, TEST_HANDLE, &exists, error);
}

static void
reopens_after_the_tpm_died_and_returned (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  guint64 commands = 0;

  test_tpm_ensure (link);
  for (guint i = 1; i <= 20; i++)
    {
      g_autoptr (GError) error = NULL;

      test_swtpm_kill (swtpm);
      g_assert_false (use (link, &error));
      assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
      g_clear_error (&error);
      test_swtpm_start (swtpm);

      gint64 start = g_get_monotonic_time ();
      (void) use (link, &error);
      g_assert_no_error (error);
      g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
      test_tpm_assert_state (link, TPM_STATE_READY);
      g_assert_cmpuint (test_tpm_status (link).reopened, ==, i);
      g_assert_cmpuint (test_tpm_status (link).commands, >, commands);
      commands = test_tpm_status (link).commands;
      test_swtpm_assert_clean (swtpm);
    }
}

static void
is_unavailable_while_the_tpm_is_gone (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  test_swtpm_kill (swtpm);
  g_assert_false (use (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  test_tpm_assert_state (link, TPM_STATE_UNAVAILABLE);
  g_clear_error (&error);
  g_assert_false (use (link, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);

  test_swtpm_start (swtpm);
  tpm_link_retry_now (link);
  (void) use (link, &error);
  g_clear_error (&error);
  (void) use (link, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_tpm_status (link).reopened, ==, 1);
}

static void
notices_another_tpm_after_reopening (void)
{
  static const guint8 digest[32] = { 1 };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmSignature signature;
  TpmPublic public;

  test_tpm_ensure (link);
  (void) test_tpm_make (link, TPM_KEY_ECC_P256, &public, &error);
  g_assert_no_error (error);
  TpmKeyRef ref = test_tpm_ref (&public);
  (void) tpm_key_sign (link, &ref, TPM_HASH_SHA256, digest, &signature, &error);
  g_assert_no_error (error);

  test_swtpm_kill (swtpm);
  g_assert_false (tpm_key_sign (link, &ref, TPM_HASH_SHA256, digest, &signature, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  g_clear_error (&error);
  test_swtpm_forget_state (swtpm);
  test_swtpm_start (swtpm);
  test_tpm_ensure (link);
  g_assert_false (tpm_key_sign (link, &ref, TPM_HASH_SHA256, digest, &signature, &error));
  assert_tpmid_error (error, TPMID_ERROR_KEY_ORPHANED);
  test_swtpm_assert_clean (swtpm);
}

static void
closing_is_idempotent (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_tpm_ensure (link);
  tpm_link_close (link);
  guint64 commands = test_tpm_status (link).commands;
  tpm_link_close (link);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands);
  test_tpm_ensure (link);
  g_assert_cmpuint (test_tpm_status (link).reopened, ==, 1);
}

/* Works with the TPM, cuts its power, and tells whether the next start finds it shut down in order. */
static gboolean
is_orderly_after (TestSwtpm *swtpm, gboolean close)
{
  TpmLink *link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  if (!tpm_nv_define_write_once (link, TEST_INDEX, 8, &error))
    assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  if (close)
    tpm_link_close (link);
  test_swtpm_kill (swtpm);
  tpm_link_free (link);
  test_swtpm_start (swtpm);

  g_autoptr (TpmLink) next = test_tpm_link (swtpm);
  test_tpm_ensure (next);
  return test_tpm_status (next).facts.orderly;
}

static void
shuts_the_tpm_down_in_order_when_alone (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();

  g_assert_false (is_orderly_after (swtpm, FALSE));
  g_assert_true (is_orderly_after (swtpm, TRUE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/link/opens-and-reports-facts", opens_and_reports_facts);
  g_test_add_func ("/tpm/link/an-open-link-costs-nothing", an_open_link_costs_nothing);
  g_test_add_func ("/tpm/link/starts-the-tpm-when-alone", starts_the_tpm_when_alone);
  g_test_add_func ("/tpm/link/leaves-startup-to-others-when-shared", leaves_startup_to_others_when_shared);
  g_test_add_func ("/tpm/link/flushes-what-others-left-when-alone", flushes_what_others_left_when_alone);
  g_test_add_func ("/tpm/link/says-that-no-device-answers", says_that_no_device_answers);
  g_test_add_func ("/tpm/link/callers-learn-neither-the-transport-nor-its-code",
                   callers_learn_neither_the_transport_nor_its_code);
  g_test_add_func ("/tpm/link/says-that-there-is-no-node", says_that_there_is_no_node);
  g_test_add_func ("/tpm/link/says-that-sysfs-knows-no-tpm", says_that_sysfs_knows_no_tpm);
  g_test_add_func ("/tpm/link/says-that-the-tcti-is-unknown", says_that_the_tcti_is_unknown);
  g_test_add_func ("/tpm/link/says-that-the-configuration-is-not-understood", says_that_the_configuration_is_not_understood);
  g_test_add_func ("/tpm/link/takes-no-file-for-a-tpm", takes_no_file_for_a_tpm);
  g_test_add_func ("/tpm/link/stays-off", stays_off);
  g_test_add_func ("/tpm/link/names-a-node-without-permission", names_a_node_without_permission);
  g_test_add_func ("/tpm/link/backs-off-until-told-to-retry", backs_off_until_told_to_retry);
  g_test_add_func ("/tpm/link/opens-after-the-back-off-by-itself", opens_after_the_back_off_by_itself);
  g_test_add_func ("/tpm/link/reopens-after-the-tpm-died-and-returned", reopens_after_the_tpm_died_and_returned);
  g_test_add_func ("/tpm/link/is-unavailable-while-the-tpm-is-gone", is_unavailable_while_the_tpm_is_gone);
  g_test_add_func ("/tpm/link/notices-another-tpm-after-reopening", notices_another_tpm_after_reopening);
  g_test_add_func ("/tpm/link/closing-is-idempotent", closing_is_idempotent);
  g_test_add_func ("/tpm/link/shuts-the-tpm-down-in-order-when-alone", shuts_the_tpm_down_in_order_when_alone);
  return g_test_run ();
}

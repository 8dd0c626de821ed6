/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tpm.h"

#include "tpm-nv.h"
#include "tpm-template.h"

#include <string.h>

static const char serial[] = "SN-0123456789";
#define SERIAL_SIZE (sizeof serial - 1)

static GBytes *
serial_bytes (void)
{
  return g_bytes_new_static (serial, SERIAL_SIZE);
}

static void
define (TpmLink *link, guint16 size)
{
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  (void) tpm_nv_define_write_once (link, TEST_INDEX, size, &error);
  g_assert_no_error (error);
}

static void
write_serial (TpmLink *link)
{
  g_autoptr (GBytes) bytes = serial_bytes ();
  g_autoptr (GError) error = NULL;

  (void) tpm_nv_write_once (link, TEST_INDEX, bytes, &error);
  g_assert_no_error (error);
}

static void
assert_reads (TpmLink *link, const char *expected, gsize size)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  (void) tpm_nv_read (link, TEST_INDEX, &bytes, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected, size);
}

static void
assert_write_fails (TpmLink *link, const char *text, TpmidError code)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_nv_write_once (link, TEST_INDEX, bytes, &error));
  assert_tpmid_error (error, (int) code);
}

static void
assert_read_fails (TpmLink *link, TpmidError code)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_nv_read (link, TEST_INDEX, &bytes, &error));
  assert_tpmid_error (error, (int) code);
  g_assert_null (bytes);
}

static TpmNvInfo
describe (TpmLink *link)
{
  g_autoptr (GError) error = NULL;
  TpmNvInfo info;

  (void) tpm_nv_describe (link, TEST_INDEX, &info, &error);
  g_assert_no_error (error);
  return info;
}

static void
can_be_written_once (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  define (link, SERIAL_SIZE);
  assert_read_fails (link, TPMID_ERROR_NOT_FOUND);
  write_serial (link);
  assert_reads (link, serial, SERIAL_SIZE);
  assert_write_fails (link, "another-seria", TPMID_ERROR_POLICY_NOT_MET);
  assert_reads (link, serial, SERIAL_SIZE);
  test_swtpm_assert_clean (swtpm);
}

/* Not by us alone: the TPM itself refuses. */
static void
cannot_be_written_again_by_tools (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  define (link, SERIAL_SIZE);
  write_serial (link);
  g_autofree char *as_owner = test_swtpm_tool (swtpm, "sh -c '! echo x | tpm2_nvwrite -Q -C o -i - 0x%x'", TEST_INDEX);
  g_autofree char *by_policy = test_swtpm_tool (
      swtpm,
      "sh -c 'tpm2_startauthsession -Q --policy-session -S s.ctx && tpm2_policycommandcode -Q -S s.ctx TPM2_CC_NV_Write && "
      "tpm2_policynvwritten -Q -S s.ctx c && { ! echo x | tpm2_nvwrite -Q -P session:s.ctx -C 0x%x -i - 0x%x; } && "
      "tpm2_flushcontext s.ctx'",
      TEST_INDEX, TEST_INDEX);
  assert_reads (link, serial, SERIAL_SIZE);
}

static void
survives_a_power_cut (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  TpmLink *link = test_tpm_link (swtpm);

  define (link, SERIAL_SIZE);
  write_serial (link);
  test_swtpm_kill (swtpm);
  tpm_link_free (link);
  test_swtpm_start (swtpm);

  g_autoptr (TpmLink) next = test_tpm_link (swtpm);
  test_tpm_ensure (next);
  assert_reads (next, serial, SERIAL_SIZE);
  assert_write_fails (next, "another-seria", TPMID_ERROR_POLICY_NOT_MET);
}

static void
describes_what_it_defined (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  define (link, SERIAL_SIZE);
  TpmNvInfo info = describe (link);
  g_assert_cmpuint (info.size, ==, SERIAL_SIZE);
  g_assert_true (info.write_once && info.readable);
  g_assert_false (info.written);
  g_autofree char *public = test_swtpm_tool (swtpm, "tpm2_nvreadpublic 0x%x", TEST_INDEX);
  g_assert_nonnull (strstr (public, "friendly: policywrite|ownerread|authread|no_da\n"));
  g_assert_nonnull (strstr (public, "B7AFECEE9BF7BCBD5078F264DE85F7E361DC84F745DA7EFA34E91FDAF200EE9B"));

  write_serial (link);
  g_assert_true (describe (link).written);
  g_autofree char *content = test_swtpm_tool (swtpm, "tpm2_nvread -C o 0x%x", TEST_INDEX);
  g_assert_cmpstr (content, ==, serial);
}

static void
there_may_be_none (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmNvInfo info;

  test_tpm_ensure (link);
  g_assert_false (tpm_nv_describe (link, TEST_INDEX, &info, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_FOUND);
  assert_read_fails (link, TPMID_ERROR_NOT_FOUND);
  assert_write_fails (link, "x", TPMID_ERROR_NOT_FOUND);
  test_tpm_assert_state (link, TPM_STATE_READY);
}

static void
a_taken_index_stays_as_it_is (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  g_autofree char *defined = test_swtpm_tool (swtpm, "tpm2_nvdefine -Q -C o -s 5 -a 'ownerread|ownerwrite' 0x%x", TEST_INDEX);

  test_tpm_ensure (link);
  g_assert_false (tpm_nv_define_write_once (link, TEST_INDEX, SERIAL_SIZE, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_assert_cmpuint (describe (link).size, ==, 5);
  g_assert_false (describe (link).write_once);
  assert_write_fails (link, "hello", TPMID_ERROR_POLICY_NOT_MET);
}

static void
an_index_of_tools_is_read (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autofree char *made = test_swtpm_tool (
      swtpm,
      "sh -c 'tpm2_nvdefine -Q -C o -s 20 -a \"ownerread|ownerwrite\" 0x%x && printf %%s 0123456789ABCDEFGHIJ | "
      "tpm2_nvwrite -Q -C o -i - 0x%x'",
      TEST_INDEX, TEST_INDEX);

  test_tpm_ensure (link);
  g_assert_true (describe (link).written && describe (link).readable);
  assert_reads (link, "0123456789ABCDEFGHIJ", 20);
  test_swtpm_assert_clean (swtpm);
}

static void
a_policy_index_of_tools_is_written_and_read (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autofree char *made = test_swtpm_tool (
      swtpm,
      "sh -c 'tpm2_startauthsession -Q -S s.ctx && tpm2_policycommandcode -Q -S s.ctx TPM2_CC_NV_Write && "
      "tpm2_policynvwritten -Q -S s.ctx -L once.policy c && tpm2_flushcontext s.ctx && "
      "tpm2_nvdefine -Q -C o -s %u -a \"policywrite|ownerread|authread|no_da\" -L once.policy 0x%x'",
      (guint) SERIAL_SIZE, TEST_INDEX);

  test_tpm_ensure (link);
  g_assert_true (describe (link).write_once);
  write_serial (link);
  assert_reads (link, serial, SERIAL_SIZE);
  assert_write_fails (link, "another-seria", TPMID_ERROR_POLICY_NOT_MET);
}

static void
a_large_index_is_read_in_pieces (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autofree char *made = test_swtpm_tool (
      swtpm,
      "sh -c 'tpm2_nvdefine -Q -C o -s 2000 -a \"ownerread|ownerwrite\" 0x%x && head -c 2000 /dev/urandom >large && "
      "tpm2_nvwrite -Q -C o -i large 0x%x'",
      TEST_INDEX, TEST_INDEX);
  g_autofree char *path = g_build_filename (test_swtpm_folder (swtpm), "large", NULL);
  g_autofree char *expected = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &expected, &size, NULL));
  test_tpm_ensure (link);
  g_assert_cmpuint (size, >, test_tpm_status (link).facts.nv_buffer_max);
  assert_reads (link, expected, size);
}

/* A wrong guess would count as an attack. */
static void
a_password_of_others_is_not_tried (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autofree char *made = test_swtpm_tool (
      swtpm,
      "sh -c 'tpm2_nvdefine -Q -C o -s 5 -p secret -a \"authread|authwrite\" 0x%x && printf hello | "
      "tpm2_nvwrite -Q -C 0x%x -P secret -i - 0x%x'",
      TEST_INDEX, TEST_INDEX, TEST_INDEX);

  test_tpm_ensure (link);
  g_assert_false (describe (link).readable);
  assert_read_fails (link, TPMID_ERROR_AUTH_FAILED);
  g_assert_cmpuint (test_swtpm_lockout_counter (swtpm), ==, 0);
}

static void
an_owner_password_is_named (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  define (link, SERIAL_SIZE);
  write_serial (link);
  g_autofree char *set = test_swtpm_tool (swtpm, "tpm2_changeauth -Q -c owner secret");
  /* Its own authread needs no owner. */
  assert_reads (link, serial, SERIAL_SIZE);
  g_assert_false (tpm_nv_define_write_once (link, TEST_INDEX + 1, 4, &error));
  assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  g_assert_nonnull (strstr (error->message, "owner"));
  g_assert_cmpuint (test_swtpm_lockout_counter (swtpm), ==, 0);
}

static void
wrong_sizes_and_handles_are_refused (void)
{
  static const struct
  {
    guint32 index;
    guint16 size;
  } rows[] = { { 0x017fffff, 8 }, { 0x01c00000, 8 }, { TEST_INDEX, 0 }, { TEST_INDEX, 65 } };
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_tpm_ensure (link);
  guint64 commands = test_tpm_status (link).commands;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (tpm_nv_define_write_once (link, rows[i].index, rows[i].size, &error));
      assert_tpmid_error (error, TPMID_ERROR_INVALID_ARGUMENT);
    }
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands);

  define (link, 64);
  assert_write_fails (link, "too short", TPMID_ERROR_INVALID_ARGUMENT);
  assert_write_fails (link, "", TPMID_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/nv/can-be-written-once", can_be_written_once);
  g_test_add_func ("/tpm/nv/cannot-be-written-again-by-tools", cannot_be_written_again_by_tools);
  g_test_add_func ("/tpm/nv/survives-a-power-cut", survives_a_power_cut);
  g_test_add_func ("/tpm/nv/describes-what-it-defined", describes_what_it_defined);
  g_test_add_func ("/tpm/nv/there-may-be-none", there_may_be_none);
  g_test_add_func ("/tpm/nv/a-taken-index-stays-as-it-is", a_taken_index_stays_as_it_is);
  g_test_add_func ("/tpm/nv/an-index-of-tools-is-read", an_index_of_tools_is_read);
  g_test_add_func ("/tpm/nv/a-policy-index-of-tools-is-written-and-read", a_policy_index_of_tools_is_written_and_read);
  g_test_add_func ("/tpm/nv/a-large-index-is-read-in-pieces", a_large_index_is_read_in_pieces);
  g_test_add_func ("/tpm/nv/a-password-of-others-is-not-tried", a_password_of_others_is_not_tried);
  g_test_add_func ("/tpm/nv/an-owner-password-is-named", an_owner_password_is_named);
  g_test_add_func ("/tpm/nv/wrong-sizes-and-handles-are-refused", wrong_sizes_and_handles_are_refused);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Indices that are written again and again, and may hold a secret. */
#include "test-password.h"
#include "test-proxy.h"
#include "tpm-nv-private.h"
#include "tpm-template.h"

#define INDEX 0x01805402u

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
try_store (TpmLink *link, const char *text, const TpmParent *parent, GError **error)
{
  g_autoptr (BaseSecret) secret = test_secret (text);
  const TpmNvStore what = { .kind = TPM_NV_PASSWORDS, .secret = secret, .lock_until_restart = TRUE };

  return tpm_nv_store (link, INDEX, &what, parent, error);
}

static void
store (TpmLink *link, const char *text)
{
  g_autoptr (GError) error = NULL;

  (void) try_store (link, text, &test_parent, &error);
  g_assert_no_error (error);
}

static void
assert_store_fails (TpmLink *link, const char *text, TpmidError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (try_store (link, text, &test_parent, &error));
  assert_tpmid_error (error, (int) code);
}

static void
assert_holds (TpmLink *link, const TpmParent *parent, const char *text)
{
  g_autoptr (BaseSecret) secret = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  (void) tpm_nv_read_secret (link, INDEX, parent, &secret, &error);
  g_assert_no_error (error);
  const guint8 *data = base_secret_peek (secret, &size);
  g_assert_cmpmem (data, size, text, strlen (text));
}

static void
assert_read_fails (TpmLink *link, TpmidError code)
{
  g_autoptr (BaseSecret) secret = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_nv_read_secret (link, INDEX, &test_parent, &secret, &error));
  assert_tpmid_error (error, (int) code);
  g_assert_null (secret);
}

static void
lock (TpmLink *link)
{
  g_autoptr (GError) error = NULL;

  (void) tpm_nv_lock_reading (link, INDEX, &error);
  g_assert_no_error (error);
}

static void
restart (Bench *bench)
{
  tpm_link_close (bench->link);
  test_swtpm_kill (bench->swtpm);
  test_swtpm_start (bench->swtpm);
  test_tpm_ensure (bench->link);
}

static void
what_is_stored_is_read (void)
{
  BENCH (bench);

  assert_read_fails (bench.link, TPMID_ERROR_NOT_FOUND);
  store (bench.link, "one");
  assert_holds (bench.link, &test_parent, "one");
  assert_holds (bench.link, NULL, "one");
  store (bench.link, "two");
  assert_holds (bench.link, &test_parent, "two");
  store (bench.link, "another size");
  assert_holds (bench.link, &test_parent, "another size");
  restart (&bench);
  assert_holds (bench.link, NULL, "another size");
}

static void
a_password_of_the_owner_protects_what_is_stored (void)
{
  BENCH (bench);

  test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  store (bench.link, "one");
  store (bench.link, "another size");
  tpm_link_set_password (bench.link, TPM_HIERARCHY_OWNER, NULL);
  assert_store_fails (bench.link, "two", TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  /* It is read by who does not know it, and even where the parent would have to be made. */
  test_swtpm_run (bench.swtpm, "tpm2_evictcontrol -Q -C o -P %s -c 0x%x", TEST_PASSWORD, TEST_PARENT_HANDLE);
  restart (&bench);
  assert_holds (bench.link, NULL, "another size");
}

static void
reading_can_be_locked_until_the_tpm_restarts (void)
{
  BENCH (bench);
  g_autoptr (GError) error = NULL;

  g_assert_false (tpm_nv_lock_reading (bench.link, INDEX, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_FOUND);
  store (bench.link, "one");
  lock (bench.link);
  assert_read_fails (bench.link, TPMID_ERROR_POLICY_NOT_MET);
  lock (bench.link);
  /* For everybody. */
  test_swtpm_run (bench.swtpm, "sh -c '! tpm2_nvread -Q -C 0x%x 0x%x'", INDEX, INDEX);
  test_swtpm_run (bench.swtpm, "sh -c '! tpm2_nvread -Q -C o 0x%x'", INDEX);
  /* Closing and opening the link is no restart of the TPM. */
  tpm_link_close (bench.link);
  test_tpm_ensure (bench.link);
  assert_read_fails (bench.link, TPMID_ERROR_POLICY_NOT_MET);
  restart (&bench);
  assert_holds (bench.link, &test_parent, "one");
}

static void
what_is_locked_can_be_written (void)
{
  BENCH (bench);

  store (bench.link, "one");
  lock (bench.link);
  /* That it holds the same, its tag tells. */
  guint64 before = test_tpm_status (bench.link).commands;
  store (bench.link, "one");
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 3);
  assert_read_fails (bench.link, TPMID_ERROR_POLICY_NOT_MET);
  store (bench.link, "two");
  assert_holds (bench.link, &test_parent, "two");
  restart (&bench);
  assert_holds (bench.link, &test_parent, "two");
}

static TpmNvTag
read_tag (TpmLink *link)
{
  g_autoptr (GError) error = NULL;
  TpmNvTag tag;
  guint64 before = test_tpm_status (link).commands;

  (void) tpm_nv_read_tag (link, INDEX, &tag, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_commands (link, &before), ==, 1);
  return tag;
}

static void
assert_tag_tells (const TpmNvTag *tag, const char *text, gboolean wanted)
{
  g_autoptr (BaseSecret) secret = test_secret (text);

  g_assert_cmpint (tpm_nv_tag_tells (tag, secret), ==, wanted);
}

/* Also while reading is locked. */
static void
the_tag_tells_what_an_index_holds (void)
{
  BENCH (bench);
  g_autoptr (GError) error = NULL;
  TpmNvTag tag;

  g_assert_false (tpm_nv_read_tag (bench.link, INDEX, &tag, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_FOUND);
  for (guint i = 0; i < 2; i++)
    {
      store (bench.link, i == 0 ? "one" : "two");
      g_assert_false (read_tag (bench.link).is_locked);
      lock (bench.link);
      tag = read_tag (bench.link);
      g_assert_cmpint (tag.kind, ==, TPM_NV_PASSWORDS);
      g_assert_true (tag.is_written);
      g_assert_true (tag.is_locked);
      assert_tag_tells (&tag, "one", i == 0);
      assert_tag_tells (&tag, "two", i == 1);
    }
  test_swtpm_run (bench.swtpm, "tpm2_nvundefine -Q -C o 0x%x", INDEX);
  test_swtpm_run (bench.swtpm, "tpm2_nvdefine -Q -C o -s 3 -a 'ownerread|ownerwrite|authread|no_da|read_stclear' 0x%x", INDEX);
  tag = read_tag (bench.link);
  g_assert_cmpint (tag.kind, ==, TPM_NV_OTHER);
  assert_tag_tells (&tag, "one", FALSE);
}

static void
one_kind_is_not_taken_for_another (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("one", 3);
  const TpmNvStore tokens = { .kind = TPM_NV_RESET_TOKENS, .bytes = bytes, .lock_until_restart = TRUE };
  BENCH (bench);
  g_autoptr (GError) error = NULL;

  store (bench.link, "one");
  g_assert_false (tpm_nv_store (bench.link, INDEX, &tokens, NULL, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_clear_error (&error);
  g_assert_false (tpm_nv_undefine_store (bench.link, INDEX, TPM_NV_RESET_TOKENS, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  assert_holds (bench.link, &test_parent, "one");
  g_clear_error (&error);
  (void) tpm_nv_undefine_store (bench.link, INDEX, TPM_NV_PASSWORDS, &error);
  g_assert_no_error (error);
  assert_read_fails (bench.link, TPMID_ERROR_NOT_FOUND);
}

/* Of another size, where ours would be made anew; and of the kind that is not made anew. */
static void
what_others_defined_with_our_attributes_is_not_touched (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("token", 5);
  const TpmNvStore tokens = { .kind = TPM_NV_RESET_TOKENS, .bytes = bytes };
  BENCH (bench);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 4; i++)
    {
      test_swtpm_run (bench.swtpm, "tpm2_nvdefine -Q -C o -s %u -a 'ownerread|ownerwrite|authread|no_da%s' 0x%x", i < 2 ? 3u : 5u,
                      i % 2 == 0 ? "" : "|read_stclear", INDEX);
      test_swtpm_run (bench.swtpm, "sh -c 'printf abc | tpm2_nvwrite -Q -C o -i - 0x%x'", INDEX);
      assert_store_fails (bench.link, "one", TPMID_ERROR_HANDLE_TAKEN);
      g_assert_false (tpm_nv_store (bench.link, INDEX, &tokens, NULL, &error));
      assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
      g_clear_error (&error);
      g_autofree char *content = test_swtpm_tool (bench.swtpm, "tpm2_nvread -C o -s 3 0x%x", INDEX);
      g_assert_cmpstr (content, ==, "abc");
      test_swtpm_run (bench.swtpm, "tpm2_nvundefine -Q -C o 0x%x", INDEX);
    }
}

/* The index is not made anew for another token: a power cut between leaves either. */
static void
tokens_are_written_in_place (void)
{
  BENCH (bench);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new_static (i == 0 ? "one" : "two", 3);
      const TpmNvStore tokens = { .kind = TPM_NV_RESET_TOKENS, .bytes = bytes };
      g_autoptr (GError) error = NULL;
      guint64 before = test_tpm_status (bench.link).commands;

      (void) tpm_nv_store (bench.link, INDEX, &tokens, NULL, &error);
      g_assert_no_error (error);
      /* Look, look twice, read, write, read back. */
      if (i == 1)
        g_assert_cmpuint (test_commands (bench.link, &before), ==, 1 + 2 + 1 + 1 + 3);
    }
}

/* As a power cut between the two leaves it. */
static void
a_half_made_one_is_completed (void)
{
  BENCH (bench);

  TPM2B_NV_PUBLIC template;
  guint8 digest[TPM_NV_DIGEST_SIZE];
  g_auto (TpmReference) reference = { bench.link, ESYS_TR_NONE };
  g_autoptr (GError) error = NULL;
  tpm_template_store (INDEX, 3, TPM_NV_PASSWORDS, TRUE, &template);
  tpm_template_digest ("one", 3, digest);
  tpm_template_tell_content (&template.nvPublic, digest);
  (void) tpm_nv_define (bench.link, &template, &reference, &error);
  g_assert_no_error (error);
  tpm_reference_clear (&reference);
  assert_read_fails (bench.link, TPMID_ERROR_NOT_FOUND);
  store (bench.link, "one");
  assert_holds (bench.link, &test_parent, "one");
}

static void
what_others_defined_is_not_touched (void)
{
  static const char *const attributes[] = {
    "ownerread|ownerwrite|authread|no_da",
    "ownerread|ownerwrite|authread|read_stclear",
    "ownerread|ownerwrite|authread|authwrite|no_da|read_stclear",
    "ownerread|ownerwrite|authread|no_da|read_stclear|writedefine",
  };
  BENCH (bench);

  for (gsize i = 0; i < G_N_ELEMENTS (attributes); i++)
    {
      test_swtpm_run (bench.swtpm, "tpm2_nvdefine -Q -C o -s 3 -a '%s' 0x%x", attributes[i], INDEX);
      test_swtpm_run (bench.swtpm, "sh -c 'printf abc | tpm2_nvwrite -Q -C o -i - 0x%x'", INDEX);
      assert_store_fails (bench.link, "one", TPMID_ERROR_HANDLE_TAKEN);
      g_autofree char *content = test_swtpm_tool (bench.swtpm, "tpm2_nvread -C o 0x%x", INDEX);
      g_assert_cmpstr (content, ==, "abc");
      test_swtpm_run (bench.swtpm, "tpm2_nvundefine -Q -C o 0x%x", INDEX);
    }
}

static void
what_is_no_secret_is_stored_too (void)
{
  static const char token[] = "a token";
  g_autoptr (GBytes) bytes = g_bytes_new_static (token, sizeof token);
  g_autoptr (GBytes) found = NULL;
  const TpmNvStore what = { .kind = TPM_NV_RESET_TOKENS, .bytes = bytes };
  BENCH (bench);
  g_autoptr (GError) error = NULL;
  guint64 before = test_tpm_status (bench.link).commands;

  (void) tpm_nv_store (bench.link, INDEX, &what, NULL, &error);
  g_assert_no_error (error);
  /* Look, define, write, read back. */
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 1 + 1 + 1 + 3);
  (void) tpm_nv_read (bench.link, INDEX, &found, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, found));
}

static void
what_no_index_holds_is_refused (void)
{
  g_autofree char *large = g_strnfill (4096, 'x');
  g_autoptr (BaseSecret) secret = test_secret ("one");
  const TpmNvStore what = { .kind = TPM_NV_PASSWORDS, .secret = secret };
  const TpmNvStore without_kind = { .secret = secret };
  BENCH (bench);
  guint64 before = test_tpm_status (bench.link).commands;
  g_autoptr (GError) error = NULL;

  assert_store_fails (bench.link, "", TPMID_ERROR_INVALID_ARGUMENT);
  assert_store_fails (bench.link, large, TPMID_ERROR_INVALID_ARGUMENT);
  g_assert_false (tpm_nv_store (bench.link, 0x01400001, &what, NULL, &error));
  assert_tpmid_error (error, TPMID_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_false (tpm_nv_store (bench.link, INDEX, &without_kind, NULL, &error));
  assert_tpmid_error (error, TPMID_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 0);
}

static void
an_index_of_the_platform_is_not_undefined (void)
{
  BENCH (bench);
  g_autoptr (GError) error = NULL;

  test_swtpm_run (bench.swtpm, "tpm2_nvdefine -Q -C p -s 3 -a 'ppread|ppwrite|ownerread|platformcreate' 0x%x", INDEX);
  g_assert_false (tpm_nv_undefine (bench.link, INDEX, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_clear_error (&error);
  g_assert_false (tpm_nv_undefine (bench.link, INDEX + 1, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_FOUND);
}

/* Look, define, write, look twice, read: the first byte of the content comes back as another. Tag, size, code; size of the parameters; size. */
static void
what_reads_differently_is_told (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autofree char *path = g_build_filename (test_swtpm_folder (swtpm), "wire", NULL);
  g_autoptr (TestProxy) proxy = test_proxy_new (TEST_PROXY_SOCKET, path, test_swtpm_socket (swtpm));
  TpmLink *link = test_password_link (test_proxy_tcti (proxy), TRUE);
  g_autoptr (GBytes) bytes = g_bytes_new_static ("token", 5);
  const TpmNvStore what = { .kind = TPM_NV_RESET_TOKENS, .bytes = bytes };
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  test_proxy_spoil (proxy, TEST_SPOIL_BIT, 6, 1, 10 + 4 + 2);
  g_assert_false (tpm_nv_store (link, INDEX, &what, NULL, &error));
  assert_tpmid_error (error, TPMID_ERROR_UNTRUSTED_RESPONSE);
  tpm_link_free (link);
}

/* As few as the headers promise. */
static void
the_commands_are_as_many_as_promised (void)
{
  BENCH (bench);
  guint64 before;

  store (bench.link, "x");
  test_swtpm_run (bench.swtpm, "tpm2_nvundefine -Q -C o 0x%x", INDEX);
  before = test_tpm_status (bench.link).commands;
  store (bench.link, "one");
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 8);
  store (bench.link, "one");
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 5);
  assert_holds (bench.link, &test_parent, "one");
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 4);
  assert_holds (bench.link, NULL, "one");
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 6);
  lock (bench.link);
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 1);
  assert_read_fails (bench.link, TPMID_ERROR_POLICY_NOT_MET);
  g_assert_cmpuint (test_commands (bench.link, &before), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/nv-store/what-is-stored-is-read", what_is_stored_is_read);
  g_test_add_func ("/tpm/nv-store/a-password-of-the-owner-protects-what-is-stored", a_password_of_the_owner_protects_what_is_stored);
  g_test_add_func ("/tpm/nv-store/reading-can-be-locked-until-the-tpm-restarts", reading_can_be_locked_until_the_tpm_restarts);
  g_test_add_func ("/tpm/nv-store/what-is-locked-can-be-written", what_is_locked_can_be_written);
  g_test_add_func ("/tpm/nv-store/the-tag-tells-what-an-index-holds", the_tag_tells_what_an_index_holds);
  g_test_add_func ("/tpm/nv-store/one-kind-is-not-taken-for-another", one_kind_is_not_taken_for_another);
  g_test_add_func ("/tpm/nv-store/what-others-defined-with-our-attributes-is-not-touched", what_others_defined_with_our_attributes_is_not_touched);
  g_test_add_func ("/tpm/nv-store/tokens-are-written-in-place", tokens_are_written_in_place);
  g_test_add_func ("/tpm/nv-store/a-half-made-one-is-completed", a_half_made_one_is_completed);
  g_test_add_func ("/tpm/nv-store/what-others-defined-is-not-touched", what_others_defined_is_not_touched);
  g_test_add_func ("/tpm/nv-store/what-is-no-secret-is-stored-too", what_is_no_secret_is_stored_too);
  g_test_add_func ("/tpm/nv-store/what-no-index-holds-is-refused", what_no_index_holds_is_refused);
  g_test_add_func ("/tpm/nv-store/an-index-of-the-platform-is-not-undefined", an_index_of_the_platform_is_not_undefined);
  g_test_add_func ("/tpm/nv-store/what-reads-differently-is-told", what_reads_differently_is_told);
  g_test_add_func ("/tpm/nv-store/the-commands-are-as-many-as-promised", the_commands_are_as_many_as_promised);
  return g_test_run ();
}

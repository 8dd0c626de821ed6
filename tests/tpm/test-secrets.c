/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Somebody reads what crosses between the processor and the TPM: passwords do not. */
#include "test-password.h"
#include "test-proxy.h"

#include "tpm-key.h"
#include "tpm-nv.h"

#define INDEX 0x01805402u
#define STORED "what-only-the-TPM-and-we-may-know"
#define PIECE_SIZE 8

/* The proxy is the wire. */
typedef struct
{
  TestSwtpm *swtpm;
  TestProxy *proxy;
  TpmLink *link;
} Bench;

static void
bench_init (Bench *bench, gboolean exclusive)
{
  *bench = (Bench){ .swtpm = test_swtpm_new () };
  g_autofree char *path = g_build_filename (test_swtpm_folder (bench->swtpm), "wire", NULL);
  bench->proxy = test_proxy_new (TEST_PROXY_SOCKET, path, test_swtpm_socket (bench->swtpm));
  bench->link = test_password_link (test_proxy_tcti (bench->proxy), exclusive);
  test_tpm_ensure (bench->link);
}

static void
bench_clear (Bench *bench)
{
  tpm_link_free (bench->link);
  test_proxy_free (bench->proxy);
  test_swtpm_assert_clean (bench->swtpm);
  test_swtpm_free (bench->swtpm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* Any piece of it. */
static gboolean
shows (GBytes *record, const char *secret)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (record, &size);

  for (gsize at = 0; at + PIECE_SIZE <= strlen (secret); at++)
    if (memmem (data, size, secret + at, PIECE_SIZE) != NULL)
      return TRUE;
  return FALSE;
}

/* Ends the recording; @code: of a command that must be in it, or else nothing was looked at. */
static void
assert_nothing_shows (Bench *bench, guint32 code)
{
  g_autoptr (GBytes) record = test_proxy_take_record (bench->proxy);
  guint32 wire_code = GUINT32_TO_BE (code);
  gsize size;
  const guint8 *data = g_bytes_get_data (record, &size);

  g_assert_nonnull (memmem (data, size, &wire_code, sizeof wire_code));
  g_assert_false (shows (record, TEST_PASSWORD));
  g_assert_false (shows (record, TEST_OTHER_PASSWORD));
  g_assert_false (shows (record, STORED));
}

enum
{
  CC_HIERARCHY_CHANGE_AUTH = 0x129,
  CC_NV_DEFINE_SPACE = 0x12a,
  CC_CLEAR = 0x126,
  CC_CREATE_PRIMARY = 0x131,
  CC_EVICT_CONTROL = 0x120,
  CC_NV_WRITE = 0x137,
  CC_NV_READ = 0x14e,
  CC_DA_PARAMETERS = 0x13a,
};

static void
check_change (gboolean exclusive, const TpmParent *parent)
{
  static const char *const steps[] = { TEST_PASSWORD, TEST_OTHER_PASSWORD, TEST_PASSWORD, NULL };
  static const TpmHierarchy hierarchies[] = { TPM_HIERARCHY_LOCKOUT, TPM_HIERARCHY_OWNER, TPM_HIERARCHY_ENDORSEMENT };

  for (gsize i = 0; i < G_N_ELEMENTS (hierarchies); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, exclusive);
      for (gsize step = 0; step < G_N_ELEMENTS (steps); step++)
        {
          g_autoptr (BaseSecret) password = steps[step] != NULL ? test_secret (steps[step]) : NULL;
          g_autoptr (GError) error = NULL;

          test_proxy_record (bench.proxy);
          (void) tpm_hierarchy_change_password (bench.link, hierarchies[i], parent, password, &error);
          g_assert_no_error (error);
          assert_nothing_shows (&bench, CC_HIERARCHY_CHANGE_AUTH);
        }
    }
}

static void
no_new_password_crosses_the_wire (void)
{
  for (guint exclusive = 0; exclusive < 2; exclusive++)
    {
      check_change ((gboolean) exclusive, &test_parent);
      check_change ((gboolean) exclusive, NULL);
    }
}

static void
check_store (Bench *bench, const TpmParent *parent)
{
  g_autoptr (BaseSecret) secret = test_secret (STORED);
  g_autoptr (BaseSecret) found = NULL;
  const TpmNvStore what = { .kind = TPM_NV_PASSWORDS, .secret = secret, .lock_until_restart = TRUE };
  g_autoptr (GError) error = NULL;

  test_proxy_record (bench->proxy);
  (void) tpm_nv_store (bench->link, INDEX, &what, parent, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_NV_WRITE);
  test_proxy_record (bench->proxy);
  (void) tpm_nv_read_secret (bench->link, INDEX, parent, &found, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_NV_READ);
  (void) tpm_nv_undefine (bench->link, INDEX, &error);
  g_assert_no_error (error);
}

static void
no_stored_secret_crosses_the_wire (void)
{
  for (guint exclusive = 0; exclusive < 2; exclusive++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, (gboolean) exclusive);
      for (guint known = 0; known < 2; known++)
        {
          check_store (&bench, &test_parent);
          check_store (&bench, NULL);
          test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
        }
    }
}

static void
use_passwords (Bench *bench)
{
  g_autoptr (GError) error = NULL;
  TpmPublic public;

  test_proxy_record (bench->proxy);
  (void) test_tpm_make (bench->link, TPM_KEY_ECC_P256, &public, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_CREATE_PRIMARY);
  test_proxy_record (bench->proxy);
  (void) tpm_key_evict (bench->link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_EVICT_CONTROL);
  test_proxy_record (bench->proxy);
  (void) tpm_nv_define_write_once (bench->link, TEST_INDEX, 13, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_NV_DEFINE_SPACE);
  test_proxy_record (bench->proxy);
  (void) tpm_hierarchy_set_lockout_parameters (bench->link, 32, 600, 3600, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_DA_PARAMETERS);
  test_proxy_record (bench->proxy);
  (void) tpm_hierarchy_clear (bench->link, &error);
  g_assert_no_error (error);
  assert_nothing_shows (bench, CC_CLEAR);
}

static void
no_password_in_use_crosses_the_wire (void)
{
  for (guint exclusive = 0; exclusive < 2; exclusive++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, (gboolean) exclusive);
      test_change (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
      test_change (bench.link, TPM_HIERARCHY_LOCKOUT, TEST_OTHER_PASSWORD);
      use_passwords (&bench);
    }
}

/* A password that is known of a hierarchy that has none. */
static void
no_stale_password_crosses_the_wire (void)
{
  g_auto (Bench) bench = { NULL };
  g_autoptr (GError) error = NULL;

  bench_init (&bench, TRUE);
  test_know (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  test_proxy_record (bench.proxy);
  (void) tpm_nv_define_write_once (bench.link, TEST_INDEX, 13, &error);
  g_assert_no_error (error);
  assert_nothing_shows (&bench, CC_NV_DEFINE_SPACE);
}

static void
a_refused_password_does_not_cross_the_wire (void)
{
  g_auto (Bench) bench = { NULL };
  g_autoptr (GError) error = NULL;

  bench_init (&bench, TRUE);
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner theirs");
  (void) tpm_link_refresh_facts (bench.link, &error);
  g_assert_no_error (error);
  test_know (bench.link, TPM_HIERARCHY_OWNER, TEST_PASSWORD);
  test_proxy_record (bench.proxy);
  g_assert_false (tpm_nv_define_write_once (bench.link, TEST_INDEX, 13, &error));
  g_assert_false (tpm_nv_define_write_once (bench.link, TEST_INDEX, 13, NULL));
  assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  assert_nothing_shows (&bench, CC_NV_DEFINE_SPACE);
}

static void
the_platform_password_does_not_cross_the_wire (void)
{
  g_autoptr (BaseSecret) password = test_secret (TEST_PASSWORD);
  g_auto (Bench) bench = { NULL };
  g_autoptr (GError) error = NULL;
  gboolean was_open;

  bench_init (&bench, TRUE);
  test_proxy_record (bench.proxy);
  (void) tpm_hierarchy_close_platform (bench.link, password, &was_open, &error);
  g_assert_no_error (error);
  g_assert_true (was_open);
  assert_nothing_shows (&bench, CC_HIERARCHY_CHANGE_AUTH);
  /* Nor when somebody looks whether it is closed. */
  test_proxy_record (bench.proxy);
  (void) tpm_hierarchy_close_platform (bench.link, password, &was_open, &error);
  g_assert_no_error (error);
  g_assert_false (was_open);
  assert_nothing_shows (&bench, CC_CREATE_PRIMARY);
}

/* The same look at programs that do nothing about it. */
static void
others_are_seen (void)
{
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, TRUE);
  test_proxy_record (bench.proxy);
  test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -T %s -c owner %s", test_proxy_tcti (bench.proxy), TEST_PASSWORD);
  test_swtpm_run (bench.swtpm, "tpm2_nvdefine -Q -T %s -C o -P %s -s %u -a 'ownerread|ownerwrite|authread|no_da' 0x%x",
                  test_proxy_tcti (bench.proxy), TEST_PASSWORD, (guint) strlen (STORED), INDEX);
  g_autoptr (GBytes) passwords = test_proxy_take_record (bench.proxy);
  g_assert_true (shows (passwords, TEST_PASSWORD));
  test_proxy_record (bench.proxy);
  test_swtpm_run (bench.swtpm, "sh -c 'printf %s | tpm2_nvwrite -Q -T %s -C o -P %s -i - 0x%x'", STORED, test_proxy_tcti (bench.proxy),
                  TEST_PASSWORD, INDEX);
  g_autoptr (GBytes) content = test_proxy_take_record (bench.proxy);
  g_assert_true (shows (content, STORED));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/secrets/no-new-password-crosses-the-wire", no_new_password_crosses_the_wire);
  g_test_add_func ("/tpm/secrets/no-stored-secret-crosses-the-wire", no_stored_secret_crosses_the_wire);
  g_test_add_func ("/tpm/secrets/no-password-in-use-crosses-the-wire", no_password_in_use_crosses_the_wire);
  g_test_add_func ("/tpm/secrets/no-stale-password-crosses-the-wire", no_stale_password_crosses_the_wire);
  g_test_add_func ("/tpm/secrets/a-refused-password-does-not-cross-the-wire", a_refused_password_does_not_cross_the_wire);
  g_test_add_func ("/tpm/secrets/the-platform-password-does-not-cross-the-wire", the_platform_password_does_not_cross_the_wire);
  g_test_add_func ("/tpm/secrets/others-are-seen", others_are_seen);
  return g_test_run ();
}

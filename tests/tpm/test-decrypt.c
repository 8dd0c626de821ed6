/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that decrypt, in a TPM that others use too: what they cost, and what they survive. */
#include "test-decrypt.h"

/* A TPM with a key, the link that made it, and what the key is to decrypt. */
typedef struct
{
  TestSwtpm *swtpm;
  TpmLink *link;
  TpmNewKey made;
  TpmKeyRef key;
  TestBlock block;
} Bench;

typedef struct
{
  TestKeyKind kind;
  gboolean exclusive;
} Setting;

static const Setting settings[] = {
  { TEST_KEY_PERSISTENT, TRUE },
  { TEST_KEY_PERSISTENT, FALSE },
  { TEST_KEY_LOADED, TRUE },
  { TEST_KEY_LOADED, FALSE },
};

static void
make (Bench *bench, TestKeyKind kind)
{
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (bench->link);
  (void) test_decrypt_make (bench->link, kind, &bench->made, &error);
  g_assert_no_error (error);
  bench->key = test_decrypt_ref (&bench->made, kind);
  test_block_init (&bench->block, &bench->made.public, 1);
}

/* @fault: (nullable): see tpm_link_set_fault() */
static void
bench_init_with_fault (Bench *bench, const Setting *setting, TpmTctiFault fault, gpointer fault_data)
{
  *bench = (Bench){ .swtpm = test_swtpm_new () };
  bench->link = test_decrypt_link (test_swtpm_tcti (bench->swtpm), setting->exclusive);
  tpm_link_set_fault (bench->link, fault, fault_data);
  make (bench, setting->kind);
}

static void
bench_init (Bench *bench, const Setting *setting)
{
  bench_init_with_fault (bench, setting, NULL, NULL);
}

/* Nothing of ours is in the TPM when the link has closed. */
static void
bench_clear (Bench *bench)
{
  tpm_link_free (bench->link);
  test_swtpm_assert_clean (bench->swtpm);
  tpm_new_key_clear (&bench->made);
  test_swtpm_free (bench->swtpm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* Returns: how many commands it took */
static guint64
decrypt (Bench *bench)
{
  guint64 commands = test_tpm_status (bench->link).commands;
  g_autoptr (GError) error = NULL;

  (void) test_decrypt_try (bench->link, &bench->key, &bench->block, &error);
  g_assert_no_error (error);
  commands = test_tpm_status (bench->link).commands - commands;
  test_decrypt_assert_tidy (bench->link);
  test_tpm_assert_state (bench->link, TPM_STATE_READY);
  return commands;
}

static void
assert_refuses (Bench *bench, TpmidError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (test_decrypt_try (bench->link, &bench->key, &bench->block, &error));
  assert_tpmid_error (error, (int) code);
  test_decrypt_assert_tidy (bench->link);
  test_tpm_assert_state (bench->link, TPM_STATE_READY);
}

static void
reopen (Bench *bench)
{
  tpm_link_close (bench->link);
  test_tpm_ensure (bench->link);
}

static void
every_kind_of_key_decrypts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, &settings[i]);
      (void) decrypt (&bench);
      g_assert_cmpint (*tpm_link_own_session (bench.link) != ESYS_TR_NONE, ==, settings[i].exclusive);
      test_block_init (&bench.block, &bench.made.public, 1);
      (void) decrypt (&bench);
      reopen (&bench);
      (void) decrypt (&bench);
    }
}

static void
leading_zeros_stay (void)
{
  static const gsize zeros[] = { 2, 3, 17, 128, 255, 256 };
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, &settings[0]);
  for (gsize i = 0; i < G_N_ELEMENTS (zeros); i++)
    {
      test_block_init (&bench.block, &bench.made.public, zeros[i]);
      (void) decrypt (&bench);
    }
}

/* Cold: what ESYS and we read of the key, and ESYS of its parent; then the session, the key, the decryption, and putting away. */
static void
commands_are_as_documented (void)
{
  static const struct
  {
    guint64 first, warm, cold;
  } costs[] = { { 2, 1, 2 + 1 + 2 }, { 2, 2, 2 + 1 + 2 }, { 4, 3, 1 + 4 }, { 4, 4, 1 + 4 } };

  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, &settings[i]);
      g_assert_cmpuint (decrypt (&bench), ==, costs[i].first);
      g_assert_cmpuint (decrypt (&bench), ==, costs[i].warm);
      g_assert_cmpuint (decrypt (&bench), ==, costs[i].warm);
      reopen (&bench);
      g_assert_cmpuint (decrypt (&bench), ==, costs[i].cold);
      g_assert_cmpuint (decrypt (&bench), ==, costs[i].warm);
    }
}

static guint64
count_making (TpmLink *link, TestKeyKind kind)
{
  guint64 commands = test_tpm_status (link).commands;
  g_auto (TpmNewKey) made = { 0 };
  g_autoptr (GError) error = NULL;

  (void) test_decrypt_make (link, kind, &made, &error);
  g_assert_no_error (error);
  return test_tpm_status (link).commands - commands;
}

static void
making_takes_as_many_commands_as_documented (void)
{
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, &settings[2]);
  g_assert_cmpuint (count_making (bench.link, TEST_KEY_LOADED), ==, 1);
  /* Is the handle free, create, load, keep, put away. */
  g_assert_cmpuint (count_making (bench.link, TEST_KEY_PERSISTENT), ==, 5);
}

static void
assert_persistent (Bench *bench, const char *expected)
{
  g_autofree char *handles = test_swtpm_tool (bench->swtpm, "tpm2_getcap handles-persistent");

  g_assert_cmpstr (handles, ==, expected);
}

/* Storage keys too, each of another template: another algorithm, another attribute, a Name of another length. */
static const char *const foreign[] = {
  "tpm2_createprimary -Q -C o -G rsa -c other",
  "tpm2_createprimary -Q -C o -G ecc -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt' -c other",
  "tpm2_createprimary -Q -C o -G ecc -g sha384 -c other",
};

static void
replace_parent (Bench *bench, const char *by)
{
  test_swtpm_run (bench->swtpm, "tpm2_evictcontrol -Q -C o -c 0x%x", TEST_PARENT);
  test_swtpm_run (bench->swtpm, "%s", by);
  test_swtpm_run (bench->swtpm, "tpm2_evictcontrol -Q -C o -c other 0x%x", TEST_PARENT);
  test_swtpm_run (bench->swtpm, "tpm2_flushcontext -Q -t");
}

static void
assert_nothing_is_made (Bench *bench)
{
  g_auto (TpmNewKey) made = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (test_decrypt_make (bench->link, TEST_KEY_LOADED, &made, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_assert_null (made.public_blob);
  test_decrypt_assert_tidy (bench->link);
}

static void
what_others_put_at_the_parents_handle_stays (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
    for (gsize k = 0; k < G_N_ELEMENTS (settings); k++)
      {
        g_auto (Bench) bench = { NULL };

        bench_init (&bench, &settings[k]);
        replace_parent (&bench, foreign[i]);
        reopen (&bench);
        assert_refuses (&bench, TPMID_ERROR_HANDLE_TAKEN);
        assert_refuses (&bench, TPMID_ERROR_HANDLE_TAKEN);
        bench.key.parent.is_pinned = FALSE;
        assert_refuses (&bench, TPMID_ERROR_HANDLE_TAKEN);
        assert_nothing_is_made (&bench);
        assert_persistent (&bench, settings[k].kind == TEST_KEY_PERSISTENT ? "- 0x81005400\n- 0x81005402\n" : "- 0x81005400\n");
      }
}

/* Behind our back: what ESYS knows of the handle is the key that was there. */
static void
no_key_is_made_under_what_others_put_there (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, &settings[2]);
      replace_parent (&bench, foreign[i]);
      assert_nothing_is_made (&bench);
      assert_nothing_is_made (&bench);
    }
}

/* The same for what there is; a session with the wrong salt does not say why it is refused. */
static void
a_key_is_not_orphaned_by_what_others_put_there (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
    for (gsize k = 0; k < G_N_ELEMENTS (settings); k++)
      {
        g_auto (Bench) bench = { NULL };
        g_autoptr (GError) error = NULL;

        bench_init (&bench, &settings[k]);
        replace_parent (&bench, foreign[i]);
        g_assert_false (test_decrypt_try (bench.link, &bench.key, &bench.block, &error));
        if (settings[k].kind == TEST_KEY_LOADED || !g_error_matches (error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE))
          assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
        assert_refuses (&bench, TPMID_ERROR_HANDLE_TAKEN);
        test_swtpm_run (bench.swtpm, "tpm2_evictcontrol -Q -C o -c 0x%x", TEST_PARENT);
        (void) decrypt (&bench);
      }
}

/* A program that knows nothing of us, but flushes all sessions. */
static void
flush_sessions (TestSwtpm *swtpm)
{
  test_swtpm_run (swtpm, "tpm2_flushcontext -Q -l");
}

/* A session that is there does without the parent. */
static void
a_parent_that_others_removed_is_made_anew (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, &settings[i]);
      for (guint round = 0; round < 3; round++)
        {
          test_swtpm_run (bench.swtpm, "tpm2_evictcontrol -Q -C o -c 0x%x", TEST_PARENT);
          (void) decrypt (&bench);
          flush_sessions (bench.swtpm);
          if (round == 2)
            reopen (&bench);
          (void) decrypt (&bench);
        }
      assert_persistent (&bench, settings[i].kind == TEST_KEY_PERSISTENT ? "- 0x81005400\n- 0x81005402\n" : "- 0x81005400\n");
    }
}

static void
a_key_is_made_under_a_parent_that_others_removed (void)
{
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, &settings[2]);
  test_swtpm_run (bench.swtpm, "tpm2_evictcontrol -Q -C o -c 0x%x", TEST_PARENT);
  tpm_new_key_clear (&bench.made);
  make (&bench, TEST_KEY_LOADED);
  (void) decrypt (&bench);
}

static void
keys_of_a_tpm_that_was_cleared_are_orphaned (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    for (guint warm = 0; warm < 2; warm++)
      {
        g_auto (Bench) bench = { NULL };

        bench_init (&bench, &settings[i]);
        if (warm)
          (void) decrypt (&bench);
        test_swtpm_run (bench.swtpm, "tpm2_clear -Q");
        if (!warm)
          reopen (&bench);
        assert_refuses (&bench, TPMID_ERROR_KEY_ORPHANED);
        assert_refuses (&bench, TPMID_ERROR_KEY_ORPHANED);
        /* Nothing was made persistent for a key that is not this TPM's. */
        assert_persistent (&bench, "");
      }
}

static void
cut_power (TestSwtpm *swtpm)
{
  test_swtpm_kill (swtpm);
  test_swtpm_start (swtpm);
}

static void
survives (void (*harm) (TestSwtpm *swtpm))
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, &settings[i]);
      (void) decrypt (&bench);
      for (guint round = 0; round < 2; round++)
        {
          harm (bench.swtpm);
          (void) decrypt (&bench);
          (void) decrypt (&bench);
        }
      g_assert_cmpuint (test_tpm_status (bench.link).reopened, ==, 0);
    }
}

static void
a_session_that_others_flushed_is_started_anew (void)
{
  survives (flush_sessions);
}

static void
a_power_cut_is_no_error (void)
{
  survives (cut_power);
}

static void
suspending_is_no_error (void)
{
  survives (test_swtpm_suspend);
}

/* Answers to RSA_Decrypt instead of the TPM. */
typedef struct
{
  TSS2_RC rc;
  guint times;
} Refusal;

static TSS2_RC
refuse (guint32 command_code, guint64 nth, gpointer user_data)
{
  Refusal *refusal = (Refusal *) user_data;

  if (command_code != TPM2_CC_RSA_Decrypt || refusal->times == 0)
    return TSS2_RC_SUCCESS;
  refusal->times--;
  return refusal->rc;
}

static void
check_refusals (const TSS2_RC *rcs, gsize n_rcs, TpmidError code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      Refusal refusal = { 0 };
      g_auto (Bench) bench = { NULL };

      bench_init_with_fault (&bench, &settings[i], refuse, &refusal);
      for (gsize k = 0; k < n_rcs; k++)
        {
          refusal = (Refusal){ rcs[k], 1 };
          assert_refuses (&bench, code);
          g_assert_cmpuint (refusal.times, ==, 0);
          (void) decrypt (&bench);
        }
    }
}

static void
whatever_a_tpm_has_against_a_ciphertext_it_does_not_decrypt (void)
{
  static const TSS2_RC rcs[] = {
    TPM2_RC_FAILURE,
    TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1,
    TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_2,
    TPM2_RC_SIZE + TPM2_RC_P + TPM2_RC_1,
    TPM2_RC_SIZE,
    TPM2_RC_BINDING,
    TPM2_RC_SCHEME + TPM2_RC_P + TPM2_RC_2,
  };

  check_refusals (rcs, G_N_ELEMENTS (rcs), TPMID_ERROR_DECRYPT_FAILED);
}

static void
what_is_not_about_the_ciphertext_is_not_said_of_it (void)
{
  static const TSS2_RC out_of_room[] = { TPM2_RC_SESSION_MEMORY, TPM2_RC_OBJECT_MEMORY };
  static const TSS2_RC locked[] = { TPM2_RC_LOCKOUT };

  check_refusals (out_of_room, G_N_ELEMENTS (out_of_room), TPMID_ERROR_EXHAUSTED);
  check_refusals (locked, G_N_ELEMENTS (locked), TPMID_ERROR_TPM_LOCKOUT);
}

/* What a TPM says of the session that a command came in: it does not know its handle, or its salt, or has swapped it out. */
static const TSS2_RC about_session[] = {
  TPM2_RC_HANDLE + TPM2_RC_S + TPM2_RC_1,
  TPM2_RC_VALUE + TPM2_RC_S + TPM2_RC_1,
  TPM2_RC_AUTH_FAIL + TPM2_RC_S + TPM2_RC_1,
  TPM2_RC_REFERENCE_S0,
};

static void
a_session_that_is_lost_before_the_ciphertext_comes_is_started_anew (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      Refusal refusal = { 0 };
      g_auto (Bench) bench = { NULL };

      bench_init_with_fault (&bench, &settings[i], refuse, &refusal);
      for (gsize k = 0; k < G_N_ELEMENTS (about_session); k++)
        for (guint warm = 0; warm < 2; warm++)
          {
            if (!warm)
              reopen (&bench);
            refusal = (Refusal){ about_session[k], 1 };
            (void) decrypt (&bench);
            g_assert_cmpuint (refusal.times, ==, 0);
          }
      g_assert_cmpuint (test_tpm_status (bench.link).reopened, ==, G_N_ELEMENTS (about_session));
    }
}

static void
a_tpm_that_keeps_no_session_is_unavailable_and_no_key_is_doubted (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      Refusal refusal = { 0 };
      g_auto (Bench) bench = { NULL };

      bench_init_with_fault (&bench, &settings[i], refuse, &refusal);
      for (gsize k = 0; k < G_N_ELEMENTS (about_session); k++)
        {
          refusal = (Refusal){ about_session[k], 2 };
          assert_refuses (&bench, TPMID_ERROR_TPM_UNAVAILABLE);
          g_assert_cmpuint (refusal.times, ==, 0);
          (void) decrypt (&bench);
        }
    }
}

static void
a_ciphertext_above_the_modulus_does_not_decrypt (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, &settings[i]);
      memset (bench.block.ciphertext, 0xff, sizeof bench.block.ciphertext);
      assert_refuses (&bench, TPMID_ERROR_DECRYPT_FAILED);
      test_block_init (&bench.block, &bench.made.public, 1);
      (void) decrypt (&bench);
    }
}

static void
an_owner_password_of_others_stops_nothing_but_making (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_auto (Bench) bench = { NULL };
      g_auto (TpmNewKey) other = { 0 };
      g_autoptr (GError) error = NULL;

      bench_init (&bench, &settings[i]);
      test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner secret");
      (void) decrypt (&bench);
      reopen (&bench);
      (void) decrypt (&bench);
      test_swtpm_run (bench.swtpm, "tpm2_evictcontrol -Q -C o -P secret -c 0x%x", TEST_PARENT);
      reopen (&bench);
      g_assert_false (test_decrypt_make (bench.link, TEST_KEY_LOADED, &other, &error));
      assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
      assert_refuses (&bench, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
      g_assert_cmpuint (test_swtpm_lockout_counter (bench.swtpm), ==, 0);
      test_swtpm_run (bench.swtpm, "tpm2_changeauth -Q -c owner -p secret");
      (void) decrypt (&bench);
    }
}

static void
a_key_of_another_name_is_not_used (void)
{
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, &settings[0]);
  bench.key.name[TPM_NAME_SIZE - 1] ^= 1;
  assert_refuses (&bench, TPMID_ERROR_KEY_ORPHANED);
}

/* Not under this parent, or not its own halves. */
static void
halves_that_do_not_belong_together_are_not_loaded (void)
{
  g_auto (Bench) bench = { NULL };
  g_auto (Bench) other = { NULL };

  bench_init (&bench, &settings[2]);
  bench_init (&other, &settings[2]);
  bench.key.private_blob = other.made.private_blob;
  assert_refuses (&bench, TPMID_ERROR_KEY_ORPHANED);
  bench.key.public_blob = other.made.public_blob;
  assert_refuses (&bench, TPMID_ERROR_KEY_ORPHANED);
  g_autoptr (GBytes) cut = g_bytes_new_from_bytes (bench.made.private_blob, 0, g_bytes_get_size (bench.made.private_blob) - 1);
  bench.key = test_decrypt_ref (&bench.made, TEST_KEY_LOADED);
  bench.key.private_blob = cut;
  assert_refuses (&bench, TPMID_ERROR_CORRUPT);
}

static void
a_key_is_put_back_to_its_handle (void)
{
  g_auto (Bench) bench = { NULL };
  g_autoptr (GError) error = NULL;

  bench_init (&bench, &settings[0]);
  g_assert_false (tpm_make_persistent (bench.link, &bench.key, TEST_CREDENTIALS, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_assert_nonnull (strstr (error->message, "tpm2_evictcontrol -c 0x81005402"));
  g_clear_error (&error);
  test_swtpm_run (bench.swtpm, "tpm2_evictcontrol -Q -C o -c 0x%x", TEST_CREDENTIALS);
  assert_refuses (&bench, TPMID_ERROR_KEY_ORPHANED);
  (void) tpm_make_persistent (bench.link, &bench.key, TEST_CREDENTIALS, &error);
  g_assert_no_error (error);
  (void) decrypt (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/decrypt/every-kind-of-key-decrypts", every_kind_of_key_decrypts);
  g_test_add_func ("/tpm/decrypt/leading-zeros-stay", leading_zeros_stay);
  g_test_add_func ("/tpm/decrypt/commands-are-as-documented", commands_are_as_documented);
  g_test_add_func ("/tpm/decrypt/making-takes-as-many-commands-as-documented", making_takes_as_many_commands_as_documented);
  g_test_add_func ("/tpm/decrypt/what-others-put-at-the-parents-handle-stays", what_others_put_at_the_parents_handle_stays);
  g_test_add_func ("/tpm/decrypt/no-key-is-made-under-what-others-put-there", no_key_is_made_under_what_others_put_there);
  g_test_add_func ("/tpm/decrypt/a-key-is-not-orphaned-by-what-others-put-there", a_key_is_not_orphaned_by_what_others_put_there);
  g_test_add_func ("/tpm/decrypt/a-parent-that-others-removed-is-made-anew", a_parent_that_others_removed_is_made_anew);
  g_test_add_func ("/tpm/decrypt/a-key-is-made-under-a-parent-that-others-removed", a_key_is_made_under_a_parent_that_others_removed);
  g_test_add_func ("/tpm/decrypt/keys-of-a-tpm-that-was-cleared-are-orphaned", keys_of_a_tpm_that_was_cleared_are_orphaned);
  g_test_add_func ("/tpm/decrypt/a-session-that-others-flushed-is-started-anew", a_session_that_others_flushed_is_started_anew);
  g_test_add_func ("/tpm/decrypt/a-power-cut-is-no-error", a_power_cut_is_no_error);
  g_test_add_func ("/tpm/decrypt/suspending-is-no-error", suspending_is_no_error);
  g_test_add_func ("/tpm/decrypt/whatever-a-tpm-has-against-a-ciphertext-it-does-not-decrypt",
                   whatever_a_tpm_has_against_a_ciphertext_it_does_not_decrypt);
  g_test_add_func ("/tpm/decrypt/what-is-not-about-the-ciphertext-is-not-said-of-it",
                   what_is_not_about_the_ciphertext_is_not_said_of_it);
  g_test_add_func ("/tpm/decrypt/a-session-that-is-lost-before-the-ciphertext-comes-is-started-anew",
                   a_session_that_is_lost_before_the_ciphertext_comes_is_started_anew);
  g_test_add_func ("/tpm/decrypt/a-tpm-that-keeps-no-session-is-unavailable-and-no-key-is-doubted",
                   a_tpm_that_keeps_no_session_is_unavailable_and_no_key_is_doubted);
  g_test_add_func ("/tpm/decrypt/a-ciphertext-above-the-modulus-does-not-decrypt", a_ciphertext_above_the_modulus_does_not_decrypt);
  g_test_add_func ("/tpm/decrypt/an-owner-password-of-others-stops-nothing-but-making",
                   an_owner_password_of_others_stops_nothing_but_making);
  g_test_add_func ("/tpm/decrypt/a-key-of-another-name-is-not-used", a_key_of_another_name_is_not_used);
  g_test_add_func ("/tpm/decrypt/halves-that-do-not-belong-together-are-not-loaded",
                   halves_that_do_not_belong_together_are_not_loaded);
  g_test_add_func ("/tpm/decrypt/a-key-is-put-back-to-its-handle", a_key_is_put_back_to_its_handle);
  return g_test_run ();
}

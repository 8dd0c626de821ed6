/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-identity-device.h"

#include "identity-active.h"

#include <glib/gstdio.h>
#include <string.h>

static gboolean
begin (TestDevice *device, TpmLink *link, GError **error)
{
  g_autoptr (IdentityRecord) record = test_device_record (device);

  return identity_rotation_begin (link, device->config, record, error);
}

static gboolean
commit_with (TestDevice *device, TpmLink *link, const char *pem, GError **error)
{
  g_autoptr (IdentityRecord) record = test_device_record (device);

  return identity_rotation_commit (link, device->config, record, pem, TEST_SERIAL, error);
}

static gboolean
commit (TestDevice *device, TpmLink *link, GError **error)
{
  return commit_with (device, link, "", error);
}

static gboolean
roll_back (TestDevice *device, TpmLink *link, GError **error)
{
  g_autoptr (IdentityRecord) record = test_device_record (device);

  return identity_rotation_rollback (link, device->config, record, error);
}

static IdentityBackend *
load_next (TestDevice *device)
{
  g_autoptr (IdentityRecord) record = test_device_record (device);
  g_autoptr (GError) error = NULL;
  IdentityBackend *next = identity_rotation_load_next (device->config, record, &error);

  g_assert_no_error (error);
  return next;
}

static char *
next_reference (TestDevice *device)
{
  g_autoptr (IdentityBackend) next = load_next (device);

  return identity_active_dup_reference (identity_backend_peek_spki (next));
}

static void
assert_slots (TestDevice *device, gboolean next, gboolean previous)
{
  static const struct
  {
    const char *name;
    gboolean of_next;
  } files[] = {
    { "slots/next.pem", TRUE }, { "slots/next.cert.pem", TRUE }, { "slots/previous.pem", FALSE }, { "slots/previous.cert.pem", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = test_device_path (device, files[i].name);
      g_assert_cmpint (g_file_test (path, G_FILE_TEST_EXISTS), ==, files[i].of_next ? next : previous);
    }
}

static TestDevice *
new_device (void)
{
  TestDevice *device = test_device_new ();

  test_device_provision (device, TRUE);
  return device;
}

static void
begins_without_changing_who_the_device_is (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);

  test_device_run (device, begin);
  g_autofree char *next = next_reference (device);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);
  g_assert_cmpstr (next, !=, before);

  test_device_run (device, begin);
  g_autofree char *again = next_reference (device);
  g_assert_cmpstr (next, ==, again);
}

static void
commits_and_rolls_back_to_the_very_same_identity (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *old = test_device_identify (device, 11);
  g_autofree char *old_certificate = test_device_read_state (device, "device.cert.pem");
  g_autofree char *old_slot = test_device_read_state (device, "slots/current.pem");

  test_device_run (device, begin);
  g_autofree char *next = next_reference (device);
  test_device_run (device, commit);
  g_autofree char *committed = test_device_identify (device, 11);
  g_assert_cmpstr (committed, ==, next);
  assert_slots (device, FALSE, TRUE);

  test_device_run (device, roll_back);
  g_autofree char *back = test_device_identify (device, 11);
  g_autofree char *certificate = test_device_read_state (device, "device.cert.pem");
  g_autofree char *slot = test_device_read_state (device, "slots/current.pem");
  g_assert_cmpstr (back, ==, old);
  g_assert_cmpstr (certificate, ==, old_certificate);
  g_assert_cmpstr (slot, ==, old_slot);
  assert_slots (device, FALSE, FALSE);
  test_device_refuse (device, roll_back, TPMID_ERROR_NOT_FOUND);
}

static void
rotates_again_and_again (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *last = NULL;

  for (guint i = 0; i < 3; i++)
    {
      g_free (last);
      last = test_device_identify (device, 11);
      test_device_run (device, begin);
      test_device_run (device, commit);
    }
  test_device_run (device, roll_back);
  g_autofree char *back = test_device_identify (device, 11);
  g_assert_cmpstr (back, ==, last);
}

static void
takes_a_chain_for_the_next_key (void)
{
  g_autoptr (TestDevice) device = new_device ();

  test_device_run (device, begin);
  g_autoptr (IdentityBackend) next = load_next (device);
  g_autofree char *pem = test_device_certify (next, 3, -1, -1);
  g_autoptr (TpmLink) link = test_device_link (device);
  g_autoptr (GError) error = NULL;
  (void) commit_with (device, link, pem, &error);
  g_assert_no_error (error);
  g_clear_pointer (&link, tpm_link_free);
  g_autofree char *wanted = identity_active_dup_reference (identity_backend_peek_spki (next));
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *certificate = test_device_read_state (device, "device.cert.pem");
  g_assert_cmpstr (reference, ==, wanted);
  g_assert_cmpstr (certificate, ==, pem);
}

static void
refuse_chain (TestDevice *device, const char *pem, TpmidError code)
{
  g_autoptr (TpmLink) link = test_device_link (device);
  g_autoptr (GError) error = NULL;

  g_assert_false (commit_with (device, link, pem, &error));
  assert_tpmid_error (error, (int) code);
}

static void
refuses_a_chain_that_does_not_fit (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);
  g_autofree char *own = test_device_read_state (device, "device.cert.pem");

  test_device_refuse (device, commit, TPMID_ERROR_NOT_FOUND);
  test_device_run (device, begin);
  g_autoptr (IdentityBackend) next = load_next (device);
  g_autofree char *broken = test_device_certify (next, 3, 1, -1);
  refuse_chain (device, own, TPMID_ERROR_CERTIFICATE_MISMATCH);
  refuse_chain (device, broken, TPMID_ERROR_CERTIFICATE_MISMATCH);
  refuse_chain (device, "no certificate", TPMID_ERROR_INVALID_ARGUMENT);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);
  test_device_run (device, commit);
}

static void
drops_a_next_key_before_the_commit (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);

  test_device_run (device, begin);
  test_device_run (device, roll_back);
  assert_slots (device, FALSE, FALSE);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);
}

static void
a_next_key_is_dropped_before_the_previous_one_comes_back (void)
{
  g_autoptr (TestDevice) device = new_device ();

  test_device_run (device, begin);
  test_device_run (device, commit);
  g_autofree char *committed = test_device_identify (device, 11);
  test_device_run (device, begin);
  test_device_run (device, roll_back);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, committed);
  assert_slots (device, FALSE, TRUE);
}

static void
rotates_a_key_of_an_older_release (void)
{
  g_autoptr (TestDevice) device = test_device_new ();

  test_device_provision (device, FALSE);
  test_device_run (device, begin);
  g_autofree char *next = next_reference (device);
  test_device_run (device, commit);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, next);
  assert_slots (device, FALSE, FALSE);
  test_device_refuse (device, roll_back, TPMID_ERROR_NOT_FOUND);
}

static void
copy_state (TestDevice *device, const char *from, const char *to)
{
  g_autofree char *path = test_device_path (device, to);
  g_autofree char *text = test_device_read_state (device, from);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
a_slot_of_another_key_is_not_kept (void)
{
  g_autoptr (TestDevice) device = new_device ();

  test_device_run (device, begin);
  copy_state (device, "slots/next.pem", "slots/current.pem");
  test_device_run (device, commit);
  assert_slots (device, FALSE, FALSE);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_nonnull (after);
}

static void
a_broken_slot_is_moved_aside (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *next = test_device_path (device, "slots/next.pem");
  g_autofree char *aside = test_device_path (device, "slots/next.pem.corrupt");

  g_assert_true (g_file_set_contents (next, "", 0, NULL));
  test_device_refuse (device, commit, TPMID_ERROR_CORRUPT);
  test_device_run (device, begin);
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
  test_device_run (device, commit);
}

/* Returns: (transfer full): the reference of the next key, which is to be committed by the next boot */
static char *
leave_commit_to_the_boot (TestDevice *device)
{
  g_autoptr (IdentityJournal) journal = identity_journal_new (IDENTITY_OPERATION_ROTATE_COMMIT);
  g_autoptr (IdentityBackend) next = NULL;
  g_autofree char *pem = NULL;

  test_device_run (device, begin);
  next = load_next (device);
  pem = test_device_certify (next, 1, -1, -1);
  g_assert_true (identity_slots_save_certificate (device->config, IDENTITY_SLOT_NEXT, pem, NULL));
  g_assert_true (identity_journal_save (device->config->state_path, journal, NULL));
  return next_reference (device);
}

static void
nothing_interferes_with_an_operation_under_way (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *next = leave_commit_to_the_boot (device);

  test_device_refuse (device, roll_back, TPMID_ERROR_WRONG_STATE);
  test_device_refuse (device, commit, TPMID_ERROR_WRONG_STATE);
  test_device_run (device, test_device_carry_on);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, next);
}

static void
a_next_key_of_another_tpm_changes_nothing (void)
{
  g_autoptr (TestDevice) other = new_device ();
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);
  g_autofree char *path = test_device_path (device, "slots/next.pem");

  test_device_run (other, begin);
  g_autofree char *foreign = test_device_read_state (other, "slots/next.pem");
  g_assert_true (g_file_set_contents (path, foreign, -1, NULL));
  test_device_refuse (device, commit, TPMID_ERROR_KEY_ORPHANED);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);

  /* Where the journal is there all the same, it is given up, so that it does not come back at each boot. */
  g_free (leave_commit_to_the_boot (device));
  test_device_refuse (device, test_device_carry_on, TPMID_ERROR_KEY_ORPHANED);
  g_autofree char *still = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, still);
}

static void
needs_the_device_key_in_its_place (void)
{
  g_autoptr (TestDevice) device = new_device ();

  test_device_run (device, begin);
  test_swtpm_run (device->swtpm, "tpm2_evictcontrol -C o -c 0x%08x", device->config->device_key_handle);
  test_device_refuse (device, commit, TPMID_ERROR_KEY_ORPHANED);
  g_assert_cmpuint (test_device_row (device), ==, 15);
}

static void
needs_an_identity_in_the_tpm (void)
{
  g_autoptr (TestDevice) device = test_device_new ();

  test_device_provision_software (device);
  test_device_refuse (device, begin, TPMID_ERROR_WRONG_STATE);
  test_device_refuse (device, commit, TPMID_ERROR_WRONG_STATE);
  test_device_refuse (device, roll_back, TPMID_ERROR_WRONG_STATE);
}

static void
goes_on_without_a_record_that_can_be_read (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *record_path = test_device_path (device, "identity");
  g_autofree char *next = leave_commit_to_the_boot (device);

  g_assert_true (g_file_set_contents (record_path, "rubbish", -1, NULL));
  test_device_run (device, test_device_carry_on);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, next);
}

static void
a_folder_that_is_not_there_is_found_out_in_time (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);
  g_autofree char *folder = g_path_get_dirname (device->config->certificate_path);
  g_autofree char *away = g_strconcat (folder, ".away", NULL);

  test_device_run (device, begin);
  g_assert_cmpint (g_rename (folder, away), ==, 0);
  test_device_refuse (device, commit, TPMID_ERROR_STORAGE);
  g_assert_cmpint (g_rename (away, folder), ==, 0);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);
}

static gboolean
is_on_record (TestDevice *device, const char *reference)
{
  g_autoptr (IdentityRecord) record = test_device_record (device);

  return g_str_equal (record->key_reference, reference);
}

static void
put_foreign (TestDevice *device, const char *name)
{
  g_autoptr (TestDevice) other = new_device ();
  g_autofree char *path = test_device_path (device, name);

  test_device_run (other, begin);
  g_autofree char *foreign = test_device_read_state (other, "slots/next.pem");
  g_assert_true (g_file_set_contents (path, foreign, -1, NULL));
}

/* What a crash between the two commands leaves, and then the new key's file is not what it was. */
static void
lose_both_keys (TestDevice *device)
{
  g_autoptr (IdentityBackend) next = NULL;
  g_autofree char *pem = NULL;

  g_free (leave_commit_to_the_boot (device));
  test_swtpm_run (device->swtpm, "tpm2_evictcontrol -C o -c 0x%08x", device->config->device_key_handle);
  put_foreign (device, "slots/next.pem");
  next = load_next (device);
  pem = test_device_certify (next, 1, -1, -1);
  g_assert_true (identity_slots_save_certificate (device->config, IDENTITY_SLOT_NEXT, pem, NULL));
}

static void
the_old_key_is_put_back_where_the_new_one_is_of_no_use (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);

  lose_both_keys (device);
  test_device_refuse (device, test_device_carry_on, TPMID_ERROR_KEY_ORPHANED);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, before);

  /* The same with a slot that cannot be read at all. */
  g_autofree char *path = test_device_path (device, "slots/next.pem");
  lose_both_keys (device);
  g_assert_true (g_file_set_contents (path, "rubbish", -1, NULL));
  test_device_refuse (device, test_device_carry_on, TPMID_ERROR_CORRUPT);
  g_autofree char *again = test_device_identify (device, 11);
  g_assert_cmpstr (again, ==, before);
}

static void
the_old_key_is_put_back_where_the_new_certificate_is_lost (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);
  g_autofree char *next = leave_commit_to_the_boot (device);
  g_autofree char *certificate = test_device_path (device, "slots/next.cert.pem");

  for (guint step = 1; !is_on_record (device, next); step++)
    g_assert_false (test_device_run_killed (device, test_device_carry_on, step));
  g_assert_cmpint (g_remove (certificate), ==, 0);
  test_device_refuse (device, test_device_carry_on, TPMID_ERROR_CORRUPT);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, before);
}

static void
the_loss_of_both_keys_is_told (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autoptr (IdentityJournal) journal = NULL;
  g_autoptr (GError) error = NULL;

  lose_both_keys (device);
  g_assert_false (test_device_carry_on (device, NULL, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  g_clear_error (&error);

  put_foreign (device, "slots/current.pem");
  g_autoptr (TpmLink) link = test_device_link (device);
  g_assert_false (test_device_carry_on (device, link, &error));
  assert_tpmid_error (error, TPMID_ERROR_KEY_ORPHANED);
  g_assert_nonnull (strstr (error->message, "reprovision"));
  g_assert_null (strstr (error->message, "as before"));
  g_clear_pointer (&link, tpm_link_free);
  g_assert_true (identity_journal_load (device->config->state_path, &journal, NULL));
  g_assert_cmpint (journal->operation, ==, IDENTITY_OPERATION_NONE);
  g_assert_cmpuint (test_device_row (device), ==, 15);
}

static void
files_are_finished_without_the_tpm (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *next = leave_commit_to_the_boot (device);
  g_autoptr (GError) error = NULL;

  g_assert_false (test_device_carry_on (device, NULL, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  g_clear_error (&error);
  for (guint step = 1; !is_on_record (device, next); step++)
    g_assert_false (test_device_run_killed (device, test_device_carry_on, step));
  (void) test_device_carry_on (device, NULL, &error);
  g_assert_no_error (error);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, next);
}

typedef struct
{
  TestOperation prepare[3];
  TestOperation operation;
} Kill;

static char *
prepare (TestDevice *device, const Kill *kill)
{
  for (gsize i = 0; i < G_N_ELEMENTS (kill->prepare) && kill->prepare[i] != NULL; i++)
    test_device_prepare (device, kill->prepare[i]);
  return test_device_identify (device, 11);
}

/* What the operation makes of @before, when it is not killed. */
static char *
expected_after (TestDevice *device, const Kill *kill)
{
  if (kill->operation == commit)
    return next_reference (device);
  g_auto (IdentitySlotKey) previous = { 0 };
  g_assert_true (identity_slots_open (device->config, IDENTITY_SLOT_PREVIOUS, NULL, &previous, NULL));
  return g_strdup (previous.reference);
}

static gboolean
survives_kill_at (const Kill *kill, guint step)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = prepare (device, kill);
  g_autofree char *expected = expected_after (device, kill);
  gboolean done = test_device_run_killed (device, kill->operation, step);

  if (!done)
    test_device_boot_killed (device, step % 11 + 7);
  g_autofree char *after = test_device_identify (device, 11);
  if (g_str_equal (after, before))
    {
      g_assert_false (done);
      test_device_prepare (device, kill->operation);
      g_clear_pointer (&after, g_free);
      after = test_device_identify (device, 11);
    }
  g_assert_cmpstr (after, ==, expected);
  assert_slots (device, FALSE, kill->operation == commit);
  return done;
}

static void
survives_kill_at_each_step (gconstpointer data)
{
  const Kill *kill = data;
  guint step = 1;

  while (!survives_kill_at (kill, step))
    step++;
  g_test_message ("%u steps", step - 1);
  g_assert_cmpuint (step, >, 40);
}

/* No operation under way: what was killed is simply asked for again. */
static void
beginning_survives_kill_at_each_step (void)
{
  gboolean done = FALSE;

  for (guint step = 1; !done; step++)
    {
      g_autoptr (TestDevice) device = new_device ();
      g_autofree char *before = test_device_identify (device, 11);
      done = test_device_run_killed (device, begin, step);
      g_autofree char *after = test_device_identify (device, 11);
      g_assert_cmpstr (before, ==, after);
      test_device_prepare (device, begin);
      test_device_prepare (device, commit);
    }
}

/* Of a TPM that is owned: the password is ours, and no command gets around it. */
static void
works_under_an_owner_password (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autoptr (BaseSecret) password = base_secret_new ("secret", 6);
  g_autofree char *before = test_device_identify (device, 11);

  test_swtpm_run (device->swtpm, "tpm2_changeauth -c owner secret");
  g_autoptr (TpmLink) link = test_device_link (device);
  tpm_link_set_password (link, TPM_HIERARCHY_OWNER, password);
  g_autoptr (GError) error = NULL;
  (void) (begin (device, link, &error) && commit (device, link, &error) && roll_back (device, link, &error));
  g_assert_no_error (error);
  g_clear_pointer (&link, tpm_link_free);
  test_swtpm_assert_clean (device->swtpm);
  test_swtpm_run (device->swtpm, "tpm2_changeauth -c owner -p secret");
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (after, ==, before);
  assert_slots (device, FALSE, FALSE);
}

static void
needs_the_owner_password (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *before = test_device_identify (device, 11);

  test_device_run (device, begin);
  test_swtpm_run (device->swtpm, "tpm2_changeauth -c owner secret");
  test_device_refuse (device, commit, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  test_swtpm_run (device->swtpm, "tpm2_changeauth -c owner -p secret");
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);
}

/* Each from a link that has just been opened, so with one command more, to find the parent. */
static void
costs_what_the_contract_says (void)
{
  g_autoptr (TestDevice) device = new_device ();

  g_assert_cmpuint (test_device_count_commands (device, begin), ==, 1 + 1);
  g_assert_cmpuint (test_device_count_commands (device, begin), ==, 0);
  g_assert_cmpuint (test_device_count_commands (device, commit), ==, 21 + 1);
  g_assert_cmpuint (test_device_count_commands (device, roll_back), ==, 18 + 1);
}

int
main (int argc, char **argv)
{
  static const Kill kill_commit = { { begin }, commit };
  static const Kill kill_rollback = { { begin, commit }, roll_back };

  test_device_init (&argc, &argv);
  g_test_add_func ("/identity/rotation/begins-without-changing-who-the-device-is", begins_without_changing_who_the_device_is);
  g_test_add_func ("/identity/rotation/commits-and-rolls-back-to-the-very-same-identity", commits_and_rolls_back_to_the_very_same_identity);
  g_test_add_func ("/identity/rotation/rotates-again-and-again", rotates_again_and_again);
  g_test_add_func ("/identity/rotation/takes-a-chain-for-the-next-key", takes_a_chain_for_the_next_key);
  g_test_add_func ("/identity/rotation/refuses-a-chain-that-does-not-fit", refuses_a_chain_that_does_not_fit);
  g_test_add_func ("/identity/rotation/drops-a-next-key-before-the-commit", drops_a_next_key_before_the_commit);
  g_test_add_func ("/identity/rotation/a-next-key-is-dropped-before-the-previous-one-comes-back",
                   a_next_key_is_dropped_before_the_previous_one_comes_back);
  g_test_add_func ("/identity/rotation/rotates-a-key-of-an-older-release", rotates_a_key_of_an_older_release);
  g_test_add_func ("/identity/rotation/a-slot-of-another-key-is-not-kept", a_slot_of_another_key_is_not_kept);
  g_test_add_func ("/identity/rotation/a-broken-slot-is-moved-aside", a_broken_slot_is_moved_aside);
  g_test_add_func ("/identity/rotation/nothing-interferes-with-an-operation-under-way", nothing_interferes_with_an_operation_under_way);
  g_test_add_func ("/identity/rotation/a-next-key-of-another-tpm-changes-nothing", a_next_key_of_another_tpm_changes_nothing);
  g_test_add_func ("/identity/rotation/needs-the-device-key-in-its-place", needs_the_device_key_in_its_place);
  g_test_add_func ("/identity/rotation/needs-an-identity-in-the-tpm", needs_an_identity_in_the_tpm);
  g_test_add_func ("/identity/rotation/goes-on-without-a-record-that-can-be-read", goes_on_without_a_record_that_can_be_read);
  g_test_add_func ("/identity/rotation/a-folder-that-is-not-there-is-found-out-in-time", a_folder_that_is_not_there_is_found_out_in_time);
  g_test_add_func ("/identity/rotation/the-old-key-is-put-back-where-the-new-one-is-of-no-use",
                   the_old_key_is_put_back_where_the_new_one_is_of_no_use);
  g_test_add_func ("/identity/rotation/the-old-key-is-put-back-where-the-new-certificate-is-lost",
                   the_old_key_is_put_back_where_the_new_certificate_is_lost);
  g_test_add_func ("/identity/rotation/the-loss-of-both-keys-is-told", the_loss_of_both_keys_is_told);
  g_test_add_func ("/identity/rotation/files-are-finished-without-the-tpm", files_are_finished_without_the_tpm);
  g_test_add_func ("/identity/rotation/beginning-survives-kill-at-each-step", beginning_survives_kill_at_each_step);
  g_test_add_data_func ("/identity/rotation/commit-survives-kill-at-each-step", &kill_commit, survives_kill_at_each_step);
  g_test_add_data_func ("/identity/rotation/rollback-survives-kill-at-each-step", &kill_rollback, survives_kill_at_each_step);
  g_test_add_func ("/identity/rotation/works-under-an-owner-password", works_under_an_owner_password);
  g_test_add_func ("/identity/rotation/needs-the-owner-password", needs_the_owner_password);
  g_test_add_func ("/identity/rotation/costs-what-the-contract-says", costs_what_the_contract_says);
  return g_test_run ();
}

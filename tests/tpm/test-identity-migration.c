/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-identity-device.h"

#include "identity-active.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The way back is gone after every kill of so many. */
#define WAYS_BACK 3

/* As whoever wants a migration does it. */
static gboolean
migrate (TestDevice *device, TpmLink *link, IdentityOperation operation, GError **error)
{
  g_autoptr (IdentityJournal) journal = identity_journal_new (operation);

  return identity_journal_save (device->config->state_path, journal, error)
         && identity_migration_carry_out (link, device->config, operation == IDENTITY_OPERATION_MIGRATE_TO_TPM, TEST_SERIAL, error);
}

static gboolean
to_tpm (TestDevice *device, TpmLink *link, GError **error)
{
  return migrate (device, link, IDENTITY_OPERATION_MIGRATE_TO_TPM, error);
}

static gboolean
to_software (TestDevice *device, TpmLink *link, GError **error)
{
  return migrate (device, NULL, IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE, error);
}

static TestDevice *
new_tpm_device (void)
{
  TestDevice *device = test_device_new ();

  test_device_provision (device, TRUE);
  return device;
}

static TestDevice *
new_software_device (void)
{
  TestDevice *device = test_device_new ();

  test_device_provision_software (device);
  return device;
}

/* Reference and certificate: all that others see of an identity. */
static char *
identity_of (TestDevice *device, guint row)
{
  g_autofree char *reference = test_device_identify (device, row);
  g_autofree char *certificate = test_device_read (device->config->certificate_path);

  return g_strconcat (reference, "\n", certificate, NULL);
}

static gboolean
has_state (TestDevice *device, const char *name)
{
  g_autofree char *path = test_device_path (device, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
assert_kept (TestDevice *device, gboolean software, gboolean tpm)
{
  g_assert_cmpint (has_state (device, "kept/software.key.pem"), ==, software);
  g_assert_cmpint (has_state (device, "kept/software.cert.pem"), ==, software);
  g_assert_cmpint (has_state (device, "kept/tpm.cert.pem"), ==, tpm);
  g_assert_cmpint (g_file_test (device->config->software_key_path, G_FILE_TEST_EXISTS), ==, tpm);
}

static void
assert_private (const char *path)
{
  GStatBuf st;

  g_assert_cmpint (g_stat (path, &st), ==, 0);
  g_assert_cmpuint (st.st_mode & 0777, ==, 0600);
}

static void
a_tpm_device_goes_to_software_and_back (void)
{
  g_autoptr (TestDevice) device = new_tpm_device ();
  g_autofree char *tpm = identity_of (device, 11);
  g_autoptr (IdentityRecord) before = test_device_record (device);

  test_device_run (device, to_software);
  g_autofree char *software = identity_of (device, 7);
  assert_kept (device, FALSE, TRUE);
  assert_private (device->config->software_key_path);
  g_autoptr (IdentityRecord) migrated = test_device_record (device);
  g_assert_cmpint (migrated->kind, ==, IDENTITY_RECORD_MIGRATED);
  g_assert_cmpstr (migrated->key_name, ==, before->key_name);
  g_assert_cmpuint (migrated->key_handle, ==, before->key_handle);
  g_assert_cmpstr (migrated->srk_name, ==, before->srk_name);
  g_assert_cmpstr (migrated->ek_name, ==, before->ek_name);

  test_device_run (device, to_tpm);
  g_autofree char *tpm_again = identity_of (device, 11);
  g_assert_cmpstr (tpm_again, ==, tpm);
  assert_kept (device, TRUE, FALSE);
  g_autoptr (IdentityRecord) after = test_device_record (device);
  g_assert_cmpstr (after->srk_name, ==, before->srk_name);
  g_assert_cmpstr (after->ek_name, ==, before->ek_name);

  test_device_run (device, to_software);
  g_autofree char *software_again = identity_of (device, 7);
  g_assert_cmpstr (software_again, ==, software);
  assert_kept (device, FALSE, TRUE);
}

static void
a_software_device_goes_to_the_tpm_and_back (void)
{
  g_autoptr (TestDevice) device = new_software_device ();
  g_autofree char *software = identity_of (device, 7);
  g_autofree char *key_file = test_device_read (device->config->software_key_path);

  test_device_run (device, to_tpm);
  g_autofree char *tpm = identity_of (device, 11);
  assert_kept (device, TRUE, FALSE);
  g_assert_true (has_state (device, "slots/current.pem"));
  g_autofree char *kept = test_device_path (device, "kept/software.key.pem");
  assert_private (kept);
  g_autoptr (IdentityRecord) record = test_device_record (device);
  g_assert_nonnull (record->srk_name);
  g_assert_nonnull (record->ek_name);

  test_device_run (device, to_software);
  g_autofree char *software_again = identity_of (device, 7);
  g_autofree char *key_file_again = test_device_read (device->config->software_key_path);
  g_assert_cmpstr (software_again, ==, software);
  g_assert_cmpstr (key_file_again, ==, key_file);

  test_device_run (device, to_tpm);
  g_autofree char *tpm_again = identity_of (device, 11);
  g_assert_cmpstr (tpm_again, ==, tpm);
}

static void
a_migrated_device_needs_no_tpm (void)
{
  g_autoptr (TestDevice) device = new_tpm_device ();

  test_device_run (device, to_software);
  device->config->tpm = BASE_TPM_OFF;
  g_autoptr (IdentityFacts) facts = identity_facts_gather (NULL, device->config, IDENTITY_LOOK_AGAIN);
  g_assert_cmpuint (facts->decision.row, ==, 5);
}

static void
there_already_is_success (void)
{
  g_autoptr (TestDevice) tpm = new_tpm_device ();
  g_autoptr (TestDevice) software = new_software_device ();
  g_autofree char *tpm_before = identity_of (tpm, 11);
  g_autofree char *software_before = identity_of (software, 7);

  test_device_run (tpm, to_tpm);
  test_device_run (software, to_software);
  g_autofree char *tpm_after = identity_of (tpm, 11);
  g_autofree char *software_after = identity_of (software, 7);
  g_assert_cmpstr (tpm_after, ==, tpm_before);
  g_assert_cmpstr (software_after, ==, software_before);
}

static void
a_migrated_key_that_was_removed_is_put_back (void)
{
  g_autoptr (TestDevice) device = new_tpm_device ();
  g_autofree char *tpm = identity_of (device, 11);

  test_device_run (device, to_software);
  test_swtpm_run (device->swtpm, "tpm2_evictcontrol -C o -c 0x%08x", device->config->device_key_handle);
  test_device_run (device, to_tpm);
  g_autofree char *after = identity_of (device, 11);
  g_assert_cmpstr (after, ==, tpm);
}

static void
refuse_to_tpm (TestDevice *device, TpmidError code)
{
  g_autofree char *before = identity_of (device, 7);

  test_device_refuse (device, to_tpm, code);
  g_autofree char *after = identity_of (device, 7);
  g_assert_cmpstr (before, ==, after);
}

static void
a_key_that_is_gone_is_an_error (void)
{
  g_autoptr (TestDevice) removed = test_device_new ();
  g_autoptr (TestDevice) cleared = new_tpm_device ();

  test_device_provision (removed, FALSE);
  test_device_run (removed, to_software);
  test_swtpm_run (removed->swtpm, "tpm2_evictcontrol -C o -c 0x%08x", removed->config->device_key_handle);
  refuse_to_tpm (removed, TPMID_ERROR_KEY_ORPHANED);

  test_device_run (cleared, to_software);
  test_swtpm_run (cleared->swtpm, "tpm2_clear");
  refuse_to_tpm (cleared, TPMID_ERROR_KEY_ORPHANED);
}

static void
a_handle_of_somebody_else_is_an_error (void)
{
  g_autoptr (TestDevice) device = new_software_device ();
  guint handle = device->config->device_key_handle;
  g_autofree char *before = identity_of (device, 7);

  test_swtpm_run (device->swtpm, "tpm2_createprimary -Q -C o -c primary");
  test_swtpm_run (device->swtpm, "tpm2_evictcontrol -Q -C o -c primary 0x%08x", handle);
  test_swtpm_run (device->swtpm, "tpm2_flushcontext -t");
  test_device_refuse (device, to_tpm, TPMID_ERROR_HANDLE_TAKEN);
  g_assert_false (has_state (device, "journal"));
  test_swtpm_run (device->swtpm, "tpm2_evictcontrol -C o -c 0x%08x", handle);
  g_autofree char *after = identity_of (device, 7);
  g_assert_cmpstr (before, ==, after);
}

static void
assert_broken_stays (const char *content, TpmidError code)
{
  g_autoptr (TestDevice) device = new_software_device ();
  const char *path = device->config->software_key_path;

  if (content != NULL)
    g_assert_true (g_file_set_contents (path, content, -1, NULL));
  else
    g_assert_cmpint (g_remove (path), ==, 0);
  test_device_refuse (device, to_tpm, code);
  g_assert_false (has_state (device, "journal"));
  g_assert_false (has_state (device, "slots/current.pem"));
  g_autofree char *after = test_device_read (path);
  g_assert_cmpstr (after, ==, content);
}

static void
a_software_key_that_cannot_be_used_is_an_error (void)
{
  assert_broken_stays ("rubbish", TPMID_ERROR_CORRUPT);
  assert_broken_stays (NULL, TPMID_ERROR_NOT_FOUND);
}

static void
a_kept_software_key_that_cannot_be_used_is_an_error (void)
{
  g_autoptr (TestDevice) device = new_software_device ();
  g_autofree char *kept = test_device_path (device, "kept/software.key.pem");

  test_device_run (device, to_tpm);
  g_autofree char *before = identity_of (device, 11);
  g_assert_true (g_file_set_contents (kept, "rubbish", -1, NULL));
  test_device_refuse (device, to_software, TPMID_ERROR_CORRUPT);
  g_autofree char *after = identity_of (device, 11);
  g_assert_cmpstr (before, ==, after);
}

static void
a_device_without_an_identity_cannot_migrate (void)
{
  g_autoptr (TestDevice) device = test_device_new ();

  test_device_refuse (device, to_tpm, TPMID_ERROR_WRONG_STATE);
  test_device_refuse (device, to_software, TPMID_ERROR_WRONG_STATE);
  g_assert_false (has_state (device, "journal"));
}

static void
a_software_key_of_former_times_is_not_destroyed (void)
{
  g_autoptr (TestDevice) device = new_tpm_device ();
  const char *path = device->config->software_key_path;
  g_autofree char *archived = g_strconcat (path, ".archived", NULL);
  g_autoptr (IdentitySoftkey) former = identity_softkey_generate (path, NULL);
  g_autofree char *before = test_device_read (path);

  test_device_run (device, to_tpm);
  g_autofree char *untouched = test_device_read (path);
  g_assert_cmpstr (untouched, ==, before);
  test_device_run (device, to_software);
  g_free (identity_of (device, 7));
  g_autofree char *aside = test_device_read (archived);
  g_assert_cmpstr (aside, ==, before);
  g_assert_nonnull (former);
}

#define OTHER_UID 12345

/* As a daemon of another uid than root, whom a sticky folder binds: the state folder is its own, @path is root's. */
static void
refuse_taken_place (TestDevice *device, TestOperation operation, const char *path)
{
  const BaseConfig *config = device->config;
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (TpmLink) link = test_device_link (device);
  g_autoptr (GError) error = NULL;

  test_swtpm_run (device->swtpm, "chown -R %u %s %s", OTHER_UID, config->state_path, config->certificate_path);
  if (g_file_test (config->software_key_path, G_FILE_TEST_EXISTS))
    test_swtpm_run (device->swtpm, "chown %u %s", OTHER_UID, config->software_key_path);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    g_assert_true (g_file_set_contents (path, "somebody's", -1, NULL));
  g_assert_cmpint (chown (path, 0, 0), ==, 0);
  g_assert_cmpint (chmod (path, 0644), ==, 0);
  g_assert_cmpint (chmod (folder, 01777), ==, 0);
  g_assert_cmpint (chmod (test_swtpm_folder (device->swtpm), 0711), ==, 0);

  g_assert_cmpint (seteuid (OTHER_UID), ==, 0);
  gboolean done = operation (device, link, &error);
  g_assert_cmpint (seteuid (0), ==, 0);
  test_swtpm_run (device->swtpm, "chown -R 0 %s %s", config->state_path, config->certificate_path);
  g_assert_false (done);
  assert_tpmid_error (error, TPMID_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_false (has_state (device, "journal"));
}

static gboolean
is_root (void)
{
  if (geteuid () != 0)
    g_test_skip ("only root can make files of another user");
  return geteuid () == 0;
}

static void
a_place_that_somebody_has_taken_is_found_before_anything_changes (void)
{
  if (!is_root ())
    return;
  g_autoptr (TestDevice) tpm = new_tpm_device ();
  g_autofree char *before = identity_of (tpm, 11);
  g_autofree char *record = test_device_read_state (tpm, "identity");
  refuse_taken_place (tpm, to_software, tpm->config->software_key_path);
  g_autofree char *record_after = test_device_read_state (tpm, "identity");
  g_assert_cmpstr (record_after, ==, record);
  g_assert_cmpint (g_remove (tpm->config->software_key_path), ==, 0);
  g_autofree char *after = identity_of (tpm, 11);
  g_assert_cmpstr (after, ==, before);
  test_device_run (tpm, to_software);

  g_autoptr (TestDevice) software = new_software_device ();
  refuse_taken_place (software, to_tpm, software->config->certificate_path);
  g_assert_cmpuint (test_device_row (software), ==, 7);
  g_assert_false (has_state (software, "slots/current.pem"));
  test_device_run (software, to_tpm);
}

static void
a_tpm_certificate_that_is_lost_is_made_anew (void)
{
  g_autoptr (TestDevice) device = new_tpm_device ();
  g_autofree char *before = test_device_identify (device, 11);
  g_autofree char *kept = test_device_path (device, "kept/tpm.cert.pem");

  test_device_run (device, to_software);
  g_assert_cmpint (g_remove (kept), ==, 0);
  test_device_run (device, to_tpm);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, ==, after);
}

static void
waits_for_a_tpm_that_does_not_answer (void)
{
  g_autoptr (TestDevice) device = new_software_device ();
  g_autofree char *before = test_device_identify (device, 7);
  g_autoptr (GError) error = NULL;

  g_assert_false (migrate (device, NULL, IDENTITY_OPERATION_MIGRATE_TO_TPM, &error));
  assert_tpmid_error (error, TPMID_ERROR_TPM_UNAVAILABLE);
  g_assert_true (has_state (device, "journal"));
  g_assert_cmpuint (test_device_row (device), ==, 7);
  test_device_run (device, test_device_carry_on);
  g_autofree char *after = test_device_identify (device, 11);
  g_assert_cmpstr (before, !=, after);
}

typedef struct
{
  gboolean from_tpm; /* what the device is first */
  TestOperation prepare, operation;
  guint from_row, to_row;
} Kill;

static TestDevice *
prepare (const Kill *kill)
{
  TestDevice *device = kill->from_tpm ? new_tpm_device () : new_software_device ();

  if (kill->prepare != NULL)
    test_device_prepare (device, kill->prepare);
  return device;
}

static gboolean
survives_kill_at (const Kill *kill, guint step)
{
  g_autoptr (TestDevice) device = prepare (kill);
  g_autofree char *before = identity_of (device, kill->from_row);
  gboolean done = test_device_run_killed (device, kill->operation, step);
  guint row = test_device_row (device);

  /* Also by itself, before anything is carried on, it is the one or the other. */
  g_assert_true (row == kill->from_row || row == kill->to_row);
  if (!done)
    test_device_boot_killed (device, step % 7 + 5);
  row = test_device_row (device);
  g_assert_true (row == kill->from_row || row == kill->to_row);
  g_autofree char *after = identity_of (device, row);
  if (row == kill->from_row)
    {
      g_assert_false (done);
      g_assert_cmpstr (before, ==, after);
      test_device_prepare (device, kill->operation);
    }
  g_autofree char *there = identity_of (device, kill->to_row);
  g_assert_cmpstr (there, !=, before);
  assert_kept (device, kill->to_row == 11, kill->to_row == 7);
  if (done || step % WAYS_BACK == 0)
    {
      test_device_prepare (device, kill->operation == to_tpm ? to_software : to_tpm);
      g_autofree char *back = identity_of (device, kill->from_row);
      g_assert_cmpstr (back, ==, before);
    }
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
  g_assert_cmpuint (step, >, 25);
}

static void
costs_what_the_contract_says (void)
{
  g_autoptr (TestDevice) device = new_software_device ();

  g_assert_cmpuint (test_device_count_commands (device, to_tpm), ==, 18);
  g_assert_cmpuint (test_device_count_commands (device, to_software), ==, 0);
  g_assert_cmpuint (test_device_count_commands (device, to_tpm), ==, 3);
}

int
main (int argc, char **argv)
{
  static const Kill first_to_software = { TRUE, NULL, to_software, 11, 7 };
  static const Kill back_to_tpm = { TRUE, to_software, to_tpm, 7, 11 };
  static const Kill first_to_tpm = { FALSE, NULL, to_tpm, 7, 11 };
  static const Kill back_to_software = { FALSE, to_tpm, to_software, 11, 7 };

  test_device_init (&argc, &argv);
  g_test_add_func ("/identity/migration/a-tpm-device-goes-to-software-and-back", a_tpm_device_goes_to_software_and_back);
  g_test_add_func ("/identity/migration/a-software-device-goes-to-the-tpm-and-back", a_software_device_goes_to_the_tpm_and_back);
  g_test_add_func ("/identity/migration/a-migrated-device-needs-no-tpm", a_migrated_device_needs_no_tpm);
  g_test_add_func ("/identity/migration/there-already-is-success", there_already_is_success);
  g_test_add_func ("/identity/migration/a-migrated-key-that-was-removed-is-put-back", a_migrated_key_that_was_removed_is_put_back);
  g_test_add_func ("/identity/migration/a-key-that-is-gone-is-an-error", a_key_that_is_gone_is_an_error);
  g_test_add_func ("/identity/migration/a-handle-of-somebody-else-is-an-error", a_handle_of_somebody_else_is_an_error);
  g_test_add_func ("/identity/migration/a-software-key-that-cannot-be-used-is-an-error", a_software_key_that_cannot_be_used_is_an_error);
  g_test_add_func ("/identity/migration/a-kept-software-key-that-cannot-be-used-is-an-error", a_kept_software_key_that_cannot_be_used_is_an_error);
  g_test_add_func ("/identity/migration/a-device-without-an-identity-cannot-migrate", a_device_without_an_identity_cannot_migrate);
  g_test_add_func ("/identity/migration/a-software-key-of-former-times-is-not-destroyed", a_software_key_of_former_times_is_not_destroyed);
  g_test_add_func ("/identity/migration/a-place-that-somebody-has-taken-is-found-before-anything-changes",
                   a_place_that_somebody_has_taken_is_found_before_anything_changes);
  g_test_add_func ("/identity/migration/a-tpm-certificate-that-is-lost-is-made-anew", a_tpm_certificate_that_is_lost_is_made_anew);
  g_test_add_func ("/identity/migration/waits-for-a-tpm-that-does-not-answer", waits_for_a_tpm_that_does_not_answer);
  g_test_add_data_func ("/identity/migration/first-to-software-survives-kill-at-each-step", &first_to_software, survives_kill_at_each_step);
  g_test_add_data_func ("/identity/migration/back-to-the-tpm-survives-kill-at-each-step", &back_to_tpm, survives_kill_at_each_step);
  g_test_add_data_func ("/identity/migration/first-to-the-tpm-survives-kill-at-each-step", &first_to_tpm, survives_kill_at_each_step);
  g_test_add_data_func ("/identity/migration/back-to-software-survives-kill-at-each-step", &back_to_software, survives_kill_at_each_step);
  g_test_add_func ("/identity/migration/costs-what-the-contract-says", costs_what_the_contract_says);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which passwords of the TPM are right: ours, by disk, copy and proof, and supplied ones. */
#include "test-ownership.h"

#include "tpm-nv.h"

static void
supply (TestDevice *device, const char *hierarchy, const char *password)
{
  g_autofree char *path = g_strdup_printf ("%s/credentials/tpmidd.%s-auth", device->folder, hierarchy);

  g_assert_true (g_file_set_contents (path, password, -1, NULL));
}

static void
a_lost_disk_is_made_good (void)
{
  DEVICE (device, "exclusive");

  (void) test_device_boot_once (&device, TRUE);
  for (guint i = 0; i < 2; i++)
    {
      test_device_lose_disk (&device);
      test_device_cut_power (&device);
      IdentityOwnership status = test_device_boot_once (&device, FALSE);
      assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
      test_device_assert_passwords_work (&device);
    }
}

/* Within the same boot the copy is locked: that is told, nothing is tried or overwritten, and a restart mends it. */
static void
a_disk_lost_while_the_copy_is_locked_waits_for_a_restart (void)
{
  DEVICE (device, "exclusive");

  (void) test_device_boot_once (&device, TRUE);
  test_device_lose_disk (&device);
  IdentityOwnership status = test_device_boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  g_assert_nonnull (strstr (status.detail, "restart the device"));
  g_assert_false (g_file_test (device.file, G_FILE_TEST_EXISTS));
  test_device_cut_power (&device);
  status = test_device_boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

static void
a_spoiled_file_is_made_good (void)
{
  DEVICE (device, "exclusive");

  (void) test_device_boot_once (&device, TRUE);
  g_assert_true (g_file_set_contents (device.file, "state=owned\nowner=x\n", -1, NULL));
  test_device_cut_power (&device);
  IdentityOwnership status = test_device_boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

/* At once, not when the TPM refused one: the first to use it may be TPM2_Clear. */
static void
an_old_file_is_made_good (void)
{
  DEVICE (device, "exclusive");
  g_autoptr (GError) error = NULL;
  IdentityOwnership status;

  (void) test_device_boot_once (&device, TRUE);
  test_device_make_stale (&device);
  test_device_cut_power (&device);
  {
    g_autoptr (TpmLink) link = test_device_link (&device);

    test_tpm_ensure (link);
    identity_ownership_prepare (link, device.config, &status);
    assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
    test_device_assert_passwords_work (&device);
  }
  test_device_make_stale (&device);
  g_autoptr (TpmLink) link = test_device_link (&device);
  test_tpm_ensure (link);
  identity_ownership_prepare (link, device.config, &status);
  (void) tpm_hierarchy_clear (link, &error);
  g_assert_no_error (error);
}

/* The copy was locked by tpmidd before the file was exchanged: nothing is tried, and the restart mends it. */
static void
an_old_file_beside_a_locked_copy_waits_for_a_restart (void)
{
  DEVICE (device, "exclusive");
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autoptr (GError) error = NULL;

  (void) test_device_boot_once (&device, TRUE);
  test_device_make_stale (&device);
  g_assert_true (g_file_get_contents (device.file, &before, NULL, NULL));
  {
    g_autoptr (TpmLink) link = test_device_link (&device);
    IdentityOwnership status = test_device_boot (&device, link, TRUE);

    assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
    g_assert_nonnull (strstr (status.detail, "restart the device"));
    g_assert_nonnull (strstr (status.detail, device.file));
    g_assert_null (strstr (status.detail, "somebody"));
    g_assert_false (tpm_link_has_password (link, TPM_HIERARCHY_OWNER));
    g_assert_false (tpm_link_has_password (link, TPM_HIERARCHY_LOCKOUT));
    g_assert_false (tpm_hierarchy_clear (link, NULL));
    g_assert_false (identity_ownership_release (link, device.config, &status, &error));
    assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
    g_assert_nonnull (strstr (error->message, "restart the device"));
  }
  g_assert_true (g_file_get_contents (device.file, &after, NULL, NULL));
  g_assert_cmpstr (before, ==, after);
  test_device_cut_power (&device);
  IdentityOwnership status = test_device_boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  /* With the lockout password too, so it was not locked. */
  test_device_assert_passwords_work (&device);
}

static void
remove_copy (TestDevice *device)
{
  g_auto (IdentityPasswords) own = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  gsize size;

  g_assert_true (identity_passwords_load (device->state, &own, NULL));
  test_swtpm_run (device->swtpm, "tpm2_nvundefine -Q -C o -P %s 0x%x", (const char *) base_secret_peek (own.owner, &size),
                  device->config->password_index);
}

/* Neither copy nor tag: the owner's password tells, and what it told is not called somebody else's. */
static void
an_old_file_without_a_copy_does_not_lock_the_lockout (void)
{
  DEVICE (device, "exclusive");
  g_autofree char *kept = g_strconcat (device.folder, "/kept", NULL);

  (void) test_device_boot_once (&device, TRUE);
  remove_copy (&device);
  g_assert_no_errno (g_rename (device.file, kept));
  test_device_make_stale (&device);
  for (guint start = 0; start < 2; start++)
    {
      g_autoptr (TpmLink) link = test_device_link (&device);
      IdentityOwnership status = test_device_boot (&device, link, FALSE);

      assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
      g_assert_nonnull (strstr (status.detail, device.file));
      g_assert_nonnull (strstr (status.detail, "restart the device"));
      g_assert_null (strstr (status.detail, "somebody"));
      g_assert_false (tpm_link_has_password (link, TPM_HIERARCHY_LOCKOUT));
      g_assert_false (tpm_hierarchy_clear (link, NULL));
    }
  g_assert_no_errno (g_rename (kept, device.file));
  test_device_assert_passwords_work (&device);
}

static void
a_lockout_password_that_nothing_proves_is_not_tried (void)
{
  DEVICE (device, "exclusive");
  g_auto (IdentityPasswords) own = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  gsize size;

  (void) test_device_boot_once (&device, TRUE);
  remove_copy (&device);
  g_assert_true (identity_passwords_load (device.state, &own, NULL));
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c owner -p %s", (const char *) base_secret_peek (own.owner, &size));
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, FALSE);
  assert_kind (status.lockout, IDENTITY_PASSWORD_FOREIGN);
  g_assert_nonnull (strstr (status.detail, "tpmidd.lockout-auth"));
  g_assert_false (tpm_link_has_password (link, TPM_HIERARCHY_LOCKOUT));
}

/* Tagged as ours, and the TPM refuses it all the same. */
static void
a_password_of_ours_that_was_changed_is_told (void)
{
  DEVICE (device, "exclusive");
  g_auto (IdentityPasswords) own = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) error = NULL;
  gsize size;

  (void) test_device_boot_once (&device, TRUE);
  g_assert_true (identity_passwords_load (device.state, &own, NULL));
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c owner -p %s changed", (const char *) base_secret_peek (own.owner, &size));
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, FALSE);
  g_assert_false (tpm_nv_define_write_once (link, TEST_INDEX, 4, &error));
  assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  g_assert_null (strstr (error->message, "somebody"));
  g_assert_nonnull (strstr (error->message, "restart the device"));
  identity_ownership_settle (link, device.config, FALSE, &status);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  g_assert_nonnull (strstr (status.detail, device.file));
  g_assert_null (strstr (status.detail, "somebody"));
}

static void
a_copy_that_somebody_removed_is_put_back (void)
{
  DEVICE (device, "exclusive");

  (void) test_device_boot_once (&device, TRUE);
  remove_copy (&device);
  test_device_cut_power (&device);
  (void) test_device_boot_once (&device, FALSE);
  test_device_lose_disk (&device);
  test_device_cut_power (&device);
  IdentityOwnership status = test_device_boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

/* Passwords of a life of the TPM that is over must not lock its new owner's lockout. */
static void
a_stale_file_is_never_tried (void)
{
  DEVICE (device, "exclusive");

  (void) test_device_boot_once (&device, TRUE);
  test_device_cut_power (&device);
  test_swtpm_run (device.swtpm, "tpm2_clear -Q -c p");
  IdentityOwnership status = test_device_boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  g_assert_cmpstr (status.detail, !=, "");
  /* Empty; new ones with the next taking. */
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout");
  status = test_device_boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

static void
a_new_owners_lockout_is_not_locked_with_old_passwords (void)
{
  DEVICE (device, "exclusive");

  (void) test_device_boot_once (&device, TRUE);
  test_device_cut_power (&device);
  test_swtpm_run (device.swtpm, "tpm2_clear -Q -c p");
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c owner theirs");
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -P theirs -p secret -s 4 -a 'authread|authwrite' 0x01805477");
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  test_device_cut_power (&device);
  IdentityOwnership status = test_device_boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout -p theirs theirs");
}

static void
supplied_passwords_are_used (void)
{
  DEVICE (device, "shared");
  g_autoptr (GError) error = NULL;

  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c owner their-owner");
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout their-lockout");
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c endorsement their-endorsement");
  supply (&device, "owner", "their-owner\n");
  supply (&device, "lockout", "their-lockout");
  supply (&device, "endorsement", "their-endorsement\n");
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  assert_kind (status.owner, IDENTITY_PASSWORD_SUPPLIED);
  assert_kind (status.lockout, IDENTITY_PASSWORD_SUPPLIED);
  assert_kind (status.endorsement, IDENTITY_PASSWORD_SUPPLIED);
  (void) tpm_nv_define_write_once (link, TEST_INDEX, 4, &error);
  g_assert_no_error (error);
  /* Known now: another decision asks for nothing, but for a copy of ours. */
  guint64 before = test_tpm_status (link).commands;
  identity_ownership_prepare (link, device.config, &status);
  g_assert_cmpuint (test_commands (link, &before), ==, 1);
  assert_kind (status.owner, IDENTITY_PASSWORD_SUPPLIED);
}

static void
a_wrong_supplied_password_is_tried_once_in_a_boot (void)
{
  DEVICE (device, "shared");

  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c owner theirs");
  supply (&device, "owner", "not-theirs");
  for (guint start = 0; start < 4; start++)
    {
      g_autoptr (TpmLink) link = test_device_link (&device);
      guint64 before;

      if (start == 2)
        test_device_cut_power (&device);
      if (start == 3)
        supply (&device, "owner", "theirs");
      test_tpm_ensure (link);
      before = test_tpm_status (link).commands;
      IdentityOwnership status = test_device_boot (&device, link, FALSE);
      assert_kind (status.owner, start == 3 ? IDENTITY_PASSWORD_SUPPLIED : IDENTITY_PASSWORD_FOREIGN);
      /* One look for a copy; the try happens with the first start in a boot only, and with another password. */
      if (start == 1)
        g_assert_cmpuint (test_commands (link, &before), ==, 1);
      else
        g_assert_cmpuint (test_commands (link, &before), >, 4);
    }
  g_autofree char *path = g_build_filename (device.config->runtime_path, "attempts", NULL);
  g_autofree char *text = NULL;
  struct stat info;
  g_assert_no_errno (g_stat (path, &info));
  g_assert_cmphex (info.st_mode & 07777, ==, 0600);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_null (strstr (text, "not-theirs"));
}

/* A wrong one locks it, so it is tried when it is needed, and not again by who starts tpmidd again. */
static void
a_wrong_supplied_lockout_password_is_tried_once_in_a_boot (void)
{
  DEVICE (device, "shared");

  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  supply (&device, "lockout", "not-theirs");
  (void) test_device_boot_once (&device, FALSE);
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout -p theirs theirs");
  {
    g_autoptr (TpmLink) link = test_device_link (&device);
    IdentityOwnership status;

    test_tpm_ensure (link);
    identity_ownership_prepare (link, device.config, &status);
    assert_kind (status.lockout, IDENTITY_PASSWORD_SUPPLIED);
    g_assert_false (tpm_hierarchy_clear (link, NULL));
    identity_ownership_settle (link, device.config, FALSE, &status);
    assert_kind (status.lockout, IDENTITY_PASSWORD_FOREIGN);
  }
  IdentityOwnership status = test_device_boot_once (&device, FALSE);
  assert_kind (status.lockout, IDENTITY_PASSWORD_FOREIGN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_fatal_mask (NULL, G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
#define ADD(name, function) g_test_add_func ("/identity/ownership/" name, function)
  ADD ("a-lost-disk-is-made-good", a_lost_disk_is_made_good);
  ADD ("a-disk-lost-while-the-copy-is-locked-waits-for-a-restart", a_disk_lost_while_the_copy_is_locked_waits_for_a_restart);
  ADD ("a-spoiled-file-is-made-good", a_spoiled_file_is_made_good);
  ADD ("an-old-file-is-made-good", an_old_file_is_made_good);
  ADD ("an-old-file-beside-a-locked-copy-waits-for-a-restart", an_old_file_beside_a_locked_copy_waits_for_a_restart);
  ADD ("an-old-file-without-a-copy-does-not-lock-the-lockout", an_old_file_without_a_copy_does_not_lock_the_lockout);
  ADD ("a-lockout-password-that-nothing-proves-is-not-tried", a_lockout_password_that_nothing_proves_is_not_tried);
  ADD ("a-password-of-ours-that-was-changed-is-told", a_password_of_ours_that_was_changed_is_told);
  ADD ("a-copy-that-somebody-removed-is-put-back", a_copy_that_somebody_removed_is_put_back);
  ADD ("a-stale-file-is-never-tried", a_stale_file_is_never_tried);
  ADD ("a-new-owners-lockout-is-not-locked-with-old-passwords", a_new_owners_lockout_is_not_locked_with_old_passwords);
  ADD ("supplied-passwords-are-used", supplied_passwords_are_used);
  ADD ("a-wrong-supplied-password-is-tried-once-in-a-boot", a_wrong_supplied_password_is_tried_once_in_a_boot);
  ADD ("a-wrong-supplied-lockout-password-is-tried-once-in-a-boot", a_wrong_supplied_lockout_password_is_tried_once_in_a_boot);
  return g_test_run ();
}

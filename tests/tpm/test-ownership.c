/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has the passwords of the TPM. */
#include "test-ownership.h"

#include "tpm-inventory.h"
#include "tpm-nv.h"

#define DEVICE(name, policy)                                                                                                             \
  g_auto (TestDevice) name = { NULL };                                                                                                   \
  test_device_init (&name, policy)

static IdentityOwnership
boot_once (TestDevice *device, gboolean take)
{
  g_autoptr (TpmLink) link = test_device_link (device);

  return test_device_boot (device, link, take);
}

static void
supply (TestDevice *device, const char *hierarchy, const char *password)
{
  g_autofree char *path = g_strdup_printf ("%s/credentials/tpmidd.%s-auth", device->folder, hierarchy);

  g_assert_true (g_file_set_contents (path, password, -1, NULL));
}

static void
the_first_boot_takes_ownership (void)
{
  DEVICE (device, "exclusive");
  IdentityOwnership status = boot_once (&device, TRUE);

  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  assert_kind (status.owner, IDENTITY_PASSWORD_OWN);
  assert_kind (status.lockout, IDENTITY_PASSWORD_OWN);
  assert_kind (status.endorsement, IDENTITY_PASSWORD_EMPTY);
  g_assert_cmpstr (identity_platform_name (status.platform), ==, "closed");
  g_assert_cmpstr (status.detail, ==, "");
  test_device_assert_passwords_work (&device);
  g_autofree char *properties = test_swtpm_tool (device.swtpm, "tpm2_getcap properties-variable");
  g_assert_nonnull (strstr (properties, "TPM2_PT_MAX_AUTH_FAIL: 0x20"));
  g_assert_nonnull (strstr (properties, "TPM2_PT_LOCKOUT_INTERVAL: 0x258"));
  g_assert_nonnull (strstr (properties, "TPM2_PT_LOCKOUT_RECOVERY: 0xE10"));
  /* Nobody reads the copy, and nobody uses the platform hierarchy, until the TPM restarts. */
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -C 0x%x 0x%x'", device.config->password_index, device.config->password_index);
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_changeauth -Q -c platform x'");

  test_device_cut_power (&device);
  status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -C 0x%x 0x%x'", device.config->password_index, device.config->password_index);
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_changeauth -Q -c platform x'");
}

static void
two_devices_have_other_passwords (void)
{
  g_auto (IdentityPasswords) one = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_auto (IdentityPasswords) two = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  gsize size;

  g_assert_true (identity_passwords_generate (&one, NULL));
  g_assert_true (identity_passwords_generate (&two, NULL));
  g_assert_false (identity_passwords_equal (&one, &two));
  g_assert_true (identity_passwords_equal (&one, &one));
  g_assert_cmpstr ((const char *) base_secret_peek (one.owner, &size), !=, (const char *) base_secret_peek (one.lockout, &size));
  g_assert_cmpuint (size, ==, 32);
}

static void
shared_changes_nothing (void)
{
  DEVICE (device, "shared");
  g_autoptr (TpmLink) link = test_device_link (&device);
  guint64 before;

  test_tpm_ensure (link);
  before = test_tpm_status (link).commands;
  IdentityOwnership status = test_device_boot (&device, link, TRUE);
  g_assert_cmpuint (test_commands (link, &before), ==, 0);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  g_assert_cmpstr (identity_platform_name (status.platform), ==, "unknown");
  g_assert_cmpstr (status.detail, ==, "");
  test_device_assert_empty (&device);
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c platform");
}

static void
a_healthy_boot_costs_little (void)
{
  DEVICE (device, "exclusive");
  guint64 before = 0;

  {
    g_autoptr (TpmLink) link = test_device_link (&device);

    test_tpm_ensure (link);
    before = test_tpm_status (link).commands;
    (void) test_device_boot (&device, link, TRUE);
    /* Taking, and settling. */
    g_assert_cmpuint (test_commands (link, &before), ==, 26 + 5);
  }
  test_device_cut_power (&device);
  for (guint open = 2; open > 0; open--)
    {
      g_autoptr (TpmLink) link = test_device_link (&device);

      test_tpm_ensure (link);
      before = test_tpm_status (link).commands;
      IdentityOwnership status = test_device_boot (&device, link, FALSE);
      assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
      /* Firmware left the platform hierarchy open; then tpmidd starts again in the same boot. */
      g_assert_cmpuint (test_commands (link, &before), ==, open == 2 ? 6 : 3);
    }
}

static void
a_lost_disk_is_made_good (void)
{
  DEVICE (device, "exclusive");

  (void) boot_once (&device, TRUE);
  for (guint i = 0; i < 2; i++)
    {
      test_device_lose_disk (&device);
      test_device_cut_power (&device);
      IdentityOwnership status = boot_once (&device, FALSE);
      assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
      test_device_assert_passwords_work (&device);
    }
}

/* Within the same boot the copy is locked: that is told, nothing is tried or overwritten, and a restart mends it. */
static void
a_disk_lost_while_the_copy_is_locked_waits_for_a_restart (void)
{
  DEVICE (device, "exclusive");

  (void) boot_once (&device, TRUE);
  test_device_lose_disk (&device);
  IdentityOwnership status = boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  g_assert_nonnull (strstr (status.detail, "restart the device"));
  g_assert_false (g_file_test (device.file, G_FILE_TEST_EXISTS));
  test_device_cut_power (&device);
  status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

static void
a_spoiled_file_is_made_good (void)
{
  DEVICE (device, "exclusive");

  (void) boot_once (&device, TRUE);
  g_assert_true (g_file_set_contents (device.file, "state=owned\nowner=x\n", -1, NULL));
  test_device_cut_power (&device);
  IdentityOwnership status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

/* What a restored backup leaves: passwords, but not those that the TPM has. */
static void
make_stale (TestDevice *device)
{
  g_auto (IdentityPasswords) other = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_passwords_generate (&other, NULL));
  other.state = IDENTITY_PASSWORDS_OWNED;
  (void) identity_passwords_save (device->state, &other, &error);
  g_assert_no_error (error);
}

/* At once, not when the TPM refused one: the first to use it may be TPM2_Clear. */
static void
an_old_file_is_made_good (void)
{
  DEVICE (device, "exclusive");
  g_autoptr (GError) error = NULL;
  IdentityOwnership status;

  (void) boot_once (&device, TRUE);
  make_stale (&device);
  test_device_cut_power (&device);
  {
    g_autoptr (TpmLink) link = test_device_link (&device);

    test_tpm_ensure (link);
    identity_ownership_prepare (link, device.config, &status);
    assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
    test_device_assert_passwords_work (&device);
  }
  make_stale (&device);
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

  (void) boot_once (&device, TRUE);
  make_stale (&device);
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
  IdentityOwnership status = boot_once (&device, FALSE);
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

  (void) boot_once (&device, TRUE);
  remove_copy (&device);
  g_assert_no_errno (g_rename (device.file, kept));
  make_stale (&device);
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

  (void) boot_once (&device, TRUE);
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

  (void) boot_once (&device, TRUE);
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

  (void) boot_once (&device, TRUE);
  remove_copy (&device);
  test_device_cut_power (&device);
  (void) boot_once (&device, FALSE);
  test_device_lose_disk (&device);
  test_device_cut_power (&device);
  IdentityOwnership status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

/* Passwords of a life of the TPM that is over must not lock its new owner's lockout. */
static void
a_stale_file_is_never_tried (void)
{
  DEVICE (device, "exclusive");

  (void) boot_once (&device, TRUE);
  test_device_cut_power (&device);
  test_swtpm_run (device.swtpm, "tpm2_clear -Q -c p");
  IdentityOwnership status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  g_assert_cmpstr (status.detail, !=, "");
  /* Empty; new ones with the next taking. */
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout");
  status = boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

static void
a_new_owners_lockout_is_not_locked_with_old_passwords (void)
{
  DEVICE (device, "exclusive");

  (void) boot_once (&device, TRUE);
  test_device_cut_power (&device);
  test_swtpm_run (device.swtpm, "tpm2_clear -Q -c p");
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c owner theirs");
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout theirs");
  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -P theirs -p secret -s 4 -a 'authread|authwrite' 0x01805477");
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  test_device_cut_power (&device);
  IdentityOwnership status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c lockout -p theirs theirs");
}

static void
check_foreign (const char *hierarchy)
{
  DEVICE (device, "exclusive");
  guint64 before;

  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c %s theirs", hierarchy);
  g_autoptr (TpmLink) link = test_device_link (&device);
  test_tpm_ensure (link);
  before = test_tpm_status (link).commands;
  IdentityOwnership status = test_device_boot (&device, link, TRUE);
  /* One look for a copy of ours, one at the facts, and the platform hierarchy. */
  g_assert_cmpuint (test_commands (link, &before), <=, 1 + 1 + 5);
  assert_ownership (status, IDENTITY_OWNERSHIP_FOREIGN);
  g_assert_nonnull (strstr (status.detail, hierarchy));
  g_assert_nonnull (strstr (status.detail, "tpm2_changeauth -c"));
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 0);
  g_assert_false (g_file_test (device.file, G_FILE_TEST_EXISTS));
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c %s -p theirs", hierarchy);
  /* Gone: the next first boot takes it. */
  tpm_link_close (link);
  test_tpm_ensure (link);
  status = test_device_boot (&device, link, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
}

static void
a_password_of_others_is_not_fought (void)
{
  check_foreign ("owner");
  check_foreign ("lockout");
  check_foreign ("endorsement");
}

static void
check_foreign_object (const char *command, const char *named)
{
  DEVICE (device, "exclusive");

  test_swtpm_run (device.swtpm, "%s", command);
  IdentityOwnership status = boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  g_assert_nonnull (strstr (status.detail, named));
  test_device_assert_empty (&device);
}

static void
objects_of_others_are_left_alone (void)
{
  check_foreign_object ("sh -c 'tpm2_createprimary -Q -C o -c o.ctx && tpm2_evictcontrol -Q -C o -c o.ctx 0x81000001 && tpm2_flushcontext -t'",
                        "0x81000001");
  check_foreign_object ("sh -c 'tpm2_createek -Q -G rsa -c 0x81010001 && tpm2_flushcontext -t'", "0x81010001");
  check_foreign_object ("tpm2_nvdefine -Q -C o -s 8 0x01800077", "0x01800077");
  /* In the place of ours, and with its attributes. */
  check_foreign_object ("tpm2_nvdefine -Q -C o -s 139 -a 'ownerread|ownerwrite|authread|no_da|read_stclear' 0x01805402", "0x01805402 is not of");
  check_foreign_object ("tpm2_nvdefine -Q -C o -s 8 -a 'ownerread|ownerwrite|authread|no_da' 0x01805403", "0x01805403 is not of");
}

/* Our own serial number, key and storage root key, and what firmware defined. */
static void
objects_of_ours_are_no_hindrance (void)
{
  DEVICE (device, "exclusive");
  TpmPublic public;
  ESYS_TR tr;
  g_autoptr (GError) error = NULL;

  {
    g_autoptr (TpmLink) link = test_device_link (&device);

    test_tpm_ensure (link);
    (void) test_tpm_make (link, TPM_KEY_ECC_P256, &public, &error);
    g_assert_no_error (error);
    (void) tpm_parent_get (link, &test_parent, &tr, NULL, &error);
    g_assert_no_error (error);
    (void) tpm_nv_define_write_once (link, device.config->serial_index, 4, &error);
    g_assert_no_error (error);
  }
  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C p -s 5 -a 'ppread|ppwrite|ownerread|platformcreate' 0x01400001");
  IdentityOwnership status = boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
}

static void
without_a_place_for_the_copy_nothing_is_set (void)
{
  DEVICE (device, "exclusive");

  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -s 8 0x%x", device.config->password_index);
  IdentityOwnership status = boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  g_assert_nonnull (strstr (status.detail, "0x01805402"));
  test_device_assert_empty (&device);
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
  (void) boot_once (&device, FALSE);
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
  IdentityOwnership status = boot_once (&device, FALSE);
  assert_kind (status.lockout, IDENTITY_PASSWORD_FOREIGN);
}

static void
release_makes_all_empty (void)
{
  DEVICE (device, "exclusive");
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, TRUE);
  g_autoptr (GError) error = NULL;
  gboolean exists;

  guint64 before = test_tpm_status (link).commands;
  (void) identity_ownership_release (link, device.config, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_commands (link, &before), ==, 11);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  test_device_assert_empty (&device);
  (void) tpm_link_has_handle (link, device.config->password_index, &exists, &error);
  g_assert_no_error (error);
  g_assert_false (exists);
  /* Nothing to release is no error; and it can be taken again in the same boot. */
  (void) identity_ownership_release (link, device.config, &status, &error);
  g_assert_no_error (error);
  status = test_device_boot (&device, link, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_device_assert_passwords_work (&device);
}

/* The copy is locked, but the link knows them. */
static void
release_needs_no_disk (void)
{
  for (guint lost = 0; lost < 2; lost++)
    {
      DEVICE (device, "exclusive");
      g_autoptr (TpmLink) link = test_device_link (&device);
      IdentityOwnership status = test_device_boot (&device, link, TRUE);
      g_autoptr (GError) error = NULL;

      if (lost)
        test_device_lose_disk (&device);
      else
        make_stale (&device);
      (void) identity_ownership_release (link, device.config, &status, &error);
      g_assert_no_error (error);
      assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
      test_device_assert_empty (&device);
    }
}

/* No release of a half: nothing is changed, and what is needed later stays. */
static void
release_of_what_is_not_ours_is_refused (void)
{
  static const char *const hierarchies[] = { "owner", "lockout" };

  for (gsize i = 0; i < G_N_ELEMENTS (hierarchies); i++)
    for (guint seen = 0; seen < 2; seen++)
      {
        DEVICE (device, "exclusive");
        g_auto (IdentityPasswords) own = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
        g_autoptr (TpmLink) link = test_device_link (&device);
        IdentityOwnership status = test_device_boot (&device, link, TRUE);
        g_autoptr (GError) error = NULL;
        gboolean exists;
        gsize size;

        g_assert_true (identity_passwords_load (device.state, &own, NULL));
        test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c %s -p %s changed", hierarchies[i],
                        (const char *) base_secret_peek (i == 0 ? own.owner : own.lockout, &size));
        for (guint tries = 0; tries <= seen; tries++)
          {
            g_clear_error (&error);
            g_assert_false (identity_ownership_release (link, device.config, &status, &error));
            assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
            g_assert_nonnull (strstr (error->message, "restart the device"));
          }
        g_assert_true (g_file_test (device.file, G_FILE_TEST_EXISTS));
        (void) tpm_link_has_handle (link, device.config->password_index, &exists, NULL);
        g_assert_true (exists);
        /* And no boot tries it by itself again. */
        g_clear_pointer (&link, tpm_link_free);
        test_device_cut_power (&device);
        link = test_device_link (&device);
        test_tpm_ensure (link);
        identity_ownership_prepare (link, device.config, &status);
        identity_ownership_settle (link, device.config, TRUE, &status);
        g_assert_false (tpm_link_is_password_wrong (link, TPM_HIERARCHY_LOCKOUT));
        identity_passwords_clear (&own);
        g_assert_true (identity_passwords_load (device.state, &own, NULL));
        g_assert_cmpint (own.state, ==, IDENTITY_PASSWORDS_OWNED);
      }
}

static void
release_without_any_password_that_works_is_refused (void)
{
  DEVICE (device, "exclusive");
  g_autoptr (GError) error = NULL;

  (void) boot_once (&device, TRUE);
  test_device_lose_disk (&device);
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, FALSE);
  g_assert_false (identity_ownership_release (link, device.config, &status, &error));
  assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  test_device_cut_power (&device);
  status = boot_once (&device, FALSE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
}

/* A crash left the passwords on disk, and none is set: a TPM that is perhaps another one. */
static void
begun_taking_goes_on_in_the_devices_own_tpm_only (void)
{
  for (guint own = 0; own < 3; own++)
    {
      DEVICE (device, "exclusive");
      g_auto (IdentityPasswords) passwords = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
      g_autoptr (TpmLink) link = test_device_link (&device);
      IdentityOwnership status;

      g_assert_true (identity_passwords_generate (&passwords, NULL));
      g_assert_true (identity_passwords_save (device.state, &passwords, NULL));
      if (own == 2)
        test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -s 8 0x01800077");
      test_tpm_ensure (link);
      identity_ownership_prepare (link, device.config, &status);
      identity_ownership_settle (link, device.config, own > 0, &status);
      assert_ownership (status, own == 1 ? IDENTITY_OWNERSHIP_OWNED : IDENTITY_OWNERSHIP_NONE);
      g_assert_cmpstr (identity_platform_name (status.platform), ==, "closed");
      if (own == 0)
        g_assert_true (g_file_test (device.file, G_FILE_TEST_EXISTS));
      if (own == 1)
        test_device_assert_passwords_work (&device);
      if (own == 2)
        {
          g_assert_nonnull (strstr (status.detail, "0x01800077"));
          test_device_assert_empty (&device);
        }
    }
}

/* A device that was exclusive: what it needs is known, nothing new is set, and it can be released. */
static void
shared_knows_what_exclusive_set (void)
{
  DEVICE (device, "exclusive");
  g_autoptr (GError) error = NULL;

  (void) boot_once (&device, TRUE);
  base_config_free (device.config);
  device.config = test_device_config (&device, "shared");
  test_device_cut_power (&device);
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
  test_swtpm_run (device.swtpm, "tpm2_changeauth -Q -c platform");
  (void) identity_ownership_release (link, device.config, &status, &error);
  g_assert_no_error (error);
  test_device_assert_empty (&device);
}

static void
the_counter_is_reset_once_after_a_power_cut (void)
{
  DEVICE (device, "exclusive");
  g_auto (IdentityPasswords) own = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  gsize size;

  (void) boot_once (&device, TRUE);
  g_assert_true (identity_passwords_load (device.state, &own, NULL));
  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -P %s -p secret -s 4 -a 'authread|authwrite' 0x01805477",
                  (const char *) base_secret_peek (own.owner, &size));
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  /* An orderly start: somebody tried passwords, and that counts. */
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 1);
  test_swtpm_run (device.swtpm, "tpm2_shutdown -c");
  test_device_cut_power (&device);
  (void) boot_once (&device, FALSE);
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 1);

  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  test_device_cut_power (&device);
  (void) boot_once (&device, FALSE);
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 0);
  /* Not by starting tpmidd again and again. */
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), >, 0);
  (void) boot_once (&device, FALSE);
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), >, 0);
}

static void
without_a_tpm_nothing_is_known (void)
{
  DEVICE (device, "exclusive");
  IdentityOwnership status;

  identity_ownership_prepare (NULL, device.config, &status);
  assert_ownership (status, IDENTITY_OWNERSHIP_UNKNOWN);
  assert_kind (status.owner, IDENTITY_PASSWORD_UNKNOWN);
  identity_ownership_settle (NULL, device.config, TRUE, &status);
  assert_ownership (status, IDENTITY_OWNERSHIP_UNKNOWN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_fatal_mask (NULL, G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
#define ADD(name, function) g_test_add_func ("/identity/ownership/" name, function)
  ADD ("the-first-boot-takes-ownership", the_first_boot_takes_ownership);
  ADD ("two-devices-have-other-passwords", two_devices_have_other_passwords);
  ADD ("shared-changes-nothing", shared_changes_nothing);
  ADD ("a-healthy-boot-costs-little", a_healthy_boot_costs_little);
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
  ADD ("a-password-of-others-is-not-fought", a_password_of_others_is_not_fought);
  ADD ("objects-of-others-are-left-alone", objects_of_others_are_left_alone);
  ADD ("objects-of-ours-are-no-hindrance", objects_of_ours_are_no_hindrance);
  ADD ("without-a-place-for-the-copy-nothing-is-set", without_a_place_for_the_copy_nothing_is_set);
  ADD ("supplied-passwords-are-used", supplied_passwords_are_used);
  ADD ("a-wrong-supplied-password-is-tried-once-in-a-boot", a_wrong_supplied_password_is_tried_once_in_a_boot);
  ADD ("a-wrong-supplied-lockout-password-is-tried-once-in-a-boot", a_wrong_supplied_lockout_password_is_tried_once_in_a_boot);
  ADD ("release-makes-all-empty", release_makes_all_empty);
  ADD ("release-needs-no-disk", release_needs_no_disk);
  ADD ("release-of-what-is-not-ours-is-refused", release_of_what_is_not_ours_is_refused);
  ADD ("release-without-any-password-that-works-is-refused", release_without_any_password_that_works_is_refused);
  ADD ("begun-taking-goes-on-in-the-devices-own-tpm-only", begun_taking_goes_on_in_the_devices_own_tpm_only);
  ADD ("shared-knows-what-exclusive-set", shared_knows_what_exclusive_set);
  ADD ("the-counter-is-reset-once-after-a-power-cut", the_counter_is_reset_once_after_a_power_cut);
  ADD ("without-a-tpm-nothing-is-known", without_a_tpm_nothing_is_known);
  return g_test_run ();
}

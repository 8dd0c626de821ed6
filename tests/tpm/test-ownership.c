/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has the passwords of the TPM: taking, others, releasing. */
#include "test-ownership.h"

#include "tpm-inventory.h"
#include "tpm-nv.h"

static void
the_first_boot_takes_ownership (void)
{
  DEVICE (device, "exclusive");
  IdentityOwnership status = test_device_boot_once (&device, TRUE);

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
  status = test_device_boot_once (&device, FALSE);
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
  IdentityOwnership status = test_device_boot_once (&device, TRUE);
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
  IdentityOwnership status = test_device_boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_OWNED);
}

static void
without_a_place_for_the_copy_nothing_is_set (void)
{
  DEVICE (device, "exclusive");

  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -s 8 0x%x", device.config->password_index);
  IdentityOwnership status = test_device_boot_once (&device, TRUE);
  assert_ownership (status, IDENTITY_OWNERSHIP_NONE);
  g_assert_nonnull (strstr (status.detail, "0x01805402"));
  test_device_assert_empty (&device);
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
        test_device_make_stale (&device);
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

  (void) test_device_boot_once (&device, TRUE);
  test_device_lose_disk (&device);
  g_autoptr (TpmLink) link = test_device_link (&device);
  IdentityOwnership status = test_device_boot (&device, link, FALSE);
  g_assert_false (identity_ownership_release (link, device.config, &status, &error));
  assert_tpmid_error (error, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  test_device_cut_power (&device);
  status = test_device_boot_once (&device, FALSE);
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

  (void) test_device_boot_once (&device, TRUE);
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

  (void) test_device_boot_once (&device, TRUE);
  g_assert_true (identity_passwords_load (device.state, &own, NULL));
  test_swtpm_run (device.swtpm, "tpm2_nvdefine -Q -C o -P %s -p secret -s 4 -a 'authread|authwrite' 0x01805477",
                  (const char *) base_secret_peek (own.owner, &size));
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  /* An orderly start: somebody tried passwords, and that counts. */
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 1);
  test_swtpm_run (device.swtpm, "tpm2_shutdown -c");
  test_device_cut_power (&device);
  (void) test_device_boot_once (&device, FALSE);
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 1);

  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  test_device_cut_power (&device);
  (void) test_device_boot_once (&device, FALSE);
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), ==, 0);
  /* Not by starting tpmidd again and again. */
  test_swtpm_run (device.swtpm, "sh -c '! tpm2_nvread -Q -P wrong 0x01805477'");
  g_assert_cmpuint (test_swtpm_lockout_counter (device.swtpm), >, 0);
  (void) test_device_boot_once (&device, FALSE);
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
  ADD ("a-password-of-others-is-not-fought", a_password_of_others_is_not_fought);
  ADD ("objects-of-others-are-left-alone", objects_of_others_are_left_alone);
  ADD ("objects-of-ours-are-no-hindrance", objects_of_ours_are_no_hindrance);
  ADD ("without-a-place-for-the-copy-nothing-is-set", without_a_place_for_the_copy_nothing_is_set);
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-error.h"
#include "tpm-device.h"
#include "tpm-link.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* A made-up /sys; removed with the test. */
typedef struct
{
  char *root;
} Sysfs;

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);
      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_tree (child);
      else
        g_assert_no_errno (g_unlink (child));
    }
  g_assert_no_errno (g_rmdir (path));
}

static void
sysfs_clear (Sysfs *sysfs)
{
  remove_tree (sysfs->root);
  g_free (sysfs->root);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Sysfs, sysfs_clear)

static Sysfs
sysfs_new (void)
{
  return (Sysfs){ g_dir_make_tmp ("tpmid-sys-XXXXXX", NULL) };
}

static void
add (Sysfs *sysfs, const char *path, const char *content, gssize size)
{
  g_autofree char *full = g_build_filename (sysfs->root, path, NULL);
  g_autofree char *folder = g_path_get_dirname (full);
  g_autoptr (GError) error = NULL;

  g_assert_no_errno (g_mkdir_with_parents (folder, 0700));
  (void) g_file_set_contents (full, content, size, &error);
  g_assert_no_error (error);
}

static void
assert_chooses (Sysfs *sysfs, gboolean exclusive, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *tcti = NULL;

  (void) tpm_device_choose (sysfs->root, exclusive, &tcti, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (tcti, ==, expected);
}

static void
assert_chooses_nothing (Sysfs *sysfs, TpmidError code)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *tcti = NULL;

  g_assert_false (tpm_device_choose (sysfs->root, FALSE, &tcti, &error));
  g_assert_error (error, TPMID_ERROR, (int) code);
  g_assert_null (tcti);
}

static void
chooses_the_first_tpm_2 (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  add (&sysfs, "class/tpm/tpm10/tpm_version_major", "2\n", -1);
  add (&sysfs, "class/tpm/tpm2/tpm_version_major", "2\n", -1);
  add (&sysfs, "class/tpm/tpm0/tpm_version_major", "1\n", -1);
  add (&sysfs, "class/tpm/tpmx/tpm_version_major", "2\n", -1);
  assert_chooses (&sysfs, TRUE, "device:/dev/tpm2");
  assert_chooses (&sysfs, FALSE, "device:/dev/tpmrm2");
}

static void
an_old_kernel_shows_the_version_by_its_resource_manager (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  add (&sysfs, "class/tpm/tpm0/caps", "", 0);
  add (&sysfs, "class/tpm/tpm1/dev", "10:1\n", -1);
  add (&sysfs, "class/tpmrm/tpmrm1/dev", "10:2\n", -1);
  assert_chooses (&sysfs, FALSE, "device:/dev/tpmrm1");
}

static void
says_that_there_is_only_a_tpm_1_2 (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  add (&sysfs, "class/tpm/tpm0/tpm_version_major", "1\n", -1);
  assert_chooses_nothing (&sysfs, TPMID_ERROR_TPM_VERSION);

  g_autoptr (TpmLink) link = tpm_link_new (&(TpmLinkOptions){ .sysfs_root = sysfs.root });
  TpmLinkStatus status;
  g_assert_false (tpm_link_ensure (link, NULL));
  tpm_link_get_status (link, &status);
  g_assert_cmpstr (tpm_state_name (status.state), ==, "tpm-1.2");
}

static void
says_that_there_is_none (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  assert_chooses_nothing (&sysfs, TPMID_ERROR_NO_DEVICE);
  add (&sysfs, "class/tpm/other/tpm_version_major", "2\n", -1);
  assert_chooses_nothing (&sysfs, TPMID_ERROR_NO_DEVICE);
}

static void
nothing_announces_a_tpm (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  g_assert_false (tpm_link_is_announced (sysfs.root));
  add (&sysfs, "firmware/acpi/tables/FACP", "", 0);
  add (&sysfs, "bus/acpi/devices/PNP0A08:00/hid", "", 0);
  add (&sysfs, "firmware/devicetree/base/soc/spi/flash@0/compatible", "jedec,spi-nor\0", 14);
  g_assert_false (tpm_link_is_announced (sysfs.root));
}

static void
an_acpi_table_announces_it (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  add (&sysfs, "firmware/acpi/tables/TPM2", "", 0);
  g_assert_true (tpm_link_is_announced (sysfs.root));
}

static void
an_acpi_device_announces_it (void)
{
  g_auto (Sysfs) sysfs = sysfs_new ();

  add (&sysfs, "bus/acpi/devices/MSFT0101:00/hid", "MSFT0101\n", -1);
  g_assert_true (tpm_link_is_announced (sysfs.root));
}

static void
the_device_tree_announces_it_unless_disabled (void)
{
  static const char compatible[] = "infineon,slb9670\0tcg,tpm_tis-spi";
  g_auto (Sysfs) sysfs = sysfs_new ();

  add (&sysfs, "firmware/devicetree/base/soc/spi/tpm@0/compatible", compatible, sizeof compatible);
  g_assert_true (tpm_link_is_announced (sysfs.root));
  add (&sysfs, "firmware/devicetree/base/soc/spi/tpm@0/status", "disabled", 9);
  g_assert_false (tpm_link_is_announced (sysfs.root));
  add (&sysfs, "firmware/devicetree/base/soc/spi/tpm@0/status", "okay", 5);
  g_assert_true (tpm_link_is_announced (sysfs.root));
}

static void
a_missing_node_is_no_device (void)
{
  static const char *const paths[] = { "device:/nonexistent/tpm0", "device:/dev/null/tpm0" };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (tpm_device_probe (paths[i], &error));
      g_assert_error (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE);
    }
}

static void
other_tctis_are_not_probed (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tpm_device_probe ("swtpm:path=/nonexistent", &error));
  g_assert_true (tpm_device_probe ("mssim", &error));
  g_assert_no_error (error);
}

static void
every_state_has_its_word (void)
{
  g_autoptr (GHashTable) words = g_hash_table_new (g_str_hash, g_str_equal);

  for (TpmState state = TPM_STATE_OFF; state <= TPM_STATE_NOT_STARTED; state++)
    g_assert_true (g_hash_table_add (words, (gpointer) tpm_state_name (state)));
  g_assert_cmpuint (g_hash_table_size (words), ==, 12);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/device/chooses-the-first-tpm-2", chooses_the_first_tpm_2);
  g_test_add_func ("/tpm/device/an-old-kernel-shows-the-version-by-its-resource-manager",
                   an_old_kernel_shows_the_version_by_its_resource_manager);
  g_test_add_func ("/tpm/device/says-that-there-is-only-a-tpm-1.2", says_that_there_is_only_a_tpm_1_2);
  g_test_add_func ("/tpm/device/says-that-there-is-none", says_that_there_is_none);
  g_test_add_func ("/tpm/device/nothing-announces-a-tpm", nothing_announces_a_tpm);
  g_test_add_func ("/tpm/device/an-acpi-table-announces-it", an_acpi_table_announces_it);
  g_test_add_func ("/tpm/device/an-acpi-device-announces-it", an_acpi_device_announces_it);
  g_test_add_func ("/tpm/device/the-device-tree-announces-it-unless-disabled", the_device_tree_announces_it_unless_disabled);
  g_test_add_func ("/tpm/device/a-missing-node-is-no-device", a_missing_node_is_no_device);
  g_test_add_func ("/tpm/device/other-tctis-are-not-probed", other_tctis_are_not_probed);
  g_test_add_func ("/tpm/device/every-state-has-its-word", every_state_has_its_word);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-device.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE_PREFIX "device:"
#define NAME_BUFFER_SIZE 4096

/* Deep enough for /sys/firmware/devicetree/base/soc/bus/spi/tpm@0, and an end for a tree that is not one. */
#define DEVICETREE_DEPTH 8

static char *
read_word (const char *sysfs_root, const char *folder, const char *name, const char *attribute)
{
  g_autofree char *path = g_build_filename (sysfs_root, folder, name, attribute, NULL);
  g_autofree char *content = NULL;

  if (!g_file_get_contents (path, &content, NULL, NULL))
    return NULL;
  return g_strdup (g_strstrip (content));
}

static gboolean
is_version_2 (const char *sysfs_root, const char *number)
{
  g_autofree char *node = g_strconcat ("tpm", number, NULL);
  g_autofree char *major = read_word (sysfs_root, "class/tpm", node, "tpm_version_major");
  if (major != NULL)
    return strcmp (major, "2") == 0;

  g_autofree char *managed = g_strconcat (sysfs_root, "/class/tpmrm/tpmrm", number, NULL);
  return g_file_test (managed, G_FILE_TEST_EXISTS);
}

gboolean
tpm_device_choose (const char *sysfs_root, gboolean exclusive, char **ret_tcti, GError **error)
{
  g_autofree char *folder = g_build_filename (sysfs_root, "class/tpm", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint64 best = G_MAXUINT64;
  gboolean seen_1_2 = FALSE;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      guint64 number;

      if (!g_str_has_prefix (name, "tpm") || !g_ascii_string_to_unsigned (name + 3, 10, 0, G_MAXUINT32, &number, NULL))
        continue;
      if (!is_version_2 (sysfs_root, name + 3))
        seen_1_2 = TRUE;
      else if (number < best)
        best = number;
    }

  if (best != G_MAXUINT64)
    {
      *ret_tcti = g_strdup_printf (DEVICE_PREFIX "/dev/%s%" G_GUINT64_FORMAT, exclusive ? "tpm" : "tpmrm", best);
      return TRUE;
    }
  if (seen_1_2)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_TPM_VERSION,
                 "this device has a TPM 1.2; a TPM 2.0 is needed (some firmware can switch between the two)");
  else
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE,
                 "the kernel knows no TPM (nothing in %s); enable it in the firmware's setup", folder);
  return FALSE;
}

static char *
user_name (uid_t uid)
{
  char buffer[NAME_BUFFER_SIZE];
  struct passwd entry, *found = NULL;

  if (getpwuid_r (uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
    return g_strdup (entry.pw_name);
  return g_strdup_printf ("%u", (unsigned) uid);
}

static char *
group_name (gid_t gid)
{
  char buffer[NAME_BUFFER_SIZE];
  struct group entry, *found = NULL;

  if (getgrgid_r (gid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
    return g_strdup (entry.gr_name);
  return g_strdup_printf ("%u", (unsigned) gid);
}

static gboolean
fail_permission (const char *path, int errsv, GError **error)
{
  g_autofree char *us = user_name (geteuid ());
  struct stat st;

  if (stat (path, &st) < 0)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NO_PERMISSION,
                   "cannot open %s as uid %u (%s): %s; let this user reach the folder it is in", path, (unsigned) geteuid (), us,
                   g_strerror (errsv));
      return FALSE;
    }

  g_autofree char *owner = user_name (st.st_uid);
  g_autofree char *group = group_name (st.st_gid);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NO_PERMISSION,
               "cannot open %s as uid %u (%s): it belongs to %s:%s with mode %04o; install tpmidd's udev rule and run "
               "udevadm trigger --name-match=%s, or allow the node to %s",
               path, (unsigned) geteuid (), us, owner, group, (unsigned) st.st_mode & 07777, path, us);
  return FALSE;
}

static gboolean
process_holds (const char *pid, const char *path)
{
  g_autofree char *folder = g_strconcat ("/proc/", pid, "/fd", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *link = g_build_filename (folder, name, NULL);
      g_autofree char *target = g_file_read_link (link, NULL);
      if (g_strcmp0 (target, path) == 0)
        return TRUE;
    }
  return FALSE;
}

static char *
describe_holder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *pid;

  while (dir != NULL && (pid = g_dir_read_name (dir)) != NULL)
    if (g_ascii_isdigit (pid[0]) && process_holds (pid, path))
      {
        g_autofree char *command = read_word ("/proc", pid, "comm", NULL);
        return g_strdup_printf ("process %s (%s)", pid, command != NULL ? command : "name unknown");
      }
  return g_strdup ("another process, which only root can find (fuser)");
}

static gboolean
fail_probe (const char *path, int errsv, GError **error)
{
  if (errsv == EACCES || errsv == EPERM)
    return fail_permission (path, errsv, error);
  if (errsv == EBUSY)
    {
      g_autofree char *holder = describe_holder (path);
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_DEVICE_BUSY,
                   "%s is held by %s; end it, or use the kernel's resource manager (Ownership=shared)", path, holder);
      return FALSE;
    }
  if (errsv == ENOENT || errsv == ENOTDIR || errsv == ENODEV || errsv == ENXIO)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE, "there is no TPM at %s (%s)", path, g_strerror (errsv));
  else
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, "cannot open %s: %s", path, g_strerror (errsv));
  return FALSE;
}

const char *
tpm_device_path (const char *tcti)
{
  return g_str_has_prefix (tcti, DEVICE_PREFIX) ? tcti + strlen (DEVICE_PREFIX) : NULL;
}

gboolean
tpm_device_probe (const char *tcti, GError **error)
{
  const char *path = tpm_device_path (tcti);

  if (path == NULL)
    return TRUE;
  int fd = open (path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return fail_probe (path, errno, error);
  (void) close (fd);
  return TRUE;
}

/* Properties of a device tree are lists of NUL-terminated strings. */
static gboolean
property_has_prefix (const char *folder, const char *property, const char *prefix)
{
  g_autofree char *path = g_build_filename (folder, property, NULL);
  g_autofree char *content = NULL;
  gsize size = 0;

  if (!g_file_get_contents (path, &content, &size, NULL))
    return FALSE;
  for (gsize at = 0; at < size; at += strlen (content + at) + 1)
    if (g_str_has_prefix (content + at, prefix))
      return TRUE;
  return FALSE;
}

static gboolean
is_tcg_node (const char *folder)
{
  return property_has_prefix (folder, "compatible", "tcg,tpm") && !property_has_prefix (folder, "status", "disabled");
}

static gboolean
devicetree_has_tpm (const char *folder, guint depth)
{
  if (is_tcg_node (folder))
    return TRUE;

  g_autoptr (GDir) dir = depth > 0 ? g_dir_open (folder, 0, NULL) : NULL;
  const char *name;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK)
          && devicetree_has_tpm (path, depth - 1))
        return TRUE;
    }
  return FALSE;
}

static gboolean
acpi_has_tpm (const char *sysfs_root)
{
  g_autofree char *folder = g_build_filename (sysfs_root, "bus/acpi/devices", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "MSFT0101"))
      return TRUE;
  return FALSE;
}

gboolean
tpm_device_is_announced (const char *sysfs_root)
{
  g_autofree char *table = g_build_filename (sysfs_root, "firmware/acpi/tables/TPM2", NULL);
  g_autofree char *tree = g_build_filename (sysfs_root, "firmware/devicetree/base", NULL);

  return g_file_test (table, G_FILE_TEST_EXISTS) || acpi_has_tpm (sysfs_root) || devicetree_has_tpm (tree, DEVICETREE_DEPTH);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-value.h"
#include "doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RULE "65-tpmidd.rules"
#define NEXT_RULE \
  "Install " RULE ", then: udevadm control --reload; udevadm trigger --subsystem-match=tpm --subsystem-match=tpmrm."
#define ACL "system.posix_acl_access" /* acl(5) */

/* /dev/tpmrm0, without which Ownership=shared has nothing to open, is there since Linux 4.12. */
#define KERNEL_MAJOR 4
#define KERNEL_MINOR 12

/* What the kernel calls its TPMs: tpm0, tpm1 */
static GPtrArray *
list_tpms (const Doctor *self)
{
  g_autofree char *sysfs = doctor_configured (self, "SysfsRoot");
  g_autofree char *folder = g_build_filename (sysfs, "class/tpm", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "tpm"))
      g_ptr_array_add (names, g_strdup (name));
  return names;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
report_none (Doctor *self)
{
  const tpmid_value *tpm = tpmid_value_find (self->status, "tpm");
  const char *tcti = client_value_text (tpm, "tcti");

  if (tcti[0] != '\0' && !g_str_has_prefix (tcti, "device"))
    doctor_add (self, "device", "tpm", DOCTOR_SKIP, NULL, "tpmidd reaches its TPM by %s, not by the kernel", tcti);
  else if (client_value_is (tpm, "state", "off") || client_value_is (self->status, "mode", "software"))
    doctor_add (self, "device", "tpm", DOCTOR_SKIP, NULL, "the kernel has no TPM, and this device does without");
  else
    doctor_add (self, "device", "tpm", DOCTOR_WARN, "Enable the TPM in the firmware, and load its driver: journalctl -k -g tpm.",
                "the kernel has no TPM");
}

/* The file is there since Linux 5.6; a TPM 1.2 had other files already. */
static void
check_version (Doctor *self, const char *name)
{
  g_autofree char *sysfs = doctor_configured (self, "SysfsRoot");
  g_autofree char *path = g_build_filename (sysfs, "class/tpm", name, "tpm_version_major", NULL);
  g_autofree char *version = doctor_read (path);

  if (version == NULL)
    doctor_add (self, "device", "version", DOCTOR_SKIP, NULL, "the kernel does not say which version %s is", name);
  else if (g_ascii_strtoull (version, NULL, 10) == 2)
    doctor_add (self, "device", "version", DOCTOR_PASS, NULL, "%s is a TPM 2.0", name);
  else
    doctor_add (self, "device", "version", DOCTOR_FAIL, "Switch it to version 2.0 in the firmware, or set Tpm=off.",
                "%s is a TPM 1.2",
                name);
}

/* Why others than root and tpmidd can open the node; NULL where they cannot. */
static char *
find_intruder (const Doctor *self, const struct stat *st)
{
  gboolean has_members;
  g_autofree char *owner = doctor_user_name (self, st->st_uid);
  g_autofree char *group = doctor_group_name (self, st->st_gid, &has_members);

  if ((st->st_mode & S_IRWXO) != 0)
    return g_strdup ("every user");
  if (st->st_uid != 0 && st->st_uid != self->tpmidd_uid && (st->st_mode & S_IRWXU) != 0)
    return g_strdup_printf ("the user %s", owner);
  if (st->st_gid != 0 && (st->st_mode & S_IRWXG) != 0 && !g_str_equal (group, "tpmidd") && has_members)
    return g_strdup_printf ("the group %s", group);
  if (g_str_equal (group, "tpmidd") && (st->st_mode & S_IRWXG) != 0 && has_members)
    return g_strdup ("users in the group tpmidd");
  return NULL;
}

/* tpmidd opens it by owner or, where the group is its own, by that. */
static gboolean
is_for_tpmidd (const Doctor *self, const struct stat *st)
{
  gboolean has_members;
  g_autofree char *group = doctor_group_name (self, st->st_gid, &has_members);

  if (self->daemon_uid == 0)
    return TRUE;
  if (st->st_uid == self->tpmidd_uid)
    return (st->st_mode & (S_IRUSR | S_IWUSR)) == (S_IRUSR | S_IWUSR);
  return g_str_equal (group, "tpmidd") && (st->st_mode & (S_IRGRP | S_IWGRP)) == (S_IRGRP | S_IWGRP);
}

static void
check_node (Doctor *self, const char *name, gboolean is_needed)
{
  g_autofree char *path = doctor_path (self, "/dev/%s", name);
  struct stat st;

  if (stat (path, &st) != 0)
    {
      if (is_needed)
        doctor_add (self, "device", "node", DOCTOR_FAIL, "Is /dev a devtmpfs, and is udev running?", "%s: %s", path,
                    g_strerror (errno));
      return;
    }

  g_autofree char *intruder = find_intruder (self, &st);
  g_autofree char *owner = doctor_user_name (self, st.st_uid);
  gboolean has_members;
  g_autofree char *group = doctor_group_name (self, st.st_gid, &has_members);
  g_autofree char *what = g_strdup_printf ("%s is of %s:%s, mode %04o", path, owner, group, (guint) st.st_mode & 07777);

  if (intruder != NULL)
    doctor_add (self, "device", "node", DOCTOR_FAIL, NEXT_RULE, "%s: %s can use every key in the TPM", what, intruder);
  else if (!is_for_tpmidd (self, &st))
    doctor_add (self, "device", "node", DOCTOR_FAIL, NEXT_RULE, "%s: tpmidd cannot open it", what);
  else if (getxattr (path, ACL, NULL, 0) > 0)
    doctor_add (self, "device", "node", DOCTOR_WARN, "getfacl shows it; setfacl -b takes it away.",
                "%s, and has an access list", what);
  else
    doctor_add (self, "device", "node", DOCTOR_PASS, NULL, "%s", what);
}

/* Whether a process has @device open; and whether all of its descriptors could be looked at. */
static gboolean
holds (const char *process, const char *device, gboolean *ret_is_complete)
{
  g_autofree char *folder = g_build_filename (process, "fd", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  *ret_is_complete = dir != NULL;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);
      if (g_strcmp0 (target, device) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
report_holder (Doctor *self, const char *process, const char *pid, const char *device)
{
  g_autofree char *path = g_build_filename (process, "comm", NULL);
  g_autofree char *name = doctor_read (path);
  struct stat st = { 0 };
  gboolean is_tpmidd = g_strcmp0 (name != NULL ? g_strchomp (name) : NULL, "tpmidd") == 0 && stat (process, &st) == 0
                       && (st.st_uid == 0 || st.st_uid == self->tpmidd_uid);

  doctor_add (self, "device", "holder", is_tpmidd ? DOCTOR_PASS : DOCTOR_WARN,
              is_tpmidd ? NULL : "Stop that program: it can use every key in the TPM, and keeps others from it.",
              "%s is held by %s, process %s", device, name != NULL ? name : "a program without a name", pid);
}

static void
check_holder (Doctor *self, const char *name)
{
  g_autofree char *device = g_strconcat ("/dev/", name, NULL);
  g_autofree char *folder = doctor_configured (self, "ProcRoot");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  gboolean is_complete = dir != NULL, found = FALSE;
  const char *pid;

  while (dir != NULL && (pid = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *process = g_build_filename (folder, pid, NULL);
      gboolean is_readable;
      if (!g_ascii_isdigit (pid[0]))
        continue;
      if (holds (process, device, &is_readable))
        {
          report_holder (self, process, pid, device);
          found = TRUE;
        }
      /* One that has just ended hides nothing. */
      is_complete = is_complete && (is_readable || !g_file_test (process, G_FILE_TEST_EXISTS));
    }
  if (!found)
    doctor_add (self, "device", "holder", is_complete ? DOCTOR_PASS : DOCTOR_SKIP, NULL, "%s%s", device,
                is_complete ? " is held by nobody" : ": who holds it is for root to see");
}

static void
check_rule (Doctor *self, gboolean has_tpm)
{
  /* In the order in which udev(7) lets one take the place of its namesake. */
  static const char *const folders[] = { "/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
                                         "/usr/lib/udev/rules.d", "/lib/udev/rules.d" };

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = doctor_path (self, "%s/" RULE, folders[i]);
      g_autofree char *content = doctor_read (path);
      if (content == NULL)
        continue;
      if (strstr (content, "OWNER=\"tpmidd\"") != NULL)
        doctor_add (self, "device", "udev-rule", DOCTOR_PASS, NULL, "%s gives the TPM to tpmidd", path);
      else
        doctor_add (self, "device", "udev-rule", DOCTOR_WARN,
                    "Remove that file, or see that another rule gives the TPM to tpmidd.",
                    "%s masks the rule that gives the TPM to tpmidd", path);
      return;
    }
  doctor_add (self, "device", "udev-rule", has_tpm ? DOCTOR_FAIL : DOCTOR_WARN, NEXT_RULE,
              "the udev rule " RULE " is not installed");
}

static void
check_kernel (Doctor *self)
{
  g_autofree char *proc = doctor_configured (self, "ProcRoot");
  g_autofree char *path = g_build_filename (proc, "sys/kernel/osrelease", NULL);
  g_autofree char *release = doctor_read (path);
  char *end = NULL;

  if (release == NULL)
    {
      doctor_add (self, "device", "kernel", DOCTOR_SKIP, NULL, "%s: %s", path, g_strerror (errno));
      return;
    }
  guint64 major = g_ascii_strtoull (release, &end, 10), minor = *end == '.' ? g_ascii_strtoull (end + 1, NULL, 10) : 0;
  gboolean is_good = major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR);
  doctor_add (self, "device", "kernel", is_good ? DOCTOR_PASS : DOCTOR_FAIL,
              is_good ? NULL : "Update the kernel, or set Ownership=exclusive.", "Linux %s%s", g_strchomp (release),
              is_good ? "" : " has no resource manager (/dev/tpmrm0), which came with 4.12");
}

void
doctor_device_check (Doctor *self)
{
  g_autoptr (GPtrArray) names = list_tpms (self);

  g_ptr_array_sort (names, compare_names);
  if (names->len == 0)
    report_none (self);
  for (guint i = 0; i < names->len; i++)
    {
      const char *name = names->pdata[i];
      g_autofree char *managed = g_strconcat ("tpmrm", name + strlen ("tpm"), NULL);

      check_version (self, name);
      check_node (self, name, TRUE);
      check_node (self, managed, FALSE);
      check_holder (self, name);
    }
  check_rule (self, names->len > 0);
  check_kernel (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-value.h"
#include "doctor.h"

#include <errno.h>
#include <string.h>

#define RULE DOCTOR_RULE

/* /dev/tpmrm0, without which Ownership=shared has nothing to open, is there since Linux 4.12. */
#define KERNEL_MAJOR 4
#define KERNEL_MINOR 12

/* What the kernel calls its TPMs: tpm0, tpm1 */
static GPtrArray *
list_tpms (const Doctor *self)
{
  g_autofree char *sysfs = doctor_path (self, "/sys");
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
  g_autofree char *sysfs = doctor_path (self, "/sys");
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
  doctor_add (self, "device", "udev-rule", has_tpm ? DOCTOR_FAIL : DOCTOR_WARN, DOCTOR_NEXT_RULE,
              "the udev rule " RULE " is not installed");
}

static void
check_kernel (Doctor *self)
{
  g_autofree char *proc = doctor_path (self, "/proc");
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
      check_version (self, names->pdata[i]);
      doctor_node_check (self, names->pdata[i]);
    }
  check_rule (self, names->len > 0);
  check_kernel (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-ownership.h"
#include "identity-passwords.h"
#include "test-password.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

G_BEGIN_DECLS

/* A device with a TPM, a disk and a boot id, for tests of who owns the TPM. g_auto. */
typedef struct
{
  TestSwtpm *swtpm;
  BaseConfig *config;
  char *folder, *state, *file; /* @file: where the passwords rest */
  guint boots;
} TestDevice;

static inline void
test_device_set_boot_id (TestDevice *device)
{
  g_autofree char *folder = g_build_filename (device->folder, "proc/sys/kernel/random", NULL);
  g_autofree char *path = g_build_filename (folder, "boot_id", NULL);
  g_autofree char *id = g_strdup_printf ("boot-%u\n", device->boots++);

  g_assert_no_errno (g_mkdir_with_parents (folder, 0755));
  g_assert_true (g_file_set_contents (path, id, -1, NULL));
}

static inline BaseConfig *
test_device_config (TestDevice *device, const char *ownership)
{
  g_autofree char *path = g_build_filename (device->folder, "tpmidd.conf", NULL);
  g_autofree char *text
      = g_strdup_printf ("[tpmidd]\nOwnership=%s\nStatePath=%s\nRuntimePath=%s/run\nProcRoot=%s/proc\nPasswordsPath=%s/credentials\n", ownership,
                         device->state, device->folder, device->folder, device->folder);
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  BaseConfig *config = base_config_load (path, NULL, &warnings, &error);
  g_assert_no_error (error);
  return config;
}

static inline void
test_device_init (TestDevice *device, const char *ownership)
{
  *device = (TestDevice){ .swtpm = test_swtpm_new () };
  device->folder = g_build_filename (test_swtpm_folder (device->swtpm), "device", NULL);
  device->state = g_build_filename (device->folder, "state", NULL);
  device->file = g_build_filename (device->state, "ownership", NULL);
  test_device_set_boot_id (device);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *path = g_build_filename (device->folder, i == 0 ? "run" : "credentials", NULL);
      g_assert_no_errno (g_mkdir (path, 0755));
    }
  device->config = test_device_config (device, ownership);
}

static inline void
test_device_clear (TestDevice *device)
{
  base_config_free (device->config);
  test_swtpm_assert_clean (device->swtpm);
  test_swtpm_free (device->swtpm);
  g_free (device->folder);
  g_free (device->state);
  g_free (device->file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestDevice, test_device_clear)

#define DEVICE(name, policy)                                                                                                             \
  g_auto (TestDevice) name = { NULL };                                                                                                   \
  test_device_init (&name, policy)

/* No orderly shutdown; and another boot of the machine. */
static inline void
test_device_cut_power (TestDevice *device)
{
  test_swtpm_kill (device->swtpm);
  test_swtpm_start (device->swtpm);
  test_device_set_boot_id (device);
}

static inline void
test_device_lose_disk (TestDevice *device)
{
  test_swtpm_run (device->swtpm, "rm -rf %s", device->state);
}

/* What a restored backup leaves: passwords, but not those that the TPM has. */
static inline void
test_device_make_stale (TestDevice *device)
{
  g_auto (IdentityPasswords) other = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_passwords_generate (&other, NULL));
  other.state = IDENTITY_PASSWORDS_OWNED;
  (void) identity_passwords_save (device->state, &other, &error);
  g_assert_no_error (error);
}

static inline TpmLink *
test_device_link (TestDevice *device)
{
  return test_password_link (test_swtpm_tcti (device->swtpm), device->config->ownership == BASE_OWNERSHIP_EXCLUSIVE);
}

/* What the first boot does, and with @take FALSE each later one. */
static inline gboolean
test_device_try_boot (TestDevice *device, TpmLink *link, gboolean take, IdentityOwnership *ret_status, GError **error)
{
  const TpmParent parent = { .handle = device->config->parent_handle };

  if (!tpm_link_ensure (link, error))
    return FALSE;
  identity_ownership_prepare (link, device->config, ret_status);
  if (take && !identity_ownership_take (link, device->config, &parent, ret_status, error))
    return FALSE;
  identity_ownership_settle (link, device->config, TRUE, ret_status);
  return TRUE;
}

static inline IdentityOwnership
test_device_boot (TestDevice *device, TpmLink *link, gboolean take)
{
  IdentityOwnership status;
  g_autoptr (GError) error = NULL;

  (void) test_device_try_boot (device, link, take, &status, &error);
  g_assert_no_error (error);
  return status;
}

/* As a process of its own would. */
static inline IdentityOwnership
test_device_boot_once (TestDevice *device, gboolean take)
{
  g_autoptr (TpmLink) link = test_device_link (device);

  return test_device_boot (device, link, take);
}

#define assert_ownership(status, expected)                                                                                               \
  g_assert_cmpstr (identity_ownership_state_name ((status).state), ==, identity_ownership_state_name (expected))

#define assert_kind(kind, expected) g_assert_cmpstr (identity_password_kind_name (kind), ==, identity_password_kind_name (expected))

/* Not by what we believe: by the TPM. */
static inline void
test_device_assert_passwords_work (TestDevice *device)
{
  g_auto (IdentityPasswords) own = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) error = NULL;
  struct stat info;
  gsize size;

  (void) identity_passwords_load (device->state, &own, &error);
  g_assert_no_error (error);
  g_assert_cmpint (own.state, ==, IDENTITY_PASSWORDS_OWNED);
  g_assert_no_errno (g_stat (device->file, &info));
  g_assert_cmphex (info.st_mode & 07777, ==, 0600);
  const char *owner = (const char *) base_secret_peek (own.owner, &size);
  const char *lockout = (const char *) base_secret_peek (own.lockout, &size);
  test_swtpm_run (device->swtpm, "tpm2_changeauth -Q -c owner -p %s %s", owner, owner);
  test_swtpm_run (device->swtpm, "tpm2_changeauth -Q -c lockout -p %s %s", lockout, lockout);
}

static inline void
test_device_assert_empty (TestDevice *device)
{
  test_swtpm_run (device->swtpm, "tpm2_changeauth -Q -c owner");
  test_swtpm_run (device->swtpm, "tpm2_changeauth -Q -c lockout");
  g_assert_false (g_file_test (device->file, G_FILE_TEST_EXISTS));
}

G_END_DECLS

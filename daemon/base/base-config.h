/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  BASE_TPM_AUTO,     /* use a TPM where there is one, a software key where there is none */
  BASE_TPM_REQUIRED, /* never make a software key */
  BASE_TPM_OFF,      /* never open the TPM */
} BaseTpmPolicy;

typedef enum
{
  BASE_OWNERSHIP_SHARED,    /* others use the TPM too: /dev/tpmrm0 */
  BASE_OWNERSHIP_EXCLUSIVE, /* the TPM is ours alone: /dev/tpm0 */
} BaseOwnership;

typedef enum
{
  BASE_CLEAR_AUTO,   /* where the TPM is ours alone */
  BASE_CLEAR_ALWAYS,
  BASE_CLEAR_NEVER,
} BaseClear;

typedef enum
{
  BASE_CREDENTIALS_AUTO,
  BASE_CREDENTIALS_OFF,
} BaseCredentials;

/**
 * BaseConfig:
 *
 * The effective configuration. Built once, constant afterwards, so any thread may read it. Each member is one key of
 * tpmidd.conf(5), described with range and default in the table of base-config.c.
 */
typedef struct
{
  int tpm;       /* BaseTpmPolicy */
  int ownership; /* BaseOwnership */
  char *tcti;    /* "" = by ownership and sysfs */
  guint tpm_wait_sec;
  int clear_on_reset; /* BaseClear */
  guint password_index;
  guint reset_index;
  char *passwords_path; /* "" = where systemd puts credentials */
  guint device_key_handle;
  int credentials; /* BaseCredentials */
  guint credentials_key_handle;
  guint parent_handle;
  guint keys_per_user;
  guint serial_index;
  guint serial_size; /* 0 = the serial number's own length */
  GStrv serial_sources;
  char *serial_file;
  char *marker_path;
  char *certificate_path;
  char *software_key_path;
  char *state_path;
  char *runtime_path;
  char *sysfs_root;
  char *proc_root;
  char *sign_group;
  char *decrypt_group;
  guint request_timeout_sec;
  guint queue_size;
  guint queue_per_client;
} BaseConfig;

/**
 * base_config_load:
 * @path: (nullable): a configuration file to read, with PATH.d/ *.conf after it, in place of the system's; it must exist.
 *   %NULL reads /usr/lib/tpmidd/tpmidd.conf, /etc/tpmidd/tpmidd.conf and then the drop-ins of both tpmidd.conf.d
 *   folders sorted by file name, where one in /etc masks one of the same name in /usr/lib
 * @overrides: (nullable) (array zero-terminated=1): "KEY=VALUE", applied last
 * @ret_warnings: (out) (transfer full) (element-type utf8): one sentence for each unknown key, with file and line
 * @error: TPMID_ERROR_CONFIG naming file and line, or two keys that do not go together
 *
 * Returns: (transfer full) (nullable): the configuration
 */
BaseConfig *base_config_load (const char *path, const char *const *overrides, GPtrArray **ret_warnings, GError **error);

void base_config_free (BaseConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseConfig, base_config_free)

/**
 * base_config_describe:
 *
 * Returns: (transfer full): every key with type, range, default and meaning, for --help-config; the shipped
 * tpmidd.conf and the man page are checked against it
 */
char *base_config_describe (void);

/**
 * base_config_print:
 *
 * Returns: (transfer full): the effective configuration in the form of a configuration file, for --check-config
 */
char *base_config_print (const BaseConfig *config);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-config.h"

#include "base-error.h"
#include "base-file.h"

#include <stdlib.h>
#include <string.h>

#define SECTION "tpmidd"
#define VENDOR_FOLDER "/usr/lib/tpmidd"
#define SYSTEM_FOLDER "/etc/tpmidd"
#define FILE_LIMIT (64 * 1024)

typedef enum
{
  KEY_CHOICE,
  KEY_NUMBER,
  KEY_HANDLE, /* a number that people write in hex */
  KEY_STRING,
  KEY_PATH,
  KEY_OPTIONAL_PATH, /* or empty */
  KEY_WORDS,
} KeyType;

typedef struct
{
  const char *name;
  KeyType type;
  gsize offset;
  guint min, max;
  const char *const *choices; /* CHOICE: index is the value; WORDS: the words allowed */
  const char *initial;
  const char *meaning;
} ConfigKey;

static const char *const tpm_choices[] = { "auto", "required", "off", NULL };
static const char *const ownership_choices[] = { "shared", "exclusive", NULL };
static const char *const clear_choices[] = { "auto", "always", "never", NULL };
static const char *const credentials_choices[] = { "auto", "off", NULL };
static const char *const serial_choices[] = { "tpm-nv", "dmi", "device-tree", "file", NULL };

#define AT(member) G_STRUCT_OFFSET (BaseConfig, member)

static const ConfigKey keys[] = {
  { "Tpm", KEY_CHOICE, AT (tpm), 0, 0, tpm_choices, "auto",
    "auto uses a TPM where there is one and a software key where there is none; required never makes a software key; off never opens the TPM." },
  { "Ownership", KEY_CHOICE, AT (ownership), 0, 0, ownership_choices, "shared",
    "shared leaves room for other programs (/dev/tpmrm0); exclusive holds the TPM alone (/dev/tpm0)." },
  { "Tcti", KEY_STRING, AT (tcti), 0, 0, NULL, "",
    "TCTI configuration as in tctildr(3), NAME:CONFIG. Empty: the kernel's device, by Ownership." },
  { "TpmWaitSec", KEY_NUMBER, AT (tpm_wait_sec), 0, 600, NULL, "30",
    "Seconds to wait at start for a TPM that firmware or sysfs announces but that has not probed yet." },
  { "ClearOnReset", KEY_CHOICE, AT (clear_on_reset), 0, 0, clear_choices, "auto",
    "Whether a factory reset clears the whole TPM (TPM2_Clear): auto does where the TPM is held alone, always and never say so for either." },
  { "PasswordIndex", KEY_HANDLE, AT (password_index), 0x01800000, 0x01bfffff, NULL, "0x01805402",
    "NV index of the TPM's passwords that tpmidd set, in the owner's range." },
  { "ResetIndex", KEY_HANDLE, AT (reset_index), 0x01800000, 0x01bfffff, NULL, "0x01805403",
    "NV index of the last factory reset that the kernel command line asked for, in the owner's range." },
  { "PasswordsPath", KEY_OPTIONAL_PATH, AT (passwords_path), 0, 0, NULL, "",
    "Folder of passwords of the TPM that others set: tpmidd.owner-auth, tpmidd.lockout-auth, tpmidd.endorsement-auth. Empty: the unit's credentials." },
  { "DeviceKeyHandle", KEY_HANDLE, AT (device_key_handle), 0x81000002, 0x817fffff, NULL, "0x81005401",
    "Persistent handle of the identity key, in the owner's range." },
  { "Credentials", KEY_CHOICE, AT (credentials), 0, 0, credentials_choices, "auto",
    "auto makes the RSA-2048 key \"credentials\", for what others encrypt to this device, in the background after the first boot; off does not." },
  { "CredentialsKeyHandle", KEY_HANDLE, AT (credentials_key_handle), 0x81000002, 0x817fffff, NULL, "0x81005402",
    "Persistent handle of the key \"credentials\", in the owner's range." },
  { "ParentHandle", KEY_HANDLE, AT (parent_handle), 0x81000002, 0x817fffff, NULL, "0x81005400",
    "Persistent handle of the owner's ECC storage root key, made when the first key besides the identity key needs it." },
  { "KeysPerUser", KEY_NUMBER, AT (keys_per_user), 0, 4096, NULL, "16", "Keys that one user other than root may own." },
  { "SerialIndex", KEY_HANDLE, AT (serial_index), 0x01000000, 0x01ffffff, NULL, "0x01805401",
    "NV index of the serial number; the owner's range is 0x01800000 to 0x01bfffff." },
  { "SerialSize", KEY_NUMBER, AT (serial_size), 0, 64, NULL, "0",
    "Size in bytes of a serial number index that tpmidd defines; shorter serial numbers are padded with NUL. 0: the serial number's own length." },
  { "SerialSources", KEY_WORDS, AT (serial_sources), 0, 0, serial_choices, "tpm-nv dmi device-tree file",
    "Where to look for the serial number, in this order." },
  { "SerialFile", KEY_PATH, AT (serial_file), 0, 0, NULL, "/etc/tpmidd/serial",
    "The file of the source \"file\"; its first line counts." },
  { "MarkerPath", KEY_PATH, AT (marker_path), 0, 0, NULL, "/persist/config/tpm_in_use", "The mode marker." },
  { "CertificatePath", KEY_PATH, AT (certificate_path), 0, 0, NULL, "/config/device.cert.pem",
    "The device certificate, PEM." },
  { "SoftwareKeyPath", KEY_PATH, AT (software_key_path), 0, 0, NULL, "/config/device.key.pem",
    "The private key of a device without a TPM, PEM." },
  { "StatePath", KEY_PATH, AT (state_path), 0, 0, NULL, "/persist/tpmidd", "Folder of records and keys, mode 0700." },
  { "RuntimePath", KEY_PATH, AT (runtime_path), 0, 0, NULL, "/run/tpmid", "Folder of the file mode and of the lock." },
  { "SysfsRoot", KEY_PATH, AT (sysfs_root), 0, 0, NULL, "/sys", "Where sysfs is mounted." },
  { "ProcRoot", KEY_PATH, AT (proc_root), 0, 0, NULL, "/proc", "Where procfs is mounted." },
  { "SignGroup", KEY_STRING, AT (sign_group), 0, 0, NULL, "tpmid-sign", "Group that may sign with the device's keys." },
  { "DecryptGroup", KEY_STRING, AT (decrypt_group), 0, 0, NULL, "tpmid-decrypt",
    "Group that may decrypt with the device's keys." },
  { "RequestTimeoutSec", KEY_NUMBER, AT (request_timeout_sec), 1, 600, NULL, "20",
    "A caller gets its answer, or Timeout, within this many seconds; D-Bus clients commonly wait for 25." },
  { "QueueSize", KEY_NUMBER, AT (queue_size), 1, 4096, NULL, "64", "Jobs that may wait for the TPM in all." },
  { "QueuePerClient", KEY_NUMBER, AT (queue_per_client), 1, 4096, NULL, "8", "Jobs of one client that may wait." },
};

static const ConfigKey *
find_key (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].name, name) == 0)
      return &keys[i];
  return NULL;
}

static gboolean
parse_number (const ConfigKey *key, const char *text, guint *ret_number)
{
  char *end = NULL;
  guint64 number = g_ascii_strtoull (text, &end, 0);

  if (!g_ascii_isdigit (text[0]) || *end != '\0' || number < key->min || number > key->max)
    return FALSE;
  *ret_number = (guint) number;
  return TRUE;
}

static gboolean
parse_words (const ConfigKey *key, const char *text, GStrv *ret_words)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  g_auto (GStrv) parts = g_strsplit_set (text, " \t", -1);

  for (guint i = 0; parts[i] != NULL; i++)
    {
      if (parts[i][0] == '\0')
        continue;
      if (!g_strv_contains (key->choices, parts[i]))
        return FALSE;
      g_ptr_array_add (words, g_strdup (parts[i]));
    }
  g_ptr_array_add (words, NULL);
  *ret_words = (GStrv) g_ptr_array_free (g_steal_pointer (&words), FALSE);
  return TRUE;
}

static gboolean
set_value (BaseConfig *config, const ConfigKey *key, const char *text)
{
  gpointer member = G_STRUCT_MEMBER_P (config, key->offset);

  switch (key->type)
    {
    case KEY_CHOICE:
      for (int i = 0; key->choices[i] != NULL; i++)
        if (strcmp (key->choices[i], text) == 0)
          {
            *(int *) member = i;
            return TRUE;
          }
      return FALSE;
    case KEY_NUMBER:
    case KEY_HANDLE:
      return parse_number (key, text, member);
    case KEY_PATH:
    case KEY_OPTIONAL_PATH:
      if (!g_path_is_absolute (text) && (key->type == KEY_PATH || text[0] != '\0'))
        return FALSE;
      G_GNUC_FALLTHROUGH;
    case KEY_STRING:
      g_free (*(char **) member);
      *(char **) member = g_strdup (text);
      return TRUE;
    case KEY_WORDS:
      {
        GStrv words = NULL;
        if (!parse_words (key, text, &words))
          return FALSE;
        g_strfreev (*(GStrv *) member);
        *(GStrv *) member = words;
        return TRUE;
      }
    }
  g_return_val_if_reached (FALSE);
}

static char *
describe_range (const ConfigKey *key)
{
  g_autofree char *joined = key->choices != NULL ? g_strjoinv (", ", (GStrv) key->choices) : NULL;

  switch (key->type)
    {
    case KEY_CHOICE:
      return g_strdup_printf ("one of: %s", joined);
    case KEY_NUMBER:
      return g_strdup_printf ("a number from %u to %u", key->min, key->max);
    case KEY_HANDLE:
      return g_strdup_printf ("a number from 0x%08x to 0x%08x", key->min, key->max);
    case KEY_STRING:
      return g_strdup ("a string");
    case KEY_PATH:
      return g_strdup ("an absolute path");
    case KEY_OPTIONAL_PATH:
      return g_strdup ("an absolute path, or empty");
    case KEY_WORDS:
      return g_strdup_printf ("any of: %s", joined);
    }
  g_return_val_if_reached (NULL);
}

/* Where a line stands, for messages: "/etc/tpmidd/tpmidd.conf:7" or "--set". */
static gboolean
apply_assignment (BaseConfig *config, const char *line, const char *where, GPtrArray *warnings, GError **error)
{
  const char *equals = strchr (line, '=');

  if (equals == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "%s: \"%s\" is not of the form KEY=VALUE", where, line);
      return FALSE;
    }
  g_autofree char *name = g_strstrip (g_strndup (line, (gsize) (equals - line)));
  g_autofree char *value = g_strstrip (g_strdup (equals + 1));
  const ConfigKey *key = find_key (name);

  if (key == NULL)
    {
      g_ptr_array_add (warnings, g_strdup_printf ("%s: unknown key %s ignored; tpmidd --help-config lists all keys", where, name));
      return TRUE;
    }
  if (!set_value (config, key, value))
    {
      g_autofree char *range = describe_range (key);
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "%s: %s=%s is not valid; %s must be %s", where, name, value,
                   name, range);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_section (const char *line, const char *where, GError **error)
{
  if (strcmp (line, "[" SECTION "]") == 0)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "%s: section %s is not known; there is only [" SECTION "]", where,
               line);
  return FALSE;
}

/* A NUL byte is not text either: all behind it would be ignored without a word. */
static gboolean
check_text (const char *path, const char *data, gsize size, GError **error)
{
  const char *end = data;
  guint line = 1;

  if (size == 0 || g_utf8_validate_len (data, size, &end))
    return TRUE;
  for (const char *p = data; p < end; p++)
    if (*p == '\n')
      line++;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "%s:%u: not valid UTF-8 text", path, line);
  return FALSE;
}

static gboolean
apply_file (BaseConfig *config, const char *path, GPtrArray *warnings, GError **error)
{
  g_autofree char *target = realpath (path, NULL);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) cause = NULL;

  /* The way in which an administrator switches a drop-in off, as in systemd. */
  if (g_strcmp0 (target, "/dev/null") == 0)
    return TRUE;
  if (!base_file_read (target != NULL ? target : path, FILE_LIMIT, &bytes, &cause))
    {
      g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_CONFIG, cause->message);
      return FALSE;
    }
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  if (!check_text (path, data, size, error))
    return FALSE;
  /* An empty file, such as one that masks another, has no data at all. */
  g_autofree char *text = size > 0 ? g_strndup (data, size) : g_strdup ("");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean in_section = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *line = g_strstrip (lines[i]);
      g_autofree char *where = g_strdup_printf ("%s:%u", path, i + 1);

      if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        continue;
      if (line[0] == '[')
        {
          if (!check_section (line, where, error))
            return FALSE;
          in_section = TRUE;
          continue;
        }
      if (!in_section)
        {
          g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "%s: \"%s\" stands before the line [" SECTION "]", where, line);
          return FALSE;
        }
      if (!apply_assignment (config, line, where, warnings, error))
        return FALSE;
    }
  return TRUE;
}

/* Drop-ins by file name; a folder added later masks the same name in an earlier one. */
static void
collect_drop_ins (GHashTable *by_name, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".conf"))
      g_hash_table_replace (by_name, g_strdup (name), g_build_filename (folder, name, NULL));
}

static GPtrArray *
list_files (const char *path)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GHashTable) drop_ins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (path != NULL)
    {
      g_autofree char *folder = g_strconcat (path, ".d", NULL);
      g_ptr_array_add (files, g_strdup (path));
      collect_drop_ins (drop_ins, folder);
    }
  else
    {
      const char *const main_files[] = { VENDOR_FOLDER "/tpmidd.conf", SYSTEM_FOLDER "/tpmidd.conf" };
      for (gsize i = 0; i < G_N_ELEMENTS (main_files); i++)
        if (g_file_test (main_files[i], G_FILE_TEST_EXISTS))
          g_ptr_array_add (files, g_strdup (main_files[i]));
      collect_drop_ins (drop_ins, VENDOR_FOLDER "/tpmidd.conf.d");
      collect_drop_ins (drop_ins, SYSTEM_FOLDER "/tpmidd.conf.d");
    }

  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (drop_ins), (GCompareFunc) strcmp);
  for (GList *l = names; l != NULL; l = l->next)
    g_ptr_array_add (files, g_strdup (g_hash_table_lookup (drop_ins, l->data)));
  return g_steal_pointer (&files);
}

/* Two things cannot lie at one handle. */
static gboolean
check_handles (const BaseConfig *config, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    for (gsize j = i + 1; j < G_N_ELEMENTS (keys); j++)
      if (keys[i].type == KEY_HANDLE && keys[j].type == KEY_HANDLE
          && G_STRUCT_MEMBER (guint, config, keys[i].offset) == G_STRUCT_MEMBER (guint, config, keys[j].offset))
        {
          g_set_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG, "%s= and %s= are both 0x%08x; each needs a handle of its own", keys[i].name,
                       keys[j].name, G_STRUCT_MEMBER (guint, config, keys[i].offset));
          return FALSE;
        }
  return TRUE;
}

BaseConfig *
base_config_load (const char *path, const char *const *overrides, GPtrArray **ret_warnings, GError **error)
{
  g_autoptr (BaseConfig) config = g_new0 (BaseConfig, 1);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) files = list_files (path);

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (!set_value (config, &keys[i], keys[i].initial))
      g_assert_not_reached ();
  for (guint i = 0; i < files->len; i++)
    if (!apply_file (config, files->pdata[i], warnings, error))
      return NULL;
  for (guint i = 0; overrides != NULL && overrides[i] != NULL; i++)
    if (!apply_assignment (config, overrides[i], "--set", warnings, error))
      return NULL;

  if (!check_handles (config, error))
    return NULL;

  *ret_warnings = g_steal_pointer (&warnings);
  return g_steal_pointer (&config);
}

void
base_config_free (BaseConfig *config)
{
  if (config == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      gpointer member = G_STRUCT_MEMBER_P (config, keys[i].offset);
      if (keys[i].type == KEY_STRING || keys[i].type == KEY_PATH || keys[i].type == KEY_OPTIONAL_PATH)
        g_free (*(char **) member);
      else if (keys[i].type == KEY_WORDS)
        g_strfreev (*(GStrv *) member);
    }
  g_free (config);
}

char *
base_config_describe (void)
{
  GString *text = g_string_new ("[" SECTION "]\n");

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *range = describe_range (&keys[i]);
      g_string_append_printf (text, "%s=%s\n    %s (%s)\n", keys[i].name, keys[i].initial, keys[i].meaning, range);
    }
  return g_string_free (text, FALSE);
}

static char *
print_value (const BaseConfig *config, const ConfigKey *key)
{
  gconstpointer member = G_STRUCT_MEMBER_P (config, key->offset);

  switch (key->type)
    {
    case KEY_CHOICE:
      return g_strdup (key->choices[*(const int *) member]);
    case KEY_NUMBER:
      return g_strdup_printf ("%u", *(const guint *) member);
    case KEY_HANDLE:
      return g_strdup_printf ("0x%08x", *(const guint *) member);
    case KEY_STRING:
    case KEY_PATH:
    case KEY_OPTIONAL_PATH:
      return g_strdup (*(char *const *) member);
    case KEY_WORDS:
      return g_strjoinv (" ", *(const GStrv *) member);
    }
  g_return_val_if_reached (NULL);
}

char *
base_config_print (const BaseConfig *config)
{
  GString *text = g_string_new ("[" SECTION "]\n");

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *value = print_value (config, &keys[i]);
      g_string_append_printf (text, "%s=%s\n", keys[i].name, value);
    }
  return g_string_free (text, FALSE);
}

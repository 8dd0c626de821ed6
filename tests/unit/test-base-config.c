/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/base-config.h"
#include "base/base-error.h"
#include "test-base-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LIMIT_SEC 20

/* Every key of tpmidd.conf(5): a new one belongs here, and into the shipped file and the man page. */
static const char *const all_keys[] = {
  "Tpm",
  "Ownership",
  "Tcti",
  "TpmWaitSec",
  "ClearOnReset",
  "PasswordIndex",
  "ResetIndex",
  "PasswordsPath",
  "DeviceKeyHandle",
  "Credentials",
  "CredentialsKeyHandle",
  "ParentHandle",
  "KeysPerUser",
  "SerialIndex",
  "SerialSize",
  "SerialSources",
  "SerialFile",
  "MarkerPath",
  "CertificatePath",
  "SoftwareKeyPath",
  "StatePath",
  "RuntimePath",
  "SysfsRoot",
  "ProcRoot",
  "SignGroup",
  "DecryptGroup",
  "RequestTimeoutSec",
  "QueueSize",
  "QueuePerClient",
};

typedef struct
{
  TestFolder folder;
  char *path;    /* tpmidd.conf */
  char *drop_in; /* tpmidd.conf.d */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = test_folder_new ();
  fixture->path = g_build_filename (fixture->folder, "tpmidd.conf", NULL);
  fixture->drop_in = g_strconcat (fixture->path, ".d", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_folder_clear (&fixture->folder);
  g_free (fixture->path);
  g_free (fixture->drop_in);
}

static void
write_drop_in (Fixture *fixture, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (fixture->drop_in, name, NULL);

  if (mkdir (fixture->drop_in, 0700) < 0)
    g_assert_cmpint (errno, ==, EEXIST);
  test_folder_write (path, text);
}

static BaseConfig *
load (const char *path, const char *const *overrides, guint n_warnings)
{
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseConfig) config = base_config_load (path, overrides, &warnings, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  g_assert_cmpuint (warnings->len, ==, n_warnings);
  return g_steal_pointer (&config);
}

/* Loading fails with a sentence that holds @where and @what. */
static void
assert_refused (const char *path, const char *const *overrides, const char *where, const char *what)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *untouched = (GPtrArray *) &error;
  GPtrArray *warnings = untouched;

  g_assert_null (base_config_load (path, overrides, &warnings, &error));
  g_assert_true (warnings == untouched);
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_CONFIG);
  if (!g_str_has_prefix (error->message, where) || strstr (error->message, what) == NULL)
    g_error ("\"%s\" does not begin with %s or does not hold %s", error->message, where, what);
}

/* The second line of a file is refused. */
static void
assert_line_refused (Fixture *fixture, const char *line, const char *what)
{
  g_autofree char *text = g_strdup_printf ("[tpmidd]\n%s\nTpm=auto\n", line);
  g_autofree char *where = g_strconcat (fixture->path, ":2: ", NULL);

  test_folder_write (fixture->path, text);
  assert_refused (fixture->path, NULL, where, what);
}

static void
test_defaults_are_those_of_the_product (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, "[tpmidd]\n");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);

  g_assert_cmpint (config->tpm, ==, BASE_TPM_AUTO);
  g_assert_cmpint (config->ownership, ==, BASE_OWNERSHIP_SHARED);
  g_assert_cmpstr (config->tcti, ==, "");
  g_assert_cmpuint (config->serial_size, ==, 0);
  g_assert_cmpstr (config->serial_sources[0], ==, "tpm-nv");
  g_assert_cmpuint (g_strv_length (config->serial_sources), ==, 4);
  g_assert_cmpstr (config->marker_path, ==, "/persist/config/tpm_in_use");
  g_assert_cmpstr (config->certificate_path, ==, "/config/device.cert.pem");
  g_assert_cmpstr (config->software_key_path, ==, "/config/device.key.pem");
  g_assert_cmpstr (config->state_path, ==, "/persist/tpmidd");
  g_assert_cmpstr (config->runtime_path, ==, "/run/tpmid");
  g_assert_cmpstr (config->sign_group, ==, "tpmid-sign");
  g_assert_cmpstr (config->decrypt_group, ==, "tpmid-decrypt");
  g_assert_cmpuint (config->serial_index, >=, 0x01800000);
  g_assert_cmpuint (config->serial_index, <=, 0x01bfffff);
  g_assert_cmpint (config->clear_on_reset, ==, BASE_CLEAR_AUTO);
  g_assert_cmpuint (config->password_index, ==, 0x01805402);
  g_assert_cmpuint (config->reset_index, ==, 0x01805403);
  g_assert_cmpstr (config->passwords_path, ==, "");
  g_assert_cmpuint (config->request_timeout_sec, <, 25);
}

/* None of these is a default. */
static const char *const every_key_set = "[tpmidd]\nTpm=required\nOwnership=exclusive\nTcti=swtpm:path=/a=b\nTpmWaitSec=0\n"
                                         "ClearOnReset=never\nPasswordIndex=0x01800001\nResetIndex=0x01bfffff\nPasswordsPath=/a/9\n"
                                         "DeviceKeyHandle=0x81000002\nCredentials=off\nCredentialsKeyHandle=0x81000003\nParentHandle=0x81000004\n"
                                         "KeysPerUser=4096\nSerialIndex=0x01ffffff\nSerialSize=64\n"
                                         "SerialSources=file dmi\nSerialFile=/a/1\nMarkerPath=/a/2\nCertificatePath=/a/3\n"
                                         "SoftwareKeyPath=/a/4\nStatePath=/a/5\nRuntimePath=/a/6\nSysfsRoot=/a/7\n"
                                         "ProcRoot=/a/8\nSignGroup=one\nDecryptGroup=two\nRequestTimeoutSec=600\n"
                                         "QueueSize=4096\nQueuePerClient=1\n";

static void
test_every_key_reaches_its_member (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, every_key_set);
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);

  g_assert_cmpint (config->tpm, ==, BASE_TPM_REQUIRED);
  g_assert_cmpint (config->ownership, ==, BASE_OWNERSHIP_EXCLUSIVE);
  g_assert_cmpstr (config->tcti, ==, "swtpm:path=/a=b");
  g_assert_cmpuint (config->tpm_wait_sec, ==, 0);
  g_assert_cmpint (config->clear_on_reset, ==, BASE_CLEAR_NEVER);
  g_assert_cmpuint (config->password_index, ==, 0x01800001);
  g_assert_cmpuint (config->reset_index, ==, 0x01bfffff);
  g_assert_cmpstr (config->passwords_path, ==, "/a/9");
  g_assert_cmpuint (config->device_key_handle, ==, 0x81000002);
  g_assert_cmpuint (config->serial_index, ==, 0x01ffffff);
  g_assert_cmpuint (config->serial_size, ==, 64);
  g_assert_cmpuint (g_strv_length (config->serial_sources), ==, 2);
  g_assert_cmpstr (config->serial_sources[0], ==, "file");
  g_assert_cmpstr (config->serial_sources[1], ==, "dmi");
  g_assert_cmpstr (config->serial_file, ==, "/a/1");
  g_assert_cmpstr (config->marker_path, ==, "/a/2");
  g_assert_cmpstr (config->certificate_path, ==, "/a/3");
  g_assert_cmpstr (config->software_key_path, ==, "/a/4");
  g_assert_cmpstr (config->state_path, ==, "/a/5");
  g_assert_cmpstr (config->runtime_path, ==, "/a/6");
  g_assert_cmpstr (config->sysfs_root, ==, "/a/7");
  g_assert_cmpstr (config->proc_root, ==, "/a/8");
  g_assert_cmpstr (config->sign_group, ==, "one");
  g_assert_cmpstr (config->decrypt_group, ==, "two");
  g_assert_cmpuint (config->request_timeout_sec, ==, 600);
  g_assert_cmpuint (config->queue_size, ==, 4096);
  g_assert_cmpuint (config->queue_per_client, ==, 1);
}

static void
test_what_is_printed_loads_as_the_same (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, every_key_set);
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);
  g_autofree char *printed = base_config_print (config);

  g_assert_cmpstr (printed, ==, every_key_set);
}

static void
test_every_key_is_described (Fixture *fixture, gconstpointer data)
{
  g_autofree char *description = base_config_describe ();
  g_auto (GStrv) lines = g_strsplit (description, "\n", -1);
  guint n = 0;

  g_assert_cmpstr (lines[0], ==, "[tpmidd]");
  /* Two lines each: KEY=DEFAULT, and a sentence with the range behind it. */
  for (guint i = 1; lines[i][0] != '\0'; i += 2, n++)
    {
      g_assert_cmpuint (n, <, G_N_ELEMENTS (all_keys));
      g_autofree char *start = g_strconcat (all_keys[n], "=", NULL);
      g_assert_true (g_str_has_prefix (lines[i], start));
      g_assert_true (g_pattern_match_simple ("    ?*. (?*)", lines[i + 1]));
    }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (all_keys));
}

static void
test_described_defaults_are_the_defaults (Fixture *fixture, gconstpointer data)
{
  g_autofree char *description = base_config_describe ();
  g_auto (GStrv) lines = g_strsplit (description, "\n", -1);
  g_autoptr (GString) expected = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    if (lines[i][0] != ' ' && lines[i][0] != '\0')
      g_string_append_printf (expected, "%s\n", lines[i]);
  test_folder_write (fixture->path, "[tpmidd]\n");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);
  g_autofree char *printed = base_config_print (config);

  g_assert_cmpstr (printed, ==, expected->str);
}

static void
test_drop_ins_come_after_the_file_in_order_of_name (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, "[tpmidd]\nTcti=main\nSignGroup=main\nDecryptGroup=main\nQueueSize=10\n");
  write_drop_in (fixture, "50-b.conf", "[tpmidd]\nTcti=50\nSignGroup=50\nDecryptGroup=50\n");
  write_drop_in (fixture, "90-c.conf", "[tpmidd]\nTcti=90\n");
  write_drop_in (fixture, "10-a.conf", "[tpmidd]\nTcti=10\nSignGroup=10\n");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);

  g_assert_cmpstr (config->tcti, ==, "90");
  g_assert_cmpstr (config->sign_group, ==, "50");
  g_assert_cmpstr (config->decrypt_group, ==, "50");
  g_assert_cmpuint (config->queue_size, ==, 10);
}

static void
test_only_names_in_conf_are_drop_ins (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, "[tpmidd]\nTcti=main\n");
  write_drop_in (fixture, "10-a.conf~", "not even close");
  write_drop_in (fixture, "10-a.conf.dpkg-new", "not even close");
  write_drop_in (fixture, "README", "not even close");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);

  g_assert_cmpstr (config->tcti, ==, "main");
}

static void
test_a_bad_drop_in_is_named (Fixture *fixture, gconstpointer data)
{
  g_autofree char *where = g_build_filename (fixture->drop_in, "10-a.conf:3: ", NULL);

  test_folder_write (fixture->path, "[tpmidd]\n");
  write_drop_in (fixture, "10-a.conf", "# comment\n[tpmidd]\nQueueSize=many\n");
  assert_refused (fixture->path, NULL, where, "QueueSize=many");
}

static void
test_an_unknown_key_warns_with_file_and_line (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *start = g_strconcat (fixture->path, ":3: ", NULL);

  test_folder_write (fixture->path, "[tpmidd]\nTcti=a\nTctl=b\nSignGroup=c\n");
  g_autoptr (BaseConfig) config = base_config_load (fixture->path, NULL, &warnings, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (warnings->len, ==, 1);
  g_assert_true (g_str_has_prefix (warnings->pdata[0], start));
  g_assert_nonnull (strstr (warnings->pdata[0], "Tctl"));
  g_assert_cmpstr (config->tcti, ==, "a");
  g_assert_cmpstr (config->sign_group, ==, "c");
}

/* Keys are spelled in one way only. */
static void
test_a_key_in_other_case_is_unknown (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, "[tpmidd]\ntcti=a\n");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 1);

  g_assert_cmpstr (config->tcti, ==, "");
}

static void
test_every_bad_value_is_named_with_file_and_line (Fixture *fixture, gconstpointer data)
{
  const char *const bad[] = {
    "Tpm=maybe", "Tpm=", "Tpm=AUTO", "Ownership=mine",
    "TpmWaitSec=601", "TpmWaitSec=-1", "TpmWaitSec=1s", "TpmWaitSec=", "TpmWaitSec=1 2", "TpmWaitSec=+1", "TpmWaitSec=4294967296",
    "TpmWaitSec=18446744073709551617", "TpmWaitSec=0x", "TpmWaitSec=1.5",
    "DeviceKeyHandle=0x81000001", "DeviceKeyHandle=0x81800000", "DeviceKeyHandle=device", "DeviceKeyHandle=0x1810000020",
    "ClearOnReset=yes", "PasswordIndex=0x01400001", "ResetIndex=0x01c00000", "PasswordsPath=run/credentials", "Credentials=yes", "CredentialsKeyHandle=0x81000001", "ParentHandle=0x81800000", "KeysPerUser=4097",
    "SerialIndex=0x00ffffff", "SerialIndex=0x02000000",
    "SerialSize=65", "SerialSources=tpm-nv eeprom", "SerialSources=tpm-nv,dmi", "SerialFile=serial", "MarkerPath=",
    "CertificatePath=a/b", "SoftwareKeyPath=./a", "StatePath=~/a", "RuntimePath=run", "SysfsRoot=sys", "ProcRoot=proc",
    "RequestTimeoutSec=0", "RequestTimeoutSec=601", "QueueSize=0", "QueueSize=4097", "QueuePerClient=0", "QueuePerClient=all",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const char *const overrides[] = { bad[i], NULL };

      assert_line_refused (fixture, bad[i], bad[i]);
      test_folder_write (fixture->path, "[tpmidd]\n");
      assert_refused (fixture->path, overrides, "--set: ", bad[i]);
    }
}

static void
test_a_bad_value_comes_with_what_is_allowed (Fixture *fixture, gconstpointer data)
{
  assert_line_refused (fixture, "Tpm=maybe", "auto, required, off");
  assert_line_refused (fixture, "QueueSize=0", "from 1 to 4096");
  assert_line_refused (fixture, "SerialIndex=1", "from 0x01000000 to 0x01ffffff");
  assert_line_refused (fixture, "StatePath=here", "an absolute path");
  assert_line_refused (fixture, "SerialSources=x", "tpm-nv, dmi, device-tree, file");
}

static void
assert_handles_refused (Fixture *fixture, const char *first, const char *second, const char *text, const char *const *overrides)
{
  test_folder_write (fixture->path, text);
  assert_refused (fixture->path, overrides, first, second);
  assert_refused (fixture->path, overrides, first, "0x81");
}

static void
test_two_keys_with_one_handle_are_both_named (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "DeviceKeyHandle", "CredentialsKeyHandle", "ParentHandle" };
  static const char *const clash[] = { "ParentHandle=0x81000007", NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    for (gsize j = i + 1; j < G_N_ELEMENTS (names); j++)
      {
        g_autofree char *text = g_strdup_printf ("[tpmidd]\n%s=0x81000009\n%s=0x81000009\n", names[i], names[j]);
        assert_handles_refused (fixture, names[i], names[j], text, NULL);
      }
  /* One is as built in; one comes from the command line. */
  assert_handles_refused (fixture, "DeviceKeyHandle", "CredentialsKeyHandle", "[tpmidd]\nDeviceKeyHandle=0x81005402\n", NULL);
  assert_handles_refused (fixture, "DeviceKeyHandle", "ParentHandle", "[tpmidd]\nDeviceKeyHandle=0x81000007\n", clash);
  /* What was set and set again does not count. */
  test_folder_write (fixture->path, "[tpmidd]\nDeviceKeyHandle=0x81005402\nDeviceKeyHandle=0x81000008\n");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);
  g_assert_cmpuint (config->device_key_handle, ==, 0x81000008);
}

static void
test_two_keys_with_one_index_are_both_named (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "PasswordIndex", "ResetIndex", "SerialIndex" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    for (gsize j = i + 1; j < G_N_ELEMENTS (names); j++)
      {
        g_autofree char *text = g_strdup_printf ("[tpmidd]\n%s=0x01805499\n%s=0x01805499\n", names[i], names[j]);

        test_folder_write (fixture->path, text);
        assert_refused (fixture->path, NULL, names[i], names[j]);
      }
}

static void
test_what_is_no_assignment_is_named_with_file_and_line (Fixture *fixture, gconstpointer data)
{
  g_autofree char *first = g_strconcat (fixture->path, ":1: ", NULL);

  assert_line_refused (fixture, "Tpm", "KEY=VALUE");
  assert_line_refused (fixture, "[other]", "[other]");
  assert_line_refused (fixture, "[tpmidd", "[tpmidd");
  assert_line_refused (fixture, "Tcti=\xff\xfe", "UTF-8");
  test_folder_write (fixture->path, "Tpm=auto\n[tpmidd]\n");
  assert_refused (fixture->path, NULL, first, "[tpmidd]");
}

/* Else all that stands behind it would be ignored without a word. */
static void
test_a_nul_byte_is_named_with_file_and_line (Fixture *fixture, gconstpointer data)
{
  static const char text[] = "[tpmidd]\nTpm=off\nTcti=a\0b\nTpm=required\n";
  g_autofree char *where = g_strconcat (fixture->path, ":3: ", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (fixture->path, text, sizeof text - 1, &error));
  assert_refused (fixture->path, NULL, where, "UTF-8");
}

static void
test_blanks_comments_and_foreign_line_ends_do_no_harm (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, "\r\n; comment\r\n  # comment = too\r\n [tpmidd] \r\n\tTcti =  a b \r\nSignGroup=\r\n"
                                    "SerialSources= dmi \t file \r\n[tpmidd]\r\nDecryptGroup=last line");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);

  g_assert_cmpstr (config->tcti, ==, "a b");
  g_assert_cmpstr (config->sign_group, ==, "");
  g_assert_cmpuint (g_strv_length (config->serial_sources), ==, 2);
  g_assert_cmpstr (config->decrypt_group, ==, "last line");
}

static void
test_an_empty_file_changes_nothing (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->path, "");
  write_drop_in (fixture, "10-a.conf", "");
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);

  g_assert_cmpstr (config->state_path, ==, "/persist/tpmidd");
}

static void
test_overrides_win_over_all_files (Fixture *fixture, gconstpointer data)
{
  const char *const overrides[] = { "Tcti=first", "Tcti=last", "QueueSize=0x20", "Nothing=1", NULL };

  test_folder_write (fixture->path, "[tpmidd]\nTcti=main\nSignGroup=main\nQueueSize=1\n");
  write_drop_in (fixture, "99.conf", "[tpmidd]\nTcti=99\n");
  g_autoptr (BaseConfig) config = load (fixture->path, overrides, 1);

  g_assert_cmpstr (config->tcti, ==, "last");
  g_assert_cmpstr (config->sign_group, ==, "main");
  g_assert_cmpuint (config->queue_size, ==, 32);
}

static void
test_the_file_asked_for_must_be_there_and_readable (Fixture *fixture, gconstpointer data)
{
  g_autofree char *big = g_strnfill (64 * 1024, '\n');
  g_autofree char *too_big = g_strnfill (64 * 1024 + 1, '\n');

  assert_refused (fixture->path, NULL, fixture->path, "does not exist");
  test_folder_write (fixture->path, too_big);
  assert_refused (fixture->path, NULL, fixture->path, "larger");
  assert_refused (fixture->folder, NULL, fixture->folder, "regular file");
  test_folder_write (fixture->path, big);
  g_autoptr (BaseConfig) config = load (fixture->path, NULL, 0);
  g_assert_cmpstr (config->state_path, ==, "/persist/tpmidd");
}

/* --- the system's own folders ----------------------------------------------------------------------------------- */

/* Lets this process alone see an empty folder at @path. */
static gboolean
cover (const char *path)
{
  return mount ("none", path, "tmpfs", 0, "mode=0755") == 0;
}

static gboolean
write_map (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  gboolean done = fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text);

  if (fd >= 0)
    close (fd);
  return done;
}

/* Who is not root mounts in a user namespace, where he has to say who he is before he can make a file. */
static gboolean
enter_namespace (void)
{
  g_autofree char *uid_map = g_strdup_printf ("%u %u 1", geteuid (), geteuid ());
  g_autofree char *gid_map = g_strdup_printf ("%u %u 1", getegid (), getegid ());

  if (geteuid () == 0)
    return unshare (CLONE_NEWNS) == 0;
  return unshare (CLONE_NEWNS | CLONE_NEWUSER) == 0 && write_map ("/proc/self/setgroups", "deny")
         && write_map ("/proc/self/uid_map", uid_map) && write_map ("/proc/self/gid_map", gid_map);
}

static gboolean
enter_empty_system (void)
{
  return enter_namespace () && mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && cover ("/etc")
         && cover ("/usr/lib");
}

static void
write_system_file (const char *path, const char *text)
{
  g_autofree char *folder = g_path_get_dirname (path);

  g_assert_no_errno (g_mkdir_with_parents (folder, 0755));
  test_folder_write (path, text);
}

static void
load_from_the_system (void)
{
  write_system_file ("/usr/lib/tpmidd/tpmidd.conf", "[tpmidd]\nTcti=vendor\nSignGroup=vendor\nStatePath=/vendor\n");
  write_system_file ("/etc/tpmidd/tpmidd.conf", "[tpmidd]\nTcti=system\nSignGroup=system\n");
  write_system_file ("/usr/lib/tpmidd/tpmidd.conf.d/50.conf", "[tpmidd]\nTcti=vendor-50\n");
  write_system_file ("/etc/tpmidd/tpmidd.conf.d/40.conf", "[tpmidd]\nTcti=system-40\n");
  write_system_file ("/usr/lib/tpmidd/tpmidd.conf.d/60.conf", "[tpmidd]\nTcti=masked\nStatePath=/masked\n");
  write_system_file ("/etc/tpmidd/tpmidd.conf.d/60.conf", "");
  write_system_file ("/usr/lib/tpmidd/tpmidd.conf.d/70.conf", "[tpmidd]\nDecryptGroup=masked\nQueueSize=7\n");
  write_system_file ("/etc/tpmidd/tpmidd.conf.d/70.conf", "[tpmidd]\nDecryptGroup=mask\n");
  g_autoptr (BaseConfig) config = load (NULL, NULL, 0);

  g_assert_cmpstr (config->tcti, ==, "vendor-50"); /* drop-ins of both folders in one order of names */
  g_assert_cmpstr (config->sign_group, ==, "system");
  g_assert_cmpstr (config->state_path, ==, "/vendor");
  g_assert_cmpstr (config->decrypt_group, ==, "mask");
  g_assert_cmpuint (config->queue_size, ==, 64); /* a masked file is not read at all */
}

#define EXIT_NO_NAMESPACE 77

/* Runs @act in a process that sees none of the machine's own configuration; a failed assertion there aborts it. */
static void
run_in_empty_system (void (*act) (void))
{
  int status = 0;
  pid_t child = fork ();

  g_assert_no_errno (child);
  if (child == 0)
    {
      alarm (LIMIT_SEC);
      if (!enter_empty_system ())
        _exit (EXIT_NO_NAMESPACE);
      act ();
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) == EXIT_NO_NAMESPACE)
    g_test_skip ("machine lacks: mount namespaces");
  else
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

static void
test_drop_ins_in_etc_mask_those_of_the_vendor (Fixture *fixture, gconstpointer data)
{
  run_in_empty_system (load_from_the_system);
}

static void
load_from_nothing (void)
{
  g_autoptr (BaseConfig) config = load (NULL, NULL, 0);

  g_assert_cmpstr (config->state_path, ==, "/persist/tpmidd");
}

static void
test_no_file_at_all_gives_the_defaults (Fixture *fixture, gconstpointer data)
{
  run_in_empty_system (load_from_nothing);
}

static void
add (const char *path, void (*test) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add ("/base/config/defaults-are-those-of-the-product", test_defaults_are_those_of_the_product);
  add ("/base/config/every-key-reaches-its-member", test_every_key_reaches_its_member);
  add ("/base/config/what-is-printed-loads-as-the-same", test_what_is_printed_loads_as_the_same);
  add ("/base/config/every-key-is-described", test_every_key_is_described);
  add ("/base/config/described-defaults-are-the-defaults", test_described_defaults_are_the_defaults);
  add ("/base/config/drop-ins-come-after-the-file-in-order-of-name", test_drop_ins_come_after_the_file_in_order_of_name);
  add ("/base/config/only-names-in-conf-are-drop-ins", test_only_names_in_conf_are_drop_ins);
  add ("/base/config/a-bad-drop-in-is-named", test_a_bad_drop_in_is_named);
  add ("/base/config/an-unknown-key-warns-with-file-and-line", test_an_unknown_key_warns_with_file_and_line);
  add ("/base/config/a-key-in-other-case-is-unknown", test_a_key_in_other_case_is_unknown);
  add ("/base/config/every-bad-value-is-named-with-file-and-line", test_every_bad_value_is_named_with_file_and_line);
  add ("/base/config/a-bad-value-comes-with-what-is-allowed", test_a_bad_value_comes_with_what_is_allowed);
  add ("/base/config/two-keys-with-one-handle-are-both-named", test_two_keys_with_one_handle_are_both_named);
  add ("/base/config/two-keys-with-one-index-are-both-named", test_two_keys_with_one_index_are_both_named);
  add ("/base/config/what-is-no-assignment-is-named-with-file-and-line",
       test_what_is_no_assignment_is_named_with_file_and_line);
  add ("/base/config/a-nul-byte-is-named-with-file-and-line", test_a_nul_byte_is_named_with_file_and_line);
  add ("/base/config/blanks-comments-and-foreign-line-ends-do-no-harm",
       test_blanks_comments_and_foreign_line_ends_do_no_harm);
  add ("/base/config/an-empty-file-changes-nothing", test_an_empty_file_changes_nothing);
  add ("/base/config/overrides-win-over-all-files", test_overrides_win_over_all_files);
  add ("/base/config/the-file-asked-for-must-be-there-and-readable", test_the_file_asked_for_must_be_there_and_readable);
  add ("/base/config/drop-ins-in-etc-mask-those-of-the-vendor", test_drop_ins_in_etc_mask_those_of_the_vendor);
  add ("/base/config/no-file-at-all-gives-the-defaults", test_no_file_at_all_gives_the_defaults);
  return g_test_run ();
}

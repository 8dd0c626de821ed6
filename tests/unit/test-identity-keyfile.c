/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-keyfile.h"
#include "identity-support.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER 1000

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = fixture_path (fixture, "keys");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_assert_cmpint (g_remove (path), ==, 0);
    }
  fixture_tear_down (fixture, data);
}

static void
init_tpm_key (IdentityKeyfile *file, IdentityUsage usage, guint owner)
{
  *file = (IdentityKeyfile){
    .usage = usage,
    .owner = owner,
    .tpm = { 0x81005400, g_bytes_new_static ("public", 6), g_bytes_new_static ("private", 7) },
  };
}

static void
save (Fixture *fixture, const char *name, const IdentityKeyfile *file)
{
  g_autofree char *path = g_strdup_printf ("%s/keys/%s.pem", fixture->folder, name);
  g_autoptr (GError) error = NULL;

  (void) unlink (path);
  (void) identity_keyfile_create (fixture->folder, name, file, &error);
  g_assert_no_error (error);
}

static void
save_tpm_key (Fixture *fixture, const char *name)
{
  g_auto (IdentityKeyfile) file = { 0 };

  init_tpm_key (&file, IDENTITY_USAGE_DECRYPT, OWNER);
  save (fixture, name, &file);
}

static void
load (Fixture *fixture, const char *name, IdentityKeyfile *ret_file)
{
  g_autoptr (GError) error = NULL;

  (void) identity_keyfile_load (fixture->folder, name, ret_file, &error);
  g_assert_no_error (error);
}

static void
assert_is_tpm_key (Fixture *fixture, const char *name, IdentityUsage usage, guint owner)
{
  g_auto (IdentityKeyfile) file = { 0 };

  load (fixture, name, &file);
  g_assert_cmpint (file.usage, ==, usage);
  g_assert_cmpuint (file.owner, ==, owner);
  g_assert_null (file.softkey);
  g_assert_cmphex (file.tpm.parent, ==, 0x81005400);
  g_assert_cmpmem (g_bytes_get_data (file.tpm.public_blob, NULL), g_bytes_get_size (file.tpm.public_blob), "public", 6);
  g_assert_cmpmem (g_bytes_get_data (file.tpm.private_blob, NULL), g_bytes_get_size (file.tpm.private_blob), "private", 7);
}

static void
assert_load_fails (Fixture *fixture, const char *name, TpmidError code, const char *words)
{
  IdentityKeyfile file = { .owner = 7 };
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_keyfile_load (fixture->folder, name, &file, &error));
  g_assert_cmpuint (file.owner, ==, 7);
  g_assert_null (file.softkey);
  g_assert_null (file.tpm.public_blob);
  assert_refused (&error, code, words);
}

static char *
read_text (Fixture *fixture, const char *name)
{
  g_autoptr (GBytes) bytes = fixture_read (fixture, name);

  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static void
test_keys_of_a_tpm_come_back (Fixture *fixture, gconstpointer data)
{
  static const guint owners[] = { 0, 1, OWNER, G_MAXUINT32 };

  for (int usage = IDENTITY_USAGE_SIGN; usage <= IDENTITY_USAGE_DECRYPT; usage++)
    for (gsize i = 0; i < G_N_ELEMENTS (owners); i++)
      {
        g_auto (IdentityKeyfile) file = { 0 };
        init_tpm_key (&file, (IdentityUsage) usage, owners[i]);
        save (fixture, "app.key", &file);
        assert_is_tpm_key (fixture, "app.key", (IdentityUsage) usage, owners[i]);
      }
}

static void
test_keys_in_software_come_back (Fixture *fixture, gconstpointer data)
{
  for (int algorithm = IDENTITY_ALGORITHM_ECC_P256; algorithm <= IDENTITY_ALGORITHM_RSA_2048; algorithm++)
    {
      g_autoptr (GError) error = NULL;
      g_auto (IdentityKeyfile) saved = { .owner = OWNER, .softkey = identity_softkey_new ((IdentityAlgorithm) algorithm, &error) };
      g_auto (IdentityKeyfile) loaded = { 0 };

      g_assert_no_error (error);
      saved.usage = identity_algorithm_default_usage ((IdentityAlgorithm) algorithm);
      save (fixture, "soft", &saved);
      load (fixture, "soft", &loaded);
      g_assert_null (loaded.tpm.public_blob);
      g_assert_cmpint (loaded.usage, ==, saved.usage);
      g_assert_cmpuint (loaded.owner, ==, OWNER);
      g_assert_cmpint (identity_softkey_get_algorithm (loaded.softkey), ==, algorithm);
      g_assert_true (g_bytes_equal (identity_softkey_peek_spki (loaded.softkey), identity_softkey_peek_spki (saved.softkey)));
      g_free (run_openssl (fixture, "pkey -in keys/soft.pem -noout -check"));
    }
}

static void
test_the_file_is_text_for_the_daemon_alone (Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = fixture_path (fixture, "keys");
  g_autofree char *path = fixture_path (fixture, "keys/app.pem");
  GStatBuf info;

  mode_t mask = umask (0);
  save_tpm_key (fixture, "app");
  (void) umask (mask);
  g_autofree char *text = read_text (fixture, "keys/app.pem");
  g_assert_true (g_str_has_prefix (text, "A key of tpmidd\nUsage: decrypt\nOwner: 1000\n-----BEGIN TSS2 PRIVATE KEY-----\n"));
  g_assert_true (g_str_has_suffix (text, "\n-----END TSS2 PRIVATE KEY-----\n"));
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0600);
  g_assert_cmpint (g_stat (folder, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0700);
}

/* Writes the file of a good key with other lines before its PEM block. */
static void
write_with_head (Fixture *fixture, const char *head)
{
  save_tpm_key (fixture, "app");
  g_autofree char *text = read_text (fixture, "keys/app.pem");
  g_autofree char *other = g_strconcat (head, strstr (text, "-----BEGIN"), NULL);
  g_free (fixture_write (fixture, "keys/app.pem", other, -1));
}

static void
test_unknown_lines_are_passed_over (Fixture *fixture, gconstpointer data)
{
  static const char *const heads[] = {
    "Usage: decrypt\nOwner: 1000\n",
    "A key of tpmidd\nColour: blue\nUsage: decrypt\n\nOwner: 1000\nPolicy: none\n",
    "Owner: 1000\nusage: sign\nXUsage: sign\n Owner: 1\nUsage: decrypt\n",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      write_with_head (fixture, heads[i]);
      assert_is_tpm_key (fixture, "app", IDENTITY_USAGE_DECRYPT, OWNER);
    }
}

static void
test_a_key_of_nobody_or_for_nothing_is_corrupt (Fixture *fixture, gconstpointer data)
{
  static const char *const heads[] = {
    "", "A key of tpmidd\n", "Usage: decrypt\n", "Owner: 1000\n", "Usage: decrypt\nOwner:\n", "Usage: decrypt\nOwner: \n",
    "Usage: decrypt\nOwner: -1\n", "Usage: decrypt\nOwner: +1\n", "Usage: decrypt\nOwner:  1\n", "Usage: decrypt\nOwner: 1000x\n",
    "Usage: decrypt\nOwner: 4294967296\n", "Usage: decrypt\nOwner: 99999999999999999999999\n", "Usage: decrypt\nOwner: root\n",
    "Usage: eat\nOwner: 1000\n", "Usage:decrypt\nOwner: 1000\n", "Usage: decrypt \nOwner: 1000\n", "Usage: Decrypt\nOwner: 1000\n",
    "Usage: decrypt Owner: 1000\n",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (heads); i++)
    {
      write_with_head (fixture, heads[i]);
      assert_load_fails (fixture, "app", TPMID_ERROR_CORRUPT, "keys/app.pem does not say whose key it is and what for");
    }
}

/* Only what stands before the key counts. */
static void
test_lines_behind_the_key_say_nothing (Fixture *fixture, gconstpointer data)
{
  save_tpm_key (fixture, "app");
  g_autofree char *text = read_text (fixture, "keys/app.pem");
  g_autofree char *more = g_strconcat (text, "Usage: sign\nOwner: 0\n", NULL);
  g_autofree char *late = g_strconcat (strstr (text, "-----BEGIN"), "Usage: sign\nOwner: 0\n", NULL);

  g_free (fixture_write (fixture, "keys/app.pem", more, -1));
  assert_is_tpm_key (fixture, "app", IDENTITY_USAGE_DECRYPT, OWNER);
  g_free (fixture_write (fixture, "keys/app.pem", late, -1));
  assert_load_fails (fixture, "app", TPMID_ERROR_CORRUPT, "does not say whose");
}

static void
test_no_key_in_the_file_is_corrupt (Fixture *fixture, gconstpointer data)
{
  static const char *const bodies[] = {
    "-----BEGIN\n",
    "-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  };

  save_tpm_key (fixture, "app");
  for (gsize i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autofree char *text = g_strconcat ("Usage: sign\nOwner: 0\n", bodies[i], NULL);
      g_free (fixture_write (fixture, "keys/app.pem", text, -1));
      assert_load_fails (fixture, "app", TPMID_ERROR_CORRUPT, "keys/app.pem");
    }
  g_free (fixture_write (fixture, "keys/app.pem", "", 0));
  assert_load_fails (fixture, "app", TPMID_ERROR_CORRUPT, "keys/app.pem");
}

static void
test_what_is_no_plain_file_of_a_fair_size_is_not_read (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = fixture_path (fixture, "keys/app.pem");
  g_autofree char *elsewhere = fixture_path (fixture, "elsewhere");

  save_tpm_key (fixture, "app");
  g_autofree char *text = read_text (fixture, "keys/app.pem");
  g_autofree char *filler = g_strnfill (16 * 1024 - strlen (text), '\n');
  g_autofree char *largest = g_strconcat (text, filler, NULL);
  g_autofree char *too_large = g_strconcat (largest, "\n", NULL);

  g_free (fixture_write (fixture, "keys/app.pem", largest, -1));
  assert_is_tpm_key (fixture, "app", IDENTITY_USAGE_DECRYPT, OWNER);
  g_free (fixture_write (fixture, "keys/app.pem", too_large, -1));
  assert_load_fails (fixture, "app", TPMID_ERROR_STORAGE, "larger than 16384");

  g_assert_cmpint (g_unlink (path), ==, 0);
  assert_load_fails (fixture, "app", TPMID_ERROR_NOT_FOUND, "keys/app.pem does not exist");
  g_free (fixture_write (fixture, "elsewhere", text, -1));
  g_assert_cmpint (symlink (elsewhere, path), ==, 0);
  assert_load_fails (fixture, "app", TPMID_ERROR_STORAGE, "keys/app.pem");
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  assert_load_fails (fixture, "app", TPMID_ERROR_STORAGE, "keys/app.pem");
}

static void
test_only_names_of_keys_are_listed (Fixture *fixture, gconstpointer data)
{
  static const char *const others[] = { ".pem", "app", "app.pem.orphaned", "app.pem.orphaned.1", "UPPER.pem",
                                        ".hidden.pem", "app.PEM", "a b.pem", "x.pem~" };
  g_autoptr (GError) error = NULL;

  save_tpm_key (fixture, "app");
  save_tpm_key (fixture, "0.other-key_1");
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autofree char *name = g_build_filename ("keys", others[i], NULL);
      g_free (fixture_write (fixture, name, "", 0));
    }
  g_autoptr (GPtrArray) names = identity_keyfile_list (fixture->folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 2);
  g_assert_true (g_ptr_array_find_with_equal_func (names, "app", g_str_equal, NULL));
  g_assert_true (g_ptr_array_find_with_equal_func (names, "0.other-key_1", g_str_equal, NULL));
}

static void
test_no_folder_is_no_key (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = identity_keyfile_list (fixture->folder, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 0);
  assert_load_fails (fixture, "app", TPMID_ERROR_NOT_FOUND, "app.pem");
  g_free (fixture_write (fixture, "keys", "", 0));
  g_assert_null (identity_keyfile_list (fixture->folder, &error));
  assert_refused (&error, TPMID_ERROR_STORAGE, "keys");
}

static void
set_aside (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  (void) identity_keyfile_set_aside (fixture->folder, "app", "orphaned", &error);
  g_assert_no_error (error);
}

static void
test_what_is_set_aside_is_not_lost (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  save_tpm_key (fixture, "app");
  g_autoptr (GBytes) first = fixture_read (fixture, "keys/app.pem");
  set_aside (fixture);
  assert_load_fails (fixture, "app", TPMID_ERROR_NOT_FOUND, "app.pem");
  write_with_head (fixture, "Usage: sign\nOwner: 1\n");
  g_autoptr (GBytes) second = fixture_read (fixture, "keys/app.pem");
  set_aside (fixture);

  g_autoptr (GBytes) first_kept = fixture_read (fixture, "keys/app.pem.orphaned");
  g_autoptr (GBytes) second_kept = fixture_read (fixture, "keys/app.pem.orphaned.1");
  g_assert_true (g_bytes_equal (first_kept, first));
  g_assert_true (g_bytes_equal (second_kept, second));
  g_autoptr (GPtrArray) names = identity_keyfile_list (fixture->folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, 0);
  g_assert_false (identity_keyfile_set_aside (fixture->folder, "app", "orphaned", &error));
  assert_refused (&error, TPMID_ERROR_STORAGE, "app.pem");
}

static void
test_what_cannot_be_saved_is_an_error (Fixture *fixture, gconstpointer data)
{
  g_auto (IdentityKeyfile) file = { 0 };
  g_autoptr (GError) error = NULL;

  init_tpm_key (&file, IDENTITY_USAGE_SIGN, 0);
  g_free (fixture_write (fixture, "keys", "", 0));
  g_assert_false (identity_keyfile_create (fixture->folder, "app", &file, &error));
  assert_refused (&error, TPMID_ERROR_STORAGE, "keys");
}

/* Neither a key, nor what cannot be read. */
static void
test_a_file_is_never_replaced (Fixture *fixture, gconstpointer data)
{
  g_auto (IdentityKeyfile) file = { 0 };
  g_auto (IdentityKeyfile) found = { 0 };
  g_autoptr (GError) error = NULL;

  save_tpm_key (fixture, "app");
  init_tpm_key (&file, IDENTITY_USAGE_SIGN, OWNER + 1);
  g_assert_false (identity_keyfile_create (fixture->folder, "app", &file, &error));
  assert_refused (&error, TPMID_ERROR_EXISTS, "app.pem");
  load (fixture, "app", &found);
  g_assert_cmpuint (found.owner, ==, OWNER);

  g_autofree char *path = g_build_filename (fixture->folder, "keys", "bad.pem", NULL);
  g_assert_true (g_file_set_contents (path, "no key", -1, NULL));
  g_assert_false (identity_keyfile_create (fixture->folder, "bad", &file, &error));
  assert_refused (&error, TPMID_ERROR_EXISTS, "bad.pem");
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "keys-of-a-tpm-come-back", test_keys_of_a_tpm_come_back },
    { "keys-in-software-come-back", test_keys_in_software_come_back },
    { "the-file-is-text-for-the-daemon-alone", test_the_file_is_text_for_the_daemon_alone },
    { "unknown-lines-are-passed-over", test_unknown_lines_are_passed_over },
    { "a-key-of-nobody-or-for-nothing-is-corrupt", test_a_key_of_nobody_or_for_nothing_is_corrupt },
    { "lines-behind-the-key-say-nothing", test_lines_behind_the_key_say_nothing },
    { "no-key-in-the-file-is-corrupt", test_no_key_in_the_file_is_corrupt },
    { "what-is-no-plain-file-of-a-fair-size-is-not-read", test_what_is_no_plain_file_of_a_fair_size_is_not_read },
    { "only-names-of-keys-are-listed", test_only_names_of_keys_are_listed },
    { "no-folder-is-no-key", test_no_folder_is_no_key },
    { "what-is-set-aside-is-not-lost", test_what_is_set_aside_is_not_lost },
    { "what-cannot-be-saved-is-an-error", test_what_cannot_be_saved_is_an_error },
    { "a-file-is-never-replaced", test_a_file_is_never_replaced },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/identity/keyfile/", tests[i].name, NULL);
      g_test_add (path, Fixture, NULL, fixture_set_up, tests[i].run, tear_down);
    }
  return g_test_run ();
}

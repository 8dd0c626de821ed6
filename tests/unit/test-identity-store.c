/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-base-folder.h"

#include "base/base-error.h"
#include "identity/identity-marker.h"
#include "identity/identity-store.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *folder, *state, *record;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = test_folder_new ();
  f->state = g_build_filename (f->folder, "tpmidd", NULL);
  f->record = g_build_filename (f->state, "identity", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  test_folder_clear (&f->folder);
  g_free (f->state);
  g_free (f->record);
}

static IdentityRecord *
example_record (void)
{
  IdentityRecord *record = identity_record_new (IDENTITY_RECORD_TPM);

  record->key_handle = 0x81005401;
  record->key_name = g_strdup ("000b01");
  record->key_reference = g_strdup ("aa");
  record->srk_name = g_strdup ("000b02");
  return record;
}

static void
test_record_comes_back_as_saved (Fixture *f, gconstpointer data)
{
  g_autoptr (IdentityRecord) saved = example_record ();
  g_autoptr (IdentityRecord) loaded = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_store_save (f->state, saved, &error));
  g_assert_true (identity_store_load (f->state, &loaded, &error));
  g_assert_cmpint (loaded->kind, ==, IDENTITY_RECORD_TPM);
  g_assert_cmphex (loaded->key_handle, ==, 0x81005401);
  g_assert_cmpstr (loaded->key_name, ==, "000b01");
  g_assert_cmpstr (loaded->key_reference, ==, "aa");
  g_assert_cmpstr (loaded->srk_name, ==, "000b02");
  g_assert_null (loaded->ek_name);
}

static void
test_no_record_is_none (Fixture *f, gconstpointer data)
{
  g_autoptr (IdentityRecord) loaded = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_store_load (f->state, &loaded, &error));
  g_assert_cmpint (loaded->kind, ==, IDENTITY_RECORD_NONE);
  g_assert_false (g_file_test (f->state, G_FILE_TEST_EXISTS));
}

static void
test_unmounted_parent_is_unreadable_not_none (Fixture *f, gconstpointer data)
{
  g_autofree char *state = g_build_filename (f->folder, "not-mounted", "tpmidd", NULL);
  g_autoptr (IdentityRecord) loaded = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_store_load (state, &loaded, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE);
  g_assert_cmpint (loaded->kind, ==, IDENTITY_RECORD_UNREADABLE);
}

static void
test_garbled_record_is_unreadable_and_moved_aside_by_the_next_save (Fixture *f, gconstpointer data)
{
  g_autofree char *aside = g_strconcat (f->record, ".corrupt", NULL);
  g_autoptr (IdentityRecord) loaded = NULL;
  g_autoptr (IdentityRecord) record = example_record ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (f->state, 0700), ==, 0);
  g_assert_true (g_file_set_contents (f->record, "garbage", -1, NULL));
  g_assert_false (identity_store_load (f->state, &loaded, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT);
  g_assert_cmpint (loaded->kind, ==, IDENTITY_RECORD_UNREADABLE);

  g_clear_error (&error);
  g_assert_true (identity_store_save (f->state, record, &error));
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
}

static void
test_keys_of_a_newer_release_are_kept (Fixture *f, gconstpointer data)
{
  g_autoptr (IdentityRecord) loaded = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *after = NULL;

  g_assert_cmpint (g_mkdir (f->state, 0700), ==, 0);
  g_assert_true (g_file_set_contents (f->record, "[identity]\nformat=2\nkind=tpm\nnovelty=42\n[other]\na=b\n", -1, NULL));
  g_assert_true (identity_store_load (f->state, &loaded, &error));
  g_assert_cmpint (loaded->kind, ==, IDENTITY_RECORD_TPM);
  loaded->srk_name = g_strdup ("000b03");
  g_assert_true (identity_store_save (f->state, loaded, &error));
  g_assert_true (g_file_get_contents (f->record, &after, NULL, NULL));
  g_assert_nonnull (strstr (after, "format=2\n"));
  g_assert_nonnull (strstr (after, "novelty=42\n"));
  g_assert_nonnull (strstr (after, "[other]"));
  g_assert_nonnull (strstr (after, "srk-name=000b03\n"));
}

static guint64
inode_of (const char *path)
{
  GStatBuf st;

  g_assert_cmpint (g_stat (path, &st), ==, 0);
  return st.st_ino;
}

static void
test_saving_the_same_again_writes_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (IdentityRecord) record = example_record ();
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_store_save (f->state, record, &error));
  guint64 before = inode_of (f->record);
  g_assert_true (identity_store_save (f->state, record, &error));
  g_assert_cmpuint (inode_of (f->record), ==, before);
}

static void
test_marker_lines_are_as_documented (Fixture *f, gconstpointer data)
{
  IdentityMarker marker = { "tpm", "ready", "found", "aa", "bb", "cc", 1700000000 };
  g_autofree char *text = identity_marker_compose (&marker);

  g_assert_cmpstr (text, ==,
                   "FORMAT=1\nMODE=tpm\nSTATE=ready\nREASON=found\nKEY=aa\nCERTIFICATE_SHA256=bb\nBOOT_ID=cc\n"
                   "TIME=2023-11-14T22:13:20Z\n");
}

static void
test_marker_replaces_whatever_lies_there (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->folder, "marker", NULL);
  g_autofree char *elsewhere = g_build_filename (f->folder, "elsewhere", NULL);
  g_autofree char *found = NULL, *untouched = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (elsewhere, "elsewhere", -1, NULL));
  g_assert_cmpint (symlink (elsewhere, path), ==, 0);
  g_assert_true (identity_marker_put (path, "MODE=tpm\n", &error));
  g_assert_true (g_file_get_contents (path, &found, NULL, NULL));
  g_assert_cmpstr (found, ==, "MODE=tpm\n");
  g_assert_false (g_file_test (path, G_FILE_TEST_IS_SYMLINK));
  g_assert_true (g_file_get_contents (elsewhere, &untouched, NULL, NULL));
  g_assert_cmpstr (untouched, ==, "elsewhere");
}

static void
test_marker_in_place_of_a_folder_is_an_error (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_marker_put (f->folder, "MODE=tpm\n", &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE);
}

static void
test_sweep_removes_what_is_half_written (Fixture *f, gconstpointer data)
{
  static const char *const half[] = {
    "tpmidd/keys/b.pem.aB3dE6.tmp", "tpmidd/identity.tmp", "tpmidd/slots/next.pem.abcdef.tmp", "tpmidd/kept/software.key.pem.abcdef.tmp",
    "tpmidd/archive/20240101T000000.000000Z/device.key.pem.abcdef.tmp", "run/mode.abcdef.tmp", "device.cert.pem.tmp",
    "device.cert.pem.abcdef.tmp", "device.key.pem.ABCDEF.tmp", "tpm_in_use.012345.tmp",
  };
  static const char *const whole[] = {
    "tpmidd/keys/a.pem", "tpmidd/identity", "tpmidd/archive/20240101T000000.000000Z/device.key.pem", "run/mode", "others.tmp",
    "device.cert.pem", "others.abcdef.tmp", "device.key.pem.archived",
  };
  g_autofree char *certificate = g_build_filename (f->folder, "device.cert.pem", NULL);
  g_autofree char *key = g_build_filename (f->folder, "device.key.pem", NULL);
  g_autofree char *marker = g_build_filename (f->folder, "tpm_in_use", NULL);
  g_autofree char *run = g_build_filename (f->folder, "run", NULL);
  const BaseConfig config = {
    .state_path = f->state, .certificate_path = certificate, .software_key_path = key, .marker_path = marker, .runtime_path = run,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (half) + G_N_ELEMENTS (whole); i++)
    {
      const char *name = i < G_N_ELEMENTS (half) ? half[i] : whole[i - G_N_ELEMENTS (half)];
      g_autofree char *path = g_build_filename (f->folder, name, NULL);
      g_autofree char *folder = g_path_get_dirname (path);
      g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
      test_folder_write (path, "content");
    }
  identity_store_sweep (&config);
  for (gsize i = 0; i < G_N_ELEMENTS (half) + G_N_ELEMENTS (whole); i++)
    {
      const char *name = i < G_N_ELEMENTS (half) ? half[i] : whole[i - G_N_ELEMENTS (half)];
      g_autofree char *path = g_build_filename (f->folder, name, NULL);
      if (g_file_test (path, G_FILE_TEST_EXISTS) != (i >= G_N_ELEMENTS (half)))
        g_error ("%s is %s", name, i >= G_N_ELEMENTS (half) ? "gone" : "left");
    }
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
  add ("/identity/store/record-comes-back-as-saved", test_record_comes_back_as_saved);
  add ("/identity/store/no-record-is-none", test_no_record_is_none);
  add ("/identity/store/unmounted-parent-is-unreadable-not-none", test_unmounted_parent_is_unreadable_not_none);
  add ("/identity/store/garbled-record-is-unreadable-and-moved-aside-by-the-next-save",
       test_garbled_record_is_unreadable_and_moved_aside_by_the_next_save);
  add ("/identity/store/keys-of-a-newer-release-are-kept", test_keys_of_a_newer_release_are_kept);
  add ("/identity/store/saving-the-same-again-writes-nothing", test_saving_the_same_again_writes_nothing);
  add ("/identity/store/sweep-removes-what-is-half-written", test_sweep_removes_what_is_half_written);
  add ("/identity/marker/lines-are-as-documented", test_marker_lines_are_as_documented);
  add ("/identity/marker/replaces-whatever-lies-there", test_marker_replaces_whatever_lies_there);
  add ("/identity/marker/in-place-of-a-folder-is-an-error", test_marker_in_place_of_a_folder_is_an_error);
  return g_test_run ();
}

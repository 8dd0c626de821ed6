/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-base-folder.h"

#include "base/base-error.h"
#include "identity/identity-journal.h"

#include <glib/gstdio.h>

static void
test_entry_comes_back_as_saved (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autoptr (IdentityJournal) saved = identity_journal_new (IDENTITY_OPERATION_RESET);
  g_autoptr (IdentityJournal) loaded = NULL;
  g_autoptr (GError) error = NULL;

  saved->is_carried_out = TRUE;
  saved->with_keys = TRUE;
  saved->serial = g_strdup ("SN;4711 \\n");
  saved->token = g_strdup ("aa");
  saved->shortfall = g_strdup ("the TPM said \"no\"");
  g_assert_true (identity_journal_save (folder, saved, &error));
  g_assert_true (identity_journal_load (folder, &loaded, &error));
  g_assert_no_error (error);
  g_assert_cmpint (loaded->operation, ==, IDENTITY_OPERATION_RESET);
  g_assert_true (loaded->is_carried_out && loaded->with_keys);
  g_assert_cmpstr (loaded->stamp, ==, saved->stamp);
  g_assert_cmpstr (loaded->serial, ==, saved->serial);
  g_assert_cmpstr (loaded->token, ==, saved->token);
  g_assert_cmpstr (loaded->shortfall, ==, saved->shortfall);
}

static void
test_no_entry_is_no_operation (void)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autoptr (IdentityJournal) journal = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_journal_remove (folder, &error));
  g_assert_true (identity_journal_load (folder, &journal, &error));
  g_assert_no_error (error);
  g_assert_cmpint (journal->operation, ==, IDENTITY_OPERATION_NONE);
}

static void
assert_corrupt (const char *text)
{
  g_auto (TestFolder) folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "journal", NULL);
  g_autoptr (IdentityJournal) journal = NULL;
  g_autoptr (GError) error = NULL;

  test_folder_write (path, text);
  g_assert_false (identity_journal_load (folder, &journal, &error));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT);
  g_assert_null (journal);
  test_folder_assert_content (path, text);
}

static void
test_entry_that_says_nothing_we_know_is_kept_and_named (void)
{
  assert_corrupt ("");
  assert_corrupt ("garbage");
  assert_corrupt ("[journal]\nstamp=x\n");
  assert_corrupt ("[journal]\noperation=of-a-later-release\n");
  assert_corrupt ("[journal]\noperation=\n");
}

static void
test_every_operation_has_a_name_that_comes_back (void)
{
  for (guint i = 1; i < IDENTITY_N_OPERATIONS; i++)
    {
      g_auto (TestFolder) folder = test_folder_new ();
      g_autoptr (IdentityJournal) saved = identity_journal_new ((IdentityOperation) i);
      g_autoptr (IdentityJournal) loaded = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (identity_journal_save (folder, saved, &error) && identity_journal_load (folder, &loaded, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (loaded->operation, ==, i);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/journal/entry-comes-back-as-saved", test_entry_comes_back_as_saved);
  g_test_add_func ("/identity/journal/no-entry-is-no-operation", test_no_entry_is_no_operation);
  g_test_add_func ("/identity/journal/entry-that-says-nothing-we-know-is-kept-and-named", test_entry_that_says_nothing_we_know_is_kept_and_named);
  g_test_add_func ("/identity/journal/every-operation-has-a-name-that-comes-back", test_every_operation_has_a_name_that_comes_back);
  return g_test_run ();
}

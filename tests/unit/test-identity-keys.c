/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of keys by itself, with keys in software: what it makes of being told again who the device is. */
#include "base-error.h"
#include "identity-keys-private.h"
#include "test-base-folder.h"

#include <sys/stat.h>

#define LIMIT_US (20 * G_USEC_PER_SEC)

typedef struct
{
  TestFolder folder;
  char *keys_path;
  BaseConfig *config;
  TpmQueue *queue;
  IdentityKeys *keys;
} Fixture;

/* A device without a TPM. */
static void
start (Fixture *fixture, const char *credentials)
{
  g_autofree char *state = g_strdup_printf ("StatePath=%s", fixture->folder);
  g_autofree char *config_path = g_build_filename (fixture->folder, "tpmidd.conf", NULL);
  const char *const overrides[] = { state, credentials, NULL };
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;

  test_folder_write (config_path, "[tpmidd]\n");
  fixture->config = base_config_load (config_path, overrides, &warnings, &error);
  g_assert_no_error (error);
  fixture->queue = tpm_queue_new (tpm_link_new (&(TpmLinkOptions){ .sysfs_root = "/nonexistent", .off = TRUE }), 8, 8);
  fixture->keys = identity_keys_new (fixture->config, fixture->queue);
}

static void
stop (Fixture *fixture)
{
  identity_keys_close (fixture->keys);
  tpm_queue_close (fixture->queue);
  (void) tpm_queue_free (fixture->queue);
  g_clear_object (&fixture->keys);
  g_clear_pointer (&fixture->config, base_config_free);
}

static void
set_up (Fixture *fixture, gconstpointer credentials)
{
  fixture->folder = test_folder_new ();
  fixture->keys_path = g_build_filename (fixture->folder, "keys", NULL);
  start (fixture, credentials);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  stop (fixture);
  g_free (fixture->keys_path);
  test_folder_clear (&fixture->folder);
}

/* @found: (nullable): keys that lay on the disk when somebody looked */
static void
adopt (Fixture *fixture, IdentityMode mode, IdentityKey *found)
{
  g_autoptr (IdentityReport) report = g_new0 (IdentityReport, 1);

  g_atomic_ref_count_init (&report->refs);
  report->mode = mode;
  report->reason = report->operation_state = "";
  report->hint = g_strdup ("");
  report->keys = g_ptr_array_new_with_free_func ((GDestroyNotify) identity_key_unref);
  report->problems = g_ptr_array_new_with_free_func (g_free);
  if (found != NULL)
    g_ptr_array_add (report->keys, identity_key_ref (found));
  identity_keys_adopt (fixture->keys, report);
}

static IdentityKey *
lookup (Fixture *fixture, const char *name)
{
  g_autoptr (GError) error = NULL;
  IdentityKey *key = identity_keys_lookup (fixture->keys, name, &error);

  g_assert_no_error (error);
  return key;
}

static IdentityKey *
await_state (Fixture *fixture, const char *name, IdentityKeyState state)
{
  gint64 limit = g_get_monotonic_time () + LIMIT_US;

  while (TRUE)
    {
      g_autoptr (IdentityKey) key = lookup (fixture, name);
      if (key->state == state)
        return g_steal_pointer (&key);
      if (g_get_monotonic_time () > limit)
        g_error ("key %s stays %s: %s", name, identity_key_state_name (key->state), key->problem);
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (1000);
    }
}

static void
assert_creates (Fixture *fixture, const char *name, guint uid)
{
  g_autoptr (GError) error = NULL;

  (void) identity_keys_create (fixture->keys, name, IDENTITY_ALGORITHM_ECC_P256, IDENTITY_USAGE_SIGN, uid, &error);
  g_assert_no_error (error);
}

static char *
read_key_file (Fixture *fixture, const char *name)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.pem", fixture->keys_path, name);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static void
iterate_for (gint64 us)
{
  gint64 end = g_get_monotonic_time () + us;

  while (g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
}

/* The list was read before the key was made, and arrives afterwards. */
static void
keys_that_were_made_meanwhile_stay (Fixture *fixture, gconstpointer data)
{
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  assert_creates (fixture, "made", 1000);
  g_autoptr (IdentityKey) made = await_state (fixture, "made", IDENTITY_KEY_USABLE);
  g_autofree char *text = read_key_file (fixture, "made");
  assert_creates (fixture, "begun", 1000);
  g_autoptr (IdentityKey) begun = lookup (fixture, "begun");
  g_assert_cmpint (begun->state, ==, IDENTITY_KEY_CREATING);

  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  g_autoptr (IdentityKey) after = lookup (fixture, "made");
  g_assert_true (identity_key_equal (made, after));
  assert_creates (fixture, "made", 1000);
  g_autoptr (IdentityKey) finished = await_state (fixture, "begun", IDENTITY_KEY_USABLE);
  adopt (fixture, IDENTITY_MODE_SOFTWARE, begun);
  g_autoptr (IdentityKey) still = lookup (fixture, "begun");
  g_assert_true (identity_key_equal (finished, still));
  /* A key that were made anew would be done by now. */
  iterate_for (200000);
  g_autoptr (IdentityKey) last = lookup (fixture, "made");
  g_assert_true (identity_key_equal (made, last));
  g_autofree char *text_after = read_key_file (fixture, "made");
  g_assert_cmpstr (text_after, ==, text);
}

/* The list of another owner's key of that name, read before that one's file was moved away by hand. */
static void
keys_that_are_known_are_not_replaced_by_a_list (Fixture *fixture, gconstpointer data)
{
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  assert_creates (fixture, "old", 1);
  g_autoptr (IdentityKey) old = await_state (fixture, "old", IDENTITY_KEY_USABLE);
  g_autofree char *path = g_build_filename (fixture->keys_path, "old.pem", NULL);
  g_assert_no_errno (unlink (path));
  stop (fixture);
  start (fixture, "Credentials=off");
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  assert_creates (fixture, "old", 2);
  g_autoptr (IdentityKey) new = await_state (fixture, "old", IDENTITY_KEY_USABLE);

  adopt (fixture, IDENTITY_MODE_SOFTWARE, old);
  g_autoptr (IdentityKey) after = lookup (fixture, "old");
  g_assert_true (identity_key_equal (after, new));
  g_assert_cmpuint (after->owner, ==, 2);
}

static void
keys_out_of_reach_are_missing_and_come_back (Fixture *fixture, gconstpointer data)
{
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  assert_creates (fixture, "made", 1000);
  g_autoptr (IdentityKey) made = await_state (fixture, "made", IDENTITY_KEY_USABLE);

  adopt (fixture, IDENTITY_MODE_FAULT, NULL);
  g_autoptr (IdentityKey) missing = lookup (fixture, "made");
  g_assert_cmpint (missing->state, ==, IDENTITY_KEY_MISSING);
  g_assert_cmpstr (missing->problem, !=, "");
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  g_autoptr (IdentityKey) back = lookup (fixture, "made");
  g_assert_true (identity_key_equal (made, back));
}

static void
credentials_are_made_when_what_was_in_the_way_has_gone (Fixture *fixture, gconstpointer data)
{
  test_folder_write (fixture->keys_path, "");
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  g_autoptr (IdentityKey) failed = await_state (fixture, "credentials", IDENTITY_KEY_FAILED);
  g_autofree char *trouble = identity_keys_describe_trouble (fixture->keys);
  g_assert_true (g_str_has_prefix (trouble, "keys: credentials: "));
  g_assert_cmpint (failed->problem_code, ==, TPMID_ERROR_STORAGE);

  g_assert_no_errno (unlink (fixture->keys_path));
  g_autoptr (IdentityKey) usable = await_state (fixture, "credentials", IDENTITY_KEY_USABLE);
  g_assert_cmpstr (usable->problem, ==, "");
  g_assert_null (identity_keys_describe_trouble (fixture->keys));
}

static void
on_job (IdentityKeys *keys, guint *n)
{
  (*n)++;
}

/* A disk that is gone for a moment says nothing about the key. */
static void
credentials_stay_usable_when_they_cannot_be_looked_at (Fixture *fixture, gconstpointer data)
{
  g_autofree char *aside = g_strconcat (fixture->keys_path, ".aside", NULL);
  guint n_jobs = 0;

  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  g_autoptr (IdentityKey) before = await_state (fixture, "credentials", IDENTITY_KEY_USABLE);
  g_assert_no_errno (rename (fixture->keys_path, aside));
  test_folder_write (fixture->keys_path, "");
  g_signal_connect (fixture->keys, "job", G_CALLBACK (on_job), &n_jobs);
  adopt (fixture, IDENTITY_MODE_SOFTWARE, NULL);
  /* It goes out, and comes back. */
  for (guint i = 0; n_jobs < 2 && i < 1000; i++)
    iterate_for (10000);
  g_assert_cmpuint (n_jobs, >=, 2);
  g_autoptr (IdentityKey) meanwhile = lookup (fixture, "credentials");
  g_assert_true (identity_key_equal (before, meanwhile));

  g_assert_no_errno (unlink (fixture->keys_path));
  g_assert_no_errno (rename (aside, fixture->keys_path));
  iterate_for (3 * G_USEC_PER_SEC);
  g_autoptr (IdentityKey) after = lookup (fixture, "credentials");
  g_assert_true (identity_key_equal (before, after));
  test_folder_assert_n_entries (fixture->keys_path, 1);
}

#define ADD(name, credentials, function) g_test_add ("/identity/keys/" name, Fixture, credentials, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* A key that cannot be made is worth a warning. */
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  ADD ("keys-that-were-made-meanwhile-stay", "Credentials=off", keys_that_were_made_meanwhile_stay);
  ADD ("keys-that-are-known-are-not-replaced-by-a-list", "Credentials=off", keys_that_are_known_are_not_replaced_by_a_list);
  ADD ("keys-out-of-reach-are-missing-and-come-back", "Credentials=off", keys_out_of_reach_are_missing_and_come_back);
  ADD ("credentials-are-made-when-what-was-in-the-way-has-gone", "Credentials=auto",
       credentials_are_made_when_what_was_in_the_way_has_gone);
  ADD ("credentials-stay-usable-when-they-cannot-be-looked-at", "Credentials=auto",
       credentials_stay_usable_when_they_cannot_be_looked_at);
  return g_test_run ();
}

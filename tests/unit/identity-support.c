/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-support.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("tpmid-identity-XXXXXX", &error);
  g_assert_no_error (error);
}

void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = fixture_path (fixture, name);
      g_assert_cmpint (g_remove (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
}

char *
fixture_path (Fixture *fixture, const char *name)
{
  return g_build_filename (fixture->folder, name, NULL);
}

char *
fixture_write (Fixture *fixture, const char *name, gconstpointer data, gssize size)
{
  g_autoptr (GError) error = NULL;
  char *path = fixture_path (fixture, name);

  /* When the file is there already, g_file_set_contents() waits for the disk. */
  g_remove (path);
  g_file_set_contents (path, data, size, &error);
  g_assert_no_error (error);
  return path;
}

char *
fixture_write_bytes (Fixture *fixture, const char *name, GBytes *bytes)
{
  return fixture_write (fixture, name, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
}

GBytes *
fixture_read (Fixture *fixture, const char *name)
{
  g_autofree char *path = fixture_path (fixture, name);
  g_autoptr (GError) error = NULL;
  char *data;
  gsize size;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (data, size);
}

char *
try_openssl (Fixture *fixture, const char *arguments)
{
  g_autoptr (GSubprocessLauncher) launcher
    = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
  /* The limit is timeout's, so that a program that waits for something ends the test and not the other way round. */
  g_autofree char *line = g_strconcat ("timeout 20 openssl ", arguments, NULL);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;

  g_shell_parse_argv (line, NULL, &argv, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_set_cwd (launcher, fixture->folder);
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  if (g_subprocess_get_successful (process))
    return g_steal_pointer (&output);
  g_autofree char *shown = g_strescape (output, NULL);
  g_test_message ("%s: %s", line, shown);
  return NULL;
}

char *
run_openssl (Fixture *fixture, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *arguments = g_strdup_vprintf (format, args);
  va_end (args);
  char *output = try_openssl (fixture, arguments);
  g_assert_nonnull (output);
  return output;
}

IdentitySoftkey *
make_key (Fixture *fixture, const char *name, IdentityAlgorithm algorithm)
{
  g_autofree char *path = fixture_path (fixture, name);
  g_autoptr (GError) error = NULL;

  g_free (run_openssl (fixture, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:%s -out %s",
                       algorithm == IDENTITY_ALGORITHM_ECC_P384 ? "P-384" : "P-256", name));
  IdentitySoftkey *key = identity_softkey_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (identity_softkey_get_algorithm (key), ==, algorithm);
  return key;
}

static GBytes *
sign (gpointer data, IdentityHash hash, GBytes *digest, GError **error)
{
  TestSigner *self = data;
  g_autoptr (GBytes) other = NULL;

  self->calls++;
  switch (self->kind)
    {
    case SIGNER_SOUND:
      return identity_softkey_sign (self->key, hash, digest, error);
    case SIGNER_OTHER_DIGEST:
      other = identity_hash_digest (hash, "other", 5);
      return identity_softkey_sign (self->key, hash, other, error);
    case SIGNER_GARBAGE:
      return g_bytes_new_static ("garbage", 7);
    case SIGNER_FAILS:
      g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_TPM_LOCKOUT, "the signer's own words");
      return NULL;
    }
  g_assert_not_reached ();
}

void
test_signer_init (TestSigner *self, IdentitySoftkey *key, SignerKind kind)
{
  self->signer = (IdentitySigner) { .spki = identity_softkey_peek_spki (key), .sign = sign, .data = self };
  self->key = key;
  self->kind = kind;
  self->calls = 0;
}

void
assert_refused (GError **error, TpmidError code, const char *words)
{
  g_assert_error (*error, TPMID_ERROR, (int) code);
  assert_contains ((*error)->message, words);
  g_assert_true (g_utf8_validate ((*error)->message, -1, NULL));
  g_clear_error (error);
}

void
assert_words (const char *where, const char *text, const char *words, gboolean expected)
{
  g_autofree char *shown = g_strescape (text, NULL);
  g_autofree char *wanted = g_strescape (words, NULL);

  if ((strstr (text, words) != NULL) != expected)
    g_error ("%s: %s\"%s\" in: %s", where, expected ? "no " : "", wanted, shown);
}

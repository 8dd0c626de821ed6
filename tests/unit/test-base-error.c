/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/base-error.h"

#include <errno.h>
#include <string.h>

#define PREFIX "org.tpmid1.Error."

static void
test_every_code_has_a_name_of_its_own (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (int code = 0; code < TPMID_N_ERRORS; code++)
    {
      const char *name = base_error_dbus_name (code);

      g_assert_nonnull (name);
      if (!g_hash_table_add (seen, (gpointer) name))
        g_error ("%s is the name of two codes", name);
    }
  g_assert_cmpuint (g_hash_table_size (seen), ==, TPMID_N_ERRORS);
}

static void
test_every_name_is_one_camel_case_word (void)
{
  for (int code = 0; code < TPMID_N_ERRORS; code++)
    {
      const char *name = base_error_dbus_name (code);

      g_assert_true (g_str_has_prefix (name, PREFIX));
      const char *word = name + strlen (PREFIX);
      g_assert_true (g_ascii_isupper (word[0]));
      for (; *word != '\0'; word++)
        g_assert_true (g_ascii_isalnum (*word));
    }
}

/* The names are the interface; that none of them moved to another code shows in a sample of each kind. */
static void
test_names_belong_to_their_codes (void)
{
  g_assert_cmpstr (base_error_dbus_name (TPMID_ERROR_FAILED), ==, PREFIX "Failed");
  g_assert_cmpstr (base_error_dbus_name (TPMID_ERROR_INVALID_ARGUMENT), ==, PREFIX "InvalidArgument");
  g_assert_cmpstr (base_error_dbus_name (TPMID_ERROR_STORAGE), ==, PREFIX "Storage");
  g_assert_cmpstr (base_error_dbus_name (TPMID_ERROR_NO_DEVICE), ==, PREFIX "NoDevice");
  g_assert_cmpstr (base_error_dbus_name (TPMID_ERROR_TPM_LOCKOUT), ==, PREFIX "TpmLockout");
  g_assert_cmpstr (base_error_dbus_name (TPMID_ERROR_UNTRUSTED_RESPONSE), ==, PREFIX "UntrustedResponse");
}

static void
test_own_domain_keeps_its_name (void)
{
  for (int code = 0; code < TPMID_N_ERRORS; code++)
    {
      g_autoptr (GError) error = g_error_new (TPMID_ERROR, code, "text");
      g_assert_cmpstr (base_error_to_dbus_error (error), ==, base_error_dbus_name (code));
    }
}

static void
test_foreign_domain_becomes_failed_with_a_critical (void)
{
  g_autoptr (GError) foreign = g_error_new (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "disk full");

  g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*foreign domain g-file-error-quark*disk full*");
  g_assert_cmpstr (base_error_to_dbus_error (foreign), ==, PREFIX "Failed");
  g_test_assert_expected_messages ();
}

static void
test_code_out_of_range_becomes_failed_with_a_critical (void)
{
  const int codes[] = { -1, TPMID_N_ERRORS, G_MAXINT, G_MININT };

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autoptr (GError) error = g_error_new (TPMID_ERROR, codes[i], "text");

      g_test_expect_message (NULL, G_LOG_LEVEL_CRITICAL, "*TpmidError*");
      g_assert_cmpstr (base_error_to_dbus_error (error), ==, PREFIX "Failed");
      g_test_assert_expected_messages ();
    }
}

static void
test_io_error_becomes_a_sentence_of_storage (void)
{
  g_autoptr (GError) error = NULL;
  GError *cause = g_error_new (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "disk full");

  g_assert_false (base_error_from_io (&error, cause, "cannot write %s", "/a/b"));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE);
  g_assert_cmpstr (error->message, ==, "cannot write /a/b: disk full");
}

static void
test_errno_becomes_a_sentence_of_storage (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = g_strdup_printf ("cannot write /a/b: %s", g_strerror (ENOSPC));

  g_assert_false (base_error_set_errno (&error, ENOSPC, "cannot write %s", "/a/b"));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_what_the_tpm_said_is_noted_and_not_told (void)
{
  g_autoptr (GError) error = g_error_new (TPMID_ERROR, TPMID_ERROR_TPM_LOCKOUT, "sign: locked");
  const char *text = NULL;

  g_assert_cmpuint (base_error_get_tpm (error, &text), ==, 0);
  g_assert_null (text);
  base_error_set_tpm (error, 0x922, "other");
  base_error_set_tpm (error, 0x921, "lockout mode");
  g_assert_cmpuint (base_error_get_tpm (error, &text), ==, 0x921);
  g_assert_cmpstr (text, ==, "lockout mode");
  g_assert_cmpstr (error->message, ==, "sign: locked");
}

static void
test_what_the_tpm_said_stays_with_copies (void)
{
  GError *error = g_error_new (TPMID_ERROR, TPMID_ERROR_TPM_LOCKOUT, "locked");
  const char *text = NULL;

  base_error_set_tpm (error, 0x921, "lockout mode");
  g_prefix_error (&error, "sign: ");
  g_autoptr (GError) copy = g_error_copy (error);
  g_error_free (error);
  g_assert_cmpstr (copy->message, ==, "sign: locked");
  g_assert_cmpuint (base_error_get_tpm (copy, &text), ==, 0x921);
  g_assert_cmpstr (text, ==, "lockout mode");
}

static void
test_foreign_errors_know_no_tpm (void)
{
  g_autoptr (GError) foreign = g_error_new (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "disk full");
  const char *text = NULL;

  g_assert_cmpuint (base_error_get_tpm (foreign, &text), ==, 0);
  g_assert_null (text);
}

static void
test_nobody_needs_to_take_the_error (void)
{
  g_assert_false (base_error_from_io (NULL, g_error_new (G_FILE_ERROR, G_FILE_ERROR_IO, "text"), "what"));
  g_assert_false (base_error_set_errno (NULL, EIO, "what"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/base/error/every-code-has-a-name-of-its-own", test_every_code_has_a_name_of_its_own);
  g_test_add_func ("/base/error/every-name-is-one-camel-case-word", test_every_name_is_one_camel_case_word);
  g_test_add_func ("/base/error/names-belong-to-their-codes", test_names_belong_to_their_codes);
  g_test_add_func ("/base/error/own-domain-keeps-its-name", test_own_domain_keeps_its_name);
  g_test_add_func ("/base/error/foreign-domain-becomes-failed-with-a-critical",
                   test_foreign_domain_becomes_failed_with_a_critical);
  g_test_add_func ("/base/error/code-out-of-range-becomes-failed-with-a-critical",
                   test_code_out_of_range_becomes_failed_with_a_critical);
  g_test_add_func ("/base/error/io-error-becomes-a-sentence-of-storage", test_io_error_becomes_a_sentence_of_storage);
  g_test_add_func ("/base/error/errno-becomes-a-sentence-of-storage", test_errno_becomes_a_sentence_of_storage);
  g_test_add_func ("/base/error/what-the-tpm-said-is-noted-and-not-told", test_what_the_tpm_said_is_noted_and_not_told);
  g_test_add_func ("/base/error/what-the-tpm-said-stays-with-copies", test_what_the_tpm_said_stays_with_copies);
  g_test_add_func ("/base/error/foreign-errors-know-no-tpm", test_foreign_errors_know_no_tpm);
  g_test_add_func ("/base/error/nobody-needs-to-take-the-error", test_nobody_needs_to_take_the_error);
  return g_test_run ();
}

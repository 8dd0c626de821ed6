/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-error.h"
#include "client-error.h"
#include "client-explain.h"
#include "client-json.h"
#include "client-text.h"

#include <string.h>

typedef struct ExpectedExit
{
  const char *name;
  int exit_status;
} ExpectedExit;

/* Written out a second time on purpose: scripts rely on these numbers. */
static const ExpectedExit expected[] = {
  { "org.tpmid1.Error.Failed", 1 },
  { "org.tpmid1.Error.Storage", 1 },
  { "org.tpmid1.Error.Corrupt", 1 },
  { "org.tpmid1.Error.UntrustedResponse", 1 },
  { "tpmidctl.File", 1 },
  { "tpmidctl.Usage", 2 },
  { "org.tpmid1.Error.InvalidArgument", 3 },
  { "org.tpmid1.Error.InvalidBlob", 3 },
  { "org.tpmid1.Error.CertificateMismatch", 3 },
  { "org.tpmid1.Error.NotFound", 4 },
  { "org.tpmid1.Error.Exists", 5 },
  { "org.tpmid1.Error.HandleTaken", 5 },
  { "org.tpmid1.Error.NotAuthorized", 6 },
  { "org.tpmid1.Error.AuthFailed", 6 },
  { "org.tpmid1.Error.HierarchyAuthRequired", 6 },
  { "org.tpmid1.Error.QuotaExceeded", 6 },
  { "org.freedesktop.DBus.Error.AccessDenied", 6 },
  { "org.tpmid1.Error.NoDevice", 7 },
  { "org.tpmid1.Error.NoPermission", 7 },
  { "org.tpmid1.Error.DeviceBusy", 7 },
  { "org.tpmid1.Error.BadTcti", 7 },
  { "org.tpmid1.Error.TpmVersion", 7 },
  { "org.tpmid1.Error.TpmUnavailable", 7 },
  { "org.tpmid1.Error.TpmNotStarted", 7 },
  { "org.tpmid1.Error.TpmFailure", 7 },
  { "org.tpmid1.Error.TpmLockout", 7 },
  { "org.tpmid1.Error.Exhausted", 7 },
  { "org.tpmid1.Error.NvFull", 7 },
  { "org.tpmid1.Error.HierarchyDisabled", 7 },
  { "org.tpmid1.Error.ClearDisabled", 7 },
  { "org.tpmid1.Error.PolicyNotMet", 7 },
  { "org.tpmid1.Error.KeyOrphaned", 7 },
  { "org.tpmid1.Error.StaleSrk", 7 },
  { "org.tpmid1.Error.WrongTpm", 7 },
  { "org.tpmid1.Error.Busy", 8 },
  { "org.tpmid1.Error.Timeout", 8 },
  { "org.tpmid1.Error.RateLimited", 8 },
  { "org.tpmid1.Error.Cancelled", 8 },
  { "org.tpmid1.Error.NotReady", 8 },
  { "org.freedesktop.DBus.Error.NoReply", 8 },
  { "org.freedesktop.DBus.Error.NoServer", 9 },
  { "org.freedesktop.DBus.Error.ServiceUnknown", 9 },
  { "org.freedesktop.DBus.Error.NameHasNoOwner", 9 },
  { "org.freedesktop.DBus.Error.Disconnected", 9 },
  { "org.tpmid1.Error.NotSupported", 10 },
  { "org.tpmid1.Error.UnsupportedAlgorithm", 10 },
  { "org.tpmid1.Error.UnsupportedByTpm", 10 },
  { "org.tpmid1.Error.IdentityFault", 11 },
  { "tpmidctl.SignatureMismatch", 12 },
  { "org.tpmid1.Error.DecryptFailed", 13 },
  { "org.tpmid1.Error.WrongState", 14 },
  { "tpmidctl.Unhealthy", 15 },
  { "tpmidctl.Declined", 1 },
};

static void
test_exit_statuses (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      if (client_error_class (expected[i].name)->exit_status != expected[i].exit_status)
        g_test_message ("%s", expected[i].name);
      g_assert_cmpint (client_error_class (expected[i].name)->exit_status, ==, expected[i].exit_status);
    }
}

static void
test_every_error_has_a_row (void)
{
  for (int code = 0; code < TPMID_N_ERRORS; code++)
    {
      const char *name = base_error_dbus_name ((TpmidError) code);
      g_test_message ("%s", name);
      g_assert_true (client_error_is_known (name));
    }
}

static void
test_every_error_is_explained (void)
{
  for (int code = 0; code < TPMID_N_ERRORS; code++)
    {
      const char *name = base_error_dbus_name ((TpmidError) code);
      const ClientExplanation *explanation = client_explain_find (name);
      g_test_message ("%s", name);
      g_assert_nonnull (explanation);
      g_assert_cmpstr (explanation->name, ==, name);
      g_assert_true (client_explain_find (strrchr (name, '.') + 1) == explanation);
      g_assert_true (g_str_has_suffix (explanation->meaning, ".") && g_str_has_suffix (explanation->remedy, "."));
    }
  g_assert_null (client_explain_find (""));
  g_assert_null (client_explain_find ("Error"));
}

static void
test_errors_that_may_pass (void)
{
  g_assert_true (client_error_may_pass ("org.tpmid1.Error.Busy"));
  g_assert_true (client_error_may_pass ("org.freedesktop.DBus.Error.ServiceUnknown"));
  g_assert_false (client_error_may_pass ("org.tpmid1.Error.WrongState"));
  g_assert_false (client_error_may_pass ("org.freedesktop.DBus.Error.AccessDenied"));
}

static void
test_unknown_error_is_a_failure (void)
{
  g_assert_false (client_error_is_known ("org.example.Error.Odd"));
  g_assert_cmpint (client_error_class ("org.example.Error.Odd")->exit_status, ==, 1);
}

/* tpmidd's own messages say what to do: a hint of ours would say it twice. */
static void
test_rights_are_explained_once (void)
{
  g_assert_null (client_error_class ("org.tpmid1.Error.NotAuthorized")->hint);
  g_assert_null (client_error_class ("org.tpmid1.Error.IdentityFault")->hint);
  g_assert_null (client_error_class ("org.tpmid1.Error.DecryptFailed")->hint);
}

static void
test_stopped_daemon_is_said_in_our_words (void)
{
  g_assert_nonnull (strstr (client_error_class ("org.freedesktop.DBus.Error.ServiceUnknown")->sentence, "systemctl start tpmidd"));
}

static void
test_empty_object_is_two_braces (void)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *text = NULL;
  gsize size = 0;
  FILE *file = open_memstream (&text, &size);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "empty");
  json_builder_begin_object (builder);
  json_builder_end_object (builder);
  client_json_add_string (builder, "te\"xt", "\\\"{  }[\n]");
  json_builder_end_object (builder);
  client_json_print (builder, file, FALSE);
  fclose (file);
  g_assert_cmpstr (text, ==, "{\n  \"empty\" : {},\n  \"te\\\"xt\" : \"\\\\\\\"{  }[\\n]\"\n}\n");
}

static void
test_help_names_every_status (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      g_autofree char *line = g_strdup_printf ("\n  %d ", expected[i].exit_status);
      g_assert_nonnull (strstr (client_error_exit_help (), line));
    }
}

static void
test_pem_is_rfc_7468 (void)
{
  guint8 data[49] = { 0 };
  g_autofree char *pem = client_text_pem ("PUBLIC KEY", data, sizeof data);

  g_assert_cmpstr (pem, ==,
                   "-----BEGIN PUBLIC KEY-----\n"
                   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                   "AA==\n"
                   "-----END PUBLIC KEY-----\n");
}

static void
test_property_names_are_lower_case (void)
{
  g_autofree char *name = client_json_property_name ("SerialSource");

  g_assert_cmpstr (name, ==, "serial-source");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/error/exit-statuses-are-the-documented-ones", test_exit_statuses);
  g_test_add_func ("/client/error/every-error-of-the-daemon-has-a-row", test_every_error_has_a_row);
  g_test_add_func ("/client/error/every-error-of-the-daemon-is-explained", test_every_error_is_explained);
  g_test_add_func ("/client/error/busy-and-absent-may-pass", test_errors_that_may_pass);
  g_test_add_func ("/client/error/unknown-error-is-a-failure", test_unknown_error_is_a_failure);
  g_test_add_func ("/client/error/rights-are-explained-once", test_rights_are_explained_once);
  g_test_add_func ("/client/error/stopped-daemon-is-said-in-our-words", test_stopped_daemon_is_said_in_our_words);
  g_test_add_func ("/client/json/empty-object-is-two-braces", test_empty_object_is_two_braces);
  g_test_add_func ("/client/error/help-names-every-status", test_help_names_every_status);
  g_test_add_func ("/client/crypto/pem-is-rfc-7468", test_pem_is_rfc_7468);
  g_test_add_func ("/client/json/property-names-are-lower-case", test_property_names_are_lower_case);
  return g_test_run ();
}

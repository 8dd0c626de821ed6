/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-json.h"
#include "client-tpm.h"
#include "client-value.h"

#include <string.h>

static void
print_json (const char *serial, const char *source)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  client_json_add_string (builder, "serial", serial);
  client_json_add_string (builder, "source", source);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

/* None, or none that can be read now: what to do depends on which of the two it is. */
static gboolean
say_why_none (ClientSession *session, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;

  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return FALSE;
  if (client_value_is (status, "mode", "software"))
    return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                             "this device has no serial number; one in the file that SerialFile= of tpmidd.conf names is found "
                             "at the next start of tpmidd");
  if (client_value_is (status, "mode", "fault") || !client_value_is (tpmid_value_find (status, "tpm"), "state", "ready"))
    return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                             "the serial number is out of reach (mode %s, %s), which does not say that there is none; tpmidctl "
                             "status says what to do",
                             client_value_text (status, "mode"), client_value_text (status, "reason"));
  return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                           "this device has no serial number; tpmidctl serial set VALUE gives it one");
}

static gboolean
get_serial (ClientSession *session, tpmid_error *error)
{
  g_autofree char *serial = NULL;
  g_autofree char *source = NULL;

  if (tpmid_get_serial_number (client_session_get (session), session->timeout_ms, &serial, &source, error) < 0)
    return FALSE;
  if (session->json)
    print_json (serial, source);
  else if (serial[0] != '\0')
    printf ("%s\n", serial);
  return serial[0] != '\0' || say_why_none (session, error);
}

static gboolean
set_serial (ClientSession *session, const char *serial, tpmid_error *error)
{
  if (tpmid_set_serial_number (client_session_get (session), serial, session->timeout_ms, error) < 0)
    return FALSE;
  return session->json ? get_serial (session, error) : TRUE;
}

static gboolean
clear_serial (ClientSession *session, gboolean is_yes, tpmid_error *error)
{
  static const ClientQuestion question = {
    .verb = "serial clear",
    .loss = "The serial number in the TPM is lost; who knows it can write it again.",
  };

  if (!client_confirm (session, &question, is_yes, error))
    return FALSE;
  if (tpmid_clear_serial_number (client_session_get (session), session->timeout_ms, error) < 0)
    return tpmid_error_is (error, "NotFound")
             ? client_error_set (error, CLIENT_ERROR_NOT_FOUND, "there is no serial number in the TPM; nothing was done")
             : client_tpm_refuse (session, error);
  if (session->json)
    print_json ("", "none");
  return TRUE;
}

/* GOption takes a serial number that begins with a dash for options. */
static gboolean
parse (ClientSession *session, const ClientVerb *self, GStrv *arguments, gboolean *ret_is_yes, tpmid_error *error)
{
  const GOptionEntry entries[] = { CLIENT_CONFIRM_OPTION (ret_is_yes), { NULL } };
  g_auto (GStrv) before = g_strdupv (*arguments);

  if (client_session_parse_verb (session, self, entries, arguments, error))
    return client_session_expect (*arguments, 3, error);
  if (g_strv_length (before) > 2 && g_str_equal (before[1], "set") && before[2][0] == '-'
      && strstr (error->message, before[2]) != NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "%s; a serial number that begins with a dash stands behind --: "
                             "tpmidctl serial set -- %s", error->message, before[2]);
  return FALSE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  gboolean is_yes = FALSE;

  if (!parse (session, self, arguments, &is_yes, error))
    return FALSE;

  const GStrv words = *arguments;
  if (words[1] == NULL)
    return get_serial (session, error);
  if (g_str_equal (words[1], "clear"))
    return client_session_expect (words, 2, error) && clear_serial (session, is_yes, error);
  if (!g_str_equal (words[1], "set"))
    return client_error_set (error, CLIENT_ERROR_USAGE,
                             "serial: there is no \"serial %s\", only \"serial set VALUE\" and \"serial clear\"", words[1]);
  if (words[2] == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "serial set: the serial number is missing");
  return set_serial (session, words[2], error);
}

const ClientVerb client_verb_serial = {
  .name = "serial",
  .synopsis = "[set VALUE | clear [--yes]]",
  .summary = "Print the serial number, set it, once in the TPM's life, or clear it",
  .description = "A serial number is 1 to 64 printable ASCII characters without blanks. The same value again is a\n"
                 "success, another one is refused. Where there is none to print, the exit status is 4.\n"
                 "clear takes it out of the TPM, for a device that goes to another owner.",
  .run = run,
};

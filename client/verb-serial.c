/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-json.h"
#include "client-session.h"

static void
print_serial (const ClientSession *session, const char *serial, const char *source)
{
  if (!session->json)
    {
      printf ("%s\n", serial);
      if (serial[0] == '\0')
        fprintf (stderr, "tpmidctl: this device has no serial number; tpmidctl serial set VALUE gives it one\n");
      return;
    }

  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  client_json_add_string (builder, "serial", serial);
  client_json_add_string (builder, "source", source);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
get_serial (ClientSession *session, tpmid_error *error)
{
  g_autofree char *serial = NULL;
  g_autofree char *source = NULL;

  if (tpmid_get_serial_number (client_session_get (session), session->timeout_ms, &serial, &source, error) < 0)
    return FALSE;
  print_serial (session, serial, source);
  return TRUE;
}

static gboolean
set_serial (ClientSession *session, const char *serial, tpmid_error *error)
{
  if (tpmid_set_serial_number (client_session_get (session), serial, session->timeout_ms, error) < 0)
    return FALSE;
  return session->json ? get_serial (session, error) : TRUE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  const GOptionEntry entries[] = { { NULL } };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 3, error))
    return FALSE;

  const GStrv words = *arguments;
  if (words[1] == NULL)
    return get_serial (session, error);
  if (!g_str_equal (words[1], "set"))
    return client_error_set (error, CLIENT_ERROR_USAGE, "serial: there is no \"serial %s\", only \"serial set VALUE\"", words[1]);
  if (words[2] == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "serial set: the serial number is missing");
  return set_serial (session, words[2], error);
}

const ClientVerb client_verb_serial = {
  .name = "serial",
  .synopsis = "[set VALUE]",
  .summary = "Print the serial number, or set it, once in the TPM's life",
  .description = "A serial number is 1 to 64 printable ASCII characters without blanks. The same value again is a\n"
                 "success, another one is refused.",
  .run = run,
};

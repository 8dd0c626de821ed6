/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-file.h"
#include "client-json.h"
#include "client-session.h"

#include <string.h>

static const char *
text_of (const tpmid_value *dict, const char *key)
{
  return tpmid_value_string (tpmid_value_find (dict, key));
}

/* Why there is nothing to show: in a fault the certificate may well be there, but is not given out. */
static gboolean
refuse (ClientSession *session, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;

  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return FALSE;
  if (g_str_equal (text_of (status, "mode"), "fault"))
    return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                             "no certificate is given out, as the device is in mode fault (%s); tpmidctl status says what to do",
                             text_of (status, "reason"));
  return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                           "this device has no certificate yet (mode %s, %s); tpmidctl status says why", text_of (status, "mode"),
                           text_of (status, "reason"));
}

static gboolean
show (ClientSession *session, const char *out_file, tpmid_error *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *pem = NULL;

  if (tpmid_get_certificate (client_session_get (session), session->timeout_ms, &pem, error) < 0)
    return FALSE;
  if (pem[0] == '\0')
    return refuse (session, error);
  if ((!session->json || out_file != NULL) && !client_file_write (out_file, pem, strlen (pem), error))
    return FALSE;
  if (!session->json)
    return TRUE;

  json_builder_begin_object (builder);
  client_json_add_string (builder, "certificate", pem);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
  return TRUE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_autofree char *out_file = NULL;
  const GOptionEntry entries[] = {
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &out_file, "Write the certificate here (standard output)", "FILE" },
    { NULL },
  };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 2, error))
    return FALSE;

  const GStrv words = *arguments;
  if (words[1] != NULL && !g_str_equal (words[1], "show"))
    return client_error_set (error, CLIENT_ERROR_USAGE, "cert: there is no \"cert %s\", only show", words[1]);
  return show (session, out_file, error);
}

const ClientVerb client_verb_cert = {
  .name = "cert",
  .synopsis = "[show] [--out FILE]",
  .summary = "Print the device certificate with its chain, PEM",
  .run = run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-file.h"
#include "client-json.h"
#include "client-pem.h"
#include "client-value.h"

#include <string.h>

/* Why there is nothing to show: in a fault the certificate may well be there, but is not given out. */
static gboolean
refuse (ClientSession *session, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;

  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return FALSE;
  if (client_value_is (status, "mode", "fault"))
    return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                             "no certificate is given out, as the device is in mode fault (%s); tpmidctl status says what to do",
                             client_value_text (status, "reason"));
  return client_error_set (error, CLIENT_ERROR_NOT_FOUND,
                           "this device has no certificate yet (mode %s, %s); tpmidctl status says why",
                           client_value_text (status, "mode"),
                           client_value_text (status, "reason"));
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

/* As "cert show" would say it, for scripts. */
static gboolean
show_json (ClientSession *session, tpmid_error *error)
{
  return !session->json || show (session, NULL, error);
}

static gboolean
install (ClientSession *session, const char *file, tpmid_error *error)
{
  g_autofree char *pem = NULL;

  if (file == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "cert install: the file is missing; - is standard input");
  return client_pem_load (file, &pem, error)
         && tpmid_install_certificate (client_session_get (session), pem, session->timeout_ms, error) >= 0
         && show_json (session, error);
}

static gboolean
regenerate (ClientSession *session, gboolean is_yes, tpmid_error *error)
{
  static const ClientQuestion question = {
    .verb = "cert regenerate",
    .loss = "This device gets a new self-signed certificate of the same key, which whoever knows it by its certificate has to "
            "accept. The old one goes into the archive of the state folder.",
  };

  return client_confirm (session, &question, is_yes, error)
         && tpmid_regenerate_certificate (client_session_get (session), session->timeout_ms, error) >= 0
         && show_json (session, error);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_autofree char *out_file = NULL;
  gboolean is_yes = FALSE;
  const GOptionEntry entries[] = {
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &out_file, "With show: write the certificate here (standard output)", "FILE" },
    CLIENT_CONFIRM_OPTION (&is_yes),
    { NULL },
  };

  if (!client_session_parse_verb (session, self, entries, arguments, error))
    return FALSE;

  const GStrv words = *arguments;
  const char *what = words[1] != NULL ? words[1] : "show";
  if (!client_session_expect (words, g_str_equal (what, "install") ? 3 : 2, error))
    return FALSE;
  if (g_str_equal (what, "show"))
    return show (session, out_file, error);
  if (out_file != NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "cert: --out goes with show");
  if (g_str_equal (what, "install"))
    return install (session, words[2], error);
  if (g_str_equal (what, "regenerate"))
    return regenerate (session, is_yes, error);
  return client_error_set (error, CLIENT_ERROR_USAGE, "cert: there is no \"cert %s\", only show, install and regenerate", what);
}

const ClientVerb client_verb_cert = {
  .name = "cert",
  .synopsis = "[show] [--out FILE] | install FILE | regenerate [--yes]",
  .summary = "Print the device certificate with its chain, PEM; install another, or make a new one",
  .description = "install takes PEM certificates of the device's key, leaf first, each signed by the next; - is standard input.\n"
                 "regenerate makes a self-signed one of the same key.",
  .run = run,
};

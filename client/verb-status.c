/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-json.h"
#include "client-session.h"

#define LABEL_WIDTH 10

static const char *
text_of (const tpmid_value *dict, const char *key)
{
  return tpmid_value_string (tpmid_value_find (dict, key));
}

static guint64
number_of (const tpmid_value *dict, const char *key)
{
  return tpmid_value_unsigned (tpmid_value_find (dict, key));
}

static void
print_row (const char *label, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
print_row (const char *label, const char *format, ...)
{
  va_list args;

  printf ("%-*s ", LABEL_WIDTH, label);
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  putchar ('\n');
}

static void
print_text (const char *label, const char *text)
{
  if (text[0] != '\0')
    print_row (label, "%s", text);
}

static void
print_identity (const tpmid_value *status)
{
  const tpmid_value *key = tpmid_value_find (status, "key");

  print_row ("Mode", "%s", text_of (status, "mode"));
  print_row ("State", "%s", text_of (status, "state"));
  if (number_of (status, "row") > 0)
    print_row ("Reason", "%s (row %" G_GUINT64_FORMAT " of the boot decision)", text_of (status, "reason"),
               number_of (status, "row"));
  else
    print_row ("Reason", "%s", text_of (status, "reason"));
  print_text ("Hint", text_of (status, "hint"));

  if (text_of (status, "serial")[0] != '\0')
    print_row ("Serial", "%s (from %s)", text_of (status, "serial"), text_of (status, "serial-source"));
  else
    print_row ("Serial", "none");

  if (text_of (key, "reference")[0] == '\0')
    {
      print_row ("Key", "none");
      return;
    }
  print_row ("Key", "%s, %s", text_of (key, "name"), text_of (key, "algorithm"));
  print_row ("", "%s", text_of (key, "reference"));
}

static void
print_facts (const tpmid_value *tpm)
{
  guint64 revision = number_of (tpm, "revision");
  g_autofree char *manufacturer = g_strchomp (g_strdup (text_of (tpm, "manufacturer")));

  if (manufacturer[0] == '\0')
    return;
  print_row ("", "%s %s, firmware %s, revision %" G_GUINT64_FORMAT ".%02" G_GUINT64_FORMAT, manufacturer,
             text_of (tpm, "vendor"), text_of (tpm, "firmware"), revision / 100, revision % 100);
}

static void
print_work (const tpmid_value *tpm)
{
  if (number_of (tpm, "commands") > 0)
    print_row ("Commands", "%" G_GUINT64_FORMAT " since start, %" G_GUINT64_FORMAT " of them for the boot decision",
               number_of (tpm, "commands"), number_of (tpm, "boot-commands"));
  if (text_of (tpm, "running")[0] != '\0')
    print_row ("Running", "%s, for %" G_GUINT64_FORMAT " ms", text_of (tpm, "running"), number_of (tpm, "running-ms"));
  if (number_of (tpm, "waiting") > 0)
    print_row ("Waiting", "%" G_GUINT64_FORMAT " jobs", number_of (tpm, "waiting"));
  if (number_of (tpm, "reopened") > 0)
    print_row ("Reopened", "%" G_GUINT64_FORMAT " times", number_of (tpm, "reopened"));
}

static void
print_tpm (const tpmid_value *tpm)
{
  const tpmid_value *lockout = tpmid_value_find (tpm, "lockout");
  const char *detail = text_of (tpm, "detail");
  gboolean in_lockout = tpmid_value_boolean (tpmid_value_find (lockout, "in-lockout"));

  print_row ("TPM", "%s%s%s", text_of (tpm, "state"), detail[0] != '\0' ? ": " : "", detail);
  print_facts (tpm);
  if (tpmid_value_count (lockout) > 0)
    print_row ("Lockout", "%s%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " tries used", in_lockout ? "in lockout, " : "",
               number_of (lockout, "counter"), number_of (lockout, "limit"));
  print_work (tpm);
}

static void
print_problems (const tpmid_value *problems)
{
  for (gsize i = 0; i < tpmid_value_count (problems); i++)
    print_row (i == 0 ? "Problems" : "", "%s", tpmid_value_string (tpmid_value_at (problems, i, NULL)));
}

static void
print_json (const tpmid_value *status)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  client_json_add_value (builder, status);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;
  const GOptionEntry entries[] = { { NULL } };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 1, error)
      || tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return FALSE;

  if (session->json)
    {
      print_json (status);
      return TRUE;
    }
  print_identity (status);
  print_tpm (tpmid_value_find (status, "tpm"));
  print_problems (tpmid_value_find (status, "problems"));
  print_row ("Version", "%s", text_of (status, "version"));
  return TRUE;
}

const ClientVerb client_verb_status = {
  .name = "status",
  .synopsis = "",
  .summary = "Show the mode, why it is so, and the TPM's health",
  .run = run,
};

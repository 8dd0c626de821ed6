/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-json.h"
#include "client-session.h"
#include "client-value.h"

#define LABEL_WIDTH 10

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

  print_row ("Mode", "%s", client_value_text (status, "mode"));
  print_row ("State", "%s", client_value_text (status, "state"));
  if (client_value_number (status, "row") > 0)
    print_row ("Reason", "%s (row %" G_GUINT64_FORMAT " of the boot decision)", client_value_text (status, "reason"),
               client_value_number (status, "row"));
  else
    print_row ("Reason", "%s", client_value_text (status, "reason"));
  print_text ("Hint", client_value_text (status, "hint"));

  if (client_value_text (status, "serial")[0] != '\0')
    print_row ("Serial", "%s (from %s)", client_value_text (status, "serial"), client_value_text (status, "serial-source"));
  else
    print_row ("Serial", "none");

  if (client_value_text (key, "reference")[0] == '\0')
    {
      print_row ("Key", "none");
      return;
    }
  print_row ("Key", "%s, %s", client_value_text (key, "name"), client_value_text (key, "algorithm"));
  print_row ("", "%s", client_value_text (key, "reference"));
}

static void
print_facts (const tpmid_value *tpm)
{
  guint64 revision = client_value_number (tpm, "revision");
  g_autofree char *manufacturer = g_strchomp (g_strdup (client_value_text (tpm, "manufacturer")));

  if (manufacturer[0] == '\0')
    return;
  print_row ("", "%s %s, firmware %s, revision %" G_GUINT64_FORMAT ".%02" G_GUINT64_FORMAT, manufacturer,
             client_value_text (tpm, "vendor"), client_value_text (tpm, "firmware"), revision / 100, revision % 100);
}

static void
print_work (const tpmid_value *tpm)
{
  if (client_value_number (tpm, "commands") > 0)
    print_row ("Commands", "%" G_GUINT64_FORMAT " since start, %" G_GUINT64_FORMAT " of them for the boot decision",
               client_value_number (tpm, "commands"), client_value_number (tpm, "boot-commands"));
  if (client_value_text (tpm, "running")[0] != '\0')
    print_row ("Running", "%s, for %" G_GUINT64_FORMAT " ms", client_value_text (tpm, "running"),
               client_value_number (tpm, "running-ms"));
  if (client_value_number (tpm, "waiting") > 0)
    print_row ("Waiting", "%" G_GUINT64_FORMAT " jobs", client_value_number (tpm, "waiting"));
  if (client_value_number (tpm, "reopened") > 0)
    print_row ("Reopened", "%" G_GUINT64_FORMAT " times", client_value_number (tpm, "reopened"));
}

static void
print_lockout (const tpmid_value *lockout)
{
  guint64 recovery = client_value_number (lockout, "recovery");

  if (tpmid_value_count (lockout) == 0)
    return;
  print_row ("Lockout",
             "%s%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " tries used, one is forgiven every %" G_GUINT64_FORMAT " s",
             client_value_flag (lockout, "in-lockout") ? "in lockout, " : "", client_value_number (lockout, "counter"),
             client_value_number (lockout, "limit"), client_value_number (lockout, "interval"));
  if (recovery > 0)
    print_row ("", "a wrong lockout password bars the next for %" G_GUINT64_FORMAT " s", recovery);
  else
    print_row ("", "a wrong lockout password bars the next until the TPM restarts");
}

static void
print_ownership (const tpmid_value *ownership)
{
  if (tpmid_value_count (ownership) == 0)
    return;
  print_row ("Ownership", "%s (policy %s)", client_value_text (ownership, "state"), client_value_text (ownership, "policy"));
  print_row ("", "passwords: owner %s, lockout %s, endorsement %s; platform %s", client_value_text (ownership, "owner-auth"),
             client_value_text (ownership, "lockout-auth"), client_value_text (ownership, "endorsement-auth"),
             client_value_text (ownership, "platform"));
  if (client_value_text (ownership, "detail")[0] != '\0')
    print_row ("", "%s", client_value_text (ownership, "detail"));
}

static void
print_operation (const tpmid_value *operation)
{
  const char *detail = client_value_text (operation, "detail");
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc ((gint64) client_value_number (operation, "time"));
  g_autofree char *stamp = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  if (tpmid_value_count (operation) > 0)
    print_row ("Operation", "%s: %s, %s%s%s", client_value_text (operation, "name"), client_value_text (operation, "state"),
               stamp != NULL ? stamp : "", detail[0] != '\0' ? ": " : "", detail);
}

static void
print_tpm (const tpmid_value *tpm)
{
  const tpmid_value *orderly = tpmid_value_find (tpm, "orderly");
  const char *detail = client_value_text (tpm, "detail");

  print_row ("TPM", "%s%s%s", client_value_text (tpm, "state"), detail[0] != '\0' ? ": " : "", detail);
  print_facts (tpm);
  if (orderly != NULL)
    print_row ("", "%s", tpmid_value_boolean (orderly)
               ? "started after an orderly shutdown" : "started after a power cut or reset");
  print_lockout (tpmid_value_find (tpm, "lockout"));
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
  print_operation (tpmid_value_find (status, "operation"));
  print_ownership (tpmid_value_find (status, "ownership"));
  print_tpm (tpmid_value_find (status, "tpm"));
  print_problems (tpmid_value_find (status, "problems"));
  print_row ("Version", "%s", client_value_text (status, "version"));
  return TRUE;
}

const ClientVerb client_verb_status = {
  .name = "status",
  .synopsis = "",
  .summary = "Show the mode, why it is so, and the TPM's health",
  .run = run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-handle.h"
#include "client-operation.h"
#include "client-value.h"

static int
start (tpmid_client *client, const char *argument, int timeout_ms, tpmid_error *error)
{
  return tpmid_reset (client, timeout_ms, error);
}

/* What others keep in the TPM. Not to know it is no reason not to reset, but one to say so. */
static char *
describe (ClientSession *session, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;
  g_autoptr (tpmid_value) handles = NULL;
  GString *text = g_string_new (NULL);

  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return g_string_free (text, TRUE);
  if (tpmid_list_handles (client_session_get (session), session->timeout_ms, &handles, error) < 0)
    {
      g_string_append_printf (text, "What other programs keep in the TPM cannot be listed: %s\n", error->message);
      return g_string_free (text, FALSE);
    }
  g_string_append (text, client_value_is (tpmid_value_find (status, "ownership"), "policy", "exclusive")
                           ? "With Ownership=exclusive the TPM is cleared, unless ClearOnReset=never:"
                           : "Where ClearOnReset=always is configured the TPM is cleared:");
  g_string_append (text, " what other programs keep in it is lost then, too.\n");
  client_handle_describe (handles, "other", text);
  return g_string_free (text, FALSE);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  static const ClientOperation operation = { .name = "reset", .start = start, .may_be_incomplete = TRUE };
  static const ClientQuestion question = {
    .verb = "reset",
    .loss = "The identity of this device, its certificate and the keys of applications are lost; the serial number is kept.",
    .describe = describe,
  };
  gboolean is_yes = FALSE;
  const GOptionEntry entries[] = { CLIENT_CONFIRM_OPTION (&is_yes), { NULL } };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && client_confirm (session, &question, is_yes, error) && client_operation_run (session, &operation, error);
}

const ClientVerb client_verb_reset = {
  .name = "reset",
  .synopsis = "[--yes]",
  .summary = "Factory reset: a new identity, nothing left of the old one but the serial number",
  .description = "Waits for the end, 300 seconds or as long as --timeout says, and prints \"reset: complete\" or\n"
                 "\"reset: incomplete: ...\", and the reference of the new identity.",
  .run = run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-operation.h"

static int
start (tpmid_client *client, const char *argument, int timeout_ms, tpmid_error *error)
{
  return tpmid_reprovision (client, timeout_ms, error);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  static const ClientOperation operation = { .name = "reprovision", .start = start };
  static const ClientQuestion question = {
    .verb = "reprovision",
    .loss = "This device gets a new identity, which whoever knows it has to accept. The old record, the certificate, the "
            "software key and the keys that no TPM can load any more go into the archive of the state folder.",
  };
  gboolean is_yes = FALSE;
  const GOptionEntry entries[] = { CLIENT_CONFIRM_OPTION (&is_yes), { NULL } };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && client_confirm (session, &question, is_yes, error) && client_operation_run (session, &operation, error);
}

const ClientVerb client_verb_reprovision = {
  .name = "reprovision",
  .synopsis = "[--yes]",
  .summary = "Give a device in mode fault a new identity, and archive what is left of the old one",
  .description = "Only in mode fault, with a TPM that can be used. Waits for the end, as reset does.",
  .run = run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-operation.h"

#define ACCEPT \
  "The device gets another key and another certificate, which the controller has to accept before it works again. "

static const struct
{
  const char *word;
  ClientOperation operation;
  ClientQuestion question;
} targets[] = {
  { "to-tpm",
    { .name = "migrate-to-tpm", .argument = "tpm", .start = tpmid_migrate, .mode = "tpm" },
    { .verb = "migrate to-tpm",
      .loss = ACCEPT "The software key and its certificate are kept; migrate to-software brings them back." } },
  { "to-software",
    { .name = "migrate-to-software", .argument = "software", .start = tpmid_migrate, .mode = "software" },
    { .verb = "migrate to-software",
      .loss = ACCEPT "The new key is a file that can be copied. The key in the TPM and its certificate are kept; migrate to-tpm "
                     "brings them back." } },
};

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  gboolean is_yes = FALSE;
  const GOptionEntry entries[] = { CLIENT_CONFIRM_OPTION (&is_yes), { NULL } };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 2, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++)
    if (g_strcmp0 ((*arguments)[1], targets[i].word) == 0)
      return client_confirm (session, &targets[i].question, is_yes, error)
             && client_operation_run (session, &targets[i].operation, error);
  return client_error_set (error, CLIENT_ERROR_USAGE, "migrate: say where to: migrate to-tpm or migrate to-software");
}

const ClientVerb client_verb_migrate = {
  .name = "migrate",
  .synopsis = "to-tpm|to-software [--yes]",
  .summary = "Move the identity into the TPM, or out of it: another key and certificate",
  .description = "The old key and certificate are kept, and come back when the device migrates back. Already there is a\n"
                 "success. Waits for the end, as reset does.",
  .run = run,
};

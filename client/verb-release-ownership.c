/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-json.h"
#include "client-tpm.h"
#include "client-value.h"

static gboolean
release (ClientSession *session, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (tpmid_release_ownership (client_session_get (session), session->timeout_ms, error) < 0)
    return client_tpm_refuse (session, error);
  if (!session->json)
    {
      puts ("release-ownership: complete");
      return TRUE;
    }
  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return FALSE;
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "ownership");
  client_json_add_value (builder, tpmid_value_find (status, "ownership"));
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
  return TRUE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  static const ClientQuestion question = {
    .verb = "release-ownership",
    .loss = "The owner and the lockout password of the TPM are made empty: any program that reaches the TPM can then use its "
            "owner hierarchy, and clear it. The identity and the keys stay.",
  };
  gboolean is_yes = FALSE;
  const GOptionEntry entries[] = { CLIENT_CONFIRM_OPTION (&is_yes), { NULL } };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && client_confirm (session, &question, is_yes, error) && release (session, error);
}

const ClientVerb client_verb_release_ownership = {
  .name = "release-ownership",
  .synopsis = "[--yes]",
  .summary = "Make the TPM's passwords that tpmidd set empty again",
  .run = run,
};

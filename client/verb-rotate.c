/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"
#include "client-file.h"
#include "client-json.h"
#include "client-operation.h"
#include "client-pem.h"
#include "client-progress.h"
#include "client-text.h"
#include "client-value.h"

/* Why it cannot be looked up, the beginning says better. */
static gboolean
is_begun (ClientSession *session)
{
  g_autoptr (tpmid_value) properties = NULL;
  tpmid_error error;

  return tpmid_get_key (client_session_get (session), "device-next", session->timeout_ms, &properties, &error) >= 0;
}

static gboolean
make (ClientSession *session, char **ret_key, tpmid_error *error)
{
  ClientProgress *progress = client_progress_start ("the key device-next is being made", CLIENT_PROGRESS_TERMINAL);
  int timeout_ms = session->has_timeout ? session->timeout_ms : CLIENT_OPERATION_WAIT_MS;
  int r = tpmid_begin_rotation (client_session_get (session), timeout_ms, ret_key, error);

  client_progress_end (progress);
  return r >= 0;
}

static gboolean
begin (ClientSession *session, tpmid_error *error)
{
  g_autofree char *key = NULL;
  g_autoptr (tpmid_value) properties = NULL;
  gboolean is_new = !is_begun (session);
  gsize size;

  if (!make (session, &key, error)
      || tpmid_get_key (client_session_get (session), key, session->timeout_ms, &properties, error) < 0)
    return FALSE;

  const guint8 *reference = tpmid_value_bytes (tpmid_value_find (properties, "Reference"), &size);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  client_json_add_string (builder, "key", key);
  client_json_add_string (builder, "algorithm", client_value_text (properties, "Algorithm"));
  client_json_add_bytes (builder, "reference", reference, size);
  json_builder_set_member_name (builder, "made");
  json_builder_add_boolean_value (builder, is_new);
  json_builder_end_object (builder);
  if (session->json)
    {
      client_json_print (builder, stdout, FALSE);
      return TRUE;
    }
  g_autofree char *hex = client_text_hex (reference, size);
  printf ("%s: %s\nreference: %s\n", key, is_new ? "made" : "there already", hex);
  return TRUE;
}

static int
start_commit (tpmid_client *client, const char *argument, int timeout_ms, tpmid_error *error)
{
  return tpmid_commit_rotation (client, argument, timeout_ms, error);
}

static gboolean
commit (ClientSession *session, const char *file, gboolean is_yes, tpmid_error *error)
{
  static const ClientQuestion question = {
    .verb = "rotate commit",
    .loss = "From now on this device signs with the key device-next, and shows its certificate, which whoever knows the device "
            "has to accept. The old key and certificate are kept; rotate rollback brings them back.",
  };
  g_autofree char *pem = NULL;

  if (file != NULL && !client_pem_load (file, &pem, error))
    return FALSE;

  const ClientOperation operation = {
    .name = "rotate-commit", .argument = pem, .start = start_commit, .is_done_on_return = TRUE
  };
  return client_confirm (session, &question, is_yes, error) && client_operation_run (session, &operation, error);
}

static int
start_rollback (tpmid_client *client, const char *argument, int timeout_ms, tpmid_error *error)
{
  return tpmid_rollback_rotation (client, timeout_ms, error);
}

static gboolean
rollback (ClientSession *session, gboolean is_yes, tpmid_error *error)
{
  static const ClientOperation operation = { .name = "rotate-rollback", .start = start_rollback, .is_done_on_return = TRUE };
  static const ClientQuestion question = {
    .verb = "rotate rollback",
    .loss = "The key device-next is lost, where the rotation is not committed. Where it is, the device goes back to the key "
            "and the certificate that it had before, and the newer ones are lost.",
  };

  return client_confirm (session, &question, is_yes, error) && client_operation_run (session, &operation, error);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  gboolean is_yes = FALSE;
  const GOptionEntry entries[] = { CLIENT_CONFIRM_OPTION (&is_yes), { NULL } };

  if (!client_session_parse_verb (session, self, entries, arguments, error))
    return FALSE;

  const GStrv words = *arguments;
  gboolean is_commit = g_strcmp0 (words[1], "commit") == 0;
  if (!client_session_expect (words, is_commit ? 3 : 2, error))
    return FALSE;
  if (is_commit)
    return commit (session, words[2], is_yes, error);
  if (g_strcmp0 (words[1], "begin") == 0)
    return begin (session, error);
  if (g_strcmp0 (words[1], "rollback") == 0)
    return rollback (session, is_yes, error);
  return client_error_set (error, CLIENT_ERROR_USAGE, "rotate: say what: rotate begin, rotate commit [CHAIN] or rotate rollback");
}

const ClientVerb client_verb_rotate = {
  .name = "rotate",
  .synopsis = "begin | commit [CHAIN] | rollback [--yes]",
  .summary = "Give the device a new key in its TPM, in steps that can be taken back",
  .description = "begin makes the key device-next, for which csr makes a request; commit makes it the device's, with the\n"
                 "certificates in CHAIN (PEM, leaf first; - is standard input) or a self-signed one; rollback takes back the\n"
                 "commit or, before it, the begin.",
  .run = run,
};

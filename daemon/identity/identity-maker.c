/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-maker.h"

#include "base-error.h"
#include "base-log.h"

#include <string.h>

typedef struct
{
  IdentityKeyring keyring;
  IdentityKey *key;
} Request;

static Request *
request_new (const IdentityKeyring *keyring, IdentityKey *key)
{
  Request *request = g_new0 (Request, 1);

  *request = (Request) { *keyring, identity_key_ref (key) };
  return request;
}

static void
request_free (gpointer data)
{
  Request *request = data;

  identity_key_unref (request->key);
  g_free (request);
}

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  IdentityKey *key = tpm_queue_push_finish (result, &error);

  if (key != NULL)
    g_task_return_pointer (task, key, (GDestroyNotify) identity_key_unref);
  else
    g_task_return_error (task, error);
}

static gboolean
is_credentials (const IdentityKey *key)
{
  return strcmp (key->name, IDENTITY_CREDENTIALS) == 0;
}

/* TPM thread */
static gpointer
identity_maker_make_job (TpmLink *link, gpointer data, GError **error)
{
  Request *request = data;

  return is_credentials (request->key) ? identity_keyring_ensure_credentials (&request->keyring, link, error)
                                       : identity_keyring_make (&request->keyring, link, request->key, error);
}

void
identity_maker_make_async (TpmQueue *queue, const IdentityKeyring *keyring, IdentityKey *key, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  TpmJob job = {
    .operation = "make-key",
    .priority = TPM_PRIORITY_BACKGROUND,
    .uid = key->owner,
    .replayable = !is_credentials (key), /* what was loaded is gone with the link; what is persistent may be there already */
    .needs_tpm = keyring->mode == IDENTITY_MODE_TPM,
    .run = identity_maker_make_job,
    .request = request_new (keyring, key),
    .request_free = request_free,
    .result_free = (GDestroyNotify) identity_key_unref,
  };

  g_task_set_task_data (task, identity_key_ref (key), (GDestroyNotify) identity_key_unref);
  tpm_queue_push_async (queue, &job, NULL, on_done, task);
}

static void
log_made (const IdentityKey *key)
{
  g_autofree char *uid = g_strdup_printf ("%u", key->owner);
  const BaseLogField fields[] = { { "TPMID_KEY", key->name }, { "TPMID_UID", uid }, { NULL, NULL } };

  base_log (G_LOG_LEVEL_MESSAGE, NULL, fields, "key %s (%s) is there", key->name, identity_algorithm_name (key->algorithm));
}

static void
log_not_made (const IdentityKey *wanted, const GError *error)
{
  const char *text = NULL;
  guint32 rc = base_error_get_tpm (error, &text);
  g_autofree char *hex = rc != 0 ? g_strdup_printf ("0x%x", rc) : NULL;
  const BaseLogField fields[] = { { "TPMID_KEY", wanted->name }, { "TPM_RC", hex }, { "TPM_RC_TEXT", text }, { NULL, NULL } };

  base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, fields, "key %s could not be made: %s", wanted->name, error->message);
}

IdentityKey *
identity_maker_make_finish (GAsyncResult *result, IdentityKey **ret_wanted, GError **error)
{
  IdentityKey *wanted = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) cause = NULL;
  IdentityKey *key = g_task_propagate_pointer (G_TASK (result), &cause);

  if (key != NULL && wanted->state != IDENTITY_KEY_USABLE)
    log_made (key);
  if (key == NULL && !g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_CANCELLED))
    log_not_made (wanted, cause);
  *ret_wanted = wanted;
  if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return key;
}

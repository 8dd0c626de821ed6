/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-key.h"

#include "client-progress.h"

gboolean
client_key_wait (ClientSession *session, const char *name, int timeout_ms, tpmid_error *error)
{
  g_autofree char *text = g_strdup_printf ("The key %s is being made", name);
  ClientProgress *progress = client_progress_start (text, CLIENT_PROGRESS_TERMINAL);
  int r = tpmid_wait_key (client_session_get (session), name, timeout_ms, error);

  client_progress_end (progress);
  return r >= 0;
}

static gboolean
get (ClientSession *session, const char *name, tpmid_value **ret_properties, gboolean *ret_has_public, tpmid_error *error)
{
  gsize size;

  if (tpmid_get_key (client_session_get (session), name, session->timeout_ms, ret_properties, error) < 0)
    return FALSE;
  (void) tpmid_value_bytes (tpmid_value_find (*ret_properties, "PublicKey"), &size);
  *ret_has_public = size > 0;
  return TRUE;
}

gboolean
client_key_load (ClientSession *session, const char *name, tpmid_value **ret_properties, tpmid_error *error)
{
  g_autoptr (tpmid_value) first = NULL;
  g_autoptr (tpmid_value) second = NULL;
  gboolean has_public;

  if (!get (session, name, &first, &has_public, error))
    return FALSE;
  if (has_public)
    {
      *ret_properties = g_steal_pointer (&first);
      return TRUE;
    }
  if (!client_key_wait (session, name, session->timeout_ms, error) || !get (session, name, &second, &has_public, error))
    return FALSE;
  if (!has_public)
    return client_error_set (error, CLIENT_ERROR_NOT_FOUND, "the public key of %s is not known", name);
  *ret_properties = g_steal_pointer (&second);
  return TRUE;
}

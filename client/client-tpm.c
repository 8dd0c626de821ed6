/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-tpm.h"

#include "client-value.h"

gboolean
client_tpm_refuse (ClientSession *session, tpmid_error *error)
{
  g_autoptr (tpmid_value) status = NULL;
  tpmid_error other;

  if (tpmid_error_is (error, "NotSupported")
      && tpmid_get_status (client_session_get (session), session->timeout_ms, &status, &other) >= 0
      && !client_value_is (status, "mode", "software") && client_value_is (tpmid_value_find (status, "tpm"), "state", "no-device"))
    g_strlcpy (error->name, CLIENT_ERROR_NO_DEVICE, sizeof error->name);
  return FALSE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-session.h"

#include "tpm-parent.h"
#include "tpm-rc.h"

static gboolean
start_once (TpmLink *link, const TpmParent *parent, gboolean lasting, ESYS_TR *ret_tr, GError **error)
{
  static const TPMT_SYM_DEF symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
  TPMA_SESSION attributes = TPMA_SESSION_ENCRYPT | (lasting ? TPMA_SESSION_CONTINUESESSION : 0);
  g_auto (TpmSession) session = { link, ESYS_TR_NONE };
  ESYS_CONTEXT *esys;
  ESYS_TR salt_key;

  if (!tpm_parent_get (link, parent, &salt_key, NULL, error))
    return FALSE;
  esys = tpm_link_esys (link);
  TSS2_RC rc = Esys_StartAuthSession (esys, salt_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                      &symmetric, TPM2_ALG_SHA256, &session.tr);
  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_TRSess_SetAttributes (esys, session.tr, attributes, 0xff);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "start an encrypted session");
  /* Only now: one without its attributes would answer in the clear. */
  *ret_tr = session.tr;
  session.tr = ESYS_TR_NONE;
  return TRUE;
}

static gboolean
start (TpmLink *link, const TpmParent *parent, gboolean lasting, ESYS_TR *ret_tr, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (start_once (link, parent, lasting, ret_tr, &cause))
    return TRUE;
  if (tpm_parent_look_again (link, parent, cause))
    return start_once (link, parent, lasting, ret_tr, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

gboolean
tpm_session_open (TpmLink *link, const TpmParent *parent, TpmSession *guard, ESYS_TR *ret_tr, GError **error)
{
  if (!tpm_link_is_exclusive (link))
    {
      if (!start (link, parent, FALSE, &guard->tr, error))
        return FALSE;
      *ret_tr = guard->tr;
      return TRUE;
    }

  ESYS_TR *own = tpm_link_own_session (link);
  if (*own == ESYS_TR_NONE && !start (link, parent, TRUE, own, error))
    return FALSE;
  *ret_tr = *own;
  return TRUE;
}

gboolean
tpm_session_is_about (TSS2_RC rc)
{
  if (tpm_rc_is_transport (rc))
    return FALSE;
  return (rc >= TPM2_RC_REFERENCE_S0 && rc <= TPM2_RC_REFERENCE_S6)
         || ((rc & TPM2_RC_FMT1) != 0 && (rc & TPM2_RC_P) == 0 && (rc & TPM2_RC_S) != 0);
}

/* A session that is gone cannot be flushed, and that is no error. */
static void
drop (TpmLink *link, ESYS_TR *session)
{
  if (Esys_FlushContext (tpm_link_esys (link), *session) != TSS2_RC_SUCCESS)
    (void) Esys_TR_Close (tpm_link_esys (link), session);
  *session = ESYS_TR_NONE;
}

gboolean
tpm_session_spent (TpmLink *link, TpmSession *guard, TSS2_RC rc)
{
  gboolean is_own = tpm_link_is_exclusive (link);
  ESYS_TR *session = is_own ? tpm_link_own_session (link) : &guard->tr;

  if (rc == TSS2_RC_SUCCESS && !is_own)
    {
      /* The TPM ended the session with the command; only ESYS may still know it. */
      (void) Esys_TR_Close (tpm_link_esys (link), session);
      *session = ESYS_TR_NONE;
    }
  if (rc == TSS2_RC_SUCCESS || tpm_rc_is_transport (rc))
    return FALSE;
  drop (link, session);
  return tpm_session_is_about (rc);
}

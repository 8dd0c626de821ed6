/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-session.h"

#include "tpm-parent.h"
#include "tpm-rc.h"

static gboolean
start_once (TpmLink *link, const TpmParent *parent, gboolean lasting, ESYS_TR *ret_tr, GError **error)
{
  static const TPMT_SYM_DEF symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
  TPMA_SESSION attributes = TPMA_SESSION_ENCRYPT | (lasting ? TPMA_SESSION_CONTINUESESSION : 0);
  ESYS_CONTEXT *esys;
  ESYS_TR salt_key;

  if (!tpm_parent_get (link, parent, &salt_key, NULL, error))
    return FALSE;
  esys = tpm_link_esys (link);
  TSS2_RC rc = Esys_StartAuthSession (esys, salt_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                      &symmetric, TPM2_ALG_SHA256, ret_tr);
  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_TRSess_SetAttributes (esys, *ret_tr, attributes, 0xff);
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, "start an encrypted session");
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

/* TPM 2.0 Library Part 2, 6.6.3: bit 11 of a format-one code says that it is about a session. */
static gboolean
is_about_session (TSS2_RC rc)
{
  if (tpm_rc_is_transport (rc))
    return FALSE;
  return (rc >= TPM2_RC_REFERENCE_S0 && rc <= TPM2_RC_REFERENCE_S6)
         || ((rc & TPM2_RC_FMT1) != 0 && (rc & TPM2_RC_P) == 0 && (rc & TPM2_RC_S) != 0);
}

/* A session that is gone cannot be flushed, and that is no error. */
static void
drop (TpmLink *link, ESYS_TR *own)
{
  if (Esys_FlushContext (tpm_link_esys (link), *own) != TSS2_RC_SUCCESS)
    (void) Esys_TR_Close (tpm_link_esys (link), own);
  *own = ESYS_TR_NONE;
}

gboolean
tpm_session_spent (TpmLink *link, TpmSession *guard, TSS2_RC rc)
{
  if (tpm_link_is_exclusive (link))
    {
      if (rc == TSS2_RC_SUCCESS || tpm_rc_is_transport (rc))
        return FALSE;
      drop (link, tpm_link_own_session (link));
      return is_about_session (rc);
    }
  /* The TPM ended the session with the command; only ESYS may still know it. */
  if (rc == TSS2_RC_SUCCESS)
    {
      (void) Esys_TR_Close (tpm_link_esys (link), &guard->tr);
      guard->tr = ESYS_TR_NONE;
    }
  return FALSE;
}

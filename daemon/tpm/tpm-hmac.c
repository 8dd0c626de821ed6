/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-hmac.h"

#include "tpm-rc.h"

gboolean
tpm_hmac_start_salted (TpmLink *link, ESYS_TR salt_key, TPMA_SESSION attributes, ESYS_TR *ret_tr, GError **error)
{
  static const TPMT_SYM_DEF encryption = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
  g_auto (TpmSession) session = { link, ESYS_TR_NONE };
  ESYS_CONTEXT *esys = tpm_link_esys (link);
  TSS2_RC rc = Esys_StartAuthSession (esys, salt_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                      &encryption, TPM2_ALG_SHA256, &session.tr);

  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_TRSess_SetAttributes (esys, session.tr, attributes, 0xff);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "start an encrypted session");
  /* Only now: one without its attributes would answer in the clear. */
  *ret_tr = session.tr;
  session.tr = ESYS_TR_NONE;
  return TRUE;
}

gboolean
tpm_hmac_start_plain (TpmLink *link, TpmSession *session, GError **error)
{
  static const TPMT_SYM_DEF no_encryption = { .algorithm = TPM2_ALG_NULL };
  TSS2_RC rc = Esys_StartAuthSession (tpm_link_esys (link), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      NULL, TPM2_SE_HMAC, &no_encryption, TPM2_ALG_SHA256, &session->tr);

  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_TRSess_SetAttributes (tpm_link_esys (link), session->tr, 0, 0xff);
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, "start a session");
}

void
tpm_hmac_drop (TpmLink *link, ESYS_TR *session)
{
  if (Esys_FlushContext (tpm_link_esys (link), *session) != TSS2_RC_SUCCESS)
    (void) Esys_TR_Close (tpm_link_esys (link), session);
  *session = ESYS_TR_NONE;
}

void
tpm_hmac_end (TpmSession *session, TSS2_RC rc)
{
  if (session->tr == ESYS_TR_NONE)
    return;
  /* After a success the TPM ended the session with the command, and only ESYS may still know it. */
  if (rc == TSS2_RC_SUCCESS)
    (void) Esys_TR_Close (tpm_link_esys (session->link), &session->tr);
  else if (!tpm_rc_is_transport (rc))
    tpm_hmac_drop (session->link, &session->tr);
  session->tr = ESYS_TR_NONE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-session.h"

#include "tpm-hmac.h"
#include "tpm-rc.h"
#include "tpm-template.h"

static gboolean
start_once (TpmLink *link, const TpmParent *parent, TPMA_SESSION attributes, ESYS_TR *ret_tr, GError **error)
{
  ESYS_TR salt_key;

  return tpm_parent_get (link, parent, &salt_key, NULL, error) && tpm_hmac_start_salted (link, salt_key, attributes, ret_tr, error);
}

static gboolean
start (TpmLink *link, const TpmParent *parent, TPMA_SESSION attributes, ESYS_TR *ret_tr, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (start_once (link, parent, attributes, ret_tr, &cause))
    return TRUE;
  if (tpm_parent_look_again (link, parent, cause))
    return start_once (link, parent, attributes, ret_tr, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

/* A key for the occasion, in a hierarchy with an empty password. */
static TSS2_RC
make_salt_key (TpmLink *link, ESYS_TR hierarchy, TpmTransient *primary)
{
  TPM2B_PUBLIC template;
  TPM2B_SENSITIVE_CREATE no_sensitive = { 0 };
  TPM2B_DATA no_outside_info = { 0 };
  TPML_PCR_SELECTION no_pcrs = { 0 };

  tpm_template_storage_root (&template);
  return Esys_CreatePrimary (tpm_link_esys (link), hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_sensitive, &template,
                             &no_outside_info, &no_pcrs, &primary->tr, NULL, NULL, NULL, NULL);
}

/* The null hierarchy has an empty password always. TPM 2.0 Library Part 1, 13.5. */
static gboolean
start_without_parent (TpmLink *link, TPMA_SESSION attributes, ESYS_TR *ret_tr, GError **error)
{
  g_auto (TpmTransient) primary = { link, ESYS_TR_NONE };
  TSS2_RC rc = make_salt_key (link, ESYS_TR_RH_NULL, &primary);

  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "make a key for an encrypted session");
  return tpm_hmac_start_salted (link, primary.tr, attributes, ret_tr, error);
}

gboolean
tpm_session_start (TpmLink *link, const TpmParent *parent, TPMA_SESSION attributes, TpmSession *session, GError **error)
{
  gboolean started = parent != NULL ? start (link, parent, attributes, &session->tr, error)
                                    : start_without_parent (link, attributes, &session->tr, error);

  return started && tpm_link_check_open (link, error);
}

gboolean
tpm_session_authorize (const TpmParent *parent, TpmAuthority *authority, GError **error)
{
  TpmLink *link = authority->session.link;

  /* First what needs no session: the parent may have to be made, with a right of its own. */
  if (!tpm_authority_check (link, authority->hierarchy, error)
      || !tpm_session_start (link, parent, TPMA_SESSION_DECRYPT, &authority->session, error))
    return FALSE;
  tpm_authority_open_in_session (authority);
  return TRUE;
}

static gboolean
start_by_platform (TpmLink *link, ESYS_TR *ret_tr, gboolean *ret_is_open, GError **error)
{
  g_auto (TpmTransient) primary = { link, ESYS_TR_NONE };
  TSS2_RC rc = make_salt_key (link, ESYS_TR_RH_PLATFORM, &primary);
  TpmidError code = rc == TSS2_RC_SUCCESS ? TPMID_N_ERRORS : tpm_rc_to_error (rc);

  if (rc != TSS2_RC_SUCCESS && code != TPMID_ERROR_AUTH_FAILED && code != TPMID_ERROR_HIERARCHY_DISABLED)
    return tpm_link_fail (link, rc, error, "try the platform hierarchy");
  *ret_is_open = rc == TSS2_RC_SUCCESS;
  return !*ret_is_open || tpm_hmac_start_salted (link, primary.tr, TPMA_SESSION_DECRYPT, ret_tr, error);
}

gboolean
tpm_session_authorize_platform (TpmAuthority *authority, gboolean *ret_is_open, GError **error)
{
  TpmLink *link = authority->session.link;

  if (!start_by_platform (link, &authority->session.tr, ret_is_open, error) || !tpm_link_check_open (link, error))
    return FALSE;
  if (*ret_is_open)
    tpm_authority_open_in_session (authority);
  return TRUE;
}

gboolean
tpm_session_open (TpmLink *link, const TpmParent *parent, TpmSession *guard, ESYS_TR *ret_tr, GError **error)
{
  if (!tpm_link_is_exclusive (link))
    {
      if (!start (link, parent, TPMA_SESSION_ENCRYPT, &guard->tr, error))
        return FALSE;
      *ret_tr = guard->tr;
      return TRUE;
    }

  ESYS_TR *own = tpm_link_own_session (link);
  if (*own == ESYS_TR_NONE && !start (link, parent, TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION, own, error))
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
  tpm_hmac_drop (link, session);
  return tpm_session_is_about (rc);
}

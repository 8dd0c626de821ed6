/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-hierarchy.h"

#include "base-error.h"
#include "tpm-authority.h"
#include "tpm-facts.h"
#include "tpm-passwords.h"
#include "tpm-primary.h"
#include "tpm-rc.h"
#include "tpm-session.h"
#include "tpm-wipe.h"

#include <string.h>

const char *
tpm_hierarchy_name (TpmHierarchy hierarchy)
{
  return tpm_authority_name (hierarchy);
}

gboolean
tpm_hierarchy_is_set (const TpmFacts *facts, TpmHierarchy hierarchy)
{
  return tpm_facts_is_set (facts, hierarchy);
}

gboolean
tpm_hierarchy_read_anchor (TpmLink *link, TpmHierarchy hierarchy, guint8 ret_name[TPM_NAME_SIZE], GError **error)
{
  g_auto (TpmTransient) primary = { link, ESYS_TR_NONE };

  return tpm_primary_make (link, hierarchy, &primary, ret_name, error);
}

gboolean
tpm_hierarchy_try_password (TpmLink *link, TpmHierarchy hierarchy, GError **error)
{
  static const TPMT_SYM_DEF no_encryption = { .algorithm = TPM2_ALG_NULL };
  g_auto (TpmSession) trial = { link, ESYS_TR_NONE };
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, hierarchy);
  g_autofree char *doing = g_strdup_printf ("try the password of the %s hierarchy", tpm_authority_name (hierarchy));

  if (!tpm_authority_open (&authority, error))
    return FALSE;
  TSS2_RC rc = Esys_StartAuthSession (tpm_link_esys (link), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                      TPM2_SE_TRIAL, &no_encryption, TPM2_ALG_SHA256, &trial.tr);
  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_PolicySecret (tpm_link_esys (link), authority.tr, trial.tr, authority.by, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL,
                            NULL);
  return tpm_authority_end (&authority, rc, error, doing);
}

static void
note_password (TpmLink *link, TpmHierarchy hierarchy, BaseSecret *password)
{
  TpmFacts facts = *tpm_link_facts (link);

  facts.owner_auth_set = hierarchy == TPM_HIERARCHY_OWNER ? password != NULL : facts.owner_auth_set;
  facts.endorsement_auth_set = hierarchy == TPM_HIERARCHY_ENDORSEMENT ? password != NULL : facts.endorsement_auth_set;
  facts.lockout_auth_set = hierarchy == TPM_HIERARCHY_LOCKOUT ? password != NULL : facts.lockout_auth_set;
  tpm_link_set_facts (link, &facts);
  tpm_link_set_password (link, hierarchy, NULL);
  tpm_link_set_password (link, hierarchy, password);
}

static gboolean
send_change (TpmAuthority *authority, const TPM2B_AUTH *password, GError **error)
{
  TpmLink *link = authority->session.link;
  g_autofree char *doing = g_strdup_printf ("change the password of the %s hierarchy", tpm_authority_name (authority->hierarchy));
  TSS2_RC rc = Esys_HierarchyChangeAuth (tpm_link_esys (link), authority->tr, authority->by, ESYS_TR_NONE, ESYS_TR_NONE, password);

  tpm_wipe_traces (link, rc);
  return tpm_authority_end (authority, rc, error, doing);
}

static gboolean
change (TpmLink *link, TpmHierarchy hierarchy, const TpmParent *parent, const TPM2B_AUTH *password, GError **error)
{
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, hierarchy);
  gboolean opened = password->size > 0 ? tpm_session_authorize (parent, &authority, error) : tpm_authority_open (&authority, error);

  return opened && send_change (&authority, password, error);
}

static gboolean
to_new_auth (const BaseSecret *password, TPM2B_AUTH *ret_auth, GError **error)
{
  if (tpm_passwords_to_auth (password, ret_auth) && ret_auth->size > 0)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "a password of the TPM has 1 to %u bytes, not all zero",
               (guint) sizeof ret_auth->buffer);
  return FALSE;
}

gboolean
tpm_hierarchy_change_password (TpmLink *link, TpmHierarchy hierarchy, const TpmParent *parent, BaseSecret *password, GError **error)
{
  TPM2B_AUTH auth;

  if (password == NULL)
    auth = (TPM2B_AUTH){ 0 };
  else if (!to_new_auth (password, &auth, error))
    return FALSE;
  gboolean changed = change (link, hierarchy, parent, &auth, error);
  explicit_bzero (&auth, sizeof auth);
  if (changed)
    note_password (link, hierarchy, password);
  return changed;
}

gboolean
tpm_hierarchy_clear (TpmLink *link, GError **error)
{
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, TPM_HIERARCHY_LOCKOUT);

  if (!tpm_authority_open (&authority, error))
    return FALSE;
  if (tpm_link_facts (link)->clear_disabled)
    return tpm_rc_set_error (error, TPM2_RC_DISABLED, "clear the TPM");
  TSS2_RC rc = Esys_Clear (tpm_link_esys (link), authority.tr, authority.by, ESYS_TR_NONE, ESYS_TR_NONE);
  if (!tpm_authority_end (&authority, rc, error, "clear the TPM"))
    return FALSE;
  tpm_link_forget_all (link);
  return tpm_link_check_open (link, error) && tpm_link_refresh_facts (link, error);
}

gboolean
tpm_hierarchy_set_lockout_parameters (TpmLink *link, guint32 limit, guint32 interval_sec, guint32 recovery_sec, GError **error)
{
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, TPM_HIERARCHY_LOCKOUT);

  if (!tpm_authority_open (&authority, error))
    return FALSE;
  TSS2_RC rc = Esys_DictionaryAttackParameters (tpm_link_esys (link), authority.tr, authority.by, ESYS_TR_NONE, ESYS_TR_NONE, limit,
                                                interval_sec, recovery_sec);
  if (!tpm_authority_end (&authority, rc, error, "set the dictionary-attack parameters"))
    return FALSE;

  TpmFacts facts = *tpm_link_facts (link);
  facts.lockout_limit = limit;
  facts.lockout_interval_sec = interval_sec;
  facts.lockout_recovery_sec = recovery_sec;
  tpm_link_set_facts (link, &facts);
  return TRUE;
}

gboolean
tpm_hierarchy_reset_lockout (TpmLink *link, GError **error)
{
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, TPM_HIERARCHY_LOCKOUT);

  if (!tpm_authority_open (&authority, error))
    return FALSE;
  TSS2_RC rc = Esys_DictionaryAttackLockReset (tpm_link_esys (link), authority.tr, authority.by, ESYS_TR_NONE, ESYS_TR_NONE);
  if (!tpm_authority_end (&authority, rc, error, "reset the dictionary-attack counter"))
    return FALSE;

  TpmFacts facts = *tpm_link_facts (link);
  facts.lockout_counter = 0;
  facts.in_lockout = FALSE;
  tpm_link_set_facts (link, &facts);
  return TRUE;
}

static gboolean
set_platform_password (TpmLink *link, const TPM2B_AUTH *password, gboolean *ret_was_open, GError **error)
{
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, TPM_HIERARCHY_PLATFORM);

  return tpm_session_authorize_platform (&authority, ret_was_open, error) && (!*ret_was_open || send_change (&authority, password, error));
}

gboolean
tpm_hierarchy_close_platform (TpmLink *link, BaseSecret *password, gboolean *ret_was_open, GError **error)
{
  gboolean is_open = FALSE;
  TPM2B_AUTH auth;

  tpm_link_set_password (link, TPM_HIERARCHY_PLATFORM, NULL);
  if (!to_new_auth (password, &auth, error))
    return FALSE;
  gboolean closed = set_platform_password (link, &auth, &is_open, error);
  explicit_bzero (&auth, sizeof auth);
  if (closed && ret_was_open != NULL)
    *ret_was_open = is_open;
  return closed;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-authority.h"

#include "base-error.h"
#include "tpm-facts.h"
#include "tpm-hmac.h"
#include "tpm-passwords.h"
#include "tpm-rc.h"

#include <string.h>

static const struct
{
  const char *name;
  ESYS_TR tr;
} rows[TPM_N_HIERARCHIES] = {
  [TPM_HIERARCHY_OWNER] = { "owner", ESYS_TR_RH_OWNER },
  [TPM_HIERARCHY_ENDORSEMENT] = { "endorsement", ESYS_TR_RH_ENDORSEMENT },
  [TPM_HIERARCHY_LOCKOUT] = { "lockout", ESYS_TR_RH_LOCKOUT },
  [TPM_HIERARCHY_PLATFORM] = { "platform", ESYS_TR_RH_PLATFORM },
};

const char *
tpm_authority_name (TpmHierarchy hierarchy)
{
  g_assert ((guint) hierarchy < G_N_ELEMENTS (rows));
  return rows[hierarchy].name;
}

static gboolean
is_enabled (const TpmFacts *facts, TpmHierarchy hierarchy)
{
  switch (hierarchy)
    {
    case TPM_HIERARCHY_OWNER:
      return facts->owner_enabled;
    case TPM_HIERARCHY_ENDORSEMENT:
      return facts->endorsement_enabled;
    case TPM_HIERARCHY_PLATFORM:
      return facts->platform_enabled;
    case TPM_HIERARCHY_LOCKOUT:
    case TPM_N_HIERARCHIES:
      break;
    }
  return TRUE;
}

/* Whether to use the password that is known, if there is one, or the empty one. */
static gboolean
has_password (TpmLink *link, TpmHierarchy hierarchy)
{
  return hierarchy == TPM_HIERARCHY_PLATFORM || tpm_facts_is_set (tpm_link_facts (link), hierarchy);
}

static gboolean
is_usable (TpmLink *link, TpmHierarchy hierarchy)
{
  const TpmFacts *facts = tpm_link_facts (link);

  return is_enabled (facts, hierarchy) && (!tpm_facts_is_set (facts, hierarchy) || tpm_link_has_password (link, hierarchy));
}

static gboolean
fail_disabled (TpmHierarchy hierarchy, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_DISABLED,
               "the %s hierarchy of the TPM is switched off; enable it in the firmware's setup", rows[hierarchy].name);
  return FALSE;
}

/* Whose it is, we do not know: one of ours may have been changed, or what we know of it is out of a backup. */
static gboolean
fail_wrong_password (TpmHierarchy hierarchy, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
               "the TPM refuses the password of the %s hierarchy that tpmidd has (STATE/ownership, its copy in NV index PasswordIndex=, or one that was "
               "supplied); restart the device, and see Ownership in tpmidctl status",
               rows[hierarchy].name);
  return FALSE;
}

static gboolean
fail_password (TpmLink *link, TpmHierarchy hierarchy, GError **error)
{
  if (tpm_link_is_password_wrong (link, hierarchy))
    return fail_wrong_password (hierarchy, error);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
               "the %s hierarchy of the TPM has a password that tpmidd does not know; see Ownership in tpmidctl status. Where somebody else set it: "
               "remove it (tpm2_changeauth -c %s -p PASSWORD), or clear the TPM in the firmware's setup",
               rows[hierarchy].name, rows[hierarchy].name);
  return FALSE;
}

gboolean
tpm_authority_check (TpmLink *link, TpmHierarchy hierarchy, GError **error)
{
  if (hierarchy != TPM_HIERARCHY_LOCKOUT && is_usable (link, hierarchy))
    return TRUE;
  if (!tpm_link_refresh_facts (link, error))
    return FALSE;
  if (is_usable (link, hierarchy))
    return TRUE;
  return is_enabled (tpm_link_facts (link), hierarchy) ? fail_password (link, hierarchy, error) : fail_disabled (hierarchy, error);
}

static void
set_auth (TpmAuthority *self, const BaseSecret *password)
{
  TPM2B_AUTH auth;

  /* One that is too long is no password of this TPM: the empty one is refused in its place. */
  if (!tpm_passwords_to_auth (password, &auth))
    auth = (TPM2B_AUTH){ 0 };
  (void) Esys_TR_SetAuth (tpm_link_esys (self->session.link), self->tr, &auth);
  explicit_bzero (&auth, sizeof auth);
}

static void
take (TpmAuthority *self)
{
  TpmLink *link = self->session.link;

  self->tr = rows[self->hierarchy].tr;
  set_auth (self, has_password (link, self->hierarchy) ? tpm_link_peek_password (link, self->hierarchy) : NULL);
}

static gboolean
is_empty (const TpmAuthority *self)
{
  return !has_password (self->session.link, self->hierarchy) || !tpm_link_has_password (self->session.link, self->hierarchy);
}

gboolean
tpm_authority_open (TpmAuthority *self, GError **error)
{
  if (!tpm_authority_check (self->session.link, self->hierarchy, error))
    return FALSE;
  take (self);
  if (is_empty (self))
    {
      self->by = ESYS_TR_PASSWORD;
      return TRUE;
    }
  if (!tpm_hmac_start_plain (self->session.link, &self->session, error))
    return FALSE;
  self->by = self->session.tr;
  return TRUE;
}

void
tpm_authority_open_in_session (TpmAuthority *self)
{
  take (self);
  self->by = self->session.tr;
}

static void
forget_auth (TpmAuthority *self)
{
  if (self->tr != ESYS_TR_NONE && tpm_link_is_open (self->session.link))
    set_auth (self, NULL);
  self->tr = ESYS_TR_NONE;
}

void
tpm_authority_clear (TpmAuthority *self)
{
  forget_auth (self);
  tpm_transient_clear (&self->session);
}

static gboolean
fail_refused (TpmAuthority *self, TSS2_RC rc, GError **error)
{
  TpmLink *link = self->session.link;

  if (!is_empty (self))
    tpm_link_refuse_password (link, self->hierarchy);
  /* Set, or changed, since the facts were read. With the facts read again nothing will try once more. */
  (void) tpm_link_refresh_facts (link, NULL);
  (void) fail_password (link, self->hierarchy, error);
  tpm_rc_note (error, rc);
  return FALSE;
}

gboolean
tpm_authority_end (TpmAuthority *self, TSS2_RC rc, GError **error, const char *doing)
{
  tpm_hmac_end (&self->session, rc);
  forget_auth (self);
  if (rc == TSS2_RC_SUCCESS)
    return TRUE;
  if (tpm_rc_to_error (rc) == TPMID_ERROR_AUTH_FAILED)
    return fail_refused (self, rc, error);
  return tpm_link_fail (self->session.link, rc, error, doing);
}

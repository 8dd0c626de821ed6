/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-hierarchy-private.h"

#include "tpm-auto.h"
#include "tpm-rc.h"
#include "tpm-template.h"

#include <string.h>

typedef struct
{
  const char *name;
  ESYS_TR tr;
  const char *remedy;
  void (*fill_template) (TPM2B_PUBLIC *ret_template);
} Row;

static const Row rows[] = {
  [TPM_HIERARCHY_OWNER] = { "owner", ESYS_TR_RH_OWNER, "tpm2_changeauth -c owner -p PASSWORD", tpm_template_storage_root },
  [TPM_HIERARCHY_ENDORSEMENT] = { "endorsement", ESYS_TR_RH_ENDORSEMENT, "tpm2_changeauth -c endorsement -p PASSWORD",
                                  tpm_template_endorsement },
};

static gboolean
needs_password (TpmLink *link, TpmHierarchy hierarchy)
{
  const TpmFacts *facts = tpm_link_facts (link);

  return hierarchy == TPM_HIERARCHY_OWNER ? facts->owner_auth_set : facts->endorsement_auth_set;
}

static gboolean
is_enabled (TpmLink *link, TpmHierarchy hierarchy)
{
  const TpmFacts *facts = tpm_link_facts (link);

  return hierarchy == TPM_HIERARCHY_OWNER ? facts->owner_enabled : facts->endorsement_enabled;
}

static gboolean
fail_password (TpmHierarchy hierarchy, GError **error)
{
  g_set_error (
      error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
      "somebody else has set a password on the %s hierarchy of the TPM; remove it (%s), or clear the TPM in the firmware's setup",
      rows[hierarchy].name, rows[hierarchy].remedy);
  return FALSE;
}

gboolean
tpm_hierarchy_check (TpmLink *link, TpmHierarchy hierarchy, GError **error)
{
  if (!needs_password (link, hierarchy) && is_enabled (link, hierarchy))
    return TRUE;
  if (!tpm_link_refresh_facts (link, error))
    return FALSE;

  if (!is_enabled (link, hierarchy))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_DISABLED,
                   "the %s hierarchy of the TPM is switched off; enable it in the firmware's setup", rows[hierarchy].name);
      return FALSE;
    }
  return !needs_password (link, hierarchy) || fail_password (hierarchy, error);
}

gboolean
tpm_hierarchy_fail (TpmLink *link, TpmHierarchy hierarchy, TSS2_RC rc, GError **error, const char *doing)
{
  if (tpm_rc_to_error (rc) != TPMID_ERROR_AUTH_FAILED)
    return tpm_link_fail (link, rc, error, doing);
  /* Set since the link opened. With the facts read again nothing will try once more. */
  (void) tpm_link_refresh_facts (link, NULL);
  (void) fail_password (hierarchy, error);
  tpm_rc_note (error, rc);
  return FALSE;
}

gboolean
tpm_hierarchy_make_primary (TpmLink *link, TpmHierarchy hierarchy, TpmTransient *primary, guint8 ret_name[TPM_NAME_SIZE],
                            GError **error)
{
  ESYS_CONTEXT *esys = tpm_link_esys (link);
  TPM2B_PUBLIC template;
  TPM2B_SENSITIVE_CREATE no_sensitive = { 0 };
  TPM2B_DATA no_outside_info = { 0 };
  TPML_PCR_SELECTION no_pcrs = { 0 };
  g_autoptr (TPM2B_NAME) name = NULL;
  g_autofree char *doing = g_strdup_printf ("make the primary key of the %s hierarchy", rows[hierarchy].name);

  rows[hierarchy].fill_template (&template);
  TSS2_RC rc = Esys_CreatePrimary (esys, rows[hierarchy].tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_sensitive,
                                   &template, &no_outside_info, &no_pcrs, &primary->tr, NULL, NULL, NULL, NULL);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_hierarchy_fail (link, hierarchy, rc, error, doing);

  rc = Esys_TR_GetName (esys, primary->tr, &name);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);
  if (name->size != TPM_NAME_SIZE)
    return tpm_link_fail (link, TSS2_ESYS_RC_MALFORMED_RESPONSE, error, doing);
  memcpy (ret_name, name->name, TPM_NAME_SIZE);
  return TRUE;
}

gboolean
tpm_hierarchy_read_anchor (TpmLink *link, TpmHierarchy hierarchy, guint8 ret_name[TPM_NAME_SIZE], GError **error)
{
  g_auto (TpmTransient) primary = { link, ESYS_TR_NONE };

  return tpm_hierarchy_check (link, hierarchy, error) && tpm_hierarchy_make_primary (link, hierarchy, &primary, ret_name, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-primary.h"

#include "tpm-authority.h"
#include "tpm-auto.h"
#include "tpm-template.h"

static gboolean
read_name (TpmLink *link, ESYS_TR key, guint8 ret_name[TPM_NAME_SIZE], GError **error)
{
  g_autoptr (TPM2B_NAME) name = NULL;
  TSS2_RC rc = Esys_TR_GetName (tpm_link_esys (link), key, &name);

  if (rc == TSS2_RC_SUCCESS && name->size != TPM_NAME_SIZE)
    rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "name a primary key");
  memcpy (ret_name, name->name, TPM_NAME_SIZE);
  return TRUE;
}

gboolean
tpm_primary_make (TpmLink *link, TpmHierarchy hierarchy, TpmTransient *primary, guint8 ret_name[TPM_NAME_SIZE], GError **error)
{
  g_auto (TpmAuthority) authority = TPM_AUTHORITY (link, hierarchy);
  TPM2B_PUBLIC template;
  TPM2B_SENSITIVE_CREATE no_sensitive = { 0 };
  TPM2B_DATA no_outside_info = { 0 };
  TPML_PCR_SELECTION no_pcrs = { 0 };
  g_autofree char *doing = g_strdup_printf ("make the primary key of the %s hierarchy", tpm_authority_name (hierarchy));

  if (!tpm_authority_open (&authority, error))
    return FALSE;
  if (hierarchy == TPM_HIERARCHY_ENDORSEMENT)
    tpm_template_endorsement (&template);
  else
    tpm_template_storage_root (&template);
  TSS2_RC rc = Esys_CreatePrimary (tpm_link_esys (link), authority.tr, authority.by, ESYS_TR_NONE, ESYS_TR_NONE, &no_sensitive, &template,
                                   &no_outside_info, &no_pcrs, &primary->tr, NULL, NULL, NULL, NULL);
  return tpm_authority_end (&authority, rc, error, doing) && read_name (link, primary->tr, ret_name, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-persist.h"

#include "tpm-authority.h"

gboolean
tpm_persist_keep (TpmLink *link, ESYS_TR key, guint32 handle, const char *doing, GError **error)
{
  g_auto (TpmAuthority) owner = TPM_AUTHORITY (link, TPM_HIERARCHY_OWNER);
  ESYS_TR tr = ESYS_TR_NONE;

  if (!tpm_authority_open (&owner, error))
    return FALSE;
  TSS2_RC rc = Esys_EvictControl (tpm_link_esys (link), owner.tr, key, owner.by, ESYS_TR_NONE, ESYS_TR_NONE, handle, &tr);
  if (!tpm_authority_end (&owner, rc, error, doing))
    return FALSE;
  tpm_link_adopt_persistent (link, handle, tr);
  return TRUE;
}

gboolean
tpm_persist_remove (TpmLink *link, ESYS_TR key, guint32 handle, const char *doing, GError **error)
{
  g_auto (TpmAuthority) owner = TPM_AUTHORITY (link, TPM_HIERARCHY_OWNER);
  ESYS_TR none = ESYS_TR_NONE;

  if (!tpm_authority_open (&owner, error))
    return FALSE;
  TSS2_RC rc = Esys_EvictControl (tpm_link_esys (link), owner.tr, key, owner.by, ESYS_TR_NONE, ESYS_TR_NONE, handle, &none);
  if (!tpm_authority_end (&owner, rc, error, doing))
    return FALSE;
  tpm_link_forget (link, handle);
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-make.h"

#include "base-error.h"
#include "tpm-auto.h"
#include "tpm-blob-private.h"
#include "tpm-key-private.h"
#include "tpm-parent.h"
#include "tpm-primary.h"
#include "tpm-template.h"

#include <string.h>

void
tpm_new_key_clear (TpmNewKey *key)
{
  g_clear_pointer (&key->public_blob, g_bytes_unref);
  g_clear_pointer (&key->private_blob, g_bytes_unref);
}

/* @primary guards a storage root key that is made for the occasion. */
static gboolean
get_parent (TpmLink *link, const TpmParent *parent, TpmTransient *primary, ESYS_TR *ret_tr, guint8 ret_name[TPM_NAME_SIZE],
            GError **error)
{
  if (parent != NULL)
    return tpm_parent_get (link, parent, ret_tr, ret_name, error);
  if (!tpm_primary_make (link, TPM_HIERARCHY_OWNER, primary, ret_name, error))
    return FALSE;
  *ret_tr = primary->tr;
  return TRUE;
}

/* Judged before it is kept: a key that would not be recognised at the next boot must not be. */
static gboolean
judge (const TPM2B_PUBLIC *public, TpmKeyAlgorithm algorithm, TpmPurpose purpose, TpmNewKey *made, GError **error)
{
  made->public_blob = tpm_blob_from_public (public);
  if (tpm_blob_read_public (made->public_blob, &made->public, NULL) && made->public.algorithm == algorithm
      && made->public.purpose == purpose)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE,
               "create a key: the TPM made another kind of key than it was told to");
  return FALSE;
}

/* The password that authorizes the parent does not bind the command to its Name, and the link's cache does not know of what others did
 * since: a key under something else than the storage root key may be readable to who put that there. Part 2, 15.1. */
static gboolean
check_parent (const TPM2B_CREATION_DATA *creation, const guint8 srk_name[TPM_NAME_SIZE], GError **error)
{
  const TPM2B_NAME *name = &creation->creationData.parentName;

  if (name->size == TPM_NAME_SIZE && memcmp (name->name, srk_name, TPM_NAME_SIZE) == 0)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED, "create a key: it was made under another key than the storage root key");
  return FALSE;
}

static gboolean
create (TpmLink *link, ESYS_TR parent, TpmKeyAlgorithm algorithm, TpmPurpose purpose, TpmNewKey *made, GError **error)
{
  TPM2B_PUBLIC template;
  TPM2B_SENSITIVE_CREATE no_sensitive = { 0 };
  TPM2B_DATA no_outside_info = { 0 };
  TPML_PCR_SELECTION no_pcrs = { 0 };
  g_autoptr (TPM2B_PRIVATE) private = NULL;
  g_autoptr (TPM2B_PUBLIC) public = NULL;
  g_autoptr (TPM2B_CREATION_DATA) creation = NULL;

  if (!tpm_template_key (algorithm, purpose, &template))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "create a key: keys of this algorithm have no such use");
      return FALSE;
    }
  if (algorithm == TPM_KEY_RSA_2048)
    tpm_link_set_generating (link, TRUE);
  TSS2_RC rc = Esys_Create (tpm_link_esys (link), parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_sensitive, &template,
                            &no_outside_info, &no_pcrs, &private, &public, &creation, NULL, NULL);
  if (algorithm == TPM_KEY_RSA_2048)
    tpm_link_set_generating (link, FALSE);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "create a key");
  if (!check_parent (creation, made->srk_name, error))
    return FALSE;
  made->private_blob = tpm_blob_from_private (private);
  return judge (public, algorithm, purpose, made, error);
}

static gboolean
keep (TpmLink *link, ESYS_TR parent, const TpmNewKey *made, guint32 handle, GError **error)
{
  g_auto (TpmTransient) key = { link, ESYS_TR_NONE };

  return tpm_key_load (link, parent, made->public_blob, made->private_blob, &key, error)
         && tpm_key_keep (link, key.tr, &made->public, handle, error);
}

/* What it needs of the TPM besides the key is gone when it returns. */
static gboolean
make_once (TpmLink *link, const TpmParent *parent, guint32 handle, TpmKeyAlgorithm algorithm, TpmPurpose purpose, TpmNewKey *made,
           GError **error)
{
  g_auto (TpmTransient) primary = { link, ESYS_TR_NONE };
  ESYS_TR tr;

  return get_parent (link, parent, &primary, &tr, made->srk_name, error)
         && create (link, tr, algorithm, purpose, made, error) && (handle == 0 || keep (link, tr, made, handle, error));
}

static gboolean
make (TpmLink *link, const TpmParent *parent, guint32 handle, TpmKeyAlgorithm algorithm, TpmPurpose purpose, TpmNewKey *made,
      GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (make_once (link, parent, handle, algorithm, purpose, made, &cause))
    return TRUE;
  tpm_new_key_clear (made);
  if (parent != NULL && tpm_parent_look_again (link, parent, cause))
    return make_once (link, parent, handle, algorithm, purpose, made, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

gboolean
tpm_make_key (TpmLink *link, const TpmParent *parent, guint32 handle, TpmKeyAlgorithm algorithm, TpmPurpose purpose,
              TpmNewKey *ret_key, GError **error)
{
  g_auto (TpmNewKey) made = { 0 };
  gboolean taken = FALSE;

  if (handle != 0 && !tpm_link_has_handle (link, handle, &taken, error))
    return FALSE;
  if (taken)
    return tpm_key_fail_taken (handle, error);
  if (!make (link, parent, handle, algorithm, purpose, &made, error))
    return FALSE;
  *ret_key = made;
  made = (TpmNewKey){ 0 };
  return TRUE;
}

gboolean
tpm_make_persistent (TpmLink *link, const TpmKeyRef *key, guint32 handle, GError **error)
{
  g_auto (TpmTransient) loaded = { link, ESYS_TR_NONE };
  TpmPublic public;
  gboolean taken;

  if (!tpm_blob_read_public (key->public_blob, &public, error) || !tpm_link_has_handle (link, handle, &taken, error))
    return FALSE;
  if (taken)
    return tpm_key_fail_taken (handle, error);
  return tpm_key_load_ref (link, key, &loaded, error) && tpm_key_keep (link, loaded.tr, &public, handle, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-key.h"

#include "tpm-auto.h"
#include "tpm-guard.h"
#include "tpm-hierarchy-private.h"
#include "tpm-rc.h"
#include "tpm-template.h"

#include <string.h>

#define DOING_SIZE 64

typedef struct
{
  gsize size;
  TPMI_ALG_HASH id;
} HashRow;

static const HashRow hashes[] = {
  [TPM_HASH_SHA256] = { 32, TPM2_ALG_SHA256 },
  [TPM_HASH_SHA384] = { 48, TPM2_ALG_SHA384 },
  [TPM_HASH_SHA512] = { 64, TPM2_ALG_SHA512 },
};

gsize
tpm_key_hash_size (TpmHash hash)
{
  g_assert ((guint) hash < G_N_ELEMENTS (hashes));
  return hashes[hash].size;
}

static void
describe (char doing[DOING_SIZE], const char *verb, guint32 handle)
{
  (void) g_snprintf (doing, DOING_SIZE, "%s 0x%08x", verb, handle);
}

static gboolean
fail_taken (guint32 handle, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN,
               "handle 0x%08x of the TPM is taken by an object that tpmidd did not make; configure another, or remove it with "
               "tpm2_evictcontrol -c 0x%08x",
               handle, handle);
  return FALSE;
}

static void
note_public (TpmLink *link, guint32 handle, const TpmPublic *public)
{
  TpmNote *note = tpm_link_note (link, handle);

  note->coordinate_size = public->coordinate_size;
  memcpy (note->name, public->name, TPM_NAME_SIZE);
}

/* What lies at the handle now; FALSE in @ret_public's ours for everything that is no key of ours. */
static gboolean
read_public (TpmLink *link, guint32 handle, TpmPublic *ret_public, GError **error)
{
  g_autoptr (TPM2B_PUBLIC) public = NULL;
  g_autoptr (TPM2B_NAME) name = NULL;
  char doing[DOING_SIZE];
  ESYS_TR tr;

  if (!tpm_link_get_persistent (link, handle, &tr, error))
    return FALSE;
  describe (doing, "read the key at", handle);
  TSS2_RC rc = Esys_ReadPublic (tpm_link_esys (link), tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name, NULL);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);

  TpmPublic found = { 0 };
  (void) tpm_template_recognise (public, name, &found);
  note_public (link, handle, &found);
  *ret_public = found;
  return TRUE;
}

gboolean
tpm_key_find (TpmLink *link, guint32 handle, TpmPublic *ret_public, GError **error)
{
  TpmPublic found;

  /* The question is what lies there now, not what lay there when ESYS first saw it. */
  tpm_link_forget (link, handle);
  if (!read_public (link, handle, &found, error))
    return FALSE;
  if (!found.ours)
    return fail_taken (handle, error);
  *ret_public = found;
  return TRUE;
}

/* Makes the key and loads it; what it needs of the TPM besides @key is gone when it returns. */
static gboolean
make_key (TpmLink *link, TpmKeyAlgorithm algorithm, TpmTransient *key, TPM2B_PUBLIC **ret_public,
          guint8 ret_srk_name[TPM_NAME_SIZE], GError **error)
{
  g_auto (TpmTransient) parent = { link, ESYS_TR_NONE };
  TPM2B_PUBLIC template;
  TPM2B_SENSITIVE_CREATE no_sensitive = { 0 };
  TPM2B_DATA no_outside_info = { 0 };
  TPML_PCR_SELECTION no_pcrs = { 0 };
  g_autoptr (TPM2B_PRIVATE) private = NULL;
  g_autoptr (TPM2B_PUBLIC) public = NULL;

  if (!tpm_hierarchy_make_primary (link, TPM_HIERARCHY_OWNER, &parent, ret_srk_name, error))
    return FALSE;

  ESYS_CONTEXT *esys = tpm_link_esys (link);
  tpm_template_device_key (algorithm, &template);
  TSS2_RC rc = Esys_Create (esys, parent.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_sensitive, &template,
                            &no_outside_info, &no_pcrs, &private, &public, NULL, NULL, NULL);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "create a key");

  rc = Esys_Load (esys, parent.tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, private, public, &key->tr);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "load the new key");
  *ret_public = g_steal_pointer (&public);
  return TRUE;
}

static gboolean
make_persistent (TpmLink *link, ESYS_TR key, guint32 handle, GError **error)
{
  char doing[DOING_SIZE];
  ESYS_TR tr = ESYS_TR_NONE;

  describe (doing, "make a key persistent at", handle);
  TSS2_RC rc = Esys_EvictControl (tpm_link_esys (link), ESYS_TR_RH_OWNER, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                  handle, &tr);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_hierarchy_fail (link, TPM_HIERARCHY_OWNER, rc, error, doing);
  tpm_link_adopt_persistent (link, handle, tr);
  return TRUE;
}

gboolean
tpm_key_create (TpmLink *link, guint32 handle, TpmKeyAlgorithm algorithm, TpmPublic *ret_public,
                guint8 ret_srk_name[TPM_NAME_SIZE], GError **error)
{
  g_auto (TpmTransient) key = { link, ESYS_TR_NONE };
  g_autoptr (TPM2B_PUBLIC) public = NULL;
  g_autoptr (TPM2B_NAME) name = NULL;
  guint8 srk_name[TPM_NAME_SIZE];
  gboolean taken;
  TpmPublic made;

  if (!tpm_link_has_handle (link, handle, &taken, error))
    return FALSE;
  if (taken)
    return fail_taken (handle, error);
  if (!tpm_hierarchy_check (link, TPM_HIERARCHY_OWNER, error) || !make_key (link, algorithm, &key, &public, srk_name, error)
      || !tpm_link_check_open (link, error))
    return FALSE;

  TSS2_RC rc = Esys_TR_GetName (tpm_link_esys (link), key.tr, &name);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "name the new key");
  /* Judged before it becomes persistent: a key that would not be recognised at the next boot must not be there. */
  if (!tpm_template_recognise (public, name, &made) || !made.ours)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE,
                   "create a key: the TPM made another kind of key than it was told to");
      return FALSE;
    }
  if (!make_persistent (link, key.tr, handle, error))
    return FALSE;
  note_public (link, handle, &made);

  *ret_public = made;
  memcpy (ret_srk_name, srk_name, TPM_NAME_SIZE);
  return TRUE;
}

static gboolean
fail_orphaned (guint32 handle, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED,
               "the key at handle 0x%08x is gone: this is another TPM, or it was cleared, or somebody replaced the key", handle);
  return FALSE;
}

static gboolean
get_signing_key (TpmLink *link, guint32 handle, const guint8 name[TPM_NAME_SIZE], ESYS_TR *ret_tr, gsize *ret_coordinate_size,
                 GError **error)
{
  g_autoptr (GError) cause = NULL;
  TpmPublic public;
  ESYS_TR tr;

  gboolean found = tpm_link_get_persistent (link, handle, &tr, &cause);
  if (found && tpm_link_note (link, handle)->coordinate_size == 0)
    found = read_public (link, handle, &public, &cause);
  if (!found)
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        {
          const char *text = NULL;
          (void) fail_orphaned (handle, error);
          tpm_rc_note (error, base_error_get_tpm (cause, &text));
          return FALSE;
        }
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  const TpmNote *note = tpm_link_note (link, handle);
  if (memcmp (note->name, name, TPM_NAME_SIZE) != 0)
    return fail_orphaned (handle, error);

  *ret_tr = tr;
  *ret_coordinate_size = note->coordinate_size;
  return TRUE;
}

/* FIPS 186-4, 6.4: the leftmost bits of the digest, as many as the order of the curve has. TPM2_Sign wants a digest as
 * long as the hash that it is labelled with; to ECDSA the label makes no difference. */
static void
fit_digest (TpmHash hash, const guint8 *digest, gsize coordinate_size, TPM2B_DIGEST *ret_digest, TPMT_SIG_SCHEME *ret_scheme)
{
  TpmHash label = hash;

  while (label > TPM_HASH_SHA256 && hashes[label].size > coordinate_size)
    label--;
  ret_digest->size = (UINT16) hashes[label].size;
  memcpy (ret_digest->buffer, digest, hashes[label].size);
  *ret_scheme = (TPMT_SIG_SCHEME){ .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = hashes[label].id };
}

static gboolean
take_signature (const TPMT_SIGNATURE *signature, gsize size, TpmSignature *ret_signature)
{
  TpmSignature result = { .size = size };

  if (signature->sigAlg != TPM2_ALG_ECDSA || !tpm_template_pad (&signature->signature.ecdsa.signatureR, size, result.r)
      || !tpm_template_pad (&signature->signature.ecdsa.signatureS, size, result.s))
    return FALSE;
  *ret_signature = result;
  return TRUE;
}

gboolean
tpm_key_sign (TpmLink *link, guint32 handle, const guint8 name[TPM_NAME_SIZE], TpmHash hash, const guint8 *digest,
              TpmSignature *ret_signature, GError **error)
{
  /* An unrestricted key needs no ticket: TPM 2.0 Library Part 3, 20.2. */
  static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
  g_autoptr (TPMT_SIGNATURE) signature = NULL;
  char doing[DOING_SIZE];
  TPMT_SIG_SCHEME scheme;
  TPM2B_DIGEST fitted;
  gsize coordinate_size;
  ESYS_TR tr;

  g_assert ((guint) hash < G_N_ELEMENTS (hashes));
  if (!get_signing_key (link, handle, name, &tr, &coordinate_size, error))
    return FALSE;

  describe (doing, "sign with the key at", handle);
  fit_digest (hash, digest, coordinate_size, &fitted, &scheme);
  TSS2_RC rc = Esys_Sign (tpm_link_esys (link), tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &fitted, &scheme, &no_ticket,
                          &signature);
  if (rc != TSS2_RC_SUCCESS && tpm_rc_to_error (rc) == TPMID_ERROR_NOT_FOUND)
    {
      tpm_link_forget (link, handle);
      (void) fail_orphaned (handle, error);
      tpm_rc_note (error, rc);
      return FALSE;
    }
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);
  if (!take_signature (signature, coordinate_size, ret_signature))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "%s: the TPM's answer is no signature of this key", doing);
      return FALSE;
    }
  return TRUE;
}

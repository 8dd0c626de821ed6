/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-key-private.h"

#include "tpm-auto.h"
#include "tpm-blob-private.h"
#include "tpm-parent.h"
#include "tpm-persist.h"
#include "tpm-rc.h"
#include "tpm-session.h"
#include "tpm-template.h"
#include "tpm-wipe.h"

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

gboolean
tpm_key_fail_taken (guint32 handle, GError **error)
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

  note->size = public->size;
  memcpy (note->name, public->name, TPM_NAME_SIZE);
}

/* What lies at the handle now; all zero, and so foreign, for everything that is no key of a kind of ours. */
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
tpm_key_find (TpmLink *link, guint32 handle, TpmPurpose purpose, TpmPublic *ret_public, GError **error)
{
  TpmPublic found;

  /* The question is what lies there now, not what lay there when ESYS first saw it. */
  tpm_link_forget (link, handle);
  if (!read_public (link, handle, &found, error))
    return FALSE;
  if (found.purpose != purpose)
    return tpm_key_fail_taken (handle, error);
  *ret_public = found;
  return TRUE;
}

gboolean
tpm_key_keep (TpmLink *link, ESYS_TR key, const TpmPublic *public, guint32 handle, GError **error)
{
  char doing[DOING_SIZE];

  describe (doing, "make a key persistent at", handle);
  if (!tpm_persist_keep (link, key, handle, doing, error))
    return FALSE;
  note_public (link, handle, public);
  return TRUE;
}

gboolean
tpm_key_evict (TpmLink *link, guint32 handle, TpmPurpose purpose, GError **error)
{
  g_autoptr (GError) cause = NULL;
  char doing[DOING_SIZE];
  TpmPublic public;
  ESYS_TR tr;

  if (!tpm_key_find (link, handle, purpose, &public, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  describe (doing, "remove the key at", handle);
  return tpm_link_get_persistent (link, handle, &tr, error) && tpm_persist_remove (link, tr, handle, doing, error);
}

gboolean
tpm_key_load (TpmLink *link, ESYS_TR parent, GBytes *public_blob, GBytes *private_blob, TpmTransient *key, GError **error)
{
  TPM2B_PUBLIC public;
  TPM2B_PRIVATE private;

  if (!tpm_blob_to_public (public_blob, &public, error) || !tpm_blob_to_private (private_blob, &private, error))
    return FALSE;
  TSS2_RC rc = Esys_Load (tpm_link_esys (link), parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &private, &public, &key->tr);
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, "load a key");
}

static gboolean
load_once (TpmLink *link, const TpmKeyRef *ref, TpmTransient *key, GError **error)
{
  ESYS_TR parent;

  return tpm_parent_get (link, &ref->parent, &parent, NULL, error)
         && tpm_key_load (link, parent, ref->public_blob, ref->private_blob, key, error);
}

gboolean
tpm_key_load_ref (TpmLink *link, const TpmKeyRef *ref, TpmTransient *key, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (load_once (link, ref, key, &cause))
    return TRUE;
  if (tpm_parent_look_again (link, &ref->parent, cause))
    return load_once (link, ref, key, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
fail_orphaned (guint32 handle, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED,
               "the key at handle 0x%08x is gone: this is another TPM, or it was cleared, or somebody replaced the key", handle);
  return FALSE;
}

static gboolean
get_persistent (TpmLink *link, const TpmKeyRef *key, ESYS_TR *ret_tr, gsize *ret_size, GError **error)
{
  g_autoptr (GError) cause = NULL;
  TpmPublic public;
  ESYS_TR tr;

  gboolean found = tpm_link_get_persistent (link, key->handle, &tr, &cause);
  if (found && tpm_link_note (link, key->handle)->size == 0)
    found = read_public (link, key->handle, &public, &cause);
  if (!found)
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        {
          const char *text = NULL;
          (void) fail_orphaned (key->handle, error);
          tpm_rc_note (error, base_error_get_tpm (cause, &text));
          return FALSE;
        }
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  const TpmNote *note = tpm_link_note (link, key->handle);
  if (memcmp (note->name, key->name, TPM_NAME_SIZE) != 0)
    return fail_orphaned (key->handle, error);

  *ret_tr = tr;
  *ret_size = note->size;
  return TRUE;
}

static gboolean
get_loaded (TpmLink *link, const TpmKeyRef *key, TpmTransient *loaded, ESYS_TR *ret_tr, gsize *ret_size, GError **error)
{
  TpmPublic public;

  if (!tpm_blob_read_public (key->public_blob, &public, error) || !tpm_key_load_ref (link, key, loaded, error))
    return FALSE;
  *ret_tr = loaded->tr;
  *ret_size = public.size;
  return TRUE;
}

/* @loaded: an empty guard, for a key that is not persistent */
static gboolean
get_key (TpmLink *link, const TpmKeyRef *key, TpmTransient *loaded, ESYS_TR *ret_tr, gsize *ret_size, GError **error)
{
  return key->handle != 0 ? get_persistent (link, key, ret_tr, ret_size, error) : get_loaded (link, key, loaded, ret_tr, ret_size, error);
}

static gboolean
fail_use (TpmLink *link, const TpmKeyRef *key, TSS2_RC rc, GError **error, const char *doing)
{
  if (key->handle == 0 || tpm_rc_to_error (rc) != TPMID_ERROR_NOT_FOUND)
    return tpm_link_fail (link, rc, error, doing);
  tpm_link_forget (link, key->handle);
  (void) fail_orphaned (key->handle, error);
  tpm_rc_note (error, rc);
  return FALSE;
}

/* FIPS 186-4, 6.4: the leftmost bits of the digest, as many as the order of the curve has. TPM2_Sign wants a digest as
 * long as the hash that it is labelled with; to ECDSA the label makes no difference. */
static void
fit_digest (TpmHash hash, const guint8 *digest, gsize size, TPM2B_DIGEST *ret_digest, TPMT_SIG_SCHEME *ret_scheme)
{
  TpmHash label = hash;

  while (label > TPM_HASH_SHA256 && hashes[label].size > size)
    label--;
  ret_digest->size = (UINT16) hashes[label].size;
  memcpy (ret_digest->buffer, digest, hashes[label].size);
  *ret_scheme = (TPMT_SIG_SCHEME){ .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = hashes[label].id };
}

static gboolean
take_signature (const TPMT_SIGNATURE *signature, gsize size, TpmSignature *ret_signature)
{
  TpmSignature result = { .size = size };

  const TPMS_SIGNATURE_ECDSA *ecdsa = &signature->signature.ecdsa;

  if (signature->sigAlg != TPM2_ALG_ECDSA || size > sizeof result.r
      || !tpm_template_pad (ecdsa->signatureR.buffer, ecdsa->signatureR.size, result.r, size)
      || !tpm_template_pad (ecdsa->signatureS.buffer, ecdsa->signatureS.size, result.s, size))
    return FALSE;
  *ret_signature = result;
  return TRUE;
}

gboolean
tpm_key_sign (TpmLink *link, const TpmKeyRef *key, TpmHash hash, const guint8 *digest, TpmSignature *ret_signature, GError **error)
{
  /* An unrestricted key needs no ticket: TPM 2.0 Library Part 3, 20.2. */
  static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
  g_auto (TpmTransient) loaded = { link, ESYS_TR_NONE };
  g_autoptr (TPMT_SIGNATURE) signature = NULL;
  char doing[DOING_SIZE];
  TPMT_SIG_SCHEME scheme;
  TPM2B_DIGEST fitted;
  gsize size;
  ESYS_TR tr;

  g_assert ((guint) hash < G_N_ELEMENTS (hashes));
  if (!get_key (link, key, &loaded, &tr, &size, error))
    return FALSE;

  describe (doing, "sign with the key at", key->handle);
  fit_digest (hash, digest, size, &fitted, &scheme);
  TSS2_RC rc = Esys_Sign (tpm_link_esys (link), tr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &fitted, &scheme, &no_ticket,
                          &signature);
  if (rc != TSS2_RC_SUCCESS)
    return fail_use (link, key, rc, error, doing);
  if (!take_signature (signature, size, ret_signature))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "%s: the TPM's answer is no signature of this key", doing);
      return FALSE;
    }
  return TRUE;
}

static TSS2_RC
decrypt_in_session (TpmLink *link, ESYS_TR key, ESYS_TR session, const TPM2B_PUBLIC_KEY_RSA *ciphertext, TPM2B_PUBLIC_KEY_RSA **ret_block)
{
  static const TPMT_RSA_DECRYPT raw = { .scheme = TPM2_ALG_NULL };
  static const TPM2B_DATA no_label = { 0 };
  TSS2_RC rc = Esys_RSA_Decrypt (tpm_link_esys (link), key, session, ESYS_TR_NONE, ESYS_TR_NONE, ciphertext, &raw, &no_label, ret_block);

  tpm_wipe_traces (link, rc);
  return rc;
}

/* Once more in a new session, where the first one was gone. */
static gboolean
decrypt (TpmLink *link, const TpmKeyRef *key, ESYS_TR tr, const TPM2B_PUBLIC_KEY_RSA *ciphertext, TPM2B_PUBLIC_KEY_RSA **ret_block,
         TSS2_RC *ret_rc, GError **error)
{
  for (guint attempt = 0; attempt < 2; attempt++)
    {
      g_auto (TpmSession) guard = { link, ESYS_TR_NONE };
      ESYS_TR session;
      if (!tpm_session_open (link, &key->parent, &guard, &session, error))
        return FALSE;
      *ret_rc = decrypt_in_session (link, tr, session, ciphertext, ret_block);
      if (!tpm_session_spent (link, &guard, *ret_rc))
        break;
    }
  return TRUE;
}

/* Again, and in a session that was new: something else lies in the parent's place, which it was salted with. */
static gboolean
fail_session (TpmLink *link, const TpmKeyRef *key, TSS2_RC rc, GError **error, const char *doing)
{
  tpm_link_forget (link, key->parent.handle);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, "%s: the TPM does not keep the encrypted session; try again", doing);
  tpm_rc_note (error, rc);
  return FALSE;
}

/* The TPM's judgement of a ciphertext has many codes, and none of them is the caller's business. libtpms says 0x101 (and passes its
 * self-test, or tpm_link_fail() would have said so). */
static gboolean
fail_decrypt (TpmLink *link, const TpmKeyRef *key, TSS2_RC rc, GError **error, const char *doing)
{
  g_autoptr (GError) cause = NULL;

  if (tpm_session_is_about (rc))
    return fail_session (link, key, rc, error, doing);
  (void) fail_use (link, key, rc, &cause, doing);
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_INVALID_BLOB)
      || (rc == TPM2_RC_FAILURE && g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_FAILED))
      || ((rc & TPM2_RC_P) != 0 && g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM)))
    cause->code = TPMID_ERROR_DECRYPT_FAILED;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
take_block (const TPM2B_PUBLIC_KEY_RSA *block, gsize size, BaseSecret **ret_block, GError **error, const char *doing)
{
  guint8 padded[TPM_MODULUS_MAX];

  if (!tpm_template_pad (block->buffer, block->size, padded, size))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "%s: the TPM's answer is no block of this key", doing);
      return FALSE;
    }
  *ret_block = base_secret_new (padded, size);
  explicit_bzero (padded, sizeof padded);
  return TRUE;
}

gboolean
tpm_key_decrypt (TpmLink *link, const TpmKeyRef *key, const guint8 *ciphertext, gsize size, BaseSecret **ret_block, GError **error)
{
  g_auto (TpmTransient) loaded = { link, ESYS_TR_NONE };
  g_autoptr (TPM2B_PUBLIC_KEY_RSA) block = NULL;
  TPM2B_PUBLIC_KEY_RSA sent = { .size = (UINT16) size };
  TSS2_RC rc = TSS2_RC_SUCCESS;
  char doing[DOING_SIZE];
  gsize modulus_size;
  ESYS_TR tr;

  if (!get_key (link, key, &loaded, &tr, &modulus_size, error))
    return FALSE;
  describe (doing, "decrypt with the key at", key->handle);
  if (size != modulus_size || size > TPM_MODULUS_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_DECRYPT_FAILED, "%s: the block is not as long as the modulus", doing);
      return FALSE;
    }
  memcpy (sent.buffer, ciphertext, size);
  if (!decrypt (link, key, tr, &sent, &block, &rc, error))
    return FALSE;
  return rc == TSS2_RC_SUCCESS ? take_block (block, size, ret_block, error, doing) : fail_decrypt (link, key, rc, error, doing);
}

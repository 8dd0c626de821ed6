/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-nv-private.h"

#include "base-error.h"
#include "tpm-authority.h"
#include "tpm-auto.h"
#include "tpm-template.h"

#include <string.h>

/* The owner's range. TCG Registry of Reserved TPM 2.0 Handles and Localities, 2.2.2. */
#define OWNER_FIRST 0x01800000u
#define OWNER_LAST 0x01bfffffu
#define WRITE_ONCE_MAX 64

#define DOING_SIZE 64

static void
describe (char doing[DOING_SIZE], const char *verb, guint32 index)
{
  (void) g_snprintf (doing, DOING_SIZE, "%s NV index 0x%08x", verb, index);
}

gboolean
tpm_nv_open (TpmLink *link, guint32 index, TpmReference *reference, TPMS_NV_PUBLIC *ret_public, GError **error)
{
  g_autoptr (TPM2B_NV_PUBLIC) public = NULL;
  char doing[DOING_SIZE];

  describe (doing, "look at", index);
  TSS2_RC rc = Esys_TR_FromTPMPublic (tpm_link_esys (link), index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &reference->tr);
  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_NV_ReadPublic (tpm_link_esys (link), reference->tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);
  *ret_public = public->nvPublic;
  return TRUE;
}

/* An index with an authValue of somebody else must not cost a try of the dictionary-attack counter. */
static gboolean
reads_by_itself (const TPMS_NV_PUBLIC *public)
{
  return (public->attributes & TPMA_NV_AUTHREAD) != 0 && (public->attributes & TPMA_NV_NO_DA) != 0;
}

gboolean
tpm_nv_describe (TpmLink *link, guint32 index, TpmNvInfo *ret_info, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  TPMS_NV_PUBLIC public;

  if (!tpm_nv_open (link, index, &reference, &public, error))
    return FALSE;
  *ret_info = (TpmNvInfo){
    .size = public.dataSize,
    .attributes = public.attributes,
    .written = (public.attributes & TPMA_NV_WRITTEN) != 0,
    .platform_created = (public.attributes & TPMA_NV_PLATFORMCREATE) != 0,
    .write_once = tpm_template_is_write_once (&public),
    .readable = reads_by_itself (&public) || (public.attributes & TPMA_NV_OWNERREAD) != 0,
  };
  return TRUE;
}

static gboolean
fail_no_way_in (const TPMS_NV_PUBLIC *public, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_AUTH_FAILED,
               "NV index 0x%08x cannot be read without a password; define it with ownerread, or with authread and no_da",
               public->nvIndex);
  return FALSE;
}

static gboolean
check_readable (const TPMS_NV_PUBLIC *public, GError **error)
{
  if ((public->attributes & TPMA_NV_WRITTEN) == 0)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "NV index 0x%08x has not been written", public->nvIndex);
      return FALSE;
    }
  return reads_by_itself (public) || (public->attributes & TPMA_NV_OWNERREAD) != 0 || fail_no_way_in (public, error);
}

/* One command; with the owner's password one more. */
static gboolean
read_piece (TpmLink *link, const TPMS_NV_PUBLIC *public, ESYS_TR index, guint offset, TPM2B_MAX_NV_BUFFER **ret_data, GError **error)
{
  g_auto (TpmAuthority) owner = TPM_AUTHORITY (link, TPM_HIERARCHY_OWNER);
  guint16 size = (guint16) MIN (tpm_link_facts (link)->nv_buffer_max, public->dataSize - offset);
  gboolean by_owner = !reads_by_itself (public);
  char doing[DOING_SIZE];

  if (by_owner && !tpm_authority_open (&owner, error))
    return FALSE;
  describe (doing, "read", public->nvIndex);
  TSS2_RC rc = Esys_NV_Read (tpm_link_esys (link), by_owner ? owner.tr : index, index, by_owner ? owner.by : ESYS_TR_PASSWORD, ESYS_TR_NONE,
                             ESYS_TR_NONE, size, (guint16) offset, ret_data);
  if (rc == TSS2_RC_SUCCESS && (*ret_data)->size != size)
    rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
  if (by_owner)
    return tpm_authority_end (&owner, rc, error, doing);
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, doing);
}

gboolean
tpm_nv_read (TpmLink *link, guint32 index, GBytes **ret_bytes, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  TPMS_NV_PUBLIC public;

  if (!tpm_nv_open (link, index, &reference, &public, error) || !check_readable (&public, error))
    return FALSE;
  while (bytes->len < public.dataSize)
    {
      g_autoptr (TPM2B_MAX_NV_BUFFER) data = NULL;

      if (!read_piece (link, &public, reference.tr, bytes->len, &data, error))
        return FALSE;
      g_byte_array_append (bytes, data->buffer, data->size);
    }
  *ret_bytes = g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
  return TRUE;
}

gboolean
tpm_nv_define (TpmLink *link, const TPM2B_NV_PUBLIC *template, TpmReference *reference, GError **error)
{
  g_auto (TpmAuthority) owner = TPM_AUTHORITY (link, TPM_HIERARCHY_OWNER);
  const TPM2B_AUTH no_auth = { 0 };
  char doing[DOING_SIZE];

  if (!tpm_authority_open (&owner, error))
    return FALSE;
  describe (doing, "define", template->nvPublic.nvIndex);
  TSS2_RC rc = Esys_NV_DefineSpace (tpm_link_esys (link), owner.tr, owner.by, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth, template,
                                    &reference->tr);
  return tpm_authority_end (&owner, rc, error, doing);
}

gboolean
tpm_nv_check_write_once (guint32 index, guint16 size, GError **error)
{
  if (tpm_nv_is_owners (index) && size > 0 && size <= WRITE_ONCE_MAX)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
               "NV index 0x%08x with %u bytes: the index must be in 0x%08x to 0x%08x, the size 1 to %u", index, size, OWNER_FIRST, OWNER_LAST,
               WRITE_ONCE_MAX);
  return FALSE;
}

gboolean
tpm_nv_define_write_once (TpmLink *link, guint32 index, guint16 size, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  TPM2B_NV_PUBLIC template;

  if (!tpm_nv_check_write_once (index, size, error))
    return FALSE;
  tpm_template_write_once (index, size, &template);
  return tpm_nv_define (link, &template, &reference, error);
}

gboolean
tpm_nv_is_owners (guint32 index)
{
  return index >= OWNER_FIRST && index <= OWNER_LAST;
}

/* @kind: OTHER: whatever it is. */
static gboolean
check_removable (const TPMS_NV_PUBLIC *public, TpmNvKind kind, GError **error)
{
  if ((public->attributes & TPMA_NV_PLATFORMCREATE) != 0)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN,
                   "NV index 0x%08x was defined by the platform, and only firmware can remove it", public->nvIndex);
      return FALSE;
    }
  return kind == TPM_NV_OTHER || tpm_template_nv_kind (public, NULL) == kind || tpm_nv_fail_taken (public->nvIndex, error);
}

static gboolean
undefine (TpmLink *link, guint32 index, TpmNvKind kind, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  g_auto (TpmAuthority) owner = TPM_AUTHORITY (link, TPM_HIERARCHY_OWNER);
  TPMS_NV_PUBLIC public;
  char doing[DOING_SIZE];

  if (!tpm_nv_open (link, index, &reference, &public, error) || !check_removable (&public, kind, error) || !tpm_authority_open (&owner, error))
    return FALSE;
  describe (doing, "undefine", index);
  TSS2_RC rc = Esys_NV_UndefineSpace (tpm_link_esys (link), owner.tr, reference.tr, owner.by, ESYS_TR_NONE, ESYS_TR_NONE);
  /* ESYS dropped its record along with the index. */
  if (rc == TSS2_RC_SUCCESS)
    reference.tr = ESYS_TR_NONE;
  return tpm_authority_end (&owner, rc, error, doing);
}

gboolean
tpm_nv_undefine (TpmLink *link, guint32 index, GError **error)
{
  return undefine (link, index, TPM_NV_OTHER, error);
}

gboolean
tpm_nv_undefine_store (TpmLink *link, guint32 index, TpmNvKind kind, GError **error)
{
  g_assert (kind != TPM_NV_OTHER);
  return undefine (link, index, kind, error);
}

static gboolean
check_writable (const TPMS_NV_PUBLIC *public, gsize size, GError **error)
{
  if (!tpm_template_has_write_once_policy (public))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_POLICY_NOT_MET,
                   "NV index 0x%08x was not defined to be written once; write it with tpm2_nvwrite, or configure another",
                   public->nvIndex);
      return FALSE;
    }
  if ((public->attributes & TPMA_NV_WRITTEN) != 0)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_POLICY_NOT_MET,
                   "NV index 0x%08x is written already, and can be written only once", public->nvIndex);
      return FALSE;
    }
  if (size != public->dataSize)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                   "NV index 0x%08x takes exactly %u bytes, not %" G_GSIZE_FORMAT, public->nvIndex, public->dataSize, size);
      return FALSE;
    }
  return TRUE;
}

static TSS2_RC
start_policy (ESYS_CONTEXT *esys, ESYS_TR *ret_session)
{
  static const TPMT_SYM_DEF no_encryption = { .algorithm = TPM2_ALG_NULL };
  TSS2_RC rc = Esys_StartAuthSession (esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
                                      TPM2_SE_POLICY, &no_encryption, TPM2_ALG_SHA256, ret_session);

  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_PolicyCommandCode (esys, *ret_session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CC_NV_Write);
  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_PolicyNvWritten (esys, *ret_session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_NO);
  return rc;
}

static gboolean
write_whole (TpmLink *link, const TPMS_NV_PUBLIC *public, ESYS_TR index, GBytes *bytes, GError **error)
{
  g_auto (TpmSession) session = { link, ESYS_TR_NONE };
  ESYS_CONTEXT *esys = tpm_link_esys (link);
  TPM2B_MAX_NV_BUFFER data = { .size = (UINT16) g_bytes_get_size (bytes) };
  char doing[DOING_SIZE];

  describe (doing, "write", public->nvIndex);
  memcpy (data.buffer, g_bytes_get_data (bytes, NULL), data.size);
  TSS2_RC rc = start_policy (esys, &session.tr);
  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_NV_Write (esys, index, index, session.tr, ESYS_TR_NONE, ESYS_TR_NONE, &data, 0);
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, doing);
}

gboolean
tpm_nv_write_once (TpmLink *link, guint32 index, GBytes *bytes, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  g_autoptr (GBytes) found = NULL;
  TPMS_NV_PUBLIC public;

  if (!tpm_nv_open (link, index, &reference, &public, error) || !check_writable (&public, g_bytes_get_size (bytes), error))
    return FALSE;
  if (public.dataSize > tpm_link_facts (link)->nv_buffer_max)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                   "NV index 0x%08x is larger than this TPM writes in one command", index);
      return FALSE;
    }
  if (!write_whole (link, &public, reference.tr, bytes, error) || !tpm_link_check_open (link, error))
    return FALSE;

  /* Writing changed the index's Name, and with it what ESYS must know of it: look afresh. */
  if (!tpm_nv_read (link, index, &found, error))
    return FALSE;
  if (!g_bytes_equal (found, bytes))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "NV index 0x%08x reads differently from what was written",
                   index);
      return FALSE;
    }
  return TRUE;
}

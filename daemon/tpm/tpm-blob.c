/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-blob-private.h"

#include "base-error.h"
#include "tpm-template.h"

#include <string.h>
#include <tss2/tss2_mu.h>

/* TPM 2.0 Library Part 1, 16: the algorithm of the Name stands before the digest. */
#define NAME_ALG_SIZE 2

static GBytes *
take (const guint8 *bytes, gsize size, TSS2_RC rc)
{
  /* What is marshalled came out of the same library, into a buffer as large as the structure. */
  g_assert (rc == TSS2_RC_SUCCESS);
  return g_bytes_new (bytes, size);
}

GBytes *
tpm_blob_from_public (const TPM2B_PUBLIC *public)
{
  guint8 bytes[sizeof *public];
  gsize size = 0;
  TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal (public, bytes, sizeof bytes, &size);

  return take (bytes, size, rc);
}

GBytes *
tpm_blob_from_private (const TPM2B_PRIVATE *private)
{
  guint8 bytes[sizeof *private];
  gsize size = 0;
  TSS2_RC rc = Tss2_MU_TPM2B_PRIVATE_Marshal (private, bytes, sizeof bytes, &size);

  return take (bytes, size, rc);
}

static gboolean
judge (TSS2_RC rc, gsize used, GBytes *blob, const char *what, GError **error)
{
  if (rc == TSS2_RC_SUCCESS && used == g_bytes_get_size (blob))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "this is no %s half of a TPM key", what);
  return FALSE;
}

gboolean
tpm_blob_to_public (GBytes *blob, TPM2B_PUBLIC *ret_public, GError **error)
{
  TPM2B_PUBLIC result = { 0 };
  gsize size, used = 0;
  const guint8 *data = g_bytes_get_data (blob, &size);
  TSS2_RC rc = size > 0 ? Tss2_MU_TPM2B_PUBLIC_Unmarshal (data, size, &used, &result) : TSS2_MU_RC_BAD_SIZE;

  if (!judge (rc, used, blob, "public", error))
    return FALSE;
  *ret_public = result;
  return TRUE;
}

gboolean
tpm_blob_to_private (GBytes *blob, TPM2B_PRIVATE *ret_private, GError **error)
{
  TPM2B_PRIVATE result = { 0 };
  gsize size, used = 0;
  const guint8 *data = g_bytes_get_data (blob, &size);
  TSS2_RC rc = size > 0 ? Tss2_MU_TPM2B_PRIVATE_Unmarshal (data, size, &used, &result) : TSS2_MU_RC_BAD_SIZE;

  if (!judge (rc, used, blob, "private", error))
    return FALSE;
  *ret_private = result;
  return TRUE;
}

/* For nameAlg SHA-256, the only one of ours. */
static gboolean
compute_name (const TPM2B_PUBLIC *public, TPM2B_NAME *ret_name)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 area[sizeof public->publicArea];
  gsize size = 0, digest_size = TPM_NAME_SIZE - NAME_ALG_SIZE;

  if (public->publicArea.nameAlg != TPM2_ALG_SHA256
      || Tss2_MU_TPMT_PUBLIC_Marshal (&public->publicArea, area, sizeof area, &size) != TSS2_RC_SUCCESS)
    return FALSE;
  ret_name->size = TPM_NAME_SIZE;
  ret_name->name[0] = TPM2_ALG_SHA256 >> 8;
  ret_name->name[1] = TPM2_ALG_SHA256 & 0xff;
  g_checksum_update (checksum, area, (gssize) size);
  g_checksum_get_digest (checksum, ret_name->name + NAME_ALG_SIZE, &digest_size);
  return TRUE;
}

gboolean
tpm_blob_read_public (GBytes *blob, TpmPublic *ret_public, GError **error)
{
  TPM2B_PUBLIC public;
  TPM2B_NAME name;

  if (!tpm_blob_to_public (blob, &public, error))
    return FALSE;
  if (compute_name (&public, &name) && tpm_template_recognise (&public, &name, ret_public))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "this is the public half of a TPM key of a kind that tpmidd does not make");
  return FALSE;
}

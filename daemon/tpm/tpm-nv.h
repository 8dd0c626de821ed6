/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"

G_BEGIN_DECLS

/**
 * TpmNvInfo:
 *
 * The public area of an NV index. TPM 2.0 Library Part 2, 13.6.
 */
typedef struct
{
  guint16 size;         /* bytes */
  guint32 attributes;   /* TPMA_NV */
  gboolean written;
  gboolean write_once;  /* can be written only by the policy of tpm_nv_define_write_once(): it has that policy, and neither
                           ppwrite nor ownerwrite nor authwrite; whether it is @written does not matter */
  gboolean readable;    /* tpm_nv_read() has a way in: authread with no_da, or ownerread */
} TpmNvInfo;

/**
 * tpm_nv_describe:
 * @error: TPMID_ERROR_NOT_FOUND when the index is not defined
 *
 * At most 2 commands.
 */
gboolean tpm_nv_describe (TpmLink *link, guint32 index, TpmNvInfo *ret_info, GError **error);

/**
 * tpm_nv_read:
 * @ret_bytes: (out) (transfer full): the whole content
 * @error: TPMID_ERROR_NOT_FOUND when the index is not defined or not written, _AUTH_FAILED when there is no way in,
 *   _HIERARCHY_AUTH_REQUIRED and those of the link
 *
 * Reads in pieces of TPM_PT_NV_BUFFER_MAX: by the index's own (empty) authorization where authread and no_da are both set,
 * else by the owner's where ownerread is. An index with authread alone is not tried, as a password of somebody else on it
 * would cost a try of the dictionary-attack counter.
 */
gboolean tpm_nv_read (TpmLink *link, guint32 index, GBytes **ret_bytes, GError **error);

/**
 * tpm_nv_define_write_once:
 * @index: in the owner's range 0x01800000 to 0x01bfffff
 * @size: bytes, 1 to 64
 * @error: TPMID_ERROR_HANDLE_TAKEN, _NV_FULL, _HIERARCHY_AUTH_REQUIRED and those of the link
 *
 * Defines an ordinary index with attributes policywrite, ownerread, authread, no_da and the policy
 * PolicyCommandCode(NV_Write), PolicyNvWritten(clear), in this order (digest b7afecee…ee9b): it can be written once.
 */
gboolean tpm_nv_define_write_once (TpmLink *link, guint32 index, guint16 size, GError **error);

/**
 * tpm_nv_write_once:
 * @bytes: exactly as many as the index has
 * @error: TPMID_ERROR_POLICY_NOT_MET when it is written already or its policy is another one
 *
 * Writes the index whole in one TPM2_NV_Write with a policy session, reads it back and compares.
 */
gboolean tpm_nv_write_once (TpmLink *link, guint32 index, GBytes *bytes, GError **error);

G_END_DECLS

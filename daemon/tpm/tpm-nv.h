/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
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
  gboolean platform_created; /* TPMA_NV_PLATFORMCREATE: it outlives TPM2_Clear, and only firmware can undefine it */
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
 * tpm_nv_check_write_once:
 * @error: TPMID_ERROR_INVALID_ARGUMENT
 *
 * Pure. Whether tpm_nv_define_write_once() takes such an index.
 */
gboolean tpm_nv_check_write_once (guint32 index, guint16 size, GError **error);

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

/**
 * tpm_nv_undefine:
 * @error: TPMID_ERROR_NOT_FOUND, _HANDLE_TAKEN (the platform made it), _HIERARCHY_AUTH_REQUIRED and those of the link
 *
 * Removes an index of the owner's making, whatever it is. Three commands, and one for the owner's password.
 */
gboolean tpm_nv_undefine (TpmLink *link, guint32 index, GError **error);

/**
 * TpmNvStore:
 *
 * What to keep in an index that can be written again and again. Borrows what it points to.
 */
typedef struct
{
  TpmNvKind kind;               /* not OTHER */
  GBytes *bytes;                /* (nullable): either this, */
  BaseSecret *secret;           /* (nullable): or this, which never crosses the wire in the clear */
  gboolean lock_until_restart;  /* tpm_nv_lock_reading() works on it: TPMA_NV_READ_STCLEAR */
} TpmNvStore;

/**
 * tpm_nv_store:
 * @index: in the owner's range 0x01800000 to 0x01bfffff
 * @what: 1 byte to TPM_PT_NV_BUFFER_MAX
 * @parent: (nullable): what encrypts a secret on its way; see tpm_hierarchy_change_password()
 * @error: TPMID_ERROR_HANDLE_TAKEN when what is there is not an index of this function for that kind, _NV_FULL, _HIERARCHY_AUTH_REQUIRED,
 *   _INVALID_ARGUMENT, _UNTRUSTED_RESPONSE (it reads differently) and those of the link
 *
 * Keeps @what in an index of the attributes ownerwrite, ownerread, authread, no_da and, as @what says, read_stclear, with the tag
 * of its kind: defines it where it lacks, undefines and defines it anew where it has another size, or a tag that tells another
 * content; writes it whole in one TPM2_NV_Write, reads it back and compares. Not a single write where that is what it holds. One
 * that was locked against reading is not locked any more once it was defined anew; where it was not, it is not read back, the
 * session tells that the TPM wrote it.
 *
 * With a secret, the parent in the link's cache, and no password of the owner: 8 commands where nothing was there, 5 where it
 * holds the same already.
 */
gboolean tpm_nv_store (TpmLink *link, guint32 index, const TpmNvStore *what, const TpmParent *parent, GError **error);

/**
 * tpm_nv_undefine_store:
 * @error: as tpm_nv_undefine(), and TPMID_ERROR_HANDLE_TAKEN when what is there is not an index of tpm_nv_store() for @kind
 *
 * Removes such an index, and no other. As many commands as tpm_nv_undefine().
 */
gboolean tpm_nv_undefine_store (TpmLink *link, guint32 index, TpmNvKind kind, GError **error);

/**
 * TpmNvTag:
 *
 * What an index tells of itself without being read; a plain value.
 */
typedef struct
{
  TpmNvKind kind;
  gboolean is_written;
  gboolean is_locked;                 /* against reading, until the TPM restarts */
  guint8 digest[TPM_NV_DIGEST_SIZE];  /* of the content that it was made for; only of TPM_NV_PASSWORDS */
} TpmNvTag;

/**
 * tpm_nv_read_tag:
 * @error: TPMID_ERROR_NOT_FOUND when the index is not defined, and those of the link
 *
 * One command (NV_ReadPublic).
 */
gboolean tpm_nv_read_tag (TpmLink *link, guint32 index, TpmNvTag *ret_tag, GError **error);

/**
 * tpm_nv_tag_tells:
 *
 * Pure. Returns: whether an index with @tag was made for @content
 */
gboolean tpm_nv_tag_tells (const TpmNvTag *tag, const BaseSecret *content);

/**
 * tpm_nv_read_secret:
 * @parent: (nullable): as for tpm_nv_store()
 * @ret_secret: (out) (transfer full): the whole content
 * @error: TPMID_ERROR_NOT_FOUND when the index is not defined or not written, _POLICY_NOT_MET when it is locked against reading
 *   until the TPM restarts, _AUTH_FAILED when it has not authread and no_da, _INVALID_ARGUMENT when it is too large for one
 *   command, _UNTRUSTED_RESPONSE and those of the link
 *
 * Reads by the index's own (empty) authorization, whatever password the owner has; the content crosses the wire encrypted. Four
 * commands with the parent in the link's cache, six without a parent; two where it is locked.
 */
gboolean tpm_nv_read_secret (TpmLink *link, guint32 index, const TpmParent *parent, BaseSecret **ret_secret, GError **error);

/**
 * tpm_nv_lock_reading:
 * @error: TPMID_ERROR_NOT_FOUND when the index is not defined or not written, and those of the link
 *
 * Nobody reads the index any more until the TPM restarts; that it is locked already is a success. The index must have been stored
 * with lock_until_restart. One command.
 */
gboolean tpm_nv_lock_reading (TpmLink *link, guint32 index, GError **error);

G_END_DECLS

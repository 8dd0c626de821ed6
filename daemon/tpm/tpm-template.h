/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-types.h"

#include <tss2/tss2_tpm2_types.h>

G_BEGIN_DECLS

/* Public areas that tpmidd makes and recognises. Pure. */

/**
 * TPM_TEMPLATE_TAG_DEVICE, TPM_TEMPLATE_TAG_CREDENTIALS:
 *
 * The device's own keys carry the SHA-256 of such a text (without NUL) as authPolicy. No sequence of policy commands arrives at
 * such a digest, so the policy can never be satisfied, and it need not be: userWithAuth is set, so the (empty) password does.
 * What it is for: it marks a key as made by tpmidd, protected by the TPM like the rest of the public area, so that a key is
 * recognised in the TPM when every record on disk is lost, and no key of others is ever taken for ours. Part of the
 * format on the device: it never changes; another kind of key gets another text.
 */
#define TPM_TEMPLATE_TAG_DEVICE "org.tpmid1 key device 1"
#define TPM_TEMPLATE_TAG_CREDENTIALS "org.tpmid1 key credentials 1"

/**
 * TPM_TEMPLATE_TAG_PASSWORDS, TPM_TEMPLATE_TAG_RESET_TOKENS:
 *
 * Indices of tpm_nv_store() carry the first 16 bytes of the SHA-256 of such a text (without NUL) in the first half of their
 * authPolicy, which is no policy either: no attribute of the index allows one. The second half is the first 16 bytes of the
 * SHA-256 of the content where the kind says so (tpm_template_tells_content()), else zero. Part of the format on the device.
 */
#define TPM_TEMPLATE_TAG_PASSWORDS "org.tpmid1 index passwords 1"
#define TPM_TEMPLATE_TAG_RESET_TOKENS "org.tpmid1 index reset-tokens 1"

/**
 * tpm_template_storage_root:
 *
 * The owner's ECC P-256 storage root key: AES-128-CFB, restricted decrypt, userWithAuth, noDA, unique of 32 and 32 zero
 * bytes. TCG TPM v2.0 Provisioning Guidance 1.0, 7.5.1, on the base of EK template L-2.
 */
void tpm_template_storage_root (TPM2B_PUBLIC *ret_template);

/**
 * tpm_template_endorsement:
 *
 * EK template L-2 (ECC P-256). TCG EK Credential Profile 2.3, B.3.4.
 */
void tpm_template_endorsement (TPM2B_PUBLIC *ret_template);

/**
 * tpm_template_key:
 * @purpose: any but FOREIGN
 *
 * A key without scheme (each use names its own): fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, and sign or decrypt;
 * the tag of its purpose, where there is one, as authPolicy.
 *
 * Returns: %FALSE when there is no such key: decryption takes RSA, signing an EC key
 */
gboolean tpm_template_key (TpmKeyAlgorithm algorithm, TpmPurpose purpose, TPM2B_PUBLIC *ret_template);

/**
 * tpm_template_pad:
 * @from: (array length=from_size): a number, big-endian
 * @to: (out caller-allocates) (array length=size): where it goes
 * @size: bytes wanted
 *
 * A TPM may leave out leading zeros of a number; the rooms above want it whole.
 *
 * Returns: %FALSE when @from is empty or longer than @size
 */
gboolean tpm_template_pad (const guint8 *from, gsize from_size, guint8 *to, gsize size);

/**
 * tpm_template_recognise:
 * @public: a public area out of the TPM
 * @name: its Name
 * @ret_public: (out caller-allocates): the same for the rooms above
 *
 * Returns: %FALSE when it is no key of an algorithm of ours with whole numbers; whether it is of our making says its purpose
 */
gboolean tpm_template_recognise (const TPM2B_PUBLIC *public, const TPM2B_NAME *name, TpmPublic *ret_public);

/**
 * tpm_template_write_once:
 * @index: NV index
 * @size: bytes
 *
 * An ordinary index that can be written once; see tpm_nv_define_write_once().
 */
void tpm_template_write_once (guint32 index, guint16 size, TPM2B_NV_PUBLIC *ret_template);

/**
 * tpm_template_has_write_once_policy:
 *
 * Returns: whether @public can be written by the policy of tpm_template_write_once(), so once
 */
gboolean tpm_template_has_write_once_policy (const TPMS_NV_PUBLIC *public);

/**
 * tpm_template_is_write_once:
 *
 * Returns: whether that policy is the only way to write @public
 */
gboolean tpm_template_is_write_once (const TPMS_NV_PUBLIC *public);

/**
 * tpm_template_store:
 * @kind: not OTHER
 * @locks: whether reading can be locked until the TPM restarts
 *
 * An ordinary index that the owner writes; see tpm_nv_store(). The digest of the content is zero: tpm_template_tell_content().
 */
void tpm_template_store (guint32 index, guint16 size, TpmNvKind kind, gboolean locks, TPM2B_NV_PUBLIC *ret_template);

/**
 * tpm_template_tells_content:
 *
 * Returns: whether the tag of such an index has the digest of its content: then another content is another index
 */
gboolean tpm_template_tells_content (TpmNvKind kind);

/**
 * tpm_template_digest:
 *
 * The digest of @content that a tag has.
 */
void tpm_template_digest (gconstpointer content, gsize size, guint8 ret_digest[TPM_NV_DIGEST_SIZE]);

void tpm_template_tell_content (TPMS_NV_PUBLIC *template, const guint8 digest[TPM_NV_DIGEST_SIZE]);

/**
 * tpm_template_nv_kind:
 * @ret_digest: (out) (optional) (array fixed-size=16): that of its tag
 *
 * Returns: what @public is for; OTHER where it is not exactly of tpm_template_store()
 */
TpmNvKind tpm_template_nv_kind (const TPMS_NV_PUBLIC *public, guint8 *ret_digest);

/**
 * tpm_template_is_store:
 * @template: of tpm_template_store()
 *
 * Returns: whether @public was made by @template, with whatever size and content; written and locked or not
 */
gboolean tpm_template_is_store (const TPMS_NV_PUBLIC *public, const TPMS_NV_PUBLIC *template);

/**
 * tpm_template_is_storage_root:
 *
 * Returns: whether @public is of tpm_template_storage_root(); of which hierarchy, or whose, it does not say
 */
gboolean tpm_template_is_storage_root (const TPM2B_PUBLIC *public);

G_END_DECLS

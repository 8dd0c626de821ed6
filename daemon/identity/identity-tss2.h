/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* TSS2 PRIVATE KEY: how a key of a TPM rests on disk, so that other programs (tpm2-openssl, the kernel's tools) can load it too.
 * Only a TPM that has its parent can use it. Format: "ASN.1 Specification for TPM 2.0 Key Files", section 3, with the type
 * TPMLoadableKey. Pure, any thread. */

/**
 * IdentityTss2:
 *
 * Its content. g_auto.
 */
typedef struct
{
  guint32 parent;                     /* handle: persistent, or a hierarchy */
  GBytes *public_blob, *private_blob; /* TPM2B_PUBLIC and TPM2B_PRIVATE as they go over the wire */
} IdentityTss2;

void identity_tss2_clear (IdentityTss2 *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (IdentityTss2, identity_tss2_clear)

/**
 * identity_tss2_encode:
 * @error: TPMID_ERROR_FAILED
 *
 * Returns: (transfer full) (nullable): one PEM block, for a key with an empty password
 */
char *identity_tss2_encode (const IdentityTss2 *self, GError **error);

/**
 * identity_tss2_decode:
 * @pem: (array length=size): text before and after the PEM block is passed over
 * @path: where it came from, for the errors
 * @ret_key: (out caller-allocates): the content
 * @error: TPMID_ERROR_NOT_FOUND when there is no such PEM block, _CORRUPT when it cannot be decoded, or is a key with a password or a
 *   policy
 */
gboolean identity_tss2_decode (const char *pem, gsize size, const char *path, IdentityTss2 *ret_key, GError **error);

G_END_DECLS

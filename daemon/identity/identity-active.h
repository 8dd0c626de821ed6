/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backend.h"
#include "identity-cert.h"
#include "identity-store.h"

G_BEGIN_DECLS

/* What the operations that exchange the device's key or certificate share: the active certificate on disk, the active key in the TPM. TPM
 * thread, as is each caller. */

/* At most so many bytes in a certificate's file. */
#define IDENTITY_CERTIFICATE_LIMIT (64 * 1024)

/**
 * identity_active_prove:
 * @link: (nullable): needed only where the key is in the TPM
 * @error: those of identity_backend_sign() and identity_backend_check()
 *
 * That a key signs is the proof that it can be used. One command for a key at a handle, three for one that is loaded; one or two more where
 * key or parent are not in the link's cache.
 */
gboolean identity_active_prove (IdentityBackend *key, TpmLink *link, GError **error);

/**
 * identity_active_key_handle:
 *
 * Returns: where the device's key lies in the TPM: by the record, else by the configuration
 */
guint32 identity_active_key_handle (const BaseConfig *config, const IdentityRecord *record);

/**
 * identity_active_describe:
 * @record: a record of any kind, becomes one of an identity in the TPM
 * @key: in the TPM
 *
 * Kind, handle, Name and reference; the anchors stay as they are.
 */
void identity_active_describe (IdentityRecord *record, guint32 handle, const IdentityBackend *key);

/* Returns: (transfer full): the key's reference, hex */
char *identity_active_dup_reference (GBytes *spki);

/**
 * identity_active_find_certificate:
 * @path: (nullable): a file to look at first
 * @reference: of the key, hex
 *
 * Looks at @path, the certificate's file and its stored copy, in this order. What cannot be read or decoded, or belongs to another key, is
 * passed over.
 *
 * Returns: (transfer full) (nullable): the first certificate of the key
 */
IdentityCert *identity_active_find_certificate (const BaseConfig *config, const char *path, const char *reference);

/**
 * identity_active_put_certificate:
 * @error: TPMID_ERROR_STORAGE
 *
 * Stored copy first, then the certificate's file, each atomically, and neither where it says that already.
 */
gboolean identity_active_put_certificate (const BaseConfig *config, const IdentityCert *certificate, GError **error);

/**
 * identity_active_check_writable:
 * @path: a file that is going to be replaced, moved or removed
 * @error: TPMID_ERROR_STORAGE; _EXISTS when what is there is another user's, in a folder that is sticky
 *
 * Whether its folder is there and on a file system that takes a change, and @path is free or ours to move: asked before anything is given up
 * for it.
 */
gboolean identity_active_check_writable (const char *path, GError **error);

/**
 * identity_active_self_sign:
 * @serial: the device's serial number, or ""
 * @error: those of identity_cert_self_sign()
 *
 * One signature.
 *
 * Returns: (transfer full) (nullable): a new self-signed certificate
 */
IdentityCert *identity_active_self_sign (TpmLink *link, IdentityBackend *key, const char *serial, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-access.h"
#include "identity-csr.h"
#include "identity-public.h"

G_BEGIN_DECLS

/**
 * IdentityKey:
 *
 * One key as the outside sees it. Immutable, ref-counted; a change of anything makes a new one.
 */
typedef struct
{
  gatomicrefcount refs;
  char *name;
  IdentityAlgorithm algorithm;
  const char *usage; /* static: "sign" */
  const char *state; /* static: "usable" or "missing" */
  guint owner;       /* uid */
  GBytes *spki;      /* DER SubjectPublicKeyInfo */
  GBytes *reference; /* 32 bytes */
  char *certificate; /* PEM chain, or "" */
} IdentityKey;

IdentityKey *identity_key_ref (IdentityKey *key);
void identity_key_unref (IdentityKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityKey, identity_key_unref)

/**
 * identity_key_check_name:
 * @error: TPMID_ERROR_INVALID_ARGUMENT unless @name matches [a-z0-9][a-z0-9._-]{0,63}
 */
gboolean identity_key_check_name (const char *name, GError **error);

/**
 * IdentityKeys:
 *
 * All keys of the device, whether in the TPM or in software. Main thread.
 *
 * Signals: "changed" (no arguments) after keys were added, removed or changed; look at identity_keys_list().
 */
#define IDENTITY_TYPE_KEYS (identity_keys_get_type ())
G_DECLARE_FINAL_TYPE (IdentityKeys, identity_keys, IDENTITY, KEYS, GObject)

/**
 * identity_keys_list:
 *
 * Returns: (transfer container) (element-type IdentityKey): all keys, sorted by name
 */
GPtrArray *identity_keys_list (IdentityKeys *self);

/**
 * identity_keys_lookup:
 * @error: TPMID_ERROR_NOT_FOUND, _NOT_READY before the boot decision
 *
 * Returns: (transfer full) (nullable): the key with this name
 */
IdentityKey *identity_keys_lookup (IdentityKeys *self, const char *name, GError **error);

/**
 * identity_keys_find:
 * @reference: 32 bytes
 * @error: TPMID_ERROR_NOT_FOUND, _NOT_READY before the boot decision
 *
 * Returns: (transfer full) (nullable): the key with this reference
 */
IdentityKey *identity_keys_find (IdentityKeys *self, GBytes *reference, GError **error);

/**
 * identity_keys_check_sign:
 * @key: the key to sign with
 * @digest: as the caller gave it
 * @scheme: (nullable): as the caller gave it; %NULL = the key's default
 * @reference: (nullable): the key must be this one
 * @error: TPMID_ERROR_INVALID_ARGUMENT (length of digest or reference, scheme), _NOT_FOUND (another key's reference)
 *
 * Pure: whether the request can work at all.
 */
gboolean identity_keys_check_sign (const IdentityKey *key, IdentityHash hash, GBytes *digest, const char *scheme,
                                   GBytes *reference, GError **error);

/**
 * identity_keys_sign_async:
 * @caller: whose turn in the queue it takes; when it leaves the bus, the job is cancelled
 * @digest: checked by identity_keys_check_sign()
 *
 * Signs. One TPM command when warm. The signature is verified in software before it is handed out.
 */
void identity_keys_sign_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityHash hash, GBytes *digest,
                               GAsyncReadyCallback callback, gpointer user_data);

/**
 * identity_keys_sign_finish:
 * @error: TPMID_ERROR_IDENTITY_FAULT, _UNTRUSTED_RESPONSE and those of the queue, the link and tpm_key_sign()
 *
 * Returns: (transfer full) (nullable): DER ECDSA-Sig-Value
 */
GBytes *identity_keys_sign_finish (IdentityKeys *self, GAsyncResult *result, GError **error);

/**
 * identity_keys_create_csr_async:
 * @csr: (transfer full): what to sign
 */
void identity_keys_create_csr_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityCsr *csr,
                                     GAsyncReadyCallback callback, gpointer user_data);

/**
 * identity_keys_create_csr_finish:
 *
 * Returns: (transfer full) (nullable): DER CertificationRequest
 */
GBytes *identity_keys_create_csr_finish (IdentityKeys *self, GAsyncResult *result, GError **error);

G_END_DECLS

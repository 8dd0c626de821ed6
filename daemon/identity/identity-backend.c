/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-backend.h"

#include "base-error.h"
#include "base-hex.h"
#include "identity-x509.h"

#include <string.h>

typedef enum
{
  BACKEND_TPM,
  BACKEND_SOFTWARE,
  BACKEND_UNREACHABLE,
} BackendKind;

struct IdentityBackend
{
  gatomicrefcount refs;
  BackendKind kind;
  IdentityAlgorithm algorithm;
  IdentityUsage usage;
  GBytes *spki;
  EVP_PKEY *public_key;     /* (nullable): @spki decoded once, as each signature is verified */
  TpmKeyRef tpm;            /* with its own references to the blobs */
  IdentitySoftkey *softkey;
};

static IdentityBackend *
backend_new (BackendKind kind, IdentityAlgorithm algorithm, GBytes *spki)
{
  IdentityBackend *self = g_new0 (IdentityBackend, 1);

  g_atomic_ref_count_init (&self->refs);
  self->kind = kind;
  self->algorithm = algorithm;
  self->usage = identity_algorithm_default_usage (algorithm);
  self->spki = g_bytes_ref (spki);
  self->public_key = identity_x509_key_from_spki (spki);
  return self;
}

static IdentityAlgorithm
from_tpm_algorithm (TpmKeyAlgorithm algorithm)
{
  switch (algorithm)
    {
    case TPM_KEY_ECC_P256:
      return IDENTITY_ALGORITHM_ECC_P256;
    case TPM_KEY_ECC_P384:
      return IDENTITY_ALGORITHM_ECC_P384;
    case TPM_KEY_RSA_2048:
      return IDENTITY_ALGORITHM_RSA_2048;
    }
  g_return_val_if_reached (IDENTITY_ALGORITHM_ECC_P256);
}

IdentityBackend *
identity_backend_new_tpm (const TpmKeyRef *ref, const TpmPublic *public, GError **error)
{
  IdentityAlgorithm algorithm = from_tpm_algorithm (public->algorithm);
  g_autoptr (GBytes) spki = NULL;

  if (algorithm == IDENTITY_ALGORITHM_RSA_2048)
    spki = identity_public_from_modulus (public->modulus, public->size, public->exponent, error);
  else
    spki = identity_public_from_point (algorithm, public->x, public->y, public->size, error);
  if (spki == NULL)
    return NULL;
  IdentityBackend *self = backend_new (BACKEND_TPM, algorithm, spki);
  self->tpm = *ref;
  memcpy (self->tpm.name, public->name, TPM_NAME_SIZE);
  if (ref->public_blob != NULL)
    g_bytes_ref (ref->public_blob);
  if (ref->private_blob != NULL)
    g_bytes_ref (ref->private_blob);
  return self;
}

IdentityBackend *
identity_backend_new_software (IdentitySoftkey *softkey)
{
  IdentityBackend *self
      = backend_new (BACKEND_SOFTWARE, identity_softkey_get_algorithm (softkey), identity_softkey_peek_spki (softkey));

  self->softkey = identity_softkey_ref (softkey);
  return self;
}

IdentityBackend *
identity_backend_new_unreachable (IdentityAlgorithm algorithm, GBytes *spki)
{
  return backend_new (BACKEND_UNREACHABLE, algorithm, spki);
}

IdentityBackend *
identity_backend_ref (IdentityBackend *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
identity_backend_unref (IdentityBackend *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_bytes_unref (self->spki);
  EVP_PKEY_free (self->public_key);
  g_clear_pointer (&self->tpm.public_blob, g_bytes_unref);
  g_clear_pointer (&self->tpm.private_blob, g_bytes_unref);
  g_clear_pointer (&self->softkey, identity_softkey_unref);
  g_free (self);
}

gboolean
identity_backend_needs_tpm (const IdentityBackend *self)
{
  return self->kind == BACKEND_TPM;
}

gboolean
identity_backend_is_reachable (const IdentityBackend *self)
{
  return self->kind != BACKEND_UNREACHABLE;
}

IdentityAlgorithm
identity_backend_get_algorithm (const IdentityBackend *self)
{
  return self->algorithm;
}

IdentityUsage
identity_backend_get_usage (const IdentityBackend *self)
{
  return self->usage;
}

GBytes *
identity_backend_peek_spki (const IdentityBackend *self)
{
  return self->spki;
}

guint32
identity_backend_get_tpm_handle (const IdentityBackend *self)
{
  return self->tpm.handle;
}

char *
identity_backend_dup_tpm_name (const IdentityBackend *self)
{
  return self->kind == BACKEND_TPM ? base_hex_encode (self->tpm.name, TPM_NAME_SIZE) : NULL;
}


gboolean
identity_backend_equal (const IdentityBackend *a, const IdentityBackend *b)
{
  return a->kind == b->kind && a->tpm.handle == b->tpm.handle && memcmp (a->tpm.name, b->tpm.name, TPM_NAME_SIZE) == 0
         && g_bytes_equal (a->spki, b->spki);
}

static TpmHash
to_tpm_hash (IdentityHash hash)
{
  switch (hash)
    {
    case IDENTITY_HASH_SHA256:
      return TPM_HASH_SHA256;
    case IDENTITY_HASH_SHA384:
      return TPM_HASH_SHA384;
    case IDENTITY_HASH_SHA512:
      return TPM_HASH_SHA512;
    }
  g_return_val_if_reached (TPM_HASH_SHA256);
}

static GBytes *
sign_in_tpm (IdentityBackend *self, TpmLink *link, IdentityHash hash, GBytes *digest, GError **error)
{
  TpmSignature signature;

  if (!tpm_key_sign (link, &self->tpm, to_tpm_hash (hash), g_bytes_get_data (digest, NULL), &signature, error))
    return NULL;
  return identity_public_signature_to_der (signature.r, signature.s, signature.size);
}

static gboolean
check_usage (const IdentityBackend *self, IdentityUsage usage, GError **error)
{
  if (self->usage == usage)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_SUPPORTED, "this key can only %s", identity_usage_name (self->usage));
  return FALSE;
}

static void
set_unreachable (GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_IDENTITY_FAULT, "the key cannot be reached; tpmidctl status says why and what to do");
}

GBytes *
identity_backend_sign (IdentityBackend *self, TpmLink *link, IdentityHash hash, GBytes *digest, GError **error)
{
  if (!check_usage (self, IDENTITY_USAGE_SIGN, error))
    return NULL;
  switch (self->kind)
    {
    case BACKEND_TPM:
      return sign_in_tpm (self, link, hash, digest, error);
    case BACKEND_SOFTWARE:
      return identity_softkey_sign (self->softkey, hash, digest, error);
    case BACKEND_UNREACHABLE:
      set_unreachable (error);
      return NULL;
    }
  g_return_val_if_reached (NULL);
}

gboolean
identity_backend_check (const IdentityBackend *self, GBytes *digest, GBytes *signature, GError **error)
{
  if (self->public_key != NULL && identity_x509_verify (self->public_key, digest, signature))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE,
               "the signature that came back does not verify; it was not handed out");
  return FALSE;
}

BaseSecret *
identity_backend_decrypt (IdentityBackend *self, TpmLink *link, GBytes *block, GError **error)
{
  BaseSecret *result = NULL;
  gsize size;
  const guint8 *data = g_bytes_get_data (block, &size);

  if (!check_usage (self, IDENTITY_USAGE_DECRYPT, error))
    return NULL;
  switch (self->kind)
    {
    case BACKEND_TPM:
      (void) tpm_key_decrypt (link, &self->tpm, data, size, &result, error);
      return result;
    case BACKEND_SOFTWARE:
      return identity_softkey_decrypt (self->softkey, block, error);
    case BACKEND_UNREACHABLE:
      set_unreachable (error);
      return NULL;
    }
  g_return_val_if_reached (NULL);
}

static GBytes *
signer_sign (gpointer data, IdentityHash hash, GBytes *digest, GError **error)
{
  IdentityBackendSigner *self = data;
  g_autoptr (GBytes) signature = identity_backend_sign (self->backend, self->link, hash, digest, error);

  if (signature == NULL || !identity_backend_check (self->backend, digest, signature, error))
    return NULL;
  return g_steal_pointer (&signature);
}

void
identity_backend_signer_init (IdentityBackendSigner *self, IdentityBackend *backend, TpmLink *link)
{
  self->signer = (IdentitySigner) { identity_backend_peek_spki (backend), signer_sign, self };
  self->backend = backend;
  self->link = link;
}

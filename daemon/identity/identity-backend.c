/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-backend.h"

#include "base-error.h"
#include "base-hex.h"

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
  GBytes *spki;
  guint32 handle;
  guint8 name[TPM_NAME_SIZE];
  IdentitySoftkey *softkey;
};

static IdentityBackend *
backend_new (BackendKind kind, IdentityAlgorithm algorithm, GBytes *spki)
{
  IdentityBackend *self = g_new0 (IdentityBackend, 1);

  g_atomic_ref_count_init (&self->refs);
  self->kind = kind;
  self->algorithm = algorithm;
  self->spki = g_bytes_ref (spki);
  return self;
}

IdentityBackend *
identity_backend_new_tpm (guint32 handle, const TpmPublic *public, GError **error)
{
  IdentityAlgorithm algorithm
      = public->algorithm == TPM_KEY_ECC_P384 ? IDENTITY_ALGORITHM_ECC_P384 : IDENTITY_ALGORITHM_ECC_P256;
  g_autoptr (GBytes) spki
      = identity_public_from_point (algorithm, public->x, public->y, public->coordinate_size, error);

  if (spki == NULL)
    return NULL;
  IdentityBackend *self = backend_new (BACKEND_TPM, algorithm, spki);
  self->handle = handle;
  memcpy (self->name, public->name, TPM_NAME_SIZE);
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

GBytes *
identity_backend_peek_spki (const IdentityBackend *self)
{
  return self->spki;
}

guint32
identity_backend_get_tpm_handle (const IdentityBackend *self)
{
  return self->handle;
}

char *
identity_backend_dup_tpm_name (const IdentityBackend *self)
{
  return self->kind == BACKEND_TPM ? base_hex_encode (self->name, TPM_NAME_SIZE) : NULL;
}

gboolean
identity_backend_equal (const IdentityBackend *a, const IdentityBackend *b)
{
  return a->kind == b->kind && a->handle == b->handle && memcmp (a->name, b->name, TPM_NAME_SIZE) == 0
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

  if (!tpm_key_sign (link, self->handle, self->name, to_tpm_hash (hash), g_bytes_get_data (digest, NULL), &signature, error))
    return NULL;
  return identity_public_signature_to_der (signature.r, signature.s, signature.size);
}

GBytes *
identity_backend_sign (IdentityBackend *self, TpmLink *link, IdentityHash hash, GBytes *digest, GError **error)
{
  g_autoptr (GBytes) signature = NULL;

  switch (self->kind)
    {
    case BACKEND_TPM:
      signature = sign_in_tpm (self, link, hash, digest, error);
      break;
    case BACKEND_SOFTWARE:
      signature = identity_softkey_sign (self->softkey, hash, digest, error);
      break;
    case BACKEND_UNREACHABLE:
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_IDENTITY_FAULT,
                   "the key cannot be reached; tpmidctl status says why and what to do");
      break;
    }
  if (signature == NULL)
    return NULL;
  if (!identity_public_verify (self->spki, digest, signature))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE,
                   "the signature that came back does not verify; it was not handed out");
      return NULL;
    }
  return g_steal_pointer (&signature);
}

static GBytes *
signer_sign (gpointer data, IdentityHash hash, GBytes *digest, GError **error)
{
  IdentityBackendSigner *self = data;

  return identity_backend_sign (self->backend, self->link, hash, digest, error);
}

void
identity_backend_signer_init (IdentityBackendSigner *self, IdentityBackend *backend, TpmLink *link)
{
  self->signer = (IdentitySigner) { identity_backend_peek_spki (backend), signer_sign, self };
  self->backend = backend;
  self->link = link;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-use.h"

#include "base-error.h"
#include "identity-cms.h"
#include "identity-keys-private.h"

#include <string.h>

/* --- one use, from the call to its answer --- */

/* What the main thread keeps of it. */
typedef struct
{
  IdentityKey *key;
  GBytes *digest; /* (nullable): of a signature: what it has to verify against */
} Use;

static void
use_free (gpointer data)
{
  Use *use = data;

  identity_key_unref (use->key);
  g_clear_pointer (&use->digest, g_bytes_unref);
  g_free (use);
}

/* %NULL when the key cannot do it, and @callback hears why. */
static GTask *
begin (IdentityKeys *keys, IdentityKey *key, IdentityUsage usage, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (keys, NULL, callback, user_data);
  g_autoptr (GError) error = NULL;

  if (!identity_keys_has (keys, key))
    g_set_error (&error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "key %s has changed or is gone; look it up again", key->name);
  else if (identity_key_check_usable (key, usage, &error))
    {
      Use *use = g_new0 (Use, 1);
      use->key = identity_key_ref (key);
      g_task_set_task_data (task, use, use_free);
      return g_steal_pointer (&task);
    }
  g_task_return_error (task, g_steal_pointer (&error));
  return NULL;
}

static void
return_bytes (GTask *task, GBytes *bytes, GError *error)
{
  if (bytes != NULL)
    g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_error (task, error);
}

/* --- sign --- */

typedef struct
{
  IdentityBackend *backend;
  IdentityHash hash;
  GBytes *digest;
  IdentityCsr *csr;
} SignRequest;

static SignRequest *
sign_request_new (const IdentityKey *key)
{
  SignRequest *request = g_new0 (SignRequest, 1);

  request->backend = identity_backend_ref (key->backend);
  return request;
}

static void
sign_request_free (gpointer data)
{
  SignRequest *request = data;

  identity_backend_unref (request->backend);
  g_clear_pointer (&request->digest, g_bytes_unref);
  g_clear_pointer (&request->csr, identity_csr_free);
  g_free (request);
}

/* TPM thread */
static gpointer
identity_use_sign_job (TpmLink *link, gpointer data, GError **error)
{
  SignRequest *request = data;

  return identity_backend_sign (request->backend, link, request->hash, request->digest, error);
}

/* TPM thread */
static gpointer
identity_use_create_csr_job (TpmLink *link, gpointer data, GError **error)
{
  SignRequest *request = data;
  IdentityBackendSigner signer;

  identity_backend_signer_init (&signer, request->backend, link);
  return identity_csr_sign (request->csr, &signer.signer, error);
}

static void
on_signed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Use *use = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = tpm_queue_push_finish (result, &error);

  if (bytes != NULL && use->digest != NULL && !identity_backend_check (use->key->backend, use->digest, bytes, &error))
    g_clear_pointer (&bytes, g_bytes_unref);
  identity_keys_note (g_task_get_source_object (task), use->key, error);
  return_bytes (task, g_steal_pointer (&bytes), g_steal_pointer (&error));
}

static void
push_sign (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, TpmJob *job, GTask *task)
{
  job->replayable = TRUE; /* a second signature harms nobody */
  job->request_free = sign_request_free;
  job->result_free = (GDestroyNotify) g_bytes_unref;
  identity_keys_push (keys, job, key, caller, on_signed, task);
}

void
identity_use_sign_async (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, IdentityHash hash, GBytes *digest,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin (keys, key, IDENTITY_USAGE_SIGN, callback, user_data);

  if (task == NULL)
    return;
  ((Use *) g_task_get_task_data (task))->digest = g_bytes_ref (digest);
  SignRequest *request = sign_request_new (key);
  request->hash = hash;
  request->digest = g_bytes_ref (digest);
  push_sign (keys, key, caller, &(TpmJob) { .operation = "sign", .run = identity_use_sign_job, .request = request }, task);
}

GBytes *
identity_use_sign_finish (IdentityKeys *keys, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
identity_use_create_csr_async (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, IdentityCsr *csr,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (IdentityCsr) owned = csr;
  GTask *task = begin (keys, key, IDENTITY_USAGE_SIGN, callback, user_data);

  if (task == NULL)
    return;
  SignRequest *request = sign_request_new (key);
  request->csr = g_steal_pointer (&owned);
  push_sign (keys, key, caller, &(TpmJob) { .operation = "create-csr", .run = identity_use_create_csr_job, .request = request }, task);
}

GBytes *
identity_use_create_csr_finish (IdentityKeys *keys, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- decrypt --- */

struct IdentityCiphertext
{
  IdentityBackend *backend;
  GBytes *data;
  IdentityRsaPadding *padding; /* (nullable): %NULL = a CMS message, which says itself */
  IdentityBackoff *backoff;    /* set with the caller */
  guint uid;
};

void
identity_ciphertext_free (IdentityCiphertext *self)
{
  if (self == NULL)
    return;
  identity_backend_unref (self->backend);
  g_clear_pointer (&self->data, g_bytes_unref);
  g_clear_pointer (&self->padding, identity_rsa_padding_free);
  g_clear_pointer (&self->backoff, identity_backoff_unref);
  g_free (self);
}

static gboolean
refuse (GError **error, const char *message)
{
  g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, message);
  return FALSE;
}

/* Without looking into @data: that may take long, and the caller may have no right. */
static gboolean
check_ciphertext (GBytes *data, gboolean is_cms, gboolean has_options, GError **error)
{
  if (g_bytes_get_size (data) > IDENTITY_USE_MAX)
    return refuse (error, "a ciphertext has at most 256 KiB; encrypt a key for larger data, and the data with that key");
  if (is_cms && has_options)
    return refuse (error, "a CMS message names hash and label itself; leave the options hash, mgf1-hash and label away");
  return TRUE;
}

IdentityCiphertext *
identity_ciphertext_new (IdentityKey *key, GBytes *data, const char *scheme, const char *hash, const char *mgf1_hash, GBytes *label,
                         GError **error)
{
  g_autoptr (IdentityCiphertext) self = g_new0 (IdentityCiphertext, 1);
  gboolean is_cms = g_strcmp0 (scheme, "cms") == 0;

  if (!identity_key_check_usable (key, IDENTITY_USAGE_DECRYPT, error)
      || !check_ciphertext (data, is_cms, hash != NULL || mgf1_hash != NULL || label != NULL, error))
    return NULL;
  if (!is_cms)
    self->padding = identity_rsa_padding_new (scheme, hash, mgf1_hash, label, error);
  if (!is_cms && self->padding == NULL)
    return NULL;
  self->backend = identity_backend_ref (key->backend);
  self->data = g_bytes_ref (data);
  return g_steal_pointer (&self);
}

/* TPM thread, as what follows. */
static BaseSecret *
decrypt_block (const IdentityCiphertext *self, TpmLink *link, GBytes *block, GError **error)
{
  g_autoptr (GError) cause = NULL;
  BaseSecret *result = identity_backend_decrypt (self->backend, link, block, &cause);

  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_DECRYPT_FAILED))
    (void) identity_rsa_fail (error);
  else if (result == NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return result;
}

static BaseSecret *
open_block (const IdentityCiphertext *self, TpmLink *link, GError **error)
{
  g_autoptr (BaseSecret) block = decrypt_block (self, link, self->data, error);

  return block != NULL ? identity_rsa_unpad (self->padding, block, error) : NULL;
}

/* The content is tried whatever came out of the key transport, so that nobody learns which of the two failed (RFC 3218, 2.3.2). */
static BaseSecret *
open_message (const IdentityCiphertext *self, TpmLink *link, const IdentityCms *cms, const IdentityRsaPadding *padding,
              GBytes *encrypted_key, GError **error)
{
  g_autoptr (BaseSecret) block = decrypt_block (self, link, encrypted_key, error);
  g_autoptr (BaseSecret) key
      = block != NULL ? identity_rsa_unpad_or_random (padding, block, identity_cms_key_size (cms), error) : NULL;

  return key != NULL ? identity_cms_open (cms, key, error) : NULL;
}

static gboolean
begin_ration (const IdentityCiphertext *self, gboolean is_rationed, GError **error)
{
  return !is_rationed || identity_backoff_begin (self->backoff, self->uid, g_get_monotonic_time (), error);
}

/* Only what says something about the key counts, not the TPM's own trouble. */
static BaseSecret *
end_ration (const IdentityCiphertext *self, gboolean is_rationed, BaseSecret *result, GError *cause, GError **error)
{
  gboolean has_failed = g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_DECRYPT_FAILED);

  if (is_rationed)
    identity_backoff_end (self->backoff, self->uid, has_failed, g_get_monotonic_time ());
  if (cause != NULL)
    g_propagate_error (error, cause);
  return result;
}

static BaseSecret *
decrypt_block_rationed (const IdentityCiphertext *self, TpmLink *link, GError **error)
{
  gboolean is_rationed = identity_rsa_padding_is_pkcs1 (self->padding);
  GError *cause = NULL;

  if (!begin_ration (self, is_rationed, error))
    return NULL;
  BaseSecret *result = open_block (self, link, &cause);
  return end_ration (self, is_rationed, result, cause, error);
}

static BaseSecret *
decrypt_message_rationed (const IdentityCiphertext *self, TpmLink *link, GError **error)
{
  GBytes *spki = identity_backend_peek_spki (self->backend);
  g_autoptr (IdentityCms) cms = identity_cms_parse (self->data, error);
  g_autoptr (IdentityRsaPadding) padding = NULL;
  g_autoptr (GBytes) encrypted_key = NULL;
  GError *cause = NULL;

  if (cms == NULL || !identity_cms_select (cms, spki, &encrypted_key, &padding, error)
      || !identity_rsa_check_ciphertext (spki, encrypted_key, error))
    return NULL;
  gboolean is_rationed = identity_rsa_padding_is_pkcs1 (padding) || !identity_cms_is_authenticated (cms);
  if (!begin_ration (self, is_rationed, error))
    return NULL;
  BaseSecret *result = open_message (self, link, cms, padding, encrypted_key, &cause);
  return end_ration (self, is_rationed, result, cause, error);
}

static gpointer
identity_use_decrypt_job (TpmLink *link, gpointer data, GError **error)
{
  const IdentityCiphertext *self = data;

  return self->padding != NULL ? decrypt_block_rationed (self, link, error) : decrypt_message_rationed (self, link, error);
}

static void
on_decrypted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Use *use = g_task_get_task_data (task);
  IdentityKeys *keys = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  BaseSecret *plaintext = tpm_queue_push_finish (result, &error);

  identity_keys_note (keys, use->key, error);
  if (plaintext != NULL)
    g_task_return_pointer (task, plaintext, (GDestroyNotify) base_secret_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
identity_use_decrypt_async (IdentityKeys *keys, IdentityKey *key, IdentityCaller *caller, IdentityCiphertext *ciphertext,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (IdentityCiphertext) owned = ciphertext;
  g_autoptr (GTask) task = begin (keys, key, IDENTITY_USAGE_DECRYPT, callback, user_data);
  g_autoptr (GError) error = NULL;

  if (task == NULL)
    return;
  ciphertext->backoff = identity_backoff_ref (identity_keys_peek_backoff (keys));
  ciphertext->uid = caller->uid;
  /* A block of the wrong size says nothing about the key: it is neither sent nor counted. */
  if (ciphertext->padding != NULL && !identity_rsa_check_ciphertext (key->spki, ciphertext->data, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  TpmJob job = {
    .operation = "decrypt",
    .replayable = TRUE,
    .run = identity_use_decrypt_job,
    .request = g_steal_pointer (&owned),
    .request_free = (GDestroyNotify) identity_ciphertext_free,
    .result_free = (GDestroyNotify) base_secret_unref,
  };
  identity_keys_push (keys, &job, key, caller, on_decrypted, g_steal_pointer (&task));
}

BaseSecret *
identity_use_decrypt_finish (IdentityKeys *keys, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

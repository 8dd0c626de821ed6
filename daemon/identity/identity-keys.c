/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-keys-private.h"

#include "base-error.h"

#include <string.h>

#define NAME_MAX_SIZE 64

/* A key with what signs for it. */
typedef struct
{
  IdentityKey *key;
  IdentityBackend *backend;
} Entry;

struct _IdentityKeys
{
  GObject parent_instance;
  TpmQueue *queue;
  guint deadline_ms;
  gboolean is_decided;
  GHashTable *entries; /* name -> Entry */
};

G_DEFINE_FINAL_TYPE (IdentityKeys, identity_keys, G_TYPE_OBJECT)

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  identity_key_unref (entry->key);
  identity_backend_unref (entry->backend);
  g_free (entry);
}

static void
identity_keys_finalize (GObject *object)
{
  IdentityKeys *self = IDENTITY_KEYS (object);

  g_hash_table_unref (self->entries);
  G_OBJECT_CLASS (identity_keys_parent_class)->finalize (object);
}

static void
identity_keys_class_init (IdentityKeysClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_keys_finalize;
  g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  /* For the room alone: a job went to the TPM thread or came back, so the TPM's state may change; the TPM does not know a
   * key any more. */
  g_signal_new ("job", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("orphaned", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_keys_init (IdentityKeys *self)
{
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
}

IdentityKeys *
identity_keys_new (TpmQueue *queue, guint deadline_ms)
{
  IdentityKeys *self = g_object_new (IDENTITY_TYPE_KEYS, NULL);

  self->queue = queue;
  self->deadline_ms = deadline_ms;
  return self;
}

void
identity_keys_set_decided (IdentityKeys *self)
{
  self->is_decided = TRUE;
}

/* main thread: sign */

typedef struct
{
  IdentityBackend *backend;
  IdentityHash hash;
  GBytes *digest;
  IdentityCsr *csr;
} SignRequest;

static void
sign_request_free (gpointer data)
{
  SignRequest *request = data;

  identity_backend_unref (request->backend);
  g_clear_pointer (&request->digest, g_bytes_unref);
  g_clear_pointer (&request->csr, identity_csr_free);
  g_free (request);
}

static void
on_job_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  GBytes *bytes = tpm_queue_push_finish (result, &error);

  if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED))
    g_signal_emit_by_name (g_task_get_source_object (task), "orphaned");
  g_signal_emit_by_name (g_task_get_source_object (task), "job");
  if (bytes != NULL)
    g_task_return_pointer (task, bytes, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
push (IdentityKeys *self, GTask *task, const char *operation, IdentityCaller *caller, TpmJobFunc run, SignRequest *request)
{
  TpmJob job = {
    .operation = operation,
    .priority = TPM_PRIORITY_NORMAL,
    .uid = caller->uid,
    .client = caller->client,
    .deadline_ms = self->deadline_ms,
    .needs_tpm = identity_backend_needs_tpm (request->backend),
    .replayable = TRUE, /* a second signature harms nobody */
    .run = run,
    .request = request,
    .request_free = sign_request_free,
    .result_free = (GDestroyNotify) g_bytes_unref,
  };

  tpm_queue_push_async (self->queue, &job, caller->gone, on_job_done, task);
  g_signal_emit_by_name (self, "job");
}

static SignRequest *
sign_request_new (IdentityKeys *self, const IdentityKey *key, GError **error)
{
  const Entry *entry = g_hash_table_lookup (self->entries, key->name);

  if (entry == NULL || entry->key != key)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "key %s has changed or is gone; look it up again", key->name);
      return NULL;
    }
  if (!identity_backend_is_reachable (entry->backend))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_IDENTITY_FAULT,
                   "key %s cannot be reached; tpmidctl status says why and what to do", key->name);
      return NULL;
    }
  SignRequest *request = g_new0 (SignRequest, 1);
  request->backend = identity_backend_ref (entry->backend);
  return request;
}

static gpointer identity_keys_sign_job (TpmLink *link, gpointer data, GError **error);
static gpointer identity_keys_create_csr_job (TpmLink *link, gpointer data, GError **error);

void
identity_keys_sign_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityHash hash, GBytes *digest,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GError) error = NULL;
  SignRequest *request = sign_request_new (self, key, &error);

  if (request == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  request->hash = hash;
  request->digest = g_bytes_ref (digest);
  push (self, g_steal_pointer (&task), "sign", caller, identity_keys_sign_job, request);
}

GBytes *
identity_keys_sign_finish (IdentityKeys *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
identity_keys_create_csr_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityCsr *csr,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (IdentityCsr) owned = csr;
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GError) error = NULL;
  SignRequest *request = sign_request_new (self, key, &error);

  if (request == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  request->csr = g_steal_pointer (&owned);
  push (self, g_steal_pointer (&task), "create-csr", caller, identity_keys_create_csr_job, request);
}

GBytes *
identity_keys_create_csr_finish (IdentityKeys *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* TPM thread */

static gpointer
identity_keys_sign_job (TpmLink *link, gpointer data, GError **error)
{
  SignRequest *request = data;

  return identity_backend_sign (request->backend, link, request->hash, request->digest, error);
}

static gpointer
identity_keys_create_csr_job (TpmLink *link, gpointer data, GError **error)
{
  SignRequest *request = data;
  IdentityBackendSigner signer;

  identity_backend_signer_init (&signer, request->backend, link);
  return identity_csr_sign (request->csr, &signer.signer, error);
}

/* main thread: the table of keys */

static IdentityKey *
key_new (const char *name, IdentityBackend *backend, const char *certificate)
{
  IdentityKey *key = g_new0 (IdentityKey, 1);

  g_atomic_ref_count_init (&key->refs);
  key->name = g_strdup (name);
  key->algorithm = identity_backend_get_algorithm (backend);
  key->usage = "sign";
  key->state = identity_backend_is_reachable (backend) ? "usable" : "missing";
  key->owner = 0;
  key->spki = g_bytes_ref (identity_backend_peek_spki (backend));
  key->reference = identity_public_reference (key->spki);
  key->certificate = g_strdup (certificate);
  return key;
}

IdentityKey *
identity_key_ref (IdentityKey *key)
{
  g_atomic_ref_count_inc (&key->refs);
  return key;
}

void
identity_key_unref (IdentityKey *key)
{
  if (key == NULL || !g_atomic_ref_count_dec (&key->refs))
    return;
  g_free (key->name);
  g_bytes_unref (key->spki);
  g_bytes_unref (key->reference);
  g_free (key->certificate);
  g_free (key);
}

static gboolean
is_same (const Entry *entry, IdentityBackend *backend, const char *certificate)
{
  return identity_backend_equal (entry->backend, backend) && g_str_equal (entry->key->certificate, certificate);
}

void
identity_keys_put (IdentityKeys *self, const char *name, IdentityBackend *backend, const char *certificate)
{
  const Entry *before = g_hash_table_lookup (self->entries, name);

  if (backend == NULL ? before == NULL : before != NULL && is_same (before, backend, certificate))
    return;
  if (backend == NULL)
    g_hash_table_remove (self->entries, name);
  else
    {
      Entry *entry = g_new0 (Entry, 1);
      entry->key = key_new (name, backend, certificate);
      entry->backend = identity_backend_ref (backend);
      g_hash_table_replace (self->entries, entry->key->name, entry);
    }
  g_signal_emit_by_name (self, "changed");
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const IdentityKey *const *key_a = a;
  const IdentityKey *const *key_b = b;

  return strcmp ((*key_a)->name, (*key_b)->name);
}

GPtrArray *
identity_keys_list (IdentityKeys *self)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func ((GDestroyNotify) identity_key_unref);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (keys, identity_key_ref (((Entry *) value)->key));
  g_ptr_array_sort (keys, compare_names);
  return keys;
}

static IdentityKey *
not_there (const IdentityKeys *self, const char *what, GError **error)
{
  if (self->is_decided)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "there is no key %s", what);
  else
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_READY, "the boot decision is not made yet; wait until State leaves starting");
  return NULL;
}

IdentityKey *
identity_keys_lookup (IdentityKeys *self, const char *name, GError **error)
{
  const Entry *entry = g_hash_table_lookup (self->entries, name);

  return entry != NULL ? identity_key_ref (entry->key) : not_there (self, name, error);
}

IdentityKey *
identity_keys_find (IdentityKeys *self, GBytes *reference, GError **error)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_bytes_equal (((Entry *) value)->key->reference, reference))
      return identity_key_ref (((Entry *) value)->key);
  return not_there (self, "with this reference", error);
}

/* pure */

static gboolean
is_name_start (char c)
{
  return g_ascii_islower (c) || g_ascii_isdigit (c);
}

gboolean
identity_key_check_name (const char *name, GError **error)
{
  gsize size = strnlen (name, NAME_MAX_SIZE + 1);
  gboolean ok = size >= 1 && size <= NAME_MAX_SIZE && is_name_start (name[0]);

  for (gsize i = 1; ok && i < size; i++)
    ok = is_name_start (name[i]) || strchr ("._-", name[i]) != NULL;
  if (!ok)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                 "a key's name has 1 to %d characters, lower-case letters, digits, dot, underscore and hyphen, and begins with a letter "
                 "or digit",
                 NAME_MAX_SIZE);
  return ok;
}

static gboolean G_GNUC_PRINTF (3, 4)
refuse (GError **error, TpmidError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, TPMID_ERROR, code, message);
  return FALSE;
}

gboolean
identity_keys_check_sign (const IdentityKey *key, IdentityHash hash, GBytes *digest, const char *scheme, GBytes *reference,
                          GError **error)
{
  gsize size = g_bytes_get_size (digest);

  if (size != identity_hash_size (hash))
    return refuse (error, TPMID_ERROR_INVALID_ARGUMENT, "a %s digest has %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT,
                   identity_hash_name (hash), identity_hash_size (hash), size);
  if (scheme != NULL && strcmp (scheme, "ecdsa") != 0)
    return refuse (error, TPMID_ERROR_INVALID_ARGUMENT, "scheme %.32s is not one of key %s; it has ecdsa", scheme, key->name);
  if (reference != NULL && g_bytes_get_size (reference) != IDENTITY_REFERENCE_SIZE)
    return refuse (error, TPMID_ERROR_INVALID_ARGUMENT, "a reference has %d bytes", IDENTITY_REFERENCE_SIZE);
  if (reference != NULL && !g_bytes_equal (reference, key->reference))
    return refuse (error, TPMID_ERROR_NOT_FOUND, "key %s has another reference now; the device has a new key", key->name);
  return TRUE;
}

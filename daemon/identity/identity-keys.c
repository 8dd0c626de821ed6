/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-keys-private.h"

#include "base-error.h"
#include "identity-maker.h"

#include <string.h>

#define DEVICE "device"

struct _IdentityKeys
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;
  IdentityKeyring keyring;
  IdentityBackoff *backoff;
  gboolean is_decided, is_closed;
  GHashTable *entries; /* name -> IdentityKey */
};

G_DEFINE_FINAL_TYPE (IdentityKeys, identity_keys, G_TYPE_OBJECT)

static void
identity_keys_finalize (GObject *object)
{
  IdentityKeys *self = IDENTITY_KEYS (object);

  g_hash_table_unref (self->entries);
  identity_backoff_free (self->backoff);
  G_OBJECT_CLASS (identity_keys_parent_class)->finalize (object);
}

static void
identity_keys_class_init (IdentityKeysClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_keys_finalize;
  g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("job", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("orphaned", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_keys_init (IdentityKeys *self)
{
  self->backoff = identity_backoff_new ();
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) identity_key_unref);
}

IdentityKeys *
identity_keys_new (const BaseConfig *config, TpmQueue *queue)
{
  IdentityKeys *self = g_object_new (IDENTITY_TYPE_KEYS, NULL);

  self->config = config;
  self->queue = queue;
  return self;
}

void
identity_keys_close (IdentityKeys *self)
{
  self->is_closed = TRUE;
}

IdentityBackoff *
identity_keys_peek_backoff (IdentityKeys *self)
{
  return self->backoff;
}

/* --- the table --- */

/* Takes the key over. */
static gboolean
put (IdentityKeys *self, IdentityKey *key)
{
  const IdentityKey *before = g_hash_table_lookup (self->entries, key->name);

  if (before != NULL && identity_key_equal (before, key))
    {
      identity_key_unref (key);
      return FALSE;
    }
  g_hash_table_replace (self->entries, key->name, key);
  return TRUE;
}

static void
put_and_tell (IdentityKeys *self, IdentityKey *key)
{
  if (put (self, key))
    g_signal_emit_by_name (self, "changed");
}

gboolean
identity_keys_has (IdentityKeys *self, const IdentityKey *key)
{
  return g_hash_table_lookup (self->entries, key->name) == key;
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
  gpointer key;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &key))
    g_ptr_array_add (keys, identity_key_ref (key));
  g_ptr_array_sort (keys, compare_names);
  return keys;
}

static gboolean
fail_undecided (GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_READY, "the boot decision is not made yet; wait until State leaves starting");
  return FALSE;
}

static IdentityKey *
not_there (const IdentityKeys *self, const char *what, GError **error)
{
  if (self->is_decided)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "there is no key %s", what);
  else
    (void) fail_undecided (error);
  return NULL;
}

IdentityKey *
identity_keys_lookup (IdentityKeys *self, const char *name, GError **error)
{
  IdentityKey *key = g_hash_table_lookup (self->entries, name);

  return key != NULL ? identity_key_ref (key) : not_there (self, name, error);
}

IdentityKey *
identity_keys_find (IdentityKeys *self, GBytes *reference, GError **error)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &key))
    if (g_bytes_equal (((IdentityKey *) key)->reference, reference))
      return identity_key_ref (key);
  return not_there (self, "with this reference", error);
}

/* --- use --- */

void
identity_keys_push (IdentityKeys *self, TpmJob *job, IdentityKey *key, IdentityCaller *caller, GAsyncReadyCallback callback, GTask *task)
{
  job->priority = TPM_PRIORITY_NORMAL;
  job->uid = caller->uid;
  job->client = caller->client;
  job->deadline_ms = self->config->request_timeout_sec * 1000;
  job->needs_tpm = identity_backend_needs_tpm (key->backend);
  tpm_queue_push_async (self->queue, job, caller->gone, callback, task);
  g_signal_emit_by_name (self, "job");
}

/* The identity key is looked at anew by the lifecycle, and "credentials" with it. */
static void
note_orphaned (IdentityKeys *self, IdentityKey *key, const GError *error)
{
  if (identity_keys_has (self, key) && strcmp (key->name, DEVICE) != 0)
    put_and_tell (self, identity_key_with_state (key, IDENTITY_KEY_ORPHANED, error->message));
  g_signal_emit_by_name (self, "orphaned");
}

void
identity_keys_note (IdentityKeys *self, IdentityKey *key, const GError *error)
{
  if (self->is_closed)
    return;
  if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED))
    note_orphaned (self, key, error);
  g_signal_emit_by_name (self, "job");
}

/* --- making keys --- */

static void
on_made (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityKeys) self = user_data;
  g_autoptr (GError) error = NULL;
  IdentityKey *wanted;
  g_autoptr (IdentityKey) key = identity_maker_make_finish (result, &wanted, &error);
  gboolean is_stopping = g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CANCELLED);

  if (self->is_closed || is_stopping || !identity_keys_has (self, wanted))
    return;
  if (key == NULL)
    key = identity_key_with_state (wanted, wanted->backend != NULL ? IDENTITY_KEY_MISSING : IDENTITY_KEY_FAILED, error->message);
  put_and_tell (self, g_steal_pointer (&key));
  g_signal_emit_by_name (self, "job");
}

static void
make (IdentityKeys *self, IdentityKey *key)
{
  identity_maker_make_async (self->queue, &self->keyring, key, on_made, g_object_ref (self));
  g_signal_emit_by_name (self, "job");
}

/* One that fits is shown as it is while it is looked at; else it is being made. */
static void
ensure_credentials (IdentityKeys *self)
{
  IdentityKey *key = g_hash_table_lookup (self->entries, IDENTITY_CREDENTIALS);

  if (self->config->credentials == BASE_CREDENTIALS_OFF
      || (self->keyring.mode != IDENTITY_MODE_TPM && self->keyring.mode != IDENTITY_MODE_SOFTWARE))
    return;
  if (key == NULL || key->state != IDENTITY_KEY_USABLE)
    {
      key = identity_key_new (IDENTITY_CREDENTIALS, NULL, IDENTITY_ALGORITHM_RSA_2048, IDENTITY_USAGE_DECRYPT, 0);
      (void) put (self, key);
      key = g_hash_table_lookup (self->entries, IDENTITY_CREDENTIALS);
    }
  make (self, key);
}

static gboolean
fail_exists (const IdentityKey *key, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS, "there is a key %s already: %s, for %s, of uid %u; choose another name", key->name,
               identity_algorithm_name (key->algorithm), key->usage == IDENTITY_USAGE_SIGN ? "signing" : "decryption", key->owner);
  return FALSE;
}

static guint
count_of (IdentityKeys *self, guint uid)
{
  GHashTableIter iter;
  gpointer key;
  guint count = 0;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &key))
    if (((IdentityKey *) key)->owner == uid && ((IdentityKey *) key)->state != IDENTITY_KEY_FAILED)
      count++;
  return count;
}

static gboolean
check_request (const char *name, IdentityAlgorithm algorithm, IdentityUsage usage, GError **error)
{
  static const char *const reserved[] = { DEVICE, IDENTITY_CREDENTIALS, "attestation", NULL };

  if (g_strv_contains (reserved, name))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "the name %s is for the device's own key; choose another", name);
      return FALSE;
    }
  if (usage != identity_algorithm_default_usage (algorithm))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "a key of algorithm %s cannot %s; ecc-p256 and ecc-p384 sign, "
                   "rsa-2048 decrypts", identity_algorithm_name (algorithm), identity_usage_name (usage));
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_room (IdentityKeys *self, guint uid, GError **error)
{
  if (self->keyring.mode != IDENTITY_MODE_TPM && self->keyring.mode != IDENTITY_MODE_SOFTWARE)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_IDENTITY_FAULT,
                   "no key can be made while the device has no identity; tpmidctl status says why and what to do");
      return FALSE;
    }
  if (uid != 0 && count_of (self, uid) >= self->config->keys_per_user)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_QUOTA_EXCEEDED, "uid %u has %u keys, as many as KeysPerUser= allows", uid,
                   self->config->keys_per_user);
      return FALSE;
    }
  return TRUE;
}

gboolean
identity_keys_create (IdentityKeys *self, const char *name, IdentityAlgorithm algorithm, IdentityUsage usage, guint uid, GError **error)
{
  const IdentityKey *before = g_hash_table_lookup (self->entries, name);

  if (!self->is_decided)
    return fail_undecided (error);
  if (!check_request (name, algorithm, usage, error))
    return FALSE;
  if (before != NULL && (before->owner != uid || before->algorithm != algorithm || before->usage != usage))
    return fail_exists (before, error);
  if (before != NULL && before->state != IDENTITY_KEY_FAILED)
    return TRUE;
  if (!check_room (self, uid, error))
    return FALSE;

  IdentityKey *key = identity_key_new (name, NULL, algorithm, usage, uid);
  put_and_tell (self, identity_key_ref (key));
  make (self, key);
  identity_key_unref (key);
  return TRUE;
}

/* --- who the device is --- */

static gboolean
lists (GPtrArray *keys, const char *name)
{
  for (guint i = 0; i < keys->len; i++)
    if (strcmp (((const IdentityKey *) keys->pdata[i])->name, name) == 0)
      return TRUE;
  return FALSE;
}

/* What has no file yet is not in the list; what the TPM does not know any more stays so until it is looked at. */
static gboolean
stays (const IdentityKey *key, GPtrArray *found)
{
  return key->state == IDENTITY_KEY_CREATING || key->state == IDENTITY_KEY_FAILED || lists (found, key->name);
}

static gboolean
remove_others (IdentityKeys *self, GPtrArray *found)
{
  GHashTableIter iter;
  gpointer key;
  gboolean changed = FALSE;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &key))
    if (!stays (key, found))
      {
        g_hash_table_iter_remove (&iter);
        changed = TRUE;
      }
  return changed;
}

static gboolean
is_known_orphan (IdentityKeys *self, const IdentityKey *found)
{
  const IdentityKey *before = g_hash_table_lookup (self->entries, found->name);

  return before != NULL && before->state == IDENTITY_KEY_ORPHANED && found->state == IDENTITY_KEY_USABLE
         && g_bytes_equal (before->reference, found->reference);
}

static IdentityKey *
show_identity (const IdentityReport *report)
{
  const char *certificate = report->certificate != NULL ? identity_cert_peek_pem (report->certificate) : "";
  g_autoptr (IdentityKey) found = identity_key_new (DEVICE, report->key, 0, 0, 0);
  g_autoptr (IdentityKey) key = identity_key_with_certificate (found, certificate);

  return key->state == IDENTITY_KEY_USABLE ? g_steal_pointer (&key) : identity_key_with_state (key, key->state, report->hint);
}

/* Returns: (transfer container): all keys that the report knows */
static GPtrArray *
collect (const IdentityReport *report)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) identity_key_unref);

  for (guint i = 0; i < report->keys->len; i++)
    if (strcmp (((IdentityKey *) report->keys->pdata[i])->name, DEVICE) != 0)
      g_ptr_array_add (found, identity_key_ref (report->keys->pdata[i]));
  if (report->key != NULL)
    g_ptr_array_add (found, show_identity (report));
  return found;
}

void
identity_keys_adopt (IdentityKeys *self, const IdentityReport *report)
{
  g_autoptr (GPtrArray) found = collect (report);
  gboolean changed = remove_others (self, found);

  self->is_decided = TRUE;
  identity_keyring_init (&self->keyring, self->config, report->mode, report->record != NULL ? report->record->srk_name : NULL);
  for (guint i = 0; i < found->len; i++)
    if (!is_known_orphan (self, found->pdata[i]))
      changed |= put (self, identity_key_ref (found->pdata[i]));
  ensure_credentials (self);
  if (changed)
    g_signal_emit_by_name (self, "changed");
}

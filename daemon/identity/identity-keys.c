/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-keys-private.h"

#include "base-error.h"
#include "identity-maker.h"

#include <string.h>

#define RETRY_FIRST_SEC 2
#define RETRY_MAX_SEC 300

struct _IdentityKeys
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;
  IdentityKeyring keyring;
  IdentityBackoff *backoff;
  gboolean is_decided, is_closed;
  GHashTable *entries; /* name -> IdentityKey; from the boot decision on the truth, that the files follow */

  char *forgotten; /* (nullable): stamp of the operation that took all keys */
  gboolean is_at_credentials; /* a job looks for the key, or makes it */
  gboolean again;             /* and once more when it is done */
  guint retry_timer, retry_sec;
};

G_DEFINE_FINAL_TYPE (IdentityKeys, identity_keys, G_TYPE_OBJECT)

static void
identity_keys_finalize (GObject *object)
{
  IdentityKeys *self = IDENTITY_KEYS (object);

  g_clear_handle_id (&self->retry_timer, g_source_remove);
  g_hash_table_unref (self->entries);
  g_free (self->forgotten);
  identity_backoff_unref (self->backoff);
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
  g_clear_handle_id (&self->retry_timer, g_source_remove);
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
  if (identity_keys_has (self, key) && strcmp (key->name, IDENTITY_NAME_DEVICE) != 0)
    put_and_tell (self, identity_key_with_state (key, IDENTITY_KEY_ORPHANED, error->code, error->message));
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

static gboolean
has_identity (const IdentityKeys *self)
{
  return self->keyring.mode == IDENTITY_MODE_TPM || self->keyring.mode == IDENTITY_MODE_SOFTWARE;
}

/* The mode may have changed while the key was made. */
static IdentityKey *
fit (IdentityKeys *self, IdentityKey *key)
{
  return identity_key_fit (key, self->keyring.mode == IDENTITY_MODE_TPM, self->keyring.mode == IDENTITY_MODE_SOFTWARE);
}

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
  put_and_tell (self, key != NULL ? fit (self, key) : identity_key_with_state (wanted, IDENTITY_KEY_FAILED, error->code, error->message));
  g_signal_emit_by_name (self, "job");
}

/* --- the key "credentials" --- */

static void look_after_credentials (IdentityKeys *self);

static gboolean
on_retry (gpointer user_data)
{
  IdentityKeys *self = user_data;

  self->retry_timer = 0;
  look_after_credentials (self);
  return G_SOURCE_REMOVE;
}

/* The cause may go away: a full disk, a TPM that is out of slots or gone for a moment, an object or a password of others. */
static void
retry_later (IdentityKeys *self)
{
  self->retry_sec = CLAMP (2 * self->retry_sec, RETRY_FIRST_SEC, RETRY_MAX_SEC);
  if (self->retry_timer == 0)
    self->retry_timer = g_timeout_add_seconds (self->retry_sec, on_retry, self);
}

/* What was there stays, unless it is known to be gone. */
static IdentityKey *
show_failure (const IdentityKey *key, const GError *error)
{
  if (key->backend == NULL)
    return identity_key_with_state (key, IDENTITY_KEY_FAILED, error->code, error->message);
  if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    return identity_key_with_state (key, IDENTITY_KEY_ORPHANED, error->code, error->message);
  return identity_key_with_state (key, key->state, key->problem_code, key->problem);
}

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (IdentityKeys) self = user_data;
  g_autoptr (GError) error = NULL;
  IdentityKey *wanted;
  g_autoptr (IdentityKey) key = identity_maker_make_finish (result, &wanted, &error);
  const IdentityKey *shown = g_hash_table_lookup (self->entries, IDENTITY_CREDENTIALS);

  self->is_at_credentials = FALSE;
  if (self->is_closed || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CANCELLED))
    return;
  put_and_tell (self, key != NULL ? fit (self, key) : show_failure (shown != NULL ? shown : wanted, error));
  if (key != NULL)
    self->retry_sec = 0;
  else
    retry_later (self);
  if (self->again)
    look_after_credentials (self);
  g_signal_emit_by_name (self, "job");
}

/* One that is there is shown as it is while it is looked at. */
static IdentityKey *
get_shown_credentials (IdentityKeys *self)
{
  const IdentityKey *key = g_hash_table_lookup (self->entries, IDENTITY_CREDENTIALS);

  if (key == NULL)
    put_and_tell (self, identity_key_new (IDENTITY_CREDENTIALS, NULL, IDENTITY_ALGORITHM_RSA_2048, IDENTITY_USAGE_DECRYPT, 0));
  return g_hash_table_lookup (self->entries, IDENTITY_CREDENTIALS);
}

static void
look_after_credentials (IdentityKeys *self)
{
  self->again = self->is_at_credentials;
  if (self->is_closed || self->is_at_credentials || self->config->credentials == BASE_CREDENTIALS_OFF || !has_identity (self))
    return;
  self->is_at_credentials = TRUE;
  identity_maker_make_async (self->queue, &self->keyring, get_shown_credentials (self), on_credentials, g_object_ref (self));
  g_signal_emit_by_name (self, "job");
}

char *
identity_keys_describe_trouble (IdentityKeys *self)
{
  const IdentityKey *key = g_hash_table_lookup (self->entries, IDENTITY_CREDENTIALS);

  if (key == NULL || !has_identity (self) || key->problem[0] == '\0')
    return NULL;
  return g_strdup_printf ("keys: " IDENTITY_CREDENTIALS ": %s", key->problem);
}

/* --- keys of applications --- */

static gboolean
fail_exists (const IdentityKey *key, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS, "there is a key %s already: %s, for %s, of uid %u; choose another name", key->name,
               identity_algorithm_name (key->algorithm), key->usage == IDENTITY_USAGE_SIGN ? "signing" : "decryption", key->owner);
  return FALSE;
}

/* Beside @name. */
static guint
count_of (IdentityKeys *self, guint uid, const char *name)
{
  GHashTableIter iter;
  gpointer key;
  guint count = 0;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &key))
    if (((IdentityKey *) key)->owner == uid && strcmp (((IdentityKey *) key)->name, name) != 0)
      count++;
  return count;
}

static gboolean
check_request (const char *name, IdentityAlgorithm algorithm, IdentityUsage usage, GError **error)
{
  static const char *const reserved[] = { IDENTITY_NAME_DEVICE, IDENTITY_NAME_NEXT, IDENTITY_CREDENTIALS, "attestation", NULL };

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
check_room (IdentityKeys *self, const char *name, guint uid, GError **error)
{
  if (!has_identity (self))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_IDENTITY_FAULT,
                   "no key can be made while the device has no identity; tpmidctl status says why and what to do");
      return FALSE;
    }
  if (uid != 0 && count_of (self, uid, name) >= self->config->keys_per_user)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_QUOTA_EXCEEDED, "uid %u has %u keys, as many as KeysPerUser= allows; remove one, or raise it", uid,
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
  /* One that failed is no key, and holds no name against others. */
  gboolean is_there = before != NULL && before->state != IDENTITY_KEY_FAILED;
  if (is_there && (before->owner != uid || before->algorithm != algorithm || before->usage != usage))
    return fail_exists (before, error);
  if (is_there)
    return TRUE;
  if (!check_room (self, name, uid, error))
    return FALSE;

  IdentityKey *key = identity_key_new (name, NULL, algorithm, usage, uid);
  put_and_tell (self, identity_key_ref (key));
  identity_maker_make_async (self->queue, &self->keyring, key, on_made, g_object_ref (self));
  g_signal_emit_by_name (self, "job");
  identity_key_unref (key);
  return TRUE;
}

/* --- who the device is --- */

static IdentityKey *
show_identity (const IdentityReport *report)
{
  const char *certificate = report->certificate != NULL ? identity_cert_peek_pem (report->certificate) : "";
  g_autoptr (IdentityKey) found = identity_key_new (IDENTITY_NAME_DEVICE, report->key, 0, 0, 0);
  g_autoptr (IdentityKey) key = identity_key_with_certificate (found, certificate);

  if (key->state == IDENTITY_KEY_USABLE || report->hint[0] == '\0')
    return g_steal_pointer (&key);
  return identity_key_with_state (key, key->state, key->problem_code, report->hint);
}

/* Returns: whether anything changed */
static gboolean
adopt_identity (IdentityKeys *self, const IdentityReport *report)
{
  return report->key != NULL ? put (self, show_identity (report)) : g_hash_table_remove (self->entries, IDENTITY_NAME_DEVICE);
}

static gboolean
adopt_next (IdentityKeys *self, const IdentityReport *report)
{
  g_autoptr (IdentityKey) key = report->next_key != NULL ? identity_key_new (IDENTITY_NAME_NEXT, report->next_key, 0, 0, 0) : NULL;

  return key != NULL ? put (self, g_steal_pointer (&key)) : g_hash_table_remove (self->entries, IDENTITY_NAME_NEXT);
}

/* After a reset, or with another TPM, nothing of what was known is the device's any more. */
static gboolean
forget_all (IdentityKeys *self, const IdentityReport *report)
{
  const IdentityJournal *journal = report->journal;

  if (journal == NULL || !journal->is_carried_out || (journal->operation != IDENTITY_OPERATION_RESET && !journal->with_keys)
      || g_strcmp0 (journal->stamp, self->forgotten) == 0)
    return FALSE;
  g_free (self->forgotten);
  self->forgotten = g_strdup (journal->stamp);
  g_hash_table_remove_all (self->entries);
  return TRUE;
}

/* The list may be older than the table: it adds what was not known, and takes nothing away. */
static gboolean
adopt_found (IdentityKeys *self, GPtrArray *found)
{
  gboolean changed = FALSE;

  for (guint i = 0; i < found->len; i++)
    {
      IdentityKey *key = found->pdata[i];
      if (strcmp (key->name, IDENTITY_NAME_DEVICE) != 0 && !g_hash_table_contains (self->entries, key->name))
        changed |= put (self, identity_key_ref (key));
    }
  return changed;
}

static gboolean
fit_all (IdentityKeys *self)
{
  g_autoptr (GPtrArray) keys = identity_keys_list (self);
  gboolean changed = FALSE;

  for (guint i = 0; i < keys->len; i++)
    if (strcmp (((IdentityKey *) keys->pdata[i])->name, IDENTITY_NAME_DEVICE) != 0)
      changed |= put (self, fit (self, keys->pdata[i]));
  return changed;
}

void
identity_keys_adopt (IdentityKeys *self, const IdentityReport *report)
{
  gboolean changed;

  self->is_decided = TRUE;
  identity_keyring_init (&self->keyring, self->config, report->mode, report->record != NULL ? report->record->srk_name : NULL);
  changed = forget_all (self, report);
  changed |= adopt_identity (self, report);
  changed |= adopt_next (self, report);
  changed |= adopt_found (self, report->keys);
  changed |= fit_all (self);
  look_after_credentials (self);
  if (changed)
    g_signal_emit_by_name (self, "changed");
}

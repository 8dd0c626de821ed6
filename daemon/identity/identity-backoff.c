/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-backoff.h"

#include "base-error.h"

#define PAUSE_FIRST_US G_USEC_PER_SEC
#define PAUSE_MAX_US (300 * (gint64) G_USEC_PER_SEC)
#define FORGIVEN_US (3600 * (gint64) G_USEC_PER_SEC)

typedef struct
{
  guint failures, running;
  gint64 failed_at, not_before;
} Entry;

struct IdentityBackoff
{
  gatomicrefcount refs;
  GMutex mutex;
  GHashTable *entries; /* uid -> Entry */
};

IdentityBackoff *
identity_backoff_new (void)
{
  IdentityBackoff *self = g_new0 (IdentityBackoff, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->mutex);
  self->entries = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return self;
}

IdentityBackoff *
identity_backoff_ref (IdentityBackoff *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
identity_backoff_unref (IdentityBackoff *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

static gboolean
is_forgiven (gpointer uid, gpointer value, gpointer now_us)
{
  const Entry *entry = value;

  return entry->running == 0 && (entry->failures == 0 || *(const gint64 *) now_us - entry->failed_at >= FORGIVEN_US);
}

static Entry *
get_entry (IdentityBackoff *self, guint uid)
{
  Entry *entry = g_hash_table_lookup (self->entries, GUINT_TO_POINTER (uid));

  if (entry == NULL)
    {
      entry = g_new0 (Entry, 1);
      g_hash_table_insert (self->entries, GUINT_TO_POINTER (uid), entry);
    }
  return entry;
}

gboolean
identity_backoff_begin (IdentityBackoff *self, guint uid, gint64 now_us, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  g_hash_table_foreach_remove (self->entries, is_forgiven, &now_us);

  Entry *entry = get_entry (self, uid);
  if (entry->failures < IDENTITY_BACKOFF_FREE || (entry->running == 0 && now_us >= entry->not_before))
    {
      entry->running++;
      return TRUE;
    }
  gint64 wait = MAX (entry->not_before - now_us, PAUSE_FIRST_US);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_RATE_LIMITED,
               "%u ciphertexts of uid %u did not decrypt with pkcs1 or unauthenticated cms; wait for %" G_GINT64_FORMAT " s", entry->failures,
               uid, (wait + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
  return FALSE;
}

static gint64
pause_after (guint failures)
{
  gint64 pause = PAUSE_FIRST_US;

  for (guint i = IDENTITY_BACKOFF_FREE; i < failures && pause < PAUSE_MAX_US; i++)
    pause *= 2;
  return MIN (pause, PAUSE_MAX_US);
}

void
identity_backoff_end (IdentityBackoff *self, guint uid, gboolean failed, gint64 now_us)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  Entry *entry = get_entry (self, uid);

  if (entry->running > 0)
    entry->running--;
  if (!failed)
    return;
  entry->failures++;
  entry->failed_at = now_us;
  if (entry->failures >= IDENTITY_BACKOFF_FREE)
    entry->not_before = now_us + pause_after (entry->failures);
}

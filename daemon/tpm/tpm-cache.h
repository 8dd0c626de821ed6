/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <tss2/tss2_esys.h>

G_BEGIN_DECLS

/* More persistent objects than a job and the daemon's own key need. */
#define TPM_CACHE_SIZE 8

/**
 * TpmCache:
 *
 * ESYS objects of persistent handles, bounded; when it is full, the least recently used one goes. A plain value, zero
 * when empty. Belongs to the link, and with it to the TPM thread; no function sends a command.
 */
typedef struct
{
  struct
  {
    guint32 handle;
    ESYS_TR tr;
    gsize note;
    guint64 used;
  } entries[TPM_CACHE_SIZE];
  guint n_entries;
  guint64 uses;
} TpmCache;

/**
 * tpm_cache_look_up:
 *
 * Returns: the object, or %ESYS_TR_NONE
 */
ESYS_TR tpm_cache_look_up (TpmCache *self, guint32 handle);

/**
 * tpm_cache_add:
 * @tr: (transfer full): an object of @esys
 */
void tpm_cache_add (TpmCache *self, ESYS_CONTEXT *esys, guint32 handle, ESYS_TR tr);

/**
 * tpm_cache_note:
 *
 * Returns: (transfer none) (nullable): a number that goes with the object as long as it is in the cache, 0 at first; %NULL
 * when @handle is not in the cache
 */
gsize *tpm_cache_note (TpmCache *self, guint32 handle);

void tpm_cache_remove (TpmCache *self, ESYS_CONTEXT *esys, guint32 handle);

/**
 * tpm_cache_reset:
 *
 * Forgets everything, for when the ESYS context is gone and its objects with it.
 */
void tpm_cache_reset (TpmCache *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-types.h"

#include <tss2/tss2_esys.h>

G_BEGIN_DECLS

/* More persistent objects than a job and the daemon's own key need. */
#define TPM_CACHE_SIZE 8

/**
 * TpmNote:
 *
 * What goes with a cached object, zero at first: ESYS keeps the one to itself, and hashes the whole public area for each
 * question for the other.
 */
typedef struct
{
  gsize size; /* TpmPublic.size */
  guint8 name[TPM_NAME_SIZE];
} TpmNote;

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
    TpmNote note;
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
 * Returns: (transfer none) (nullable): the note that goes with the object as long as it is in the cache; %NULL when @handle is
 * not in the cache
 */
TpmNote *tpm_cache_note (TpmCache *self, guint32 handle);

void tpm_cache_remove (TpmCache *self, ESYS_CONTEXT *esys, guint32 handle);

/**
 * tpm_cache_empty:
 *
 * Removes everything.
 */
void tpm_cache_empty (TpmCache *self, ESYS_CONTEXT *esys);

/**
 * tpm_cache_reset:
 *
 * Forgets everything, for when the ESYS context is gone and its objects with it.
 */
void tpm_cache_reset (TpmCache *self);

G_END_DECLS

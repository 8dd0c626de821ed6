/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-cache.h"

static guint
find (const TpmCache *self, guint32 handle)
{
  guint i = 0;

  while (i < self->n_entries && self->entries[i].handle != handle)
    i++;
  return i;
}

static guint32
least_recently_used (const TpmCache *self)
{
  guint oldest = 0;

  for (guint i = 1; i < self->n_entries; i++)
    if (self->entries[i].used < self->entries[oldest].used)
      oldest = i;
  return self->entries[oldest].handle;
}

ESYS_TR
tpm_cache_look_up (TpmCache *self, guint32 handle)
{
  guint i = find (self, handle);

  if (i == self->n_entries)
    return ESYS_TR_NONE;
  self->entries[i].used = ++self->uses;
  return self->entries[i].tr;
}

void
tpm_cache_add (TpmCache *self, ESYS_CONTEXT *esys, guint32 handle, ESYS_TR tr)
{
  tpm_cache_remove (self, esys, handle);
  if (self->n_entries == TPM_CACHE_SIZE)
    tpm_cache_remove (self, esys, least_recently_used (self));

  guint i = self->n_entries++;
  self->entries[i].handle = handle;
  self->entries[i].tr = tr;
  self->entries[i].note = (TpmNote) { 0 };
  self->entries[i].used = ++self->uses;
}

TpmNote *
tpm_cache_note (TpmCache *self, guint32 handle)
{
  guint i = find (self, handle);

  return i == self->n_entries ? NULL : &self->entries[i].note;
}

void
tpm_cache_remove (TpmCache *self, ESYS_CONTEXT *esys, guint32 handle)
{
  guint i = find (self, handle);

  if (i == self->n_entries)
    return;
  (void) Esys_TR_Close (esys, &self->entries[i].tr);
  self->entries[i] = self->entries[--self->n_entries];
}

void
tpm_cache_empty (TpmCache *self, ESYS_CONTEXT *esys)
{
  while (self->n_entries > 0)
    tpm_cache_remove (self, esys, self->entries[0].handle);
}

void
tpm_cache_reset (TpmCache *self)
{
  self->n_entries = 0;
}

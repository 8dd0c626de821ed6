/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-secret.h"

#include <string.h>

struct BaseSecret
{
  gatomicrefcount refs;
  gsize size;
  guint8 data[];
};

BaseSecret *
base_secret_new (gconstpointer data, gsize size)
{
  BaseSecret *self = g_malloc0 (sizeof *self + size + 1);

  g_atomic_ref_count_init (&self->refs);
  self->size = size;
  if (size > 0)
    memcpy (self->data, data, size);
  return self;
}

BaseSecret *
base_secret_ref (BaseSecret *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
base_secret_unref (BaseSecret *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  explicit_bzero (self->data, self->size + 1);
  g_free (self);
}

const guint8 *
base_secret_peek (const BaseSecret *self, gsize *ret_size)
{
  *ret_size = self->size;
  return self->data;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-passwords.h"

#include <string.h>

static gboolean
equals (const BaseSecret *a, const BaseSecret *b)
{
  gsize a_size, b_size;
  const guint8 *a_data = base_secret_peek (a, &a_size);
  const guint8 *b_data = base_secret_peek (b, &b_size);

  return a_size == b_size && memcmp (a_data, b_data, a_size) == 0;
}

void
tpm_passwords_set (TpmPasswords *self, TpmHierarchy hierarchy, BaseSecret *password)
{
  BaseSecret *refused = self->rows[hierarchy].refused;

  if (password != NULL && refused != NULL && equals (password, refused))
    return;
  if (password != NULL)
    (void) base_secret_ref (password);
  g_clear_pointer (&self->rows[hierarchy].refused, base_secret_unref);
  g_clear_pointer (&self->rows[hierarchy].known, base_secret_unref);
  self->rows[hierarchy].known = password;
}

void
tpm_passwords_refuse (TpmPasswords *self, TpmHierarchy hierarchy)
{
  g_clear_pointer (&self->rows[hierarchy].refused, base_secret_unref);
  self->rows[hierarchy].refused = g_steal_pointer (&self->rows[hierarchy].known);
}

void
tpm_passwords_drop_stale (TpmPasswords *self, const TpmFacts *facts)
{
  if (!facts->owner_auth_set)
    g_clear_pointer (&self->rows[TPM_HIERARCHY_OWNER].known, base_secret_unref);
  if (!facts->endorsement_auth_set)
    g_clear_pointer (&self->rows[TPM_HIERARCHY_ENDORSEMENT].known, base_secret_unref);
  if (!facts->lockout_auth_set)
    g_clear_pointer (&self->rows[TPM_HIERARCHY_LOCKOUT].known, base_secret_unref);
}

void
tpm_passwords_clear (TpmPasswords *self)
{
  for (guint i = 0; i < TPM_N_HIERARCHIES; i++)
    {
      g_clear_pointer (&self->rows[i].refused, base_secret_unref);
      g_clear_pointer (&self->rows[i].known, base_secret_unref);
    }
}

gboolean
tpm_passwords_to_auth (const BaseSecret *password, TPM2B_AUTH *ret_auth)
{
  gsize size = 0;
  const guint8 *data = password != NULL ? base_secret_peek (password, &size) : NULL;

  while (size > 0 && data[size - 1] == 0)
    size--;
  if (size > sizeof ret_auth->buffer)
    return FALSE;
  *ret_auth = (TPM2B_AUTH){ .size = (UINT16) size };
  if (size > 0)
    memcpy (ret_auth->buffer, data, size);
  return TRUE;
}

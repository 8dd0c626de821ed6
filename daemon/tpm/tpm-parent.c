/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-parent.h"

#include "base-error.h"
#include "tpm-auto.h"
#include "tpm-persist.h"
#include "tpm-primary.h"

#include <string.h>

/* Forgotten, so that the next call sees when it is there no more. */
static gboolean
fail_taken (TpmLink *link, const TpmParent *parent, GError **error)
{
  tpm_link_forget (link, parent->handle);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN,
               "handle 0x%08x of the TPM is taken by something else than this TPM's storage root key; configure another ParentHandle=, or "
               "remove it with tpm2_evictcontrol -c 0x%08x",
               parent->handle, parent->handle);
  return FALSE;
}

static gboolean
fail_other_tpm (GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED,
               "the TPM has another storage root key than the one on record: this is another TPM, or it was cleared");
  return FALSE;
}

static gboolean
make_persistent (TpmLink *link, const TpmParent *parent, ESYS_TR primary, GError **error)
{
  g_autofree char *doing = g_strdup_printf ("make the storage root key persistent at 0x%08x", parent->handle);

  return tpm_persist_keep (link, primary, parent->handle, doing, error);
}

/* A fresh primary key, and what it is good for: its Name is the truth, and it can be made persistent. */
static gboolean
make (TpmLink *link, const TpmParent *parent, gboolean persistent, guint8 ret_name[TPM_NAME_SIZE], GError **error)
{
  g_auto (TpmTransient) primary = { link, ESYS_TR_NONE };

  if (!tpm_primary_make (link, TPM_HIERARCHY_OWNER, &primary, ret_name, error))
    return FALSE;
  if (parent->is_pinned && memcmp (ret_name, parent->name, TPM_NAME_SIZE) != 0)
    return fail_other_tpm (error);
  return !persistent || make_persistent (link, parent, primary.tr, error);
}

static gboolean
read_name (TpmLink *link, const TpmParent *parent, ESYS_TR tr, guint8 ret_name[TPM_NAME_SIZE], GError **error)
{
  g_autoptr (TPM2B_NAME) name = NULL;
  TSS2_RC rc = Esys_TR_GetName (tpm_link_esys (link), tr, &name);

  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "name the storage root key");
  if (name->size != TPM_NAME_SIZE)
    return fail_taken (link, parent, error);
  memcpy (ret_name, name->name, TPM_NAME_SIZE);
  return TRUE;
}

/* What lies at the handle is looked at once for each opening of the link; the note remembers that it is the right one. */
static void
note_checked (TpmLink *link, const TpmParent *parent, const guint8 name[TPM_NAME_SIZE])
{
  TpmNote *note = tpm_link_note (link, parent->handle);

  note->size = TPM_NAME_SIZE;
  memcpy (note->name, name, TPM_NAME_SIZE);
}

static gboolean
check (TpmLink *link, const TpmParent *parent, ESYS_TR tr, GError **error)
{
  const TpmNote *note = tpm_link_note (link, parent->handle);
  guint8 name[TPM_NAME_SIZE], expected[TPM_NAME_SIZE];

  if (note->size != 0)
    return !parent->is_pinned || memcmp (note->name, parent->name, TPM_NAME_SIZE) == 0 || fail_taken (link, parent, error);
  if (!read_name (link, parent, tr, name, error))
    return FALSE;
  if (parent->is_pinned)
    memcpy (expected, parent->name, TPM_NAME_SIZE);
  else if (!make (link, parent, FALSE, expected, error) || !tpm_link_check_open (link, error))
    return FALSE;
  if (memcmp (name, expected, TPM_NAME_SIZE) != 0)
    return fail_taken (link, parent, error);
  note_checked (link, parent, name);
  return TRUE;
}

static gboolean
put_there (TpmLink *link, const TpmParent *parent, ESYS_TR *ret_tr, GError **error)
{
  guint8 name[TPM_NAME_SIZE];

  if (!make (link, parent, TRUE, name, error) || !tpm_link_check_open (link, error)
      || !tpm_link_get_persistent (link, parent->handle, ret_tr, error))
    return FALSE;
  note_checked (link, parent, name);
  return TRUE;
}

gboolean
tpm_parent_get (TpmLink *link, const TpmParent *parent, ESYS_TR *ret_tr, guint8 *ret_name, GError **error)
{
  g_autoptr (GError) cause = NULL;
  ESYS_TR tr;

  if (!tpm_link_get_persistent (link, parent->handle, &tr, &cause))
    {
      if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return FALSE;
        }
      if (!put_there (link, parent, &tr, error))
        return FALSE;
    }
  if (!check (link, parent, tr, error))
    return FALSE;
  *ret_tr = tr;
  if (ret_name != NULL)
    memcpy (ret_name, tpm_link_note (link, parent->handle)->name, TPM_NAME_SIZE);
  return TRUE;
}

gboolean
tpm_parent_look_again (TpmLink *link, const TpmParent *parent, const GError *cause)
{
  /* Nothing is there; what is there did not make the key; it is a key of another kind. */
  static const TpmidError suspicious[] = {
    TPMID_ERROR_NOT_FOUND, TPMID_ERROR_KEY_ORPHANED, TPMID_ERROR_UNSUPPORTED_ALGORITHM, TPMID_ERROR_INVALID_BLOB,
  };

  for (gsize i = 0; tpm_link_is_open (link) && i < G_N_ELEMENTS (suspicious); i++)
    if (g_error_matches (cause, TPMID_ERROR, (gint) suspicious[i]))
      {
        tpm_link_forget (link, parent->handle);
        return TRUE;
      }
  return FALSE;
}

gboolean
tpm_parent_evict (TpmLink *link, const TpmParent *parent, GError **error)
{
  g_autoptr (GError) cause = NULL;
  ESYS_TR tr;

  tpm_link_forget (link, parent->handle);
  if (!tpm_link_get_persistent (link, parent->handle, &tr, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  return check (link, parent, tr, error) && tpm_persist_remove (link, tr, parent->handle, "remove the storage root key", error);
}

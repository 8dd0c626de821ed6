/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-slots.h"

#include "base-error.h"
#include "base-file.h"
#include "base-hex.h"
#include "base-log.h"
#include "identity-active.h"
#include "tpm-blob.h"

#include <string.h>

#define FOLDER "slots"
#define FILE_MAX (16 * 1024)

/* TPM_HT_PERSISTENT: TPM 2.0 Library Part 2, 7.2. */
#define PERSISTENT_HANDLES 0x81

static const char *const names[IDENTITY_N_SLOTS] = {
  [IDENTITY_SLOT_CURRENT] = "current",
  [IDENTITY_SLOT_NEXT] = "next",
  [IDENTITY_SLOT_PREVIOUS] = "previous",
};

void
identity_slot_key_clear (IdentitySlotKey *key)
{
  identity_tss2_clear (&key->file);
  g_clear_pointer (&key->backend, identity_backend_unref);
  g_clear_pointer (&key->name, g_free);
  g_clear_pointer (&key->reference, g_free);
}

static char *
slot_path (const BaseConfig *config, IdentitySlot slot, const char *suffix)
{
  g_assert ((guint) slot < G_N_ELEMENTS (names));
  g_autofree char *base = g_strconcat (names[slot], suffix, NULL);

  return g_build_filename (config->state_path, FOLDER, base, NULL);
}

static char *
key_path (const BaseConfig *config, IdentitySlot slot)
{
  return slot_path (config, slot, ".pem");
}

char *
identity_slots_dup_certificate_path (const BaseConfig *config, IdentitySlot slot)
{
  return slot_path (config, slot, ".cert.pem");
}

static gboolean
write_file (const BaseConfig *config, const char *path, const char *data, gsize size, GError **error)
{
  g_autofree char *folder = g_build_filename (config->state_path, FOLDER, NULL);

  return base_file_ensure_private_folder (config->state_path, error) && base_file_ensure_private_folder (folder, error)
         && base_file_replace (path, data, size, 0600, error);
}

gboolean
identity_slots_save (const BaseConfig *config, IdentitySlot slot, const TpmNewKey *made, GError **error)
{
  const IdentityTss2 key = {
    .parent = config->parent_handle,
    .public_blob = made->public_blob,
    .private_blob = made->private_blob,
  };
  g_autofree char *path = key_path (config, slot);
  g_autofree char *pem = identity_tss2_encode (&key, error);

  return pem != NULL && write_file (config, path, pem, strlen (pem), error);
}

static gboolean
load (const char *path, IdentityTss2 *ret_key, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size;

  if (!base_file_read (path, FILE_MAX, &bytes, error))
    return FALSE;
  const char *pem = g_bytes_get_data (bytes, &size);
  if (size > 0 && identity_tss2_decode (pem, size, path, ret_key, &cause))
    return TRUE;
  /* No key in the file is not the same as no file. */
  if (cause != NULL)
    g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, cause->message);
  else
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s is empty", path);
  return FALSE;
}

/* The parent is where it was when the key was made, also when ParentHandle= says something else by now. */
static void
refer (const BaseConfig *config, const char *srk_name, IdentitySlotKey *key)
{
  TpmParent *parent = &key->ref.parent;

  key->ref.public_blob = key->file.public_blob;
  key->ref.private_blob = key->file.private_blob;
  memcpy (key->ref.name, key->public.name, TPM_NAME_SIZE);
  parent->handle = key->file.parent >> 24 == PERSISTENT_HANDLES ? key->file.parent : config->parent_handle;
  parent->is_pinned = base_hex_decode (srk_name, parent->name, sizeof parent->name);
}

gboolean
identity_slots_open (const BaseConfig *config, IdentitySlot slot, const char *srk_name, IdentitySlotKey *ret_key, GError **error)
{
  g_autofree char *path = key_path (config, slot);
  g_auto (IdentitySlotKey) key = { 0 };

  if (!load (path, &key.file, error))
    return FALSE;
  if (!tpm_blob_read_public (key.file.public_blob, &key.public, error))
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  if (key.public.purpose != TPM_PURPOSE_DEVICE)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s holds a key, but no identity key", path);
      return FALSE;
    }
  refer (config, srk_name, &key);
  key.backend = identity_backend_new_tpm (&key.ref, &key.public, error);
  if (key.backend == NULL)
    return FALSE;
  key.reference = identity_active_dup_reference (identity_backend_peek_spki (key.backend));
  key.name = identity_backend_dup_tpm_name (key.backend);
  *ret_key = key;
  key = (IdentitySlotKey){ 0 };
  return TRUE;
}

gboolean
identity_slots_has (const BaseConfig *config, IdentitySlot slot)
{
  g_autofree char *path = key_path (config, slot);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

gboolean
identity_slots_copy (const BaseConfig *config, IdentitySlot from, IdentitySlot to, GError **error)
{
  g_autofree char *from_path = key_path (config, from);
  g_autofree char *to_path = key_path (config, to);
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  if (!base_file_read (from_path, FILE_MAX, &bytes, error))
    return FALSE;
  const char *data = g_bytes_get_data (bytes, &size);
  return write_file (config, to_path, data, size, error);
}

gboolean
identity_slots_remove (const BaseConfig *config, IdentitySlot slot, GError **error)
{
  g_autofree char *key = key_path (config, slot);
  g_autofree char *certificate = identity_slots_dup_certificate_path (config, slot);

  return base_file_remove (key, error) && base_file_remove (certificate, error);
}

gboolean
identity_slots_set_aside (const BaseConfig *config, IdentitySlot slot, const GError *why, GError **error)
{
  g_autofree char *path = key_path (config, slot);

  base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s; it is moved aside", why->message);
  return base_file_set_aside (path, "corrupt", error);
}

gboolean
identity_slots_save_certificate (const BaseConfig *config, IdentitySlot slot, const char *pem, GError **error)
{
  g_autofree char *path = identity_slots_dup_certificate_path (config, slot);

  return write_file (config, path, pem, strlen (pem), error);
}

/* What a scope guard could not flush closes the link: each part looks to it that it is open. */
static gboolean
evict_other (TpmLink *link, const IdentitySlotKey *key, guint32 handle, GError **error)
{
  return identity_active_prove (key->backend, link, error) && tpm_link_ensure (link, error)
         && tpm_key_evict (link, handle, TPM_PURPOSE_DEVICE, error);
}

gboolean
identity_slots_put_in_tpm (TpmLink *link, const IdentitySlotKey *key, guint32 handle, GError **error)
{
  g_autoptr (GError) cause = NULL;
  TpmPublic found;

  if (!tpm_link_ensure (link, error))
    return FALSE;
  if (tpm_key_find (link, handle, TPM_PURPOSE_DEVICE, &found, &cause))
    {
      if (memcmp (found.name, key->public.name, TPM_NAME_SIZE) == 0)
        return TRUE;
      if (!evict_other (link, key, handle, error))
        return FALSE;
    }
  else if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  return tpm_link_ensure (link, error) && tpm_make_persistent (link, &key->ref, handle, error);
}

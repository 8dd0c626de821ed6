/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-keyring.h"

#include "base-error.h"
#include "base-hex.h"
#include "base-log.h"
#include "identity-keyfile.h"
#include "tpm-blob.h"
#include "tpm-make.h"

#include <string.h>

/* TPM_HT_PERSISTENT: TPM 2.0 Library Part 2, 7.2. */
#define PERSISTENT_HANDLES 0x81

void
identity_keyring_init (IdentityKeyring *self, const BaseConfig *config, IdentityMode mode, const char *srk_name)
{
  *self = (IdentityKeyring){ .config = config, .mode = mode, .parent.handle = config->parent_handle };
  self->parent.is_pinned = base_hex_decode (srk_name, self->parent.name, sizeof self->parent.name);
}

static gboolean
is_credentials (const char *name)
{
  return strcmp (name, IDENTITY_CREDENTIALS) == 0;
}

/* @handle: persistent handle; 0 = loaded from @file for each use */
/* The parent is where it was when the key was made, also when ParentHandle= says something else by now. */
static TpmKeyRef
make_ref (const IdentityKeyring *self, const IdentityKeyfile *file, guint32 handle)
{
  TpmKeyRef ref = {
    .handle = handle,
    .parent = self->parent,
    .public_blob = file->tpm.public_blob,
    .private_blob = file->tpm.private_blob,
  };

  if (file->tpm.parent >> 24 == PERSISTENT_HANDLES)
    ref.parent.handle = file->tpm.parent;
  return ref;
}

/* One key lies in the TPM itself, so that it is fast, and still there when its file is lost. */
static guint32
persistent_handle (const IdentityKeyring *self, const char *name)
{
  return is_credentials (name) ? self->config->credentials_key_handle : 0;
}

static IdentityBackend *
open_file (const IdentityKeyring *self, const char *name, const IdentityKeyfile *file, GError **error)
{
  TpmPublic public;

  if (file->softkey != NULL)
    return identity_backend_new_software (file->softkey);
  if (!tpm_blob_read_public (file->tpm.public_blob, &public, error))
    return NULL;
  TpmKeyRef ref = make_ref (self, file, persistent_handle (self, name));
  return identity_backend_new_tpm (&ref, &public, error);
}

static IdentityKey *
key_from_file (const IdentityKeyring *self, const char *name, const IdentityKeyfile *file, GError **error)
{
  g_autoptr (IdentityBackend) backend = open_file (self, name, file, error);

  return backend != NULL ? identity_key_new (name, backend, 0, 0, file->owner) : NULL;
}

static IdentityKey *
load_key (const IdentityKeyring *self, const char *name, GError **error)
{
  g_auto (IdentityKeyfile) file = { 0 };

  return identity_keyfile_load (self->config->state_path, name, &file, error) ? key_from_file (self, name, &file, error) : NULL;
}

GPtrArray *
identity_keyring_load (const IdentityKeyring *self, GPtrArray *problems)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func ((GDestroyNotify) identity_key_unref);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = identity_keyfile_list (self->config->state_path, &error);

  if (names == NULL)
    g_ptr_array_add (problems, g_strdup_printf ("keys: %s", error->message));
  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      g_autoptr (GError) cause = NULL;
      IdentityKey *key = load_key (self, names->pdata[i], &cause);
      if (key != NULL)
        g_ptr_array_add (keys, key);
      else
        g_ptr_array_add (problems, g_strdup_printf ("keys: %s", cause->message));
    }
  return g_steal_pointer (&keys);
}

static TpmKeyAlgorithm
to_tpm_algorithm (IdentityAlgorithm algorithm)
{
  switch (algorithm)
    {
    case IDENTITY_ALGORITHM_ECC_P256:
      return TPM_KEY_ECC_P256;
    case IDENTITY_ALGORITHM_ECC_P384:
      return TPM_KEY_ECC_P384;
    case IDENTITY_ALGORITHM_RSA_2048:
      return TPM_KEY_RSA_2048;
    }
  g_return_val_if_reached (TPM_KEY_ECC_P256);
}

static TpmPurpose
purpose_of (const IdentityKey *wanted)
{
  if (is_credentials (wanted->name))
    return TPM_PURPOSE_CREDENTIALS;
  return wanted->usage == IDENTITY_USAGE_SIGN ? TPM_PURPOSE_SIGN : TPM_PURPOSE_DECRYPT;
}

static gboolean
make_in_tpm (const IdentityKeyring *self, TpmLink *link, const IdentityKey *wanted, IdentityKeyfile *file, GError **error)
{
  g_auto (TpmNewKey) made = { 0 };

  if (!tpm_make_key (link, &self->parent, 0, to_tpm_algorithm (wanted->algorithm), purpose_of (wanted), &made, error))
    return FALSE;
  file->tpm.parent = self->parent.handle;
  file->tpm.public_blob = g_steal_pointer (&made.public_blob);
  file->tpm.private_blob = g_steal_pointer (&made.private_blob);
  return TRUE;
}

static gboolean
put_in_place (const IdentityKeyring *self, TpmLink *link, const IdentityKeyfile *file, GError **error)
{
  TpmKeyRef ref = make_ref (self, file, 0);

  return tpm_make_persistent (link, &ref, self->config->credentials_key_handle, error);
}

IdentityKey *
identity_keyring_make (const IdentityKeyring *self, TpmLink *link, const IdentityKey *wanted, GError **error)
{
  g_auto (IdentityKeyfile) file = { .usage = wanted->usage, .owner = wanted->owner };

  if (self->mode == IDENTITY_MODE_SOFTWARE)
    file.softkey = identity_softkey_new (wanted->algorithm, error);
  if (self->mode == IDENTITY_MODE_SOFTWARE ? file.softkey == NULL : !make_in_tpm (self, link, wanted, &file, error))
    return NULL;
  if (!identity_keyfile_create (self->config->state_path, wanted->name, &file, error))
    return NULL;
  /* With the file there, a power cut before this leaves a key that is put to its place at the next boot. */
  if (self->mode == IDENTITY_MODE_TPM && is_credentials (wanted->name) && !put_in_place (self, link, &file, error))
    return NULL;
  return key_from_file (self, wanted->name, &file, error);
}

/* The key is in the TPM, and its file is lost: it keeps nothing that the key needs. */
static IdentityKey *
adopt (const IdentityKeyring *self, const TpmPublic *public, GError **error)
{
  const TpmKeyRef ref = { .handle = self->config->credentials_key_handle, .parent = self->parent };
  g_autoptr (IdentityBackend) backend = identity_backend_new_tpm (&ref, public, error);

  return backend != NULL ? identity_key_new (IDENTITY_CREDENTIALS, backend, 0, 0, 0) : NULL;
}

static gboolean
is_of_file (const IdentityKeyfile *file, const TpmPublic *public)
{
  TpmPublic filed;

  return file->tpm.public_blob != NULL && tpm_blob_read_public (file->tpm.public_blob, &filed, NULL)
         && memcmp (filed.name, public->name, TPM_NAME_SIZE) == 0;
}

static gboolean
set_aside (const IdentityKeyring *self, GError **error)
{
  base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL,
            "the file of key " IDENTITY_CREDENTIALS " belongs to another TPM, to this one before it was cleared, or to none; it is moved aside, "
            "and a new key is made");
  return identity_keyfile_set_aside (self->config->state_path, IDENTITY_CREDENTIALS, "orphaned", error);
}

/* What is wrong with the file itself, so that a new key has to be made; not that the TPM or the disk does not answer. */
static gboolean
is_file_of_no_use (const GError *error)
{
  return g_error_matches (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CORRUPT)
         || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_INVALID_BLOB)
         || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM);
}

static IdentityKey *
make_credentials (const IdentityKeyring *self, TpmLink *link, GError **error)
{
  g_autoptr (IdentityKey) wanted
      = identity_key_new (IDENTITY_CREDENTIALS, NULL, IDENTITY_ALGORITHM_RSA_2048, IDENTITY_USAGE_DECRYPT, 0);

  return identity_keyring_make (self, link, wanted, error);
}

/* The file is there, or was; the TPM has no such key at the handle, or there is no TPM. */
static IdentityKey *
restore (const IdentityKeyring *self, TpmLink *link, IdentityKeyfile *file, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gboolean in_tpm = self->mode == IDENTITY_MODE_TPM;

  if (in_tpm && file->tpm.public_blob != NULL && put_in_place (self, link, file, &cause))
    return key_from_file (self, IDENTITY_CREDENTIALS, file, error);
  if (!in_tpm && file->softkey != NULL)
    return key_from_file (self, IDENTITY_CREDENTIALS, file, error);
  if (cause != NULL && !is_file_of_no_use (cause))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return NULL;
    }
  return set_aside (self, error) ? make_credentials (self, link, error) : NULL;
}

/* @in_the_way: whether there is a file, read or not, that a file of this key would have to replace */
static IdentityKey *
take_found (const IdentityKeyring *self, const IdentityKeyfile *file, gboolean in_the_way, const TpmPublic *public, GError **error)
{
  if (is_of_file (file, public))
    return key_from_file (self, IDENTITY_CREDENTIALS, file, error);
  return !in_the_way || set_aside (self, error) ? adopt (self, public, error) : NULL;
}

static gboolean
find (const IdentityKeyring *self, TpmLink *link, TpmPublic *ret_public, GError **error)
{
  if (tpm_key_find (link, self->config->credentials_key_handle, TPM_PURPOSE_CREDENTIALS, ret_public, error))
    return TRUE;
  if (error != NULL && g_error_matches (*error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    g_prefix_error (error, "CredentialsKeyHandle: ");
  return FALSE;
}

/* A device that migrates has a key "credentials" on either side; the one of the other side is kept for the way back. */
static gboolean
exchange_kept (const IdentityKeyring *self, GError **error)
{
  g_auto (IdentityKeyfile) file = { 0 };
  const char *own = self->mode == IDENTITY_MODE_TPM ? "tpm" : "software";
  const char *other = self->mode == IDENTITY_MODE_TPM ? "software" : "tpm";
  gboolean has_file = identity_keyfile_load (self->config->state_path, IDENTITY_CREDENTIALS, &file, NULL);

  if (has_file && (file.softkey != NULL) == (self->mode == IDENTITY_MODE_SOFTWARE))
    return TRUE;
  if (has_file && !identity_keyfile_keep (self->config->state_path, IDENTITY_CREDENTIALS, other, error))
    return FALSE;
  return identity_keyfile_take_back (self->config->state_path, IDENTITY_CREDENTIALS, own, error);
}

IdentityKey *
identity_keyring_ensure_credentials (const IdentityKeyring *self, TpmLink *link, GError **error)
{
  g_auto (IdentityKeyfile) file = { 0 };
  g_autoptr (GError) unread = NULL;
  g_autoptr (GError) absent = NULL;
  TpmPublic public;

  if (!exchange_kept (self, error))
    return NULL;
  gboolean has_file = identity_keyfile_load (self->config->state_path, IDENTITY_CREDENTIALS, &file, &unread);
  if (self->mode == IDENTITY_MODE_TPM && find (self, link, &public, &absent))
    return take_found (self, &file, has_file || is_file_of_no_use (unread), &public, error);
  if (absent != NULL && !g_error_matches (absent, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&absent));
      return NULL;
    }
  if (has_file)
    return restore (self, link, &file, error);
  if (g_error_matches (unread, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    return make_credentials (self, link, error);
  if (is_file_of_no_use (unread))
    return set_aside (self, error) ? make_credentials (self, link, error) : NULL;
  g_propagate_error (error, g_steal_pointer (&unread));
  return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-active.h"

#include "base-error.h"
#include "base-file.h"
#include "base-hex.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

gboolean
identity_active_prove (IdentityBackend *key, TpmLink *link, GError **error)
{
  static const char text[] = "tpmidd proves that it has this key";
  g_autoptr (GBytes) digest = identity_hash_digest (IDENTITY_HASH_SHA256, text, strlen (text));
  g_autoptr (GBytes) signature = NULL;

  if (identity_backend_needs_tpm (key) && !tpm_link_ensure (link, error))
    return FALSE;
  signature = identity_backend_sign (key, link, IDENTITY_HASH_SHA256, digest, error);
  return signature != NULL && identity_backend_check (key, digest, signature, error);
}

guint32
identity_active_key_handle (const BaseConfig *config, const IdentityRecord *record)
{
  return record->key_handle != 0 ? record->key_handle : config->device_key_handle;
}

char *
identity_active_dup_reference (GBytes *spki)
{
  g_autoptr (GBytes) reference = identity_public_reference (spki);

  return base_hex_encode_bytes (reference);
}

void
identity_active_describe (IdentityRecord *record, guint32 handle, const IdentityBackend *key)
{
  record->kind = IDENTITY_RECORD_TPM;
  record->key_handle = handle;
  g_free (record->key_name);
  record->key_name = identity_backend_dup_tpm_name (key);
  g_free (record->key_reference);
  record->key_reference = identity_active_dup_reference (identity_backend_peek_spki (key));
}

static IdentityCert *
read_certificate_of (const char *path, const char *reference)
{
  g_autoptr (GBytes) pem = NULL;
  g_autoptr (IdentityCert) certificate = NULL;
  g_autofree char *found = NULL;

  if (path == NULL || !base_file_read (path, IDENTITY_CERTIFICATE_LIMIT, &pem, NULL))
    return NULL;
  certificate = identity_cert_parse (pem, NULL);
  if (certificate == NULL)
    return NULL;
  found = identity_active_dup_reference (identity_cert_peek_spki (certificate));
  return g_str_equal (found, reference) ? g_steal_pointer (&certificate) : NULL;
}

static char *
stored_copy_path (const BaseConfig *config)
{
  return g_build_filename (config->state_path, "device.cert.pem", NULL);
}

IdentityCert *
identity_active_find_certificate (const BaseConfig *config, const char *path, const char *reference)
{
  g_autofree char *stored = stored_copy_path (config);
  const char *const paths[] = { path, config->certificate_path, stored };
  IdentityCert *found = NULL;

  for (gsize i = 0; found == NULL && i < G_N_ELEMENTS (paths); i++)
    found = read_certificate_of (paths[i], reference);
  return found;
}

gboolean
identity_active_put_certificate (const BaseConfig *config, const IdentityCert *certificate, GError **error)
{
  const char *pem = identity_cert_peek_pem (certificate);
  gsize size = strlen (pem);
  g_autoptr (GBytes) before = NULL;

  if (!identity_store_save_certificate (config->state_path, pem, error))
    return FALSE;
  if (base_file_read (config->certificate_path, IDENTITY_CERTIFICATE_LIMIT, &before, NULL) && g_bytes_get_size (before) == size
      && memcmp (g_bytes_get_data (before, NULL), pem, size) == 0)
    return TRUE;
  return base_file_replace (config->certificate_path, pem, size, 0644, error);
}

/* In a sticky folder only who owns a file, or the folder, moves it or puts another into its place: unlink(2), rename(2). */
static gboolean
check_place (const char *folder, const char *path, GError **error)
{
  struct stat parent, st;

  if (lstat (path, &st) < 0)
    return errno == ENOENT || base_error_set_errno (error, errno, "cannot look at %s", path);
  if (stat (folder, &parent) < 0)
    return base_error_set_errno (error, errno, "cannot look at folder %s", folder);
  if ((parent.st_mode & S_ISVTX) == 0 || geteuid () == 0 || geteuid () == st.st_uid || geteuid () == parent.st_uid)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS,
               "%s belongs to uid %u, and the folder lets nobody else replace it; look what it is, and move it away. Nothing was changed", path,
               (unsigned) st.st_uid);
  return FALSE;
}

gboolean
identity_active_check_writable (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  /* Also where the permission bits do not bind us, this says EROFS. */
  if (g_access (folder, W_OK | X_OK) < 0)
    return base_error_set_errno (error, errno, "cannot write to folder %s", folder);
  return check_place (folder, path, error);
}

IdentityCert *
identity_active_self_sign (TpmLink *link, IdentityBackend *key, const char *serial, GError **error)
{
  IdentityBackendSigner signer;

  if (identity_backend_needs_tpm (key) && !tpm_link_ensure (link, error))
    return NULL;
  identity_backend_signer_init (&signer, key, link);
  return identity_cert_self_sign (&signer.signer, *serial != '\0' ? serial : NULL, g_get_real_time () / G_USEC_PER_SEC, error);
}

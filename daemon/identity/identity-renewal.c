/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-renewal.h"

#include "base-error.h"
#include "base-file.h"
#include "base-log.h"
#include "identity-active.h"
#include "identity-archive.h"
#include "identity-x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define CHAIN_MAX 10

static void
free_certificate (gpointer certificate)
{
  X509_free (certificate);
}

/* From the text that identity_cert_parse() has made of it, so that there is nothing else in it. */
static GPtrArray *
list_chain (const IdentityCert *certificate)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (free_certificate);
  g_autoptr (BIO) bio = BIO_new_mem_buf (identity_cert_peek_pem (certificate), -1);
  X509 *link;

  while (bio != NULL && (link = PEM_read_bio_X509 (bio, NULL, identity_x509_no_password, NULL)) != NULL)
    g_ptr_array_add (chain, link);
  ERR_clear_error ();
  return g_steal_pointer (&chain);
}

static IdentityCert *
decode (const char *pem, GError **error)
{
  gsize size = strlen (pem);
  g_autoptr (GBytes) bytes = g_bytes_new_static (pem, size);
  g_autoptr (GError) cause = NULL;
  IdentityCert *certificate = NULL;

  if (size > IDENTITY_CERTIFICATE_LIMIT)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "a certificate with its chain has at most %d bytes, not %" G_GSIZE_FORMAT,
                   IDENTITY_CERTIFICATE_LIMIT, size);
      return NULL;
    }
  certificate = identity_cert_parse (bytes, &cause);
  if (certificate == NULL)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "this is no certificate chain in PEM: %s", cause->message);
  return certificate;
}

static gboolean
check_leaf (const IdentityCert *certificate, const IdentityBackend *key, GError **error)
{
  GBytes *spki = identity_cert_peek_spki (certificate);

  if (g_bytes_equal (spki, identity_backend_peek_spki (key)))
    return TRUE;
  g_autofree char *found = identity_active_dup_reference (spki);
  g_autofree char *wanted = identity_active_dup_reference (identity_backend_peek_spki (key));
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CERTIFICATE_MISMATCH,
               "the first certificate of the chain is of the key with reference %s, not of %s; the leaf stands first", found, wanted);
  return FALSE;
}

static gboolean
is_issued_by (X509 *certificate, X509 *issuer)
{
  EVP_PKEY *key = X509_get0_pubkey (issuer);
  gboolean good = key != NULL && X509_NAME_cmp (X509_get_issuer_name (certificate), X509_get_subject_name (issuer)) == 0
                  && X509_verify (certificate, key) == 1;

  ERR_clear_error ();
  return good;
}

static gboolean
check_chain (GPtrArray *chain, GError **error)
{
  if (chain->len > CHAIN_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "a chain has at most %d certificates, not %u", CHAIN_MAX, chain->len);
      return FALSE;
    }
  for (guint i = 0; i + 1 < chain->len; i++)
    if (!is_issued_by (chain->pdata[i], chain->pdata[i + 1]))
      {
        g_set_error (error, TPMID_ERROR, TPMID_ERROR_CERTIFICATE_MISMATCH,
                     "certificate %u of the chain is not signed by certificate %u; leaf first, each before the one that signed it", i + 1, i + 2);
        return FALSE;
      }
  return TRUE;
}

static void
warn_of_dates (GPtrArray *chain)
{
  for (guint i = 0; i < chain->len; i++)
    {
      gboolean is_early = X509_cmp_current_time (X509_get0_notBefore (chain->pdata[i])) > 0;
      gboolean is_late = X509_cmp_current_time (X509_get0_notAfter (chain->pdata[i])) < 0;
      if (is_early || is_late)
        base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL,
                  "certificate %u of the chain %s, by this device's clock; it is accepted, as the clock may be wrong", i + 1,
                  is_early ? "is not valid yet" : "has expired");
    }
  ERR_clear_error ();
}

IdentityCert *
identity_renewal_check (const char *pem, const IdentityBackend *key, GError **error)
{
  g_autoptr (IdentityCert) certificate = decode (pem, error);
  g_autoptr (GPtrArray) chain = certificate != NULL ? list_chain (certificate) : NULL;

  if (chain == NULL || !check_leaf (certificate, key, error) || !check_chain (chain, error))
    return NULL;
  warn_of_dates (chain);
  return g_steal_pointer (&certificate);
}

static gboolean
keep_old (const BaseConfig *config, const char *new_pem, GError **error)
{
  g_autofree char *stamp = identity_archive_stamp ();
  g_autoptr (GBytes) old = NULL;
  g_autoptr (GError) cause = NULL;

  if (!base_file_read (config->certificate_path, IDENTITY_CERTIFICATE_LIMIT, &old, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (g_bytes_get_size (old) == strlen (new_pem) && memcmp (g_bytes_get_data (old, NULL), new_pem, strlen (new_pem)) == 0)
    return TRUE;
  return identity_archive_file (config, stamp, config->certificate_path, "device.cert.pem", error);
}

static gboolean
replace (const BaseConfig *config, const IdentityCert *certificate, GError **error)
{
  return identity_active_check_writable (config->certificate_path, error)
         && keep_old (config, identity_cert_peek_pem (certificate), error)
         && identity_active_put_certificate (config, certificate, error);
}

gboolean
identity_renewal_install (const BaseConfig *config, const IdentityBackend *key, const char *pem, GError **error)
{
  g_autoptr (IdentityCert) certificate = identity_renewal_check (pem, key, error);

  return certificate != NULL && replace (config, certificate, error);
}

gboolean
identity_renewal_regenerate (TpmLink *link, const BaseConfig *config, IdentityBackend *key, const char *serial, GError **error)
{
  g_autoptr (IdentityCert) certificate = identity_active_self_sign (link, key, serial, error);

  return certificate != NULL && replace (config, certificate, error);
}

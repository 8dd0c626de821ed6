/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-cert.h"

#include "base-error.h"
#include "identity-x509.h"
#include "tpmid-build.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define SECONDS_PER_DAY (24 * 60 * 60)
#define NO_EXPIRATION "99991231235959Z"  /* RFC 5280, 4.1.2.5 */
#define NO_EXPIRATION_SECONDS 253402300799LL
#define SERIAL_ATTRIBUTE_MAX 64          /* ub-serial-number, RFC 5280, A.1 */
#define CERTIFICATE_SERIAL_BITS 127      /* 16 bytes whose top bit, the sign, is clear */

struct IdentityCert
{
  gatomicrefcount refs;
  char *pem;
  GBytes *spki;
  char *sha256;
};

static void
free_certificate (gpointer certificate)
{
  X509_free (certificate);
}

static char *
encode_pem (GPtrArray *chain)
{
  g_autoptr (BIO) bio = BIO_new (BIO_s_mem ());
  char *pem = NULL;

  for (guint i = 0; bio != NULL && i < chain->len; i++)
    if (PEM_write_bio_X509 (bio, chain->pdata[i]) != 1)
      return NULL;
  long size = bio != NULL ? BIO_get_mem_data (bio, &pem) : 0;
  return size > 0 ? g_strndup (pem, (gsize) size) : NULL;
}

/* A key of a kind or on a curve that is not ours keeps the encoding that the certificate has. */
static GBytes *
encode_spki (X509 *certificate, GError **error)
{
  EVP_PKEY *key = X509_get0_pubkey (certificate);
  IdentityAlgorithm algorithm;
  guint8 *der = NULL;

  ERR_clear_error ();
  if (key != NULL && identity_x509_algorithm_of_key (key, &algorithm))
    return identity_x509_spki_from_key (key, algorithm, error);
  int size = i2d_X509_PUBKEY (X509_get_X509_PUBKEY (certificate), &der);
  return identity_x509_take_der (der, size, "encode the public key of a certificate", error);
}

static IdentityCert *
cert_new (GPtrArray *chain, GError **error)
{
  guint8 *der = NULL;
  int size = i2d_X509 (chain->pdata[0], &der);
  g_autoptr (GBytes) leaf = identity_x509_take_der (der, size, "encode a certificate", error);
  g_autoptr (GBytes) spki = leaf != NULL ? encode_spki (chain->pdata[0], error) : NULL;
  g_autofree char *pem = NULL;

  if (spki == NULL)
    return NULL;
  pem = encode_pem (chain);
  if (pem == NULL)
    {
      identity_x509_fail (error, "encode a certificate");
      return NULL;
    }
  IdentityCert *self = g_new0 (IdentityCert, 1);
  g_atomic_ref_count_init (&self->refs);
  self->pem = g_steal_pointer (&pem);
  self->spki = g_steal_pointer (&spki);
  self->sha256 = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, leaf);
  return self;
}

/* Reads to the end of @bio. Only that there is no further block is a good reason to stop. */
static gboolean
read_chain (BIO *bio, GPtrArray *chain)
{
  X509 *certificate;

  while ((certificate = PEM_read_bio_X509 (bio, NULL, identity_x509_no_password, NULL)) != NULL)
    g_ptr_array_add (chain, certificate);
  unsigned long reason = ERR_peek_last_error ();
  ERR_clear_error ();
  return ERR_GET_LIB (reason) == ERR_LIB_PEM && ERR_GET_REASON (reason) == PEM_R_NO_START_LINE;
}

IdentityCert *
identity_cert_parse (GBytes *pem, GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (free_certificate);
  gsize size;
  const char *data = g_bytes_get_data (pem, &size);
  g_autoptr (BIO) bio = size > 0 && size <= G_MAXINT ? BIO_new_mem_buf (data, (int) size) : NULL;

  if (bio != NULL && !read_chain (bio, chain))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "certificate %u of the chain cannot be decoded", chain->len + 1);
      return NULL;
    }
  if (chain->len == 0)
    {
      g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "there is no certificate in PEM in it");
      return NULL;
    }
  return cert_new (chain, error);
}

gint64
identity_cert_not_before (gint64 now, gint64 build_epoch)
{
  if (now < build_epoch || now > NO_EXPIRATION_SECONDS)
    return build_epoch;
  return MAX (now - SECONDS_PER_DAY, build_epoch);
}

static gboolean
set_number_and_dates (X509 *certificate, gint64 not_before)
{
  g_autoptr (BIGNUM) number = BN_new ();
  g_autoptr (ASN1_TIME) from = ASN1_TIME_set (NULL, (time_t) not_before);
  g_autoptr (ASN1_TIME) to = ASN1_TIME_new ();

  return number != NULL && from != NULL && to != NULL
         && X509_set_version (certificate, X509_VERSION_3) == 1
         && BN_rand (number, CERTIFICATE_SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1
         && BN_to_ASN1_INTEGER (number, X509_get_serialNumber (certificate)) != NULL
         && ASN1_TIME_set_string_X509 (to, NO_EXPIRATION) == 1
         && X509_set1_notBefore (certificate, from) == 1
         && X509_set1_notAfter (certificate, to) == 1;
}

static gboolean
add_name (X509_NAME *name, int nid, int type, const char *value)
{
  return X509_NAME_add_entry_by_NID (name, nid, type, (const guint8 *) value, -1, -1, 0) == 1;
}

static gboolean
fits_serial_attribute (const char *serial_number)
{
  gsize size = serial_number != NULL ? strlen (serial_number) : 0;

  return size > 0 && size <= SERIAL_ATTRIBUTE_MAX
         && ASN1_PRINTABLE_type ((const guint8 *) serial_number, (int) size) == V_ASN1_PRINTABLESTRING;
}

static gboolean
set_names (X509 *certificate, GBytes *spki, const char *serial_number)
{
  g_autoptr (X509_NAME) name = X509_NAME_new ();
  g_autofree char *reference = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, spki);
  g_autofree char *common_name = g_strdup_printf ("tpmid-%.16s", reference);

  if (name == NULL || !add_name (name, NID_commonName, MBSTRING_UTF8, common_name))
    return FALSE;
  if (fits_serial_attribute (serial_number) && !add_name (name, NID_serialNumber, V_ASN1_PRINTABLESTRING, serial_number))
    return FALSE;
  return X509_set_subject_name (certificate, name) == 1 && X509_set_issuer_name (certificate, name) == 1;
}

static gboolean
add_usages (X509 *certificate)
{
  ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new ();
  EXTENDED_KEY_USAGE *extended = sk_ASN1_OBJECT_new_null ();
  gboolean added;

  /* Bit 0 is digitalSignature (RFC 5280, 4.2.1.3). */
  added = usage != NULL && extended != NULL && ASN1_BIT_STRING_set_bit (usage, 0, 1) == 1
          && sk_ASN1_OBJECT_push (extended, OBJ_nid2obj (NID_client_auth)) > 0
          && sk_ASN1_OBJECT_push (extended, OBJ_nid2obj (NID_server_auth)) > 0
          && X509_add1_ext_i2d (certificate, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1
          && X509_add1_ext_i2d (certificate, NID_ext_key_usage, extended, 0, X509V3_ADD_DEFAULT) == 1;
  ASN1_BIT_STRING_free (usage);
  EXTENDED_KEY_USAGE_free (extended);
  return added;
}

static gboolean
add_basics (X509 *certificate)
{
  BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new ();
  ASN1_OCTET_STRING *identifier = ASN1_OCTET_STRING_new ();
  guint8 digest[EVP_MAX_MD_SIZE];
  unsigned size;
  gboolean added;

  /* The identifier is no more than a name; SHA-1 of the key is the one that everybody computes (RFC 5280, 4.2.1.2 (1)). */
  added = constraints != NULL && identifier != NULL
          && X509_add1_ext_i2d (certificate, NID_basic_constraints, constraints, 1, X509V3_ADD_DEFAULT) == 1
          && X509_pubkey_digest (certificate, EVP_sha1 (), digest, &size) == 1
          && ASN1_OCTET_STRING_set (identifier, digest, (int) size) == 1
          && X509_add1_ext_i2d (certificate, NID_subject_key_identifier, identifier, 0, X509V3_ADD_DEFAULT) == 1;
  BASIC_CONSTRAINTS_free (constraints);
  ASN1_OCTET_STRING_free (identifier);
  return added;
}

/* The signature's algorithm stands inside of what is signed too, and only X509_sign() writes it there. So a key that lives no
 * longer than this call signs first; of its signature nothing is used. */
static GBytes *
encode_tbs (X509 *certificate, IdentityHash hash, GError **error)
{
  g_autoptr (EVP_PKEY) passing = EVP_EC_gen (SN_X9_62_prime256v1);
  guint8 *der = NULL;
  int size = 0;

  if (passing != NULL && X509_sign (certificate, passing, identity_x509_md (hash)) > 0)
    size = i2d_re_X509_tbs (certificate, &der);
  return identity_x509_take_der (der, size, "encode a certificate to be signed", error);
}

static IdentityCert *
accept_signed (GBytes *der, EVP_PKEY *key, GError **error)
{
  const guint8 *at = g_bytes_get_data (der, NULL);
  g_autoptr (X509) certificate = d2i_X509 (NULL, &at, (long) g_bytes_get_size (der));
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (free_certificate);
  gboolean good = certificate != NULL && X509_verify (certificate, key) == 1;

  ERR_clear_error ();
  if (!good)
    {
      g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE,
                           "the signature made for the device certificate is not good; no certificate is made");
      return NULL;
    }
  g_ptr_array_add (chain, g_steal_pointer (&certificate));
  return cert_new (chain, error);
}

IdentityCert *
identity_cert_self_sign (const IdentitySigner *signer, const char *serial_number, gint64 now, GError **error)
{
  g_autoptr (EVP_PKEY) key = identity_x509_key_from_spki (signer->spki);
  g_autoptr (X509) certificate = X509_new ();
  IdentityAlgorithm algorithm;

  if (key == NULL || !identity_x509_algorithm_of_key (key, &algorithm))
    {
      g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM,
                           "a device certificate can be made for an EC key on P-256 or P-384 only");
      return NULL;
    }
  if (certificate == NULL || !set_number_and_dates (certificate, identity_cert_not_before (now, TPMID_BUILD_EPOCH))
      || !set_names (certificate, signer->spki, serial_number) || X509_set_pubkey (certificate, key) != 1
      || !add_basics (certificate) || !add_usages (certificate))
    {
      identity_x509_fail (error, "put a certificate together");
      return NULL;
    }

  IdentityHash hash = algorithm == IDENTITY_ALGORITHM_ECC_P384 ? IDENTITY_HASH_SHA384 : IDENTITY_HASH_SHA256;
  g_autoptr (GBytes) tbs = encode_tbs (certificate, hash, error);
  if (tbs == NULL)
    return NULL;
  g_autoptr (GBytes) der = identity_x509_sign (signer, hash, g_bytes_get_data (tbs, NULL), g_bytes_get_size (tbs), error);
  return der != NULL ? accept_signed (der, key, error) : NULL;
}

IdentityCert *
identity_cert_ref (IdentityCert *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
identity_cert_unref (IdentityCert *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->pem);
  g_bytes_unref (self->spki);
  g_free (self->sha256);
  g_free (self);
}

const char *
identity_cert_peek_pem (const IdentityCert *self)
{
  return self->pem;
}

GBytes *
identity_cert_peek_spki (const IdentityCert *self)
{
  return self->spki;
}

const char *
identity_cert_peek_sha256 (const IdentityCert *self)
{
  return self->sha256;
}

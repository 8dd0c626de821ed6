/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-cms.h"

#include "client-file.h"
#include "client-openssl.h"

#include <openssl/pem.h> /* before cms.h, which then has the PEM functions too */

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CMS_ContentInfo, CMS_ContentInfo_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509, X509_free)

#define DER_SEQUENCE 0x30 /* X.690, 8.9 */

static gboolean
add_key_identifier (X509 *certificate)
{
  g_autoptr (ASN1_OCTET_STRING) identifier = ASN1_OCTET_STRING_new ();
  guint8 hash[SHA_DIGEST_LENGTH];

  return identifier != NULL && X509_pubkey_digest (certificate, EVP_sha1 (), hash, NULL) == 1
         && ASN1_OCTET_STRING_set (identifier, hash, sizeof hash) == 1
         && X509_add1_ext_i2d (certificate, NID_subject_key_identifier, identifier, 0, X509V3_ADD_DEFAULT) == 1;
}

/*
 * OpenSSL names recipients by certificates only, and a key that only decrypts commonly has none: this one is for its eyes.
 * It takes a certificate that is complete, so a key that nobody keeps signs it.
 */
static X509 *
wrap (EVP_PKEY *key)
{
  g_autoptr (X509) certificate = X509_new ();
  g_autoptr (EVP_PKEY) signer = EVP_EC_gen ("P-256");

  if (certificate == NULL || signer == NULL || X509_set_version (certificate, X509_VERSION_3) != 1
      || X509_gmtime_adj (X509_getm_notBefore (certificate), 0) == NULL
      || X509_gmtime_adj (X509_getm_notAfter (certificate), 0) == NULL || X509_set_pubkey (certificate, key) != 1
      || !add_key_identifier (certificate) || X509_sign (certificate, signer, EVP_sha256 ()) <= 0)
    return NULL;
  return g_steal_pointer (&certificate);
}

static gboolean
add_recipient (CMS_ContentInfo *cms, EVP_PKEY *key)
{
  g_autoptr (X509) certificate = wrap (key);
  CMS_RecipientInfo *recipient = NULL;
  EVP_PKEY_CTX *context = NULL;

  if (certificate != NULL)
    recipient = CMS_add1_recipient_cert (cms, certificate, CMS_USE_KEYID | CMS_KEY_PARAM);
  if (recipient != NULL)
    context = CMS_RecipientInfo_get0_pkey_ctx (recipient);
  return context != NULL && EVP_PKEY_CTX_set_rsa_padding (context, RSA_PKCS1_OAEP_PADDING) == 1
         && EVP_PKEY_CTX_set_rsa_oaep_md (context, EVP_sha256 ()) == 1
         && EVP_PKEY_CTX_set_rsa_mgf1_md (context, EVP_sha256 ()) == 1;
}

/* Not CMS_final(), which carries the data through a buffer on its stack. */
static gboolean
write_content (CMS_ContentInfo *cms, const ClientSecret *plaintext)
{
  g_autoptr (BIO) bio = CMS_dataInit (cms, NULL);

  return bio != NULL
         && (plaintext->size == 0 || BIO_write (bio, plaintext->data, (int) plaintext->size) == (int) plaintext->size)
         && BIO_flush (bio) == 1 && CMS_dataFinal (cms, bio) == 1;
}

static gboolean
encode (CMS_ContentInfo *cms, GBytes **ret_der)
{
  guint8 *der = NULL;
  int size = i2d_CMS_ContentInfo (cms, &der);

  if (size <= 0)
    return FALSE;
  *ret_der = g_bytes_new (der, (gsize) size);
  OPENSSL_free (der);
  return TRUE;
}

gboolean
client_cms_encrypt (EVP_PKEY *key, const ClientSecret *plaintext, GBytes **ret_der, tpmid_error *error)
{
  g_autoptr (CMS_ContentInfo) cms = CMS_AuthEnvelopedData_create (EVP_aes_256_gcm ());

  if (cms == NULL || CMS_set_detached (cms, 0) != 1 || !add_recipient (cms, key) || !write_content (cms, plaintext)
      || !encode (cms, ret_der))
    return client_error_set (error, CLIENT_ERROR_FAILED, "cannot make a CMS message for this key");
  return TRUE;
}

static CMS_ContentInfo *
parse (GBytes *content)
{
  gsize size;
  const char *data = g_bytes_get_data (content, &size);
  g_autoptr (BIO) bio = BIO_new_mem_buf (data, (int) size);
  BIO *detached = NULL;

  if (bio == NULL || size == 0)
    return NULL;
  if (data[0] == DER_SEQUENCE)
    return d2i_CMS_bio (bio, NULL);
  if (g_strstr_len (data, (gssize) size, "-----BEGIN ") != NULL)
    return PEM_read_bio_CMS (bio, NULL, NULL, NULL);

  CMS_ContentInfo *cms = SMIME_read_CMS (bio, &detached);
  BIO_free_all (detached);
  return cms;
}

gboolean
client_cms_to_der (const char *path, GBytes *content, GBytes **ret_der, tpmid_error *error)
{
  g_autoptr (CMS_ContentInfo) cms = parse (content);

  if (cms == NULL)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                             "%s holds no CMS message: --scheme cms takes DER, PEM (BEGIN CMS) and S/MIME",
                             client_file_name (path));

  int type = OBJ_obj2nid (CMS_get0_type (cms));
  if (type != NID_pkcs7_enveloped && type != NID_id_smime_ct_authEnvelopedData)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                             "the CMS message in %s is not encrypted for a key, it is %s", client_file_name (path),
                             type != NID_undef ? OBJ_nid2sn (type) : "of an unknown type");
  if (!encode (cms, ret_der))
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "the CMS message in %s cannot be read",
                             client_file_name (path));
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-cms.h"

#include "base-error.h"
#include "identity-cms-private.h"
#include "identity-x509.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <string.h>

#define KEY_ID_SIZE 20 /* bytes in a SHA-1 */
#define TAG_MIN 12     /* RFC 5084, 3.2: AES-GCM-ICVlen */
#define TAG_MAX 16
#define TAG_DEFAULT 12
#define CIPHER_NAMES "aes-128-cbc, aes-192-cbc, aes-256-cbc and des-ede3-cbc in EnvelopedData, aes-128-gcm, aes-192-gcm and " \
  "aes-256-gcm in AuthEnvelopedData"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RSA_OAEP_PARAMS, RSA_OAEP_PARAMS_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509_ALGOR, X509_ALGOR_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509_PUBKEY, X509_PUBKEY_free)

typedef const EVP_CIPHER *(*CipherGetter) (void);

static const struct
{
  int nid;
  gboolean authenticated;
  CipherGetter get;
} ciphers[] = {
  { NID_aes_128_cbc, FALSE, EVP_aes_128_cbc },
  { NID_aes_192_cbc, FALSE, EVP_aes_192_cbc },
  { NID_aes_256_cbc, FALSE, EVP_aes_256_cbc },
  { NID_des_ede3_cbc, FALSE, EVP_des_ede3_cbc },
  { NID_aes_128_gcm, TRUE, EVP_aes_128_gcm },
  { NID_aes_192_gcm, TRUE, EVP_aes_192_gcm },
  { NID_aes_256_gcm, TRUE, EVP_aes_256_gcm },
};

struct IdentityCms
{
  CmsEnvelope *envelope;
  gboolean authenticated;
  const EVP_CIPHER *cipher;
  GBytes *nonce;      /* CBC's initialization vector, GCM's nonce */
  GBytes *attributes; /* DER, what is authenticated beside the content; none in EnvelopedData */
};

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, message);
  return FALSE;
}

static GBytes *
copy_octets (const ASN1_STRING *octets)
{
  return g_bytes_new (ASN1_STRING_get0_data (octets), (gsize) ASN1_STRING_length (octets));
}

/* Returns: (transfer none) (nullable): what is in an algorithm's parameter that is to be an OCTET STRING */
static const ASN1_OCTET_STRING *
octet_parameter (const X509_ALGOR *algorithm)
{
  const ASN1_TYPE *parameter = algorithm->parameter;

  return parameter != NULL && parameter->type == V_ASN1_OCTET_STRING ? parameter->value.octet_string : NULL;
}

/* Returns: (transfer full) (nullable): what is in an algorithm's parameter that is to be an @item */
static gpointer
sequence_parameter (const X509_ALGOR *algorithm, const ASN1_ITEM *item)
{
  gpointer value = NULL;

  if (algorithm->parameter != NULL && algorithm->parameter->type == V_ASN1_SEQUENCE)
    value = ASN1_TYPE_unpack_sequence (item, algorithm->parameter);
  ERR_clear_error ();
  return value;
}

/* Parsing */

static gboolean
set_cipher (IdentityCms *self, GError **error)
{
  const ASN1_OBJECT *object = self->envelope->content->algorithm->algorithm;
  int nid = OBJ_obj2nid (object);

  for (guint i = 0; i < G_N_ELEMENTS (ciphers); i++)
    if (nid == ciphers[i].nid && self->authenticated == ciphers[i].authenticated)
      {
        self->cipher = ciphers[i].get ();
        return TRUE;
      }

  g_autofree char *name = identity_cms_describe_object (object);
  return refuse (error, "the message's content is encrypted by \"%s\" in %s; understood are " CIPHER_NAMES, name,
                 self->authenticated ? "AuthEnvelopedData" : "EnvelopedData");
}

static gboolean
set_cbc_parameters (IdentityCms *self, GError **error)
{
  const ASN1_OCTET_STRING *vector = octet_parameter (self->envelope->content->algorithm);
  int size = EVP_CIPHER_get_iv_length (self->cipher);

  if (vector == NULL || ASN1_STRING_length (vector) != size)
    return refuse (error, "the message's content cipher has no initialization vector of %d bytes", size);
  self->nonce = copy_octets (vector);
  self->attributes = g_bytes_new (NULL, 0);
  return TRUE;
}

static gboolean
set_gcm_parameters (IdentityCms *self, GError **error)
{
  g_autoptr (CmsGcmParameters) parameters = identity_cms_gcm_parameters_new (self->envelope->content->algorithm);
  long tag_size;
  int nonce_size;

  if (parameters == NULL)
    return refuse (error, "the parameters of the message's content cipher are not those of AES-GCM (RFC 5084)");
  tag_size = parameters->tag_size != NULL ? ASN1_INTEGER_get (parameters->tag_size) : TAG_DEFAULT;
  nonce_size = ASN1_STRING_length (parameters->nonce);
  if (tag_size < TAG_MIN || tag_size > TAG_MAX || ASN1_STRING_length (self->envelope->mac) != tag_size)
    return refuse (error, "the message says that its authentication tag has %ld bytes, and has %d; it must be %d to %d", tag_size,
                   ASN1_STRING_length (self->envelope->mac), TAG_MIN, TAG_MAX);
  if (nonce_size < 1 || nonce_size > EVP_MAX_IV_LENGTH)
    return refuse (error, "the nonce of the message's content cipher has %d bytes; 1 to %d are understood", nonce_size,
                   EVP_MAX_IV_LENGTH);
  self->nonce = copy_octets (parameters->nonce);
  self->attributes = identity_cms_encode_attributes (self->envelope, error);
  return self->attributes != NULL;
}

static gboolean
set_message (IdentityCms *self, GError **error)
{
  int recipients = sk_CmsRecipient_num (self->envelope->recipients);

  if (recipients > IDENTITY_CMS_RECIPIENTS_MAX)
    return refuse (error, "the message has %d recipients; at most %d are allowed", recipients, IDENTITY_CMS_RECIPIENTS_MAX);
  if (self->envelope->content->encrypted == NULL)
    return refuse (error, "the message's content is detached; put it in");
  if (!set_cipher (self, error))
    return FALSE;
  return self->authenticated ? set_gcm_parameters (self, error) : set_cbc_parameters (self, error);
}

IdentityCms *
identity_cms_parse (GBytes *der, GError **error)
{
  g_autoptr (IdentityCms) self = g_new0 (IdentityCms, 1);
  gboolean good;

  if (g_bytes_get_size (der) > IDENTITY_CMS_MAX)
    {
      refuse (error, "the message has %" G_GSIZE_FORMAT " bytes; at most %d are allowed", g_bytes_get_size (der),
              IDENTITY_CMS_MAX);
      return NULL;
    }
  self->envelope = identity_cms_envelope_new (der, &self->authenticated, error);
  good = self->envelope != NULL && set_message (self, error);
  ERR_clear_error ();
  return good ? g_steal_pointer (&self) : NULL;
}

void
identity_cms_free (IdentityCms *self)
{
  if (self == NULL)
    return;
  if (self->envelope != NULL)
    identity_cms_envelope_free (self->envelope, self->authenticated);
  g_clear_pointer (&self->nonce, g_bytes_unref);
  g_clear_pointer (&self->attributes, g_bytes_unref);
  g_free (self);
}

/* The recipient */

static gboolean
key_id_from_spki (GBytes *spki, guint8 id[KEY_ID_SIZE], GError **error)
{
  const guint8 *at = g_bytes_get_data (spki, NULL);
  g_autoptr (X509_PUBKEY) public = d2i_X509_PUBKEY (NULL, &at, (long) g_bytes_get_size (spki));
  const guint8 *bits;
  int size;

  if (public == NULL || X509_PUBKEY_get0_param (NULL, &bits, &size, NULL, public) != 1
      || EVP_Digest (bits, (size_t) size, id, NULL, EVP_sha1 (), NULL) != 1)
    return identity_x509_fail (error, "make the identifier of a key");
  ERR_clear_error ();
  return TRUE;
}

static gboolean
has_key_id (const CmsKeyTransport *recipient, const guint8 id[KEY_ID_SIZE])
{
  const ASN1_OCTET_STRING *named;

  if (recipient->rid->type != CMS_RID_SUBJECT_KEY_ID)
    return FALSE;
  named = recipient->rid->d.subject_key_id;
  return ASN1_STRING_length (named) == KEY_ID_SIZE && memcmp (ASN1_STRING_get0_data (named), id, KEY_ID_SIZE) == 0;
}

static const CmsKeyTransport *
find_recipient (const IdentityCms *self, const guint8 id[KEY_ID_SIZE], GError **error)
{
  const CmsKeyTransport *last = NULL;
  guint count = 0;

  for (int i = 0; i < sk_CmsRecipient_num (self->envelope->recipients); i++)
    {
      const CmsRecipient *recipient = sk_CmsRecipient_value (self->envelope->recipients, i);

      if (recipient->type != CMS_RECIPIENT_KEY_TRANSPORT)
        continue;
      last = recipient->d.key_transport;
      count++;
      if (has_key_id (last, id))
        return last;
    }
  if (count == 0)
    refuse (error, "the message is encrypted for no RSA key: it has no KeyTransRecipientInfo");
  else if (count > 1)
    refuse (error, "the message has %u recipients, and none names this key by its identifier; encrypt with openssl cms "
            "-encrypt -keyid", count);
  return count == 1 ? last : NULL;
}

/* Returns: (transfer full) (nullable): the hash in a mask generation function */
static char *
mgf1_hash_name (const X509_ALGOR *function)
{
  g_autoptr (X509_ALGOR) hash = NULL;

  if (function == NULL)
    return g_strdup ("sha1");
  if (OBJ_obj2nid (function->algorithm) == NID_mgf1)
    hash = sequence_parameter (function, ASN1_ITEM_rptr (X509_ALGOR));
  return hash != NULL ? identity_cms_describe_object (hash->algorithm) : NULL;
}

/* RFC 4055, 4.1; what is left out is SHA-1 and the empty label. OpenSSL's long names of hashes are ours. */
static IdentityRsaPadding *
padding_from_oaep (const X509_ALGOR *algorithm, GError **error)
{
  g_autoptr (RSA_OAEP_PARAMS) parameters = sequence_parameter (algorithm, ASN1_ITEM_rptr (RSA_OAEP_PARAMS));
  const X509_ALGOR *source = parameters != NULL ? parameters->pSourceFunc : NULL;
  const ASN1_OCTET_STRING *octets = NULL;
  g_autofree char *hash = NULL;
  g_autofree char *mgf1_hash = parameters != NULL ? mgf1_hash_name (parameters->maskGenFunc) : NULL;
  g_autoptr (GBytes) label = NULL;

  if (source != NULL && OBJ_obj2nid (source->algorithm) == NID_pSpecified)
    octets = octet_parameter (source);
  if (mgf1_hash == NULL || (source != NULL && octets == NULL))
    {
      refuse (error, "the parameters of the message's key encryption are not those of RSAES-OAEP with MGF1 and a specified "
              "label (RFC 4055)");
      return NULL;
    }
  hash = parameters->hashFunc != NULL ? identity_cms_describe_object (parameters->hashFunc->algorithm) : g_strdup ("sha1");
  label = octets != NULL ? copy_octets (octets) : NULL;
  return identity_rsa_padding_new ("oaep", hash, mgf1_hash, label, error);
}

static IdentityRsaPadding *
padding_from_algorithm (const X509_ALGOR *algorithm, GError **error)
{
  int nid = OBJ_obj2nid (algorithm->algorithm);

  if (nid == NID_rsaEncryption)
    return identity_rsa_padding_new ("pkcs1", NULL, NULL, NULL, error);
  if (nid == NID_rsaesOaep)
    return padding_from_oaep (algorithm, error);

  g_autofree char *name = identity_cms_describe_object (algorithm->algorithm);
  refuse (error, "the message's key is encrypted by \"%s\"; understood are rsaEncryption and rsaesOaep", name);
  return NULL;
}

gboolean
identity_cms_select (const IdentityCms *self, GBytes *spki, GBytes **ret_encrypted_key, IdentityRsaPadding **ret_padding,
                     GError **error)
{
  guint8 id[KEY_ID_SIZE];
  const CmsKeyTransport *recipient = key_id_from_spki (spki, id, error) ? find_recipient (self, id, error) : NULL;
  IdentityRsaPadding *padding = recipient != NULL ? padding_from_algorithm (recipient->algorithm, error) : NULL;

  if (padding == NULL)
    return FALSE;
  *ret_encrypted_key = copy_octets (recipient->encrypted_key);
  *ret_padding = padding;
  return TRUE;
}

/* The content */

gboolean
identity_cms_is_authenticated (const IdentityCms *self)
{
  return self->authenticated;
}

gsize
identity_cms_key_size (const IdentityCms *self)
{
  return (gsize) EVP_CIPHER_get_key_length (self->cipher);
}

static EVP_CIPHER_CTX *
start_decryption (const IdentityCms *self, const guint8 *key)
{
  g_autoptr (EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new ();
  gsize nonce_size, attributes_size;
  const guint8 *nonce = g_bytes_get_data (self->nonce, &nonce_size);
  const guint8 *attributes = g_bytes_get_data (self->attributes, &attributes_size);
  const ASN1_OCTET_STRING *mac = self->envelope->mac;
  int taken;

  if (context == NULL || EVP_DecryptInit_ex (context, self->cipher, NULL, NULL, NULL) != 1)
    return NULL;
  if (self->authenticated
      && (EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_SET_IVLEN, (int) nonce_size, NULL) != 1
          || EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_SET_TAG, ASN1_STRING_length (mac),
                                  (void *) ASN1_STRING_get0_data (mac)) != 1))
    return NULL;
  if (EVP_DecryptInit_ex (context, NULL, NULL, key, nonce) != 1)
    return NULL;
  if (attributes_size > 0 && EVP_DecryptUpdate (context, NULL, &taken, attributes, (int) attributes_size) != 1)
    return NULL;
  return g_steal_pointer (&context);
}

/* Returns: the size of what is in @room now, -1 when the content is not what was encrypted with @key. @room may hold something
 * even then. */
static int
decrypt (const IdentityCms *self, const guint8 *key, guint8 *room)
{
  g_autoptr (EVP_CIPHER_CTX) context = start_decryption (self, key);
  const ASN1_OCTET_STRING *content = self->envelope->content->encrypted;
  int size = 0, rest = 0;

  if (context == NULL)
    return -1;
  if (ASN1_STRING_length (content) > 0
      && EVP_DecryptUpdate (context, room, &size, ASN1_STRING_get0_data (content), ASN1_STRING_length (content)) != 1)
    return -1;
  return EVP_DecryptFinal_ex (context, room + size, &rest) == 1 ? size + rest : -1;
}

BaseSecret *
identity_cms_open (const IdentityCms *self, const BaseSecret *key, GError **error)
{
  gsize room_size = (gsize) ASN1_STRING_length (self->envelope->content->encrypted) + EVP_MAX_BLOCK_LENGTH;
  g_autofree guint8 *room = g_malloc (room_size);
  gsize key_size;
  const guint8 *key_data = base_secret_peek (key, &key_size);
  int size = key_size == identity_cms_key_size (self) ? decrypt (self, key_data, room) : -1;
  BaseSecret *content = size >= 0 ? base_secret_new (room, (gsize) size) : NULL;

  explicit_bzero (room, room_size);
  ERR_clear_error ();
  if (content == NULL)
    identity_rsa_fail (error);
  return content;
}

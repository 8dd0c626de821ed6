/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-cms-private.h"

#include "base-error.h"
#include "identity-x509.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>

/* RFC 5652, 3: ContentInfo */
typedef struct
{
  ASN1_OBJECT *type;
  ASN1_TYPE *content; /* nullable: what other types may do without */
} CmsContentInfo;

/* Where a structure is not looked into, ASN1_SEQUENCE keeps it encoded, whatever tag it has. */

ASN1_CHOICE (CmsRecipientId) = {
  ASN1_SIMPLE (CmsRecipientId, d.issuer_and_serial, ASN1_SEQUENCE),
  ASN1_IMP (CmsRecipientId, d.subject_key_id, ASN1_OCTET_STRING, 0),
} static_ASN1_CHOICE_END (CmsRecipientId)

ASN1_SEQUENCE (CmsKeyTransport) = {
  ASN1_SIMPLE (CmsKeyTransport, version, ASN1_INTEGER),
  ASN1_SIMPLE (CmsKeyTransport, rid, CmsRecipientId),
  ASN1_SIMPLE (CmsKeyTransport, algorithm, X509_ALGOR),
  ASN1_SIMPLE (CmsKeyTransport, encrypted_key, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END (CmsKeyTransport)

ASN1_CHOICE (CmsRecipient) = {
  ASN1_SIMPLE (CmsRecipient, d.key_transport, CmsKeyTransport),
  ASN1_IMP (CmsRecipient, d.other, ASN1_SEQUENCE, 1), /* KeyAgreeRecipientInfo */
  ASN1_IMP (CmsRecipient, d.other, ASN1_SEQUENCE, 2), /* KEKRecipientInfo */
  ASN1_IMP (CmsRecipient, d.other, ASN1_SEQUENCE, 3), /* PasswordRecipientInfo */
  ASN1_IMP (CmsRecipient, d.other, ASN1_SEQUENCE, 4), /* OtherRecipientInfo */
} static_ASN1_CHOICE_END (CmsRecipient)

ASN1_SEQUENCE (CmsContent) = {
  ASN1_SIMPLE (CmsContent, type, ASN1_OBJECT),
  ASN1_SIMPLE (CmsContent, algorithm, X509_ALGOR),
  ASN1_IMP_OPT (CmsContent, encrypted, ASN1_OCTET_STRING, 0),
} static_ASN1_SEQUENCE_END (CmsContent)

ASN1_SEQUENCE (CmsEnveloped) = {
  ASN1_SIMPLE (CmsEnvelope, version, ASN1_INTEGER),
  ASN1_IMP_OPT (CmsEnvelope, originator, ASN1_SEQUENCE, 0),
  ASN1_SET_OF (CmsEnvelope, recipients, CmsRecipient),
  ASN1_SIMPLE (CmsEnvelope, content, CmsContent),
  ASN1_IMP_OPT (CmsEnvelope, other_attributes, ASN1_SEQUENCE, 1),
} static_ASN1_SEQUENCE_END_name (CmsEnvelope, CmsEnveloped)

ASN1_SEQUENCE (CmsAuthEnveloped) = {
  ASN1_SIMPLE (CmsEnvelope, version, ASN1_INTEGER),
  ASN1_IMP_OPT (CmsEnvelope, originator, ASN1_SEQUENCE, 0),
  ASN1_SET_OF (CmsEnvelope, recipients, CmsRecipient),
  ASN1_SIMPLE (CmsEnvelope, content, CmsContent),
  ASN1_IMP_SET_OF_OPT (CmsEnvelope, authenticated_attributes, X509_ATTRIBUTE, 1),
  ASN1_SIMPLE (CmsEnvelope, mac, ASN1_OCTET_STRING),
  ASN1_IMP_OPT (CmsEnvelope, other_attributes, ASN1_SEQUENCE, 2),
} static_ASN1_SEQUENCE_END_name (CmsEnvelope, CmsAuthEnveloped)

ASN1_SEQUENCE (CmsContentInfo) = {
  ASN1_SIMPLE (CmsContentInfo, type, ASN1_OBJECT),
  ASN1_EXP_OPT (CmsContentInfo, content, ASN1_ANY, 0),
} static_ASN1_SEQUENCE_END (CmsContentInfo)

ASN1_SEQUENCE (CmsGcmParameters) = {
  ASN1_SIMPLE (CmsGcmParameters, nonce, ASN1_OCTET_STRING),
  ASN1_OPT (CmsGcmParameters, tag_size, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END (CmsGcmParameters)

ASN1_ITEM_TEMPLATE (CmsAttributes) =
  ASN1_EX_TEMPLATE_TYPE (ASN1_TFLG_SET_OF, 0, attributes, X509_ATTRIBUTE)
static_ASN1_ITEM_TEMPLATE_END (CmsAttributes)

static void
content_info_free (CmsContentInfo *info)
{
  ASN1_item_free ((ASN1_VALUE *) info, ASN1_ITEM_rptr (CmsContentInfo));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CmsContentInfo, content_info_free)

static gpointer
decode (const guint8 *data, gsize size, const ASN1_ITEM *item)
{
  const guint8 *at = data;
  ASN1_VALUE *value = ASN1_item_d2i (NULL, &at, (long) size, item);

  ERR_clear_error ();
  if (value != NULL && at != data + size)
    {
      ASN1_item_free (value, item);
      value = NULL;
    }
  return value;
}

static const ASN1_ITEM *
envelope_item (gboolean authenticated)
{
  return authenticated ? ASN1_ITEM_rptr (CmsAuthEnveloped) : ASN1_ITEM_rptr (CmsEnveloped);
}

char *
identity_cms_describe_object (const ASN1_OBJECT *object)
{
  char text[80];

  if (OBJ_obj2txt (text, sizeof text, object, 0) <= 0)
    text[0] = '\0';
  ERR_clear_error ();
  return g_strescape (text, NULL);
}

static gboolean
check_type (const CmsContentInfo *info, GError **error)
{
  int type = OBJ_obj2nid (info->type);

  if (type == NID_pkcs7_enveloped || type == NID_id_smime_ct_authEnvelopedData)
    return TRUE;

  g_autofree char *name = identity_cms_describe_object (info->type);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
               "the message is of type \"%s\"; EnvelopedData and AuthEnvelopedData are understood", name);
  return FALSE;
}

CmsEnvelope *
identity_cms_envelope_new (GBytes *der, gboolean *ret_authenticated, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (der, &size);
  g_autoptr (CmsContentInfo) info = decode (data, size, ASN1_ITEM_rptr (CmsContentInfo));
  CmsEnvelope *envelope = NULL;
  gboolean authenticated;

  if (info != NULL && !check_type (info, error))
    return NULL;
  if (info != NULL && info->content != NULL && info->content->type == V_ASN1_SEQUENCE)
    {
      const ASN1_STRING *content = info->content->value.sequence;

      authenticated = OBJ_obj2nid (info->type) == NID_id_smime_ct_authEnvelopedData;
      envelope = decode (content->data, (gsize) content->length, envelope_item (authenticated));
    }
  if (envelope != NULL)
    *ret_authenticated = authenticated;
  else
    g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                         "the message is not one whole ContentInfo (RFC 5652) in DER or BER; openssl cms makes one with "
                         "-outform DER");
  return envelope;
}

void
identity_cms_envelope_free (CmsEnvelope *envelope, gboolean authenticated)
{
  ASN1_item_free ((ASN1_VALUE *) envelope, envelope_item (authenticated));
}

GBytes *
identity_cms_encode_attributes (const CmsEnvelope *envelope, GError **error)
{
  guint8 *der = NULL;
  int size;

  if (envelope->authenticated_attributes == NULL)
    return g_bytes_new (NULL, 0);
  size = ASN1_item_i2d ((const ASN1_VALUE *) envelope->authenticated_attributes, &der, ASN1_ITEM_rptr (CmsAttributes));
  return identity_x509_take_der (der, size, "encode the attributes of a message", error);
}

CmsGcmParameters *
identity_cms_gcm_parameters_new (const X509_ALGOR *algorithm)
{
  const ASN1_TYPE *parameter = algorithm->parameter;

  if (parameter == NULL || parameter->type != V_ASN1_SEQUENCE)
    return NULL;
  return decode (parameter->value.sequence->data, (gsize) parameter->value.sequence->length, ASN1_ITEM_rptr (CmsGcmParameters));
}

void
identity_cms_gcm_parameters_free (CmsGcmParameters *parameters)
{
  ASN1_item_free ((ASN1_VALUE *) parameters, ASN1_ITEM_rptr (CmsGcmParameters));
}

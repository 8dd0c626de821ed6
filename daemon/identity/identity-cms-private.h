/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <openssl/asn1.h>
#include <openssl/safestack.h>
#include <openssl/x509.h>

G_BEGIN_DECLS

/* The structures of CMS, as far as decryption needs them. OpenSSL has its own, which it does not show, and which decrypt with a
 * private key only. Only identity-cms.c includes this. Any thread; no function leaves anything in OpenSSL's error queue. */

/* RFC 5652, 6.2.1: KeyTransRecipientInfo, RecipientIdentifier */
enum
{
  CMS_RID_ISSUER_AND_SERIAL,
  CMS_RID_SUBJECT_KEY_ID,
};

typedef struct
{
  int type;
  union
  {
    ASN1_STRING *issuer_and_serial; /* encoded, not looked into */
    ASN1_OCTET_STRING *subject_key_id;
  } d;
} CmsRecipientId;

typedef struct
{
  ASN1_INTEGER *version;
  CmsRecipientId *rid;
  X509_ALGOR *algorithm;
  ASN1_OCTET_STRING *encrypted_key;
} CmsKeyTransport;

/* RFC 5652, 6.2: RecipientInfo */
enum
{
  CMS_RECIPIENT_KEY_TRANSPORT, /* all the others are not */
};

typedef struct
{
  int type;
  union
  {
    CmsKeyTransport *key_transport;
    ASN1_STRING *other; /* encoded, not looked into */
  } d;
} CmsRecipient;
DEFINE_STACK_OF (CmsRecipient)

/* RFC 5652, 6.1: EncryptedContentInfo */
typedef struct
{
  ASN1_OBJECT *type;
  X509_ALGOR *algorithm;
  ASN1_OCTET_STRING *encrypted; /* NULL when detached */
} CmsContent;

/* RFC 5652, 6.1: EnvelopedData; RFC 5083, 2.1: AuthEnvelopedData */
typedef struct
{
  ASN1_INTEGER *version;
  ASN1_STRING *originator; /* encoded, not looked into */
  STACK_OF (CmsRecipient) *recipients;
  CmsContent *content;
  STACK_OF (X509_ATTRIBUTE) *authenticated_attributes; /* nullable; this and the MAC in AuthEnvelopedData only */
  ASN1_OCTET_STRING *mac;
  ASN1_STRING *other_attributes; /* encoded, not looked into */
} CmsEnvelope;

/* RFC 5084, 3.2: GCMParameters */
typedef struct
{
  ASN1_OCTET_STRING *nonce;
  ASN1_INTEGER *tag_size; /* NULL for the default, 12 */
} CmsGcmParameters;

/**
 * identity_cms_envelope_new:
 * @der: ContentInfo, nothing after it
 * @ret_authenticated: whether it is AuthEnvelopedData
 * @error: TPMID_ERROR_INVALID_ARGUMENT when it does not parse or is of another type
 *
 * Returns: (transfer full) (nullable): what is in it; free with identity_cms_envelope_free()
 */
CmsEnvelope *identity_cms_envelope_new (GBytes *der, gboolean *ret_authenticated, GError **error);
void identity_cms_envelope_free (CmsEnvelope *envelope, gboolean authenticated);

/**
 * identity_cms_encode_attributes:
 * @error: TPMID_ERROR_FAILED
 *
 * Returns: (transfer full) (nullable): DER of the authenticated attributes with the tag of a SET OF, not the [1] that they have
 *   in the message: what the MAC is over (RFC 5083, 2.2); no bytes when there are none
 */
GBytes *identity_cms_encode_attributes (const CmsEnvelope *envelope, GError **error);

/**
 * identity_cms_gcm_parameters_new:
 *
 * Returns: (transfer full) (nullable): %NULL when they do not parse
 */
CmsGcmParameters *identity_cms_gcm_parameters_new (const X509_ALGOR *algorithm);
void identity_cms_gcm_parameters_free (CmsGcmParameters *parameters);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CmsGcmParameters, identity_cms_gcm_parameters_free)

/**
 * identity_cms_describe_object:
 *
 * Returns: (transfer full): OpenSSL's name for an object identifier, or its numbers, for a sentence
 */
char *identity_cms_describe_object (const ASN1_OBJECT *object);

G_END_DECLS

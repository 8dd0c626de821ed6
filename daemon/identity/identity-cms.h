/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-rsa.h"

G_BEGIN_DECLS

/* Encrypted messages for an RSA key: EnvelopedData (RFC 5652, 6) and AuthEnvelopedData (RFC 5083, with AES-GCM by RFC 5084), as
 * openssl cms -encrypt makes them. In their order: identity_cms_parse(), identity_cms_select(),
 * identity_rsa_check_ciphertext() and the private operation on what it gave, identity_rsa_unpad_or_random() with
 * identity_cms_key_size(), identity_cms_open(). Pure, any thread.
 *
 * What is wrong with the open part of a message is told; what only the key can show is not (identity-rsa.h). */

#define IDENTITY_CMS_MAX (256 * 1024) /* bytes in a message */
#define IDENTITY_CMS_RECIPIENTS_MAX 64

/**
 * IdentityCms:
 *
 * A parsed message. Immutable.
 */
typedef struct IdentityCms IdentityCms;

/**
 * identity_cms_parse:
 * @der: ContentInfo, DER or BER with indefinite lengths, at most IDENTITY_CMS_MAX bytes, nothing after it
 * @error: TPMID_ERROR_INVALID_ARGUMENT, naming what is not understood
 *
 * Content ciphers: aes-128/192/256-cbc and des-ede3-cbc in EnvelopedData, aes-128/192/256-gcm in AuthEnvelopedData. The content
 * must be in the message. Versions, the originator's information and attributes that are not authenticated are passed over.
 *
 * Returns: (transfer full) (nullable): the message
 */
IdentityCms *identity_cms_parse (GBytes *der, GError **error);

/**
 * identity_cms_select:
 * @spki: DER SubjectPublicKeyInfo of our key
 * @ret_encrypted_key: (out) (transfer full): what is to go through the private operation; of any size
 * @ret_padding: (out) (transfer full): how it is padded: rsaEncryption (PKCS#1 v1.5) or id-RSAES-OAEP (RFC 4055, 4.1)
 * @error: TPMID_ERROR_INVALID_ARGUMENT when no recipient is for an RSA key, several are and none names ours, or its scheme
 *   is not understood; TPMID_ERROR_FAILED when @spki does not parse
 *
 * Finds the recipient that is to decrypt with our key: the KeyTransRecipientInfo with the subjectKeyIdentifier that RFC 5280,
 * 4.2.1.2, method 1 makes of @spki, else the only KeyTransRecipientInfo there is (names of certificates cannot be compared
 * with a key).
 */
gboolean identity_cms_select (const IdentityCms *self, GBytes *spki, GBytes **ret_encrypted_key,
                              IdentityRsaPadding **ret_padding, GError **error);

/**
 * identity_cms_is_authenticated:
 *
 * Returns: whether a changed message is sure to be noticed (AuthEnvelopedData); of EnvelopedData, success and failure alone tell so much that they
 *   must be rationed
 */
gboolean identity_cms_is_authenticated (const IdentityCms *self);

/**
 * identity_cms_key_size:
 *
 * Returns: bytes in the content-encryption key: 16, 24 or 32
 */
gsize identity_cms_key_size (const IdentityCms *self);

/**
 * identity_cms_open:
 * @key: the content-encryption key, true or not
 * @error: that of identity_rsa_fail()
 *
 * Decrypts the content. Of AuthEnvelopedData nothing comes out that does not carry the right tag; the authenticated attributes
 * are part of what is checked (RFC 5083, 2.2), and are not looked into. EnvelopedData has no such protection: who can change a
 * message can change what comes out.
 *
 * Returns: (transfer full) (nullable): the content, 0 bytes or more
 */
BaseSecret *identity_cms_open (const IdentityCms *self, const BaseSecret *key, GError **error);

void identity_cms_free (IdentityCms *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityCms, identity_cms_free)

G_END_DECLS

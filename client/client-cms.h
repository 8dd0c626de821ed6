/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"
#include "client-secret.h"

#include <openssl/evp.h>

G_BEGIN_DECLS

/**
 * client_cms_encrypt:
 * @key: the recipient's public key, RSA
 * @plaintext: any number of bytes
 * @ret_der: (out) (transfer full): ContentInfo, DER
 * @error: Failed
 *
 * Makes AuthEnvelopedData (RFC 5083) with AES-256-GCM (RFC 5084) and RSAES-OAEP with SHA-256 as key transport (RFC 3560).
 * The recipient goes by the subjectKeyIdentifier that RFC 5280, 4.2.1.2 (1) makes of its public key: SHA-1 over the bits.
 */
gboolean client_cms_encrypt (EVP_PKEY *key, const ClientSecret *plaintext, GBytes **ret_der, tpmid_error *error);

/**
 * client_cms_to_der:
 * @path: name of the file, for the messages
 * @content: an encrypted CMS message: DER or BER, PEM (RFC 7468, 9) or S/MIME (RFC 8551)
 * @ret_der: (out) (transfer full): ContentInfo with EnvelopedData or AuthEnvelopedData, DER
 * @error: InvalidArgument
 */
gboolean client_cms_to_der (const char *path, GBytes *content, GBytes **ret_der, tpmid_error *error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"
#include "client-secret.h"

#include <openssl/evp.h>

G_BEGIN_DECLS

/** CLIENT_CIPHERTEXT_MAX: the most that tpmidd decrypts, in bytes (org.tpmid1.Key.Decrypt) */
#define CLIENT_CIPHERTEXT_MAX (256 * 1024)

/** CLIENT_LABEL_MAX: the longest label that tpmidd takes, in bytes */
#define CLIENT_LABEL_MAX 1024

/**
 * ClientCipherOptions:
 * @key: (nullable): name of a key; "credentials" where it is %NULL
 * @scheme: (nullable): oaep (the default), pkcs1 or cms
 * @hash: (nullable): hash of OAEP: sha1, sha256 (the default), sha384 or sha512
 * @mgf1_hash: (nullable): hash of OAEP's mask generation function, of the same names; @hash where it is %NULL
 * @label: (nullable): label of OAEP, at most CLIENT_LABEL_MAX bytes, any but NUL; no NUL is added to it
 * @in_file: (nullable): what to encrypt or decrypt
 * @out_file: (nullable): where the result goes
 *
 * What encrypt and decrypt have in common.
 */
typedef struct ClientCipherOptions
{
  char *key;
  char *scheme;
  char *hash;
  char *mgf1_hash;
  char *label;
  char *in_file;
  char *out_file;
} ClientCipherOptions;

void client_cipher_options_clear (ClientCipherOptions *options);

/**
 * client_cipher_options_check:
 * @verb: for the messages
 * @error: Usage (no --in; --hash, --mgf1-hash or --label without OAEP); InvalidArgument (unknown scheme or hash; label too
 *   long)
 *
 * On success @options has the defaults in place of %NULL; @hash only for OAEP, and @mgf1_hash only where it was given.
 */
gboolean client_cipher_options_check (ClientCipherOptions *options, const char *verb, tpmid_error *error);

/**
 * client_cipher_load_public:
 * @path: file with a SubjectPublicKeyInfo (PEM or DER) or a certificate (PEM or DER); "-" for standard input
 * @ret_key: (out) (transfer full): an RSA key; EVP_PKEY_free()
 * @error: File; InvalidArgument (no public key); UnsupportedAlgorithm (no RSA key)
 */
gboolean client_cipher_load_public (const char *path, EVP_PKEY **ret_key, tpmid_error *error);

/**
 * client_cipher_take_public:
 * @properties: a key's properties, of client_key_load()
 * @name: the key's name, for the messages
 * @ret_key: (out) (transfer full): an RSA key; EVP_PKEY_free()
 * @error: NotSupported (the key does not decrypt); UnsupportedAlgorithm (no RSA key)
 */
gboolean client_cipher_take_public (const tpmid_value *properties, const char *name, EVP_PKEY **ret_key, tpmid_error *error);

/**
 * client_cipher_encrypt:
 * @key: an RSA key
 * @options: checked
 * @plaintext: what to encrypt; more than CLIENT_CIPHERTEXT_MAX bytes are "more than that" in the message
 * @ret_ciphertext: (out) (transfer full): RSAES-OAEP or RSAES-PKCS1-v1_5 (RFC 8017, 7), as long as the modulus, or CMS
 * @error: InvalidArgument (too long: the message names the limit)
 */
gboolean client_cipher_encrypt (EVP_PKEY *key, const ClientCipherOptions *options, const ClientSecret *plaintext,
                                GBytes **ret_ciphertext, tpmid_error *error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClientCipherOptions, client_cipher_options_clear)

G_END_DECLS

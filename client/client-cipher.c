/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-cipher.h"

#include "client-cms.h"
#include "client-file.h"
#include "client-openssl.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509, X509_free)

/* Far above any public key or certificate. */
#define PUBLIC_FILE_MAX (64 * 1024)
#define PKCS1_OVERHEAD 11 /* RFC 8017, 7.2.1 */

static const struct
{
  const char *name;
  const EVP_MD *(*md) (void);
} hashes[] = {
  { "sha1", EVP_sha1 },
  { "sha256", EVP_sha256 },
  { "sha384", EVP_sha384 },
  { "sha512", EVP_sha512 },
};

static const char *const schemes[] = { "oaep", "pkcs1", "cms", NULL };

void
client_cipher_options_clear (ClientCipherOptions *options)
{
  g_clear_pointer (&options->key, g_free);
  g_clear_pointer (&options->scheme, g_free);
  g_clear_pointer (&options->hash, g_free);
  g_clear_pointer (&options->mgf1_hash, g_free);
  g_clear_pointer (&options->label, g_free);
  g_clear_pointer (&options->in_file, g_free);
  g_clear_pointer (&options->out_file, g_free);
}

static const EVP_MD *
find_hash (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hashes); i++)
    if (g_str_equal (hashes[i].name, name))
      return hashes[i].md ();
  return NULL;
}

static void
set_default (char **option, const char *value)
{
  if (*option == NULL)
    *option = g_strdup (value);
}

static gboolean
check_hash (const char *name, tpmid_error *error)
{
  if (find_hash (name) != NULL)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "unknown hash \"%s\": use sha1, sha256, sha384 or sha512", name);
}

static gboolean
check_oaep (ClientCipherOptions *options, tpmid_error *error)
{
  gsize size = options->label != NULL ? strlen (options->label) : 0;

  set_default (&options->hash, "sha256");
  if (!check_hash (options->hash, error) || (options->mgf1_hash != NULL && !check_hash (options->mgf1_hash, error)))
    return FALSE;
  if (size <= CLIENT_LABEL_MAX)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                           "the label has %" G_GSIZE_FORMAT " bytes; tpmidd takes at most %d", size, CLIENT_LABEL_MAX);
}

gboolean
client_cipher_options_check (ClientCipherOptions *options, const char *verb, tpmid_error *error)
{
  if (options->in_file == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "%s: --in FILE is missing", verb);
  set_default (&options->key, "credentials");
  set_default (&options->scheme, "oaep");
  if (!g_strv_contains (schemes, options->scheme))
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "unknown scheme \"%s\": use oaep, pkcs1 or cms",
                             options->scheme);
  if (g_str_equal (options->scheme, "oaep"))
    return check_oaep (options, error);
  if (options->hash == NULL && options->mgf1_hash == NULL && options->label == NULL)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_USAGE, "%s: --hash, --mgf1-hash and --label go with --scheme oaep", verb);
}

static gboolean
check_type (EVP_PKEY *key, const char *what, tpmid_error *error)
{
  if (EVP_PKEY_get_base_id (key) == EVP_PKEY_RSA)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_UNSUPPORTED_ALGORITHM,
                           "%s is a key of type %s, with which nothing can be encrypted; take an RSA key, such as credentials",
                           what, EVP_PKEY_get0_type_name (key));
}

static EVP_PKEY *
key_of_certificate (const guint8 *data, gsize size)
{
  g_autoptr (X509) certificate = d2i_X509 (NULL, &data, (long) size);

  return certificate != NULL ? X509_get_pubkey (certificate) : NULL;
}

/* The first block decides, so that a chain is its leaf. */
static EVP_PKEY *
read_pem (const ClientSecret *content)
{
  g_autoptr (BIO) bio = BIO_new_mem_buf (content->data, (int) content->size);
  char *name = NULL, *header = NULL;
  guint8 *data = NULL;
  EVP_PKEY *key = NULL;
  long size = 0;

  if (bio == NULL || PEM_read_bio (bio, &name, &header, &data, &size) != 1)
    return NULL;

  const guint8 *at = data;
  if (g_str_equal (name, PEM_STRING_PUBLIC))
    key = d2i_PUBKEY (NULL, &at, size);
  else if (g_str_equal (name, PEM_STRING_X509))
    key = key_of_certificate (data, (gsize) size);
  OPENSSL_free (name);
  OPENSSL_free (header);
  OPENSSL_clear_free (data, (gsize) size);
  return key;
}

static EVP_PKEY *
read_der (const ClientSecret *content)
{
  const guint8 *at = content->data;
  EVP_PKEY *key = d2i_PUBKEY (NULL, &at, (long) content->size);

  return key != NULL ? key : key_of_certificate (content->data, content->size);
}

/* Read as if it were secret: somebody may have given the private key's file. */
gboolean
client_cipher_load_public (const char *path, EVP_PKEY **ret_key, tpmid_error *error)
{
  g_auto (ClientSecret) content = { 0 };
  g_autoptr (EVP_PKEY) key = NULL;

  if (!client_file_read_secret (path, PUBLIC_FILE_MAX, &content, error))
    return FALSE;
  key = g_strstr_len ((const char *) content.data, (gssize) content.size, "-----BEGIN ") != NULL ? read_pem (&content)
                                                                                                : read_der (&content);
  if (key == NULL)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                             "%s holds no public key: --public takes a SubjectPublicKeyInfo (PEM or DER) or a certificate",
                             client_file_name (path));
  if (!check_type (key, client_file_name (path), error))
    return FALSE;
  *ret_key = g_steal_pointer (&key);
  return TRUE;
}

static const char *
text_of (const tpmid_value *key, const char *property)
{
  return tpmid_value_string (tpmid_value_find (key, property));
}

gboolean
client_cipher_take_public (const tpmid_value *properties, const char *name, EVP_PKEY **ret_key, tpmid_error *error)
{
  g_autofree char *what = g_strdup_printf ("the key %s", name);
  g_autoptr (EVP_PKEY) key = NULL;
  gsize size;
  const guint8 *data = tpmid_value_bytes (tpmid_value_find (properties, "PublicKey"), &size);

  key = d2i_PUBKEY (NULL, &data, (long) size);
  if (key == NULL)
    return client_error_set (error, CLIENT_ERROR_FAILED, "what tpmidd gave is not a public key");
  if (!check_type (key, what, error))
    return FALSE;
  if (!g_str_equal (text_of (properties, "Usage"), "decrypt"))
    return client_error_set (error, CLIENT_ERROR_NOT_SUPPORTED,
                             "%s does not decrypt, its usage is %s; take another, such as credentials", what,
                             text_of (properties, "Usage"));
  *ret_key = g_steal_pointer (&key);
  return TRUE;
}

/* How many bytes one block takes; below 0 is none at all. */
static gssize
block_limit (EVP_PKEY *key, const ClientCipherOptions *options)
{
  gssize size = EVP_PKEY_get_size (key);

  /* RFC 8017, 7.1.1 */
  return options->hash != NULL ? size - 2 * EVP_MD_get_size (find_hash (options->hash)) - 2 : size - PKCS1_OVERHEAD;
}

static gboolean
check_block (EVP_PKEY *key, const ClientCipherOptions *options, gsize size, tpmid_error *error)
{
  gssize limit = block_limit (key, options);
  g_autofree char *scheme = g_strdup_printf ("%s%s%s", options->scheme, options->hash != NULL ? " and " : "",
                                             options->hash != NULL ? options->hash : "");

  if (limit < 0)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "a key of %d bits is too small for %s",
                             EVP_PKEY_get_bits (key), scheme);
  if (size <= (gsize) limit)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                           "%s has %s%" G_GSIZE_FORMAT " bytes, but this key takes at most %" G_GSSIZE_FORMAT
                           " with %s; give --scheme cms, which takes more",
                           client_file_name (options->in_file), size > CLIENT_CIPHERTEXT_MAX ? "more than " : "",
                           MIN (size, CLIENT_CIPHERTEXT_MAX), limit, scheme);
}

static gboolean
set_label (EVP_PKEY_CTX *context, const char *label)
{
  gsize size = label != NULL ? strlen (label) : 0;

  if (size == 0)
    return TRUE;

  void *copy = OPENSSL_memdup (label, size);
  if (copy != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label (context, copy, (int) size) == 1)
    return TRUE;
  OPENSSL_free (copy);
  return FALSE;
}

static gboolean
set_padding (EVP_PKEY_CTX *context, const ClientCipherOptions *options)
{
  if (options->hash == NULL)
    return EVP_PKEY_CTX_set_rsa_padding (context, RSA_PKCS1_PADDING) == 1;

  const EVP_MD *md = find_hash (options->hash);
  const EVP_MD *mgf1_md = options->mgf1_hash != NULL ? find_hash (options->mgf1_hash) : md;
  return EVP_PKEY_CTX_set_rsa_padding (context, RSA_PKCS1_OAEP_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_oaep_md (context, md) == 1
         && EVP_PKEY_CTX_set_rsa_mgf1_md (context, mgf1_md) == 1 && set_label (context, options->label);
}

static gboolean
encrypt_block (EVP_PKEY *key, const ClientCipherOptions *options, const ClientSecret *plaintext, GBytes **ret_ciphertext,
               tpmid_error *error)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new (key, NULL);
  gsize size = (gsize) EVP_PKEY_get_size (key);
  g_autofree guint8 *block = g_malloc (size);

  if (!check_block (key, options, plaintext->size, error))
    return FALSE;
  if (context == NULL || EVP_PKEY_encrypt_init (context) != 1 || !set_padding (context, options)
      || EVP_PKEY_encrypt (context, block, &size, plaintext->data, plaintext->size) != 1)
    return client_error_set (error, CLIENT_ERROR_FAILED, "cannot encrypt with this key");
  *ret_ciphertext = g_bytes_new_take (g_steal_pointer (&block), size);
  return TRUE;
}

/* What CMS adds is the same for all sizes near the limit: AES-GCM keeps the length. */
static gboolean
encrypt_message (EVP_PKEY *key, const ClientCipherOptions *options, const ClientSecret *plaintext, GBytes **ret_ciphertext,
                 tpmid_error *error)
{
  g_autoptr (GBytes) der = NULL;

  if (!client_cms_encrypt (key, plaintext, &der, error))
    return FALSE;
  if (g_bytes_get_size (der) > CLIENT_CIPHERTEXT_MAX)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                             "%s is too long: at most %" G_GSIZE_FORMAT
                             " bytes, as tpmidd decrypts at most %d, with what CMS adds",
                             client_file_name (options->in_file),
                             CLIENT_CIPHERTEXT_MAX - (g_bytes_get_size (der) - plaintext->size),
                             CLIENT_CIPHERTEXT_MAX);
  *ret_ciphertext = g_steal_pointer (&der);
  return TRUE;
}

gboolean
client_cipher_encrypt (EVP_PKEY *key, const ClientCipherOptions *options, const ClientSecret *plaintext, GBytes **ret_ciphertext,
                       tpmid_error *error)
{
  if (g_str_equal (options->scheme, "cms"))
    return encrypt_message (key, options, plaintext, ret_ciphertext, error);
  return encrypt_block (key, options, plaintext, ret_ciphertext, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-crypto.h"

#include "client-file.h"
#include "client-openssl.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_MD_CTX, EVP_MD_CTX_free)

static const struct
{
  const char *name;
  const EVP_MD *(*md) (void);
} hashes[] = {
  { "sha256", EVP_sha256 },
  { "sha384", EVP_sha384 },
  { "sha512", EVP_sha512 },
};

void
client_digest_source_clear (ClientDigestSource *source)
{
  g_clear_pointer (&source->digest_file, g_free);
  g_clear_pointer (&source->in_file, g_free);
  g_clear_pointer (&source->hash, g_free);
}

static gboolean
find_hash (const char *name, ClientDigest *digest, tpmid_error *error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hashes); i++)
    if (g_strcmp0 (hashes[i].name, name != NULL ? name : "sha256") == 0)
      {
        digest->hash = hashes[i].name;
        digest->md = hashes[i].md ();
        digest->size = (gsize) EVP_MD_get_size (digest->md);
        return TRUE;
      }
  return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "unknown hash \"%s\": use sha256, sha384 or sha512", name);
}

static gboolean
refuse_length (const char *path, gsize size, const ClientDigest *digest, tpmid_error *error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hashes); i++)
    if ((gsize) EVP_MD_get_size (hashes[i].md ()) == size)
      return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                               "the digest in %s has %" G_GSIZE_FORMAT " bytes, but %s makes %" G_GSIZE_FORMAT "; give --hash %s",
                               client_file_name (path), size, digest->hash, digest->size, hashes[i].name);
  return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                           "the digest in %s has %s%" G_GSIZE_FORMAT " bytes, but %s makes exactly %" G_GSIZE_FORMAT
                           "; --digest takes it raw, --in takes the file to hash",
                           client_file_name (path), size > CLIENT_DIGEST_MAX ? "more than " : "", MIN (size, CLIENT_DIGEST_MAX),
                           digest->hash, digest->size);
}

static gboolean
read_digest (const char *path, ClientDigest *digest, tpmid_error *error)
{
  g_autoptr (GBytes) content = NULL;

  if (!client_file_read_start (path, CLIENT_DIGEST_MAX + 1, &content, error))
    return FALSE;
  if (g_bytes_get_size (content) != digest->size)
    return refuse_length (path, g_bytes_get_size (content), digest, error);
  memcpy (digest->data, g_bytes_get_data (content, NULL), digest->size);
  return TRUE;
}

static gboolean
update (const guint8 *data, gsize size, gpointer context)
{
  return EVP_DigestUpdate (context, data, size) == 1;
}

static gboolean
hash_file (const char *path, ClientDigest *digest, tpmid_error *error)
{
  g_autoptr (EVP_MD_CTX) context = EVP_MD_CTX_new ();

  if (context == NULL || EVP_DigestInit_ex (context, digest->md, NULL) != 1)
    return client_error_set (error, CLIENT_ERROR_FAILED, "cannot hash with %s", digest->hash);
  if (!client_file_stream (path, update, context, error))
    return FALSE;
  if (EVP_DigestFinal_ex (context, digest->data, NULL) != 1)
    return client_error_set (error, CLIENT_ERROR_FAILED, "cannot hash %s", client_file_name (path));
  return TRUE;
}

gboolean
client_digest_load (const ClientDigestSource *source, ClientDigest *ret_digest, tpmid_error *error)
{
  ClientDigest digest = { 0 };

  if ((source->digest_file == NULL) == (source->in_file == NULL))
    return client_error_set (error, CLIENT_ERROR_USAGE, "give either --in FILE (to hash) or --digest FILE (a raw digest)");
  if (!find_hash (source->hash, &digest, error))
    return FALSE;
  if (source->digest_file != NULL ? !read_digest (source->digest_file, &digest, error)
                                  : !hash_file (source->in_file, &digest, error))
    return FALSE;
  *ret_digest = digest;
  return TRUE;
}

gboolean
client_crypto_verify (const guint8 *public_key, gsize public_key_size, const ClientDigest *digest, GBytes *signature,
                      tpmid_error *error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (signature, &size);
  g_autoptr (EVP_PKEY) key = d2i_PUBKEY (NULL, &public_key, (long) public_key_size);

  if (key == NULL)
    return client_error_set (error, CLIENT_ERROR_FAILED, "what tpmidd gave is not a public key");
  if (EVP_PKEY_get_base_id (key) != EVP_PKEY_EC)
    return client_error_set (error, CLIENT_ERROR_UNSUPPORTED_ALGORITHM, "verify takes signatures of EC keys only");

  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new (key, NULL);
  if (context == NULL || EVP_PKEY_verify_init (context) != 1 || EVP_PKEY_CTX_set_signature_md (context, digest->md) != 1)
    return client_error_set (error, CLIENT_ERROR_FAILED, "cannot verify with this key");

  /* Below 0 is a signature that does not even parse. */
  if (EVP_PKEY_verify (context, data, size, digest->data, digest->size) != 1)
    return client_error_set (error, CLIENT_ERROR_BAD_SIGNATURE,
                             "the signature does not verify: it is not this key's over this data");
  return TRUE;
}

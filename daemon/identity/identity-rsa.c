/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* RSA_padding_check_...() are deprecated since OpenSSL 3.0, whose other functions take padding off only together with the
 * private operation, for which they want the private key. They are what those functions call, run in constant time, and there
 * is no other public way to them. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "identity-rsa.h"

#include "base-error.h"
#include "identity-x509.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <string.h>

#define NAME_SHOWN 32

typedef const EVP_MD *(*HashGetter) (void);

static const struct
{
  const char *name;
  HashGetter get;
} hashes[] = {
  { "sha1", EVP_sha1 },
  { "sha256", EVP_sha256 },
  { "sha384", EVP_sha384 },
  { "sha512", EVP_sha512 },
};

struct IdentityRsaPadding
{
  gboolean pkcs1;
  const EVP_MD *hash; /* these three for OAEP only */
  const EVP_MD *mgf1_hash;
  GBytes *label;
};

static gboolean
refuse_name (GError **error, const char *what, const char *name, const char *known)
{
  g_autofree char *shown = g_strndup (name, NAME_SHOWN);
  g_autofree char *escaped = g_strescape (shown, NULL);

  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "there is no %s \"%s\"; use %s", what, escaped, known);
  return FALSE;
}

static gboolean
hash_from_name (const char *name, const EVP_MD **ret_hash, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (hashes); i++)
    if (g_str_equal (name, hashes[i].name))
      {
        *ret_hash = hashes[i].get ();
        return TRUE;
      }
  return refuse_name (error, "hash", name, "sha1, sha256, sha384 or sha512");
}

static gboolean
set_oaep (IdentityRsaPadding *self, const char *hash, const char *mgf1_hash, GBytes *label, GError **error)
{
  gsize label_size = label != NULL ? g_bytes_get_size (label) : 0;

  if (hash == NULL)
    hash = "sha256";
  if (!hash_from_name (hash, &self->hash, error)
      || !hash_from_name (mgf1_hash != NULL ? mgf1_hash : hash, &self->mgf1_hash, error))
    return FALSE;
  if (label_size > IDENTITY_RSA_LABEL_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "the label has %" G_GSIZE_FORMAT
                   " bytes; at most %d are allowed", label_size, IDENTITY_RSA_LABEL_MAX);
      return FALSE;
    }
  self->label = label != NULL ? g_bytes_ref (label) : g_bytes_new (NULL, 0);
  return TRUE;
}

static gboolean
set_pkcs1 (IdentityRsaPadding *self, const char *hash, const char *mgf1_hash, GBytes *label, GError **error)
{
  self->pkcs1 = TRUE;
  if (hash == NULL && mgf1_hash == NULL && label == NULL)
    return TRUE;
  g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                       "the scheme pkcs1 has neither a hash nor a label; leave them out, or use the scheme oaep");
  return FALSE;
}

IdentityRsaPadding *
identity_rsa_padding_new (const char *scheme, const char *hash, const char *mgf1_hash, GBytes *label, GError **error)
{
  g_autoptr (IdentityRsaPadding) self = g_new0 (IdentityRsaPadding, 1);
  gboolean good;

  if (scheme == NULL || g_str_equal (scheme, "oaep"))
    good = set_oaep (self, hash, mgf1_hash, label, error);
  else if (g_str_equal (scheme, "pkcs1"))
    good = set_pkcs1 (self, hash, mgf1_hash, label, error);
  else
    good = refuse_name (error, "RSA encryption scheme", scheme, "oaep, pkcs1 or cms");
  return good ? g_steal_pointer (&self) : NULL;
}

gboolean
identity_rsa_padding_is_pkcs1 (const IdentityRsaPadding *self)
{
  return self->pkcs1;
}

void
identity_rsa_padding_free (IdentityRsaPadding *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->label, g_bytes_unref);
  g_free (self);
}

gboolean
identity_rsa_fail (GError **error)
{
  g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_DECRYPT_FAILED,
                       "the ciphertext does not decrypt with this key and scheme: see that it was made for this key, with the "
                       "same scheme, hash and label, and came over whole");
  return FALSE;
}

gboolean
identity_rsa_check_ciphertext (GBytes *spki, GBytes *ciphertext, GError **error)
{
  g_autoptr (EVP_PKEY) key = identity_x509_key_from_spki (spki);
  g_autoptr (BIGNUM) number = NULL;
  BIGNUM *modulus = NULL;
  gsize size;
  const guint8 *data = g_bytes_get_data (ciphertext, &size);
  gboolean good;

  good = key != NULL && EVP_PKEY_is_a (key, "RSA") && EVP_PKEY_get_bn_param (key, OSSL_PKEY_PARAM_RSA_N, &modulus) == 1
         && size <= IDENTITY_RSA_BLOCK_MAX && size == (gsize) BN_num_bytes (modulus);
  if (good)
    {
      number = BN_bin2bn (data, (int) size, NULL);
      good = number != NULL && BN_cmp (number, modulus) < 0;
    }
  BN_free (modulus);
  ERR_clear_error ();
  return good || identity_rsa_fail (error);
}

/* Returns: the size of the plaintext, at most @size, -1 for bad padding; nothing else that the caller does may depend on it
 * before both ways have become one. Both checks take the block with its leading zero byte (its size is then their last
 * argument, the modulus' size), which the man page has as the way to constant time. */
static int
check_padding (const IdentityRsaPadding *self, const guint8 *block, guint8 *plaintext, int size)
{
  gsize label_size;
  const guint8 *label;
  int result;

  if (self->pkcs1)
    result = RSA_padding_check_PKCS1_type_2 (plaintext, size, block, size, size);
  else
    {
      label = g_bytes_get_data (self->label, &label_size);
      result = RSA_padding_check_PKCS1_OAEP_mgf1 (plaintext, size, block, size, size, label, (int) label_size, self->hash,
                                                  self->mgf1_hash);
    }
  ERR_clear_error ();
  return result;
}

/* All ones where @a and @b are equal, else 0, without a branch; the compiler is not shown where the number comes from, or it
 * could make one. */
static guint32
mask_if_equal (guint32 a, guint32 b)
{
  guint32 difference = a ^ b;
  guint32 mask = ((difference | (0U - difference)) >> 31) - 1;

  __asm__ ("" : "+r" (mask));
  return mask;
}

/* Memory for what comes out of a block; the whole of it is wiped. */
typedef struct
{
  guint8 *data;
  int size; /* the block's */
} Room;

#define ROOM_MIN IDENTITY_RSA_SYMMETRIC_MAX

static void
room_init (Room *room, gsize block_size)
{
  g_assert (block_size <= IDENTITY_RSA_BLOCK_MAX);
  room->size = (int) block_size;
  room->data = g_malloc0 (MAX (block_size, ROOM_MIN));
}

static void
room_clear (Room *room)
{
  explicit_bzero (room->data, MAX ((gsize) room->size, ROOM_MIN));
  g_free (room->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Room, room_clear)

BaseSecret *
identity_rsa_unpad (const IdentityRsaPadding *self, const BaseSecret *block, GError **error)
{
  gsize block_size;
  const guint8 *data = base_secret_peek (block, &block_size);
  g_auto (Room) room = { NULL, 0 };
  int size;

  room_init (&room, block_size);
  size = check_padding (self, data, room.data, room.size);
  if (size >= 0)
    return base_secret_new (room.data, (gsize) size);
  identity_rsa_fail (error);
  return NULL;
}

BaseSecret *
identity_rsa_unpad_or_random (const IdentityRsaPadding *self, const BaseSecret *block, gsize size, GError **error)
{
  static const guint8 text[] = "tpmidd: a key in place of one that does not unpad";
  gsize block_size;
  const guint8 *data = base_secret_peek (block, &block_size);
  g_auto (Room) room = { NULL, 0 };
  guint8 key[IDENTITY_RSA_SYMMETRIC_MAX]; /* as long as SHA-256 makes it */
  guint32 mask;

  g_assert (size >= 1 && size <= sizeof key);
  room_init (&room, block_size);
  if (HMAC (EVP_sha256 (), data, room.size, text, sizeof text - 1, key, NULL) == NULL)
    {
      identity_x509_fail (error, "make a key");
      return NULL;
    }
  mask = mask_if_equal ((guint32) check_padding (self, data, room.data, room.size), (guint32) size);
  for (gsize i = 0; i < size; i++)
    key[i] = (guint8) ((room.data[i] & mask) | (key[i] & ~mask));

  BaseSecret *result = base_secret_new (key, size);
  explicit_bzero (key, sizeof key);
  return result;
}

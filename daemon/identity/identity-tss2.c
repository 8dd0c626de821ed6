/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-tss2.h"

#include "base-error.h"
#include "identity-x509.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define PEM_NAME "TSS2 PRIVATE KEY"
#define OID_LOADABLE_KEY "2.23.133.10.1.3"

typedef struct
{
  ASN1_OBJECT *type;
  ASN1_BOOLEAN empty_auth;
  ASN1_INTEGER *parent;
  ASN1_OCTET_STRING *public_blob, *private_blob;
} Tss2Key;

/* Members [1] to [3], policies and a secret for import, are of keys that tpmidd does not make; with them decoding fails. */
ASN1_SEQUENCE (Tss2Key) = {
  ASN1_SIMPLE (Tss2Key, type, ASN1_OBJECT),
  ASN1_EXP_OPT (Tss2Key, empty_auth, ASN1_BOOLEAN, 0),
  ASN1_SIMPLE (Tss2Key, parent, ASN1_INTEGER),
  ASN1_SIMPLE (Tss2Key, public_blob, ASN1_OCTET_STRING),
  ASN1_SIMPLE (Tss2Key, private_blob, ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END (Tss2Key)

static void
tss2_key_free (Tss2Key *key)
{
  ASN1_item_free ((ASN1_VALUE *) key, ASN1_ITEM_rptr (Tss2Key));
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tss2Key, tss2_key_free)

void
identity_tss2_clear (IdentityTss2 *self)
{
  g_clear_pointer (&self->public_blob, g_bytes_unref);
  g_clear_pointer (&self->private_blob, g_bytes_unref);
}

static gboolean
set_octets (ASN1_OCTET_STRING *to, GBytes *from)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (from, &size);

  return ASN1_OCTET_STRING_set (to, data, (int) size) == 1;
}

static GBytes *
to_der (const IdentityTss2 *self, GError **error)
{
  g_autoptr (Tss2Key) key = (Tss2Key *) ASN1_item_new (ASN1_ITEM_rptr (Tss2Key));
  guint8 *der = NULL;
  int size = -1;

  if (key != NULL)
    {
      ASN1_OBJECT_free (key->type);
      key->type = OBJ_txt2obj (OID_LOADABLE_KEY, 1);
      key->empty_auth = 0xff; /* DER has no other truth: X.690, 11.1 */
      if (key->type != NULL && ASN1_INTEGER_set_uint64 (key->parent, self->parent) == 1
          && set_octets (key->public_blob, self->public_blob) && set_octets (key->private_blob, self->private_blob))
        size = ASN1_item_i2d ((ASN1_VALUE *) key, &der, ASN1_ITEM_rptr (Tss2Key));
    }
  return identity_x509_take_der (der, size, "encode a key of the TPM", error);
}

char *
identity_tss2_encode (const IdentityTss2 *self, GError **error)
{
  g_autoptr (GBytes) der = to_der (self, error);
  g_autoptr (BIO) bio = BIO_new (BIO_s_mem ());
  char *pem = NULL;

  if (der == NULL)
    return NULL;
  if (bio == NULL || PEM_write_bio (bio, PEM_NAME, "", g_bytes_get_data (der, NULL), (long) g_bytes_get_size (der)) <= 0)
    {
      identity_x509_fail (error, "encode a key of the TPM");
      return NULL;
    }
  long size = BIO_get_mem_data (bio, &pem);
  return g_strndup (pem, (gsize) size);
}

/* The first PEM block of our name; blocks of others are passed over. */
static GBytes *
find_block (const char *pem, gsize size)
{
  g_autoptr (BIO) bio = BIO_new_mem_buf (pem, (int) size);
  GBytes *found = NULL;
  char *name, *header;
  guint8 *data;
  long data_size;

  while (bio != NULL && found == NULL && PEM_read_bio (bio, &name, &header, &data, &data_size) == 1)
    {
      if (strcmp (name, PEM_NAME) == 0)
        found = g_bytes_new (data, (gsize) data_size);
      OPENSSL_free (name);
      OPENSSL_free (header);
      OPENSSL_free (data);
    }
  ERR_clear_error ();
  return found;
}

static Tss2Key *
from_der (GBytes *der)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (der, &size);
  const guint8 *at = data;
  g_autoptr (Tss2Key) key = (Tss2Key *) ASN1_item_d2i (NULL, &at, (long) size, ASN1_ITEM_rptr (Tss2Key));

  ERR_clear_error ();
  return key != NULL && at == data + size ? g_steal_pointer (&key) : NULL;
}

static gboolean
take (const Tss2Key *key, IdentityTss2 *ret_key)
{
  char oid[32];
  uint64_t parent;

  if (OBJ_obj2txt (oid, sizeof oid, key->type, 1) <= 0 || strcmp (oid, OID_LOADABLE_KEY) != 0 || key->empty_auth <= 0
      || ASN1_INTEGER_get_uint64 (&parent, key->parent) != 1 || parent > G_MAXUINT32)
    return FALSE;
  *ret_key = (IdentityTss2) {
    .parent = (guint32) parent,
    .public_blob = g_bytes_new (ASN1_STRING_get0_data (key->public_blob), (gsize) ASN1_STRING_length (key->public_blob)),
    .private_blob = g_bytes_new (ASN1_STRING_get0_data (key->private_blob), (gsize) ASN1_STRING_length (key->private_blob)),
  };
  return TRUE;
}

gboolean
identity_tss2_decode (const char *pem, gsize size, const char *path, IdentityTss2 *ret_key, GError **error)
{
  g_autoptr (GBytes) der = find_block (pem, size);
  g_autoptr (Tss2Key) key = der != NULL ? from_der (der) : NULL;

  if (der == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "%s holds no key of a TPM", path);
      return FALSE;
    }
  gboolean good = key != NULL && take (key, ret_key);
  ERR_clear_error ();
  if (!good)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "the key of a TPM in %s cannot be decoded, or is of a kind that tpmidd does not "
                 "make", path);
  return good;
}

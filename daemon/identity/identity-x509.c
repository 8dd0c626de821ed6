/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-x509.h"

#include "base-error.h"

#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <string.h>

#define COORDINATE_MAX 48 /* bytes, on P-384 */
#define PREFIX_MAX 27
#define RSA_BITS 2048

/* Our curves, and what stands before x and y in a SubjectPublicKeyInfo with a named curve and an uncompressed point (RFC 5480,
 * 2): AlgorithmIdentifier { id-ecPublicKey, curve }, the header of the BIT STRING, no unused bits, 0x04 (SEC 1, 2.3.3). */
static const struct
{
  const char *name; /* OpenSSL's */
  gsize size;       /* bytes in a coordinate */
  gsize prefix_size;
  guint8 prefix[PREFIX_MAX];
} curves[] = {
  [IDENTITY_ALGORITHM_ECC_P256] = {
    SN_X9_62_prime256v1, 32, 27,
    { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 },
  },
  [IDENTITY_ALGORITHM_ECC_P384] = {
    SN_secp384r1, 48, 24,
    { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
      0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 },
  },
};

gboolean
identity_x509_fail (GError **error, const char *what)
{
  const char *reason = ERR_reason_error_string (ERR_peek_last_error ());

  g_set_error (error, TPMID_ERROR, TPMID_ERROR_FAILED, "cannot %s: %s", what,
               reason != NULL ? reason : "OpenSSL gives no reason");
  ERR_clear_error ();
  return FALSE;
}

static void
free_der (gpointer der)
{
  OPENSSL_free (der);
}

GBytes *
identity_x509_take_der (guint8 *der, int size, const char *what, GError **error)
{
  if (der == NULL || size <= 0)
    {
      identity_x509_fail (error, what);
      return NULL;
    }
  return g_bytes_new_with_free_func (der, (gsize) size, free_der, der);
}

GBytes *
identity_x509_spki_from_point (IdentityAlgorithm algorithm, const guint8 *x, const guint8 *y, gsize size)
{
  g_autoptr (GByteArray) spki = g_byte_array_new ();

  g_assert ((guint) algorithm < G_N_ELEMENTS (curves));
  if (size != curves[algorithm].size)
    return NULL;
  g_byte_array_append (spki, curves[algorithm].prefix, (guint) curves[algorithm].prefix_size);
  g_byte_array_append (spki, x, (guint) size);
  g_byte_array_append (spki, y, (guint) size);
  return g_byte_array_free_to_bytes (g_steal_pointer (&spki));
}

/* OpenSSL checks here that the point is on the curve and its coordinates are below the prime; our curves have cofactor 1, so
 * every such point is a public key. */
static EVP_PKEY *
key_from_point (const char *curve, const guint8 *point, gsize size)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name (NULL, "EC", NULL);
  OSSL_PARAM parameters[] = {
    OSSL_PARAM_construct_utf8_string (OSSL_PKEY_PARAM_GROUP_NAME, (char *) curve, 0),
    OSSL_PARAM_construct_octet_string (OSSL_PKEY_PARAM_PUB_KEY, (void *) point, size),
    OSSL_PARAM_construct_end (),
  };
  EVP_PKEY *key = NULL;

  if (context != NULL && EVP_PKEY_fromdata_init (context) == 1)
    (void) EVP_PKEY_fromdata (context, &key, EVP_PKEY_PUBLIC_KEY, parameters);
  return key;
}

EVP_PKEY *
identity_x509_key_from_modulus (const guint8 *modulus, gsize size, guint32 exponent, GError **error)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name (NULL, "RSA", NULL);
  g_autoptr (OSSL_PARAM_BLD) builder = OSSL_PARAM_BLD_new ();
  g_autoptr (BIGNUM) number = BN_bin2bn (modulus, (int) size, NULL);
  g_autoptr (OSSL_PARAM) parameters = NULL;
  EVP_PKEY *key = NULL;

  if (builder != NULL && number != NULL && OSSL_PARAM_BLD_push_BN (builder, OSSL_PKEY_PARAM_RSA_N, number) == 1
      && OSSL_PARAM_BLD_push_ulong (builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
    parameters = OSSL_PARAM_BLD_to_param (builder);
  if (context == NULL || parameters == NULL || EVP_PKEY_fromdata_init (context) != 1
      || EVP_PKEY_fromdata (context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    identity_x509_fail (error, "take the public half of an RSA key");
  return key;
}

static EVP_PKEY *
decode_spki (const guint8 *data, gsize size)
{
  const guint8 *at = data;
  g_autoptr (EVP_PKEY) key = size <= G_MAXINT ? d2i_PUBKEY (NULL, &at, (long) size) : NULL;

  return key != NULL && at == data + size ? g_steal_pointer (&key) : NULL;
}

EVP_PKEY *
identity_x509_key_from_spki (GBytes *spki)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (spki, &size);
  EVP_PKEY *key = NULL;
  gboolean ours = FALSE;

  /* Keys in our own encoding go past OpenSSL's decoder, which takes twice as long as the verification of a signature. */
  for (guint i = 0; i < G_N_ELEMENTS (curves) && !ours; i++)
    {
      gsize prefix_size = curves[i].prefix_size;
      ours = size == prefix_size + 2 * curves[i].size && memcmp (data, curves[i].prefix, prefix_size) == 0;
      if (ours)
        key = key_from_point (curves[i].name, data + prefix_size - 1, size - prefix_size + 1);
    }
  if (!ours)
    key = decode_spki (data, size);
  ERR_clear_error ();
  return key;
}

gboolean
identity_x509_verify (EVP_PKEY *key, GBytes *digest, GBytes *signature)
{
  g_autoptr (EVP_PKEY_CTX) context = NULL;
  gsize digest_size, signature_size;
  const guint8 *digest_data = g_bytes_get_data (digest, &digest_size);
  const guint8 *signature_data = g_bytes_get_data (signature, &signature_size);
  gboolean good = FALSE;

  if (EVP_PKEY_is_a (key, "EC"))
    context = EVP_PKEY_CTX_new_from_pkey (NULL, key, NULL);
  if (digest_size == 32 || digest_size == 48 || digest_size == 64)
    good = context != NULL && EVP_PKEY_verify_init (context) == 1
           && EVP_PKEY_verify (context, signature_data, signature_size, digest_data, digest_size) == 1;
  ERR_clear_error ();
  return good;
}

gboolean
identity_x509_algorithm_of_key (const EVP_PKEY *key, IdentityAlgorithm *ret_algorithm)
{
  char curve[32];
  gboolean known;

  if (EVP_PKEY_is_a (key, "RSA") && EVP_PKEY_get_bits (key) == RSA_BITS)
    {
      *ret_algorithm = IDENTITY_ALGORITHM_RSA_2048;
      return TRUE;
    }
  known = EVP_PKEY_is_a (key, "EC")
          && EVP_PKEY_get_utf8_string_param (key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, NULL) == 1;
  ERR_clear_error ();
  for (guint i = 0; known && i < G_N_ELEMENTS (curves); i++)
    if (g_str_equal (curve, curves[i].name))
      {
        *ret_algorithm = (IdentityAlgorithm) i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
get_coordinate (const EVP_PKEY *key, const char *name, guint8 *coordinate, gsize size)
{
  BIGNUM *number = NULL;
  gboolean found = EVP_PKEY_get_bn_param (key, name, &number) == 1 && BN_bn2binpad (number, coordinate, (int) size) == (int) size;

  BN_free (number);
  return found;
}

static GBytes *
spki_from_rsa (const EVP_PKEY *key, GError **error)
{
  guint8 *der = NULL;
  int size = i2d_PUBKEY (key, &der);

  return identity_x509_take_der (der, size, "encode a public key", error);
}

GBytes *
identity_x509_spki_from_key (const EVP_PKEY *key, IdentityAlgorithm algorithm, GError **error)
{
  guint8 x[COORDINATE_MAX];
  guint8 y[COORDINATE_MAX];

  if (algorithm == IDENTITY_ALGORITHM_RSA_2048)
    return spki_from_rsa (key, error);
  gsize size = curves[algorithm].size;
  if (!get_coordinate (key, OSSL_PKEY_PARAM_EC_PUB_X, x, size) || !get_coordinate (key, OSSL_PKEY_PARAM_EC_PUB_Y, y, size))
    {
      identity_x509_fail (error, "get the public point of a key");
      return NULL;
    }
  return identity_x509_spki_from_point (algorithm, x, y, size);
}

const EVP_MD *
identity_x509_md (IdentityHash hash)
{
  switch (hash)
    {
    case IDENTITY_HASH_SHA256:
      return EVP_sha256 ();
    case IDENTITY_HASH_SHA384:
      return EVP_sha384 ();
    case IDENTITY_HASH_SHA512:
      return EVP_sha512 ();
    }
  g_assert_not_reached ();
}

/* ecdsa-with-SHA256 and its sisters stand without parameters (RFC 5758, 3.2). */
static GBytes *
algorithm_identifier (IdentityHash hash, GError **error)
{
  X509_ALGOR *algorithm = X509_ALGOR_new ();
  guint8 *der = NULL;
  int size = 0;
  int nid;

  if (algorithm != NULL && OBJ_find_sigid_by_algs (&nid, EVP_MD_get_type (identity_x509_md (hash)), NID_X9_62_id_ecPublicKey) == 1
      && X509_ALGOR_set0 (algorithm, OBJ_nid2obj (nid), V_ASN1_UNDEF, NULL) == 1)
    size = i2d_X509_ALGOR (algorithm, &der);
  X509_ALGOR_free (algorithm);
  return identity_x509_take_der (der, size, "encode a signature's algorithm", error);
}

static void
append_header (GByteArray *der, gboolean constructed, gsize length, int tag)
{
  guint8 header[16];
  guint8 *end = header;

  ASN1_put_object (&end, constructed, (int) length, tag, V_ASN1_UNIVERSAL);
  g_byte_array_append (der, header, (guint) (end - header));
}

static void
append_bytes (GByteArray *der, GBytes *bytes)
{
  g_byte_array_append (der, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
}

GBytes *
identity_x509_sign (const IdentitySigner *signer, IdentityHash hash, const guint8 *tbs, gsize size, GError **error)
{
  static const guint8 no_unused_bits = 0; /* the first byte in the content of a BIT STRING (X.690, 8.6.2.2) */
  g_autoptr (GBytes) digest = identity_hash_digest (hash, tbs, size);
  g_autoptr (GBytes) algorithm = algorithm_identifier (hash, error);
  g_autoptr (GBytes) signature = algorithm != NULL ? signer->sign (signer->data, hash, digest, error) : NULL;
  g_autoptr (GByteArray) content = g_byte_array_new ();
  g_autoptr (GByteArray) der = g_byte_array_new ();

  if (signature == NULL)
    return NULL;
  g_byte_array_append (content, tbs, (guint) size);
  append_bytes (content, algorithm);
  append_header (content, FALSE, 1 + g_bytes_get_size (signature), V_ASN1_BIT_STRING);
  g_byte_array_append (content, &no_unused_bits, 1);
  append_bytes (content, signature);

  append_header (der, TRUE, content->len, V_ASN1_SEQUENCE);
  g_byte_array_append (der, content->data, content->len);
  return g_byte_array_free_to_bytes (g_steal_pointer (&der));
}

int
identity_x509_no_password (char *buffer, int size, int for_writing, void *asked)
{
  if (asked != NULL)
    *(gboolean *) asked = TRUE;
  return -1;
}

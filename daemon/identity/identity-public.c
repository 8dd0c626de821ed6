/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-public.h"

#include "base-error.h"
#include "identity-x509.h"

GBytes *
identity_public_from_point (IdentityAlgorithm algorithm, const guint8 *x, const guint8 *y, gsize size, GError **error)
{
  g_autoptr (GBytes) spki = identity_x509_spki_from_point (algorithm, x, y, size);
  g_autoptr (EVP_PKEY) key = spki != NULL ? identity_x509_key_from_spki (spki) : NULL;

  if (key != NULL)
    return g_steal_pointer (&spki);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "a public point of %" G_GSIZE_FORMAT
               " bytes a coordinate is not on the curve of %s", size, identity_algorithm_name (algorithm));
  return NULL;
}

GBytes *
identity_public_from_modulus (const guint8 *modulus, gsize size, guint32 exponent, GError **error)
{
  g_autoptr (EVP_PKEY) key = identity_x509_key_from_modulus (modulus, size, exponent, error);

  return key != NULL ? identity_x509_spki_from_key (key, IDENTITY_ALGORITHM_RSA_2048, error) : NULL;
}

GBytes *
identity_public_reference (GBytes *spki)
{
  return identity_hash_digest (IDENTITY_HASH_SHA256, g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
}

/* An INTEGER is signed and as short as can be (X.690, 8.3.2): no leading zero bytes, but one where the top bit is set. */
static void
append_integer (GByteArray *der, const guint8 *number, gsize size)
{
  while (size > 1 && *number == 0)
    {
      number++;
      size--;
    }
  guint8 pad = (*number & 0x80) != 0 ? 1 : 0;
  guint8 header[] = { 0x02, (guint8) (size + pad), 0x00 };

  g_byte_array_append (der, header, 2U + pad);
  g_byte_array_append (der, number, (guint) size);
}

GBytes *
identity_public_signature_to_der (const guint8 *r, const guint8 *s, gsize size)
{
  g_autoptr (GByteArray) der = g_byte_array_new ();
  guint8 header[] = { 0x30, 0x00 };

  /* One byte of length must do: 2 * (2 + 1 + 61) is still below 128. */
  g_assert (size > 0 && size <= 61);
  g_byte_array_append (der, header, sizeof header);
  append_integer (der, r, size);
  append_integer (der, s, size);
  der->data[1] = (guint8) (der->len - sizeof header);
  return g_byte_array_free_to_bytes (g_steal_pointer (&der));
}

gboolean
identity_public_verify (GBytes *spki, GBytes *digest, GBytes *signature)
{
  g_autoptr (EVP_PKEY) key = identity_x509_key_from_spki (spki);

  return key != NULL && identity_x509_verify (key, digest, signature);
}

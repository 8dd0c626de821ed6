/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-rsa-support.h"

#include "identity-cms.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

TestRsaKey *
test_rsa_key_new (Fixture *fixture, const char *name, guint bits)
{
  g_free (run_openssl (fixture, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:%u -out %s.pem", bits, name));
  g_free (run_openssl (fixture, "pkey -in %s.pem -pubout -out %s.pub", name, name));
  return test_rsa_key_load (fixture, name);
}

TestRsaKey *
test_rsa_key_load (Fixture *fixture, const char *name)
{
  TestRsaKey *self = g_new0 (TestRsaKey, 1);

  g_free (run_openssl (fixture, "pkey -in %s.pem -outform DER -out key.der", name));
  g_free (run_openssl (fixture, "pkey -pubin -in %s.pub -outform DER -out public.der", name));
  g_autoptr (GBytes) der = fixture_read (fixture, "key.der");
  const guint8 *at = g_bytes_get_data (der, NULL);
  self->key = d2i_AutoPrivateKey (NULL, &at, (long) g_bytes_get_size (der));
  g_assert_nonnull (self->key);
  self->spki = fixture_read (fixture, "public.der");
  return self;
}

void
test_rsa_key_free (TestRsaKey *self)
{
  if (self == NULL)
    return;
  EVP_PKEY_free (self->key);
  g_bytes_unref (self->spki);
  g_free (self);
}

BaseSecret *
test_rsa_key_apply (TestRsaKey *self, GBytes *ciphertext)
{
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey (NULL, self->key, NULL);
  size_t size = (size_t) EVP_PKEY_get_size (self->key);
  g_autofree guint8 *block = g_malloc (size);

  g_assert_cmpint (EVP_PKEY_decrypt_init (context), ==, 1);
  g_assert_cmpint (EVP_PKEY_CTX_set_rsa_padding (context, RSA_NO_PADDING), ==, 1);
  g_assert_cmpint (EVP_PKEY_decrypt (context, block, &size, g_bytes_get_data (ciphertext, NULL), g_bytes_get_size (ciphertext)),
                   ==, 1);
  g_assert_cmpuint (size, ==, EVP_PKEY_get_size (self->key));
  EVP_PKEY_CTX_free (context);
  return base_secret_new (block, size);
}

void
assert_decrypt_failed (GError **error)
{
  g_autoptr (GError) expected = NULL;

  g_assert_false (identity_rsa_fail (&expected));
  g_assert_error (*error, TPMID_ERROR, TPMID_ERROR_DECRYPT_FAILED);
  g_assert_cmpstr ((*error)->message, ==, expected->message);
  g_assert_cmpuint (ERR_peek_error (), ==, 0);
  g_clear_error (error);
}

void
assert_clean (const GError *error)
{
  g_assert_no_error (error);
  g_assert_cmpuint (ERR_peek_error (), ==, 0);
}

void
assert_secret (const BaseSecret *secret, gconstpointer data, gsize size)
{
  gsize found_size;
  const guint8 *found = base_secret_peek (secret, &found_size);

  g_assert_cmpmem (found, found_size, data, size);
}

BaseSecret *
test_rsa_key_open_cms (TestRsaKey *key, GBytes *message, GError **error)
{
  g_autoptr (IdentityCms) cms = identity_cms_parse (message, error);
  g_autoptr (GBytes) encrypted_key = NULL;
  g_autoptr (IdentityRsaPadding) padding = NULL;
  g_autoptr (BaseSecret) content_key = NULL;

  if (cms == NULL || !identity_cms_select (cms, key->spki, &encrypted_key, &padding, error)
      || !identity_rsa_check_ciphertext (key->spki, encrypted_key, error))
    return NULL;
  g_autoptr (BaseSecret) block = test_rsa_key_apply (key, encrypted_key);
  content_key = identity_rsa_unpad_or_random (padding, block, identity_cms_key_size (cms), error);
  return content_key != NULL ? identity_cms_open (cms, content_key, error) : NULL;
}

void
assert_cms_opens (TestRsaKey *key, GBytes *message, gconstpointer plaintext, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSecret) found = test_rsa_key_open_cms (key, message, &error);

  assert_clean (error);
  assert_secret (found, plaintext, size);
}

void
assert_cms_fails (TestRsaKey *key, GBytes *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (test_rsa_key_open_cms (key, message, &error));
  assert_decrypt_failed (&error);
  g_assert_null (test_rsa_key_open_cms (key, message, NULL));
}

void
assert_cms_refused (TestRsaKey *key, GBytes *message, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (test_rsa_key_open_cms (key, message, &error));
  g_assert_cmpuint (ERR_peek_error (), ==, 0);
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, words);
  g_assert_null (test_rsa_key_open_cms (key, message, NULL));
}

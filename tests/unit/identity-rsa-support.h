/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "identity-support.h"

#include <openssl/evp.h>

G_BEGIN_DECLS

/* What the tests of RSA decryption share: keys that openssl(1) made, the private operation as a TPM does it, and the uniform
 * error. */

typedef struct
{
  EVP_PKEY *key;
  GBytes *spki;
} TestRsaKey;

/* Makes NAME.pem, and NAME.pub with the public half, with openssl in the fixture's folder. */
TestRsaKey *test_rsa_key_new (Fixture *fixture, const char *name, guint bits);
/* From the two files. */
TestRsaKey *test_rsa_key_load (Fixture *fixture, const char *name);
void test_rsa_key_free (TestRsaKey *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestRsaKey, test_rsa_key_free)

/* The private operation without any padding; @ciphertext has the modulus' size. */
BaseSecret *test_rsa_key_apply (TestRsaKey *self, GBytes *ciphertext);

/* Asserts that @error is the one for everything that does not decrypt, word for word, and OpenSSL's error queue empty; clears
 * the error. */
void assert_decrypt_failed (GError **error);
/* Asserts that @error is unset, and OpenSSL's error queue empty. */
void assert_clean (const GError *error);
/* Asserts that @secret holds exactly these bytes. */
void assert_secret (const BaseSecret *secret, gconstpointer data, gsize size);

/* Decrypts a CMS message as the daemon does, the private operation in between. */
BaseSecret *test_rsa_key_open_cms (TestRsaKey *key, GBytes *message, GError **error);
void assert_cms_opens (TestRsaKey *key, GBytes *message, gconstpointer plaintext, gsize size);
void assert_cms_fails (TestRsaKey *key, GBytes *message);
/* Asserts that the message is refused before the key is asked, in a sentence with @words. */
void assert_cms_refused (TestRsaKey *key, GBytes *message, const char *words);

G_END_DECLS

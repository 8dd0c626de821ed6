/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-tpm.h"
#include "tpm-facts.h"
#include "tpm-key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

G_BEGIN_DECLS

/* For tests of keys that decrypt: where they are, what they are given, and what may be left in the TPM afterwards. */

#define TEST_PARENT 0x81005400u
#define TEST_CREDENTIALS 0x81005402u

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY_CTX, EVP_PKEY_CTX_free)

typedef enum
{
  TEST_KEY_PERSISTENT, /* the key "credentials" */
  TEST_KEY_LOADED,     /* a key that is loaded for each use */
  TEST_N_KEY_KINDS
} TestKeyKind;

/* A number below the modulus, and what openssl makes of it with the public key. */
typedef struct
{
  guint8 plaintext[TPM_MODULUS_MAX], ciphertext[TPM_MODULUS_MAX];
} TestBlock;

static inline TpmLink *
test_decrypt_link (const char *tcti, gboolean exclusive)
{
  return tpm_link_new (&(TpmLinkOptions){ .tcti = tcti, .sysfs_root = "/nonexistent", .exclusive = exclusive });
}

static inline gboolean
test_decrypt_make (TpmLink *link, TestKeyKind kind, TpmNewKey *ret_key, GError **error)
{
  static const TpmParent parent = { .handle = TEST_PARENT };
  gboolean persistent = kind == TEST_KEY_PERSISTENT;

  return tpm_make_key (link, &parent, persistent ? TEST_CREDENTIALS : 0, TPM_KEY_RSA_2048,
                       persistent ? TPM_PURPOSE_CREDENTIALS : TPM_PURPOSE_DECRYPT, ret_key, error);
}

/* As the rooms above have it: with the parent on record. Borrows of @key. */
static inline TpmKeyRef
test_decrypt_ref (const TpmNewKey *key, TestKeyKind kind)
{
  TpmKeyRef ref = {
    .handle = kind == TEST_KEY_PERSISTENT ? TEST_CREDENTIALS : 0,
    .parent = { .handle = TEST_PARENT, .is_pinned = TRUE },
    .public_blob = key->public_blob,
    .private_blob = key->private_blob,
  };

  memcpy (ref.name, key->public.name, TPM_NAME_SIZE);
  memcpy (ref.parent.name, key->srk_name, TPM_NAME_SIZE);
  return ref;
}

static inline EVP_PKEY *
test_decrypt_to_openssl (const TpmPublic *public)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name (NULL, "RSA", NULL);
  guint8 modulus[TPM_MODULUS_MAX];
  guint64 exponent = public->exponent;
  EVP_PKEY *key = NULL;

  /* OpenSSL takes numbers in the order of the machine. */
  for (gsize i = 0; i < public->size; i++)
    modulus[G_BYTE_ORDER == G_LITTLE_ENDIAN ? public->size - 1 - i : i] = public->modulus[i];
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_BN (OSSL_PKEY_PARAM_RSA_N, modulus, public->size),
    OSSL_PARAM_construct_uint64 (OSSL_PKEY_PARAM_RSA_E, &exponent),
    OSSL_PARAM_construct_end (),
  };
  g_assert_cmpint (EVP_PKEY_fromdata_init (context), ==, 1);
  g_assert_cmpint (EVP_PKEY_fromdata (context, &key, EVP_PKEY_PUBLIC_KEY, params), ==, 1);
  return key;
}

/**
 * test_block_init:
 * @zeros: how many bytes at the front are zero, at least 1
 */
static inline void
test_block_init (TestBlock *block, const TpmPublic *public, gsize zeros)
{
  g_autoptr (EVP_PKEY) key = test_decrypt_to_openssl (public);
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new (key, NULL);
  gsize size = sizeof block->ciphertext;

  g_assert_cmpuint (public->size, ==, sizeof block->plaintext);
  for (gsize i = 0; i < sizeof block->plaintext; i++)
    block->plaintext[i] = i < zeros ? 0 : (guint8) g_random_int_range (1, 256);
  g_assert_cmpint (EVP_PKEY_encrypt_init (context), ==, 1);
  g_assert_cmpint (EVP_PKEY_CTX_set_rsa_padding (context, RSA_NO_PADDING), ==, 1);
  g_assert_cmpint (EVP_PKEY_encrypt (context, block->ciphertext, &size, block->plaintext, sizeof block->plaintext), ==, 1);
  g_assert_cmpuint (size, ==, sizeof block->ciphertext);
}

/* Whatever comes out must be the right thing. */
static inline gboolean
test_decrypt_try (TpmLink *link, const TpmKeyRef *key, const TestBlock *block, GError **error)
{
  g_autoptr (BaseSecret) secret = NULL;
  gsize size;

  if (!tpm_key_decrypt (link, key, block->ciphertext, sizeof block->ciphertext, &secret, error))
    {
      g_assert_null (secret);
      return FALSE;
    }
  const guint8 *data = base_secret_peek (secret, &size);
  g_assert_cmpmem (data, size, block->plaintext, sizeof block->plaintext);
  return TRUE;
}

static inline guint
test_decrypt_count_handles (TpmLink *link, guint32 first)
{
  g_autoptr (GArray) handles = NULL;

  g_assert_cmpuint (tpm_facts_read_handles (tpm_link_esys (link), first, 64, &handles), ==, 0);
  return handles->len;
}

/**
 * test_decrypt_assert_tidy:
 *
 * Asks the TPM, over an open link: nothing is in it but the session of the link, which a shared one does not have.
 */
static inline void
test_decrypt_assert_tidy (TpmLink *link)
{
  guint own = *tpm_link_own_session (link) != ESYS_TR_NONE;

  /* Transient objects, loaded sessions, saved sessions: TPM 2.0 Library Part 2, 7.2. */
  g_assert_cmpuint (test_decrypt_count_handles (link, 0x80000000u), ==, 0);
  g_assert_cmpuint (test_decrypt_count_handles (link, 0x02000000u), ==, own);
  g_assert_cmpuint (test_decrypt_count_handles (link, 0x03000000u), ==, 0);
  g_assert_true (own == 0 || tpm_link_is_exclusive (link));
}

/**
 * test_decrypt_play_resource_manager:
 *
 * A link that closes because of an error leaves to the kernel's resource manager what it held; a shared TPM of the tests has none.
 */
static inline void
test_decrypt_play_resource_manager (TpmLink *link, TestSwtpm *swtpm)
{
  if (tpm_link_is_open (link) || tpm_link_is_exclusive (link))
    return;
  test_swtpm_run (swtpm, "tpm2_flushcontext -Q -t");
  test_swtpm_run (swtpm, "tpm2_flushcontext -Q -l");
}

G_END_DECLS

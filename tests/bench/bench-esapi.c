/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-caller.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include <string.h>

typedef struct
{
  TSS2_TCTI_CONTEXT *tcti;
  ESYS_CONTEXT *esys;
  ESYS_TR key;
  ESYS_TR session;
  TPM2B_DIGEST digest;
  TPM2B_PUBLIC_KEY_RSA ciphertext;
} BenchEsapi;

static void
check (TSS2_RC rc, const char *doing)
{
  if (rc != TSS2_RC_SUCCESS)
    bench_fail ("%s: %s", doing, Tss2_RC_Decode (rc));
}

static BenchEsapi *
open_key (const BenchSubject *subject)
{
  BenchEsapi *self = g_new0 (BenchEsapi, 1);
  const char *key = subject->key;
  guint64 handle;

  if (!g_ascii_string_to_unsigned (key + 2 * g_str_has_prefix (key, "0x"), 16, 1, G_MAXUINT32, &handle, NULL))
    bench_fail ("%s is not a handle", key);
  check (Tss2_TctiLdr_Initialize (subject->target, &self->tcti), subject->target);
  check (Esys_Initialize (&self->esys, self->tcti, NULL), "initialize the ESAPI");
  check (Esys_TR_FromTPMPublic (self->esys, (TPM2_HANDLE) handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &self->key), key);
  self->session = ESYS_TR_NONE;
  return self;
}

gpointer
bench_esapi_open_sign (const BenchSubject *subject)
{
  BenchEsapi *self = open_key (subject);

  if (subject->given_size != TPM2_SHA256_DIGEST_SIZE)
    bench_fail ("%" G_GSIZE_FORMAT " bytes are no SHA-256 digest", subject->given_size);
  self->digest.size = TPM2_SHA256_DIGEST_SIZE;
  memcpy (self->digest.buffer, subject->given, subject->given_size);
  return self;
}

gpointer
bench_esapi_open_decrypt_clear (const BenchSubject *subject)
{
  BenchEsapi *self = open_key (subject);

  if (subject->given_size > sizeof self->ciphertext.buffer)
    bench_fail ("%" G_GSIZE_FORMAT " bytes are no RSA ciphertext", subject->given_size);
  self->ciphertext.size = (UINT16) subject->given_size;
  memcpy (self->ciphertext.buffer, subject->given, subject->given_size);
  return self;
}

/* The salt is for the key itself, which saves another one: what starting a session costs is not measured. */
gpointer
bench_esapi_open_decrypt (const BenchSubject *subject)
{
  static const TPMT_SYM_DEF aes = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
  BenchEsapi *self = bench_esapi_open_decrypt_clear (subject);

  check (Esys_StartAuthSession (self->esys, self->key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC,
                                &aes, TPM2_ALG_SHA256, &self->session),
         "start a session");
  check (Esys_TRSess_SetAttributes (self->esys, self->session, TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT, 0xff),
         "set up the session");
  return self;
}

void
bench_esapi_sign_p256 (gpointer data)
{
  static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
  static const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256 };
  BenchEsapi *self = data;
  TPMT_SIGNATURE *signature = NULL;

  check (Esys_Sign (self->esys, self->key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &self->digest, &scheme, &no_ticket,
                    &signature),
         "sign");
  Esys_Free (signature);
}

/* The block with its padding, as tpmidd takes it from the TPM: an encoded message begins with a zero (RFC 8017, 7.1.1). */
void
bench_esapi_decrypt (gpointer data)
{
  static const TPMT_RSA_DECRYPT scheme = { .scheme = TPM2_ALG_NULL };
  static const TPM2B_DATA no_label = { 0 };
  BenchEsapi *self = data;
  ESYS_TR authorization = self->session != ESYS_TR_NONE ? self->session : ESYS_TR_PASSWORD;
  TPM2B_PUBLIC_KEY_RSA *block = NULL;

  check (Esys_RSA_Decrypt (self->esys, self->key, authorization, ESYS_TR_NONE, ESYS_TR_NONE, &self->ciphertext, &scheme,
                           &no_label, &block),
         "decrypt");
  if (block->size != self->ciphertext.size || block->buffer[0] != 0)
    bench_fail ("decrypt: what came back is no padded block");
  Esys_Free (block);
}

void
bench_esapi_close (gpointer data)
{
  BenchEsapi *self = data;

  if (self->session != ESYS_TR_NONE)
    (void) Esys_FlushContext (self->esys, self->session);
  (void) Esys_TR_Close (self->esys, &self->key);
  Esys_Finalize (&self->esys);
  Tss2_TctiLdr_Finalize (&self->tcti);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-caller.h"

#include <tss2/tss2_esys.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

typedef struct
{
  TSS2_TCTI_CONTEXT *tcti;
  ESYS_CONTEXT *esys;
  ESYS_TR key;
} BenchEsapi;

static void
check (TSS2_RC rc, const char *doing)
{
  if (rc != TSS2_RC_SUCCESS)
    bench_fail ("%s: %s", doing, Tss2_RC_Decode (rc));
}

gpointer
bench_esapi_open (const char *target, const char *key)
{
  BenchEsapi *self = g_new0 (BenchEsapi, 1);
  guint64 handle;

  if (!g_ascii_string_to_unsigned (key + 2 * g_str_has_prefix (key, "0x"), 16, 1, G_MAXUINT32, &handle, NULL))
    bench_fail ("%s is not a handle", key);
  check (Tss2_TctiLdr_Initialize (target, &self->tcti), target);
  check (Esys_Initialize (&self->esys, self->tcti, NULL), "initialize the ESAPI");
  check (Esys_TR_FromTPMPublic (self->esys, (TPM2_HANDLE) handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &self->key), key);
  return self;
}

void
bench_esapi_sign_p256 (gpointer data)
{
  static const TPMT_TK_HASHCHECK no_ticket = { .tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL };
  static const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256 };
  static const TPM2B_DIGEST digest = { .size = 32, .buffer = "the digest that each of them sig" };
  BenchEsapi *self = data;
  TPMT_SIGNATURE *signature = NULL;

  check (Esys_Sign (self->esys, self->key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digest, &scheme, &no_ticket, &signature),
         "sign");
  Esys_Free (signature);
}

void
bench_esapi_close (gpointer data)
{
  BenchEsapi *self = data;

  (void) Esys_TR_Close (self->esys, &self->key);
  Esys_Finalize (&self->esys);
  Tss2_TctiLdr_Finalize (&self->tcti);
  g_free (self);
}

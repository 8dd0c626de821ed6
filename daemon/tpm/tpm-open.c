/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-open.h"

#include "tpm-auto.h"
#include "tpm-facts.h"
#include "tpm-rc.h"

#include <tss2/tss2_sys.h>

/* As many as any TPM can have loaded. */
#define STALE_MAX 64
/* First handle of a type. TPM2_TRANSIENT_FIRST of tpm2-tss 3.2.1 shifts into the sign bit, which is undefined. */
#define HANDLES_OF(type) ((guint32) (type) << TPM2_HR_SHIFT)

TSS2_RC
tpm_open_ask_failure_mode (ESYS_CONTEXT *esys, gboolean *ret_failed)
{
  g_autoptr (TPM2B_MAX_BUFFER) data = NULL;
  TPM2_RC result = TPM2_RC_SUCCESS;
  TSS2_RC rc = Esys_GetTestResult (esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &data, &result);

  /* What cannot even tell is in failure mode. */
  if (rc != TSS2_RC_SUCCESS && rc != TPM2_RC_FAILURE)
    return rc;
  *ret_failed = rc == TPM2_RC_FAILURE || result == TPM2_RC_FAILURE;
  return TSS2_RC_SUCCESS;
}

static TSS2_RC
start_tpm (ESYS_CONTEXT *esys, TpmFacts *facts)
{
  TSS2_RC rc = Esys_Startup (esys, TPM2_SU_CLEAR);

  /* "Already started" is the same code, and as good. TPM 2.0 Library Part 3, 9.3. */
  if (rc != TSS2_RC_SUCCESS && rc != TPM2_RC_INITIALIZE)
    return rc;
  return tpm_facts_read_fixed (esys, facts);
}

static TSS2_RC
read_facts (ESYS_CONTEXT *esys, gboolean exclusive, TpmFacts *facts, gboolean *ret_complete)
{
  TSS2_RC rc = tpm_facts_read_fixed (esys, facts);

  if (rc == TPM2_RC_INITIALIZE && exclusive)
    rc = start_tpm (esys, facts);
  if (rc == TSS2_RC_SUCCESS)
    rc = tpm_facts_read_variable (esys, facts, ret_complete);
  return rc;
}

static TSS2_RC
flush_stale (ESYS_CONTEXT *esys, guint32 first)
{
  g_autoptr (GArray) handles = NULL;
  TSS2_SYS_CONTEXT *sys = NULL;
  TSS2_RC rc = tpm_facts_read_handles (esys, first, STALE_MAX, &handles);

  if (rc == TSS2_RC_SUCCESS)
    rc = Esys_GetSysContext (esys, &sys);
  /* Below ESYS, which would want the public area of an object that it flushes: a sequence has none. */
  for (guint i = 0; rc == TSS2_RC_SUCCESS && i < handles->len; i++)
    {
      TSS2_RC flushed = Tss2_Sys_FlushContext (sys, g_array_index (handles, guint32, i));
      if (flushed != TSS2_RC_SUCCESS && tpm_rc_is_transport (flushed))
        rc = flushed;
    }
  return rc;
}

gboolean
tpm_open_greet (ESYS_CONTEXT *esys, gboolean exclusive, gboolean *suspect_failure, TpmFacts *ret_facts, GError **error)
{
  TpmFacts facts = { 0 };
  gboolean complete = FALSE;
  TSS2_RC rc = read_facts (esys, exclusive, &facts, &complete);

  /* In failure mode GetCapability still works, but tells only who made the TPM. TPM 2.0 Library Part 1, 12.4. */
  if (rc == TPM2_RC_FAILURE || *suspect_failure || (rc == TSS2_RC_SUCCESS && !complete))
    {
      TSS2_RC asked = tpm_open_ask_failure_mode (esys, suspect_failure);
      if (asked != TSS2_RC_SUCCESS)
        rc = asked;
      else if (*suspect_failure)
        rc = TPM2_RC_FAILURE;
    }
  if (rc != TSS2_RC_SUCCESS)
    return tpm_rc_set_error (error, rc, "open the TPM");

  if (exclusive)
    {
      rc = flush_stale (esys, HANDLES_OF (TPM2_HT_TRANSIENT));
      if (rc == TSS2_RC_SUCCESS)
        rc = flush_stale (esys, HANDLES_OF (TPM2_HT_LOADED_SESSION));
      if (rc != TSS2_RC_SUCCESS)
        return tpm_rc_set_error (error, rc, "flush what an earlier program left in the TPM");
    }
  *ret_facts = facts;
  return TRUE;
}

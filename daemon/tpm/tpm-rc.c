/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-rc.h"

#include <tss2/tss2_common.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tpm2_types.h>

/* TPM 2.0 Library Part 2, 6.6.2: bit 7 marks format one, where bits 0 to 5 are the error, bit 6 says "parameter" and bits 8
 * to 11 count parameters, handles (1 to 7) or sessions (8 and more). Format zero has 12 bits. */
#define FORMAT_ONE 0x080u
#define FORMAT_ONE_MASK 0x0bfu
#define FORMAT_ZERO_MASK 0xfffu
#define CODE_MASK 0xffffu

typedef struct
{
  guint32 rc;
  TpmidError error;
  const char *sentence;
} Row;

#define NO_LONGER_LOADED TPMID_ERROR_TPM_UNAVAILABLE, "another program removed a loaded object or session; try again"
#define OUT_OF_OBJECTS TPMID_ERROR_EXHAUSTED, "the TPM has no room for another loaded object; end other programs that use it"
#define OUT_OF_SESSIONS TPMID_ERROR_EXHAUSTED, "the TPM has no room for another session; end other programs that use it"
#define UNSUPPORTED TPMID_ERROR_UNSUPPORTED_ALGORITHM, "this TPM lacks the algorithm, curve, hash or scheme"
#define BAD_DATA TPMID_ERROR_INVALID_BLOB, "the data is not in the form that the TPM takes"
#define POLICY TPMID_ERROR_POLICY_NOT_MET, "a policy does not hold"
#define TRANSPORT TPMID_ERROR_TPM_UNAVAILABLE, "the connection to the TPM failed and is being reopened; try again"
#define NOT_STARTED TPMID_ERROR_TPM_NOT_STARTED, "the TPM has not been started; firmware must do it: reboot the device"

/* Codes of the TPM, with handle, session and parameter bits stripped. */
static const Row tpm_rows[] = {
  { TPM2_RC_BAD_TAG, TPMID_ERROR_TPM_VERSION, "this is a TPM 1.2; a TPM 2.0 is needed" },
  { TPM2_RC_INITIALIZE, NOT_STARTED },
  { TPM2_RC_REBOOT, NOT_STARTED },
  { TPM2_RC_FAILURE, TPMID_ERROR_TPM_FAILURE, "the TPM is in failure mode; power-cycle the device" },
  { TPM2_RC_UPGRADE, TPMID_ERROR_TPM_FAILURE, "the TPM waits for the rest of a firmware update; finish it" },
  { TPM2_RC_DISABLED, TPMID_ERROR_CLEAR_DISABLED, "TPM2_Clear is disabled; clear the TPM in the firmware's setup" },
  { TPM2_RC_AUTH_UNAVAILABLE, TPMID_ERROR_AUTH_FAILED, "the TPM does not allow a password here" },
  { TPM2_RC_POLICY, POLICY },
  { TPM2_RC_PCR_CHANGED, POLICY },
  { TPM2_RC_TOO_MANY_CONTEXTS, OUT_OF_SESSIONS },
  { TPM2_RC_COMMAND_CODE, TPMID_ERROR_UNSUPPORTED_BY_TPM, "this TPM, or the kernel in between, lacks the command" },
  { TPM2_RC_NV_RANGE, TPMID_ERROR_INVALID_ARGUMENT, "the NV index is smaller than that" },
  { TPM2_RC_NV_SIZE, TPMID_ERROR_INVALID_ARGUMENT, "the TPM makes no NV index of that size" },
  { TPM2_RC_NV_LOCKED, TPMID_ERROR_POLICY_NOT_MET, "the NV index is locked until the TPM starts again; reboot the device" },
  { TPM2_RC_NV_AUTHORIZATION, TPMID_ERROR_AUTH_FAILED, "the NV index does not allow that with this authorization" },
  { TPM2_RC_NV_UNINITIALIZED, TPMID_ERROR_NOT_FOUND, "the NV index has not been written" },
  { TPM2_RC_NV_SPACE, TPMID_ERROR_NV_FULL, "no NV space is left in the TPM; remove indices or persistent keys" },
  { TPM2_RC_NV_DEFINED, TPMID_ERROR_HANDLE_TAKEN, "the handle is taken by somebody else; configure another" },
  { TPM2_RC_ASYMMETRIC, UNSUPPORTED },
  { TPM2_RC_HASH, UNSUPPORTED },
  { TPM2_RC_HIERARCHY, TPMID_ERROR_HIERARCHY_DISABLED, "the hierarchy is switched off; enable it in the firmware's setup" },
  { TPM2_RC_KEY_SIZE, UNSUPPORTED },
  { TPM2_RC_MGF, UNSUPPORTED },
  { TPM2_RC_MODE, UNSUPPORTED },
  { TPM2_RC_HANDLE, TPMID_ERROR_NOT_FOUND, "nothing lies at that handle" },
  { TPM2_RC_KDF, UNSUPPORTED },
  { TPM2_RC_AUTH_FAIL, TPMID_ERROR_AUTH_FAILED, "the TPM refused the password" },
  { TPM2_RC_SCHEME, UNSUPPORTED },
  { TPM2_RC_SIZE, BAD_DATA },
  { TPM2_RC_SYMMETRIC, UNSUPPORTED },
  { TPM2_RC_INSUFFICIENT, BAD_DATA },
  { TPM2_RC_POLICY_FAIL, POLICY },
  { TPM2_RC_INTEGRITY, TPMID_ERROR_KEY_ORPHANED, "the key belongs to another TPM, or to this one before it was cleared" },
  { TPM2_RC_BAD_AUTH, TPMID_ERROR_AUTH_FAILED, "the TPM refused the password" },
  { TPM2_RC_EXPIRED, POLICY },
  { TPM2_RC_POLICY_CC, POLICY },
  { TPM2_RC_BINDING, BAD_DATA },
  { TPM2_RC_CURVE, UNSUPPORTED },
  { TPM2_RC_ECC_POINT, TPMID_ERROR_INVALID_ARGUMENT, "the point is not on the curve" },
  { TPM2_RC_CONTEXT_GAP, OUT_OF_SESSIONS },
  { TPM2_RC_OBJECT_MEMORY, OUT_OF_OBJECTS },
  { TPM2_RC_SESSION_MEMORY, OUT_OF_SESSIONS },
  { TPM2_RC_MEMORY, OUT_OF_OBJECTS },
  { TPM2_RC_SESSION_HANDLES, OUT_OF_SESSIONS },
  { TPM2_RC_OBJECT_HANDLES, OUT_OF_OBJECTS },
  { TPM2_RC_YIELDED, TPMID_ERROR_BUSY, "the TPM is busy; try again" },
  { TPM2_RC_CANCELED, TPMID_ERROR_BUSY, "the TPM's command was cancelled by the system; try again" },
  { TPM2_RC_TESTING, TPMID_ERROR_BUSY, "the TPM is testing itself; try again" },
  { TPM2_RC_REFERENCE_H0, NO_LONGER_LOADED },
  { TPM2_RC_REFERENCE_H1, NO_LONGER_LOADED },
  { TPM2_RC_REFERENCE_H2, NO_LONGER_LOADED },
  { TPM2_RC_REFERENCE_S0, NO_LONGER_LOADED },
  { TPM2_RC_REFERENCE_S1, NO_LONGER_LOADED },
  { TPM2_RC_REFERENCE_S2, NO_LONGER_LOADED },
  { TPM2_RC_NV_RATE, TPMID_ERROR_RATE_LIMITED, "the TPM protects its NV memory from wear; try again later" },
  { TPM2_RC_LOCKOUT, TPMID_ERROR_TPM_LOCKOUT, "the TPM is locked after wrong passwords; wait for its recovery time" },
  { TPM2_RC_RETRY, TPMID_ERROR_BUSY, "the TPM is busy; try again" },
  { TPM2_RC_NV_UNAVAILABLE, TPMID_ERROR_BUSY, "the TPM's NV memory cannot be written at the moment; try again later" },
};

/* Codes of single layers of the TSS; what has no row here is looked up by layer alone. */
static const Row tss_rows[] = {
  { TSS2_TCTI_RC_NOT_SUPPORTED, TPMID_ERROR_BAD_TCTI, "no such TCTI can be loaded; install it or mend Tcti=" },
  { TSS2_TCTI_RC_BAD_VALUE, TPMID_ERROR_BAD_TCTI, "the TCTI does not understand its configuration; mend Tcti=" },
  { TSS2_ESYS_RC_BAD_SEQUENCE, TRANSPORT },
  { TSS2_ESYS_RC_IO_ERROR, TRANSPORT },
  { TSS2_ESYS_RC_MALFORMED_RESPONSE, TRANSPORT },
  { TSS2_ESYS_RC_INSUFFICIENT_RESPONSE, TRANSPORT },
  { TSS2_ESYS_RC_RSP_AUTH_FAILED, TPMID_ERROR_UNTRUSTED_RESPONSE,
    "an answer of the TPM did not verify: something sits between TPM and processor" },
  { TSS2_SYS_RC_MALFORMED_RESPONSE, TRANSPORT },
  { TSS2_SYS_RC_INSUFFICIENT_RESPONSE, TRANSPORT },
  { TSS2_SYS_RC_INSUFFICIENT_CONTEXT, TRANSPORT },
};

static const Row transport_row = { 0, TRANSPORT };
static const Row defect_row = { 0, TPMID_ERROR_FAILED, "an answer that tpmidd does not know; report it with the journal" };
static const Row no_object_row = { 0, TPMID_ERROR_NOT_FOUND, "nothing lies at that handle" };

static gboolean
comes_from_tpm (guint32 rc)
{
  guint32 layer = rc & TSS2_RC_LAYER_MASK;

  /* The kernel's resource manager marks its own answers with the lower of these two layers, that of the TSS with both. */
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

static guint32
strip (guint32 rc)
{
  return (rc & FORMAT_ONE) != 0 ? rc & FORMAT_ONE_MASK : rc & FORMAT_ZERO_MASK;
}

static const Row *
find_row (const Row *rows, gsize n_rows, guint32 rc)
{
  for (gsize i = 0; i < n_rows; i++)
    if (rows[i].rc == rc)
      return &rows[i];
  return NULL;
}

static const Row *
look_up (guint32 rc)
{
  const Row *row;

  if (comes_from_tpm (rc))
    {
      /* One error with two meanings: a handle that is out of range, or a value (an algorithm, a curve) that is. */
      if (strip (rc) == TPM2_RC_VALUE)
        return (rc & TPM2_RC_P) != 0 ? find_row (tpm_rows, G_N_ELEMENTS (tpm_rows), TPM2_RC_HASH) : &no_object_row;
      row = find_row (tpm_rows, G_N_ELEMENTS (tpm_rows), strip (rc));
      return row != NULL ? row : &defect_row;
    }

  row = find_row (tss_rows, G_N_ELEMENTS (tss_rows), rc);
  if (row != NULL)
    return row;
  /* All that is unmarshalled here is answers. One that cannot be is no answer of a TPM, however well its frame looked. */
  guint32 layer = rc & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TCTI_RC_LAYER || layer == TSS2_MU_RC_LAYER ? &transport_row : &defect_row;
}

TpmidError
tpm_rc_to_error (guint32 rc)
{
  return look_up (rc)->error;
}

gboolean
tpm_rc_is_transport (guint32 rc)
{
  return !comes_from_tpm (rc);
}

gboolean
tpm_rc_is_transient (guint32 rc)
{
  static const guint32 transient[] = {
    TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING, TPM2_RC_NV_RATE, TPM2_RC_NV_UNAVAILABLE,
  };

  if (!comes_from_tpm (rc))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (transient); i++)
    if ((rc & CODE_MASK) == transient[i])
      return TRUE;
  return FALSE;
}

gboolean
tpm_rc_set_error (GError **error, guint32 rc, const char *doing)
{
  const Row *row = look_up (rc);

  g_set_error (error, TPMID_ERROR, row->error, "%s: %s", doing, row->sentence);
  tpm_rc_note (error, rc);
  return FALSE;
}

void
tpm_rc_note (GError **error, guint32 rc)
{
  if (error != NULL)
    base_error_set_tpm (*error, rc, Tss2_RC_Decode (rc));
}

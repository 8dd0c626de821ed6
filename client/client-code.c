/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-code.h"

#include <string.h>
#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

/* TPM 2.0 Library Part 2, 6.6.2: bit 7 marks format one, where bits 0 to 5 are the error, bit 6 says "parameter" and bits 8
 * to 11 count parameters, handles (1 to 7) or sessions (8 and more). Format zero has 12 bits. */
#define FORMAT_ONE 0x080u
#define FORMAT_ONE_MASK 0x0bfu
#define FORMAT_ZERO_MASK 0xfffu
#define CODE_MASK 0xffffu
#define NUMBER(rc) (((rc) >> 8) & 0xfu)

#define NAMED(rc) (rc), #rc
#define NOT_LOADED "TpmUnavailable", "Another program removed a loaded object or session: send the command again."

/* The errors are those that tpmidd itself makes of these codes. */
static const ClientCodeHint hints[] = {
  { NAMED (TPM2_RC_BAD_TAG), "TpmVersion", NULL },
  { NAMED (TPM2_RC_INITIALIZE), "TpmNotStarted", NULL },
  { NAMED (TPM2_RC_FAILURE), "TpmFailure",
    "Power the device off and on. Software TPMs also say it of a ciphertext or credential that was made for another TPM." },
  { NAMED (TPM2_RC_DISABLED), "ClearDisabled", NULL },
  { NAMED (TPM2_RC_AUTH_UNAVAILABLE), "AuthFailed", NULL },
  { NAMED (TPM2_RC_POLICY), "PolicyNotMet", NULL },
  { NAMED (TPM2_RC_PCR_CHANGED), "PolicyNotMet", "Try again: a measurement was made in between." },
  { NAMED (TPM2_RC_TOO_MANY_CONTEXTS), "Exhausted", NULL },
  { NAMED (TPM2_RC_REBOOT), "TpmNotStarted", "Reboot the device." },
  { NAMED (TPM2_RC_UPGRADE), "TpmFailure", "A firmware update of the TPM is not finished: finish it." },
  { NAMED (TPM2_RC_COMMAND_CODE), "UnsupportedByTpm", NULL },
  { NAMED (TPM2_RC_NV_RANGE), "InvalidArgument", NULL },
  { NAMED (TPM2_RC_NV_SIZE), "InvalidArgument", NULL },
  { NAMED (TPM2_RC_NV_LOCKED), "PolicyNotMet",
    "The NV index is locked, some until the TPM's next restart: tpmidctl handles says whose "
    "it is." },
  { NAMED (TPM2_RC_NV_AUTHORIZATION), "AuthFailed", NULL },
  { NAMED (TPM2_RC_NV_UNINITIALIZED), "NotFound", "The NV index is defined, but was never written: write it, or undefine it." },
  { NAMED (TPM2_RC_NV_SPACE), "NvFull", "Delete indices or persistent keys that nobody needs: tpmidctl handles lists them." },
  { NAMED (TPM2_RC_NV_DEFINED), "HandleTaken",
    "tpmidctl handles says whose it is; set DeviceKeyHandle= or SerialIndex= to another." },
  { NAMED (TPM2_RC_ASYMMETRIC), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_HASH), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_VALUE), "UnsupportedAlgorithm",
    "Choose an algorithm, a curve or a size that this TPM has. Of data that was made elsewhere: it is for another TPM." },
  { NAMED (TPM2_RC_HIERARCHY), "HierarchyDisabled", NULL },
  { NAMED (TPM2_RC_KEY_SIZE), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_MGF), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_MODE), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_HANDLE), "NotFound", "Nothing lies at that handle: tpmidctl handles lists what there is." },
  { NAMED (TPM2_RC_KDF), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_AUTH_FAIL), "AuthFailed",
    "The password is wrong, and the try was counted: do not try again, too many lock the TPM. tpmidctl status shows the count." },
  { NAMED (TPM2_RC_SCHEME), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_SIZE), "InvalidBlob", NULL },
  { NAMED (TPM2_RC_SYMMETRIC), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_INSUFFICIENT), "InvalidBlob", NULL },
  { NAMED (TPM2_RC_POLICY_FAIL), "PolicyNotMet",
    "At the index of the serial number: it is written already. tpmidctl serial clear "
    "undoes that." },
  { NAMED (TPM2_RC_INTEGRITY), "KeyOrphaned", NULL },
  { NAMED (TPM2_RC_BAD_AUTH), "AuthFailed",
    "A password is set that the caller does not know; the try was not counted. tpmidctl status shows which hierarchies have "
    "one. Clear it, give it to tpmidd by PasswordsPath= (tpmidd.conf(5)), or clear the TPM in the firmware." },
  { NAMED (TPM2_RC_EXPIRED), "PolicyNotMet", NULL },
  { NAMED (TPM2_RC_POLICY_CC), "PolicyNotMet", NULL },
  { NAMED (TPM2_RC_BINDING), "InvalidBlob", NULL },
  { NAMED (TPM2_RC_CURVE), "UnsupportedAlgorithm", NULL },
  { NAMED (TPM2_RC_ECC_POINT), "InvalidArgument", NULL },
  { NAMED (TPM2_RC_CONTEXT_GAP), "Exhausted", NULL },
  { NAMED (TPM2_RC_OBJECT_MEMORY), "Exhausted", NULL },
  { NAMED (TPM2_RC_SESSION_MEMORY), "Exhausted", NULL },
  { NAMED (TPM2_RC_MEMORY), "Exhausted", NULL },
  { NAMED (TPM2_RC_SESSION_HANDLES), "Exhausted", NULL },
  { NAMED (TPM2_RC_OBJECT_HANDLES), "Exhausted", NULL },
  { NAMED (TPM2_RC_YIELDED), "Busy", "Send the command again." },
  { NAMED (TPM2_RC_CANCELED), "Busy", "Send the command again." },
  { NAMED (TPM2_RC_TESTING), "Busy", "The TPM tests itself: send the command again, within ten seconds or so it works." },
  { NAMED (TPM2_RC_REFERENCE_H0), NOT_LOADED },
  { NAMED (TPM2_RC_REFERENCE_H1), NOT_LOADED },
  { NAMED (TPM2_RC_REFERENCE_H2), NOT_LOADED },
  { NAMED (TPM2_RC_REFERENCE_S0), NOT_LOADED },
  { NAMED (TPM2_RC_REFERENCE_S1), NOT_LOADED },
  { NAMED (TPM2_RC_REFERENCE_S2), NOT_LOADED },
  { NAMED (TPM2_RC_NV_RATE), "RateLimited", NULL },
  { NAMED (TPM2_RC_LOCKOUT), "TpmLockout",
    "Wait: tpmidctl status shows how many tries are used and after how many seconds one is forgiven. Keys of tpmidd work all "
    "the same." },
  { NAMED (TPM2_RC_RETRY), "Busy", "Send the command again, after a pause." },
  { NAMED (TPM2_RC_NV_UNAVAILABLE), "Busy",
    "The TPM's NV memory cannot be written at the moment: send the command again, after a "
    "pause." },

  { NAMED (TSS2_TCTI_RC_IO_ERROR), "TpmUnavailable",
    "The TPM's device could not be opened, read or written: see who may open it and who holds it, tpmidctl doctor does." },
  { NAMED (TSS2_TCTI_RC_NO_CONNECTION), "TpmUnavailable",
    "There is no TPM at the place that Tcti= names: tpmidctl doctor looks." },
  { NAMED (TSS2_TCTI_RC_NOT_SUPPORTED), "BadTcti",
    "Install the TCTI, a package of its own (libtss2-tcti-...), or correct Tcti=." },
  { NAMED (TSS2_TCTI_RC_BAD_VALUE), "BadTcti", NULL },
  { NAMED (TSS2_ESYS_RC_BAD_SEQUENCE), "TpmUnavailable",
    "An earlier command failed half-way: the program has to open the TPM anew." },
  { NAMED (TSS2_ESYS_RC_IO_ERROR), "TpmUnavailable", NULL },
  { NAMED (TSS2_ESYS_RC_MALFORMED_RESPONSE), "TpmUnavailable", NULL },
  { NAMED (TSS2_ESYS_RC_INSUFFICIENT_RESPONSE), "TpmUnavailable", NULL },
  { NAMED (TSS2_ESYS_RC_RSP_AUTH_FAILED), "UntrustedResponse", NULL },
  { NAMED (TSS2_SYS_RC_MALFORMED_RESPONSE), "TpmUnavailable", NULL },
  { NAMED (TSS2_SYS_RC_INSUFFICIENT_RESPONSE), "TpmUnavailable", NULL },
  { NAMED (TSS2_SYS_RC_INSUFFICIENT_CONTEXT), "TpmUnavailable", NULL },
};

/* What the layers as such say: all that comes from them is a connection that broke, or an answer that is none. */
static const ClientCodeHint transport_hint = { 0, "", "TpmUnavailable", NULL };

static gboolean
comes_from_tpm (guint32 rc)
{
  guint32 layer = rc & ~CODE_MASK;

  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

const char *
client_code_layer (guint32 rc)
{
  static const char *const names[] = {
    [0] = "the TPM",
    [6] = "the TSS: FAPI",
    [7] = "the TSS: ESAPI",
    [8] = "the TSS: SAPI",
    [9] = "the TSS: marshalling",
    [10] = "the TSS: TCTI, the way to the TPM",
    [11] = "the resource manager, of the kernel for one",
    [12] = "the resource manager, in the TPM's words",
  };
  guint32 layer = rc >> TSS2_RC_LAYER_SHIFT; /* with the bits above it, which none has */

  return layer < G_N_ELEMENTS (names) && names[layer] != NULL ? names[layer] : "";
}

char *
client_code_place (guint32 rc)
{
  if (!comes_from_tpm (rc) || (rc & FORMAT_ONE) == 0 || NUMBER (rc) == 0)
    return NULL;
  if ((rc & TPM2_RC_P) != 0)
    return g_strdup_printf ("parameter %u", NUMBER (rc));
  if (NUMBER (rc) > 8)
    return g_strdup_printf ("session %u", NUMBER (rc) - 8);
  return NUMBER (rc) < 8 ? g_strdup_printf ("handle %u", NUMBER (rc)) : g_strdup ("a session");
}

guint32
client_code_plain (guint32 rc)
{
  return comes_from_tpm (rc) ? rc & CODE_MASK : rc;
}

static const ClientCodeHint *
find (guint32 rc)
{
  for (gsize i = 0; i < G_N_ELEMENTS (hints); i++)
    if (hints[i].rc == rc)
      return &hints[i];
  return NULL;
}

const ClientCodeHint *
client_code_hint (guint32 rc)
{
  guint32 layer = rc & ~CODE_MASK, stripped = (rc & FORMAT_ONE) != 0 ? rc & FORMAT_ONE_MASK : rc & FORMAT_ZERO_MASK;
  const ClientCodeHint *hint;

  if (comes_from_tpm (rc))
    /* One error with two meanings: a handle that is out of range, or a value (an algorithm, a curve) that is. */
    return find (stripped == TPM2_RC_VALUE && (rc & TPM2_RC_P) == 0 ? TPM2_RC_HANDLE : stripped);
  hint = find (rc);
  return hint == NULL && (layer == TSS2_TCTI_RC_LAYER || layer == TSS2_MU_RC_LAYER) ? &transport_hint : hint;
}

/* TPM_RC_ is how the specification spells what is TPM2_RC_ in the TSS. */
gboolean
client_code_from_name (const char *name, guint32 *ret_rc)
{
  gboolean is_tpm = g_ascii_strncasecmp (name, "TPM_RC_", strlen ("TPM_RC_")) == 0;
  g_autofree char *full = is_tpm ? g_strconcat ("TPM2_RC_", name + strlen ("TPM_RC_"), NULL) : g_strdup (name);

  for (gsize i = 0; i < G_N_ELEMENTS (hints); i++)
    if (g_ascii_strcasecmp (hints[i].name, full) == 0)
      {
        *ret_rc = hints[i].rc;
        return TRUE;
      }
  return FALSE;
}

static gboolean
read_digits (const char *digits, guint base, guint32 *ret_rc)
{
  guint64 number;

  if (!g_ascii_isxdigit (digits[0]) || !g_ascii_string_to_unsigned (digits, base, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *ret_rc = (guint32) number;
  return TRUE;
}

guint
client_code_parse (const char *word, guint32 ret_rcs[2])
{
  guint count = 0;

  if (g_ascii_strncasecmp (word, "0x", 2) == 0)
    return read_digits (word + 2, 16, &ret_rcs[0]) ? 1 : 0;
  /* Letters alone are a word. */
  if (strpbrk (word, "0123456789") == NULL)
    return 0;
  if (read_digits (word, 10, &ret_rcs[0]))
    count = 1;
  if (read_digits (word, 16, &ret_rcs[count]) && (count == 0 || ret_rcs[0] != ret_rcs[1]))
    count++;
  return count;
}

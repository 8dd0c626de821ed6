/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-explain.h"
#include "client-json.h"
#include "client-session.h"

#include <string.h>
#include <tss2/tss2_rc.h>

/* TPM 2.0 Library Part 2, 6.6.2: bit 7 marks format one, where bits 0 to 5 are the error, bit 6 says "parameter" and bits 8
 * to 11 count parameters, handles (1 to 7) or sessions (8 and more). Format zero has 12 bits. */
#define FORMAT_ONE 0x080u
#define FORMAT_ONE_MASK 0x0bfu
#define FORMAT_ZERO_MASK 0xfffu
#define NUMBER(rc) (((rc) >> 8) & 0xfu)

/* Hint: what a code has to do with tpmidd: its error, and words where these say more than that error's */
typedef struct Hint
{
  guint32 rc; /* of the TPM: without the bits of handle, parameter or session */
  const char *error;
  const char *remedy; /* NULL: that of the error */
} Hint;

static const Hint hints[] = {
  { TPM2_RC_BAD_TAG, "TpmVersion", NULL },
  { TPM2_RC_INITIALIZE, "TpmNotStarted", NULL },
  { TPM2_RC_FAILURE, "TpmFailure",
    "Power the device off and on. Software TPMs also say it of a ciphertext or credential that was made for another TPM." },
  { TPM2_RC_DISABLED, "ClearDisabled", NULL },
  { TPM2_RC_AUTH_UNAVAILABLE, "AuthFailed", NULL },
  { TPM2_RC_POLICY, "PolicyNotMet", NULL },
  { TPM2_RC_PCR_CHANGED, "PolicyNotMet", "Try again: a measurement was made in between." },
  { TPM2_RC_TOO_MANY_CONTEXTS, "Exhausted", NULL },
  { TPM2_RC_REBOOT, "TpmNotStarted", "Reboot the device." },
  { TPM2_RC_UPGRADE, "TpmFailure", "A firmware update of the TPM is not finished: finish it." },
  { TPM2_RC_COMMAND_CODE, "UnsupportedByTpm", NULL },
  { TPM2_RC_NV_RANGE, "InvalidArgument", NULL },
  { TPM2_RC_NV_SIZE, "InvalidArgument", NULL },
  { TPM2_RC_NV_LOCKED, "PolicyNotMet", "The NV index is locked, some until the TPM's next restart: tpmidctl handles says whose "
                                       "it is." },
  { TPM2_RC_NV_AUTHORIZATION, "AuthFailed", NULL },
  { TPM2_RC_NV_UNINITIALIZED, "NotFound", "The NV index is defined, but was never written: write it, or undefine it." },
  { TPM2_RC_NV_SPACE, "NvFull", "Delete indices or persistent keys that nobody needs: tpmidctl handles lists them." },
  { TPM2_RC_NV_DEFINED, "HandleTaken", "tpmidctl handles says whose it is; set DeviceKeyHandle= or SerialIndex= to another." },
  { TPM2_RC_ASYMMETRIC, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_HASH, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_VALUE, "UnsupportedAlgorithm",
    "Choose an algorithm, a curve or a size that this TPM has. Of data that was made elsewhere: it is for another TPM." },
  { TPM2_RC_HIERARCHY, "HierarchyDisabled", NULL },
  { TPM2_RC_KEY_SIZE, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_MGF, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_MODE, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_HANDLE, "NotFound", "Nothing lies at that handle: tpmidctl handles lists what there is." },
  { TPM2_RC_KDF, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_AUTH_FAIL, "AuthFailed",
    "The password is wrong, and the try was counted: do not try again, too many lock the TPM. tpmidctl status shows the count." },
  { TPM2_RC_SCHEME, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_SIZE, "InvalidBlob", NULL },
  { TPM2_RC_SYMMETRIC, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_INSUFFICIENT, "InvalidBlob", NULL },
  { TPM2_RC_POLICY_FAIL, "PolicyNotMet", "At the index of the serial number: it is written already. tpmidctl serial clear "
                                         "undoes that." },
  { TPM2_RC_INTEGRITY, "KeyOrphaned", NULL },
  { TPM2_RC_BAD_AUTH, "HierarchyAuthRequired",
    "A password is set that the caller does not know; the try was not counted. tpmidctl status shows which hierarchies have "
    "one. Clear it, give it to tpmidd by PasswordsPath= (tpmidd.conf(5)), or clear the TPM in the firmware." },
  { TPM2_RC_EXPIRED, "PolicyNotMet", NULL },
  { TPM2_RC_POLICY_CC, "PolicyNotMet", NULL },
  { TPM2_RC_BINDING, "InvalidBlob", NULL },
  { TPM2_RC_CURVE, "UnsupportedAlgorithm", NULL },
  { TPM2_RC_ECC_POINT, "InvalidArgument", NULL },
  { TPM2_RC_CONTEXT_GAP, "Exhausted", NULL },
  { TPM2_RC_OBJECT_MEMORY, "Exhausted", NULL },
  { TPM2_RC_SESSION_MEMORY, "Exhausted", NULL },
  { TPM2_RC_MEMORY, "Exhausted", NULL },
  { TPM2_RC_SESSION_HANDLES, "Exhausted", NULL },
  { TPM2_RC_OBJECT_HANDLES, "Exhausted", NULL },
  { TPM2_RC_YIELDED, "Busy", "Send the command again." },
  { TPM2_RC_CANCELED, "Busy", "Send the command again." },
  { TPM2_RC_TESTING, "Busy", "The TPM tests itself: send the command again, within ten seconds or so it works." },
  { TPM2_RC_NV_RATE, "RateLimited", NULL },
  { TPM2_RC_LOCKOUT, "TpmLockout",
    "Wait: tpmidctl status shows how many tries are used and after how many seconds one is forgiven. Keys of tpmidd work all "
    "the same." },
  { TPM2_RC_RETRY, "Busy", "Send the command again, after a pause." },
  { TPM2_RC_NV_UNAVAILABLE, "Busy", "The TPM's NV memory cannot be written at the moment: send the command again, after a "
                                    "pause." },

  { TSS2_TCTI_RC_IO_ERROR, "NoDevice",
    "The TPM's device could not be opened, read or written: see who may open it and who holds it, tpmidctl doctor does." },
  { TSS2_TCTI_RC_NO_CONNECTION, "NoDevice", NULL },
  { TSS2_TCTI_RC_NOT_SUPPORTED, "BadTcti", "Install the TCTI, a package of its own (libtss2-tcti-...), or correct Tcti=." },
  { TSS2_TCTI_RC_BAD_VALUE, "BadTcti", NULL },
  { TSS2_ESYS_RC_BAD_SEQUENCE, "TpmUnavailable", "An earlier command failed half-way: the program has to open the TPM anew." },
  { TSS2_ESYS_RC_RSP_AUTH_FAILED, "UntrustedResponse", NULL },
};

/* Code: what is in the number */
typedef struct Code
{
  guint32 rc;
  const char *layer; /* whose answer it is, "" for an unknown one */
  char *about;       /* "parameter 1", or NULL */
  const char *text;  /* the TSS's */
  const Hint *hint;  /* NULL: we have none */
} Code;

static gboolean
comes_from_tpm (guint32 rc)
{
  guint32 layer = rc & TSS2_RC_LAYER_MASK;

  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

static const char *
name_layer (guint32 rc)
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
  guint32 layer = (rc & TSS2_RC_LAYER_MASK) >> TSS2_RC_LAYER_SHIFT;

  return layer < G_N_ELEMENTS (names) && names[layer] != NULL && rc >> 24 == 0 ? names[layer] : "";
}

static char *
describe_place (guint32 rc)
{
  if (!comes_from_tpm (rc) || (rc & FORMAT_ONE) == 0 || NUMBER (rc) == 0)
    return NULL;
  if ((rc & TPM2_RC_P) != 0)
    return g_strdup_printf ("parameter %u", NUMBER (rc));
  if (NUMBER (rc) > 8)
    return g_strdup_printf ("session %u", NUMBER (rc) - 8);
  return NUMBER (rc) < 8 ? g_strdup_printf ("handle %u", NUMBER (rc)) : g_strdup ("a session");
}

static const Hint *
find_hint (guint32 rc)
{
  guint32 stripped = rc;

  if (comes_from_tpm (rc))
    stripped = (rc & FORMAT_ONE) != 0 ? rc & FORMAT_ONE_MASK : rc & FORMAT_ZERO_MASK;
  /* One error with two meanings: a handle that is out of range, or a value (an algorithm, a curve) that is. */
  if (comes_from_tpm (rc) && stripped == TPM2_RC_VALUE && (rc & TPM2_RC_P) == 0)
    stripped = TPM2_RC_HANDLE;
  for (gsize i = 0; i < G_N_ELEMENTS (hints); i++)
    if (hints[i].rc == stripped)
      return &hints[i];
  return NULL;
}

/* Hex digits with 0x before them or a letter among them; otherwise decimal. */
static gboolean
parse_number (const char *word, guint32 *ret_rc)
{
  gboolean is_hex = g_ascii_strncasecmp (word, "0x", 2) == 0;
  const char *digits = is_hex ? word + 2 : word;
  gsize length = strlen (digits);
  guint64 number;

  if (length == 0 || strspn (digits, "0123456789abcdefABCDEF") != length)
    return FALSE;
  is_hex = is_hex || strspn (digits, "0123456789") != length;
  if (!g_ascii_string_to_unsigned (digits, is_hex ? 16 : 10, 0, G_MAXUINT32, &number, NULL))
    return FALSE;
  *ret_rc = (guint32) number;
  return TRUE;
}

static void
print_row (const char *label, const char *text)
{
  if (text != NULL && text[0] != '\0')
    printf ("%-10s %s\n", label, text);
}

static void
add_member (JsonBuilder *builder, const char *name, const char *text)
{
  client_json_add_string (builder, name, text != NULL ? text : "");
}

static void
print_code (const Code *code, const ClientExplanation *error, gboolean json)
{
  const char *usual = error != NULL ? error->remedy : NULL;
  const char *remedy = code->hint != NULL && code->hint->remedy != NULL ? code->hint->remedy : usual;
  g_autofree char *hex = g_strdup_printf ("0x%08x", code->rc);
  g_autofree char *both = g_strdup_printf ("%s (%u)", hex, code->rc);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!json)
    {
      print_row ("Code", both);
      print_row ("From", code->layer);
      print_row ("About", code->about);
      print_row ("TSS", code->text);
      print_row ("Error", error != NULL ? error->name : NULL);
      print_row ("Meaning", error != NULL ? error->meaning : NULL);
      print_row ("Do", remedy);
      return;
    }
  json_builder_begin_object (builder);
  add_member (builder, "code", hex);
  add_member (builder, "from", code->layer);
  add_member (builder, "about", code->about);
  add_member (builder, "tss", code->text);
  add_member (builder, "error", error != NULL ? error->name : NULL);
  add_member (builder, "meaning", error != NULL ? error->meaning : NULL);
  add_member (builder, "do", remedy);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static void
explain_code (guint32 rc, gboolean json)
{
  g_autofree char *about = describe_place (rc);
  /* Of the TPM's own codes the TSS explains those of one of the two resource managers' layers only: it gets them bare. */
  guint32 plain = comes_from_tpm (rc) ? rc & ~TSS2_RC_LAYER_MASK : rc;
  const Code code = { rc, name_layer (rc), about, Tss2_RC_Decode (plain), find_hint (rc) };

  print_code (&code, code.hint != NULL ? client_explain_find (code.hint->error) : NULL, json);
}

static void
explain_error (const ClientExplanation *error, gboolean json)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *exit_status = g_strdup_printf ("%d", client_error_class (error->name)->exit_status);

  if (!json)
    {
      print_row ("Error", error->name);
      print_row ("Meaning", error->meaning);
      print_row ("Do", error->remedy);
      print_row ("Exit", exit_status);
      return;
    }
  json_builder_begin_object (builder);
  add_member (builder, "error", error->name);
  add_member (builder, "meaning", error->meaning);
  add_member (builder, "do", error->remedy);
  json_builder_set_member_name (builder, "exit");
  json_builder_add_int_value (builder, client_error_class (error->name)->exit_status);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  const GOptionEntry entries[] = { { NULL } };
  guint32 rc;

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 2, error))
    return FALSE;

  const char *word = (*arguments)[1];
  const ClientExplanation *explanation = word != NULL ? client_explain_find (word) : NULL;
  if (explanation != NULL)
    explain_error (explanation, session->json);
  else if (word != NULL && parse_number (word, &rc))
    explain_code (rc, session->json);
  else
    return client_error_set (error, CLIENT_ERROR_USAGE,
                             "explain: %s%s%s; it takes a TSS code, such as 0x9a2 or 2466, or the name of an "
                             "error, such as WrongState or org.tpmid1.Error.WrongState", word != NULL ? "\"" : "",
                             word != NULL ? word : "the code is missing", word != NULL ? "\" is neither" : "");
  return TRUE;
}

const ClientVerb client_verb_explain = {
  .name = "explain",
  .synopsis = "CODE",
  .summary = "Say what a TSS code or an error of tpmidd means, and what to do",
  .description = "CODE is a number of any layer of the TSS, as 0x9a2 (hex) or 2466, or the name of an error, as WrongState or\n"
                 "org.tpmid1.Error.WrongState. Neither tpmidd nor a TPM is needed.",
  .run = run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tpmidctl explain says of a code, beside what tpmidd makes of it. */
#include "base-error.h"
#include "client-code.h"
#include "client-explain.h"
#include "tpm-rc.h"

#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#define LAYERS 256
#define CODES 0x1000u

/* What has no hint is a code for which tpmidd has no words either. */
static void
compare (guint32 rc)
{
  const ClientCodeHint *hint = client_code_hint (rc);
  const ClientExplanation *explanation = hint != NULL ? client_explain_find (hint->error) : NULL;
  const char *wanted = base_error_dbus_name (tpm_rc_to_error (rc));
  const char *found = explanation != NULL ? explanation->name : base_error_dbus_name (TPMID_ERROR_FAILED);

  g_assert_true (hint == NULL || explanation != NULL);
  if (!g_str_equal (found, wanted))
    g_error ("0x%08x: tpmidd says %s, tpmidctl explain %s", rc, wanted, found);
}

static void
test_every_code (void)
{
  guint count = 0;

  for (guint32 layer = 0; layer < LAYERS; layer++)
    for (guint32 code = 1; code < CODES; code++)
      {
        guint32 rc = (layer << TSS2_RC_LAYER_SHIFT) | code;
        compare (rc);
        count += client_code_hint (rc) != NULL;
      }
  /* All of the two layers that are a connection, and many of the TPM. */
  g_assert_cmpuint (count, >, 2 * CODES);
}

static void
test_unknown_layers (void)
{
  static const guint32 layers[] = { 1, 5, 13, 14, 0xff };

  for (gsize i = 0; i < G_N_ELEMENTS (layers); i++)
    {
      g_assert_null (client_code_hint ((layers[i] << TSS2_RC_LAYER_SHIFT) | TPM2_RC_LOCKOUT));
      g_assert_cmpstr (client_code_layer ((layers[i] << TSS2_RC_LAYER_SHIFT) | TPM2_RC_LOCKOUT), ==, "");
    }
  for (guint bit = 24; bit < 32; bit++)
    {
      g_assert_null (client_code_hint ((1u << bit) | TPM2_RC_LOCKOUT));
      g_assert_null (client_code_hint ((1u << bit) | TSS2_TCTI_RC_IO_ERROR));
      g_assert_null (client_code_place ((1u << bit) | 0x9a2));
      g_assert_cmpstr (client_code_layer ((1u << bit) | TPM2_RC_LOCKOUT), ==, "");
    }
}

static void
test_names (void)
{
  static const struct
  {
    const char *name;
    guint32 rc;
  } names[] = {
    { "TPM_RC_LOCKOUT", 0x921 }, { "TPM2_RC_VALUE", 0x84 },          { "tpm2_rc_reference_h0", 0x910 },
    { "tpm_rc_bad_auth", 0xa2 }, { "TSS2_ESYS_RC_BAD_SEQUENCE", 0x70007 }, { "TSS2_TCTI_RC_IO_ERROR", 0xa000a },
  };
  guint32 rc;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_assert_true (client_code_from_name (names[i].name, &rc));
      g_assert_cmphex (rc, ==, names[i].rc);
    }
  g_assert_false (client_code_from_name ("", &rc));
  g_assert_false (client_code_from_name ("TPM_RC_", &rc));
  g_assert_false (client_code_from_name ("TPM_RC_NO_SUCH", &rc));
}

static void
assert_readings (const char *word, guint count, guint32 first, guint32 second)
{
  guint32 rcs[2] = { 0 };

  g_assert_cmpuint (client_code_parse (word, rcs), ==, count);
  g_assert_cmphex (count > 0 ? rcs[0] : 0, ==, first);
  g_assert_cmphex (count > 1 ? rcs[1] : 0, ==, second);
}

static void
test_readings (void)
{
  static const char *const words[] = { "bad", "face", "", "0x", "0x-1", "-1", "+1", " 1", "1 ", "4294967296" };

  assert_readings ("0x921", 1, 0x921, 0);
  assert_readings ("0X9A2", 1, 0x9a2, 0);
  assert_readings ("9a2", 1, 0x9a2, 0);
  assert_readings ("921", 2, 921, 0x921);
  assert_readings ("7", 1, 7, 0);
  assert_readings ("4294967295", 1, 0xffffffff, 0);
  assert_readings ("0xbad", 1, 0xbad, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    assert_readings (words[i], 0, 0, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpmidctl/explain/every-code-is-the-error-that-tpmidd-makes-of-it", test_every_code);
  g_test_add_func ("/tpmidctl/explain/unknown-layers-have-no-hint", test_unknown_layers);
  g_test_add_func ("/tpmidctl/explain/names-of-the-field", test_names);
  g_test_add_func ("/tpmidctl/explain/digits-without-0x-have-up-to-two-readings", test_readings);
  return g_test_run ();
}

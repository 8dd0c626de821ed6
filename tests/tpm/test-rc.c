/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-rc.h"

#include <string.h>

typedef struct
{
  guint32 rc;
  TpmidError error;
} Row;

/* Written out once more by hand, with the numbers of the specification: format one, so with any bits. */
static const Row format_one[] = {
  { 0x081, TPMID_ERROR_UNSUPPORTED_ALGORITHM }, { 0x083, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x085, TPMID_ERROR_HIERARCHY_DISABLED },    { 0x087, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x088, TPMID_ERROR_UNSUPPORTED_ALGORITHM }, { 0x089, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x08b, TPMID_ERROR_NOT_FOUND },             { 0x08c, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x08e, TPMID_ERROR_AUTH_FAILED },           { 0x092, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x095, TPMID_ERROR_INVALID_BLOB },          { 0x096, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x09a, TPMID_ERROR_INVALID_BLOB },          { 0x09d, TPMID_ERROR_POLICY_NOT_MET },
  { 0x09f, TPMID_ERROR_KEY_ORPHANED },          { 0x0a2, TPMID_ERROR_AUTH_FAILED },
  { 0x0a3, TPMID_ERROR_POLICY_NOT_MET },        { 0x0a4, TPMID_ERROR_POLICY_NOT_MET },
  { 0x0a5, TPMID_ERROR_INVALID_BLOB },          { 0x0a6, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  { 0x0a7, TPMID_ERROR_INVALID_ARGUMENT },      { 0x0bf, TPMID_ERROR_FAILED },
};

static const Row format_zero[] = {
  { 0x01e, TPMID_ERROR_TPM_VERSION },        { 0x100, TPMID_ERROR_TPM_NOT_STARTED },
  { 0x101, TPMID_ERROR_TPM_FAILURE },        { 0x120, TPMID_ERROR_CLEAR_DISABLED },
  { 0x126, TPMID_ERROR_POLICY_NOT_MET },     { 0x128, TPMID_ERROR_POLICY_NOT_MET },
  { 0x12d, TPMID_ERROR_TPM_FAILURE },        { 0x12e, TPMID_ERROR_EXHAUSTED },
  { 0x12f, TPMID_ERROR_AUTH_FAILED },        { 0x130, TPMID_ERROR_TPM_NOT_STARTED },
  { 0x143, TPMID_ERROR_UNSUPPORTED_BY_TPM }, { 0x146, TPMID_ERROR_INVALID_ARGUMENT },
  { 0x147, TPMID_ERROR_INVALID_ARGUMENT },   { 0x148, TPMID_ERROR_POLICY_NOT_MET },
  { 0x149, TPMID_ERROR_AUTH_FAILED },        { 0x14a, TPMID_ERROR_NOT_FOUND },
  { 0x14b, TPMID_ERROR_NV_FULL },            { 0x14c, TPMID_ERROR_HANDLE_TAKEN },
  { 0x901, TPMID_ERROR_EXHAUSTED },          { 0x902, TPMID_ERROR_EXHAUSTED },
  { 0x903, TPMID_ERROR_EXHAUSTED },          { 0x904, TPMID_ERROR_EXHAUSTED },
  { 0x905, TPMID_ERROR_EXHAUSTED },          { 0x906, TPMID_ERROR_EXHAUSTED },
  { 0x908, TPMID_ERROR_BUSY },               { 0x909, TPMID_ERROR_BUSY },
  { 0x90a, TPMID_ERROR_BUSY },               { 0x910, TPMID_ERROR_TPM_UNAVAILABLE },
  { 0x918, TPMID_ERROR_TPM_UNAVAILABLE },    { 0x920, TPMID_ERROR_RATE_LIMITED },
  { 0x921, TPMID_ERROR_TPM_LOCKOUT },        { 0x922, TPMID_ERROR_BUSY },
  { 0x923, TPMID_ERROR_BUSY },               { 0x153, TPMID_ERROR_FAILED },
};

static const Row layered[] = {
  { 0x0a0008, TPMID_ERROR_TPM_UNAVAILABLE },    { 0x0a000a, TPMID_ERROR_TPM_UNAVAILABLE },
  { 0x0a0011, TPMID_ERROR_TPM_UNAVAILABLE },    { 0x0a000b, TPMID_ERROR_BAD_TCTI },
  { 0x0a0015, TPMID_ERROR_BAD_TCTI },           { 0x070007, TPMID_ERROR_TPM_UNAVAILABLE },
  { 0x07001b, TPMID_ERROR_UNTRUSTED_RESPONSE }, { 0x090006, TPMID_ERROR_TPM_UNAVAILABLE },
  { 0x09000b, TPMID_ERROR_TPM_UNAVAILABLE },
  { 0x080012, TPMID_ERROR_TPM_UNAVAILABLE },             { 0x080013, TPMID_ERROR_TPM_UNAVAILABLE },
  { 0x080005, TPMID_ERROR_FAILED },             { 0x070005, TPMID_ERROR_FAILED },
};

static const guint32 tpm_layers[] = { 0x000000, 0x0b0000, 0x0c0000 };

static void
assert_maps (guint32 rc, TpmidError expected)
{
  if (tpm_rc_to_error (rc) != expected)
    g_error ("0x%x gives %s, not %s", rc, base_error_dbus_name (tpm_rc_to_error (rc)), base_error_dbus_name (expected));
}

static void
every_format_one_row_maps_with_any_bits (void)
{
  for (gsize row = 0; row < G_N_ELEMENTS (format_one); row++)
    for (gsize layer = 0; layer < G_N_ELEMENTS (tpm_layers); layer++)
      for (guint32 number = 0; number < 16; number++)
        for (guint32 parameter = 0; parameter < 2; parameter++)
          assert_maps (tpm_layers[layer] | number << 8 | parameter << 6 | format_one[row].rc, format_one[row].error);
}

static void
every_format_zero_row_maps_from_any_layer (void)
{
  for (gsize row = 0; row < G_N_ELEMENTS (format_zero); row++)
    for (gsize layer = 0; layer < G_N_ELEMENTS (tpm_layers); layer++)
      assert_maps (tpm_layers[layer] | format_zero[row].rc, format_zero[row].error);
}

static void
layers_of_the_tss_map (void)
{
  for (gsize row = 0; row < G_N_ELEMENTS (layered); row++)
    assert_maps (layered[row].rc, layered[row].error);
}

static void
value_means_one_thing_for_handles_and_another_for_parameters (void)
{
  assert_maps (0x184, TPMID_ERROR_NOT_FOUND);
  assert_maps (0x284, TPMID_ERROR_NOT_FOUND);
  assert_maps (0x1c4, TPMID_ERROR_UNSUPPORTED_ALGORITHM);
  assert_maps (0x2c4, TPMID_ERROR_UNSUPPORTED_ALGORITHM);
}

static void
rows_of_the_field_map (void)
{
  static const Row rows[] = {
    { 0x98e, TPMID_ERROR_AUTH_FAILED },           { 0x9a2, TPMID_ERROR_AUTH_FAILED },
    { 0x1df, TPMID_ERROR_KEY_ORPHANED },          { 0x18b, TPMID_ERROR_NOT_FOUND },
    { 0x0b0143, TPMID_ERROR_UNSUPPORTED_BY_TPM }, { 0x0c0143, TPMID_ERROR_UNSUPPORTED_BY_TPM },
    { 0x99d, TPMID_ERROR_POLICY_NOT_MET },        { 0x285, TPMID_ERROR_HIERARCHY_DISABLED },
    { 0x2c3, TPMID_ERROR_UNSUPPORTED_ALGORITHM }, { 0x1e6, TPMID_ERROR_UNSUPPORTED_ALGORITHM },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    assert_maps (rows[i].rc, rows[i].error);
}

static void
any_rc_has_an_error (void)
{
  for (guint32 layer = 0; layer < 16; layer++)
    for (guint32 code = 1; code < 0x1000; code++)
      {
        TpmidError error = tpm_rc_to_error (layer << 16 | code);
        g_assert_cmpint (error, <, TPMID_N_ERRORS);
      }
}

static void
only_the_tpms_answers_leave_the_link_open (void)
{
  for (guint32 layer = 0; layer < 16; layer++)
    {
      gboolean from_tpm = layer == 0 || layer == 11 || layer == 12;
      g_assert_cmpint (tpm_rc_is_transport (layer << 16 | 0x00a), ==, !from_tpm);
    }
}

static void
transient_are_five (void)
{
  guint n = 0;

  for (guint32 code = 0; code < 0x10000; code++)
    n += tpm_rc_is_transient (code) ? 1 : 0;
  g_assert_cmpuint (n, ==, 5);
  g_assert_true (tpm_rc_is_transient (0x908) && tpm_rc_is_transient (0x90a) && tpm_rc_is_transient (0x920));
  g_assert_true (tpm_rc_is_transient (0x922) && tpm_rc_is_transient (0x923) && tpm_rc_is_transient (0x0b0922));
  g_assert_false (tpm_rc_is_transient (0x0a0922));
}

static void
the_message_says_what_to_do_and_the_error_knows_the_code (void)
{
  g_autoptr (GError) error = NULL;
  const char *text = NULL;

  g_assert_false (tpm_rc_set_error (&error, 0x921, "sign with the key at 0x81005401"));
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_TPM_LOCKOUT);
  g_assert_cmpstr (error->message, ==,
                   "sign with the key at 0x81005401: the TPM is locked after wrong passwords; wait for its recovery time");
  g_assert_cmpuint (base_error_get_tpm (error, &text), ==, 0x921);
  g_assert_nonnull (strstr (text, "DA lockout mode"));
}

static void
nobody_needs_to_take_the_error (void)
{
  g_assert_false (tpm_rc_set_error (NULL, 0x921, "sign"));
  tpm_rc_note (NULL, 0x921);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/rc/every-format-one-row-maps-with-any-bits", every_format_one_row_maps_with_any_bits);
  g_test_add_func ("/tpm/rc/every-format-zero-row-maps-from-any-layer", every_format_zero_row_maps_from_any_layer);
  g_test_add_func ("/tpm/rc/layers-of-the-tss-map", layers_of_the_tss_map);
  g_test_add_func ("/tpm/rc/value-means-one-thing-for-handles-and-another-for-parameters",
                   value_means_one_thing_for_handles_and_another_for_parameters);
  g_test_add_func ("/tpm/rc/rows-of-the-field-map", rows_of_the_field_map);
  g_test_add_func ("/tpm/rc/any-rc-has-an-error", any_rc_has_an_error);
  g_test_add_func ("/tpm/rc/only-the-tpms-answers-leave-the-link-open", only_the_tpms_answers_leave_the_link_open);
  g_test_add_func ("/tpm/rc/transient-are-five", transient_are_five);
  g_test_add_func ("/tpm/rc/the-message-says-what-to-do-and-the-error-knows-the-code",
                   the_message_says_what_to_do_and_the_error_knows_the_code);
  g_test_add_func ("/tpm/rc/nobody-needs-to-take-the-error", nobody_needs_to_take_the_error);
  return g_test_run ();
}

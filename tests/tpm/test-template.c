/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-template.h"

#include <string.h>
#include <tss2/tss2_mu.h>

static const TPM2B_NAME a_name = { .size = TPM_NAME_SIZE };

static TPM2B_PUBLIC
key_of_ours (TpmKeyAlgorithm algorithm)
{
  TPM2B_PUBLIC public;

  g_assert_true (tpm_template_key (algorithm, TPM_PURPOSE_DEVICE, &public));
  public.publicArea.unique.ecc.x = (TPM2B_ECC_PARAMETER){ .size = 32, .buffer = { 1 } };
  public.publicArea.unique.ecc.y = (TPM2B_ECC_PARAMETER){ .size = 31, .buffer = { 2 } };
  return public;
}

static void
assert_tag (TpmKeyAlgorithm algorithm, TpmPurpose purpose, const char *text)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  TPM2B_PUBLIC public;
  guint8 expected[32];
  gsize size = sizeof expected;

  g_assert_true (tpm_template_key (algorithm, purpose, &public));
  g_checksum_update (checksum, (const guchar *) text, (gssize) strlen (text));
  g_checksum_get_digest (checksum, expected, &size);
  g_assert_cmpmem (public.publicArea.authPolicy.buffer, public.publicArea.authPolicy.size, expected, size);
}

static void
assert_nv_tag (TpmNvKind kind, const char *text)
{
  TPM2B_NV_PUBLIC public;
  guint8 expected[TPM_NV_DIGEST_SIZE];

  tpm_template_store (0x01800001, 4, kind, FALSE, &public);
  tpm_template_digest (text, strlen (text), expected);
  g_assert_cmpuint (public.nvPublic.authPolicy.size, ==, 32);
  g_assert_cmpmem (public.nvPublic.authPolicy.buffer, TPM_NV_DIGEST_SIZE, expected, sizeof expected);
  g_assert_cmpint (tpm_template_nv_kind (&public.nvPublic, NULL), ==, kind);
  public.nvPublic.attributes |= TPMA_NV_POLICYWRITE;
  g_assert_cmpint (tpm_template_nv_kind (&public.nvPublic, NULL), ==, TPM_NV_OTHER);
}

static void
tags_are_the_digests_of_their_texts (void)
{
  assert_nv_tag (TPM_NV_PASSWORDS, TPM_TEMPLATE_TAG_PASSWORDS);
  assert_nv_tag (TPM_NV_RESET_TOKENS, TPM_TEMPLATE_TAG_RESET_TOKENS);
  assert_tag (TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, TPM_TEMPLATE_TAG_DEVICE);
  assert_tag (TPM_KEY_RSA_2048, TPM_PURPOSE_CREDENTIALS, TPM_TEMPLATE_TAG_CREDENTIALS);
}

/* Keys in the field are recognised by this: it must not change. */
static void
the_device_key_is_frozen (void)
{
  static const guint8 expected[] = {
    0x00, 0x23, 0x00, 0x0b, 0x00, 0x04, 0x04, 0x72, 0x00, 0x20, 0xf9, 0xc3, 0x0e, 0x40, 0xdc, 0x13, 0x14,
    0x21, 0x79, 0xff, 0x03, 0xaa, 0xfb, 0xf5, 0x39, 0x7b, 0x64, 0x36, 0x3d, 0xf6, 0xa7, 0xaf, 0x2c, 0xb3,
    0xf7, 0x70, 0xf9, 0x1f, 0xcb, 0x7c, 0x3d, 0xa7, 0x00, 0x10, 0x00, 0x10, 0x00, 0x03, 0x00, 0x10, 0x00,
    0x00, 0x00, 0x00,
  };
  TPM2B_PUBLIC public;
  guint8 bytes[512];
  gsize size = 0;

  g_assert_true (tpm_template_key (TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, &public));
  g_assert_cmpuint (Tss2_MU_TPMT_PUBLIC_Marshal (&public.publicArea, bytes, sizeof bytes, &size), ==, 0);
  g_assert_cmpmem (bytes, size, expected, sizeof expected);
}

static void
recognises_its_own_keys (void)
{
  TPM2B_PUBLIC public = key_of_ours (TPM_KEY_ECC_P256);
  TpmPublic found;

  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, ==, TPM_PURPOSE_DEVICE);
  g_assert_cmpuint (found.size, ==, 32);
  g_assert_cmpuint (found.x[0], ==, 1);
  g_assert_cmpuint (found.y[0], ==, 0);
  g_assert_cmpuint (found.y[1], ==, 2);

  public = key_of_ours (TPM_KEY_ECC_P384);
  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, ==, TPM_PURPOSE_DEVICE);
  g_assert_cmpuint (found.size, ==, 48);
  g_assert_cmpuint (found.x[16], ==, 1);
}

static void
any_other_attribute_is_not_ours (void)
{
  for (guint bit = 0; bit < 32; bit++)
    {
      TPM2B_PUBLIC public = key_of_ours (TPM_KEY_ECC_P256);
      TpmPublic found;

      public.publicArea.objectAttributes ^= 1u << bit;
      g_assert_true (tpm_template_recognise (&public, &a_name, &found));
      g_assert_cmpint (found.purpose, !=, TPM_PURPOSE_DEVICE);
    }
}

static void
any_other_policy_is_not_ours (void)
{
  for (guint byte = 0; byte < 32; byte++)
    {
      TPM2B_PUBLIC public = key_of_ours (TPM_KEY_ECC_P256);
      TpmPublic found;

      public.publicArea.authPolicy.buffer[byte] ^= 1;
      g_assert_true (tpm_template_recognise (&public, &a_name, &found));
      g_assert_cmpint (found.purpose, !=, TPM_PURPOSE_DEVICE);
      public.publicArea.authPolicy.size = 0;
      g_assert_true (tpm_template_recognise (&public, &a_name, &found));
      g_assert_cmpint (found.purpose, !=, TPM_PURPOSE_DEVICE);
    }
}

static void
other_keys_are_not_recognised (void)
{
  TPM2B_PUBLIC public = key_of_ours (TPM_KEY_ECC_P256);
  TpmPublic found = { .size = 7 };
  TPM2B_NAME short_name = { .size = 2 };

  g_assert_false (tpm_template_recognise (&public, &short_name, &found));
  public.publicArea.unique.ecc.x.size = 33;
  g_assert_false (tpm_template_recognise (&public, &a_name, &found));
  public.publicArea.unique.ecc.x.size = 0;
  g_assert_false (tpm_template_recognise (&public, &a_name, &found));
  public = key_of_ours (TPM_KEY_ECC_P256);
  public.publicArea.parameters.eccDetail.curveID = TPM2_ECC_NIST_P521;
  g_assert_false (tpm_template_recognise (&public, &a_name, &found));
  public.publicArea.type = TPM2_ALG_RSA;
  g_assert_false (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpuint (found.size, ==, 7);
}

static void
storage_keys_are_not_ours (void)
{
  TPM2B_PUBLIC public;
  TpmPublic found;

  tpm_template_storage_root (&public);
  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, !=, TPM_PURPOSE_DEVICE);
  tpm_template_endorsement (&public);
  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, !=, TPM_PURPOSE_DEVICE);
}

static void
write_once_means_no_other_way (void)
{
  static const TPMA_NV others[] = { TPMA_NV_PPWRITE, TPMA_NV_OWNERWRITE, TPMA_NV_AUTHWRITE };
  TPM2B_NV_PUBLIC index;

  tpm_template_write_once (0x01800001, 20, &index);
  g_assert_true (tpm_template_is_write_once (&index.nvPublic));
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    {
      TPMS_NV_PUBLIC public = index.nvPublic;
      public.attributes |= others[i];
      g_assert_true (tpm_template_has_write_once_policy (&public));
      g_assert_false (tpm_template_is_write_once (&public));
    }
  index.nvPublic.attributes &= ~(TPMA_NV) TPMA_NV_POLICYWRITE;
  g_assert_false (tpm_template_has_write_once_policy (&index.nvPublic));
}

static void
credentials_are_told_from_other_keys_for_decryption (void)
{
  TPM2B_PUBLIC public;
  TpmPublic found;

  g_assert_true (tpm_template_key (TPM_KEY_RSA_2048, TPM_PURPOSE_CREDENTIALS, &public));
  public.publicArea.unique.rsa = (TPM2B_PUBLIC_KEY_RSA){ .size = 256, .buffer = { 0x80, 1 } };
  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, ==, TPM_PURPOSE_CREDENTIALS);
  g_assert_cmpuint (found.size, ==, 256);
  g_assert_cmpuint (found.exponent, ==, 65537);
  g_assert_cmpuint (found.modulus[1], ==, 1);

  public.publicArea.authPolicy.size = 0;
  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, ==, TPM_PURPOSE_DECRYPT);
  public.publicArea.objectAttributes |= TPMA_OBJECT_SIGN_ENCRYPT;
  g_assert_true (tpm_template_recognise (&public, &a_name, &found));
  g_assert_cmpint (found.purpose, ==, TPM_PURPOSE_FOREIGN);
  public.publicArea.unique.rsa.size = 255;
  g_assert_false (tpm_template_recognise (&public, &a_name, &found));
}

static void
no_key_is_made_for_what_it_cannot_do (void)
{
  TPM2B_PUBLIC public;

  g_assert_false (tpm_template_key (TPM_KEY_RSA_2048, TPM_PURPOSE_SIGN, &public));
  g_assert_false (tpm_template_key (TPM_KEY_ECC_P256, TPM_PURPOSE_DECRYPT, &public));
  g_assert_false (tpm_template_key (TPM_KEY_ECC_P384, TPM_PURPOSE_CREDENTIALS, &public));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/template/tags-are-the-digests-of-their-texts", tags_are_the_digests_of_their_texts);
  g_test_add_func ("/tpm/template/the-device-key-is-frozen", the_device_key_is_frozen);
  g_test_add_func ("/tpm/template/recognises-its-own-keys", recognises_its_own_keys);
  g_test_add_func ("/tpm/template/any-other-attribute-is-not-ours", any_other_attribute_is_not_ours);
  g_test_add_func ("/tpm/template/any-other-policy-is-not-ours", any_other_policy_is_not_ours);
  g_test_add_func ("/tpm/template/other-keys-are-not-recognised", other_keys_are_not_recognised);
  g_test_add_func ("/tpm/template/storage-keys-are-not-ours", storage_keys_are_not_ours);
  g_test_add_func ("/tpm/template/credentials-are-told-from-other-keys-for-decryption", credentials_are_told_from_other_keys_for_decryption);
  g_test_add_func ("/tpm/template/no-key-is-made-for-what-it-cannot-do", no_key_is_made_for_what_it_cannot_do);
  g_test_add_func ("/tpm/template/write-once-means-no-other-way", write_once_means_no_other_way);
  return g_test_run ();
}

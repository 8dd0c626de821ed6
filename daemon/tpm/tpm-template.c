/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-template.h"

#include <string.h>

#define SHA256_SIZE 32
#define P256_SIZE 32
#define P384_SIZE 48

/* SHA-256 of TPM_TEMPLATE_TAG. */
static const guint8 tag_digest[SHA256_SIZE] = {
  0xf9, 0xc3, 0x0e, 0x40, 0xdc, 0x13, 0x14, 0x21, 0x79, 0xff, 0x03, 0xaa, 0xfb, 0xf5, 0x39, 0x7b,
  0x64, 0x36, 0x3d, 0xf6, 0xa7, 0xaf, 0x2c, 0xb3, 0xf7, 0x70, 0xf9, 0x1f, 0xcb, 0x7c, 0x3d, 0xa7,
};

/* PolicySecret (TPM_RH_ENDORSEMENT): TCG EK Credential Profile 2.3, B.6.2, PolicyA for SHA-256. */
static const guint8 endorsement_policy[SHA256_SIZE] = {
  0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
  0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
};

/* PolicyCommandCode (TPM2_CC_NV_Write), then PolicyNvWritten (clear). TPM 2.0 Library Part 3, 23.11 and 23.20. */
static const guint8 write_once_policy[SHA256_SIZE] = {
  0xb7, 0xaf, 0xec, 0xee, 0x9b, 0xf7, 0xbc, 0xbd, 0x50, 0x78, 0xf2, 0x64, 0xde, 0x85, 0xf7, 0xe3,
  0x61, 0xdc, 0x84, 0xf7, 0x45, 0xda, 0x7e, 0xfa, 0x34, 0xe9, 0x1f, 0xda, 0xf2, 0x00, 0xee, 0x9b,
};

#define DEVICE_KEY_ATTRIBUTES                                                                                                    \
  (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH                   \
   | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT)

#define STORAGE_ATTRIBUTES                                                                                                       \
  (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED                     \
   | TPMA_OBJECT_DECRYPT)

#define WRITE_ONCE_ATTRIBUTES (TPMA_NV_POLICYWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA)
#define OTHER_WRITE_ATTRIBUTES (TPMA_NV_PPWRITE | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHWRITE)

static void
set_digest (TPM2B_DIGEST *digest, const guint8 bytes[SHA256_SIZE])
{
  digest->size = SHA256_SIZE;
  memcpy (digest->buffer, bytes, SHA256_SIZE);
}

static gboolean
digest_equals (const TPM2B_DIGEST *digest, const guint8 bytes[SHA256_SIZE])
{
  return digest->size == SHA256_SIZE && memcmp (digest->buffer, bytes, SHA256_SIZE) == 0;
}

static void
fill_ecc (TPM2B_PUBLIC *template, TPM2_ECC_CURVE curve, TPMA_OBJECT attributes)
{
  *template = (TPM2B_PUBLIC){
    .publicArea = {
      .type = TPM2_ALG_ECC,
      .nameAlg = TPM2_ALG_SHA256,
      .objectAttributes = attributes,
      .parameters.eccDetail = {
        .symmetric.algorithm = TPM2_ALG_NULL,
        .scheme.scheme = TPM2_ALG_NULL,
        .curveID = curve,
        .kdf.scheme = TPM2_ALG_NULL,
      },
    },
  };
}

static void
fill_storage (TPM2B_PUBLIC *template, TPMA_OBJECT attributes)
{
  fill_ecc (template, TPM2_ECC_NIST_P256, STORAGE_ATTRIBUTES | attributes);
  template->publicArea.parameters.eccDetail.symmetric = (TPMT_SYM_DEF_OBJECT){
    .algorithm = TPM2_ALG_AES,
    .keyBits.aes = 128,
    .mode.aes = TPM2_ALG_CFB,
  };
  template->publicArea.unique.ecc.x.size = P256_SIZE;
  template->publicArea.unique.ecc.y.size = P256_SIZE;
}

void
tpm_template_storage_root (TPM2B_PUBLIC *ret_template)
{
  fill_storage (ret_template, TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA);
}

void
tpm_template_endorsement (TPM2B_PUBLIC *ret_template)
{
  fill_storage (ret_template, TPMA_OBJECT_ADMINWITHPOLICY);
  set_digest (&ret_template->publicArea.authPolicy, endorsement_policy);
}

void
tpm_template_device_key (TpmKeyAlgorithm algorithm, TPM2B_PUBLIC *ret_template)
{
  fill_ecc (ret_template, algorithm == TPM_KEY_ECC_P384 ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256, DEVICE_KEY_ATTRIBUTES);
  set_digest (&ret_template->publicArea.authPolicy, tag_digest);
}

static gboolean
is_ours (const TPMT_PUBLIC *area)
{
  const TPMS_ECC_PARMS *parameters = &area->parameters.eccDetail;

  return area->nameAlg == TPM2_ALG_SHA256 && area->objectAttributes == DEVICE_KEY_ATTRIBUTES
         && digest_equals (&area->authPolicy, tag_digest) && parameters->symmetric.algorithm == TPM2_ALG_NULL
         && parameters->scheme.scheme == TPM2_ALG_NULL && parameters->kdf.scheme == TPM2_ALG_NULL;
}

gboolean
tpm_template_pad (const TPM2B_ECC_PARAMETER *from, gsize size, guint8 to[TPM_COORDINATE_MAX])
{
  if (from->size == 0 || from->size > size)
    return FALSE;
  memset (to, 0, size - from->size);
  memcpy (to + size - from->size, from->buffer, from->size);
  return TRUE;
}

gboolean
tpm_template_recognise (const TPM2B_PUBLIC *public, const TPM2B_NAME *name, TpmPublic *ret_public)
{
  const TPMT_PUBLIC *area = &public->publicArea;
  TpmPublic result = { 0 };

  if (area->type != TPM2_ALG_ECC || name->size != TPM_NAME_SIZE)
    return FALSE;
  if (area->parameters.eccDetail.curveID == TPM2_ECC_NIST_P256)
    {
      result.algorithm = TPM_KEY_ECC_P256;
      result.coordinate_size = P256_SIZE;
    }
  else if (area->parameters.eccDetail.curveID == TPM2_ECC_NIST_P384)
    {
      result.algorithm = TPM_KEY_ECC_P384;
      result.coordinate_size = P384_SIZE;
    }
  else
    return FALSE;

  if (!tpm_template_pad (&area->unique.ecc.x, result.coordinate_size, result.x)
      || !tpm_template_pad (&area->unique.ecc.y, result.coordinate_size, result.y))
    return FALSE;
  memcpy (result.name, name->name, TPM_NAME_SIZE);
  result.ours = is_ours (area);
  *ret_public = result;
  return TRUE;
}

void
tpm_template_write_once (guint32 index, guint16 size, TPM2B_NV_PUBLIC *ret_template)
{
  *ret_template = (TPM2B_NV_PUBLIC){
    .nvPublic = {
      .nvIndex = index,
      .nameAlg = TPM2_ALG_SHA256,
      .attributes = WRITE_ONCE_ATTRIBUTES | (TPM2_NT_ORDINARY << TPMA_NV_TPM2_NT_SHIFT),
      .dataSize = size,
    },
  };
  set_digest (&ret_template->nvPublic.authPolicy, write_once_policy);
}

gboolean
tpm_template_has_write_once_policy (const TPMS_NV_PUBLIC *public)
{
  return public->nameAlg == TPM2_ALG_SHA256 && (public->attributes & TPMA_NV_POLICYWRITE) != 0
         && (public->attributes & TPMA_NV_TPM2_NT_MASK) == TPM2_NT_ORDINARY << TPMA_NV_TPM2_NT_SHIFT
         && digest_equals (&public->authPolicy, write_once_policy);
}

gboolean
tpm_template_is_write_once (const TPMS_NV_PUBLIC *public)
{
  return tpm_template_has_write_once_policy (public) && (public->attributes & OTHER_WRITE_ATTRIBUTES) == 0;
}

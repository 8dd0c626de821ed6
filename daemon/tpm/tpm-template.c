/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-template.h"

#include <string.h>

#define SHA256_SIZE 32
#define P256_SIZE 32
#define P384_SIZE 48
#define RSA_BITS 2048
#define NV_TAG_SIZE (SHA256_SIZE - TPM_NV_DIGEST_SIZE)

/* SHA-256 of TPM_TEMPLATE_TAG_DEVICE and of TPM_TEMPLATE_TAG_CREDENTIALS. */
static const guint8 device_tag[SHA256_SIZE] = {
  0xf9, 0xc3, 0x0e, 0x40, 0xdc, 0x13, 0x14, 0x21, 0x79, 0xff, 0x03, 0xaa, 0xfb, 0xf5, 0x39, 0x7b,
  0x64, 0x36, 0x3d, 0xf6, 0xa7, 0xaf, 0x2c, 0xb3, 0xf7, 0x70, 0xf9, 0x1f, 0xcb, 0x7c, 0x3d, 0xa7,
};
static const guint8 credentials_tag[SHA256_SIZE] = {
  0x45, 0x99, 0x1a, 0x0e, 0xd5, 0x46, 0xe0, 0xac, 0x81, 0x0c, 0x2f, 0x8f, 0xd1, 0xbc, 0x68, 0x85,
  0x33, 0x45, 0xb6, 0x63, 0x92, 0x4a, 0x62, 0x45, 0x8d, 0x18, 0xea, 0x01, 0x24, 0xe3, 0x74, 0xf3,
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

/* The first halves of the SHA-256 of TPM_TEMPLATE_TAG_PASSWORDS and of TPM_TEMPLATE_TAG_RESET_TOKENS. */
static const struct
{
  guint8 tag[NV_TAG_SIZE];
  gboolean tells_content;
} nv_kinds[TPM_N_NV_KINDS] = {
  [TPM_NV_PASSWORDS] = {
    { 0xca, 0x3a, 0x43, 0x21, 0x9a, 0x08, 0x8c, 0x7b, 0x47, 0x44, 0x72, 0xd1, 0xce, 0xc9, 0x11, 0x49 },
    TRUE,
  },
  [TPM_NV_RESET_TOKENS] = {
    { 0x88, 0x28, 0xa0, 0xba, 0x63, 0x85, 0x51, 0xe2, 0x93, 0x47, 0x59, 0x05, 0x95, 0x1d, 0x34, 0xb2 },
    FALSE,
  },
};

#define KEY_ATTRIBUTES                                                                                                           \
  (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA)

#define STORAGE_ATTRIBUTES                                                                                                       \
  (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED                     \
   | TPMA_OBJECT_DECRYPT)

#define WRITE_ONCE_ATTRIBUTES (TPMA_NV_POLICYWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA)
#define STORE_ATTRIBUTES (TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA)
/* What the TPM sets and clears by itself. */
#define STATE_ATTRIBUTES (TPMA_NV_WRITTEN | TPMA_NV_READLOCKED | TPMA_NV_WRITELOCKED)
#define OTHER_WRITE_ATTRIBUTES (TPMA_NV_PPWRITE | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHWRITE)

typedef struct
{
  TPMA_OBJECT use;
  const guint8 *tag; /* (nullable) */
} PurposeRow;

static const PurposeRow purposes[TPM_N_PURPOSES] = {
  [TPM_PURPOSE_DEVICE] = { TPMA_OBJECT_SIGN_ENCRYPT, device_tag },
  [TPM_PURPOSE_CREDENTIALS] = { TPMA_OBJECT_DECRYPT, credentials_tag },
  [TPM_PURPOSE_SIGN] = { TPMA_OBJECT_SIGN_ENCRYPT, NULL },
  [TPM_PURPOSE_DECRYPT] = { TPMA_OBJECT_DECRYPT, NULL },
};

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

static void
fill_rsa (TPM2B_PUBLIC *template, TPMA_OBJECT attributes)
{
  *template = (TPM2B_PUBLIC){
    .publicArea = {
      .type = TPM2_ALG_RSA,
      .nameAlg = TPM2_ALG_SHA256,
      .objectAttributes = attributes,
      .parameters.rsaDetail = {
        .symmetric.algorithm = TPM2_ALG_NULL,
        .scheme.scheme = TPM2_ALG_NULL,
        .keyBits = RSA_BITS,
      },
    },
  };
}

gboolean
tpm_template_key (TpmKeyAlgorithm algorithm, TpmPurpose purpose, TPM2B_PUBLIC *ret_template)
{
  const PurposeRow *row = &purposes[purpose];
  gboolean is_rsa = algorithm == TPM_KEY_RSA_2048;

  g_assert (purpose != TPM_PURPOSE_FOREIGN);
  if (is_rsa != (row->use == TPMA_OBJECT_DECRYPT))
    return FALSE;
  if (is_rsa)
    fill_rsa (ret_template, KEY_ATTRIBUTES | row->use);
  else
    fill_ecc (ret_template, algorithm == TPM_KEY_ECC_P384 ? TPM2_ECC_NIST_P384 : TPM2_ECC_NIST_P256, KEY_ATTRIBUTES | row->use);
  if (row->tag != NULL)
    set_digest (&ret_template->publicArea.authPolicy, row->tag);
  return TRUE;
}

static gboolean
has_no_scheme (const TPMT_PUBLIC *area)
{
  const TPMS_ECC_PARMS *ecc = &area->parameters.eccDetail;
  const TPMS_RSA_PARMS *rsa = &area->parameters.rsaDetail;

  if (area->type == TPM2_ALG_RSA)
    return rsa->symmetric.algorithm == TPM2_ALG_NULL && rsa->scheme.scheme == TPM2_ALG_NULL;
  return ecc->symmetric.algorithm == TPM2_ALG_NULL && ecc->scheme.scheme == TPM2_ALG_NULL && ecc->kdf.scheme == TPM2_ALG_NULL;
}

static TpmPurpose
recognise_purpose (const TPMT_PUBLIC *area)
{
  if (area->nameAlg != TPM2_ALG_SHA256 || !has_no_scheme (area))
    return TPM_PURPOSE_FOREIGN;
  for (guint purpose = TPM_PURPOSE_DEVICE; purpose < TPM_N_PURPOSES; purpose++)
    {
      const PurposeRow *row = &purposes[purpose];
      gboolean has_tag = row->tag != NULL ? digest_equals (&area->authPolicy, row->tag) : area->authPolicy.size == 0;

      if (has_tag && area->objectAttributes == (KEY_ATTRIBUTES | row->use)
          && (area->type == TPM2_ALG_RSA) == (row->use == TPMA_OBJECT_DECRYPT))
        return (TpmPurpose) purpose;
    }
  return TPM_PURPOSE_FOREIGN;
}

gboolean
tpm_template_pad (const guint8 *from, gsize from_size, guint8 *to, gsize size)
{
  if (from_size == 0 || from_size > size)
    return FALSE;
  memset (to, 0, size - from_size);
  memcpy (to + size - from_size, from, from_size);
  return TRUE;
}

static gboolean
read_point (const TPMT_PUBLIC *area, TpmPublic *result)
{
  const TPMS_ECC_POINT *point = &area->unique.ecc;

  if (area->parameters.eccDetail.curveID == TPM2_ECC_NIST_P256)
    {
      result->algorithm = TPM_KEY_ECC_P256;
      result->size = P256_SIZE;
    }
  else if (area->parameters.eccDetail.curveID == TPM2_ECC_NIST_P384)
    {
      result->algorithm = TPM_KEY_ECC_P384;
      result->size = P384_SIZE;
    }
  else
    return FALSE;
  return tpm_template_pad (point->x.buffer, point->x.size, result->x, result->size)
         && tpm_template_pad (point->y.buffer, point->y.size, result->y, result->size);
}

static gboolean
read_modulus (const TPMT_PUBLIC *area, TpmPublic *result)
{
  const TPMS_RSA_PARMS *parameters = &area->parameters.rsaDetail;
  const TPM2B_PUBLIC_KEY_RSA *modulus = &area->unique.rsa;

  if (parameters->keyBits != RSA_BITS || modulus->size != RSA_BITS / 8)
    return FALSE;
  result->algorithm = TPM_KEY_RSA_2048;
  result->size = RSA_BITS / 8;
  /* TPM 2.0 Library Part 2, 12.2.3.5: zero stands for 2^16 + 1. */
  result->exponent = parameters->exponent != 0 ? parameters->exponent : 65537;
  memcpy (result->modulus, modulus->buffer, modulus->size);
  return TRUE;
}

gboolean
tpm_template_recognise (const TPM2B_PUBLIC *public, const TPM2B_NAME *name, TpmPublic *ret_public)
{
  const TPMT_PUBLIC *area = &public->publicArea;
  TpmPublic result = { 0 };

  if (name->size != TPM_NAME_SIZE)
    return FALSE;
  if (area->type != TPM2_ALG_ECC && area->type != TPM2_ALG_RSA)
    return FALSE;
  if (area->type == TPM2_ALG_ECC ? !read_point (area, &result) : !read_modulus (area, &result))
    return FALSE;
  memcpy (result.name, name->name, TPM_NAME_SIZE);
  result.purpose = recognise_purpose (area);
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

void
tpm_template_store (guint32 index, guint16 size, TpmNvKind kind, gboolean locks, TPM2B_NV_PUBLIC *ret_template)
{
  g_assert (kind > TPM_NV_OTHER && kind < TPM_N_NV_KINDS);
  *ret_template = (TPM2B_NV_PUBLIC){
    .nvPublic = {
      .nvIndex = index,
      .nameAlg = TPM2_ALG_SHA256,
      .attributes = STORE_ATTRIBUTES | (locks ? TPMA_NV_READ_STCLEAR : 0) | (TPM2_NT_ORDINARY << TPMA_NV_TPM2_NT_SHIFT),
      .authPolicy = { .size = SHA256_SIZE },
      .dataSize = size,
    },
  };
  memcpy (ret_template->nvPublic.authPolicy.buffer, nv_kinds[kind].tag, NV_TAG_SIZE);
}

gboolean
tpm_template_tells_content (TpmNvKind kind)
{
  return nv_kinds[kind].tells_content;
}

void
tpm_template_digest (gconstpointer content, gsize size, guint8 ret_digest[TPM_NV_DIGEST_SIZE])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[SHA256_SIZE];
  gsize digest_size = sizeof digest;

  g_checksum_update (sum, content, (gssize) size);
  g_checksum_get_digest (sum, digest, &digest_size);
  memcpy (ret_digest, digest, TPM_NV_DIGEST_SIZE);
}

void
tpm_template_tell_content (TPMS_NV_PUBLIC *template, const guint8 digest[TPM_NV_DIGEST_SIZE])
{
  memcpy (template->authPolicy.buffer + NV_TAG_SIZE, digest, TPM_NV_DIGEST_SIZE);
}

static gboolean
is_of_kind (const TPMS_NV_PUBLIC *public, TpmNvKind kind)
{
  return public->nameAlg == TPM2_ALG_SHA256 && public->authPolicy.size == SHA256_SIZE
         && memcmp (public->authPolicy.buffer, nv_kinds[kind].tag, NV_TAG_SIZE) == 0
         && (public->attributes & ~(STATE_ATTRIBUTES | TPMA_NV_READ_STCLEAR))
                == (STORE_ATTRIBUTES | (TPM2_NT_ORDINARY << TPMA_NV_TPM2_NT_SHIFT));
}

TpmNvKind
tpm_template_nv_kind (const TPMS_NV_PUBLIC *public, guint8 *ret_digest)
{
  for (guint kind = TPM_NV_OTHER + 1; kind < TPM_N_NV_KINDS; kind++)
    if (is_of_kind (public, (TpmNvKind) kind))
      {
        if (ret_digest != NULL)
          memcpy (ret_digest, public->authPolicy.buffer + NV_TAG_SIZE, TPM_NV_DIGEST_SIZE);
        return (TpmNvKind) kind;
      }
  return TPM_NV_OTHER;
}

gboolean
tpm_template_is_store (const TPMS_NV_PUBLIC *public, const TPMS_NV_PUBLIC *template)
{
  return public->nvIndex == template->nvIndex && tpm_template_nv_kind (public, NULL) == tpm_template_nv_kind (template, NULL)
         && (public->attributes & ~STATE_ATTRIBUTES) == template->attributes;
}

gboolean
tpm_template_is_storage_root (const TPM2B_PUBLIC *public)
{
  const TPMT_PUBLIC *area = &public->publicArea;
  const TPMS_ECC_PARMS *parameters = &area->parameters.eccDetail;
  TPM2B_PUBLIC template;

  tpm_template_storage_root (&template);
  const TPMS_ECC_PARMS *wanted = &template.publicArea.parameters.eccDetail;
  return area->type == TPM2_ALG_ECC && area->nameAlg == TPM2_ALG_SHA256 && area->authPolicy.size == 0
         && area->objectAttributes == template.publicArea.objectAttributes && parameters->curveID == wanted->curveID
         && parameters->symmetric.algorithm == wanted->symmetric.algorithm
         && parameters->symmetric.keyBits.aes == wanted->symmetric.keyBits.aes && parameters->symmetric.mode.aes == wanted->symmetric.mode.aes
         && parameters->scheme.scheme == TPM2_ALG_NULL && parameters->kdf.scheme == TPM2_ALG_NULL;
}

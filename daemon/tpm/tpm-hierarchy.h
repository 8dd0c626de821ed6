/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"
#include "tpm-types.h"

G_BEGIN_DECLS

typedef enum
{
  TPM_HIERARCHY_OWNER,
  TPM_HIERARCHY_ENDORSEMENT,
} TpmHierarchy;

/**
 * tpm_hierarchy_read_anchor:
 * @hierarchy: owner: the ECC storage root key that tpm_key_create() uses; endorsement: the TCG EK template L-2 (P-256)
 * @ret_name: (out caller-allocates) (array fixed-size=34): the primary key's Name
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _HIERARCHY_DISABLED and those of the link
 *
 * What tells this TPM from another (endorsement), and this life of it from the one before TPM2_Clear (owner): primary
 * keys are a function of seed and template. Two commands (CreatePrimary, FlushContext), tens of milliseconds up to
 * seconds on a real chip. Template L-2: TCG EK Credential Profile 2.3, B.3.4.
 */
gboolean tpm_hierarchy_read_anchor (TpmLink *link, TpmHierarchy hierarchy, guint8 ret_name[TPM_NAME_SIZE], GError **error);

G_END_DECLS

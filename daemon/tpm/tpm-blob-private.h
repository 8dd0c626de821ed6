/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-blob.h"

#include <tss2/tss2_tpm2_types.h>

G_BEGIN_DECLS

/* Returns: (transfer full): the structure as it goes over the wire */
GBytes *tpm_blob_from_public (const TPM2B_PUBLIC *public);
GBytes *tpm_blob_from_private (const TPM2B_PRIVATE *private);

/**
 * tpm_blob_to_public:
 * @error: TPMID_ERROR_CORRUPT
 */
gboolean tpm_blob_to_public (GBytes *blob, TPM2B_PUBLIC *ret_public, GError **error);
gboolean tpm_blob_to_private (GBytes *blob, TPM2B_PRIVATE *ret_private, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-types.h"

G_BEGIN_DECLS

/* The two halves of a key outside the TPM, TPM2B_PUBLIC and TPM2B_PRIVATE as they go over the wire (TPM 2.0 Library Part 2, 12.2.5
 * and 12.3.7). Pure, any thread. */

/**
 * tpm_blob_read_public:
 * @blob: TPM2B_PUBLIC
 * @ret_public: (out caller-allocates): what it says; the Name is computed here (Part 1, 16)
 * @error: TPMID_ERROR_CORRUPT when it is none, or is followed by something, or is no key of an algorithm of ours
 */
gboolean tpm_blob_read_public (GBytes *blob, TpmPublic *ret_public, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory that ESYS allocated with its own allocator: g_autoptr () only, never g_free (). What a job holds in the TPM is guarded
 * by tpm-guard.h. */

#include <glib.h>
#include <string.h>
#include <tss2/tss2_esys.h>

G_BEGIN_DECLS

/* For answers that hold a secret. */
static inline void
tpm_auto_wipe (gpointer memory, gsize size)
{
  if (memory != NULL)
    explicit_bzero (memory, size);
  Esys_Free (memory);
}

static inline void
tpm_auto_wipe_rsa (TPM2B_PUBLIC_KEY_RSA *block)
{
  tpm_auto_wipe (block, sizeof *block);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_PUBLIC_KEY_RSA, tpm_auto_wipe_rsa)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_CREATION_DATA, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_DIGEST, Esys_Free)

/* It may be of an index that holds a secret. */
static inline void
tpm_auto_wipe_nv (TPM2B_MAX_NV_BUFFER *data)
{
  tpm_auto_wipe (data, sizeof *data);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_MAX_NV_BUFFER, tpm_auto_wipe_nv)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_MAX_BUFFER, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_NAME, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_NV_PUBLIC, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_PRIVATE, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPM2B_PUBLIC, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPMS_CAPABILITY_DATA, Esys_Free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TPMT_SIGNATURE, Esys_Free)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-algorithm.h"

G_BEGIN_DECLS

/**
 * IdentitySigner:
 *
 * Something that signs a digest with one private key, wherever it is. Lives on the thread that made it (the TPM thread).
 */
typedef struct
{
  GBytes *spki; /* (transfer none): DER SubjectPublicKeyInfo of the key */
  /* Returns: (transfer full) (nullable): DER ECDSA-Sig-Value, already verified against @spki */
  GBytes *(*sign) (gpointer data, IdentityHash hash, GBytes *digest, GError **error);
  gpointer data;
} IdentitySigner;

G_END_DECLS

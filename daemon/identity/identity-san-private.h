/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-san.h"

#include <openssl/x509v3.h>

G_BEGIN_DECLS

/* What each kind of subject alternative name may look like. Nothing outside the room includes it. Any thread. */

/**
 * identity_san_new:
 * @kind: what @value is
 * @value: as for identity_csr_add_san()
 * @error: TPMID_ERROR_INVALID_ARGUMENT saying what is wrong with @value
 *
 * Returns: (transfer full) (nullable): one name that is exactly @value
 */
GENERAL_NAME *identity_san_new (IdentitySan kind, const char *value, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backend.h"
#include "identity-cert.h"

G_BEGIN_DECLS

/* Another certificate for the key that the device has. TPM thread, one at a time. */

/**
 * identity_renewal_check:
 * @pem: PEM CERTIFICATE blocks, leaf first: at most 64 KiB and 10 certificates; other text around them is passed over
 * @key: whose certificate it must be
 * @error: TPMID_ERROR_INVALID_ARGUMENT when it cannot be decoded or is too much; _CERTIFICATE_MISMATCH when the leaf is of another key, or a
 *   certificate is not signed by the next one; the message says which
 *
 * Whether a chain that somebody handed us fits @key. Whom to trust is not our question: the last certificate may be anybody's, and none needs
 * to be valid by the clock, which may be wrong: that is logged as a warning.
 *
 * Returns: (transfer full) (nullable): the chain
 */
IdentityCert *identity_renewal_check (const char *pem, const IdentityBackend *key, GError **error);

/**
 * identity_renewal_install:
 * @key: the device's key
 * @pem: as for identity_renewal_check()
 * @error: those of identity_renewal_check(); TPMID_ERROR_STORAGE
 *
 * Makes @pem the device's certificate. The one before is kept in STATE/archive/STAMP/device.cert.pem, unless it is the same. A crash leaves
 * the old certificate or the new one. No command.
 */
gboolean identity_renewal_install (const BaseConfig *config, const IdentityBackend *key, const char *pem, GError **error);

/**
 * identity_renewal_regenerate:
 * @link: (nullable): needed only where the key is in the TPM
 * @key: the device's key
 * @serial: the device's serial number, or ""
 * @error: those of identity_cert_self_sign(); TPMID_ERROR_STORAGE
 *
 * The same with a new self-signed certificate. One signature: one command when the key is persistent and warm.
 */
gboolean identity_renewal_regenerate (TpmLink *link, const BaseConfig *config, IdentityBackend *key, const char *serial, GError **error);

G_END_DECLS

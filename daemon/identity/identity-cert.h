/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-public.h"

G_BEGIN_DECLS

/**
 * IdentityCert:
 *
 * A certificate with its chain, parsed. Immutable, ref-counted, any thread.
 */
typedef struct IdentityCert IdentityCert;

/**
 * identity_cert_parse:
 * @pem: one or more PEM CERTIFICATE blocks, leaf first; other text around them is passed over
 * @error: TPMID_ERROR_CORRUPT when there is no certificate in it or one cannot be decoded
 */
IdentityCert *identity_cert_parse (GBytes *pem, GError **error);

/**
 * identity_cert_self_sign:
 * @signer: the key, signs once
 * @serial_number: (nullable): the device's serial number, for the subject attribute serialNumber (RFC 5280, A.1: at most 64)
 * @now: seconds since 1970 by the system's clock, right or wrong
 * @error: what @signer gives
 *
 * Makes the self-signed device certificate: X.509 v3, random positive serial number of 16 bytes, subject and issuer
 * CN=tpmid-FIRST16HEXOFREFERENCE, basicConstraints CA:FALSE, keyUsage digitalSignature (both critical), extKeyUsage
 * clientAuth, serverAuth, subjectKeyIdentifier. notBefore: one day before @now, but where @now lies before the build
 * epoch (no clock) the build epoch; notAfter: 99991231235959Z, "no well-defined expiration" (RFC 5280, 4.1.2.5;
 * IEEE 802.1AR-2018, 8.7). Needs no clock that is right.
 */
IdentityCert *identity_cert_self_sign (const IdentitySigner *signer, const char *serial_number, gint64 now, GError **error);

IdentityCert *identity_cert_ref (IdentityCert *self);
void identity_cert_unref (IdentityCert *self);

/**
 * identity_cert_peek_pem:
 *
 * Returns: (transfer none): the chain as PEM, leaf first, NUL-terminated
 */
const char *identity_cert_peek_pem (const IdentityCert *self);

/**
 * identity_cert_peek_spki:
 *
 * Returns: (transfer none): the leaf's DER SubjectPublicKeyInfo, in the encoding that identity_public_from_point() gives
 */
GBytes *identity_cert_peek_spki (const IdentityCert *self);

/**
 * identity_cert_peek_sha256:
 *
 * Returns: (transfer none): SHA-256 over the leaf's DER, 64 lower-case hex digits
 */
const char *identity_cert_peek_sha256 (const IdentityCert *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityCert, identity_cert_unref)

G_END_DECLS

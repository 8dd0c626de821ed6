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
 *
 * The leaf's key may be of any kind. Says nothing about validity or trust.
 *
 * Returns: (transfer full) (nullable): the certificate
 */
IdentityCert *identity_cert_parse (GBytes *pem, GError **error);

/**
 * identity_cert_self_sign:
 * @signer: the key, signs once
 * @serial_number: (nullable): the device's serial number, for the subject attribute serialNumber. One that does not fit it
 *   (RFC 5280, A.1: a PrintableString of 1 to 64 characters) is left out
 * @now: seconds since 1970 by the system's clock, right or wrong
 * @error: what @signer gives; TPMID_ERROR_UNTRUSTED_RESPONSE when its signature is not good; _UNSUPPORTED_ALGORITHM for a key
 *   that is not EC P-256 or P-384
 *
 * Makes the self-signed device certificate: X.509 v3, random positive serial number of 16 bytes, subject and issuer
 * CN=tpmid-FIRST16HEXOFREFERENCE, basicConstraints CA:FALSE, keyUsage digitalSignature (both critical), extKeyUsage
 * clientAuth, serverAuth, subjectKeyIdentifier. Signed with SHA-256 on P-256, SHA-384 on P-384. notBefore:
 * identity_cert_not_before() with the build epoch; notAfter: 99991231235959Z, "no well-defined expiration" (RFC 5280,
 * 4.1.2.5; IEEE 802.1AR-2018, 8.7). Needs no clock that is right.
 *
 * Returns: (transfer full) (nullable): the certificate, its signature verified
 */
IdentityCert *identity_cert_self_sign (const IdentitySigner *signer, const char *serial_number, gint64 now, GError **error);

/**
 * identity_cert_not_before:
 * @now: seconds since 1970 by the system's clock, right or wrong
 * @build_epoch: the earliest instant at which this program can have run
 *
 * Pure. One day before @now, for peers whose clock is late, but never before @build_epoch; @build_epoch itself where @now
 * lies before it (no clock) or beyond the year 9999.
 *
 * Returns: seconds since 1970
 */
gint64 identity_cert_not_before (gint64 now, gint64 build_epoch);

IdentityCert *identity_cert_ref (IdentityCert *self);
void identity_cert_unref (IdentityCert *self);

/**
 * identity_cert_peek_pem:
 *
 * Returns: (transfer none): the chain as PEM, leaf first, NUL-terminated; encoded anew, so nothing else that stood in the
 *   file is in it
 */
const char *identity_cert_peek_pem (const IdentityCert *self);

/**
 * identity_cert_peek_spki:
 *
 * Returns: (transfer none): the leaf's DER SubjectPublicKeyInfo; for keys on P-256 and P-384 in the encoding that
 *   identity_public_from_point() gives, whatever the certificate has
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

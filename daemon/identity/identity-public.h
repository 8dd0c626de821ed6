/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-signer.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Pure helpers on public keys, digests and signatures. Any thread. */

#define IDENTITY_REFERENCE_SIZE 32

/**
 * identity_public_from_point:
 * @x: (array length=size): big-endian, padded to @size
 * @y: (array length=size): likewise
 * @size: 32 for P-256, 48 for P-384
 * @error: TPMID_ERROR_UNTRUSTED_RESPONSE when the point is not on the curve, or @size is not the curve's
 *
 * Returns: (transfer full) (nullable): DER SubjectPublicKeyInfo with a named curve and an uncompressed point (RFC 5480)
 */
GBytes *identity_public_from_point (IdentityAlgorithm algorithm, const guint8 *x, const guint8 *y, gsize size, GError **error);

/**
 * identity_public_from_modulus:
 * @modulus: (array length=size): big-endian
 * @error: TPMID_ERROR_FAILED
 *
 * Returns: (transfer full) (nullable): DER SubjectPublicKeyInfo of an RSA key (RFC 3279, 2.3.1)
 */
GBytes *identity_public_from_modulus (const guint8 *modulus, gsize size, guint32 exponent, GError **error);

/**
 * identity_public_reference:
 * @spki: DER SubjectPublicKeyInfo
 *
 * Returns: (transfer full): SHA-256 over @spki, 32 bytes
 */
GBytes *identity_public_reference (GBytes *spki);

/**
 * identity_public_signature_to_der:
 * @r: (array length=size): big-endian
 * @s: (array length=size): big-endian
 *
 * Returns: (transfer full): DER ECDSA-Sig-Value (RFC 3279, 2.2.3)
 */
GBytes *identity_public_signature_to_der (const guint8 *r, const guint8 *s, gsize size);

/**
 * identity_public_verify:
 * @spki: DER SubjectPublicKeyInfo of an EC key
 * @digest: the digest that was signed, any of 32, 48 or 64 bytes
 * @signature: DER ECDSA-Sig-Value
 *
 * Returns: whether the signature is good; %FALSE for anything that does not parse
 */
gboolean identity_public_verify (GBytes *spki, GBytes *digest, GBytes *signature);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-signer.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

G_BEGIN_DECLS

/* What the modules of this room that call OpenSSL share. Nothing outside the room includes it. Any thread; no function leaves
 * anything in OpenSSL's error queue. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ASN1_TIME, ASN1_TIME_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY_CTX, EVP_PKEY_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OSSL_PARAM, OSSL_PARAM_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509_NAME, X509_NAME_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509_REQ, X509_REQ_free)

/**
 * identity_x509_fail:
 * @error: (out) (optional): TPMID_ERROR_FAILED
 * @what: what could not be done, as in "cannot WHAT"
 *
 * Turns the newest entry of OpenSSL's error queue into @error and empties the queue. For calls that fail only without memory
 * or by a defect; where the input is to blame, the caller sets an error of its own.
 *
 * Returns: %FALSE always
 */
gboolean identity_x509_fail (GError **error, const char *what);

/**
 * identity_x509_take_der:
 * @der: (transfer full) (nullable): what an i2d function of OpenSSL allocated
 * @size: what it returned
 * @what: as for identity_x509_fail()
 * @error: TPMID_ERROR_FAILED when @size is not positive
 *
 * Returns: (transfer full) (nullable): the bytes
 */
GBytes *identity_x509_take_der (guint8 *der, int size, const char *what, GError **error);

/**
 * identity_x509_spki_from_point:
 * @x: (array length=size): big-endian, padded to @size
 * @y: (array length=size): likewise
 *
 * Does not look whether the point is on the curve.
 *
 * Returns: (transfer full) (nullable): DER SubjectPublicKeyInfo with a named curve and an uncompressed point; %NULL when @size
 *   is not the curve's
 */
GBytes *identity_x509_spki_from_point (IdentityAlgorithm algorithm, const guint8 *x, const guint8 *y, gsize size);

/**
 * identity_x509_key_from_modulus:
 * @modulus: (array length=size): big-endian
 * @error: TPMID_ERROR_FAILED
 *
 * Returns: (transfer full) (nullable): a public RSA key
 */
EVP_PKEY *identity_x509_key_from_modulus (const guint8 *modulus, gsize size, guint32 exponent, GError **error);

/**
 * identity_x509_key_from_spki:
 * @spki: DER SubjectPublicKeyInfo, nothing after it
 *
 * Returns: (transfer full) (nullable): the public key; %NULL when it does not parse or its point is not on its curve
 */
EVP_PKEY *identity_x509_key_from_spki (GBytes *spki);

/**
 * identity_x509_verify:
 * @key: a public EC key
 * @digest: the digest that was signed, any of 32, 48 or 64 bytes
 * @signature: DER ECDSA-Sig-Value
 *
 * Returns: whether the signature is good; %FALSE for anything that does not parse, and for a key of another kind
 */
gboolean identity_x509_verify (EVP_PKEY *key, GBytes *digest, GBytes *signature);

/**
 * identity_x509_algorithm_of_key:
 *
 * Returns: whether @key is an EC key on one of our curves, or an RSA key of 2048 bits
 */
gboolean identity_x509_algorithm_of_key (const EVP_PKEY *key, IdentityAlgorithm *ret_algorithm);

/**
 * identity_x509_spki_from_key:
 * @key: a key of @algorithm, public or private
 * @error: TPMID_ERROR_FAILED
 *
 * Returns: (transfer full) (nullable): DER SubjectPublicKeyInfo in the encoding of identity_public_from_point(), whatever the
 *   point and curve encodings that @key came in
 */
GBytes *identity_x509_spki_from_key (const EVP_PKEY *key, IdentityAlgorithm algorithm, GError **error);

/**
 * identity_x509_md:
 *
 * Returns: (transfer none): OpenSSL's name for @hash
 */
const EVP_MD *identity_x509_md (IdentityHash hash);

/**
 * identity_x509_sign:
 * @tbs: (array length=size): DER of what is to be signed: a TBSCertificate or a CertificationRequestInfo
 * @error: what @signer gives, TPMID_ERROR_FAILED
 *
 * Has @signer sign @tbs and puts the two together as X.509 does for everything that it signs: SEQUENCE { tbs,
 * AlgorithmIdentifier, BIT STRING } (X.509, 7.2, SIGNED; RFC 5758, 3.2 for the identifiers). Does not verify: the caller does,
 * on what it parses from the result.
 *
 * Returns: (transfer full) (nullable): DER
 */
GBytes *identity_x509_sign (const IdentitySigner *signer, IdentityHash hash, const guint8 *tbs, gsize size, GError **error);

/**
 * identity_x509_no_password:
 *
 * A pem_password_cb that refuses, in place of OpenSSL's own, which asks at the terminal. @asked: (nullable) (type gboolean):
 * set when it was called.
 *
 * Returns: -1 always
 */
int identity_x509_no_password (char *buffer, int size, int for_writing, void *asked);

G_END_DECLS

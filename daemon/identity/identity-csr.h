/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-public.h"
#include "identity-san.h"

G_BEGIN_DECLS

#define IDENTITY_CSR_SUBJECT_MAX 1024
#define IDENTITY_CSR_NAMES_MAX 32
#define IDENTITY_CSR_NAME_MAX IDENTITY_SAN_MAX
#define IDENTITY_CSR_EKUS_MAX 16

/**
 * IdentityCsr:
 *
 * What shall stand in a certificate signing request; validated as it is filled. Made on one thread, handed over to another.
 */
typedef struct IdentityCsr IdentityCsr;

/**
 * identity_csr_new:
 * @subject: slash form, "/CN=a/O=b", a backslash quotes the next character; UTF-8; at most 1024 bytes; may be empty (or "/").
 *   Attributes by the names that OpenSSL knows, in the order given; a "+" is an ordinary character
 * @hash: to sign with
 * @error: TPMID_ERROR_INVALID_ARGUMENT naming the part that cannot be used: no "=", unknown attribute, no value, too long or
 *   outside of the attribute's alphabet, control character, not UTF-8
 *
 * Returns: (transfer full) (nullable): a request without names and usages
 */
IdentityCsr *identity_csr_new (const char *subject, IdentityHash hash, GError **error);

/**
 * identity_csr_add_san:
 * @value: 1 to 255 bytes, checked by its @kind: LDH labels, maybe after a leading "*.", for DNS; a local part of atoms, one @
 *   and a host name for e-mail; a scheme and the alphabet of RFC 3986 for URI (all ASCII). It becomes one name, whatever it holds
 * @error: TPMID_ERROR_INVALID_ARGUMENT, also for the 33rd name
 */
gboolean identity_csr_add_san (IdentityCsr *self, IdentitySan kind, const char *value, GError **error);

/**
 * identity_csr_add_eku:
 * @name: clientAuth, serverAuth, another name that OpenSSL knows for an extended key usage, or a dotted OID
 * @error: TPMID_ERROR_INVALID_ARGUMENT, also for one that is there already and for the 17th
 */
gboolean identity_csr_add_eku (IdentityCsr *self, const char *name, GError **error);

/**
 * identity_csr_check:
 * @error: TPMID_ERROR_INVALID_ARGUMENT when neither a subject nor a subject alternative name was given
 */
gboolean identity_csr_check (const IdentityCsr *self, GError **error);

IdentityHash identity_csr_get_hash (const IdentityCsr *self);

/**
 * identity_csr_sign:
 * @signer: the key, signs once
 * @error: what @signer gives; TPMID_ERROR_UNTRUSTED_RESPONSE when its signature is not good; that of identity_csr_check();
 *   TPMID_ERROR_UNSUPPORTED_ALGORITHM for a key that is not EC
 *
 * Returns: (transfer full) (nullable): DER CertificationRequest (RFC 2986), its signature verified, with extensionRequest
 *   (RFC 2985, 5.4.2) for SANs and EKUs; without either it has no attributes at all
 */
GBytes *identity_csr_sign (const IdentityCsr *self, const IdentitySigner *signer, GError **error);

void identity_csr_free (IdentityCsr *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityCsr, identity_csr_free)

G_END_DECLS

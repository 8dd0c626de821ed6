/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-public.h"

G_BEGIN_DECLS

#define IDENTITY_CSR_SUBJECT_MAX 1024
#define IDENTITY_CSR_NAMES_MAX 32
#define IDENTITY_CSR_NAME_MAX 255
#define IDENTITY_CSR_EKUS_MAX 16

typedef enum
{
  IDENTITY_SAN_DNS,
  IDENTITY_SAN_EMAIL,
  IDENTITY_SAN_URI,
  IDENTITY_SAN_IP, /* textual IPv4 or IPv6 */
  IDENTITY_N_SANS
} IdentitySan;

/**
 * IdentityCsr:
 *
 * What shall stand in a certificate signing request; validated as it is filled. Made on one thread, handed over to another.
 */
typedef struct IdentityCsr IdentityCsr;

/**
 * identity_csr_new:
 * @subject: slash form, "/CN=a/O=b", a backslash quotes the next character; UTF-8; at most 1024 bytes; may be empty
 * @error: TPMID_ERROR_INVALID_ARGUMENT naming the part that cannot be used
 */
IdentityCsr *identity_csr_new (const char *subject, IdentityHash hash, GError **error);

/**
 * identity_csr_add_san:
 * @value: checked by its @kind: LDH labels or a leading "*." for DNS, one @ for e-mail, a scheme for URI (all ASCII)
 * @error: TPMID_ERROR_INVALID_ARGUMENT
 */
gboolean identity_csr_add_san (IdentityCsr *self, IdentitySan kind, const char *value, GError **error);

/**
 * identity_csr_add_eku:
 * @name: clientAuth, serverAuth, another name that OpenSSL knows for an extended key usage, or a dotted OID
 * @error: TPMID_ERROR_INVALID_ARGUMENT
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
 *
 * Returns: (transfer full) (nullable): DER CertificationRequest (RFC 2986), with extensionRequest (RFC 2985, 5.4.2) for SANs and EKUs
 */
GBytes *identity_csr_sign (const IdentityCsr *self, const IdentitySigner *signer, GError **error);

void identity_csr_free (IdentityCsr *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityCsr, identity_csr_free)

G_END_DECLS

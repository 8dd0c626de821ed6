/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-public.h"

G_BEGIN_DECLS

typedef struct IdentityBackend IdentityBackend;

/* The identity key, and the one that a rotation made and that is to become it. */
#define IDENTITY_NAME_DEVICE "device"
#define IDENTITY_NAME_NEXT "device-next"

typedef enum
{
  IDENTITY_KEY_CREATING, /* it is being made: no public key yet */
  IDENTITY_KEY_USABLE,
  IDENTITY_KEY_FAILED,   /* it could not be made: no public key */
  IDENTITY_KEY_MISSING,  /* it is on record but out of reach as the device is now */
  IDENTITY_KEY_ORPHANED, /* the TPM does not know it any more */
} IdentityKeyState;

/**
 * IdentityKey:
 *
 * One key as the outside sees it. Immutable, ref-counted, any thread; a change of anything makes a new one.
 */
typedef struct
{
  gatomicrefcount refs;
  char *name;
  IdentityAlgorithm algorithm;
  IdentityUsage usage;
  IdentityKeyState state;
  guint owner;       /* uid; 0 for the device's own keys */
  GBytes *spki;      /* DER SubjectPublicKeyInfo; empty while there is none */
  GBytes *reference; /* 32 bytes; empty while there is no public key */
  char *certificate; /* PEM chain, or "" */
  char *problem;     /* why it is not usable, a sentence; else "" */
  int problem_code;  /* the TpmidError that goes with @problem */

  /*< private >*/
  IdentityBackend *backend; /* (nullable) */
} IdentityKey;

/**
 * identity_key_new:
 * @backend: (nullable): %NULL for a key that is being made
 * @algorithm: of a key without @backend; else its backend knows
 * @usage: likewise
 */
IdentityKey *identity_key_new (const char *name, IdentityBackend *backend, IdentityAlgorithm algorithm, IdentityUsage usage, guint owner);

/**
 * identity_key_with_certificate:
 * @certificate: PEM chain, or ""
 *
 * Returns: (transfer full): @key with another certificate
 */
IdentityKey *identity_key_with_certificate (const IdentityKey *key, const char *certificate);

/**
 * identity_key_with_state:
 * @code: a TpmidError; means nothing where @problem is ""
 * @problem: a sentence, or ""
 *
 * Returns: (transfer full): @key in another state
 */
IdentityKey *identity_key_with_state (const IdentityKey *key, IdentityKeyState state, int code, const char *problem);

/**
 * identity_key_fit:
 * @in_tpm: keys of the TPM can be used
 * @in_software: keys in software can be used
 *
 * Returns: (transfer full): @key, usable or missing as the device is now; a key that is being made, or failed, or that the TPM does not know any
 *   more, stays so
 */
IdentityKey *identity_key_fit (IdentityKey *key, gboolean in_tpm, gboolean in_software);

IdentityKey *identity_key_ref (IdentityKey *key);
void identity_key_unref (IdentityKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityKey, identity_key_unref)

/**
 * identity_key_equal:
 *
 * Returns: whether the outside sees no difference, and both are the same key in the same place
 */
gboolean identity_key_equal (const IdentityKey *a, const IdentityKey *b);

/* Returns: (transfer none): the word of Key.State: "creating", "usable", "failed", "missing" or "orphaned" */
const char *identity_key_state_name (IdentityKeyState state);

/**
 * identity_key_check_name:
 * @error: TPMID_ERROR_INVALID_ARGUMENT unless @name matches [a-z0-9][a-z0-9._-]{0,63}
 */
gboolean identity_key_check_name (const char *name, GError **error);

/**
 * identity_key_check_usable:
 * @usage: what it is to do
 * @error: TPMID_ERROR_NOT_SUPPORTED when it is for something else, _NOT_READY while it is being made, its problem_code when it failed, is missing or
 *   orphaned
 */
gboolean identity_key_check_usable (const IdentityKey *key, IdentityUsage usage, GError **error);

/**
 * identity_key_check_sign:
 * @digest: as the caller gave it
 * @scheme: (nullable): as the caller gave it; %NULL = the key's default
 * @reference: (nullable): the key must be this one
 * @error: TPMID_ERROR_INVALID_ARGUMENT (length of digest or reference, scheme), _NOT_FOUND (another key's reference), _NOT_SUPPORTED
 *
 * Whether the request can work at all.
 */
gboolean identity_key_check_sign (const IdentityKey *key, IdentityHash hash, GBytes *digest, const char *scheme, GBytes *reference,
                                  GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backend.h"
#include "identity-decision.h"
#include "identity-key.h"

G_BEGIN_DECLS

/* The device's own key for decryption, and what it is. */
#define IDENTITY_CREDENTIALS "credentials"

/**
 * IdentityKeyring:
 *
 * Where the keys beside the identity key are: files under STATE/keys, and the TPM that they are for. A plain value, for jobs to take along.
 */
typedef struct
{
  const BaseConfig *config;
  IdentityMode mode;  /* keys of the TPM can be used in mode tpm, keys in software in mode software */
  TpmParent parent;   /* mode tpm */
} IdentityKeyring;

/**
 * identity_keyring_init:
 * @srk_name: (nullable): hex: the recorded Name of the storage root key
 */
void identity_keyring_init (IdentityKeyring *self, const BaseConfig *config, IdentityMode mode, const char *srk_name);

/**
 * identity_keyring_load:
 * @problems: (element-type utf8): gets "keys: sentence" for what cannot be read
 *
 * Any thread. Reads all key files; no TPM command. Whether a key can be used as the device is now does not show here: identity_key_fit().
 *
 * Returns: (transfer full) (element-type IdentityKey): the keys
 */
GPtrArray *identity_keyring_load (const IdentityKeyring *self, GPtrArray *problems);

/**
 * identity_keyring_make:
 * @link: the TPM, open, in mode tpm; %NULL in mode software
 * @wanted: name, algorithm, usage and owner
 * @error: those of tpm_make_key(), TPMID_ERROR_STORAGE, _EXISTS when there is a file of this name, be it one that cannot be read
 *
 * TPM thread. Makes a key and its file, and never replaces one. Where the file cannot be written there is no key. An RSA key takes a real chip up to a minute.
 *
 * Returns: (transfer full) (nullable): the key, usable
 */
IdentityKey *identity_keyring_make (const IdentityKeyring *self, TpmLink *link, const IdentityKey *wanted, GError **error);

/**
 * identity_keyring_ensure_credentials:
 * @link: as for identity_keyring_make()
 *
 * TPM thread. Sees to it that there is the key "credentials": finds it in the TPM, with or without its file; puts it back to its handle from
 * its file when somebody removed it; else makes a new one, moving the file of one that belongs to another TPM aside. At most 2 commands when
 * all is well.
 *
 * Returns: (transfer full) (nullable): the key, usable
 */
IdentityKey *identity_keyring_ensure_credentials (const IdentityKeyring *self, TpmLink *link, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "base-secret.h"
#include "tpm-types.h"

G_BEGIN_DECLS

/* Where the passwords of the TPM that tpmidd set rest: STATE/ownership, 0600, lines of KEY=VALUE (version, state, owner, lockout; lines of other keys are
 * left out when it is written anew), and the content of an NV index. And where those that others set are found. Any thread. */

typedef enum
{
  IDENTITY_PASSWORDS_NONE,      /* no such file */
  IDENTITY_PASSWORDS_TAKING,    /* they are being set */
  IDENTITY_PASSWORDS_OWNED,     /* both are set */
  IDENTITY_PASSWORDS_RELEASING, /* they are being taken away */
} IdentityPasswordsState;

/* g_auto. */
typedef struct
{
  IdentityPasswordsState state;
  BaseSecret *owner, *lockout; /* (nullable): only with state NONE */
} IdentityPasswords;

void identity_passwords_clear (IdentityPasswords *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (IdentityPasswords, identity_passwords_clear)

/**
 * identity_passwords_generate:
 * @ret_passwords: (out caller-allocates): new ones, of state TAKING: 32 characters each out of 64, which are 192 random bits, and
 *   can be given to tpm2-tools as they are
 * @error: TPMID_ERROR_FAILED where the system has no random numbers
 */
gboolean identity_passwords_generate (IdentityPasswords *ret_passwords, GError **error);

/* Returns: (transfer full) (nullable): one more, for the platform hierarchy */
BaseSecret *identity_passwords_generate_one (GError **error);

/**
 * identity_passwords_load:
 * @ret_passwords: (out caller-allocates): of state NONE where there is no file
 * @error: TPMID_ERROR_CORRUPT, _STORAGE, naming the file
 */
gboolean identity_passwords_load (const char *state_path, IdentityPasswords *ret_passwords, GError **error);

/**
 * identity_passwords_save:
 * @passwords: of any state but NONE
 * @error: TPMID_ERROR_STORAGE
 *
 * Replaces the file atomically. One that could not be decoded is moved aside first.
 */
gboolean identity_passwords_save (const char *state_path, const IdentityPasswords *passwords, GError **error);

/* No such file is a success. */
gboolean identity_passwords_remove (const char *state_path, GError **error);

/**
 * identity_passwords_join:
 * @owner: (nullable)
 * @lockout: (nullable)
 * @ret_passwords: (out caller-allocates): of state TAKING; takes references
 *
 * Returns: whether both are there, and of the form that identity_passwords_generate() makes
 */
gboolean identity_passwords_join (BaseSecret *owner, BaseSecret *lockout, IdentityPasswords *ret_passwords);

/**
 * identity_passwords_to_nv:
 *
 * Returns: (transfer full): what goes into the NV index: 139 bytes of text, with a checksum
 */
BaseSecret *identity_passwords_to_nv (const IdentityPasswords *passwords);

/**
 * identity_passwords_from_nv:
 * @ret_passwords: (out caller-allocates): of state TAKING; the index does not know the state
 *
 * Returns: whether @content is that
 */
gboolean identity_passwords_from_nv (const BaseSecret *content, IdentityPasswords *ret_passwords);

/**
 * identity_passwords_equal:
 *
 * Returns: whether the passwords are the same, whatever the state
 */
gboolean identity_passwords_equal (const IdentityPasswords *a, const IdentityPasswords *b);

/**
 * identity_passwords_read_supplied:
 *
 * Reads the file tpmidd.HIERARCHY-auth in PasswordsPath=, or else among the unit's credentials ($CREDENTIALS_DIRECTORY). What
 * cannot be read is logged.
 *
 * Returns: (transfer full) (nullable): the password, without newlines at its end
 */
BaseSecret *identity_passwords_read_supplied (const BaseConfig *config, TpmHierarchy hierarchy);

G_END_DECLS

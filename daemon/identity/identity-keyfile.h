/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-backend.h"
#include "identity-tss2.h"

G_BEGIN_DECLS

/**
 * IdentityKeyfile:
 *
 * One key at rest: the file STATE/keys/NAME.pem. A few lines of text, "Usage: decrypt" and "Owner: 1000", stand before
 * one PEM block: TSS2 PRIVATE KEY for a key of a TPM (identity-tss2.h), PRIVATE KEY for a key in software. One file, so that it is there
 * whole or not at all; plain PEM to other programs. Lines that a later release adds are passed over. g_auto.
 */
typedef struct
{
  IdentityUsage usage;
  guint owner;              /* uid */
  IdentityTss2 tpm;         /* without blobs: not a key of a TPM */
  IdentitySoftkey *softkey; /* (nullable) */
} IdentityKeyfile;

void identity_keyfile_clear (IdentityKeyfile *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (IdentityKeyfile, identity_keyfile_clear)

/**
 * identity_keyfile_list:
 * @error: TPMID_ERROR_STORAGE
 *
 * Returns: (transfer full) (element-type utf8) (nullable): names of all keys that have a file
 */
GPtrArray *identity_keyfile_list (const char *state_path, GError **error);

/**
 * identity_keyfile_load:
 * @name: checked by identity_key_check_name()
 * @ret_file: (out caller-allocates): what the file says
 * @error: TPMID_ERROR_NOT_FOUND, _STORAGE, _CORRUPT, _UNSUPPORTED_ALGORITHM
 *
 * What was read is wiped before this returns.
 */
gboolean identity_keyfile_load (const char *state_path, const char *name, IdentityKeyfile *ret_file, GError **error);

/**
 * identity_keyfile_create:
 * @error: TPMID_ERROR_STORAGE, _EXISTS when there is a file of this name
 *
 * Makes the file, mode 0600, whole or not at all; on stable storage when this returns. A key that is there is never replaced.
 */
gboolean identity_keyfile_create (const char *state_path, const char *name, const IdentityKeyfile *file, GError **error);

/**
 * identity_keyfile_set_aside:
 * @suffix: why, one word
 *
 * Moves the file out of the way; nothing is lost. See base_file_set_aside().
 */
gboolean identity_keyfile_set_aside (const char *state_path, const char *name, const char *suffix, GError **error);

/**
 * identity_keyfile_keep:
 * @side: "tpm" or "software"
 * @error: TPMID_ERROR_STORAGE
 *
 * Moves the file to STATE/kept/NAME.SIDE.pem; where there is one already, sets it aside.
 */
gboolean identity_keyfile_keep (const char *state_path, const char *name, const char *side, GError **error);

/**
 * identity_keyfile_take_back:
 * @error: TPMID_ERROR_STORAGE
 *
 * Moves STATE/kept/NAME.SIDE.pem back, unless the key has a file. None there is a success.
 */
gboolean identity_keyfile_take_back (const char *state_path, const char *name, const char *side, GError **error);

G_END_DECLS

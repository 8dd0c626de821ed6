/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backend.h"
#include "identity-tss2.h"
#include "tpm-make.h"

G_BEGIN_DECLS

/*
 * The device's keys as they rest on disk: STATE/slots/current.pem, next.pem and previous.pem, each the two halves of a key of the TPM
 * (identity-tss2.h). Of use to no one but the TPM that made them. The current key lies in the TPM too, at its handle, and is found there
 * without its file; the file is what puts it back after an exchange. Beside next and previous lies the certificate that goes with them:
 * next.cert.pem, previous.cert.pem. TPM thread or any other, one at a time.
 */
typedef enum
{
  IDENTITY_SLOT_CURRENT,
  IDENTITY_SLOT_NEXT,
  IDENTITY_SLOT_PREVIOUS,
  IDENTITY_N_SLOTS
} IdentitySlot;

/**
 * IdentitySlotKey:
 *
 * The key in a slot. g_auto.
 */
typedef struct
{
  IdentityTss2 file;
  TpmPublic public;
  TpmKeyRef ref;            /* loaded from the blobs of @file, which it borrows */
  IdentityBackend *backend; /* the same, for signing */
  char *name;               /* its Name, hex */
  char *reference;          /* hex */
} IdentitySlotKey;

void identity_slot_key_clear (IdentitySlotKey *key);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (IdentitySlotKey, identity_slot_key_clear)

/**
 * identity_slots_save:
 * @made: with both blobs, made under the key at ParentHandle=
 * @error: TPMID_ERROR_STORAGE, _FAILED
 *
 * Puts a key into a slot, in place of what is there. On stable storage when it returns.
 */
gboolean identity_slots_save (const BaseConfig *config, IdentitySlot slot, const TpmNewKey *made, GError **error);

/**
 * identity_slots_open:
 * @srk_name: (nullable): Name of the parent, hex, where it is on record
 * @ret_key: (out caller-allocates): the key
 * @error: TPMID_ERROR_NOT_FOUND when the slot is empty; _CORRUPT when it holds no identity key; _STORAGE
 *
 * No command: whether the TPM can load the key is another matter.
 */
gboolean identity_slots_open (const BaseConfig *config, IdentitySlot slot, const char *srk_name, IdentitySlotKey *ret_key, GError **error);

/**
 * identity_slots_has:
 *
 * Returns: whether there is something in the slot, of use or not
 */
gboolean identity_slots_has (const BaseConfig *config, IdentitySlot slot);

/**
 * identity_slots_copy:
 * @error: TPMID_ERROR_NOT_FOUND when @from is empty; _STORAGE
 *
 * Makes @to the same as @from, in place of what is there; the certificate does not come along.
 */
gboolean identity_slots_copy (const BaseConfig *config, IdentitySlot from, IdentitySlot to, GError **error);

/**
 * identity_slots_remove:
 * @error: TPMID_ERROR_STORAGE
 *
 * Empties the slot: the key goes first, then its certificate. Empty already is success.
 */
gboolean identity_slots_remove (const BaseConfig *config, IdentitySlot slot, GError **error);

/**
 * identity_slots_set_aside:
 * @error: TPMID_ERROR_STORAGE
 *
 * Moves a file that is of no use out of the way (base_file_set_aside()), and logs it.
 */
gboolean identity_slots_set_aside (const BaseConfig *config, IdentitySlot slot, const GError *why, GError **error);

/**
 * identity_slots_put_in_tpm:
 * @key: what to put there
 * @handle: persistent handle of the device's key
 * @error: TPMID_ERROR_KEY_ORPHANED when the TPM cannot load @key: then nothing was changed; _HANDLE_TAKEN when what lies there is not ours;
 *   those of tpm_key_evict() and tpm_make_persistent()
 *
 * TPM thread. Makes @key the one at @handle, in place of another identity key of ours, which is gone for good then; that @key loads and signs
 * is shown before. 2 commands when it is there already, 5 where nothing is there, 12 where another key is; one or two more where the parent is
 * not in the link's cache. May be repeated from any point.
 */
gboolean identity_slots_put_in_tpm (TpmLink *link, const IdentitySlotKey *key, guint32 handle, GError **error);

/**
 * identity_slots_dup_certificate_path:
 * @slot: next or previous
 *
 * Returns: (transfer full): where its certificate is, if it has one
 */
char *identity_slots_dup_certificate_path (const BaseConfig *config, IdentitySlot slot);

/**
 * identity_slots_save_certificate:
 * @slot: next or previous
 * @error: TPMID_ERROR_STORAGE
 *
 * Puts a certificate beside the key, in place of what is there.
 */
gboolean identity_slots_save_certificate (const BaseConfig *config, IdentitySlot slot, const char *pem, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-decision.h"

G_BEGIN_DECLS

/*
 * What tpmidd remembers on disk, in the state folder: STATE/identity (a key file) and STATE/device.cert.pem (a copy of the
 * device certificate). Nothing in it is secret; nothing in it is the truth where the TPM can be asked. Keys of the file that
 * this version does not know are kept, so that an older and a newer release can share the folder.
 */

/**
 * IdentityRecord:
 *
 * The active identity as last recorded. Names are TPM names in hex; each string may be %NULL where it is not known.
 */
typedef struct
{
  IdentityRecordKind kind;
  guint32 key_handle;   /* persistent handle; 0 = none */
  char *key_name;       /* of the identity key */
  char *key_reference;  /* SHA-256 of its SubjectPublicKeyInfo, hex */
  char *srk_name;       /* of the owner hierarchy's storage root key: tells a cleared TPM */
  char *ek_name;        /* of the endorsement key: tells another TPM */
  char *reset_shortfall; /* why the factory reset that this identity began with is incomplete */
  gboolean archive_software_key; /* the software key has had its time, but still lies in its place */
} IdentityRecord;

IdentityRecord *identity_record_new (IdentityRecordKind kind);
IdentityRecord *identity_record_copy (const IdentityRecord *record);
void identity_record_free (IdentityRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityRecord, identity_record_free)

/**
 * identity_store_load:
 * @state_path: the state folder
 * @ret_record: (out) (transfer full): the record, also on failure (then of kind UNREADABLE)
 * @error: TPMID_ERROR_STORAGE or _CORRUPT, naming the file and what to do
 *
 * No folder, or no record in it, is a record of kind NONE; but where not even the folder's parent exists, a file system
 * is not mounted yet, and there may be anything.
 *
 * Returns: %FALSE when the record cannot be read
 */
gboolean identity_store_load (const char *state_path, IdentityRecord **ret_record, GError **error);

/**
 * identity_store_save:
 * @record: of any kind but UNREADABLE
 * @error: TPMID_ERROR_STORAGE
 *
 * Replaces the record atomically; not a single write when it says that already. A record that could not be decoded is moved
 * aside first.
 */
gboolean identity_store_save (const char *state_path, const IdentityRecord *record, GError **error);

/**
 * identity_store_load_certificate:
 * @ret_pem: (out) (transfer full): the stored copy
 * @error: TPMID_ERROR_NOT_FOUND, _STORAGE
 */
gboolean identity_store_load_certificate (const char *state_path, GBytes **ret_pem, GError **error);

/**
 * identity_store_save_certificate:
 *
 * Not a single write when the copy is the same already.
 */
gboolean identity_store_save_certificate (const char *state_path, const char *pem, GError **error);

/**
 * identity_store_sweep:
 *
 * Removes what a crash left half written: in the state folder and the folders in it, in RuntimePath=, and, of our own files alone, beside the
 * device certificate, the software key and the marker; there may be a private key in it that nobody asks for again. Main thread, before
 * anything else reads or writes there.
 */
void identity_store_sweep (const BaseConfig *config);

G_END_DECLS

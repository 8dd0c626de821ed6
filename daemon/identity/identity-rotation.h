/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backend.h"
#include "identity-journal.h"
#include "identity-store.h"

G_BEGIN_DECLS

/*
 * Another key for the same device. The new key is made beside the old one (STATE/slots/next.pem), gets its certificate, and takes the old
 * one's place at the same handle in one operation of the journal; the old key rests in STATE/slots/previous.pem then, and can come back once.
 * TPM thread, one at a time; the link need not be open.
 *
 * Until the journal is written nothing is given up: whatever fails, the device is who it was. From then on identity_rotation_carry_out() gets
 * it to the other side, from any point at which it was interrupted.
 */

/**
 * identity_rotation_begin:
 * @record: of an identity in the TPM
 * @error: TPMID_ERROR_WRONG_STATE for another record; those of tpm_make_key(); _STORAGE
 *
 * Makes the next key, P-256, unless it is there already. One command with the parent in the link's cache, two else; none when it is there.
 */
gboolean identity_rotation_begin (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, GError **error);

/**
 * identity_rotation_load_next:
 * @record: of an identity in the TPM
 * @error: TPMID_ERROR_NOT_FOUND when there is no next key; _CORRUPT, _STORAGE
 *
 * Any thread; no command.
 *
 * Returns: (transfer full) (nullable): the next key, loaded for each use
 */
IdentityBackend *identity_rotation_load_next (const BaseConfig *config, const IdentityRecord *record, GError **error);

/**
 * identity_rotation_commit:
 * @record: of an identity in the TPM
 * @pem: certificate chain of the next key, see identity_renewal_check(); "" = a self-signed one is made
 * @serial: the device's serial number, or "": for the self-signed certificate
 * @error: TPMID_ERROR_NOT_FOUND when no rotation has begun; _INVALID_ARGUMENT, _CERTIFICATE_MISMATCH; _WRONG_STATE for another record, and while
 *   an operation is under way; _KEY_ORPHANED when the TPM cannot load the next key, or the device's key is not in its place; _HIERARCHY_AUTH_REQUIRED,
 *   _HIERARCHY_DISABLED; _STORAGE; those of the link
 *
 * Makes the next key the device's, and identity_rotation_carry_out() at once. When it fails and there is a journal, the operation is to be
 * carried on; when there is none, nothing was changed. The old key and certificate are kept for identity_rotation_rollback(), if there is a
 * slots/current.pem (an older release made none): else this is logged.
 *
 * 18 commands with the parent in the link's cache, 21 with a self-signed certificate; two more where the owner has a password.
 */
gboolean identity_rotation_commit (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, const char *pem, const char *serial,
                                   GError **error);

/**
 * identity_rotation_rollback:
 * @link: (nullable): not needed to give up a next key
 * @error: TPMID_ERROR_NOT_FOUND when there is nothing to roll back to; else as identity_rotation_commit()
 *
 * Where a next key waits to be committed: removes it. Else makes the previous key with its certificate the device's again; the key that they
 * replace is gone for good. As to failing: as identity_rotation_commit().
 *
 * No command, or 18 as identity_rotation_commit().
 */
gboolean identity_rotation_rollback (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, GError **error);

/**
 * identity_rotation_carry_out:
 * @link: (nullable): %NULL when the TPM does not answer: then only what needs no TPM any more is done
 * @journal: of operation ROTATE_COMMIT or ROTATE_ROLLBACK
 * @error: those of the link and TPMID_ERROR_STORAGE: to be called again; _KEY_ORPHANED, _INVALID_BLOB or _CORRUPT, and the journal is gone: the
 *   key that is to come cannot be loaded by this TPM, or its certificate is lost. The device has its old key then; where a try that was
 *   interrupted had removed it, it was put back from slots/current.pem, and where that cannot be, the message says so
 *
 * Carries the operation on from any point, and removes the journal at the end. The TPM first, then the record, the certificate, the slots. 12
 * commands where all is still to do with the parent in the link's cache, none once the record says the new key.
 */
gboolean identity_rotation_carry_out (TpmLink *link, const BaseConfig *config, const IdentityJournal *journal, GError **error);

G_END_DECLS

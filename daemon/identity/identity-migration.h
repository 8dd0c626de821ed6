/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "tpm-link.h"

G_BEGIN_DECLS

/**
 * identity_migration_carry_out:
 * @link: (nullable): the TPM, not necessarily open; not needed to go to software
 * @to_tpm: where to; else to software
 * @serial: the device's serial number, or "": for a self-signed certificate
 * @error: with the journal still there, to be called again: those of the link and TPMID_ERROR_STORAGE. With the journal gone, the migration was
 *   given up and the device is who it was: TPMID_ERROR_WRONG_STATE when it has no identity to migrate; _KEY_ORPHANED when the TPM's key is gone;
 *   _NOT_FOUND, _CORRUPT or _UNSUPPORTED_ALGORITHM when the software key cannot be used; _HANDLE_TAKEN when something else lies at the device
 *   key's handle; _NV_FULL, _HIERARCHY_AUTH_REQUIRED and the like when the TPM takes no new key
 *
 * TPM thread. Carries out the operation MIGRATE_TO_TPM or MIGRATE_TO_SOFTWARE, whose journal the caller has written, from any point, and removes
 * the journal at the end. There already is success.
 *
 * To software: the software key and certificate of an earlier migration (STATE/kept/software.key.pem, .cert.pem), else new ones, become the
 * device's; its certificate so far becomes STATE/kept/tpm.cert.pem, and its key stays in the TPM, whose Name the record of kind MIGRATED keeps.
 * To the TPM: the key that the record names, else a new one at DeviceKeyHandle=, becomes the device's with its kept certificate, or a new
 * self-signed one; the software key and certificate go to STATE/kept. So each undoes the other.
 *
 * To software: no command. To the TPM: 3 with the key in its place, 18 with a new one, where its parent is not there yet either.
 */
gboolean identity_migration_carry_out (TpmLink *link, const BaseConfig *config, gboolean to_tpm, const char *serial, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include <glib.h>

G_BEGIN_DECLS

#define IDENTITY_SERIAL_MAX 64

typedef struct TpmLink TpmLink;

/**
 * identity_serial_clean:
 * @raw: bytes as found in NV, a file or firmware
 *
 * Strips trailing NUL, 0xFF, newlines and blanks, and leading blanks.
 *
 * Returns: (transfer full) (nullable): 1 to 64 bytes of printable ASCII (0x20 to 0x7E); %NULL when it is anything else, or
 * one of the texts that firmware puts where nobody filled in a serial number
 */
char *identity_serial_clean (const guint8 *raw, gsize size);

/**
 * identity_serial_read:
 * @link: (nullable): the TPM, open; %NULL where there is none
 * @config: which sources, in which order
 * @ret_serial: (out) (transfer full): the serial number, or ""
 * @ret_source: (out): static: "tpm-nv", "dmi", "device-tree", "file" or "none"
 * @ret_problem: (out) (nullable) (transfer full): a sentence when a source is there but cannot be used
 *
 * TPM thread; at most 4 commands. A source that fails is passed over.
 */
void identity_serial_read (TpmLink *link, const BaseConfig *config, char **ret_serial, const char **ret_source,
                           char **ret_problem);

/**
 * identity_serial_write:
 * @link: the TPM, open
 * @serial: checked by identity_serial_check()
 * @error: TPMID_ERROR_EXISTS (another one is set), _INVALID_ARGUMENT (does not fit into the index that is there),
 *   _HANDLE_TAKEN (the index is somebody else's) and those of tpm-nv.h
 *
 * TPM thread. Defines the index where it lacks and writes it, once; a crash in between is made good by the next call.
 */
gboolean identity_serial_write (TpmLink *link, const BaseConfig *config, const char *serial, GError **error);

/**
 * identity_serial_save:
 * @ret_content: (out) (nullable) (transfer full): what the NV index holds, byte for byte, where TPM2_Clear would take it; %NULL where there is nothing to
 *   lose: no index, one that was never written, or the platform's, which outlives TPM2_Clear
 * @ret_obstacle: (out) (nullable) (transfer full): a sentence: why the index could not be made again as it is, so that the TPM must not be cleared
 * @error: those of the link
 *
 * TPM thread. At most 4 commands.
 */
gboolean identity_serial_save (TpmLink *link, const BaseConfig *config, GBytes **ret_content, char **ret_obstacle, GError **error);

/**
 * identity_serial_restore:
 * @content: of identity_serial_save()
 * @error: TPMID_ERROR_EXISTS (another content is there), _HANDLE_TAKEN and those of tpm-nv.h
 *
 * TPM thread. Makes the index again, as one that can be written once. There already with the same content is a success.
 */
gboolean identity_serial_restore (TpmLink *link, const BaseConfig *config, GBytes *content, GError **error);

/**
 * identity_serial_clear:
 * @error: TPMID_ERROR_NOT_FOUND: there is none; _HANDLE_TAKEN: the index is not of our making; those of tpm_nv_undefine()
 *
 * TPM thread. Undefines the NV index: the device has no serial number in its TPM any more, and may get another.
 */
gboolean identity_serial_clear (TpmLink *link, const BaseConfig *config, GError **error);

/**
 * identity_serial_check:
 * @error: TPMID_ERROR_INVALID_ARGUMENT unless @serial is 1 to @limit bytes of printable ASCII (0x21 to 0x7E)
 */
gboolean identity_serial_check (const char *serial, gsize limit, GError **error);

G_END_DECLS

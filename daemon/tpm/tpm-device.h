/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-error.h"

G_BEGIN_DECLS

/* The kernel's side of a TPM: which node it is, and why it cannot be opened. Any thread; no TSS. */

/**
 * tpm_device_choose:
 * @sysfs_root: commonly "/sys"
 * @exclusive: /dev/tpmN instead of /dev/tpmrmN
 * @ret_tcti: (out) (transfer full): "device:/dev/…" of the first TPM 2.0 under class/tpm
 * @error: TPMID_ERROR_NO_DEVICE, or TPMID_ERROR_TPM_VERSION when there are only TPMs 1.2
 *
 * The version is tpm_version_major (kernel 5.6 and later); where that is missing, a TPM 2.0 is one that has a node under
 * class/tpmrm.
 */
gboolean tpm_device_choose (const char *sysfs_root, gboolean exclusive, char **ret_tcti, GError **error);

/**
 * tpm_device_path:
 *
 * Returns: (transfer none) (nullable): PATH of the TCTI configuration "device:PATH", %NULL for any other
 */
const char *tpm_device_path (const char *tcti);

/**
 * tpm_device_probe:
 * @tcti: TCTI configuration
 * @error: TPMID_ERROR_NO_DEVICE, _NO_PERMISSION (names path, uid, owner and remedy), _DEVICE_BUSY (names the holder)
 *
 * Opens and closes the node of a "device:PATH" TCTI, since the TSS reports every reason with the same code. Any other
 * TCTI passes.
 */
gboolean tpm_device_probe (const char *tcti, GError **error);

/**
 * tpm_device_is_announced:
 *
 * See tpm_link_is_announced().
 */
gboolean tpm_device_is_announced (const char *sysfs_root);

G_END_DECLS

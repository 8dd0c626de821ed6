/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-session.h"

G_BEGIN_DECLS

/**
 * client_tpm_refuse:
 * @error: (inout): what a request failed with that needs a TPM
 *
 * A device that does without a TPM does not support such a request. Where the TPM of a device that has one, or waits for one, is
 * gone, it is the TPM that is not there: NotSupported becomes NoDevice.
 *
 * Returns: %FALSE always
 */
gboolean client_tpm_refuse (ClientSession *session, tpmid_error *error);

G_END_DECLS

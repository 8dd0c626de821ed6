/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-owning.h"

G_BEGIN_DECLS

/* What is in the TPM that tpmidd did not make. TPM thread, with an open link. */

/**
 * identity_foreign_look:
 * @work: where something is found, its status says what, and how to be rid of it
 * @ret_found: (out): whether there is a persistent object or an NV index that is neither of tpmidd's making nor the platform's;
 *   the storage root key is ours by its handle and template, and by its name where that is known
 * @error: those of the link
 *
 * The commands of tpm_inventory_list(). No password is used.
 */
gboolean identity_foreign_look (const IdentityOwning *work, gboolean *ret_found, GError **error);

G_END_DECLS

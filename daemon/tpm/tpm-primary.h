/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Primary keys. TPM thread. */

#include "tpm-guard.h"

G_BEGIN_DECLS

/**
 * tpm_primary_make:
 * @primary: (inout): an empty guard of @link; holds the primary key afterwards
 * @ret_name: (out caller-allocates) (array fixed-size=34): its Name
 * @error: those of tpm_authority_open()
 *
 * Makes the hierarchy's primary key of tpm_hierarchy_read_anchor(). One command, and those of tpm_authority_open().
 */
gboolean tpm_primary_make (TpmLink *link, TpmHierarchy hierarchy, TpmTransient *primary, guint8 ret_name[TPM_NAME_SIZE], GError **error);

G_END_DECLS

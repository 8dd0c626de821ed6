/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this room share about hierarchies. TPM thread. */

#include "tpm-guard.h"
#include "tpm-hierarchy.h"

G_BEGIN_DECLS

/**
 * tpm_hierarchy_check:
 * @error: TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, _HIERARCHY_DISABLED and those of the link
 *
 * Whether commands with the hierarchy's empty password make sense, by what the TPM says; no password is tried. No command,
 * or one where the facts say no, since somebody may have taken his password away.
 */
gboolean tpm_hierarchy_check (TpmLink *link, TpmHierarchy hierarchy, GError **error);

/**
 * tpm_hierarchy_fail:
 *
 * tpm_link_fail() for a command that the hierarchy's password authorizes: a refused one becomes
 * TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, which names the hierarchy.
 *
 * Returns: %FALSE always
 */
gboolean tpm_hierarchy_fail (TpmLink *link, TpmHierarchy hierarchy, TSS2_RC rc, GError **error, const char *doing);

/**
 * tpm_hierarchy_make_primary:
 * @primary: (inout): an empty guard of @link; holds the primary key afterwards
 * @ret_name: (out caller-allocates) (array fixed-size=34): its Name
 *
 * Makes the hierarchy's primary key of tpm_hierarchy_read_anchor(). One command.
 */
gboolean tpm_hierarchy_make_primary (TpmLink *link, TpmHierarchy hierarchy, TpmTransient *primary, guint8 ret_name[TPM_NAME_SIZE],
                                     GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-owning.h"

G_BEGIN_DECLS

/* Who has each password of the TPM: nobody, tpmidd, somebody who told us, or somebody else. TPM thread, with an open link. */

/**
 * identity_password_holders_assess:
 * @work: with what identity_password_search_run(), or _reload(), found; its status is updated, and where it says nothing of what
 *   is in the way yet, it does so now
 *
 * Hands the link what it is to use: our passwords, else supplied ones, and none for a hierarchy without. Four commands for each
 * supplied password of owner and endorsement that the link does not have yet, else none.
 */
void identity_password_holders_assess (IdentityOwning *work);

/**
 * identity_password_holders_assess_again:
 *
 * The same after something was done, where the link is still open: what is in the way, if anything, is in the status already.
 */
void identity_password_holders_assess_again (IdentityOwning *work);

G_END_DECLS

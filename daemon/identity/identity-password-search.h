/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-owning.h"

G_BEGIN_DECLS

/* Which passwords of ours the TPM has: those on disk, those that the link knows, or those of the copy in the TPM. TPM
 * thread, with an open link. */

/**
 * identity_password_search_run:
 * @work: its passwords are overwritten: what is right, or nothing; where no password is set, what is on disk. Its status says
 *   whether disk and copy hold them, and where they were not found, why and what to do
 *
 * The copy in the TPM counts, by its tag: it was written before the passwords were set. Where other passwords than those on disk
 * are right, they are written to the disk again. Without a copy the owner's password is tried, which costs nothing; a lockout
 * password that nothing proves is not used. What is known to be wrong is taken away from the link. Errors are logged.
 *
 * No command where no password is set; else as identity_ownership_prepare() says.
 */
void identity_password_search_run (IdentityOwning *work);

/**
 * identity_password_search_reload:
 * @work: with the status that identity_password_search_run() left; its passwords are overwritten
 *
 * What was found before, off the disk. No command.
 */
void identity_password_search_reload (IdentityOwning *work);

G_END_DECLS

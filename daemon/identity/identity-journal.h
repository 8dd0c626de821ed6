/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * STATE/journal: the one operation under way that makes another device of this one, or keeps it the same with another key. It is there from
 * the moment when the operation is wanted until all of it is on disk and in the TPM; a boot that finds it carries on. Each operation is a
 * row of steps that may be repeated from any point.
 *
 * The TPM thread alone writes it, so that no operation can come between the steps of another.
 */

typedef enum
{
  IDENTITY_OPERATION_NONE,
  IDENTITY_OPERATION_RESET,
  IDENTITY_OPERATION_REPROVISION,
  IDENTITY_OPERATION_MIGRATE_TO_TPM,
  IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE,
  IDENTITY_OPERATION_ROTATE_COMMIT,
  IDENTITY_OPERATION_ROTATE_ROLLBACK,
  IDENTITY_N_OPERATIONS
} IdentityOperation;

/**
 * identity_operation_name:
 *
 * Returns: (transfer none): "reset", "reprovision", "migrate-to-tpm", "migrate-to-software", "rotate-commit", "rotate-rollback"; "" for none
 */
const char *identity_operation_name (IdentityOperation operation);

/**
 * IdentityJournal:
 *
 * A plain record; strings may be %NULL.
 */
typedef struct
{
  IdentityOperation operation;
  gboolean is_erasing;     /* reset: from now on there is no way back */
  gboolean is_cleared;     /* reset: TPM2_Clear is done */
  gboolean keeps_tpm;      /* reset: the TPM must not be cleared, see @shortfall */
  gboolean is_carried_out; /* what the operation takes away is gone; the boot decision makes what is to come */
  gboolean with_keys;      /* reprovision: the TPM is another one, so what belongs to the old one goes along */
  char *stamp;             /* of its beginning: names the folder of what is archived */
  char *serial;            /* reset: content of the serial number's NV index, hex, that goes from the old state of the TPM into the new one;
                              %NULL: none */
  char *token;             /* reset by the kernel command line: SHA-256 of the token, hex */
  char *shortfall;         /* reset: why the TPM was not cleared: the reset is incomplete; a sentence */
} IdentityJournal;

IdentityJournal *identity_journal_new (IdentityOperation operation);
IdentityJournal *identity_journal_copy (const IdentityJournal *journal);
void identity_journal_free (IdentityJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityJournal, identity_journal_free)

/**
 * identity_journal_load:
 * @ret_journal: (out) (transfer full): of operation NONE where there is none
 * @error: TPMID_ERROR_STORAGE; _CORRUPT, also for an operation of a later release
 *
 * Any thread.
 */
gboolean identity_journal_load (const char *state_path, IdentityJournal **ret_journal, GError **error);

/**
 * identity_journal_save:
 * @journal: of an operation
 * @error: TPMID_ERROR_STORAGE
 *
 * TPM thread. On stable storage when it returns.
 */
gboolean identity_journal_save (const char *state_path, const IdentityJournal *journal, GError **error);

/* TPM thread: the operation is over. */
gboolean identity_journal_remove (const char *state_path, GError **error);

G_END_DECLS

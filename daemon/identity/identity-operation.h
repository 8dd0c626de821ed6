/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-decision.h"
#include "identity-journal.h"
#include "identity-ownership.h"

G_BEGIN_DECLS

typedef struct TpmLink TpmLink;

/*
 * What somebody asked for explicitly, and how far it is. An operation begins with its entry in the journal. The boot decision first carries
 * out what the entry says, then decides from what it finds; a factory reset is a row of the table of its own.
 */

/**
 * IdentityOperationFacts:
 *
 * The operation as one decision found it, or carried it out.
 */
typedef struct
{
  IdentityJournal *journal; /* of NONE where there is none */
  gboolean is_reset_wanted; /* and not carried out yet: the request of the table */
  int error;                /* a TpmidError, where @problem is the operation's */
  char *problem;            /* (nullable): "reset: sentence", why it waits or failed */
} IdentityOperationFacts;

void identity_operation_facts_clear (IdentityOperationFacts *facts);

/**
 * identity_operation_begin:
 * @operation: with the preconditions checked by the caller
 * @with_keys: see IdentityJournal
 * @error: TPMID_ERROR_WRONG_STATE when another operation is under way; _STORAGE
 *
 * Any thread. A reset takes the place of any other operation, a migration that of the opposite one; the one that is under way already is a success.
 */
gboolean identity_operation_begin (const BaseConfig *config, IdentityOperation operation, gboolean with_keys, GError **error);

/**
 * identity_operation_prepare:
 * @link: (nullable): the TPM, open; %NULL where it cannot be used
 * @takes_requests: whether a request for a reset that lies there is taken: at boot, not when somebody happens to look again
 * @ownership: (inout): may be taken on the way
 *
 * TPM thread; with a %NULL @link any. Turns a request for a reset into the journal's operation, and carries out an operation other than a reset.
 * Never fails: what could not be done is named, and tried again by the next decision.
 */
void identity_operation_prepare (TpmLink *link, const BaseConfig *config, gboolean takes_requests, IdentityOwnership *ownership,
                                 IdentityOperationFacts *ret_facts);

/**
 * identity_operation_finish:
 *
 * Any thread, when what the decision made is on disk: the operation is over. May be called again.
 */
gboolean identity_operation_finish (const BaseConfig *config, const IdentityJournal *journal, GError **error);

G_END_DECLS

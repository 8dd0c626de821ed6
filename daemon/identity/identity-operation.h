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

typedef enum
{
  IDENTITY_LOOK_AT_BOOT, /* requests that lie there are taken */
  IDENTITY_LOOK_AGAIN,   /* what is on record is carried out; a request waits for the next boot */
  IDENTITY_LOOK_ASIDE,   /* nothing is changed: the TPM thread may be at it */
} IdentityLook;

/**
 * IdentityOperationFacts:
 *
 * The operation as one decision found it, or carried it out.
 */
typedef struct
{
  IdentityJournal *journal; /* of NONE where there is none */
  gboolean is_reset_wanted; /* and not carried out yet: the request of the table */
  gboolean is_half_done;    /* an old identity is being given up, and no new one is there: never a device without one on record */
  int error;                /* a TpmidError, where @problem is the operation's */
  char *problem;            /* (nullable): "reset: sentence", why it waits or failed */
} IdentityOperationFacts;

void identity_operation_facts_clear (IdentityOperationFacts *facts);

/**
 * identity_operation_begin:
 * @operation: with the preconditions checked by the caller
 * @with_keys: see IdentityJournal
 * @is_there: the device is already what the operation makes of it: where nothing else is under way, there is nothing to do
 * @ret_id: (out) (nullable) (transfer full): the stamp of the entry that is to be carried out now; %NULL where there is nothing to do
 * @error: TPMID_ERROR_WRONG_STATE when another operation is under way; _STORAGE
 *
 * TPM thread. A reset takes the place of any other operation, a migration that of the opposite one; the one that is under way already is a success.
 */
gboolean identity_operation_begin (const BaseConfig *config, IdentityOperation operation, gboolean with_keys, gboolean is_there,
                                   char **ret_id, GError **error);

/**
 * identity_operation_prepare:
 * @link: (nullable): the TPM, open; %NULL where it cannot be used
 * @look: whether a request for a reset that lies there is taken, and whether anything is done
 * @ownership: (inout): may be taken on the way
 *
 * TPM thread; with LOOK_ASIDE any. Turns a request for a reset into the journal's operation, and carries out an operation other than a reset.
 * Never fails: what could not be done is named, and tried again by the next decision.
 */
void identity_operation_prepare (TpmLink *link, const BaseConfig *config, IdentityLook look, IdentityOwnership *ownership,
                                 IdentityOperationFacts *ret_facts);

/**
 * identity_operation_finish:
 *
 * TPM thread, when what the decision made is on disk: the operation is over. May be called again.
 */
gboolean identity_operation_finish (const BaseConfig *config, const IdentityJournal *journal, GError **error);

G_END_DECLS

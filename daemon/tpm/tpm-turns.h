/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-types.h"

G_BEGIN_DECLS

/**
 * TpmTurn:
 *
 * What decides when a job runs; embedded at the beginning of a job. Constant while it waits, except @sequence, which is
 * tpm_turns_push()'s.
 */
typedef struct
{
  TpmPriority priority;
  guint uid;
  const char *client; /* (nullable): owned by the job */
  guint64 sequence;   /* order of arrival */
} TpmTurn;

/**
 * TpmTurns:
 *
 * The waiting jobs in the order of #TpmQueue. Pure bookkeeping: not thread-safe, owns no turn.
 */
typedef struct TpmTurns TpmTurns;

/* After so many jobs in a row that passed over a waiting one of lower priority, the oldest of those runs. */
#define TPM_TURNS_STREAK 8

TpmTurns *tpm_turns_new (void);

/**
 * tpm_turns_free:
 *
 * Must be empty. NULL-safe.
 */
void tpm_turns_free (TpmTurns *self);

/**
 * tpm_turns_push:
 * @turn: (transfer none): lives until it is popped or removed
 */
void tpm_turns_push (TpmTurns *self, TpmTurn *turn);

/**
 * tpm_turns_pop:
 *
 * Returns: (transfer none) (nullable): whose turn it is; it waits no longer
 */
TpmTurn *tpm_turns_pop (TpmTurns *self);

/**
 * tpm_turns_remove:
 * @turn: one that waits
 */
void tpm_turns_remove (TpmTurns *self, TpmTurn *turn);

/**
 * tpm_turns_find_greedy:
 * @uid: whose turn asks for a place
 *
 * Looks for the turn that gives way when there is no place left: the newest one of the client with the most turns, of the
 * uid with the most turns. All priorities count, the daemon's own turns (whose client is %NULL) do not. Of two uids or
 * clients with as many the one that came last is meant.
 *
 * Returns: (transfer none) (nullable): it goes on waiting; %NULL when no uid has more turns than @uid
 */
TpmTurn *tpm_turns_find_greedy (const TpmTurns *self, guint uid);

/**
 * tpm_turns_count:
 * @client: (nullable): count those of one client; %NULL counts those of all clients
 *
 * Returns: how many wait, without the daemon's own (whose client is %NULL)
 */
guint tpm_turns_count (const TpmTurns *self, const char *client);

/**
 * tpm_turns_count_all:
 *
 * Returns: how many wait, with the daemon's own
 */
guint tpm_turns_count_all (const TpmTurns *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TpmTurns, tpm_turns_free)

G_END_DECLS

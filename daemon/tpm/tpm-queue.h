/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"
#include "tpm-types.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TpmQueue:
 *
 * The TPM thread and the jobs that wait for it. One job runs at a time, on the one thread that owns the #TpmLink.
 * All functions are called on the main thread, unless marked otherwise.
 *
 * Order: by priority; inside a priority round robin between uids, inside a uid round robin between its clients, inside a
 * client first come first served. After 8 jobs of higher priority in a row the oldest of a lower one runs, so that
 * nothing starves.
 *
 * Bounds: one client may have @limit_per_client jobs waiting, all clients @limit. When all places are taken, a job whose uid
 * has fewer jobs waiting than the uid with the most takes the place of that one's newest job (of its client with the
 * most), which ends with TPMID_ERROR_BUSY; a job of a uid that none has more than gets TPMID_ERROR_BUSY itself. So whoever
 * floods, from however many connections, takes nobody else's place. The daemon's own jobs are not counted, not refused
 * and never displaced.
 */
typedef struct TpmQueue TpmQueue;

/**
 * TpmJobFunc:
 * @link: the link, open; %NULL when the job was pushed with @needs_tpm %FALSE
 * @request: the job's request; owned by the queue
 * @error: as the operation documents
 *
 * Runs on the TPM thread: a whole transaction, that leaves no transient object and no session behind on any path.
 * Touches nothing of the main thread.
 *
 * Returns: (transfer full) (nullable): the result, freed with the job's @result_free when nobody wants it; %NULL with
 * @error set on failure
 */
typedef gpointer (*TpmJobFunc) (TpmLink *link, gpointer request, GError **error);

typedef struct
{
  const char *operation; /* static: for status and journal, for example "sign" */
  TpmPriority priority;
  guint uid;             /* whose turn it takes */
  const char *client;    /* (nullable): unique bus name, copied; %NULL for the daemon's own jobs, which are not bounded */
  guint deadline_ms;     /* from now; 0 = none */
  gboolean needs_tpm;    /* open the link first; the opening's error ends the job. %FALSE: runs without, link is %NULL */
  gboolean replayable;   /* harmless to run twice: run once more after a rebuilt link */
  TpmJobFunc run;
  gpointer request;      /* (transfer full) */
  GDestroyNotify request_free;
  GDestroyNotify result_free;
} TpmJob;

typedef struct
{
  guint waiting;
  const char *running;  /* (nullable): static; operation that runs now */
  guint64 running_ms;   /* its age in milliseconds */
  gboolean generating;  /* it makes an RSA key at the moment (tpm_link_is_generating()) */
  gboolean wedged;      /* running for longer than TPM_QUEUE_WEDGED_MS, or generating for longer than TPM_QUEUE_WEDGED_GENERATING_MS */
} TpmQueueStatus;

/* No TPM command is known to take longer, but for making an RSA key, which takes minutes on old chips. */
#define TPM_QUEUE_WEDGED_MS 15000
#define TPM_QUEUE_WEDGED_GENERATING_MS 600000

/**
 * tpm_queue_new:
 * @link: (transfer full): the link; from now on the queue's thread owns it
 * @limit: jobs that may wait in all; what happens to one more stands at #TpmQueue
 * @limit_per_client: jobs that may wait for one client (unique bus name)
 *
 * Starts the TPM thread.
 */
TpmQueue *tpm_queue_new (TpmLink *link, guint limit, guint limit_per_client);

/**
 * tpm_queue_close:
 *
 * Refuses new jobs, and answers every caller that still waits for one with TPMID_ERROR_CANCELLED, also that of the running
 * job. Iterates the main context until all have been answered; does not wait for the TPM.
 */
void tpm_queue_close (TpmQueue *queue);

/**
 * tpm_queue_free:
 * @queue: (nullable): the queue
 *
 * Does what tpm_queue_close() does, waits for the running job, closes the link, ends the thread. This blocks. When the running job does not end within 10 s (the
 * transport hangs), gives up on the thread and leaks it, with the queue and the link.
 *
 * Returns: %FALSE when the thread was given up; the process then has to end by _exit(), once those who waited have their
 * answers, as what exit() takes down may still be in that thread's use. main() does so.
 */
gboolean tpm_queue_free (TpmQueue *queue);

/**
 * tpm_queue_push_async:
 * @job: copied, except what it owns
 * @cancellable: (nullable): when cancelled, a waiting job leaves the queue at once, and a running one's result is dropped
 * @callback: called exactly once, from the main loop, never from inside this call
 *
 * Errors that the queue itself gives: TPMID_ERROR_BUSY (a bound is reached: at once; displaced: when that happens; the deadline passed
 * while the TPM made an RSA key; the job has not run and does not run later), TPMID_ERROR_TIMEOUT (the
 * deadline passed; the message names the operation that holds the TPM and its age), TPMID_ERROR_CANCELLED.
 */
void tpm_queue_push_async (TpmQueue *queue, const TpmJob *job, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data);

/**
 * tpm_queue_push_finish:
 *
 * Returns: (transfer full) (nullable): what the job returned
 */
gpointer tpm_queue_push_finish (GAsyncResult *result, GError **error);

/**
 * tpm_queue_get_status:
 *
 * Any thread; never waits for the TPM.
 */
void tpm_queue_get_status (TpmQueue *queue, TpmQueueStatus *ret_status);

/**
 * tpm_queue_peek_link:
 *
 * Returns: (transfer none): the link, for its "any thread" functions only
 */
TpmLink *tpm_queue_peek_link (TpmQueue *queue);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TpmQueue, tpm_queue_free)

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-session.h"

G_BEGIN_DECLS

/** CLIENT_OPERATION_WAIT_MS: how long an operation is waited for where --timeout says nothing else */
#define CLIENT_OPERATION_WAIT_MS 300000

/**
 * ClientOperation:
 * @name: the operation's name in property Operation
 * @argument: (nullable): what @start gets
 * @start: calls the method
 * @mode: (nullable): a device that is in this mode already has nothing to do
 * @may_be_incomplete: it can end as "incomplete", so that a new key does not say that all is done
 * @is_done_on_return: the method returns when all is done; otherwise when the operation is recorded
 *
 * An operation on the identity.
 */
typedef struct ClientOperation
{
  const char *name;
  const char *argument;
  int (*start) (tpmid_client *client, const char *argument, int timeout_ms, tpmid_error *error);
  const char *mode;
  gboolean may_be_incomplete;
  gboolean is_done_on_return;
} ClientOperation;

/**
 * client_operation_run:
 * @error: those of @start; what the operation failed with; TpmUnavailable where it waits for the TPM; NoReply where it is not
 *   over in time (--timeout, 300 seconds otherwise); the bus's error, ServiceUnknown for one, where tpmidd is not back by then;
 *   Failed where tpmidd started again and nobody knows any more whether all was done
 *
 * Starts the operation, waits for its end, with a line that says how long it has been, and prints the outcome: "NAME: complete"
 * or "NAME: incomplete: DETAIL" and the reference of the identity's key. As JSON the outcome is printed also where it is a
 * failure or waits. tpmidd may stop and start again meanwhile, and the answer to the call may be lost: the operation goes by its
 * id. One of the same name that was under way already before the call is taken for the one that was asked for, as it keeps its
 * id.
 */
gboolean client_operation_run (ClientSession *session, const ClientOperation *operation, tpmid_error *error);

G_END_DECLS

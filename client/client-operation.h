/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-session.h"

G_BEGIN_DECLS

/**
 * ClientOperation:
 * @name: the operation's name in property Operation
 * @argument: (nullable): what @start gets
 * @start: calls the method
 * @mode: (nullable): a device that is in this mode already has nothing to do
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
  gboolean is_done_on_return;
} ClientOperation;

/**
 * client_operation_run:
 * @error: those of @start; what the operation failed with; TpmUnavailable where it waits for another boot; NoReply where it is
 *   not over in time (--timeout, 300 seconds otherwise)
 *
 * Starts the operation, waits for its end, with a line on a terminal that says how long it has been, and prints the outcome:
 * "NAME: complete" or "NAME: incomplete: DETAIL" and the reference of the identity's key. As JSON the outcome is printed also
 * where it is a failure or waits. tpmidd may stop and start again meanwhile, and the answer to the call may be lost.
 */
gboolean client_operation_run (ClientSession *session, const ClientOperation *operation, tpmid_error *error);

G_END_DECLS

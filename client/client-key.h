/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-session.h"

G_BEGIN_DECLS

/**
 * client_key_wait:
 * @name: a key's name
 * @timeout_ms: how long at most
 * @error: those of tpmid_wait_key(): what is the matter where the key failed; NoReply where it is still being made
 *
 * tpmid_wait_key(), and on a terminal a line that says how long it has been.
 */
gboolean client_key_wait (ClientSession *session, const char *name, int timeout_ms, tpmid_error *error);

/**
 * client_key_load:
 * @name: a key's name
 * @ret_properties: (out) (transfer full): its properties, with a PublicKey that is not empty
 * @error: those of tpmid_get_key() and client_key_wait(); NotFound (it has no public key)
 *
 * Waits, as long as the session's calls may take, for a key that is being made. A key that cannot be used, but whose public key
 * is known, is a success.
 */
gboolean client_key_load (ClientSession *session, const char *name, tpmid_value **ret_properties, tpmid_error *error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-access.h"

G_BEGIN_DECLS

/* Calls of one connection that may be under way. What may wait for the TPM is bounded by the queue itself, and lower. */
#define BUS_CLIENT_CALLS_MAX 64

/* Idle connections whose credentials are remembered; a bus lets one connection have 512 match rules, and each takes one. */
#define BUS_CLIENTS_IDLE_MAX 128

/**
 * BusClients:
 *
 * Who is on the other side: the credentials of each connection as the bus reports them, asked for once, asynchronously,
 * and forgotten when the connection leaves the bus. Ref-counted, main thread.
 */
typedef struct BusClients BusClients;

/**
 * BusClient:
 *
 * One connection with calls under way.
 */
typedef struct BusClient BusClient;

/**
 * BusClientFunc:
 * @caller: (nullable): who it is; %NULL when that cannot be had
 * @error: (nullable): set when @caller is %NULL: TPMID_ERROR_CANCELLED when the connection has left the bus (nobody
 *   waits for an answer), TPMID_ERROR_NOT_AUTHORIZED when the bus does not say who it is
 */
typedef void (*BusClientFunc) (IdentityCaller *caller, const GError *error, gpointer user_data);

BusClients *bus_clients_new (GDBusConnection *connection);
BusClients *bus_clients_ref (BusClients *self);
void bus_clients_unref (BusClients *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusClients, bus_clients_unref)

/**
 * bus_clients_close:
 *
 * Forgets everybody, as if all had left the bus. Callers that still wait hear TPMID_ERROR_CANCELLED.
 */
void bus_clients_close (BusClients *self);

/**
 * bus_clients_begin:
 * @sender: unique bus name
 * @error: TPMID_ERROR_BUSY when BUS_CLIENT_CALLS_MAX calls of this connection are under way
 *
 * Counts one call more. End it with bus_client_end().
 *
 * Returns: (transfer full) (nullable): the connection
 */
BusClient *bus_clients_begin (BusClients *self, const char *sender, GError **error);

/**
 * bus_client_end:
 * @client: (transfer full): from bus_clients_begin()
 */
void bus_client_end (BusClient *client);

/**
 * bus_client_peek_caller:
 *
 * Returns: (transfer none) (nullable): who it is, where that is known already
 */
IdentityCaller *bus_client_peek_caller (BusClient *client);

/**
 * bus_client_identify:
 * @func: called once, later, in the order of the calls
 *
 * Finds out who it is. Only while bus_client_peek_caller() gives %NULL.
 */
void bus_client_identify (BusClient *client, BusClientFunc func, gpointer user_data);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-auth.h"
#include "bus-clients.h"

G_BEGIN_DECLS

typedef struct BusCall BusCall;
typedef struct BusCalls BusCalls;

/**
 * BusMethod:
 * @name: of the method
 * @prepare: unpacks and validates @parameters, whose type is checked already, without any effect; may fill
 *   @request, @key and @owner of the call; @error is of TPMID_ERROR
 * @act: does the work of an authorized call, and ends it, now or later, by bus_call_return() or bus_call_fail()
 *
 * What one method does. Tables of them end with a %NULL @name.
 */
typedef struct
{
  const char *name;
  gboolean (*prepare) (BusCall *call, GVariant *parameters, GError **error);
  void (*act) (BusCall *call);
} BusMethod;

/**
 * BusCall:
 *
 * One method call on its way through the house's order: unpack and validate, authorize, act, log, reply.
 * Main thread.
 */
struct BusCall
{
  GObject *target;              /* what the interface stands for, a reference */
  IdentityCaller *caller;       /* who asks; set before @act */
  char *key;                    /* name of the key it works on, for rights and journal; or NULL */
  guint owner;                  /* uid that owns that key */
  gpointer request;             /* what @prepare made of the parameters */
  GDestroyNotify request_free;

  /*< private >*/
  BusCalls *calls;
  const BusAuthRow *row;
  const BusMethod *method;
  GDBusMethodInvocation *invocation;
  BusClient *client;
};

/**
 * bus_call_return:
 * @call: (transfer full): the call
 * @result: (transfer floating): tuple of the method's out-arguments
 *
 * Logs and replies.
 */
void bus_call_return (BusCall *call, GVariant *result);

/**
 * bus_call_fail:
 * @call: (transfer full): the call
 * @error: (transfer full): of TPMID_ERROR
 *
 * Logs and replies.
 */
void bus_call_fail (BusCall *call, GError *error);

/**
 * BusCalls:
 *
 * The one entrance through which every method call passes. Ref-counted; a call under way holds a reference.
 */
BusCalls *bus_calls_new (BusClients *clients, BusAuth *auth);
BusCalls *bus_calls_ref (BusCalls *self);
void bus_calls_unref (BusCalls *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusCalls, bus_calls_unref)

/**
 * bus_calls_serve:
 * @skeleton: a generated skeleton; all its handle-* signals lead here, whichever methods it has
 * @methods: (transfer none): static
 * @target: given to each call
 * @key: (nullable): name of the key that @skeleton stands for, given to each call
 *
 * Puts @skeleton behind the entrance. A method without a row in bus-auth.c or without an entry in @methods is refused.
 */
void bus_calls_serve (BusCalls *self, GDBusInterfaceSkeleton *skeleton, const BusMethod *methods, GObject *target,
                      const char *key);

G_END_DECLS

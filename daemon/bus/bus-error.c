/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"

#include "base-error.h"
#include "bus-variant.h"

#define MESSAGE_MAX 1024

void
bus_error_return (GDBusMethodInvocation *invocation, const GError *error)
{
  g_autofree char *message = bus_variant_printable (error->message, MESSAGE_MAX);

  g_dbus_method_invocation_return_dbus_error (invocation, base_error_to_dbus_error (error), message);
}

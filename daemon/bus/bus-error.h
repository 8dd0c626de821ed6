/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * bus_error_return:
 * @invocation: (transfer full): the call to answer
 * @error: why it failed; of TPMID_ERROR, anything else is reported as a defect
 *
 * The single edge where a GError leaves the process: sends it under its name org.tpmid1.Error.*. The message is cut to
 * 1024 bytes and freed of control characters, as parts of it may be the caller's own words.
 */
void bus_error_return (GDBusMethodInvocation *invocation, const GError *error);

G_END_DECLS

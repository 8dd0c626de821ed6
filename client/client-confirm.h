/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-session.h"

G_BEGIN_DECLS

/** CLIENT_CONFIRM_OPTION: the entry of --yes, for @flag (gboolean *) */
#define CLIENT_CONFIRM_OPTION(flag) { "yes", 'y', 0, G_OPTION_ARG_NONE, (flag), "Do not ask", NULL }

/**
 * ClientQuestion:
 * @verb: what is to be done, as on the command line: "serial clear"
 * @loss: what is lost by it, whole sentences
 * @describe: (nullable): more of that, for a person who is asked; asked for only then. Lines with a newline at their end,
 *   or %NULL and an error
 */
typedef struct ClientQuestion
{
  const char *verb;
  const char *loss;
  char *(*describe) (ClientSession *session, tpmid_error *error);
} ClientQuestion;

/**
 * client_confirm:
 * @is_yes: --yes was given: nobody is asked
 * @error: Usage (nobody can be asked), Declined, or what @describe failed with
 *
 * Says what is lost, and asks: on standard input and standard error where both are terminals, otherwise on /dev/tty.
 *
 * Returns: whether to go on
 */
gboolean client_confirm (ClientSession *session, const ClientQuestion *question, gboolean is_yes, tpmid_error *error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** ClientExplanation: an error's full D-Bus name, when it comes, and what can be done; words for a person */
typedef struct ClientExplanation
{
  const char *name;
  const char *meaning;
  const char *remedy;
} ClientExplanation;

/**
 * client_explain_find:
 * @name: an error's name, full or without "org.tpmid1.Error." or "org.freedesktop.DBus.Error.", in upper or lower case
 *
 * Returns: (transfer none) (nullable): what is to be said of it; %NULL for a name that neither tpmidd nor its bus has
 */
const ClientExplanation *client_explain_find (const char *name);

G_END_DECLS

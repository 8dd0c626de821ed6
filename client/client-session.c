/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-session.h"

#include <math.h>

#define TIMEOUT_MAX_SECONDS 86400.0

static gboolean
set_timeout (ClientSession *self, double seconds, tpmid_error *error)
{
  if (isnan (seconds) || seconds < 0.001 || seconds > TIMEOUT_MAX_SECONDS)
    return client_error_set (error, CLIENT_ERROR_USAGE, "--timeout takes seconds, 0.001 to %.0f", TIMEOUT_MAX_SECONDS);
  self->timeout_ms = (int) (seconds * 1000);
  self->has_timeout = TRUE;
  return TRUE;
}

gboolean
client_session_parse (ClientSession *self, GOptionContext *context, GStrv *arguments, tpmid_error *error)
{
  g_autoptr (GOptionContext) owned = context;
  g_autoptr (GError) local_error = NULL;
  g_autofree char *bus_address = NULL;
  gboolean json = FALSE;
  double seconds = -1;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print results and errors as JSON", NULL },
    { "bus-address", 0, 0, G_OPTION_ARG_FILENAME, &bus_address, "D-Bus address instead of the system bus", "ADDRESS" },
    { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "How long each call may take (120)", "SECONDS" },
    { NULL },
  };

  g_option_context_add_main_entries (owned, entries, NULL);
  if (!g_option_context_parse_strv (owned, arguments, &local_error))
    return client_error_set (error, CLIENT_ERROR_USAGE, "%s", local_error->message);
  self->json = self->json || json;
  if (bus_address != NULL)
    {
      g_free (self->bus_address);
      self->bus_address = g_steal_pointer (&bus_address);
    }
  return seconds == -1 || set_timeout (self, seconds, error);
}

/* GOption leaves the "--" in where what follows it looks like an option. */
static void
remove_separator (GStrv arguments)
{
  guint i = 1;

  while (arguments[i] != NULL && !g_str_equal (arguments[i], "--"))
    i++;
  g_free (arguments[i]);
  for (; arguments[i] != NULL; i++)
    arguments[i] = arguments[i + 1];
}

gboolean
client_session_parse_verb (ClientSession *self, const ClientVerb *verb, const GOptionEntry *entries, GStrv *arguments,
                           tpmid_error *error)
{
  g_autofree char *usage = g_strdup_printf ("%s %s", verb->name, verb->synopsis);
  GOptionContext *context = g_option_context_new (usage);

  g_option_context_set_summary (context, verb->summary);
  g_option_context_set_description (context, verb->description);
  g_option_context_add_main_entries (context, entries, NULL);
  if (!client_session_parse (self, context, arguments, error))
    return FALSE;
  remove_separator (*arguments);
  return TRUE;
}

gboolean
client_session_expect (const GStrv arguments, guint count, tpmid_error *error)
{
  if (g_strv_length (arguments) <= count)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_USAGE, "%s: what is \"%s\" for?", arguments[0], arguments[count]);
}

tpmid_client *
client_session_get (ClientSession *self)
{
  /* Fails for lack of memory only, where GLib would end the program too. */
  if (self->client == NULL && tpmid_client_new (self->bus_address, &self->client) < 0)
    g_abort ();
  return self->client;
}

void
client_session_clear (ClientSession *self)
{
  g_clear_pointer (&self->client, tpmid_client_free);
  g_clear_pointer (&self->bus_address, g_free);
}

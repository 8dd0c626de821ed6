/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-json.h"
#include "client-session.h"

#include <poll.h>
#include <unistd.h>

/* How long one wait lasts; then the next begins. Short, as after very many foreign signals in a row the library has read more
 * from its descriptor than it has looked at. */
#define WAIT_MS 5000

static void
add_member (JsonBuilder *builder, const char *name, const tpmid_value *change)
{
  json_builder_set_member_name (builder, name);
  client_json_add_value (builder, tpmid_value_find (change, name));
}

static void
add_invalidated (JsonBuilder *builder, const tpmid_value *names)
{
  json_builder_set_member_name (builder, "invalidated");
  json_builder_begin_array (builder);
  for (gsize i = 0; i < tpmid_value_count (names); i++)
    {
      g_autofree char *name = client_json_property_name (tpmid_value_string (tpmid_value_at (names, i, NULL)));
      json_builder_add_string_value (builder, name);
    }
  json_builder_end_array (builder);
}

static void
print_json (const tpmid_value *change)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  if (tpmid_value_find (change, "running") != NULL)
    add_member (builder, "running", change);
  else
    {
      add_member (builder, "object", change);
      add_member (builder, "interface", change);
      json_builder_set_member_name (builder, "changed");
      client_json_add_properties (builder, tpmid_value_find (change, "changed"));
      add_invalidated (builder, tpmid_value_find (change, "invalidated"));
    }
  json_builder_end_object (builder);
  client_json_print (builder, stdout, TRUE);
}

static void
print_property (const char *object, const char *property, const tpmid_value *value)
{
  g_autofree char *name = client_json_property_name (property);

  if (tpmid_value_kind (value) == TPMID_KIND_STRING)
    {
      /* A certificate is many lines: the first tells what it is. */
      g_auto (GStrv) lines = g_strsplit (tpmid_value_string (value), "\n", 2);
      printf ("%s %s: %s\n", object, name, lines[0] != NULL ? lines[0] : "");
      return;
    }

  g_autoptr (JsonBuilder) builder = json_builder_new ();
  client_json_add_value (builder, value);
  printf ("%s %s: ", object, name);
  client_json_print (builder, stdout, TRUE);
}

static void
print_text (const tpmid_value *change)
{
  const char *object = tpmid_value_string (tpmid_value_find (change, "object"));
  const tpmid_value *changed = tpmid_value_find (change, "changed");
  const tpmid_value *invalidated = tpmid_value_find (change, "invalidated");
  const tpmid_value *value;
  const char *property = NULL;

  if (tpmid_value_find (change, "running") != NULL)
    printf ("tpmidd %s\n", tpmid_value_boolean (tpmid_value_find (change, "running")) ? "is on the bus" : "left the bus");
  for (gsize i = 0; (value = tpmid_value_at (changed, i, &property)) != NULL; i++)
    print_property (object, property, value);
  for (gsize i = 0; (value = tpmid_value_at (invalidated, i, NULL)) != NULL; i++)
    {
      g_autofree char *name = client_json_property_name (tpmid_value_string (value));
      printf ("%s %s changed\n", object, name);
    }
}

static gboolean
flush (tpmid_error *error)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_FILE, "cannot write standard output");
}

static gboolean
print_start (ClientSession *session, tpmid_error *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (tpmid_value) status = NULL;

  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &status, error) < 0)
    return FALSE;
  if (!session->json)
    {
      printf ("mode %s, state %s, reason %s\n", tpmid_value_string (tpmid_value_find (status, "mode")),
              tpmid_value_string (tpmid_value_find (status, "state")), tpmid_value_string (tpmid_value_find (status, "reason")));
      return flush (error);
    }
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "status");
  client_json_add_value (builder, status);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, TRUE);
  return flush (error);
}

static int
left_ms (gint64 end_us)
{
  gint64 left = end_us == 0 ? WAIT_MS : (end_us - g_get_monotonic_time () + 999) / 1000;

  return (int) CLAMP (left, 0, WAIT_MS);
}

/* Returns: whether somebody still reads standard output; a file has no such reader and is never without one */
static gboolean
wait_for_more (tpmid_watch *watch, int timeout_ms)
{
  struct pollfd fds[] = { { .fd = tpmid_watch_fd (watch), .events = POLLIN }, { .fd = STDOUT_FILENO } };

  return poll (fds, G_N_ELEMENTS (fds), timeout_ms) < 0 || (fds[1].revents & (POLLERR | POLLHUP)) == 0;
}

static gboolean
follow (const ClientSession *session, tpmid_watch *watch, gint64 count, tpmid_error *error)
{
  gint64 end_us = session->has_timeout ? g_get_monotonic_time () + (gint64) session->timeout_ms * 1000 : 0;
  gint64 printed = 0;

  while (count == 0 || printed < count)
    {
      g_autoptr (tpmid_value) change = NULL;
      int r = tpmid_watch_next (watch, 0, &change, error);
      if (r < 0)
        return FALSE;
      if (r == 0)
        {
          if (left_ms (end_us) == 0 || !wait_for_more (watch, left_ms (end_us)))
            return TRUE;
          continue;
        }
      if (session->json)
        print_json (change);
      else
        print_text (change);
      if (!flush (error))
        return FALSE;
      printed++;
    }
  return TRUE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_autoptr (tpmid_watch) watch = NULL;
  gint64 count = 0;
  const GOptionEntry entries[] = {
    { "count", 0, 0, G_OPTION_ARG_INT64, &count, "End after so many changes (0: never)", "N" },
    { NULL },
  };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 1, error))
    return FALSE;
  if (count < 0)
    return client_error_set (error, CLIENT_ERROR_USAGE, "monitor: --count takes 0 or more");

  /* First the watch, then the status: no change is lost in between. */
  return tpmid_watch_new (client_session_get (session), session->timeout_ms, &watch, error) >= 0
         && print_start (session, error) && follow (session, watch, count, error);
}

const ClientVerb client_verb_monitor = {
  .name = "monitor",
  .synopsis = "[--count N]",
  .summary = "Print the status, then each change of a property",
  .description = "With --json each line is an object: first \"status\"; then \"object\", \"interface\", \"changed\" and\n"
                 "\"invalidated\", or \"running\" when tpmidd came or left.\n"
                 "It ends after --count changes, after --timeout seconds where that is given, and when nobody reads its\n"
                 "output any more.",
  .run = run,
};

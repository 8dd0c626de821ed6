/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUS_NAME "org.freedesktop.DBus"
/* How many foreign messages in a row put off the look at the clock. */
#define TAKE_MAX 1024

struct tpmid_watch
{
  sd_bus *bus;
  char *owner; /* tpmidd's unique name on the bus; NULL while it is not there */
};

static const LibTarget bus_daemon = { "/org/freedesktop/DBus", BUS_NAME, BUS_NAME };

static const char *const rules[] = {
  "type='signal',sender='" BUS_NAME "',interface='" BUS_NAME "',member='NameOwnerChanged',arg0='" LIB_SERVICE "'",
  "type='signal',sender='" LIB_SERVICE "',interface='" BUS_NAME ".Properties',member='PropertiesChanged',"
  "path_namespace='/org/tpmid1'",
};

void
tpmid_watch_free (tpmid_watch *watch)
{
  if (watch == NULL)
    return;
  (void) sd_bus_close_unref (watch->bus);
  free (watch->owner);
  free (watch);
}

static void
watch_clear (tpmid_watch **watch)
{
  tpmid_watch_free (*watch);
}
#define auto_watch __attribute__ ((cleanup (watch_clear))) tpmid_watch *

static int
call_bus (tpmid_watch *watch, LibCall *call, const char *method, const char *argument, const char *signature, uint64_t deadline,
          tpmid_error *error)
{
  int r = lib_call_begin (call, watch->bus, &bus_daemon, method, deadline, error);

  return r < 0 ? r : lib_call_finish (call, sd_bus_message_append (call->message, "s", argument), signature, error);
}

static int
subscribe (tpmid_watch *watch, uint64_t deadline, tpmid_error *error)
{
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
    {
      lib_auto_call call = { 0 };
      int r = call_bus (watch, &call, "AddMatch", rules[i], "", deadline, error);
      if (r < 0)
        return r;
    }
  return 0;
}

/* After subscribe(): a change of owner before the answer is in the answer, one after it is read later. */
static int
learn_owner (tpmid_watch *watch, uint64_t deadline, tpmid_error *error)
{
  lib_auto_call call = { 0 };
  tpmid_error local;
  int r = call_bus (watch, &call, "GetNameOwner", LIB_SERVICE, "s", deadline, &local);

  if (r >= 0)
    return lib_call_string (&call, &watch->owner, error);
  if (strcmp (local.name, LIB_DBUS_ERROR ("NameHasNoOwner")) == 0)
    return 0;
  if (error != NULL)
    *error = local;
  return r;
}

int
tpmid_watch_new (tpmid_client *client, int timeout_ms, tpmid_watch **ret_watch, tpmid_error *error)
{
  uint64_t deadline = lib_deadline (timeout_ms);
  auto_watch watch = calloc (1, sizeof *watch);
  int r = watch != NULL ? 0 : lib_error_set_errno (error, -ENOMEM, "cannot watch");

  if (r >= 0)
    r = lib_bus_open (client->address, deadline, &watch->bus, error);
  if (r >= 0)
    r = subscribe (watch, deadline, error);
  if (r >= 0)
    r = learn_owner (watch, deadline, error);
  if (r < 0)
    return r;
  *ret_watch = watch;
  watch = NULL;
  return 0;
}

int
tpmid_watch_fd (tpmid_watch *watch)
{
  return sd_bus_get_fd (watch->bus);
}

static int
read_owner_change (tpmid_watch *watch, sd_bus_message *message, tpmid_value **ret_change)
{
  const char *name, *old_owner, *new_owner;
  int r = sd_bus_message_read (message, "sss", &name, &old_owner, &new_owner);

  if (r < 0 || strcmp (name, LIB_SERVICE) != 0)
    return r < 0 ? r : 0;

  free (watch->owner);
  watch->owner = new_owner[0] != '\0' ? strdup (new_owner) : NULL;

  lib_auto_value change = tpmid_value_new_dict ();
  r = change == NULL ? -ENOMEM : lib_value_append (change, "running", lib_value_new_boolean (watch->owner != NULL));
  if (r < 0)
    return r;
  *ret_change = change;
  change = NULL;
  return 1;
}

static int
append_read (tpmid_value *change, const char *key, sd_bus_message *message)
{
  tpmid_value *value = NULL;
  int r = lib_value_read (message, &value);

  return r < 0 ? r : lib_value_append (change, key, value);
}

static int
read_property_change (sd_bus_message *message, tpmid_value **ret_change)
{
  lib_auto_value change = tpmid_value_new_dict ();
  int r = -ENOMEM;

  if (change != NULL)
    r = lib_value_append (change, "object", lib_value_new_string (sd_bus_message_get_path (message)));
  if (r >= 0)
    r = append_read (change, "interface", message);
  if (r >= 0)
    r = append_read (change, "changed", message);
  if (r >= 0)
    r = append_read (change, "invalidated", message);
  if (r < 0)
    return r;
  if (strncmp (tpmid_value_string (tpmid_value_find (change, "interface")), LIB_SERVICE ".", strlen (LIB_SERVICE ".")) != 0)
    return 0;
  *ret_change = change;
  change = NULL;
  return 1;
}

/* Any program on the bus can send a signal straight to us, past the match rules: only the owner of the name counts. */
static int
read_message (tpmid_watch *watch, sd_bus_message *message, tpmid_value **ret_change)
{
  const char *sender = sd_bus_message_get_sender (message);

  if (sender == NULL)
    return 0;
  if (strcmp (sender, BUS_NAME) == 0 && sd_bus_message_is_signal (message, BUS_NAME, "NameOwnerChanged") > 0)
    return read_owner_change (watch, message, ret_change);
  if (watch->owner != NULL && strcmp (sender, watch->owner) == 0
      && sd_bus_message_is_signal (message, BUS_NAME ".Properties", "PropertiesChanged") > 0
      && sd_bus_message_has_signature (message, "sa{sv}as") > 0)
    return read_property_change (message, ret_change);
  return 0;
}

/* 1: something was read (perhaps a change), 0: nothing is there */
static int
take_message (tpmid_watch *watch, tpmid_value **ret_change)
{
  sd_bus_message *message = NULL;
  int r = sd_bus_process (watch->bus, &message);

  if (r > 0 && message != NULL)
    {
      int r2 = read_message (watch, message, ret_change);
      if (r2 < 0)
        r = r2;
    }
  sd_bus_message_unref (message);
  if (r >= 0 && sd_bus_is_open (watch->bus) <= 0)
    return -ECONNRESET;
  return r;
}

int
tpmid_watch_next (tpmid_watch *watch, int timeout_ms, tpmid_value **ret_change, tpmid_error *error)
{
  uint64_t deadline = lib_deadline (timeout_ms);
  tpmid_value *change = NULL;
  unsigned taken = 0;
  int r = 1;

  while (r >= 0 && change == NULL)
    {
      r = take_message (watch, &change);
      if (r < 0 || change != NULL || (r > 0 && taken++ < TAKE_MAX))
        continue;
      if (lib_deadline_left (deadline) == 0)
        return 0;
      r = sd_bus_wait (watch->bus, lib_deadline_left (deadline));
      if (r == -EINTR)
        r = 0;
    }
  if (change == NULL)
    return lib_error_set_errno (error, r, "lost the bus");
  *ret_change = change;
  return 1;
}

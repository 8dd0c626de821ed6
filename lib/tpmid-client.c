/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_DEFAULT_MS 120000

uint64_t
lib_now (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

uint64_t
lib_deadline (int timeout_ms)
{
  return lib_now () + (uint64_t) (timeout_ms < 0 ? TIMEOUT_DEFAULT_MS : timeout_ms) * 1000;
}

uint64_t
lib_deadline_left (uint64_t deadline)
{
  uint64_t now = lib_now ();

  return deadline > now ? deadline - now : 0;
}

int
tpmid_client_new (const char *bus_address, tpmid_client **ret_client)
{
  tpmid_client *client = calloc (1, sizeof *client);
  LibPool *pool = lib_pool_new ();
  char *address = bus_address != NULL ? strdup (bus_address) : NULL;

  if (client == NULL || pool == NULL || (bus_address != NULL && address == NULL))
    {
      if (pool != NULL)
        lib_pool_free (pool);
      free (address);
      free (client);
      return -ENOMEM;
    }
  client->address = address;
  atomic_init (&client->pool, pool);
  atomic_init (&client->is_served, false);
  *ret_client = client;
  return 0;
}

void
tpmid_client_free (tpmid_client *client)
{
  if (client == NULL)
    return;
  lib_pool_free (atomic_load (&client->pool));
  free (client->address);
  free (client);
}

static int
start_private (const char *address, sd_bus **ret_bus)
{
  sd_bus *bus = NULL;
  int r;

  if (address == NULL)
    return sd_bus_open_system (ret_bus);

  r = sd_bus_new (&bus);
  if (r >= 0)
    r = sd_bus_set_address (bus, address);
  if (r >= 0)
    r = sd_bus_set_bus_client (bus, true);
  if (r >= 0)
    r = sd_bus_start (bus);
  if (r < 0)
    {
      (void) sd_bus_close_unref (bus);
      return r;
    }
  *ret_bus = bus;
  return 0;
}

/* Not left to the first call: sd-bus would wait for the greeting as long as the server likes. */
static int
wait_until_ready (sd_bus *bus, uint64_t deadline)
{
  int r;

  while ((r = sd_bus_is_ready (bus)) == 0)
    {
      r = sd_bus_process (bus, NULL);
      if (r < 0)
        return r;
      if (r > 0)
        continue;
      if (sd_bus_is_open (bus) <= 0)
        return -ECONNRESET;
      if (lib_deadline_left (deadline) == 0)
        return -ETIMEDOUT;
      r = sd_bus_wait (bus, lib_deadline_left (deadline));
      if (r < 0 && r != -EINTR)
        return r;
    }
  return r;
}

int
lib_bus_open (const char *address, uint64_t deadline, sd_bus **ret_bus, tpmid_error *error)
{
  const char *name = address != NULL ? address : "the system bus";
  sd_bus *bus = NULL;
  int r = start_private (address, &bus);

  if (r == -EINVAL)
    return lib_error_set (error, EINVAL, LIB_DBUS_ERROR ("BadAddress"), "\"%s\" is not a D-Bus address", name);
  if (r >= 0)
    r = wait_until_ready (bus, deadline);
  if (r < 0)
    {
      (void) sd_bus_close_unref (bus);
      if (r == -ETIMEDOUT)
        return lib_error_set (error, ETIMEDOUT, LIB_DBUS_ERROR ("NoReply"), "%s does not answer", name);
      if (r == -ENOMEM)
        return lib_error_set_errno (error, r, "cannot connect to the bus");
      return lib_error_set (error, -r, LIB_DBUS_ERROR ("NoServer"), "cannot connect to %s: %s", name, strerror (-r));
    }
  *ret_bus = bus;
  return 0;
}

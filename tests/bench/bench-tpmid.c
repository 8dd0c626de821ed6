/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-caller.h"

#include "tpmid.h"

#include <stdlib.h>
#include <systemd/sd-bus.h>

#define CALL_LIMIT_US (30 * G_USEC_PER_SEC)

typedef struct
{
  tpmid_client *client;
  const BenchSubject *subject;
  sd_bus *bus;
  char *path;
} BenchTpmid;

gpointer
bench_tpmid_open (const BenchSubject *subject)
{
  BenchTpmid *self = g_new0 (BenchTpmid, 1);
  int r = tpmid_client_new (subject->target, &self->client);

  if (r < 0)
    bench_fail ("make a client: %s", g_strerror (-r));
  self->subject = subject;
  return self;
}

gpointer
bench_tpmid_open_decrypt (const BenchSubject *subject)
{
  BenchTpmid *self = g_new0 (BenchTpmid, 1);
  int r = sd_bus_new (&self->bus);

  if (r >= 0)
    r = sd_bus_set_address (self->bus, subject->target);
  if (r >= 0)
    r = sd_bus_set_bus_client (self->bus, TRUE);
  if (r >= 0)
    r = sd_bus_start (self->bus);
  if (r < 0)
    bench_fail ("%s: %s", subject->target, g_strerror (-r));
  self->subject = subject;
  self->path = g_strconcat ("/org/tpmid1/keys/", subject->key, NULL);
  return self;
}

void
bench_tpmid_sign (gpointer data)
{
  BenchTpmid *self = data;
  const BenchSubject *subject = self->subject;
  tpmid_error error;
  uint8_t *signature = NULL;
  size_t size;

  if (tpmid_sign (self->client, subject->key, subject->given, subject->given_size, NULL, TPMID_TIMEOUT_DEFAULT, &signature, &size,
                  &error)
      < 0)
    bench_fail ("sign: %s: %s", error.name, error.message);
  free (signature);
}

void
bench_tpmid_decrypt (gpointer data)
{
  BenchTpmid *self = data;
  const BenchSubject *subject = self->subject;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message *call = NULL, *reply = NULL;
  const void *plaintext;
  size_t size;
  int r = sd_bus_message_new_method_call (self->bus, &call, "org.tpmid1", self->path, "org.tpmid1.Key", "Decrypt");

  if (r >= 0)
    r = sd_bus_message_append_array (call, SD_BUS_TYPE_BYTE, subject->given, subject->given_size);
  if (r >= 0)
    r = sd_bus_message_append (call, "a{sv}", 0);
  if (r >= 0)
    r = sd_bus_call (self->bus, call, CALL_LIMIT_US, &error, &reply);
  if (r < 0)
    bench_fail ("decrypt: %s", error.message != NULL ? error.message : g_strerror (-r));
  if (sd_bus_message_read_array (reply, SD_BUS_TYPE_BYTE, &plaintext, &size) < 0 || size != BENCH_PLAIN_SIZE)
    bench_fail ("decrypt: what came back is not what was encrypted");
  (void) sd_bus_message_unref (call);
  (void) sd_bus_message_unref (reply);
}

void
bench_tpmid_close (gpointer data)
{
  BenchTpmid *self = data;

  tpmid_client_free (self->client);
  (void) sd_bus_flush_close_unref (self->bus);
  g_free (self->path);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-caller.h"

#include "tpmid.h"

#include <stdlib.h>

#define KEY_LIMIT_MS 60000

typedef struct
{
  tpmid_client *client;
  const BenchSubject *subject;
} BenchTpmid;

gpointer
bench_tpmid_open (const BenchSubject *subject)
{
  BenchTpmid *self = g_new0 (BenchTpmid, 1);
  tpmid_error error;
  int r = tpmid_client_new (subject->target, &self->client);

  if (r < 0)
    bench_fail ("make a client: %s", g_strerror (-r));
  if (tpmid_wait_key (self->client, subject->key, KEY_LIMIT_MS, &error) < 0)
    bench_fail ("key %s: %s: %s", subject->key, error.name, error.message);
  self->subject = subject;
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
  tpmid_error error;
  uint8_t *plaintext = NULL;
  size_t size;

  if (tpmid_decrypt (self->client, subject->key, subject->given, subject->given_size, NULL, TPMID_TIMEOUT_DEFAULT, &plaintext,
                     &size, &error)
      < 0)
    bench_fail ("decrypt: %s: %s", error.name, error.message);
  if (size != BENCH_PLAIN_SIZE)
    bench_fail ("decrypt: what came back is not what was encrypted");
  free (plaintext);
}

void
bench_tpmid_close (gpointer data)
{
  BenchTpmid *self = data;

  tpmid_client_free (self->client);
  g_free (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-caller.h"

#include "tpmid.h"

#include <stdlib.h>
#include <string.h>

typedef struct
{
  tpmid_client *client;
  char *key;
} BenchTpmid;

gpointer
bench_tpmid_open (const char *target, const char *key)
{
  BenchTpmid *self = g_new0 (BenchTpmid, 1);
  int r = tpmid_client_new (target, &self->client);

  if (r < 0)
    bench_fail ("make a client: %s", g_strerror (-r));
  self->key = g_strdup (key);
  return self;
}

void
bench_tpmid_sign (gpointer data)
{
  static const guint8 digest[32] = "the digest that each of them sig";
  BenchTpmid *self = data;
  tpmid_error error;
  uint8_t *signature = NULL;
  size_t size;

  if (tpmid_sign (self->client, self->key, digest, sizeof digest, NULL, TPMID_TIMEOUT_DEFAULT, &signature, &size, &error) < 0)
    bench_fail ("sign: %s: %s", error.name, error.message);
  free (signature);
}

void
bench_tpmid_close (gpointer data)
{
  BenchTpmid *self = data;

  tpmid_client_free (self->client);
  g_free (self->key);
  g_free (self);
}

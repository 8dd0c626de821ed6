/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-secret.h"

#include <string.h>

void
client_secret_clear (ClientSecret *secret)
{
  if (secret->data != NULL)
    explicit_bzero (secret->data, secret->room);
  g_clear_pointer (&secret->data, g_free);
  secret->size = secret->room = 0;
}

void
client_secret_base64 (const ClientSecret *secret, const char *before, const char *after, ClientSecret *ret_text)
{
  gsize head = strlen (before), tail = strlen (after);
  ClientSecret text = { .room = head + (secret->size / 3 + 1) * 4 + 4 + tail };
  int state = 0, save = 0;

  text.data = g_malloc (text.room);
  memcpy (text.data, before, head);
  text.size = head + g_base64_encode_step (secret->data, secret->size, FALSE, (char *) text.data + head, &state, &save);
  text.size += g_base64_encode_close (FALSE, (char *) text.data + text.size, &state, &save);
  memcpy (text.data + text.size, after, tail);
  text.size += tail;
  *ret_text = text;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ClientSecret:
 * @data: (nullable): the bytes, of malloc()
 * @size: how many there are
 * @room: how many were allocated, and are wiped; at least @size
 *
 * Bytes that are wiped when they are freed. It is filled where it stands and never grows, so that no copy stays behind.
 */
typedef struct ClientSecret
{
  guint8 *data;
  gsize size;
  gsize room;
} ClientSecret;

void client_secret_clear (ClientSecret *secret);

/**
 * client_secret_base64:
 * @before: text in front, ASCII
 * @after: text behind, ASCII
 * @ret_text: (out): the text, base64 (RFC 4648, 4) without line breaks in between; not terminated
 */
void client_secret_base64 (const ClientSecret *secret, const char *before, const char *after, ClientSecret *ret_text);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClientSecret, client_secret_clear)

G_END_DECLS

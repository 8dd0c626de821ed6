/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"
#include "client-secret.h"

G_BEGIN_DECLS

/*
 * Files that the user names; "-" is standard input or output. Errors are CLIENT_ERROR_FILE and name the file.
 */

/** ClientFileFunc: takes @size bytes; %FALSE ends the reading with an error */
typedef gboolean (*ClientFileFunc) (const guint8 *data, gsize size, gpointer user_data);

/** client_file_stream: gives the whole file to @func, piece by piece */
gboolean client_file_stream (const char *path, ClientFileFunc func, gpointer user_data, tpmid_error *error);

/**
 * client_file_read_start:
 * @limit: greatest number of bytes to read
 * @ret_content: (out) (transfer full): the file's beginning: all of it, or @limit bytes
 */
gboolean client_file_read_start (const char *path, gsize limit, GBytes **ret_content, tpmid_error *error);

/** client_file_read_secret: as client_file_read_start(), with no other copy of the content in this process */
gboolean client_file_read_secret (const char *path, gsize limit, ClientSecret *ret_content, tpmid_error *error);

/**
 * client_file_check_binary:
 * @path: (nullable): as for client_file_write()
 * @what: what is to be written, for the message
 * @error: Usage
 *
 * Returns: %FALSE where binary data would go to a terminal, and --out - does not ask for that
 */
gboolean client_file_check_binary (const char *path, const char *what, tpmid_error *error);

/**
 * client_file_write:
 * @path: (nullable): %NULL is standard output
 *
 * Writes the whole file; one that was there is overwritten.
 */
gboolean client_file_write (const char *path, gconstpointer data, gsize size, tpmid_error *error);

/**
 * client_file_write_secret:
 * @path: (nullable): as for client_file_write()
 *
 * As client_file_write(), with no copy of the content in a buffer. A regular file is for its owner alone (mode 0600) before
 * the first byte is in it, also one that was there before.
 */
gboolean client_file_write_secret (const char *path, const ClientSecret *content, tpmid_error *error);

G_END_DECLS

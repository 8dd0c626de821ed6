/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"
#include "client-secret.h"

G_BEGIN_DECLS

/*
 * Files that the user names; "-" is standard input or output. Errors are CLIENT_ERROR_FILE and name the file.
 */

/** client_file_name: (transfer none): what messages call the input @path: "standard input" for "-", and "" in quotation marks */
const char *client_file_name (const char *path);

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
 * As client_file_write(), with no copy of the content in a buffer, and into no file that somebody else may have made: a regular
 * file or a symbolic link of that name is replaced (not followed) by a new file, of the caller and with mode 0600, which takes
 * the name when all is in it; on failure nothing has changed. FIFOs and devices are written to, and so is what the links in
 * /dev and /proc lead to (/dev/stdout, /dev/fd/3); a regular file behind these is emptied and gets mode 0600. A FIFO of another
 * user in a sticky folder that everybody may write to is refused, unless it is of the folder's owner.
 */
gboolean client_file_write_secret (const char *path, const ClientSecret *content, tpmid_error *error);

G_END_DECLS

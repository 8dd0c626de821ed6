/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/**
 * base_file_replace:
 * @path: absolute path
 * @data: new content
 * @size: bytes in @data
 * @mode: permission bits of the new file, not reduced by the umask
 * @error: TPMID_ERROR_STORAGE naming @path
 *
 * Replaces @path atomically: temporary file in the same folder, fsync, rename, fsync of the folder. After a crash at
 * any point @path holds the old content or the new, never a part. On failure the old file stays and the temporary one
 * is removed. On file systems without modes (vfat) @mode has no effect. Any thread, also several with the same @path.
 *
 * The temporary file is PATH.XXXXXX.tmp with 6 random letters or digits, and always a new one: in a folder that is sticky, others can put
 * nothing in its way.
 *
 * Returns: %TRUE when the new content is on stable storage
 */
gboolean base_file_replace (const char *path, gconstpointer data, gsize size, mode_t mode, GError **error);

/**
 * base_file_create:
 * @error: TPMID_ERROR_EXISTS when there is something at @path, whatever it is; TPMID_ERROR_STORAGE
 *
 * base_file_replace() that never replaces anything.
 */
gboolean base_file_create (const char *path, gconstpointer data, gsize size, mode_t mode, GError **error);

/**
 * base_file_read:
 * @path: absolute path
 * @limit: greatest accepted size in bytes
 * @ret_data: (out) (transfer full): content
 * @error: TPMID_ERROR_NOT_FOUND when there is no such file, else TPMID_ERROR_STORAGE naming @path
 *
 * Reads a regular file whole. A symbolic link as last component, a folder, a device or a larger file is refused.
 *
 * Returns: %TRUE on success
 */
gboolean base_file_read (const char *path, gsize limit, GBytes **ret_data, GError **error);

/**
 * base_file_read_secret:
 *
 * base_file_read() for what nobody else may see: all copies that it makes are wiped.
 */
gboolean base_file_read_secret (const char *path, gsize limit, BaseSecret **ret_data, GError **error);

/**
 * base_file_remove:
 * @path: absolute path
 * @error: TPMID_ERROR_STORAGE naming @path
 *
 * Removes @path and syncs its folder. No such file is a success.
 */
gboolean base_file_remove (const char *path, GError **error);

/**
 * base_file_remove_temporaries:
 * @folder: absolute path of a folder in which nobody else writes, and this program not at the moment
 *
 * Removes all regular files *.tmp: base_file_replace() and base_file_create() leave such a one when the program is killed in them. There may be
 * a secret in it, and nobody asks for it again. What cannot be removed is left, without a word.
 */
void base_file_remove_temporaries (const char *folder);

/**
 * base_file_remove_temporaries_of:
 * @path: absolute path of a file in a folder in which others may write too; this program does not write it at the moment
 *
 * base_file_remove_temporaries() for @path alone: regular files of our own uid that have the name of one of its temporary files.
 */
void base_file_remove_temporaries_of (const char *path);

/**
 * base_file_set_aside:
 * @path: absolute path of a file that must not be used but not be lost either
 * @suffix: for example "corrupt"
 * @error: TPMID_ERROR_STORAGE naming @path
 *
 * Renames @path to PATH.SUFFIX, or to the first of PATH.SUFFIX.1, .2 ... .99 that is free, and syncs the folder. Nothing is
 * ever replaced: with all of them taken it fails.
 */
gboolean base_file_set_aside (const char *path, const char *suffix, GError **error);

/**
 * base_file_ensure_private_folder:
 * @path: absolute path
 * @error: TPMID_ERROR_STORAGE saying what is wrong and how to mend it
 *
 * Makes sure that @path is a folder of our own uid with mode 0700: creates it (one level) when missing, tightens the
 * mode when it is ours but too open.
 */
gboolean base_file_ensure_private_folder (const char *path, GError **error);

/**
 * base_file_lock:
 * @path: absolute path of a lock file, created when missing
 * @ret_fd: (out): keep it open as long as the lock is wanted
 * @error: TPMID_ERROR_BUSY when another process holds the lock, TPMID_ERROR_STORAGE otherwise
 */
gboolean base_file_lock (const char *path, int *ret_fd, GError **error);

G_END_DECLS

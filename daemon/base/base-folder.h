/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * base_folder_empty:
 * @path: absolute path
 * @keep: (array zero-terminated=1): names in it that stay
 * @error: TPMID_ERROR_STORAGE naming what cannot be removed
 *
 * Removes everything in the folder but @keep, with all folders below; a symbolic link is removed, never followed. No such folder is a
 * success. May be repeated after a crash at any point.
 */
gboolean base_folder_empty (const char *path, const char *const *keep, GError **error);

/**
 * base_folder_move:
 * @from: absolute path of a file or folder
 * @to: absolute path on the same file system, whose parent exists and where nothing is
 * @error: TPMID_ERROR_STORAGE; _EXISTS when there is something at @to
 *
 * Atomic, and on stable storage when it returns. Nothing at @from is a success.
 */
gboolean base_folder_move (const char *from, const char *to, GError **error);

G_END_DECLS

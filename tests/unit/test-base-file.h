/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two programs that test base-file share. */

#include "base/base-error.h"
#include "test-base-folder.h"

#include <string.h>
#include <sys/stat.h>

static inline char *
in_folder (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static inline mode_t
mode_of (const char *path)
{
  struct stat st;

  g_assert_no_errno (lstat (path, &st));
  return st.st_mode & 07777;
}

static inline void
assert_storage_error_naming (const GError *error, const char *path)
{
  g_assert_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE);
  if (strstr (error->message, path) == NULL)
    g_error ("\"%s\" does not name %s", error->message, path);
}

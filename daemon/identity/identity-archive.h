/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"

G_BEGIN_DECLS

/*
 * STATE/archive/STAMP/: what was replaced on purpose, and is not lost. Nothing reads it but people.
 */

/* Returns: (transfer full): a name for a folder of now, sortable: "20261122T170133.250461Z" */
char *identity_archive_stamp (void);

/**
 * identity_archive_file:
 * @stamp: the folder's name
 * @path: a file, also on another file system; nothing there is a success
 * @name: its name in the archive
 * @error: TPMID_ERROR_STORAGE
 *
 * Any thread. Copies the file, mode 0600; the original stays.
 */
gboolean identity_archive_file (const BaseConfig *config, const char *stamp, const char *path, const char *name, GError **error);

/**
 * identity_archive_identity:
 * @with_keys: also everything that belongs to a TPM that is gone: the keys beside the identity key, and the passwords
 *
 * Any thread. Moves record, certificate and software key into the archive; of the certificate's stored copy only with @with_keys. May be repeated after a crash at any point.
 */
gboolean identity_archive_identity (const BaseConfig *config, const char *stamp, gboolean with_keys, GError **error);

G_END_DECLS

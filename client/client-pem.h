/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"

G_BEGIN_DECLS

/**
 * client_pem_load:
 * @path: a file; "-" is standard input
 * @ret_pem: (out) (transfer full): its text
 * @error: File; InvalidArgument (larger than tpmidd takes, or no PEM certificate in it)
 *
 * Reads certificates for tpmidd, which looks at them closely.
 */
gboolean client_pem_load (const char *path, char **ret_pem, tpmid_error *error);

G_END_DECLS

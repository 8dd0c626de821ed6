/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <tpmid.h>

G_BEGIN_DECLS

/* What tpmid_list_handles() gave, for a person. Pure. */

/** client_handle_name: (transfer full): the handle of @object (one of the list) as 0x81005401 */
char *client_handle_name (const tpmid_value *object);

/**
 * client_handle_count:
 * @owner: for example "other"
 *
 * Returns: how many persistent objects and NV indices of @handles are @owner's
 */
guint client_handle_count (const tpmid_value *handles, const char *owner);

/** client_handle_describe: appends to @text a line for each of what client_handle_count() counts */
void client_handle_describe (const tpmid_value *handles, const char *owner, GString *text);

G_END_DECLS

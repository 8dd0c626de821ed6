/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <tpmid.h>

G_BEGIN_DECLS

/* Members of dicts; what is not there is empty, 0 or false. */

static inline const char *
client_value_text (const tpmid_value *dict, const char *key)
{
  return tpmid_value_string (tpmid_value_find (dict, key));
}

static inline guint64
client_value_number (const tpmid_value *dict, const char *key)
{
  return tpmid_value_unsigned (tpmid_value_find (dict, key));
}

static inline gboolean
client_value_flag (const tpmid_value *dict, const char *key)
{
  return tpmid_value_boolean (tpmid_value_find (dict, key));
}

/** client_value_is: whether the member @key of @dict is the string @text */
static inline gboolean
client_value_is (const tpmid_value *dict, const char *key, const char *text)
{
  return g_str_equal (client_value_text (dict, key), text);
}

G_END_DECLS

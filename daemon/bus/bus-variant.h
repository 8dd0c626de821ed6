/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Pure helpers on what callers send and what they are sent. Any thread. */

#define BUS_PATH_DEVICE "/org/tpmid1"
#define BUS_PATH_KEYS "/org/tpmid1/keys"

/**
 * BusOption:
 *
 * An option that a method knows. Tables of them end with a %NULL @name.
 */
typedef struct
{
  const char *name;
  const char *type; /* D-Bus signature of the value */
} BusOption;

/**
 * bus_variant_check_options:
 * @options: a{sv} as the caller sent it
 * @known: the options that the method documents
 * @error: TPMID_ERROR_INVALID_ARGUMENT naming the option that is unknown, of another type, or given twice
 *
 * After success g_variant_lookup() with the type of the table cannot misread anything.
 */
gboolean bus_variant_check_options (GVariant *options, const BusOption *known, GError **error);

/**
 * bus_variant_lookup_bytes:
 * @options: a{sv} that bus_variant_check_options() has passed
 * @name: an option of type ay
 *
 * Returns: (transfer full) (nullable): its bytes, or %NULL when the caller did not give it
 */
GBytes *bus_variant_lookup_bytes (GVariant *options, const char *name);

/**
 * bus_variant_child_bytes:
 * @tuple: a method's parameters
 * @index: position of a parameter of type ay
 *
 * Returns: (transfer full): its bytes, of any length; shares @tuple's memory
 */
GBytes *bus_variant_child_bytes (GVariant *tuple, gsize index);

/**
 * bus_variant_from_bytes:
 *
 * Returns: (transfer floating): @bytes as ay; shares their memory
 */
GVariant *bus_variant_from_bytes (GBytes *bytes);

/**
 * bus_variant_hex:
 *
 * Returns: (transfer full): @bytes as lower-case hex digits
 */
char *bus_variant_hex (GBytes *bytes);

/**
 * bus_variant_key_path:
 * @name: a key's name
 *
 * Returns: (transfer full): its object path: bytes other than [A-Za-z0-9] stand as _xx (two lower-case hex digits)
 */
char *bus_variant_key_path (const char *name);

/**
 * bus_variant_printable:
 * @text: any bytes
 * @limit: greatest length of the result in bytes, 4 at least
 *
 * Returns: (transfer full): @text as one line of valid UTF-8: control characters become '?', what is too long ends in "..."
 */
char *bus_variant_printable (const char *text, gsize limit);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <tpmid.h>

G_BEGIN_DECLS

/**
 * client_json_add_string:
 * @member: the member's name
 * @string: any bytes; what is not UTF-8 is replaced
 */
void client_json_add_string (JsonBuilder *builder, const char *member, const char *string);

/** client_json_add_bytes: adds a member of lower-case hex digits */
void client_json_add_bytes (JsonBuilder *builder, const char *member, const guint8 *data, gsize size);

/**
 * client_json_add_value:
 * @value: (nullable): any value: dicts become objects, with their members in
 *   alphabetical order, lists arrays, byte strings lower-case hex digits
 *
 * Adds @value where @builder stands.
 */
void client_json_add_value (JsonBuilder *builder, const tpmid_value *value);

/**
 * client_json_add_properties:
 * @properties: a dict of D-Bus properties
 *
 * Adds an object whose members are named as in client_json_property_name(); PublicKey becomes PEM.
 */
void client_json_add_properties (JsonBuilder *builder, const tpmid_value *properties);

/**
 * client_json_property_name:
 * @property: name of a D-Bus property, for example "SerialSource"
 *
 * Returns: (transfer full): "serial-source"
 */
char *client_json_property_name (const char *property);

/**
 * client_json_print:
 * @builder: complete
 * @one_line: everything on one line
 *
 * Writes to @file, with a newline at the end.
 */
void client_json_print (JsonBuilder *builder, FILE *file, gboolean one_line);

G_END_DECLS

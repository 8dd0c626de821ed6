/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>

/* tpmidd nests three deep; what goes far beyond is not its answer. */
#define DEPTH_MAX 16

static int read_value (sd_bus_message *message, unsigned depth, tpmid_value **ret_value);

static tpmid_value *
new_basic (char type, const void *field)
{
  switch (type)
    {
    case SD_BUS_TYPE_BOOLEAN:
      return lib_value_new_boolean (*(const int *) field != 0);
    case SD_BUS_TYPE_BYTE:
      return lib_value_new_unsigned (*(const uint8_t *) field);
    case SD_BUS_TYPE_UINT16:
      return lib_value_new_unsigned (*(const uint16_t *) field);
    case SD_BUS_TYPE_UINT32:
      return lib_value_new_unsigned (*(const uint32_t *) field);
    case SD_BUS_TYPE_UINT64:
      return lib_value_new_unsigned (*(const uint64_t *) field);
    case SD_BUS_TYPE_INT16:
      return lib_value_new_signed (*(const int16_t *) field);
    case SD_BUS_TYPE_INT32:
      return lib_value_new_signed (*(const int32_t *) field);
    case SD_BUS_TYPE_INT64:
      return lib_value_new_signed (*(const int64_t *) field);
    case SD_BUS_TYPE_DOUBLE:
      return lib_value_new_real (*(const double *) field);
    default: /* s, o, g: read_basic() lets nothing else through */
      return lib_value_new_string (*(const char *const *) field);
    }
}

static int
read_basic (sd_bus_message *message, char type, tpmid_value **ret_value)
{
  union
  {
    uint64_t number;
    double real;
    const char *string;
  } field = { 0 };
  int r;

  if (type == SD_BUS_TYPE_UNIX_FD)
    return -EBADMSG;
  r = sd_bus_message_read_basic (message, type, &field);
  if (r < 0)
    return r;

  tpmid_value *value = new_basic (type, &field);
  if (value == NULL)
    return -ENOMEM;
  *ret_value = value;
  return 0;
}

static int
read_bytes (sd_bus_message *message, tpmid_value **ret_value)
{
  const void *data = NULL;
  size_t size = 0;
  int r = sd_bus_message_read_array (message, SD_BUS_TYPE_BYTE, &data, &size);

  if (r < 0)
    return r;

  tpmid_value *value = lib_value_new_bytes (data, size);
  if (value == NULL)
    return -ENOMEM;
  *ret_value = value;
  return 0;
}

static int
read_list (sd_bus_message *message, char type, const char *contents, unsigned depth, tpmid_value **ret_value)
{
  lib_auto_value list = lib_value_new (TPMID_KIND_LIST);
  int r = list == NULL ? -ENOMEM : sd_bus_message_enter_container (message, type, contents);

  while (r >= 0 && sd_bus_message_at_end (message, false) == 0)
    {
      tpmid_value *element = NULL;
      r = read_value (message, depth, &element);
      if (r >= 0)
        r = lib_value_append (list, NULL, element);
    }
  if (r >= 0)
    r = sd_bus_message_exit_container (message);
  if (r < 0)
    return r;
  *ret_value = list;
  list = NULL;
  return 0;
}

static int
read_entry (sd_bus_message *message, const char *contents, unsigned depth, tpmid_value *dict)
{
  tpmid_value *element = NULL;
  const char *key = NULL;
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_DICT_ENTRY, contents);

  if (r >= 0)
    r = sd_bus_message_read_basic (message, contents[0], &key);
  if (r >= 0)
    r = read_value (message, depth, &element);
  if (r >= 0)
    r = lib_value_append (dict, key, element);
  return r < 0 ? r : sd_bus_message_exit_container (message);
}

static int
read_dict (sd_bus_message *message, const char *contents, unsigned depth, tpmid_value **ret_value)
{
  lib_auto_value dict = lib_value_new (TPMID_KIND_DICT);
  const char *entry = NULL;
  int r = dict == NULL ? -ENOMEM : sd_bus_message_enter_container (message, SD_BUS_TYPE_ARRAY, contents);

  while (r >= 0 && sd_bus_message_at_end (message, false) == 0)
    {
      r = sd_bus_message_peek_type (message, NULL, &entry);
      if (r >= 0)
        r = read_entry (message, entry, depth, dict);
    }
  if (r >= 0)
    r = sd_bus_message_exit_container (message);
  if (r < 0)
    return r;
  *ret_value = dict;
  dict = NULL;
  return 0;
}

static int
read_variant (sd_bus_message *message, const char *contents, unsigned depth, tpmid_value **ret_value)
{
  lib_auto_value value = NULL;
  int r = sd_bus_message_enter_container (message, SD_BUS_TYPE_VARIANT, contents);

  if (r >= 0)
    r = read_value (message, depth, &value);
  if (r >= 0)
    r = sd_bus_message_exit_container (message);
  if (r < 0)
    return r;
  *ret_value = value;
  value = NULL;
  return 0;
}

static int
read_array (sd_bus_message *message, const char *contents, unsigned depth, tpmid_value **ret_value)
{
  if (contents[0] == SD_BUS_TYPE_BYTE)
    return read_bytes (message, ret_value);
  if (contents[0] != SD_BUS_TYPE_DICT_ENTRY_BEGIN)
    return read_list (message, SD_BUS_TYPE_ARRAY, contents, depth, ret_value);
  if (contents[1] != SD_BUS_TYPE_STRING && contents[1] != SD_BUS_TYPE_OBJECT_PATH)
    return -EBADMSG;
  return read_dict (message, contents, depth, ret_value);
}

static int
read_value (sd_bus_message *message, unsigned depth, tpmid_value **ret_value)
{
  const char *contents = NULL;
  char type = 0;
  int r = sd_bus_message_peek_type (message, &type, &contents);

  if (r < 0)
    return r;
  if (r == 0 || depth == DEPTH_MAX)
    return -EBADMSG;

  switch (type)
    {
    case SD_BUS_TYPE_VARIANT:
      return read_variant (message, contents, depth + 1, ret_value);
    case SD_BUS_TYPE_STRUCT:
      return read_list (message, type, contents, depth + 1, ret_value);
    case SD_BUS_TYPE_ARRAY:
      return read_array (message, contents, depth + 1, ret_value);
    default:
      return read_basic (message, type, ret_value);
    }
}

int
lib_value_read (sd_bus_message *message, tpmid_value **ret_value)
{
  return read_value (message, 0, ret_value);
}

static int
write_strings (sd_bus_message *message, const tpmid_value *list)
{
  int r = sd_bus_message_open_container (message, SD_BUS_TYPE_ARRAY, "s");

  for (size_t i = 0; r >= 0 && i < tpmid_value_count (list); i++)
    r = sd_bus_message_append (message, "s", tpmid_value_string (tpmid_value_at (list, i, NULL)));
  return r < 0 ? r : sd_bus_message_close_container (message);
}

static int
write_content (sd_bus_message *message, const tpmid_value *value)
{
  const uint8_t *data;
  size_t size;

  switch ((int) tpmid_value_kind (value))
    {
    case TPMID_KIND_BOOLEAN:
      return sd_bus_message_append (message, "b", tpmid_value_boolean (value));
    case TPMID_KIND_STRING:
      return sd_bus_message_append (message, "s", tpmid_value_string (value));
    case TPMID_KIND_BYTES:
      data = tpmid_value_bytes (value, &size);
      return sd_bus_message_append_array (message, SD_BUS_TYPE_BYTE, data, size);
    case TPMID_KIND_LIST:
      return write_strings (message, value);
    default:
      return -EINVAL;
    }
}

static const char *
signature_of (const tpmid_value *value)
{
  switch ((int) tpmid_value_kind (value))
    {
    case TPMID_KIND_BOOLEAN:
      return "b";
    case TPMID_KIND_BYTES:
      return "ay";
    case TPMID_KIND_LIST:
      return "as";
    default:
      return "s";
    }
}

static int
write_entry (sd_bus_message *message, const char *key, const tpmid_value *value)
{
  int r = sd_bus_message_open_container (message, SD_BUS_TYPE_DICT_ENTRY, "sv");

  if (r >= 0)
    r = sd_bus_message_append (message, "s", key);
  if (r >= 0)
    r = sd_bus_message_open_container (message, SD_BUS_TYPE_VARIANT, signature_of (value));
  if (r >= 0)
    r = write_content (message, value);
  if (r >= 0)
    r = sd_bus_message_close_container (message);
  return r < 0 ? r : sd_bus_message_close_container (message);
}

int
lib_value_write (sd_bus_message *message, const tpmid_value *dict)
{
  int r = sd_bus_message_open_container (message, SD_BUS_TYPE_ARRAY, "{sv}");

  for (size_t i = 0; r >= 0 && i < tpmid_value_count (dict); i++)
    {
      const char *key = NULL;
      const tpmid_value *value = tpmid_value_at (dict, i, &key);
      r = write_entry (message, key, value);
    }
  return r < 0 ? r : sd_bus_message_close_container (message);
}

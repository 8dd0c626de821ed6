/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tpmid_value
{
  tpmid_kind kind;
  union
  {
    bool boolean;
    uint64_t unsigned_number;
    int64_t signed_number;
    double real;
  };
  void *data;             /* string with its NUL, or bytes */
  size_t count;           /* bytes, or elements */
  tpmid_value **elements; /* list and dict */
  char **keys;            /* dict; NULLs in a list */
};

void
tpmid_value_free (tpmid_value *value)
{
  if (value == NULL)
    return;
  for (size_t i = 0; value->elements != NULL && i < value->count; i++)
    {
      tpmid_value_free (value->elements[i]);
      free (value->keys[i]);
    }
  free (value->elements);
  free (value->keys);
  free (value->data);
  free (value);
}

tpmid_value *
lib_value_new (tpmid_kind kind)
{
  tpmid_value *value = calloc (1, sizeof *value);

  if (value != NULL)
    value->kind = kind;
  return value;
}

tpmid_value *
lib_value_new_boolean (bool boolean)
{
  tpmid_value *value = lib_value_new (TPMID_KIND_BOOLEAN);

  if (value != NULL)
    value->boolean = boolean;
  return value;
}

tpmid_value *
lib_value_new_unsigned (uint64_t number)
{
  tpmid_value *value = lib_value_new (TPMID_KIND_UNSIGNED);

  if (value != NULL)
    value->unsigned_number = number;
  return value;
}

tpmid_value *
lib_value_new_signed (int64_t number)
{
  tpmid_value *value = lib_value_new (TPMID_KIND_SIGNED);

  if (value != NULL)
    value->signed_number = number;
  return value;
}

tpmid_value *
lib_value_new_real (double number)
{
  tpmid_value *value = lib_value_new (TPMID_KIND_REAL);

  if (value != NULL)
    value->real = number;
  return value;
}

/* One more byte than @size, so that a string gets its NUL and no bytes are not NULL. */
static tpmid_value *
new_with_data (tpmid_kind kind, const void *data, size_t size)
{
  tpmid_value *value = lib_value_new (kind);

  if (value == NULL)
    return NULL;
  value->data = calloc (1, size + 1);
  if (value->data == NULL)
    {
      free (value);
      return NULL;
    }
  if (size > 0)
    memcpy (value->data, data, size);
  value->count = size;
  return value;
}

tpmid_value *
lib_value_new_string (const char *string)
{
  return new_with_data (TPMID_KIND_STRING, string, strlen (string));
}

tpmid_value *
lib_value_new_bytes (const void *data, size_t size)
{
  return new_with_data (TPMID_KIND_BYTES, data, size);
}

static bool
grow (tpmid_value *container)
{
  tpmid_value **elements = reallocarray (container->elements, container->count + 1, sizeof *elements);

  if (elements == NULL)
    return false;
  container->elements = elements;

  char **keys = reallocarray (container->keys, container->count + 1, sizeof *keys);
  if (keys == NULL)
    return false;
  container->keys = keys;
  return true;
}

int
lib_value_append (tpmid_value *container, const char *key, tpmid_value *child)
{
  lib_auto_value owned = child;
  char *key_copy = key != NULL ? strdup (key) : NULL;

  if (owned == NULL || (key != NULL && key_copy == NULL) || !grow (container))
    {
      free (key_copy);
      return -ENOMEM;
    }
  container->elements[container->count] = owned;
  container->keys[container->count] = key_copy;
  container->count++;
  owned = NULL;
  return 0;
}

tpmid_kind
tpmid_value_kind (const tpmid_value *value)
{
  return value != NULL ? value->kind : TPMID_KIND_NONE;
}

bool
tpmid_value_boolean (const tpmid_value *value)
{
  return tpmid_value_kind (value) == TPMID_KIND_BOOLEAN && value->boolean;
}

uint64_t
tpmid_value_unsigned (const tpmid_value *value)
{
  return tpmid_value_kind (value) == TPMID_KIND_UNSIGNED ? value->unsigned_number : 0;
}

int64_t
tpmid_value_signed (const tpmid_value *value)
{
  return tpmid_value_kind (value) == TPMID_KIND_SIGNED ? value->signed_number : 0;
}

double
tpmid_value_real (const tpmid_value *value)
{
  return tpmid_value_kind (value) == TPMID_KIND_REAL ? value->real : 0;
}

const char *
tpmid_value_string (const tpmid_value *value)
{
  return tpmid_value_kind (value) == TPMID_KIND_STRING ? value->data : "";
}

const uint8_t *
tpmid_value_bytes (const tpmid_value *value, size_t *ret_size)
{
  bool is_bytes = tpmid_value_kind (value) == TPMID_KIND_BYTES;

  *ret_size = is_bytes ? value->count : 0;
  return is_bytes ? value->data : NULL;
}

static bool
is_container (const tpmid_value *value)
{
  tpmid_kind kind = tpmid_value_kind (value);

  return kind == TPMID_KIND_LIST || kind == TPMID_KIND_DICT;
}

size_t
tpmid_value_count (const tpmid_value *value)
{
  return is_container (value) ? value->count : 0;
}

const tpmid_value *
tpmid_value_at (const tpmid_value *value, size_t index, const char **ret_key)
{
  if (index >= tpmid_value_count (value))
    return NULL;
  if (ret_key != NULL)
    *ret_key = value->keys[index];
  return value->elements[index];
}

static tpmid_value *
find_element (const tpmid_value *dict, const char *key)
{
  if (tpmid_value_kind (dict) != TPMID_KIND_DICT)
    return NULL;
  for (size_t i = 0; i < dict->count; i++)
    if (strcmp (dict->keys[i], key) == 0)
      return dict->elements[i];
  return NULL;
}

const tpmid_value *
tpmid_value_find (const tpmid_value *value, const char *key)
{
  return find_element (value, key);
}

tpmid_value *
tpmid_value_new_dict (void)
{
  return lib_value_new (TPMID_KIND_DICT);
}

static bool
can_set (const tpmid_value *dict, const char *key)
{
  return tpmid_value_kind (dict) == TPMID_KIND_DICT && lib_text_is_utf8 (key) && find_element (dict, key) == NULL;
}

int
tpmid_value_set_string (tpmid_value *dict, const char *key, const char *string)
{
  if (!can_set (dict, key) || !lib_text_is_utf8 (string))
    return -EINVAL;
  return lib_value_append (dict, key, lib_value_new_string (string));
}

int
tpmid_value_set_bytes (tpmid_value *dict, const char *key, const void *data, size_t size)
{
  if (!can_set (dict, key))
    return -EINVAL;
  return lib_value_append (dict, key, lib_value_new_bytes (data, size));
}

int
tpmid_value_add_string (tpmid_value *dict, const char *key, const char *string)
{
  tpmid_value *list = find_element (dict, key);

  if (!lib_text_is_utf8 (string) || (list == NULL ? !can_set (dict, key) : list->kind != TPMID_KIND_LIST))
    return -EINVAL;
  if (list == NULL && lib_value_append (dict, key, lib_value_new (TPMID_KIND_LIST)) < 0)
    return -ENOMEM;
  return lib_value_append (find_element (dict, key), NULL, lib_value_new_string (string));
}

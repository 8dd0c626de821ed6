/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FOLDER "/org/tpmid1/keys/"
#define KEY_NAME_MAX 64

_Static_assert (sizeof KEY_FOLDER + 3 * KEY_NAME_MAX <= LIB_KEY_PATH_SIZE, "room for the longest key path");

void
tpmid_strv_free (char **strings)
{
  for (char **s = strings; s != NULL && *s != NULL; s++)
    free (*s);
  free (strings);
}

/* Bytes of the character that begins at @s, 0 when it is not UTF-8 (RFC 3629, 4). */
static size_t
character_size (const unsigned char *s)
{
  size_t size = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;

  for (size_t i = 1; i < size; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  /* Overlong forms, surrogates and what lies above U+10FFFF show in the second byte. */
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90)
      || (s[0] == 0xF4 && s[1] > 0x8F))
    return 0;
  return size;
}

bool
lib_text_is_utf8 (const char *string)
{
  const unsigned char *s = (const unsigned char *) string;

  while (*s != '\0')
    {
      size_t size = character_size (s);
      if (size == 0)
        return false;
      s += size;
    }
  return true;
}

static bool
is_letter_or_digit (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
lib_text_is_key_name (const char *name)
{
  size_t length = strnlen (name, KEY_NAME_MAX + 1);

  if (length < 1 || length > KEY_NAME_MAX || !is_letter_or_digit (name[0]))
    return false;
  for (size_t i = 1; i < length; i++)
    if (!is_letter_or_digit (name[i]) && strchr ("._-", name[i]) == NULL)
      return false;
  return true;
}

void
lib_text_key_path (const char *name, char path[LIB_KEY_PATH_SIZE])
{
  char *end = stpcpy (path, KEY_FOLDER);

  for (; *name != '\0'; name++)
    if (is_letter_or_digit (*name))
      *end++ = *name;
    else
      end += sprintf (end, "_%02x", (unsigned char) *name);
  *end = '\0';
}

static int
hex_value (char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
unescape (const char *label, char *name)
{
  for (; *label != '\0'; label++)
    {
      if (*label != '_')
        {
          *name++ = *label;
          continue;
        }
      if (hex_value (label[1]) < 0 || hex_value (label[2]) < 0)
        return false;
      *name++ = (char) (hex_value (label[1]) << 4 | hex_value (label[2]));
      label += 2;
    }
  *name = '\0';
  return true;
}

char *
lib_text_key_name (const char *path)
{
  char name[LIB_KEY_PATH_SIZE];

  if (strncmp (path, KEY_FOLDER, strlen (KEY_FOLDER)) != 0 || strlen (path) >= sizeof name
      || !unescape (path + strlen (KEY_FOLDER), name) || !lib_text_is_key_name (name))
    {
      errno = EBADMSG;
      return NULL;
    }
  return strdup (name);
}

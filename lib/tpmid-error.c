/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ErrorNumber
{
  const char *name;
  int number;
} ErrorNumber;

/* Errors that have an errno value of their own; every other one is EIO. */
static const ErrorNumber error_numbers[] = {
  { LIB_ERROR ("InvalidArgument"), EINVAL },
  { LIB_ERROR ("NotFound"), ENOENT },
  { LIB_ERROR ("Exists"), EEXIST },
  { LIB_ERROR ("HandleTaken"), EEXIST },
  { LIB_ERROR ("NotAuthorized"), EACCES },
  { LIB_ERROR ("AuthFailed"), EACCES },
  { LIB_ERROR ("HierarchyAuthRequired"), EACCES },
  { LIB_ERROR ("Cancelled"), ECANCELED },
  { LIB_ERROR ("Timeout"), ETIMEDOUT },
  { LIB_ERROR ("Busy"), EBUSY },
  { LIB_ERROR ("RateLimited"), EBUSY },
  { LIB_ERROR ("NotReady"), EAGAIN },
  { LIB_ERROR ("WrongState"), EPERM },
  { LIB_ERROR ("CertificateMismatch"), EKEYREJECTED },
  { LIB_ERROR ("TpmUnavailable"), ENODEV },
  { LIB_ERROR ("NoDevice"), ENODEV },
  { LIB_ERROR ("NotSupported"), EOPNOTSUPP },
  { LIB_ERROR ("UnsupportedAlgorithm"), EOPNOTSUPP },
  { LIB_ERROR ("UnsupportedByTpm"), EOPNOTSUPP },
  { LIB_ERROR ("NvFull"), ENOSPC },
  { LIB_ERROR ("DecryptFailed"), EBADMSG },
  { LIB_ERROR ("QuotaExceeded"), EDQUOT },
  { LIB_DBUS_ERROR ("AccessDenied"), EACCES },
  { LIB_DBUS_ERROR ("InvalidArgs"), EINVAL },
  { LIB_DBUS_ERROR ("NoReply"), ETIMEDOUT },
  { LIB_DBUS_ERROR ("Timeout"), ETIMEDOUT },
  { LIB_DBUS_ERROR ("TimedOut"), ETIMEDOUT },
  { LIB_DBUS_ERROR ("ServiceUnknown"), EHOSTUNREACH },
  { LIB_DBUS_ERROR ("NameHasNoOwner"), EHOSTUNREACH },
  { LIB_DBUS_ERROR ("Disconnected"), ECONNRESET },
  { LIB_DBUS_ERROR ("NoMemory"), ENOMEM },
};

bool
tpmid_error_is (const tpmid_error *error, const char *name)
{
  static const char prefix[] = LIB_ERROR ("");

  return strncmp (error->name, prefix, sizeof prefix - 1) == 0 && strcmp (error->name + sizeof prefix - 1, name) == 0;
}

static void
copy_cut (char *target, size_t size, const char *text)
{
  size_t length = strlen (text);

  if (length >= size)
    {
      length = size - 1;
      while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80)
        length--;
    }
  memcpy (target, text, length);
  target[length] = '\0';
}

int
lib_error_set (tpmid_error *error, int number, const char *name, const char *format, ...)
{
  char *message = NULL;
  va_list args;
  int n;

  if (error == NULL)
    return -number;

  va_start (args, format);
  n = vasprintf (&message, format, args);
  va_end (args);

  copy_cut (error->name, sizeof error->name, name);
  copy_cut (error->message, sizeof error->message, n < 0 ? "out of memory" : message);
  error->number = number;
  if (n >= 0)
    free (message);
  return -number;
}

static const char *
name_of_errno (int number)
{
  switch (number)
    {
    case ENOMEM:
      return LIB_DBUS_ERROR ("NoMemory");
    case EINVAL:
      return LIB_ERROR ("InvalidArgument");
    case ETIMEDOUT:
      return LIB_DBUS_ERROR ("NoReply");
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
    case ESHUTDOWN:
      return LIB_DBUS_ERROR ("Disconnected");
    case EBADMSG:
    case ENXIO: /* sd-bus: another type than the one asked for */
      return LIB_DBUS_ERROR ("InconsistentMessage");
    default:
      return LIB_DBUS_ERROR ("Failed");
    }
}

int
lib_error_set_errno (tpmid_error *error, int result, const char *what)
{
  return lib_error_set (error, -result, name_of_errno (-result), "%s: %s", what, strerror (-result));
}

int
lib_error_number (const char *name)
{
  for (size_t i = 0; i < sizeof error_numbers / sizeof error_numbers[0]; i++)
    if (strcmp (error_numbers[i].name, name) == 0)
      return error_numbers[i].number;
  return EIO;
}

int
lib_error_set_reply (tpmid_error *error, const sd_bus_error *reply)
{
  const char *message = reply->message != NULL && reply->message[0] != '\0' ? reply->message : reply->name;

  return lib_error_set (error, lib_error_number (reply->name), reply->name, "%s", message);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-serial.h"

#include "base-error.h"
#include "base-file.h"
#include "tpm-nv.h"

#include <string.h>

#define SOURCE_FILE_LIMIT 4096

/* What boards say where nobody filled in a serial number, as seen in dmidecode reports. */
static const char *const placeholders[] = {
  "none", "not specified", "not applicable", "default string", "to be filled by o.e.m.", "system serial number", "unknown",
  "0", "n/a", NULL
};

static gboolean
is_placeholder (const char *serial)
{
  g_autofree char *lower = g_ascii_strdown (serial, -1);

  return g_strv_contains (placeholders, lower);
}

char *
identity_serial_clean (const guint8 *raw, gsize size)
{
  while (size > 0 && (raw[size - 1] == 0 || raw[size - 1] == 0xff || g_ascii_isspace ((char) raw[size - 1])))
    size--;
  while (size > 0 && g_ascii_isspace ((char) raw[0]))
    {
      raw++;
      size--;
    }
  if (size == 0 || size > IDENTITY_SERIAL_MAX)
    return NULL;
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isprint ((char) raw[i]))
      return NULL;

  g_autofree char *serial = g_strndup ((const char *) raw, size);
  return is_placeholder (serial) ? NULL : g_steal_pointer (&serial);
}

gboolean
identity_serial_check (const char *serial, gsize limit, GError **error)
{
  gsize size = strlen (serial);

  if (size == 0 || size > limit)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                   "a serial number has 1 to %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT, limit, size);
      return FALSE;
    }
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isgraph (serial[i]))
      {
        g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                     "a serial number is printable ASCII without blanks; byte %" G_GSIZE_FORMAT " is not", i);
        return FALSE;
      }
  if (is_placeholder (serial))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "\"%s\" is what firmware says where there is no serial number", serial);
      return FALSE;
    }
  return TRUE;
}

static char *
read_from_nv (TpmLink *link, guint32 index, char **ret_problem)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  if (!tpm_nv_read (link, index, &bytes, &error))
    {
      if (!g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        *ret_problem = g_strdup_printf ("serial: %s", error->message);
      return NULL;
    }
  const guint8 *raw = g_bytes_get_data (bytes, &size);
  char *serial = identity_serial_clean (raw, size);
  if (serial == NULL)
    *ret_problem = g_strdup_printf ("serial: NV index 0x%08x holds no serial number of 1 to %d printable bytes", index,
                                    IDENTITY_SERIAL_MAX);
  return serial;
}

static char *
read_from_file (const char *path)
{
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  if (!base_file_read (path, SOURCE_FILE_LIMIT, &bytes, NULL))
    return NULL;
  const guint8 *raw = g_bytes_get_data (bytes, &size);
  const guint8 *line_end = size > 0 ? memchr (raw, '\n', size) : NULL;
  return identity_serial_clean (raw, line_end != NULL ? (gsize) (line_end - raw) : size);
}

static char *
read_from_source (TpmLink *link, const BaseConfig *config, const char *source, char **ret_problem)
{
  if (strcmp (source, "tpm-nv") == 0)
    return link != NULL ? read_from_nv (link, config->serial_index, ret_problem) : NULL;

  g_autofree char *path = NULL;
  if (strcmp (source, "dmi") == 0)
    path = g_build_filename (config->sysfs_root, "class/dmi/id/product_serial", NULL);
  else if (strcmp (source, "device-tree") == 0)
    path = g_build_filename (config->proc_root, "device-tree/serial-number", NULL);
  else
    path = g_strdup (config->serial_file);
  return read_from_file (path);
}

/* Words of the configuration live as long as it; the ones on the bus are static. */
static const char *
source_name (const char *word)
{
  return g_intern_string (word);
}

void
identity_serial_read (TpmLink *link, const BaseConfig *config, char **ret_serial, const char **ret_source, char **ret_problem)
{
  g_autofree char *problem = NULL;
  g_autofree char *serial = NULL;
  const char *source = "none";

  for (char **word = config->serial_sources; *word != NULL && serial == NULL; word++)
    {
      g_autofree char *this_problem = NULL;
      serial = read_from_source (link, config, *word, &this_problem);
      if (serial != NULL)
        source = source_name (*word);
      if (problem == NULL)
        problem = g_steal_pointer (&this_problem);
    }
  *ret_serial = serial != NULL ? g_steal_pointer (&serial) : g_strdup ("");
  *ret_source = source;
  *ret_problem = g_steal_pointer (&problem);
}

static gboolean
compare_with_written (TpmLink *link, guint32 index, const char *serial, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  if (!tpm_nv_read (link, index, &bytes, error))
    return FALSE;
  const guint8 *raw = g_bytes_get_data (bytes, &size);
  g_autofree char *found = identity_serial_clean (raw, size);
  if (g_strcmp0 (found, serial) == 0)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS,
               "the serial number is %s already; it can be set only once", found != NULL ? found : "(not printable)");
  return FALSE;
}

static gboolean
write_padded (TpmLink *link, guint32 index, const char *serial, gsize size, GError **error)
{
  if (strlen (serial) > size)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                   "the serial number has %" G_GSIZE_FORMAT " bytes; NV index 0x%08x holds %" G_GSIZE_FORMAT, strlen (serial),
                   index, size);
      return FALSE;
    }
  guint8 *raw = g_malloc0 (size);
  memcpy (raw, serial, strlen (serial));
  g_autoptr (GBytes) bytes = g_bytes_new_take (raw, size);
  return tpm_nv_write_once (link, index, bytes, error);
}

gboolean
identity_serial_write (TpmLink *link, const BaseConfig *config, const char *serial, GError **error)
{
  guint32 index = config->serial_index;
  gsize size = config->serial_size != 0 ? config->serial_size : strlen (serial);
  g_autoptr (GError) cause = NULL;
  TpmNvInfo info;

  if (!tpm_nv_describe (link, index, &info, &cause))
    {
      if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return FALSE;
        }
      if (!identity_serial_check (serial, size, error))
        return FALSE;
      return tpm_nv_define_write_once (link, index, (guint16) size, error) && write_padded (link, index, serial, size, error);
    }
  if (info.written)
    return compare_with_written (link, index, serial, error);
  if (!info.write_once)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN,
                   "NV index 0x%08x is defined by somebody else and not written; set SerialIndex to another index", index);
      return FALSE;
    }
  /* A crash between the two steps left an index of our own that is too small for another serial number. */
  if (info.size < strlen (serial) && config->serial_size == 0 && !info.platform_created)
    return identity_serial_check (serial, size, error) && tpm_nv_undefine (link, index, error)
           && tpm_nv_define_write_once (link, index, (guint16) size, error) && write_padded (link, index, serial, size, error);
  return write_padded (link, index, serial, info.size, error);
}

/* What cannot be read without a password that is not ours was not shown to anybody; but it may be one. */
static gboolean
is_closed_to_us (const GError *error)
{
  return g_error_matches (error, TPMID_ERROR, TPMID_ERROR_AUTH_FAILED) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
}

gboolean
identity_serial_save (TpmLink *link, const BaseConfig *config, GBytes **ret_content, char **ret_obstacle, GError **error)
{
  guint32 index = config->serial_index;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GError) limit = NULL;
  TpmNvInfo info;

  *ret_content = NULL;
  *ret_obstacle = NULL;
  if (!tpm_nv_describe (link, index, &info, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!info.written || info.platform_created)
    return TRUE;
  if (!tpm_nv_check_write_once (index, info.size, &limit))
    {
      *ret_obstacle = g_strdup_printf ("the serial number could not be put back: %s", limit->message);
      return TRUE;
    }
  if (tpm_nv_read (link, index, ret_content, &cause))
    return TRUE;
  if (is_closed_to_us (cause))
    {
      *ret_obstacle = g_strdup_printf ("the serial number cannot be read, to be put back: %s", cause->message);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
compare_content (TpmLink *link, guint32 index, GBytes *content, GError **error)
{
  g_autoptr (GBytes) found = NULL;

  if (!tpm_nv_read (link, index, &found, error))
    return FALSE;
  if (g_bytes_equal (found, content))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS, "NV index 0x%08x holds something else", index);
  return FALSE;
}

gboolean
identity_serial_restore (TpmLink *link, const BaseConfig *config, GBytes *content, GError **error)
{
  guint32 index = config->serial_index;
  gsize size = g_bytes_get_size (content);
  g_autoptr (GError) cause = NULL;
  TpmNvInfo info;
  gboolean is_there = tpm_nv_describe (link, index, &info, &cause);

  if (!is_there && !g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (is_there && info.written)
    return compare_content (link, index, content, error);
  if (is_there && !info.write_once)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN, "NV index 0x%08x is defined by somebody else", index);
      return FALSE;
    }
  if (is_there && info.size != size && !tpm_nv_undefine (link, index, error))
    return FALSE;
  if ((!is_there || info.size != size) && !tpm_nv_define_write_once (link, index, (guint16) size, error))
    return FALSE;
  return tpm_nv_write_once (link, index, content, error);
}

gboolean
identity_serial_clear (TpmLink *link, const BaseConfig *config, GError **error)
{
  TpmNvInfo info;

  if (!tpm_nv_describe (link, config->serial_index, &info, error))
    return FALSE;
  if (info.write_once && !info.platform_created)
    return tpm_nv_undefine (link, config->serial_index, error);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN,
               "NV index 0x%08x was not made by tpmidd, which leaves it alone; who made it can remove it (tpm2_nvundefine 0x%08x)",
               config->serial_index, config->serial_index);
  return FALSE;
}

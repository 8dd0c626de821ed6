/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_FIELDS 16

static const char *
priority_of (GLogLevelFlags level)
{
  /* syslog(3) priorities; glib's own mapping makes MESSAGE and INFO differ in the same way. */
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return "3";
  if (level & G_LOG_LEVEL_WARNING)
    return "4";
  if (level & G_LOG_LEVEL_MESSAGE)
    return "5";
  if (level & G_LOG_LEVEL_INFO)
    return "6";
  return "7";
}

static gboolean
is_own_field (const char *key)
{
  return g_str_has_prefix (key, "TPM");
}

static GLogWriterOutput
write_to_stderr (GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  g_autoptr (GString) line = g_string_new (NULL);
  const char *message = "";

  for (gsize i = 0; i < n_fields; i++)
    {
      if (strcmp (fields[i].key, "MESSAGE") == 0)
        message = fields[i].value;
      else if (is_own_field (fields[i].key))
        g_string_append_printf (line, " [%s=%s]", fields[i].key, (const char *) fields[i].value);
    }
  /* Whoever collects stderr reads the priority (sd-daemon(3)); a person at a terminal has no use for it. */
  if (isatty (STDERR_FILENO))
    fprintf (stderr, "%s%s\n", message, line->str);
  else
    fprintf (stderr, "<%s>%s%s\n", priority_of (level), message, line->str);
  return G_LOG_WRITER_HANDLED;
}

static GLogWriterOutput
write_entry (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  gboolean debug = GPOINTER_TO_INT (user_data);

  if ((level & G_LOG_LEVEL_DEBUG) && !debug)
    return G_LOG_WRITER_HANDLED;
  if (g_log_writer_is_journald (STDERR_FILENO) && g_log_writer_journald (level, fields, n_fields, NULL) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;
  return write_to_stderr (level, fields, n_fields);
}

void
base_log_init (gboolean debug)
{
  g_log_set_writer_func (write_entry, GINT_TO_POINTER (debug), NULL);
}

void
base_log (GLogLevelFlags level, const char *message_id, const BaseLogField *fields, const char *format, ...)
{
  GLogField entry[MAX_FIELDS];
  gsize n = 0;
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);

  entry[n++] = (GLogField) { "PRIORITY", priority_of (level), -1 };
  entry[n++] = (GLogField) { "MESSAGE", message, -1 };
  entry[n++] = (GLogField) { "GLIB_DOMAIN", "tpmidd", -1 };
  entry[n++] = (GLogField) { "SYSLOG_IDENTIFIER", "tpmidd", -1 };
  if (message_id != NULL)
    entry[n++] = (GLogField) { "MESSAGE_ID", message_id, -1 };
  for (; fields != NULL && fields->name != NULL; fields++)
    {
      g_assert (n < MAX_FIELDS);
      if (fields->value != NULL)
        entry[n++] = (GLogField) { fields->name, fields->value, -1 };
    }
  g_log_structured_array (level, entry, n);
}

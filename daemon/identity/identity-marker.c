/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-marker.h"

#include "base-file.h"

#include <string.h>

#define CONTENT_LIMIT 4096

static void
append (GString *text, const char *key, const char *value)
{
  g_string_append_printf (text, "%s=%s\n", key, value != NULL ? value : "");
}

char *
identity_marker_compose (const IdentityMarker *marker)
{
  GString *text = g_string_new (NULL);
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (marker->time);
  g_autofree char *stamp = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  g_string_append_printf (text, "FORMAT=%d\n", IDENTITY_MARKER_FORMAT);
  append (text, "MODE", marker->mode);
  append (text, "STATE", marker->state);
  append (text, "REASON", marker->reason);
  append (text, "KEY", marker->key_reference);
  append (text, "CERTIFICATE_SHA256", marker->certificate_sha256);
  append (text, "BOOT_ID", marker->boot_id);
  append (text, "TIME", stamp);
  return g_string_free (text, FALSE);
}

gboolean
identity_marker_put (const char *path, const char *content, GError **error)
{
  g_autoptr (GBytes) wanted = g_bytes_new_static (content, strlen (content));
  g_autoptr (GBytes) found = NULL;

  if (base_file_read (path, CONTENT_LIMIT, &found, NULL) && g_bytes_equal (found, wanted))
    return TRUE;
  return base_file_replace (path, content, strlen (content), 0644, error);
}

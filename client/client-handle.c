/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-handle.h"

#include "client-value.h"

char *
client_handle_name (const tpmid_value *object)
{
  return g_strdup_printf ("0x%08x", (guint) client_value_number (object, "handle"));
}

static gboolean
is_kept (const tpmid_value *object)
{
  return client_value_is (object, "kind", "persistent") || client_value_is (object, "kind", "nv");
}

guint
client_handle_count (const tpmid_value *handles, const char *owner)
{
  guint count = 0;

  for (gsize i = 0; i < tpmid_value_count (handles); i++)
    {
      const tpmid_value *object = tpmid_value_at (handles, i, NULL);
      count += is_kept (object) && client_value_is (object, "owner", owner);
    }
  return count;
}

void
client_handle_describe (const tpmid_value *handles, const char *owner, GString *text)
{
  for (gsize i = 0; i < tpmid_value_count (handles); i++)
    {
      const tpmid_value *object = tpmid_value_at (handles, i, NULL);
      if (!is_kept (object) || !client_value_is (object, "owner", owner))
        continue;

      g_autofree char *name = client_handle_name (object);
      const char *use = client_value_text (object, "use");
      g_string_append_printf (text, "  %s  %s%s%s\n", name, client_value_is (object, "kind", "nv") ? "NV index" : "key",
                              use[0] != '\0' ? ", " : "", use);
    }
}

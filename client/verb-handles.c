/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-handle.h"
#include "client-json.h"
#include "client-session.h"
#include "client-tpm.h"
#include "client-value.h"

/* Keys have none that anybody could use; tpmidd says 0 then. */
static gboolean
has_size (const tpmid_value *object)
{
  return client_value_is (object, "kind", "nv") && tpmid_value_find (object, "size") != NULL;
}

static void
print_json (const tpmid_value *handles)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (gsize i = 0; i < tpmid_value_count (handles); i++)
    {
      const tpmid_value *object = tpmid_value_at (handles, i, NULL);
      g_autofree char *name = client_handle_name (object);

      json_builder_begin_object (builder);
      client_json_add_string (builder, "handle", name);
      client_json_add_string (builder, "kind", client_value_text (object, "kind"));
      client_json_add_string (builder, "owner", client_value_text (object, "owner"));
      client_json_add_string (builder, "use", client_value_text (object, "use"));
      client_json_add_string (builder, "hierarchy", client_value_text (object, "hierarchy"));
      if (has_size (object))
        {
          json_builder_set_member_name (builder, "size");
          client_json_add_value (builder, tpmid_value_find (object, "size"));
        }
      if (tpmid_value_find (object, "name") != NULL)
        client_json_add_string (builder, "name", client_value_text (object, "name"));
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  client_json_print (builder, stdout, FALSE);
}

static void
print_text (const tpmid_value *handles)
{
  printf ("%-10s  %-10s  %-8s  %-11s  %5s  %s\n", "HANDLE", "KIND", "OWNER", "HIERARCHY", "SIZE", "USE");
  for (gsize i = 0; i < tpmid_value_count (handles); i++)
    {
      const tpmid_value *object = tpmid_value_at (handles, i, NULL);
      g_autofree char *name = client_handle_name (object);
      g_autofree char *size = has_size (object)
                                ? g_strdup_printf ("%" G_GUINT64_FORMAT, client_value_number (object, "size"))
                                : g_strdup ("-");
      const char *hierarchy = client_value_text (object, "hierarchy"), *use = client_value_text (object, "use");

      printf ("%-10s  %-10s  %-8s  %-11s  %5s  %s\n", name, client_value_text (object, "kind"),
              client_value_text (object, "owner"),
              hierarchy[0] != '\0' ? hierarchy : "-", size, use[0] != '\0' ? use : "-");
    }
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_autoptr (tpmid_value) handles = NULL;
  const GOptionEntry entries[] = { { NULL } };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 1, error))
    return FALSE;
  if (tpmid_list_handles (client_session_get (session), session->timeout_ms, &handles, error) < 0)
    return client_tpm_refuse (session, error);
  if (session->json)
    print_json (handles);
  else
    print_text (handles);
  return TRUE;
}

const ClientVerb client_verb_handles = {
  .name = "handles",
  .synopsis = "",
  .summary = "List what is in the TPM, and whose it is",
  .description = "Owners: tpmidd; platform, the maker of the device; other, any other program.",
  .run = run,
};

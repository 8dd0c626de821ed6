/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-json.h"
#include "doctor.h"

/* A TPM that is well has answered by then. */
#define CALL_MS 10000

static const char *const words[] = {
  [DOCTOR_PASS] = "PASS",
  [DOCTOR_WARN] = "WARN",
  [DOCTOR_FAIL] = "FAIL",
  [DOCTOR_SKIP] = "SKIP",
};

/* The order in which they are made is another: what the bus says, the others need. */
static const char *const groups[] = { "device", "bus", "tpm", "identity", "host" };

static gint
rank (const char *group)
{
  guint i = 0;

  while (!g_str_equal (groups[i], group))
    i++;
  return (gint) i;
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  const DoctorCheck *const *first = a, *const *second = b;

  return rank ((*first)->group) - rank ((*second)->group);
}

static void
print_json (const Doctor *doctor)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (guint i = 0; i < doctor->checks->len; i++)
    {
      const DoctorCheck *check = doctor->checks->pdata[i];

      json_builder_begin_object (builder);
      client_json_add_string (builder, "group", check->group);
      client_json_add_string (builder, "check", check->name);
      client_json_add_string (builder, "result", words[check->result]);
      client_json_add_string (builder, "text", check->text);
      client_json_add_string (builder, "next", check->next);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  client_json_print (builder, stdout, FALSE);
}

static void
print_text (const Doctor *doctor)
{
  for (guint i = 0; i < doctor->checks->len; i++)
    {
      const DoctorCheck *check = doctor->checks->pdata[i];

      printf ("%s  %-8s  %-12s  %s\n", words[check->result], check->group, check->name, check->text);
      if (check->next[0] != '\0')
        printf ("%-28s  > %s\n", "", check->next);
    }
}

static gboolean
judge (const Doctor *doctor, tpmid_error *error)
{
  g_autoptr (GString) failed = g_string_new (NULL);
  guint count = 0;

  for (guint i = 0; i < doctor->checks->len; i++)
    {
      const DoctorCheck *check = doctor->checks->pdata[i];
      if (check->result != DOCTOR_FAIL)
        continue;
      g_string_append_printf (failed, "%s%s %s", count++ > 0 ? ", " : "", check->group, check->name);
    }
  if (count == 0)
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_UNHEALTHY, "%u of %u checks failed: %s", count, doctor->checks->len, failed->str);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_autofree char *root = NULL;
  g_auto (Doctor) doctor = { 0 };
  const GOptionEntry entries[] = {
    { "root", 0, 0, G_OPTION_ARG_FILENAME, &root, "Look at the files below this folder instead of /", "DIR" },
    { NULL },
  };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 1, error))
    return FALSE;

  if (!session->has_timeout)
    session->timeout_ms = CALL_MS;
  doctor_init (&doctor, session, root != NULL ? root : "");
  doctor_bus_check (&doctor);
  doctor_device_check (&doctor);
  doctor_identity_check (&doctor);
  doctor_tpm_check (&doctor);
  doctor_host_check (&doctor);
  g_ptr_array_sort (doctor.checks, compare);
  if (session->json)
    print_json (&doctor);
  else
    print_text (&doctor);
  return judge (&doctor, error);
}

const ClientVerb client_verb_doctor = {
  .name = "doctor",
  .synopsis = "[--root DIR]",
  .summary = "Examine the device, the bus, the TPM and the identity, and say what to do",
  .description = "Each line is PASS, WARN, FAIL or SKIP; below what is to be looked at stands what to do. Exit status 15 says\n"
                 "that a check failed. It never opens the TPM itself and tries no password, so that it cannot lock the TPM; the\n"
                 "device key makes one signature. Root sees more. It works without tpmidd, too, and says then what it can.",
  .run = run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-session.h"
#include "tpmid-build.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

static const ClientVerb *const verbs[] = {
  &client_verb_status,  &client_verb_serial,  &client_verb_keys, &client_verb_sign, &client_verb_verify,
  &client_verb_encrypt, &client_verb_decrypt, &client_verb_csr,  &client_verb_cert, &client_verb_monitor,
  &client_verb_reset,   &client_verb_reprovision, &client_verb_migrate, &client_verb_rotate, &client_verb_release_ownership,
  &client_verb_handles, &client_verb_doctor, &client_verb_explain,
};

static char *
list_verbs (void)
{
  GString *text = g_string_new ("The identity of this device, from tpmidd.\n\nVerbs:\n");

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    g_string_append_printf (text, "  %-17s %s\n", verbs[i]->name, verbs[i]->summary);
  g_string_append (text, "\ntpmidctl VERB --help (or tpmidctl help VERB) explains one of them. A file named - is standard input or output.");
  return g_string_free (text, FALSE);
}

/* Options that stand before the verb; what stands behind it is the verb's to parse, the global options among it. */
static gboolean
parse_global (ClientSession *session, GStrv *arguments, gboolean *ret_version, tpmid_error *error)
{
  GOptionContext *context = g_option_context_new ("VERB ...");
  g_autofree char *summary = list_verbs ();
  const GOptionEntry entries[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, ret_version, "Print the version", NULL },
    { NULL },
  };

  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, client_error_exit_help ());
  g_option_context_add_main_entries (context, entries, NULL);
  return client_session_parse (session, context, arguments, error);
}

static gboolean
run_verb (ClientSession *session, GStrv *arguments, tpmid_error *error)
{
  const char *name = (*arguments)[0];

  if (name == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "a verb is missing");
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i]->name, name))
      return verbs[i]->run (session, verbs[i], arguments, error);
  return client_error_set (error, CLIENT_ERROR_USAGE, "there is no verb \"%s\"", name);
}

/* "help" is --help, "help VERB" is VERB --help. */
static gboolean
help (ClientSession *session, const GStrv words, tpmid_error *error)
{
  const char *const verb_help[] = { words[1], "--help", NULL };
  const char *const own_help[] = { "tpmidctl", "--help", NULL };
  g_auto (GStrv) arguments = g_strdupv ((GStrv) (words[1] != NULL ? verb_help : own_help));
  gboolean version;

  if (!client_session_expect (words, 2, error))
    return FALSE;
  return words[1] != NULL ? run_verb (session, &arguments, error) : parse_global (session, &arguments, &version, error);
}

static gboolean
run (ClientSession *session, GStrv *arguments, tpmid_error *error)
{
  gboolean version = FALSE;

  if (!parse_global (session, arguments, &version, error))
    return FALSE;
  if (version)
    {
      printf ("tpmidctl %s\n", TPMID_VERSION);
      return TRUE;
    }

  g_auto (GStrv) rest = g_strdupv (*arguments + 1);
  if (g_strv_length (rest) > 0 && g_str_equal (rest[0], "--"))
    return client_error_set (error, CLIENT_ERROR_USAGE, "a verb is missing");
  if (g_strv_length (rest) > 0 && g_str_equal (rest[0], "help"))
    return help (session, rest, error);
  return run_verb (session, &rest, error);
}

int
main (int argc, char **argv)
{
  g_auto (ClientSession) session = { .timeout_ms = TPMID_TIMEOUT_DEFAULT };
  g_auto (GStrv) arguments = g_strdupv (argv);
  tpmid_error error;

  setlocale (LC_ALL, "");
  g_set_prgname ("tpmidctl");
  /* The command line may be what cannot be parsed: then, too, the error is to be JSON. */
  for (int i = 1; i < argc && !g_str_equal (argv[i], "--"); i++)
    session.json = session.json || g_str_equal (argv[i], "--json");

  if (!run (&session, &arguments, &error))
    {
      (void) fflush (stdout);
      return client_error_report (&error, session.json);
    }
  if (fflush (stdout) != 0 || ferror (stdout))
    {
      client_error_set (&error, CLIENT_ERROR_FILE, "cannot write standard output: %s", g_strerror (errno));
      return client_error_report (&error, session.json);
    }
  return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-file.h"
#include "client-json.h"
#include "client-key.h"
#include "client-session.h"
#include "client-text.h"

#include <string.h>

/* A slow TPM searches the primes of one RSA key for more than a minute. */
#define CREATE_WAIT_MS (5 * 60 * 1000)

typedef struct KeysOptions
{
  gboolean public;
  char *out_file;
  char *algorithm;
  char *usage;
} KeysOptions;

static void
keys_options_clear (KeysOptions *self)
{
  g_free (self->out_file);
  g_free (self->algorithm);
  g_free (self->usage);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (KeysOptions, keys_options_clear)

static const char *
text_of (const tpmid_value *key, const char *property)
{
  return tpmid_value_string (tpmid_value_find (key, property));
}

static char *
reference_of (const tpmid_value *key)
{
  gsize size;
  const guint8 *data = tpmid_value_bytes (tpmid_value_find (key, "Reference"), &size);

  return client_text_hex (data, size);
}

static void
free_value (gpointer value)
{
  tpmid_value_free (value);
}

/* One key after the other: one that is deleted meanwhile is not in the list. */
static gboolean
load_keys (ClientSession *session, GPtrArray *ret_keys, tpmid_error *error)
{
  tpmid_client *client = client_session_get (session);
  char **names = NULL;
  int r = tpmid_list_keys (client, session->timeout_ms, &names, error);

  for (guint i = 0; r >= 0 && names[i] != NULL; i++)
    {
      tpmid_value *key = NULL;
      r = tpmid_get_key (client, names[i], session->timeout_ms, &key, error);
      if (r >= 0)
        g_ptr_array_add (ret_keys, key);
      else if (tpmid_error_is (error, "NotFound"))
        r = 0;
    }
  tpmid_strv_free (names);
  return r >= 0;
}

static void
print_table (const GPtrArray *keys)
{
  gsize width = strlen ("NAME");

  for (guint i = 0; i < keys->len; i++)
    width = MAX (width, strlen (text_of (keys->pdata[i], "Name")));

  printf ("%-*s  %-9s  %-7s  %-8s  %-5s  %s\n", (int) width, "NAME", "ALGORITHM", "USAGE", "STATE", "OWNER", "REFERENCE");
  for (guint i = 0; i < keys->len; i++)
    {
      const tpmid_value *key = keys->pdata[i];
      g_autofree char *reference = reference_of (key);
      printf ("%-*s  %-9s  %-7s  %-8s  %-5" G_GUINT64_FORMAT "  %s\n", (int) width, text_of (key, "Name"),
              text_of (key, "Algorithm"), text_of (key, "Usage"), text_of (key, "State"),
              tpmid_value_unsigned (tpmid_value_find (key, "Owner")), reference);
    }
}

static gboolean
list_keys (ClientSession *session, tpmid_error *error)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (free_value);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!load_keys (session, keys, error))
    return FALSE;
  if (!session->json)
    {
      print_table (keys);
      return TRUE;
    }
  json_builder_begin_array (builder);
  for (guint i = 0; i < keys->len; i++)
    client_json_add_properties (builder, keys->pdata[i]);
  json_builder_end_array (builder);
  client_json_print (builder, stdout, FALSE);
  return TRUE;
}

static void
print_json (const tpmid_value *key)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  client_json_add_properties (builder, key);
  client_json_print (builder, stdout, FALSE);
}

static void
print_key (const tpmid_value *key)
{
  g_autofree char *reference = reference_of (key);

  printf ("Name        %s\n", text_of (key, "Name"));
  printf ("Algorithm   %s\n", text_of (key, "Algorithm"));
  printf ("Usage       %s\n", text_of (key, "Usage"));
  printf ("State       %s\n", text_of (key, "State"));
  if (text_of (key, "Problem")[0] != '\0')
    printf ("Problem     %s\n", text_of (key, "Problem"));
  printf ("Owner       uid %" G_GUINT64_FORMAT "\n", tpmid_value_unsigned (tpmid_value_find (key, "Owner")));
  if (reference[0] != '\0')
    printf ("Reference   %s\n", reference);
  printf ("Certificate %s\n", text_of (key, "Certificate")[0] != '\0' ? "yes" : "none");
}

static gboolean
show_public (ClientSession *session, const char *name, const char *out_file, tpmid_error *error)
{
  g_autoptr (tpmid_value) key = NULL;
  gsize size;

  if (!client_key_load (session, name, &key, error))
    return FALSE;

  const guint8 *data = tpmid_value_bytes (tpmid_value_find (key, "PublicKey"), &size);
  g_autofree char *pem = client_text_pem ("PUBLIC KEY", data, size);
  return client_file_write (out_file, pem, strlen (pem), error);
}

static gboolean
show_key (ClientSession *session, const char *name, const KeysOptions *options, tpmid_error *error)
{
  g_autoptr (tpmid_value) key = NULL;

  if (options->public && session->json)
    return client_error_set (error, CLIENT_ERROR_USAGE, "keys show: --public prints PEM; --json has it as \"public-key\"");
  if (options->out_file != NULL && !options->public)
    return client_error_set (error, CLIENT_ERROR_USAGE, "keys show: --out goes with --public");
  if (options->public)
    return show_public (session, name, options->out_file, error);
  if (tpmid_get_key (client_session_get (session), name, session->timeout_ms, &key, error) < 0)
    return FALSE;

  if (session->json)
    print_json (key);
  else
    print_key (key);
  return TRUE;
}

static gboolean
start_key (ClientSession *session, const char *name, const KeysOptions *options, tpmid_error *error)
{
  g_autoptr (tpmid_value) dict = tpmid_value_new_dict ();

  if ((options->algorithm != NULL && tpmid_value_set_string (dict, "algorithm", options->algorithm) < 0)
      || (options->usage != NULL && tpmid_value_set_string (dict, "usage", options->usage) < 0))
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "the algorithm or the usage is not UTF-8");
  return tpmid_create_key (client_session_get (session), name, dict, session->timeout_ms, error) >= 0;
}

static gboolean
create_key (ClientSession *session, const char *name, const KeysOptions *options, tpmid_error *error)
{
  const KeysOptions none = { 0 };
  int timeout_ms = session->has_timeout ? session->timeout_ms : CREATE_WAIT_MS;

  if (options->public || options->out_file != NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "--public and --out go with \"keys show NAME\"");
  return start_key (session, name, options, error) && client_key_wait (session, name, timeout_ms, error)
         && show_key (session, name, &none, error);
}

static gboolean
run_named (ClientSession *session, const GStrv words, const KeysOptions *options, tpmid_error *error)
{
  gboolean create = g_str_equal (words[1], "create");

  if (words[2] == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "keys %s: the key's name is missing", words[1]);
  if (!create && (options->algorithm != NULL || options->usage != NULL))
    return client_error_set (error, CLIENT_ERROR_USAGE, "--algorithm and --usage go with \"keys create NAME\"");
  return client_session_expect (words, 3, error)
         && (create ? create_key (session, words[2], options, error) : show_key (session, words[2], options, error));
}

static gboolean
run_word (ClientSession *session, const GStrv words, const KeysOptions *options, tpmid_error *error)
{
  if (words[1] != NULL && (g_str_equal (words[1], "show") || g_str_equal (words[1], "create")))
    return run_named (session, words, options, error);
  if (words[1] != NULL && !g_str_equal (words[1], "list"))
    return client_error_set (error, CLIENT_ERROR_USAGE, "keys: there is no \"keys %s\", only list, show and create", words[1]);
  if (options->public || options->out_file != NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "--public and --out go with \"keys show NAME\"");
  if (options->algorithm != NULL || options->usage != NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "--algorithm and --usage go with \"keys create NAME\"");
  return client_session_expect (words, 2, error) && list_keys (session, error);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_auto (KeysOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "public", 0, 0, G_OPTION_ARG_NONE, &options.public, "show: print the public key (SubjectPublicKeyInfo, PEM)", NULL },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &options.out_file, "show --public: write it here (standard output)", "FILE" },
    { "algorithm", 0, 0, G_OPTION_ARG_FILENAME, &options.algorithm, "create: ecc-p256 (default), ecc-p384 or rsa-2048", "A" },
    { "usage", 0, 0, G_OPTION_ARG_FILENAME, &options.usage, "create: sign (default for ecc), or decrypt (rsa only)", "U" },
    { NULL },
  };

  return client_session_parse_verb (session, self, entries, arguments, error) && run_word (session, *arguments, &options, error);
}

const ClientVerb client_verb_keys = {
  .name = "keys",
  .synopsis = "[list | show NAME [--public [--out FILE]] | create NAME [--algorithm A] [--usage U]]",
  .summary = "List the keys, show one, or make one",
  .description = "create waits until the key is usable, 300 seconds or what --timeout says, and then shows it. A key that is\n"
                 "there already, with the same algorithm and usage, is a success. show --public waits, too, for a key\n"
                 "that is being made, 120 seconds or what --timeout says.",
  .run = run,
};

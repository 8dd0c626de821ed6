/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-file.h"
#include "client-json.h"
#include "client-session.h"
#include "client-text.h"

#include <string.h>

typedef struct CsrOptions
{
  char *key;
  char *subject;
  char *hash;
  GStrv dns;
  GStrv ip;
  GStrv uri;
  GStrv email;
  GStrv eku;
  gboolean der;
  char *out_file;
} CsrOptions;

static void
csr_options_clear (CsrOptions *self)
{
  g_free (self->key);
  g_free (self->subject);
  g_free (self->hash);
  g_strfreev (self->dns);
  g_strfreev (self->ip);
  g_strfreev (self->uri);
  g_strfreev (self->email);
  g_strfreev (self->eku);
  g_free (self->out_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (CsrOptions, csr_options_clear)

static gboolean
add_list (tpmid_value *dict, const char *name, const GStrv strings, tpmid_error *error)
{
  for (guint i = 0; strings != NULL && strings[i] != NULL; i++)
    if (tpmid_value_add_string (dict, name, strings[i]) < 0)
      return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "what --%s names is not UTF-8", name);
  return TRUE;
}

static tpmid_value *
make_options (const CsrOptions *options, tpmid_error *error)
{
  g_autoptr (tpmid_value) dict = tpmid_value_new_dict ();

  if (options->hash != NULL && tpmid_value_set_string (dict, "hash", options->hash) < 0)
    {
      client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "the hash is not UTF-8");
      return NULL;
    }
  if (!add_list (dict, "dns", options->dns, error) || !add_list (dict, "ip", options->ip, error)
      || !add_list (dict, "uri", options->uri, error) || !add_list (dict, "email", options->email, error)
      || !add_list (dict, "eku", options->eku, error))
    return NULL;
  return g_steal_pointer (&dict);
}

static gboolean
output (const ClientSession *session, const CsrOptions *options, const char *key, const guint8 *csr, gsize size,
        tpmid_error *error)
{
  g_autofree char *pem = client_text_pem ("CERTIFICATE REQUEST", csr, size);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  gconstpointer data = options->der ? (gconstpointer) csr : pem;
  gsize data_size = options->der ? size : strlen (pem);

  if ((!session->json || options->out_file != NULL) && !client_file_write (options->out_file, data, data_size, error))
    return FALSE;
  if (!session->json)
    return TRUE;

  json_builder_begin_object (builder);
  client_json_add_string (builder, "key", key);
  client_json_add_string (builder, "csr", pem);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
  return TRUE;
}

static gboolean
make_csr (ClientSession *session, const CsrOptions *options, tpmid_error *error)
{
  const char *key = options->key != NULL ? options->key : "device";
  g_autoptr (tpmid_value) dict = NULL;
  g_autofree guint8 *csr = NULL;
  gsize size = 0;

  if (options->subject == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "csr: --subject is missing, for example --subject /CN=device-1");

  if (options->der && !session->json && !client_file_check_binary (options->out_file, "the request", error))
    return FALSE;

  dict = make_options (options, error);
  if (dict == NULL
      || tpmid_create_csr (client_session_get (session), key, options->subject, dict, session->timeout_ms, &csr, &size,
                           error) < 0)
    return FALSE;
  return output (session, options, key, csr, size, error);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_auto (CsrOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, "The key (device)", "NAME" },
    { "subject", 0, 0, G_OPTION_ARG_FILENAME, &options.subject, "Distinguished name, /CN=NAME/O=NAME; may be empty", "NAME" },
    { "dns", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.dns, "DNS name (may be repeated, as the next four)", "NAME" },
    { "ip", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.ip, "IP address", "ADDRESS" },
    { "uri", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.uri, "URI", "URI" },
    { "email", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.email, "Mail address", "ADDRESS" },
    { "eku", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.eku, "Extended key usage: clientAuth, serverAuth, or an OID", "USAGE" },
    { "hash", 0, 0, G_OPTION_ARG_FILENAME, &options.hash, "sha256 (default), sha384 or sha512", "ALG" },
    { "der", 0, 0, G_OPTION_ARG_NONE, &options.der, "Write DER instead of PEM", NULL },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &options.out_file, "Write the request here (standard output)", "FILE" },
    { NULL },
  };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && make_csr (session, &options, error);
}

const ClientVerb client_verb_csr = {
  .name = "csr",
  .synopsis = "[--key NAME] --subject NAME [--dns NAME]... [--der] [--out FILE]",
  .summary = "Make a certificate signing request",
  .run = run,
};

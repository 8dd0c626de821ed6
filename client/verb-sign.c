/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-crypto.h"
#include "client-file.h"
#include "client-json.h"
#include "client-session.h"

typedef struct SignOptions
{
  char *key;
  ClientDigestSource source;
  char *scheme;
  char *out_file;
} SignOptions;

static void
sign_options_clear (SignOptions *self)
{
  g_free (self->key);
  client_digest_source_clear (&self->source);
  g_free (self->scheme);
  g_free (self->out_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SignOptions, sign_options_clear)

static tpmid_value *
make_options (const SignOptions *options, const ClientDigest *digest, tpmid_error *error)
{
  g_autoptr (tpmid_value) dict = tpmid_value_new_dict ();

  if (tpmid_value_set_string (dict, "hash", digest->hash) < 0
      || (options->scheme != NULL && tpmid_value_set_string (dict, "scheme", options->scheme) < 0))
    {
      client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "the scheme is not UTF-8");
      return NULL;
    }
  return g_steal_pointer (&dict);
}

static void
print_json (const char *key, const ClientDigest *digest, const guint8 *signature, gsize size)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  client_json_add_string (builder, "key", key);
  client_json_add_string (builder, "hash", digest->hash);
  client_json_add_bytes (builder, "digest", digest->data, digest->size);
  client_json_add_bytes (builder, "signature", signature, size);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
sign (ClientSession *session, const SignOptions *options, tpmid_error *error)
{
  const char *key = options->key != NULL ? options->key : "device";
  g_autofree guint8 *signature = NULL;
  gsize size = 0;
  ClientDigest digest;

  if ((!session->json && !client_file_check_binary (options->out_file, "the signature", error))
      || !client_digest_load (&options->source, &digest, error))
    return FALSE;

  g_autoptr (tpmid_value) dict = make_options (options, &digest, error);
  if (dict == NULL
      || tpmid_sign (client_session_get (session), key, digest.data, digest.size, dict, session->timeout_ms, &signature, &size,
                     error) < 0)
    return FALSE;

  if ((!session->json || options->out_file != NULL) && !client_file_write (options->out_file, signature, size, error))
    return FALSE;
  if (session->json)
    print_json (key, &digest, signature, size);
  return TRUE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_auto (SignOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, "The key (device)", "NAME" },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &options.source.in_file, "Hash and sign this file", "FILE" },
    { "digest", 0, 0, G_OPTION_ARG_FILENAME, &options.source.digest_file, "Sign the raw digest in this file", "FILE" },
    { "hash", 0, 0, G_OPTION_ARG_FILENAME, &options.source.hash, "sha256 (default), sha384 or sha512", "ALG" },
    { "scheme", 0, 0, G_OPTION_ARG_FILENAME, &options.scheme, "Signature scheme (the key's default)", "S" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &options.out_file, "Write the signature here (standard output)", "FILE" },
    { NULL },
  };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && sign (session, &options, error);
}

const ClientVerb client_verb_sign = {
  .name = "sign",
  .synopsis = "[--key NAME] (--in FILE | --digest FILE) [--hash ALG] [--scheme S] [--out FILE]",
  .summary = "Sign a file or a digest",
  .description = "The signature is DER, as openssl takes it; with --json it is in the result, in hex. To a terminal it goes with\n"
                 "--out - only.",
  .run = run,
};

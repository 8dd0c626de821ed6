/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-crypto.h"
#include "client-file.h"
#include "client-json.h"
#include "client-session.h"

/* Far above any signature: RSA-3072 makes 384 bytes. */
#define SIGNATURE_MAX 1024

typedef struct VerifyOptions
{
  char *key;
  ClientDigestSource source;
  char *signature_file;
} VerifyOptions;

static void
verify_options_clear (VerifyOptions *self)
{
  g_free (self->key);
  client_digest_source_clear (&self->source);
  g_free (self->signature_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VerifyOptions, verify_options_clear)

static gboolean
load_signature (const VerifyOptions *options, GBytes **ret_signature, tpmid_error *error)
{
  const char *input = options->source.in_file != NULL ? options->source.in_file : options->source.digest_file;
  g_autoptr (GBytes) signature = NULL;

  if (options->signature_file == NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "verify: --signature FILE is missing");
  if (g_strcmp0 (input, "-") == 0 && g_str_equal (options->signature_file, "-"))
    return client_error_set (error, CLIENT_ERROR_USAGE, "verify: only one of the files can be standard input");
  if (!client_file_read_start (options->signature_file, SIGNATURE_MAX + 1, &signature, error))
    return FALSE;
  if (g_bytes_get_size (signature) > SIGNATURE_MAX)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "%s is too large for a signature",
                             client_file_name (options->signature_file));
  *ret_signature = g_steal_pointer (&signature);
  return TRUE;
}

static void
print_result (const ClientSession *session, const char *name, const tpmid_value *key, gboolean verified)
{
  gsize size;
  const guint8 *reference = tpmid_value_bytes (tpmid_value_find (key, "Reference"), &size);
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!session->json)
    {
      if (verified)
        printf ("The signature is good: made by the key %s over this data.\n", name);
      return;
    }
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "verified");
  json_builder_add_boolean_value (builder, verified);
  client_json_add_string (builder, "key", name);
  client_json_add_bytes (builder, "reference", reference, size);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
verify (ClientSession *session, const VerifyOptions *options, tpmid_error *error)
{
  const char *name = options->key != NULL ? options->key : "device";
  g_autoptr (GBytes) signature = NULL;
  g_autoptr (tpmid_value) key = NULL;
  ClientDigest digest;
  gsize size;

  if (!load_signature (options, &signature, error) || !client_digest_load (&options->source, &digest, error)
      || tpmid_get_key (client_session_get (session), name, session->timeout_ms, &key, error) < 0)
    return FALSE;

  const guint8 *public_key = tpmid_value_bytes (tpmid_value_find (key, "PublicKey"), &size);
  gboolean verified = client_crypto_verify (public_key, size, &digest, signature, error);
  /* That it does not verify is an answer too; that it could not be tried is none. */
  if (verified || g_str_equal (error->name, CLIENT_ERROR_BAD_SIGNATURE))
    print_result (session, name, key, verified);
  return verified;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_auto (VerifyOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, "The key (device)", "NAME" },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &options.source.in_file, "Hash this file", "FILE" },
    { "digest", 0, 0, G_OPTION_ARG_FILENAME, &options.source.digest_file, "Take the raw digest in this file", "FILE" },
    { "hash", 0, 0, G_OPTION_ARG_FILENAME, &options.source.hash, "sha256 (default), sha384 or sha512", "ALG" },
    { "signature", 0, 0, G_OPTION_ARG_FILENAME, &options.signature_file, "The signature, DER", "FILE" },
    { NULL },
  };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && verify (session, &options, error);
}

const ClientVerb client_verb_verify = {
  .name = "verify",
  .synopsis = "[--key NAME] (--in FILE | --digest FILE) --signature FILE [--hash ALG]",
  .summary = "Verify a signature in software, with the key's public part",
  .description = "Exit status 12 says that the signature does not verify; with --json \"verified\" does, too.",
  .run = run,
};

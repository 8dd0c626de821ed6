/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-cipher.h"
#include "client-file.h"
#include "client-json.h"
#include "client-key.h"
#include "client-openssl.h"
#include "client-session.h"

typedef struct EncryptOptions
{
  ClientCipherOptions cipher;
  char *public_file;
} EncryptOptions;

static void
encrypt_options_clear (EncryptOptions *self)
{
  client_cipher_options_clear (&self->cipher);
  g_free (self->public_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (EncryptOptions, encrypt_options_clear)

static gboolean
check (EncryptOptions *options, tpmid_error *error)
{
  if (options->public_file != NULL && options->cipher.key != NULL)
    return client_error_set (error, CLIENT_ERROR_USAGE, "encrypt: give either --key NAME or --public FILE");
  if (g_strcmp0 (options->public_file, "-") == 0 && g_strcmp0 (options->cipher.in_file, "-") == 0)
    return client_error_set (error, CLIENT_ERROR_USAGE, "encrypt: only one of the files can be standard input");
  return client_cipher_options_check (&options->cipher, "encrypt", error);
}

static gboolean
load_key (ClientSession *session, const EncryptOptions *options, EVP_PKEY **ret_key, tpmid_error *error)
{
  g_autoptr (tpmid_value) properties = NULL;

  if (options->public_file != NULL)
    return client_cipher_load_public (options->public_file, ret_key, error);
  if (!client_key_load (session, options->cipher.key, &properties, error))
    return FALSE;
  return client_cipher_take_public (properties, options->cipher.key, ret_key, error);
}

static void
print_json (const EncryptOptions *options, const guint8 *data, gsize size)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *base64 = g_base64_encode (data, size);

  json_builder_begin_object (builder);
  if (options->public_file == NULL)
    client_json_add_string (builder, "key", options->cipher.key);
  client_json_add_string (builder, "scheme", options->cipher.scheme);
  if (options->cipher.hash != NULL)
    client_json_add_string (builder, "hash", options->cipher.hash);
  if (options->cipher.mgf1_hash != NULL)
    client_json_add_string (builder, "mgf1-hash", options->cipher.mgf1_hash);
  client_json_add_string (builder, "ciphertext", base64);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
encrypt (ClientSession *session, const EncryptOptions *options, tpmid_error *error)
{
  const ClientCipherOptions *cipher = &options->cipher;
  g_auto (ClientSecret) plaintext = { 0 };
  g_autoptr (EVP_PKEY) key = NULL;
  g_autoptr (GBytes) ciphertext = NULL;
  gsize size;

  if ((!session->json && !client_file_check_binary (cipher->out_file, "the ciphertext", error))
      || !client_file_read_secret (cipher->in_file, CLIENT_CIPHERTEXT_MAX + 1, &plaintext, error)
      || !load_key (session, options, &key, error) || !client_cipher_encrypt (key, cipher, &plaintext, &ciphertext, error))
    return FALSE;

  const guint8 *data = g_bytes_get_data (ciphertext, &size);
  if ((!session->json || cipher->out_file != NULL) && !client_file_write (cipher->out_file, data, size, error))
    return FALSE;
  if (session->json)
    print_json (options, data, size);
  return TRUE;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_auto (EncryptOptions) options = { 0 };
  ClientCipherOptions *cipher = &options.cipher;
  const GOptionEntry entries[] = {
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &cipher->key, "For this key (credentials)", "NAME" },
    { "public", 0, 0, G_OPTION_ARG_FILENAME, &options.public_file, "For the public key or certificate in this file", "FILE" },
    { "scheme", 0, 0, G_OPTION_ARG_FILENAME, &cipher->scheme, "oaep (default), pkcs1 or cms", "S" },
    { "hash", 0, 0, G_OPTION_ARG_FILENAME, &cipher->hash, "oaep: sha1, sha256 (default), sha384 or sha512", "ALG" },
    { "mgf1-hash", 0, 0, G_OPTION_ARG_FILENAME, &cipher->mgf1_hash, "oaep: the hash in MGF1 (that of --hash)", "ALG" },
    { "label", 0, 0, G_OPTION_ARG_FILENAME, &cipher->label, "oaep: the label, byte for byte", "TEXT" },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &cipher->in_file, "Encrypt this file", "FILE" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &cipher->out_file, "Write the ciphertext here (standard output)", "FILE" },
    { NULL },
  };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && check (&options, error) && encrypt (session, &options, error);
}

const ClientVerb client_verb_encrypt = {
  .name = "encrypt",
  .synopsis = "[--key NAME | --public FILE] [--scheme S] [--hash ALG] [--mgf1-hash ALG] [--label TEXT] --in FILE [--out FILE]",
  .summary = "Encrypt a file in software, for a key that decrypts",
  .description = "With oaep and pkcs1 a key takes less than its own size, RSA-2048 takes 190 bytes by default; cms takes about\n"
                 "255 KiB. A key that is being made is waited for, 120 seconds or what --timeout says; with --public tpmidd is\n"
                 "not asked. With --json the ciphertext is in the result, in base64.",
  .run = run,
};

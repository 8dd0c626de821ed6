/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-cipher.h"
#include "client-cms.h"
#include "client-file.h"
#include "client-session.h"
#include "client-text.h"

#include <string.h>

/* PEM and S/MIME need four bytes and line breaks for three of DER, and text in front. */
#define CMS_FILE_MAX (2 * CLIENT_CIPHERTEXT_MAX)

static gboolean
load_ciphertext (const ClientCipherOptions *options, GBytes **ret_ciphertext, tpmid_error *error)
{
  gboolean cms = g_str_equal (options->scheme, "cms");
  gsize limit = cms ? CMS_FILE_MAX : CLIENT_CIPHERTEXT_MAX;
  g_autoptr (GBytes) content = NULL;
  g_autoptr (GBytes) der = NULL;

  if (!client_file_read_start (options->in_file, limit + 1, &content, error))
    return FALSE;
  if (g_bytes_get_size (content) == 0)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "%s is empty", client_file_name (options->in_file));
  if (cms && g_bytes_get_size (content) <= limit && !client_cms_to_der (options->in_file, content, &der, error))
    return FALSE;
  if (g_bytes_get_size (der != NULL ? der : content) > CLIENT_CIPHERTEXT_MAX)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "%s is too long: tpmidd decrypts at most %d bytes",
                             client_file_name (options->in_file), CLIENT_CIPHERTEXT_MAX);
  *ret_ciphertext = g_bytes_ref (der != NULL ? der : content);
  return TRUE;
}

static tpmid_value *
make_options (const ClientCipherOptions *options)
{
  g_autoptr (tpmid_value) dict = tpmid_value_new_dict ();
  int r = dict != NULL ? tpmid_value_set_string (dict, "scheme", options->scheme) : -1;

  if (r >= 0 && options->hash != NULL)
    r = tpmid_value_set_string (dict, "hash", options->hash);
  if (r >= 0 && options->mgf1_hash != NULL)
    r = tpmid_value_set_string (dict, "mgf1-hash", options->mgf1_hash);
  if (r >= 0 && options->label != NULL && options->label[0] != '\0')
    r = tpmid_value_set_bytes (dict, "label", options->label, strlen (options->label));
  return r >= 0 ? g_steal_pointer (&dict) : NULL;
}

static char *
make_member (const char *name, const char *value)
{
  return value != NULL ? g_strdup_printf (",\n  \"%s\" : \"%s\"", name, value) : g_strdup ("");
}

/* Made by hand: json-glib leaves copies behind. No member needs quoting. */
static gboolean
print_json (const ClientCipherOptions *options, const ClientSecret *plaintext, tpmid_error *error)
{
  g_autofree char *hash = make_member ("hash", options->hash);
  g_autofree char *mgf1_hash = make_member ("mgf1-hash", options->mgf1_hash);
  g_autofree char *before = g_strdup_printf ("{\n  \"key\" : \"%s\",\n  \"scheme\" : \"%s\"%s%s,\n  \"plaintext\" : \"",
                                             options->key, options->scheme, hash, mgf1_hash);
  g_auto (ClientSecret) text = { 0 };

  client_secret_base64 (plaintext, before, "\"\n}\n", &text);
  return client_file_write_secret (NULL, &text, error);
}

/* What stands in the text may be anybody's, who has the public key: it is not to command the terminal. */
static gboolean
output (const ClientSession *session, const ClientCipherOptions *options, const ClientSecret *plaintext, tpmid_error *error)
{
  if (!session->json && !client_text_is_text (plaintext->data, plaintext->size)
      && !client_file_check_binary (options->out_file, "the decrypted data", error))
    return FALSE;
  if ((!session->json || options->out_file != NULL) && !client_file_write_secret (options->out_file, plaintext, error))
    return FALSE;
  return !session->json || print_json (options, plaintext, error);
}

static gboolean
decrypt (ClientSession *session, const ClientCipherOptions *options, tpmid_error *error)
{
  g_auto (ClientSecret) plaintext = { 0 };
  g_autoptr (GBytes) ciphertext = NULL;
  gsize size;

  if (!load_ciphertext (options, &ciphertext, error))
    return FALSE;

  const guint8 *data = g_bytes_get_data (ciphertext, &size);
  g_autoptr (tpmid_value) dict = make_options (options);
  if (dict == NULL)
    return client_error_set (error, CLIENT_ERROR_FAILED, "cannot make the options of the call");
  if (tpmid_decrypt (client_session_get (session), options->key, data, size, dict, session->timeout_ms, &plaintext.data,
                     &plaintext.size, error) < 0)
    return FALSE;
  plaintext.room = plaintext.size;
  return output (session, options, &plaintext, error);
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  g_auto (ClientCipherOptions) options = { 0 };
  const GOptionEntry entries[] = {
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &options.key, "With this key (credentials)", "NAME" },
    { "scheme", 0, 0, G_OPTION_ARG_FILENAME, &options.scheme, "oaep (default), pkcs1 or cms", "S" },
    { "hash", 0, 0, G_OPTION_ARG_FILENAME, &options.hash, "oaep: sha1, sha256 (default), sha384 or sha512", "ALG" },
    { "mgf1-hash", 0, 0, G_OPTION_ARG_FILENAME, &options.mgf1_hash, "oaep: the hash in MGF1 (that of --hash)", "ALG" },
    { "label", 0, 0, G_OPTION_ARG_FILENAME, &options.label, "oaep: the label, byte for byte", "TEXT" },
    { "in", 0, 0, G_OPTION_ARG_FILENAME, &options.in_file, "Decrypt this file", "FILE" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &options.out_file, "Write the result here, mode 0600 (standard output)", "FILE" },
    { NULL },
  };

  return client_session_parse_verb (session, self, entries, arguments, error) && client_session_expect (*arguments, 1, error)
         && client_cipher_options_check (&options, "decrypt", error) && decrypt (session, &options, error);
}

const ClientVerb client_verb_decrypt = {
  .name = "decrypt",
  .synopsis = "[--key NAME] [--scheme S] [--hash ALG] [--mgf1-hash ALG] [--label TEXT] --in FILE [--out FILE]",
  .summary = "Decrypt a file",
  .description = "Scheme, hashes and label are those of the encryption; a cms message may be DER, PEM or S/MIME. A terminal\n"
                 "gets text, and other data with --out - only; with --json what was encrypted is in the result, in base64.",
  .run = run,
};

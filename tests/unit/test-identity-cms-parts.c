/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-cms.h"
#include "identity-rsa-support.h"

#include <string.h>

#define TEXT "the secret of a device"
#define TEXT_SIZE (sizeof TEXT - 1)
#define TAG_SIZE 16

/* Messages made piece by piece, of which openssl(1) makes none. */

typedef struct
{
  const char *type;              /* OID of the ContentInfo */
  const char *key_algorithm;     /* lines of a section, as the next one too */
  const char *content_algorithm;
  const char *encrypted;         /* a line */
  const char *rest;              /* lines: attributes and MAC */
  const char *sections;
} Parts;

#define ENVELOPED "1.2.840.113549.1.7.3"
#define AUTH_ENVELOPED "1.2.840.113549.1.9.16.1.23"
#define RSA_ENCRYPTION "a=OID:rsaEncryption\nb=NULL\n"
#define AES_128_CBC "a=OID:aes-128-cbc\nb=FORMAT:HEX,OCT:000102030405060708090a0b0c0d0e0f\n"
#define CONTENT "c=IMPLICIT:0,FORMAT:HEX,OCT:000102030405060708090a0b0c0d0e0f\n"

static GBytes *
generate (Fixture *fixture, const char *config)
{
  g_free (fixture_write (fixture, "config", config, -1));
  g_free (run_openssl (fixture, "asn1parse -genconf config -noout -out generated"));
  return fixture_read (fixture, "generated");
}

static GBytes *
make_message (Fixture *fixture, const Parts *parts, const char *encrypted_key)
{
  g_autofree char *config = g_strdup_printf (
    "asn1=SEQ:info\n"
    "[info]\na=OID:%s\nb=EXP:0,SEQ:envelope\n"
    "[envelope]\na=INT:0\nb=SET:recipients\nc=SEQ:content\n%s\n"
    "[recipients]\na=SEQ:recipient\n"
    "[recipient]\na=INT:2\nb=IMPLICIT:0,FORMAT:HEX,OCT:00\nc=SEQ:key_algorithm\nd=%sOCT:%s\n"
    "[key_algorithm]\n%s\n"
    "[content]\na=OID:1.2.840.113549.1.7.1\nb=SEQ:content_algorithm\n%s\n"
    "[content_algorithm]\n%s\n%s",
    parts->type, parts->rest != NULL ? parts->rest : "", *encrypted_key != '\0' ? "FORMAT:HEX," : "", encrypted_key,
    parts->key_algorithm != NULL ? parts->key_algorithm : RSA_ENCRYPTION, parts->encrypted != NULL ? parts->encrypted : "",
    parts->content_algorithm, parts->sections != NULL ? parts->sections : "");

  return generate (fixture, config);
}

#define OAEP_SECTIONS(mask, source) "[p]\na=EXP:1,SEQ:mask\nb=EXP:2,SEQ:source\n[mask]\n" mask "\n[source]\n" source "\n"
#define OAEP_WORDS "not those of RSAES-OAEP with MGF1 and a specified label"
#define GCM_SECTIONS(parameters) "[g]\n" parameters "\n"
#define TAG(size) "d=FORMAT:HEX,OCT:" size "\n"
#define BYTES_11 "0001020304050607080910"
#define BYTES_16 "00010203040506070809101112131415"

static const struct
{
  Parts parts;
  const char *words;
} refused_parts[] = {
  { { ENVELOPED, NULL, AES_128_CBC, NULL }, "the message's content is detached" },
  { { ENVELOPED, NULL, "a=OID:aes-128-cbc", CONTENT }, "no initialization vector of 16 bytes" },
  { { ENVELOPED, NULL, "a=OID:aes-128-cbc\nb=NULL", CONTENT }, "no initialization vector of 16 bytes" },
  { { ENVELOPED, NULL, "a=OID:aes-128-cbc\nb=OCT:12345678", CONTENT }, "no initialization vector of 16 bytes" },
  { { ENVELOPED, NULL, "a=OID:des-ede3-cbc\nb=OCT:1234567890123456", CONTENT }, "no initialization vector of 8 bytes" },
  { { ENVELOPED, NULL, "a=OID:1.2.3.4\nb=NULL", CONTENT }, "is encrypted by \"1.2.3.4\" in EnvelopedData" },
  { { ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, NULL, GCM_SECTIONS ("a=OCT:123456789012") },
    "is encrypted by \"aes-128-gcm\" in EnvelopedData" },
  { { AUTH_ENVELOPED, NULL, AES_128_CBC, CONTENT, TAG (BYTES_16) }, "is encrypted by \"aes-128-cbc\" in AuthEnvelopedData" },
  { { AUTH_ENVELOPED, NULL, AES_128_CBC, CONTENT }, "in DER or BER" },
  { { ENVELOPED, NULL, AES_128_CBC, CONTENT, TAG (BYTES_16) }, "in DER or BER" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm", CONTENT, TAG (BYTES_16) }, "are not those of AES-GCM" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=OCT:123456789012", CONTENT, TAG (BYTES_16) }, "are not those of AES-GCM" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_16), GCM_SECTIONS ("a=INT:16") },
    "are not those of AES-GCM" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_16), GCM_SECTIONS ("a=OCT:\nb=INT:16") },
    "has 0 bytes; 1 to 16" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_16),
      GCM_SECTIONS ("a=OCT:12345678901234567\nb=INT:16") }, "has 17 bytes; 1 to 16" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_16), GCM_SECTIONS ("a=OCT:123456789012") },
    "says that its authentication tag has 12 bytes, and has 16" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_11),
      GCM_SECTIONS ("a=OCT:123456789012\nb=INT:11") },
    "must be 12 to 16" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_16 "16"),
      GCM_SECTIONS ("a=OCT:123456789012\nb=INT:17") }, "must be 12 to 16" },
  { { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", CONTENT, TAG (BYTES_16),
      GCM_SECTIONS ("a=OCT:123456789012\nb=INT:-0x7fffffffffffffffffffffffffff") }, "must be 12 to 16" },
  { { ENVELOPED, "a=OID:1.2.3.4", AES_128_CBC, CONTENT }, "key is encrypted by \"1.2.3.4\"; understood are" },
  { { ENVELOPED, "a=OID:rsassaPss", AES_128_CBC, CONTENT }, "key is encrypted by \"rsassaPss\"" },
  { { ENVELOPED, "a=OID:rsaesOaep", AES_128_CBC, CONTENT }, OAEP_WORDS },
  { { ENVELOPED, "a=OID:rsaesOaep\nb=NULL", AES_128_CBC, CONTENT }, OAEP_WORDS },
  { { ENVELOPED, "a=OID:rsaesOaep\nb=SEQ:p", AES_128_CBC, CONTENT, NULL, OAEP_SECTIONS ("a=OID:1.2.3\nb=SEQ:h",
      "a=OID:pSpecified\nb=OCT:x") "[h]\na=OID:sha256\n" }, OAEP_WORDS },
  { { ENVELOPED, "a=OID:rsaesOaep\nb=SEQ:p", AES_128_CBC, CONTENT, NULL, OAEP_SECTIONS ("a=OID:mgf1",
      "a=OID:pSpecified\nb=OCT:x") }, OAEP_WORDS },
  { { ENVELOPED, "a=OID:rsaesOaep\nb=SEQ:p", AES_128_CBC, CONTENT, NULL, OAEP_SECTIONS ("a=OID:mgf1\nb=SEQ:h",
      "a=OID:1.2.3\nb=OCT:x") "[h]\na=OID:sha256\n" }, OAEP_WORDS },
  { { ENVELOPED, "a=OID:rsaesOaep\nb=SEQ:p", AES_128_CBC, CONTENT, NULL, OAEP_SECTIONS ("a=OID:mgf1\nb=SEQ:h",
      "a=OID:pSpecified\nb=NULL") "[h]\na=OID:sha256\n" }, OAEP_WORDS },
  { { ENVELOPED, "a=OID:rsaesOaep\nb=SEQ:p", AES_128_CBC, CONTENT, NULL, OAEP_SECTIONS ("a=OID:mgf1\nb=SEQ:h",
      "a=OID:pSpecified\nb=OCT:x") "[h]\na=OID:1.2.3.4\n" }, "there is no hash \"1.2.3.4\"" },
};

static void
test_pieces_that_are_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "a", 2048);

  for (guint i = 0; i < G_N_ELEMENTS (refused_parts); i++)
    {
      g_autoptr (GBytes) message = make_message (fixture, &refused_parts[i].parts, "00");
      assert_cms_refused (key, message, refused_parts[i].words);
    }
}

/* What only the private key could show: the key's size, the content's size. */
static void
test_pieces_that_do_not_decrypt (Fixture *fixture, gconstpointer data)
{
  static const Parts cases[] = {
    { ENVELOPED, NULL, AES_128_CBC, CONTENT },
    { ENVELOPED, NULL, AES_128_CBC, "c=IMPLICIT:0,OCT:" },
    { ENVELOPED, NULL, AES_128_CBC, "c=IMPLICIT:0,OCT:x" },
    { ENVELOPED, "a=OID:rsaEncryption", AES_128_CBC, CONTENT },
    { ENVELOPED, "a=OID:rsaesOaep\nb=SEQ:p", AES_128_CBC, CONTENT, NULL, "[p]\n" },
    { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", "c=IMPLICIT:0,OCT:", TAG (BYTES_16),
      GCM_SECTIONS ("a=OCT:123456789012\nb=INT:16") },
  };
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "a", 2048);
  g_autofree char *zeros = g_strnfill (512, '0');
  g_autofree char *ones = g_strnfill (512, 'f');
  const char *const keys[] = { "", "00", zeros, ones };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint j = 0; j < G_N_ELEMENTS (keys); j++)
      {
        g_autoptr (GBytes) message = make_message (fixture, &cases[i], keys[j]);
        assert_cms_fails (key, message);
      }
}

/* AES-GCM messages with attributes, which openssl(1) does not make. */

static char *
to_hex (gconstpointer data, gsize size)
{
  GString *hex = g_string_new (NULL);

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (hex, "%02x", ((const guint8 *) data)[i]);
  return g_string_free (hex, FALSE);
}

static const guint8 gcm_key[16] = "0123456789abcdef";

static void
gcm_encrypt (const char *nonce, GBytes *attributes, guint8 encrypted[TEXT_SIZE], guint8 tag[TAG_SIZE])
{
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new ();
  gsize size = g_bytes_get_size (attributes);
  int taken;

  g_assert_cmpint (EVP_EncryptInit_ex (context, EVP_aes_128_gcm (), NULL, NULL, NULL), ==, 1);
  g_assert_cmpint (EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_SET_IVLEN, (int) strlen (nonce), NULL), ==, 1);
  g_assert_cmpint (EVP_EncryptInit_ex (context, NULL, NULL, gcm_key, (const guint8 *) nonce), ==, 1);
  if (size > 0)
    g_assert_cmpint (EVP_EncryptUpdate (context, NULL, &taken, g_bytes_get_data (attributes, NULL), (int) size), ==, 1);
  g_assert_cmpint (EVP_EncryptUpdate (context, encrypted, &taken, (const guint8 *) TEXT, (int) TEXT_SIZE), ==, 1);
  g_assert_cmpint (taken, ==, TEXT_SIZE);
  g_assert_cmpint (EVP_EncryptFinal_ex (context, encrypted + taken, &taken), ==, 1);
  g_assert_cmpint (EVP_CIPHER_CTX_ctrl (context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag), ==, 1);
  EVP_CIPHER_CTX_free (context);
}

static char *
encrypt_gcm_key (Fixture *fixture)
{
  g_free (fixture_write (fixture, "key", gcm_key, sizeof gcm_key));
  g_free (run_openssl (fixture, "pkeyutl -encrypt -pubin -inkey a.pub -in key -out key.enc"));
  g_autoptr (GBytes) encrypted = fixture_read (fixture, "key.enc");
  return to_hex (g_bytes_get_data (encrypted, NULL), g_bytes_get_size (encrypted));
}

/* @told: the attributes' lines in the message, before the MAC; @rest: what follows the MAC */
typedef struct
{
  const char *nonce;
  GBytes *attributes;
  gsize tag_size;
  const char *tag_size_line;
  const char *told;
  const char *rest;
  const char *sections;
} Gcm;

static GBytes *
make_gcm_message (Fixture *fixture, const Gcm *gcm)
{
  guint8 encrypted[TEXT_SIZE], tag[TAG_SIZE];

  gcm_encrypt (gcm->nonce, gcm->attributes, encrypted, tag);
  g_autofree char *key = encrypt_gcm_key (fixture);
  g_autofree char *encrypted_hex = to_hex (encrypted, sizeof encrypted);
  g_autofree char *tag_hex = to_hex (tag, gcm->tag_size);
  g_autofree char *content = g_strdup_printf ("c=IMPLICIT:0,FORMAT:HEX,OCT:%s\n", encrypted_hex);
  g_autofree char *rest = g_strdup_printf ("%s\ne=FORMAT:HEX,OCT:%s\n%s", gcm->told, tag_hex, gcm->rest);
  g_autofree char *sections
    = g_strdup_printf ("[g]\na=OCT:%s\n%s\n%s", gcm->nonce, gcm->tag_size_line, gcm->sections);
  Parts parts = { AUTH_ENVELOPED, NULL, "a=OID:aes-128-gcm\nb=SEQ:g", content, rest, sections };

  return make_message (fixture, &parts, key);
}

/* The longer one first, which is not the order of DER. */
#define ATTRIBUTES "[attributes]\na=SEQ:long\nb=SEQ:short\n" \
  "[long]\na=OID:1.2.840.113549.1.9.3\nb=SET:long_values\n[long_values]\na=OID:1.2.840.113549.1.7.1\n" \
  "[short]\na=OID:1.2.3\nb=SET:short_values\n[short_values]\na=INT:%d\n"

static void
test_authenticated_attributes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "a", 2048);
  g_autofree char *sections = g_strdup_printf (ATTRIBUTES, 1);
  g_autofree char *changed = g_strdup_printf (ATTRIBUTES, 2);
  g_autofree char *alone = g_strconcat ("asn1=SET:attributes\n", sections, NULL);
  g_autoptr (GBytes) attributes = generate (fixture, alone);
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  const char *in_order = "d=IMPLICIT:1,SET:attributes", *out_of_order = "d=IMPLICIT:1,SEQ:attributes";
  Gcm good[] = {
    { "123456789012", attributes, 16, "b=INT:16", in_order, "", sections },
    { "123456789012", attributes, 16, "b=INT:16", out_of_order, "", sections },
    { "123456789012", attributes, 16, "b=INT:16", in_order, "f=IMPLICIT:2,SET:attributes\n", sections },
    { "123456789012", none, 16, "b=INT:16", "", "f=IMPLICIT:2,SET:attributes\n", sections },
  };
  Gcm bad[] = {
    { "123456789012", attributes, 16, "b=INT:16", in_order, "", changed },
    { "123456789012", attributes, 16, "b=INT:16", "", "", sections },
    { "123456789012", attributes, 16, "b=INT:16", "", "f=IMPLICIT:2,SET:attributes\n", sections },
    { "123456789012", none, 16, "b=INT:16", in_order, "", sections },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GBytes) message = make_gcm_message (fixture, &good[i]);
      assert_cms_opens (key, message, TEXT, TEXT_SIZE);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GBytes) message = make_gcm_message (fixture, &bad[i]);
      assert_cms_fails (key, message);
    }
}

static void
test_nonces_and_tags (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = test_rsa_key_new (fixture, "a", 2048);
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  const Gcm cases[] = {
    { "123456789012", none, 12, "", "", "", "" }, /* the default */
    { "123456789012", none, 12, "b=INT:12", "", "", "" },
    { "123456789012", none, 15, "b=INT:15", "", "", "" },
    { "1", none, 16, "b=INT:16", "", "", "" },
    { "1234567890123456", none, 16, "b=INT:16", "", "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) message = make_gcm_message (fixture, &cases[i]);
      assert_cms_opens (key, message, TEXT, TEXT_SIZE);
    }
}

#define ADD(path, function) g_test_add ("/identity/cms-parts/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("pieces-that-are-not-understood-are-named", test_pieces_that_are_refused);
  ADD ("pieces-that-do-not-decrypt-fail-alike", test_pieces_that_do_not_decrypt);
  ADD ("authenticated-attributes-are-authenticated-as-a-set-of", test_authenticated_attributes);
  ADD ("nonces-and-tags-of-other-sizes-work", test_nonces_and_tags);
  return g_test_run ();
}

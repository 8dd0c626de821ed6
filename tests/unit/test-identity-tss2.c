/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-support.h"
#include "identity-tss2.h"

#include <string.h>

#define BEGIN "-----BEGIN TSS2 PRIVATE KEY-----\n"
#define END "-----END TSS2 PRIVATE KEY-----\n"

/* The lines of a key for "openssl asn1parse -genconf". */
#define TYPE "type=OID:2.23.133.10.1.3\n"
#define AUTH "auth=EXPLICIT:0,BOOLEAN:TRUE\n"
#define PARENT "parent=INTEGER:0x81005400\n"
#define BLOBS "pub=FORMAT:HEX,OCTETSTRING:0002ab00\npriv=FORMAT:HEX,OCTETSTRING:0001cd\n"
#define SOUND TYPE AUTH PARENT BLOBS

static const guint8 public_blob[] = { 0, 2, 0xab, 0 };
static const guint8 private_blob[] = { 0, 1, 0xcd };

static char *
encode (guint32 parent)
{
  g_auto (IdentityTss2) key = {
    .parent = parent,
    .public_blob = g_bytes_new_static (public_blob, sizeof public_blob),
    .private_blob = g_bytes_new_static (private_blob, sizeof private_blob),
  };
  g_autoptr (GError) error = NULL;
  char *pem = identity_tss2_encode (&key, &error);

  g_assert_no_error (error);
  return pem;
}

static void
assert_is_the_key (const IdentityTss2 *key, guint32 parent)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (key->public_blob, &size);

  g_assert_cmphex (key->parent, ==, parent);
  g_assert_cmpmem (data, size, public_blob, sizeof public_blob);
  data = g_bytes_get_data (key->private_blob, &size);
  g_assert_cmpmem (data, size, private_blob, sizeof private_blob);
}

static void
assert_decodes (const char *pem, guint32 parent)
{
  g_auto (IdentityTss2) key = { 0 };
  g_autoptr (GError) error = NULL;

  (void) identity_tss2_decode (pem, strlen (pem), "FILE", &key, &error);
  g_assert_no_error (error);
  assert_is_the_key (&key, parent);
}

static void
assert_decoding_fails (const char *pem, gsize size, TpmidError code)
{
  IdentityTss2 key = { .parent = 7 };
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_tss2_decode (pem, size, "FILE", &key, &error));
  g_assert_cmpuint (key.parent, ==, 7);
  g_assert_null (key.public_blob);
  assert_refused (&error, code, "FILE");
}

static char *
wrap (const guint8 *der, gsize size)
{
  g_autofree char *body = g_base64_encode (der, size);
  g_autoptr (GString) pem = g_string_new (BEGIN);

  for (gsize at = 0; at < strlen (body); at += 64)
    g_string_append_printf (pem, "%.64s\n", body + at);
  g_string_append (pem, END);
  return g_strdup (pem->str);
}

static GBytes *
unwrap (const char *pem)
{
  g_autofree char *body = g_strndup (pem + strlen (BEGIN), strlen (pem) - strlen (BEGIN) - strlen (END));
  gsize size;
  guchar *der = g_base64_decode (body, &size);

  g_assert_true (g_str_has_prefix (pem, BEGIN));
  g_assert_true (g_str_has_suffix (pem, END));
  return g_bytes_new_take (der, size);
}

/* What openssl makes of the lines. */
static GBytes *
build (Fixture *fixture, const char *lines)
{
  g_autofree char *config = g_strconcat ("asn1=SEQUENCE:key\n[nothing]\n[key]\n", lines, NULL);

  g_free (fixture_write (fixture, "config", config, -1));
  g_free (run_openssl (fixture, "asn1parse -noout -genconf config -out der"));
  return fixture_read (fixture, "der");
}

static void
test_what_is_encoded_comes_back (Fixture *fixture, gconstpointer data)
{
  static const guint32 parents[] = { 0x81005400, 0x40000001, 0, 1, 0x7f, 0x80, G_MAXUINT32 };

  for (gsize i = 0; i < G_N_ELEMENTS (parents); i++)
    {
      g_autofree char *pem = encode (parents[i]);
      assert_decodes (pem, parents[i]);
    }
}

/* The file format of others: what openssl builds by the specification is what we write, byte for byte. */
static void
test_it_is_what_the_specification_says (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pem = encode (0x81005400);
  g_autoptr (GBytes) found = unwrap (pem);
  g_autoptr (GBytes) expected = build (fixture, SOUND);
  g_autofree char *path = fixture_write (fixture, "key.pem", pem, -1);
  g_autofree char *structure = run_openssl (fixture, "asn1parse -in key.pem");

  g_assert_true (g_bytes_equal (found, expected));
  assert_contains (structure, "OBJECT            :2.23.133.10.1.3");
  assert_contains (structure, "BOOLEAN           :255");
  assert_contains (structure, "INTEGER           :81005400");
}

static void
test_text_and_other_blocks_around_it_are_passed_over (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pem = encode (5);
  g_autofree char *other = run_openssl (fixture, "genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
  g_autofree char *all = g_strconcat ("Usage: sign\n\n", strstr (other, "-----BEGIN"), "more\n", pem, other, "behind\n", NULL);

  assert_decodes (all, 5);
}

static void
test_nothing_of_the_kind_is_not_found (Fixture *fixture, gconstpointer data)
{
  static const char *const none[] = {
    "", "\n", "text\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-----BEGIN TSS2 PRIVATE KEY",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (none); i++)
    assert_decoding_fails (none[i], strlen (none[i]), TPMID_ERROR_NOT_FOUND);
}

static void
assert_kind (Fixture *fixture, const char *lines, gboolean good)
{
  g_autoptr (GBytes) der = build (fixture, lines);
  g_autofree char *pem = wrap (g_bytes_get_data (der, NULL), g_bytes_get_size (der));

  if (good)
    assert_decodes (pem, 0x81005400);
  else
    assert_decoding_fails (pem, strlen (pem), TPMID_ERROR_CORRUPT);
}

static void
test_keys_of_other_kinds_are_refused (Fixture *fixture, gconstpointer data)
{
  static const char *const bad[] = {
    /* Importable, sealed, not of this tree. */
    "type=OID:2.23.133.10.1.4\n" AUTH PARENT BLOBS,
    "type=OID:2.23.133.10.1.5\n" AUTH PARENT BLOBS,
    "type=OID:1.2.840.113549.1.1.1\n" AUTH PARENT BLOBS,
    /* With a password. */
    TYPE PARENT BLOBS,
    TYPE "auth=EXPLICIT:0,BOOLEAN:FALSE\n" PARENT BLOBS,
    /* With a policy, a secret, a policy that is authorized. */
    TYPE AUTH "p=EXPLICIT:1,SEQUENCE:nothing\n" PARENT BLOBS,
    TYPE AUTH "s=EXPLICIT:2,FORMAT:HEX,OCTETSTRING:00\n" PARENT BLOBS,
    TYPE AUTH "p=EXPLICIT:3,SEQUENCE:nothing\n" PARENT BLOBS,
    /* No handle. */
    TYPE AUTH "parent=INTEGER:-1\n" BLOBS,
    TYPE AUTH "parent=INTEGER:0x100000000\n" BLOBS,
    TYPE AUTH "parent=INTEGER:0x10000000000000000\n" BLOBS,
    TYPE AUTH "parent=UTF8:x\n" BLOBS,
    /* Too little, too much. */
    TYPE AUTH PARENT "pub=FORMAT:HEX,OCTETSTRING:0002ab00\n",
    SOUND "more=INTEGER:1\n",
  };

  assert_kind (fixture, SOUND, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_kind (fixture, bad[i], FALSE);
}

static void
test_every_cut_is_noticed (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pem = encode (0x81005400);
  g_autoptr (GBytes) der = unwrap (pem);

  for (gsize size = 0; size < g_bytes_get_size (der); size++)
    {
      g_autofree char *cut = wrap (g_bytes_get_data (der, NULL), size);
      /* Of nothing at all OpenSSL makes no block. */
      assert_decoding_fails (cut, strlen (cut), size == 0 ? TPMID_ERROR_NOT_FOUND : TPMID_ERROR_CORRUPT);
    }
  for (gsize size = 0; size < strlen (pem) - 1; size++)
    assert_decoding_fails (pem, size, TPMID_ERROR_NOT_FOUND);
}

static void
test_bytes_behind_it_are_noticed (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pem = encode (0x81005400);
  g_autoptr (GBytes) der = unwrap (pem);
  gsize size = g_bytes_get_size (der);
  g_autofree guint8 *more = g_malloc0 (size + 1);

  memcpy (more, g_bytes_get_data (der, NULL), size);
  g_autofree char *longer = wrap (more, size + 1);
  assert_decoding_fails (longer, strlen (longer), TPMID_ERROR_CORRUPT);
}

/* A flipped bit is refused, or is one of another key; nothing breaks. */
static void
test_every_flipped_bit_is_survived (Fixture *fixture, gconstpointer data)
{
  g_autofree char *pem = encode (0x81005400);
  g_autoptr (GBytes) der = unwrap (pem);
  gsize size = g_bytes_get_size (der);
  guint refused = 0, other = 0;

  for (gsize bit = 0; bit < 8 * size; bit++)
    {
      g_autofree guint8 *flipped = g_memdup2 (g_bytes_get_data (der, NULL), size);
      flipped[bit / 8] ^= (guint8) (1 << bit % 8);
      g_autofree char *text = wrap (flipped, size);
      g_auto (IdentityTss2) key = { 0 };
      g_autoptr (GError) error = NULL;

      if (!identity_tss2_decode (text, strlen (text), "FILE", &key, &error))
        {
          assert_refused (&error, TPMID_ERROR_CORRUPT, "FILE");
          refused++;
          continue;
        }
      other += key.parent != 0x81005400 || memcmp (g_bytes_get_data (key.public_blob, NULL), public_blob, sizeof public_blob) != 0
               || memcmp (g_bytes_get_data (key.private_blob, NULL), private_blob, sizeof private_blob) != 0;
    }
  /* The parent without its highest bit, and the blobs, are content; nearly all else is structure. True has many forms. */
  g_assert_cmpuint (other, >=, 31 + 8 * (sizeof public_blob + sizeof private_blob));
  g_assert_cmpuint (other, <, 31 + 8 * (sizeof public_blob + sizeof private_blob) + 8);
  g_assert_cmpuint (refused, >=, 8 * size - other - 8);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "what-is-encoded-comes-back", test_what_is_encoded_comes_back },
    { "it-is-what-the-specification-says", test_it_is_what_the_specification_says },
    { "text-and-other-blocks-around-it-are-passed-over", test_text_and_other_blocks_around_it_are_passed_over },
    { "nothing-of-the-kind-is-not-found", test_nothing_of_the_kind_is_not_found },
    { "keys-of-other-kinds-are-refused", test_keys_of_other_kinds_are_refused },
    { "every-cut-is-noticed", test_every_cut_is_noticed },
    { "bytes-behind-it-are-noticed", test_bytes_behind_it_are_noticed },
    { "every-flipped-bit-is-survived", test_every_flipped_bit_is_survived },
  };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strconcat ("/identity/tss2/", tests[i].name, NULL);
      g_test_add (path, Fixture, NULL, fixture_set_up, tests[i].run, fixture_tear_down);
    }
  return g_test_run ();
}

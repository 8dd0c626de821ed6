/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-cms.h"
#include "identity-rsa-support.h"

#include <openssl/err.h>
#include <string.h>

#define TEXT "the secret of a device"
#define TEXT_SIZE (sizeof TEXT - 1)

/* A key, and NAME.crt for it with the usual identifier. */
static TestRsaKey *
make_recipient (Fixture *fixture, const char *name)
{
  TestRsaKey *key = test_rsa_key_new (fixture, name, 2048);

  g_free (run_openssl (fixture, "req -x509 -new -key %s.pem -subj /CN=%s -days 1 -out %s.crt", name, name, name));
  return key;
}

static GBytes *
run_cms (Fixture *fixture, gconstpointer plaintext, gsize size, const char *arguments)
{
  g_free (fixture_write (fixture, "plaintext", plaintext, (gssize) size));
  g_free (run_openssl (fixture, "cms -binary -in plaintext -outform DER -out message %s", arguments));
  return fixture_read (fixture, "message");
}

static GBytes *
encrypt (Fixture *fixture, const char *arguments)
{
  g_autofree char *all = g_strconcat ("-encrypt ", arguments, NULL);

  return run_cms (fixture, TEXT, TEXT_SIZE, all);
}

static const char *const cipher_options[] = {
  "", "-des3", "-aes-128-cbc", "-aes-192-cbc", "-aes-256-cbc", "-aes-128-gcm", "-aes-192-gcm", "-aes-256-gcm",
};
static const gsize key_sizes[] = { 24, 24, 16, 24, 32, 16, 24, 32 };
static const char *const recipient_options[] = {
  "-recip a.crt",
  "-recip a.crt -keyid",
  "-stream -recip a.crt -keyid",
  "-recip a.crt -keyopt rsa_padding_mode:oaep",
  "-keyid -recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
  "-stream -recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha512 -keyopt rsa_mgf1_md:sha1",
  "-recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha384 -keyopt rsa_oaep_label:006c",
};

static void
test_every_cipher (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");

  for (guint i = 0; i < G_N_ELEMENTS (cipher_options); i++)
    for (guint j = 0; j < G_N_ELEMENTS (recipient_options); j++)
      {
        g_autofree char *options = g_strdup_printf ("%s %s", cipher_options[i], recipient_options[j]);
        g_autoptr (GBytes) message = encrypt (fixture, options);
        g_autoptr (IdentityCms) cms = identity_cms_parse (message, NULL);

        assert_cms_opens (key, message, TEXT, TEXT_SIZE);
        g_assert_cmpuint (identity_cms_key_size (cms), ==, key_sizes[i]);
      }
}

static void
test_every_size (Fixture *fixture, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 7, 8, 15, 16, 17, 4096, 100000, 261000 };
  static const char *const options[] = { "-encrypt -aes-256-cbc a.crt", "-encrypt -stream -aes-256-cbc a.crt",
                                         "-encrypt -aes-256-gcm a.crt", "-encrypt -stream -aes-256-gcm a.crt" };
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");
  g_autofree guint8 *plaintext = g_malloc (261000);

  for (gsize i = 0; i < 261000; i++)
    plaintext[i] = (guint8) (i * 7);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (options); j++)
      {
        if (sizes[i] == 0 && strstr (options[j], "-stream -aes-256-gcm") != NULL)
          continue; /* openssl cms fails to write it */
        g_autoptr (GBytes) message = run_cms (fixture, plaintext, sizes[i], options[j]);

        assert_cms_opens (key, message, plaintext, sizes[i]);
      }
}

static void
test_kind_of_transport (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");
  static const char *const options[] = { "a.crt", "-recip a.crt -keyopt rsa_padding_mode:oaep" };

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      g_autoptr (GBytes) message = encrypt (fixture, options[i]);
      g_autoptr (IdentityCms) cms = identity_cms_parse (message, NULL);
      g_autoptr (GBytes) encrypted_key = NULL;
      g_autoptr (IdentityRsaPadding) padding = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (identity_cms_select (cms, key->spki, &encrypted_key, &padding, &error));
      assert_clean (error);
      g_assert_cmpint (identity_rsa_padding_is_pkcs1 (padding), ==, i == 0);
      g_assert_cmpuint (g_bytes_get_size (encrypted_key), ==, 256);
    }
}

/* Recipients */

static void
test_several_recipients (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) a = make_recipient (fixture, "a");
  g_autoptr (TestRsaKey) b = make_recipient (fixture, "b");
  g_autoptr (TestRsaKey) c = make_recipient (fixture, "c");
  g_autoptr (GBytes) named = encrypt (fixture, "-aes-128-gcm -keyid a.crt b.crt");
  g_autoptr (GBytes) unnamed = encrypt (fixture, "-aes-128-gcm a.crt b.crt");

  assert_cms_opens (a, named, TEXT, TEXT_SIZE);
  assert_cms_opens (b, named, TEXT, TEXT_SIZE);
  assert_cms_refused (c, named, "2 recipients, and none names this key by its identifier; encrypt with openssl cms -encrypt "
                      "-keyid");
  assert_cms_refused (a, unnamed, "openssl cms -encrypt -keyid");
}

/* A certificate's identifier may be another than the usual hash, and then names no key that can be compared. */
static void
test_only_recipient_is_tried (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) a = make_recipient (fixture, "a");
  g_autoptr (TestRsaKey) b = make_recipient (fixture, "b");

  g_free (run_openssl (fixture, "req -x509 -new -key a.pem -subj /CN=a -days 1 -addext subjectKeyIdentifier=01:02 -out x.crt"));
  g_autoptr (GBytes) message = encrypt (fixture, "-aes-128-gcm -keyid x.crt");
  g_autoptr (GBytes) with_other_kinds = encrypt (fixture, "-aes-128-cbc -pwri_password word -keyid x.crt");
  assert_cms_opens (a, message, TEXT, TEXT_SIZE);
  assert_cms_opens (a, with_other_kinds, TEXT, TEXT_SIZE);
  assert_cms_fails (b, message);
}

static void
test_no_recipient_with_rsa (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");
  const char *words = "the message is encrypted for no RSA key";

  g_free (run_openssl (fixture, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.pem -subj /CN=ec "
                       "-days 1 -out ec.crt"));
  g_autoptr (GBytes) agreement = encrypt (fixture, "-aes-128-cbc ec.crt");
  g_autoptr (GBytes) password = encrypt (fixture, "-aes-128-cbc -pwri_password word");
  g_autoptr (GBytes) wrapped
    = encrypt (fixture, "-aes-128-cbc -secretkey 000102030405060708090a0b0c0d0e0f -secretkeyid 01");
  assert_cms_refused (key, agreement, words);
  assert_cms_refused (key, password, words);
  assert_cms_refused (key, wrapped, words);
}

static void
test_recipients_are_limited (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");
  g_autoptr (GString) options = g_string_new ("-aes-128-cbc -keyid");

  for (guint i = 0; i < IDENTITY_CMS_RECIPIENTS_MAX; i++)
    g_string_append (options, " a.crt");
  g_autoptr (GBytes) most = encrypt (fixture, options->str);
  g_string_append (options, " a.crt");
  g_autoptr (GBytes) more = encrypt (fixture, options->str);
  assert_cms_opens (key, most, TEXT, TEXT_SIZE);
  assert_cms_refused (key, more, "the message has 65 recipients; at most 64 are allowed");
}

/* Messages that are none of ours */

static void
test_other_messages (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *arguments, *words;
  } cases[] = {
    { "-sign -signer a.crt -inkey a.pem", "of type \"pkcs7-signedData\"" },
    { "-EncryptedData_encrypt -aes128 -secretkey 000102030405060708090a0b0c0d0e0f", "of type \"pkcs7-encryptedData\"" },
    { "-data_create", "of type \"pkcs7-data\"" },
    { "-encrypt -camellia128 a.crt", "is encrypted by \"camellia-128-cbc\" in EnvelopedData; understood are aes-128-cbc" },
    { "-encrypt -outform PEM a.crt", "in DER or BER" },
    { "-encrypt -outform SMIME a.crt", "with -outform DER" },
    { "-encrypt -recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha224", "there is no hash \"sha224\"" },
    { "-encrypt -recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:md5",
      "there is no hash \"md5\"" },
  };
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) message = run_cms (fixture, TEXT, TEXT_SIZE, cases[i].arguments);
      assert_cms_refused (key, message, cases[i].words);
    }
}

static void
test_size_is_limited (Fixture *fixture, gconstpointer data)
{
  TestRsaKey none = { NULL, NULL };
  g_autofree guint8 *zeros = g_malloc0 (IDENTITY_CMS_MAX + 1);
  g_autoptr (GBytes) longest = g_bytes_new (zeros, IDENTITY_CMS_MAX);
  g_autoptr (GBytes) longer = g_bytes_new (zeros, IDENTITY_CMS_MAX + 1);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);

  assert_cms_refused (&none, longest, "in DER or BER");
  assert_cms_refused (&none, longer, "the message has 262145 bytes; at most 262144 are allowed");
  assert_cms_refused (&none, empty, "in DER or BER");
}

/* Deep nesting must not cost a stack. */
static void
test_nesting_is_limited (Fixture *fixture, gconstpointer data)
{
  static const guint8 header[] = { 0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03, 0xa0, 0x80 };
  static const guint8 tags[] = { 0x30, 0x31, 0xa0, 0x24 };
  TestRsaKey none = { NULL, NULL };
  g_autofree guint8 *nested = g_malloc (IDENTITY_CMS_MAX);

  for (guint i = 0; i < G_N_ELEMENTS (tags); i++)
    {
      for (gsize at = 0; at < IDENTITY_CMS_MAX; at++)
        nested[at] = at % 2 == sizeof header % 2 ? tags[i] : 0x80;
      memcpy (nested, header, sizeof header);
      g_autoptr (GBytes) message = g_bytes_new (nested, IDENTITY_CMS_MAX);
      assert_cms_refused (&none, message, "in DER or BER");
    }
}

static void
test_nothing_may_follow (Fixture *fixture, gconstpointer data)
{
  static const char *const options[] = { "-aes-128-cbc a.crt", "-aes-128-gcm -stream a.crt" };
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      g_autoptr (GBytes) message = encrypt (fixture, options[i]);
      g_autoptr (GByteArray) longer = g_byte_array_new ();

      g_byte_array_append (longer, g_bytes_get_data (message, NULL), (guint) g_bytes_get_size (message));
      g_byte_array_append (longer, (const guint8 *) "", 1);
      g_autoptr (GBytes) with_more = g_byte_array_free_to_bytes (g_steal_pointer (&longer));
      assert_cms_refused (key, with_more, "not one whole ContentInfo");
    }
}

static void
test_keys_that_are_no_keys (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) a = make_recipient (fixture, "a");
  g_autoptr (IdentitySoftkey) ec = make_key (fixture, "ec.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) message = encrypt (fixture, "a.crt");
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  g_autoptr (IdentityCms) cms = identity_cms_parse (message, NULL);
  g_autoptr (GBytes) encrypted_key = NULL;
  g_autoptr (IdentityRsaPadding) padding = NULL;
  g_autoptr (GError) error = NULL;
  TestRsaKey other = { NULL, identity_softkey_peek_spki (ec) };

  g_assert_false (identity_cms_select (cms, garbage, &encrypted_key, &padding, &error));
  assert_refused (&error, TPMID_ERROR_FAILED, "identifier of a key");
  g_assert_null (encrypted_key);
  g_assert_null (padding);
  assert_cms_fails (&other, message);
  assert_cms_opens (a, message, TEXT, TEXT_SIZE);
}
/* Keys that are not the content's */

static void
test_wrong_content_keys (Fixture *fixture, gconstpointer data)
{
  static const guint8 zeros[64];
  static const gsize sizes[] = { 0, 8, 15, 16, 17, 24, 32, 64 };

  test_rsa_key_free (make_recipient (fixture, "a"));
  for (guint i = 0; i < G_N_ELEMENTS (cipher_options); i++)
    {
      g_autofree char *options = g_strdup_printf ("%s a.crt", cipher_options[i]);
      g_autoptr (GBytes) message = encrypt (fixture, options);
      g_autoptr (IdentityCms) cms = identity_cms_parse (message, NULL);

      for (guint j = 0; j < G_N_ELEMENTS (sizes); j++)
        {
          g_autoptr (BaseSecret) content_key = base_secret_new (zeros, sizes[j]);
          g_autoptr (GError) error = NULL;
          g_autoptr (BaseSecret) content = identity_cms_open (cms, content_key, &error);

          /* One wrong key in 256 gives CBC a sound padding. */
          if (content == NULL)
            assert_decrypt_failed (&error);
          else
            g_assert_true (identity_cms_key_size (cms) == sizes[j] && strstr (cipher_options[i], "gcm") == NULL);
        }
    }
}

/* Bad padding of the key and a wrong key for the content must look the same. */
static void
test_bad_transport_looks_like_bad_content (Fixture *fixture, gconstpointer data)
{
  static const char *const options[] = { "-aes-256-gcm a.crt", "-aes-256-gcm -recip a.crt -keyopt rsa_padding_mode:oaep" };
  static const char *const other_padding[] = { "oaep", "pkcs1" };
  g_autoptr (TestRsaKey) a = make_recipient (fixture, "a");
  g_autoptr (TestRsaKey) b = make_recipient (fixture, "b");

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      g_autoptr (GBytes) message = encrypt (fixture, options[i]);
      g_autoptr (IdentityCms) cms = identity_cms_parse (message, NULL);
      g_autoptr (GBytes) encrypted_key = NULL;
      g_autoptr (IdentityRsaPadding) padding = NULL;
      g_autoptr (IdentityRsaPadding) other = identity_rsa_padding_new (other_padding[i], NULL, NULL, NULL, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_true (identity_cms_select (cms, a->spki, &encrypted_key, &padding, NULL));
      g_autoptr (BaseSecret) block = test_rsa_key_apply (a, encrypted_key);
      g_autoptr (BaseSecret) content_key = identity_rsa_unpad_or_random (other, block, 32, &error);
      assert_clean (error);
      g_assert_null (identity_cms_open (cms, content_key, &error));
      assert_decrypt_failed (&error);
      assert_cms_fails (b, message);
    }
}

/* Damage */

static const char *const damaged_options[] = {
  "-aes-128-gcm -keyid a.crt",
  "-aes-128-gcm -stream -recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_oaep_label:00",
  "-aes-128-cbc a.crt",
  "-des3 -stream -keyid -recip a.crt -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha512 -keyopt rsa_mgf1_md:sha256",
};

static void
test_truncated_messages (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");

  for (guint i = 0; i < G_N_ELEMENTS (damaged_options); i++)
    {
      g_autoptr (GBytes) message = encrypt (fixture, damaged_options[i]);
      gsize size = g_bytes_get_size (message);

      for (gsize cut = 0; cut < size; cut++)
        {
          /* A copy of its own, so that a read beyond its end is found. */
          g_autoptr (GBytes) part = g_bytes_new (g_bytes_get_data (message, NULL), cut);
          assert_cms_refused (key, part, "not one whole ContentInfo");
        }
    }
}

/* Whatever a changed byte does, it is one of the two errors or, where nothing depends on it, no error; AES-GCM never lets
 * another content through. */
static void
try_changed (TestRsaKey *key, GBytes *message, gboolean authenticated)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSecret) content = test_rsa_key_open_cms (key, message, &error);

  if (content != NULL)
    {
      assert_clean (error);
      if (authenticated)
        assert_secret (content, TEXT, TEXT_SIZE);
    }
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT))
    assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "");
  else
    assert_decrypt_failed (&error);
  g_assert_cmpuint (ERR_peek_error (), ==, 0);
}

static void
test_changed_messages (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestRsaKey) key = make_recipient (fixture, "a");
  g_autoptr (GRand) random = g_rand_new_with_seed (20240611);

  for (guint i = 0; i < G_N_ELEMENTS (damaged_options); i++)
    {
      g_autoptr (GBytes) message = encrypt (fixture, damaged_options[i]);
      gsize size = g_bytes_get_size (message);

      for (guint round = 0; round < 1500; round++)
        {
          g_autofree guint8 *changed = g_memdup2 (g_bytes_get_data (message, NULL), size);

          changed[g_rand_int_range (random, 0, (gint32) size)] ^= (guint8) g_rand_int_range (random, 1, 256);
          g_autoptr (GBytes) other = g_bytes_new (changed, size);
          try_changed (key, other, strstr (damaged_options[i], "gcm") != NULL);
        }
    }
}

#define ADD(path, function) g_test_add ("/identity/cms/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("every-cipher-of-openssl-decrypts", test_every_cipher);
  ADD ("every-size-decrypts", test_every_size);
  ADD ("kind-of-key-transport-is-told", test_kind_of_transport);
  ADD ("recipient-is-found-by-key-identifier", test_several_recipients);
  ADD ("only-recipient-is-tried-whatever-its-name", test_only_recipient_is_tried);
  ADD ("message-for-no-rsa-key-is-refused", test_no_recipient_with_rsa);
  ADD ("recipients-are-limited", test_recipients_are_limited);
  ADD ("other-messages-are-refused-by-name", test_other_messages);
  ADD ("size-is-limited", test_size_is_limited);
  ADD ("nesting-is-limited", test_nesting_is_limited);
  ADD ("nothing-may-follow-the-message", test_nothing_may_follow);
  ADD ("keys-that-are-no-rsa-keys-fail", test_keys_that_are_no_keys);
  ADD ("wrong-content-key-fails", test_wrong_content_keys);
  ADD ("bad-key-transport-looks-like-bad-content", test_bad_transport_looks_like_bad_content);
  ADD ("truncated-message-is-refused-at-every-byte", test_truncated_messages);
  ADD ("changed-message-never-gives-another-content", test_changed_messages);
  return g_test_run ();
}

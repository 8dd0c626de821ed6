/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-csr.h"
#include "identity-support.h"

#include <string.h>

static IdentityCsr *
new_csr (const char *subject, IdentityHash hash)
{
  g_autoptr (GError) error = NULL;
  IdentityCsr *csr = identity_csr_new (subject, hash, &error);

  g_assert_no_error (error);
  g_assert_cmpint (identity_csr_get_hash (csr), ==, hash);
  return csr;
}

static void
add_san (IdentityCsr *csr, IdentitySan kind, const char *value)
{
  g_autoptr (GError) error = NULL;

  identity_csr_add_san (csr, kind, value, &error);
  g_assert_no_error (error);
}

static void
add_eku (IdentityCsr *csr, const char *name)
{
  g_autoptr (GError) error = NULL;

  identity_csr_add_eku (csr, name, &error);
  g_assert_no_error (error);
}

/* Signs @csr, has openssl verify it, and returns what it prints of it. */
static char *
sign_and_show (Fixture *fixture, IdentityCsr *csr, IdentitySoftkey *key, const char *options)
{
  g_autoptr (GError) error = NULL;
  TestSigner signer;

  test_signer_init (&signer, key, SIGNER_SOUND);
  g_autoptr (GBytes) der = identity_csr_sign (csr, &signer.signer, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (signer.calls, ==, 1);
  g_free (fixture_write_bytes (fixture, "csr.der", der));
  return run_openssl (fixture, "req -inform DER -in csr.der -verify -noout %s", options);
}

static char *
show_subject (Fixture *fixture, const char *subject)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCsr) csr = new_csr (subject, IDENTITY_HASH_SHA256);
  char *text = sign_and_show (fixture, csr, key, "-subject -nameopt sep_comma_plus,sname,utf8");

  return g_strstrip (text);
}

static void
test_every_key (Fixture *fixture, gconstpointer data)
{
  static const char *const names[] = { "ecdsa-with-SHA256", "ecdsa-with-SHA384", "ecdsa-with-SHA512" };

  for (int algorithm = IDENTITY_ALGORITHM_ECC_P256; algorithm <= IDENTITY_ALGORITHM_ECC_P384; algorithm++)
    for (int hash = IDENTITY_HASH_SHA256; hash <= IDENTITY_HASH_SHA512; hash++)
      {
        g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", (IdentityAlgorithm) algorithm);
        g_autoptr (IdentityCsr) csr = new_csr ("/CN=device", (IdentityHash) hash);
        g_autofree char *text = sign_and_show (fixture, csr, key, "-text");

        assert_contains (text, "verify OK");
        assert_contains (text, names[hash]);
        assert_contains (text, "Version: 1 (0x0)");
        g_free (run_openssl (fixture, "req -inform DER -in csr.der -noout -pubkey -out public.pem"));
        g_free (run_openssl (fixture, "pkey -pubin -in public.pem -outform DER -out public.der"));
        g_autoptr (GBytes) spki = fixture_read (fixture, "public.der");
        g_assert_true (g_bytes_equal (spki, identity_softkey_peek_spki (key)));
      }
}

/* Readers with room for 512 bytes of PEM exist: without names and usages there is no attribute. */
static void
test_plain (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P384);
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=uuid:00000000-0000-0000-0000-000000000000", IDENTITY_HASH_SHA384);
  g_autofree char *text = sign_and_show (fixture, csr, key, "-text");

  g_autofree char *parsed = run_openssl (fixture, "asn1parse -inform DER -in csr.der");

  assert_contains (text, "(none)");
  assert_lacks (parsed, "Extension Request");
  g_free (run_openssl (fixture, "req -inform DER -in csr.der -out csr.pem"));
  g_autoptr (GBytes) pem = fixture_read (fixture, "csr.pem");
  g_assert_cmpuint (g_bytes_get_size (pem), <=, 512);
}

static void
test_subject (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *subject, *shown;
  } cases[] = {
    { "/CN=a/O=b", "CN=a,O=b" },
    { "/O=b/CN=a/O=c", "O=b,CN=a,O=c" },
    { "/C=DE/ST=x/L=y/O=z/OU=u/CN=n", "C=DE,ST=x,L=y,O=z,OU=u,CN=n" },
    { "/commonName=a/serialNumber=SN-1", "CN=a,serialNumber=SN-1" },
    { "/2.5.4.3=a", "CN=a" },
    { "/CN=a=b", "CN=a=b" },
    { "/CN=a\\/b", "CN=a/b" },
    { "/CN=a\\\\b", "CN=a\\b" },
    { "/CN=a+O=b", "CN=a+O=b" },
    { "/CN=a,O=b", "CN=a,O=b" },
    { "/CN= a ", "CN= a" },
    { "/C\\N=a", "CN=a" },
    { "/emailAddress=a@example.org", "emailAddress=a@example.org" },
    { "/CN=Gerät 数 😀", "CN=Gerät 数 😀" },
    { "/CN=\\ä", "CN=ä" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *shown = show_subject (fixture, cases[i].subject);
      g_autofree char *line = g_strconcat ("subject=", cases[i].shown, NULL);
      assert_contains (shown, line);
      g_assert_true (g_str_has_suffix (shown, line));
    }
}

/* What looks like another attribute stays inside of its value. */
static void
test_subject_injection (Fixture *fixture, gconstpointer data)
{
  static const char *const subjects[] = { "/CN=a+O=b", "/CN=a,O=b", "/CN=a\\/O=b" };

  for (guint i = 0; i < G_N_ELEMENTS (subjects); i++)
    {
      g_free (show_subject (fixture, subjects[i]));
      g_autofree char *parsed = run_openssl (fixture, "asn1parse -inform DER -in csr.der");
      assert_contains (parsed, ":commonName");
      assert_lacks (parsed, ":organizationName");
    }
}

static void
assert_subject_refused (const char *subject, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_csr_new (subject, IDENTITY_HASH_SHA256, &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, words);
}

static void
test_bad_subject (void)
{
  g_autofree char *many = g_strnfill (IDENTITY_CSR_SUBJECT_MAX, 'a');
  g_autofree char *long_name = g_strdup_printf ("/CN=%.65s", many);
  g_autofree char *longest = g_strdup_printf ("/CN=%.64s", many);
  g_autofree char *too_long = g_strdup_printf ("/%s", many);

  assert_subject_refused ("CN=a", "does not begin with a slash");
  assert_subject_refused ("/CN", "\"CN\" has no \"=\"");
  assert_subject_refused ("/CN=a/b", "\"b\" has no \"=\"");
  assert_subject_refused ("//CN=a", "\"\" has no \"=\"");
  assert_subject_refused ("/CN=a/", "\"\" has no \"=\"");
  assert_subject_refused ("/CN\\=a", "\"CN\\=a\" has no \"=\"");
  assert_subject_refused ("/=a", "\"=a\": \"\" is not the name of an attribute");
  assert_subject_refused ("/Bogus=a", "\"Bogus=a\": \"Bogus\" is not the name of an attribute");
  assert_subject_refused ("/1.2.3.4.5.6=a", "is not the name of an attribute");
  assert_subject_refused ("/UNDEF=a", "is not the name of an attribute");
  assert_subject_refused ("/ CN=a", "is not the name of an attribute");
  assert_subject_refused ("/CN=", "\"CN=\" has no value");
  assert_subject_refused ("/CN=a/O=/L=b", "\"O=\" has no value");
  assert_subject_refused ("/CN=a\\", "backslash");
  assert_subject_refused ("/C=DEU", "\"C=DEU\" does not fit its attribute: string too long");
  assert_subject_refused ("/C=D", "\"C=D\" does not fit its attribute: string too short");
  assert_subject_refused ("/C=ÄÖ", "\"C=ÄÖ\" does not fit its attribute");
  assert_subject_refused ("/CN=a/serialNumber=a_b", "\"serialNumber=a_b\" does not fit its attribute: illegal characters");
  assert_subject_refused (long_name, "does not fit its attribute: string too long");
  identity_csr_free (new_csr (longest, IDENTITY_HASH_SHA256));
  assert_subject_refused (too_long, "has 1025 bytes; at most 1024");
}

static void
test_bad_characters (void)
{
  assert_subject_refused ("/CN=a\nO=b", "U+000A at byte 5");
  assert_subject_refused ("/CN=a\r", "U+000D at byte 5");
  assert_subject_refused ("/CN=\x1b[2J", "U+001B at byte 4");
  assert_subject_refused ("/CN=a\\\n", "U+000A at byte 6");
  assert_subject_refused ("/CN=a\x7f", "U+007F at byte 5");
  assert_subject_refused ("/CN=\xc2\x85", "U+0085 at byte 4");
  assert_subject_refused ("/CN=a\xff", "is not UTF-8 at byte 5");
  assert_subject_refused ("/CN=\xc0\x80", "is not UTF-8 at byte 4");
  assert_subject_refused ("/CN=\xed\xa0\x80", "is not UTF-8 at byte 4");
  assert_subject_refused ("/CN=\xc3", "is not UTF-8 at byte 4");
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);

  add_san (csr, IDENTITY_SAN_DNS, "device-1.example.org");
  add_san (csr, IDENTITY_SAN_DNS, "*.example.org");
  add_san (csr, IDENTITY_SAN_DNS, "localhost");
  add_san (csr, IDENTITY_SAN_EMAIL, "o'neil+tag@example.org");
  add_san (csr, IDENTITY_SAN_URI, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  add_san (csr, IDENTITY_SAN_URI, "spiffe://example.org/a/b?c=d#e%20f");
  add_san (csr, IDENTITY_SAN_IP, "192.0.2.1");
  add_san (csr, IDENTITY_SAN_IP, "2001:db8::1");
  g_autofree char *text = sign_and_show (fixture, csr, key, "-text");
  assert_contains (text, "X509v3 Subject Alternative Name: \n                    "
                   "DNS:device-1.example.org, DNS:*.example.org, DNS:localhost, email:o'neil+tag@example.org, "
                   "URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6, URI:spiffe://example.org/a/b?c=d#e%20f, "
                   "IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1\n");
}

static void
assert_san_refused (IdentitySan kind, const char *value, const char *words)
{
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_csr_add_san (csr, kind, value, &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, words);
}

static void
test_bad_names (void)
{
  static const char *const no_dns[] = { "", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a_b", "a b", "*", "*.", "a.*", "*a.b",
                                        "**.a", "*.*.a", "a,DNS:b", "a\nb", "a\r", "\xc3\xa4.de", "\xff", "a/b", "a@b", "a:1",
                                        "a1234567890123456789012345678901234567890123456789012345678901234.b" };
  static const char *const no_email[] = { "", "a", "@", "a@", "@b", "a@b@c", "a b@c", ".a@b", "a.@b", "a..b@c", "a@b_c", "a@*.b",
                                          "\"a\"@b", "a@[192.0.2.1]", "<a@b>", "a@b,DNS:c", "a\n@b", "\xc3\xa4@b" };
  static const char *const no_uri[] = { "", "a", ":", "a:", ":a", "//a", "1a:b", "a b:c", "a:b c", "a:b\nc", "a:%", "a:%1",
                                        "a:%gg", "a:<b>", "a:\"b\"", "a:\\b", "a:{b}", "a:\xc3\xa4", "http://[::1",
                                        "http://a:99999999/" };
  static const char *const no_ip[] = { "", "a", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4/24", "::g", "1:2",
                                       "fe80::1%eth0", "1.2.3.4,DNS:a", " 1.2.3.4", "1.2.3.4\n", "[::1]" };

  for (guint i = 0; i < G_N_ELEMENTS (no_dns); i++)
    assert_san_refused (IDENTITY_SAN_DNS, no_dns[i], "cannot be used as DNS name");
  for (guint i = 0; i < G_N_ELEMENTS (no_email); i++)
    assert_san_refused (IDENTITY_SAN_EMAIL, no_email[i], "cannot be used as e-mail address");
  for (guint i = 0; i < G_N_ELEMENTS (no_uri); i++)
    assert_san_refused (IDENTITY_SAN_URI, no_uri[i], "cannot be used as URI");
  for (guint i = 0; i < G_N_ELEMENTS (no_ip); i++)
    assert_san_refused (IDENTITY_SAN_IP, no_ip[i], "cannot be used as IP address");
  assert_san_refused (IDENTITY_SAN_DNS, "192.0.2.1", "give it as one");
  assert_san_refused (IDENTITY_SAN_DNS, "a\nb", "\"a\\nb\"");
}

/* The only kind whose alphabet has a comma and a colon: it becomes one name all the same. */
static void
test_name_injection (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);

  add_san (csr, IDENTITY_SAN_URI, "DNS:evil,IP:1.2.3.4");
  add_san (csr, IDENTITY_SAN_URI, "dirName:section,critical,email:copy");
  g_autofree char *text = sign_and_show (fixture, csr, key, "-text");
  g_autofree char *parsed = run_openssl (fixture, "asn1parse -inform DER -in csr.der");

  assert_contains (text, "URI:DNS:evil,IP:1.2.3.4, URI:dirName:section,critical,email:copy\n");
  assert_lacks (text, "IP Address");
  /* The extension's octets: two names of type [6], 19 and 35 bytes long, and no others */
  assert_contains (parsed, "[HEX DUMP]:303A8613444E533A6576696C2C49503A312E322E332E3486236469724E616D653A");
}

static void
test_name_length (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCsr) csr = new_csr ("", IDENTITY_HASH_SHA256);
  g_autofree char *many = g_strnfill (255, 'a');
  g_autofree char *longest = g_strdup_printf ("urn:%.251s", many);
  g_autofree char *longer = g_strdup_printf ("urn:%.252s", many);
  g_autofree char *label = g_strdup_printf ("%.63s", many);
  g_autofree char *host = g_strdup_printf ("%s.%s.%s.%.61s", label, label, label, many);
  g_autofree char *long_host = g_strdup_printf ("%s.%s.%s.%.62s", label, label, label, many);

  add_san (csr, IDENTITY_SAN_URI, longest);
  assert_san_refused (IDENTITY_SAN_URI, longer, "of 256 bytes is too long; at most 255");
  add_san (csr, IDENTITY_SAN_DNS, label);
  add_san (csr, IDENTITY_SAN_DNS, host);
  assert_san_refused (IDENTITY_SAN_DNS, long_host, "labels of 1 to 63");
  g_autofree char *text = sign_and_show (fixture, csr, key, "-text");
  assert_contains (text, longest);
  assert_contains (text, host);
}

static void
test_name_count (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < IDENTITY_CSR_NAMES_MAX; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%u", i);
      add_san (csr, IDENTITY_SAN_DNS, name);
    }
  g_assert_false (identity_csr_add_san (csr, IDENTITY_SAN_IP, "192.0.2.1", &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "at most 32");
  g_autofree char *text = sign_and_show (fixture, csr, key, "-text");
  assert_contains (text, "DNS:name-0, ");
  assert_contains (text, "DNS:name-31\n");
  assert_lacks (text, "192.0.2.1");
}

static void
test_empty_subject (Fixture *fixture, gconstpointer data)
{
  static const char *const empty[] = { "", "/" };
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);

  for (guint i = 0; i < G_N_ELEMENTS (empty); i++)
    {
      g_autoptr (IdentityCsr) csr = new_csr (empty[i], IDENTITY_HASH_SHA256);
      g_autoptr (GError) error = NULL;
      TestSigner signer;

      test_signer_init (&signer, key, SIGNER_SOUND);
      g_assert_false (identity_csr_check (csr, &error));
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "needs a subject or an alternative name");
      add_eku (csr, "clientAuth");
      g_assert_null (identity_csr_sign (csr, &signer.signer, &error));
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "needs a subject or an alternative name");
      g_assert_cmpuint (signer.calls, ==, 0);

      add_san (csr, IDENTITY_SAN_DNS, "a");
      g_assert_true (identity_csr_check (csr, &error));
      g_autofree char *text = sign_and_show (fixture, csr, key, "-text");
      assert_contains (text, "Subject: \n");
      assert_contains (text, "X509v3 Subject Alternative Name: critical\n                    DNS:a\n");
    }
}

static void
test_usages (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);

  add_eku (csr, "clientAuth");
  add_eku (csr, "serverAuth");
  add_eku (csr, "1.3.6.1.4.1.44924.1.6");
  add_eku (csr, "codeSigning");
  add_eku (csr, "anyExtendedKeyUsage");
  g_autofree char *text = sign_and_show (fixture, csr, key, "-text");
  assert_contains (text, "X509v3 Extended Key Usage: \n                    TLS Web Client Authentication, "
                   "TLS Web Server Authentication, 1.3.6.1.4.1.44924.1.6, Code Signing, Any Extended Key Usage\n");
}

static void
test_bad_usages (void)
{
  static const char *const bad[] = { "", "bogus", "CN", "sha256", "clientAuth,serverAuth", "clientAuth ", "\xff", "1", "1.", ".1",
                                     "3.1.1", "1.2..3", "1.2.", "-1.2", "1.40", "a\nb", "critical,clientAuth" };
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);
  g_autofree char *longer = g_strnfill (256, '1');
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      if (identity_csr_add_eku (csr, bad[i], &error))
        g_error ("\"%s\" is taken for a key usage", bad[i]);
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "is not an extended key usage");
    }
  g_assert_false (identity_csr_add_eku (csr, longer, &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "at most 255");
  add_eku (csr, "clientAuth");
  g_assert_false (identity_csr_add_eku (csr, "1.3.6.1.5.5.7.3.2", &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "given twice");
  for (guint i = 1; i < IDENTITY_CSR_EKUS_MAX; i++)
    {
      g_autofree char *oid = g_strdup_printf ("1.2.3.%u", i);
      add_eku (csr, oid);
    }
  g_assert_false (identity_csr_add_eku (csr, "serverAuth", &error));
  assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "at most 16");
}

static void
test_failing_signer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentitySoftkey) other = make_key (fixture, "other.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  g_autoptr (IdentityCsr) csr = new_csr ("/CN=a", IDENTITY_HASH_SHA256);
  g_autoptr (GError) error = NULL;
  TestSigner signer;

  test_signer_init (&signer, key, SIGNER_FAILS);
  g_assert_null (identity_csr_sign (csr, &signer.signer, &error));
  assert_refused (&error, TPMID_ERROR_TPM_LOCKOUT, "the signer's own words");
  test_signer_init (&signer, key, SIGNER_OTHER_DIGEST);
  g_assert_null (identity_csr_sign (csr, &signer.signer, &error));
  assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "no request is made");
  test_signer_init (&signer, key, SIGNER_GARBAGE);
  g_assert_null (identity_csr_sign (csr, &signer.signer, &error));
  assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "no request is made");
  test_signer_init (&signer, key, SIGNER_SOUND);
  signer.signer.spki = identity_softkey_peek_spki (other);
  g_assert_null (identity_csr_sign (csr, &signer.signer, &error));
  assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "no request is made");
  signer.signer.spki = garbage;
  g_assert_null (identity_csr_sign (csr, &signer.signer, &error));
  assert_refused (&error, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "EC key");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/identity/csr/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("openssl-verifies-every-curve-and-hash", test_every_key);
  ADD ("plain-request-is-small", test_plain);
  ADD ("subject-is-read-as-written", test_subject);
  ADD ("subject-cannot-smuggle-in-an-attribute", test_subject_injection);
  g_test_add_func ("/identity/csr/refuses-subject-and-names-the-part", test_bad_subject);
  g_test_add_func ("/identity/csr/refuses-control-characters-and-wrong-utf-8", test_bad_characters);
  ADD ("names-of-every-kind", test_names);
  g_test_add_func ("/identity/csr/refuses-names-of-wrong-form", test_bad_names);
  ADD ("name-cannot-smuggle-in-another", test_name_injection);
  ADD ("names-have-a-greatest-length", test_name_length);
  ADD ("names-have-a-greatest-number", test_name_count);
  ADD ("empty-subject-needs-a-name-which-is-critical", test_empty_subject);
  ADD ("usages-by-name-and-oid", test_usages);
  g_test_add_func ("/identity/csr/refuses-other-usages", test_bad_usages);
  ADD ("signer-that-fails-makes-no-request", test_failing_signer);
  return g_test_run ();
}

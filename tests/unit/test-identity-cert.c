/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-cert.h"
#include "identity-support.h"
#include "tpmid-build.h"

#include <string.h>

#define NOW (TPMID_BUILD_EPOCH + 40000000) /* a good year later */

static IdentityCert *
self_sign (IdentitySoftkey *key, const char *serial, gint64 now)
{
  g_autoptr (GError) error = NULL;
  TestSigner signer;

  test_signer_init (&signer, key, SIGNER_SOUND);
  IdentityCert *cert = identity_cert_self_sign (&signer.signer, serial, now, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (signer.calls, ==, 1);
  return cert;
}

static IdentityCert *
parse (GBytes *pem)
{
  g_autoptr (GError) error = NULL;
  IdentityCert *cert = identity_cert_parse (pem, &error);

  g_assert_no_error (error);
  return cert;
}

static IdentityCert *
parse_file (Fixture *fixture, const char *name)
{
  g_autoptr (GBytes) pem = fixture_read (fixture, name);

  return parse (pem);
}

/* What openssl prints of @cert */
static char *
show (Fixture *fixture, IdentityCert *cert, const char *options)
{
  g_free (fixture_write (fixture, "cert.pem", identity_cert_peek_pem (cert), -1));
  return run_openssl (fixture, "x509 -in cert.pem -noout %s", options);
}

static void
test_not_before (void)
{
  const gint64 epoch = 1700000000;
  const gint64 day = 86400;

  /* No clock */
  g_assert_cmpint (identity_cert_not_before (0, epoch), ==, epoch);
  g_assert_cmpint (identity_cert_not_before (-1, epoch), ==, epoch);
  g_assert_cmpint (identity_cert_not_before (G_MININT64, epoch), ==, epoch);
  g_assert_cmpint (identity_cert_not_before (epoch - 1, epoch), ==, epoch);
  /* A clock, so near that a day before it nothing can have been */
  g_assert_cmpint (identity_cert_not_before (epoch, epoch), ==, epoch);
  g_assert_cmpint (identity_cert_not_before (epoch + 1, epoch), ==, epoch);
  g_assert_cmpint (identity_cert_not_before (epoch + day, epoch), ==, epoch);
  /* A clock */
  g_assert_cmpint (identity_cert_not_before (epoch + day + 1, epoch), ==, epoch + 1);
  g_assert_cmpint (identity_cert_not_before (epoch + 1000 * day, epoch), ==, epoch + 999 * day);
  /* Beyond what a certificate can say */
  g_assert_cmpint (identity_cert_not_before (253402300799, epoch), ==, 253402300799 - day);
  g_assert_cmpint (identity_cert_not_before (253402300800, epoch), ==, epoch);
  g_assert_cmpint (identity_cert_not_before (G_MAXINT64, epoch), ==, epoch);
}

static void
assert_dates (Fixture *fixture, IdentitySoftkey *key, gint64 now)
{
  g_autoptr (IdentityCert) cert = self_sign (key, NULL, now);
  gint64 seconds = identity_cert_not_before (now, TPMID_BUILD_EPOCH);
  g_autoptr (GDateTime) from = g_date_time_new_from_unix_utc (seconds);
  g_autofree char *expected = g_date_time_format (from, "notBefore=%Y-%m-%d %H:%M:%SZ\nnotAfter=9999-12-31 23:59:59Z\n");
  g_autofree char *dates = show (fixture, cert, "-dates -dateopt iso_8601");
  g_autofree char *kinds = run_openssl (fixture, "asn1parse -in cert.pem");

  g_assert_cmpstr (dates, ==, expected);
  /* RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on */
  assert_contains (kinds, "GENERALIZEDTIME   :99991231235959Z");
  if (g_date_time_get_year (from) < 2050)
    assert_contains (kinds, "UTCTIME");
  else
    assert_lacks (kinds, "UTCTIME");
}

static void
test_dates (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);

  assert_dates (fixture, key, 0);
  assert_dates (fixture, key, TPMID_BUILD_EPOCH - 1);
  assert_dates (fixture, key, TPMID_BUILD_EPOCH + 1);
  assert_dates (fixture, key, NOW);
  assert_dates (fixture, key, 2524608000 + 86400); /* 2050 begins */
  assert_dates (fixture, key, 2524608000 + 86399);
  assert_dates (fixture, key, G_MAXINT64);
}

static void
test_contents (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCert) cert = self_sign (key, "SN-0042", NOW);
  g_autofree char *text = show (fixture, cert, "-text -nameopt RFC2253,sname");
  g_autofree char *reference = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, identity_softkey_peek_spki (key));
  g_autofree char *subject = g_strdup_printf ("Subject: serialNumber=SN-0042,CN=tpmid-%.16s\n", reference);
  g_autofree char *issuer = g_strdup_printf ("Issuer: serialNumber=SN-0042,CN=tpmid-%.16s\n", reference);

  assert_contains (text, "Version: 3 (0x2)");
  assert_contains (text, "Signature Algorithm: ecdsa-with-SHA256");
  assert_contains (text, subject);
  assert_contains (text, issuer);
  assert_contains (text, "X509v3 Basic Constraints: critical\n                CA:FALSE\n");
  assert_contains (text, "X509v3 Key Usage: critical\n                Digital Signature\n");
  assert_contains (text, "X509v3 Extended Key Usage: \n                TLS Web Client Authentication, "
                   "TLS Web Server Authentication\n");
  assert_contains (text, "X509v3 Subject Key Identifier: \n");
  g_free (run_openssl (fixture, "verify -CAfile cert.pem -x509_strict -check_ss_sig -purpose sslclient -attime %" G_GINT64_FORMAT
                       " cert.pem", (gint64) NOW));
  g_free (run_openssl (fixture, "verify -CAfile cert.pem -x509_strict -check_ss_sig -purpose sslserver -attime %" G_GINT64_FORMAT
                       " cert.pem", (gint64) NOW));
  g_assert_true (g_bytes_equal (identity_cert_peek_spki (cert), identity_softkey_peek_spki (key)));
}

static void
test_p384 (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P384);
  g_autoptr (IdentityCert) cert = self_sign (key, NULL, NOW);
  g_autofree char *text = show (fixture, cert, "-text");

  assert_contains (text, "Signature Algorithm: ecdsa-with-SHA384");
  assert_contains (text, "ASN1 OID: secp384r1");
  assert_lacks (text, "serialNumber");
  g_free (run_openssl (fixture, "verify -CAfile cert.pem -x509_strict -check_ss_sig -attime %" G_GINT64_FORMAT " cert.pem",
                       (gint64) NOW));
}

static void
test_fingerprint (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCert) cert = self_sign (key, NULL, NOW);
  g_autofree char *fingerprint = show (fixture, cert, "-fingerprint -sha256");
  g_autoptr (GString) expected = g_string_new ("sha256 Fingerprint=");

  for (const char *at = identity_cert_peek_sha256 (cert); *at != '\0'; at += 2)
    g_string_append_printf (expected, "%s%c%c", at == identity_cert_peek_sha256 (cert) ? "" : ":", g_ascii_toupper (at[0]),
                            g_ascii_toupper (at[1]));
  g_assert_cmpuint (strlen (identity_cert_peek_sha256 (cert)), ==, 64);
  g_strstrip (fingerprint);
  g_assert_cmpstr (fingerprint, ==, expected->str);
}

static void
test_numbers (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 8; i++)
    {
      g_autoptr (IdentityCert) cert = self_sign (key, NULL, NOW);
      char *number = show (fixture, cert, "-serial");
      g_autofree char *parsed = run_openssl (fixture, "asn1parse -in cert.pem");
      g_strstrip (number);
      /* Positive, or openssl would print a minus; and 16 bytes in DER, where a set top bit would ask for one more. */
      g_assert_cmpuint (strlen (number), ==, strlen ("serial=") + 32);
      assert_contains (parsed, "l=  16 prim: INTEGER ");
      g_assert_true (g_hash_table_add (seen, number));
    }
}

static void
test_serial_attribute (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autofree char *longest = g_strnfill (64, '7');
  g_autofree char *longer = g_strnfill (65, '7');
  const char *fits[] = { "1", "ABC-123/x.y:(z)", longest };
  const char *unfit[] = { "", longer, "with_underscore", "a@b", "a*b", "schl\xc3\xbcssel", "\xff", "a\nb" };

  for (guint i = 0; i < G_N_ELEMENTS (fits); i++)
    {
      g_autoptr (IdentityCert) cert = self_sign (key, fits[i], NOW);
      g_autofree char *text = show (fixture, cert, "-subject -nameopt multiline,-esc_ctrl,show_type");
      g_autofree char *expected = g_strdup_printf ("PRINTABLESTRING:%s\n", fits[i]);
      assert_contains (text, expected);
    }
  for (guint i = 0; i < G_N_ELEMENTS (unfit); i++)
    {
      g_autoptr (IdentityCert) cert = self_sign (key, unfit[i], NOW);
      g_autofree char *text = show (fixture, cert, "-subject -nameopt multiline");
      assert_contains (text, "commonName");
      assert_lacks (text, "serialNumber");
    }
}

static void
test_failing_signer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GError) error = NULL;
  TestSigner signer;

  test_signer_init (&signer, key, SIGNER_FAILS);
  g_assert_null (identity_cert_self_sign (&signer.signer, NULL, NOW, &error));
  assert_refused (&error, TPMID_ERROR_TPM_LOCKOUT, "the signer's own words");
  test_signer_init (&signer, key, SIGNER_OTHER_DIGEST);
  g_assert_null (identity_cert_self_sign (&signer.signer, NULL, NOW, &error));
  assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "no certificate is made");
  test_signer_init (&signer, key, SIGNER_GARBAGE);
  g_assert_null (identity_cert_self_sign (&signer.signer, NULL, NOW, &error));
  assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "no certificate is made");
}

/* The signer's public key is another's: what it signs must not become a certificate of that other. */
static void
test_other_key (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentitySoftkey) other = make_key (fixture, "other.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (GBytes) garbage = g_bytes_new_static ("garbage", 7);
  g_autoptr (GError) error = NULL;
  TestSigner signer;

  test_signer_init (&signer, key, SIGNER_SOUND);
  signer.signer.spki = identity_softkey_peek_spki (other);
  g_assert_null (identity_cert_self_sign (&signer.signer, NULL, NOW, &error));
  assert_refused (&error, TPMID_ERROR_UNTRUSTED_RESPONSE, "no certificate is made");
  signer.signer.spki = garbage;
  g_assert_null (identity_cert_self_sign (&signer.signer, NULL, NOW, &error));
  assert_refused (&error, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "P-256 or P-384");
  g_assert_cmpuint (signer.calls, ==, 1);
}

/* Makes leaf.pem for key.pem and ca.pem, which signed it. */
static void
make_chain (Fixture *fixture)
{
  identity_softkey_unref (make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256));
  identity_softkey_unref (make_key (fixture, "ca-key.pem", IDENTITY_ALGORITHM_ECC_P384));
  g_free (run_openssl (fixture, "req -x509 -key ca-key.pem -subj /CN=ca -out ca.pem"));
  g_free (run_openssl (fixture, "req -new -key key.pem -subj /CN=leaf -out leaf.csr"));
  g_free (run_openssl (fixture, "x509 -req -in leaf.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out leaf.pem"));
}

static char *
read_text (Fixture *fixture, const char *name)
{
  g_autoptr (GBytes) bytes = fixture_read (fixture, name);

  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static void
test_chain (Fixture *fixture, gconstpointer data)
{
  make_chain (fixture);
  g_autofree char *leaf = read_text (fixture, "leaf.pem");
  g_autofree char *ca = read_text (fixture, "ca.pem");
  g_autofree char *secret = read_text (fixture, "key.pem");
  g_autofree char *all = g_strconcat ("subject=CN = leaf\r\n\n", secret, leaf, "issuer=\xff\n", ca, "the end", NULL);
  g_autofree char *expected = g_strconcat (leaf, ca, NULL);
  g_autoptr (GBytes) pem = g_bytes_new (all, strlen (all));
  g_autoptr (IdentityCert) cert = parse (pem);
  g_autoptr (IdentityCert) alone = parse_file (fixture, "leaf.pem");

  /* Leaf first, and nothing of the private key beside it. */
  g_assert_cmpstr (identity_cert_peek_pem (cert), ==, expected);
  g_assert_cmpstr (identity_cert_peek_pem (alone), ==, leaf);
  g_assert_cmpstr (identity_cert_peek_sha256 (cert), ==, identity_cert_peek_sha256 (alone));
  g_free (run_openssl (fixture, "pkey -in key.pem -pubout -outform DER -out spki"));
  g_autoptr (GBytes) spki = fixture_read (fixture, "spki");
  g_assert_true (g_bytes_equal (identity_cert_peek_spki (cert), spki));
}

static void
assert_parse_refused (const char *text, gssize size, const char *words)
{
  g_autoptr (GBytes) pem = g_bytes_new (text, size < 0 ? strlen (text) : (gsize) size);
  g_autoptr (GError) error = NULL;

  g_assert_null (identity_cert_parse (pem, &error));
  assert_refused (&error, TPMID_ERROR_CORRUPT, words);
}

static void
test_corrupt (Fixture *fixture, gconstpointer data)
{
  make_chain (fixture);
  g_autofree char *leaf = read_text (fixture, "leaf.pem");
  g_autofree char *ca = read_text (fixture, "ca.pem");
  g_autofree char *secret = read_text (fixture, "key.pem");
  g_autofree char *half_chain = g_strconcat (leaf, ca, NULL);
  g_autofree char *bad_chain = g_strconcat (leaf, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ca, NULL);

  assert_parse_refused ("", 0, "no certificate");
  assert_parse_refused ("\0\0\0", 3, "no certificate");
  assert_parse_refused ("hello\n", -1, "no certificate");
  assert_parse_refused (secret, -1, "no certificate");
  assert_parse_refused (leaf, (gssize) strlen (leaf) / 2, "certificate 1 ");
  assert_parse_refused ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", -1, "certificate 1 ");
  assert_parse_refused (half_chain, (gssize) strlen (half_chain) - 40, "certificate 2 ");
  assert_parse_refused (bad_chain, -1, "certificate 2 ");
}

/* OpenSSL would ask for a password at the terminal. */
static void
test_encrypted (void)
{
  assert_parse_refused ("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                        "DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAAAAAAAAAAAAAAAAAAAA==\n"
                        "-----END CERTIFICATE-----\n", -1, "certificate 1 ");
}

static void
test_other_kinds (Fixture *fixture, gconstpointer data)
{
  static const char *const kinds[] = { "RSA -pkeyopt rsa_keygen_bits:2048", "ED25519", "EC -pkeyopt ec_paramgen_curve:P-521" };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_free (run_openssl (fixture, "genpkey -algorithm %s -out key.pem", kinds[i]));
      g_free (run_openssl (fixture, "req -x509 -key key.pem -subj /CN=x -out cert.pem"));
      g_free (run_openssl (fixture, "pkey -in key.pem -pubout -outform DER -out spki"));
      g_autoptr (GBytes) spki = fixture_read (fixture, "spki");
      g_autoptr (IdentityCert) cert = parse_file (fixture, "cert.pem");
      g_assert_true (g_bytes_equal (identity_cert_peek_spki (cert), spki));
    }
}

/* Certificates with other encodings of the same key */
static void
test_encodings (Fixture *fixture, gconstpointer data)
{
  static const char *const encodings[] = { "-conv_form compressed", "-conv_form hybrid", "-param_enc explicit" };
  static const IdentityAlgorithm algorithms[] = { IDENTITY_ALGORITHM_ECC_P256, IDENTITY_ALGORITHM_ECC_P384 };

  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    for (guint j = 0; j < G_N_ELEMENTS (encodings); j++)
      {
        g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", algorithms[i]);
        g_free (run_openssl (fixture, "ec -in key.pem %s -out other.pem", encodings[j]));
        g_free (run_openssl (fixture, "req -x509 -key other.pem -subj /CN=x -out cert.pem"));
        g_free (run_openssl (fixture, "pkey -in other.pem -pubout -outform DER -out spki"));
        g_autoptr (GBytes) spki = fixture_read (fixture, "spki");
        g_autoptr (IdentityCert) cert = parse_file (fixture, "cert.pem");
        g_assert_false (g_bytes_equal (identity_softkey_peek_spki (key), spki));
        g_assert_true (g_bytes_equal (identity_cert_peek_spki (cert), identity_softkey_peek_spki (key)));
      }
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IdentitySoftkey) key = make_key (fixture, "key.pem", IDENTITY_ALGORITHM_ECC_P256);
  g_autoptr (IdentityCert) cert = self_sign (key, "1", NOW);
  g_autoptr (GBytes) pem = g_bytes_new_static (identity_cert_peek_pem (cert), strlen (identity_cert_peek_pem (cert)));
  g_autoptr (IdentityCert) again = parse (pem);
  g_autoptr (IdentityCert) held = identity_cert_ref (again);

  g_assert_cmpstr (identity_cert_peek_pem (held), ==, identity_cert_peek_pem (cert));
  g_assert_cmpstr (identity_cert_peek_sha256 (held), ==, identity_cert_peek_sha256 (cert));
  g_assert_true (g_bytes_equal (identity_cert_peek_spki (held), identity_cert_peek_spki (cert)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/identity/cert/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  g_test_add_func ("/identity/cert/begins-at-a-sound-date-with-and-without-a-clock", test_not_before);
  ADD ("dates-are-as-rfc-5280-writes-them", test_dates);
  ADD ("self-signed-has-what-the-contract-says", test_contents);
  ADD ("self-signed-by-p384-uses-sha384", test_p384);
  ADD ("fingerprint-is-openssl's", test_fingerprint);
  ADD ("numbers-are-16-bytes-positive-and-never-the-same", test_numbers);
  ADD ("serial-number-stands-in-the-subject-where-it-fits", test_serial_attribute);
  ADD ("signer-that-fails-makes-no-certificate", test_failing_signer);
  ADD ("signer-of-another-key-makes-no-certificate", test_other_key);
  ADD ("chain-keeps-leaf-first-and-nothing-else", test_chain);
  ADD ("refuses-corrupt-pem", test_corrupt);
  g_test_add_func ("/identity/cert/never-asks-for-a-password", test_encrypted);
  ADD ("parses-certificates-of-other-kinds-of-key", test_other_kinds);
  ADD ("other-encodings-of-a-key-compare-equal", test_encodings);
  ADD ("made-and-parsed-are-the-same", test_round_trip);
  return g_test_run ();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-tpm.h"

#include "tpm-hierarchy.h"
#include "tpm-key.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ECDSA_SIG, ECDSA_SIG_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_PKEY_CTX, EVP_PKEY_CTX_free)

#define POINT_MAX (1 + 2 * TPM_COORDINATE_MAX)

static const guint8 digest[64] = "any sixty-four bytes will do as a digest, the TPM does not care";

static TpmPublic
create (TpmLink *link, TpmKeyAlgorithm algorithm)
{
  g_autoptr (GError) error = NULL;
  TpmPublic public;

  test_tpm_ensure (link);
  (void) test_tpm_make (link, algorithm, &public, &error);
  g_assert_no_error (error);
  return public;
}

static TpmSignature
sign (TpmLink *link, const TpmPublic *public, TpmHash hash)
{
  g_autoptr (GError) error = NULL;
  TpmKeyRef ref = test_tpm_ref (public);
  TpmSignature signature;

  (void) tpm_key_sign (link, &ref, hash, digest, &signature, &error);
  g_assert_no_error (error);
  return signature;
}

static EVP_PKEY *
to_openssl (const TpmPublic *public)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_name (NULL, "EC", NULL);
  const char *group = public->algorithm == TPM_KEY_ECC_P384 ? "P-384" : "P-256";
  guint8 point[POINT_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
  EVP_PKEY *key = NULL;

  memcpy (point + 1, public->x, public->size);
  memcpy (point + 1 + public->size, public->y, public->size);
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_utf8_string (OSSL_PKEY_PARAM_GROUP_NAME, (char *) group, 0),
    OSSL_PARAM_construct_octet_string (OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * public->size),
    OSSL_PARAM_construct_end (),
  };
  g_assert_cmpint (EVP_PKEY_fromdata_init (context), ==, 1);
  g_assert_cmpint (EVP_PKEY_fromdata (context, &key, EVP_PKEY_PUBLIC_KEY, params), ==, 1);
  return key;
}

/* OpenSSL, too, takes the leftmost bits of a digest that is longer than the curve's order. */
static gboolean
verifies (const TpmPublic *public, const TpmSignature *signature, gsize digest_size)
{
  g_autoptr (EVP_PKEY) key = to_openssl (public);
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new (key, NULL);
  g_autoptr (ECDSA_SIG) numbers = ECDSA_SIG_new ();
  guint8 *der = NULL;

  g_assert_cmpint (ECDSA_SIG_set0 (numbers, BN_bin2bn (signature->r, (int) signature->size, NULL),
                                   BN_bin2bn (signature->s, (int) signature->size, NULL)), ==, 1);
  int size = i2d_ECDSA_SIG (numbers, &der);
  g_assert_cmpint (size, >, 0);
  g_assert_cmpint (EVP_PKEY_verify_init (context), ==, 1);
  int result = EVP_PKEY_verify (context, der, (gsize) size, digest, digest_size);
  OPENSSL_free (der);
  return result == 1;
}

static void
check_signatures (TpmKeyAlgorithm algorithm, gsize size)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  TpmPublic public = create (link, algorithm);
  static const TpmHash hashes[] = { TPM_HASH_SHA256, TPM_HASH_SHA384, TPM_HASH_SHA512 };

  g_assert_cmpint (public.purpose, ==, TPM_PURPOSE_DEVICE);
  g_assert_cmpint (public.algorithm, ==, algorithm);
  g_assert_cmpuint (public.size, ==, size);
  for (gsize i = 0; i < G_N_ELEMENTS (hashes); i++)
    {
      TpmSignature signature = sign (link, &public, hashes[i]);
      g_assert_cmpuint (signature.size, ==, size);
      g_assert_true (verifies (&public, &signature, tpm_key_hash_size (hashes[i])));
      /* Shorter than what was signed: another digest. */
      g_assert_false (verifies (&public, &signature, 16));
    }
  test_swtpm_assert_clean (swtpm);
}

static void
p256_signatures_verify_with_every_hash (void)
{
  check_signatures (TPM_KEY_ECC_P256, 32);
}

static void
p384_signatures_verify_with_every_hash (void)
{
  check_signatures (TPM_KEY_ECC_P384, 48);
}

static void
a_warm_signature_is_one_command (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmPublic public = create (link, TPM_KEY_ECC_P256);
  TpmPublic found;

  /* After creating, after looking, and after nothing at all. */
  guint64 commands = test_tpm_status (link).commands;
  (void) sign (link, &public, TPM_HASH_SHA256);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 1);

  tpm_link_close (link);
  test_tpm_ensure (link);
  commands = test_tpm_status (link).commands;
  (void) tpm_key_find (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &found, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 2);
  (void) sign (link, &public, TPM_HASH_SHA512);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 3);

  tpm_link_close (link);
  test_tpm_ensure (link);
  commands = test_tpm_status (link).commands;
  (void) sign (link, &public, TPM_HASH_SHA256);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 3);
  (void) sign (link, &public, TPM_HASH_SHA256);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 4);
}

static void
creating_takes_seven_commands (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_tpm_ensure (link);
  guint64 commands = test_tpm_status (link).commands;
  (void) create (link, TPM_KEY_ECC_P256);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 7);
}

static void
finds_its_own_key_again (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmPublic made = create (link, TPM_KEY_ECC_P384);
  TpmPublic found;

  tpm_link_close (link);
  test_swtpm_kill (swtpm);
  test_swtpm_start (swtpm);
  test_tpm_ensure (link);
  (void) tpm_key_find (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &found, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (&found, sizeof found, &made, sizeof made);
}

static void
finds_nothing_where_nothing_is (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmPublic found;

  test_tpm_ensure (link);
  g_assert_false (tpm_key_find (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &found, &error));
  assert_tpmid_error (error, TPMID_ERROR_NOT_FOUND);
  test_tpm_assert_state (link, TPM_STATE_READY);
}

static void
assert_create_refuses (TpmLink *link, TpmidError code)
{
  g_autoptr (GError) error = NULL;
  g_auto (TpmNewKey) made = { .public.size = 1 };

  g_assert_false (tpm_make_key (link, NULL, TEST_HANDLE, TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, &made, &error));
  assert_tpmid_error (error, (int) code);
  g_assert_cmpuint (made.public.size, ==, 1);
  g_assert_null (made.public_blob);
}

static void
create_never_replaces_a_key (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  TpmPublic public = create (link, TPM_KEY_ECC_P256);

  assert_create_refuses (link, TPMID_ERROR_HANDLE_TAKEN);
  TpmSignature signature = sign (link, &public, TPM_HASH_SHA256);
  g_assert_true (verifies (&public, &signature, 32));
  test_swtpm_assert_clean (swtpm);
}

static void
make_foreign_key (TestSwtpm *swtpm, const char *attributes)
{
  test_swtpm_run (swtpm, "tpm2_createprimary -Q -C o -G ecc -c parent.ctx");
  test_swtpm_run (swtpm, "tpm2_create -Q -C parent.ctx -G ecc -u key.pub -r key.priv -a '%s'", attributes);
  test_swtpm_run (swtpm, "tpm2_flushcontext -t");
  test_swtpm_run (swtpm, "tpm2_load -Q -C parent.ctx -u key.pub -r key.priv -c key.ctx");
  test_swtpm_run (swtpm, "tpm2_flushcontext -t");
  test_swtpm_run (swtpm, "tpm2_evictcontrol -Q -C o -c key.ctx 0x%x", TEST_HANDLE);
  test_swtpm_run (swtpm, "tpm2_flushcontext -t");
}

static void
a_key_of_others_is_never_taken_for_ours (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmPublic found;

  /* Our template in everything but the tag. */
  make_foreign_key (swtpm, "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign");
  test_tpm_ensure (link);
  g_assert_false (tpm_key_find (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &found, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  assert_create_refuses (link, TPMID_ERROR_HANDLE_TAKEN);

  g_autofree char *handles = test_swtpm_tool (swtpm, "tpm2_getcap handles-persistent");
  g_assert_cmpstr (handles, ==, "- 0x81005401\n");
  test_swtpm_assert_clean (swtpm);
}

static void
signing_with_another_name_is_refused (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;
  TpmPublic public = create (link, TPM_KEY_ECC_P256);
  TpmSignature signature;

  public.name[TPM_NAME_SIZE - 1] ^= 1;
  TpmKeyRef ref = test_tpm_ref (&public);
  guint64 commands = test_tpm_status (link).commands;
  g_assert_false (tpm_key_sign (link, &ref, TPM_HASH_SHA256, digest, &signature, &error));
  assert_tpmid_error (error, TPMID_ERROR_KEY_ORPHANED);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands);
}

static void
a_key_evicted_by_others_is_orphaned (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  TpmPublic public = create (link, TPM_KEY_ECC_P256);
  TpmKeyRef ref = test_tpm_ref (&public);

  test_swtpm_run (swtpm, "tpm2_evictcontrol -Q -C o -c 0x%x", TEST_HANDLE);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;
      TpmSignature signature;

      g_assert_false (tpm_key_sign (link, &ref, TPM_HASH_SHA256, digest, &signature, &error));
      assert_tpmid_error (error, TPMID_ERROR_KEY_ORPHANED);
    }
  test_tpm_assert_state (link, TPM_STATE_READY);
  TpmPublic again = create (link, TPM_KEY_ECC_P256);
  TpmSignature signature = sign (link, &again, TPM_HASH_SHA256);
  g_assert_true (verifies (&again, &signature, 32));
}

static void
an_owner_password_of_others_is_not_tried (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_swtpm_run (swtpm, "tpm2_changeauth -Q -c owner secret");
  test_tpm_ensure (link);
  g_assert_true (test_tpm_status (link).facts.owner_auth_set);
  guint64 commands = test_tpm_status (link).commands;
  assert_create_refuses (link, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  /* Is the handle free, and is the password still there. */
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 2);
  g_assert_cmpuint (test_swtpm_lockout_counter (swtpm), ==, 0);

  test_swtpm_run (swtpm, "tpm2_changeauth -Q -c owner -p secret");
  (void) create (link, TPM_KEY_ECC_P256);
  test_swtpm_assert_clean (swtpm);
}

static void
an_owner_password_that_comes_later_is_tried_once (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_tpm_ensure (link);
  test_swtpm_run (swtpm, "tpm2_changeauth -Q -c owner secret");
  assert_create_refuses (link, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  g_assert_true (test_tpm_status (link).facts.owner_auth_set);
  guint64 commands = test_tpm_status (link).commands;
  assert_create_refuses (link, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 2);
  g_assert_cmpuint (test_swtpm_lockout_counter (swtpm), ==, 0);
  test_swtpm_assert_clean (swtpm);
}

static void
read_anchor (TpmLink *link, TpmHierarchy hierarchy, guint8 name[TPM_NAME_SIZE])
{
  g_autoptr (GError) error = NULL;

  guint64 commands = test_tpm_status (link).commands;
  (void) tpm_hierarchy_read_anchor (link, hierarchy, name, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_tpm_status (link).commands, ==, commands + 2);
}

static void
anchors_tell_a_tpm_and_its_clearing (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  guint8 owner[TPM_NAME_SIZE], owner_again[TPM_NAME_SIZE], owner_cleared[TPM_NAME_SIZE];
  guint8 endorsement[TPM_NAME_SIZE], endorsement_cleared[TPM_NAME_SIZE];

  test_tpm_ensure (link);
  read_anchor (link, TPM_HIERARCHY_OWNER, owner);
  read_anchor (link, TPM_HIERARCHY_OWNER, owner_again);
  read_anchor (link, TPM_HIERARCHY_ENDORSEMENT, endorsement);
  test_swtpm_run (swtpm, "tpm2_clear -Q");
  read_anchor (link, TPM_HIERARCHY_OWNER, owner_cleared);
  read_anchor (link, TPM_HIERARCHY_ENDORSEMENT, endorsement_cleared);

  g_assert_cmpmem (owner, sizeof owner, owner_again, sizeof owner_again);
  g_assert_cmpmem (endorsement, sizeof endorsement, endorsement_cleared, sizeof endorsement_cleared);
  g_assert_cmpint (memcmp (owner, owner_cleared, sizeof owner), !=, 0);
  test_swtpm_assert_clean (swtpm);
}

static void
the_endorsement_anchor_is_the_standard_ek (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_swtpm_run (swtpm, "tpm2_createek -Q -G ecc -c ek.ctx");
  test_swtpm_run (swtpm, "tpm2_readpublic -Q -c ek.ctx -n ek.name");
  g_autofree char *path = g_build_filename (test_swtpm_folder (swtpm), "ek.name", NULL);
  g_autofree char *expected = NULL;
  guint8 name[TPM_NAME_SIZE];
  gsize size;

  test_tpm_ensure (link);
  read_anchor (link, TPM_HIERARCHY_ENDORSEMENT, name);
  g_assert_true (g_file_get_contents (path, &expected, &size, NULL));
  g_assert_cmpmem (name, sizeof name, expected, size);
}

static void
power_cuts_leave_the_lockout_counter_at_zero (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  TpmPublic public;

  {
    g_autoptr (TpmLink) link = test_tpm_link (swtpm);
    public = create (link, TPM_KEY_ECC_P256);
  }
  for (guint i = 0; i < 20; i++)
    {
      TpmLink *link = test_tpm_link (swtpm);

      test_tpm_ensure (link);
      TpmSignature signature = sign (link, &public, TPM_HASH_SHA256);
      g_assert_true (verifies (&public, &signature, 32));
      test_swtpm_kill (swtpm);
      tpm_link_free (link);
      test_swtpm_start (swtpm);
    }
  g_assert_cmpuint (test_swtpm_lockout_counter (swtpm), ==, 0);
  test_swtpm_assert_clean (swtpm);
}

/* The key is noDA: somebody who guesses passwords elsewhere does not take the device's identity away. */
static void
a_locked_out_tpm_still_signs (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  TpmPublic public = create (link, TPM_KEY_ECC_P256);

  test_swtpm_run (swtpm, "tpm2_dictionarylockout -Q -s -n 1 -t 1000 -l 1000");
  test_swtpm_run (swtpm, "tpm2_createprimary -Q -C o -p secret -c guarded.ctx");
  test_swtpm_run (swtpm, "sh -c '! tpm2_create -Q -C guarded.ctx -P wrong -u x.pub -r x.priv'");
  tpm_link_close (link);
  test_tpm_ensure (link);
  g_assert_cmpuint (test_tpm_status (link).facts.lockout_limit, ==, 1);
  g_assert_cmpuint (test_tpm_status (link).facts.lockout_counter, ==, 1);
  g_assert_true (test_tpm_status (link).facts.in_lockout);
  TpmSignature signature = sign (link, &public, TPM_HASH_SHA256);
  g_assert_true (verifies (&public, &signature, 32));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/key/p256-signatures-verify-with-every-hash", p256_signatures_verify_with_every_hash);
  g_test_add_func ("/tpm/key/p384-signatures-verify-with-every-hash", p384_signatures_verify_with_every_hash);
  g_test_add_func ("/tpm/key/a-warm-signature-is-one-command", a_warm_signature_is_one_command);
  g_test_add_func ("/tpm/key/creating-takes-seven-commands", creating_takes_seven_commands);
  g_test_add_func ("/tpm/key/finds-its-own-key-again", finds_its_own_key_again);
  g_test_add_func ("/tpm/key/finds-nothing-where-nothing-is", finds_nothing_where_nothing_is);
  g_test_add_func ("/tpm/key/create-never-replaces-a-key", create_never_replaces_a_key);
  g_test_add_func ("/tpm/key/a-key-of-others-is-never-taken-for-ours", a_key_of_others_is_never_taken_for_ours);
  g_test_add_func ("/tpm/key/signing-with-another-name-is-refused", signing_with_another_name_is_refused);
  g_test_add_func ("/tpm/key/a-key-evicted-by-others-is-orphaned", a_key_evicted_by_others_is_orphaned);
  g_test_add_func ("/tpm/key/an-owner-password-of-others-is-not-tried", an_owner_password_of_others_is_not_tried);
  g_test_add_func ("/tpm/key/an-owner-password-that-comes-later-is-tried-once", an_owner_password_that_comes_later_is_tried_once);
  g_test_add_func ("/tpm/key/power-cuts-leave-the-lockout-counter-at-zero", power_cuts_leave_the_lockout_counter_at_zero);
  g_test_add_func ("/tpm/key/a-locked-out-tpm-still-signs", a_locked_out_tpm_still_signs);
  g_test_add_func ("/tpm/hierarchy/anchors-tell-a-tpm-and-its-clearing", anchors_tell_a_tpm_and_its_clearing);
  g_test_add_func ("/tpm/hierarchy/the-endorsement-anchor-is-the-standard-ek", the_endorsement_anchor_is_the_standard_ek);
  return g_test_run ();
}

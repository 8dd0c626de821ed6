/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-backend.h"
#include "identity-key.h"
#include "identity-support.h"

#include <string.h>

static IdentityKey *
new_key (const char *name, IdentityAlgorithm algorithm, guint owner)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (IdentitySoftkey) softkey = identity_softkey_new (algorithm, &error);

  g_assert_no_error (error);
  g_autoptr (IdentityBackend) backend = identity_backend_new_software (softkey);
  return identity_key_new (name, backend, IDENTITY_ALGORITHM_ECC_P384, IDENTITY_USAGE_DECRYPT, owner);
}

/* @key: (transfer full) */
static IdentityKey *
become (IdentityKey *key, IdentityKeyState state, TpmidError code, const char *problem)
{
  IdentityKey *other = identity_key_with_state (key, state, (int) code, problem);

  identity_key_unref (key);
  return other;
}

static void
test_a_key_that_is_being_made_has_no_public_half (void)
{
  g_autoptr (IdentityKey) key = identity_key_new ("app", NULL, IDENTITY_ALGORITHM_RSA_2048, IDENTITY_USAGE_DECRYPT, 1000);

  g_assert_cmpstr (key->name, ==, "app");
  g_assert_cmpint (key->algorithm, ==, IDENTITY_ALGORITHM_RSA_2048);
  g_assert_cmpint (key->usage, ==, IDENTITY_USAGE_DECRYPT);
  g_assert_cmpint (key->state, ==, IDENTITY_KEY_CREATING);
  g_assert_cmpuint (key->owner, ==, 1000);
  g_assert_cmpuint (g_bytes_get_size (key->spki), ==, 0);
  g_assert_cmpuint (g_bytes_get_size (key->reference), ==, 0);
  g_assert_cmpstr (key->certificate, ==, "");
  g_assert_cmpstr (key->problem, ==, "");
}

static void
test_a_made_key_is_what_its_backend_says (void)
{
  for (int algorithm = IDENTITY_ALGORITHM_ECC_P256; algorithm <= IDENTITY_ALGORITHM_RSA_2048; algorithm++)
    {
      g_autoptr (IdentityKey) key = new_key ("app", (IdentityAlgorithm) algorithm, 7);
      g_autoptr (GBytes) reference = identity_public_reference (key->spki);

      g_assert_cmpint (key->algorithm, ==, algorithm);
      g_assert_cmpint (key->usage, ==, identity_algorithm_default_usage (key->algorithm));
      g_assert_cmpint (key->state, ==, IDENTITY_KEY_USABLE);
      g_assert_cmpuint (key->owner, ==, 7);
      g_assert_cmpuint (g_bytes_get_size (key->spki), >, 64);
      g_assert_true (g_bytes_equal (key->reference, reference));
    }
}

static void
test_a_key_out_of_reach_is_missing (void)
{
  g_autoptr (GBytes) spki = g_bytes_new_static ("remembered", 10);
  g_autoptr (IdentityBackend) backend = identity_backend_new_unreachable (IDENTITY_ALGORITHM_ECC_P256, spki);
  g_autoptr (IdentityKey) key = identity_key_new ("app", backend, 0, 0, 0);

  g_assert_cmpint (key->state, ==, IDENTITY_KEY_MISSING);
  g_assert_true (g_bytes_equal (key->spki, spki));
  g_assert_cmpint (key->problem_code, ==, TPMID_ERROR_IDENTITY_FAULT);
}

static void
test_keys_are_equal_when_nobody_sees_a_difference (void)
{
  g_autoptr (IdentityKey) key = new_key ("app", IDENTITY_ALGORITHM_ECC_P256, 0);
  g_autoptr (IdentityKey) same = identity_key_new ("app", key->backend, 0, 0, 0);
  g_autoptr (IdentityKey) renamed = identity_key_new ("apq", key->backend, 0, 0, 0);
  g_autoptr (IdentityKey) given_away = identity_key_new ("app", key->backend, 0, 0, 1);
  g_autoptr (IdentityKey) certified = identity_key_with_certificate (key, "PEM");
  g_autoptr (IdentityKey) missing = identity_key_with_state (key, IDENTITY_KEY_MISSING, TPMID_ERROR_STORAGE, "");
  g_autoptr (IdentityKey) explained = identity_key_with_state (key, IDENTITY_KEY_USABLE, TPMID_ERROR_STORAGE, "why");
  g_autoptr (IdentityKey) other = new_key ("app", IDENTITY_ALGORITHM_ECC_P256, 0);
  g_autoptr (IdentityKey) planned = identity_key_new ("app", NULL, IDENTITY_ALGORITHM_ECC_P256, IDENTITY_USAGE_SIGN, 0);
  const IdentityKey *const different[] = { renamed, given_away, certified, missing, explained, other, planned };

  g_assert_true (identity_key_equal (key, key));
  g_assert_true (identity_key_equal (key, same));
  for (gsize i = 0; i < G_N_ELEMENTS (different); i++)
    {
      g_assert_false (identity_key_equal (key, different[i]));
      g_assert_false (identity_key_equal (different[i], key));
    }
}

static void
test_planned_keys_are_equal_by_what_is_planned (void)
{
  g_autoptr (IdentityKey) key = identity_key_new ("app", NULL, IDENTITY_ALGORITHM_ECC_P256, IDENTITY_USAGE_SIGN, 0);
  g_autoptr (IdentityKey) same = identity_key_new ("app", NULL, IDENTITY_ALGORITHM_ECC_P256, IDENTITY_USAGE_SIGN, 0);
  g_autoptr (IdentityKey) curve = identity_key_new ("app", NULL, IDENTITY_ALGORITHM_ECC_P384, IDENTITY_USAGE_SIGN, 0);
  g_autoptr (IdentityKey) usage = identity_key_new ("app", NULL, IDENTITY_ALGORITHM_ECC_P256, IDENTITY_USAGE_DECRYPT, 0);

  g_assert_true (identity_key_equal (key, same));
  g_assert_false (identity_key_equal (key, curve));
  g_assert_false (identity_key_equal (key, usage));
}

static void
test_a_change_leaves_the_key_as_it_was (void)
{
  g_autoptr (IdentityKey) key = new_key ("app", IDENTITY_ALGORITHM_ECC_P256, 3);
  g_autoptr (IdentityKey) failed = identity_key_with_state (key, IDENTITY_KEY_FAILED, TPMID_ERROR_STORAGE, "no room");
  g_autoptr (IdentityKey) certified = identity_key_with_certificate (failed, "PEM");

  g_assert_cmpint (key->state, ==, IDENTITY_KEY_USABLE);
  g_assert_cmpstr (key->problem, ==, "");
  g_assert_cmpint (certified->state, ==, IDENTITY_KEY_FAILED);
  g_assert_cmpstr (certified->problem, ==, "no room");
  g_assert_cmpstr (certified->certificate, ==, "PEM");
  g_assert_cmpstr (failed->certificate, ==, "");
  g_assert_cmpuint (certified->owner, ==, 3);
  g_assert_true (g_bytes_equal (certified->spki, key->spki));
}

static void
test_states_have_the_words_of_the_bus (void)
{
  static const char *const words[] = { "creating", "usable", "failed", "missing", "orphaned" };

  for (guint state = 0; state < G_N_ELEMENTS (words); state++)
    g_assert_cmpstr (identity_key_state_name ((IdentityKeyState) state), ==, words[state]);
}

static void
assert_unusable (IdentityKey *key, IdentityUsage usage, TpmidError code, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_key_check_usable (key, usage, &error));
  assert_contains (error->message, "key app ");
  assert_refused (&error, code, words);
}

static void
test_only_a_usable_key_can_be_used (void)
{
  g_autoptr (IdentityKey) key = new_key ("app", IDENTITY_ALGORITHM_ECC_P256, 0);
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_key_check_usable (key, IDENTITY_USAGE_SIGN, &error));
  g_assert_no_error (error);
  key = become (key, IDENTITY_KEY_CREATING, 0, "");
  assert_unusable (key, IDENTITY_USAGE_SIGN, TPMID_ERROR_NOT_READY, "wait until");
  key = become (key, IDENTITY_KEY_FAILED, TPMID_ERROR_EXHAUSTED, "the TPM is full");
  assert_unusable (key, IDENTITY_USAGE_SIGN, TPMID_ERROR_EXHAUSTED, "the TPM is full");
  key = become (key, IDENTITY_KEY_MISSING, TPMID_ERROR_IDENTITY_FAULT, "the mode is not tpm");
  assert_unusable (key, IDENTITY_USAGE_SIGN, TPMID_ERROR_IDENTITY_FAULT, "the mode is not tpm");
  key = become (key, IDENTITY_KEY_ORPHANED, TPMID_ERROR_KEY_ORPHANED, "the TPM was cleared");
  assert_unusable (key, IDENTITY_USAGE_SIGN, TPMID_ERROR_KEY_ORPHANED, "the TPM was cleared");
}

static void
assert_fits (IdentityKey *key, gboolean in_tpm, gboolean in_software, IdentityKeyState state)
{
  g_autoptr (IdentityKey) fitted = identity_key_fit (key, in_tpm, in_software);

  g_assert_cmpint (fitted->state, ==, state);
  g_assert_true (state == IDENTITY_KEY_MISSING ? fitted->problem[0] != '\0' : g_str_equal (fitted->problem, key->problem));
}

static void
test_a_key_is_missing_where_the_mode_is_another (void)
{
  g_autoptr (IdentityKey) key = new_key ("app", IDENTITY_ALGORITHM_ECC_P256, 0);

  assert_fits (key, FALSE, TRUE, IDENTITY_KEY_USABLE);
  assert_fits (key, TRUE, FALSE, IDENTITY_KEY_MISSING);
  assert_fits (key, FALSE, FALSE, IDENTITY_KEY_MISSING);

  g_autoptr (IdentityKey) missing = identity_key_fit (key, FALSE, FALSE);
  g_autoptr (IdentityKey) back = identity_key_fit (missing, FALSE, TRUE);
  g_assert_true (identity_key_equal (back, key));
  key = become (key, IDENTITY_KEY_ORPHANED, TPMID_ERROR_KEY_ORPHANED, "gone");
  assert_fits (key, FALSE, TRUE, IDENTITY_KEY_ORPHANED);
}

/* What it is for is said first, whatever its state. */
static void
test_a_key_does_one_thing (void)
{
  g_autoptr (IdentityKey) signing = new_key ("app", IDENTITY_ALGORITHM_ECC_P384, 0);
  g_autoptr (IdentityKey) decrypting = new_key ("app", IDENTITY_ALGORITHM_RSA_2048, 0);
  g_autoptr (GError) error = NULL;

  assert_unusable (signing, IDENTITY_USAGE_DECRYPT, TPMID_ERROR_NOT_SUPPORTED, "only sign");
  assert_unusable (decrypting, IDENTITY_USAGE_SIGN, TPMID_ERROR_NOT_SUPPORTED, "only decrypt");
  g_assert_true (identity_key_check_usable (decrypting, IDENTITY_USAGE_DECRYPT, &error));
  decrypting = become (decrypting, IDENTITY_KEY_ORPHANED, TPMID_ERROR_KEY_ORPHANED, "gone");
  assert_unusable (decrypting, IDENTITY_USAGE_SIGN, TPMID_ERROR_NOT_SUPPORTED, "only decrypt");
}

static void
test_names_are_checked (void)
{
  g_autofree char *longest = g_strnfill (64, 'a');
  g_autofree char *too_long = g_strnfill (65, 'a');
  const char *const good[] = { "a", "0", "device", "a.b_c-d", "9..", longest };
  const char *const bad[] = { "", ".a", "-a", "_a", "A", "aB", "a/b", "../a", "a b", "a\n", "\xc3\xa4", "a:", too_long };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (identity_key_check_name (good[i], NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (identity_key_check_name (bad[i], &error));
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "lower-case");
    }
}

static void
test_algorithms_and_usages_have_names (void)
{
  static const char *const algorithms[] = { "ecc-p256", "ecc-p384", "rsa-2048" };
  static const IdentityUsage usages[] = { IDENTITY_USAGE_SIGN, IDENTITY_USAGE_SIGN, IDENTITY_USAGE_DECRYPT };
  static const char *const usage_words[] = { "sign", "decrypt" };

  for (guint i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      IdentityAlgorithm algorithm;
      g_assert_true (identity_algorithm_from_name (algorithms[i], &algorithm, NULL));
      g_assert_cmpuint (algorithm, ==, i);
      g_assert_cmpstr (identity_algorithm_name (algorithm), ==, algorithms[i]);
      g_assert_cmpint (identity_algorithm_default_usage (algorithm), ==, usages[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (usage_words); i++)
    {
      IdentityUsage usage;
      g_assert_true (identity_usage_from_name (usage_words[i], &usage, NULL));
      g_assert_cmpuint (usage, ==, i);
      g_assert_cmpstr (identity_usage_name (usage), ==, usage_words[i]);
    }
}

static void
test_other_names_are_refused_with_those_that_there_are (void)
{
  static const char *const bad[] = { "", "RSA-2048", "rsa", "rsa-3072", "ecc-p521", "Sign", "decrypt ",
                                     "\n\x01very long and not even printable" };
  IdentityAlgorithm algorithm = 99;
  IdentityUsage usage = 99;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (identity_algorithm_from_name (bad[i], &algorithm, &error));
      g_assert_null (strchr (error->message, '\n'));
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "ecc-p256, ecc-p384 or rsa-2048");
      g_assert_false (identity_usage_from_name (bad[i], &usage, &error));
      g_assert_null (strchr (error->message, '\n'));
      assert_refused (&error, TPMID_ERROR_INVALID_ARGUMENT, "sign or decrypt");
    }
  g_assert_cmpuint (algorithm, ==, 99);
  g_assert_cmpuint (usage, ==, 99);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/key/that-is-being-made-has-no-public-half", test_a_key_that_is_being_made_has_no_public_half);
  g_test_add_func ("/identity/key/that-is-made-is-what-its-backend-says", test_a_made_key_is_what_its_backend_says);
  g_test_add_func ("/identity/key/out-of-reach-is-missing", test_a_key_out_of_reach_is_missing);
  g_test_add_func ("/identity/key/keys-are-equal-when-nobody-sees-a-difference", test_keys_are_equal_when_nobody_sees_a_difference);
  g_test_add_func ("/identity/key/planned-keys-are-equal-by-what-is-planned", test_planned_keys_are_equal_by_what_is_planned);
  g_test_add_func ("/identity/key/a-change-leaves-the-key-as-it-was", test_a_change_leaves_the_key_as_it_was);
  g_test_add_func ("/identity/key/states-have-the-words-of-the-bus", test_states_have_the_words_of_the_bus);
  g_test_add_func ("/identity/key/only-a-usable-key-can-be-used", test_only_a_usable_key_can_be_used);
  g_test_add_func ("/identity/key/a-key-is-missing-where-the-mode-is-another", test_a_key_is_missing_where_the_mode_is_another);
  g_test_add_func ("/identity/key/a-key-does-one-thing", test_a_key_does_one_thing);
  g_test_add_func ("/identity/key/names-are-checked", test_names_are_checked);
  g_test_add_func ("/identity/algorithm/algorithms-and-usages-have-names", test_algorithms_and_usages_have_names);
  g_test_add_func ("/identity/algorithm/other-names-are-refused-with-those-that-there-are",
                   test_other_names_are_refused_with_those_that_there_are);
  return g_test_run ();
}

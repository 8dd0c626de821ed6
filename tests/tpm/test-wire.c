/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Somebody reads, or changes, what crosses between the processor and the TPM. */
#include "test-decrypt.h"
#include "test-proxy.h"

#include <tss2/tss2_tpm2_types.h>

#define PIECE_SIZE 16
/* Tag, size, code: TPM 2.0 Library Part 1, 18. */
#define HEADER_SIZE 10

/* The proxy is the wire. */
typedef struct
{
  TestSwtpm *swtpm;
  TestProxy *proxy;
  TpmLink *link;
  TpmNewKey made;
  TpmKeyRef key;
  TestBlock block;
} Bench;

static void
bench_init (Bench *bench, TestKeyKind kind, gboolean exclusive)
{
  g_autoptr (GError) error = NULL;

  *bench = (Bench){ .swtpm = test_swtpm_new () };
  g_autofree char *path = g_build_filename (test_swtpm_folder (bench->swtpm), "wire", NULL);
  bench->proxy = test_proxy_new (TEST_PROXY_SOCKET, path, test_swtpm_socket (bench->swtpm));
  bench->link = test_decrypt_link (test_proxy_tcti (bench->proxy), exclusive);
  test_tpm_ensure (bench->link);
  (void) test_decrypt_make (bench->link, kind, &bench->made, &error);
  g_assert_no_error (error);
  bench->key = test_decrypt_ref (&bench->made, kind);
  test_block_init (&bench->block, &bench->made.public, 1);
}

static void
bench_clear (Bench *bench)
{
  tpm_link_free (bench->link);
  test_proxy_free (bench->proxy);
  test_swtpm_assert_clean (bench->swtpm);
  tpm_new_key_clear (&bench->made);
  test_swtpm_free (bench->swtpm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

static void
decrypt (Bench *bench)
{
  g_autoptr (GError) error = NULL;

  (void) test_decrypt_try (bench->link, &bench->key, &bench->block, &error);
  g_assert_no_error (error);
}

/* Returns: how many of the pieces of @what are somewhere in @record */
static guint
count_pieces (GBytes *record, const guint8 *what, gsize what_size)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (record, &size);
  guint found = 0;

  for (gsize at = 0; at + PIECE_SIZE <= what_size; at++)
    found += memmem (data, size, what + at, PIECE_SIZE) != NULL;
  return found;
}

#define ALL_PIECES (TPM_MODULUS_MAX - PIECE_SIZE + 1)

static void
assert_secret (const Bench *bench, GBytes *record, guint pieces)
{
  g_assert_cmpuint (count_pieces (record, bench->block.plaintext, sizeof bench->block.plaintext), ==, pieces);
  /* That much crosses in any case: the record is one of this decryption. */
  g_assert_cmpuint (count_pieces (record, bench->block.ciphertext, sizeof bench->block.ciphertext), ==, ALL_PIECES);
}

/* The same look at a program that does nothing about it. */
static void
assert_others_are_seen (Bench *bench)
{
  g_autofree char *path = g_build_filename (test_swtpm_folder (bench->swtpm), "ciphertext", NULL);

  g_assert_true (g_file_set_contents (path, (const char *) bench->block.ciphertext, sizeof bench->block.ciphertext, NULL));
  test_proxy_record (bench->proxy);
  test_swtpm_run (bench->swtpm, "tpm2_rsadecrypt -Q -T %s -c 0x%x -s null -o plaintext ciphertext", test_proxy_tcti (bench->proxy),
                  TEST_CREDENTIALS);
  g_autoptr (GBytes) record = test_proxy_take_record (bench->proxy);
  assert_secret (bench, record, ALL_PIECES);
}

static void
check_secrecy (TestKeyKind kind, gboolean exclusive)
{
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, kind, exclusive);
  /* First with all that it takes to open and to start a session, then warm. */
  for (guint round = 0; round < 2; round++)
    {
      test_proxy_record (bench.proxy);
      if (round == 0)
        {
          tpm_link_close (bench.link);
          test_tpm_ensure (bench.link);
        }
      decrypt (&bench);
      g_autoptr (GBytes) record = test_proxy_take_record (bench.proxy);
      assert_secret (&bench, record, 0);
    }
  if (kind == TEST_KEY_PERSISTENT)
    assert_others_are_seen (&bench);
}

static void
no_plaintext_crosses_the_wire (void)
{
  for (guint kind = 0; kind < TEST_N_KEY_KINDS; kind++)
    {
      check_secrecy ((TestKeyKind) kind, TRUE);
      check_secrecy ((TestKeyKind) kind, FALSE);
    }
}

static guint32
get_be32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_BE (value);
}

/* The first command of that code; what crosses is commands and answers in turn. */
static const guint8 *
find_command (GBytes *record, guint32 code)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (record, &size);
  gboolean is_command = TRUE;

  for (gsize at = 0; at + HEADER_SIZE <= size; at += get_be32 (data + at + 2), is_command = !is_command)
    if (is_command && get_be32 (data + at + 6) == code)
      return data + at;
  return NULL;
}

/* Encryption alone is none: a session without a salt has a key that everybody can compute. TPM 2.0 Library Part 3, 11.1.1: the key that
 * the salt is for, what the session is bound to, nonceCaller, encryptedSalt, the type of the session. */
static void
a_session_is_salted_with_the_parent (void)
{
  for (guint exclusive = 0; exclusive < 2; exclusive++)
    {
      g_auto (Bench) bench = { NULL };

      bench_init (&bench, TEST_KEY_PERSISTENT, (gboolean) exclusive);
      test_proxy_record (bench.proxy);
      decrypt (&bench);
      g_autoptr (GBytes) record = test_proxy_take_record (bench.proxy);
      const guint8 *command = find_command (record, TPM2_CC_StartAuthSession);
      g_assert_nonnull (command);
      g_assert_cmphex (get_be32 (command + HEADER_SIZE), ==, TEST_PARENT);
      g_assert_cmphex (get_be32 (command + HEADER_SIZE + 4), ==, TPM2_RH_NULL);
      const guint8 *nonce = command + HEADER_SIZE + 8;
      guint nonce_size = (guint) nonce[0] << 8 | nonce[1];
      const guint8 *salt = nonce + 2 + nonce_size;
      /* A point of P-256: two numbers, each with its size. */
      g_assert_cmpuint (nonce_size, >=, 16);
      g_assert_cmpuint ((guint) salt[0] << 8 | salt[1], ==, 2 * (2 + 32));
      g_assert_cmphex (salt[2 + 68], ==, TPM2_SE_HMAC);
    }
}

/* The answer to RSA_Decrypt in a session: header, size of the parameters, the size of the block and the block; then nonce, attributes
 * and HMAC with their sizes. */
enum
{
  AT_PARAMETERS = HEADER_SIZE,
  AT_BLOCK = AT_PARAMETERS + 4 + 2,
  AT_NONCE = AT_BLOCK + TPM_MODULUS_MAX + 2,
  AT_ATTRIBUTES = AT_NONCE + 32,
  AT_HMAC = AT_ATTRIBUTES + 1 + 2,
  ANSWER_SIZE = AT_HMAC + 32,
};

/* @nth: which answer it is */
static void
assert_change_is_noticed (Bench *bench, guint32 offset, guint nth, TpmidError code)
{
  guint spoiled = test_proxy_get_spoiled (bench->proxy);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (bench->link);
  test_proxy_spoil (bench->proxy, TEST_SPOIL_BIT, nth, 1, offset);
  g_assert_false (test_decrypt_try (bench->link, &bench->key, &bench->block, &error));
  g_assert_cmpuint (test_proxy_get_spoiled (bench->proxy), ==, spoiled + 1);
  assert_tpmid_error (error, (int) code);
  test_decrypt_play_resource_manager (bench->link, bench->swtpm);
  tpm_link_retry_now (bench->link);
  test_tpm_ensure (bench->link);
  decrypt (bench);
  test_decrypt_assert_tidy (bench->link);
}

static void
check_changes (TestKeyKind kind, gboolean exclusive, guint nth)
{
  static const guint32 offsets[] = {
    AT_BLOCK, AT_BLOCK + 17, AT_BLOCK + TPM_MODULUS_MAX - 1, AT_NONCE, AT_NONCE + 31, AT_HMAC, ANSWER_SIZE - 1,
    /* What crosses as a session's attributes: continueSession, the lowest bit. */
    AT_ATTRIBUTES,
  };
  g_auto (Bench) bench = { NULL };

  bench_init (&bench, kind, exclusive);
  decrypt (&bench);
  for (gsize i = 0; i < G_N_ELEMENTS (offsets); i++)
    assert_change_is_noticed (&bench, offsets[i], nth, TPMID_ERROR_UNTRUSTED_RESPONSE);
  /* Sizes that are not right are no answer at all. */
  assert_change_is_noticed (&bench, AT_PARAMETERS + 3, nth, TPMID_ERROR_TPM_UNAVAILABLE);
}

static void
no_changed_answer_is_believed (void)
{
  check_changes (TEST_KEY_PERSISTENT, TRUE, 1);
  check_changes (TEST_KEY_PERSISTENT, FALSE, 2);
  check_changes (TEST_KEY_LOADED, TRUE, 2);
  check_changes (TEST_KEY_LOADED, FALSE, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/wire/no-plaintext-crosses-the-wire", no_plaintext_crosses_the_wire);
  g_test_add_func ("/tpm/wire/a-session-is-salted-with-the-parent", a_session_is_salted_with_the_parent);
  g_test_add_func ("/tpm/wire/no-changed-answer-is-believed", no_changed_answer_is_believed);
  return g_test_run ();
}

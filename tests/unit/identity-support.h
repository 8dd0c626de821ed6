/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-error.h"
#include "identity-public.h"
#include "identity-softkey.h"

G_BEGIN_DECLS

/* What the tests of the identity room share: a temporary folder each, the openssl program as a judge that is not ours, and
 * signers, sound ones and others. */

typedef struct
{
  char *folder;
} Fixture;

void fixture_set_up (Fixture *fixture, gconstpointer data);
void fixture_tear_down (Fixture *fixture, gconstpointer data);

/* Returns: (transfer full): the path of @name in the fixture's folder */
char *fixture_path (Fixture *fixture, const char *name);
char *fixture_write (Fixture *fixture, const char *name, gconstpointer data, gssize size);
char *fixture_write_bytes (Fixture *fixture, const char *name, GBytes *bytes);
GBytes *fixture_read (Fixture *fixture, const char *name);

/* Runs "openssl ARGUMENTS" (words with blanks between them) in the fixture's folder.
 * Returns: (transfer full) (nullable): what it printed, standard output and error; %NULL when it failed */
char *try_openssl (Fixture *fixture, const char *arguments);
/* The same, and must succeed. */
char *run_openssl (Fixture *fixture, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Makes a key with openssl and loads it. */
IdentitySoftkey *make_key (Fixture *fixture, const char *name, IdentityAlgorithm algorithm);

/* A signer that signs with @key, counts in @calls (nullable), and does harm when asked to. */
typedef enum
{
  SIGNER_SOUND,
  SIGNER_FAILS,
  SIGNER_OTHER_DIGEST,
  SIGNER_GARBAGE,
} SignerKind;

typedef struct
{
  IdentitySigner signer;
  IdentitySoftkey *key;
  SignerKind kind;
  guint calls;
} TestSigner;

void test_signer_init (TestSigner *self, IdentitySoftkey *key, SignerKind kind);

/* Asserts that @error is @code and its message holds @words; clears it. */
void assert_refused (GError **error, TpmidError code, const char *words);

/* Whether @words are in @text is @expected; else the test ends here and shows both. */
void assert_words (const char *where, const char *text, const char *words, gboolean expected);
#define assert_contains(text, words) assert_words (G_STRLOC, (text), (words), TRUE)
#define assert_lacks(text, words) assert_words (G_STRLOC, (text), (words), FALSE)

G_END_DECLS

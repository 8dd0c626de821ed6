/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** BENCH_PLAIN_SIZE: bytes of the digest that is signed, and of the secret that was encrypted */
#define BENCH_PLAIN_SIZE 32

/**
 * BenchSubject:
 * @target: a TCTI (as Tss2_TctiLdr_Initialize() takes it) or a D-Bus address
 * @key: a persistent handle (hex) or a key name
 * @given: what is worked on: a digest, or a ciphertext
 *
 * What an operation is done with; outlives all that is opened with it.
 */
typedef struct
{
  const char *target;
  const char *key;
  const guint8 *given;
  gsize given_size;
} BenchSubject;

/**
 * BenchOperation:
 * @way: "esapi", "esapi-clear" or "tpmid"
 * @name: the operation, by the name that scripts/bench knows it by
 * @open: (thread: the caller's): a connection to the target, with the key made ready
 * @operate: one operation; the time of this function is what is measured
 * @close: frees what @open returned
 *
 * One operation by one way. None of them fails: bench_fail() ends the program.
 */
typedef struct
{
  const char *way;
  const char *name;
  gpointer (*open) (const BenchSubject *subject);
  void (*operate) (gpointer self);
  void (*close) (gpointer self);
} BenchOperation;

/** bench_fail: prints a sentence on standard error and ends the program with status 1. Any thread. */
G_NORETURN void bench_fail (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Through the ESAPI alone: a bare loop on the TPM, or on a resource manager, by the TCTI. What is decrypted comes back
 * encrypted, through a salted session that bench_esapi_open_decrypt() starts, or in the clear. */
gpointer bench_esapi_open_sign (const BenchSubject *subject);
gpointer bench_esapi_open_decrypt (const BenchSubject *subject);
gpointer bench_esapi_open_decrypt_clear (const BenchSubject *subject);
void bench_esapi_sign_p256 (gpointer self);
void bench_esapi_decrypt (gpointer self);
void bench_esapi_close (gpointer self);

/* Through libtpmid and D-Bus. */
gpointer bench_tpmid_open (const BenchSubject *subject);
void bench_tpmid_sign (gpointer self);
void bench_tpmid_decrypt (gpointer self);
void bench_tpmid_close (gpointer self);

G_END_DECLS

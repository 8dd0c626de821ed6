/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BenchOperation:
 * @way: "esapi" or "tpmid"
 * @name: the operation, by the name that scripts/bench knows it by
 * @open: (thread: the caller's): a connection to @target, a TCTI (as Tss2_TctiLdr_Initialize() takes it) or a D-Bus address,
 *   and the key, a persistent handle or a key name, made ready
 * @operate: one operation; the time of this function is what is measured
 * @close: frees what @open returned
 *
 * One operation by one way. None of them fails: bench_fail() ends the program.
 */
typedef struct
{
  const char *way;
  const char *name;
  gpointer (*open) (const char *target, const char *key);
  void (*operate) (gpointer self);
  void (*close) (gpointer self);
} BenchOperation;

/** bench_fail: prints a sentence on standard error and ends the program with status 1. Any thread. */
G_NORETURN void bench_fail (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Through the ESAPI alone: a bare loop on the TPM, or on a resource manager, by the TCTI. */
gpointer bench_esapi_open (const char *target, const char *key);
void bench_esapi_sign_p256 (gpointer self);
void bench_esapi_close (gpointer self);

/* Through libtpmid and D-Bus. */
gpointer bench_tpmid_open (const char *target, const char *key);
void bench_tpmid_sign (gpointer self);
void bench_tpmid_close (gpointer self);

G_END_DECLS

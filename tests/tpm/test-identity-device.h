/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-facts.h"
#include "identity-journal.h"
#include "identity-migration.h"
#include "identity-renewal.h"
#include "identity-rotation.h"
#include "identity-slots.h"
#include "test-tpm.h"

G_BEGIN_DECLS

/* What the tests of the identity's operations share: a device with a TPM and files of its own, and a way to kill it at any step. */

#define TEST_SERIAL "SN-0815"

typedef struct
{
  TestSwtpm *swtpm;
  BaseConfig *config;
} TestDevice;

/* In place of g_test_init(): a warning in the log does not end the test. */
void test_device_init (int *argc, char ***argv);

/* Returns: (transfer full): a device with a new TPM and no identity */
TestDevice *test_device_new (void);
void test_device_free (TestDevice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestDevice, test_device_free)

/* Gives the device an identity in the TPM, as its first boot does. @has_slot: with slots/current.pem, which older releases did not make. */
void test_device_provision (TestDevice *self, gboolean has_slot);

/* Gives the device an identity in software. */
void test_device_provision_software (TestDevice *self);

/* Returns: (transfer full): an open link */
TpmLink *test_device_link (TestDevice *self);

/* Returns: (transfer full): the record on disk */
IdentityRecord *test_device_record (TestDevice *self);

/* Returns: (transfer full): the path of @name in the state folder */
char *test_device_path (TestDevice *self, const char *name);

/* Returns: (transfer full) (nullable): the content of @path; %NULL when there is no such file */
char *test_device_read (const char *path);

/* Returns: (transfer full) (nullable): the content of @name in the state folder */
char *test_device_read_state (TestDevice *self, const char *name);

/* Returns: the row of the table that the device is in now; nothing is carried on */
guint test_device_row (TestDevice *self);

/**
 * test_device_identify:
 * @row: the row of the table in which it must be: 11 or 7
 *
 * Asserts that no operation is under way, and that key, certificate, its copy and the record are of one identity.
 *
 * Returns: (transfer full): its reference, hex
 */
char *test_device_identify (TestDevice *self, guint row);

/* What a boot does first: carries the operation in the journal on, where there is one. */
gboolean test_device_carry_on (TestDevice *self, TpmLink *link, GError **error);

typedef gboolean (*TestOperation) (TestDevice *self, TpmLink *link, GError **error);

/* In this process, to its end; must succeed. */
void test_device_prepare (TestDevice *self, TestOperation operation);

/* The same, and nothing may be left in the TPM; this asks other programs, so it takes a while. */
void test_device_run (TestDevice *self, TestOperation operation);

/* Returns: commands of the TPM that @operation takes, with a link that has just been opened */
guint test_device_count_commands (TestDevice *self, TestOperation operation);

/* In this process; must fail with @code. */
void test_device_refuse (TestDevice *self, TestOperation operation, TpmidError code);

/**
 * test_device_run_killed:
 * @step: from 1
 *
 * Runs @operation in a process that is killed before it takes its step of that number: a command of the TPM, or a call of the system that
 * changes a folder or has it written. The TPM loses its power with it.
 *
 * Returns: whether it ended before that, with success
 */
gboolean test_device_run_killed (TestDevice *self, TestOperation operation, guint step);

/* Kills the next boots too, after a few steps each, until one gets to its end. */
void test_device_boot_killed (TestDevice *self, guint step);

/**
 * test_device_certify:
 * @key: what the leaf is to be of
 * @depth: certificates in the chain
 * @broken: the certificate, from 0, that has the right issuer's name, but another's signature; -1 = none
 * @from_day: first day of validity, counted from today
 *
 * Returns: (transfer full): a chain in PEM, valid for 10 days
 */
char *test_device_certify (const IdentityBackend *key, guint depth, int broken, int from_day);

G_END_DECLS

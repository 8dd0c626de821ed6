/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-identity-device.h"

#include "base-hex.h"
#include "identity-active.h"
#include "identity-x509.h"

#include <glib/gstdio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED 77
#define CHILD_LIMIT_SEC 60
#define BOOTS_MAX 60
#define SECONDS_PER_DAY (24 * 60 * 60)

/* The step before which this process dies; 0 = it does not. */
static guint steps_left;

static void
take_step (void)
{
  if (steps_left > 0 && --steps_left == 0)
    _exit (KILLED);
}

/* The linker sends the daemon's calls here (--wrap). */
int __wrap_rename (const char *from, const char *to);
int __wrap_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_unlink (const char *path);
int __wrap_mkdir (const char *path, mode_t mode);
int __wrap_fsync (int fd);
int __real_rename (const char *from, const char *to);
int __real_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __real_unlink (const char *path);
int __real_mkdir (const char *path, mode_t mode);
int __real_fsync (int fd);

int
__wrap_rename (const char *from, const char *to)
{
  take_step ();
  return __real_rename (from, to);
}

int
__wrap_renameat2 (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
  take_step ();
  return __real_renameat2 (from_fd, from, to_fd, to, flags);
}

int
__wrap_unlink (const char *path)
{
  take_step ();
  return __real_unlink (path);
}

int
__wrap_mkdir (const char *path, mode_t mode)
{
  take_step ();
  return __real_mkdir (path, mode);
}

int
__wrap_fsync (int fd)
{
  take_step ();
  return __real_fsync (fd);
}

static TSS2_RC
before_command (guint32 command_code, guint64 nth, gpointer user_data)
{
  take_step ();
  return TSS2_RC_SUCCESS;
}

void
test_device_init (int *argc, char ***argv)
{
  g_test_init (argc, argv, NULL);
  (void) g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
}

static BaseConfig *
make_config (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "tpmidd.conf", NULL);
  g_autofree char *state = g_strdup_printf ("StatePath=%s/state", folder);
  g_autofree char *certificate = g_strdup_printf ("CertificatePath=%s/config/device.cert.pem", folder);
  g_autofree char *key = g_strdup_printf ("SoftwareKeyPath=%s/config/device.key.pem", folder);
  const char *const overrides[] = { state, certificate, key, "SerialSources=tpm-nv", NULL };
  g_autofree char *config_folder = g_build_filename (folder, "config", NULL);
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (config_folder, 0700), ==, 0);
  g_file_set_contents (path, "[tpmidd]\n", -1, &error);
  g_assert_no_error (error);
  BaseConfig *config = base_config_load (path, overrides, &warnings, &error);
  g_assert_no_error (error);
  return config;
}

TestDevice *
test_device_new (void)
{
  TestDevice *self = g_new0 (TestDevice, 1);

  self->swtpm = test_swtpm_new ();
  self->config = make_config (test_swtpm_folder (self->swtpm));
  return self;
}

void
test_device_free (TestDevice *self)
{
  if (self == NULL)
    return;
  base_config_free (self->config);
  test_swtpm_free (self->swtpm);
  g_free (self);
}

TpmLink *
test_device_link (TestDevice *self)
{
  TpmLink *link = test_tpm_link (self->swtpm);

  test_tpm_ensure (link);
  return link;
}

static void
put_identity (TestDevice *self, TpmLink *link, IdentityRecord *record, IdentityBackend *key)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (IdentityCert) certificate = identity_active_self_sign (link, key, TEST_SERIAL, &error);

  g_assert_no_error (error);
  g_assert_true (identity_store_save (self->config->state_path, record, &error));
  g_assert_true (identity_active_put_certificate (self->config, certificate, &error));
  g_assert_no_error (error);
}

void
test_device_provision (TestDevice *self, gboolean has_slot)
{
  const BaseConfig *config = self->config;
  const TpmParent parent = { .handle = config->parent_handle };
  const TpmKeyRef at_handle = { .handle = config->device_key_handle };
  g_autoptr (TpmLink) link = test_device_link (self);
  g_autoptr (IdentityRecord) record = identity_record_new (IDENTITY_RECORD_TPM);
  g_autoptr (IdentityBackend) key = NULL;
  g_auto (TpmNewKey) made = { 0 };
  g_autoptr (GError) error = NULL;

  (void) tpm_make_key (link, &parent, 0, TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, &made, &error);
  g_assert_no_error (error);
  if (has_slot)
    g_assert_true (identity_slots_save (config, IDENTITY_SLOT_CURRENT, &made, NULL));
  TpmKeyRef ref = { .parent = parent, .public_blob = made.public_blob, .private_blob = made.private_blob };
  (void) tpm_make_persistent (link, &ref, config->device_key_handle, &error);
  g_assert_no_error (error);
  key = identity_backend_new_tpm (&at_handle, &made.public, &error);
  g_assert_no_error (error);
  identity_active_describe (record, config->device_key_handle, key);
  record->srk_name = base_hex_encode (made.srk_name, sizeof made.srk_name);
  record->ek_name = g_strdup ("000b");
  put_identity (self, link, record, key);
}

void
test_device_provision_software (TestDevice *self)
{
  g_autoptr (IdentityRecord) record = identity_record_new (IDENTITY_RECORD_SOFTWARE);
  g_autoptr (GError) error = NULL;
  g_autoptr (IdentitySoftkey) softkey = identity_softkey_generate (self->config->software_key_path, &error);
  g_autoptr (IdentityBackend) key = NULL;

  g_assert_no_error (error);
  key = identity_backend_new_software (softkey);
  record->key_reference = identity_active_dup_reference (identity_backend_peek_spki (key));
  put_identity (self, NULL, record, key);
}

IdentityRecord *
test_device_record (TestDevice *self)
{
  g_autoptr (GError) error = NULL;
  IdentityRecord *record = NULL;

  (void) identity_store_load (self->config->state_path, &record, &error);
  g_assert_no_error (error);
  return record;
}

char *
test_device_path (TestDevice *self, const char *name)
{
  return g_build_filename (self->config->state_path, name, NULL);
}

char *
test_device_read (const char *path)
{
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, &error))
    g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  return text;
}

char *
test_device_read_state (TestDevice *self, const char *name)
{
  g_autofree char *path = test_device_path (self, name);

  return test_device_read (path);
}

/* With the journal out of sight, as the decision would carry the operation on first. */
guint
test_device_row (TestDevice *self)
{
  g_autofree char *journal = test_device_path (self, "journal");
  g_autofree char *hidden = g_strconcat (self->config->state_path, ".journal", NULL);
  gboolean has_journal = g_rename (journal, hidden) == 0;
  g_autoptr (TpmLink) link = test_device_link (self);
  g_autoptr (IdentityFacts) facts = identity_facts_gather (link, self->config, IDENTITY_LOOK_AGAIN);

  if (has_journal)
    g_assert_cmpint (g_rename (hidden, journal), ==, 0);
  return facts->decision.row;
}

static void
assert_no_journal (TestDevice *self)
{
  g_autoptr (IdentityJournal) journal = NULL;

  g_assert_true (identity_journal_load (self->config->state_path, &journal, NULL));
  g_assert_cmpint (journal->operation, ==, IDENTITY_OPERATION_NONE);
}

static void
assert_record_fits (const IdentityFacts *facts, const char *reference)
{
  g_assert_cmpstr (facts->record->key_reference, ==, reference);
  if (facts->decision.row == 11)
    {
      g_autofree char *name = identity_backend_dup_tpm_name (facts->tpm_key);
      g_assert_cmpint (facts->record->kind, ==, IDENTITY_RECORD_TPM);
      g_assert_cmpstr (facts->record->key_name, ==, name);
    }
  else
    g_assert_cmpint (facts->record->kind, !=, IDENTITY_RECORD_TPM);
}

char *
test_device_identify (TestDevice *self, guint row)
{
  g_autoptr (TpmLink) link = test_device_link (self);
  g_autoptr (IdentityFacts) facts = identity_facts_gather (link, self->config, IDENTITY_LOOK_AGAIN);
  g_autofree char *certificate = test_device_read (self->config->certificate_path);
  g_autofree char *copy = test_device_read_state (self, "device.cert.pem");
  char *reference = NULL;

  assert_no_journal (self);
  g_assert_cmpuint (facts->decision.row, ==, row);
  g_assert_cmpuint (facts->problems->len, ==, 0);
  IdentityBackend *key = row == 11 ? facts->tpm_key : facts->software_key;
  g_assert_nonnull (key);
  reference = identity_active_dup_reference (identity_backend_peek_spki (key));
  assert_record_fits (facts, reference);
  g_assert_cmpstr (certificate, ==, copy);
  g_assert_cmpstr (certificate, ==, identity_cert_peek_pem (facts->certificate));
  return reference;
}

gboolean
test_device_carry_on (TestDevice *self, TpmLink *link, GError **error)
{
  g_autoptr (IdentityJournal) journal = NULL;

  if (!identity_journal_load (self->config->state_path, &journal, error))
    return FALSE;
  if (journal->operation == IDENTITY_OPERATION_ROTATE_COMMIT || journal->operation == IDENTITY_OPERATION_ROTATE_ROLLBACK)
    return identity_rotation_carry_out (link, self->config, journal, error);
  if (journal->operation == IDENTITY_OPERATION_MIGRATE_TO_TPM || journal->operation == IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE)
    return identity_migration_carry_out (link, self->config, journal->operation == IDENTITY_OPERATION_MIGRATE_TO_TPM, TEST_SERIAL, error);
  g_assert_cmpint (journal->operation, ==, IDENTITY_OPERATION_NONE);
  return TRUE;
}

void
test_device_prepare (TestDevice *self, TestOperation operation)
{
  g_autoptr (TpmLink) link = test_device_link (self);
  g_autoptr (GError) error = NULL;
  gboolean done = operation (self, link, &error);

  g_assert_no_error (error);
  g_assert_true (done);
}

void
test_device_run (TestDevice *self, TestOperation operation)
{
  test_device_prepare (self, operation);
  test_swtpm_assert_clean (self->swtpm);
}

guint
test_device_count_commands (TestDevice *self, TestOperation operation)
{
  g_autoptr (TpmLink) link = test_device_link (self);
  guint64 before = test_tpm_status (link).commands;
  g_autoptr (GError) error = NULL;

  (void) operation (self, link, &error);
  g_assert_no_error (error);
  return (guint) (test_tpm_status (link).commands - before);
}

void
test_device_refuse (TestDevice *self, TestOperation operation, TpmidError code)
{
  g_autoptr (TpmLink) link = test_device_link (self);
  g_autoptr (GError) error = NULL;

  g_assert_false (operation (self, link, &error));
  g_assert_error (error, TPMID_ERROR, (int) code);
  g_test_message ("%s", error->message);
  tpm_link_close (link);
  test_swtpm_assert_clean (self->swtpm);
}

static void
run_child (TestDevice *self, TestOperation operation, guint step)
{
  TpmLink *link = test_tpm_link (self->swtpm);
  GError *error = NULL;

  (void) alarm (CHILD_LIMIT_SEC);
  tpm_link_set_fault (link, before_command, NULL);
  if (!tpm_link_ensure (link, &error))
    g_error ("the TPM cannot be opened: %s", error->message);
  steps_left = step;
  gboolean done = operation (self, link, &error);
  steps_left = 0;
  if (!done)
    g_printerr ("# at step %u: %s\n", step, error->message);
  _exit (done ? 0 : 1);
}

gboolean
test_device_run_killed (TestDevice *self, TestOperation operation, guint step)
{
  pid_t pid = fork ();
  int status;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    run_child (self, operation, step);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_true (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == KILLED);
  test_swtpm_kill (self->swtpm);
  test_swtpm_start (self->swtpm);
  return WEXITSTATUS (status) == 0;
}

/* A little more each time: one that is killed too soon would never get anywhere. */
void
test_device_boot_killed (TestDevice *self, guint step)
{
  guint boots = 1;

  while (!test_device_run_killed (self, test_device_carry_on, step * boots))
    g_assert_cmpuint (++boots, <, BOOTS_MAX);
}

static X509 *
make_certificate (EVP_PKEY *key, guint number, int from_day)
{
  g_autofree char *subject = g_strdup_printf ("certificate %u", number);
  g_autofree char *issuer = g_strdup_printf ("certificate %u", number + 1);
  X509 *certificate = X509_new ();

  g_assert_cmpint (X509_set_version (certificate, X509_VERSION_3), ==, 1);
  g_assert_cmpint (ASN1_INTEGER_set (X509_get_serialNumber (certificate), 1), ==, 1);
  g_assert_nonnull (X509_gmtime_adj (X509_getm_notBefore (certificate), (long) from_day * SECONDS_PER_DAY));
  g_assert_nonnull (X509_gmtime_adj (X509_getm_notAfter (certificate), (long) (from_day + 10) * SECONDS_PER_DAY));
  g_assert_cmpint (X509_NAME_add_entry_by_txt (X509_get_subject_name (certificate), "CN", MBSTRING_ASC, (const guint8 *) subject, -1, -1, 0), ==, 1);
  g_assert_cmpint (X509_NAME_add_entry_by_txt (X509_get_issuer_name (certificate), "CN", MBSTRING_ASC, (const guint8 *) issuer, -1, -1, 0), ==, 1);
  g_assert_cmpint (X509_set_pubkey (certificate, key), ==, 1);
  return certificate;
}

char *
test_device_certify (const IdentityBackend *key, guint depth, int broken, int from_day)
{
  g_autoptr (EVP_PKEY) subject = identity_x509_key_from_spki (identity_backend_peek_spki (key));
  g_autoptr (BIO) bio = BIO_new (BIO_s_mem ());
  char *pem = NULL;

  for (guint i = 0; i < depth; i++)
    {
      g_autoptr (EVP_PKEY) issuer = EVP_EC_gen ("P-256");
      g_autoptr (EVP_PKEY) other = EVP_EC_gen ("P-256");
      g_autoptr (X509) certificate = make_certificate (subject, i, from_day);
      g_assert_cmpint (X509_sign (certificate, (int) i == broken ? other : issuer, EVP_sha256 ()), >, 0);
      g_assert_cmpint (PEM_write_bio_X509 (bio, certificate), ==, 1);
      EVP_PKEY_free (g_steal_pointer (&subject));
      subject = g_steal_pointer (&issuer);
    }
  long size = BIO_get_mem_data (bio, &pem);
  return g_strndup (pem, (gsize) size);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-migration.h"

#include "base-error.h"
#include "base-file.h"
#include "base-hex.h"
#include "identity-active.h"
#include "identity-journal.h"
#include "identity-slots.h"
#include "tpm-hierarchy.h"

#include <string.h>

#define KEY_FILE_MAX (16 * 1024)

typedef struct
{
  TpmLink *link;
  const BaseConfig *config;
  const char *serial;
  IdentityRecord *record;
  char *folder, *software_key, *software_certificate, *tpm_certificate; /* STATE/kept and what is in it */
} Migration;

static void
migration_clear (Migration *self)
{
  g_clear_pointer (&self->record, identity_record_free);
  g_clear_pointer (&self->folder, g_free);
  g_clear_pointer (&self->software_key, g_free);
  g_clear_pointer (&self->software_certificate, g_free);
  g_clear_pointer (&self->tpm_certificate, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Migration, migration_clear)

static void
migration_init (Migration *self, TpmLink *link, const BaseConfig *config, const char *serial)
{
  *self = (Migration){ .link = link, .config = config, .serial = serial };
  self->folder = g_build_filename (config->state_path, "kept", NULL);
  self->software_key = g_build_filename (self->folder, "software.key.pem", NULL);
  self->software_certificate = g_build_filename (self->folder, "software.cert.pem", NULL);
  self->tpm_certificate = g_build_filename (self->folder, "tpm.cert.pem", NULL);
}

static gboolean
save_record (const Migration *self, GError **error)
{
  return identity_store_save (self->config->state_path, self->record, error);
}

static gboolean
keep_certificate (const char *path, const IdentityCert *certificate, GError **error)
{
  const char *pem = identity_cert_peek_pem (certificate);

  return base_file_replace (path, pem, strlen (pem), 0600, error);
}

/* As it is, whichever form it has: it comes back the same. */
static gboolean
copy_key_file (const char *from, const char *to, GError **error)
{
  g_autoptr (BaseSecret) text = NULL;
  gsize size;

  if (!base_file_read_secret (from, KEY_FILE_MAX, &text, error))
    return FALSE;
  const guint8 *data = base_secret_peek (text, &size);
  return base_file_replace (to, data, size, 0600, error);
}

/* The certificate of @key that is already there, else a new one; kept at @path, so that a crash does not make yet another. */
static IdentityCert *
ensure_certificate (const Migration *self, const char *path, IdentityBackend *key, GError **error)
{
  g_autofree char *reference = identity_active_dup_reference (identity_backend_peek_spki (key));
  g_autoptr (IdentityCert) certificate = identity_active_find_certificate (self->config, path, reference);

  if (certificate == NULL)
    certificate = identity_active_self_sign (self->link, key, self->serial, error);
  if (certificate == NULL || !keep_certificate (path, certificate, error))
    return NULL;
  return g_steal_pointer (&certificate);
}

static void
set_reference (IdentityRecord *record, const IdentityBackend *key)
{
  g_free (record->key_reference);
  record->key_reference = identity_active_dup_reference (identity_backend_peek_spki (key));
}

/* ---- to software ---- */

static IdentityBackend *
ensure_software_key (const Migration *self, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (IdentitySoftkey) softkey = identity_softkey_load (self->software_key, NULL, &cause);

  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    softkey = identity_softkey_generate (self->software_key, error);
  else if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return softkey != NULL ? identity_backend_new_software (softkey) : NULL;
}

/* Where the TPM's certificate is lost, a new one is made when the device goes back. */
static gboolean
keep_tpm_certificate (const Migration *self, GError **error)
{
  const char *reference = self->record->kind == IDENTITY_RECORD_TPM ? self->record->key_reference : NULL;
  g_autoptr (IdentityCert) certificate = reference != NULL ? identity_active_find_certificate (self->config, NULL, reference) : NULL;

  return certificate == NULL || keep_certificate (self->tpm_certificate, certificate, error);
}

static gboolean
put_software_key (const Migration *self, const IdentityBackend *key, GError **error)
{
  const char *path = self->config->software_key_path;
  g_autoptr (GError) cause = NULL;
  g_autoptr (IdentitySoftkey) found = identity_softkey_load (path, NULL, &cause);

  if (found != NULL && g_bytes_equal (identity_softkey_peek_spki (found), identity_backend_peek_spki (key)))
    return TRUE;
  /* Of a time before the TPM's: it is nobody's any more, but not ours to destroy. */
  if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND) && !base_file_set_aside (path, "archived", error))
    return FALSE;
  return copy_key_file (self->software_key, path, error);
}

/* Up to the certificate's file the table says that the device is the TPM's, afterwards that it has migrated: also without the journal. */
static gboolean
become_software (const Migration *self, const IdentityBackend *key, const IdentityCert *certificate, GError **error)
{
  IdentityRecord *record = self->record;

  record->kind = IDENTITY_RECORD_MIGRATED;
  record->archive_software_key = FALSE;
  set_reference (record, key);
  return save_record (self, error) && put_software_key (self, key, error)
         && identity_active_put_certificate (self->config, certificate, error);
}

static gboolean
finish_software (const Migration *self, GError **error)
{
  return base_file_remove (self->software_key, error) && base_file_remove (self->software_certificate, error)
         && identity_journal_remove (self->config->state_path, error);
}

/* Before anything is given up. */
static gboolean
check_places (const Migration *self, GError **error)
{
  return identity_active_check_writable (self->config->certificate_path, error)
         && identity_active_check_writable (self->config->software_key_path, error)
         && base_file_ensure_private_folder (self->config->state_path, error) && base_file_ensure_private_folder (self->folder, error);
}

static gboolean
fail_state (GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_WRONG_STATE, "there is no identity on record that could be migrated");
  return FALSE;
}

static gboolean
to_software (const Migration *self, GError **error)
{
  IdentityRecordKind kind = self->record->kind;
  g_autoptr (IdentityBackend) key = NULL;
  g_autoptr (IdentityCert) certificate = NULL;

  /* The kept key is there from before the record says so until the end. */
  if (kind == IDENTITY_RECORD_SOFTWARE
      || (kind == IDENTITY_RECORD_MIGRATED && !g_file_test (self->software_key, G_FILE_TEST_EXISTS)))
    return finish_software (self, error);
  if (kind != IDENTITY_RECORD_TPM && kind != IDENTITY_RECORD_MIGRATED)
    return fail_state (error);
  /* With the record there is no way back; what was found free then, and is taken now, has to be moved away by a person. */
  if (kind == IDENTITY_RECORD_TPM && !check_places (self, error))
    return FALSE;
  key = ensure_software_key (self, error);
  certificate = key != NULL ? ensure_certificate (self, self->software_certificate, key, error) : NULL;
  return certificate != NULL && keep_tpm_certificate (self, error) && become_software (self, key, certificate, error)
         && finish_software (self, error);
}

/* ---- to the TPM ---- */

/* Asking with a password that is known to be wrong would count against the lockout. */
static char *
read_endorsement_anchor (const Migration *self)
{
  guint8 name[TPM_NAME_SIZE];
  TpmLinkStatus status;

  tpm_link_get_status (self->link, &status);
  if (status.facts.endorsement_auth_set || !status.facts.endorsement_enabled || !tpm_link_ensure (self->link, NULL)
      || !tpm_hierarchy_read_anchor (self->link, TPM_HIERARCHY_ENDORSEMENT, name, NULL))
    return NULL;
  return base_hex_encode (name, sizeof name);
}

static gboolean
is_new_key_wanted (const Migration *self)
{
  const IdentityRecord *record = self->record;

  return record->kind == IDENTITY_RECORD_SOFTWARE || record->key_name == NULL;
}

/* A key that is ours and has no record is the one of a record that was lost. */
static gboolean
find_or_make_key (const Migration *self, char **ret_name, char **ret_srk_name, GError **error)
{
  const BaseConfig *config = self->config;
  const TpmParent parent = { .handle = config->parent_handle };
  g_auto (TpmNewKey) made = { 0 };
  g_autoptr (GError) cause = NULL;
  TpmPublic found;

  if (tpm_key_find (self->link, config->device_key_handle, TPM_PURPOSE_DEVICE, &found, &cause))
    {
      *ret_name = base_hex_encode (found.name, sizeof found.name);
      return TRUE;
    }
  if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!tpm_make_key (self->link, &parent, 0, TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, &made, error)
      || !identity_slots_save (config, IDENTITY_SLOT_CURRENT, &made, error))
    return FALSE;
  *ret_name = base_hex_encode (made.public.name, sizeof made.public.name);
  *ret_srk_name = base_hex_encode (made.srk_name, sizeof made.srk_name);
  return TRUE;
}

/* On record as of a device that has migrated, so that the key may lie in the TPM and the device is the software's: until the certificate says
 * otherwise. */
static gboolean
record_new_key (const Migration *self, GError **error)
{
  IdentityRecord *record = self->record;
  char *name = NULL, *srk_name = NULL;

  if (!find_or_make_key (self, &name, &srk_name, error))
    return FALSE;
  record->kind = IDENTITY_RECORD_MIGRATED;
  record->key_handle = self->config->device_key_handle;
  g_free (record->key_name);
  record->key_name = name;
  g_free (record->srk_name);
  record->srk_name = srk_name;
  g_free (record->ek_name);
  record->ek_name = srk_name != NULL ? read_endorsement_anchor (self) : NULL;
  return save_record (self, error);
}

static gboolean
fail_gone (const char *why, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED,
               "the key that this device had in the TPM is gone, and cannot be put back (%s); a factory reset gives it a new one", why);
  return FALSE;
}

/* The halves on disk put back what somebody removed, and a new key into its place. */
static gboolean
restore_key (const Migration *self, guint32 handle, GError **error)
{
  g_auto (IdentitySlotKey) current = { 0 };
  g_autoptr (GError) cause = NULL;

  if (!identity_slots_open (self->config, IDENTITY_SLOT_CURRENT, self->record->srk_name, &current, &cause))
    return fail_gone (cause->message, error);
  if (!g_str_equal (current.name, self->record->key_name))
    return fail_gone ("the one on disk is another", error);
  return identity_slots_put_in_tpm (self->link, &current, handle, error);
}

static gboolean
find_recorded_key (const Migration *self, guint32 handle, TpmPublic *ret_public, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (!tpm_link_ensure (self->link, error))
    return FALSE;
  if (!tpm_key_find (self->link, handle, TPM_PURPOSE_DEVICE, ret_public, &cause))
    {
      if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        return restore_key (self, handle, error) && tpm_link_ensure (self->link, error)
               && tpm_key_find (self->link, handle, TPM_PURPOSE_DEVICE, ret_public, error);
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  g_autofree char *name = base_hex_encode (ret_public->name, sizeof ret_public->name);
  return g_str_equal (name, self->record->key_name) || fail_gone ("another key lies in its place", error);
}

static IdentityBackend *
ensure_tpm_key (const Migration *self, GError **error)
{
  g_autoptr (IdentityBackend) key = NULL;
  TpmKeyRef ref = { 0 };
  TpmPublic public;

  if (!tpm_link_ensure (self->link, error) || (is_new_key_wanted (self) && !record_new_key (self, error)))
    return NULL;
  ref.handle = identity_active_key_handle (self->config, self->record);
  if (!find_recorded_key (self, ref.handle, &public, error))
    return NULL;
  key = identity_backend_new_tpm (&ref, &public, error);
  return key != NULL && identity_active_prove (key, self->link, error) ? g_steal_pointer (&key) : NULL;
}

static gboolean
keep_software (const Migration *self, IdentitySoftkey *softkey, GError **error)
{
  g_autofree char *reference = identity_active_dup_reference (identity_softkey_peek_spki (softkey));
  g_autoptr (IdentityCert) certificate = identity_active_find_certificate (self->config, self->software_certificate, reference);

  return copy_key_file (self->config->software_key_path, self->software_key, error)
         && (certificate == NULL || keep_certificate (self->software_certificate, certificate, error));
}

/* The certificate's file is what tells: before it, the table says that the device has migrated, afterwards that it is the TPM's. The record
 * must not be first: a software key and certificate beside a TPM's record are refused. */
static gboolean
become_tpm (const Migration *self, IdentityBackend *key, const IdentityCert *certificate, GError **error)
{
  if (!identity_active_put_certificate (self->config, certificate, error))
    return FALSE;
  identity_active_describe (self->record, identity_backend_get_tpm_handle (key), key);
  self->record->archive_software_key = FALSE;
  return save_record (self, error);
}

/* Whether the software key in its place is in STATE/kept too. Another one is not ours to destroy. */
static gboolean
is_software_key_kept (const Migration *self)
{
  g_autoptr (IdentitySoftkey) kept = identity_softkey_load (self->software_key, NULL, NULL);
  g_autoptr (IdentitySoftkey) active = identity_softkey_load (self->config->software_key_path, NULL, NULL);

  return kept != NULL && active != NULL && g_bytes_equal (identity_softkey_peek_spki (kept), identity_softkey_peek_spki (active));
}

static gboolean
finish_tpm (const Migration *self, GError **error)
{
  if (is_software_key_kept (self) && !base_file_remove (self->config->software_key_path, error))
    return FALSE;
  return base_file_remove (self->tpm_certificate, error) && identity_journal_remove (self->config->state_path, error);
}

static gboolean
to_tpm (const Migration *self, GError **error)
{
  IdentityRecordKind kind = self->record->kind;
  g_autoptr (IdentitySoftkey) softkey = NULL;
  g_autoptr (IdentityBackend) key = NULL;
  g_autoptr (IdentityCert) certificate = NULL;

  if (kind == IDENTITY_RECORD_TPM)
    return finish_tpm (self, error);
  if (kind != IDENTITY_RECORD_SOFTWARE && kind != IDENTITY_RECORD_MIGRATED)
    return fail_state (error);
  if (self->link == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, "the migration goes on as soon as the TPM answers");
      return FALSE;
    }
  softkey = identity_softkey_load (self->config->software_key_path, NULL, error);
  if (softkey == NULL || !check_places (self, error))
    return FALSE;
  key = ensure_tpm_key (self, error);
  certificate = key != NULL ? ensure_certificate (self, self->tpm_certificate, key, error) : NULL;
  return certificate != NULL && keep_software (self, softkey, error) && become_tpm (self, key, certificate, error)
         && finish_tpm (self, error);
}

/* What only a person can mend, who can ask for the migration again. All of it is found while the device is still who it was. */
static gboolean
is_hopeless (const GError *error)
{
  static const TpmidError codes[] = {
    TPMID_ERROR_WRONG_STATE, TPMID_ERROR_KEY_ORPHANED, TPMID_ERROR_NOT_FOUND, TPMID_ERROR_CORRUPT, TPMID_ERROR_UNSUPPORTED_ALGORITHM,
    TPMID_ERROR_HANDLE_TAKEN, TPMID_ERROR_NV_FULL, TPMID_ERROR_INVALID_BLOB, TPMID_ERROR_AUTH_FAILED, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
    TPMID_ERROR_HIERARCHY_DISABLED, TPMID_ERROR_UNSUPPORTED_BY_TPM, TPMID_ERROR_EXISTS,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    if (g_error_matches (error, TPMID_ERROR, (gint) codes[i]))
      return TRUE;
  return FALSE;
}

gboolean
identity_migration_carry_out (TpmLink *link, const BaseConfig *config, gboolean is_to_tpm, const char *serial, GError **error)
{
  g_auto (Migration) self = { 0 };
  g_autoptr (GError) cause = NULL;

  migration_init (&self, link, config, serial);
  if (identity_store_load (config->state_path, &self.record, &cause)
      && (is_to_tpm ? to_tpm (&self, &cause) : to_software (&self, &cause)))
    return TRUE;
  if (is_hopeless (cause) && !identity_journal_remove (config->state_path, error))
    return FALSE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

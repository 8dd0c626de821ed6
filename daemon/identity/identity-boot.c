/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-boot.h"

#include "base-error.h"
#include "base-hex.h"
#include "identity-hint.h"
#include "identity-keyring.h"
#include "identity-marker.h"
#include "identity-reset.h"
#include "identity-rotation.h"
#include "identity-slots.h"
#include "tpm-hierarchy.h"
#include "tpm-make.h"

#include <string.h>

static void
set_operation_failed (IdentityReport *report, const GError *error)
{
  const char *name = identity_operation_name (report->journal->operation);

  report->operation_state = "failed";
  report->operation_error = error->code;
  g_free (report->operation_detail);
  report->operation_detail = g_strdup (error->message);
  g_ptr_array_add (report->problems, g_strdup_printf ("%s: %s", name, error->message));
}

/* What the decision found of it; what it did itself comes later. */
static void
adopt_operation (IdentityReport *report, const IdentityFacts *facts)
{
  const IdentityOperationFacts *operation = &facts->operation;
  gboolean is_there = operation->journal->operation != IDENTITY_OPERATION_NONE;

  report->journal = identity_journal_copy (operation->journal);
  report->operation_state = "";
  if (facts->decision.request_kept)
    report->operation_state = "waiting";
  else if (is_there && operation->problem != NULL)
    report->operation_state = operation->error == TPMID_ERROR_TPM_UNAVAILABLE ? "waiting" : "failed";
  else if (is_there)
    report->operation_state = "done";
  report->operation_detail = g_strdup (facts->decision.request_kept ? "the request is kept until the TPM can be used"
                                       : operation->problem != NULL ? operation->problem : "");
  report->operation_error = operation->error;
}

/* Once what it made is on disk. */
static void
end_operation (IdentityReport *report)
{
  const IdentityJournal *journal = report->journal;

  if (strcmp (report->operation_state, "done") != 0)
    return;
  if (strcmp (report->reason, "provisioning-failed") == 0)
    {
      report->operation_state = "failed";
      g_free (report->operation_detail);
      report->operation_detail = g_strdup (report->hint);
      report->operation_error = TPMID_ERROR_FAILED;
      return;
    }
  report->pending |= IDENTITY_PENDING_OPERATION;
  if (journal->operation != IDENTITY_OPERATION_RESET)
    return;
  if (report->mode == IDENTITY_MODE_TPM)
    report->reason = "reset";
  if (journal->shortfall == NULL)
    return;
  report->operation_state = "incomplete";
  g_free (report->operation_detail);
  report->operation_detail = g_strdup (journal->shortfall);
  g_free (report->hint);
  report->hint = g_strdup_printf ("reset: incomplete: %s", journal->shortfall);
}

static void
set_failed (IdentityReport *report, const char *what, const GError *error)
{
  report->mode = IDENTITY_MODE_UNPROVISIONED;
  report->marker_action = IDENTITY_MARKER_REMOVE;
  report->reason = "provisioning-failed";
  g_free (report->hint);
  report->hint = g_strdup_printf ("%s: %s. tpmidd tries again.", what, error->message);
  g_clear_pointer (&report->key, identity_backend_unref);
  g_clear_pointer (&report->certificate, identity_cert_unref);
  g_clear_pointer (&report->record, identity_record_free);
  report->pending = 0;
}

/* Only for telling people later whether the TPM was cleared or exchanged; not having it hurts nobody. */
static char *
read_anchor (TpmLink *link, TpmHierarchy hierarchy)
{
  guint8 name[TPM_NAME_SIZE];

  return tpm_hierarchy_read_anchor (link, hierarchy, name, NULL) ? base_hex_encode (name, sizeof name) : NULL;
}

static char *
read_endorsement_anchor (TpmLink *link)
{
  TpmLinkStatus status;

  tpm_link_get_status (link, &status);
  /* Asking with a password that is known to be wrong would count against the lockout. */
  if ((status.facts.endorsement_auth_set && !tpm_link_has_password (link, TPM_HIERARCHY_ENDORSEMENT)) || !status.facts.endorsement_enabled)
    return NULL;
  return read_anchor (link, TPM_HIERARCHY_ENDORSEMENT);
}

static gboolean
is_reset (const IdentityFacts *facts)
{
  return (facts->decision.actions & IDENTITY_ACTION_RESET) != 0;
}

/* After a reset there is nothing left to archive. */
static gboolean
must_archive (const IdentityFacts *facts)
{
  if (is_reset (facts))
    return FALSE;
  return (facts->decision.actions & IDENTITY_ACTION_ARCHIVE_SOFTWARE_KEY) != 0
         || (facts->record->archive_software_key && facts->inputs.software_key != IDENTITY_SOFTWARE_KEY_ABSENT);
}

/* Before the TPM has the new key: a boot after a power cut finds the key and would not know of the rest. */
static gboolean
note_archive (const BaseConfig *config, const IdentityFacts *facts, GError **error)
{
  g_autoptr (IdentityRecord) record = identity_record_copy (facts->record);

  record->archive_software_key = TRUE;
  return identity_store_save (config->state_path, record, error);
}

static TpmParent
get_parent (const BaseConfig *config, const IdentityFacts *facts)
{
  IdentityKeyring keyring;

  identity_keyring_init (&keyring, config, IDENTITY_MODE_TPM, is_reset (facts) ? NULL : facts->record->srk_name);
  return keyring.parent;
}

/* Its two halves are on disk before the key is in its place: what they are for can then be undone at any time (identity-rotation). */
static gboolean
make_tpm_key (IdentityReport *report, TpmLink *link, const BaseConfig *config, const TpmParent *parent, char **ret_srk_name, GError **error)
{
  g_auto (TpmNewKey) made = { 0 };
  TpmKeyRef ref = { .parent = *parent };

  if (!tpm_make_key (link, parent, 0, TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, &made, error)
      || !identity_slots_save (config, IDENTITY_SLOT_CURRENT, &made, error))
    return FALSE;
  ref.public_blob = made.public_blob;
  ref.private_blob = made.private_blob;
  memcpy (ref.name, made.public.name, TPM_NAME_SIZE);
  if (!tpm_make_persistent (link, &ref, config->device_key_handle, error))
    return FALSE;
  const TpmKeyRef there = { .handle = config->device_key_handle };
  report->key = identity_backend_new_tpm (&there, &made.public, error);
  if (report->key == NULL)
    return FALSE;
  *ret_srk_name = base_hex_encode (made.srk_name, sizeof made.srk_name);
  return TRUE;
}

static gboolean
is_recorded (const IdentityBackend *key, const IdentityRecord *record)
{
  g_autofree char *name = identity_backend_dup_tpm_name (key);

  return record->kind == IDENTITY_RECORD_TPM && g_strcmp0 (record->key_name, name) == 0;
}

static IdentityRecord *
describe_tpm_key (const IdentityBackend *key)
{
  g_autoptr (GBytes) reference = identity_public_reference (identity_backend_peek_spki (key));
  IdentityRecord *record = identity_record_new (IDENTITY_RECORD_TPM);

  record->key_handle = identity_backend_get_tpm_handle (key);
  record->key_name = identity_backend_dup_tpm_name (key);
  record->key_reference = base_hex_encode_bytes (reference);
  return record;
}

/* @srk_name is %NULL where it is not known yet. A key that is on record with its anchor costs no command. */
static IdentityRecord *
record_tpm_key (const IdentityBackend *key, TpmLink *link, const IdentityFacts *facts, const char *srk_name)
{
  IdentityRecord *record = is_recorded (key, facts->record) ? identity_record_copy (facts->record) : describe_tpm_key (key);

  if (record->srk_name != NULL || facts->inputs.tpm != IDENTITY_TPM_READY)
    return record;
  record->srk_name = srk_name != NULL ? g_strdup (srk_name) : read_anchor (link, TPM_HIERARCHY_OWNER);
  if (record->ek_name == NULL)
    record->ek_name = read_endorsement_anchor (link);
  return record;
}

static gboolean
prepare_tpm_key (IdentityReport *report, TpmLink *link, const BaseConfig *config, const IdentityFacts *facts, GError **error)
{
  const TpmParent parent = get_parent (config, facts);
  g_autofree char *srk_name = NULL;

  if ((facts->decision.actions & IDENTITY_ACTION_TAKE_OWNERSHIP) != 0
      && !identity_ownership_take (link, config, &parent, &report->ownership, error))
    return FALSE;
  if ((facts->decision.actions & IDENTITY_ACTION_TPM_KEY) == 0)
    report->key = identity_backend_ref (facts->tpm_key);
  else if ((must_archive (facts) && !note_archive (config, facts, error))
           || !make_tpm_key (report, link, config, &parent, &srk_name, error))
    return FALSE;

  report->record = record_tpm_key (report->key, link, facts, srk_name != NULL ? srk_name : facts->srk_name);
  report->record->archive_software_key = must_archive (facts);
  return TRUE;
}

static gboolean
prepare_software_key (IdentityReport *report, const BaseConfig *config, const IdentityFacts *facts, GError **error)
{
  if ((facts->decision.actions & IDENTITY_ACTION_SOFTWARE_KEY) != 0)
    {
      g_autoptr (IdentitySoftkey) softkey = identity_softkey_generate (config->software_key_path, error);
      if (softkey == NULL)
        return FALSE;
      report->key = identity_backend_new_software (softkey);
    }
  else
    report->key = identity_backend_ref (facts->software_key);

  g_autoptr (GBytes) reference = identity_public_reference (identity_backend_peek_spki (report->key));
  if (facts->record->kind == IDENTITY_RECORD_MIGRATED)
    report->record = identity_record_copy (facts->record);
  else
    {
      report->record = identity_record_new (IDENTITY_RECORD_SOFTWARE);
      report->record->key_reference = base_hex_encode_bytes (reference);
    }
  return TRUE;
}

static IdentityCert *
load_stored_copy (const IdentityReport *report, const BaseConfig *config)
{
  g_autoptr (GBytes) pem = NULL;
  g_autoptr (IdentityCert) cert = NULL;

  if (!identity_store_load_certificate (config->state_path, &pem, NULL))
    return NULL;
  cert = identity_cert_parse (pem, NULL);
  if (cert == NULL || !g_bytes_equal (identity_cert_peek_spki (cert), identity_backend_peek_spki (report->key)))
    return NULL;
  return g_steal_pointer (&cert);
}

static gboolean
prepare_certificate (IdentityReport *report, TpmLink *link, const BaseConfig *config, const IdentityFacts *facts, GError **error)
{
  IdentityBackendSigner signer;

  if ((facts->decision.actions & IDENTITY_ACTION_CERTIFICATE) == 0)
    {
      report->certificate = identity_cert_ref (facts->certificate);
      report->pending |= IDENTITY_PENDING_STORED_COPY;
      return TRUE;
    }
  report->pending |= IDENTITY_PENDING_CERTIFICATE | IDENTITY_PENDING_STORED_COPY;
  report->certificate = load_stored_copy (report, config);
  if (report->certificate != NULL)
    {
      if (strcmp (report->reason, "certificate-regenerated") == 0)
        report->reason = "certificate-restored";
      return TRUE;
    }
  identity_backend_signer_init (&signer, report->key, link);
  report->certificate = identity_cert_self_sign (&signer.signer, *facts->serial != '\0' ? facts->serial : NULL,
                                                 g_get_real_time () / G_USEC_PER_SEC, error);
  return report->certificate != NULL;
}

/* An interrupted reset may have taken it from the TPM before the facts were gathered. */
static void
set_serial (IdentityReport *report, const char *serial, const char *source)
{
  g_free (report->serial);
  report->serial = g_strdup (serial);
  report->serial_source = source;
}

/* The one row that takes something away. */
static gboolean
carry_out_reset (IdentityReport *report, TpmLink *link, const BaseConfig *config, const IdentityFacts *facts, GError **error)
{
  IdentityJournal *journal = report->journal;
  g_autoptr (GError) cause = NULL;

  if (!is_reset (facts))
    return TRUE;
  if (!identity_reset_erase (link, config, journal, identity_facts_key_handle (facts, config), error))
    return FALSE;
  identity_ownership_prepare (link, config, &report->ownership);
  if (!identity_reset_restore (link, config, journal, &cause))
    set_operation_failed (report, cause);
  else if (journal->serial != NULL)
    set_serial (report, journal->serial, "tpm-nv");
  return TRUE;
}

static void
prepare_identity (IdentityReport *report, TpmLink *link, const BaseConfig *config, const IdentityFacts *facts)
{
  g_autoptr (GError) error = NULL;
  gboolean is_tpm = report->mode == IDENTITY_MODE_TPM;

  if (!carry_out_reset (report, link, config, facts, &error))
    {
      set_failed (report, "The factory reset could not be carried out", error);
      return;
    }
  if (is_tpm ? !prepare_tpm_key (report, link, config, facts, &error) : !prepare_software_key (report, config, facts, &error))
    {
      set_failed (report, "The identity key could not be made", error);
      return;
    }
  if (!prepare_certificate (report, link, config, facts, &error))
    {
      set_failed (report, "The device certificate could not be made", error);
      return;
    }
  report->pending |= IDENTITY_PENDING_RECORD;
  if (is_tpm && must_archive (facts))
    report->pending |= IDENTITY_PENDING_ARCHIVE;
}

/* In a fault the key is out of reach, but who the device was is still worth showing, where the certificate tells. */
static void
remember_identity (IdentityReport *report, const IdentityFacts *facts)
{
  if (report->mode != IDENTITY_MODE_FAULT || facts->certificate == NULL)
    return;
  report->certificate = identity_cert_ref (facts->certificate);
  if (facts->record->key_reference == NULL)
    return;

  GBytes *spki = identity_cert_peek_spki (facts->certificate);
  g_autoptr (GBytes) reference = identity_public_reference (spki);
  g_autofree char *hex = base_hex_encode_bytes (reference);
  if (g_str_equal (hex, facts->record->key_reference))
    report->key = identity_backend_new_unreachable (IDENTITY_ALGORITHM_ECC_P256, spki);
}

static char *
read_boot_id (const BaseConfig *config)
{
  g_autofree char *path = g_build_filename (config->proc_root, "sys/kernel/random/boot_id", NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_strdup ("");
  return g_strdup (g_strstrip (text));
}

static char *
compose_marker (const IdentityReport *report, const BaseConfig *config)
{
  g_autoptr (GBytes) reference
      = report->key != NULL ? identity_public_reference (identity_backend_peek_spki (report->key)) : NULL;
  g_autofree char *hex = reference != NULL ? base_hex_encode_bytes (reference) : NULL;
  g_autofree char *boot_id = read_boot_id (config);
  IdentityMarker marker = {
    .mode = identity_mode_name (report->mode),
    .state = identity_report_get_state (report),
    .reason = report->reason,
    .key_reference = hex,
    .certificate_sha256 = report->certificate != NULL ? identity_cert_peek_sha256 (report->certificate) : NULL,
    .boot_id = boot_id,
    .time = g_get_real_time () / G_USEC_PER_SEC,
  };

  return identity_marker_compose (&marker);
}

/* A record that could not be read is written anew where the identity is known all the same; that it fails is told then. */
static void
add_found_problems (IdentityReport *report, const IdentityFacts *facts)
{
  for (guint i = 0; i < facts->problems->len; i++)
    if (report->record == NULL || !g_str_has_prefix (facts->problems->pdata[i], "state: "))
      g_ptr_array_add (report->problems, g_strdup (facts->problems->pdata[i]));
}

static void
load_keys (IdentityReport *report, const BaseConfig *config)
{
  IdentityKeyring keyring;

  identity_keyring_init (&keyring, config, report->mode, report->record != NULL ? report->record->srk_name : NULL);
  report->keys = identity_keyring_load (&keyring, report->problems);
  if (report->mode == IDENTITY_MODE_TPM)
    report->next_key = identity_rotation_load_next (config, report->record, NULL);
}

static gboolean
is_operation_open (const IdentityReport *report)
{
  return strcmp (report->operation_state, "failed") == 0 || strcmp (report->operation_state, "waiting") == 0;
}

IdentityReport *
identity_boot_execute (TpmLink *link, const BaseConfig *config, const IdentityFacts *facts)
{
  const IdentityDecision *decision = &facts->decision;
  g_autoptr (IdentityReport) report = g_new0 (IdentityReport, 1);
  TpmLinkStatus status = { 0 };

  g_atomic_ref_count_init (&report->refs);
  report->row = decision->row;
  report->mode = decision->mode;
  report->marker_action = decision->marker;
  report->reason = decision->reason;
  report->hint = identity_hint_compose (decision->reason, decision->row == 17 ? facts->software_trouble : facts->tpm_trouble);
  report->serial = g_strdup (facts->serial);
  report->serial_source = facts->serial_source;
  report->problems = g_ptr_array_new_with_free_func (g_free);
  report->ownership = facts->ownership;
  adopt_operation (report, facts);

  if (report->mode == IDENTITY_MODE_TPM || report->mode == IDENTITY_MODE_SOFTWARE)
    prepare_identity (report, link, config, facts);
  else
    remember_identity (report, facts);

  add_found_problems (report, facts);
  end_operation (report);
  load_keys (report, config);
  if (link != NULL && facts->is_open)
    identity_ownership_settle (link, config, report->mode == IDENTITY_MODE_TPM, &report->ownership);
  report->pending |= IDENTITY_PENDING_MARKER | IDENTITY_PENDING_MODE_FILE;
  report->retry_decision = identity_hint_may_go_away (report->reason) || is_operation_open (report);
  if (report->row == 10 && report->mode == IDENTITY_MODE_TPM)
    g_ptr_array_add (report->problems, g_strdup_printf ("tpm: %s", facts->tpm_trouble));
  report->marker = compose_marker (report, config);
  if (link != NULL)
    tpm_link_get_status (link, &status);
  report->boot_commands = status.commands - facts->commands_before;
  return g_steal_pointer (&report);
}

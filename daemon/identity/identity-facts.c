/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-facts.h"

#include "base-error.h"
#include "base-file.h"
#include "base-hex.h"
#include "base-log.h"
#include "identity-serial.h"
#include "tpm-hierarchy.h"

#include <string.h>

#define CERTIFICATE_LIMIT (64 * 1024)

void
identity_facts_free (IdentityFacts *facts)
{
  if (facts == NULL)
    return;
  g_clear_pointer (&facts->tpm_key, identity_backend_unref);
  g_clear_pointer (&facts->software_key, identity_backend_unref);
  g_clear_pointer (&facts->certificate, identity_cert_unref);
  g_clear_pointer (&facts->record, identity_record_free);
  identity_operation_facts_clear (&facts->operation);
  g_free (facts->tpm_trouble);
  g_free (facts->software_trouble);
  g_free (facts->srk_name);
  g_free (facts->serial);
  g_ptr_array_unref (facts->problems);
  g_free (facts);
}

static void G_GNUC_PRINTF (2, 3)
add_problem (IdentityFacts *facts, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (facts->problems, g_strdup_vprintf (format, args));
  va_end (args);
}

static void
set_tpm_trouble (IdentityFacts *facts, IdentityTpm tpm, const char *sentence)
{
  facts->inputs.tpm = tpm;
  g_free (facts->tpm_trouble);
  facts->tpm_trouble = g_strdup (sentence);
}

/* Opening the link reads the TPM's properties. Where it was open before, this is another look, perhaps at a cause that is gone. */
static gboolean
open_link (TpmLink *link, GError **error)
{
  TpmLinkStatus before;

  tpm_link_get_status (link, &before);
  return tpm_link_ensure (link, error) && (before.state != TPM_STATE_READY || tpm_link_refresh_facts (link, error));
}

static void
look_for_tpm (IdentityFacts *facts, TpmLink *link, const BaseConfig *config)
{
  g_autoptr (GError) error = NULL;

  if (config->tpm == BASE_TPM_OFF)
    set_tpm_trouble (facts, IDENTITY_TPM_ABSENT, "Tpm=off: the TPM is not used");
  else if (link == NULL)
    set_tpm_trouble (facts, IDENTITY_TPM_UNUSABLE, "the TPM does not answer");
  else if (open_link (link, &error))
    facts->inputs.tpm = IDENTITY_TPM_READY;
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE))
    set_tpm_trouble (facts, IDENTITY_TPM_ABSENT, error->message);
  else
    set_tpm_trouble (facts, IDENTITY_TPM_UNUSABLE, error->message);
}

/* A foreign password does not hinder a key that is there, so this comes after the key was looked for. */
static void
look_at_hierarchies (IdentityFacts *facts, TpmLink *link)
{
  TpmLinkStatus status;

  if (facts->inputs.tpm != IDENTITY_TPM_READY)
    return;
  tpm_link_get_status (link, &status);
  if (!status.facts.owner_enabled)
    set_tpm_trouble (facts, IDENTITY_TPM_UNUSABLE,
                     "firmware switched the TPM's owner hierarchy off; switch it on in the firmware's settings");
  else if (status.facts.owner_auth_set && !tpm_link_has_password (link, TPM_HIERARCHY_OWNER))
    set_tpm_trouble (facts, IDENTITY_TPM_UNUSABLE,
                     "somebody else set an owner password in the TPM; clear it (tpm2_changeauth -c owner -p PASSWORD) or clear the "
                     "TPM in the firmware's settings");
}

/* That the key signs is the proof. What is signed does not matter. */
static gboolean
prove (IdentityBackend *key, TpmLink *link, GError **error)
{
  static const char text[] = "tpmidd proves that it has this key";
  g_autoptr (GBytes) digest = identity_hash_digest (IDENTITY_HASH_SHA256, text, strlen (text));
  g_autoptr (GBytes) signature = identity_backend_sign (key, link, IDENTITY_HASH_SHA256, digest, error);

  return signature != NULL && identity_backend_check (key, digest, signature, error);
}

guint32
identity_facts_key_handle (const IdentityFacts *facts, const BaseConfig *config)
{
  return facts->record->key_handle != 0 ? facts->record->key_handle : config->device_key_handle;
}

static gboolean
find_and_prove (IdentityFacts *facts, TpmLink *link, guint32 handle, GError **error)
{
  const TpmKeyRef ref = { .handle = handle };
  g_autoptr (IdentityBackend) key = NULL;
  TpmPublic public;

  if (!tpm_key_find (link, handle, TPM_PURPOSE_DEVICE, &public, error))
    return FALSE;
  key = identity_backend_new_tpm (&ref, &public, error);
  if (key == NULL || !prove (key, link, error))
    return FALSE;
  facts->tpm_key = g_steal_pointer (&key);
  return TRUE;
}

static void
look_for_tpm_key (IdentityFacts *facts, TpmLink *link, const BaseConfig *config)
{
  g_autoptr (GError) error = NULL;

  facts->inputs.tpm_key = IDENTITY_TPM_KEY_UNKNOWN;
  if (facts->inputs.tpm != IDENTITY_TPM_READY)
    return;
  if (find_and_prove (facts, link, identity_facts_key_handle (facts, config), &error))
    facts->inputs.tpm_key = IDENTITY_TPM_KEY_PRESENT;
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    facts->inputs.tpm_key = IDENTITY_TPM_KEY_ABSENT;
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    {
      facts->inputs.tpm_key = IDENTITY_TPM_KEY_ABSENT;
      add_problem (facts, "key: %s", error->message);
    }
  else
    set_tpm_trouble (facts, IDENTITY_TPM_UNUSABLE, error->message);
}

static void
look_for_record (IdentityFacts *facts, const BaseConfig *config)
{
  g_autoptr (GError) error = NULL;

  if (!identity_store_load (config->state_path, &facts->record, &error))
    add_problem (facts, "state: %s", error->message);
  facts->inputs.record = facts->record->kind;
}

static void
look_for_software_key (IdentityFacts *facts, const BaseConfig *config)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *warning = NULL;
  g_autoptr (IdentitySoftkey) softkey = identity_softkey_load (config->software_key_path, &warning, &error);

  if (softkey != NULL)
    {
      facts->inputs.software_key = IDENTITY_SOFTWARE_KEY_PRESENT;
      facts->software_key = identity_backend_new_software (softkey);
    }
  else if (!g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      facts->inputs.software_key = IDENTITY_SOFTWARE_KEY_UNUSABLE;
      facts->software_trouble = g_strdup (error->message);
      add_problem (facts, "software key: %s", error->message);
    }
  if (warning != NULL)
    base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s", warning);
}

static IdentityCert *
load_certificate (const char *path, GError **error)
{
  g_autoptr (GBytes) pem = NULL;

  if (!base_file_read (path, CERTIFICATE_LIMIT, &pem, error))
    return NULL;
  return identity_cert_parse (pem, error);
}

static gboolean
is_of (const IdentityFacts *facts, IdentityBackend *key)
{
  return key != NULL && g_bytes_equal (identity_cert_peek_spki (facts->certificate), identity_backend_peek_spki (key));
}

static IdentityCertificate
classify_certificate (IdentityFacts *facts)
{
  g_autoptr (GError) error = NULL;

  if (is_of (facts, facts->tpm_key))
    return IDENTITY_CERTIFICATE_OF_TPM_KEY;
  if (is_of (facts, facts->software_key) && prove (facts->software_key, NULL, &error))
    return IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY;
  return IDENTITY_CERTIFICATE_OF_OTHER_KEY;
}

static void
look_for_certificate (IdentityFacts *facts, const BaseConfig *config)
{
  const char *path = config->certificate_path;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) aside_error = NULL;

  facts->certificate = load_certificate (path, &error);
  if (facts->certificate != NULL)
    facts->inputs.certificate = classify_certificate (facts);
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    facts->inputs.certificate = IDENTITY_CERTIFICATE_NONE;
  else if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CORRUPT) && base_file_set_aside (path, "corrupt", &aside_error))
    {
      facts->inputs.certificate = IDENTITY_CERTIFICATE_NONE;
      base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s: %s; moved aside", path, error->message);
    }
  else
    {
      /* It may be anybody's: nothing will be overwritten on the strength of it. */
      facts->inputs.certificate = IDENTITY_CERTIFICATE_OF_OTHER_KEY;
      add_problem (facts, "certificate: %s", aside_error != NULL ? aside_error->message : error->message);
    }
}

static gboolean
is_recorded_key_there (const IdentityFacts *facts)
{
  g_autofree char *name = facts->tpm_key != NULL ? identity_backend_dup_tpm_name (facts->tpm_key) : NULL;

  return name != NULL && g_strcmp0 (name, facts->record->key_name) == 0;
}

/* The recorded key in its place proves the TPM for nothing; only without it the storage root key has to be made. */
static void
compare_anchor (IdentityFacts *facts, TpmLink *link)
{
  guint8 srk_name[TPM_NAME_SIZE];
  g_autoptr (GError) error = NULL;

  facts->inputs.anchor = IDENTITY_ANCHOR_NONE;
  if (facts->record->kind != IDENTITY_RECORD_TPM)
    return;

  facts->inputs.anchor = IDENTITY_ANCHOR_UNKNOWN;
  if (is_recorded_key_there (facts))
    facts->inputs.anchor = IDENTITY_ANCHOR_SAME;
  else if (facts->inputs.tpm == IDENTITY_TPM_READY && facts->record->srk_name != NULL)
    {
      if (!tpm_hierarchy_read_anchor (link, TPM_HIERARCHY_OWNER, srk_name, &error))
        {
          set_tpm_trouble (facts, IDENTITY_TPM_UNUSABLE, error->message);
          return;
        }
      facts->srk_name = base_hex_encode (srk_name, sizeof srk_name);
      facts->inputs.anchor
          = g_str_equal (facts->srk_name, facts->record->srk_name) ? IDENTITY_ANCHOR_SAME : IDENTITY_ANCHOR_DIFFERENT;
    }
}

static void
look_for_operation (IdentityFacts *facts, TpmLink *link, const BaseConfig *config, IdentityLook look)
{
  TpmLink *usable = facts->inputs.tpm == IDENTITY_TPM_READY ? link : NULL;

  identity_ownership_prepare (usable, config, &facts->ownership);
  identity_operation_prepare (usable, config, look, &facts->ownership, &facts->operation);
  if (facts->operation.is_reset_wanted)
    facts->inputs.request = IDENTITY_REQUEST_RESET;
  if (facts->operation.problem != NULL)
    add_problem (facts, "%s", facts->operation.problem);
}

static void
decide (IdentityFacts *facts)
{
  /* Between the old identity and the new one: without its TPM the device waits for it, and becomes nobody else. */
  if (facts->operation.is_half_done && facts->inputs.tpm != IDENTITY_TPM_READY && facts->inputs.record != IDENTITY_RECORD_UNREADABLE)
    facts->inputs.record = IDENTITY_RECORD_TPM;
  identity_decide (&facts->inputs, &facts->decision);
  if (facts->decision.request_kept)
    add_problem (facts, "reset: a factory reset was requested; the request is kept until the TPM can be used");
}

static guint64
count_commands (TpmLink *link)
{
  TpmLinkStatus status = { 0 };

  if (link != NULL)
    tpm_link_get_status (link, &status);
  return status.commands;
}

IdentityFacts *
identity_facts_gather (TpmLink *link, const BaseConfig *config, IdentityLook look)
{
  g_autoptr (IdentityFacts) facts = g_new0 (IdentityFacts, 1);
  g_autofree char *serial_problem = NULL;

  facts->problems = g_ptr_array_new_with_free_func (g_free);
  facts->inputs.tpm_required = config->tpm == BASE_TPM_REQUIRED;
  facts->commands_before = count_commands (link);

  look_for_tpm (facts, link, config);
  facts->is_open = facts->inputs.tpm == IDENTITY_TPM_READY;
  look_for_operation (facts, link, config, look);
  look_for_record (facts, config);
  look_for_tpm_key (facts, link, config);
  look_for_software_key (facts, config);
  look_for_certificate (facts, config);
  look_at_hierarchies (facts, link);
  compare_anchor (facts, link);
  decide (facts);

  identity_serial_read (facts->is_open ? link : NULL, config, &facts->serial, &facts->serial_source, &serial_problem);
  if (serial_problem != NULL)
    add_problem (facts, "%s", serial_problem);
  return g_steal_pointer (&facts);
}

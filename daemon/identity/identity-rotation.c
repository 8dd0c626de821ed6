/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-rotation.h"

#include "base-error.h"
#include "base-file.h"
#include "base-hex.h"
#include "base-log.h"
#include "identity-active.h"
#include "identity-renewal.h"
#include "identity-slots.h"

#include <string.h>

static gboolean
check_record (const IdentityRecord *record, GError **error)
{
  if (record->kind == IDENTITY_RECORD_TPM && record->key_name != NULL)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_WRONG_STATE, "only a device with its identity in a TPM can rotate its key");
  return FALSE;
}

/* A slot that the journal counts on must not be emptied or filled anew. */
static gboolean
check_idle (const BaseConfig *config, GError **error)
{
  g_autoptr (IdentityJournal) journal = NULL;

  if (!identity_journal_load (config->state_path, &journal, error))
    return FALSE;
  if (journal->operation == IDENTITY_OPERATION_NONE)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_WRONG_STATE, "the operation %s is not at its end yet; wait for it",
               identity_operation_name (journal->operation));
  return FALSE;
}

static void
init_parent (const BaseConfig *config, const IdentityRecord *record, TpmParent *ret_parent)
{
  *ret_parent = (TpmParent){ .handle = config->parent_handle };
  ret_parent->is_pinned = base_hex_decode (record->srk_name, ret_parent->name, sizeof ret_parent->name);
}

static gboolean
make_next (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, GError **error)
{
  g_auto (TpmNewKey) made = { 0 };
  TpmParent parent;

  init_parent (config, record, &parent);
  return tpm_link_ensure (link, error) && tpm_make_key (link, &parent, 0, TPM_KEY_ECC_P256, TPM_PURPOSE_DEVICE, &made, error)
         && identity_slots_save (config, IDENTITY_SLOT_NEXT, &made, error);
}

gboolean
identity_rotation_begin (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, GError **error)
{
  g_auto (IdentitySlotKey) next = { 0 };
  g_autoptr (GError) cause = NULL;

  if (!check_record (record, error))
    return FALSE;
  if (identity_slots_open (config, IDENTITY_SLOT_NEXT, record->srk_name, &next, &cause))
    return TRUE;
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_CORRUPT))
    {
      if (!identity_slots_set_aside (config, IDENTITY_SLOT_NEXT, cause, error))
        return FALSE;
    }
  else if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  return make_next (link, config, record, error);
}

static gboolean
open_next (const BaseConfig *config, const IdentityRecord *record, IdentitySlotKey *ret_next, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (identity_slots_open (config, IDENTITY_SLOT_NEXT, record->srk_name, ret_next, &cause))
    return TRUE;
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "there is no next key: begin a rotation first");
  else
    g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

IdentityBackend *
identity_rotation_load_next (const BaseConfig *config, const IdentityRecord *record, GError **error)
{
  g_auto (IdentitySlotKey) next = { 0 };

  return open_next (config, record, &next, error) ? identity_backend_ref (next.backend) : NULL;
}

/* @ret_name: hex; %NULL when nothing is there */
static gboolean
find_name_at (TpmLink *link, guint32 handle, char **ret_name, GError **error)
{
  g_autoptr (GError) cause = NULL;
  TpmPublic found;

  if (!tpm_link_ensure (link, error))
    return FALSE;
  if (!tpm_key_find (link, handle, TPM_PURPOSE_DEVICE, &found, &cause) && !g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  *ret_name = cause == NULL ? base_hex_encode (found.name, sizeof found.name) : NULL;
  return TRUE;
}

/* The key that is going to be replaced must be the one that everybody thinks it is. */
static gboolean
check_device_key (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, GError **error)
{
  guint32 handle = identity_active_key_handle (config, record);
  g_autofree char *name = NULL;

  if (!find_name_at (link, handle, &name, error))
    return FALSE;
  if (g_strcmp0 (name, record->key_name) == 0)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED, "the device's key is not at its handle 0x%08x of the TPM; nothing was changed", handle);
  return FALSE;
}

/* Both to remove a key and to put one into its place. */
static gboolean
check_owner (TpmLink *link, GError **error)
{
  TpmLinkStatus status;

  if (!tpm_link_refresh_facts (link, error))
    return FALSE;
  tpm_link_get_status (link, &status);
  if (!status.facts.owner_enabled)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_DISABLED, "the TPM's owner hierarchy is switched off; nothing was changed");
  else if (status.facts.owner_auth_set && !tpm_link_has_password (link, TPM_HIERARCHY_OWNER))
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
                 "the TPM's owner hierarchy has a password that tpmidd does not know; nothing was changed");
  else
    return TRUE;
  return FALSE;
}

/* A file of another key than the one in the TPM must not become the previous one, nor the one to go back to. */
static gboolean
check_current (const BaseConfig *config, const IdentityRecord *record, GError **error)
{
  g_auto (IdentitySlotKey) current = { 0 };
  g_autoptr (GError) cause = NULL;

  if (identity_slots_open (config, IDENTITY_SLOT_CURRENT, record->srk_name, &current, &cause))
    return g_str_equal (current.name, record->key_name) || identity_slots_remove (config, IDENTITY_SLOT_CURRENT, error);
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    return TRUE;
  if (g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_CORRUPT))
    return identity_slots_set_aside (config, IDENTITY_SLOT_CURRENT, cause, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

/* Asked last before the journal: everything that the operation needs is there and works. */
static gboolean
check_ready (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, const IdentitySlotKey *to, GError **error)
{
  return identity_active_check_writable (config->certificate_path, error) && check_device_key (link, config, record, error)
         && check_owner (link, error) && identity_active_prove (to->backend, link, error) && check_current (config, record, error);
}

static gboolean
begin_operation (TpmLink *link, const BaseConfig *config, IdentityOperation operation, GError **error)
{
  g_autoptr (IdentityJournal) journal = identity_journal_new (operation);

  return identity_journal_save (config->state_path, journal, error) && identity_rotation_carry_out (link, config, journal, error);
}

gboolean
identity_rotation_commit (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, const char *pem, const char *serial,
                          GError **error)
{
  g_auto (IdentitySlotKey) next = { 0 };
  g_autoptr (IdentityCert) certificate = NULL;

  if (!check_record (record, error) || !check_idle (config, error) || !open_next (config, record, &next, error))
    return FALSE;
  certificate = *pem != '\0' ? identity_renewal_check (pem, next.backend, error)
                             : identity_active_self_sign (link, next.backend, serial, error);
  return certificate != NULL
         && identity_slots_save_certificate (config, IDENTITY_SLOT_NEXT, identity_cert_peek_pem (certificate), error)
         && check_ready (link, config, record, &next, error)
         && begin_operation (link, config, IDENTITY_OPERATION_ROTATE_COMMIT, error);
}

static IdentityCert *
find_certificate (const BaseConfig *config, IdentitySlot slot, const IdentitySlotKey *key)
{
  g_autofree char *path = identity_slots_dup_certificate_path (config, slot);

  return identity_active_find_certificate (config, path, key->reference);
}

static gboolean
open_previous (const BaseConfig *config, const IdentityRecord *record, IdentitySlotKey *ret_previous, GError **error)
{
  g_auto (IdentitySlotKey) previous = { 0 };
  g_autoptr (IdentityCert) certificate = NULL;
  g_autoptr (GError) cause = NULL;

  if (identity_slots_open (config, IDENTITY_SLOT_PREVIOUS, record->srk_name, &previous, &cause))
    certificate = find_certificate (config, IDENTITY_SLOT_PREVIOUS, &previous);
  if (certificate != NULL)
    {
      *ret_previous = previous;
      previous = (IdentitySlotKey){ 0 };
      return TRUE;
    }
  if (cause == NULL || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "there is no rotation that could be rolled back");
  else
    g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

gboolean
identity_rotation_rollback (TpmLink *link, const BaseConfig *config, const IdentityRecord *record, GError **error)
{
  g_auto (IdentitySlotKey) previous = { 0 };

  if (!check_idle (config, error))
    return FALSE;
  if (identity_slots_has (config, IDENTITY_SLOT_NEXT))
    return identity_slots_remove (config, IDENTITY_SLOT_NEXT, error);
  return check_record (record, error) && open_previous (config, record, &previous, error)
         && check_ready (link, config, record, &previous, error)
         && begin_operation (link, config, IDENTITY_OPERATION_ROTATE_ROLLBACK, error);
}

/* What is wrong with the key that is to come, and will be so at each further try. */
static gboolean
is_hopeless (const GError *error)
{
  return g_error_matches (error, TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_CORRUPT)
         || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_INVALID_BLOB);
}

/* The slot of the current key is the last to be filled anew: until then it holds the key that the device had. */
static gboolean
put_back (TpmLink *link, const BaseConfig *config, IdentityRecord *record, GError **error)
{
  guint32 handle = identity_active_key_handle (config, record);
  g_auto (IdentitySlotKey) current = { 0 };

  if (!identity_slots_open (config, IDENTITY_SLOT_CURRENT, record->srk_name, &current, error)
      || !identity_slots_put_in_tpm (link, &current, handle, error))
    return FALSE;
  identity_active_describe (record, handle, current.backend);
  return identity_store_save (config->state_path, record, error);
}

/* @ret_has_key: whether the device has the key that it had before, or the one that its record names by now. On failure that is not known yet. */
static gboolean
go_back (TpmLink *link, const BaseConfig *config, IdentityRecord *record, gboolean *ret_has_key, GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GError) cause = NULL;

  if (link == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, "the rotation cannot go on, and goes back as soon as the TPM answers");
      return FALSE;
    }
  *ret_has_key = put_back (link, config, record, &cause);
  if (*ret_has_key)
    return TRUE;
  if (!is_hopeless (cause) && !g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!find_name_at (link, identity_active_key_handle (config, record), &name, error))
    return FALSE;
  /* Of a record that cannot be read, only the TPM knows. */
  *ret_has_key = name != NULL && (record->key_name == NULL || g_str_equal (name, record->key_name));
  return TRUE;
}

static GError *
explain_loss (GError *cause)
{
  GError *loss = g_error_new (TPMID_ERROR, TPMID_ERROR_KEY_ORPHANED,
                              "the rotation was given up (%s), and the key that the device had is gone from the TPM and cannot be put back: "
                              "this device has lost its identity; give it a new one (tpmidctl reprovision)",
                              cause->message);

  g_error_free (cause);
  return loss;
}

/* @cause: (transfer full): why the rotation does not get on. Where that is for good, the old key may have been removed already, by a try that
 * was interrupted: then it comes back, if it can. The journal stays until that is decided. */
static gboolean
fail_or_give_up (TpmLink *link, const BaseConfig *config, IdentityRecord *record, GError *cause, GError **error)
{
  gboolean has_key = FALSE;

  if (is_hopeless (cause))
    {
      if (!go_back (link, config, record, &has_key, error) || !identity_journal_remove (config->state_path, error))
        {
          g_error_free (cause);
          return FALSE;
        }
      if (has_key)
        g_prefix_error (&cause, "the rotation was given up, the device has its key as before: ");
      else
        cause = explain_loss (cause);
    }
  g_propagate_error (error, cause);
  return FALSE;
}

/* The record follows the TPM: where it names the key, the TPM has had it. */
static gboolean
exchange_key (TpmLink *link, const BaseConfig *config, const IdentitySlotKey *to, IdentityRecord *record, GError **error)
{
  guint32 handle = identity_active_key_handle (config, record);
  g_autoptr (GError) cause = NULL;

  if (record->kind == IDENTITY_RECORD_TPM && g_strcmp0 (record->key_name, to->name) == 0)
    return TRUE;
  if (link == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_TPM_UNAVAILABLE, "the rotation goes on as soon as the TPM answers");
      return FALSE;
    }
  if (!identity_slots_put_in_tpm (link, to, handle, &cause))
    return fail_or_give_up (link, config, record, g_steal_pointer (&cause), error);
  identity_active_describe (record, handle, to->backend);
  return identity_store_save (config->state_path, record, error);
}

static gboolean
keep_nothing (const BaseConfig *config, const char *why, GError **error)
{
  base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL,
            "the key that was replaced cannot be kept, so this rotation cannot be rolled back: %s", why);
  return identity_slots_remove (config, IDENTITY_SLOT_PREVIOUS, error);
}

/* From a slot and a certificate that stay where they are until all of it is kept. */
static gboolean
keep_replaced (const BaseConfig *config, const IdentitySlotKey *to, GError **error)
{
  g_auto (IdentitySlotKey) current = { 0 };
  g_autoptr (IdentityCert) certificate = NULL;
  g_autoptr (GError) cause = NULL;

  if (!identity_slots_open (config, IDENTITY_SLOT_CURRENT, NULL, &current, &cause))
    return keep_nothing (config, cause->message, error);
  if (g_str_equal (current.name, to->name))
    return TRUE;
  certificate = find_certificate (config, IDENTITY_SLOT_PREVIOUS, &current);
  if (certificate == NULL)
    return keep_nothing (config, "its certificate is not there", error);
  return identity_slots_save_certificate (config, IDENTITY_SLOT_PREVIOUS, identity_cert_peek_pem (certificate), error)
         && identity_slots_copy (config, IDENTITY_SLOT_CURRENT, IDENTITY_SLOT_PREVIOUS, error);
}

static gboolean
exchange (TpmLink *link, const BaseConfig *config, IdentitySlot from, const IdentitySlotKey *to, IdentityRecord *record, GError **error)
{
  g_autoptr (IdentityCert) certificate = find_certificate (config, from, to);

  if (certificate == NULL)
    {
      GError *cause = g_error_new (TPMID_ERROR, TPMID_ERROR_CORRUPT, "the certificate of the key that is to come is not there");
      return fail_or_give_up (link, config, record, cause, error);
    }
  return exchange_key (link, config, to, record, error)
         && (from != IDENTITY_SLOT_NEXT || keep_replaced (config, to, error))
         && identity_active_put_certificate (config, certificate, error)
         && identity_slots_copy (config, from, IDENTITY_SLOT_CURRENT, error);
}

gboolean
identity_rotation_carry_out (TpmLink *link, const BaseConfig *config, const IdentityJournal *journal, GError **error)
{
  IdentitySlot from = journal->operation == IDENTITY_OPERATION_ROTATE_COMMIT ? IDENTITY_SLOT_NEXT : IDENTITY_SLOT_PREVIOUS;
  g_autoptr (IdentityRecord) record = NULL;
  g_auto (IdentitySlotKey) to = { 0 };
  g_autoptr (GError) unread = NULL;
  g_autoptr (GError) cause = NULL;

  g_assert (journal->operation == IDENTITY_OPERATION_ROTATE_COMMIT || journal->operation == IDENTITY_OPERATION_ROTATE_ROLLBACK);
  /* A record that cannot be decoded will not get better, and the slots tell enough. */
  if (!identity_store_load (config->state_path, &record, &unread) && !g_error_matches (unread, TPMID_ERROR, TPMID_ERROR_CORRUPT))
    {
      g_propagate_error (error, g_steal_pointer (&unread));
      return FALSE;
    }
  /* The slot is emptied last: an empty one says that everything else is done. */
  if (identity_slots_open (config, from, record->srk_name, &to, &cause))
    {
      if (!exchange (link, config, from, &to, record, error))
        return FALSE;
    }
  else if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    return fail_or_give_up (link, config, record, g_steal_pointer (&cause), error);
  return identity_slots_remove (config, from, error) && identity_journal_remove (config->state_path, error);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-decision.h"

typedef gboolean (*RowPredicate) (const IdentityInputs *in);

typedef struct
{
  guint row;
  RowPredicate when;
  IdentityMode mode;
  IdentityMarkerAction marker;
  const char *reason;
  guint actions;
} Row;

/* A certificate without a software key can only be a TPM's. */
static gboolean
is_tpm_identity_on_record (const IdentityInputs *in)
{
  return in->record == IDENTITY_RECORD_TPM
         || (in->certificate != IDENTITY_CERTIFICATE_NONE && in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT);
}

static gboolean
is_none_on_record (const IdentityInputs *in)
{
  return in->record != IDENTITY_RECORD_UNREADABLE && !is_tpm_identity_on_record (in);
}

static gboolean
has_software_pair (const IdentityInputs *in)
{
  return in->certificate == IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY && in->software_key == IDENTITY_SOFTWARE_KEY_PRESENT;
}

static gboolean
is_onboarded_with_key_gone (const IdentityInputs *in)
{
  return in->record == IDENTITY_RECORD_TPM && in->anchor == IDENTITY_ANCHOR_SAME
         && in->tpm_key == IDENTITY_TPM_KEY_ABSENT;
}

static gboolean
when_reset (const IdentityInputs *in)
{
  return in->request == IDENTITY_REQUEST_RESET && in->tpm == IDENTITY_TPM_READY;
}

static gboolean
when_tpm_is_missing (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_tpm_identity_on_record (in);
}

static gboolean
when_a_required_tpm_is_awaited (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_none_on_record (in) && in->tpm_required;
}

static gboolean
when_software_is_complete (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_none_on_record (in) && has_software_pair (in);
}

static gboolean
when_software_lacks_something (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_none_on_record (in) && in->software_key != IDENTITY_SOFTWARE_KEY_UNUSABLE
         && (in->certificate == IDENTITY_CERTIFICATE_NONE || in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT);
}

static gboolean
when_software_is_kept (const IdentityInputs *in)
{
  if (in->tpm == IDENTITY_TPM_ABSENT || !has_software_pair (in))
    return FALSE;
  if (in->record == IDENTITY_RECORD_MIGRATED)
    return TRUE;
  return (in->record == IDENTITY_RECORD_NONE || in->record == IDENTITY_RECORD_SOFTWARE)
         && in->tpm_key != IDENTITY_TPM_KEY_PRESENT;
}

static gboolean
when_a_downgrade_is_refused (const IdentityInputs *in)
{
  return in->tpm != IDENTITY_TPM_ABSENT && has_software_pair (in)
         && (in->record == IDENTITY_RECORD_TPM || in->tpm_key == IDENTITY_TPM_KEY_PRESENT);
}

static gboolean
when_the_tpm_changed (const IdentityInputs *in)
{
  return in->tpm != IDENTITY_TPM_ABSENT && in->anchor == IDENTITY_ANCHOR_DIFFERENT && in->record == IDENTITY_RECORD_TPM;
}

static gboolean
when_the_tpm_is_unusable (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_UNUSABLE;
}

static gboolean
when_all_is_there (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT
         && in->certificate == IDENTITY_CERTIFICATE_OF_TPM_KEY;
}

static gboolean
when_the_certificate_is_gone (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT
         && in->certificate == IDENTITY_CERTIFICATE_NONE;
}

static gboolean
when_the_certificate_is_anothers (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT;
}

static gboolean
when_key_and_certificate_are_gone (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && is_onboarded_with_key_gone (in) && in->certificate == IDENTITY_CERTIFICATE_NONE;
}

static gboolean
when_the_key_is_gone (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && is_onboarded_with_key_gone (in);
}

static gboolean
when_first_boot (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_ABSENT
         && in->certificate == IDENTITY_CERTIFICATE_NONE && in->record != IDENTITY_RECORD_TPM
         && in->record != IDENTITY_RECORD_UNREADABLE;
}

static gboolean
when_nothing_else_fits (const IdentityInputs *in)
{
  return TRUE;
}

#define NEW_IDENTITY (IDENTITY_ACTION_TAKE_OWNERSHIP | IDENTITY_ACTION_TPM_KEY | IDENTITY_ACTION_CERTIFICATE)

/* Row 2 is not here: it is "as without the request". */
static const Row rows[] = {
  { 1, when_reset, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "reset", IDENTITY_ACTION_RESET | NEW_IDENTITY },
  { 3, when_tpm_is_missing, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "tpm-missing", 0 },
  { 4, when_a_required_tpm_is_awaited, IDENTITY_MODE_UNPROVISIONED, IDENTITY_MARKER_REMOVE, "waiting-for-tpm", 0 },
  { 5, when_software_is_complete, IDENTITY_MODE_SOFTWARE, IDENTITY_MARKER_REMOVE, "software-identity", 0 },
  { 6, when_software_lacks_something, IDENTITY_MODE_SOFTWARE, IDENTITY_MARKER_REMOVE, "no-tpm",
    IDENTITY_ACTION_SOFTWARE_KEY | IDENTITY_ACTION_CERTIFICATE },
  { 7, when_software_is_kept, IDENTITY_MODE_SOFTWARE, IDENTITY_MARKER_REMOVE, "software-identity", 0 },
  { 8, when_a_downgrade_is_refused, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "downgrade-refused", 0 },
  { 9, when_the_tpm_changed, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "tpm-changed", 0 },
  { 10, when_the_tpm_is_unusable, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "tpm-unusable", 0 },
  { 11, when_all_is_there, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "found", 0 },
  { 12, when_the_certificate_is_gone, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "certificate-regenerated",
    IDENTITY_ACTION_CERTIFICATE },
  { 13, when_the_certificate_is_anothers, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "certificate-mismatch", 0 },
  { 14, when_key_and_certificate_are_gone, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "key-regenerated",
    IDENTITY_ACTION_TPM_KEY | IDENTITY_ACTION_CERTIFICATE },
  { 15, when_the_key_is_gone, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "key-missing", 0 },
  { 16, when_first_boot, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "first-boot",
    IDENTITY_ACTION_ARCHIVE_SOFTWARE_KEY | NEW_IDENTITY },
  { 17, when_nothing_else_fits, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "certificate-mismatch", 0 },
};

/* An unusable TPM (a foreign password, say) may still hold a key that works; and where there never was an identity,
 * there is nothing to be at fault. */
static void
refine_unusable (const IdentityInputs *in, IdentityDecision *decision)
{
  if (in->tpm_key == IDENTITY_TPM_KEY_PRESENT && in->certificate == IDENTITY_CERTIFICATE_OF_TPM_KEY)
    {
      decision->mode = IDENTITY_MODE_TPM;
      decision->marker = IDENTITY_MARKER_WRITE;
    }
  else if (is_none_on_record (in) && in->tpm_key != IDENTITY_TPM_KEY_PRESENT)
    decision->mode = IDENTITY_MODE_UNPROVISIONED;
}

static void
refine (const IdentityInputs *in, IdentityDecision *decision)
{
  switch (decision->row)
    {
    case 6:
    case 16:
      if (in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT)
        decision->actions &= ~(guint) IDENTITY_ACTION_ARCHIVE_SOFTWARE_KEY;
      else
        decision->actions &= ~(guint) IDENTITY_ACTION_SOFTWARE_KEY;
      break;
    case 7:
      if (in->record == IDENTITY_RECORD_MIGRATED)
        decision->reason = "migrated";
      break;
    case 10:
      refine_unusable (in, decision);
      break;
    case 11:
    case 12:
      if (in->record == IDENTITY_RECORD_NONE || in->record == IDENTITY_RECORD_UNREADABLE)
        decision->reason = "recovered";
      break;
    case 17:
      if (in->record == IDENTITY_RECORD_UNREADABLE)
        decision->reason = "state-unreadable";
      else if (in->software_key == IDENTITY_SOFTWARE_KEY_UNUSABLE)
        decision->reason = "software-key-unusable";
      break;
    default:
      break;
    }
}

void
identity_decide (const IdentityInputs *inputs, IdentityDecision *ret_decision)
{
  const Row *row = rows;

  while (!row->when (inputs))
    row++;

  *ret_decision = (IdentityDecision) {
    .row = row->row,
    .mode = row->mode,
    .marker = row->marker,
    .reason = row->reason,
    .actions = row->actions,
    .request_kept = inputs->request == IDENTITY_REQUEST_RESET && inputs->tpm != IDENTITY_TPM_READY,
  };
  refine (inputs, ret_decision);
}

const char *
identity_mode_name (IdentityMode mode)
{
  static const char *const names[] = {
    [IDENTITY_MODE_UNPROVISIONED] = "unprovisioned",
    [IDENTITY_MODE_TPM] = "tpm",
    [IDENTITY_MODE_SOFTWARE] = "software",
    [IDENTITY_MODE_FAULT] = "fault",
  };
  g_assert ((guint) mode < G_N_ELEMENTS (names));
  return names[mode];
}

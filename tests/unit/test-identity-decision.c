/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The boot decision against an oracle of another kind: one predicate for each row of the table, each stating its row's
 * own "when" in full and trusting no other row. The row expected is the lowest whose predicate holds. */

#include "identity/identity-decision.h"

#include <string.h>

#define N_ROWS 17
#define N_COMBINATIONS 8640

/* --- every combination ------------------------------------------------------------------------------------------ */

static guint
take_digit (guint *rest, guint base)
{
  guint digit = *rest % base;

  *rest /= base;
  return digit;
}

/* The combination of this number, as a number of mixed base; false beyond the last. */
static gboolean
get_combination (guint number, IdentityInputs *ret_inputs)
{
  guint rest = number;
  IdentityInputs inputs = {
    .request = take_digit (&rest, IDENTITY_N_REQUESTS),
    .tpm = take_digit (&rest, IDENTITY_N_TPMS),
    .tpm_required = take_digit (&rest, 2) != 0,
    .anchor = take_digit (&rest, IDENTITY_N_ANCHORS),
    .record = take_digit (&rest, IDENTITY_N_RECORDS),
    .tpm_key = take_digit (&rest, IDENTITY_N_TPM_KEYS),
    .certificate = take_digit (&rest, IDENTITY_N_CERTIFICATES),
    .software_key = take_digit (&rest, IDENTITY_N_SOFTWARE_KEYS),
  };

  if (rest != 0)
    return FALSE;
  *ret_inputs = inputs;
  return TRUE;
}

static char *
describe_inputs (const IdentityInputs *in)
{
  static const char *const requests[] = { "none", "reset" };
  static const char *const tpms[] = { "ready", "absent", "unusable" };
  static const char *const anchors[] = { "none", "same", "different", "unknown" };
  static const char *const records[] = { "none", "tpm", "software", "migrated", "unreadable" };
  static const char *const tpm_keys[] = { "absent", "present", "unknown" };
  static const char *const certificates[] = { "none", "of-tpm-key", "of-software-key", "of-other-key" };
  static const char *const software_keys[] = { "absent", "present", "unusable" };

  return g_strdup_printf ("request=%s tpm=%s required=%d anchor=%s record=%s tpm-key=%s certificate=%s software-key=%s",
                          requests[in->request], tpms[in->tpm], in->tpm_required, anchors[in->anchor], records[in->record],
                          tpm_keys[in->tpm_key], certificates[in->certificate], software_keys[in->software_key]);
}

/* --- the words of the table ------------------------------------------------------------------------------------- */

/* Rows 3 to 6 and 10: "record, or a certificate without a software key". */
static gboolean
is_tpm_identity_on_record (const IdentityInputs *in)
{
  return in->record == IDENTITY_RECORD_TPM
         || (in->certificate != IDENTITY_CERTIFICATE_NONE && in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT);
}

/* What cannot be read may hold an identity, so it never proves that there is none. */
static gboolean
is_no_tpm_identity_on_record (const IdentityInputs *in)
{
  return !is_tpm_identity_on_record (in) && in->record != IDENTITY_RECORD_UNREADABLE;
}

static gboolean
is_record_without_active_tpm_identity (const IdentityInputs *in)
{
  return in->record == IDENTITY_RECORD_NONE || in->record == IDENTITY_RECORD_SOFTWARE
         || in->record == IDENTITY_RECORD_MIGRATED;
}

static gboolean
is_software_fit (const IdentityInputs *in)
{
  return in->certificate == IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY && in->software_key == IDENTITY_SOFTWARE_KEY_PRESENT;
}

static gboolean
is_onboarded (const IdentityInputs *in)
{
  return in->record == IDENTITY_RECORD_TPM && in->anchor == IDENTITY_ANCHOR_SAME;
}

/* --- one predicate for each row --------------------------------------------------------------------------------- */

typedef gboolean (*RowPredicate) (const IdentityInputs *in);

static gboolean
row_1_reset_and_usable (const IdentityInputs *in)
{
  return in->request == IDENTITY_REQUEST_RESET && in->tpm == IDENTITY_TPM_READY;
}

static gboolean
row_2_reset_and_not_usable (const IdentityInputs *in)
{
  return in->request == IDENTITY_REQUEST_RESET && in->tpm != IDENTITY_TPM_READY;
}

static gboolean
row_3_missing (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_tpm_identity_on_record (in);
}

static gboolean
row_4_waits (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_no_tpm_identity_on_record (in) && in->tpm_required;
}

static gboolean
row_5_software (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_ABSENT && is_no_tpm_identity_on_record (in) && is_software_fit (in);
}

/* "key or certificate lacking": a certificate that is there and fits no key does not lack, nor does a key that is there and
 * cannot be used. */
static gboolean
row_6_software_lacking (const IdentityInputs *in)
{
  gboolean key_lacks = in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT;
  gboolean certificate_lacks = in->certificate == IDENTITY_CERTIFICATE_NONE && in->software_key == IDENTITY_SOFTWARE_KEY_PRESENT;

  return in->tpm == IDENTITY_TPM_ABSENT && is_no_tpm_identity_on_record (in) && (key_lacks || certificate_lacks);
}

static gboolean
row_7_upgrade_or_migrated (const IdentityInputs *in)
{
  gboolean none_known = (in->record == IDENTITY_RECORD_NONE || in->record == IDENTITY_RECORD_SOFTWARE)
                        && in->tpm_key != IDENTITY_TPM_KEY_PRESENT;

  return in->tpm != IDENTITY_TPM_ABSENT && is_software_fit (in) && (none_known || in->record == IDENTITY_RECORD_MIGRATED);
}

static gboolean
row_8_downgrade (const IdentityInputs *in)
{
  gboolean active_in_tpm = in->tpm_key == IDENTITY_TPM_KEY_PRESENT && in->record != IDENTITY_RECORD_MIGRATED;

  return in->tpm != IDENTITY_TPM_ABSENT && is_software_fit (in) && (in->record == IDENTITY_RECORD_TPM || active_in_tpm);
}

static gboolean
row_9_other_tpm (const IdentityInputs *in)
{
  return in->tpm != IDENTITY_TPM_ABSENT && in->anchor == IDENTITY_ANCHOR_DIFFERENT && in->record == IDENTITY_RECORD_TPM;
}

static gboolean
row_10_unusable (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_UNUSABLE;
}

static gboolean
row_11_found (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT
         && in->certificate == IDENTITY_CERTIFICATE_OF_TPM_KEY;
}

static gboolean
row_12_no_certificate (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT
         && in->certificate == IDENTITY_CERTIFICATE_NONE;
}

static gboolean
row_13_certificate_of_another_key (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT
         && (in->certificate == IDENTITY_CERTIFICATE_OF_OTHER_KEY || in->certificate == IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY);
}

static gboolean
row_14_key_gone_certificate_deleted (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && is_onboarded (in) && in->tpm_key == IDENTITY_TPM_KEY_ABSENT
         && in->certificate == IDENTITY_CERTIFICATE_NONE;
}

static gboolean
row_15_key_gone_certificate_there (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && is_onboarded (in) && in->tpm_key == IDENTITY_TPM_KEY_ABSENT
         && in->certificate != IDENTITY_CERTIFICATE_NONE;
}

static gboolean
row_16_first_boot (const IdentityInputs *in)
{
  return in->tpm == IDENTITY_TPM_READY && in->tpm_key == IDENTITY_TPM_KEY_ABSENT
         && in->certificate == IDENTITY_CERTIFICATE_NONE && is_record_without_active_tpm_identity (in);
}

/* By row number; row 17 is "everything else" and has none. */
static const RowPredicate predicates[N_ROWS] = {
  [1] = row_1_reset_and_usable,
  [2] = row_2_reset_and_not_usable,
  [3] = row_3_missing,
  [4] = row_4_waits,
  [5] = row_5_software,
  [6] = row_6_software_lacking,
  [7] = row_7_upgrade_or_migrated,
  [8] = row_8_downgrade,
  [9] = row_9_other_tpm,
  [10] = row_10_unusable,
  [11] = row_11_found,
  [12] = row_12_no_certificate,
  [13] = row_13_certificate_of_another_key,
  [14] = row_14_key_gone_certificate_deleted,
  [15] = row_15_key_gone_certificate_there,
  [16] = row_16_first_boot,
};

/* --- what follows from a row ------------------------------------------------------------------------------------ */

/* Mode, marker and the usual reason and actions of each row, as its columns say; refined below where a row has more
 * than one. */
static const IdentityDecision outcomes[N_ROWS + 1] = {
  [1] = { 1, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "reset",
          IDENTITY_ACTION_RESET | IDENTITY_ACTION_TAKE_OWNERSHIP | IDENTITY_ACTION_TPM_KEY | IDENTITY_ACTION_CERTIFICATE },
  [3] = { 3, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "tpm-missing" },
  [4] = { 4, IDENTITY_MODE_UNPROVISIONED, IDENTITY_MARKER_REMOVE, "waiting-for-tpm" },
  [5] = { 5, IDENTITY_MODE_SOFTWARE, IDENTITY_MARKER_REMOVE, "software-identity" },
  [6] = { 6, IDENTITY_MODE_SOFTWARE, IDENTITY_MARKER_REMOVE, "no-tpm", IDENTITY_ACTION_CERTIFICATE },
  [7] = { 7, IDENTITY_MODE_SOFTWARE, IDENTITY_MARKER_REMOVE, "software-identity" },
  [8] = { 8, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "downgrade-refused" },
  [9] = { 9, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "tpm-changed" },
  [10] = { 10, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "tpm-unusable" },
  [11] = { 11, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "found" },
  [12] = { 12, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "certificate-regenerated", IDENTITY_ACTION_CERTIFICATE },
  [13] = { 13, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "certificate-mismatch" },
  [14] = { 14, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "key-regenerated",
           IDENTITY_ACTION_TPM_KEY | IDENTITY_ACTION_CERTIFICATE },
  [15] = { 15, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "key-missing" },
  [16] = { 16, IDENTITY_MODE_TPM, IDENTITY_MARKER_WRITE, "first-boot",
           IDENTITY_ACTION_TAKE_OWNERSHIP | IDENTITY_ACTION_TPM_KEY | IDENTITY_ACTION_CERTIFICATE },
  [17] = { 17, IDENTITY_MODE_FAULT, IDENTITY_MARKER_KEEP, "certificate-mismatch" },
};

/* "tpm where the identity key works all the same; unprovisioned where no identity is on record" */
static void
refine_unusable (const IdentityInputs *in, IdentityDecision *decision)
{
  gboolean key_works = in->tpm_key == IDENTITY_TPM_KEY_PRESENT;

  if (key_works && in->certificate == IDENTITY_CERTIFICATE_OF_TPM_KEY)
    {
      decision->mode = IDENTITY_MODE_TPM;
      decision->marker = IDENTITY_MARKER_WRITE;
    }
  else if (!key_works && is_no_tpm_identity_on_record (in))
    decision->mode = IDENTITY_MODE_UNPROVISIONED;
}

static void
refine (const IdentityInputs *in, IdentityDecision *decision)
{
  if (decision->row == 6 && in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT)
    decision->actions |= IDENTITY_ACTION_SOFTWARE_KEY;
  if (decision->row == 7 && in->record == IDENTITY_RECORD_MIGRATED)
    decision->reason = "migrated";
  if (decision->row == 10)
    refine_unusable (in, decision);
  gboolean nothing_to_go_by = in->record == IDENTITY_RECORD_NONE || in->record == IDENTITY_RECORD_UNREADABLE;
  if ((decision->row == 11 || decision->row == 12) && nothing_to_go_by)
    decision->reason = "recovered";
  if (decision->row == 16 && in->software_key != IDENTITY_SOFTWARE_KEY_ABSENT)
    decision->actions |= IDENTITY_ACTION_ARCHIVE_SOFTWARE_KEY;
  if (decision->row == 17 && in->software_key == IDENTITY_SOFTWARE_KEY_UNUSABLE)
    decision->reason = "software-key-unusable";
  if (decision->row == 17 && in->record == IDENTITY_RECORD_UNREADABLE)
    decision->reason = "state-unreadable";
}

static IdentityDecision
expect (const IdentityInputs *in)
{
  guint row = N_ROWS;

  /* Row 2 is not an outcome: it says "as without the request". */
  for (guint i = N_ROWS - 1; i >= 1; i--)
    if (i != 2 && predicates[i](in))
      row = i;

  IdentityDecision decision = outcomes[row];
  decision.request_kept = row_2_reset_and_not_usable (in);
  refine (in, &decision);
  return decision;
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

/* Filled with what no decision can be, so that a member that was not set shows. */
static IdentityDecision
decide (const IdentityInputs *in)
{
  IdentityDecision decision;

  memset (&decision, 0xaa, sizeof decision);
  decision.reason = NULL;
  identity_decide (in, &decision);
  return decision;
}

static char *
describe_decision (const IdentityDecision *d)
{
  return g_strdup_printf ("row=%u mode=%d marker=%d reason=%s actions=0x%x kept=%d", d->row, (int) d->mode, (int) d->marker,
                          d->reason != NULL ? d->reason : "(null)", d->actions, d->request_kept);
}

static void
test_combinations_are_all_there (void)
{
  IdentityInputs in;
  guint n = 0;

  g_assert_cmpint (IDENTITY_N_REQUESTS, ==, 2);
  g_assert_cmpint (IDENTITY_N_TPMS, ==, 3);
  g_assert_cmpint (IDENTITY_N_ANCHORS, ==, 4);
  g_assert_cmpint (IDENTITY_N_RECORDS, ==, 5);
  g_assert_cmpint (IDENTITY_N_TPM_KEYS, ==, 3);
  g_assert_cmpint (IDENTITY_N_CERTIFICATES, ==, 4);
  g_assert_cmpint (IDENTITY_N_SOFTWARE_KEYS, ==, 3);
  while (get_combination (n, &in))
    n++;
  g_assert_cmpuint (n, ==, N_COMBINATIONS);
}

static void
test_every_combination_matches_the_table (void)
{
  IdentityInputs in;
  guint wrong = 0;

  for (guint i = 0; get_combination (i, &in); i++)
    {
      IdentityDecision expected = expect (&in);
      IdentityDecision actual = decide (&in);

      if (actual.row == expected.row && actual.mode == expected.mode && actual.marker == expected.marker
          && g_strcmp0 (actual.reason, expected.reason) == 0 && actual.actions == expected.actions
          && actual.request_kept == expected.request_kept)
        continue;

      g_autofree char *inputs = describe_inputs (&in);
      g_autofree char *want = describe_decision (&expected);
      g_autofree char *got = describe_decision (&actual);
      if (wrong++ < 20)
        g_test_message ("%s\n  expected %s\n  got      %s", inputs, want, got);
    }
  g_assert_cmpuint (wrong, ==, 0);
}

static void
test_every_row_is_reached_except_the_second (void)
{
  guint reached[N_ROWS + 1] = { 0 };
  IdentityInputs in;

  for (guint i = 0; get_combination (i, &in); i++)
    {
      IdentityDecision decision = decide (&in);
      g_assert_cmpuint (decision.row, >=, 1);
      g_assert_cmpuint (decision.row, <=, N_ROWS);
      reached[decision.row]++;
    }
  for (guint row = 1; row <= N_ROWS; row++)
    if (row == 2)
      g_assert_cmpuint (reached[row], ==, 0);
    else
      g_assert_cmpuint (reached[row], >, 0);
}

static void
test_a_kept_request_changes_nothing_else (void)
{
  IdentityInputs in;

  for (guint i = 0; get_combination (i, &in); i++)
    {
      if (!row_2_reset_and_not_usable (&in))
        continue;
      IdentityDecision with = decide (&in);
      in.request = IDENTITY_REQUEST_NONE;
      IdentityDecision without = decide (&in);

      g_assert_true (with.request_kept);
      g_assert_false (without.request_kept);
      g_assert_cmpuint (with.row, ==, without.row);
      g_assert_cmpint (with.mode, ==, without.mode);
      g_assert_cmpint (with.marker, ==, without.marker);
      g_assert_cmpstr (with.reason, ==, without.reason);
      g_assert_cmpuint (with.actions, ==, without.actions);
    }
}

static void
test_mode_names_are_those_of_the_bus (void)
{
  g_assert_cmpstr (identity_mode_name (IDENTITY_MODE_UNPROVISIONED), ==, "unprovisioned");
  g_assert_cmpstr (identity_mode_name (IDENTITY_MODE_TPM), ==, "tpm");
  g_assert_cmpstr (identity_mode_name (IDENTITY_MODE_SOFTWARE), ==, "software");
  g_assert_cmpstr (identity_mode_name (IDENTITY_MODE_FAULT), ==, "fault");
}

/* --- invariants, which hold for all combinations whatever the rows ---------------------------------------------- */

typedef gboolean (*Invariant) (const IdentityInputs *in, const IdentityDecision *d);

/* A implies B. */
#define IMPLIES(a, b) (!(a) || (b))

static gboolean
fault_does_nothing (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (d->mode == IDENTITY_MODE_FAULT, d->actions == 0 && d->marker == IDENTITY_MARKER_KEEP);
}

static gboolean
unprovisioned_does_nothing (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (d->mode == IDENTITY_MODE_UNPROVISIONED, d->actions == 0);
}

/* "The mode is tpm only when the device certificate was generated from (or is proven to belong to) the TPM's key" */
static gboolean
tpm_mode_is_proven (const IdentityInputs *in, const IdentityDecision *d)
{
  gboolean proven = in->certificate == IDENTITY_CERTIFICATE_OF_TPM_KEY && in->tpm_key == IDENTITY_TPM_KEY_PRESENT;
  gboolean generated = (d->actions & IDENTITY_ACTION_CERTIFICATE) != 0
                       && ((d->actions & IDENTITY_ACTION_TPM_KEY) != 0 || in->tpm_key == IDENTITY_TPM_KEY_PRESENT);

  return IMPLIES (d->mode == IDENTITY_MODE_TPM, proven || generated)
         && IMPLIES (d->mode == IDENTITY_MODE_TPM && d->actions == 0, proven);
}

static gboolean
software_mode_is_proven (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (d->mode == IDENTITY_MODE_SOFTWARE && d->actions == 0,
                  in->certificate == IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY && in->software_key == IDENTITY_SOFTWARE_KEY_PRESENT);
}

static gboolean
software_key_is_the_last_resort (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (d->actions & IDENTITY_ACTION_SOFTWARE_KEY,
                  !in->tpm_required && in->record != IDENTITY_RECORD_TPM && in->record != IDENTITY_RECORD_UNREADABLE
                      && in->certificate == IDENTITY_CERTIFICATE_NONE && in->software_key == IDENTITY_SOFTWARE_KEY_ABSENT
                      && in->tpm == IDENTITY_TPM_ABSENT && d->mode == IDENTITY_MODE_SOFTWARE);
}

static gboolean
tpm_identity_never_falls_back (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (in->record == IDENTITY_RECORD_TPM, d->mode != IDENTITY_MODE_SOFTWARE);
}

/* No silent upgrade: what works as software stays so, unless a reset was asked for. */
static gboolean
software_identity_never_becomes_tpm (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (is_software_fit (in) && in->request == IDENTITY_REQUEST_NONE, d->mode != IDENTITY_MODE_TPM);
}

static gboolean
key_is_not_made_on_an_unreadable_record (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (in->record == IDENTITY_RECORD_UNREADABLE && in->request == IDENTITY_REQUEST_NONE,
                  (d->actions & (IDENTITY_ACTION_TPM_KEY | IDENTITY_ACTION_SOFTWARE_KEY)) == 0);
}

static gboolean
certificate_is_not_overwritten (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES ((d->actions & IDENTITY_ACTION_CERTIFICATE) != 0 && (d->actions & IDENTITY_ACTION_RESET) == 0,
                  in->certificate == IDENTITY_CERTIFICATE_NONE);
}

static gboolean
tpm_key_is_not_replaced (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES ((d->actions & IDENTITY_ACTION_TPM_KEY) != 0 && (d->actions & IDENTITY_ACTION_RESET) == 0,
                  in->tpm_key == IDENTITY_TPM_KEY_ABSENT);
}

static gboolean
reset_needs_a_request (const IdentityInputs *in, const IdentityDecision *d)
{
  return IMPLIES (d->actions & IDENTITY_ACTION_RESET, in->request == IDENTITY_REQUEST_RESET)
         && IMPLIES (in->request == IDENTITY_REQUEST_RESET, ((d->actions & IDENTITY_ACTION_RESET) != 0) != d->request_kept)
         && IMPLIES (in->request == IDENTITY_REQUEST_NONE, !d->request_kept);
}

static gboolean
tpm_is_changed_only_when_ready (const IdentityInputs *in, const IdentityDecision *d)
{
  guint changes = IDENTITY_ACTION_RESET | IDENTITY_ACTION_TAKE_OWNERSHIP | IDENTITY_ACTION_TPM_KEY;

  return IMPLIES (d->actions & changes, in->tpm == IDENTITY_TPM_READY && d->mode == IDENTITY_MODE_TPM);
}

static gboolean
marker_is_written_exactly_in_tpm_mode (const IdentityInputs *in, const IdentityDecision *d)
{
  return (d->marker == IDENTITY_MARKER_WRITE) == (d->mode == IDENTITY_MODE_TPM);
}

static gboolean
marker_is_removed_exactly_by_rows_4_to_7 (const IdentityInputs *in, const IdentityDecision *d)
{
  return (d->marker == IDENTITY_MARKER_REMOVE) == (d->row >= 4 && d->row <= 7)
         && IMPLIES (d->mode == IDENTITY_MODE_SOFTWARE, d->marker == IDENTITY_MARKER_REMOVE);
}

static gboolean
policy_counts_only_without_a_tpm (const IdentityInputs *in, const IdentityDecision *d)
{
  IdentityInputs other = *in;
  other.tpm_required = !in->tpm_required;
  IdentityDecision without = decide (&other);

  return IMPLIES (in->tpm != IDENTITY_TPM_ABSENT, without.row == d->row && without.actions == d->actions);
}

static void
test_invariant (gconstpointer data)
{
  Invariant holds = *(const Invariant *) data;
  IdentityInputs in;

  for (guint i = 0; get_combination (i, &in); i++)
    {
      IdentityDecision decision = decide (&in);
      if (holds (&in, &decision))
        continue;

      g_autofree char *inputs = describe_inputs (&in);
      g_autofree char *got = describe_decision (&decision);
      g_test_message ("%s\n  got %s", inputs, got);
      g_test_fail ();
      return;
    }
}

static const struct
{
  const char *sentence;
  Invariant holds;
} invariants[] = {
  { "a-fault-changes-nothing", fault_does_nothing },
  { "unprovisioned-changes-nothing", unprovisioned_does_nothing },
  { "tpm-mode-needs-a-certificate-of-the-tpms-key", tpm_mode_is_proven },
  { "software-mode-needs-a-certificate-of-the-software-key", software_mode_is_proven },
  { "a-software-key-is-made-only-where-nothing-speaks-against-it", software_key_is_the_last_resort },
  { "a-tpm-identity-never-falls-back-to-software", tpm_identity_never_falls_back },
  { "a-working-software-identity-is-never-upgraded-silently", software_identity_never_becomes_tpm },
  { "an-unreadable-record-never-lets-a-key-be-made", key_is_not_made_on_an_unreadable_record },
  { "a-certificate-is-overwritten-only-by-a-reset", certificate_is_not_overwritten },
  { "a-key-in-the-tpm-is-replaced-only-by-a-reset", tpm_key_is_not_replaced },
  { "a-reset-is-done-or-kept-exactly-when-asked-for", reset_needs_a_request },
  { "the-tpm-is-changed-only-when-it-is-ready", tpm_is_changed_only_when_ready },
  { "the-marker-is-written-exactly-in-tpm-mode", marker_is_written_exactly_in_tpm_mode },
  { "the-marker-is-removed-exactly-by-rows-4-to-7", marker_is_removed_exactly_by_rows_4_to_7 },
  { "required-counts-only-where-the-tpm-is-absent", policy_counts_only_without_a_tpm },
};

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/identity/decision/the-combinations-are-all-there", test_combinations_are_all_there);
  g_test_add_func ("/identity/decision/every-combination-matches-the-table", test_every_combination_matches_the_table);
  g_test_add_func ("/identity/decision/every-row-is-reached-except-the-second", test_every_row_is_reached_except_the_second);
  g_test_add_func ("/identity/decision/a-kept-request-changes-nothing-else", test_a_kept_request_changes_nothing_else);
  g_test_add_func ("/identity/decision/mode-names-are-those-of-the-bus", test_mode_names_are_those_of_the_bus);
  for (gsize i = 0; i < G_N_ELEMENTS (invariants); i++)
    {
      g_autofree char *path = g_strconcat ("/identity/decision/", invariants[i].sentence, NULL);
      g_test_add_data_func (path, &invariants[i].holds, test_invariant);
    }
  return g_test_run ();
}

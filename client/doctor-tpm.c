/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-handle.h"
#include "client-value.h"
#include "doctor.h"

#include <unistd.h>

/* What property TpmState says, and what can be done about it. */
static const struct
{
  const char *state;
  DoctorResult result;
  const char *next;
} states[] = {
  { "ready", DOCTOR_PASS, NULL },
  { "off", DOCTOR_SKIP, NULL },
  { "starting", DOCTOR_WARN, "Look again in a minute." },
  { "self-test", DOCTOR_WARN, "Look again in a minute." },
  { "no-device", DOCTOR_FAIL, "Enable the TPM in the firmware, load its driver, or set Tpm=off." },
  { "no-permission", DOCTOR_FAIL, "Install the udev rule 65-tpmidd.rules, so that the node is tpmidd's." },
  { "busy", DOCTOR_FAIL, "Stop the program that holds the TPM, or set Ownership=shared." },
  { "tpm-1.2", DOCTOR_FAIL, "Switch the TPM to version 2.0 in the firmware, or set Tpm=off." },
  { "bad-tcti", DOCTOR_FAIL, "Correct Tcti=, or install the package of that TCTI." },
  { "unavailable", DOCTOR_FAIL, "It is being reopened; where that lasts, journalctl -k -g tpm has the reason." },
  { "failure-mode", DOCTOR_FAIL, "Power the device off and on; where that does not help the TPM is broken." },
  { "not-started", DOCTOR_FAIL, "Enable the TPM in the firmware, or set Ownership=exclusive." },
  { "hierarchy-auth-required", DOCTOR_WARN, "Clear the owner password, or give it to tpmidd by PasswordsPath=." },
  { "lockout", DOCTOR_FAIL, "Wait for the recovery time that tpmidctl status shows." },
  { "wedged", DOCTOR_FAIL, "The TPM does not answer: where that lasts, power the device off and on." },
};

/* Of a TPM that is part of the identity. */
#define NEXT_MISSING \
  "The identity is in that TPM: enable it in the firmware, and see that its driver is loaded: journalctl -k -g tpm."

static void
report_state (Doctor *self, gsize i, const char *detail)
{
  const char *state = states[i].state, *next = states[i].next;
  DoctorResult result = states[i].result;

  if (g_str_equal (state, "no-device") && client_value_is (self->status, "mode", "fault"))
    next = NEXT_MISSING;
  /* A device that does without one lacks nothing. */
  if (g_str_equal (state, "no-device") && client_value_is (self->status, "mode", "software"))
    {
      result = DOCTOR_SKIP;
      next = NULL;
    }
  doctor_add (self, "tpm", "state", result, next, "%s%s%s", state, detail[0] != '\0' ? ": " : "", detail);
}

static void
check_state (Doctor *self, const tpmid_value *tpm)
{
  const char *state = client_value_text (tpm, "state"), *detail = client_value_text (tpm, "detail");
  const char *running = client_value_text (tpm, "running");

  if (self->is_hung && g_str_equal (state, "ready"))
    {
      doctor_add (self, "tpm", "state", DOCTOR_FAIL, "It does not answer: where that lasts, power the device off and on.",
                  "tpmidd takes it for ready, but a request was not answered within %d ms%s%s", self->session->timeout_ms,
                  running[0] != '\0' ? "; it is at " : "", running);
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_str_equal (states[i].state, state))
      {
        report_state (self, i, detail);
        return;
      }
  doctor_add (self, "tpm", "state", DOCTOR_WARN, "tpmidctl is older than tpmidd: update it.", "%s, which is not known here",
              state);
}

static void
check_lockout (Doctor *self, const tpmid_value *tpm)
{
  const tpmid_value *lockout = tpmid_value_find (tpm, "lockout");
  guint64 counter = client_value_number (lockout, "counter"), limit = client_value_number (lockout, "limit");
  guint64 interval = client_value_number (lockout, "interval"), recovery = client_value_number (lockout, "recovery");
  g_autofree char *numbers = g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " tries used, one is forgiven every %"
                                              G_GUINT64_FORMAT " s, recovery %" G_GUINT64_FORMAT " s", counter, limit,
                                              interval, recovery);

  if (client_value_flag (lockout, "in-lockout"))
    doctor_add (self, "tpm", "lockout", DOCTOR_FAIL, "Find the program that tries wrong passwords, stop it, and wait.",
                "in force: %s",
                numbers);
  else if (counter > 0)
    doctor_add (self, "tpm", "lockout", DOCTOR_WARN,
                "Wrong passwords or power cuts did that: where it grows, find the program that tries passwords.", "%s", numbers);
  else
    doctor_add (self, "tpm", "lockout", DOCTOR_PASS, NULL, "%s", numbers);
}

static void
check_orderly (Doctor *self, const tpmid_value *tpm)
{
  if (client_value_flag (tpm, "orderly"))
    doctor_add (self, "tpm", "orderly", DOCTOR_PASS, NULL, "the TPM was shut down in order before this start");
  else
    doctor_add (self, "tpm", "orderly", DOCTOR_WARN, "Shut the device down in order; a power cut can count as a failed try.",
                "the TPM's last shutdown was not in order");
}

/* What to do about passwords that are not as the policy wants them. */
static const char *
advise_ownership (const char *state, gboolean is_exclusive)
{
  if (is_exclusive && g_str_equal (state, "none"))
    return "A factory reset takes ownership: tpmidctl reset. Where it was given up for good, set Ownership=shared.";
  if (g_str_equal (state, "partial"))
    return "A restart of tpmidd goes on with what was begun: systemctl restart tpmidd.";
  return "tpmidctl status names the hierarchy that is in the way, and what to do.";
}

static void
check_ownership (Doctor *self, const tpmid_value *ownership)
{
  const char *state = client_value_text (ownership, "state"), *detail = client_value_text (ownership, "detail");
  gboolean is_exclusive = client_value_is (ownership, "policy", "exclusive");
  gboolean is_good = g_str_equal (state, "owned") || (g_str_equal (state, "none") && !is_exclusive);

  if (state[0] == '\0' || g_str_equal (state, "unknown"))
    {
      doctor_add (self, "tpm", "hierarchies", DOCTOR_SKIP, NULL, "not known");
      return;
    }
  doctor_add (self, "tpm", "hierarchies", is_good ? DOCTOR_PASS : DOCTOR_WARN,
              is_good ? NULL : advise_ownership (state, is_exclusive),
              "%s (policy %s; owner %s, lockout %s, endorsement %s)%s%s", state, client_value_text (ownership, "policy"),
              client_value_text (ownership, "owner-auth"), client_value_text (ownership, "lockout-auth"),
              client_value_text (ownership, "endorsement-auth"), detail[0] != '\0' ? ": " : "", detail);
  if (client_value_is (ownership, "platform", "open"))
    doctor_add (self, "tpm", "platform", is_exclusive ? DOCTOR_WARN : DOCTOR_PASS,
                is_exclusive ? "Restart tpmidd, which closes it under Ownership=exclusive; the firmware should." : NULL,
                "the platform hierarchy has no password: who reaches the TPM can use it");
  else if (client_value_is (ownership, "platform", "closed"))
    doctor_add (self, "tpm", "platform", DOCTOR_PASS, NULL, "the platform hierarchy is closed");
}

static void
check_clear (Doctor *self, const tpmid_value *tpm)
{
  if (client_value_flag (tpm, "clear-disabled"))
    doctor_add (self, "tpm", "clear", DOCTOR_WARN, "Allow it in the firmware's setup.",
                "TPM2_Clear is disabled: a factory reset stays incomplete");
  else
    doctor_add (self, "tpm", "clear", DOCTOR_PASS, NULL, "TPM2_Clear is allowed");
}

/* Handles: what ListHandles said, or why it did not */
typedef struct Handles
{
  tpmid_value *list; /* NULL: not asked, or @error */
  tpmid_error error;
  gboolean is_asked;
} Handles;

static void
handles_clear (Handles *self)
{
  tpmid_value_free (self->list);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Handles, handles_clear)

static void
list_handles (Doctor *self, Handles *handles)
{
  handles->is_asked = geteuid () == 0 && !self->is_hung
                      && tpmid_value_count (tpmid_value_find (tpmid_value_find (self->status, "tpm"), "lockout")) > 0;
  if (handles->is_asked
      && tpmid_list_handles (client_session_get (self->session), self->session->timeout_ms, &handles->list, &handles->error) < 0)
    doctor_note_error (self, &handles->error);
}

static void
check_handles (Doctor *self, const Handles *handles, const tpmid_value *ownership)
{
  gboolean is_exclusive = client_value_is (ownership, "policy", "exclusive");

  if (!handles->is_asked)
    {
      doctor_add (self, "tpm", "handles", DOCTOR_SKIP, NULL, "what is in the TPM is for root to see");
      return;
    }
  if (handles->list == NULL)
    {
      doctor_add (self, "tpm", "handles", DOCTOR_WARN, "tpmidctl status shows what the TPM is doing.", "%s",
                  handles->error.message);
      return;
    }
  guint ours = client_handle_count (handles->list, "tpmidd"), others = client_handle_count (handles->list, "other");
  if (others > 0 && is_exclusive)
    doctor_add (self, "tpm", "handles", DOCTOR_WARN, "tpmidctl handles lists them; a factory reset clears them away.",
                "%u of tpmidd, %u of other programs, which Ownership=exclusive does not expect", ours, others);
  else
    doctor_add (self, "tpm", "handles", DOCTOR_PASS, NULL, "%u of tpmidd, %u of other programs", ours, others);
}

/* It has had the time to notice what the requests met with. */
static gboolean
read_again (Doctor *self)
{
  tpmid_value *status = NULL;
  tpmid_error error;

  if (tpmid_get_status (client_session_get (self->session), self->session->timeout_ms, &status, &error) < 0)
    {
      doctor_add (self, "tpm", "state", DOCTOR_FAIL, "systemctl status tpmidd says why.", "tpmidd does not answer any more: %s",
                  error.message);
      return FALSE;
    }
  tpmid_value_free (self->status);
  self->status = status;
  return TRUE;
}

void
doctor_tpm_check (Doctor *self)
{
  g_auto (Handles) handles = { 0 };

  if (self->status == NULL)
    {
      doctor_add (self, "tpm", "state", DOCTOR_SKIP, NULL, "tpmidd does not answer, and only tpmidd opens the TPM");
      return;
    }
  list_handles (self, &handles);
  if (!read_again (self))
    return;

  const tpmid_value *tpm = tpmid_value_find (self->status, "tpm"), *ownership = tpmid_value_find (self->status, "ownership");
  check_state (self, tpm);
  if (tpmid_value_count (tpmid_value_find (tpm, "lockout")) == 0)
    return;
  if (self->is_hung)
    {
      doctor_add (self, "tpm", "lockout", DOCTOR_SKIP, NULL, "the TPM does not answer; what was known of it may be past");
      return;
    }
  check_lockout (self, tpm);
  check_orderly (self, tpm);
  check_ownership (self, ownership);
  check_clear (self, tpm);
  check_handles (self, &handles, ownership);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-link-private.h"

#include "base-log.h"
#include "tpm-cache.h"
#include "tpm-device.h"
#include "tpm-facts.h"
#include "tpm-open.h"
#include "tpm-passwords.h"
#include "tpm-rc.h"

#include <string.h>
#include <tss2/tss2_tctildr.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 30000
/* A device node may come at any time while a system boots, and looking for it costs no TPM command. */
#define BACKOFF_NO_DEVICE_MAX_MS 2000

struct TpmLink
{
  /* Constant. */
  char *tcti_option, *sysfs_root;
  gboolean exclusive, off;

  /* TPM thread only. */
  GThread *thread;
  TpmTcti *tcti;
  ESYS_CONTEXT *esys;
  TpmCache cache;
  ESYS_TR session;
  TpmFacts facts;
  TpmPasswords passwords;
  TpmTctiFault fault;
  gpointer fault_data;
  gboolean opened_once;
  gboolean suspect_failure; /* failure mode was confirmed: GetCapability works in it, so the next opening has to ask */
  guint backoff_ms;
  GError *last_error;

  guint64 commands; /* atomic */

  GMutex mutex; /* held for a few assignments, never across a command */
  TpmLinkStatus status;
  gint64 retry_at; /* monotonic time; 0 = at once */
  gboolean is_generating;
  gint64 generating_us; /* see tpm_link_is_generating() */
};

typedef struct
{
  TpmidError error;
  TpmState state;
} StateRow;

/* What an opening that failed with such an error leaves behind; any other leaves TPM_STATE_UNAVAILABLE. */
static const StateRow failed_states[] = {
  { TPMID_ERROR_NO_DEVICE, TPM_STATE_NO_DEVICE },
  { TPMID_ERROR_NO_PERMISSION, TPM_STATE_NO_PERMISSION },
  { TPMID_ERROR_DEVICE_BUSY, TPM_STATE_BUSY },
  { TPMID_ERROR_TPM_VERSION, TPM_STATE_VERSION_1_2 },
  { TPMID_ERROR_BAD_TCTI, TPM_STATE_BAD_TCTI },
  { TPMID_ERROR_TPM_NOT_STARTED, TPM_STATE_NOT_STARTED },
  { TPMID_ERROR_TPM_FAILURE, TPM_STATE_FAILURE_MODE },
  { TPMID_ERROR_BUSY, TPM_STATE_SELF_TEST },
};

static const char *const state_names[] = {
  [TPM_STATE_OFF] = "off",
  [TPM_STATE_STARTING] = "starting",
  [TPM_STATE_READY] = "ready",
  [TPM_STATE_NO_DEVICE] = "no-device",
  [TPM_STATE_NO_PERMISSION] = "no-permission",
  [TPM_STATE_BUSY] = "busy",
  [TPM_STATE_VERSION_1_2] = "tpm-1.2",
  [TPM_STATE_BAD_TCTI] = "bad-tcti",
  [TPM_STATE_UNAVAILABLE] = "unavailable",
  [TPM_STATE_SELF_TEST] = "self-test",
  [TPM_STATE_FAILURE_MODE] = "failure-mode",
  [TPM_STATE_NOT_STARTED] = "not-started",
};

const char *
tpm_state_name (TpmState state)
{
  g_assert ((guint) state < G_N_ELEMENTS (state_names));
  return state_names[state];
}

static void
copy_text (char *to, gsize size, const char *from)
{
  g_autofree char *valid = g_utf8_make_valid (from, -1);

  /* Cutting may leave half a character at the end; g_utf8_make_valid() would then grow the text. */
  (void) g_strlcpy (to, valid, size);
  const char *end;
  if (!g_utf8_validate (to, -1, &end))
    to[end - to] = '\0';
}

static void
set_status (TpmLink *link, TpmState state, const char *detail)
{
  g_mutex_lock (&link->mutex);
  link->status.state = state;
  copy_text (link->status.detail, sizeof link->status.detail, detail);
  g_mutex_unlock (&link->mutex);
}

static void
publish_facts (TpmLink *link)
{
  tpm_passwords_drop_stale (&link->passwords, &link->facts);
  g_mutex_lock (&link->mutex);
  link->status.facts = link->facts;
  g_mutex_unlock (&link->mutex);
}

static void
assert_thread (TpmLink *link)
{
  if (link->thread == NULL)
    link->thread = g_thread_self ();
  g_assert (link->thread == g_thread_self ());
}

TpmLink *
tpm_link_new (const TpmLinkOptions *options)
{
  TpmLink *link = g_new0 (TpmLink, 1);

  link->tcti_option = g_strdup (options->tcti != NULL ? options->tcti : "");
  link->sysfs_root = g_strdup (options->sysfs_root != NULL ? options->sysfs_root : "/sys");
  link->exclusive = options->exclusive;
  link->off = options->off;
  link->session = ESYS_TR_NONE;
  g_mutex_init (&link->mutex);
  set_status (link, link->off ? TPM_STATE_OFF : TPM_STATE_STARTING, "");
  copy_text (link->status.tcti, sizeof link->status.tcti, link->tcti_option);
  return link;
}

static void
drop_contexts (TpmLink *link)
{
  Esys_Finalize (&link->esys);
  g_clear_pointer (&link->tcti, tpm_tcti_free);
  tpm_cache_reset (&link->cache);
  link->session = ESYS_TR_NONE;
}

void
tpm_link_free (TpmLink *link)
{
  if (link == NULL)
    return;
  if (link->esys != NULL)
    tpm_link_close (link);
  g_clear_error (&link->last_error);
  tpm_passwords_clear (&link->passwords);
  g_mutex_clear (&link->mutex);
  g_free (link->tcti_option);
  g_free (link->sysfs_root);
  g_free (link);
}

void
tpm_link_set_fault (TpmLink *link, TpmTctiFault fault, gpointer user_data)
{
  link->fault = fault;
  link->fault_data = user_data;
}

static gboolean
load_tcti (TpmLink *link, const char *tcti, GError **error)
{
  TSS2_TCTI_CONTEXT *inner = NULL;
  TSS2_RC rc = Tss2_TctiLdr_Initialize (tcti, &inner);

  if (rc == TSS2_RC_SUCCESS)
    {
      link->tcti = tpm_tcti_new (inner, &link->commands, link->fault, link->fault_data);
      return TRUE;
    }
  /* "Cannot connect" has one code whether the TPM was never there, went away, or is a node (which opened a moment ago) that
   * does not answer like a TPM. */
  if ((rc == TSS2_TCTI_RC_IO_ERROR || rc == TSS2_TCTI_RC_NO_CONNECTION) && !link->opened_once && tpm_device_path (tcti) == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE,
                   "open the TPM: nothing answers there; check Tcti=, or start what it names");
      tpm_rc_note (error, rc);
      return FALSE;
    }
  return tpm_rc_set_error (error, rc, "open the TPM");
}

static gboolean
find_tcti (TpmLink *link, char **ret_tcti, GError **error)
{
  if (link->tcti_option[0] == '\0')
    return tpm_device_choose (link->sysfs_root, link->exclusive, ret_tcti, error);
  *ret_tcti = g_strdup (link->tcti_option);
  return TRUE;
}

static gboolean
open_contexts (TpmLink *link, GError **error)
{
  g_autofree char *tcti = NULL;

  if (!find_tcti (link, &tcti, error))
    return FALSE;
  g_mutex_lock (&link->mutex);
  copy_text (link->status.tcti, sizeof link->status.tcti, tcti);
  g_mutex_unlock (&link->mutex);
  if (!tpm_device_probe (tcti, error) || !load_tcti (link, tcti, error))
    return FALSE;

  TSS2_RC rc = Esys_Initialize (&link->esys, tpm_tcti_context (link->tcti), NULL);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_rc_set_error (error, rc, "open ESYS");
  return TRUE;
}

static void
note_opened (TpmLink *link)
{
  link->backoff_ms = 0;
  g_clear_error (&link->last_error);
  publish_facts (link);
  set_status (link, TPM_STATE_READY, "");
  g_mutex_lock (&link->mutex);
  link->retry_at = 0;
  if (link->opened_once)
    link->status.reopened++;
  g_mutex_unlock (&link->mutex);
  link->opened_once = TRUE;
}

static TpmState
state_of (const GError *cause)
{
  for (gsize i = 0; i < G_N_ELEMENTS (failed_states); i++)
    if (g_error_matches (cause, TPMID_ERROR, (gint) failed_states[i].error))
      return failed_states[i].state;
  return TPM_STATE_UNAVAILABLE;
}

/* What callers get names no transport; operators look for the TCTI that they configured. */
static char *
describe_failure (const TpmLink *link, const GError *cause)
{
  const char *path = tpm_device_path (link->tcti_option);

  if (link->tcti_option[0] == '\0' || (path != NULL && strstr (cause->message, path) != NULL))
    return g_strdup (cause->message);
  return g_strdup_printf ("%s: %s", link->tcti_option, cause->message);
}

/* Not each time that the opening is tried again. */
static void
log_failure (const TpmLink *link, const char *detail, const GError *cause)
{
  const char *text = NULL;
  guint32 rc = base_error_get_tpm (cause, &text);
  g_autofree char *hex = g_strdup_printf ("0x%x", rc);
  const BaseLogField fields[] = { { "TPM_RC", hex }, { "TPM_RC_TEXT", text }, { NULL, NULL } };

  if (rc != 0 && strncmp (detail, link->status.detail, sizeof link->status.detail - 1) != 0)
    base_log (G_LOG_LEVEL_INFO, NULL, fields, "%s", detail);
}

static void
note_failed (TpmLink *link, GError *cause)
{
  g_autofree char *detail = describe_failure (link, cause);
  TpmState state = state_of (cause);
  guint max = state == TPM_STATE_NO_DEVICE ? BACKOFF_NO_DEVICE_MAX_MS : BACKOFF_MAX_MS;

  link->last_error = g_error_copy (cause);
  if (state == TPM_STATE_UNAVAILABLE)
    link->last_error->code = TPMID_ERROR_TPM_UNAVAILABLE;
  link->backoff_ms = link->backoff_ms == 0 ? BACKOFF_FIRST_MS : MIN (link->backoff_ms * 2, max);
  log_failure (link, detail, cause);
  set_status (link, state, detail);
  g_mutex_lock (&link->mutex);
  link->retry_at = g_get_monotonic_time () + (gint64) link->backoff_ms * 1000;
  g_mutex_unlock (&link->mutex);
}

static gboolean
may_try (TpmLink *link)
{
  g_mutex_lock (&link->mutex);
  gint64 retry_at = link->retry_at;
  g_mutex_unlock (&link->mutex);

  if (retry_at == 0)
    link->backoff_ms = 0;
  return link->last_error == NULL || g_get_monotonic_time () >= retry_at;
}

gboolean
tpm_link_ensure (TpmLink *link, GError **error)
{
  g_autoptr (GError) cause = NULL;

  assert_thread (link);
  if (link->off)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_SUPPORTED,
                   "the TPM is not used on this device; the configuration says Tpm=off");
      return FALSE;
    }
  if (link->esys != NULL)
    return TRUE;

  if (may_try (link))
    {
      g_clear_error (&link->last_error);
      if (open_contexts (link, &cause)
          && tpm_open_greet (link->esys, link->exclusive, &link->suspect_failure, &link->facts, &cause))
        {
          note_opened (link);
          return TRUE;
        }
      drop_contexts (link);
      note_failed (link, cause);
    }
  g_propagate_error (error, g_error_copy (link->last_error));
  return FALSE;
}

void
tpm_link_retry_now (TpmLink *link)
{
  g_mutex_lock (&link->mutex);
  link->retry_at = 0;
  g_mutex_unlock (&link->mutex);
}

void
tpm_link_close (TpmLink *link)
{
  assert_thread (link);
  if (link->esys == NULL)
    return;
  if (link->session != ESYS_TR_NONE)
    (void) Esys_FlushContext (link->esys, link->session);
  if (link->exclusive)
    (void) Esys_Shutdown (link->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_SU_CLEAR);
  drop_contexts (link);
  set_status (link, TPM_STATE_STARTING, "");
}

void
tpm_link_get_status (TpmLink *link, TpmLinkStatus *ret_status)
{
  g_mutex_lock (&link->mutex);
  *ret_status = link->status;
  g_mutex_unlock (&link->mutex);
  ret_status->commands = __atomic_load_n (&link->commands, __ATOMIC_RELAXED);
}

gboolean
tpm_link_is_generating (TpmLink *link, gint64 *ret_since_us)
{
  g_mutex_lock (&link->mutex);
  gboolean result = link->is_generating;
  *ret_since_us = link->generating_us;
  g_mutex_unlock (&link->mutex);
  return result;
}

void
tpm_link_set_generating (TpmLink *link, gboolean generating)
{
  g_mutex_lock (&link->mutex);
  link->is_generating = generating;
  link->generating_us = g_get_monotonic_time ();
  g_mutex_unlock (&link->mutex);
}

gboolean
tpm_link_is_announced (const char *sysfs_root)
{
  return tpm_device_is_announced (sysfs_root);
}

ESYS_CONTEXT *
tpm_link_esys (TpmLink *link)
{
  assert_thread (link);
  g_assert (link->esys != NULL);
  return link->esys;
}

gboolean
tpm_link_is_open (TpmLink *link)
{
  assert_thread (link);
  return link->esys != NULL;
}

gboolean
tpm_link_is_exclusive (TpmLink *link)
{
  return link->exclusive;
}

ESYS_TR *
tpm_link_own_session (TpmLink *link)
{
  assert_thread (link);
  return &link->session;
}

gboolean
tpm_link_check_open (TpmLink *link, GError **error)
{
  return tpm_link_is_open (link) || tpm_rc_set_error (error, TSS2_TCTI_RC_IO_ERROR, "tidy up");
}

const TpmFacts *
tpm_link_facts (TpmLink *link)
{
  assert_thread (link);
  return &link->facts;
}

void
tpm_link_set_facts (TpmLink *link, const TpmFacts *facts)
{
  assert_thread (link);
  link->facts = *facts;
  publish_facts (link);
}

void
tpm_link_set_password (TpmLink *link, TpmHierarchy hierarchy, BaseSecret *password)
{
  assert_thread (link);
  tpm_passwords_set (&link->passwords, hierarchy, password);
}

gboolean
tpm_link_has_password (TpmLink *link, TpmHierarchy hierarchy)
{
  return tpm_link_peek_password (link, hierarchy) != NULL;
}

gboolean
tpm_link_is_password_wrong (TpmLink *link, TpmHierarchy hierarchy)
{
  assert_thread (link);
  return link->passwords.rows[hierarchy].refused != NULL;
}

BaseSecret *
tpm_link_peek_password (TpmLink *link, TpmHierarchy hierarchy)
{
  assert_thread (link);
  return link->passwords.rows[hierarchy].known;
}

void
tpm_link_refuse_password (TpmLink *link, TpmHierarchy hierarchy)
{
  assert_thread (link);
  tpm_passwords_refuse (&link->passwords, hierarchy);
}

void
tpm_link_forget_all (TpmLink *link)
{
  if (link->session != ESYS_TR_NONE)
    tpm_link_flush (link, link->session);
  link->session = ESYS_TR_NONE;
  if (tpm_link_is_open (link))
    tpm_cache_empty (&link->cache, link->esys);
}

static void
break_link (TpmLink *link, TpmState state, const char *detail)
{
  drop_contexts (link);
  set_status (link, state, detail);
}

/* libtpms answers 0x101 to bad ciphertext and to credentials of another TPM too. */
static gboolean
fail_0x101 (TpmLink *link, GError **error, const char *doing)
{
  TSS2_RC rc = tpm_open_ask_failure_mode (link->esys, &link->suspect_failure);

  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);
  if (link->suspect_failure)
    {
      break_link (link, TPM_STATE_FAILURE_MODE, "the TPM is in failure mode; power-cycle the device");
      return tpm_rc_set_error (error, TPM2_RC_FAILURE, doing);
    }
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_FAILED, "%s: the TPM refused this, though it passes its self-test", doing);
  tpm_rc_note (error, TPM2_RC_FAILURE);
  return FALSE;
}

gboolean
tpm_link_fail (TpmLink *link, TSS2_RC rc, GError **error, const char *doing)
{
  gboolean complete;

  assert_thread (link);
  if (rc == TPM2_RC_FAILURE && link->esys != NULL)
    return fail_0x101 (link, error, doing);

  (void) tpm_rc_set_error (error, rc, doing);
  if (link->esys == NULL)
    return FALSE;
  /* An error here is not the one to report, but it may be one that ends the link. */
  if (rc == TPM2_RC_LOCKOUT)
    {
      rc = tpm_facts_read_variable (link->esys, &link->facts, &complete);
      publish_facts (link);
    }
  if (tpm_rc_is_transport (rc))
    break_link (link, TPM_STATE_UNAVAILABLE, "the connection to the TPM failed; it is reopened with the next request");
  return FALSE;
}

void
tpm_link_flush (TpmLink *link, ESYS_TR tr)
{
  if (tpm_link_is_open (link) && Esys_FlushContext (link->esys, tr) != TSS2_RC_SUCCESS)
    break_link (link, TPM_STATE_UNAVAILABLE, "the TPM could not be tidied up; it is reopened with the next request");
}

gboolean
tpm_link_refresh_facts (TpmLink *link, GError **error)
{
  gboolean complete;
  TSS2_RC rc = tpm_facts_read_variable (tpm_link_esys (link), &link->facts, &complete);

  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "read the TPM's properties");
  publish_facts (link);
  return TRUE;
}

gboolean
tpm_link_has_handle (TpmLink *link, guint32 handle, gboolean *ret_exists, GError **error)
{
  g_autoptr (GArray) handles = NULL;
  TSS2_RC rc = tpm_facts_read_handles (tpm_link_esys (link), handle, 1, &handles);

  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "look for a handle");
  *ret_exists = handles->len > 0 && g_array_index (handles, guint32, 0) == handle;
  return TRUE;
}

void
tpm_link_forget (TpmLink *link, guint32 handle)
{
  tpm_cache_remove (&link->cache, tpm_link_esys (link), handle);
}

void
tpm_link_adopt_persistent (TpmLink *link, guint32 handle, ESYS_TR tr)
{
  tpm_cache_add (&link->cache, tpm_link_esys (link), handle, tr);
}

TpmNote *
tpm_link_note (TpmLink *link, guint32 handle)
{
  assert_thread (link);
  return tpm_cache_note (&link->cache, handle);
}

gboolean
tpm_link_get_persistent (TpmLink *link, guint32 handle, ESYS_TR *ret_tr, GError **error)
{
  ESYS_CONTEXT *esys = tpm_link_esys (link);
  ESYS_TR tr = tpm_cache_look_up (&link->cache, handle);

  if (tr == ESYS_TR_NONE)
    {
      TSS2_RC rc = Esys_TR_FromTPMPublic (esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &tr);
      if (rc != TSS2_RC_SUCCESS)
        {
          g_autofree char *doing = g_strdup_printf ("look at handle 0x%08x", handle);
          return tpm_link_fail (link, rc, error, doing);
        }
      tpm_cache_add (&link->cache, esys, handle, tr);
    }
  *ret_tr = tr;
  return TRUE;
}

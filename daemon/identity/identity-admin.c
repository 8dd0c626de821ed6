/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-admin.h"

#include "base-error.h"
#include "base-log.h"
#include "identity-operation.h"
#include "identity-ownership.h"
#include "identity-renewal.h"
#include "identity-rotation.h"
#include "identity-serial.h"

struct _IdentityAdmin
{
  GObject parent_instance;
  const BaseConfig *config;
  TpmQueue *queue;
  IdentityLifecycle *lifecycle;
};

G_DEFINE_FINAL_TYPE (IdentityAdmin, identity_admin, G_TYPE_OBJECT)

static void
identity_admin_class_init (IdentityAdminClass *class)
{
}

static void
identity_admin_init (IdentityAdmin *self)
{
}

IdentityAdmin *
identity_admin_new (const BaseConfig *config, TpmQueue *queue, IdentityLifecycle *lifecycle)
{
  IdentityAdmin *self = g_object_new (IDENTITY_TYPE_ADMIN, NULL);

  self->config = config;
  self->queue = queue;
  self->lifecycle = lifecycle;
  return self;
}

static gboolean
fail_state (const IdentityReport *report, const char *what_fits, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_WRONG_STATE, "the mode is %s (%s); %s", identity_mode_name (report->mode), report->reason, what_fits);
  return FALSE;
}

static gboolean
check_ready (const IdentityReport *report, GError **error)
{
  if (report != NULL)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_READY, "the boot decision is not made yet; wait until State leaves starting");
  return FALSE;
}

static gboolean
check_tpm_policy (const BaseConfig *config, GError **error)
{
  if (config->tpm != BASE_TPM_OFF)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_SUPPORTED, "this needs the TPM, and Tpm=off");
  return FALSE;
}

/* The job of a caller that does not wait for it any more may yet do what it was to do; another that failed may have done a part. */
static gboolean
is_harmless (const GError *error)
{
  static const TpmidError harmless[] = {
    TPMID_ERROR_INVALID_ARGUMENT, TPMID_ERROR_NOT_FOUND, TPMID_ERROR_EXISTS, TPMID_ERROR_WRONG_STATE, TPMID_ERROR_CERTIFICATE_MISMATCH,
    TPMID_ERROR_NOT_SUPPORTED, TPMID_ERROR_BUSY, TPMID_ERROR_NO_DEVICE,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (harmless); i++)
    if (g_error_matches (error, TPMID_ERROR, (gint) harmless[i]))
      return TRUE;
  return FALSE;
}

static void
fail (IdentityAdmin *self, GTask *task, GError *error)
{
  identity_lifecycle_look_after_tpm (self->lifecycle);
  if (!is_harmless (error))
    identity_lifecycle_look_again (self->lifecycle);
  if (g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NO_DEVICE))
    error->code = TPMID_ERROR_NOT_SUPPORTED;
  g_task_return_error (task, error);
}

/* --- operations --- */

static gboolean
has_tpm (IdentityAdmin *self)
{
  TpmLinkStatus status;

  tpm_link_get_status (tpm_queue_peek_link (self->queue), &status);
  return status.state == TPM_STATE_READY;
}

typedef struct
{
  IdentityOperation operation;
  IdentityMode mode; /* that it begins in */
  gboolean needs_tpm;
  const char *what_fits;
} OperationRule;

static const OperationRule *
find_rule (IdentityOperation operation)
{
  static const OperationRule rules[] = {
    { IDENTITY_OPERATION_REPROVISION, IDENTITY_MODE_FAULT, TRUE,
      "reprovision is the way out of a fault; a device that is well gets a new identity by a reset or a rotation" },
    { IDENTITY_OPERATION_MIGRATE_TO_TPM, IDENTITY_MODE_SOFTWARE, TRUE, "only a device in mode software can migrate to the TPM" },
    { IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE, IDENTITY_MODE_TPM, FALSE, "only a device in mode tpm can migrate to software" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].operation == operation)
      return &rules[i];
  g_assert_not_reached (); /* no other operation begins on its own */
}

static gboolean
is_there_already (const IdentityReport *report, IdentityOperation operation)
{
  return (operation == IDENTITY_OPERATION_MIGRATE_TO_TPM && report->mode == IDENTITY_MODE_TPM)
         || (operation == IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE && report->mode == IDENTITY_MODE_SOFTWARE);
}

/* A reset is taken in any state: it is kept until the TPM can be used. */
static gboolean
check_operation (IdentityAdmin *self, const IdentityReport *report, IdentityOperation operation, GError **error)
{
  if (!check_ready (report, error))
    return FALSE;
  if (operation != IDENTITY_OPERATION_MIGRATE_TO_SOFTWARE && !check_tpm_policy (self->config, error))
    return FALSE;
  if (operation == IDENTITY_OPERATION_RESET)
    return TRUE;
  if (is_there_already (report, operation))
    return TRUE;
  const OperationRule *rule = find_rule (operation);
  if (report->mode != rule->mode)
    return fail_state (report, rule->what_fits, error);
  return !rule->needs_tpm || has_tpm (self) || fail_state (report, "this needs a TPM that can be used", error);
}

typedef struct
{
  const BaseConfig *config;
  IdentityOperation operation;
  gboolean with_keys, is_there;
} Beginning;

/* TPM thread: nothing else touches the journal, and no operation begins between the steps of another */

static gpointer
identity_admin_begin_job (TpmLink *link, gpointer data, GError **error)
{
  const Beginning *beginning = data;
  char *id;

  if (!identity_operation_begin (beginning->config, beginning->operation, beginning->with_keys, beginning->is_there, &id, error))
    return NULL;
  return id != NULL ? id : g_strdup ("");
}

/* main thread */

static void
on_begun (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  IdentityAdmin *self = g_task_get_source_object (task);
  IdentityOperation operation = (IdentityOperation) GPOINTER_TO_UINT (g_task_get_task_data (task));
  g_autoptr (GError) error = NULL;
  g_autofree char *id = tpm_queue_push_finish (result, &error);

  if (id == NULL)
    {
      fail (self, task, g_steal_pointer (&error));
      return;
    }
  if (*id != '\0')
    {
      base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_OPERATION, NULL, "%s was asked for over the bus", identity_operation_name (operation));
      identity_lifecycle_begin (self->lifecycle, operation, id);
    }
  g_task_return_boolean (task, TRUE);
}

static void
push_beginning (IdentityAdmin *self, const IdentityReport *report, IdentityOperation operation, GTask *task)
{
  Beginning *beginning = g_new0 (Beginning, 1);
  TpmJob job = {
    .operation = "begin-operation",
    .priority = TPM_PRIORITY_URGENT,
    .deadline_ms = self->config->request_timeout_sec * 1000,
    .run = identity_admin_begin_job,
    .request = beginning,
    .request_free = g_free,
    .result_free = g_free,
  };

  *beginning = (Beginning) { self->config, operation, report->row == 9, is_there_already (report, operation) };
  g_task_set_task_data (task, GUINT_TO_POINTER (operation), NULL);
  tpm_queue_push_async (self->queue, &job, NULL, on_begun, task);
}

void
identity_admin_begin_async (IdentityAdmin *self, IdentityOperation operation, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  const IdentityReport *report = identity_lifecycle_peek_report (self->lifecycle);
  g_autoptr (GError) error = NULL;

  if (check_operation (self, report, operation, &error))
    push_beginning (self, report, operation, g_steal_pointer (&task));
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

gboolean
identity_admin_begin_finish (IdentityAdmin *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- jobs --- */

typedef struct Request Request;
typedef gboolean (*JobFunc) (TpmLink *link, const Request *request, GError **error);

/* All of it is the job's, or constant. */
struct Request
{
  JobFunc run;
  gboolean is_about_identity;
  const BaseConfig *config;
  char *argument;
  IdentityBackend *key;   /* (nullable) */
  IdentityRecord *record; /* (nullable) */
  char *serial;
  IdentityOwnership ownership;
};

static void
request_free (gpointer data)
{
  Request *request = data;

  g_free (request->argument);
  g_clear_pointer (&request->key, identity_backend_unref);
  g_clear_pointer (&request->record, identity_record_free);
  g_free (request->serial);
  g_free (request);
}

static gboolean
set_serial (TpmLink *link, const Request *request, GError **error)
{
  return identity_serial_write (link, request->config, request->argument, error);
}

static gboolean
clear_serial (TpmLink *link, const Request *request, GError **error)
{
  return identity_serial_clear (link, request->config, error);
}

static gboolean
release_ownership (TpmLink *link, const Request *request, GError **error)
{
  IdentityOwnership ownership = request->ownership;

  return identity_ownership_release (link, request->config, &ownership, error);
}

static gboolean
regenerate_certificate (TpmLink *link, const Request *request, GError **error)
{
  return identity_renewal_regenerate (link, request->config, request->key, request->serial, error);
}

static gboolean
install_certificate (TpmLink *link, const Request *request, GError **error)
{
  return identity_renewal_install (request->config, request->key, request->argument, error);
}

static gboolean
begin_rotation (TpmLink *link, const Request *request, GError **error)
{
  return identity_rotation_begin (link, request->config, request->record, error);
}

static gboolean
commit_rotation (TpmLink *link, const Request *request, GError **error)
{
  return identity_rotation_commit (link, request->config, request->record, request->argument, request->serial, error);
}

static gboolean
rollback_rotation (TpmLink *link, const Request *request, GError **error)
{
  return identity_rotation_rollback (link, request->config, request->record, error);
}

static const struct
{
  const char *operation; /* in the status, and in the journal */
  JobFunc run;
  gboolean needs_tpm, replayable;
  gboolean needs_identity, needs_tpm_identity;
} jobs[] = {
  /* Written already with the same value is a success. */
  [IDENTITY_ADMIN_SET_SERIAL] = { "set-serial", set_serial, TRUE, TRUE, FALSE, FALSE },
  [IDENTITY_ADMIN_CLEAR_SERIAL] = { "clear-serial", clear_serial, TRUE, FALSE, FALSE, FALSE },
  [IDENTITY_ADMIN_RELEASE_OWNERSHIP] = { "release-ownership", release_ownership, TRUE, FALSE, FALSE, FALSE },
  [IDENTITY_ADMIN_REGENERATE_CERTIFICATE] = { "regenerate-certificate", regenerate_certificate, FALSE, FALSE, TRUE, FALSE },
  [IDENTITY_ADMIN_INSTALL_CERTIFICATE] = { "install-certificate", install_certificate, FALSE, FALSE, TRUE, FALSE },
  [IDENTITY_ADMIN_BEGIN_ROTATION] = { "begin-rotation", begin_rotation, TRUE, FALSE, TRUE, TRUE },
  [IDENTITY_ADMIN_COMMIT_ROTATION] = { "commit-rotation", commit_rotation, TRUE, FALSE, TRUE, TRUE },
  [IDENTITY_ADMIN_ROLLBACK_ROTATION] = { "rollback-rotation", rollback_rotation, TRUE, FALSE, TRUE, TRUE },
  [IDENTITY_ADMIN_LIST_HANDLES] = { "list-handles", NULL, TRUE, TRUE, FALSE, FALSE },
};
G_STATIC_ASSERT (G_N_ELEMENTS (jobs) == IDENTITY_ADMIN_N_JOBS);

/* TPM thread */

/* What came between the call and its turn may have made another device of it, or be half-way. */
static gboolean
check_unchanged (const Request *request, GError **error)
{
  g_autoptr (IdentityJournal) journal = NULL;
  g_autoptr (IdentityRecord) record = NULL;

  if (!identity_journal_load (request->config->state_path, &journal, error))
    return FALSE;
  if (journal->operation != IDENTITY_OPERATION_NONE)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_BUSY, "%s is under way; try again when it has ended", identity_operation_name (journal->operation));
      return FALSE;
    }
  if (!request->is_about_identity)
    return TRUE;
  if (!identity_store_load (request->config->state_path, &record, error))
    return FALSE;
  if (request->record == NULL || g_strcmp0 (record->key_reference, request->record->key_reference) == 0)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_WRONG_STATE, "the device has got another identity key meanwhile; look at it again");
  return FALSE;
}

static gpointer
identity_admin_run_job (TpmLink *link, gpointer data, GError **error)
{
  const Request *request = data;

  if (!check_unchanged (request, error))
    return NULL;
  return request->run (link, request, error) ? g_array_new (FALSE, FALSE, sizeof (IdentityHandle)) : NULL;
}

static gpointer
identity_admin_list_job (TpmLink *link, gpointer data, GError **error)
{
  const Request *request = data;

  return identity_inventory_list (link, request->config, error);
}

/* main thread */

typedef struct
{
  IdentityAdminJob job;
  guint uid;
  char *argument;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->argument);
  g_free (call);
}

static void
log_done (const Call *call)
{
  g_autofree char *uid = g_strdup_printf ("%u", call->uid);
  const BaseLogField fields[] = { { "TPMID_UID", uid }, { "TPMID_OPERATION", jobs[call->job].operation }, { NULL, NULL } };

  if (call->job == IDENTITY_ADMIN_SET_SERIAL)
    base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_SERIAL_SET, fields, "the serial number is %s", call->argument);
  else if (call->job != IDENTITY_ADMIN_LIST_HANDLES)
    base_log (G_LOG_LEVEL_MESSAGE, BASE_LOG_ID_OPERATION, fields, "%s is done", jobs[call->job].operation);
}

static void
on_shown (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  g_task_return_pointer (task, g_array_new (FALSE, FALSE, sizeof (IdentityHandle)), (GDestroyNotify) g_array_unref);
}

static void
on_run (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  IdentityAdmin *self = g_task_get_source_object (task);
  const Call *call = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) handles = tpm_queue_push_finish (result, &error);

  if (handles == NULL)
    {
      fail (self, task, g_steal_pointer (&error));
      return;
    }
  log_done (call);
  if (call->job == IDENTITY_ADMIN_LIST_HANDLES)
    g_task_return_pointer (task, g_steal_pointer (&handles), (GDestroyNotify) g_array_unref);
  else
    identity_lifecycle_catch_up (self->lifecycle, g_task_new (self, NULL, on_shown, g_steal_pointer (&task)));
}

static gboolean
is_owned (const IdentityReport *report)
{
  return report->ownership.state == IDENTITY_OWNERSHIP_OWNED || report->ownership.state == IDENTITY_OWNERSHIP_PARTIAL;
}

static gboolean
check_job (IdentityAdmin *self, const IdentityReport *report, IdentityAdminJob job, GError **error)
{
  if (!check_ready (report, error) || (jobs[job].needs_tpm && !check_tpm_policy (self->config, error)))
    return FALSE;
  gboolean has_identity = report->mode == IDENTITY_MODE_TPM || report->mode == IDENTITY_MODE_SOFTWARE;
  if (jobs[job].needs_identity && identity_lifecycle_is_writing (self->lifecycle))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_BUSY, "files of this device cannot be written at the moment (tpmidctl status); try again");
      return FALSE;
    }
  if (job != IDENTITY_ADMIN_LIST_HANDLES && (g_str_equal (report->operation_state, "waiting") || g_str_equal (report->operation_state, "failed")))
    return fail_state (report, "an operation is under way that could not go on; tpmidctl status says why", error);
  if (jobs[job].needs_identity && !has_identity)
    return fail_state (report, "this needs a device that has its identity; tpmidctl status says what to do", error);
  if (jobs[job].needs_tpm_identity && report->mode != IDENTITY_MODE_TPM)
    return fail_state (report, "only an identity key in the TPM can be rotated", error);
  if (job == IDENTITY_ADMIN_RELEASE_OWNERSHIP && !is_owned (report))
    return fail_state (report, "the TPM has no passwords that tpmidd could release", error);
  return TRUE;
}

static Request *
make_request (IdentityAdmin *self, const IdentityReport *report, IdentityAdminJob job, const char *argument)
{
  Request *request = g_new0 (Request, 1);

  request->run = jobs[job].run;
  request->is_about_identity = jobs[job].needs_identity;
  request->config = self->config;
  request->argument = g_strdup (argument);
  request->key = report->key != NULL ? identity_backend_ref (report->key) : NULL;
  request->record = report->record != NULL ? identity_record_copy (report->record) : NULL;
  request->serial = g_strdup (report->serial);
  request->ownership = report->ownership;
  return request;
}

static gboolean
needs_tpm (const IdentityReport *report, IdentityAdminJob job)
{
  return jobs[job].needs_tpm || (jobs[job].needs_identity && identity_backend_needs_tpm (report->key));
}

void
identity_admin_run_async (IdentityAdmin *self, IdentityCaller *caller, IdentityAdminJob job, const char *argument,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  const IdentityReport *report = identity_lifecycle_peek_report (self->lifecycle);
  g_autoptr (GError) error = NULL;

  if (!check_job (self, report, job, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  Call *call = g_new0 (Call, 1);
  *call = (Call) { job, caller->uid, g_strdup (argument) };
  g_task_set_task_data (task, call, call_free);
  TpmJob queued = {
    .operation = jobs[job].operation,
    .priority = TPM_PRIORITY_NORMAL,
    .uid = caller->uid,
    .client = caller->client,
    .deadline_ms = self->config->request_timeout_sec * 1000,
    .needs_tpm = needs_tpm (report, job),
    .replayable = jobs[job].replayable,
    .run = job == IDENTITY_ADMIN_LIST_HANDLES ? identity_admin_list_job : identity_admin_run_job,
    .request = make_request (self, report, job, argument),
    .request_free = request_free,
    .result_free = (GDestroyNotify) g_array_unref,
  };
  tpm_queue_push_async (self->queue, &queued, caller->gone, on_run, g_steal_pointer (&task));
}

gboolean
identity_admin_run_finish (IdentityAdmin *self, GAsyncResult *result, GArray **ret_handles, GError **error)
{
  g_autoptr (GArray) handles = g_task_propagate_pointer (G_TASK (result), error);

  if (handles == NULL)
    return FALSE;
  if (ret_handles != NULL)
    *ret_handles = g_steal_pointer (&handles);
  return TRUE;
}

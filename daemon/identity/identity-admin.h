/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-access.h"
#include "identity-inventory.h"
#include "identity-lifecycle.h"

G_BEGIN_DECLS

/**
 * IdentityAdmin:
 *
 * What the device's administrator asks for: operations that make another device of it, and jobs that are done when the answer comes. Main thread.
 */
#define IDENTITY_TYPE_ADMIN (identity_admin_get_type ())
G_DECLARE_FINAL_TYPE (IdentityAdmin, identity_admin, IDENTITY, ADMIN, GObject)

/**
 * identity_admin_new:
 * @config: (transfer none): must outlive the object
 * @queue: (transfer none): must outlive the object's jobs
 * @lifecycle: (transfer none): must outlive the object
 */
IdentityAdmin *identity_admin_new (const BaseConfig *config, TpmQueue *queue, IdentityLifecycle *lifecycle);

/**
 * identity_admin_begin_async:
 *
 * Begins an operation: the answer comes when it is on record; IdentityOperationStatus tells how it goes on. One that is no news (a
 * migration to where the device is) is a success.
 */
void identity_admin_begin_async (IdentityAdmin *self, IdentityOperation operation, GAsyncReadyCallback callback, gpointer user_data);

/* @error: TPMID_ERROR_WRONG_STATE, _NOT_SUPPORTED (no TPM), _NOT_READY, _STORAGE */
gboolean identity_admin_begin_finish (IdentityAdmin *self, GAsyncResult *result, GError **error);

typedef enum
{
  IDENTITY_ADMIN_SET_SERIAL,       /* argument: checked by identity_serial_check() */
  IDENTITY_ADMIN_CLEAR_SERIAL,
  IDENTITY_ADMIN_RELEASE_OWNERSHIP,
  IDENTITY_ADMIN_REGENERATE_CERTIFICATE,
  IDENTITY_ADMIN_INSTALL_CERTIFICATE, /* argument: PEM chain */
  IDENTITY_ADMIN_BEGIN_ROTATION,
  IDENTITY_ADMIN_COMMIT_ROTATION,  /* argument: PEM chain; "" makes a self-signed certificate */
  IDENTITY_ADMIN_ROLLBACK_ROTATION,
  IDENTITY_ADMIN_LIST_HANDLES,
  IDENTITY_ADMIN_N_JOBS
} IdentityAdminJob;

/**
 * identity_admin_run_async:
 * @argument: (nullable): copied
 *
 * Does a job. The answer comes when the device shows what it made.
 */
void identity_admin_run_async (IdentityAdmin *self, IdentityCaller *caller, IdentityAdminJob job, const char *argument,
                               GAsyncReadyCallback callback, gpointer user_data);

/**
 * identity_admin_run_finish:
 * @ret_handles: (out) (optional) (transfer full) (element-type IdentityHandle): of LIST_HANDLES
 * @error: TPMID_ERROR_NOT_READY, _NOT_SUPPORTED (no TPM), _WRONG_STATE, those of the job's functions, of the queue and of the link
 */
gboolean identity_admin_run_finish (IdentityAdmin *self, GAsyncResult *result, GArray **ret_handles, GError **error);

G_END_DECLS

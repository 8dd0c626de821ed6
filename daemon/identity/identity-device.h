/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-access.h"
#include "identity-admin.h"
#include "identity-keys.h"
#include "identity-serial.h"

G_BEGIN_DECLS

typedef struct TpmQueue TpmQueue;

/**
 * IdentityStatus:
 *
 * Who this device is, at one instant; every string is valid until the next "changed" signal. What org.tpmid1.Device
 * documents under the same names.
 */
typedef struct
{
  guint row; /* 0 before the decision */
  const char *mode, *state, *reason, *hint;
  const char *const *problems;
  const char *serial, *serial_source;
  const char *certificate;      /* PEM or "" */
  guint64 boot_commands;        /* TPM commands that the boot decision took */
} IdentityStatus;

/**
 * IdentityTpmStatus:
 *
 * The TPM as the outside may see it; a plain value.
 */
typedef struct
{
  const char *state; /* static: the word of Device.TpmState */
  gboolean present;  /* the facts below are known */
  char detail[256], tcti[128];
  char manufacturer[5], vendor[17], firmware[48];
  guint revision;
  gboolean owner_auth_set, endorsement_auth_set, lockout_auth_set, clear_disabled, in_lockout, orderly;
  guint lockout_counter, lockout_limit, lockout_interval_sec, lockout_recovery_sec;
  guint64 commands, running_ms;
  guint reopened, waiting;
  const char *running; /* static; "" when nothing runs */
} IdentityTpmStatus;

/**
 * IdentityDevice:
 *
 * The device: makes the boot decision, carries it out, keeps the marker true, watches for a TPM that comes or goes.
 * Main thread; its work runs as jobs on the TPM thread.
 *
 * Signals: "changed" (no arguments) after anything in IdentityStatus, or the TPM's state, changed; "decided" (no arguments)
 * once, after the boot decision, the first attempt to write the marker and the run-time mode file; "restart-wanted" (no
 * arguments) when the process should end in order with EX_TEMPFAIL, to be started again.
 */
#define IDENTITY_TYPE_DEVICE (identity_device_get_type ())
G_DECLARE_FINAL_TYPE (IdentityDevice, identity_device, IDENTITY, DEVICE, GObject)

/**
 * identity_device_new:
 * @config: (transfer none): must outlive the device
 * @queue: (transfer none): must live until identity_device_stop()
 */
IdentityDevice *identity_device_new (const BaseConfig *config, TpmQueue *queue);

/**
 * identity_device_start:
 *
 * Begins the boot decision. Nothing is read or written before this call.
 */
void identity_device_start (IdentityDevice *self);

/**
 * identity_device_stop:
 *
 * Lets go of the queue, which may be freed afterwards; jobs that are still answered change nothing any more. Waits for files
 * that are being written, up to 5 s.
 *
 * Returns: %FALSE when files are still being written, with the configuration in use: the process then has to end by _exit()
 */
gboolean identity_device_stop (IdentityDevice *self);

/**
 * identity_device_peek_keys:
 *
 * Returns: (transfer none): the device's keys
 */
IdentityKeys *identity_device_peek_keys (IdentityDevice *self);

void identity_device_get_status (IdentityDevice *self, IdentityStatus *ret_status);

/**
 * identity_device_get_tpm_status:
 *
 * Costs no TPM command and does not wait for the TPM.
 */
void identity_device_get_tpm_status (IdentityDevice *self, IdentityTpmStatus *ret_status);


/* @ret_status: (out caller-allocates): its strings are valid until the next "changed" */
void identity_device_get_operation (IdentityDevice *self, IdentityOperationStatus *ret_status);

void identity_device_get_ownership (IdentityDevice *self, IdentityOwnership *ret_ownership);

/* Returns: (transfer none): how tpmidd was set up */
const BaseConfig *identity_device_peek_config (IdentityDevice *self);

/* Returns: (transfer none): what the device's administrator may ask for */
IdentityAdmin *identity_device_peek_admin (IdentityDevice *self);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The boot decision: who this device is, as a pure function of what was found. The table is in tpmidd(8); its row
 * numbers are used throughout.
 */

typedef enum
{
  IDENTITY_REQUEST_NONE,
  IDENTITY_REQUEST_RESET,
  IDENTITY_N_REQUESTS
} IdentityRequest;

typedef enum
{
  IDENTITY_TPM_READY,
  IDENTITY_TPM_ABSENT,
  IDENTITY_TPM_UNUSABLE,
  IDENTITY_N_TPMS
} IdentityTpm;

typedef enum
{
  IDENTITY_ANCHOR_NONE, /* none on record */
  IDENTITY_ANCHOR_SAME,
  IDENTITY_ANCHOR_DIFFERENT, /* another TPM, or this one was cleared */
  IDENTITY_ANCHOR_UNKNOWN,   /* cannot be read */
  IDENTITY_N_ANCHORS
} IdentityAnchor;

typedef enum
{
  IDENTITY_RECORD_NONE,
  IDENTITY_RECORD_TPM, /* an active TPM identity */
  IDENTITY_RECORD_SOFTWARE,
  IDENTITY_RECORD_MIGRATED,   /* a migration to software is recorded: the TPM identity is not active */
  IDENTITY_RECORD_UNREADABLE, /* there may be anything: nothing is created on the strength of it */
  IDENTITY_N_RECORDS
} IdentityRecordKind;

typedef enum
{
  IDENTITY_TPM_KEY_ABSENT,
  IDENTITY_TPM_KEY_PRESENT, /* there, tpmidd's own, and it signs */
  IDENTITY_TPM_KEY_UNKNOWN, /* cannot be read */
  IDENTITY_N_TPM_KEYS
} IdentityTpmKey;

/* Whose the certificate is, proven by a signature of that key. A file that cannot be decoded counts as none. */
typedef enum
{
  IDENTITY_CERTIFICATE_NONE,
  IDENTITY_CERTIFICATE_OF_TPM_KEY,
  IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY,
  IDENTITY_CERTIFICATE_OF_OTHER_KEY,
  IDENTITY_N_CERTIFICATES
} IdentityCertificate;

typedef enum
{
  IDENTITY_SOFTWARE_KEY_ABSENT,
  IDENTITY_SOFTWARE_KEY_PRESENT,
  IDENTITY_SOFTWARE_KEY_UNUSABLE, /* a file is there, but no key that tpmidd can use: not to be overwritten */
  IDENTITY_N_SOFTWARE_KEYS
} IdentitySoftwareKey;

typedef struct
{
  IdentityRequest request;
  IdentityTpm tpm;
  gboolean tpm_required; /* Tpm=required */
  IdentityAnchor anchor;
  IdentityRecordKind record;
  IdentityTpmKey tpm_key;
  IdentityCertificate certificate;
  IdentitySoftwareKey software_key;
} IdentityInputs;

typedef enum
{
  IDENTITY_MODE_UNPROVISIONED,
  IDENTITY_MODE_TPM,
  IDENTITY_MODE_SOFTWARE,
  IDENTITY_MODE_FAULT
} IdentityMode;

typedef enum
{
  IDENTITY_MARKER_WRITE,
  IDENTITY_MARKER_REMOVE,
  IDENTITY_MARKER_KEEP
} IdentityMarkerAction;

typedef enum
{
  IDENTITY_ACTION_RESET = 1 << 0,                /* erase tpmidd's keys in the TPM */
  IDENTITY_ACTION_TAKE_OWNERSHIP = 1 << 1,       /* as configured */
  IDENTITY_ACTION_TPM_KEY = 1 << 2,              /* new key in the TPM */
  IDENTITY_ACTION_SOFTWARE_KEY = 1 << 3,         /* new software key */
  IDENTITY_ACTION_ARCHIVE_SOFTWARE_KEY = 1 << 4, /* move it aside; it is not the identity any more */
  IDENTITY_ACTION_CERTIFICATE = 1 << 5,          /* for the mode's key: its stored copy where that fits, else a new one */
} IdentityActions;

typedef struct
{
  guint row; /* 1 to 17; never 2, which is "as without the request" */
  IdentityMode mode;
  IdentityMarkerAction marker;
  const char *reason;    /* static: the word of Device.Reason */
  guint actions;         /* IdentityActions */
  gboolean request_kept; /* row 2: a reset was asked for and has to wait for the TPM */
} IdentityDecision;

/**
 * identity_decide:
 * @inputs: what was found; every combination has an answer
 * @ret_decision: (out caller-allocates): the first matching row
 *
 * Pure.
 */
void identity_decide (const IdentityInputs *inputs, IdentityDecision *ret_decision);

/**
 * identity_mode_name:
 *
 * Returns: (transfer none): "unprovisioned", "tpm", "software" or "fault"
 */
const char *identity_mode_name (IdentityMode mode);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The boot decision: which identity this device has, and what is to be done about it. Nothing here reads a file or a
 * TPM; whoever calls has looked already and says what was found in eight small answers. Each enumeration ends with its
 * own count, so that a test can go through all combinations. */

/* A factory reset that was asked for and has not been done yet. */
typedef enum
{
  IDENTITY_REQUEST_NONE,
  IDENTITY_REQUEST_RESET,
  IDENTITY_N_REQUESTS /*< skip >*/
} IdentityRequest;

typedef enum
{
  IDENTITY_TPM_READY,
  IDENTITY_TPM_ABSENT,   /* none there, or Tpm=off */
  IDENTITY_TPM_UNUSABLE, /* there, but: no permission, failure mode, a password of others needed, TPM 1.2 */
  IDENTITY_N_TPMS        /*< skip >*/
} IdentityTpm;

/* Whether this is the TPM, in the state, that the records were made with. */
typedef enum
{
  IDENTITY_ANCHOR_NONE, /* none on record */
  IDENTITY_ANCHOR_SAME,
  IDENTITY_ANCHOR_DIFFERENT, /* another TPM, or this one was cleared */
  IDENTITY_ANCHOR_UNKNOWN,   /* cannot be read */
  IDENTITY_N_ANCHORS         /*< skip >*/
} IdentityAnchor;

typedef enum
{
  IDENTITY_RECORD_NONE,
  IDENTITY_RECORD_TPM, /* an active TPM identity */
  IDENTITY_RECORD_SOFTWARE,
  IDENTITY_RECORD_MIGRATED,   /* "migrate to-software" is recorded: the TPM identity is not active */
  IDENTITY_RECORD_UNREADABLE, /* a record is there; what it says is not known */
  IDENTITY_N_RECORDS          /*< skip >*/
} IdentityRecordKind;

typedef enum
{
  IDENTITY_TPM_KEY_ABSENT,
  IDENTITY_TPM_KEY_PRESENT, /* there, ours, and it signs */
  IDENTITY_TPM_KEY_UNKNOWN, /* cannot be read */
  IDENTITY_N_TPM_KEYS       /*< skip >*/
} IdentityTpmKey;

/* The device certificate, by the key that it certifies; each "of" is proven by a signature. */
typedef enum
{
  IDENTITY_CERTIFICATE_NONE, /* no file, or one that is empty or cannot be decoded */
  IDENTITY_CERTIFICATE_OF_TPM_KEY,
  IDENTITY_CERTIFICATE_OF_SOFTWARE_KEY,
  IDENTITY_CERTIFICATE_OF_OTHER_KEY, /* of neither, as far as can be proven now */
  IDENTITY_N_CERTIFICATES            /*< skip >*/
} IdentityCertificate;

typedef enum
{
  IDENTITY_SOFTWARE_KEY_ABSENT,
  IDENTITY_SOFTWARE_KEY_PRESENT,
  IDENTITY_N_SOFTWARE_KEYS /*< skip >*/
} IdentitySoftwareKey;

typedef enum
{
  IDENTITY_MODE_UNPROVISIONED, /* before the decision, or where policy forbids making an identity */
  IDENTITY_MODE_TPM,
  IDENTITY_MODE_SOFTWARE,
  IDENTITY_MODE_FAULT,
} IdentityMode;

typedef enum
{
  IDENTITY_MARKER_WRITE,  /* write it anew */
  IDENTITY_MARKER_REMOVE, /* there shall be none */
  IDENTITY_MARKER_KEEP,   /* leave it as it is, also where there is none */
} IdentityMarkerAction;

/* What the daemon is to do, in this order. */
typedef enum
{
  IDENTITY_ACTION_RESET = 1 << 0,                /* erase the keys in the TPM; the serial number survives */
  IDENTITY_ACTION_TAKE_OWNERSHIP = 1 << 1,       /* as Ownership= says */
  IDENTITY_ACTION_ARCHIVE_SOFTWARE_KEY = 1 << 2, /* move the software key aside; it is not lost */
  IDENTITY_ACTION_TPM_KEY = 1 << 3,              /* a new key pair in the TPM */
  IDENTITY_ACTION_SOFTWARE_KEY = 1 << 4,         /* a new software key */
  IDENTITY_ACTION_CERTIFICATE = 1 << 5,          /* a certificate for the mode's key, from its stored copy if that fits */
} IdentityAction;

/**
 * IdentityInputs:
 *
 * All that the decision depends on. Any combination is allowed, also one that cannot come about on a real device.
 */
typedef struct
{
  IdentityRequest request;
  IdentityTpm tpm;
  gboolean tpm_required; /* Tpm=required: never make a software key */
  IdentityAnchor anchor;
  IdentityRecordKind record;
  IdentityTpmKey tpm_key;
  IdentityCertificate certificate;
  IdentitySoftwareKey software_key;
} IdentityInputs;

/**
 * IdentityDecision:
 * @row: number of the row that matched, 1 to 17 but never 2: a reset that cannot be done now is @request_kept, and the
 *   row is that of the same inputs without the request
 * @reason: a word for scripts, static; Device.Reason on the bus
 * @actions: flags of IdentityAction
 * @request_kept: whether a request for a reset stays for the next boot
 */
typedef struct
{
  guint row;
  IdentityMode mode;
  IdentityMarkerAction marker;
  const char *reason;
  guint actions;
  gboolean request_kept;
} IdentityDecision;

/**
 * identity_decide:
 * @inputs: what was found
 * @ret_decision: (out caller-allocates): all members are set
 *
 * The table of the boot decision: the first row that matches @inputs wins, and one always does. Pure: the same inputs
 * give the same decision, from any thread, and nothing is touched.
 */
void identity_decide (const IdentityInputs *inputs, IdentityDecision *ret_decision);

/**
 * identity_mode_name:
 *
 * Returns: (transfer none): "unprovisioned", "tpm", "software" or "fault", as on the bus and in the marker
 */
const char *identity_mode_name (IdentityMode mode);

G_END_DECLS

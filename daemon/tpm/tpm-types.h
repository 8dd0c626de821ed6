/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The plain values of this room, so that two modules may know the same value without knowing each other. Includes nothing of
 * the room; tpm-link.h brings it along. */

/* See tpm_state_name(). */
typedef enum
{
  TPM_STATE_OFF,          /* policy: never opened */
  TPM_STATE_STARTING,     /* not tried yet */
  TPM_STATE_READY,
  TPM_STATE_NO_DEVICE,
  TPM_STATE_NO_PERMISSION,
  TPM_STATE_BUSY,         /* somebody else holds the device node (EBUSY) */
  TPM_STATE_VERSION_1_2,
  TPM_STATE_BAD_TCTI,     /* the TCTI cannot be loaded or its configuration is not understood */
  TPM_STATE_UNAVAILABLE,  /* the transport failed; reopening */
  TPM_STATE_SELF_TEST,    /* answers TPM_RC_TESTING for longer than we wait */
  TPM_STATE_FAILURE_MODE, /* confirmed by TPM2_GetTestResult */
  TPM_STATE_NOT_STARTED,  /* TPM_RC_INITIALIZE, and the device is not ours alone, so Startup is not ours to send */
} TpmState;

/**
 * TpmFacts:
 *
 * What the TPM says about itself, read once at each opening. Source: TPM 2.0 Library Part 2, 6.13 (TPM_PT) and 8.6
 * (TPMA_PERMANENT), 8.7 (TPMA_STARTUP_CLEAR).
 */
typedef struct
{
  char manufacturer[5]; /* TPM_PT_MANUFACTURER, printable ASCII, blanks trimmed */
  char vendor[17];      /* TPM_PT_VENDOR_STRING_1..4 joined */
  char firmware[48];    /* TPM_PT_FIRMWARE_VERSION_1 and _2 as four numbers with dots */
  guint revision;       /* TPM_PT_REVISION, times 100 */
  guint nv_buffer_max;  /* bytes; 512 where the TPM does not say */
  gboolean owner_auth_set, endorsement_auth_set, lockout_auth_set;
  gboolean clear_disabled, in_lockout, orderly;
  gboolean platform_enabled, owner_enabled, endorsement_enabled;
  guint lockout_counter, lockout_limit, lockout_interval_sec, lockout_recovery_sec;
} TpmFacts;

/* Whose password authorizes a command. TPM 2.0 Library Part 1, 13. */
typedef enum
{
  TPM_HIERARCHY_OWNER,
  TPM_HIERARCHY_ENDORSEMENT,
  TPM_HIERARCHY_LOCKOUT,  /* no hierarchy of its own, but a password: of TPM2_Clear and of the dictionary-attack parameters. A wrong one
                             locks it after one try */
  TPM_HIERARCHY_PLATFORM, /* that of firmware: its password is empty after each restart */
  TPM_N_HIERARCHIES
} TpmHierarchy;

/* nameAlg SHA-256: algorithm id (2 bytes) and digest. TPM 2.0 Library Part 1, 16. */
#define TPM_NAME_SIZE 34
#define TPM_COORDINATE_MAX 48

/* Bytes in an RSA modulus, at most: RSA-2048. */
#define TPM_MODULUS_MAX 256

typedef enum
{
  TPM_KEY_ECC_P256,
  TPM_KEY_ECC_P384,
  TPM_KEY_RSA_2048,
} TpmKeyAlgorithm;

/* What a key is for: it decides the key's attributes, and the tag that it carries (tpm-template.h). */
typedef enum
{
  TPM_PURPOSE_FOREIGN,     /* not of our making */
  TPM_PURPOSE_DEVICE,      /* the identity key: signs; tagged */
  TPM_PURPOSE_CREDENTIALS, /* the device's own key for decryption; tagged */
  TPM_PURPOSE_SIGN,        /* an application's signing key */
  TPM_PURPOSE_DECRYPT,     /* an application's key for decryption */
  TPM_N_PURPOSES
} TpmPurpose;

/* What an NV index of tpm_nv_store() is for: it carries a tag that says so (tpm-template.h). */
typedef enum
{
  TPM_NV_OTHER,        /* not of tpm_nv_store(): somebody else's, or of another function */
  TPM_NV_PASSWORDS,    /* the passwords of the hierarchies; its tag tells the content as well */
  TPM_NV_RESET_TOKENS, /* the tokens of factory resets that were carried out */
  TPM_N_NV_KINDS
} TpmNvKind;

/* Bytes of the digest of the content in the tag of an index. */
#define TPM_NV_DIGEST_SIZE 16

typedef enum
{
  TPM_HASH_SHA256,
  TPM_HASH_SHA384,
  TPM_HASH_SHA512,
} TpmHash;

/**
 * TpmPublic:
 *
 * The public side of a key in the TPM; a plain value. Numbers are big-endian and padded: coordinates of an EC key, or the modulus
 * of an RSA key, to @size bytes.
 */
typedef struct
{
  TpmKeyAlgorithm algorithm;
  TpmPurpose purpose; /* FOREIGN for everything that is not exactly one of our templates (tpm-template.h) */
  gsize size;
  guint8 x[TPM_COORDINATE_MAX], y[TPM_COORDINATE_MAX];
  guint8 modulus[TPM_MODULUS_MAX];
  guint32 exponent;
  guint8 name[TPM_NAME_SIZE];
} TpmPublic;

/**
 * TpmParent:
 *
 * The storage root key that keys are made and loaded under, and that sessions are salted with: the owner's ECC storage root key of
 * tpm-template.h, at a persistent handle.
 */
typedef struct
{
  guint32 handle;
  gboolean is_pinned;          /* @name is known; else it is compared with a fresh primary key */
  guint8 name[TPM_NAME_SIZE];  /* the Name that it must have */
} TpmParent;

/**
 * TpmKeyRef:
 *
 * Where a key is, and which key it must be. Borrows what it points to.
 */
typedef struct
{
  guint32 handle;              /* persistent handle; 0: loaded from the blobs for each use */
  guint8 name[TPM_NAME_SIZE];  /* the Name that the key must have */
  TpmParent parent;            /* of a key that is loaded, or that decrypts */
  GBytes *public_blob, *private_blob; /* TPM2B_PUBLIC and TPM2B_PRIVATE as on the wire; (nullable) with a handle */
} TpmKeyRef;

/**
 * TpmSignature:
 *
 * ECDSA: r and s, big-endian, padded to @size each.
 */
typedef struct
{
  gsize size;
  guint8 r[TPM_COORDINATE_MAX], s[TPM_COORDINATE_MAX];
} TpmSignature;

/* Whose job runs first: see #TpmQueue. */
typedef enum
{
  TPM_PRIORITY_URGENT,     /* boot decision, housekeeping */
  TPM_PRIORITY_NORMAL,     /* what a caller waits for */
  TPM_PRIORITY_BACKGROUND, /* key generation */
  TPM_N_PRIORITIES
} TpmPriority;

G_END_DECLS

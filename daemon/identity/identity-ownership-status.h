/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What is known of who has the passwords of the TPM, and the words for it. */

typedef enum
{
  IDENTITY_OWNERSHIP_UNKNOWN, /* no TPM to be asked */
  IDENTITY_OWNERSHIP_NONE,    /* all passwords are empty */
  IDENTITY_OWNERSHIP_PARTIAL, /* being set or released, or somebody took one of them away */
  IDENTITY_OWNERSHIP_OWNED,   /* owner and lockout have passwords of ours */
  IDENTITY_OWNERSHIP_FOREIGN, /* somebody else set one */
} IdentityOwnershipState;

typedef enum
{
  IDENTITY_PASSWORD_UNKNOWN,
  IDENTITY_PASSWORD_EMPTY,
  IDENTITY_PASSWORD_OWN,
  IDENTITY_PASSWORD_SUPPLIED, /* of somebody else, who told us: PasswordsPath= */
  IDENTITY_PASSWORD_FOREIGN,  /* of somebody else, or lost */
} IdentityPasswordKind;

typedef enum
{
  IDENTITY_PLATFORM_UNKNOWN,
  IDENTITY_PLATFORM_OPEN,
  IDENTITY_PLATFORM_CLOSED,
} IdentityPlatform;

/**
 * IdentityOwnership:
 *
 * What property Ownership shows; a plain value.
 */
typedef struct
{
  gboolean is_exclusive; /* the policy */
  IdentityOwnershipState state;
  IdentityPasswordKind owner, lockout, endorsement;
  IdentityPlatform platform;
  gboolean is_disk_current; /* STATE/ownership holds what the TPM has, or where no password is set, what is to be set; from one function of
                               identity-ownership.h to the next */
  gboolean has_copy;        /* the NV index is ours, and holds passwords; likewise */
  char detail[512]; /* a sentence: why the TPM is not owned, what is in the way and what to do; or "" */
} IdentityOwnership;

/* Any thread. Returns: (transfer none): "unknown", "none", "partial", "owned", "foreign" */
const char *identity_ownership_state_name (IdentityOwnershipState state);

/* Any thread. Returns: (transfer none): "unknown", "empty", "own", "supplied", "foreign" */
const char *identity_password_kind_name (IdentityPasswordKind kind);

/* Any thread. Returns: (transfer none): "unknown", "open", "closed" */
const char *identity_platform_name (IdentityPlatform platform);

/**
 * identity_ownership_set_detail:
 *
 * Any thread. Overwrites @status->detail; what does not fit is cut.
 */
void identity_ownership_set_detail (IdentityOwnership *status, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS

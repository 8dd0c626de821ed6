/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "identity-backend.h"
#include "identity-cert.h"
#include "identity-decision.h"
#include "identity-journal.h"
#include "identity-key.h"
#include "identity-ownership.h"
#include "identity-store.h"

G_BEGIN_DECLS

typedef enum
{
  IDENTITY_PENDING_CERTIFICATE = 1 << 0,  /* the certificate file does not hold the certificate yet */
  IDENTITY_PENDING_STORED_COPY = 1 << 1,  /* nor does the copy in the state folder */
  IDENTITY_PENDING_RECORD = 1 << 2,
  IDENTITY_PENDING_ARCHIVE = 1 << 3,      /* the software key still lies in its place */
  IDENTITY_PENDING_MARKER = 1 << 4,
  IDENTITY_PENDING_MODE_FILE = 1 << 5,
} IdentityPending;

/**
 * IdentityReport:
 *
 * Who the device is, as the boot decision and its execution left it. Ref-counted, constant, any thread. What has yet to
 * reach the disk stands in @pending; identity_settle() does it, as often as it takes.
 */
typedef struct
{
  gatomicrefcount refs;
  guint row;
  IdentityMode mode;
  IdentityMarkerAction marker_action;
  const char *reason;      /* static */
  char *hint;
  IdentityBackend *key;    /* (nullable): the identity key, perhaps out of reach */
  IdentityBackend *next_key; /* (nullable): the key that a rotation made */
  GPtrArray *keys;         /* of IdentityKey: the keys beside it */
  IdentityCert *certificate; /* (nullable): in a fault the one that was found */
  IdentityRecord *record;  /* (nullable): what the record must say */
  char *serial;
  const char *serial_source;
  char *marker;            /* content of marker and mode file */
  IdentityOwnership ownership;
  IdentityJournal *journal;  /* the operation that was under way; of NONE where there was none */
  gboolean has_to_end;       /* the operation's entry in the journal has to go, once the files say what the report says */
  const char *operation_state; /* static: "waiting", "done", "incomplete" or "failed"; "" without an operation */
  char *operation_detail;
  int operation_error;     /* a TpmidError, where it waits or failed */
  guint pending;           /* IdentityPending */
  gboolean retry_decision; /* the cause may go away: decide again later */
  GPtrArray *problems;     /* of char *: what cannot be mended by writing files again */
  guint64 boot_commands;
} IdentityReport;

/**
 * identity_report_get_state:
 *
 * Returns: (transfer none): the word of Device.State that follows from the report alone
 */
const char *identity_report_get_state (const IdentityReport *report);

IdentityReport *identity_report_ref (IdentityReport *report);
void identity_report_unref (IdentityReport *report);
/**
 * identity_report_log_new_problems:
 * @before: (nullable) (element-type utf8): what was told already
 * @now: (element-type utf8): what is wrong now
 *
 * Main thread. Writes a journal entry for each problem that is new.
 */
void identity_report_log_new_problems (GPtrArray *before, GPtrArray *now);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityReport, identity_report_unref)

G_END_DECLS

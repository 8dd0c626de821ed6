/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * BaseLogField:
 *
 * A structured field of a journal entry. @name is upper case; the names in use are part of the interface and listed in
 * tpmidd(8): TPMID_OPERATION, TPMID_KEY, TPMID_SENDER, TPMID_UID, TPMID_ERROR, TPMID_MODE, TPMID_ROW, TPM_RC, TPM_RC_TEXT.
 * A field whose value is %NULL is left out. No secret, digest or signature ever goes into one.
 */
typedef struct
{
  const char *name;
  const char *value;
} BaseLogField;

/* MESSAGE_ID of each kind of entry that an operator may search for; texts in systemd/tpmidd.catalog. */
#define BASE_LOG_ID_STARTED "5a1c7f0e5f6b4c3f9a52c1d3b7e04a01"
#define BASE_LOG_ID_DECISION "5a1c7f0e5f6b4c3f9a52c1d3b7e04a02"
#define BASE_LOG_ID_FAULT "5a1c7f0e5f6b4c3f9a52c1d3b7e04a03"
#define BASE_LOG_ID_KEY_USED "5a1c7f0e5f6b4c3f9a52c1d3b7e04a04"
#define BASE_LOG_ID_REFUSED "5a1c7f0e5f6b4c3f9a52c1d3b7e04a05"
#define BASE_LOG_ID_PROBLEM "5a1c7f0e5f6b4c3f9a52c1d3b7e04a06"
#define BASE_LOG_ID_TPM_LOST "5a1c7f0e5f6b4c3f9a52c1d3b7e04a07"
#define BASE_LOG_ID_TPM_BACK "5a1c7f0e5f6b4c3f9a52c1d3b7e04a08"
#define BASE_LOG_ID_SERIAL_SET "5a1c7f0e5f6b4c3f9a52c1d3b7e04a09"
#define BASE_LOG_ID_OPERATION "5a1c7f0e5f6b4c3f9a52c1d3b7e04a0a"

/**
 * base_log_init:
 * @debug: whether debug messages are written
 *
 * Sends all of GLib's logging to the journal where stderr is connected to it, else to stderr, there with the fields in
 * brackets behind the message. Call once, from main().
 */
void base_log_init (gboolean debug);

/**
 * base_log:
 * @level: %G_LOG_LEVEL_DEBUG, _INFO (state change), _MESSAGE (for the operator), _WARNING (degraded), _CRITICAL (a bug)
 * @message_id: (nullable): one of BASE_LOG_ID_…
 * @fields: (nullable) (array): fields, ended by one whose name is %NULL
 * @format: the message
 *
 * Writes one entry. Thread-safe.
 */
void base_log (GLogLevelFlags level, const char *message_id, const BaseLogField *fields, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

G_END_DECLS

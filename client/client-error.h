/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <tpmid.h>

G_BEGIN_DECLS

/* What tpmidctl itself has to say stands in the same structure as what tpmidd says, under names of its own. */
#define CLIENT_ERROR_USAGE "tpmidctl.Usage"                       /* the command line */
#define CLIENT_ERROR_FILE "tpmidctl.File"                         /* a file that cannot be read or written */
#define CLIENT_ERROR_BAD_SIGNATURE "tpmidctl.SignatureMismatch"   /* the signature does not verify */
#define CLIENT_ERROR_FAILED "tpmidctl.Failed"                     /* a defect of tpmidctl, or no memory */
#define CLIENT_ERROR_DECLINED "tpmidctl.Declined"                 /* the user said no */
#define CLIENT_ERROR_UNHEALTHY "tpmidctl.Unhealthy"               /* a check of doctor failed */
#define CLIENT_ERROR_TPMIDD_FAILED "org.tpmid1.Error.Failed"
#define CLIENT_ERROR_TPM_UNAVAILABLE "org.tpmid1.Error.TpmUnavailable"
#define CLIENT_ERROR_NO_REPLY "org.freedesktop.DBus.Error.NoReply"
#define CLIENT_ERROR_INVALID_ARGUMENT "org.tpmid1.Error.InvalidArgument"
#define CLIENT_ERROR_NOT_FOUND "org.tpmid1.Error.NotFound"
#define CLIENT_ERROR_NO_DEVICE "org.tpmid1.Error.NoDevice"
#define CLIENT_ERROR_NOT_SUPPORTED "org.tpmid1.Error.NotSupported"
#define CLIENT_ERROR_UNSUPPORTED_ALGORITHM "org.tpmid1.Error.UnsupportedAlgorithm"

/**
 * client_error_set:
 * @error: (out): what to fill in
 * @name: one of the names above
 * @format: a sentence that says what to do, printf style; cut where it is too long
 *
 * Returns: %FALSE always
 */
gboolean client_error_set (tpmid_error *error, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);

/**
 * ClientErrorClass:
 * @exit_status: what tpmidctl exits with
 * @hint: (nullable): what to do about errors of this name, one sentence; %NULL where the messages themselves say it
 * @sentence: (nullable): what to say in place of the message, where that is one of the bus and says little
 */
typedef struct ClientErrorClass
{
  int exit_status;
  const char *hint;
  const char *sentence;
} ClientErrorClass;

/**
 * client_error_class:
 * @name: an error name: of tpmidctl, tpmidd or the bus
 *
 * The one table of exit statuses: 1 failure, 2 usage, 3 bad input, 4 not found, 5 exists, 6 not authorized, 7 the TPM,
 * 8 try again, 9 tpmidd cannot be reached, 10 not supported, 11 identity fault, 12 signature does not verify,
 * 13 ciphertext does not decrypt, 14 wrong mode or state of the device, 15 a check of doctor failed.
 *
 * Returns: (transfer none): the class; 1 without a hint for a name that the table does not have
 */
const ClientErrorClass *client_error_class (const char *name);

/**
 * client_error_is_known:
 *
 * Returns: whether the table has @name
 */
gboolean client_error_is_known (const char *name);

/** client_error_may_pass: whether errors of this name are those of a tpmidd that is busy, or not there at the moment */
gboolean client_error_may_pass (const char *name);

/** client_error_exit_help: (transfer none): the exit statuses, one a line, for the help text */
const char *client_error_exit_help (void);

/**
 * client_error_report:
 * @json: as one JSON object instead of sentences
 *
 * Writes @error, with its hint, to standard error.
 *
 * Returns: the exit status
 */
int client_error_report (const tpmid_error *error, gboolean json);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (tpmid_client, tpmid_client_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (tpmid_value, tpmid_value_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (tpmid_watch, tpmid_watch_free)

G_END_DECLS

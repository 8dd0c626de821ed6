/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TPMID_ERROR (tpmid_error_quark ())
GQuark tpmid_error_quark (void);

/**
 * TpmidError:
 *
 * The one error domain. Each code has one D-Bus name, org.tpmid1.Error.NAME (base_error_dbus_name()); what a caller
 * can do about it stands beside it. The order is not part of any interface, the names are.
 */
typedef enum
{
  TPMID_ERROR_FAILED,                  /* a defect of tpmidd: report it, with the journal */
  TPMID_ERROR_INVALID_ARGUMENT,        /* the request can never work: mend it */
  TPMID_ERROR_NOT_FOUND,               /* no such key, index or object */
  TPMID_ERROR_EXISTS,                  /* something else is there already and will not be replaced */
  TPMID_ERROR_NOT_AUTHORIZED,          /* the caller's uid and groups have no such right */
  TPMID_ERROR_CANCELLED,               /* the caller left, or the daemon is stopping */
  TPMID_ERROR_TIMEOUT,                 /* the deadline passed; the status says what the TPM is doing */
  TPMID_ERROR_BUSY,                    /* a queue or the TPM is full: try again later */
  TPMID_ERROR_NOT_SUPPORTED,           /* not in this mode (needs a TPM) or not with this kind of key */
  TPMID_ERROR_UNSUPPORTED_ALGORITHM,   /* this TPM lacks the algorithm, curve, hash or scheme */
  TPMID_ERROR_UNSUPPORTED_BY_TPM,      /* this TPM, or the kernel in between, lacks the command */
  TPMID_ERROR_NOT_READY,               /* the boot decision is not made yet: wait for Device.State */
  TPMID_ERROR_IDENTITY_FAULT,          /* the mode is fault: Device.Reason and Device.Hint say what to do */
  TPMID_ERROR_STORAGE,                 /* a file or folder cannot be read or written; the message names it */
  TPMID_ERROR_CONFIG,                  /* configuration, command line or environment; never sent over the bus */
  TPMID_ERROR_NO_DEVICE,               /* there is no TPM */
  TPMID_ERROR_NO_PERMISSION,           /* the TPM's device node may not be opened by tpmidd */
  TPMID_ERROR_DEVICE_BUSY,             /* somebody else holds the TPM's device node */
  TPMID_ERROR_BAD_TCTI,                /* Tcti= names nothing that can be loaded */
  TPMID_ERROR_TPM_VERSION,             /* a TPM 1.2 */
  TPMID_ERROR_TPM_UNAVAILABLE,         /* the transport failed; it is being reopened: try again later */
  TPMID_ERROR_TPM_NOT_STARTED,         /* TPM2_Startup has not been sent by firmware, and is not ours to send */
  TPMID_ERROR_TPM_FAILURE,             /* the TPM is in failure mode: power-cycle the device */
  TPMID_ERROR_TPM_LOCKOUT,             /* dictionary-attack lockout: wait for the time in Device.Lockout */
  TPMID_ERROR_EXHAUSTED,               /* the TPM is out of object, session or handle slots */
  TPMID_ERROR_RATE_LIMITED,            /* the TPM protects its NV memory, or too much failed: wait; the message says how long */
  TPMID_ERROR_NV_FULL,                 /* no NV space left in the TPM */
  TPMID_ERROR_HANDLE_TAKEN,            /* handle or NV index belongs to somebody else: configure another */
  TPMID_ERROR_AUTH_FAILED,             /* the TPM refused a password or authorization */
  TPMID_ERROR_HIERARCHY_AUTH_REQUIRED, /* a hierarchy password set by somebody else is needed */
  TPMID_ERROR_HIERARCHY_DISABLED,      /* firmware switched the hierarchy off */
  TPMID_ERROR_CLEAR_DISABLED,          /* TPM2_Clear is disabled */
  TPMID_ERROR_POLICY_NOT_MET,          /* a policy did not hold (a write-once index is written already) */
  TPMID_ERROR_KEY_ORPHANED,            /* the key belongs to a TPM, or a state of it, that is gone */
  TPMID_ERROR_STALE_SRK,               /* data was made for a storage root key that is gone */
  TPMID_ERROR_WRONG_TPM,               /* data was made for another TPM */
  TPMID_ERROR_INVALID_BLOB,            /* data is not in the form that the TPM takes */
  TPMID_ERROR_CORRUPT,                 /* stored data does not parse or fails its integrity check */
  TPMID_ERROR_UNTRUSTED_RESPONSE,      /* an answer of the TPM did not verify: something sits on the wire */
  TPMID_ERROR_DECRYPT_FAILED,          /* the ciphertext does not decrypt with this key and scheme; why is not told */
  TPMID_ERROR_QUOTA_EXCEEDED,          /* this user has as many keys as he may have: delete one, or raise KeysPerUser= */
  TPMID_ERROR_WRONG_STATE,             /* not in this mode or state of the device; the message says what fits */
  TPMID_ERROR_CERTIFICATE_MISMATCH,    /* the certificate, or its chain, does not fit the key */
  TPMID_N_ERRORS                       /*< skip >*/
} TpmidError;

/**
 * base_error_dbus_name:
 * @code: a TpmidError
 *
 * Returns: (transfer none): the full D-Bus error name, "org.tpmid1.Error.…"; never %NULL for a valid code
 */
const char *base_error_dbus_name (TpmidError code);

/**
 * base_error_to_dbus_error:
 * @error: any error
 *
 * Maps @error to a D-Bus error name. An error of a foreign domain becomes org.tpmid1.Error.Failed, and a critical
 * message names the domain: it is a defect that it came so far.
 *
 * Returns: (transfer none): the D-Bus error name
 */
const char *base_error_to_dbus_error (const GError *error);

/**
 * base_error_set_tpm:
 * @error: an error of TPMID_ERROR
 * @rc: the TSS2_RC that it stands for, of any layer; not 0
 * @text: the TSS's text for it, copied
 *
 * Notes in @error what the TPM or the TSS said, for the journal: callers get the message only. It stays with the error
 * through g_error_copy() and g_prefix_error(). A second call replaces what the first noted.
 */
void base_error_set_tpm (GError *error, guint32 rc, const char *text);

/**
 * base_error_get_tpm:
 * @error: any error
 * @ret_text: (out) (transfer none): the text, the error's own; untouched when there is none
 *
 * Returns: the TSS2_RC that was noted with base_error_set_tpm(); 0 when none was, or @error is of another domain
 */
guint32 base_error_get_tpm (const GError *error, const char **ret_text);

/**
 * base_error_from_io:
 * @error: (out) (optional): where to put the new error, of TPMID_ERROR
 * @cause: (transfer full): a #GError, commonly of G_FILE_ERROR or G_IO_ERROR
 * @format: what was being done, printf style
 *
 * Turns @cause into TPMID_ERROR_STORAGE ("what was being done: the cause's message") and frees it.
 *
 * Returns: %FALSE always
 */
gboolean base_error_from_io (GError **error, GError *cause, const char *format, ...) G_GNUC_PRINTF (3, 4);

/**
 * base_error_set_errno:
 * @error: (out) (optional): where to put the new error
 * @errsv: an errno value
 * @format: what was being done, printf style
 *
 * Sets TPMID_ERROR_STORAGE with the system's text for @errsv.
 *
 * Returns: %FALSE always
 */
gboolean base_error_set_errno (GError **error, int errsv, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS

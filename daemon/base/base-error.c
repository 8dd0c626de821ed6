/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base-error.h"

#define DBUS_PREFIX "org.tpmid1.Error."

/* What only the journal gets. */
typedef struct
{
  guint32 rc; /* 0 = none */
  char *text;
} TpmidErrorPrivate;

static void
tpmid_error_private_init (TpmidErrorPrivate *private)
{
  *private = (TpmidErrorPrivate){ 0, NULL };
}

static void
tpmid_error_private_copy (const TpmidErrorPrivate *from, TpmidErrorPrivate *to)
{
  *to = (TpmidErrorPrivate){ from->rc, g_strdup (from->text) };
}

static void
tpmid_error_private_clear (TpmidErrorPrivate *private)
{
  g_free (private->text);
}

G_DEFINE_EXTENDED_ERROR (TpmidError, tpmid_error)

static const char *const dbus_names[] = {
  [TPMID_ERROR_FAILED] = DBUS_PREFIX "Failed",
  [TPMID_ERROR_INVALID_ARGUMENT] = DBUS_PREFIX "InvalidArgument",
  [TPMID_ERROR_NOT_FOUND] = DBUS_PREFIX "NotFound",
  [TPMID_ERROR_EXISTS] = DBUS_PREFIX "Exists",
  [TPMID_ERROR_NOT_AUTHORIZED] = DBUS_PREFIX "NotAuthorized",
  [TPMID_ERROR_CANCELLED] = DBUS_PREFIX "Cancelled",
  [TPMID_ERROR_TIMEOUT] = DBUS_PREFIX "Timeout",
  [TPMID_ERROR_BUSY] = DBUS_PREFIX "Busy",
  [TPMID_ERROR_NOT_SUPPORTED] = DBUS_PREFIX "NotSupported",
  [TPMID_ERROR_UNSUPPORTED_ALGORITHM] = DBUS_PREFIX "UnsupportedAlgorithm",
  [TPMID_ERROR_UNSUPPORTED_BY_TPM] = DBUS_PREFIX "UnsupportedByTpm",
  [TPMID_ERROR_NOT_READY] = DBUS_PREFIX "NotReady",
  [TPMID_ERROR_IDENTITY_FAULT] = DBUS_PREFIX "IdentityFault",
  [TPMID_ERROR_STORAGE] = DBUS_PREFIX "Storage",
  [TPMID_ERROR_CONFIG] = DBUS_PREFIX "Config",
  [TPMID_ERROR_NO_DEVICE] = DBUS_PREFIX "NoDevice",
  [TPMID_ERROR_NO_PERMISSION] = DBUS_PREFIX "NoPermission",
  [TPMID_ERROR_DEVICE_BUSY] = DBUS_PREFIX "DeviceBusy",
  [TPMID_ERROR_BAD_TCTI] = DBUS_PREFIX "BadTcti",
  [TPMID_ERROR_TPM_VERSION] = DBUS_PREFIX "TpmVersion",
  [TPMID_ERROR_TPM_UNAVAILABLE] = DBUS_PREFIX "TpmUnavailable",
  [TPMID_ERROR_TPM_NOT_STARTED] = DBUS_PREFIX "TpmNotStarted",
  [TPMID_ERROR_TPM_FAILURE] = DBUS_PREFIX "TpmFailure",
  [TPMID_ERROR_TPM_LOCKOUT] = DBUS_PREFIX "TpmLockout",
  [TPMID_ERROR_EXHAUSTED] = DBUS_PREFIX "Exhausted",
  [TPMID_ERROR_RATE_LIMITED] = DBUS_PREFIX "RateLimited",
  [TPMID_ERROR_NV_FULL] = DBUS_PREFIX "NvFull",
  [TPMID_ERROR_HANDLE_TAKEN] = DBUS_PREFIX "HandleTaken",
  [TPMID_ERROR_AUTH_FAILED] = DBUS_PREFIX "AuthFailed",
  [TPMID_ERROR_HIERARCHY_AUTH_REQUIRED] = DBUS_PREFIX "HierarchyAuthRequired",
  [TPMID_ERROR_HIERARCHY_DISABLED] = DBUS_PREFIX "HierarchyDisabled",
  [TPMID_ERROR_CLEAR_DISABLED] = DBUS_PREFIX "ClearDisabled",
  [TPMID_ERROR_POLICY_NOT_MET] = DBUS_PREFIX "PolicyNotMet",
  [TPMID_ERROR_KEY_ORPHANED] = DBUS_PREFIX "KeyOrphaned",
  [TPMID_ERROR_STALE_SRK] = DBUS_PREFIX "StaleSrk",
  [TPMID_ERROR_WRONG_TPM] = DBUS_PREFIX "WrongTpm",
  [TPMID_ERROR_INVALID_BLOB] = DBUS_PREFIX "InvalidBlob",
  [TPMID_ERROR_CORRUPT] = DBUS_PREFIX "Corrupt",
  [TPMID_ERROR_UNTRUSTED_RESPONSE] = DBUS_PREFIX "UntrustedResponse",
  [TPMID_ERROR_DECRYPT_FAILED] = DBUS_PREFIX "DecryptFailed",
  [TPMID_ERROR_QUOTA_EXCEEDED] = DBUS_PREFIX "QuotaExceeded",
  [TPMID_ERROR_WRONG_STATE] = DBUS_PREFIX "WrongState",
  [TPMID_ERROR_CERTIFICATE_MISMATCH] = DBUS_PREFIX "CertificateMismatch",
};

G_STATIC_ASSERT (G_N_ELEMENTS (dbus_names) == TPMID_N_ERRORS);

const char *
base_error_dbus_name (TpmidError code)
{
  g_assert ((guint) code < TPMID_N_ERRORS);
  return dbus_names[code];
}

const char *
base_error_to_dbus_error (const GError *error)
{
  if (error->domain == TPMID_ERROR && error->code >= 0 && error->code < TPMID_N_ERRORS)
    return dbus_names[error->code];

  g_critical ("error of foreign domain %s (%d) reached the bus: %s", g_quark_to_string (error->domain), error->code,
              error->message);
  return dbus_names[TPMID_ERROR_FAILED];
}

void
base_error_set_tpm (GError *error, guint32 rc, const char *text)
{
  TpmidErrorPrivate *private = tpmid_error_get_private (error);

  g_free (private->text);
  *private = (TpmidErrorPrivate){ rc, g_strdup (text) };
}

guint32
base_error_get_tpm (const GError *error, const char **ret_text)
{
  if (error->domain != TPMID_ERROR)
    return 0;

  const TpmidErrorPrivate *private = tpmid_error_get_private (error);
  if (private->rc != 0)
    *ret_text = private->text;
  return private->rc;
}

static void
set_storage_error (GError **error, const char *what, const char *cause)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_STORAGE, "%s: %s", what, cause);
}

gboolean
base_error_from_io (GError **error, GError *cause, const char *format, ...)
{
  g_autoptr (GError) owned = cause;
  va_list args;

  va_start (args, format);
  g_autofree char *what = g_strdup_vprintf (format, args);
  va_end (args);

  set_storage_error (error, what, owned->message);
  return FALSE;
}

gboolean
base_error_set_errno (GError **error, int errsv, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *what = g_strdup_vprintf (format, args);
  va_end (args);

  set_storage_error (error, what, g_strerror (errsv));
  return FALSE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-error.h"

#include "client-json.h"

#include <errno.h>
#include <stdio.h>

#define TPMID(name) "org.tpmid1.Error." name
#define DBUS(name) "org.freedesktop.DBus.Error." name

enum
{
  EXIT_FAILED = 1,
  EXIT_USAGE = 2,
  EXIT_BAD_INPUT = 3,
  EXIT_NOT_FOUND = 4,
  EXIT_EXISTS = 5,
  EXIT_NOT_AUTHORIZED = 6,
  EXIT_TPM = 7,
  EXIT_TRY_AGAIN = 8,
  EXIT_UNREACHABLE = 9,
  EXIT_NOT_SUPPORTED = 10,
  EXIT_IDENTITY_FAULT = 11,
  EXIT_BAD_SIGNATURE = 12,
  EXIT_BAD_CIPHERTEXT = 13,
  EXIT_WRONG_STATE = 14,
  EXIT_UNHEALTHY = 15,
};

#define HINT_HELP "tpmidctl --help lists the verbs, tpmidctl VERB --help the options of one."
#define HINT_JOURNAL "journalctl -u tpmidd has the details."
#define HINT_POLICY "Is tpmidd's bus policy installed? systemctl reload dbus makes the bus read it."
#define HINT_ROOT "Try it as root."
#define SENTENCE_START "tpmidd is not running; start it: systemctl start tpmidd"
#define HINT_START "systemctl status tpmidd says why it stopped."
#define HINT_BUS "Is the bus running? --bus-address names another one."
#define HINT_STATUS "tpmidctl status shows what the TPM is doing."
#define HINT_LATER "Try again later."

static const struct
{
  const char *name;
  ClientErrorClass class;
} error_classes[] = {
  { CLIENT_ERROR_FAILED, { EXIT_FAILED, NULL } },
  { CLIENT_ERROR_FILE, { EXIT_FAILED, NULL } },
  { CLIENT_ERROR_USAGE, { EXIT_USAGE, HINT_HELP } },
  { CLIENT_ERROR_BAD_SIGNATURE, { EXIT_BAD_SIGNATURE, NULL } },
  { CLIENT_ERROR_DECLINED, { EXIT_FAILED, NULL } },
  { CLIENT_ERROR_UNHEALTHY, { EXIT_UNHEALTHY, NULL } },

  { TPMID ("Failed"), { EXIT_FAILED, HINT_JOURNAL } },
  { TPMID ("Storage"), { EXIT_FAILED, HINT_JOURNAL } },
  { TPMID ("Config"), { EXIT_FAILED, HINT_JOURNAL } },
  { TPMID ("Corrupt"), { EXIT_FAILED, HINT_JOURNAL } },
  { TPMID ("UntrustedResponse"), { EXIT_FAILED, HINT_JOURNAL } },
  { TPMID ("InvalidArgument"), { EXIT_BAD_INPUT, NULL } },
  { TPMID ("InvalidBlob"), { EXIT_BAD_INPUT, NULL } },
  { TPMID ("CertificateMismatch"), { EXIT_BAD_INPUT, NULL } },
  { TPMID ("NotFound"), { EXIT_NOT_FOUND, NULL } },
  { TPMID ("Exists"), { EXIT_EXISTS, NULL } },
  { TPMID ("HandleTaken"), { EXIT_EXISTS, NULL } },
  { TPMID ("NotAuthorized"), { EXIT_NOT_AUTHORIZED, NULL } },
  { TPMID ("AuthFailed"), { EXIT_NOT_AUTHORIZED, NULL } },
  { TPMID ("HierarchyAuthRequired"), { EXIT_NOT_AUTHORIZED, NULL } },
  { TPMID ("QuotaExceeded"), { EXIT_NOT_AUTHORIZED, NULL } },
  { TPMID ("DecryptFailed"), { EXIT_BAD_CIPHERTEXT, NULL } },
  { TPMID ("NoDevice"), { EXIT_TPM, HINT_STATUS } },
  { TPMID ("NoPermission"), { EXIT_TPM, NULL } },
  { TPMID ("DeviceBusy"), { EXIT_TPM, NULL } },
  { TPMID ("BadTcti"), { EXIT_TPM, NULL } },
  { TPMID ("TpmVersion"), { EXIT_TPM, NULL } },
  { TPMID ("TpmUnavailable"), { EXIT_TPM, HINT_STATUS } },
  { TPMID ("TpmNotStarted"), { EXIT_TPM, NULL } },
  { TPMID ("TpmFailure"), { EXIT_TPM, NULL } },
  { TPMID ("TpmLockout"), { EXIT_TPM, "tpmidctl status shows the lockout's numbers." } },
  { TPMID ("Exhausted"), { EXIT_TPM, HINT_STATUS } },
  { TPMID ("NvFull"), { EXIT_TPM, "tpmidctl handles lists what is in the TPM, and whose it is." } },
  { TPMID ("HierarchyDisabled"), { EXIT_TPM, NULL } },
  { TPMID ("ClearDisabled"), { EXIT_TPM, NULL } },
  { TPMID ("PolicyNotMet"), { EXIT_TPM, NULL } },
  { TPMID ("KeyOrphaned"), { EXIT_TPM, HINT_STATUS } },
  { TPMID ("StaleSrk"), { EXIT_TPM, HINT_STATUS } },
  { TPMID ("WrongTpm"), { EXIT_TPM, HINT_STATUS } },
  { TPMID ("Busy"), { EXIT_TRY_AGAIN, NULL } },
  { TPMID ("Timeout"), { EXIT_TRY_AGAIN, HINT_STATUS } },
  { TPMID ("RateLimited"), { EXIT_TRY_AGAIN, NULL } },
  { TPMID ("Cancelled"), { EXIT_TRY_AGAIN, HINT_LATER } },
  { TPMID ("NotReady"), { EXIT_TRY_AGAIN, "tpmidctl status shows the state." } },
  { TPMID ("NotSupported"), { EXIT_NOT_SUPPORTED, NULL } },
  { TPMID ("UnsupportedAlgorithm"), { EXIT_NOT_SUPPORTED, NULL } },
  { TPMID ("UnsupportedByTpm"), { EXIT_NOT_SUPPORTED, NULL } },
  { TPMID ("IdentityFault"), { EXIT_IDENTITY_FAULT, NULL } },
  { TPMID ("WrongState"), { EXIT_WRONG_STATE, NULL } },

  { DBUS ("BadAddress"), { EXIT_USAGE, "An address looks like unix:path=/run/dbus/system_bus_socket." } },
  { DBUS ("AccessDenied"), { EXIT_NOT_AUTHORIZED, HINT_POLICY } },
  { DBUS ("AuthFailed"), { EXIT_NOT_AUTHORIZED, HINT_ROOT } },
  { DBUS ("InteractiveAuthorizationRequired"), { EXIT_NOT_AUTHORIZED, HINT_ROOT } },
  { DBUS ("NoReply"), { EXIT_TRY_AGAIN, "--timeout SECONDS waits longer." } },
  { DBUS ("Timeout"), { EXIT_TRY_AGAIN, "--timeout SECONDS waits longer." } },
  { DBUS ("TimedOut"), { EXIT_TRY_AGAIN, "--timeout SECONDS waits longer." } },
  { DBUS ("LimitsExceeded"), { EXIT_TRY_AGAIN, HINT_LATER } },
  { DBUS ("NoServer"), { EXIT_UNREACHABLE, HINT_BUS } },
  { DBUS ("Disconnected"), { EXIT_UNREACHABLE, HINT_BUS } },
  { DBUS ("ServiceUnknown"), { EXIT_UNREACHABLE, HINT_START, SENTENCE_START } },
  { DBUS ("NameHasNoOwner"), { EXIT_UNREACHABLE, HINT_START, SENTENCE_START } },
  { DBUS ("Spawn.ServiceNotFound"), { EXIT_UNREACHABLE, HINT_START, SENTENCE_START } },
  { DBUS ("Spawn.ChildExited"), { EXIT_UNREACHABLE, HINT_START } },
  { DBUS ("Spawn.Failed"), { EXIT_UNREACHABLE, HINT_START } },
};

static const ClientErrorClass unknown_class = { EXIT_FAILED };

static const ClientErrorClass *
find_class (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (error_classes); i++)
    if (g_str_equal (error_classes[i].name, name))
      return &error_classes[i].class;
  return NULL;
}

const ClientErrorClass *
client_error_class (const char *name)
{
  const ClientErrorClass *class = find_class (name);

  return class != NULL ? class : &unknown_class;
}

gboolean
client_error_is_known (const char *name)
{
  return find_class (name) != NULL;
}

gboolean
client_error_may_pass (const char *name)
{
  int exit_status = client_error_class (name)->exit_status;

  return exit_status == EXIT_TRY_AGAIN || exit_status == EXIT_UNREACHABLE;
}

const char *
client_error_exit_help (void)
{
  return "Exit status:\n"
         "  0   success\n"
         "  1   failure, of tpmidd or with a local file\n"
         "  2   usage\n"
         "  3   bad input\n"
         "  4   not found\n"
         "  5   exists: something else is there already\n"
         "  6   not authorized, or more than one user may have\n"
         "  7   the TPM: none there, or it cannot do it\n"
         "  8   try again: busy, or no answer in time\n"
         "  9   tpmidd cannot be reached\n"
         "  10  not supported\n"
         "  11  identity fault\n"
         "  12  the signature does not verify\n"
         "  13  the ciphertext does not decrypt\n"
         "  14  not in this mode or state of the device\n"
         "  15  doctor: a check failed";
}

gboolean
client_error_set (tpmid_error *error, const char *name, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);

  g_strlcpy (error->name, name, sizeof error->name);
  g_strlcpy (error->message, message, sizeof error->message);
  error->number = EINVAL;
  return FALSE;
}

static void
report_json (const tpmid_error *error, const char *message, const ClientErrorClass *class)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "error");
  json_builder_begin_object (builder);
  client_json_add_string (builder, "name", error->name);
  client_json_add_string (builder, "message", message);
  json_builder_set_member_name (builder, "exit");
  json_builder_add_int_value (builder, class->exit_status);
  if (class->hint != NULL)
    client_json_add_string (builder, "hint", class->hint);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  client_json_print (builder, stderr, TRUE);
}

int
client_error_report (const tpmid_error *error, gboolean json)
{
  const ClientErrorClass *class = client_error_class (error->name);
  const char *message = class->sentence != NULL ? class->sentence : error->message;

  if (json)
    report_json (error, message, class);
  else
    fprintf (stderr, "tpmidctl: %s\n", message);
  if (!json && class->hint != NULL)
    fprintf (stderr, "%s\n", class->hint);
  return class->exit_status;
}

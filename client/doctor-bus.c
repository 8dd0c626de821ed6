/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-value.h"
#include "doctor.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define SERVICE "org.tpmid1"
#define CALL_US 5000000

static void
check_service (Doctor *self)
{
  ClientSession *session = self->session;

  if (tpmid_get_status (client_session_get (session), session->timeout_ms, &self->status, &self->status_error) >= 0)
    {
      doctor_take_paths (self);
      doctor_add (self, "bus", "service", DOCTOR_PASS, NULL, "tpmidd %s answers", client_value_text (self->status, "version"));
      return;
    }
  const ClientErrorClass *class = client_error_class (self->status_error.name);
  doctor_add (self, "bus", "service", DOCTOR_FAIL,
              class->hint != NULL ? class->hint : "systemctl status tpmidd says why it does not run.", "%s",
              class->sentence != NULL ? class->sentence : self->status_error.message);
}

/* A connection of its own: the library's asks nobody who owns a name. NULL, with errno, where there is no bus. */
static sd_bus *
open_bus (const ClientSession *session)
{
  sd_bus *bus = NULL;
  int r;

  if (session->bus_address == NULL)
    r = sd_bus_open_system (&bus);
  else
    {
      r = sd_bus_new (&bus);
      if (r >= 0)
        r = sd_bus_set_address (bus, session->bus_address);
      if (r >= 0)
        r = sd_bus_set_bus_client (bus, 1);
      if (r >= 0)
        r = sd_bus_start (bus);
    }
  if (r >= 0)
    return bus;
  sd_bus_unref (bus);
  errno = -r;
  return NULL;
}

static void
check_owner (Doctor *self, sd_bus *bus)
{
  static const char next[] = "Another program took tpmidd's name: stop it, and install tpmidd's bus policy, by which tpmidd "
                             "alone may have it.";
  sd_bus_creds *creds = NULL;
  uid_t uid = DOCTOR_NOBODY;
  int r = sd_bus_get_name_creds (bus, SERVICE, SD_BUS_CREDS_EUID, &creds);

  if (r >= 0)
    r = sd_bus_creds_get_euid (creds, &uid);
  sd_bus_creds_unref (creds);
  if (r < 0)
    {
      doctor_add (self, "bus", "owner", DOCTOR_SKIP, NULL, "the name org.tpmid1 has no owner to look at: %s", strerror (-r));
      return;
    }
  self->daemon_uid = uid;

  g_autofree char *name = doctor_user_name (self, uid);
  gboolean is_good = uid == 0 || uid == self->tpmidd_uid;
  doctor_add (self, "bus", "owner", is_good ? DOCTOR_PASS : DOCTOR_FAIL, is_good ? NULL : next,
              "org.tpmid1 is owned by the user %s%s",
              name, is_good ? "" : ", neither tpmidd nor root");
}

static gboolean
find_policy (const Doctor *self, char **ret_path)
{
  static const char *const folders[] = { "/etc/dbus-1/system.d", "/usr/local/share/dbus-1/system.d",
                                         "/usr/share/dbus-1/system.d" };

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = doctor_path (self, "%s/org.tpmid1.conf", folders[i]);
      if (g_file_test (path, G_FILE_TEST_EXISTS))
        {
          *ret_path = g_steal_pointer (&path);
          return TRUE;
        }
    }
  return FALSE;
}

/* The policy lets known interfaces through alone, for root too: a call to another must not reach tpmidd. */
static gboolean
is_refused (sd_bus *bus, const char *interface, const char *method, const char **names)
{
  sd_bus_error error = SD_BUS_ERROR_NULL;
  sd_bus_message *call = NULL, *reply = NULL;
  gboolean refused = FALSE;
  int r = sd_bus_message_new_method_call (bus, &call, SERVICE, "/org/tpmid1", interface, method);

  if (r >= 0)
    r = sd_bus_message_append (call, "a{sv}", 0);
  if (r >= 0)
    r = sd_bus_call (bus, call, CALL_US, &error, &reply);
  for (gsize i = 0; r < 0 && names[i] != NULL; i++)
    refused = refused || sd_bus_error_has_name (&error, names[i]);
  sd_bus_message_unref (call);
  sd_bus_message_unref (reply);
  sd_bus_error_free (&error);
  return refused;
}

static void
check_policy (Doctor *self, sd_bus *bus)
{
  static const char *refusals[] = { "org.freedesktop.DBus.Error.AccessDenied", NULL };
  g_autofree char *path = NULL;
  gboolean has_file = find_policy (self, &path);

  if (bus == NULL || self->daemon_uid == DOCTOR_NOBODY)
    {
      doctor_add (self, "bus", "policy", has_file ? DOCTOR_PASS : DOCTOR_FAIL,
                  has_file ? NULL : "Install org.tpmid1.conf into /usr/share/dbus-1/system.d.", "%s%s",
                  has_file ? path : "the bus policy org.tpmid1.conf is not installed",
                  has_file ? " is installed; whether the bus follows it shows only while tpmidd runs" : "");
      return;
    }
  if (is_refused (bus, SERVICE ".None", "Nothing", refusals))
    doctor_add (self, "bus", "policy", DOCTOR_PASS, NULL, "the bus follows tpmidd's policy");
  else
    doctor_add (self, "bus", "policy", DOCTOR_FAIL,
                has_file ? "Let the bus read its policies: systemctl reload dbus." : "Install org.tpmid1.conf into "
                "/usr/share/dbus-1/system.d, then: systemctl reload dbus.",
                "the bus lets a call through that tpmidd's policy forbids");
}

static void
check_rights (Doctor *self, sd_bus *bus)
{
  static const char *refusals[] = { "org.tpmid1.Error.NotAuthorized", "org.freedesktop.DBus.Error.AccessDenied", NULL };

  if (bus == NULL || self->status == NULL)
    doctor_add (self, "bus", "rights", DOCTOR_SKIP, NULL, "tpmidd does not answer");
  else if (geteuid () == 0)
    doctor_add (self, "bus", "rights", DOCTOR_SKIP, NULL, "root may call everything; ask as another user");
  else if (is_refused (bus, SERVICE ".Device", "ListHandles", refusals))
    doctor_add (self, "bus", "rights", DOCTOR_PASS, NULL, "this user is refused what only administrators may do");
  else
    doctor_add (self, "bus", "rights", DOCTOR_WARN, "Ask as a user who is no administrator of this device.",
                "this user is not refused what only administrators may do");
}

void
doctor_bus_check (Doctor *self)
{
  check_service (self);

  sd_bus *bus = open_bus (self->session);
  if (bus == NULL)
    doctor_add (self, "bus", "owner", DOCTOR_SKIP, NULL, "there is no bus: %s", g_strerror (errno));
  else
    check_owner (self, bus);
  check_policy (self, bus);
  check_rights (self, bus);
  sd_bus_flush_close_unref (bus);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-value.h"
#include "doctor.h"
#include "tpmid-build.h"

#include <errno.h>
#include <sys/timex.h>

static void
check_clock (Doctor *self)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");

  if (g_date_time_to_unix (now) < TPMID_BUILD_EPOCH)
    doctor_add (self, "host", "clock", DOCTOR_FAIL, "Set the clock: timedatectl.", "%s is before this program was made", stamp);
  else
    doctor_add (self, "host", "clock", DOCTOR_PASS, NULL, "%s", stamp);
}

/* adjtimex(2) without a mode only reads. */
static void
check_synchronized (Doctor *self)
{
  struct timex timex = { 0 };
  int r = adjtimex (&timex);

  if (r < 0)
    doctor_add (self, "host", "clock-sync", DOCTOR_SKIP, NULL, "the kernel does not say: %s", g_strerror (errno));
  else if (r == TIME_ERROR || (timex.status & STA_UNSYNC) != 0)
    doctor_add (self, "host", "clock-sync", DOCTOR_WARN,
                "Run a time service, or accept that certificates may seem too young or too old.",
                "the clock is not synchronized");
  else
    doctor_add (self, "host", "clock-sync", DOCTOR_PASS, NULL, "the clock is synchronized");
}

static void
check_serial (Doctor *self)
{
  const char *serial = client_value_text (self->status, "serial"), *source = client_value_text (self->status, "serial-source");

  if (self->status == NULL)
    doctor_add (self, "host", "serial", DOCTOR_SKIP, NULL, "tpmidd does not answer");
  else if (serial[0] != '\0')
    doctor_add (self, "host", "serial", DOCTOR_PASS, NULL, "%s, from %s", serial, source);
  else if (client_value_is (self->status, "mode", "fault")
           || (!client_value_is (self->status, "mode", "software")
               && !client_value_is (tpmid_value_find (self->status, "tpm"), "state", "ready")))
    doctor_add (self, "host", "serial", DOCTOR_SKIP, NULL, "out of reach, which does not say that there is none");
  else
    doctor_add (self, "host", "serial", DOCTOR_WARN,
                client_value_is (tpmid_value_find (self->status, "tpm"), "state", "ready")
                  ? "Give the device one: tpmidctl serial set VALUE."
                  : "Write it into the file that SerialFile= of tpmidd.conf names.",
                "no serial number was found");
}

void
doctor_host_check (Doctor *self)
{
  check_clock (self);
  check_synchronized (self);
  check_serial (self);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define PAUSE_FIRST_US 50000
#define PAUSE_MAX_US 1000000
/* Its unit restarts tpmidd after a second, and it owns the name before it looks at the TPM. */
#define ABSENT_MAX_US 10000000
/* With their pauses, three quarters of a second. */
#define UNKNOWN_MAX 4
/* A try needs some time itself. */
#define LEFT_MIN_US 20000

/* Trouble: what can be done about an error */
typedef enum Trouble
{
  TROUBLE_FINAL,
  TROUBLE_PASSES,  /* by itself: nothing was done */
  TROUBLE_ABSENT,  /* nobody was there: nothing was done */
  TROUBLE_UNKNOWN, /* the object was not there: nothing was done */
  TROUBLE_LOST     /* nobody knows whether something was done */
} Trouble;

typedef struct TroubleName
{
  const char *name;
  Trouble trouble;
} TroubleName;

/* Objects are unknown while tpmidd stops (its name is gone before) and starts, or for good: then it is another version. */
static const TroubleName troubles[] = {
  { LIB_ERROR ("Busy"), TROUBLE_PASSES },
  { LIB_ERROR ("NotReady"), TROUBLE_PASSES },
  { LIB_DBUS_ERROR ("ServiceUnknown"), TROUBLE_ABSENT },
  { LIB_DBUS_ERROR ("NameHasNoOwner"), TROUBLE_ABSENT },
  { LIB_DBUS_ERROR ("NoServer"), TROUBLE_ABSENT },
  { LIB_DBUS_ERROR ("NoReply"), TROUBLE_LOST },
  { LIB_DBUS_ERROR ("Disconnected"), TROUBLE_LOST },
  { LIB_ERROR ("Cancelled"), TROUBLE_LOST },
  { LIB_DBUS_ERROR ("UnknownObject"), TROUBLE_UNKNOWN },
  { LIB_DBUS_ERROR ("UnknownInterface"), TROUBLE_UNKNOWN },
  { LIB_DBUS_ERROR ("UnknownMethod"), TROUBLE_UNKNOWN },
  { LIB_DBUS_ERROR ("InvalidArgs"), TROUBLE_UNKNOWN },
};

static Trouble
trouble_of (const tpmid_error *error)
{
  Trouble trouble = TROUBLE_FINAL;

  for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++)
    if (strcmp (troubles[i].name, error->name) == 0)
      trouble = troubles[i].trouble;
  /* Of a bus that is there: more programs than it has room for are connecting (connect(2), EAGAIN), or it refuses us. */
  if (trouble == TROUBLE_ABSENT && error->number == EAGAIN)
    return TROUBLE_PASSES;
  if (trouble == TROUBLE_ABSENT && (error->number == EACCES || error->number == EPERM))
    return TROUBLE_FINAL;
  return trouble;
}

static void
sleep_for (uint64_t duration_us)
{
  uint64_t until = lib_now () + duration_us;
  struct timespec ts = { (time_t) (until / 1000000), (long) (until % 1000000) * 1000 };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
    continue;
}

/* Three to five quarters of @pause_us, so that callers who were refused together do not come back together. */
static uint64_t
jitter (const LibRetry *retry, uint64_t pause_us)
{
  uint64_t noise = (lib_now () ^ (uint64_t) (uintptr_t) retry) * UINT64_C (0x9E3779B97F4A7C15);

  return pause_us * 3 / 4 + (noise >> 33) % (pause_us / 2);
}

static bool
sleep_between (LibRetry *retry, uint64_t deadline)
{
  uint64_t left = lib_deadline_left (deadline);

  if (left < LEFT_MIN_US)
    return false;
  retry->pause_us = retry->pause_us == 0 ? PAUSE_FIRST_US : retry->pause_us * 2;
  if (retry->pause_us > PAUSE_MAX_US)
    retry->pause_us = PAUSE_MAX_US;

  uint64_t pause = jitter (retry, retry->pause_us);
  sleep_for (pause < left / 2 ? pause : left / 2);
  return true;
}

static bool
is_absent_for_long (LibRetry *retry)
{
  if (retry->absent_since == 0)
    retry->absent_since = lib_now ();
  return lib_now () - retry->absent_since > ABSENT_MAX_US;
}

bool
lib_retry_pause (LibRetry *retry, const tpmid_error *error, bool is_served, uint64_t deadline)
{
  Trouble trouble = trouble_of (error);

  if (trouble != TROUBLE_ABSENT)
    retry->absent_since = 0;
  switch (trouble)
    {
    case TROUBLE_PASSES:
      return sleep_between (retry, deadline);
    case TROUBLE_ABSENT:
      return is_served && !is_absent_for_long (retry) && sleep_between (retry, deadline);
    case TROUBLE_UNKNOWN:
      return retry->unknown++ < UNKNOWN_MAX && sleep_between (retry, deadline);
    case TROUBLE_LOST:
      if (retry->is_once || retry->is_sent_again || lib_deadline_left (deadline) == 0)
        return false;
      retry->is_sent_again = true;
      retry->pause_us = 0;
      return true;
    case TROUBLE_FINAL:
    default:
      return false;
    }
}

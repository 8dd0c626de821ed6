/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-tpmidd ADDRESS FILE [WORD...]: a tpmidd that does to its callers what it is told. Each method call takes one word; when
 * there are none left it is tpm-1. Appends the member's name to FILE for each call, and prints a line when it owns the name.
 *
 *   MODE-N      a good answer, from a device in this mode (or, unprovisioned, in this state) whose key's reference is 32 bytes N
 *   slow        the same as tpm-1, after 300 ms
 *   gone        leaves the bus without an answer, and is back after 300 ms
 *   Unknown...  the error org.freedesktop.DBus.Error....
 *   other       the error org.tpmid1.Error....
 *
 * Decrypt is answered with 20000 bytes, each of which is five times the one before, and 17.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define SLOW_US 300000
#define SLOW_MAX 64
#define KEY_PATH "/org/tpmid1/keys/device"

typedef struct Waiting
{
  sd_bus_message *call;
  uint64_t due;
} Waiting;

typedef struct Fake
{
  char **argv; /* of this program; a word that was used is taken out */
  sd_bus *bus;
  FILE *calls;
  Waiting waiting[SLOW_MAX];
  size_t count;
} Fake;

static void
check (int r, const char *what)
{
  if (r >= 0)
    return;
  fprintf (stderr, "fake-tpmidd: %s: %s\n", what, strerror (-r));
  exit (EXIT_FAILURE);
}

static uint64_t
now (void)
{
  struct timespec ts;

  (void) clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* The words begin at argv[3]. Returns "" when there are none. */
static const char *
next_word (Fake *fake)
{
  const char *word = fake->argv[3];

  if (word == NULL)
    return "";
  for (char **rest = fake->argv + 3; *rest != NULL; rest++)
    rest[0] = rest[1];
  return word;
}

static int
append_status (sd_bus_message *reply, const char *mode, int number)
{
  int has_key = strcmp (mode, "tpm") == 0 || strcmp (mode, "software") == 0;
  int is_undecided = strcmp (mode, "starting") == 0 || strcmp (mode, "waiting") == 0;
  char reference[65] = "";

  for (int i = 0; i < 32; i++)
    sprintf (reference + 2 * i, "%02x", number);
  return sd_bus_message_append (reply, "a{sv}", 5, "mode", "s", is_undecided ? "unprovisioned" : mode, "state", "s",
                                is_undecided ? mode : "ready", "hint", "s", "ask the fake", "row", "u",
                                strcmp (mode, "starting") == 0 ? 0 : 4, "key", "a{sv}", has_key ? 2 : 0, "name", "s", "device",
                                "reference", "s", reference);
}

static int
append_bytes (sd_bus_message *reply, const char *key, const void *bytes, size_t size)
{
  int r = sd_bus_message_open_container (reply, 'e', "sv");

  if (r >= 0)
    r = sd_bus_message_append (reply, "s", key);
  if (r >= 0)
    r = sd_bus_message_open_container (reply, 'v', "ay");
  if (r >= 0)
    r = sd_bus_message_append_array (reply, 'y', bytes, size);
  if (r >= 0)
    r = sd_bus_message_close_container (reply);
  return r < 0 ? r : sd_bus_message_close_container (reply);
}

static int
append_key (sd_bus_message *reply, const char *mode, int number)
{
  char bytes[32], certificate[80];
  int r = sd_bus_message_open_container (reply, 'a', "{sv}");

  memset (bytes, number, sizeof bytes);
  snprintf (certificate, sizeof certificate, "certificate %s %d", mode, number);
  if (r >= 0)
    r = sd_bus_message_append (reply, "{sv}{sv}{sv}", "Name", "s", "device", "Algorithm", "s", "ecc-p256", "Certificate", "s",
                               certificate);
  if (r >= 0)
    r = append_bytes (reply, "Reference", bytes, sizeof bytes);
  if (r >= 0)
    r = append_bytes (reply, "PublicKey", bytes, 1);
  return r < 0 ? r : sd_bus_message_close_container (reply);
}

/* A secret that its reader can recognize without a copy of it. */
static int
append_secret (sd_bus_message *reply)
{
  unsigned char secret[20000] = { 7 };

  for (size_t i = 1; i < sizeof secret; i++)
    secret[i] = (unsigned char) (secret[i - 1] * 5 + 17);
  return sd_bus_message_append_array (reply, 'y', secret, sizeof secret);
}

static int
answer (Fake *fake, sd_bus_message *call, const char *word)
{
  const char *member = sd_bus_message_get_member (call);
  sd_bus_message *reply = NULL;
  char mode[32] = "tpm";
  int number = 1;
  int r = sd_bus_message_new_method_return (call, &reply);

  (void) sscanf (word, "%31[a-z]-%d", mode, &number);
  if (r >= 0 && strcmp (member, "GetStatus") == 0)
    r = append_status (reply, mode, number);
  else if (r >= 0 && strcmp (member, "GetAll") == 0)
    r = append_key (reply, mode, number);
  else if (r >= 0 && strcmp (member, "Sign") == 0)
    r = sd_bus_message_append_array (reply, 'y', "signature", 9);
  else if (r >= 0 && strcmp (member, "Decrypt") == 0)
    r = append_secret (reply);
  else if (r >= 0 && strcmp (member, "GetKey") == 0)
    r = sd_bus_message_append (reply, "o", KEY_PATH);
  else if (r >= 0 && strcmp (member, "BeginRotation") == 0)
    r = sd_bus_message_append (reply, "o", KEY_PATH "_2dnext");
  else if (r >= 0 && strcmp (member, "ListHandles") == 0)
    r = sd_bus_message_append (reply, "aa{sv}", 1, 2, "handle", "u", 0x81005401u, "kind", "s", "persistent");
  if (r >= 0)
    r = sd_bus_send (fake->bus, reply, NULL);
  sd_bus_message_unref (reply);
  return r;
}

static void
leave_and_return (Fake *fake)
{
  sd_bus_flush_close_unref (fake->bus);
  fclose (fake->calls);
  (void) usleep (SLOW_US);
  (void) execv ("/proc/self/exe", fake->argv);
  _exit (EXIT_FAILURE);
}

static int
on_call (sd_bus_message *call, void *data, sd_bus_error *error)
{
  Fake *fake = data;
  char name[128];

  if (sd_bus_message_is_method_call (call, NULL, NULL) <= 0)
    return 0;
  const char *word = next_word (fake);
  fprintf (fake->calls, "%s\n", sd_bus_message_get_member (call));
  fflush (fake->calls);

  if (strcmp (word, "gone") == 0)
    leave_and_return (fake);
  if (strcmp (word, "slow") == 0 && fake->count < SLOW_MAX)
    {
      fake->waiting[fake->count++] = (Waiting){ sd_bus_message_ref (call), now () + SLOW_US };
      return 1;
    }
  if (word[0] < 'A' || word[0] > 'Z')
    {
      check (answer (fake, call, word), "cannot answer");
      return 1;
    }
  const char *prefix = strncmp (word, "Unknown", 7) == 0 ? "org.freedesktop.DBus.Error" : "org.tpmid1.Error";
  snprintf (name, sizeof name, "%s.%s", prefix, word);
  check (sd_bus_reply_method_errorf (call, name, "as told"), "cannot answer");
  return 1;
}

static uint64_t
answer_waiting (Fake *fake)
{
  uint64_t first = UINT64_MAX;

  for (size_t i = 0; i < fake->count;)
    {
      Waiting *waiting = &fake->waiting[i];
      if (waiting->due <= now ())
        {
          check (answer (fake, waiting->call, ""), "cannot answer");
          sd_bus_message_unref (waiting->call);
          *waiting = fake->waiting[--fake->count];
          continue;
        }
      if (waiting->due - now () < first)
        first = waiting->due - now ();
      i++;
    }
  return first;
}

int
main (int argc, char **argv)
{
  Fake fake = { .argv = argv };

  if (argc < 3)
    return EXIT_FAILURE;
  (void) signal (SIGPIPE, SIG_IGN); /* the second time nobody reads the line any more */
  fake.calls = fopen (argv[2], "ae");
  check (fake.calls != NULL ? 0 : -errno, argv[2]);
  check (sd_bus_new (&fake.bus), "no bus");
  check (sd_bus_set_address (fake.bus, argv[1]), "no address");
  check (sd_bus_set_bus_client (fake.bus, 1), "no client");
  check (sd_bus_start (fake.bus), "cannot connect");
  check (sd_bus_add_filter (fake.bus, NULL, on_call, &fake), "no filter");
  check (sd_bus_request_name (fake.bus, "org.tpmid1", 0), "no name");
  puts ("ready");
  fflush (stdout);
  for (;;)
    {
      int r = sd_bus_process (fake.bus, NULL);
      check (r, "lost the bus");
      uint64_t wait = answer_waiting (&fake);
      if (r == 0)
        {
          r = sd_bus_wait (fake.bus, wait);
          check (r == -EINTR ? 0 : r, "cannot wait");
        }
    }
}

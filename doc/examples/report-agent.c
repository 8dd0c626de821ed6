/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * report-agent [COUNT]: prints the device report as one line of JSON, and again whenever it changes; ends after COUNT
 * reports. Needs no rights. While tpmidd is not on the bus the report is {"running":false}.
 *
 *   cc -o report-agent report-agent.c $(pkg-config --cflags --libs libtpmid libcrypto)
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <tpmid.h>

#define ABSENT "{\"running\":false}"
/* After this time without any news the report is asked for all the same; it heals a call that got no answer. */
#define QUIET_MS 60000

typedef struct
{
  tpmid_client *client;
  char *last; /* the report that was printed last */
  long count; /* how many reports are still to be printed; negative: no end */
} Agent;

static const char *
text_of (const tpmid_value *dict, const char *key)
{
  return tpmid_value_string (tpmid_value_find (dict, key));
}

/* A string of the bus is UTF-8, as JSON wants it: only quotes, backslashes and control characters are written otherwise. */
static void
put_string (FILE *out, const char *string)
{
  fputc ('"', out);
  for (const char *c = string; *c != '\0'; c++)
    if (*c == '"' || *c == '\\')
      fprintf (out, "\\%c", *c);
    else if ((unsigned char) *c < 0x20)
      fprintf (out, "\\u%04x", (unsigned) *c);
    else
      fputc (*c, out);
  fputc ('"', out);
}

/* Each name of the list, up to NULL, as a member of the object that is being written, and a comma after it. */
static void
put_members (FILE *out, const tpmid_value *dict, ...)
{
  const char *key;
  va_list keys;

  va_start (keys, dict);
  while ((key = va_arg (keys, const char *)) != NULL)
    {
      fprintf (out, "\"%s\":", key);
      put_string (out, text_of (dict, key));
      fputc (',', out);
    }
  va_end (keys);
}

static void
put_lockout (FILE *out, const tpmid_value *lockout)
{
  static const char *const numbers[] = { "counter", "limit", "interval", "recovery" };

  fputs ("\"lockout\":{", out);
  if (tpmid_value_count (lockout) > 0)
    fprintf (out, "\"in-lockout\":%s", tpmid_value_boolean (tpmid_value_find (lockout, "in-lockout")) ? "true" : "false");
  for (size_t i = 0; tpmid_value_count (lockout) > 0 && i < sizeof numbers / sizeof numbers[0]; i++)
    fprintf (out, ",\"%s\":%llu", numbers[i], (unsigned long long) tpmid_value_unsigned (tpmid_value_find (lockout, numbers[i])));
  fputc ('}', out);
}

/* SHA-256 over the DER of the first certificate; the empty string when there is none. */
static void
put_certificate (FILE *out, const char *pem)
{
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  BIO *input = BIO_new_mem_buf (pem, -1);
  X509 *certificate = input != NULL ? PEM_read_bio_X509 (input, NULL, NULL, NULL) : NULL;

  if (certificate != NULL)
    (void) X509_digest (certificate, EVP_sha256 (), hash, &size);
  fputs ("\"certificate-sha256\":\"", out);
  for (unsigned i = 0; i < size; i++)
    fprintf (out, "%02x", hash[i]);
  fputs ("\",", out);
  X509_free (certificate);
  BIO_free (input);
}

static char *
format_report (const tpmid_value *status, const char *pem)
{
  const tpmid_value *key = tpmid_value_find (status, "key");
  const tpmid_value *tpm = tpmid_value_find (status, "tpm");
  char *report = NULL;
  size_t size = 0;
  FILE *out = open_memstream (&report, &size);

  if (out == NULL)
    return NULL;
  fputs ("{\"running\":true,", out);
  put_members (out, status, "mode", "state", "reason", "serial", "serial-source", (char *) NULL);
  fputs ("\"key\":{\"name\":", out);
  put_string (out, text_of (key, "name"));
  fputs (",\"reference\":", out);
  put_string (out, text_of (key, "reference"));
  fputs ("},", out);
  put_certificate (out, pem);
  fputs ("\"tpm\":{", out);
  put_members (out, tpm, "state", "manufacturer", "firmware", (char *) NULL);
  put_lockout (out, tpmid_value_find (tpm, "lockout"));
  fputs ("}}", out);
  if (fclose (out) == 0)
    return report;
  free (report);
  return NULL;
}

/* The report as it is now. A call that fails is an absent tpmidd; what else it may be goes to standard error. */
static char *
make_report (Agent *agent)
{
  tpmid_value *status = NULL;
  char *pem = NULL, *report = NULL;
  tpmid_error error;

  if (tpmid_get_status (agent->client, TPMID_TIMEOUT_DEFAULT, &status, &error) >= 0
      && tpmid_get_certificate (agent->client, TPMID_TIMEOUT_DEFAULT, &pem, &error) >= 0)
    report = format_report (status, pem);
  else
    {
      fprintf (stderr, "report-agent: %s: %s\n", error.name, error.message);
      report = strdup (ABSENT);
    }
  free (pem);
  tpmid_value_free (status);
  return report;
}

/* Takes the report. Returns false when the agent is done: all reports are printed, or nobody reads them. */
static bool
print_report (Agent *agent, char *report)
{
  if (report == NULL)
    return false;
  if (agent->last != NULL && strcmp (agent->last, report) == 0)
    {
      free (report);
      return true;
    }
  free (agent->last);
  agent->last = report;
  if (agent->count > 0)
    agent->count--;
  return puts (report) >= 0 && fflush (stdout) == 0 && agent->count != 0;
}

/* Reports until the connection is lost (true) or the agent is done (false). tpmidd that left the bus is not called: that
 * would start it again by bus activation, although an operator may just have stopped it. */
static bool
follow (Agent *agent, tpmid_watch *watch)
{
  tpmid_error error;
  bool running = true;
  int r = 1;

  while (r >= 0)
    {
      if (!print_report (agent, running ? make_report (agent) : strdup (ABSENT)))
        return false;

      tpmid_value *change = NULL;
      r = tpmid_watch_next (watch, QUIET_MS, &change, &error);
      if (r > 0 && tpmid_value_find (change, "running") != NULL)
        running = tpmid_value_boolean (tpmid_value_find (change, "running"));
      tpmid_value_free (change);
    }
  fprintf (stderr, "report-agent: %s: %s\n", error.name, error.message);
  return true;
}

int
main (int argc, char **argv)
{
  Agent agent = { .count = argc > 1 ? atol (argv[1]) : -1 };
  bool more = tpmid_client_new (NULL, &agent.client) >= 0;

  /* First the watch, then the report: no change is missed in between. */
  while (more)
    {
      tpmid_watch *watch = NULL;
      tpmid_error error;
      if (tpmid_watch_new (agent.client, TPMID_TIMEOUT_DEFAULT, &watch, &error) >= 0)
        more = follow (&agent, watch);
      tpmid_watch_free (watch);
      more = more && print_report (&agent, strdup (ABSENT));
      if (more)
        sleep (1);
    }
  free (agent.last);
  tpmid_client_free (agent.client);
  return agent.count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

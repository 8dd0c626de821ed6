/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What tpmidctl asks of tpmidd in the verbs of the device's life, and what it makes of the answers: by a tpmidd that the test
 * plays itself, as the real one neither fails nor waits when it is told to.
 */
#include "fake-device.h"

#include <glib/gstdio.h>
#include <pty.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD "aa00"
#define NEW "bb11"
#define OPERATION(name, state, detail, error, time) OPERATION_OF ("5e55-2", name, state, detail, error, time)
#define OPERATION_OF(id, name, state, detail, error, time) \
  "{'id': <'" id "'>, 'name': <'" name "'>, 'state': <'" state "'>, 'detail': <'" detail "'>, 'error': <'" error "'>, 'time': <uint64 " time ">}"
#define NONE "@a{sv} {}"
#define STATUS(mode, state, reference, operation) \
  "{'mode': <'" mode "'>, 'state': <'" state "'>, 'row': <uint32 4>, 'key': <{'reference': <'" reference "'>}>, " \
  "'operation': <" operation ">, 'ownership': <{'policy': <'exclusive'>, 'state': <'owned'>, 'detail': <'all is well'>}>, " \
  "'tpm': <{'state': <'ready'>, 'orderly': <false>, 'lockout': <{'in-lockout': <false>, 'counter': <uint32 2>, " \
  "'limit': <uint32 32>, 'interval': <uint32 600>, 'recovery': <uint32 3600>}>}>}"
#define BEFORE STATUS ("tpm", "ready", OLD, NONE)
#define RUNNING(name) STATUS ("tpm", "provisioning", OLD, OPERATION (name, "running", "", "", "7"))
#define DONE(name) STATUS ("tpm", "ready", NEW, OPERATION (name, "done", "", "", "8"))

static char *tpmidctl;

/* Result: how a run of tpmidctl ended */
typedef struct Result
{
  int status;
  char *out, *err;
} Result;

static void
result_clear (Result *self)
{
  g_free (self->out);
  g_free (self->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* @line: the arguments, blanks between them */
static GStrv
make_arguments (FakeDevice *self, const char *line)
{
  g_autofree char *all = g_strdup_printf ("%s --bus-address %s %s", tpmidctl, self->bus.address, line);

  return g_strsplit (all, " ", -1);
}

static void
set_own_session (gpointer data)
{
  die_with_parent (data);
  (void) setsid (); /* so that there is no terminal to ask on */
}

static void
run (FakeDevice *self, const char *line, Result *ret_result)
{
  g_auto (GStrv) arguments = make_arguments (self, line);
  g_autoptr (GError) error = NULL;
  Result result = { 0 };
  int status = 0;

  self->looks = 0;
  g_string_truncate (self->calls, 0);
  g_spawn_sync (NULL, arguments, NULL, G_SPAWN_DEFAULT, set_own_session, NULL, &result.out, &result.err, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  result.status = WEXITSTATUS (status);
  g_test_message ("%s: %d\n%s%s", line, result.status, result.out, result.err);
  *ret_result = result;
}

static void
assert_run (FakeDevice *self, const char *line, int status, const char *out, const char *calls)
{
  g_auto (Result) result = { 0 };

  run (self, line, &result);
  g_assert_cmpint (result.status, ==, status);
  g_assert_cmpstr (result.out, ==, out);
  g_assert_cmpstr (self->calls->str, ==, calls);
  g_assert_true ((result.err[0] == '\0') == (status == 0));
}

static void
assert_fails (FakeDevice *self, const char *line, int status, const char *says, const char *calls)
{
  g_auto (Result) result = { 0 };

  run (self, line, &result);
  g_assert_cmpint (result.status, ==, status);
  g_assert_cmpstr (result.out, ==, "");
  g_assert_nonnull (strstr (result.err, says));
  g_assert_cmpstr (self->calls->str, ==, calls);
}

/* With a terminal, on which @answer is given. Returns: what was on the terminal */
static char *
run_on_terminal (FakeDevice *self, const char *line, const char *answer, int *ret_status)
{
  g_auto (GStrv) arguments = make_arguments (self, line);
  GString *text = g_string_new (NULL);
  char buffer[512];
  int terminal = -1, status = 0;
  ssize_t size;

  self->looks = 0;
  g_string_truncate (self->calls, 0);
  pid_t pid = forkpty (&terminal, NULL, NULL, NULL);
  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      die_with_parent (NULL);
      (void) execv (arguments[0], arguments);
      _exit (127);
    }
  g_assert_cmpint (write (terminal, answer, strlen (answer)), ==, (ssize_t) strlen (answer));
  while ((size = read (terminal, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, size);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  *ret_status = WEXITSTATUS (status);
  close (terminal);
  g_test_message ("%s", text->str);
  return g_string_free (text, FALSE);
}

static void
test_reset_waits (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, RUNNING ("reset"), RUNNING ("reset"), DONE ("reset"));
  assert_run (self, "reset --yes", 0, "reset: complete\nreference: " NEW "\n", "Reset ({},)\n");
  g_assert_cmpuint (self->looks, ==, 3);
}

static void
test_incomplete (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE,
                            STATUS ("tpm", "ready", NEW, OPERATION ("reset", "incomplete", "not cleared", "", "8")), NULL, NULL);
  assert_run (self, "reset --yes", 0, "reset: incomplete: not cleared\nreference: " NEW "\n", "Reset ({},)\n");
}

static void
test_waiting (FakeDevice *self, gconstpointer data)
{
  g_auto (Result) result = { 0 };

  fake_device_set_statuses (self, BEFORE,
                            STATUS ("tpm", "waiting", OLD, OPERATION ("reset", "waiting", "no TPM", "", "8")), NULL, NULL);
  assert_fails (self, "reset --yes", 7, "carried out as soon as the TPM can be used: no TPM", "Reset ({},)\n");
  run (self, "--json reset --yes", &result);
  g_assert_cmpint (result.status, ==, 7);
  g_assert_nonnull (strstr (result.out, "\"state\" : \"waiting\""));
  g_assert_nonnull (strstr (result.err, "\"exit\":7"));
}

static void
test_failed (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, RUNNING ("reset"),
                            STATUS ("fault", "fault", "",
                                    OPERATION ("reset", "failed", "the disk is full", "org.tpmid1.Error.Storage", "8")),
                            NULL);
  assert_fails (self, "reset --yes", 1, "the disk is full", "Reset ({},)\n");
}

static void
test_json (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, DONE ("reset"), NULL, NULL);
  assert_run (self, "reset --yes --json", 0,
              "{\n  \"operation\" : \"reset\",\n  \"state\" : \"done\",\n  \"detail\" : \"\",\n  \"error\" : \"\",\n"
              "  \"mode\" : \"tpm\",\n  \"reference\" : \"" NEW "\"\n}\n",
              "Reset ({},)\n");
}

/* The last reset is over, and shown until the next one begins. */
static void
test_old_operation (FakeDevice *self, gconstpointer data)
{
  static const char old[] = STATUS ("tpm", "ready", OLD, OPERATION_OF ("5e55-1", "reset", "incomplete", "long ago", "", "5"));

  fake_device_set_statuses (self, old, old, RUNNING ("reset"), DONE ("reset"));
  assert_run (self, "reset --yes", 0, "reset: complete\nreference: " NEW "\n", "Reset ({},)\n");
}

/* Two that end alike within a second are two. */
static void
test_again (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, STATUS ("tpm", "ready", OLD, OPERATION_OF ("5e55-1", "reset", "incomplete", "not cleared", "", "8")),
                            STATUS ("tpm", "ready", NEW, OPERATION ("reset", "incomplete", "not cleared", "", "8")), NULL, NULL);
  assert_run (self, "reset --yes", 0, "reset: incomplete: not cleared\nreference: " NEW "\n", "Reset ({},)\n");
}

static void
test_under_way_already (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, RUNNING ("reset"), RUNNING ("reset"),
                            STATUS ("tpm", "ready", NEW, OPERATION ("reset", "incomplete", "not cleared", "", "7")), NULL);
  assert_run (self, "reset --yes", 0, "reset: incomplete: not cleared\nreference: " NEW "\n", "Reset ({},)\n");
  /* The call may as well begin a new one. */
  fake_device_set_statuses (self, STATUS ("tpm", "waiting", OLD, OPERATION_OF ("5e55-1", "reset", "waiting", "", "", "5")),
                            STATUS ("tpm", "provisioning", OLD, OPERATION_OF ("5e55-1", "reset", "running", "", "", "5")),
                            RUNNING ("reset"), DONE ("reset"));
  assert_run (self, "reset --yes", 0, "reset: complete\nreference: " NEW "\n", "Reset ({},)\n");
}

static void
test_restart (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, RUNNING ("reset"), DONE ("reset"), NULL);
  self->is_leaving = TRUE;
  assert_run (self, "reset --yes", 0, "reset: complete\nreference: " NEW "\n", "Reset ({},)\n");
  /* What ended before the restart shows by what it left, */
  fake_device_set_statuses (self, STATUS ("fault", "fault", "", NONE), STATUS ("tpm", "ready", NEW, NONE), NULL, NULL);
  self->is_leaving = TRUE;
  assert_run (self, "reprovision --yes", 0, "reprovision: complete\nreference: " NEW "\n", "Reprovision ({},)\n");
  /* but not whether the TPM was cleared, too. */
  fake_device_set_statuses (self, BEFORE, STATUS ("tpm", "ready", NEW, NONE), NULL, NULL);
  assert_fails (self, "reset --yes", 1, "does not say whether it was complete", "Reset ({},)\n");
  self->is_leaving = TRUE;
  assert_fails (self, "reset --yes", 1, "does not say whether it was complete", "Reset ({},)\n");
}

static void
test_gone (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, NULL, NULL, NULL);
  self->is_leaving = self->is_staying = TRUE;
  assert_fails (self, "reset --yes --timeout 6", 9, "reset is under way: 5 s\n", "Reset ({},)\n");
}

static void
test_gone_in_json (FakeDevice *self, gconstpointer data)
{
  g_auto (Result) result = { 0 };

  fake_device_set_statuses (self, BEFORE, NULL, NULL, NULL);
  self->is_leaving = self->is_staying = TRUE;
  run (self, "reset --yes --json --timeout 6", &result);
  g_assert_cmpint (result.status, ==, 9);
  g_assert_true (g_str_has_prefix (result.err, "{\"error\":"));
}

static void
test_lost (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, NULL, NULL, NULL);
  self->is_leaving = TRUE;
  assert_fails (self, "reset --yes", 8, "", "Reset ({},)\n");
  self->is_leaving = TRUE;
  assert_fails (self, "rotate rollback --yes", 8, "", "RollbackRotation ({},)\n");
}

static void
test_timeout (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, RUNNING ("reset"), NULL, NULL);
  assert_fails (self, "reset --yes --timeout 0.5", 8, "not over yet", "Reset ({},)\n");
}

#define WITHOUT_TPM(mode) "{'mode': <'" mode "'>, 'tpm': <{'state': <'no-device'>}>}"

static void
test_refused (FakeDevice *self, gconstpointer data)
{
  /* A TPM that is gone is another thing than none. */
  static const struct
  {
    const char *status;
    int exit;
  } lost[] = {
    { WITHOUT_TPM ("fault"), 7 },
    { WITHOUT_TPM ("unprovisioned"), 7 },
    { WITHOUT_TPM ("software"), 10 },
    { BEFORE, 10 },
  };

  fake_device_set_statuses (self, BEFORE, NULL, NULL, NULL);
  self->error = "org.tpmid1.Error.WrongState";
  assert_fails (self, "reprovision --yes", 14, "refused", "Reprovision ({},)\n");
  assert_fails (self, "release-ownership --yes", 14, "refused", "ReleaseOwnership ({},)\n");
  assert_fails (self, "migrate to-tpm --yes", 14, "refused", "Migrate ('tpm', {})\n");
  self->error = "org.tpmid1.Error.NotFound";
  assert_fails (self, "rotate rollback --yes", 4, "refused", "RollbackRotation ({},)\n");
  assert_fails (self, "serial clear --yes", 4, "no serial number in the TPM", "ClearSerialNumber ({},)\n");
  self->error = "org.tpmid1.Error.NotSupported";
  for (gsize i = 0; i < G_N_ELEMENTS (lost); i++)
    {
      fake_device_set_statuses (self, lost[i].status, NULL, NULL, NULL);
      assert_fails (self, "handles", lost[i].exit, "refused", "ListHandles ({},)\n");
      assert_fails (self, "serial clear --yes", lost[i].exit, "refused", "ClearSerialNumber ({},)\n");
      assert_fails (self, "release-ownership --yes", lost[i].exit, "refused", "ReleaseOwnership ({},)\n");
    }
  self->error = "org.tpmid1.Error.NotAuthorized";
  assert_fails (self, "handles", 6, "refused", "ListHandles ({},)\n");
}

static void
test_migrate (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, RUNNING ("migrate-to-software"),
                            STATUS ("software", "ready", NEW, OPERATION ("migrate-to-software", "done", "", "", "8")), NULL);
  assert_run (self, "migrate to-software --yes", 0, "migrate-to-software: complete\nreference: " NEW "\n",
              "Migrate ('software', {})\n");
  fake_device_set_statuses (self, BEFORE, NULL, NULL, NULL);
  assert_run (self, "migrate to-tpm --yes", 0, "migrate-to-tpm: complete\nreference: " OLD "\n", "Migrate ('tpm', {})\n");
}

static void
test_reprovision (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, STATUS ("fault", "fault", "", NONE), RUNNING ("reprovision"), DONE ("reprovision"), NULL);
  assert_run (self, "reprovision --yes", 0, "reprovision: complete\nreference: " NEW "\n", "Reprovision ({},)\n");
}

static void
test_rotate (FakeDevice *self, gconstpointer data)
{
  g_autofree char *chain = g_build_filename (self->bus.folder, "chain", NULL);
  g_autofree char *line = g_strdup_printf ("rotate commit --yes %s", chain);

  assert_run (self, "rotate begin", 0, "device-next: made\nreference: 0102\n", "BeginRotation ({},)\n");
  assert_run (self, "rotate begin", 0, "device-next: there already\nreference: 0102\n", "BeginRotation ({},)\n");
  assert_run (self, "rotate begin --json", 0,
              "{\n  \"key\" : \"device-next\",\n  \"algorithm\" : \"ecc-p256\",\n  \"reference\" : \"0102\",\n"
              "  \"made\" : false\n}\n",
              "BeginRotation ({},)\n");
  fake_device_set_statuses (self, BEFORE, STATUS ("tpm", "ready", NEW, NONE), NULL, NULL);
  assert_run (self, "rotate commit --yes", 0, "rotate-commit: complete\nreference: " NEW "\n",
              "CommitRotation ('', {})\n");
  assert_run (self, "rotate rollback --yes", 0, "rotate-rollback: complete\nreference: " NEW "\n",
              "RollbackRotation ({},)\n");

  g_assert_true (g_file_set_contents (chain, "-----BEGIN CERTIFICATE-----\n", -1, NULL));
  assert_run (self, line, 0, "rotate-commit: complete\nreference: " NEW "\n",
              "CommitRotation ('-----BEGIN CERTIFICATE-----\\n', {})\n");
  g_unlink (chain);
}

static void
test_certificate (FakeDevice *self, gconstpointer data)
{
  g_autofree char *chain = g_build_filename (self->bus.folder, "chain", NULL);
  g_autofree char *line = g_strdup_printf ("cert install %s", chain);
  g_autofree char *large = g_strnfill (65537, 'x');

  g_assert_true (g_file_set_contents (chain, "-----BEGIN CERTIFICATE-----\n", -1, NULL));
  assert_run (self, line, 0, "", "InstallCertificate ('-----BEGIN CERTIFICATE-----\\n', {})\n");
  self->error = "org.tpmid1.Error.CertificateMismatch";
  assert_fails (self, line, 3, "refused", "InstallCertificate ('-----BEGIN CERTIFICATE-----\\n', {})\n");
  self->error = NULL;
  assert_run (self, "cert regenerate --yes --json", 0, "{\n  \"certificate\" : \"the certificate\\n\"\n}\n",
              "RegenerateCertificate ({},)\n");

  g_assert_true (g_file_set_contents (chain, "0\x82 DER", -1, NULL));
  assert_fails (self, line, 3, "no certificate in PEM", "");
  g_assert_true (g_file_set_contents (chain, large, -1, NULL));
  assert_fails (self, line, 3, "65536", "");
  g_unlink (chain);
  assert_fails (self, line, 1, "chain", "");
}

static void
test_serial_and_ownership (FakeDevice *self, gconstpointer data)
{
  fake_device_set_statuses (self, BEFORE, NULL, NULL, NULL);
  assert_run (self, "serial clear --yes", 0, "", "ClearSerialNumber ({},)\n");
  assert_run (self, "release-ownership --yes", 0, "release-ownership: complete\n", "ReleaseOwnership ({},)\n");
}

#define HANDLES \
  "[{'handle': <uint32 25187329>, 'kind': <'nv'>, 'owner': <'tpmidd'>, 'use': <'serial number'>, 'hierarchy': <'owner'>, " \
  "'size': <uint32 7>, 'name': <'000b'>}, {'handle': <uint32 2164260865>, 'kind': <'persistent'>, 'owner': <'other'>, " \
  "'use': <''>, 'hierarchy': <''>, 'size': <uint32 0>, 'name': <'000c'>}]"

static void
test_handles (FakeDevice *self, gconstpointer data)
{
  self->handles = HANDLES;
  assert_run (self, "handles", 0,
              "HANDLE      KIND        OWNER     HIERARCHY     SIZE  USE\n"
              "0x01805401  nv          tpmidd    owner            7  serial number\n"
              "0x81000001  persistent  other     -                -  -\n",
              "ListHandles ({},)\n");
  assert_run (self, "handles --json", 0,
              "[\n  {\n    \"handle\" : \"0x01805401\",\n    \"kind\" : \"nv\",\n    \"owner\" : \"tpmidd\",\n"
              "    \"use\" : \"serial number\",\n    \"hierarchy\" : \"owner\",\n    \"size\" : 7,\n    \"name\" : \"000b\"\n  },\n"
              "  {\n    \"handle\" : \"0x81000001\",\n    \"kind\" : \"persistent\",\n    \"owner\" : \"other\",\n"
              "    \"use\" : \"\",\n    \"hierarchy\" : \"\",\n    \"name\" : \"000c\"\n  }\n]\n",
              "ListHandles ({},)\n");
}

static void
test_not_asked (FakeDevice *self, gconstpointer data)
{
  static const char *const lines[] = { "reset", "reprovision", "migrate to-tpm", "migrate to-software", "release-ownership",
                                       "serial clear", "cert regenerate", "rotate commit", "rotate rollback" };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    assert_fails (self, lines[i], 2, "--yes", "");
}

static void
test_asks (FakeDevice *self, gconstpointer data)
{
  g_autofree char *no = NULL, *nothing = NULL, *yes = NULL, *end = NULL;
  int status;

  self->handles = HANDLES;
  fake_device_set_statuses (self, BEFORE, BEFORE, DONE ("reset"), NULL);
  no = run_on_terminal (self, "reset", "no\n", &status);
  g_assert_cmpint (status, ==, 1);
  g_assert_nonnull (strstr (no, "the serial number is kept"));
  g_assert_nonnull (strstr (no, "0x81000001  key"));
  g_assert_null (strstr (no, "0x01805401"));
  g_assert_cmpstr (self->calls->str, ==, "ListHandles ({},)\n");

  nothing = run_on_terminal (self, "serial clear", "perhaps\n\ny\n", &status);
  g_assert_cmpint (status, ==, 1);
  g_assert_cmpstr (self->calls->str, ==, "");
  end = run_on_terminal (self, "serial clear", "\x04", &status);
  g_assert_cmpint (status, ==, 1);
  g_assert_cmpstr (self->calls->str, ==, "");

  yes = run_on_terminal (self, "reset", "what?\nyes\n", &status);
  g_assert_cmpint (status, ==, 0);
  g_assert_nonnull (strstr (yes, "reset: complete"));
  g_assert_cmpstr (self->calls->str, ==, "ListHandles ({},)\nReset ({},)\n");
}

static void
test_status (FakeDevice *self, gconstpointer data)
{
  g_auto (Result) text = { 0 }, json = { 0 };

  fake_device_set_statuses (self, STATUS ("tpm", "ready", OLD, OPERATION ("reset", "incomplete", "not cleared", "", "60")), NULL, NULL,
                            NULL);
  run (self, "status", &text);
  g_assert_cmpint (text.status, ==, 0);
  g_assert_nonnull (strstr (text.out, "Operation  reset: incomplete, 1970-01-01T00:01:00Z: not cleared\n"));
  g_assert_nonnull (strstr (text.out, "Ownership  owned (policy exclusive)\n"));
  g_assert_nonnull (strstr (text.out, "all is well\n"));
  g_assert_nonnull (strstr (text.out, "Lockout    2 of 32 tries used, one is forgiven every 600 s\n"));
  g_assert_nonnull (strstr (text.out, "bars the next for 3600 s\n"));
  g_assert_nonnull (strstr (text.out, "started after a power cut or reset\n"));
  run (self, "status --json", &json);
  g_assert_true (g_str_has_prefix (json.out, "{\n  \"key\" : {"));
  g_assert_true (strstr (json.out, "\"operation\"") < strstr (json.out, "\"ownership\""));
  g_assert_true (strstr (json.out, "\"ownership\"") < strstr (json.out, "\"row\""));
  g_assert_true (strstr (json.out, "\"detail\"") < strstr (json.out, "\"error\""));
}

#define ADD(path, function) g_test_add (path, FakeDevice, NULL, fake_device_set_up, function, fake_device_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (argc != 3)
    return 2;
  tpmidctl = argv[1];
  fake_device_interfaces (argv[2]);
  ADD ("/tpmidctl/reset/waits-for-its-end", test_reset_waits);
  ADD ("/tpmidctl/reset/incomplete-is-said", test_incomplete);
  ADD ("/tpmidctl/reset/waiting-for-a-tpm-exits-7", test_waiting);
  ADD ("/tpmidctl/reset/failure-has-its-error-s-exit-status", test_failed);
  ADD ("/tpmidctl/reset/json-has-stable-members", test_json);
  ADD ("/tpmidctl/reset/the-last-one-is-not-taken-for-this-one", test_old_operation);
  ADD ("/tpmidctl/reset/survives-restarts-of-tpmidd", test_restart);
  ADD ("/tpmidctl/reset/two-that-end-alike-are-two", test_again);
  ADD ("/tpmidctl/reset/one-that-is-under-way-counts", test_under_way_already);
  ADD ("/tpmidctl/reset/says-that-it-waits-for-a-tpmidd-that-is-gone", test_gone);
  ADD ("/tpmidctl/reset/standard-error-is-json-alone-where-asked-for", test_gone_in_json);
  ADD ("/tpmidctl/reset/lost-answer-without-an-operation-is-an-error", test_lost);
  ADD ("/tpmidctl/reset/ends-with-its-timeout", test_timeout);
  ADD ("/tpmidctl/life/refusals-have-their-exit-status", test_refused);
  ADD ("/tpmidctl/migrate/there-and-there-already", test_migrate);
  ADD ("/tpmidctl/reprovision/waits-for-its-end", test_reprovision);
  ADD ("/tpmidctl/rotate/begin-commit-rollback", test_rotate);
  ADD ("/tpmidctl/cert/install-and-regenerate", test_certificate);
  ADD ("/tpmidctl/life/serial-clear-and-release-ownership", test_serial_and_ownership);
  ADD ("/tpmidctl/handles/table-and-json", test_handles);
  ADD ("/tpmidctl/confirm/without-a-terminal-nothing-is-done", test_not_asked);
  ADD ("/tpmidctl/confirm/asks-on-a-terminal", test_asks);
  ADD ("/tpmidctl/status/has-ownership-and-operation", test_status);
  return g_test_run ();
}

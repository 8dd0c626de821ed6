/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-tcti.h"

#include <string.h>

#define SIGN 0x0000015d
#define ANSWER_SIZE 4096

/* A TPM that answers from a list; the last answer is given again and again. */
typedef struct
{
  TSS2_TCTI_CONTEXT_COMMON_V2 common; /* first */
  const guint8 (*answers)[10];
  const gsize *sizes; /* (nullable): else 10 */
  gsize n_answers, next;
  TSS2_RC transmit_rc, receive_rc;
  guint transmitted;
  guint8 last_command[64];
} Fake;

static TSS2_RC
on_transmit (TSS2_TCTI_CONTEXT *context, size_t size, uint8_t const *command)
{
  Fake *fake = (Fake *) context;

  fake->transmitted++;
  g_assert_cmpuint (size, <=, sizeof fake->last_command);
  memcpy (fake->last_command, command, size);
  return fake->transmit_rc;
}

static TSS2_RC
on_receive (TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
  Fake *fake = (Fake *) context;

  if (fake->receive_rc != TSS2_RC_SUCCESS)
    return fake->receive_rc;
  gsize at = MIN (fake->next, fake->n_answers - 1);
  fake->next++;
  *size = fake->sizes != NULL ? fake->sizes[at] : 10;
  if (response != NULL && *size <= 10)
    memcpy (response, fake->answers[at], *size);
  return TSS2_RC_SUCCESS;
}

static Fake
fake_with (const guint8 (*answers)[10], gsize n_answers)
{
  return (Fake){
    .common.v1 = { .magic = 1, .version = 2, .transmit = on_transmit, .receive = on_receive },
    .answers = answers,
    .n_answers = n_answers,
  };
}

static const guint8 command[12] = { 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x5d, 0xaa, 0xbb };
static const guint8 fine[1][10] = { { 0x80, 0x01, 0, 0, 0, 10 } };

static TSS2_RC
transmit (TpmTcti *tcti)
{
  return Tss2_Tcti_Transmit (tpm_tcti_context (tcti), sizeof command, command);
}

static TSS2_RC
receive (TpmTcti *tcti, gsize *size, guint8 *response)
{
  return Tss2_Tcti_Receive (tpm_tcti_context (tcti), size, response, TSS2_TCTI_TIMEOUT_BLOCK);
}

/* Sends, asks for the size and takes the answer, as SAPI does. */
static guint32
exchange (TpmTcti *tcti)
{
  guint8 response[ANSWER_SIZE];
  gsize size = 0;

  g_assert_cmpuint (transmit (tcti), ==, TSS2_RC_SUCCESS);
  g_assert_cmpuint (receive (tcti, &size, NULL), ==, TSS2_RC_SUCCESS);
  g_assert_cmpuint (size, ==, 10);
  g_assert_cmpuint (receive (tcti, &size, response), ==, TSS2_RC_SUCCESS);
  return (guint32) response[6] << 24 | (guint32) response[7] << 16 | (guint32) response[8] << 8 | response[9];
}

static TpmTcti *
wrap (Fake *fake, guint64 *commands)
{
  return tpm_tcti_new ((TSS2_TCTI_CONTEXT *) fake, commands, NULL, NULL);
}

static void
passes_commands_on_and_counts_them (void)
{
  Fake fake = fake_with (fine, 1);
  guint64 commands = 7;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);

  g_assert_cmpuint (exchange (tcti), ==, 0);
  g_assert_cmpmem (fake.last_command, sizeof command, command, sizeof command);
  g_assert_cmpuint (exchange (tcti), ==, 0);
  g_assert_cmpuint (commands, ==, 9);
  g_assert_cmpuint (fake.transmitted, ==, 2);
}

static void
refuses_a_wrong_sequence (void)
{
  Fake fake = fake_with (fine, 1);
  guint64 commands = 0;
  guint8 response[ANSWER_SIZE];
  gsize size = sizeof response;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);

  g_assert_cmpuint (receive (tcti, &size, response), ==, TSS2_TCTI_RC_BAD_SEQUENCE);
  g_assert_cmpuint (transmit (tcti), ==, TSS2_RC_SUCCESS);
  g_assert_cmpuint (transmit (tcti), ==, TSS2_TCTI_RC_BAD_SEQUENCE);
  g_assert_cmpuint (Tss2_Tcti_Transmit (tpm_tcti_context (tcti), 9, command), !=, TSS2_RC_SUCCESS);
  size = 9;
  g_assert_cmpuint (receive (tcti, &size, response), ==, TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
  size = sizeof response;
  g_assert_cmpuint (receive (tcti, &size, response), ==, TSS2_RC_SUCCESS);
  g_assert_cmpuint (receive (tcti, &size, response), ==, TSS2_TCTI_RC_BAD_SEQUENCE);
  g_assert_cmpuint (Tss2_Tcti_Transmit (tpm_tcti_context (tcti), 9, command), ==, TSS2_TCTI_RC_BAD_VALUE);
  g_assert_cmpuint (Tss2_Tcti_Transmit (tpm_tcti_context (tcti), 5000, command), ==, TSS2_TCTI_RC_BAD_VALUE);
}

static void
believes_no_broken_frame (void)
{
  static const guint8 answers[][10]
      = { { 0 }, { 0x80, 0x01, 0, 0, 0, 10 }, { 0x80, 0x01, 0, 0, 0, 11 }, { 0x80, 0x01, 0, 0, 0, 9 } };
  static const gsize sizes[] = { 0, 9, 10, 10 };
  Fake fake = fake_with (answers, G_N_ELEMENTS (answers));
  guint64 commands = 0;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);

  fake.sizes = sizes;
  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      gsize size = 0;
      g_assert_cmpuint (transmit (tcti), ==, TSS2_RC_SUCCESS);
      g_assert_cmpuint (receive (tcti, &size, NULL), ==, TSS2_TCTI_RC_MALFORMED_RESPONSE);
    }
}

static void
names_a_tpm_1_2 (void)
{
  static const guint8 answer[1][10] = { { 0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0, 0x1e } };
  Fake fake = fake_with (answer, 1);
  guint64 commands = 0;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);

  g_assert_cmpuint (exchange (tcti), ==, TPM2_RC_BAD_TAG);
}

static void
passes_errors_of_the_transport_up (void)
{
  Fake fake = fake_with (fine, 1);
  guint64 commands = 0;
  gsize size = 0;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);

  fake.transmit_rc = TSS2_TCTI_RC_IO_ERROR;
  g_assert_cmpuint (transmit (tcti), ==, TSS2_TCTI_RC_IO_ERROR);
  fake.transmit_rc = TSS2_RC_SUCCESS;
  g_assert_cmpuint (transmit (tcti), ==, TSS2_RC_SUCCESS);
  fake.receive_rc = TSS2_TCTI_RC_TRY_AGAIN;
  g_assert_cmpuint (receive (tcti, &size, NULL), ==, TSS2_TCTI_RC_TRY_AGAIN);
  fake.receive_rc = TSS2_TCTI_RC_IO_ERROR;
  g_assert_cmpuint (receive (tcti, &size, NULL), ==, TSS2_TCTI_RC_IO_ERROR);
  fake.receive_rc = TSS2_RC_SUCCESS;
  g_assert_cmpuint (exchange (tcti), ==, 0);
}

static void
sends_the_same_bytes_again_after_a_transient_answer (void)
{
  static const guint8 answers[][10] = {
    { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x22 }, { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x08 },
    { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x0a }, { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x8b },
  };
  Fake fake = fake_with (answers, G_N_ELEMENTS (answers));
  guint64 commands = 0;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);

  gint64 start = g_get_monotonic_time ();
  g_assert_cmpuint (exchange (tcti), ==, 0x18b);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, (20 + 40 + 80) * 1000);
  g_assert_cmpuint (fake.transmitted, ==, 4);
  g_assert_cmpuint (commands, ==, 4);
  g_assert_cmpmem (fake.last_command, sizeof command, command, sizeof command);
}

static TSS2_RC
on_command (guint32 command_code, guint64 nth, gpointer user_data)
{
  static const TSS2_RC rcs[] = { 0x921, TSS2_TCTI_RC_IO_ERROR, TSS2_RC_SUCCESS };

  g_assert_cmpuint (command_code, ==, SIGN);
  g_assert_cmpuint (nth, ==, ++*(guint64 *) user_data);
  return rcs[nth - 1];
}

static void
lets_a_hook_answer_instead (void)
{
  Fake fake = fake_with (fine, 1);
  guint64 commands = 0;
  guint64 calls = 0;
  g_autoptr (TpmTcti) tcti = tpm_tcti_new ((TSS2_TCTI_CONTEXT *) &fake, &commands, on_command, &calls);

  g_assert_cmpuint (exchange (tcti), ==, 0x921);
  g_assert_cmpuint (fake.transmitted, ==, 0);
  g_assert_cmpuint (transmit (tcti), ==, TSS2_TCTI_RC_IO_ERROR);
  g_assert_cmpuint (fake.transmitted, ==, 0);
  g_assert_cmpuint (exchange (tcti), ==, 0);
  g_assert_cmpuint (fake.transmitted, ==, 1);
}

static void
forwards_what_it_does_not_know (void)
{
  Fake fake = fake_with (fine, 1);
  guint64 commands = 0;
  TSS2_TCTI_POLL_HANDLE handles[4];
  gsize n = G_N_ELEMENTS (handles);
  TPM2_HANDLE handle = 0;
  g_autoptr (TpmTcti) tcti = wrap (&fake, &commands);
  TSS2_TCTI_CONTEXT *context = tpm_tcti_context (tcti);

  g_assert_cmpuint (Tss2_Tcti_Cancel (context), ==, TSS2_TCTI_RC_NOT_IMPLEMENTED);
  g_assert_cmpuint (Tss2_Tcti_GetPollHandles (context, handles, &n), ==, TSS2_TCTI_RC_NOT_IMPLEMENTED);
  g_assert_cmpuint (Tss2_Tcti_SetLocality (context, 0), ==, TSS2_TCTI_RC_NOT_IMPLEMENTED);
  g_assert_cmpuint (Tss2_Tcti_MakeSticky (context, &handle, 0), ==, TSS2_TCTI_RC_NOT_IMPLEMENTED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/tcti/passes-commands-on-and-counts-them", passes_commands_on_and_counts_them);
  g_test_add_func ("/tpm/tcti/refuses-a-wrong-sequence", refuses_a_wrong_sequence);
  g_test_add_func ("/tpm/tcti/believes-no-broken-frame", believes_no_broken_frame);
  g_test_add_func ("/tpm/tcti/names-a-tpm-1.2", names_a_tpm_1_2);
  g_test_add_func ("/tpm/tcti/passes-errors-of-the-transport-up", passes_errors_of_the_transport_up);
  g_test_add_func ("/tpm/tcti/sends-the-same-bytes-again-after-a-transient-answer",
                   sends_the_same_bytes_again_after_a_transient_answer);
  g_test_add_func ("/tpm/tcti/lets-a-hook-answer-instead", lets_a_hook_answer_instead);
  g_test_add_func ("/tpm/tcti/forwards-what-it-does-not-know", forwards_what_it_does_not_know);
  return g_test_run ();
}

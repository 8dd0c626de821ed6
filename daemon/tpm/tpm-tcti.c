/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-tcti.h"

#include "tpm-rc.h"

#include <string.h>
#include <tss2/tss2_tctildr.h>

/* "TPMIDTCT": the TCTI specification wants a value that no other implementation has. */
#define MAGIC G_GUINT64_CONSTANT (0x54504d4944544354)

/* Tag, size, code: TPM 2.0 Library Part 1, 18. */
#define HEADER_SIZE 10
/* The largest command and response of any TPM known (the kernel's TPM_BUFSIZE); no TCTI of the TSS takes more. */
#define BUFFER_SIZE 4096

/* Waits of 20, 40 ... 640 ms and three times 1 s: 4.3 s in all. */
#define MAX_RESENT 9
#define FIRST_WAIT_MS 20
#define LONGEST_WAIT_MS 1000

typedef enum
{
  IDLE,
  SENT,     /* the inner TCTI works on it */
  ANSWERED, /* the response is in our buffer, whole, but may ask for another try */
  FINAL,    /* the response is in our buffer, for ESYS */
} Stage;

struct TpmTcti
{
  TSS2_TCTI_CONTEXT_COMMON_V2 common; /* first: this is what ESYS takes for a TSS2_TCTI_CONTEXT */
  TSS2_TCTI_CONTEXT *inner;
  guint64 *commands;
  TpmTctiFault fault;
  gpointer user_data;
  Stage stage;
  gsize command_size, response_size;
  guint8 command[BUFFER_SIZE], response[BUFFER_SIZE];
};

static TpmTcti *
from_context (TSS2_TCTI_CONTEXT *context)
{
  TpmTcti *self = (TpmTcti *) context;

  return self != NULL && self->common.v1.magic == MAGIC ? self : NULL;
}

static guint32
get_be32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_BE (value);
}

static void
put_be32 (guint8 *bytes, guint32 value)
{
  value = GUINT32_TO_BE (value);
  memcpy (bytes, &value, sizeof value);
}

static guint
get_tag (const guint8 *bytes)
{
  return (guint) bytes[0] << 8 | bytes[1];
}

static void
answer (TpmTcti *self, TSS2_RC rc)
{
  self->response[0] = TPM2_ST_NO_SESSIONS >> 8;
  self->response[1] = TPM2_ST_NO_SESSIONS & 0xff;
  put_be32 (self->response + 2, HEADER_SIZE);
  put_be32 (self->response + 6, rc);
  self->response_size = HEADER_SIZE;
  self->stage = ANSWERED;
}

static TSS2_RC
send_command (TpmTcti *self)
{
  guint64 nth = __atomic_add_fetch (self->commands, 1, __ATOMIC_RELAXED);
  TSS2_RC rc = self->fault != NULL ? self->fault (get_be32 (self->command + 6), nth, self->user_data) : TSS2_RC_SUCCESS;

  if (rc != TSS2_RC_SUCCESS && (rc & TSS2_RC_LAYER_MASK) == TSS2_TPM_RC_LAYER)
    {
      answer (self, rc);
      return TSS2_RC_SUCCESS;
    }
  if (rc == TSS2_RC_SUCCESS)
    rc = Tss2_Tcti_Transmit (self->inner, self->command_size, self->command);
  self->stage = rc == TSS2_RC_SUCCESS ? SENT : IDLE;
  return rc;
}

/* Fills the buffer with one whole response, and believes nothing of it before its frame is right. */
static TSS2_RC
read_response (TpmTcti *self, int32_t timeout)
{
  size_t size = sizeof self->response;
  TSS2_RC rc = Tss2_Tcti_Receive (self->inner, &size, self->response, timeout);

  if (rc == TSS2_TCTI_RC_TRY_AGAIN)
    return rc;
  self->stage = IDLE;
  if (rc != TSS2_RC_SUCCESS)
    return rc;
  if (size < HEADER_SIZE || size > sizeof self->response || get_be32 (self->response + 2) != size)
    return TSS2_TCTI_RC_MALFORMED_RESPONSE;
  self->response_size = size;
  self->stage = ANSWERED;
  /* A TPM 1.2 answers in a frame of its own, which SAPI would report as a general failure. TPM 2.0 Library Part 3, 5.2. */
  if (get_tag (self->response) == TPM2_ST_RSP_COMMAND)
    answer (self, TPM2_RC_BAD_TAG);
  return TSS2_RC_SUCCESS;
}

static TSS2_RC
read_final_response (TpmTcti *self, int32_t timeout)
{
  gulong wait_ms = FIRST_WAIT_MS;

  for (guint resent = 0;; resent++)
    {
      TSS2_RC rc = self->stage == SENT ? read_response (self, timeout) : TSS2_RC_SUCCESS;
      if (rc != TSS2_RC_SUCCESS)
        return rc;

      guint32 code = get_be32 (self->response + 6);
      if (!tpm_rc_is_transient (code) || resent == MAX_RESENT)
        {
          /* The layer says that a resource manager gave this answer, which is true, and keeps ESYS from sending the
           * command five times more, each with all of our waits. */
          if (tpm_rc_is_transient (code))
            put_be32 (self->response + 6, TSS2_RESMGR_TPM_RC_LAYER | code);
          self->stage = FINAL;
          return TSS2_RC_SUCCESS;
        }

      g_usleep (wait_ms * 1000);
      wait_ms = MIN (wait_ms * 2, LONGEST_WAIT_MS);
      rc = send_command (self);
      if (rc != TSS2_RC_SUCCESS)
        return rc;
    }
}

static TSS2_RC
on_transmit (TSS2_TCTI_CONTEXT *context, size_t size, uint8_t const *command)
{
  TpmTcti *self = from_context (context);

  if (self == NULL)
    return TSS2_TCTI_RC_BAD_CONTEXT;
  if (command == NULL)
    return TSS2_TCTI_RC_BAD_REFERENCE;
  if (self->stage != IDLE)
    return TSS2_TCTI_RC_BAD_SEQUENCE;
  if (size < HEADER_SIZE || size > sizeof self->command)
    return TSS2_TCTI_RC_BAD_VALUE;

  memcpy (self->command, command, size);
  self->command_size = size;
  return send_command (self);
}

/* SAPI first asks for the size, with no buffer, and then takes the bytes: all waiting happens in the first call. */
static TSS2_RC
on_receive (TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
  TpmTcti *self = from_context (context);

  if (self == NULL)
    return TSS2_TCTI_RC_BAD_CONTEXT;
  if (size == NULL)
    return TSS2_TCTI_RC_BAD_REFERENCE;
  if (self->stage == IDLE)
    return TSS2_TCTI_RC_BAD_SEQUENCE;

  TSS2_RC rc = self->stage == FINAL ? TSS2_RC_SUCCESS : read_final_response (self, timeout);
  if (rc != TSS2_RC_SUCCESS)
    return rc;
  if (response != NULL && *size < self->response_size)
    return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
  *size = self->response_size;
  if (response != NULL)
    {
      memcpy (response, self->response, self->response_size);
      explicit_bzero (self->response, self->response_size);
      explicit_bzero (self->command, self->command_size);
      self->stage = IDLE;
    }
  return TSS2_RC_SUCCESS;
}

static void
on_finalize (TSS2_TCTI_CONTEXT *context)
{
  TpmTcti *self = from_context (context);

  if (self != NULL)
    Tss2_TctiLdr_Finalize (&self->inner);
}

static TSS2_RC
on_cancel (TSS2_TCTI_CONTEXT *context)
{
  TpmTcti *self = from_context (context);

  return self == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_Cancel (self->inner);
}

static TSS2_RC
on_get_poll_handles (TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *num_handles)
{
  TpmTcti *self = from_context (context);

  return self == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_GetPollHandles (self->inner, handles, num_handles);
}

static TSS2_RC
on_set_locality (TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
  TpmTcti *self = from_context (context);

  return self == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_SetLocality (self->inner, locality);
}

static TSS2_RC
on_make_sticky (TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
  TpmTcti *self = from_context (context);

  return self == NULL ? TSS2_TCTI_RC_BAD_CONTEXT : Tss2_Tcti_MakeSticky (self->inner, handle, sticky);
}

TpmTcti *
tpm_tcti_new (TSS2_TCTI_CONTEXT *inner, guint64 *commands, TpmTctiFault fault, gpointer user_data)
{
  TpmTcti *self = g_new0 (TpmTcti, 1);

  self->common = (TSS2_TCTI_CONTEXT_COMMON_V2){
    .v1 = {
      .magic = MAGIC,
      .version = 2,
      .transmit = on_transmit,
      .receive = on_receive,
      .finalize = on_finalize,
      .cancel = on_cancel,
      .getPollHandles = on_get_poll_handles,
      .setLocality = on_set_locality,
    },
    .makeSticky = on_make_sticky,
  };
  self->inner = inner;
  self->commands = commands;
  self->fault = fault;
  self->user_data = user_data;
  return self;
}

TSS2_TCTI_CONTEXT *
tpm_tcti_context (TpmTcti *self)
{
  return (TSS2_TCTI_CONTEXT *) self;
}

void
tpm_tcti_free (TpmTcti *self)
{
  if (self == NULL)
    return;
  on_finalize (tpm_tcti_context (self));
  explicit_bzero (self, sizeof *self);
  g_free (self);
}

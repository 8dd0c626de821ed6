/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-wipe.h"

#include "tpm-link-private.h"

#include <string.h>
#include <tss2/tss2_sys.h>

#define WIPED_STACK (32 * 1024)

/* ESYS decrypts the answer in the buffer that it came in, and leaves it there. */
static void
wipe_answer (TpmLink *link)
{
  TSS2_SYS_CONTEXT *sys = NULL;
  const uint8_t *parameter = NULL;
  size_t size = 0;

  if (Esys_GetSysContext (tpm_link_esys (link), &sys) == TSS2_RC_SUCCESS
      && Tss2_Sys_GetEncryptParam (sys, &size, &parameter) == TSS2_RC_SUCCESS)
    explicit_bzero ((gpointer) parameter, size);
}

/* ESYS also leaves it in its stack frames, in arrays as large as an answer (TPM2_MAX_RESPONSE_SIZE, three of them). Called from where it was
 * called, this covers them. */
static void __attribute__ ((noinline))
wipe_stack (void)
{
  guint8 frames[WIPED_STACK];

  explicit_bzero (frames, sizeof frames);
}

void
tpm_wipe_traces (TpmLink *link, guint32 rc)
{
  if (rc == TSS2_RC_SUCCESS)
    wipe_answer (link);
  wipe_stack ();
}

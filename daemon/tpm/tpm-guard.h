/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scope guards: what a job may not leave behind in the TPM, or in ESYS. TPM thread. */

#include "tpm-link-private.h"

G_BEGIN_DECLS

/**
 * TpmTransient:
 *
 * A transient object or a session: flushed at the end of the scope with g_auto (TpmTransient) = { link, ESYS_TR_NONE }.
 * See tpm_link_flush() for when that fails, and tpm_link_check_open() for how a job learns of it.
 */
typedef struct
{
  TpmLink *link;
  ESYS_TR tr;
} TpmTransient;

static inline void
tpm_transient_clear (TpmTransient *self)
{
  if (self->tr != ESYS_TR_NONE)
    tpm_link_flush (self->link, self->tr);
  self->tr = ESYS_TR_NONE;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TpmTransient, tpm_transient_clear)

/* The same for a session; the name tells the reader what it guards. */
typedef TpmTransient TpmSession;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TpmSession, tpm_transient_clear)

/**
 * TpmReference:
 *
 * ESYS's own record of an NV index or persistent object outside the link's cache: dropped at the end of the scope, the
 * object in the TPM stays. No command.
 */
typedef struct
{
  TpmLink *link;
  ESYS_TR tr;
} TpmReference;

static inline void
tpm_reference_clear (TpmReference *self)
{
  if (self->tr != ESYS_TR_NONE && tpm_link_is_open (self->link))
    (void) Esys_TR_Close (tpm_link_esys (self->link), &self->tr);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TpmReference, tpm_reference_clear)

G_END_DECLS

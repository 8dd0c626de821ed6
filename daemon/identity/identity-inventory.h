/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"

G_BEGIN_DECLS

typedef struct TpmLink TpmLink;

/**
 * IdentityHandle:
 *
 * Something in the TPM, and whose it is. A plain value; strings are static, or in it.
 */
typedef struct
{
  guint32 handle;
  const char *kind;      /* "persistent", "nv", "transient", "session" */
  const char *owner;     /* "tpmidd", "platform", "other" */
  const char *use;       /* for a person; "" where nobody knows */
  const char *hierarchy; /* "owner", "endorsement", "platform"; "" where nobody knows */
  guint size;            /* bytes, of an NV index */
  char name[137];        /* TPM name, hex; "" where it has none */
} IdentityHandle;

/**
 * identity_inventory_list:
 * @error: those of the link
 *
 * TPM thread. Two commands for each persistent object and NV index, and four.
 *
 * Returns: (transfer full) (element-type IdentityHandle): what is in the TPM
 */
GArray *identity_inventory_list (TpmLink *link, const BaseConfig *config, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm-link.h"
#include "tpm-types.h"

G_BEGIN_DECLS

typedef enum
{
  TPM_OBJECT_PERSISTENT,
  TPM_OBJECT_NV,
  TPM_OBJECT_TRANSIENT,
  TPM_OBJECT_SESSION, /* loaded or saved */
} TpmObjectKind;

/* nameAlg SHA-512: algorithm id and digest. */
#define TPM_OBJECT_NAME_MAX 66

/**
 * TpmObject:
 *
 * Something that is in the TPM; a plain value.
 */
typedef struct
{
  guint32 handle;
  TpmObjectKind kind;
  TpmHierarchy hierarchy;      /* where @is_hierarchy_known: of NV indices always; of a persistent key where its handle is the platform's, or it
                                  is a primary key, or one under a primary key that is persistent too, or its purpose is one of ours */
  gboolean is_hierarchy_known;
  gboolean platform_created;   /* NV: TPMA_NV_PLATFORMCREATE: only firmware can undefine it */
  gboolean is_storage_root;    /* persistent: of the template that tpm_parent_get() makes; others make such keys too */
  TpmPurpose purpose;          /* persistent: as its template says */
  guint16 size;                /* NV: bytes */
  TpmNvKind nv_kind;           /* NV: as its tag says */
  guint8 name[TPM_OBJECT_NAME_MAX]; /* persistent and NV */
  gsize name_size;             /* bytes in @name; 0 where the TPM does not tell */
} TpmObject;

/**
 * tpm_inventory_list:
 * @ret_objects: (out) (transfer full) (element-type TpmObject): persistent objects, NV indices, transient objects and sessions,
 *   each in the order of their handles
 *
 * TPM thread. Five commands, and one for each persistent object and NV index; more where the TPM lists its handles in pieces. No
 * password is used and no authorization tried.
 */
gboolean tpm_inventory_list (TpmLink *link, GArray **ret_objects, GError **error);

G_END_DECLS

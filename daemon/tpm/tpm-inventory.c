/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-inventory.h"

#include "tpm-facts.h"
#include "tpm-link-private.h"
#include "tpm-rc.h"
#include "tpm-template.h"

#include <string.h>
#include <tss2/tss2_sys.h>

/* More than any TPM has. */
#define HANDLES_MAX 4096
/* First handle of a type. */
#define HANDLES_OF(type) ((guint32) (type) << TPM2_HR_SHIFT)
/* Persistent handles of the platform. TPM 2.0 Library Part 2, 7.5. */
#define PLATFORM_FIRST 0x81800000u

typedef struct
{
  guint8 bytes[TPM_OBJECT_NAME_MAX];
  gsize size;
} Name;

/* Where the TPM gives handles of something that is gone when it is asked for, another program was at work. */
static gboolean
is_gone (TSS2_RC rc)
{
  return rc != TSS2_RC_SUCCESS && !tpm_rc_is_transport (rc) && tpm_rc_to_error (rc) == TPMID_ERROR_NOT_FOUND;
}

static void
copy_name (const TPM2B_NAME *from, guint8 to[TPM_OBJECT_NAME_MAX], gsize *ret_size)
{
  *ret_size = from->size <= TPM_OBJECT_NAME_MAX ? from->size : 0;
  memcpy (to, from->name, *ret_size);
}

/* Nobody knows the purpose of a public area that is not ours. */
static void
describe_key (const TPM2B_PUBLIC *public, const TPM2B_NAME *name, TpmObject *object)
{
  TpmPublic found = { 0 };

  if (tpm_template_recognise (public, name, &found))
    object->purpose = found.purpose;
  object->is_storage_root = tpm_template_is_storage_root (public);
  copy_name (name, object->name, &object->name_size);
}

/* Below ESYS, which would read the public area once more, and keep it. */
static TSS2_RC
read_key (TSS2_SYS_CONTEXT *sys, TpmObject *object, Name *ret_qualified)
{
  TPM2B_PUBLIC public = { 0 };
  TPM2B_NAME name = { 0 }, qualified = { 0 };
  TSS2_RC rc = Tss2_Sys_ReadPublic (sys, object->handle, NULL, &public, &name, &qualified, NULL);

  if (rc != TSS2_RC_SUCCESS)
    return rc;
  describe_key (&public, &name, object);
  copy_name (&qualified, ret_qualified->bytes, &ret_qualified->size);
  return rc;
}

static TSS2_RC
read_index (TSS2_SYS_CONTEXT *sys, TpmObject *object)
{
  TPM2B_NV_PUBLIC public = { 0 };
  TPM2B_NAME name = { 0 };
  TSS2_RC rc = Tss2_Sys_NV_ReadPublic (sys, object->handle, NULL, &public, &name, NULL);

  if (rc != TSS2_RC_SUCCESS)
    return rc;
  object->size = public.nvPublic.dataSize;
  object->nv_kind = tpm_template_nv_kind (&public.nvPublic, NULL);
  object->platform_created = (public.nvPublic.attributes & TPMA_NV_PLATFORMCREATE) != 0;
  object->hierarchy = object->platform_created ? TPM_HIERARCHY_PLATFORM : TPM_HIERARCHY_OWNER;
  object->is_hierarchy_known = TRUE;
  copy_name (&name, object->name, &object->name_size);
  return rc;
}

static gboolean
add_handles (TpmLink *link, guint32 first, TpmObjectKind kind, GArray *objects, GError **error)
{
  g_autoptr (GArray) handles = NULL;
  TSS2_RC rc = tpm_facts_read_handles (tpm_link_esys (link), first, HANDLES_MAX, &handles);

  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, "list what is in the TPM");
  for (guint i = 0; i < handles->len; i++)
    {
      const TpmObject object = { .handle = g_array_index (handles, guint32, i), .kind = kind };
      g_array_append_val (objects, object);
    }
  return TRUE;
}

/* @qualified: (element-type Name): the qualified Names, beside @objects. */
static gboolean
read_publics (TpmLink *link, GArray *objects, GArray *qualified, GError **error)
{
  TSS2_SYS_CONTEXT *sys = NULL;
  TSS2_RC rc = Esys_GetSysContext (tpm_link_esys (link), &sys);

  g_array_set_size (qualified, objects->len);
  for (guint i = 0; rc == TSS2_RC_SUCCESS && i < objects->len; i++)
    {
      TpmObject *object = &g_array_index (objects, TpmObject, i);

      if (object->kind == TPM_OBJECT_PERSISTENT)
        rc = read_key (sys, object, &g_array_index (qualified, Name, i));
      else if (object->kind == TPM_OBJECT_NV)
        rc = read_index (sys, object);
      if (is_gone (rc))
        rc = TSS2_RC_SUCCESS;
    }
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, "look at what is in the TPM");
}

/* TPM 2.0 Library Part 1, 16.4: the hash of the parent's qualified Name, which of a primary key is the handle of the hierarchy, and the Name. */
static gboolean
is_child (const TpmObject *object, const Name *qualified, gconstpointer parent, gsize parent_size)
{
  g_autoptr (GChecksum) sum = NULL;
  guint8 digest[TPM_OBJECT_NAME_MAX];
  gsize size = sizeof digest;

  if (qualified->size < 2 || object->name_size < 2)
    return FALSE;
  switch ((qualified->bytes[0] << 8) | qualified->bytes[1])
    {
    case TPM2_ALG_SHA256:
      sum = g_checksum_new (G_CHECKSUM_SHA256);
      break;
    case TPM2_ALG_SHA384:
      sum = g_checksum_new (G_CHECKSUM_SHA384);
      break;
    case TPM2_ALG_SHA512:
      sum = g_checksum_new (G_CHECKSUM_SHA512);
      break;
    default:
      return FALSE;
    }
  g_checksum_update (sum, parent, (gssize) parent_size);
  g_checksum_update (sum, object->name, (gssize) object->name_size);
  g_checksum_get_digest (sum, digest, &size);
  return qualified->size == size + 2 && memcmp (qualified->bytes + 2, digest, size) == 0;
}

static void
find_primary (TpmObject *object, const Name *qualified)
{
  static const struct
  {
    TpmHierarchy hierarchy;
    guint32 handle;
  } rows[] = {
    { TPM_HIERARCHY_OWNER, TPM2_RH_OWNER },
    { TPM_HIERARCHY_ENDORSEMENT, TPM2_RH_ENDORSEMENT },
    { TPM_HIERARCHY_PLATFORM, TPM2_RH_PLATFORM },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      guint32 handle = GUINT32_TO_BE (rows[i].handle);
      if (!is_child (object, qualified, &handle, sizeof handle))
        continue;
      object->hierarchy = rows[i].hierarchy;
      object->is_hierarchy_known = TRUE;
    }
}

static gboolean
find_parent (GArray *objects, GArray *qualified, guint child)
{
  TpmObject *object = &g_array_index (objects, TpmObject, child);

  for (guint i = 0; i < objects->len && !object->is_hierarchy_known; i++)
    {
      const TpmObject *parent = &g_array_index (objects, TpmObject, i);
      const Name *name = &g_array_index (qualified, Name, i);

      if (parent->kind != TPM_OBJECT_PERSISTENT || !parent->is_hierarchy_known
          || !is_child (object, &g_array_index (qualified, Name, child), name->bytes, name->size))
        continue;
      object->hierarchy = parent->hierarchy;
      object->is_hierarchy_known = TRUE;
    }
  return object->is_hierarchy_known;
}

static void
find_hierarchies (GArray *objects, GArray *qualified)
{
  /* Primary keys first, wherever they are listed. */
  for (guint i = 0; i < objects->len; i++)
    if (g_array_index (objects, TpmObject, i).kind == TPM_OBJECT_PERSISTENT)
      find_primary (&g_array_index (objects, TpmObject, i), &g_array_index (qualified, Name, i));
  for (guint i = 0; i < objects->len; i++)
    {
      TpmObject *object = &g_array_index (objects, TpmObject, i);

      if (object->kind != TPM_OBJECT_PERSISTENT || object->is_hierarchy_known || find_parent (objects, qualified, i))
        continue;
      object->is_hierarchy_known = object->handle >= PLATFORM_FIRST || object->purpose != TPM_PURPOSE_FOREIGN;
      object->hierarchy = object->handle >= PLATFORM_FIRST ? TPM_HIERARCHY_PLATFORM : TPM_HIERARCHY_OWNER;
    }
}

gboolean
tpm_inventory_list (TpmLink *link, GArray **ret_objects, GError **error)
{
  g_autoptr (GArray) objects = g_array_new (FALSE, TRUE, sizeof (TpmObject));
  g_autoptr (GArray) qualified = g_array_new (FALSE, TRUE, sizeof (Name));

  if (!add_handles (link, HANDLES_OF (TPM2_HT_PERSISTENT), TPM_OBJECT_PERSISTENT, objects, error)
      || !add_handles (link, HANDLES_OF (TPM2_HT_NV_INDEX), TPM_OBJECT_NV, objects, error)
      || !add_handles (link, HANDLES_OF (TPM2_HT_TRANSIENT), TPM_OBJECT_TRANSIENT, objects, error)
      || !add_handles (link, HANDLES_OF (TPM2_HT_LOADED_SESSION), TPM_OBJECT_SESSION, objects, error)
      || !add_handles (link, HANDLES_OF (TPM2_HT_SAVED_SESSION), TPM_OBJECT_SESSION, objects, error)
      || !read_publics (link, objects, qualified, error))
    return FALSE;
  find_hierarchies (objects, qualified);
  *ret_objects = g_steal_pointer (&objects);
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-foreign.h"

#include "tpm-inventory.h"

#include <string.h>

static gboolean
is_ours (const TpmObject *object, const BaseConfig *config, const TpmParent *parent)
{
  if (object->kind == TPM_OBJECT_NV)
    return object->platform_created || object->handle == config->serial_index || object->nv_kind != TPM_NV_OTHER;
  if (object->kind != TPM_OBJECT_PERSISTENT || (object->is_hierarchy_known && object->hierarchy == TPM_HIERARCHY_PLATFORM))
    return TRUE;
  if (object->handle == parent->handle && object->is_storage_root)
    return !parent->is_pinned
           || (object->name_size == TPM_NAME_SIZE && memcmp (object->name, parent->name, TPM_NAME_SIZE) == 0);
  /* Keys with a tag carry it wherever they are. */
  return object->purpose == TPM_PURPOSE_DEVICE || object->purpose == TPM_PURPOSE_CREDENTIALS;
}

static void
describe_object (IdentityOwnership *status, const TpmObject *object)
{
  const char *kind = object->kind == TPM_OBJECT_NV ? "NV index" : "persistent object";
  const char *remedy = object->kind == TPM_OBJECT_NV ? "tpm2_nvundefine" : "tpm2_evictcontrol -c";

  identity_ownership_set_detail (status,
                                 "somebody else uses the TPM: %s 0x%08x is not of tpmidd's making; a factory reset that clears "
                                 "the TPM removes it and takes ownership, or remove it (%s 0x%08x) before the first boot",
                                 kind, object->handle, remedy, object->handle);
}

gboolean
identity_foreign_look (const IdentityOwning *work, gboolean *ret_found, GError **error)
{
  const TpmParent unpinned = { .handle = work->config->parent_handle };
  const TpmParent *parent = work->parent != NULL ? work->parent : &unpinned;
  g_autoptr (GArray) objects = NULL;

  if (!tpm_inventory_list (work->link, &objects, error))
    return FALSE;
  *ret_found = FALSE;
  for (guint i = 0; i < objects->len && !*ret_found; i++)
    {
      const TpmObject *object = &g_array_index (objects, TpmObject, i);

      *ret_found = !is_ours (object, work->config, parent);
      if (*ret_found)
        describe_object (work->status, object);
    }
  return TRUE;
}

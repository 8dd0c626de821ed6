/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-keys.h"

#include "base-error.h"
#include "bus-gen.h"
#include "bus-key.h"
#include "bus-variant.h"

struct BusKeys
{
  GDBusObjectManagerServer *manager;
  BusCalls *calls;
  IdentityKeys *keys;
  GHashTable *objects; /* name -> GDBusObjectSkeleton * */
};

static const BusOption no_options[] = { { NULL, NULL } };

/* --- methods --- */

static gboolean
prepare_list_keys (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 0);

  return bus_variant_check_options (options, no_options, error);
}

static void
act_list_keys (BusCall *call)
{
  g_autoptr (GPtrArray) keys = identity_keys_list (IDENTITY_KEYS (call->target));
  g_auto (GVariantBuilder) paths = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_OBJECT_PATH_ARRAY);

  for (guint i = 0; i < keys->len; i++)
    {
      const IdentityKey *key = keys->pdata[i];
      g_autofree char *path = bus_variant_key_path (key->name);
      g_variant_builder_add (&paths, "o", path);
    }
  bus_call_return (call, g_variant_new ("(ao)", &paths));
}

static void
return_path (BusCall *call, const IdentityKey *key)
{
  g_autofree char *path = bus_variant_key_path (key->name);

  bus_call_return (call, g_variant_new ("(o)", path));
}

static gboolean
prepare_get_key (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *name;

  g_variant_get_child (parameters, 0, "&s", &name);
  if (!identity_key_check_name (name, error) || !bus_variant_check_options (options, no_options, error))
    return FALSE;
  call->request = g_strdup (name);
  call->request_free = g_free;
  return TRUE;
}

static void
act_get_key (BusCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (IdentityKey) key = identity_keys_lookup (IDENTITY_KEYS (call->target), call->request, &error);

  if (key != NULL)
    return_path (call, key);
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static gboolean
prepare_find_key (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  g_autoptr (GBytes) reference = bus_variant_child_bytes (parameters, 0);

  if (!bus_variant_check_options (options, no_options, error))
    return FALSE;
  if (g_bytes_get_size (reference) != IDENTITY_REFERENCE_SIZE)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                   "the reference is %" G_GSIZE_FORMAT " bytes long; SHA-256 over the public key makes %d",
                   g_bytes_get_size (reference), IDENTITY_REFERENCE_SIZE);
      return FALSE;
    }
  call->request = g_steal_pointer (&reference);
  call->request_free = (GDestroyNotify) g_bytes_unref;
  return TRUE;
}

static void
act_find_key (BusCall *call)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (IdentityKey) key = identity_keys_find (IDENTITY_KEYS (call->target), call->request, &error);

  if (key != NULL)
    return_path (call, key);
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static const BusOption create_options[] = { { "algorithm", "s" }, { "usage", "s" }, { NULL, NULL } };

typedef struct
{
  char *name;
  IdentityAlgorithm algorithm;
  IdentityUsage usage;
} CreateRequest;

static void
create_request_free (gpointer data)
{
  CreateRequest *request = data;

  g_free (request->name);
  g_free (request);
}

static gboolean
prepare_create_key (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *name, *algorithm_name = "ecc-p256", *usage_name = NULL;
  IdentityAlgorithm algorithm;

  g_variant_get_child (parameters, 0, "&s", &name);
  if (!identity_key_check_name (name, error))
    return FALSE;
  call->key = g_strdup (name);
  if (!bus_variant_check_options (options, create_options, error))
    return FALSE;
  (void) g_variant_lookup (options, "algorithm", "&s", &algorithm_name);
  (void) g_variant_lookup (options, "usage", "&s", &usage_name);
  if (!identity_algorithm_from_name (algorithm_name, &algorithm, error))
    return FALSE;
  IdentityUsage usage = identity_algorithm_default_usage (algorithm);
  if (usage_name != NULL && !identity_usage_from_name (usage_name, &usage, error))
    return FALSE;

  CreateRequest *request = g_new0 (CreateRequest, 1);
  *request = (CreateRequest) { g_strdup (name), algorithm, usage };
  call->request = request;
  call->request_free = create_request_free;
  return TRUE;
}

static void
act_create_key (BusCall *call)
{
  const CreateRequest *request = call->request;
  g_autoptr (GError) error = NULL;

  if (!identity_keys_create (IDENTITY_KEYS (call->target), request->name, request->algorithm, request->usage, call->caller->uid, &error))
    {
      bus_call_fail (call, g_steal_pointer (&error));
      return;
    }
  g_autofree char *path = bus_variant_key_path (request->name);
  bus_call_return (call, g_variant_new ("(o)", path));
}

static const BusMethod methods[] = {
  { "CreateKey", prepare_create_key, act_create_key },
  { "ListKeys", prepare_list_keys, act_list_keys },
  { "GetKey", prepare_get_key, act_get_key },
  { "FindKey", prepare_find_key, act_find_key },
  { NULL, NULL, NULL },
};

/* --- objects --- */

static void
show_key (BusKeys *self, IdentityKey *key)
{
  GDBusObjectSkeleton *object = g_hash_table_lookup (self->objects, key->name);

  if (object != NULL)
    {
      bus_key_update (object, key);
      return;
    }
  object = bus_key_new (self->calls, self->keys, key);
  g_dbus_object_manager_server_export (self->manager, object);
  g_hash_table_insert (self->objects, g_strdup (key->name), object);
}

static gboolean
contains_name (GPtrArray *keys, const char *name)
{
  for (guint i = 0; i < keys->len; i++)
    if (g_str_equal (((const IdentityKey *) keys->pdata[i])->name, name))
      return TRUE;
  return FALSE;
}

static void
hide_object (BusKeys *self, GDBusObjectSkeleton *object)
{
  g_dbus_object_manager_server_unexport (self->manager, g_dbus_object_get_object_path (G_DBUS_OBJECT (object)));
}

static void
update_objects (BusKeys *self)
{
  g_autoptr (GPtrArray) keys = identity_keys_list (self->keys);
  GHashTableIter iter;
  gpointer name, object;

  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, &name, &object))
    if (!contains_name (keys, name))
      {
        hide_object (self, object);
        g_hash_table_iter_remove (&iter);
      }
  for (guint i = 0; i < keys->len; i++)
    show_key (self, keys->pdata[i]);
}

static void
export_interface (BusKeys *self)
{
  g_autoptr (GDBusObjectSkeleton) object = g_dbus_object_skeleton_new (BUS_PATH_KEYS);
  g_autoptr (BusGenKeys) skeleton = bus_gen_keys_skeleton_new ();

  bus_calls_serve (self->calls, G_DBUS_INTERFACE_SKELETON (skeleton), methods, G_OBJECT (self->keys), NULL);
  g_dbus_object_skeleton_add_interface (object, G_DBUS_INTERFACE_SKELETON (skeleton));
  g_dbus_object_manager_server_export (self->manager, object);
}

BusKeys *
bus_keys_new (GDBusObjectManagerServer *manager, BusCalls *calls, IdentityKeys *keys)
{
  BusKeys *self = g_new0 (BusKeys, 1);

  self->manager = g_object_ref (manager);
  self->calls = bus_calls_ref (calls);
  self->keys = g_object_ref (keys);
  self->objects = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  export_interface (self);
  g_signal_connect_swapped (keys, "changed", G_CALLBACK (update_objects), self);
  update_objects (self);
  return self;
}

void
bus_keys_free (BusKeys *self)
{
  GHashTableIter iter;
  gpointer object;

  if (self == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->keys, self);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    hide_object (self, object);
  g_dbus_object_manager_server_unexport (self->manager, BUS_PATH_KEYS);
  g_hash_table_unref (self->objects);
  g_object_unref (self->keys);
  bus_calls_unref (self->calls);
  g_object_unref (self->manager);
  g_free (self);
}

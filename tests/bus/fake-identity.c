/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-identity.h"

#include "base-error.h"
#include "identity-backend.h"
#include "identity-use.h"

#include <string.h>

struct _IdentityKeys
{
  GObject parent;
  GPtrArray *keys;
  GQueue waiting; /* GTask * */
  guint cancelled;
};

struct _IdentityAdmin
{
  GObject parent;
  IdentityDevice *device; /* which owns it */
};

struct _IdentityDevice
{
  GObject parent;
  IdentityKeys *keys;
  IdentityAdmin *admin;
  char *mode;
  char *serial;
};

G_DEFINE_TYPE (IdentityKeys, identity_keys, G_TYPE_OBJECT)
G_DEFINE_TYPE (IdentityAdmin, identity_admin, G_TYPE_OBJECT)
G_DEFINE_TYPE (IdentityDevice, identity_device, G_TYPE_OBJECT)

static void
identity_keys_init (IdentityKeys *self)
{
  self->keys = g_ptr_array_new_with_free_func ((GDestroyNotify) identity_key_unref);
  g_queue_init (&self->waiting);
}

static void
identity_keys_finalize (GObject *object)
{
  IdentityKeys *self = IDENTITY_KEYS (object);

  g_assert_true (g_queue_is_empty (&self->waiting));
  g_ptr_array_unref (self->keys);
  G_OBJECT_CLASS (identity_keys_parent_class)->finalize (object);
}

static void
identity_keys_class_init (IdentityKeysClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = identity_keys_finalize;
  g_signal_new ("changed", IDENTITY_TYPE_KEYS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_admin_init (IdentityAdmin *self)
{
}

static void
identity_admin_class_init (IdentityAdminClass *klass)
{
}

static void
identity_device_init (IdentityDevice *self)
{
  self->keys = g_object_new (IDENTITY_TYPE_KEYS, NULL);
  self->admin = g_object_new (IDENTITY_TYPE_ADMIN, NULL);
  self->admin->device = self;
  self->mode = g_strdup ("tpm");
  self->serial = g_strdup ("");
}

static void
identity_device_finalize (GObject *object)
{
  IdentityDevice *self = IDENTITY_DEVICE (object);

  g_object_unref (self->keys);
  g_object_unref (self->admin);
  g_free (self->mode);
  g_free (self->serial);
  G_OBJECT_CLASS (identity_device_parent_class)->finalize (object);
}

static void
identity_device_class_init (IdentityDeviceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = identity_device_finalize;
  g_signal_new ("changed", IDENTITY_TYPE_DEVICE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static IdentityKey *
key_new (const char *name, guint owner)
{
  g_autoptr (GBytes) spki = g_bytes_new_static ("spki", 4);
  g_autoptr (IdentityBackend) nowhere = identity_backend_new_unreachable (IDENTITY_ALGORITHM_ECC_P256, spki);
  g_autoptr (IdentityKey) key = identity_key_new (name, nowhere, 0, 0, owner);

  return identity_key_with_state (key, IDENTITY_KEY_USABLE, 0, "");
}

IdentityDevice *
fake_identity_new (const char *name, guint owner)
{
  IdentityDevice *self = g_object_new (IDENTITY_TYPE_DEVICE, NULL);

  g_ptr_array_add (self->keys->keys, key_new (name, owner));
  return self;
}

void
fake_identity_set_mode (IdentityDevice *self, const char *mode)
{
  g_free (self->mode);
  self->mode = g_strdup (mode);
  g_signal_emit_by_name (self, "changed");
}

void
fake_identity_add_key (IdentityDevice *self, const char *name)
{
  g_ptr_array_add (self->keys->keys, key_new (name, 0));
  g_signal_emit_by_name (self->keys, "changed");
}

void
fake_identity_drop_keys (IdentityDevice *self)
{
  g_ptr_array_set_size (self->keys->keys, 0);
  g_signal_emit_by_name (self->keys, "changed");
}

guint
fake_identity_waiting (IdentityDevice *self)
{
  return g_queue_get_length (&self->keys->waiting);
}

guint
fake_identity_cancelled (IdentityDevice *self)
{
  return self->keys->cancelled;
}

void
fake_identity_let_go (IdentityDevice *self)
{
  g_autoptr (GTask) task = g_queue_pop_head (&self->keys->waiting);

  g_assert_nonnull (task);
  g_task_return_pointer (task, g_bytes_ref (g_task_get_task_data (task)), (GDestroyNotify) g_bytes_unref);
}

IdentityKeys *
identity_device_peek_keys (IdentityDevice *self)
{
  return self->keys;
}

void
identity_device_get_status (IdentityDevice *self, IdentityStatus *ret_status)
{
  static const char *const problems[] = { "marker: a problem", NULL };

  *ret_status = (IdentityStatus) {
    .row = 11,
    .mode = self->mode,
    .state = "ready",
    .reason = "found",
    .hint = "",
    .problems = problems,
    .serial = self->serial,
    .serial_source = self->serial[0] != '\0' ? "tpm-nv" : "none",
    .certificate = "",
    .boot_commands = 3,
  };
}

void
identity_device_get_tpm_status (IdentityDevice *self, IdentityTpmStatus *ret_status)
{
  *ret_status = (IdentityTpmStatus) { .state = "ready", .present = TRUE, .manufacturer = "TEST", .commands = 42, .running = "" };
}

const char *
identity_ownership_state_name (IdentityOwnershipState state)
{
  return "none";
}

const char *
identity_password_kind_name (IdentityPasswordKind kind)
{
  return "empty";
}

const char *
identity_platform_name (IdentityPlatform platform)
{
  return "unknown";
}

gboolean
identity_serial_check (const char *serial, gsize limit, GError **error)
{
  if (strlen (serial) >= 1 && strlen (serial) <= limit)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "not 1 to %" G_GSIZE_FORMAT " bytes", limit);
  return FALSE;
}

const BaseConfig *
identity_device_peek_config (IdentityDevice *self)
{
  static const BaseConfig config = { .marker_path = (char *) "/m", .certificate_path = (char *) "/c", .software_key_path = (char *) "/k",
                                     .state_path = (char *) "/s", .runtime_path = (char *) "/r" };

  return &config;
}

IdentityAdmin *
identity_device_peek_admin (IdentityDevice *self)
{
  return self->admin;
}

void
identity_device_get_ownership (IdentityDevice *self, IdentityOwnership *ret_ownership)
{
  *ret_ownership = (IdentityOwnership) { .state = IDENTITY_OWNERSHIP_NONE };
}

void
identity_device_get_operation (IdentityDevice *self, IdentityOperationStatus *ret_status)
{
  *ret_status = (IdentityOperationStatus) { 0 };
}

void
identity_admin_begin_async (IdentityAdmin *self, IdentityOperation operation, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

gboolean
identity_admin_begin_finish (IdentityAdmin *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

const char *
identity_operation_name (IdentityOperation operation)
{
  return "reset";
}

void
identity_admin_run_async (IdentityAdmin *self, IdentityCaller *caller, IdentityAdminJob job, const char *argument,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  if (job == IDENTITY_ADMIN_SET_SERIAL)
    {
      g_free (self->device->serial);
      self->device->serial = g_strdup (argument);
      g_signal_emit_by_name (self->device, "changed");
    }
  g_task_return_boolean (task, TRUE);
}

gboolean
identity_admin_run_finish (IdentityAdmin *self, GAsyncResult *result, GArray **ret_handles, GError **error)
{
  *ret_handles = g_array_new (FALSE, FALSE, sizeof (IdentityHandle));
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gpointer
copy_key (gconstpointer key, gpointer data)
{
  return identity_key_ref ((IdentityKey *) key);
}

GPtrArray *
identity_keys_list (IdentityKeys *self)
{
  return g_ptr_array_copy (self->keys, copy_key, NULL);
}

IdentityKey *
identity_keys_lookup (IdentityKeys *self, const char *name, GError **error)
{
  for (guint i = 0; i < self->keys->len; i++)
    {
      IdentityKey *key = self->keys->pdata[i];
      if (strcmp (key->name, name) == 0)
        return identity_key_ref (key);
    }
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "there is no key %s", name);
  return NULL;
}

IdentityKey *
identity_keys_find (IdentityKeys *self, GBytes *reference, GError **error)
{
  for (guint i = 0; i < self->keys->len; i++)
    {
      IdentityKey *key = self->keys->pdata[i];
      if (g_bytes_equal (key->reference, reference))
        return identity_key_ref (key);
    }
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "no key has this reference");
  return NULL;
}

static void
on_caller_gone (GCancellable *gone, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  IdentityKeys *self = g_task_get_source_object (task);

  if (!g_queue_remove (&self->waiting, task))
    return;
  self->cancelled++;
  g_task_return_new_error (task, TPMID_ERROR, TPMID_ERROR_CANCELLED, "the caller left");
  g_object_unref (task);
}

void
identity_use_sign_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityHash hash, GBytes *digest,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_task_data (task, g_bytes_ref (digest), (GDestroyNotify) g_bytes_unref);
  g_queue_push_tail (&self->waiting, task);
  g_signal_connect_object (caller->gone, "cancelled", G_CALLBACK (on_caller_gone), task, 0);
}

GBytes *
identity_use_sign_finish (IdentityKeys *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
identity_use_create_csr_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityCsr *csr,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  identity_csr_free (csr);
  /* An error of another domain than ours: the edge must neither pass it on nor fall over it. */
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "a foreign error");
}

GBytes *
identity_use_create_csr_finish (IdentityKeys *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

gboolean
identity_keys_create (IdentityKeys *self, const char *name, IdentityAlgorithm algorithm, IdentityUsage usage, guint uid, GError **error)
{
  g_ptr_array_add (self->keys, identity_key_new (name, NULL, algorithm, usage, uid));
  g_signal_emit_by_name (self, "changed");
  return TRUE;
}

struct IdentityCiphertext
{
  GBytes *data;
};

IdentityCiphertext *
identity_ciphertext_new (IdentityKey *key, GBytes *data, const char *scheme, const char *hash, const char *mgf1_hash, GBytes *label,
                         GError **error)
{
  IdentityCiphertext *self = g_new0 (IdentityCiphertext, 1);

  self->data = g_bytes_ref (data);
  return self;
}

void
identity_ciphertext_free (IdentityCiphertext *self)
{
  g_bytes_unref (self->data);
  g_free (self);
}

/* Gives back what it got. */
void
identity_use_decrypt_async (IdentityKeys *self, IdentityKey *key, IdentityCaller *caller, IdentityCiphertext *ciphertext,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  gsize size;
  gconstpointer data = g_bytes_get_data (ciphertext->data, &size);

  g_task_return_pointer (task, base_secret_new (data, size), (GDestroyNotify) base_secret_unref);
  identity_ciphertext_free (ciphertext);
}

BaseSecret *
identity_use_decrypt_finish (IdentityKeys *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

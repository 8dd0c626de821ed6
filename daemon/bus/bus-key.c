/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-key.h"

#include "base-error.h"
#include "bus-gen.h"
#include "bus-variant.h"
#include "identity-use.h"

#define INTERFACE "org.tpmid1.Key"

static const BusOption sign_options[] = {
  { "hash", "s" },
  { "scheme", "s" },
  { "reference", "ay" },
  { NULL, NULL },
};

static const BusOption decrypt_options[] = {
  { "scheme", "s" },
  { "hash", "s" },
  { "mgf1-hash", "s" },
  { "label", "ay" },
  { NULL, NULL },
};

static const BusOption csr_options[] = {
  { "hash", "s" }, { "dns", "as" }, { "email", "as" }, { "uri", "as" }, { "ip", "as" }, { "eku", "as" }, { NULL, NULL },
};

typedef struct
{
  IdentityKey *key;
  IdentityHash hash;
  GBytes *digest;
} SignRequest;

typedef struct
{
  IdentityKey *key;
  IdentityCsr *csr;
} CsrRequest;

typedef struct
{
  IdentityKey *key;
  IdentityCiphertext *ciphertext;
} DecryptRequest;

static void
sign_request_free (gpointer data)
{
  SignRequest *request = data;

  identity_key_unref (request->key);
  g_bytes_unref (request->digest);
  g_free (request);
}

static void
csr_request_free (gpointer data)
{
  CsrRequest *request = data;

  identity_key_unref (request->key);
  g_clear_pointer (&request->csr, identity_csr_free);
  g_free (request);
}

static void
decrypt_request_free (gpointer data)
{
  DecryptRequest *request = data;

  identity_key_unref (request->key);
  g_clear_pointer (&request->ciphertext, identity_ciphertext_free);
  g_free (request);
}

static gboolean
get_hash (GVariant *options, IdentityHash *ret_hash, GError **error)
{
  const char *name = "sha256";

  (void) g_variant_lookup (options, "hash", "&s", &name);
  return identity_hash_from_name (name, ret_hash, error);
}

/* The key that the call's object stands for, as it is now. */
static IdentityKey *
get_key (BusCall *call, GError **error)
{
  g_autoptr (IdentityKey) key = identity_keys_lookup (IDENTITY_KEYS (call->target), call->key, error);

  if (key != NULL)
    call->owner = key->owner;
  return g_steal_pointer (&key);
}

/* --- Sign --- */

/* Takes the digest over. */
static gboolean
fill_sign (BusCall *call, IdentityHash hash, GBytes *digest, GVariant *options, GError **error)
{
  g_autoptr (GBytes) owned = digest;
  g_autoptr (GBytes) reference = bus_variant_lookup_bytes (options, "reference");
  g_autoptr (IdentityKey) key = get_key (call, error);
  const char *scheme = NULL;

  (void) g_variant_lookup (options, "scheme", "&s", &scheme);
  if (key == NULL || !identity_key_check_sign (key, hash, digest, scheme, reference, error))
    return FALSE;

  SignRequest *request = g_new0 (SignRequest, 1);
  *request = (SignRequest) { g_steal_pointer (&key), hash, g_steal_pointer (&owned) };
  call->request = request;
  call->request_free = sign_request_free;
  return TRUE;
}

static gboolean
prepare_sign (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  IdentityHash hash;

  return bus_variant_check_options (options, sign_options, error) && get_hash (options, &hash, error)
         && fill_sign (call, hash, bus_variant_child_bytes (parameters, 0), options, error);
}

static void
return_bytes (BusCall *call, GBytes *bytes)
{
  bus_call_return (call, g_variant_new ("(@ay)", bus_variant_from_bytes (bytes)));
}

static void
on_signed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) signature = identity_use_sign_finish (IDENTITY_KEYS (call->target), result, &error);

  if (signature != NULL)
    return_bytes (call, signature);
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static void
act_sign (BusCall *call)
{
  SignRequest *request = call->request;

  identity_use_sign_async (IDENTITY_KEYS (call->target), request->key, call->caller, request->hash, request->digest, on_signed,
                           call);
}

/* --- SignMessage --- */

static gboolean
prepare_sign_message (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  g_autoptr (GBytes) message = bus_variant_child_bytes (parameters, 0);
  IdentityHash hash;
  gsize size;
  const guint8 *data = g_bytes_get_data (message, &size);

  if (!bus_variant_check_options (options, sign_options, error) || !get_hash (options, &hash, error))
    return FALSE;
  if (size > IDENTITY_USE_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                   "a message has at most 256 KiB; hash longer ones yourself, and give the digest to Sign");
      return FALSE;
    }
  return fill_sign (call, hash, identity_hash_digest (hash, data, size), options, error);
}

/* --- Decrypt --- */

static gboolean
prepare_decrypt (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  g_autoptr (GBytes) data = bus_variant_child_bytes (parameters, 0);
  g_autoptr (GBytes) label = NULL;
  const char *scheme = NULL, *hash = NULL, *mgf1_hash = NULL;

  if (!bus_variant_check_options (options, decrypt_options, error))
    return FALSE;
  (void) g_variant_lookup (options, "scheme", "&s", &scheme);
  (void) g_variant_lookup (options, "hash", "&s", &hash);
  (void) g_variant_lookup (options, "mgf1-hash", "&s", &mgf1_hash);
  label = bus_variant_lookup_bytes (options, "label");

  g_autoptr (IdentityKey) key = get_key (call, error);
  g_autoptr (IdentityCiphertext) ciphertext
      = key != NULL ? identity_ciphertext_new (key, data, scheme, hash, mgf1_hash, label, error) : NULL;
  if (ciphertext == NULL)
    return FALSE;
  DecryptRequest *request = g_new0 (DecryptRequest, 1);
  *request = (DecryptRequest) { g_steal_pointer (&key), g_steal_pointer (&ciphertext) };
  call->request = request;
  call->request_free = decrypt_request_free;
  return TRUE;
}

static void
on_decrypted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSecret) plaintext = identity_use_decrypt_finish (IDENTITY_KEYS (call->target), result, &error);
  gsize size;

  if (plaintext == NULL)
    {
      bus_call_fail (call, g_steal_pointer (&error));
      return;
    }
  const guint8 *data = base_secret_peek (plaintext, &size);
  g_autoptr (GBytes) bytes
      = g_bytes_new_with_free_func (data, size, (GDestroyNotify) base_secret_unref, base_secret_ref (plaintext));
  return_bytes (call, bytes);
}

static void
act_decrypt (BusCall *call)
{
  DecryptRequest *request = call->request;

  identity_use_decrypt_async (IDENTITY_KEYS (call->target), request->key, call->caller, g_steal_pointer (&request->ciphertext),
                              on_decrypted, call);
}

/* --- CreateCsr --- */

static gboolean
add_sans (IdentityCsr *csr, GVariant *options, GError **error)
{
  static const char *const names[] = {
    [IDENTITY_SAN_DNS] = "dns",
    [IDENTITY_SAN_EMAIL] = "email",
    [IDENTITY_SAN_URI] = "uri",
    [IDENTITY_SAN_IP] = "ip",
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (names) == IDENTITY_N_SANS);

  for (guint kind = 0; kind < IDENTITY_N_SANS; kind++)
    {
      g_autofree const char **values = NULL;
      if (!g_variant_lookup (options, names[kind], "^a&s", &values))
        continue;
      for (gsize i = 0; values[i] != NULL; i++)
        if (!identity_csr_add_san (csr, kind, values[i], error))
          return FALSE;
    }
  return TRUE;
}

static gboolean
add_ekus (IdentityCsr *csr, GVariant *options, GError **error)
{
  g_autofree const char **values = NULL;

  if (!g_variant_lookup (options, "eku", "^a&s", &values))
    return TRUE;
  for (gsize i = 0; values[i] != NULL; i++)
    if (!identity_csr_add_eku (csr, values[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
prepare_create_csr (BusCall *call, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (parameters, 1);
  const char *subject;
  IdentityHash hash;

  g_variant_get_child (parameters, 0, "&s", &subject);
  if (!bus_variant_check_options (options, csr_options, error) || !get_hash (options, &hash, error))
    return FALSE;

  g_autoptr (IdentityCsr) csr = identity_csr_new (subject, hash, error);
  if (csr == NULL || !add_sans (csr, options, error) || !add_ekus (csr, options, error) || !identity_csr_check (csr, error))
    return FALSE;

  g_autoptr (IdentityKey) key = get_key (call, error);
  if (key == NULL)
    return FALSE;
  CsrRequest *request = g_new0 (CsrRequest, 1);
  *request = (CsrRequest) { g_steal_pointer (&key), g_steal_pointer (&csr) };
  call->request = request;
  call->request_free = csr_request_free;
  return TRUE;
}

static void
on_csr_created (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) csr = identity_use_create_csr_finish (IDENTITY_KEYS (call->target), result, &error);

  if (csr != NULL)
    return_bytes (call, csr);
  else
    bus_call_fail (call, g_steal_pointer (&error));
}

static void
act_create_csr (BusCall *call)
{
  CsrRequest *request = call->request;

  identity_use_create_csr_async (IDENTITY_KEYS (call->target), request->key, call->caller, g_steal_pointer (&request->csr),
                                 on_csr_created, call);
}

static const BusMethod methods[] = {
  { "Sign", prepare_sign, act_sign },
  { "SignMessage", prepare_sign_message, act_sign },
  { "Decrypt", prepare_decrypt, act_decrypt },
  { "CreateCsr", prepare_create_csr, act_create_csr },
  { NULL, NULL, NULL },
};

/* --- the object --- */

static void
set_properties (BusGenKey *skeleton, const IdentityKey *key)
{
  bus_gen_key_set_name (skeleton, key->name);
  bus_gen_key_set_algorithm (skeleton, identity_algorithm_name (key->algorithm));
  bus_gen_key_set_usage (skeleton, identity_usage_name (key->usage));
  bus_gen_key_set_state (skeleton, identity_key_state_name (key->state));
  bus_gen_key_set_problem (skeleton, key->problem);
  bus_gen_key_set_problem_error (skeleton, key->problem[0] != '\0' ? base_error_dbus_name ((TpmidError) key->problem_code) : "");
  bus_gen_key_set_reference (skeleton, bus_variant_from_bytes (key->reference));
  bus_gen_key_set_public_key (skeleton, bus_variant_from_bytes (key->spki));
  bus_gen_key_set_certificate (skeleton, key->certificate);
  bus_gen_key_set_owner (skeleton, key->owner);
}

GDBusObjectSkeleton *
bus_key_new (BusCalls *calls, IdentityKeys *keys, IdentityKey *key)
{
  g_autofree char *path = bus_variant_key_path (key->name);
  g_autoptr (GDBusObjectSkeleton) object = g_dbus_object_skeleton_new (path);
  g_autoptr (BusGenKey) skeleton = bus_gen_key_skeleton_new ();

  set_properties (skeleton, key);
  bus_calls_serve (calls, G_DBUS_INTERFACE_SKELETON (skeleton), methods, G_OBJECT (keys), key->name);
  g_dbus_object_skeleton_add_interface (object, G_DBUS_INTERFACE_SKELETON (skeleton));
  return g_steal_pointer (&object);
}

void
bus_key_update (GDBusObjectSkeleton *object, IdentityKey *key)
{
  g_autoptr (GDBusInterface) skeleton = g_dbus_object_get_interface (G_DBUS_OBJECT (object), INTERFACE);

  set_properties (BUS_GEN_KEY (skeleton), key);
}

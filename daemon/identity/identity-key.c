/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-key.h"

#include "base-error.h"
#include "identity-backend.h"

#include <string.h>

#define NAME_MAX_SIZE 64

static const char *const state_names[] = {
  [IDENTITY_KEY_CREATING] = "creating",
  [IDENTITY_KEY_USABLE] = "usable",
  [IDENTITY_KEY_FAILED] = "failed",
  [IDENTITY_KEY_MISSING] = "missing",
  [IDENTITY_KEY_ORPHANED] = "orphaned",
};

const char *
identity_key_state_name (IdentityKeyState state)
{
  g_assert ((guint) state < G_N_ELEMENTS (state_names));
  return state_names[state];
}

static void
replace_text (char **text, const char *with)
{
  g_free (*text);
  *text = g_strdup (with);
}

IdentityKey *
identity_key_new (const char *name, IdentityBackend *backend, IdentityAlgorithm algorithm, IdentityUsage usage, guint owner)
{
  IdentityKey *key = g_new0 (IdentityKey, 1);

  g_atomic_ref_count_init (&key->refs);
  key->name = g_strdup (name);
  key->owner = owner;
  key->certificate = g_strdup ("");
  key->problem = g_strdup ("");
  if (backend == NULL)
    {
      key->algorithm = algorithm;
      key->usage = usage;
      key->state = IDENTITY_KEY_CREATING;
      key->spki = g_bytes_new_static ("", 0);
      key->reference = g_bytes_new_static ("", 0);
      return key;
    }
  key->algorithm = identity_backend_get_algorithm (backend);
  key->usage = identity_backend_get_usage (backend);
  key->state = identity_backend_is_reachable (backend) ? IDENTITY_KEY_USABLE : IDENTITY_KEY_MISSING;
  if (key->state == IDENTITY_KEY_MISSING)
    {
      key->problem_code = TPMID_ERROR_IDENTITY_FAULT;
      replace_text (&key->problem, "it cannot be reached; tpmidctl status says why and what to do");
    }
  key->spki = g_bytes_ref (identity_backend_peek_spki (backend));
  key->reference = identity_public_reference (key->spki);
  key->backend = identity_backend_ref (backend);
  return key;
}

static IdentityKey *
copy (const IdentityKey *key)
{
  IdentityKey *twin = g_new0 (IdentityKey, 1);

  *twin = *key;
  g_atomic_ref_count_init (&twin->refs);
  twin->name = g_strdup (key->name);
  twin->spki = g_bytes_ref (key->spki);
  twin->reference = g_bytes_ref (key->reference);
  twin->certificate = g_strdup (key->certificate);
  twin->problem = g_strdup (key->problem);
  twin->backend = key->backend != NULL ? identity_backend_ref (key->backend) : NULL;
  return twin;
}

IdentityKey *
identity_key_with_certificate (const IdentityKey *key, const char *certificate)
{
  IdentityKey *twin = copy (key);

  replace_text (&twin->certificate, certificate);
  return twin;
}

IdentityKey *
identity_key_with_state (const IdentityKey *key, IdentityKeyState state, int code, const char *problem)
{
  IdentityKey *twin = copy (key);

  twin->state = state;
  twin->problem_code = code;
  replace_text (&twin->problem, problem);
  return twin;
}

IdentityKey *
identity_key_fit (IdentityKey *key, gboolean in_tpm, gboolean in_software)
{
  gboolean is_shown_by_mode = key->state == IDENTITY_KEY_USABLE || key->state == IDENTITY_KEY_MISSING;

  if (!is_shown_by_mode || key->backend == NULL || !identity_backend_is_reachable (key->backend))
    return identity_key_ref (key);
  gboolean is_tpm = identity_backend_needs_tpm (key->backend);
  if (is_tpm ? in_tpm : in_software)
    return identity_key_with_state (key, IDENTITY_KEY_USABLE, 0, "");
  return identity_key_with_state (key, IDENTITY_KEY_MISSING, TPMID_ERROR_IDENTITY_FAULT,
                                  is_tpm ? "it is a key of the TPM, and the device's mode is not tpm"
                                         : "it is a key in software, and the device's mode is not software");
}

IdentityKey *
identity_key_ref (IdentityKey *key)
{
  g_atomic_ref_count_inc (&key->refs);
  return key;
}

void
identity_key_unref (IdentityKey *key)
{
  if (key == NULL || !g_atomic_ref_count_dec (&key->refs))
    return;
  g_free (key->name);
  g_bytes_unref (key->spki);
  g_bytes_unref (key->reference);
  g_free (key->certificate);
  g_free (key->problem);
  identity_backend_unref (key->backend);
  g_free (key);
}

gboolean
identity_key_equal (const IdentityKey *a, const IdentityKey *b)
{
  if (strcmp (a->name, b->name) != 0 || a->algorithm != b->algorithm || a->usage != b->usage || a->state != b->state
      || a->owner != b->owner || strcmp (a->certificate, b->certificate) != 0 || strcmp (a->problem, b->problem) != 0
      || a->problem_code != b->problem_code)
    return FALSE;
  if (a->backend == NULL || b->backend == NULL)
    return a->backend == b->backend;
  return identity_backend_equal (a->backend, b->backend);
}

static gboolean
is_name_start (char c)
{
  return g_ascii_islower (c) || g_ascii_isdigit (c);
}

gboolean
identity_key_check_name (const char *name, GError **error)
{
  gsize size = strnlen (name, NAME_MAX_SIZE + 1);
  gboolean ok = size >= 1 && size <= NAME_MAX_SIZE && is_name_start (name[0]);

  for (gsize i = 1; ok && i < size; i++)
    ok = is_name_start (name[i]) || strchr ("._-", name[i]) != NULL;
  if (!ok)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
                 "a key's name has 1 to %d characters, lower-case letters, digits, dot, underscore and hyphen, and begins with a letter "
                 "or digit",
                 NAME_MAX_SIZE);
  return ok;
}

static gboolean G_GNUC_PRINTF (3, 4)
refuse (GError **error, TpmidError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, TPMID_ERROR, (gint) code, message);
  return FALSE;
}

gboolean
identity_key_check_usable (const IdentityKey *key, IdentityUsage usage, GError **error)
{
  if (key->usage != usage)
    return refuse (error, TPMID_ERROR_NOT_SUPPORTED, "key %s can only %s", key->name, identity_usage_name (key->usage));
  switch (key->state)
    {
    case IDENTITY_KEY_USABLE:
      return TRUE;
    case IDENTITY_KEY_CREATING:
      return refuse (error, TPMID_ERROR_NOT_READY, "key %s is being made; wait until its State is usable", key->name);
    case IDENTITY_KEY_FAILED:
    case IDENTITY_KEY_MISSING:
    case IDENTITY_KEY_ORPHANED:
      return refuse (error, (TpmidError) key->problem_code, "key %s cannot be used: %s", key->name, key->problem);
    }
  g_return_val_if_reached (FALSE);
}

gboolean
identity_key_check_sign (const IdentityKey *key, IdentityHash hash, GBytes *digest, const char *scheme, GBytes *reference,
                         GError **error)
{
  gsize size = g_bytes_get_size (digest);

  if (key->usage != IDENTITY_USAGE_SIGN)
    return refuse (error, TPMID_ERROR_NOT_SUPPORTED, "key %s can only %s", key->name, identity_usage_name (key->usage));
  if (size != identity_hash_size (hash))
    return refuse (error, TPMID_ERROR_INVALID_ARGUMENT, "a %s digest has %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT,
                   identity_hash_name (hash), identity_hash_size (hash), size);
  if (scheme != NULL && strcmp (scheme, "ecdsa") != 0)
    return refuse (error, TPMID_ERROR_INVALID_ARGUMENT, "scheme %.32s is not one of key %s; it has ecdsa", scheme, key->name);
  if (reference != NULL && g_bytes_get_size (reference) != IDENTITY_REFERENCE_SIZE)
    return refuse (error, TPMID_ERROR_INVALID_ARGUMENT, "a reference has %d bytes", IDENTITY_REFERENCE_SIZE);
  if (reference != NULL && !g_bytes_equal (reference, key->reference))
    return refuse (error, TPMID_ERROR_NOT_FOUND, "key %s has another reference now; the device has a new key", key->name);
  return TRUE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-passwords.h"

#include "base-error.h"
#include "base-file.h"
#include "base-log.h"
#include "tpm-hierarchy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PASSWORD_SIZE 32
#define RANDOM_SIZE 24
#define FILE_LIMIT 4096
#define FILE_NAME "ownership"
/* What a TPM takes at most, and a newline or two. */
#define SUPPLIED_LIMIT 66

/* None that a shell or tpm2-tools would take for something else. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

static const char *const state_names[] = {
  [IDENTITY_PASSWORDS_NONE] = "none",
  [IDENTITY_PASSWORDS_TAKING] = "taking",
  [IDENTITY_PASSWORDS_OWNED] = "owned",
  [IDENTITY_PASSWORDS_RELEASING] = "releasing",
};

#define NV_START "tpmidd 1 "
#define NV_START_SIZE (sizeof NV_START - 1)
#define CHECKSUM_SIZE 64
/* Start, password, blank, password, blank: what the checksum is of. */
#define NV_BODY_SIZE (NV_START_SIZE + 2 * (PASSWORD_SIZE + 1))
#define NV_SIZE (NV_BODY_SIZE + CHECKSUM_SIZE)

void
identity_passwords_clear (IdentityPasswords *self)
{
  g_clear_pointer (&self->owner, base_secret_unref);
  g_clear_pointer (&self->lockout, base_secret_unref);
  self->state = IDENTITY_PASSWORDS_NONE;
}

static gboolean
fill_random (guint8 *bytes, gsize size, GError **error)
{
  gsize filled = 0;

  while (filled < size)
    {
      ssize_t got = getrandom (bytes + filled, size - filled, 0);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          g_set_error (error, TPMID_ERROR, TPMID_ERROR_FAILED, "the system has no random numbers: %s", g_strerror (errno));
          return FALSE;
        }
      filled += (gsize) got;
    }
  return TRUE;
}

BaseSecret *
identity_passwords_generate_one (GError **error)
{
  guint8 random[RANDOM_SIZE];
  char text[PASSWORD_SIZE];
  BaseSecret *result;

  if (!fill_random (random, sizeof random, error))
    return NULL;
  for (gsize i = 0; i < RANDOM_SIZE / 3; i++)
    {
      guint bits = (guint) random[3 * i] << 16 | (guint) random[3 * i + 1] << 8 | random[3 * i + 2];
      for (gsize j = 0; j < 4; j++)
        text[4 * i + j] = alphabet[bits >> (18 - 6 * j) & 63];
    }
  result = base_secret_new (text, sizeof text);
  explicit_bzero (random, sizeof random);
  explicit_bzero (text, sizeof text);
  return result;
}

gboolean
identity_passwords_generate (IdentityPasswords *ret_passwords, GError **error)
{
  g_autoptr (BaseSecret) owner = identity_passwords_generate_one (error);
  g_autoptr (BaseSecret) lockout = owner != NULL ? identity_passwords_generate_one (error) : NULL;

  if (lockout == NULL)
    return FALSE;
  *ret_passwords = (IdentityPasswords){ IDENTITY_PASSWORDS_TAKING, g_steal_pointer (&owner), g_steal_pointer (&lockout) };
  return TRUE;
}

static char *
file_path (const char *state_path)
{
  return g_build_filename (state_path, FILE_NAME, NULL);
}

static gboolean
is_password (const char *text, gsize size)
{
  if (size != PASSWORD_SIZE)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    if (text[i] == '\0' || strchr (alphabet, text[i]) == NULL)
      return FALSE;
  return TRUE;
}

/* Value of the line KEY=; not copied. */
static const char *
find_value (const char *text, const char *key, gsize *ret_size)
{
  gsize key_size = strlen (key);

  for (const char *line = text; line != NULL && *line != '\0'; line = strchr (line, '\n'))
    {
      if (*line == '\n' && *++line == '\0')
        break;
      if (strncmp (line, key, key_size) != 0 || line[key_size] != '=')
        continue;
      *ret_size = strcspn (line + key_size + 1, "\n");
      return line + key_size + 1;
    }
  return NULL;
}

static BaseSecret *
parse_password (const char *text, const char *key)
{
  gsize size;
  const char *value = find_value (text, key, &size);

  return value != NULL && is_password (value, size) ? base_secret_new (value, size) : NULL;
}

static IdentityPasswordsState
parse_state (const char *text)
{
  gsize size;
  const char *value = find_value (text, "state", &size);

  for (guint i = IDENTITY_PASSWORDS_TAKING; value != NULL && i < G_N_ELEMENTS (state_names); i++)
    if (strlen (state_names[i]) == size && strncmp (value, state_names[i], size) == 0)
      return (IdentityPasswordsState) i;
  return IDENTITY_PASSWORDS_NONE;
}

gboolean
identity_passwords_load (const char *state_path, IdentityPasswords *ret_passwords, GError **error)
{
  g_autofree char *path = file_path (state_path);
  g_auto (IdentityPasswords) found = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (BaseSecret) content = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size;

  if (!base_file_read_secret (path, FILE_LIMIT, &content, &cause))
    {
      if (!g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return FALSE;
        }
      *ret_passwords = found;
      return TRUE;
    }
  const char *text = (const char *) base_secret_peek (content, &size);
  found = (IdentityPasswords){ parse_state (text), parse_password (text, "owner"), parse_password (text, "lockout") };
  if (found.state == IDENTITY_PASSWORDS_NONE || found.owner == NULL || found.lockout == NULL)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s does not hold the passwords of the TPM; it is not used", path);
      return FALSE;
    }
  *ret_passwords = found;
  found = (IdentityPasswords){ IDENTITY_PASSWORDS_NONE, NULL, NULL };
  return TRUE;
}

static const char *
peek_text (const BaseSecret *password)
{
  gsize size;

  return (const char *) base_secret_peek (password, &size);
}

static gboolean
set_corrupt_aside (const char *state_path, const char *path, GError **error)
{
  g_auto (IdentityPasswords) there = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) cause = NULL;

  return identity_passwords_load (state_path, &there, &cause) || !g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_CORRUPT)
         || base_file_set_aside (path, "corrupt", error);
}

gboolean
identity_passwords_save (const char *state_path, const IdentityPasswords *passwords, GError **error)
{
  g_autofree char *path = file_path (state_path);
  char text[512];

  g_assert (passwords->state != IDENTITY_PASSWORDS_NONE);
  if (!base_file_ensure_private_folder (state_path, error) || !set_corrupt_aside (state_path, path, error))
    return FALSE;
  int size = snprintf (text, sizeof text,
                       "# Passwords of this device's TPM, made by tpmidd. Without them, and NV index PasswordIndex=, only firmware can clear it.\n"
                       "version=1\nstate=%s\nowner=%s\nlockout=%s\n",
                       state_names[passwords->state], peek_text (passwords->owner), peek_text (passwords->lockout));
  g_assert (size > 0 && (gsize) size < sizeof text);
  gboolean saved = base_file_replace (path, text, (gsize) size, 0600, error);
  explicit_bzero (text, sizeof text);
  return saved;
}

gboolean
identity_passwords_remove (const char *state_path, GError **error)
{
  g_autofree char *path = file_path (state_path);

  return base_file_remove (path, error);
}

static gboolean
is_one_of_ours (const BaseSecret *password)
{
  gsize size;
  const char *text = password != NULL ? (const char *) base_secret_peek (password, &size) : NULL;

  return text != NULL && is_password (text, size);
}

gboolean
identity_passwords_join (BaseSecret *owner, BaseSecret *lockout, IdentityPasswords *ret_passwords)
{
  if (!is_one_of_ours (owner) || !is_one_of_ours (lockout))
    return FALSE;
  *ret_passwords = (IdentityPasswords){ IDENTITY_PASSWORDS_TAKING, base_secret_ref (owner), base_secret_ref (lockout) };
  return TRUE;
}

static char *
checksum (const char *body)
{
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) body, NV_BODY_SIZE);
}

BaseSecret *
identity_passwords_to_nv (const IdentityPasswords *passwords)
{
  char text[NV_SIZE + 1];
  BaseSecret *result;

  (void) snprintf (text, sizeof text, NV_START "%s %s ", peek_text (passwords->owner), peek_text (passwords->lockout));
  g_autofree char *sum = checksum (text);
  memcpy (text + NV_BODY_SIZE, sum, CHECKSUM_SIZE);
  result = base_secret_new (text, NV_SIZE);
  explicit_bzero (text, sizeof text);
  return result;
}

gboolean
identity_passwords_from_nv (const BaseSecret *content, IdentityPasswords *ret_passwords)
{
  gsize size;
  const char *text = (const char *) base_secret_peek (content, &size);
  const char *owner = text + NV_START_SIZE;
  const char *lockout = owner + PASSWORD_SIZE + 1;

  if (size != NV_SIZE)
    return FALSE;
  g_autofree char *sum = checksum (text);
  if (strncmp (text, NV_START, NV_START_SIZE) != 0 || memcmp (text + NV_BODY_SIZE, sum, CHECKSUM_SIZE) != 0
      || !is_password (owner, PASSWORD_SIZE) || !is_password (lockout, PASSWORD_SIZE))
    return FALSE;
  *ret_passwords = (IdentityPasswords){ IDENTITY_PASSWORDS_TAKING, base_secret_new (owner, PASSWORD_SIZE),
                                        base_secret_new (lockout, PASSWORD_SIZE) };
  return TRUE;
}

gboolean
identity_passwords_equal (const IdentityPasswords *a, const IdentityPasswords *b)
{
  if (a->state == IDENTITY_PASSWORDS_NONE || b->state == IDENTITY_PASSWORDS_NONE)
    return a->state == b->state;
  return strcmp (peek_text (a->owner), peek_text (b->owner)) == 0 && strcmp (peek_text (a->lockout), peek_text (b->lockout)) == 0;
}

BaseSecret *
identity_passwords_read_supplied (const BaseConfig *config, TpmHierarchy hierarchy)
{
  const char *folder = config->passwords_path[0] != '\0' ? config->passwords_path : g_getenv ("CREDENTIALS_DIRECTORY");
  g_autofree char *name = g_strdup_printf ("tpmidd.%s-auth", tpm_hierarchy_name (hierarchy));
  g_autoptr (BaseSecret) content = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  if (folder == NULL || folder[0] == '\0')
    return NULL;
  g_autofree char *path = g_build_filename (folder, name, NULL);
  if (!base_file_read_secret (path, SUPPLIED_LIMIT, &content, &error))
    {
      if (!g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
        base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "a password of the TPM: %s", error->message);
      return NULL;
    }
  const guint8 *data = base_secret_peek (content, &size);
  while (size > 0 && (data[size - 1] == '\n' || data[size - 1] == '\r'))
    size--;
  return size > 0 ? base_secret_new (data, size) : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpmid-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERENCE_SIZE 32
#define REFERENCE_HEX_SIZE (2 * REFERENCE_SIZE + 1)

struct tpmid_identity
{
  tpmid_client *client;
  tpmid_value *status; /* what GetStatus said before the key was read, and again after it */
  tpmid_value *key;    /* all properties of the key, from one message */
};

/* Finding: what one look at the daemon came to */
typedef enum Finding
{
  FINDING_FAILED = -1,
  FINDING_PASSING, /* still being decided, or exchanged under our eyes */
  FINDING_WHOLE
} Finding;

static const char *
text (const tpmid_value *dict, const char *name)
{
  return tpmid_value_string (tpmid_value_find (dict, name));
}

static const tpmid_value *
key_of (const tpmid_value *status)
{
  return tpmid_value_find (status, "key");
}

static int
left_ms (uint64_t deadline)
{
  return (int) ((lib_deadline_left (deadline) + 999) / 1000);
}

static bool
is_deciding (const tpmid_value *status)
{
  const char *state = text (status, "state");

  return tpmid_value_unsigned (tpmid_value_find (status, "row")) == 0 || strcmp (state, "starting") == 0
         || strcmp (state, "provisioning") == 0;
}

static void
set_not_ready (const tpmid_value *status, tpmid_error *error)
{
  const char *hint = text (status, "hint");

  (void) lib_error_set (error, EAGAIN, LIB_ERROR ("NotReady"), "the device has no identity (%s): %s", text (status, "reason"),
                        hint[0] != '\0' ? hint : "wait until Mode leaves unprovisioned");
}

static Finding
judge_mode (const tpmid_value *status, tpmid_error *error)
{
  const char *mode = text (status, "mode");
  const char *hint = text (status, "hint");

  if (strcmp (mode, "fault") == 0)
    {
      (void) lib_error_set (error, EIO, LIB_ERROR ("IdentityFault"), "the identity cannot be used (%s): %s",
                            text (status, "reason"), hint[0] != '\0' ? hint : "see tpmidctl status");
      return FINDING_FAILED;
    }
  if (strcmp (mode, "unprovisioned") != 0 && text (key_of (status), "name")[0] != '\0')
    return FINDING_WHOLE;
  set_not_ready (status, error);
  return is_deciding (status) || strcmp (mode, "unprovisioned") != 0 ? FINDING_PASSING : FINDING_FAILED;
}

/* The key as org.tpmid1.Key has it is the one that GetStatus named, and complete. */
static bool
is_key_of (const tpmid_value *key, const tpmid_value *status)
{
  size_t size = 0, public_size = 0;
  const uint8_t *reference = tpmid_value_bytes (tpmid_value_find (key, "Reference"), &size);
  char hex[REFERENCE_HEX_SIZE] = "";

  for (size_t i = 0; size == REFERENCE_SIZE && i < size; i++)
    (void) sprintf (hex + 2 * i, "%02x", reference[i]);
  (void) tpmid_value_bytes (tpmid_value_find (key, "PublicKey"), &public_size);
  return strcmp (hex, text (key_of (status), "reference")) == 0
         && strcmp (text (key, "Name"), text (key_of (status), "name")) == 0 && public_size > 0
         && text (key, "Certificate")[0] != '\0';
}

static bool
is_same_identity (const tpmid_value *a, const tpmid_value *b)
{
  return strcmp (text (a, "mode"), text (b, "mode")) == 0
         && strcmp (text (key_of (a), "reference"), text (key_of (b), "reference")) == 0;
}

/* Reads the key between two looks at the status: what was the same before and after it was so in between. */
static Finding
look (tpmid_identity *identity, uint64_t deadline, tpmid_error *error)
{
  lib_auto_value after = NULL;

  if (tpmid_get_status (identity->client, left_ms (deadline), &identity->status, error) < 0)
    return FINDING_FAILED;

  Finding finding = judge_mode (identity->status, error);
  if (finding != FINDING_WHOLE)
    return finding;

  const char *name = text (key_of (identity->status), "name");
  if (tpmid_get_key (identity->client, name, left_ms (deadline), &identity->key, error) < 0)
    return tpmid_error_is (error, "NotFound") ? FINDING_PASSING : FINDING_FAILED;
  if (tpmid_get_status (identity->client, left_ms (deadline), &after, error) < 0)
    return FINDING_FAILED;
  if (is_key_of (identity->key, identity->status) && is_same_identity (identity->status, after))
    return FINDING_WHOLE;
  set_not_ready (after, error);
  return FINDING_PASSING;
}

static void
forget (tpmid_identity *identity)
{
  tpmid_value_free (identity->status);
  tpmid_value_free (identity->key);
  identity->status = identity->key = NULL;
}

static Finding
look_until_whole (tpmid_identity *identity, uint64_t deadline, tpmid_error *error)
{
  static const tpmid_error passing = { .name = LIB_ERROR ("NotReady"), .number = EAGAIN };
  LibRetry retry = { 0 };
  Finding finding;

  while ((finding = look (identity, deadline, error)) == FINDING_PASSING && lib_retry_pause (&retry, &passing, true, deadline))
    forget (identity);
  return finding;
}

int
tpmid_get_identity (tpmid_client *client, int timeout_ms, tpmid_identity **ret_identity, tpmid_error *error)
{
  tpmid_identity *identity = calloc (1, sizeof *identity);
  tpmid_error failure;

  if (identity == NULL)
    return lib_error_set_errno (error, -ENOMEM, "cannot read the identity");
  identity->client = client;
  if (look_until_whole (identity, lib_deadline (timeout_ms), &failure) != FINDING_WHOLE)
    {
      tpmid_identity_free (identity);
      if (error != NULL)
        *error = failure;
      return -failure.number;
    }
  *ret_identity = identity;
  return 0;
}

void
tpmid_identity_free (tpmid_identity *identity)
{
  if (identity == NULL)
    return;
  forget (identity);
  free (identity);
}

const char *
tpmid_identity_mode (const tpmid_identity *identity)
{
  return text (identity->status, "mode");
}

const char *
tpmid_identity_key (const tpmid_identity *identity)
{
  return text (identity->key, "Name");
}

const char *
tpmid_identity_algorithm (const tpmid_identity *identity)
{
  return text (identity->key, "Algorithm");
}

const char *
tpmid_identity_certificate (const tpmid_identity *identity)
{
  return text (identity->key, "Certificate");
}

const uint8_t *
tpmid_identity_reference (const tpmid_identity *identity)
{
  size_t size;

  return tpmid_value_bytes (tpmid_value_find (identity->key, "Reference"), &size);
}

const uint8_t *
tpmid_identity_public_key (const tpmid_identity *identity, size_t *ret_size)
{
  return tpmid_value_bytes (tpmid_value_find (identity->key, "PublicKey"), ret_size);
}

int
tpmid_identity_sign (const tpmid_identity *identity, const char *hash, const uint8_t *digest, size_t digest_size, int timeout_ms,
                     uint8_t **ret_signature, size_t *ret_size, tpmid_error *error)
{
  lib_auto_value options = tpmid_value_new_dict ();
  int r = -ENOMEM;

  if (options != NULL)
    r = tpmid_value_set_bytes (options, "reference", tpmid_identity_reference (identity), REFERENCE_SIZE);
  if (r >= 0 && hash != NULL)
    r = tpmid_value_set_string (options, "hash", hash);
  if (r < 0)
    return lib_error_set_errno (error, r, "cannot sign");
  return tpmid_sign (identity->client, tpmid_identity_key (identity), digest, digest_size, options, timeout_ms, ret_signature,
                     ret_size, error);
}

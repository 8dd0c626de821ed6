/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-error.h"
#include "test-swtpm.h"
#include "tpm-link-private.h"
#include "tpm-make.h"

#include <string.h>

G_BEGIN_DECLS

#define TEST_HANDLE 0x81005401u
#define TEST_INDEX 0x01805401u

#define assert_tpmid_error(error, error_code) g_assert_error (error, TPMID_ERROR, error_code)

/**
 * test_tpm_link:
 *
 * Returns: (transfer full): a link to @swtpm that is alone on it, not opened yet
 */
static inline TpmLink *
test_tpm_link (TestSwtpm *swtpm)
{
  return tpm_link_new (&(TpmLinkOptions){ .tcti = test_swtpm_tcti (swtpm), .sysfs_root = "/nonexistent", .exclusive = TRUE });
}

static inline void
test_tpm_ensure (TpmLink *link)
{
  g_autoptr (GError) error = NULL;

  (void) tpm_link_ensure (link, &error);
  g_assert_no_error (error);
}

static inline TpmLinkStatus
test_tpm_status (TpmLink *link)
{
  TpmLinkStatus status;

  tpm_link_get_status (link, &status);
  return status;
}

/**
 * test_tpm_ref:
 *
 * Returns: the key at TEST_HANDLE, that must be @public
 */
static inline TpmKeyRef
test_tpm_ref (const TpmPublic *public)
{
  TpmKeyRef ref = { .handle = TEST_HANDLE };

  memcpy (ref.name, public->name, TPM_NAME_SIZE);
  return ref;
}

/**
 * test_tpm_make:
 *
 * Makes an identity key at TEST_HANDLE.
 */
static inline gboolean
test_tpm_make (TpmLink *link, TpmKeyAlgorithm algorithm, TpmPublic *ret_public, GError **error)
{
  g_auto (TpmNewKey) made = { 0 };

  if (!tpm_make_key (link, NULL, TEST_HANDLE, algorithm, TPM_PURPOSE_DEVICE, &made, error))
    return FALSE;
  *ret_public = made.public;
  return TRUE;
}

static inline void
test_tpm_assert_state (TpmLink *link, TpmState state)
{
  g_assert_cmpstr (tpm_state_name (test_tpm_status (link).state), ==, tpm_state_name (state));
}

G_END_DECLS

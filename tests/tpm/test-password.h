/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-tpm.h"
#include "tpm-hierarchy.h"
#include "tpm-parent.h"

G_BEGIN_DECLS

/* For tests of hierarchies that have passwords. */

#define TEST_PARENT_HANDLE 0x81005400u
#define TEST_PASSWORD "first-password-of-32-characters-"
#define TEST_OTHER_PASSWORD "second-password-of-32-characters"

static const TpmParent test_parent = { .handle = TEST_PARENT_HANDLE };

static inline BaseSecret *
test_secret (const char *text)
{
  return base_secret_new (text, strlen (text));
}

static inline TpmLink *
test_password_link (const char *tcti, gboolean exclusive)
{
  return tpm_link_new (&(TpmLinkOptions){ .tcti = tcti, .sysfs_root = "/nonexistent", .exclusive = exclusive });
}

/* @text: (nullable): %NULL = empty */
static inline void
test_change (TpmLink *link, TpmHierarchy hierarchy, const char *text)
{
  g_autoptr (BaseSecret) password = text != NULL ? test_secret (text) : NULL;
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  (void) tpm_hierarchy_change_password (link, hierarchy, &test_parent, password, &error);
  g_assert_no_error (error);
}

static inline void
test_know (TpmLink *link, TpmHierarchy hierarchy, const char *text)
{
  g_autoptr (BaseSecret) password = test_secret (text);

  tpm_link_set_password (link, hierarchy, password);
}

/**
 * test_commands:
 *
 * Returns: how many commands the link sent since the last call with the same @before
 */
static inline guint64
test_commands (TpmLink *link, guint64 *before)
{
  guint64 now = test_tpm_status (link).commands;
  guint64 sent = now - *before;

  *before = now;
  return sent;
}

G_END_DECLS

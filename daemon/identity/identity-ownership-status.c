/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-ownership-status.h"

const char *
identity_ownership_state_name (IdentityOwnershipState state)
{
  static const char *const names[] = {
    [IDENTITY_OWNERSHIP_UNKNOWN] = "unknown", [IDENTITY_OWNERSHIP_NONE] = "none",       [IDENTITY_OWNERSHIP_PARTIAL] = "partial",
    [IDENTITY_OWNERSHIP_OWNED] = "owned",     [IDENTITY_OWNERSHIP_FOREIGN] = "foreign",
  };

  g_assert ((guint) state < G_N_ELEMENTS (names));
  return names[state];
}

const char *
identity_password_kind_name (IdentityPasswordKind kind)
{
  static const char *const names[] = {
    [IDENTITY_PASSWORD_UNKNOWN] = "unknown",   [IDENTITY_PASSWORD_EMPTY] = "empty",     [IDENTITY_PASSWORD_OWN] = "own",
    [IDENTITY_PASSWORD_SUPPLIED] = "supplied", [IDENTITY_PASSWORD_FOREIGN] = "foreign",
  };

  g_assert ((guint) kind < G_N_ELEMENTS (names));
  return names[kind];
}

const char *
identity_platform_name (IdentityPlatform platform)
{
  static const char *const names[] = {
    [IDENTITY_PLATFORM_UNKNOWN] = "unknown",
    [IDENTITY_PLATFORM_OPEN] = "open",
    [IDENTITY_PLATFORM_CLOSED] = "closed",
  };

  g_assert ((guint) platform < G_N_ELEMENTS (names));
  return names[platform];
}

void
identity_ownership_set_detail (IdentityOwnership *status, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  (void) g_vsnprintf (status->detail, sizeof status->detail, format, args);
  va_end (args);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The kinds of subject alternative names; see identity_csr_add_san(). */

#define IDENTITY_SAN_MAX 255 /* bytes in one name */

typedef enum
{
  IDENTITY_SAN_DNS,
  IDENTITY_SAN_EMAIL,
  IDENTITY_SAN_URI,
  IDENTITY_SAN_IP, /* textual IPv4 or IPv6 */
  IDENTITY_N_SANS
} IdentitySan;

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The mode marker and the run-time mode file: the same lines, KEY=VALUE, for programs that cannot ask over the bus.
 * An output only; tpmidd never reads it to decide anything.
 */

#define IDENTITY_MARKER_FORMAT 1

/**
 * IdentityMarker:
 *
 * What the lines say. Strings may be %NULL or "", then the value is empty.
 */
typedef struct
{
  const char *mode, *state, *reason;
  const char *key_reference;      /* hex */
  const char *certificate_sha256; /* hex */
  const char *boot_id;
  gint64 time;                    /* seconds since 1970, of this boot's decision */
} IdentityMarker;

/**
 * identity_marker_compose:
 *
 * Returns: (transfer full): FORMAT, MODE, STATE, REASON, KEY, CERTIFICATE_SHA256, BOOT_ID, TIME (ISO 8601, UTC), a line each
 */
char *identity_marker_compose (const IdentityMarker *marker);

/**
 * identity_marker_put:
 * @path: the marker or the mode file; its folder must exist
 * @content: as composed
 * @error: TPMID_ERROR_STORAGE naming @path
 *
 * Makes @path hold exactly @content, mode 0644, atomically; no write when it does already. Whatever else lies there (a
 * link, an empty file, another text) is replaced; a folder is an error.
 */
gboolean identity_marker_put (const char *path, const char *content, GError **error);

G_END_DECLS

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-secret.h"
#include "tpm-types.h"

G_BEGIN_DECLS

/**
 * TpmLink:
 *
 * The one connection to the one TPM: TCTI, ESYS context, what the TPM said about itself, and a small cache of
 * persistent objects. Opens on first use, closes itself after any transport or ESYS-layer error, and opens again with a
 * back-off of 0.1 s to 30 s. Belongs to the TPM thread (the first that calls tpm_link_ensure()); every function of
 * this room that takes a link asserts it, except those marked "any thread".
 */
typedef struct TpmLink TpmLink;

/**
 * tpm_state_name:
 *
 * Returns: (transfer none): the word of Device.TpmState: "off", "starting", "ready", "no-device", "no-permission",
 * "busy", "tpm-1.2", "bad-tcti", "unavailable", "self-test", "failure-mode", "not-started"
 */
const char *tpm_state_name (TpmState state);

typedef struct
{
  TpmState state;
  char detail[256]; /* one sentence on what is wrong (with the TCTI, where one is configured) and what to do, valid UTF-8;
                       "" when ready */
  char tcti[128];
  guint64 commands; /* sent to the TPM since start */
  guint reopened;   /* openings after the first */
  TpmFacts facts;   /* zero until the first opening */
} TpmLinkStatus;

typedef struct
{
  const char *tcti;   /* TCTI configuration, NAME:CONFIG; %NULL or "" = the kernel's device, found through sysfs */
  const char *sysfs_root;
  gboolean exclusive; /* alone on the device: /dev/tpm0; Startup and Shutdown are ours, stale transient objects and
                         sessions are flushed at opening */
  gboolean off;       /* never open */
} TpmLinkOptions;

/**
 * tpm_link_new:
 * @options: copied
 *
 * Any thread. Opens nothing yet.
 *
 * Returns: (transfer full): a link; free with tpm_link_free() on the TPM thread, or anywhere if it is closed
 */
TpmLink *tpm_link_new (const TpmLinkOptions *options);

/**
 * tpm_link_free:
 *
 * Closes (see tpm_link_close()) and frees. NULL-safe.
 */
void tpm_link_free (TpmLink *link);

/**
 * tpm_link_ensure:
 * @error: TPMID_ERROR_NO_DEVICE, _NO_PERMISSION (naming path, uid and what to do), _DEVICE_BUSY, _TPM_VERSION,
 *   _BAD_TCTI, _TPM_UNAVAILABLE, _TPM_NOT_STARTED, _TPM_FAILURE, _BUSY (self-test), _NOT_SUPPORTED (off by policy)
 *
 * Makes sure that the link is open: 2 commands when it opens; under exclusive 4, and one for each stale object or session
 * and 2 more for a TPM that needs Startup; none when it is open. While the back-off of a failed opening runs, fails at once
 * with the error of that opening.
 *
 * Returns: %TRUE when open
 */
gboolean tpm_link_ensure (TpmLink *link, GError **error);

/**
 * tpm_link_refresh_facts:
 *
 * Reads the facts that can change while the link is open (passwords, lockout, hierarchies). One command.
 */
gboolean tpm_link_refresh_facts (TpmLink *link, GError **error);

/**
 * tpm_link_retry_now:
 *
 * Any thread. Forgets the back-off, so that the next tpm_link_ensure() tries.
 */
void tpm_link_retry_now (TpmLink *link);

/**
 * tpm_link_close:
 *
 * Flushes what the link holds, sends TPM2_Shutdown(CLEAR) under exclusive, closes. Idempotent; nothing is sent afterwards
 * until the next tpm_link_ensure().
 */
void tpm_link_close (TpmLink *link);

/**
 * tpm_link_get_status:
 * @ret_status: (out caller-allocates): a snapshot
 *
 * Any thread; never waits for the TPM.
 */
void tpm_link_get_status (TpmLink *link, TpmLinkStatus *ret_status);

/**
 * tpm_link_set_password:
 * @password: (nullable): takes a reference; %NULL = none is known
 *
 * TPM thread; also while the link is closed. What authorizes the commands of @hierarchy from now on, also after the link was
 * opened again, wherever the TPM says that the hierarchy has a password. It never crosses the wire: it is the key of an HMAC
 * session. A password that the TPM refuses is dropped at once, and this function does not take it again; one of a hierarchy whose
 * password turns out to be empty is dropped too. No command.
 */
void tpm_link_set_password (TpmLink *link, TpmHierarchy hierarchy, BaseSecret *password);

/**
 * tpm_link_has_password:
 *
 * Returns: whether a password of @hierarchy is known, and the TPM has not refused it; TPM thread
 */
gboolean tpm_link_has_password (TpmLink *link, TpmHierarchy hierarchy);

/**
 * tpm_link_peek_password:
 *
 * Returns: (transfer none) (nullable): the password of @hierarchy that is known; TPM thread
 */
BaseSecret *tpm_link_peek_password (TpmLink *link, TpmHierarchy hierarchy);

/**
 * tpm_link_is_password_wrong:
 *
 * Returns: whether the TPM refused the last password of @hierarchy that was set; TPM thread
 */
gboolean tpm_link_is_password_wrong (TpmLink *link, TpmHierarchy hierarchy);

/**
 * tpm_link_is_generating:
 * @ret_since_us: (out): monotonic time when the TPM began to make an RSA key; or when it last ended, 0 = never
 *
 * Any thread. Making an RSA key takes a chip up to minutes, and cannot be interrupted: it is the one command that may take so long.
 *
 * Returns: whether it is at it
 */
gboolean tpm_link_is_generating (TpmLink *link, gint64 *ret_since_us);

/**
 * tpm_link_is_announced:
 * @sysfs_root: commonly "/sys"
 *
 * Any thread; reads files only. Whether firmware or sysfs says that there is a TPM, though no device node answers
 * yet: an ACPI TPM2 table (firmware/acpi/tables/TPM2), an ACPI device MSFT0101, or a tpm node in the device tree
 * (firmware/devicetree/base, compatible with tcg,tpm*).
 */
gboolean tpm_link_is_announced (const char *sysfs_root);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TpmLink, tpm_link_free)

G_END_DECLS

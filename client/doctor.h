/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-session.h"

#include <sys/types.h>

G_BEGIN_DECLS

/* DOCTOR_NOBODY: no user */
#define DOCTOR_NOBODY ((uid_t) -1)

/* DOCTOR_RULE: the udev rule by which the TPM's nodes are tpmidd's */
#define DOCTOR_RULE "65-tpmidd.rules"
#define DOCTOR_NEXT_RULE \
  "Install " DOCTOR_RULE ", then: udevadm control --reload; udevadm trigger --subsystem-match=tpm --subsystem-match=tpmrm."

typedef enum DoctorResult
{
  DOCTOR_PASS,
  DOCTOR_WARN, /* works, but something is to be looked at */
  DOCTOR_FAIL, /* does not work, or is not safe */
  DOCTOR_SKIP  /* could not be looked at, or does not concern this device */
} DoctorResult;

/** DoctorCheck: one check's outcome; @next is "" where nothing is to be done */
typedef struct DoctorCheck
{
  const char *group;
  const char *name;
  DoctorResult result;
  char *text;
  char *next;
} DoctorCheck;

/**
 * Doctor:
 * @root: stands before every path that is looked at; "" is this machine
 * @paths: what is known of "marker", "state" and "runtime", without @root: as tpmidd says it, or else tpmidd.conf(5) below @root,
 *   where there is one
 * @status: (nullable): of tpmidd; %NULL: it does not answer
 * @status_error: why not
 * @daemon_uid: uid that owns the bus name; %DOCTOR_NOBODY without one
 * @tpmidd_uid: uid of the user tpmidd; %DOCTOR_NOBODY where there is no such user
 * @is_hung: a request was not answered in time: nothing that asks the TPM is worth trying any more, or to be believed
 * @checks: what was found so far
 *
 * The state of one examination. Nothing of it opens the TPM, writes anything, or authorizes with a password, so that no failed
 * try is ever counted.
 */
typedef struct Doctor
{
  ClientSession *session;
  const char *root;
  GHashTable *paths;
  tpmid_value *status;
  tpmid_error status_error;
  uid_t daemon_uid;
  uid_t tpmidd_uid;
  gboolean is_hung;
  GPtrArray *checks;
} Doctor;

/** doctor_init: @root: (transfer none): outlives @self */
void doctor_init (Doctor *self, ClientSession *session, const char *root);

void doctor_clear (Doctor *self);

/**
 * doctor_add:
 * @group: "device", "bus", "tpm", "identity" or "host"; a constant
 * @name: the check; a constant
 * @next: (nullable): what to do
 * @format: what was found, printf style
 */
void doctor_add (Doctor *self, const char *group, const char *name, DoctorResult result, const char *next, const char *format,
                 ...)
  G_GNUC_PRINTF (6, 7);

/** doctor_path: (transfer full): @path, printf style, below the root */
char *doctor_path (const Doctor *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/**
 * doctor_find_path:
 * @check: of the group "identity": it is skipped where the path is not known
 * @key: one of those of @paths
 *
 * Returns: (transfer full) (nullable): the path, below the root
 */
char *doctor_find_path (Doctor *self, const char *check, const char *key);

/** doctor_take_paths: takes the paths that tpmidd's status names for those of the configuration */
void doctor_take_paths (Doctor *self);

/** doctor_note_error: what a request failed with; notes whether tpmidd or its TPM hangs */
void doctor_note_error (Doctor *self, const tpmid_error *error);

/** doctor_read: (transfer full) (nullable): the first 64 KiB of a file; %NULL, with errno, where it cannot be read */
char *doctor_read (const char *path);

/** doctor_user_name: (transfer full): name of @uid, or its number */
char *doctor_user_name (const Doctor *self, uid_t uid);

/** doctor_group_name: (transfer full): name of @gid, or its number; @ret_members: (out): whether users are in it */
char *doctor_group_name (const Doctor *self, gid_t gid, gboolean *ret_members);

/* The groups of checks, in the order in which they are to be made. */
void doctor_bus_check (Doctor *self);
void doctor_device_check (Doctor *self);
/* doctor_node_check: the part of it for one TPM; @name: as the kernel has it: tpm0 */
void doctor_node_check (Doctor *self, const char *name);
void doctor_tpm_check (Doctor *self);
void doctor_identity_check (Doctor *self);
void doctor_host_check (Doctor *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Doctor, doctor_clear)

G_END_DECLS

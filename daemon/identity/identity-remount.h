/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"

G_BEGIN_DECLS

/*
 * A mount that only this process sees as it was.
 *
 * The unit of tpmidd has file systems of its own view (ProtectSystem=), which is made when it starts. What is mounted or
 * unmounted afterwards arrives in it, "mount -o remount,rw" does not: the mount stays read-only for us, while the file system
 * is writable for everybody else. Only a new process gets a new view.
 */

/**
 * identity_remount_parse:
 * @mountinfo: what /proc/PID/mountinfo says; lines that are not of its form are passed over (proc_pid_mountinfo(5))
 * @path: absolute, without symbolic links; need not exist
 *
 * Pure. A mount that was made read-only on purpose, by a bind mount, looks the same.
 *
 * Returns: (transfer full) (nullable): the mount point of the mount that @path lies on, if the mount is read-only and its file
 *   system is not; else %NULL
 */
char *identity_remount_parse (const char *mountinfo, const char *path);

/**
 * identity_remount_find:
 *
 * Looks at where marker, certificate and state folder lie, by ProcRoot=/self/mountinfo. Any thread.
 *
 * Returns: (transfer full) (nullable): the first mount point of the kind above; %NULL when there is none, or it cannot be known
 */
char *identity_remount_find (const BaseConfig *config);

/**
 * identity_remount_should_restart:
 *
 * Whether ending, to be started again by systemd, may help files that cannot be written. Says so in the journal, and records
 * it in RuntimePath=: the answer is %TRUE once in a boot, and only in a process that systemd started. Not in the main thread: it looks at
 * storage that may hang.
 *
 * Returns: %TRUE when the process should end with EX_TEMPFAIL
 */
gboolean identity_remount_should_restart (const BaseConfig *config);

G_END_DECLS

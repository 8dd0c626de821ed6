/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the library that is preloaded into tpmidd counts, writes down and keeps: the log of events, the death right after one of
 * them, and what a power cut would bring back. All functions: any thread; errno stays as it was.
 *
 * Environment:
 *   TPMID_CRASH_LOG      file for the events, one a line; without it nothing is done at all
 *   TPMID_CRASH_ROOTS    folders, separated by ":": what happens below them is an event
 *   TPMID_CRASH_TPM      path of the TPM's socket: each write to it is a command
 *   TPMID_CRASH_SAVE     folder of the same file system for what was replaced, removed or overwritten
 *   TPMID_CRASH_AT       "tpm:K" or "file:K": die after this event
 *   TPMID_CRASH_GATE     events are counted from when this file is there
 *   TPMID_CRASH_SWALLOW  "file" or "folder": fsync() of such does nothing, for the tests of the driver
 *
 * Lines of the log, the fields separated by tabs; NUMBER is 0 before the gate opens, INODE says which file it is under all its
 * names, SAVED is a name in TPMID_CRASH_SAVE or "-":
 *   tpm NUMBER CODE                       the command's code in hex; its answer is there, and not read yet
 *   file NUMBER create INODE PATH         a new and empty file
 *   file NUMBER write INODE SAVED PATH    SAVED: the content that was safe until now
 *   file NUMBER sync INODE PATH
 *   file NUMBER sync-folder INODE PATH
 *   file NUMBER rename SAVED OLD NEW      SAVED: what NEW was
 *   file NUMBER exchange - OLD NEW
 *   file NUMBER unlink SAVED PATH
 *   file NUMBER link - OLD NEW
 *   file NUMBER mkdir PATH | rmdir PATH | chmod PATH
 *   bad WHAT PATH                         a change that this file has no model of
 *   crash KIND NUMBER                     the last line of all
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct
{
  char path[PATH_MAX]; /* absolute, its folder without links */
  bool exists, is_folder;
  ino_t inode; /* 0: does not exist */
} CrashPlace;

/* Whether @path, relative to @folder (as for openat()), is below one of the roots. Fills @place->path alone. */
bool crash_find (int folder, const char *path, CrashPlace *place);

/* The same of an open file; fills all of @place. */
bool crash_find_fd (int fd, CrashPlace *place);

/* Fills the rest of @place, of what is at its path now. */
void crash_look (CrashPlace *place);

/* Every change of files stands between crash_enter() and one of the others: crash_leave() writes the event (what stands behind
 * NUMBER in the log) and dies where it is the one; crash_leave_quietly() is for a change that failed. */
void crash_enter (void);
void crash_leave (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
void crash_leave_quietly (void);

/* Writes a line "bad", which fails the run. */
void crash_note_bad (const char *what, const char *path);

/* Keeps the file at @place under another name before it is replaced or removed. @saved is its path, or "". */
void crash_save_file (const CrashPlace *place, char saved[PATH_MAX]);

/* Keeps a copy of what is in the file, before the first change since it was safe, and marks it as changed. @saved as above. */
void crash_save_content (const CrashPlace *place, char saved[PATH_MAX]);

/* The last part of such a path, or "-". */
const char *crash_name_of (const char *saved);

/* A file whose content is not safe yet, and one whose content is. */
void crash_set_dirty (const CrashPlace *place);
void crash_set_clean (ino_t inode);

/* Whether a sync of this is to do nothing. */
bool crash_is_swallowed (const CrashPlace *place);

/* What was sent to @fd: where that is the TPM, waits until the answer is there (without reading it), so that the TPM has carried
 * the command out, and writes the event. Nobody else is kept waiting meanwhile. */
void crash_note_command (int fd, const void *data, size_t size);

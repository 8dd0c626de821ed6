/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * TestSwtpm:
 *
 * A software TPM with an empty past, in a folder of its own under $TMPDIR, on unix sockets. It ends with the test: by
 * test_swtpm_free(), and else because the kernel kills it when the thread that started it dies. Any failure to handle it
 * fails the test.
 */
typedef struct TestSwtpm TestSwtpm;

/**
 * test_swtpm_new:
 *
 * Starts a TPM that firmware has started (TPM2_Startup is done).
 */
TestSwtpm *test_swtpm_new (void);

/**
 * test_swtpm_new_unstarted:
 *
 * Starts a TPM that still waits for TPM2_Startup, like one without firmware.
 */
TestSwtpm *test_swtpm_new_unstarted (void);

/**
 * test_swtpm_free:
 *
 * Kills the TPM and removes its folder. NULL-safe.
 */
void test_swtpm_free (TestSwtpm *self);

/**
 * test_swtpm_kill:
 *
 * A power cut: SIGKILL, no TPM2_Shutdown. The state stays.
 */
void test_swtpm_kill (TestSwtpm *self);

/**
 * test_swtpm_start:
 *
 * The power comes back: same state, same TCTI.
 */
void test_swtpm_start (TestSwtpm *self);

/**
 * test_swtpm_suspend:
 *
 * The device sleeps and wakes up again: TPM2_Shutdown (STATE) of the kernel, no power, TPM2_Startup (STATE) of firmware.
 */
void test_swtpm_suspend (TestSwtpm *self);

/**
 * test_swtpm_forget_state:
 *
 * Between kill and start: the next start is another TPM, at the same TCTI.
 */
void test_swtpm_forget_state (TestSwtpm *self);

/**
 * test_swtpm_freeze:
 *
 * SIGSTOP: the TPM stops answering without going away, until test_swtpm_thaw().
 */
void test_swtpm_freeze (TestSwtpm *self);
void test_swtpm_thaw (TestSwtpm *self);

/**
 * test_swtpm_is_device:
 *
 * Returns: whether the tests reach their TPMs through a character device (see #TestProxy), as they do when the
 * environment says TPMID_TEST_TCTI=device. The node stays when the TPM dies, as that of a kernel does.
 */
gboolean test_swtpm_is_device (void);

/**
 * test_swtpm_tcti:
 *
 * Returns: (transfer none): "swtpm:path=…", or "device:…"
 */
const char *test_swtpm_tcti (TestSwtpm *self);

/**
 * test_swtpm_socket:
 *
 * Returns: (transfer none): the data socket; the control socket's name is the same with ".ctrl"
 */
const char *test_swtpm_socket (TestSwtpm *self);

/**
 * test_swtpm_folder:
 *
 * Returns: (transfer none): the folder, which the test may use for files of its own
 */
const char *test_swtpm_folder (TestSwtpm *self);

/**
 * test_swtpm_tool:
 * @command: a tpm2-tools command line; runs in the folder with TPM2TOOLS_TCTI set; must succeed
 *
 * Returns: (transfer full): its standard output
 */
char *test_swtpm_tool (TestSwtpm *self, const char *command, ...) G_GNUC_PRINTF (2, 3);

/**
 * test_swtpm_run:
 *
 * The same for a command whose output does not matter.
 */
void test_swtpm_run (TestSwtpm *self, const char *command, ...) G_GNUC_PRINTF (2, 3);

/**
 * test_swtpm_assert_clean:
 *
 * Fails the test when a transient object or a session is left in the TPM.
 */
void test_swtpm_assert_clean (TestSwtpm *self);

/**
 * test_swtpm_lockout_counter:
 *
 * Returns: TPM_PT_LOCKOUT_COUNTER
 */
guint test_swtpm_lockout_counter (TestSwtpm *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestSwtpm, test_swtpm_free)

G_END_DECLS

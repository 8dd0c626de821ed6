/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * TestProxy:
 *
 * Stands between a program and a software TPM: takes one command, passes it on, gives the answer back in one piece, and
 * can spoil chosen answers. A thread of the test does it, so that it ends with the process however that ends. A TPM that
 * does not answer is hung up on, as the kernel's driver fails a read: it may come back, and the proxy need not be told.
 * Over a device, a program that has sent a command has its terminal to itself, as the kernel's driver has a buffer for each
 * opening: what it leaves unread goes with it.
 * All functions may be called from any thread. Any failure of the proxy itself fails the test.
 */
typedef struct TestProxy TestProxy;

typedef enum
{
  TEST_PROXY_SOCKET, /* a unix socket, for the TCTI "swtpm" */
  TEST_PROXY_DEVICE, /* a terminal in raw mode, for the TCTI "device" of this process alone */
} TestProxyFront;

typedef enum
{
  TEST_SPOIL_NOTHING, /* no answer, the connection ends */
  TEST_SPOIL_SHORT,   /* less than a header */
  TEST_SPOIL_CUT,     /* the last byte is missing */
  TEST_SPOIL_LARGE,   /* the size field says one byte more than there is */
  TEST_SPOIL_SMALL,   /* the size field says less than a header */
  TEST_SPOIL_HUGE,    /* the size field says 4 GiB */
  TEST_SPOIL_TAG,     /* a tag that no TPM uses */
  TEST_SPOIL_BODY,    /* the header is right, all behind it is noise; an answer that is all header is left as it is */
  TEST_SPOIL_GARBAGE, /* noise from the first byte on */
  TEST_SPOIL_CODE,    /* a well-formed answer with a response code; the TPM never sees the command */
  TEST_SPOIL_BIT,     /* one bit is another, in the byte at an offset; past its end an answer is left as it is */
  TEST_N_SPOILS
} TestSpoil;

/**
 * test_proxy_new:
 * @path: (nullable): where programs find the socket, with its control socket at @path.ctrl; %NULL for a device
 * @tpm: data socket of a swtpm whose control socket lies at @tpm.ctrl; need not answer yet
 *
 * The device front makes the process ignore SIGHUP: opening a terminal makes it that of a session leader, who hears of its
 * end.
 */
TestProxy *test_proxy_new (TestProxyFront front, const char *path, const char *tpm);

/**
 * test_proxy_free:
 *
 * Hangs up, also on a TPM that does not answer; joins the thread. NULL-safe.
 */
void test_proxy_free (TestProxy *self);

/**
 * test_proxy_tcti:
 *
 * Returns: (transfer none): "swtpm:path=…", or "device:…" of a node whose name stays when the terminal is replaced
 */
const char *test_proxy_tcti (TestProxy *self);

/**
 * test_proxy_spoil:
 * @nth: which answer from now on, from 1
 * @times: how many in a row from there
 * @code: for %TEST_SPOIL_CODE; the offset for %TEST_SPOIL_BIT
 *
 * Replaces what was to be spoiled before.
 */
void test_proxy_spoil (TestProxy *self, TestSpoil spoil, guint nth, guint times, guint32 code);

/**
 * test_proxy_get_spoiled:
 *
 * Returns: how many answers have been spoiled since the beginning
 */
guint test_proxy_get_spoiled (TestProxy *self);

/**
 * test_proxy_get_commands:
 *
 * Returns: how many commands have come since the beginning
 */
guint test_proxy_get_commands (TestProxy *self);

/**
 * test_proxy_record:
 *
 * Keeps, from now on, all that crosses: each command as it came, and each answer as it is given back.
 */
void test_proxy_record (TestProxy *self);

/**
 * test_proxy_take_record:
 *
 * Ends the recording.
 *
 * Returns: (transfer full): what crossed since test_proxy_record(), one message behind the other
 */
GBytes *test_proxy_take_record (TestProxy *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestProxy, test_proxy_free)

G_END_DECLS

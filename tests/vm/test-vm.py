#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest with systemd as PID 1 and a TPM of its own, into which tpmidd is installed: the short form. Each scene prints
the row of the boot decision in which it ends. The rest is in test-vm-whole.py and test-vm-service.py."""
import pathlib
import signal
import subprocess
import sys

import scenes
import tap
from image import remove_file, write_file
from processes import END_LIMIT, is_running
from scenes import CERTIFICATE, MARKER, STORY, WRITTEN, expect, expect_boot, expect_equal, expect_other_key, reference_of, wait_for

RESET_REQUEST = "/persist/tpmidd/reset-request"
# A test that is in the middle of a boot; it tells the processes that it started.
OTHER_TEST = """
import sys, tempfile, time, types
sys.path.insert(0, sys.argv[1])
tempfile.tempdir = sys.argv[4]
import scenes
with scenes.Guest(scenes.Device(sys.argv[2]), types.SimpleNamespace(kernel=sys.argv[3])) as guest:
    print(guest.qemu.pid, guest.swtpm.pid, guest.run, flush=True)
    time.sleep(60)
"""


def test_first_boot_makes_an_identity_before_other_units_look(folder):
    STORY.first_boot()


def test_deleted_marker_and_certificate_come_back_and_a_reboot_changes_nothing(folder):
    device = STORY.branch(folder)
    remove_file(device.disk, MARKER)
    remove_file(device.disk, CERTIFICATE)
    with STORY.run(device) as guest:
        found = expect_boot("marker and certificate deleted", guest, 12, "tpm", "certificate-restored", WRITTEN)
        expect_equal(found["key"]["reference"], STORY.reference, "key")
        expect_equal(reference_of(guest.do(f"cat {CERTIFICATE}").encode()), STORY.reference, "key of the certificate")
        guest.reboot()
        found = expect_boot("reboot", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(found["key"]["reference"], STORY.reference, "key")


def test_reset_by_flag_file_is_done_once(folder):
    device = STORY.branch(folder)
    write_file(device.disk, RESET_REQUEST, b"", mode=0o600)
    with STORY.run(device) as guest:
        found = expect_boot("reset by flag file", guest, 1, "tpm", "reset", WRITTEN)
        reference = expect_other_key(found, STORY.reference)
        expect_equal(reference_of(guest.do(f"cat {CERTIFICATE}").encode()), reference, "key of the certificate")
        expect(guest.try_run(f"test -e {RESET_REQUEST}").status != 0, "the request is still there")
        guest.reboot()
        found = expect_boot("reboot after the reset", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(found["key"]["reference"], reference, "key")


def test_killed_while_it_boots_first(folder):
    scenes.kill_while_booting(folder, 1)


def test_that_is_ended_leaves_no_machine_behind(folder):
    device = STORY.branch(folder)
    for number in (signal.SIGTERM, signal.SIGKILL):
        words = [sys.executable, "-B", "-c", OTHER_TEST, pathlib.Path(__file__).parent, device.folder, STORY.base.kernel, folder]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as test:
            try:
                *pids, run = test.stdout.readline().split()
                expect_equal([is_running(pid) for pid in pids], [True, True], "QEMU and swtpm run")
                test.send_signal(number)
                test.wait(END_LIMIT)
            finally:
                test.kill()
        wait_for(lambda: not any(is_running(pid) for pid in pids), END_LIMIT, f"the end of QEMU and swtpm after {number.name}")
        expect_equal(pathlib.Path(run).exists(), number == signal.SIGKILL, f"the folder {run} after {number.name}")


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/vm")

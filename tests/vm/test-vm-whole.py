#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rest of the guest's story: each row of the boot decision that a real boot can end in, /persist on a file system of its
own, exclusive use of the TPM, and ten power cuts. Each scene prints the row in which it ends."""
import os
import signal
import sys
import time

import scenes
import tap
from image import remove_file, write_file
from processes import GuestError, is_running
from scenes import (CERTIFICATE, KEPT, MARKER, NONE, SOFTWARE_KEY, STORY, WRITTEN, configure, expect, expect_boot, expect_equal,
                    expect_other_key, reference_of, software_pair, status_of, wait_for, wait_for_credentials)

STORED_CERTIFICATE = "/persist/tpmidd/device.cert.pem"
DEVICE_KEY = "0x81005401"
LOOP_WAIT = 8  # seconds; tpmidd looks every two
PERSIST_LINE = b"/dev/nvme1n1 /persist ext4 defaults%s 0 2\n"


def boot(name, device, row, mode, reason, marker, **options):
    """One boot of a device that ends in this row, and is switched off in order. Returns the status."""
    with STORY.run(device, **options) as guest:
        found = expect_boot(name, guest, row, mode, reason, marker)
        guest.power_off()
    if mode == "tpm":
        expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")
    return found


# the table

def test_deleted_certificate_comes_back_for_the_same_key(folder):
    device = STORY.branch(folder)
    remove_file(device.disk, CERTIFICATE)
    found = boot("certificate deleted", device, 12, "tpm", "certificate-restored", WRITTEN)
    expect_equal(found["key"]["reference"], STORY.reference, "key")
    expect_equal(reference_of(device.certificate()), STORY.reference, "key of the certificate")


def test_certificate_of_another_key_is_not_overwritten(folder):
    device = STORY.branch(folder)
    _, other = software_pair()
    write_file(device.disk, CERTIFICATE, other)
    boot("certificate of another key", device, 13, "fault", "certificate-mismatch", KEPT)
    expect_equal(device.certificate(), other, "certificate")


def test_device_without_tpm_gets_a_software_identity_and_keeps_it(folder):
    device = STORY.new_device(folder)
    found = boot("no TPM", device, 6, "software", "no-tpm", NONE, with_tpm=False)
    again = boot("no TPM, second boot", device, 5, "software", "software-identity", NONE, with_tpm=False)
    expect_equal(again["key"]["reference"], found["key"]["reference"], "key")
    later = boot("a TPM is built in", device, 7, "software", "software-identity", NONE)
    expect_equal(later["key"]["reference"], found["key"]["reference"], "key")


def test_required_tpm_is_waited_for(folder):
    device = STORY.new_device(folder)
    configure(device, b"Tpm=required\n")
    boot("no TPM, Tpm=required", device, 4, "unprovisioned", "waiting-for-tpm", NONE, with_tpm=False)
    expect_equal(device.certificate(), None, "certificate")


def test_lost_tpm_is_a_fault_and_its_return_ends_it(folder):
    device = STORY.branch(folder)
    boot("TPM lost", device, 3, "fault", "tpm-missing", KEPT, with_tpm=False)
    found = boot("TPM back", device, 11, "tpm", "found", WRITTEN)
    expect_equal(found["key"]["reference"], STORY.reference, "key")


def test_software_key_that_is_dropped_in_is_refused(folder):
    device = STORY.branch(folder)
    key, certificate = software_pair()
    write_file(device.disk, SOFTWARE_KEY, key)
    write_file(device.disk, CERTIFICATE, certificate)
    boot("software key dropped in", device, 8, "fault", "downgrade-refused", KEPT)


def test_cleared_tpm_is_a_fault(folder):
    device = STORY.branch(folder)
    device.tpm_tool("tpm2_clear", "-c", "p")
    boot("TPM cleared", device, 9, "fault", "tpm-changed", KEPT)
    expect_equal(reference_of(device.certificate()), STORY.reference, "key of the certificate")


def test_other_tpm_is_a_fault(folder):
    device = STORY.branch(folder)
    device.swap_tpm()
    boot("another TPM", device, 9, "fault", "tpm-changed", KEPT)


def test_owner_password_of_others_does_not_stop_the_identity(folder):
    device = STORY.branch(folder)
    device.tpm_tool("tpm2_changeauth", "-c", "owner", "somebody")
    found = boot("owner password of others", device, 10, "tpm", "tpm-unusable", WRITTEN)
    expect_equal(found["key"]["reference"], STORY.reference, "key")


def test_key_that_is_gone_is_a_fault_until_its_certificate_goes_too(folder):
    device = STORY.branch(folder)
    device.tpm_tool("tpm2_evictcontrol", "-C", "o", "-c", DEVICE_KEY)
    boot("key gone, certificate there", device, 15, "fault", "key-missing", KEPT)
    remove_file(device.disk, CERTIFICATE)
    found = boot("key gone, certificate deleted", device, 14, "tpm", "key-regenerated", WRITTEN)
    expect(found["key"]["reference"] != STORY.reference, "the key is the one that was gone")


# /persist on a file system of its own

def new_device_with_persist(folder, options=b""):
    device = STORY.new_device(folder)
    device.add_persist()
    write_file(device.disk, "/etc/fstab", PERSIST_LINE % options)
    return device


def test_persist_may_be_a_file_system_that_is_late_read_only_or_full(folder):
    device = new_device_with_persist(folder)
    found = boot("/persist of its own", device, 16, "tpm", "first-boot", WRITTEN)
    again = boot("/persist of its own, second boot", device, 11, "tpm", "found", WRITTEN)
    expect_equal(again["key"]["reference"], found["key"]["reference"], "key")
    expect_late_persist_is_taken_up(device.branch(f"{folder}/late"), found["key"]["reference"])
    expect_read_only_persist_mends_itself(device.branch(f"{folder}/read-only"), found["key"]["reference"])
    expect_full_persist_is_named(device)


def test_first_boot_with_read_only_persist_makes_the_identity_that_stays(folder):
    device = new_device_with_persist(folder, b",ro")
    with STORY.run(device) as guest:
        found = expect_boot("first boot, /persist read-only", guest, 16, "tpm", "first-boot", NONE)
        expect_equal(found["state"], "degraded", "state")
        expect(any(MARKER in problem for problem in found["problems"]), f"the problems do not name the marker: {found['problems']}")
        guest.power_off()
    write_file(device.disk, "/etc/fstab", PERSIST_LINE % b"")
    again = boot("/persist writable again", device, 11, "tpm", "recovered", WRITTEN)
    expect_equal(again["key"]["reference"], found["key"]["reference"], "key")


def expect_late_persist_is_taken_up(device, reference):
    """Mounted only after tpmidd is ready: the marker on it becomes this boot's all the same."""
    write_file(device.disk, "/etc/fstab", PERSIST_LINE % b",noauto")
    with STORY.run(device) as guest:
        found = expect_boot("/persist late", guest, 11, "tpm", "recovered", WRITTEN)
        expect_equal(found["key"]["reference"], reference, "key")
        guest.do("mount /persist")
        wait_until(guest, f"grep -q BOOT_ID={guest.boot_id} {MARKER}", "the marker on /persist is this boot's")
        expect_equal(guest.do("findmnt -n -o SOURCE -T " + MARKER).strip(), "/dev/nvme1n1", "file system of the marker")
        wait_until(guest, "tpmidctl status --json | grep -q '\"state\" *: *\"ready\"'", "the state is ready")
        expect_equal(status_of(guest)["mode"], "tpm", "mode")
        guest.power_off()
    write_file(device.disk, "/etc/fstab", PERSIST_LINE % b"")
    found = boot("/persist in time again", device, 11, "tpm", "found", WRITTEN)
    expect_equal(found["key"]["reference"], reference, "key")


def expect_read_only_persist_mends_itself(device, reference):
    """The mode is right, and the file that cannot be written is named. tpmidd sees a remount only when it is started again: it sees
    to that, once; where /persist is meant to be read-only for it, it stays, and says what can be done."""
    write_file(device.disk, "/etc/fstab", PERSIST_LINE % b",ro")
    with STORY.run(device) as guest:
        found = expect_boot("/persist read-only", guest, 11, "tpm", "found", KEPT, systemd=None)
        expect_equal(found["key"]["reference"], reference, "key")
        expect(any(MARKER in problem for problem in found["problems"]), f"the problems do not name the marker: {found['problems']}")
        pid = show(guest, "MainPID")
        guest.do("mount -o remount,rw /persist")
        expect_marker_and_no_problem(guest)
        expect(show(guest, "MainPID") != pid and show(guest, "NRestarts") == "1", "tpmidd was not started again, or more than once")
        journal = guest.do("journalctl -b -u tpmidd --no-pager")
        for words in ("/persist is read-only for tpmidd alone", "code=exited, status=75"):
            expect(words in journal, f'the journal lacks "{words}":\n{journal}')
        found = status_of(guest)
        scenes.tell("/persist writable again", found, True, time.monotonic() - guest.started)
        expect_equal((found["row"], found["mode"], found["key"]["reference"]), (11, "tpm", reference), "after the restart")
        expect_no_loop(guest)
        guest.power_off()
    expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")


def expect_no_loop(guest):
    guest.do(f"rm {MARKER} && mount --bind /persist /persist && mount -o remount,bind,ro /persist && systemctl restart tpmidd")
    wait_until(guest, "tpmidctl status | grep -q '/persist is read-only for tpmidd alone; restart tpmidd'", "the problem says what to do")
    pid, restarts = show(guest, "MainPID"), show(guest, "NRestarts")
    time.sleep(LOOP_WAIT)
    expect_equal((show(guest, "MainPID"), show(guest, "NRestarts")), (pid, restarts), "process and restarts")
    guest.do("umount /persist")
    expect_marker_and_no_problem(guest)


def show(guest, name):
    return guest.do(f"systemctl show tpmidd -P {name}").strip()


def expect_full_persist_is_named(device):
    """While it runs: the marker is deleted from a file system that is full, and comes back when there is room."""
    with STORY.run(device) as guest:
        expect_boot("/persist gets full", guest, 11, "tpm", "found", WRITTEN)
        guest.do(f"cat /dev/zero > /persist/filler || rm {MARKER}")
        guest.try_run("cat /dev/zero >> /persist/filler")
        wait_until(guest, f"tpmidctl status | grep -q 'cannot write {MARKER}'", "the problem is named")
        expect_equal(status_of(guest)["mode"], "tpm", "mode")
        guest.do("rm /persist/filler")
        expect_marker_and_no_problem(guest)
        guest.power_off()


def expect_marker_and_no_problem(guest):
    wait_until(guest, f"grep -q BOOT_ID={guest.boot_id} {MARKER}", "the marker is written")
    wait_until(guest, "tpmidctl status --json | tr -d ' \\n' | grep -q '\"problems\":\\[\\]'", "no problem is left")


def wait_until(guest, script, what, limit=60):
    wait_for(lambda: guest.try_run(script).status == 0, limit, what, pause=0.5)


# factory reset

def test_reset_by_kernel_command_line_is_done_once_for_a_token(folder):
    device, token = STORY.branch(folder), {"command_line": "tpmid.reset=first"}
    found = boot("reset by kernel command line", device, 1, "tpm", "reset", WRITTEN, **token)
    reference = expect_other_key(found, STORY.reference)
    with STORY.run(device, **token) as guest:
        found = expect_boot("the same token again", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(found["key"]["reference"], reference, "key")
        guest.do("systemctl stop tpmidd && rm -rf /persist/tpmidd/*")
        guest.power_off()
    found = boot("the same token, state lost", device, 11, "tpm", "recovered", WRITTEN, **token)
    expect_equal(found["key"]["reference"], reference, "key")
    found = boot("another token", device, 1, "tpm", "reset", WRITTEN, command_line="tpmid.reset=second")
    expect_other_key(found, reference)


def test_reset_by_tpmidctl_keeps_the_serial_number(folder):
    device = STORY.new_device(folder)
    configure(device, b"Ownership=exclusive\n")
    with STORY.run(device) as guest:
        before = expect_boot("exclusive, before the reset", guest, 16, "tpm", "first-boot", WRITTEN)
        guest.do("tpmidctl serial set SN-0001")
        said = guest.do("tpmidctl reset --yes")
        expect("reset: complete" in said, f"tpmidctl reset says: {said}")
        found = status_of(guest)
        scenes.tell("tpmidctl reset", found, guest.try_run(f"test -f {MARKER}").status == 0, time.monotonic() - guest.started)
        reference = expect_other_key(found, before["key"]["reference"])
        expect_equal((found["mode"], found["serial"]), ("tpm", "SN-0001"), "after the reset")
        guest.reboot()
        found = expect_boot("reboot after tpmidctl reset", guest, 11, "tpm", "found", WRITTEN)
        expect_equal((found["key"]["reference"], found["serial"]), (reference, "SN-0001"), "key and serial number")
        guest.power_off()
    expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")


# exclusive

def test_exclusive_holds_the_tpm_alone(folder):
    device = STORY.new_device(folder)
    configure(device, b"Ownership=exclusive\n")
    with STORY.run(device) as guest:
        found = expect_boot("exclusive", guest, 16, "tpm", "first-boot", WRITTEN)
        expect_equal(scenes.nodes_of_tpmidd(guest), ["/dev/tpm0"], "nodes that tpmidd has open")
        refused = guest.try_run(": <> /dev/tpm0")
        expect(refused.status != 0 and "busy" in refused.errors, f"root opens /dev/tpm0 beside tpmidd: {refused}")
        wait_for_credentials(guest)
        guest.reboot()
        again = expect_boot("exclusive, reboot", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(again["key"]["reference"], found["key"]["reference"], "key")
        scenes.expect_signature(guest, "alice")
        scenes.expect_decryption(guest, "bob", "alice")
        guest.power_off()
    expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")


# power cuts

def test_killed_ten_times_while_it_boots_first(folder):
    scenes.kill_while_booting(folder, 10)


def test_killed_five_times_while_it_boots_first_and_takes_ownership(folder):
    scenes.kill_while_booting(folder, 5, b"Ownership=exclusive\n")


def test_killed_ten_times_while_it_boots_again(folder):
    device = STORY.branch(folder)
    for number in range(10):
        with STORY.run(device) as guest:
            time.sleep(1 + number * STORY.ready[1] / 9)
    with STORY.run(device) as guest:
        scenes.expect_whole(guest, "boot after 10 kills at any time", STORY.reference)
    expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")


# the machine itself

def test_boot_that_hangs_is_ended_and_tried_once_more(folder):
    device = STORY.branch(folder)
    with STORY.run(device) as guest:
        guest.hang_limit = 20
        guest.wait_console("Linux version")
        hung = guest.qemu.pid
        os.kill(hung, signal.SIGSTOP)
        found = expect_boot("boot after one that hung", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(found["key"]["reference"], STORY.reference, "key")
        expect(guest.is_second_try and not is_running(hung), "QEMU that hung was not replaced")
        os.kill(guest.qemu.pid, signal.SIGSTOP)
        try:
            guest.power_off(5)
        except GuestError as error:
            expect("was not off after 5 s" in str(error), str(error))
        else:
            raise AssertionError("a QEMU that stands still is taken for off")


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/vm")

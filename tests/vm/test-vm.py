#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest with systemd as PID 1 and a TPM of its own, into which tpmidd is installed: the short form. Each scene prints
the row of the boot decision in which it ends. The rest is in test-vm-whole.py."""
import sys

import scenes
import tap
from image import remove_file
from scenes import MARKER, STORY, WRITTEN, expect_boot, expect_equal


def test_first_boot_makes_an_identity_before_other_units_look(folder):
    STORY.first_boot()


def test_deleted_marker_is_written_again_and_a_reboot_changes_nothing(folder):
    device = STORY.branch(folder)
    remove_file(device.disk, MARKER)
    with STORY.run(device) as guest:
        found = expect_boot("marker deleted", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(found["key"]["reference"], STORY.reference, "key")
        guest.reboot()
        found = expect_boot("reboot", guest, 11, "tpm", "found", WRITTEN)
        expect_equal(found["key"]["reference"], STORY.reference, "key")


def test_killed_twice_while_it_boots_first(folder):
    scenes.kill_while_booting(folder, 2)


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/vm")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""That the driver would notice: what it must complain of is done on purpose."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import crash  # noqa: E402
import crash_checks  # noqa: E402
import crash_disk  # noqa: E402
import crash_machine  # noqa: E402
import crash_point  # noqa: E402
import crash_scenarios  # noqa: E402
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

BUILD = crash.build_folder()
STRANGE_INDEX = 0x01805999


class Bench:
    """One machine with a scenario made ready on it."""

    def __init__(self, folder, name, **changes):
        os.chmod(folder, 0o755)
        self.scenario = crash_scenarios.dataclasses.replace(crash.by_name()[name], **changes)
        self.machine = crash_machine.Machine(pathlib.Path(folder, "m"), BUILD, BUILD / "tests" / "crash" / "libcrash-shim.so")
        self.scenario.base(self.machine)
        before = crash_point.remember(self.machine)
        if self.scenario.change is not None:
            self.scenario.change(self.machine)
        snapshot = pathlib.Path(folder, "device")
        self.machine.save(snapshot)
        self.prepared = crash.Prepared(snapshot, before, {})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.machine.close()

    def run(self, variant, at, swallow=None):
        return crash_point.Point(self.machine, self.scenario, self.prepared, swallow).run(variant, at)


def expect_complaint(result, words):
    expect(any(words in sentence for sentence in result.wrong), f"no complaint has {words!r}: {result.wrong}")


# the library that kills

def test_dies_right_after_the_event_that_it_is_told(folder):
    with Bench(folder, "first-boot") as bench:
        for at, kind in (("tpm:3", "tpm"), ("file:7", "file")):
            result = bench.run("killed", at)
            expect_equal(result.wrong, [])
            expect(result.event.startswith(f"{at} "), f"the last event is {result.event}")
            expect_equal(getattr(result, kind), int(at.split(":")[1]))


def test_says_when_a_point_is_not_reached(folder):
    with Bench(folder, "second-boot") as bench:
        result = bench.run("killed", "file:900")
        expect_equal((result.is_reached, result.wrong), (False, []))


def test_counts_for_a_method_from_its_call_on(folder):
    with Bench(folder, "keys-create") as bench:
        result = bench.run("killed", crash_point.END)
        expect_equal(result.wrong, [])
        expect(0 < result.tpm < 8, f"{result.tpm} commands were counted")


# what a power cut loses

def test_missing_sync_of_a_file_is_found(folder):
    with Bench(folder, "first-boot-without-tpm") as bench:
        expect_equal(bench.run("torn", crash_point.END).wrong, [])
        result = bench.run("torn", crash_point.END, swallow="file")
        expect("lost the content of" in result.text, "nothing was lost")
        expect(result.wrong, "nothing is complained of")


def test_missing_sync_of_a_folder_is_found(folder):
    with Bench(folder, "first-boot-without-tpm") as bench:
        expect_equal(bench.run("lost", crash_point.END).wrong, [])
        expect_complaint(bench.run("lost", crash_point.END, swallow="folder"), "before the crash, and the identity is")


def test_missing_sync_of_a_key_that_was_acknowledged_is_found(folder):
    with Bench(folder, "keys-create") as bench:
        expect_equal(bench.run("lost", crash_point.END).wrong, [])
        expect_complaint(bench.run("lost", crash_point.END, swallow="folder"), "the key was made, and is not there")


class Scratch:
    """Files, and the log that the library would have written of what is done to them."""

    def __init__(self, folder):
        self.root, self.saved = pathlib.Path(folder, "root"), pathlib.Path(folder, "saved")
        self.root.mkdir()
        self.saved.mkdir()
        self.lines = []

    def log(self, *fields):
        self.lines.append("\t".join(["file", str(len(self.lines) + 1), *map(str, fields)]))

    def create(self, name, text):
        path = self.root / name
        path.write_text(text)
        inode = path.stat().st_ino
        self.log("create", inode, path)
        self.log("write", inode, "-", path)
        return inode

    def rename(self, old, new):
        saved = "-"
        if (self.root / new).exists():
            saved = f"s{len(self.lines)}"
            os.rename(self.root / new, self.saved / saved)
        os.rename(self.root / old, self.root / new)
        self.log("rename", saved, self.root / old, self.root / new)

    def sync_folder(self):
        self.log("sync-folder", 0, self.root)

    def lose(self, names_too):
        log = self.saved.parent / "log"
        log.write_text("".join(f"{line}\n" for line in self.lines))
        crash_disk.Disk(crash_disk.Log(log), self.saved).lose([self.root], names_too)
        return {path.name: path.read_text() for path in crash_disk.files_below([self.root])}


def replaced(folder, sync_file, sync_folder):
    """A file that is replaced in the way of base_file_replace()."""
    scratch = Scratch(folder)
    (scratch.root / "a").write_text("old")
    inode = scratch.create("a.x7Qd2k.tmp", "new")
    if sync_file:
        scratch.log("sync", inode, scratch.root / "a.x7Qd2k.tmp")
    scratch.rename("a.x7Qd2k.tmp", "a")
    if sync_folder:
        scratch.sync_folder()
    return scratch


def test_synced_file_and_name_stay(folder):
    expect_equal(replaced(folder, True, True).lose(True), {"a": "new"})


def test_name_that_is_not_safe_is_taken_back(folder):
    expect_equal(replaced(folder, True, False).lose(True), {"a": "old"})


def test_name_that_is_not_safe_may_also_stay(folder):
    expect_equal(replaced(folder, True, False).lose(False), {"a": "new"})


def test_content_that_is_not_safe_is_gone_under_a_name_that_is(folder):
    expect_equal(replaced(folder, False, True).lose(True), {"a": ""})


def test_removed_file_comes_back(folder):
    scratch = Scratch(folder)
    (scratch.saved / "s").write_text("old")
    scratch.log("unlink", "s", scratch.root / "a")
    expect_equal(scratch.lose(True), {"a": "old"})


def test_overwritten_content_comes_back(folder):
    scratch = Scratch(folder)
    (scratch.root / "a").write_text("new")
    (scratch.saved / "s").write_text("old")
    scratch.log("write", (scratch.root / "a").stat().st_ino, "s", scratch.root / "a")
    expect_equal(scratch.lose(False), {"a": "old"})


# what is left

def test_index_that_nobody_knows_is_found(folder):
    def define(machine):
        machine.power_on(True)
        subprocess.run(["tpm2_nvdefine", hex(STRANGE_INDEX), "-s", "8"], check=True, capture_output=True,
                       env={**os.environ, "TPM2TOOLS_TCTI": machine.tcti})
        machine.shut_down()

    # Shared, as it takes an owner without a password.
    with Bench(folder, "second-boot", base=crash_scenarios.provisioned_shared, ownership="shared", change=define) as bench:
        expect_complaint(bench.run("killed", crash_point.END), f"an index is left in the TPM at {STRANGE_INDEX:#x}")


def test_file_that_nobody_knows_is_found(folder):
    def leave(machine):
        (machine.state / "config" / "device.cert.pem.half").write_text("half of")

    with Bench(folder, "second-boot", change=leave) as bench:
        expect_complaint(bench.run("killed", crash_point.END), "a file is left: config/device.cert.pem.half")


def test_half_written_file_is_found_wherever_it_is(folder):
    def leave(machine):
        (machine.state / "config" / "other.Zz09aA.tmp").write_text("half of")

    with Bench(folder, "second-boot", change=leave, files=("config/.*",)) as bench:
        expect_complaint(bench.run("killed", crash_point.END), "a half-written file is left: config/other.Zz09aA.tmp")


def test_random_names_are_the_same_change(_folder):
    expect_equal({crash_checks.plain_name(f"run/mode.{word}.tmp") for word in ("aB3dE6", "000000")}, {"run/mode.tmp"})
    expect_equal(crash_checks.plain_name("config/device.cert.pem"), "config/device.cert.pem")


def test_mode_that_was_not_expected_is_found(folder):
    def lose_certificate_key(machine):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "k",
                        "-subj", "/CN=other", "-out", "config/device.cert.pem"], cwd=machine.state, check=True, capture_output=True)

    with Bench(folder, "second-boot", change=lose_certificate_key) as bench:
        expect_complaint(bench.run("killed", crash_point.END), "mode fault, row 13")


def test_identity_of_another_device_is_found(folder):
    with Bench(folder, "second-boot") as bench:
        bench.prepared = bench.prepared._replace(before=bench.prepared.before._replace(reference="00" * 32))
        expect_complaint(bench.run("killed", crash_point.END), f"the identity was {'00' * 32}, and is")


def test_daemon_that_dies_by_itself_is_found(folder):
    with Bench(folder, "second-boot", settings=("Ownership=nonsense",)) as bench:
        expect_complaint(bench.run("killed", crash_point.END), "tpmidd died by itself")


# the plan

def test_every_spread_has_each_point_once(_folder):
    for count in (1, 2, 3, 7, 64, 65, 100):
        for offset in (0, 1, 17):
            expect_equal(sorted(crash.spread(count, offset)), list(range(count)))


def test_beginning_of_a_spread_is_even(_folder):
    for begun in (8, 16, 32):
        found = sorted(crash.spread(100, 3)[:begun])
        gaps = [after - before for before, after in zip(found, found[1:])]
        expect(max(gaps) <= 3 * 100 / begun, f"{begun} of 100: {found}")


def test_all_cases_have_as_many_turns(_folder):
    plans = [[(case, turn) for turn in range(length)] for case, length in (("a", 5), ("b", 2), ("c", 9))]
    begun = crash.in_turns(plans)[:6]
    expect_equal(sorted(case for case, _ in begun), ["a", "a", "b", "b", "c", "c"])


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/crash/driver")

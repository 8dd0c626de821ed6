#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tpmidctl doctor: what it says of trees of files that a device may have, and of a device that runs."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 120
TPMIDCTL = pathlib.Path(os.environ.get("TPMID_BUILD", ROOT / "build")) / "client" / "tpmidctl"
UID = 4990  # of the user tpmidd in the trees
MEMBERS = 4991  # a group with users in it


def need_root():
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, who may give files away")


def write(path, text="", owner=0, group=None, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, owner, owner if group is None else group)
    os.chmod(path, mode)


def make_tree(folder):
    """A device as it should be, seen from its files alone."""
    need_root()
    tree = pathlib.Path(folder)
    write(tree / "etc/passwd", f"root:x:0:0::/:/bin/sh\ntpmidd:x:{UID}:{UID}::/:/bin/false\nsomebody:x:4992:4992::/:/bin/sh\n")
    write(tree / "etc/group", f"root:x:0:\ntpmidd:x:{UID}:\ntss:x:{MEMBERS}:somebody\nnobodies:x:4993:\n")
    write(tree / "sys/class/tpm/tpm0/tpm_version_major", "2\n")
    write(tree / "dev/tpm0", owner=UID, mode=0o660)
    write(tree / "dev/tpmrm0", owner=UID, mode=0o660)
    write(tree / "proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
    write(tree / "usr/lib/udev/rules.d/65-tpmidd.rules", (ROOT / "systemd/65-tpmidd.rules").read_text())
    write(tree / "usr/share/dbus-1/system.d/org.tpmid1.conf", (ROOT / "policy/org.tpmid1.conf").read_text())
    write(tree / "usr/lib/tpmidd/tpmidd.conf", "[tpmidd]\n")
    make_state(tree / "persist/tpmidd")
    return tree


def make_state(path):
    path.mkdir(parents=True)
    os.chown(path, UID, UID)
    os.chmod(path, 0o700)


def examine(tree):
    """(group, check) -> [(result, text, next)], without a bus."""
    result = subprocess.run([TPMIDCTL, "doctor", "--json", "--root", tree, "--bus-address", "unix:path=/nonexistent/bus"],
                            capture_output=True, text=True, timeout=LIMIT)
    expect_equal(result.returncode, 15, result.stderr)
    return by_check(result.stdout)


def by_check(text):
    found = {}
    for check in json.loads(text):
        expect(check["next"] or check["result"] in ("PASS", "SKIP"), f"nothing to do about {check}")
        found.setdefault((check["group"], check["check"]), []).append((check["result"], check["text"], check["next"]))
    return found


def results(found, group, check):
    return [result for result, _, _ in found.get((group, check), [])]


def test_good_tree_fails_for_the_bus_alone(folder):
    found = examine(make_tree(folder))
    expect_equal({check for check in found if "FAIL" in results(found, *check)}, {("bus", "service")})
    expect_equal(results(found, "device", "node"), ["PASS", "PASS"])
    for check in (("device", "version"), ("device", "holder"), ("device", "udev-rule"), ("device", "kernel"), ("bus", "policy"),
                  ("identity", "state-folder"), ("identity", "space"), ("host", "clock")):
        expect_equal(results(found, *check), ["PASS"], str(check))


def test_node_that_others_may_open_fails(folder):
    tree = make_tree(folder)
    for owner, group, mode, says in ((UID, UID, 0o666, "every user"), (UID, UID, 0o664, "every user"), (UID, MEMBERS, 0o660, "group tss"),
                                     (4992, UID, 0o660, "user somebody"), (0, 4992, 0o660, "group 4992"),
                                     (0, 0, 0o600, "tpmidd cannot open"), (UID, UID, 0o400, "tpmidd cannot open")):
        write(tree / "dev/tpmrm0", owner=owner, group=group, mode=mode)
        node = examine(tree)["device", "node"]
        expect_equal([result for result, _, _ in node], ["PASS", "FAIL"], f"{owner}:{group} {mode:o}")
        expect(says in node[1][1] and "udevadm" in node[1][2], str(node))
    for owner, group, mode in ((UID, 0, 0o660), (0, UID, 0o660), (UID, 4993, 0o660), (UID, MEMBERS, 0o600)):
        write(tree / "dev/tpmrm0", owner=owner, group=group, mode=mode)
        expect_equal(results(examine(tree), "device", "node"), ["PASS", "PASS"], f"{owner}:{group} {mode:o}")


def test_members_of_tpmidd_s_own_group_fail(folder):
    tree = make_tree(folder)
    write(tree / "etc/group", f"root:x:0:\ntpmidd:x:{UID}:somebody\n")
    expect_equal(results(examine(tree), "device", "node"), ["FAIL", "FAIL"])


def test_missing_node_fails(folder):
    tree = make_tree(folder)
    (tree / "dev/tpm0").unlink()
    found = examine(tree)
    expect_equal(results(found, "device", "node"), ["FAIL", "PASS"])


def test_tpm_1_2_fails(folder):
    tree = make_tree(folder)
    write(tree / "sys/class/tpm/tpm0/tpm_version_major", "1\n")
    expect_equal(results(examine(tree), "device", "version"), ["FAIL"])


def test_no_tpm_is_said(folder):
    tree = make_tree(folder)
    shutil.rmtree(tree / "sys")
    found = examine(tree)
    expect_equal(results(found, "device", "tpm"), ["WARN"])
    expect_equal(results(found, "device", "node"), [])


def test_holder_of_the_device_is_named(folder):
    tree = make_tree(folder)
    for name, owner, result in (("tpmidd", UID, "PASS"), ("other", UID, "WARN"), ("tpmidd", 4992, "FAIL")):
        process = tree / "proc/123"
        write(process / "comm", f"{name}\n")
        os.chown(process, owner, owner)
        (process / "fd").mkdir(exist_ok=True)
        if not (process / "fd/5").is_symlink():
            os.symlink("/dev/tpm0", process / "fd/5")
        holder = examine(tree)["device", "holder"]
        expect_equal([entry[0] for entry in holder], [result], f"{name} of {owner}")
        expect(name in holder[0][1] and "123" in holder[0][1], str(holder))


def test_holder_that_is_neither_tpmidd_nor_root_fails(folder):
    tree = make_tree(folder)
    process = tree / "proc/124"
    for device in ("tpm0", "tpmrm0"):
        for uid, name, result in ((UID, "tpmidd", "PASS"), (UID, "other", "WARN"), (0, "tpm2_pcrread", "WARN"), (4992, "tpmidd", "FAIL")):
            write(process / "comm", f"{name}\n")
            # Its folder is root's, as that of a program that may not be looked into.
            write(process / "status", f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
            shutil.rmtree(process / "fd", ignore_errors=True)
            (process / "fd").mkdir()
            os.symlink(f"/dev/{device}", process / "fd/5")
            holder = examine(tree)["device", "holder"]
            expect_equal([entry[0] for entry in holder], [result], f"{device}, {name} of {uid}")
            expect(holder[0][1].startswith(f"/dev/{device} is held by {name}"), str(holder))


def set_list(path, *entries):
    """A POSIX access list: (tag, permissions, id)."""
    data = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))
    try:
        os.setxattr(path, "system.posix_acl_access", data)
    except OSError as error:
        raise tap.Skip(f"machine lacks: access lists on {path} ({error.strerror})") from None


def test_access_list_that_lets_others_in_fails(folder):
    tree = make_tree(folder)
    user_obj, user, group_obj, group, mask, other, none = 1, 2, 4, 8, 16, 32, 0xffffffff
    base = ((user_obj, 6, none), (group_obj, 0, none), (other, 0, none))
    for entries, result, says in ((((user, 6, 4992), (mask, 6, none)), "FAIL", "user somebody"),
                                  (((user, 4, 4992), (mask, 6, none)), "FAIL", "user somebody"),
                                  (((group, 6, MEMBERS), (mask, 6, none)), "FAIL", "group tss"),
                                  (((user, 6, 4992), (mask, 0, none)), "PASS", "access list"),
                                  (((group, 6, 4993), (mask, 6, none)), "PASS", "access list"),
                                  (((user, 6, 0), (mask, 6, none)), "PASS", "access list")):
        write(tree / "dev/tpmrm0", owner=UID, mode=0o600)
        set_list(tree / "dev/tpmrm0", *base, *entries)
        node = examine(tree)["device", "node"]
        expect_equal([each for each, _, _ in node], ["PASS", result], str(entries))
        expect(says in node[1][1], str(node))
        (tree / "dev/tpmrm0").unlink()
    write(tree / "dev/tpmrm0", owner=0, mode=0o600)
    set_list(tree / "dev/tpmrm0", *base, (user, 6, UID), (mask, 6, none))
    expect_equal(results(examine(tree), "device", "node"), ["PASS", "PASS"])


def test_udev_rule_that_is_masked_or_missing(folder):
    tree = make_tree(folder)
    write(tree / "etc/udev/rules.d/65-tpmidd.rules")
    expect_equal(results(examine(tree), "device", "udev-rule"), ["WARN"])
    shutil.rmtree(tree / "etc/udev")
    shutil.rmtree(tree / "usr/lib/udev")
    expect_equal(results(examine(tree), "device", "udev-rule"), ["FAIL"])


def test_old_kernel_fails(folder):
    tree = make_tree(folder)
    for release, result in (("4.11.9", "FAIL"), ("3.16.0", "FAIL"), ("4.12.0", "PASS"), ("5.4", "PASS")):
        write(tree / "proc/sys/kernel/osrelease", f"{release}\n")
        expect_equal(results(examine(tree), "device", "kernel"), [result], release)


def test_missing_bus_policy_fails(folder):
    tree = make_tree(folder)
    shutil.rmtree(tree / "usr/share/dbus-1")
    expect_equal(results(examine(tree), "bus", "policy"), ["FAIL"])


def test_state_folder_that_others_may_enter_fails(folder):
    tree = make_tree(folder)
    path = tree / "persist/tpmidd"
    for mode in (0o750, 0o701, 0o777):
        os.chmod(path, mode)
        expect_equal(results(examine(tree), "identity", "state-folder"), ["FAIL"], f"{mode:o}")
    os.chmod(path, 0o700)
    os.chown(path, 4992, 4992)
    expect_equal(results(examine(tree), "identity", "state-folder"), ["FAIL"])
    shutil.rmtree(path)
    expect_equal(results(examine(tree), "identity", "state-folder"), ["FAIL"])


def test_paths_of_the_configuration_count(folder):
    tree = make_tree(folder)
    shutil.rmtree(tree / "persist/tpmidd")
    make_state(tree / "elsewhere")
    write(tree / "usr/lib/tpmidd/tpmidd.conf", "[tpmidd]\nStatePath=/nowhere\n")
    write(tree / "usr/lib/tpmidd/tpmidd.conf.d/10-a.conf", "[tpmidd]\nStatePath=/nowhere\n")
    write(tree / "etc/tpmidd/tpmidd.conf.d/20-b.conf", "[tpmidd]\n# StatePath=/nowhere\n StatePath = /elsewhere \n")
    expect_equal(results(examine(tree), "identity", "state-folder"), ["PASS"])


def test_unknown_paths_are_not_guessed(folder):
    tree = make_tree(folder)
    shutil.rmtree(tree / "usr/lib/tpmidd")
    found = examine(tree)
    expect_equal(results(found, "identity", "state-folder"), ["SKIP"])
    expect_equal(results(found, "identity", "space"), [])


def boot(folder, script, *options):
    return subprocess.run([ROOT / "scripts" / "dev", "--state", folder, *options, "--", "sh", "-c", script],
                          capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)


DOCTOR = "tpmidctl doctor --json"
# The kernel's TPM and the udev rule are the machine's, not the booted device's.
OF_THE_DEVICE = ("bus", "tpm", "identity", "host")


def failures(found):
    return sorted(check for check in found if check[0] in OF_THE_DEVICE and "FAIL" in results(found, *check))


def test_healthy_device_passes(folder):
    need_root()
    result = boot(folder, f"tpmidctl serial set SN-1; {DOCTOR}")
    found = by_check(result.stdout)
    expect_equal(failures(found), [], result.stdout)
    for check in (("bus", "service"), ("bus", "owner"), ("bus", "policy"), ("tpm", "state"), ("tpm", "lockout"), ("tpm", "clear"),
                  ("identity", "mode"), ("identity", "key"), ("identity", "certificate"), ("identity", "validity"), ("identity", "marker"),
                  ("identity", "mode-file"), ("identity", "state-folder"), ("identity", "space"), ("host", "serial")):
        expect_equal(results(found, *check), ["PASS"], str(check))
    expect(found["identity", "marker"][0][1].startswith(f"{folder}/persist/config/"), str(found["identity", "marker"]))
    expect("verifies" in found["identity", "key"][0][1], str(found["identity", "key"]))


def test_software_device_passes(folder):
    need_root()
    found = by_check(boot(folder, DOCTOR, "--no-tpm").stdout)
    expect_equal(failures(found), [])
    expect_equal(results(found, "tpm", "state"), ["SKIP"])
    for check in ("marker", "mode-file", "state-folder"):
        expect_equal(results(found, "identity", check), ["PASS"])
    expect("is not there" in found["identity", "marker"][0][1], str(found["identity", "marker"]))


def test_fault_without_the_tpm_asks_for_it_back(folder):
    need_root()
    boot(folder, "tpmidctl serial set SN-1")
    found = by_check(boot(folder, DOCTOR, "--no-tpm").stdout)
    expect_equal(failures(found), [("identity", "mode"), ("tpm", "state")])
    state, marker = found["tpm", "state"][0], found["identity", "marker"][0]
    expect("Tpm=off" not in state[2] and "identity is in that TPM" in state[2], str(state))
    expect(marker[0] == "PASS" and "is there, as it was" in marker[1], str(marker))
    for check in (("identity", "key"), ("host", "serial")):
        expect_equal(results(found, *check), ["SKIP"])


def test_released_tpm_is_told_how_it_is_owned_again(folder):
    need_root()
    result = boot(folder, f"tpmidctl release-ownership --yes >&2; {DOCTOR}")
    hierarchies = by_check(result.stdout)["tpm", "hierarchies"][0]
    expect(hierarchies[0] == "WARN" and "tpmidctl reset" in hierarchies[2] and "in the way" not in hierarchies[2], str(hierarchies))


STOP_TPM = """
for process in /proc/[0-9]*; do
  case "$(tr '\\0' ' ' < $process/cmdline 2>/dev/null)" in swtpm*$TPMID_DEV_RUN/tpm*) pid=${process#/proc/};; esac
done
kill -STOP $pid
"""


def test_tpm_that_hangs_never_passes(folder):
    need_root()
    result = boot(folder, f"{STOP_TPM} {DOCTOR} --timeout 1; kill -CONT $pid")
    found = by_check(result.stdout)
    expect_equal([each for check in found if check[0] == "tpm" for each in results(found, *check) if each == "PASS"], [], result.stdout)
    expect_equal(results(found, "tpm", "state"), ["FAIL"], result.stdout)
    expect_equal(results(found, "identity", "key"), ["FAIL"], result.stdout)


def test_marker_that_differs_fails(folder):
    need_root()
    # A copy of the marker: tpmidd would put its own right at once.
    result = boot(folder, "cd $TPMID_DEV_STATE; m=t$PWD/persist/config/tpm_in_use; d='tpmidctl doctor --json --root t'; "
                          "r=$(dirname $(find $TPMID_DEV_RUN -name mode -type f | head -n 1)); mkdir -p $(dirname $m) t$(dirname $r); "
                          "ln -s $r t$r; cp persist/config/tpm_in_use $m; $d >0; echo MODE=software >$m; $d >1; rm $m; $d >2; exit 0")
    expect_equal(result.returncode, 0, result.stderr)
    found = [by_check((pathlib.Path(folder) / name).read_text()) for name in "012"]
    expect_equal([results(each, "identity", "marker") for each in found], [["PASS"], ["FAIL"], ["FAIL"]])
    expect_equal([results(each, "identity", "mode-file") for each in found], [["PASS"], ["PASS"], ["PASS"]])


def test_nothing_counts_as_a_failed_try(folder):
    need_root()
    result = boot(folder, f"{DOCTOR} >/dev/null; {DOCTOR} >/dev/null; tpmidctl status --json")
    expect_equal(json.loads(result.stdout)["tpm"]["lockout"]["counter"], 0, result.stderr)


def test_another_user_sees_less_and_tests_the_rights(folder):
    need_root()
    result = boot(folder, "chmod 755 $TPMID_DEV_STATE $TPMID_DEV_RUN; p=$(command -v tpmidctl); "
                          "cp $p $TPMID_DEV_RUN/c; cp $(dirname $p)/../lib/libtpmid.so.0 $TPMID_DEV_RUN; LD_LIBRARY_PATH=$TPMID_DEV_RUN "
                          "setpriv --reuid 65534 --clear-groups $TPMID_DEV_RUN/c doctor --json")
    found = by_check(result.stdout)
    expect_equal(results(found, "bus", "rights"), ["PASS"])
    expect_equal(results(found, "identity", "key"), ["SKIP"])
    expect_equal(results(found, "tpm", "handles"), ["SKIP"])


def test_text_has_a_line_for_each_check(folder):
    result = subprocess.run([TPMIDCTL, "doctor", "--root", folder, "--bus-address", "unix:path=/nonexistent/bus"], capture_output=True,
                            text=True, timeout=LIMIT)
    expect_equal(result.returncode, 15)
    expect(all(line[:4] in ("PASS", "WARN", "FAIL", "SKIP") or line.lstrip().startswith("> ") for line in result.stdout.splitlines()),
           result.stdout)
    expect("checks failed: bus service" in result.stderr, result.stderr)


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/doctor")

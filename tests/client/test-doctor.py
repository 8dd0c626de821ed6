#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tpmidctl doctor: what it says of trees of files that a device may have, and of a device that runs."""
import json
import os
import pathlib
import shutil
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
    for name, owner, result in (("tpmidd", UID, "PASS"), ("other", UID, "WARN"), ("tpmidd", 4992, "WARN")):
        process = tree / "proc/123"
        write(process / "comm", f"{name}\n")
        os.chown(process, owner, owner)
        (process / "fd").mkdir(exist_ok=True)
        if not (process / "fd/5").is_symlink():
            os.symlink("/dev/tpm0", process / "fd/5")
        holder = examine(tree)["device", "holder"]
        expect_equal([entry[0] for entry in holder], [result], f"{name} of {owner}")
        expect(name in holder[0][1] and "123" in holder[0][1], str(holder))


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


# A device that runs: $1 has the words of the call; files of the boot below $TPMID_DEV_STATE, where doctor looks for them.
PREPARE = """
set -e
cd $TPMID_DEV_STATE
uid=$(stat -c %u /proc/$TPMID_DEV_PID) gid=$(stat -c %g /proc/$TPMID_DEV_PID)
mkdir -p etc run proc/sys/kernel
printf 'root:x:0:0::/:/bin/sh\\ntpmidd:x:%s:%s::/:/bin/false\\n' $uid $gid > etc/passwd
printf 'root:x:0:\\ntpmidd:x:%s:\\n' $gid > etc/group
cp /proc/sys/kernel/osrelease proc/sys/kernel/
ln -sfn $(dirname $(find $TPMID_DEV_RUN -name mode -type f | head -n 1)) run/tpmid
set +e
"""


def boot(folder, script, *options):
    return subprocess.run([ROOT / "scripts" / "dev", "--state", folder, *options, "--", "sh", "-c", PREPARE + script],
                          capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)


DOCTOR = "tpmidctl doctor --json --root $TPMID_DEV_STATE"


def test_healthy_device_passes(folder):
    need_root()
    result = boot(folder, f"tpmidctl serial set SN-1; {DOCTOR}")
    expect_equal(result.returncode, 0, result.stderr)
    found = by_check(result.stdout)
    for check in (("bus", "service"), ("bus", "owner"), ("bus", "policy"), ("tpm", "state"), ("tpm", "lockout"), ("tpm", "clear"),
                  ("identity", "mode"), ("identity", "key"), ("identity", "certificate"), ("identity", "validity"), ("identity", "marker"),
                  ("identity", "mode-file"), ("identity", "state-folder"), ("host", "serial")):
        expect_equal(results(found, *check), ["PASS"], str(check))
    expect("verifies" in found["identity", "key"][0][1], str(found["identity", "key"]))


def test_software_device_passes(folder):
    need_root()
    result = boot(folder, DOCTOR, "--no-tpm")
    expect_equal(result.returncode, 0, result.stderr)
    found = by_check(result.stdout)
    expect_equal(results(found, "tpm", "state"), ["SKIP"])
    expect_equal(results(found, "identity", "marker"), ["PASS"])


def test_marker_that_differs_fails(folder):
    need_root()
    # A copy of the marker: tpmidd would put its own right at once.
    result = boot(folder, "mkdir -p t/persist/config; cp -r etc run proc t; ln -s $TPMID_DEV_STATE/persist/tpmidd t/persist; "
                          "m=t/persist/config/tpm_in_use; d='tpmidctl doctor --json --root t'; cp persist/config/tpm_in_use $m; $d >0; "
                          "echo MODE=software >$m; $d >1; rm $m; $d >2; exit 0")
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
                          "setpriv --reuid 65534 --clear-groups $TPMID_DEV_RUN/c doctor --json --root $TPMID_DEV_STATE")
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

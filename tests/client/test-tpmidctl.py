#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tpmidctl says of a device that runs: answers that are no success, and the sentences around them."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 120


def boot(folder, script, *options):
    return subprocess.run([ROOT / "scripts" / "dev", "--state", folder, *options, "--", "sh", "-c", script],
                          capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)


def expect_none(result, says):
    expect_equal((result.returncode, result.stdout, result.stderr.count("\n")), (4, "", 1), result.stderr)
    expect(says in result.stderr, result.stderr)


def test_no_serial_number_in_the_tpm_asks_for_one(folder):
    expect_none(boot(folder, "tpmidctl serial"), "serial set VALUE")


def test_no_serial_number_without_a_tpm_names_the_file(folder):
    expect_none(boot(folder, "tpmidctl serial", "--no-tpm"), "SerialFile=")


def test_serial_number_of_a_missing_tpm_is_out_of_reach(folder):
    boot(folder, "true")
    expect_none(boot(folder, "tpmidctl serial", "--no-tpm"), "out of reach")


def test_no_serial_number_is_an_answer_in_json(folder):
    result = boot(folder, "tpmidctl serial --json")
    expect_equal((result.returncode, json.loads(result.stdout)), (4, {"serial": "", "source": "none"}))
    expect_equal(json.loads(result.stderr)["error"]["exit"], 4)


def test_certificate_that_is_not_there_is_explained(folder):
    expect_none(boot(folder, "tpmidctl cert", "--no-tpm", "--set", "Tpm=required"), "waiting-for-tpm")


def test_signature_that_does_not_verify_is_an_answer_in_json(folder):
    script = "cd $TPMID_DEV_RUN && echo 1 >a && echo 2 >b && tpmidctl sign --in a --out s && tpmidctl verify --json --in $0 --signature s"
    good, bad = (boot(folder, script.replace("$0", name)) for name in "ab")
    expect_equal((good.returncode, json.loads(good.stdout)["verified"]), (0, True))
    expect_equal((bad.returncode, json.loads(bad.stdout)["verified"]), (12, False))


def test_public_key_goes_into_a_file(folder):
    result = boot(folder, "cd $TPMID_DEV_RUN && tpmidctl keys show device --public --out p && openssl pkey -pubin -in p -noout && "
                          "tpmidctl keys show device --public | cmp - p")
    expect_equal((result.returncode, result.stdout), (0, ""), result.stderr)


def test_refused_serial_number_says_nothing_of_signing(folder):
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, who may become another user")
    result = boot(folder, "chmod 755 $TPMID_DEV_RUN; p=$(command -v tpmidctl); cp $p $TPMID_DEV_RUN/c; "
                          "cp $(dirname $p)/../lib/libtpmid.so.0 $TPMID_DEV_RUN; LD_LIBRARY_PATH=$TPMID_DEV_RUN setpriv --reuid 65534 --clear-groups $TPMID_DEV_RUN/c serial set X")
    expect_equal((result.returncode, result.stderr.count("\n"), "sign" in result.stderr.lower()), (6, 1, False), result.stderr)


def test_stopped_daemon_is_named_first(folder):
    result = boot(folder, "kill $TPMID_DEV_PID; for i in $(seq 100); do tpmidctl status >/dev/null 2>&1 || break; sleep 0.1; done; tpmidctl status")
    expect_equal(result.returncode, 9)
    expect(result.stderr.startswith("tpmidctl: tpmidd is not running; start it: systemctl start tpmidd\n"), result.stderr)


def test_monitor_ends_in_time_and_with_its_reader(folder):
    result = boot(folder, "timeout 60 tpmidctl monitor --timeout 0.3; echo $?; (timeout 60 tpmidctl monitor; echo $? >&2) | head -n 1",
                  "--set", "Credentials=off")
    expect_equal(result.stdout.splitlines()[1:], ["0", result.stdout.splitlines()[0]])
    expect_equal(result.stderr, "0\n")


def test_each_reset_says_how_it_ended(folder):
    # A shared TPM is not cleared: none of them is complete, however alike and close together they are.
    result = boot(folder, "for i in 1 2 3 4; do tpmidctl reset --yes; done", "--shared")
    lines = result.stdout.splitlines()
    outcomes, references = lines[::2], lines[1::2]
    expect_equal((len(outcomes), len(set(outcomes)), len(set(references))), (4, 1, 4), result.stdout + result.stderr)
    expect(outcomes[0].startswith("reset: incomplete: "), outcomes[0])


def test_rotation_says_what_it_found(folder):
    result = boot(folder, "tpmidctl rotate begin; tpmidctl rotate begin; tpmidctl rotate commit --yes; tpmidctl rotate rollback --yes")
    lines = result.stdout.splitlines()
    expect_equal([line.split(": ")[1] for line in lines[::2]], ["made", "there already", "complete", "complete"], result.stderr)
    expect_equal(lines[1], lines[3])


def test_nothing_to_clear_and_nothing_to_clear_it_in(folder):
    result = boot(folder, "tpmidctl serial clear --yes; echo $?; tpmidctl handles | grep -c ' - '")
    expect_equal(result.stdout.split()[0], "4", result.stderr)
    expect("no serial number in the TPM" in result.stderr, result.stderr)
    script = "for i in handles 'serial clear --yes'; do tpmidctl $i; echo $?; done"
    expect_equal(boot(folder, script, "--no-tpm").stdout.split(), ["7", "7"])


def test_device_without_a_tpm_does_not_support_it(folder):
    script = "for i in handles 'serial clear --yes'; do tpmidctl $i; echo $?; done"
    expect_equal(boot(folder, script, "--no-tpm").stdout.split(), ["10", "10"])


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/tpmidctl")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The factory reset by its three requests: exactly once, with its safeguards, with TPM2_Clear and without."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from boots import boot, certificate, expect_ends_in, in_tpm, make_software_pair, marker, reference_of, status  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

TCTI = 'export TPM2TOOLS_TCTI="$TPMID_DEV_TCTI"; '
LEFT_IN_STATE = {"identity", "device.cert.pem", "keys", "slots", "ownership"}


def state(folder):
    return pathlib.Path(folder, "persist/tpmidd")


def flag(folder):
    path = state(folder) / "reset-request"
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path


def command_line(folder, text, number):
    """What tpmidd sees as /proc of one boot, with a kernel command line."""
    proc = pathlib.Path(folder, f"proc-{number}")
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text(f"00000000-0000-4000-8000-{number:012d}\n")
    (proc / "cmdline").write_text(f"root=/dev/x {text} quiet\n")
    return ("--set", f"ProcRoot={proc}")


def reset_on(folder, *options):
    """tpmidctl reset in one boot; then what the status of that boot says."""
    return status(folder, *options, script="tpmidctl reset --yes")


def expect_new(before, after):
    expect(before["key"]["reference"] != after["key"]["reference"], "the identity is the old one")
    expect_equal((after["mode"], after["reason"], after["state"]), ("tpm", "reset", "ready"), json.dumps(after, indent=1))


def expect_same_device(folder, after):
    """What the next boot finds, and that nothing is left of the reset."""
    found = status(folder)
    expect_ends_in(found, 11, "tpm", "found")
    expect_equal(found["key"], after["key"])
    expect_equal(reference_of(certificate(folder)), after["key"]["reference"])
    expect_equal(marker(folder)["KEY"], after["key"]["reference"])
    expect_equal(found["operation"], {})
    expect(not (state(folder) / "journal").exists(), "the journal is still there")
    return found


def test_reset_over_the_bus_makes_a_new_identity_and_keeps_the_serial_number(folder):
    first = status(folder, script="tpmidctl serial set SN-4711; tpmidctl keys create app")
    done = reset_on(folder)
    expect_new(first, done)
    expect_equal((done["row"], done["operation"]["name"], done["operation"]["state"]), (1, "reset", "done"))
    expect_equal((done["serial"], done["serial-source"]), ("SN-4711", "tpm-nv"))
    expect_equal(done["ownership"]["state"], "owned")
    found = expect_same_device(folder, done)
    expect_equal(found["serial"], "SN-4711")
    names = {path.name for path in state(folder).iterdir()}
    expect_equal(names - LEFT_IN_STATE, set(), "left over in the state folder")
    expect(not (state(folder) / "keys/app.pem").exists(), "the application's key is still there")


def test_reset_clears_the_tpm_under_exclusive(folder):
    foreign = TCTI + "tpm2_createprimary -Q -C e -c {0}/ctx -p x && tpm2_evictcontrol -Q -C o -c {0}/ctx 0x81010007".format(folder)
    status(folder, "--shared", script=foreign)
    out = boot(folder, script=TCTI + "tpm2_getcap handles-persistent; tpmidctl reset --yes >&2; echo after; tpm2_getcap handles-persistent").stdout
    before, after = out.split("after")
    expect("0x81010007" in before and "0x81010007" not in after, out)


def test_reset_without_clear_is_incomplete_and_says_why(folder):
    first = status(folder, "--shared", script="tpmidctl serial set SN-7")
    done = reset_on(folder, "--shared")
    expect_new(first, done)
    expect_equal(done["operation"]["state"], "incomplete")
    expect("ClearOnReset=" in done["operation"]["detail"] and done["hint"].startswith("reset: incomplete"), json.dumps(done, indent=1))
    expect_equal(expect_same_device(folder, done)["serial"], "SN-7")


def test_reset_may_be_allowed_to_clear_a_shared_tpm(folder):
    first = status(folder, "--shared", script="tpmidctl serial set SN-8")
    done = reset_on(folder, "--shared", "--set", "ClearOnReset=always")
    expect_new(first, done)
    expect_equal((done["operation"]["state"], done["serial"]), ("done", "SN-8"))


def test_reset_of_a_tpm_that_refuses_clear_is_incomplete(folder):
    first = status(folder, "--shared", script="tpmidctl serial set SN-9; " + TCTI + "tpm2_clearcontrol -Q -C l s")
    done = reset_on(folder, "--shared", "--set", "ClearOnReset=always")
    expect_new(first, done)
    expect_equal((done["operation"]["state"], done["serial"]), ("incomplete", "SN-9"))
    expect("disable" in done["operation"]["detail"].lower(), done["operation"]["detail"])


def test_flag_file_resets_once(folder):
    first = status(folder, script="tpmidctl serial set SN-1")
    request = flag(folder)
    done = status(folder)
    expect_ends_in(done, 1, "tpm", "reset")
    expect_new(first, done)
    expect(not request.exists(), "the request is still there")
    expect_equal(expect_same_device(folder, done)["serial"], "SN-1")


def test_flag_file_on_a_new_device_is_a_first_boot_on_a_clean_slate(folder):
    state(folder).mkdir(parents=True)
    flag(folder)
    if os.geteuid() == 0:
        shutil.chown(state(folder), "tpmidd", "tpmidd")
    state(folder).chmod(0o700)
    expect_ends_in(status(folder), 1, "tpm", "reset")
    expect_ends_in(status(folder), 11, "tpm", "found")


def expect_no_request(folder, first, break_it):
    path = flag(folder)
    break_it(path)
    found = status(folder)
    expect_equal(found["key"], first["key"])
    expect(any("is no request" in problem for problem in found["problems"]), str(found["problems"]))
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def replace_by_link(path):
    path.unlink()
    path.symlink_to("/dev/null")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def test_flag_file_of_the_wrong_kind_is_no_request(folder):
    first = status(folder)
    for break_it in (lambda path: path.chmod(0o644), replace_by_link, replace_by_folder,
                     lambda path: os.link(path, path.with_name("identity.other"))):
        expect_no_request(folder, first, break_it)


def test_flag_file_of_another_user_is_no_request(folder):
    if os.geteuid() != 0:
        raise tap.Skip("only root can give a file to another user")
    first = status(folder)
    expect_no_request(folder, first, lambda path: shutil.chown(path, "tpmidd"))


def test_command_line_resets_once_for_each_token(folder):
    first = status(folder, script="tpmidctl serial set SN-2")
    done = status(folder, *command_line(folder, "tpmid.reset=alpha", 1))
    expect_ends_in(done, 1, "tpm", "reset")
    expect_new(first, done)
    again = status(folder, *command_line(folder, "tpmid.reset=alpha", 2))
    expect_ends_in(again, 11, "tpm", "found")
    expect_equal((again["key"], again["serial"]), (done["key"], "SN-2"))
    other = status(folder, *command_line(folder, "tpmid.reset=beta", 3))
    expect_ends_in(other, 1, "tpm", "reset")
    expect_new(done, other)
    earlier = status(folder, *command_line(folder, "tpmid.reset=alpha", 4))  # the other slot of an A/B boot loader, say
    expect_equal(earlier["key"], other["key"])


def test_token_is_known_to_the_tpm_when_the_disk_was_erased(folder):
    status(folder)
    done = status(folder, *command_line(folder, "tpmid.reset=alpha", 1))
    shutil.rmtree(f"{folder}/persist")
    found = status(folder, *command_line(folder, "tpmid.reset=alpha", 2))
    expect_ends_in(found, 11, "tpm", "recovered")
    expect_equal(found["key"], done["key"])


def test_flag_file_that_comes_while_tpmidd_runs_waits_for_the_next_boot(folder):
    first = status(folder)
    found = status(folder, script=f"install -m 0600 /dev/null {state(folder)}/reset-request; tpmidctl serial set SN-1")
    expect_equal(found["key"], first["key"])
    expect_ends_in(status(folder), 1, "tpm", "reset")


def test_index_that_holds_no_serial_number_does_not_hinder_a_reset(folder):
    first = status(folder, "--shared")
    in_tpm(folder, "tpm2_nvdefine -Q -C o -s 4 0x01805401; printf '\\001\\002\\003\\004' | tpm2_nvwrite -Q -C o -i- 0x01805401")
    done = status(folder, "--shared", "--set", "ClearOnReset=always", script="tpmidctl reset --yes")
    expect(first["key"]["reference"] != done["key"]["reference"], "the identity is the old one")
    expect_equal(done["operation"]["state"], "done")


def test_command_line_without_a_token_resets_nothing(folder):
    first = status(folder)
    found = status(folder, *command_line(folder, "tpmid.reset=", 1))
    expect_equal(found["key"], first["key"])
    expect(any("wants a token" in problem for problem in found["problems"]), str(found["problems"]))


def test_request_without_a_tpm_is_kept_until_there_is_one(folder):
    first = status(folder)
    request = flag(folder)
    missing = status(folder, "--no-tpm")
    expect_ends_in(missing, 3, "fault", "tpm-missing")
    expect(request.exists() and any(problem.startswith("reset:") for problem in missing["problems"]), str(missing["problems"]))
    expect_equal(missing["operation"]["state"], "waiting")
    done = status(folder)
    expect_ends_in(done, 1, "tpm", "reset")
    expect_new(first, done)


def test_request_over_the_bus_without_a_tpm_is_kept(folder):
    first = status(folder)
    result = boot(folder, "--no-tpm", script="tpmidctl reset --yes || echo status $?; tpmidctl status --json")
    expect("status " in result.stdout, result.stdout)
    done = status(folder)
    expect_ends_in(done, 1, "tpm", "reset")
    expect_new(first, done)


def test_software_device_with_a_tpm_moves_into_it_by_a_reset(folder):
    make_software_pair(folder)
    before = status(folder)
    expect_equal(before["mode"], "software")
    done = reset_on(folder)
    expect_new(before, done)
    expect(not pathlib.Path(folder, "config/device.key.pem").exists(), "the old private key is still there")
    expect_same_device(folder, done)


def test_reset_takes_foreign_objects_out_of_the_way_and_takes_ownership(folder):
    foreign = TCTI + f"tpm2_createprimary -Q -C o -c {folder}/ctx && tpm2_evictcontrol -Q -C o -c {folder}/ctx 0x81000001"
    boot(folder, "--shared", script=foreign)
    before = status(folder)
    expect_equal(before["ownership"]["state"], "none")
    done = reset_on(folder)
    expect_equal(done["ownership"]["state"], "owned", json.dumps(done["ownership"]))


def test_passwords_are_new_after_a_reset(folder):
    status(folder)
    before = (state(folder) / "ownership").read_bytes()
    done = reset_on(folder)
    expect_equal(done["ownership"]["state"], "owned")
    expect((state(folder) / "ownership").read_bytes() != before, "the passwords are the old ones")


def test_certificate_of_the_old_identity_is_gone_everywhere(folder):
    status(folder)
    before = certificate(folder).read_bytes()
    reset_on(folder)
    found = subprocess.run(["grep", "-rl", before.decode().splitlines()[3], folder], capture_output=True, text=True)
    expect_equal(found.stdout, "", "the old certificate is still somewhere")


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/reset")

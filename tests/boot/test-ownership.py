#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose the TPM is: what tpmidd takes, keeps, finds again and gives back, and TPMs that others use too."""
import itertools
import json
import os
import pathlib
import re
import shutil
import stat
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from boots import boot, expect_ends_in, in_tpm, status  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

TCTI = 'export TPM2TOOLS_TCTI="$TPMID_DEV_TCTI" TSS2_LOG=all+NONE; '
PROPERTIES = TCTI + "tpm2_getcap properties-variable"
FOREIGN_KEY = "tpm2_createprimary -Q -C o -c {0}/ctx && tpm2_evictcontrol -Q -C o -c {0}/ctx {1}; rm {0}/ctx"
LOCK_OUT = ("tpm2_dictionarylockout -Q -s -n 1 -t 3600 -l 3600; tpm2_createprimary -Q -C o -c {0}/p; "
            "tpm2_create -Q -C {0}/p -p right -u {0}/u -r {0}/r -i- <<< x; tpm2_flushcontext -t; "
            "tpm2_load -Q -C {0}/p -u {0}/u -r {0}/r -c {0}/c; tpm2_flushcontext -t; "
            "tpm2_unseal -Q -c {0}/c -p wrong || tpm2_flushcontext -t; rm {0}/p {0}/u {0}/r {0}/c")


def passwords(folder):
    text = pathlib.Path(folder, "persist/tpmidd/ownership").read_text()
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def properties(folder, *options, script="true"):
    """Names of TPM2_GetCapability's variable properties that have a value in a running device."""
    out = boot(folder, *options, script=f"{{ {script}; }} >&2; {PROPERTIES}").stdout
    return {match[1]: int(match[2], 0) for match in re.finditer(r"^\s*(\w+):\s+(0x[0-9A-Fa-f]+|\d+)$", out, re.M)}


# exclusive

def test_first_boot_takes_owner_and_lockout_passwords(folder):
    found = status(folder)
    own = found["ownership"]
    expect_equal((own["policy"], own["state"], own["owner-auth"], own["lockout-auth"], own["endorsement-auth"]),
                 ("exclusive", "owned", "own", "own", "empty"), json.dumps(own))
    expect_equal(found["tpm"]["state"], "ready")
    held = properties(folder)
    expect_equal((held["ownerAuthSet"], held["lockoutAuthSet"], held["endorsementAuthSet"]), (1, 1, 0))
    expect_equal((held["TPM2_PT_MAX_AUTH_FAIL"], held["TPM2_PT_LOCKOUT_INTERVAL"], held["TPM2_PT_LOCKOUT_RECOVERY"]), (32, 600, 3600))


def test_passwords_on_disk_are_for_tpmidd_alone_and_open_the_tpm(folder):
    status(folder)
    path = pathlib.Path(folder, "persist/tpmidd/ownership")
    expect_equal(stat.S_IMODE(path.stat().st_mode), 0o600)
    owner = passwords(folder)["owner"]
    expect(len(owner) >= 32, "the password is short")
    boot(folder, script=TCTI + f"tpm2_changeauth -Q -c o -p {owner} {owner}")


def test_passwords_are_found_in_the_tpm_when_the_disk_was_erased(folder):
    first = status(folder)
    before = passwords(folder)
    shutil.rmtree(f"{folder}/persist")
    found = status(folder)
    expect_ends_in(found, 11, "tpm", "recovered")
    expect_equal((found["key"], found["ownership"]["state"]), (first["key"], "owned"))
    after = passwords(folder)
    expect_equal((after["owner"], after["lockout"]), (before["owner"], before["lockout"]))


def test_no_later_program_of_this_boot_reads_the_passwords(folder):
    status(folder)
    out = boot(folder, script=TCTI + "tpm2_nvread 0x01805402 -s 1 && echo READ || echo refused").stdout
    expect("refused" in out, out)


def test_platform_hierarchy_is_closed_at_each_boot(folder):
    for _ in range(2):
        out = boot(folder, script=TCTI + "tpm2_changeauth -Q -c p x && echo OPEN || echo closed; tpmidctl status --json").stdout
        expect(out.startswith("closed"), out)
        expect_equal(json.loads(out.split("\n", 1)[1])["ownership"]["platform"], "closed")


def test_ownership_is_not_taken_later(folder):
    status(folder, "--shared")
    expect_equal(status(folder)["ownership"]["state"], "none")


def test_foreign_object_keeps_the_tpm_from_being_taken_and_is_left_alone(folder):
    in_tpm(folder, FOREIGN_KEY.format(folder, "0x81000001"))
    found = status(folder)
    expect_ends_in(found, 16, "tpm", "first-boot")
    own = found["ownership"]
    expect_equal(own["state"], "none", json.dumps(own))
    expect("0x81000001" in own["detail"], own["detail"])
    expect("0x81000001" in in_tpm(folder, "tpm2_getcap handles-persistent"), "the foreign object is gone")


def test_foreign_index_keeps_the_tpm_from_being_taken_and_is_left_alone(folder):
    in_tpm(folder, "tpm2_nvdefine -Q -C o -s 8 0x1500000")
    own = status(folder)["ownership"]
    expect_equal(own["state"], "none", json.dumps(own))
    expect("0x01500000" in own["detail"], own["detail"])
    expect("0x1500000" in in_tpm(folder, "tpm2_getcap handles-nv-index").lower(), "the foreign index is gone")


def test_index_of_the_platform_does_not_keep_the_tpm_from_being_taken(folder):
    in_tpm(folder, "tpm2_nvdefine -Q -C p -s 8 -a 'ppread|ppwrite|authread|no_da|platformcreate' 0x1c00002")
    expect_equal(status(folder)["ownership"]["state"], "owned")


def make_stale(folder, **words):
    """As a backup of the disk that was restored leaves it: passwords of the right form, but not those of the TPM."""
    path = pathlib.Path(folder, "persist/tpmidd/ownership")
    text = path.read_text()
    for name, word in words.items():
        text = re.sub(f"^{name}=.*$", f"{name}={word * 32}", text, flags=re.M)
    path.write_text(text)


def test_old_passwords_on_disk_are_replaced_by_those_in_the_tpm(folder):
    status(folder)
    before = passwords(folder)
    make_stale(folder, owner="A", lockout="B")
    found = status(folder, script="tpmidctl serial set SN-1")
    expect_equal((found["ownership"]["state"], found["ownership"]["detail"], found["serial"]), ("owned", "", "SN-1"), json.dumps(found["ownership"]))
    after = passwords(folder)
    expect_equal((after["owner"], after["lockout"]), (before["owner"], before["lockout"]))


def test_reset_at_boot_with_old_passwords_on_disk_clears_the_tpm(folder):
    first = status(folder)
    make_stale(folder, owner="A", lockout="B")
    request = pathlib.Path(folder, "persist/tpmidd/reset-request")
    request.touch(mode=0o600)
    found = status(folder)
    expect_equal(found["operation"]["state"], "done", json.dumps(found["operation"]))
    expect(found["key"] != first["key"], "the key is the old one")
    expect_equal(found["ownership"]["state"], "owned", json.dumps(found["ownership"]))
    expect(not found["tpm"]["lockout"]["in-lockout"], json.dumps(found["tpm"]["lockout"]))


def test_foreign_index_in_the_place_of_the_passwords_is_named_and_left_alone(folder):
    in_tpm(folder, "tpm2_nvdefine -Q -C o -s 8 -a 'ownerread|ownerwrite|authread|no_da|read_stclear' 0x01805402; "
                   "echo -n 12345678 | tpm2_nvwrite -Q -C o -i - 0x01805402")
    found = status(folder)
    expect_equal(found["ownership"]["state"], "none", json.dumps(found["ownership"]))
    expect("0x01805402" in found["ownership"]["detail"], found["ownership"]["detail"])
    expect_equal(in_tpm(folder, "tpm2_nvread -C o -s 8 0x01805402").strip(), "12345678")
    listed = json.loads(boot(folder, script="tpmidctl handles --json").stdout)
    text = json.dumps([entry for entry in listed if "1805402" in json.dumps(entry) or str(0x01805402) in json.dumps(entry)])
    expect('"other"' in text, text)


# passwords of others

HIERARCHIES = {"owner": "o", "endorsement": "e", "lockout": "l"}


def check_foreign_passwords(folder, names, options):
    place = os.path.join(folder, "-".join(names) or "none")
    os.mkdir(place)
    for name in names:
        in_tpm(place, f"tpm2_changeauth -Q -c {HIERARCHIES[name]} foreign")
    found = status(place, *options)
    own = found["ownership"]
    for name in HIERARCHIES:
        wanted = "foreign" if name in names else "empty"
        if own["state"] == "owned" and name != "endorsement":
            wanted = "own"
        expect_equal(own[f"{name}-auth"], wanted, f"{names}: {json.dumps(own)}")
    if names:
        expect_equal(own["state"], "foreign", f"{names}: {json.dumps(own)}")
        expect(any(name in own["detail"] for name in names), f"{names}: {own['detail']}")
    expect_equal((found["mode"], found["row"]), ("unprovisioned", 10) if "owner" in names else ("tpm", 16), f"{names}: {found}")
    expect_equal(found["tpm"]["lockout"]["counter"], 0, "a try was counted")
    for name in names:  # still the foreign one, and not locked by tries
        in_tpm(place, f"tpm2_changeauth -Q -c {HIERARCHIES[name]} -p foreign foreign")


def combinations():
    return [names for count in range(4) for names in itertools.combinations(HIERARCHIES, count)]


def test_each_combination_of_foreign_passwords_is_left_alone_under_exclusive(folder):
    for names in combinations():
        check_foreign_passwords(folder, names, [])


def test_each_combination_of_foreign_passwords_is_left_alone_under_shared(folder):
    for names in combinations():
        check_foreign_passwords(folder, names, ["--shared"])


def supply(folder, **words):
    place = pathlib.Path(folder, "passwords")
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    for name, word in words.items():
        path = place / f"tpmidd.{name}-auth"
        path.write_text(word)
        path.chmod(0o644)
    return ("--set", f"PasswordsPath={place}")


def test_supplied_password_of_the_owner_lets_tpmidd_make_its_key(folder):
    in_tpm(folder, "tpm2_changeauth -Q -c o foreign")
    expect_equal(status(folder, "--shared")["mode"], "unprovisioned")
    found = status(folder, "--shared", *supply(folder, owner="foreign"), script="tpmidctl serial set SN-1")
    expect_equal((found["mode"], found["ownership"]["owner-auth"], found["serial"]), ("tpm", "supplied", "SN-1"), json.dumps(found))
    in_tpm(folder, "tpm2_changeauth -Q -c o -p foreign foreign")


def test_wrong_password_is_tried_once_and_named(folder):
    in_tpm(folder, "tpm2_changeauth -Q -c o foreign; tpm2_changeauth -Q -c l other")
    found = status(folder, "--shared", "--set", "ClearOnReset=always", *supply(folder, owner="foreign", lockout="wrong"),
                   script="tpmidctl reset --yes || true")
    expect_equal(found["operation"]["state"], "incomplete", json.dumps(found["operation"]))
    expect_equal(found["ownership"]["lockout-auth"], "foreign", json.dumps(found["ownership"]))


def test_supplied_lockout_password_allows_the_clear_of_a_reset(folder):
    in_tpm(folder, "tpm2_changeauth -Q -c l foreign")
    status(folder, "--shared", script="tpmidctl serial set SN-1")
    found = status(folder, "--shared", "--set", "ClearOnReset=always", *supply(folder, lockout="foreign"), script="tpmidctl reset --yes")
    expect_equal((found["operation"]["state"], found["serial"]), ("done", "SN-1"), json.dumps(found["operation"]))


# a TPM that is full, or locked

def test_tpm_full_of_foreign_objects_is_named_and_loses_nothing(folder):
    fill = "i=1; for kind in rsa2048 ecc; do tpm2_createprimary -Q -C o -G $kind -c {0}/ctx; " \
           "while tpm2_evictcontrol -Q -C o -c {0}/ctx $(printf 0x8100%04x $i) 2>/dev/null; do i=$((i+1)); tpm2_flushcontext -t; done; tpm2_flushcontext -t; done; rm {0}/ctx; " \
           "tpm2_getcap handles-persistent".format(folder)
    before = in_tpm(folder, fill)
    found = status(folder)
    expect_equal((found["mode"], found["reason"]), ("unprovisioned", "provisioning-failed"), json.dumps(found))
    expect(re.search("no room|full|slots|space", found["hint"]), found["hint"])
    expect_equal(in_tpm(folder, "tpm2_getcap handles-persistent"), before, "an object is gone")


def test_full_nv_memory_is_named_at_the_serial_number(folder):
    status(folder, "--shared")
    in_tpm(folder, "i=0; while tpm2_nvdefine -Q -C o -s 512 $(printf 0x15%05x $i) 2>/dev/null; do i=$((i+1)); done; "
                   "while tpm2_nvdefine -Q -C o -s 1 $(printf 0x15%05x $i) 2>/dev/null; do i=$((i+1)); done; true")
    out = boot(folder, "--shared", script="tpmidctl serial set SN-1 2>&1 || echo status $?; tpmidctl status --json")
    expect("status" in out.stdout and re.search("space|room|NV", out.stdout), out.stdout)
    expect_equal(json.loads(out.stdout[out.stdout.index("{"):])["mode"], "tpm")


def test_lockout_in_force_does_not_hinder_the_identity(folder):
    first = status(folder, "--shared")
    in_tpm(folder, "bash -ec '" + LOCK_OUT.format(folder) + "'")
    found = status(folder, "--shared", script=f"echo x > {folder}/x; tpmidctl sign --key device --in {folder}/x --out {folder}/s")
    expect_equal((found["mode"], found["key"]), ("tpm", first["key"]))
    expect(found["tpm"]["lockout"]["in-lockout"], json.dumps(found["tpm"]["lockout"]))
    expect_equal(found["tpm"]["state"], "lockout")


def test_first_boot_on_a_tpm_in_lockout_makes_the_identity(folder):
    in_tpm(folder, "bash -ec '" + LOCK_OUT.format(folder) + "'")
    found = status(folder)
    expect_equal((found["mode"], found["ownership"]["state"]), ("tpm", "owned"), json.dumps(found))


def test_shared_tpm_is_left_as_found(folder):
    before = in_tpm(folder, "tpm2_getcap properties-variable | grep -E 'AuthSet|LOCKOUT|MAX_AUTH'")
    status(folder, "--shared", script="tpmidctl serial set SN-1")
    expect_equal(in_tpm(folder, "tpm2_getcap properties-variable | grep -E 'AuthSet|LOCKOUT|MAX_AUTH'"), before)


def test_released_tpm_has_empty_passwords_and_is_not_taken_again(folder):
    status(folder)
    found = status(folder, script="tpmidctl release-ownership --yes")
    expect_equal(found["ownership"]["state"], "none", json.dumps(found["ownership"]))
    held = properties(folder)
    expect_equal((held["ownerAuthSet"], held["lockoutAuthSet"]), (0, 0))
    expect("0x1805402" not in in_tpm(folder, "tpm2_getcap handles-nv-index").lower(), "the copy in the TPM is still there")
    expect_equal(status(folder)["ownership"]["state"], "none")


def test_release_without_the_disk_makes_the_passwords_empty(folder):
    status(folder)
    found = status(folder, script=f"rm {folder}/persist/tpmidd/ownership; tpmidctl release-ownership --yes")
    expect_equal(found["ownership"]["state"], "none", json.dumps(found["ownership"]))
    held = properties(folder)
    expect_equal((held["ownerAuthSet"], held["lockoutAuthSet"]), (0, 0))


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/ownership")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Operations that meet: each other, a TPM or a disk that is gone, and what others have in the TPM and in /config."""
import json
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from boots import boot, certificate, expect_ends_in, in_tpm, status  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

CALL = 'call() { busctl --address="$DBUS_SYSTEM_BUS_ADDRESS" call org.tpmid1 /org/tpmid1 org.tpmid1.Device "$@"; }; '
AT_REST = ("for i in $(seq 150); do tpmidctl status --json > {0}/rest; grep -q '\"state\" : \"\\(running\\|provisioning\\)\"' {0}/rest || break; "
           "sleep 0.1; done")


def state(folder):
    return pathlib.Path(folder, "persist/tpmidd")


def rest(folder):
    return AT_REST.format(folder)


def journal(folder, **words):
    """What a power cut in the middle of an operation leaves."""
    path = state(folder) / "journal"
    path.write_text("[journal]\n" + "".join(f"{key.replace('_', '-')}={value}\n" for key, value in words.items()))
    shutil.chown(path, "tpmidd") if os.geteuid() == 0 else None
    path.chmod(0o600)


def as_root():
    if os.geteuid() != 0:
        raise tap.Skip("only root can shut tpmidd out of a folder")


# two at a time

def test_reset_that_comes_into_a_rotation_is_done(folder):
    for pause in (0, 0.01, 0.02, 0.04):
        place = os.path.join(folder, str(pause))
        first = status(place)
        script = CALL + f"tpmidctl rotate begin; call CommitRotation 'sa{{sv}}' '' 0 & sleep {pause}; call Reset 'a{{sv}}' 0; wait; " + rest(place)
        done = status(place, script=script)
        expect_equal((done["operation"]["name"], done["operation"]["state"]), ("reset", "done"), f"{pause}: {json.dumps(done['operation'])}")
        expect(not (state(place) / "slots/previous.pem").exists(), "something of the rotation outlived the reset")
        found = status(place)
        expect_ends_in(found, 11, "tpm", "found")
        expect_equal((found["key"], found["key"] != first["key"]), (done["key"], True))


def test_certificate_of_the_old_key_does_not_get_over_the_new_identity(folder):
    for pause in (0, 0.015, 0.04):
        place = os.path.join(folder, str(pause))
        status(place)
        old = f"{place}/old.pem"
        shutil.copy(certificate(place), old)
        script = (CALL + f"tpmidctl rotate begin; call CommitRotation 'sa{{sv}}' '' 0 & sleep {pause}; tpmidctl cert install {old} || true; wait; "
                  + rest(place))
        done = status(place, script=script)
        expect_equal((done["mode"], done["row"]), ("tpm", 11), f"{pause}: {json.dumps(done)}")
        expect_ends_in(status(place), 11, "tpm", "found")


def test_many_resets_at_once_come_to_an_end(folder):
    status(folder)
    script = CALL + "for i in 1 2 3 4 5; do call Reset 'a{sv}' 0 & done; call SetSerialNumber 'sa{sv}' SN-1 0 & wait; " + rest(folder)
    done = status(folder, script=script)
    expect_equal((done["mode"], done["operation"]["state"]), ("tpm", "done"), json.dumps(done["operation"]))
    expect_ends_in(status(folder), 11, "tpm", "found")


def test_migration_that_was_called_back_does_not_happen_later(folder):
    as_root()
    first = status(folder)
    config = f"{folder}/config"
    script = (f"chown root {config}; chmod 755 {config}; tpmidctl migrate to-software --yes || true; tpmidctl migrate to-tpm --yes || true; "
              f"chown tpmidd {config}; sleep 5; " + rest(folder))
    done = status(folder, script=script)
    expect_equal((done["mode"], done["key"]), ("tpm", first["key"]), json.dumps(done))
    expect_equal(status(folder)["key"], first["key"])


# a TPM that is not there in the middle

def check_waits_for_the_tpm(folder, **words):
    status(folder, script="tpmidctl serial set SN-1")
    for name in ("identity", "device.cert.pem"):
        (state(folder) / name).unlink()
    certificate(folder).unlink()
    journal(folder, **words)
    expect_ends_in(status(folder, "--no-tpm"), 3, "fault", "tpm-missing")
    expect(not pathlib.Path(folder, "config/device.key.pem").exists(), "a software key was made")
    done = status(folder)
    expect_equal((done["mode"], done["serial"], done["operation"]["state"]), ("tpm", "SN-1", "done"), json.dumps(done))


def test_reset_that_lost_its_tpm_half_way_waits_for_it(folder):
    check_waits_for_the_tpm(folder, operation="reset", stamp="x", erasing="true", carried_out="true")


def test_reprovision_that_lost_its_tpm_half_way_waits_for_it(folder):
    check_waits_for_the_tpm(folder, operation="reprovision", stamp="x", carried_out="true")


# what others have

def test_serial_number_of_another_form_outlives_a_reset_that_clears(folder):
    content = "53 4e 20 31 32 33 34 35 00 00"  # "SN 12345", and room
    in_tpm(folder, f"echo {content} | xxd -r -p > {folder}/sn; tpm2_nvdefine -Q -C o -s 10 -a 'ownerwrite|ownerread|authread|no_da' 0x01805401; "
                   f"tpm2_nvwrite -Q -C o -i {folder}/sn 0x01805401")
    status(folder, "--shared")
    done = status(folder, "--shared", "--set", "ClearOnReset=always", script="tpmidctl reset --yes")
    expect_equal((done["operation"]["state"], done["serial"]), ("done", "SN 12345"), json.dumps(done["operation"]))
    raw = in_tpm(folder, "tpm2_nvread 0x01805401 | xxd -p")
    expect_equal(raw.strip(), content.replace(" ", ""))


def test_serial_number_that_could_not_be_put_back_keeps_the_tpm_from_being_cleared(folder):
    in_tpm(folder, "tpm2_nvdefine -Q -C o -s 8 -a 'ownerwrite|ownerread|authread|no_da' 0x01500020; printf SN-12345 | tpm2_nvwrite -Q -C o -i- 0x01500020")
    index = ("--set", "SerialIndex=0x01500020")
    first = status(folder, "--shared", *index)
    done = status(folder, "--shared", *index, "--set", "ClearOnReset=always", script="tpmidctl reset --yes")
    expect_equal((done["operation"]["state"], done["serial"]), ("incomplete", "SN-12345"), json.dumps(done["operation"]))
    expect(done["key"] != first["key"] and "serial number" in done["operation"]["detail"], json.dumps(done["operation"]))


def test_index_of_others_in_the_place_of_the_tokens_is_left_alone_and_stops_no_reset(folder):
    in_tpm(folder, "tpm2_nvdefine -Q -C o -s 8 -a 'ownerwrite|ownerread|authread|no_da' 0x01805403; printf theirs-- | tpm2_nvwrite -Q -C o -i- 0x01805403")
    proc = pathlib.Path(folder, "proc")
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text("00000000-0000-4000-8000-000000000001\n")
    (proc / "cmdline").write_text("tpmid.reset=alpha\n")
    first = status(folder, "--shared")
    done = status(folder, "--shared", "--set", f"ProcRoot={proc}")
    expect(done["key"] != first["key"] and done["operation"]["state"] in ("done", "incomplete"), json.dumps(done))
    expect_equal(in_tpm(folder, "tpm2_nvread 0x01805403"), "theirs--")
    again = status(folder, "--shared", "--set", f"ProcRoot={proc}")
    expect_equal(again["key"], done["key"])


def test_what_others_put_beside_the_certificate_stops_no_reset(folder):
    first = status(folder)
    for name in ("device.cert.pem.archived", "device.cert.pem.tmp"):
        path = pathlib.Path(folder, "config", name)
        path.mkdir()
        (path / "inside").write_text("theirs")
    done = status(folder, script="tpmidctl reset --yes")
    expect_equal((done["mode"], done["operation"]["state"], done["key"] != first["key"]), ("tpm", "done", True), json.dumps(done))


def test_reset_that_cannot_begin_leaves_the_identity_in_service(folder):
    as_root()
    first = status(folder)
    config = f"{folder}/config"
    script = (f"chown root {config}; chmod 755 {config}; tpmidctl reset --yes || true; tpmidctl status --json > {folder}/meanwhile; "
              f"echo x > {folder}/x; tpmidctl sign --key device --in {folder}/x --out {folder}/s; chown tpmidd {config}; "
              f"for i in $(seq 200); do tpmidctl status --json | grep -q '\"name\" : \"reset\"' && tpmidctl status --json | "
              f"grep -q '\"state\" : \"done\"' && break; sleep 0.1; done")
    done = status(folder, script=script)
    meanwhile = json.loads(pathlib.Path(folder, "meanwhile").read_text())
    expect_equal((meanwhile["mode"], meanwhile["key"], meanwhile["operation"]["state"]), ("tpm", first["key"], "failed"), json.dumps(meanwhile))
    expect_equal((done["mode"], done["operation"]["state"], done["key"] != first["key"]), ("tpm", "done", True), json.dumps(done))


def test_token_that_only_the_tpm_knows_is_known_after_another_reset(folder):
    def with_token(token, number):
        proc = pathlib.Path(folder, f"proc-{number}")
        (proc / "sys/kernel/random").mkdir(parents=True)
        (proc / "sys/kernel/random/boot_id").write_text(f"00000000-0000-4000-8000-{number:012d}\n")
        (proc / "cmdline").write_text(f"tpmid.reset={token}\n")
        return status(folder, "--set", f"ProcRoot={proc}")
    status(folder)
    with_token("alpha", 1)
    shutil.rmtree(f"{folder}/persist")
    second = with_token("beta", 2)
    expect_equal(second["reason"], "reset")
    third = with_token("alpha", 3)
    expect_equal(third["key"], second["key"])


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/overlap")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator does to a device: reprovision, migrate and back, another certificate, another key and back, no serial number."""
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from boots import boot, certificate, expect_ends_in, make_software_pair, marker, reference_of, status  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

TCTI = 'export TPM2TOOLS_TCTI="$TPMID_DEV_TCTI"; '
EVICT_KEY = TCTI + 'tpm2_evictcontrol -Q -C o -c 0x81005401 -P "$(sed -n s/^owner=//p {0}/persist/tpmidd/ownership)"'


def archive(folder):
    return sorted(path.relative_to(pathlib.Path(folder, "persist/tpmidd/archive")).parts[-1]
                  for path in pathlib.Path(folder, "persist/tpmidd/archive").rglob("*") if path.is_file())


def exits(folder, script, *options):
    """The exit status of script in a boot, and what it said."""
    result = boot(folder, *options, script=f"({script}) || echo status $?")
    return result.stdout + result.stderr


def make_ca(folder):
    """An identity CA of openssl; returns the shell lines that sign request.pem in the folder into chain.pem."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=identity CA",
                    "-days", "30", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem"], check=True, capture_output=True)
    return (f"openssl x509 -req -in {folder}/request.pem -CA {folder}/ca.pem -CAkey {folder}/ca.key -CAcreateserial -days 30 "
            f"-out {folder}/leaf.pem 2>/dev/null; cat {folder}/leaf.pem {folder}/ca.pem > {folder}/chain.pem; ")


# reprovision

def test_reprovision_of_another_tpm_archives_what_belonged_to_the_old_one(folder):
    first = status(folder, script="tpmidctl keys create app")
    shutil.rmtree(f"{folder}/swtpm")
    expect_ends_in(status(folder), 9, "fault", "tpm-changed")
    done = status(folder, script="tpmidctl reprovision --yes")
    expect_equal((done["mode"], done["operation"]["name"], done["operation"]["state"]), ("tpm", "reprovision", "done"), json.dumps(done))
    expect(done["key"]["reference"] != first["key"]["reference"], "the identity is the old one")
    expect_equal(done["ownership"]["state"], "owned")
    names = archive(folder)
    for name in ("identity", "device.cert.pem", "app.pem", "ownership"):
        expect(name in names, f"{name} is not in the archive: {names}")
    found = status(folder)
    expect_ends_in(found, 11, "tpm", "found")
    expect_equal(found["key"], done["key"])


def test_reprovision_of_a_foreign_certificate_keeps_the_key(folder):
    first = status(folder)
    make_software_pair(folder, key=False)
    expect_ends_in(status(folder), 13, "fault", "certificate-mismatch")
    foreign = certificate(folder).read_bytes()
    done = status(folder, script="tpmidctl reprovision --yes")
    expect_equal((done["mode"], done["key"]), ("tpm", first["key"]))
    stored = [path.read_bytes() for path in pathlib.Path(folder, "persist/tpmidd/archive").rglob("device.cert.pem")]
    expect_equal(stored, [foreign])


def test_reprovision_of_a_dropped_software_key_returns_to_the_tpm(folder):
    first = status(folder)
    make_software_pair(folder)
    expect_ends_in(status(folder), 8, "fault", "downgrade-refused")
    done = status(folder, script="tpmidctl reprovision --yes")
    expect_equal((done["mode"], done["key"]), ("tpm", first["key"]))
    expect("device.key.pem" in archive(folder), str(archive(folder)))
    expect_equal(done["reason"], "recovered")


def test_reprovision_brings_the_certificate_of_a_ca_back(folder):
    issue = make_ca(folder)
    status(folder, script=f"tpmidctl csr --key device --subject /CN=unit > {folder}/request.pem; {issue} tpmidctl cert install {folder}/chain.pem")
    issued = certificate(folder).read_bytes()
    make_software_pair(folder)
    expect_ends_in(status(folder), 8, "fault", "downgrade-refused")
    status(folder, script="tpmidctl reprovision --yes")
    expect_equal(certificate(folder).read_bytes(), issued)


def test_reprovision_of_a_key_that_is_gone_makes_a_new_identity(folder):
    first = status(folder, "--shared")
    boot(folder, "--shared", script=TCTI + "tpm2_evictcontrol -Q -C o -c 0x81005401")
    expect_ends_in(status(folder, "--shared"), 15, "fault", "key-missing")
    done = status(folder, "--shared", script="tpmidctl reprovision --yes")
    expect_equal(done["mode"], "tpm")
    expect(done["key"]["reference"] != first["key"]["reference"], "the key is the old one")


def test_reprovision_of_a_healthy_device_is_refused(folder):
    status(folder)
    said = exits(folder, "tpmidctl reprovision --yes")
    expect("status" in said and "fault" in said, said)


# migration

def pair(folder):
    key = pathlib.Path(folder, "config/device.key.pem")
    return key.read_bytes() if key.exists() else None, certificate(folder).read_bytes()


def reference_of_credentials(folder):
    wait = "until tpmidctl keys show credentials --json > {0}/c.json && grep -q usable {0}/c.json; do sleep 0.1; done; cat {0}/c.json"
    return json.loads(boot(folder, script=wait.format(folder)).stdout)["reference"]


def test_migration_to_software_and_back_brings_the_same_identity_back(folder):
    first = status(folder, script="tpmidctl serial set SN-3")
    in_tpm = pair(folder)
    credentials = reference_of_credentials(folder)
    moved = status(folder, script="tpmidctl migrate to-software --yes")
    credentials_in_software = reference_of_credentials(folder)
    expect(credentials_in_software != credentials, "the TPM's key credentials cannot be used in software")
    expect_ends_in(moved, 7, "software", "migrated")
    expect_equal((moved["serial"], moved["operation"]["state"], marker(folder)), ("SN-3", "done", None))
    in_software = pair(folder)
    expect_equal(reference_of(certificate(folder)), moved["key"]["reference"])
    expect_ends_in(status(folder), 7, "software", "migrated")
    back = status(folder, script="tpmidctl migrate to-tpm --yes")
    expect_ends_in(back, 11, "tpm", "found")
    expect_equal((back["key"], pair(folder), reference_of_credentials(folder)), (first["key"], in_tpm, credentials))
    again = status(folder, script="tpmidctl migrate to-software --yes")
    expect_equal((again["key"], pair(folder), reference_of_credentials(folder)), (moved["key"], in_software, credentials_in_software))


def test_migrated_device_runs_without_its_tpm(folder):
    status(folder)
    moved = status(folder, script="tpmidctl migrate to-software --yes")
    found = status(folder, "--no-tpm")
    expect_ends_in(found, 5, "software", "software-identity")
    expect_equal(found["key"], moved["key"])


def test_software_device_migrates_to_the_tpm_and_back(folder):
    make_software_pair(folder)
    first = status(folder)
    expect_equal(first["mode"], "software")
    before = pair(folder)
    moved = status(folder, script="tpmidctl migrate to-tpm --yes")
    expect_ends_in(moved, 11, "tpm", "found")
    expect_equal((pair(folder)[0], moved["ownership"]["state"]), (None, "owned"))
    expect_ends_in(status(folder), 11, "tpm", "found")
    back = status(folder, script="tpmidctl migrate to-software --yes")
    expect_equal((back["mode"], back["key"], pair(folder)), ("software", first["key"], before))


def test_migration_to_where_the_device_is_does_nothing(folder):
    first = status(folder)
    found = status(folder, script="tpmidctl migrate to-tpm --yes")
    expect_equal((found["key"], found["operation"]), (first["key"], {}))


def test_migration_to_a_tpm_that_is_not_there_is_refused(folder):
    first = status(folder, "--no-tpm")
    said = exits(folder, "tpmidctl migrate to-tpm --yes", "--no-tpm")
    expect("status" in said, said)
    expect_equal(status(folder, "--no-tpm")["key"], first["key"])


# certificates

def test_certificate_of_a_ca_is_installed_and_survives(folder):
    status(folder)
    before = certificate(folder).read_bytes()
    issue = make_ca(folder)
    found = status(folder, script=f"tpmidctl csr --key device --subject /CN=unit > {folder}/request.pem; {issue} "
                                  f"tpmidctl cert install {folder}/chain.pem; tpmidctl cert show > {folder}/shown")
    expect_equal(found["mode"], "tpm")
    expect_equal(certificate(folder).read_text().count("BEGIN CERTIFICATE"), 2)
    subprocess.run(["openssl", "verify", "-CAfile", f"{folder}/ca.pem", f"{folder}/shown"], check=True, capture_output=True)
    expect(before in [path.read_bytes() for path in pathlib.Path(folder, "persist/tpmidd/archive").rglob("*") if path.is_file()],
           "the old certificate is not kept")
    expect_ends_in(status(folder), 11, "tpm", "found")


def test_deleted_certificate_of_a_ca_comes_back_from_its_copy(folder):
    issue = make_ca(folder)
    status(folder, script=f"tpmidctl csr --key device --subject /CN=unit > {folder}/request.pem; {issue} tpmidctl cert install {folder}/chain.pem")
    before = certificate(folder).read_bytes()
    certificate(folder).unlink()
    expect_ends_in(status(folder), 12, "tpm", "certificate-restored")
    expect_equal(certificate(folder).read_bytes(), before)


def test_certificate_of_another_key_is_refused(folder):
    status(folder)
    before = certificate(folder).read_bytes()
    make_ca(folder)
    said = exits(folder, f"tpmidctl cert install {folder}/ca.pem")
    expect("status" in said and "key" in said, said)
    expect_equal(certificate(folder).read_bytes(), before)


def test_regenerated_certificate_is_of_the_same_key(folder):
    first = status(folder)
    before = certificate(folder).read_bytes()
    found = status(folder, script="tpmidctl cert regenerate --yes")
    expect_equal(found["key"], first["key"])
    expect(certificate(folder).read_bytes() != before, "the certificate is the old one")
    expect_equal(reference_of(certificate(folder)), first["key"]["reference"])
    expect_ends_in(status(folder), 11, "tpm", "found")


# rotation

def test_rotation_gives_the_device_the_new_key_at_its_commit(folder):
    first = status(folder)
    begun = status(folder, script=f"tpmidctl rotate begin; tpmidctl keys show device-next --json > {folder}/next.json")
    following = json.loads(pathlib.Path(folder, "next.json").read_text())
    expect_equal(begun["key"], first["key"])
    expect(following["reference"] != first["key"]["reference"], "the next key is the old one")
    issue = make_ca(folder)
    done = status(folder, script=f"tpmidctl csr --key device-next --subject /CN=unit > {folder}/request.pem; {issue} "
                                 f"tpmidctl rotate commit --yes {folder}/chain.pem; tpmidctl keys show device-next && exit 1 || true")
    expect_equal((done["mode"], done["key"]["reference"]), ("tpm", following["reference"]))
    expect_equal(reference_of(certificate(folder)), following["reference"])
    found = status(folder, script="echo x > {0}/x; tpmidctl sign --key device --in {0}/x --out {0}/s; "
                                  "tpmidctl verify --key device --in {0}/x --signature {0}/s".format(folder))
    expect_ends_in(found, 11, "tpm", "found")
    expect_equal(found["key"], done["key"])


def test_rotation_is_rolled_back_after_its_commit(folder):
    first = status(folder)
    before = certificate(folder).read_bytes()
    done = status(folder, script="tpmidctl rotate begin; tpmidctl rotate commit --yes")
    expect(done["key"]["reference"] != first["key"]["reference"], "the key is the old one")
    back = status(folder, script="tpmidctl rotate rollback --yes")
    expect_equal((back["key"], certificate(folder).read_bytes()), (first["key"], before))
    expect_equal(status(folder)["key"], first["key"])
    expect("status" in exits(folder, "tpmidctl rotate rollback --yes"), "there was something left to roll back")


def test_rotation_is_given_up_before_its_commit(folder):
    first = status(folder)
    found = status(folder, script="tpmidctl rotate begin; tpmidctl rotate rollback --yes; tpmidctl keys show device-next && exit 1 || true")
    expect_equal(found["key"], first["key"])


def test_rotation_is_not_stopped_by_what_others_put_beside_the_certificate(folder):
    first = status(folder)
    config = certificate(folder).parent
    config.chmod(0o1777)
    planted = [config / "device.cert.pem.tmp", config / "device.key.pem.tmp"]
    for path in planted:
        path.mkdir()  # of another user than tpmidd, where there is one
    done = status(folder, script="tpmidctl rotate begin; tpmidctl rotate commit --yes")
    expect(done["key"]["reference"] != first["key"]["reference"], "the key is the old one")
    expect_equal((done["mode"], reference_of(certificate(folder))), ("tpm", done["key"]["reference"]))
    expect_equal(sorted(path.name for path in config.iterdir() if path.name.endswith(".tmp")), sorted(path.name for path in planted))
    expect_ends_in(status(folder), 11, "tpm", "found")


def test_rotation_that_was_interrupted_and_cannot_go_on_goes_back(folder):
    """What is left of it is of no use: the key in the TPM was removed for the new one, and the new one's file is spoiled."""
    first = status(folder, "--shared", script="tpmidctl rotate begin")
    state = pathlib.Path(folder, "persist/tpmidd")
    boot(folder, "--shared", script=TCTI + "tpm2_evictcontrol -Q -C o -c 0x81005401")
    (state / "journal").write_text("[journal]\noperation=rotate-commit\n")
    (state / "slots/next.pem").write_text("spoiled\n")
    for path in (state / "journal", state / "slots/next.pem"):
        shutil.chown(path, state.owner(), state.group())
    found = status(folder, "--shared")
    expect_equal((found["mode"], found["key"]), ("tpm", first["key"]), json.dumps(found))
    expect_equal(found["operation"]["state"], "failed", json.dumps(found["operation"]))
    expect("as before" in found["operation"]["detail"], found["operation"]["detail"])
    expect_ends_in(status(folder, "--shared"), 11, "tpm", "found")


def test_lost_disk_after_a_rotation_finds_the_new_key(folder):
    done = status(folder, script="tpmidctl rotate begin; tpmidctl rotate commit --yes")
    shutil.rmtree(f"{folder}/persist")
    certificate(folder).unlink()
    found = status(folder)
    expect_ends_in(found, 12, "tpm", "recovered")
    expect_equal(found["key"], done["key"])


# the serial number, ownership, handles

def test_serial_number_is_cleared_and_set_anew(folder):
    status(folder, script="tpmidctl serial set SN-5")
    found = status(folder, script="tpmidctl serial clear --yes")
    expect_equal((found["serial"], found["serial-source"]), ("", "none"))
    expect("status 4" in exits(folder, "tpmidctl serial clear --yes"), "there was something left to clear")
    expect_equal(status(folder, script="tpmidctl serial set SN-6")["serial"], "SN-6")


def test_released_ownership_leaves_empty_passwords(folder):
    first = status(folder, script="tpmidctl serial set SN-6")
    expect_equal(first["ownership"]["state"], "owned")
    found = status(folder, script="tpmidctl release-ownership --yes; " + TCTI + "tpm2_getcap properties-variable | grep -E 'AuthSet' ")
    expect_equal((found["ownership"]["state"], found["key"]), ("none", first["key"]))
    expect(not pathlib.Path(folder, "persist/tpmidd/ownership").exists(), "the passwords are still on disk")
    again = status(folder)
    expect_equal((again["ownership"]["state"], again["serial"]), ("none", "SN-6"))


def test_handles_tell_ours_from_others(folder):
    foreign = TCTI + f"tpm2_createprimary -Q -C o -c {folder}/ctx && tpm2_evictcontrol -Q -C o -c {folder}/ctx 0x81000001; "
    out = boot(folder, "--shared", script=foreign + "tpmidctl serial set SN-6; tpmidctl handles --json").stdout
    handles = {entry["handle"]: entry for entry in json.loads(out)}
    found = {int(str(handle), 0): entry["owner"] for handle, entry in handles.items()}
    expect_equal((found[0x81005401], found[0x01805401], found[0x81000001]), ("tpmidd", "tpmidd", "other"))


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/operations")

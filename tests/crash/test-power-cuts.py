#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device whose power is cut again and again stays what it is, and is never locked out."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import crash_machine  # noqa: E402
import crash_tpm  # noqa: E402
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

CUTS = 50
SECRET = b"what the cloud encrypted"


def use(machine):
    """Signs with device and decrypts with credentials. Returns the reference of the device's key."""
    work = machine.folder
    (work / "in").write_bytes(SECRET)
    for _ in range(3):
        machine.must("sign", "--key", "device", "--in", work / "in", "--out", work / "signature")
    machine.must("verify", "--key", "device", "--in", work / "in", "--signature", work / "signature")
    machine.must("keys", "show", "credentials", "--public", "--out", work / "public")
    subprocess.run(["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", work / "public", "-in", work / "in", "-out", work / "cipher"],
                   check=True, capture_output=True)
    expect_equal(machine.must("decrypt", "--key", "credentials", "--scheme", "pkcs1", "--in", work / "cipher", "--out", "-"), SECRET)
    return machine.ask("status")["key"]["reference"]


def cut_again_and_again(folder, ownership):
    os.chmod(folder, 0o755)
    build = pathlib.Path(os.environ.get("TPMID_BUILD") or ROOT / "build").absolute()
    machine = crash_machine.Machine(pathlib.Path(folder, "m"), build, build / "tests" / "crash" / "libcrash-shim.so")
    references = set()
    try:
        machine.load(None)
        for _ in range(CUTS):
            machine.boot(ownership=ownership)
            references.add(use(machine))
            machine.power_off()
        machine.power_on(True)
        found = crash_tpm.look(machine.run / "tpm")
    finally:
        machine.close()
    expect_equal(found.counter, 0, "the dictionary-attack counter")
    expect_equal(len(references), 1, "identities")
    expect(not found.transient and not found.sessions, f"loaded in the TPM after a start: {found}")
    print(f"# power cuts: {CUTS} in a row, counter {found.counter}")


def test_fifty_in_a_row_leave_the_counter_at_0_and_the_identity_the_same(folder):
    cut_again_and_again(folder, "exclusive")


def test_fifty_in_a_row_on_a_shared_tpm_do_the_same(folder):
    cut_again_and_again(folder, "shared")


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/crash/power-cuts")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-sign-with-identity.py PROGRAM [WORD]: doc/examples/sign-with-identity beside the real daemon: with a TPM, without one, and
on a device whose identity cannot be used. TAP."""
import hashlib
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 60


def boot(folder, *options):
    """One boot of the device in the folder, in which the program signs a file: its status, output and error output."""
    os.chmod(folder, 0o755)
    pathlib.Path(folder, "message").write_text("what is signed\n")
    result = subprocess.run([ROOT / "scripts" / "dev", "--state", f"{folder}/device", *options, "--", PROGRAM, f"{folder}/message"],
                            capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=LIMIT)
    return result.returncode, result.stdout, result.stderr


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=LIMIT).stdout


def expect_whole(folder, output, mode):
    """The certificate verifies the signature, and has the key that the reference names."""
    words = dict(line.split(" ", 1) for line in output.splitlines()[:4])
    expect_equal((words["mode"], words["algorithm"]), (mode, "ecc-p256"))
    folder = pathlib.Path(folder)
    (folder / "certificate").write_text(output.split("\n", 4)[4])
    (folder / "signature").write_bytes(bytes.fromhex(words["signature"]))
    (folder / "key").write_bytes(openssl("x509", "-in", folder / "certificate", "-pubkey", "-noout"))
    der = openssl("pkey", "-pubin", "-in", folder / "key", "-outform", "DER")
    expect_equal(hashlib.sha256(der).hexdigest(), words["reference"])
    openssl("dgst", "-sha256", "-verify", folder / "key", "-signature", folder / "signature", folder / "message")


def test_signs_with_the_key_in_the_tpm(folder):
    status, output, errors = boot(folder)
    expect_equal(status, 0, errors)
    expect_whole(folder, output, "tpm")


def test_signs_with_the_key_in_software(folder):
    status, output, errors = boot(folder, "--no-tpm")
    expect_equal(status, 0, errors)
    expect_whole(folder, output, "software")


def test_says_what_to_do_when_the_identity_cannot_be_used(folder):
    expect_equal(boot(folder)[0], 0)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other", "-keyout",
            f"{folder}/other.key", "-out", f"{folder}/device/config/device.cert.pem")
    status, output, errors = boot(folder)
    expect_equal((status, output), (1, ""), errors)
    expect(re.search(r"(?m)^org\.tpmid1\.Error\.IdentityFault: the identity cannot be used \(certificate-mismatch\): .{20}", errors), errors)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    tap.run(sys.modules[__name__], "/sign-with-identity")

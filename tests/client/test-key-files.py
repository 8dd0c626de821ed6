#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's key files are what other programs know: openssl with the provider of tpm2-openssl uses them, in the same TPM."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 120
# In each boot: f is the folder of the key files, s a secret, h a digest, and credentials has been made.
PROLOGUE = """set -eu; f=$TPMID_DEV_STATE/persist/tpmidd/keys; cd $TPMID_DEV_RUN
    export TPM2OPENSSL_TCTI=$TPM2TOOLS_TCTI
    provider () { command=$1; shift; openssl $command -provider tpm2 -provider default "$@"; }
    printf 'secret\\0\\377\\n' >s; head -c 32 /dev/urandom >h
    for i in $(seq 600); do tpmidctl keys show credentials 2>/dev/null | grep -q '^State *usable$' && break; sleep 0.1; done
"""


def boot(folder, script, *options):
    """One boot of a device whose TPM others use too; returns the process."""
    return subprocess.run([ROOT / "scripts" / "dev", "--state", folder, "--shared", *options, "--", "sh", "-c", PROLOGUE + script],
                          capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)


def succeeds(folder, script, *options):
    result = boot(folder, script, *options)
    expect_equal(result.returncode, 0, f"{result.stdout}{result.stderr}")
    return result.stdout


DECRYPT = """
    tpmidctl keys create app.rsa --algorithm rsa-2048 >/dev/null
    for name in app.rsa credentials; do
      tpmidctl keys show $name --public --out p
      provider pkey -in $f/$name.pem -pubout | cmp - p
      openssl pkeyutl -encrypt -pubin -inkey p -in s -out c
      provider pkeyutl -decrypt -inkey $f/$name.pem -in c -out d; cmp s d
      tpmidctl decrypt --key $name --scheme pkcs1 --in c | cmp s -
    done
    tpm2_getcap handles-transient; tpm2_getcap handles-loaded-session
"""

SIGN = """
    for curve in ecc-p256 ecc-p384; do
      tpmidctl keys create app.$curve --algorithm $curve >/dev/null
      tpmidctl keys show app.$curve --public --out p
      provider pkey -in $f/app.$curve.pem -pubout | cmp - p
      provider pkeyutl -sign -inkey $f/app.$curve.pem -in h -out sig -pkeyopt digest:sha256
      openssl pkeyutl -verify -pubin -inkey p -in h -sigfile sig >/dev/null
    done
    tpm2_getcap handles-transient; tpm2_getcap handles-loaded-session
"""

# The file alone: where the TPM is another one.
ELSEWHERE = """
    status=0; provider pkeyutl -sign -inkey %s -in h -out sig -pkeyopt digest:sha256 2>/dev/null || status=$?
    tpmidctl keys create app.own >/dev/null
    provider pkeyutl -sign -inkey $f/app.own.pem -in h -out sig -pkeyopt digest:sha256
    echo $status
"""


def test_openssl_decrypts_with_a_key_of_the_daemon(folder):
    expect_equal(succeeds(folder, DECRYPT), "", "left in the TPM")


def test_openssl_signs_with_a_key_of_the_daemon(folder):
    expect_equal(succeeds(folder, SIGN), "", "left in the TPM")


def test_a_key_file_is_of_no_use_with_another_tpm(folder):
    succeeds(folder + "/one", "tpmidctl keys create app.ec >/dev/null")
    stolen = pathlib.Path(folder, "one", "persist/tpmidd/keys/app.ec.pem")
    expect("-----BEGIN TSS2 PRIVATE KEY-----" in stolen.read_text(), "no key of a TPM")
    expect(int(succeeds(folder + "/other", ELSEWHERE % stolen)) != 0, "another TPM signed with the key")


def test_openssl_uses_a_key_in_software_without_a_tpm(folder):
    succeeds(folder, """tpmidctl keys create app.ec >/dev/null; tpmidctl keys show app.ec --public --out p
        openssl pkey -in $f/app.ec.pem -pubout | cmp - p""", "--no-tpm")


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/key-files")

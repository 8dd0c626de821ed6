#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device that runs decrypts what tpmidctl and plain openssl encrypt for it, makes keys, and refuses who has no right to."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 240
# In each boot: $w is a folder, s a secret in it, and credentials has been made.
PROLOGUE = """set -e; w=$TPMID_DEV_RUN; cd $w; printf 'secret\\0\\377\\n' >s; head -c 5000 /dev/urandom >l
    for i in $(seq 600); do tpmidctl keys show credentials 2>/dev/null | grep -q '^State *usable$' && break; sleep 0.1; done
    tpmidctl keys show credentials --public --out p
    same () { cmp "$1" "$2"; }
"""
SOFTWARE = ["--no-tpm"]


def boot(folder, script, *options):
    return subprocess.run([ROOT / "scripts" / "dev", "--state", folder, *options, "--", "sh", "-c", PROLOGUE + script],
                          capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)


def succeeds(folder, script, *options):
    result = boot(folder, script, *options)
    expect_equal(result.returncode, 0, f"{result.stdout}{result.stderr}")
    return result.stdout


ROUND_TRIPS = """
    trip () { tpmidctl encrypt --in s --out c "$@"; tpmidctl decrypt --in c --out d "$@"; same s d; }
    trip; trip --key credentials; trip --label 'a label'; trip --scheme pkcs1; trip --scheme cms
    for h in sha1 sha256 sha384 sha512; do trip --hash $h; trip --hash $h --label x; done
    trip --mgf1-hash sha1; trip --hash sha1 --mgf1-hash sha512 --label "$(head -c 1024 /dev/zero | tr '\\0' x)"
    tpmidctl encrypt --public p --scheme cms --in l | tpmidctl decrypt --scheme cms --in - | cmp l -
    stat -c %a d
    tpmidctl encrypt --in s | tpmidctl --json decrypt --in -
"""

FROM_OPENSSL = """
    block () { openssl pkeyutl -encrypt -pubin -inkey p -in s -out c "$@"; }
    block; tpmidctl decrypt --scheme pkcs1 --in c --out d; same s d
    for h in sha1 sha256 sha384 sha512; do
      block -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:$h -pkeyopt rsa_mgf1_md:$h
      tpmidctl decrypt --hash $h --in c --out d; same s d
    done
    block -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha1
    tpmidctl decrypt --in c >/dev/null 2>&1 && exit 9
    tpmidctl decrypt --mgf1-hash sha1 --in c --out d; same s d
    block -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_oaep_label:6c0a
    tpmidctl decrypt --label "$(printf 'l\\n.')" --in c 2>/dev/null && exit 9
    tpmidctl decrypt --label 'l
' --in c --out d; same s d
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=ca -out ca 2>/dev/null
    openssl x509 -new -force_pubkey p -subj /CN=credentials -CA ca -CAkey ca.key -out cert
    message () { openssl cms -encrypt -binary -in l -out c "$@"; tpmidctl decrypt --scheme cms --in c --out d; same l d; }
    for form in DER PEM SMIME; do
      message -outform $form -aes-256-cbc cert
      message -outform $form -aes-256-gcm -recip cert -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256
      message -outform $form -stream -aes-128-cbc cert
    done
"""

BAD_CIPHERTEXTS = """
    refused () { s=0; tpmidctl decrypt --in c "$@" >out 2>>err || s=$?; echo $s >>status; test ! -s out; }
    tpmidctl encrypt --in s --out c; refused --label other; refused --hash sha1
    head -c 256 /dev/zero >c; refused
    head -c 256 /dev/urandom >c; printf '\\0' | dd of=c conv=notrunc 2>/dev/null; refused; refused --scheme pkcs1
    tpmidctl encrypt --scheme cms --in l --out c; printf 'eight of' | dd of=c conv=notrunc bs=1 seek=3000 2>/dev/null; refused --scheme cms
    sort -u status; sort -u err | wc -l
    tpmidctl encrypt --in s | tpmidctl decrypt --in - | cmp - s
"""

NEW_KEYS = """
    tpmidctl --json keys create app.rsa --algorithm rsa-2048 --usage decrypt >one
    tpmidctl encrypt --key app.rsa --in s --out c; tpmidctl decrypt --key app.rsa --in c --out d; same s d
    tpmidctl --json keys create app.rsa --algorithm rsa-2048 --usage decrypt | cmp - one
    tpmidctl keys create app.ec | grep -q '^State *usable$'
    tpmidctl sign --key app.ec --in l --out sig; tpmidctl verify --key app.ec --in l --signature sig >/dev/null
    for words in 'app.ec --algorithm ecc-p384' 'app.rsa --algorithm ecc-p256'; do
      s=0; tpmidctl keys create $words 2>/dev/null || s=$?; test $s = 5
    done
    for words in 'x --algorithm des' 'x --usage eat' 'x --algorithm ecc-p256 --usage decrypt' 'app.rsa --algorithm rsa-2048 --usage sign' device credentials; do
      s=0; tpmidctl keys create $words 2>/dev/null || s=$?; test $s = 3 -o $s = 10
    done
    s=0; tpmidctl decrypt --key app.ec --in c 2>/dev/null || s=$?; test $s = 10
    s=0; tpmidctl encrypt --key app.ec --in s 2>/dev/null || s=$?; test $s = 10
    s=0; tpmidctl decrypt --key absent --in c 2>/dev/null || s=$?; test $s = 4
    cat one
"""


def expect_round_trips(folder, *options):
    mode, text = succeeds(folder, ROUND_TRIPS, *options).split("\n", 1)
    expect_equal(mode, "600")
    expect_equal(json.loads(text), {"key": "credentials", "scheme": "oaep", "hash": "sha256", "plaintext": "c2VjcmV0AP8K"})


def test_what_is_encrypted_comes_back(folder):
    expect_round_trips(folder)


def test_what_is_encrypted_comes_back_without_a_tpm(folder):
    expect_round_trips(folder, *SOFTWARE)


def test_what_openssl_encrypts_comes_back(folder):
    succeeds(folder, FROM_OPENSSL)


def test_what_openssl_encrypts_comes_back_without_a_tpm(folder):
    succeeds(folder, FROM_OPENSSL, *SOFTWARE)


def test_whatever_is_wrong_is_said_in_the_same_words(folder):
    for options in ([], SOFTWARE):
        status, lines = succeeds(folder + "/" + "-".join(["d", *options]), BAD_CIPHERTEXTS, *options).split()
        # The message, which has the advice in it.
        expect_equal((status, lines), ("13", "1"))


def test_keys_are_made_and_used(folder):
    for options in ([], SOFTWARE):
        key = json.loads(succeeds(folder + "/" + "-".join(["d", *options]), NEW_KEYS, *options))
        expect_equal([key[name] for name in ("name", "algorithm", "usage", "state", "problem")],
                     ["app.rsa", "rsa-2048", "decrypt", "usable", ""])


def test_who_has_no_right_decrypts_and_makes_nothing(folder):
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, who may become another user")
    result = boot(folder, """set +e; tpmidctl encrypt --in s --out c; chmod 755 .; chmod 644 c; cp $(command -v tpmidctl) ctl
        as () { setpriv --reuid 65534 --clear-groups ./ctl "$@"; echo $?; }
        as encrypt --in c --scheme cms --out /dev/null; as decrypt --in c; as keys create mine""")
    expect_equal(result.stdout.split(), ["0", "6", "6"], result.stderr)


def test_public_key_of_a_signing_key_is_refused(folder):
    result = boot(folder, "tpmidctl encrypt --key device --in s")
    expect_equal((result.returncode, result.stdout), (10, ""), result.stderr)
    expect("key of type EC" in result.stderr, result.stderr)


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/tpmidctl/decrypt")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tpmidctl encrypts in software is what openssl and tpm2-tools decrypt; and what it and decrypt refuse before any call."""
import base64
import json
import os
import pathlib
import pty
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

TPMIDCTL = pathlib.Path(os.environ["TPMID_BUILD"]) / "client" / "tpmidctl"
SETTINGS = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus")
SECRET = b"a secret\0of 25 bytes\r\n\xff\n\n"
MAX = 256 * 1024


def tpmidctl(*arguments, data=b"", **keywords):
    return subprocess.run([TPMIDCTL, *arguments], input=data, capture_output=True, env=SETTINGS, timeout=20, **keywords)


def tool(*arguments, data=b"", **keywords):
    return subprocess.run(arguments, input=data, check=True, capture_output=True, timeout=60, **keywords).stdout


def succeeds(*arguments, data=b"", **keywords):
    result = tpmidctl(*arguments, data=data, **keywords)
    expect_equal((result.returncode, result.stderr), (0, b""), str(arguments))
    return result.stdout


def fails(status, *arguments, data=b"", says=""):
    result = tpmidctl(*arguments, data=data)
    expect_equal((result.returncode, result.stdout), (status, b""), f"{arguments}: {result.stderr}")
    expect(says in result.stderr.decode(), f"{arguments}: {result.stderr} lacks {says}")


def make_key(folder, bits=2048):
    tool("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", f"{folder}/key")
    tool("openssl", "pkey", "-in", f"{folder}/key", "-pubout", "-out", f"{folder}/public")


def decrypt_block(folder, ciphertext, *options):
    more = [word for option in options for word in ("-pkeyopt", option)]
    return tool("openssl", "pkeyutl", "-decrypt", "-inkey", f"{folder}/key", *more, data=ciphertext)


def oaep(name):
    return "rsa_padding_mode:oaep", f"rsa_oaep_md:{name}", f"rsa_mgf1_md:{name}"


def decrypt_cms(folder, der, *more):
    return tool("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", f"{folder}/key", *more, data=der)


def test_openssl_decrypts_every_block_scheme(folder):
    make_key(folder)
    public = ["encrypt", "--public", f"{folder}/public", "--in", "-"]
    expect_equal(decrypt_block(folder, succeeds(*public, data=SECRET), *oaep("sha256")), SECRET)
    for name in ("sha1", "sha256", "sha384", "sha512"):
        expect_equal(decrypt_block(folder, succeeds(*public, "--hash", name, data=SECRET), *oaep(name)), SECRET, name)
    expect_equal(decrypt_block(folder, succeeds(*public, "--scheme", "pkcs1", data=SECRET)), SECRET)
    for name, mgf1 in (("sha256", "sha1"), ("sha1", "sha512"), ("sha384", "sha256")):
        ciphertext = succeeds(*public, "--hash", name, "--mgf1-hash", mgf1, data=SECRET)
        expect_equal(decrypt_block(folder, ciphertext, *oaep(name)[:2], f"rsa_mgf1_md:{mgf1}"), SECRET, f"{name}, {mgf1}")
    found = json.loads(succeeds("--json", *public, "--mgf1-hash", "sha1", data=SECRET))
    expect_equal((found["hash"], found["mgf1-hash"]), ("sha256", "sha1"))


def test_label_is_taken_byte_for_byte(folder):
    make_key(folder)
    label = b"l\xe4bel \\0"
    ciphertext = succeeds("encrypt", "--public", f"{folder}/public", "--label", label, "--in", "-", data=SECRET)
    expect_equal(decrypt_block(folder, ciphertext, *oaep("sha256"), f"rsa_oaep_label:{label.hex()}"), SECRET)
    try:
        decrypt_block(folder, ciphertext, *oaep("sha256"))
    except subprocess.CalledProcessError:
        return
    raise AssertionError("the label has no effect")


def test_same_text_is_never_the_same_ciphertext(folder):
    make_key(folder)
    for scheme in ("oaep", "pkcs1", "cms"):
        made = {succeeds("encrypt", "--public", f"{folder}/public", "--scheme", scheme, "--in", "-", data=SECRET) for _ in range(3)}
        expect_equal(len(made), 3, scheme)


def test_public_key_may_be_pem_der_or_a_certificate(folder):
    make_key(folder)
    tool("openssl", "pkey", "-in", f"{folder}/key", "-pubout", "-outform", "DER", "-out", f"{folder}/public.der")
    for form, name in (("PEM", "certificate"), ("DER", "certificate.der")):
        tool("openssl", "req", "-x509", "-new", "-key", f"{folder}/key", "-subj", "/CN=x", "-outform", form, "-out", f"{folder}/{name}")
    with open(f"{folder}/chain", "w", encoding="ascii") as file:
        file.write("A chain:\n" + pathlib.Path(f"{folder}/certificate").read_text(encoding="ascii") * 2)
    for name in ("public", "public.der", "certificate", "certificate.der", "chain"):
        ciphertext = succeeds("encrypt", "--public", f"{folder}/{name}", "--in", "-", data=SECRET)
        expect_equal(decrypt_block(folder, ciphertext, *oaep("sha256")), SECRET, name)


def test_cms_of_any_size_is_authenticated_and_names_the_key(folder):
    make_key(folder)
    tool("openssl", "req", "-x509", "-new", "-key", f"{folder}/key", "-subj", "/CN=x", "-out", f"{folder}/certificate")
    for size in (0, 1, 15, 16, 17, 191, 1024, 65535, 65536, 261000):
        data = os.urandom(size)
        der = succeeds("encrypt", "--public", f"{folder}/public", "--scheme", "cms", "--in", "-", data=data)
        expect_equal(decrypt_cms(folder, der) == data, True, f"{size} bytes")
        expect_equal(decrypt_cms(folder, der, "-recip", f"{folder}/certificate") == data, True, f"{size} bytes, by certificate")
    text = tool("openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER", data=der).decode()
    # RFC 5280, 4.2.1.2 (1): the bits of a 2048 bit key begin behind 24 bytes of SubjectPublicKeyInfo.
    bits = tool("openssl", "pkey", "-pubin", "-in", f"{folder}/public", "-outform", "DER")[24:]
    identifier = tool("openssl", "dgst", "-sha1", "-binary", data=bits)
    for word in ("authEnvelopedData", "aes-256-gcm", "rsaesOaep", "sha256", "subjectKeyIdentifier", identifier[:8].hex(" ")):
        expect(word in text.replace("-", " ") or word in text, f"no {word} in {text[:2000]}")


def test_spoilt_cms_does_not_decrypt(folder):
    make_key(folder)
    der = bytearray(succeeds("encrypt", "--public", f"{folder}/public", "--scheme", "cms", "--in", "-", data=bytes(1000)))
    der[-500] ^= 1
    result = subprocess.run(["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", f"{folder}/key"], input=der,
                            capture_output=True, timeout=20)
    expect(result.returncode != 0, "a changed byte goes unnoticed")


def in_tpm(folder, script):
    settings = dict(os.environ, TPM2TOOLS_TCTI=f"swtpm:path={folder}/s")
    result = subprocess.run(["sh", "-ec", script], cwd=folder, env=settings, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    expect_equal(result.returncode, 0, f"{script}: {result.stderr}")


def start_tpm(folder):
    tpm = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--server", f"type=unixio,path={folder}/s",
                            "--ctrl", f"type=unixio,path={folder}/s.ctrl", "--flags", "not-need-init,startup-clear"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        if os.path.exists(f"{folder}/s"):
            break
        time.sleep(0.05)
    return tpm


def test_tpm2_tools_decrypt_what_is_encrypted_for_a_key_of_a_tpm(folder):
    tpm = start_tpm(folder)
    try:
        in_tpm(folder, """tpm2_createprimary -Q -C o -c primary
            tpm2_create -Q -C primary -G rsa2048:null -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|decrypt' -u u -r r
            tpm2_flushcontext -Q -t
            tpm2_load -Q -C primary -u u -r r -c key
            tpm2_readpublic -Q -c key -f pem -o public""")
        for name, more in (("oaep", ["--hash", "sha256"]), ("rsaes", ["--scheme", "pkcs1"])):
            ciphertext = succeeds("encrypt", "--public", f"{folder}/public", *more, "--in", "-", data=SECRET)
            pathlib.Path(f"{folder}/c").write_bytes(ciphertext)
            in_tpm(folder, f"tpm2_flushcontext -Q -t; tpm2_rsadecrypt -Q -c key -s {name} -o p-{name} c")
            expect_equal(pathlib.Path(f"{folder}/p-{name}").read_bytes(), SECRET, name)
    finally:
        tpm.terminate()
        tpm.wait(20)


def test_too_long_names_the_limit_and_cms(folder):
    make_key(folder)
    public = ["encrypt", "--public", f"{folder}/public", "--in", "-"]
    for more, limit in ((["--scheme", "pkcs1"], 245), ([], 190), (["--hash", "sha1"], 214), (["--hash", "sha384"], 158),
                        (["--hash", "sha512"], 126)):
        expect_equal(len(succeeds(*public, *more, data=bytes(limit))), 256)
        for size in (limit + 1, MAX + 9):
            fails(3, *public, *more, data=bytes(size), says=f"at most {limit} with")
        fails(3, *public, *more, data=bytes(limit + 1), says="--scheme cms")


def test_cms_is_no_longer_than_decrypt_takes(folder):
    make_key(folder)
    public = ["encrypt", "--public", f"{folder}/public", "--scheme", "cms", "--in", "-"]
    words = tpmidctl(*public, data=bytes(MAX)).stderr.decode().split()
    limit = int(words[words.index("bytes,") - 1])
    expect_equal(len(succeeds(*public, data=bytes(limit))), MAX)
    for size in (limit + 1, MAX, MAX + 1, MAX + 1000):
        fails(3, *public, data=bytes(size), says=f"at most {limit} bytes")


def test_small_key_is_told(folder):
    make_key(folder, 1024)
    fails(3, "encrypt", "--public", f"{folder}/public", "--hash", "sha512", "--in", "-", says="1024 bits is too small")


def test_keys_that_do_not_encrypt_are_refused(folder):
    tool("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{folder}/ec")
    tool("openssl", "pkey", "-in", f"{folder}/ec", "-pubout", "-out", f"{folder}/ec.pub")
    tool("openssl", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:1024", "-out", f"{folder}/pss")
    tool("openssl", "pkey", "-in", f"{folder}/pss", "-pubout", "-out", f"{folder}/pss.pub")
    for name, kind in (("ec.pub", "EC"), ("pss.pub", "RSA-PSS")):
        fails(10, "encrypt", "--public", f"{folder}/{name}", "--in", "-", data=b"x", says=f"a key of type {kind}")


def test_file_without_a_public_key_is_told(folder):
    make_key(folder)
    junk = {"empty": b"", "text": b"hello", "zeros": bytes(2000), "large": b"0" * 300000, "block": b"-----BEGIN PUBLIC KEY-----\n",
            "cut": pathlib.Path(f"{folder}/public").read_bytes()[:200]}
    for name, data in junk.items():
        pathlib.Path(f"{folder}/{name}").write_bytes(data)
    for name in (*junk, "key"):
        fails(3, "encrypt", "--public", f"{folder}/{name}", "--in", "-", says="holds no public key")
    fails(1, "encrypt", "--public", f"{folder}/absent", "--in", "-", says=f"{folder}/absent")
    fails(3, "encrypt", "--public", "/dev/zero", "--in", "/dev/null")


def test_ciphertext_is_base64_in_json(folder):
    make_key(folder)
    found = json.loads(succeeds("--json", "encrypt", "--public", f"{folder}/public", "--in", "-", "--out", f"{folder}/c", data=SECRET))
    expect_equal((found["scheme"], found["hash"], "key" in found), ("oaep", "sha256", False))
    ciphertext = base64.b64decode(found["ciphertext"], validate=True)
    expect_equal(ciphertext, pathlib.Path(f"{folder}/c").read_bytes())
    expect_equal(decrypt_block(folder, ciphertext, *oaep("sha256")), SECRET)
    found = json.loads(succeeds("--json", "encrypt", "--public", f"{folder}/public", "--scheme", "cms", "--in", "-", data=SECRET))
    expect_equal((found["scheme"], "hash" in found), ("cms", False))
    expect_equal(decrypt_cms(folder, base64.b64decode(found["ciphertext"], validate=True)), SECRET)


def test_words_that_do_not_fit_are_refused(folder):
    make_key(folder)
    for verb in ("encrypt", "decrypt"):
        fails(2, verb, says="--in FILE is missing")
        fails(2, verb, "extra", "--in", "-")
        fails(2, verb, "--in", "-", "--scheme", "cms", "--hash", "sha256", says="--scheme oaep")
        fails(2, verb, "--in", "-", "--scheme", "pkcs1", "--label", "x", says="--scheme oaep")
        fails(3, verb, "--in", "-", "--scheme", "raw", data=b"x", says="use oaep, pkcs1 or cms")
        fails(3, verb, "--in", "-", "--scheme", "", data=b"x", says="use oaep, pkcs1 or cms")
        fails(2, verb, "--in", "-", "--scheme", "pkcs1", "--mgf1-hash", "sha1", says="--scheme oaep")
        fails(3, verb, "--in", "-", "--hash", "md5", data=b"x", says="use sha1, sha256, sha384 or sha512")
        fails(3, verb, "--in", "-", "--mgf1-hash", "md5", data=b"x", says="use sha1, sha256, sha384 or sha512")
        fails(3, verb, "--in", "-", "--label", "x" * 1025, data=b"x", says="the label has 1025 bytes; tpmidd takes at most 1024")
        fails(9, verb, "--in", "-", "--label", "x" * 1024, data=b"x", says="cannot connect")
        fails(3, verb, "--in", "-", "--key", "Not a name", data=b"x", says="is not a key name: it begins with a lower-case letter or digit")
        fails(1, verb, "--in", f"{folder}/absent", says=f"{folder}/absent")
        fails(9, verb, "--in", "-", data=b"x", says="cannot connect")
    fails(2, "encrypt", "--in", "-", "--key", "a", "--public", "b", says="either --key NAME or --public FILE")
    fails(2, "encrypt", "--in", "-", "--public", "-", says="standard input")
    fails(1, "encrypt", "--public", f"{folder}/public", "--in", "-", "--out", folder, data=b"x", says=folder)
    for words, says in ((["create"], "name is missing"), (["create", "a", "b"], "what is"), (["create", "a", "--public"], "keys show"),
                        (["show", "a", "--usage", "sign"], "keys create"), (["list", "--algorithm", "x"], "keys create")):
        fails(2, "keys", *words, says=says)
    fails(3, "keys", "create", "Not a name", says="is not a key name: it begins with a lower-case letter or digit")
    fails(3, "keys", "create", "a", "--algorithm", b"\xff", says="UTF-8")
    fails(9, "keys", "create", "a", "--algorithm", "rsa-2048", "--usage", "decrypt", says="cannot connect")


def test_binary_goes_to_a_terminal_only_when_asked_to(folder):
    make_key(folder)
    words = ["encrypt", "--public", f"{folder}/public", "--in", f"{folder}/public", "--scheme", "cms"]
    for more, status in (([], 2), (["--out", "-"], 0), (["--json"], 0)):
        terminal, inside = pty.openpty()
        result = subprocess.run([TPMIDCTL, *words, *more], stdout=inside, stderr=subprocess.PIPE, env=SETTINGS, timeout=20)
        os.close(inside)
        os.close(terminal)
        expect_equal(result.returncode, status, f"{more} {result.stderr}")


def test_ciphertext_above_the_limit_is_never_sent(folder):
    for scheme in ("oaep", "pkcs1"):
        fails(9, "decrypt", "--scheme", scheme, "--in", "-", data=bytes(MAX))
        fails(3, "decrypt", "--scheme", scheme, "--in", "-", data=bytes(MAX + 1), says="at most 262144 bytes")
        fails(3, "decrypt", "--scheme", scheme, "--in", "/dev/zero", says="at most 262144 bytes")
        fails(3, "decrypt", "--scheme", scheme, "--in", "/dev/null", says="/dev/null is empty")
        fails(3, "decrypt", "--scheme", scheme, "--in", "-", says="tpmidctl: standard input is empty\n")
        fails(1, "decrypt", "--scheme", scheme, "--in", "", says='cannot open "": ')
    make_key(folder)
    tool("openssl", "req", "-x509", "-new", "-key", f"{folder}/key", "-subj", "/CN=x", "-out", f"{folder}/certificate")
    for form in ("DER", "PEM", "SMIME"):
        for size, status in ((MAX - 2000, 9), (MAX, 3), (3 * MAX, 3)):
            message = tool("openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", form, f"{folder}/certificate",
                           data=bytes(size))
            fails(status, "decrypt", "--scheme", "cms", "--in", "-", data=message, says="" if status == 9 else "at most 262144 bytes")


def test_what_is_no_encrypted_message_is_told_before_any_call(folder):
    make_key(folder)
    tool("openssl", "req", "-x509", "-new", "-key", f"{folder}/key", "-subj", "/CN=x", "-out", f"{folder}/certificate")
    signed = tool("openssl", "cms", "-sign", "-outform", "DER", "-signer", f"{folder}/certificate", "-inkey", f"{folder}/key", data=b"x")
    fails(3, "decrypt", "--scheme", "cms", "--in", "-", data=signed, says="pkcs7-signedData")
    for data in (b"hello", bytes(300), b"0" * 300, b"-----BEGIN CMS-----\n", pathlib.Path(f"{folder}/certificate").read_bytes(),
                 b"MIME-Version: 1.0\nContent-Type: text/plain\n\nhello\n", b"0\x80" * 1000):
        fails(3, "decrypt", "--scheme", "cms", "--in", "-", data=data, says="standard input holds no CMS message")


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/tpmidctl/encrypt")

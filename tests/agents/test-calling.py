#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-calling.py CALLING [WORD]: doc/calling.md has every method in three languages, and what it says works: its C program, which
is CALLING, its Python and its shell program run in scripts/dev. TAP."""
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import calling

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 120
PAGE = ROOT / "doc" / "calling.md"
LANGUAGES = {"c", "python", "sh"}


def sections(text):
    """Heading -> (the interface it stands under, its blocks by language)."""
    interface, found = "", {}
    for mark, heading, body in re.findall(r"(?m)^(##+) (.*)\n((?:(?!##+ ).*\n?)*)", text):
        if mark == "##":
            interface = heading
        else:
            found[heading] = (interface, dict(re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", body)))
    return found


def missing(text):
    """What the page lacks, as sentences."""
    found = sections(text)
    for path in sorted((ROOT / "dbus").glob("org.tpmid1.*.xml")):
        interface = xml.parse(path).getroot().find("interface")
        for method in interface.findall("method"):
            name = method.get("name")
            where, blocks = found.get(name, ("", {}))
            if where != interface.get("name") or blocks.keys() != LANGUAGES:
                yield f"{name} does not stand under {interface.get('name')} in {', '.join(sorted(LANGUAGES))}"
            elif f'"{name}"' not in blocks["python"] or f" {where} {name} " not in blocks["sh"]:
                yield f"{name} is not called in its own section"


def run(folder, *command):
    """A boot of the device in the folder: the output of the command, which must succeed."""
    os.chmod(folder, 0o755)
    work = pathlib.Path(folder, "trial")
    work.mkdir(exist_ok=True)
    result = subprocess.run([ROOT / "scripts" / "dev", "--state", f"{folder}/device", "--", *command], cwd=work, capture_output=True,
                            stdin=subprocess.DEVNULL, text=True, timeout=LIMIT)
    expect_equal(result.returncode, 0, result.stdout + result.stderr)
    return result.stdout


def need_root():
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, who may set a serial number")


def without_fresh(output):
    """Without what is made anew by each call."""
    output = re.sub(r"(?s)(-----BEGIN CERTIFICATE-----).*?(-----END)", r"\1\2", output)
    return re.sub(r"(?m)^(signature|csr) [0-9a-f]+$", r"\1", output)


def expect_openssl_agrees(folder, output):
    folder = pathlib.Path(folder)
    (folder / "csr").write_bytes(bytes.fromhex(re.search(r"(?m)^csr ([0-9a-f]+)$", output)[1]))
    (folder / "message").write_text("hello\n")
    (folder / "key").write_text(subprocess.run(["openssl", "req", "-inform", "DER", "-in", folder / "csr", "-verify", "-noout", "-pubkey"],
                                               check=True, capture_output=True, text=True).stdout)
    signatures = re.findall(r"(?m)^signature ([0-9a-f]+)$", output)
    expect_equal(len(signatures), 2)
    for signature in signatures:
        (folder / "signature").write_bytes(bytes.fromhex(signature))
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "key", "-signature", folder / "signature", folder / "message"],
                       check=True, capture_output=True)


def test_every_method_is_there_in_three_languages(_folder):
    text = PAGE.read_text()
    expect_equal(list(missing(text)), [])
    for spoilt in (text.replace("### FindKey", "### LoseKey"), text.replace("Key Sign ", "Key Design "), text.replace("```python\ncsr", "```text\ncsr"),
                   text.replace("## org.tpmid1.Keys\n", "")):
        expect(spoilt != text and list(missing(spoilt)), "a spoilt page is not noticed")


def test_c_and_python_say_the_same_and_openssl_agrees(folder):
    need_root()
    first = run(folder, CALLING)
    second = run(folder, "/usr/bin/python3", "-c", calling.program(PAGE, "python"))
    expect_equal(without_fresh(first), without_fresh(second))
    for line in ("serial number SN-0001 from tpm-nv", "meter is usable", "there is meter", "decrypted a password"):
        expect(f"\n{line}\n" in first, first)
    expect(first.endswith("no such key\n"), first)
    for output in (first, second):
        expect_openssl_agrees(folder, output)


def test_shell_commands_work(folder):
    need_root()
    output = run(folder, "sh", "-c", calling.program(PAGE, "sh"))
    expect(output.endswith("no such key\n") and "\nSN-0001\n" in output and "\na password" in output, output)
    subprocess.run(["openssl", "req", "-in", f"{folder}/trial/device-1.csr", "-verify", "-noout"], check=True, capture_output=True)


if __name__ == "__main__":
    CALLING = os.path.abspath(sys.argv.pop(1))
    tap.run(sys.modules[__name__], "/calling")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A/B updates: this release goes on with the state folder that an earlier one left, and leaves it such that the earlier one can go on."""
import configparser
import json
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from boots import boot, expect_ends_in, reference_of, certificate, status  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

RECORDED = sorted(path for path in (ROOT / "tests/boot/recorded").iterdir() if path.is_dir())
RECORD = "persist/tpmidd/identity"


def take(recorded, folder):
    """A device as the release left it: owners and modes do not survive in a repository."""
    shutil.copytree(recorded, folder, dirs_exist_ok=True)
    for place in ("persist", "config"):
        for path in [pathlib.Path(folder, place), *pathlib.Path(folder, place).rglob("*")]:
            shutil.chown(path, "tpmidd", "tpmidd") if os.geteuid() == 0 else None
            path.chmod(0o755 if path.is_dir() else 0o600)
    pathlib.Path(folder, "persist/tpmidd").chmod(0o700)
    return json.loads(pathlib.Path(folder, "facts.json").read_text())


def options(facts):
    return facts.get("options", ["--no-tpm"] if facts["mode"] == "software" else [])


def record(folder):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(pathlib.Path(folder, RECORD))
    return dict(parser["identity"])


def check_goes_on(folder, facts):
    app = facts.get("app-name", "app")
    use = ("for k in {1} credentials; do tpmidctl keys show $k --json > {0}/$k.json; done; echo x > {0}/x; "
           "tpmidctl sign --key {1} --in {0}/x --out {0}/s; tpmidctl verify --key {1} --in {0}/x --signature {0}/s; "
           "tpmidctl encrypt --key credentials --in {0}/x --out {0}/c; tpmidctl decrypt --key credentials --in {0}/c --out {0}/y; cmp {0}/x {0}/y")
    found = status(folder, *options(facts), script=use.format(folder, app))
    expect_equal((found["mode"], found["row"], found["serial"], found["key"]["reference"]),
                 (facts["mode"], facts["row"], facts["serial"], facts["device"]), json.dumps(found, indent=1))
    expect_equal((found["state"], found["problems"]), ("ready", []))
    for name, wanted in ((app, facts["app"]), ("credentials", facts["credentials"])):
        expect_equal(json.loads(pathlib.Path(folder, f"{name}.json").read_text())["reference"], wanted, name)
    return found


def each_recorded(folder, check):
    expect(RECORDED, "nothing is recorded")
    for recorded in RECORDED:
        place = os.path.join(folder, recorded.name)
        check(place, take(recorded, place))


def test_device_of_an_earlier_release_goes_on_with_identity_keys_and_serial_number(folder):
    each_recorded(folder, check_goes_on)


def test_what_this_release_leaves_still_says_all_that_the_earlier_one_reads(folder):
    def check(place, facts):
        before = record(place)
        check_goes_on(place, facts)
        after = record(place)
        expect_equal({key: after.get(key) for key in before}, before)
        expect_equal(reference_of(certificate(place)), facts["device"])
    each_recorded(folder, check)


def test_what_a_later_release_wrote_is_kept(folder):
    """Keys of the record and files that this release does not know are neither lost nor in the way."""
    def check(place, facts):
        path = pathlib.Path(place, RECORD)
        path.write_text(path.read_text() + "of-a-later-release=yes\n\n[later]\nword=1\n")
        extra = path.with_name("of-a-later-release")
        extra.write_text("kept\n")
        check_goes_on(place, facts)
        shutil.rmtree(pathlib.Path(place, "config"))  # has the record written again
        boot(place, *options(facts), check=False)
        expect("of-a-later-release" in path.read_text() and "[later]" in path.read_text(), path.read_text())
        expect_equal(extra.read_text(), "kept\n")
    each_recorded(folder, check)


def test_operation_that_a_later_release_began_is_named_and_left_to_it(folder):
    def check(place, facts):
        path = pathlib.Path(place, "persist/tpmidd/journal")
        path.write_text("[journal]\noperation=of-a-later-release\n")
        shutil.chown(path, "tpmidd") if os.geteuid() == 0 else None
        found = status(place, *options(facts))
        expect_equal((found["mode"], found["key"]["reference"]), (facts["mode"], facts["device"]))
        expect(any("names no operation" in problem for problem in found["problems"]), str(found["problems"]))
        expect(path.exists(), "the entry is gone")
    each_recorded(folder, check)


def test_identity_of_an_earlier_release_can_be_rotated_and_reset(folder):
    for recorded in RECORDED:
        place = os.path.join(folder, recorded.name)
        facts = take(recorded, place)
        if facts["mode"] != "tpm":
            continue
        rotated = status(place, script="tpmidctl rotate begin; tpmidctl rotate commit --yes")
        expect(rotated["key"]["reference"] != facts["device"], "the key is the old one")
        expect_ends_in(status(place), 11, "tpm", "found")
        expect_equal(status(place, script="tpmidctl reset --yes")["serial"], facts["serial"])


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/recorded")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key "credentials" and keys of applications through whole boots of one device: they are made once, stay the same, come
back when something of them is lost, and say why when they cannot."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import slow_tpm  # noqa: E402
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 240
HANDLE = "0x81005402"
OURS = ["0x81005400", "0x81005401", HANDLE]
OFF = ("--set", "Credentials=off")
# wait_for KEY STATE; settled: the boot has nothing more to do, and KEY credentials is what it will be.
FUNCTIONS = """
    wait_for () { for i in $(seq 600); do tpmidctl keys show $1 2>/dev/null | grep -Eq "^State +($2)$" && return; sleep 0.1; done
        tpmidctl keys list >&2; return 1; }
    idle () { tpmidctl status --json | tr -d ' \\n' | grep -Eq '"state":"(ready|degraded|failed)".*"running":""' &&
        tpmidctl status --json | grep -q '"waiting" : 0'; }
    settled () { wait_for credentials 'usable|failed'; for i in $(seq 600); do idle && return; sleep 0.1; done; return 1; }
"""
READ = """settled; tpmidctl status --json; tpmidctl keys list --json; tpm2_getcap handles-persistent 2>/dev/null || true"""
# A secret for it, made by plain openssl.
ENCRYPT = """settled; tpmidctl keys show credentials --public --out $TPMID_DEV_STATE/p
    printf secret | openssl pkeyutl -encrypt -pubin -inkey $TPMID_DEV_STATE/p -out $TPMID_DEV_STATE/c"""
DECRYPT = 'test "$(tpmidctl decrypt --scheme pkcs1 --in $TPMID_DEV_STATE/c)" = secret'


def boot(folder, *options, script="true", check=True, prefix=()):
    """One boot of the device in folder, on a TPM that tpm2-tools use too (but with --exclusive); returns the process, whose stdout is script's."""
    result = subprocess.run([*prefix, ROOT / "scripts" / "dev", "--state", folder, *([] if "--exclusive" in options else ["--shared"]),
                             *(option for option in options if option != "--exclusive"), "--", "sh", "-ec", FUNCTIONS + script],
                            capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
    if check:
        expect_equal(result.returncode, 0, f"scripts/dev: {result.stdout}{result.stderr}")
    return result


class Found:
    """What READ prints."""

    def __init__(self, text):
        decoder = json.JSONDecoder()
        self.status, end = decoder.raw_decode(text.lstrip())
        keys, rest = decoder.raw_decode(text.lstrip()[end:].lstrip())
        self.keys = {key["name"]: key for key in keys}
        self.handles = [line.split()[-1].lower() for line in text.lstrip()[end:].lstrip()[rest:].splitlines() if "0x" in line]

    @property
    def key(self):
        return self.keys["credentials"]

    @property
    def background_commands(self):
        return self.status["tpm"]["commands"] - self.status["tpm"]["boot-commands"]


def read(folder, *options, script="true", **keywords):
    """One boot: script (its output goes to stderr), then what is there."""
    return Found(boot(folder, *options, script=f"{{ {script}; }} >&2; {READ}", **keywords).stdout)


def expect_usable(found, reference=None):
    expect_equal((found.key["state"], found.key["problem"]), ("usable", ""))
    expect_equal((found.key["algorithm"], found.key["usage"], found.key["owner"]), ("rsa-2048", "decrypt", 0))
    if reference is not None:
        expect_equal(found.key["reference"], reference)
    expect_equal((found.status["mode"], found.status["state"]), ("tpm", "ready"), str(found.status["problems"]))


def key_file(folder, name="credentials"):
    return pathlib.Path(folder, f"persist/tpmidd/keys/{name}.pem")


def log(folder):
    return pathlib.Path(folder, "tpmidd.log").read_text()


def evict(handle=HANDLE):
    return f"tpm2_evictcontrol -Q -C o -c {handle}"


# found again

def test_key_appears_after_the_first_boot_and_stays_the_same(folder):
    first = read(folder, script=ENCRYPT)
    expect_usable(first)
    expect_equal(first.handles, OURS)
    expect_equal(oct(key_file(folder).stat().st_mode & 0o777), oct(0o600))
    expect("key credentials (rsa-2048) is there" in log(folder), log(folder))
    file = key_file(folder).stat()
    before = file.st_ino, file.st_mtime_ns
    for _ in range(2):
        again = read(folder)
        expect_usable(again, first.key["reference"])
        expect_equal(again.handles, OURS)
        # It is looked at, not made: the handle is asked for, and the public area read.
        expect(again.background_commands <= 2, f"{again.background_commands} commands")
        expect("key credentials" not in log(folder), log(folder))
    file = key_file(folder).stat()
    expect_equal((file.st_ino, file.st_mtime_ns), before)
    boot(folder, script=f"settled; {DECRYPT}")


def test_key_that_was_evicted_is_put_back(folder):
    first = read(folder, script=f"{ENCRYPT}; {evict()}")
    expect_equal(first.handles, OURS[:2])
    second = read(folder, script=f"settled; {DECRYPT}")
    expect_usable(second, first.key["reference"])
    expect_equal(second.handles, OURS)
    expect(not list(key_file(folder).parent.glob("*.orphaned")), "the file was moved aside")


def test_key_that_is_evicted_at_run_time_is_put_back_without_a_boot(folder):
    found = read(folder, script=f"""{ENCRYPT}; {DECRYPT}; {evict()}
        for i in $(seq 100); do {DECRYPT} && break; sleep 0.1; done; {DECRYPT}""")
    expect_usable(found)
    expect_equal(found.handles, OURS)


def test_key_whose_state_folder_is_lost_is_known_by_its_tag(folder):
    first = read(folder, script=ENCRYPT)
    shutil.rmtree(f"{folder}/persist")
    second = read(folder, script=f"settled; {DECRYPT}")
    expect_usable(second, first.key["reference"])
    expect_equal(second.handles, OURS)


def test_key_file_of_another_tpm_is_moved_aside_and_the_key_stays(folder):
    own, other = f"{folder}/own", f"{folder}/other"
    first = read(own, script=ENCRYPT)
    read(other)
    shutil.copy(key_file(other), key_file(own))
    second = read(own, script=f"settled; {DECRYPT}")
    expect_usable(second, first.key["reference"])
    expect_equal(key_file(own).with_suffix(".pem.orphaned").read_bytes(), key_file(other).read_bytes())
    expect("moved aside" in log(own), log(own))


def test_key_file_of_another_tpm_is_moved_aside_and_a_key_is_made(folder):
    own, other = f"{folder}/own", f"{folder}/other"
    first, others = read(own, script=f"settled; {evict()}"), read(other)
    shutil.copy(key_file(other), key_file(own))
    second = read(own, script=f"{ENCRYPT}; {DECRYPT}")
    expect_usable(second)
    expect(second.key["reference"] not in (first.key["reference"], others.key["reference"]), "the key is an old one")
    expect_equal(second.handles, OURS)
    expect_equal(key_file(own).with_suffix(".pem.orphaned").read_bytes(), key_file(other).read_bytes())
    expect("moved aside" in log(own), log(own))
    expect_usable(read(own), second.key["reference"])


def test_corrupt_key_file_is_moved_aside_and_the_key_stays(folder):
    first = read(folder, script=ENCRYPT)
    key_file(folder).write_bytes(b"\x00 garbage")
    second = read(folder, script=f"settled; {DECRYPT}")
    expect_equal((second.key["state"], second.key["reference"]), ("usable", first.key["reference"]))
    expect_equal(key_file(folder).with_suffix(".pem.orphaned").read_bytes(), b"\x00 garbage")
    expect("moved aside" in log(folder), log(folder))
    expect_usable(read(folder), first.key["reference"])


def test_corrupt_key_file_without_a_key_is_moved_aside_and_a_key_is_made(folder):
    first = read(folder, script=f"settled; {evict()}")
    key_file(folder).write_bytes(key_file(folder).read_bytes()[:400])
    second = read(folder, script=f"{ENCRYPT}; {DECRYPT}")
    expect_equal((second.key["state"], second.handles), ("usable", OURS))
    expect(second.key["reference"] != first.key["reference"], "a key came out of half a file")
    expect("moved aside" in log(folder), log(folder))
    expect_usable(read(folder), second.key["reference"])


# in the way

def test_foreign_object_at_the_handle_is_left_alone_and_the_setting_is_named(folder):
    foreign = f"tpm2_createprimary -Q -C o -g sha256 -G ecc -c {folder}/x; tpm2_evictcontrol -Q -C o -c {folder}/x {HANDLE}"
    name = f"tpm2_readpublic -c {HANDLE} | grep '^name:'"
    before = boot(folder, *OFF, script=f"{{ {foreign}; }} >&2; {name}").stdout
    found = read(folder)
    expect_equal(found.key["state"], "failed")
    expect("CredentialsKeyHandle" in found.key["problem"] and HANDLE in found.key["problem"], found.key["problem"])
    expect("key credentials could not be made" in log(folder), log(folder))
    expect_equal(found.status["mode"], "tpm")
    expect_equal(boot(folder, *OFF, script=name).stdout, before)
    expect_usable(read(folder, "--set", "CredentialsKeyHandle=0x81005403"))
    expect_equal(boot(folder, *OFF, script=name).stdout, before)


def test_owner_password_of_others_is_named_and_spares_the_identity(folder):
    boot(folder, *OFF, script="tpm2_changeauth -Q -c owner pass")
    found = read(folder, script="settled; head -c 32 /dev/urandom >$TPMID_DEV_STATE/d; tpmidctl sign --digest $TPMID_DEV_STATE/d --out /dev/null")
    expect_equal((found.key["state"], found.status["mode"]), ("failed", "tpm"))
    expect("owner" in found.key["problem"], found.key["problem"])
    expect_equal(found.handles, ["0x81005400", "0x81005401"])
    boot(folder, *OFF, script="tpm2_changeauth -Q -c owner -p pass")
    expect_usable(read(folder))


def test_switched_off_makes_no_key(folder):
    result = boot(folder, *OFF, script="for i in $(seq 30); do idle && break; sleep 0.1; done; tpm2_getcap handles-persistent; tpmidctl keys show credentials",
                  check=False)
    expect_equal(result.returncode, 4, result.stderr)
    expect_equal(result.stdout.split(), ["-", "0x81005400", "-", "0x81005401"])
    expect(not key_file(folder).exists(), "there is a key file")


def test_without_a_tpm_the_key_is_in_software(folder):
    first = read(folder, "--no-tpm", script=f"{ENCRYPT}; {DECRYPT}")
    expect_equal((first.key["state"], first.key["usage"], first.key["algorithm"]), ("usable", "decrypt", "rsa-2048"))
    text = key_file(folder).read_text()
    expect(text.startswith("A key of tpmidd\nUsage: decrypt\nOwner: 0\n-----BEGIN PRIVATE KEY-----\n"), text[:80])
    expect_equal(oct(key_file(folder).stat().st_mode & 0o777), oct(0o600))
    public = subprocess.run(["openssl", "pkey", "-in", key_file(folder), "-pubout"], check=True, capture_output=True, text=True).stdout
    expect_equal(public, first.key["public-key"])
    second = read(folder, "--no-tpm", script=f"settled; {DECRYPT}")
    expect_equal(second.key, first.key)


# what is held

def handles(kind):
    return f"tpm2_getcap handles-{kind} | sed 's/^/{kind} /'"


def test_shared_holds_nothing_between_jobs(folder):
    out = boot(folder, "--shared", script=f"""{{ {ENCRYPT}; {DECRYPT}; tpmidctl keys create app --algorithm rsa-2048; }} >&2
        {handles('transient')}; {handles('loaded-session')}; {handles('saved-session')}
        count () {{ tpmidctl status --json | sed -n 's/^ *"commands" : \\([0-9]*\\),/\\1/p'; }}
        before=$(count); {DECRYPT}; echo $(($(count) - before))""").stdout
    expect_equal(out.split(), ["2"])


def test_exclusive_leaves_no_session_and_no_object_behind(folder):
    end = "kill $TPMID_DEV_PID; for i in $(seq 100); do test -d /proc/$TPMID_DEV_PID/fd && ls /proc/$TPMID_DEV_PID/fd >/dev/null 2>&1 || break; sleep 0.1; done"
    out = boot(folder, "--exclusive", script=f"""{{ {ENCRYPT}; {DECRYPT}; }} >&2
        {handles('loaded-session')}; {{ {end}; sleep 0.2; }} >&2; echo ended
        {handles('transient')}; {handles('loaded-session')}; {handles('saved-session')}""").stdout
    held, left = out.split("ended\n")
    expect(held.startswith("loaded-session"), f"nothing was held to begin with: {held!r}")
    expect_equal(left, "")


# trouble that passes

# What is said of it meanwhile, and that it is there without a boot when the cause has gone.
SHOW = "tpmidctl status --json; tpmidctl keys list --json"
DEGRADED = "for i in $(seq 100); do tpmidctl status --json | grep -q degraded && break; sleep 0.1; done"
HEALTHY = "for i in $(seq 100); do tpmidctl status --json | grep -q degraded || break; sleep 0.1; done"


def check_mended(folder, mend, cause, *options):
    found = boot(folder, *options, script=f"""{{ wait_for credentials failed; {DEGRADED}; }} >&2; {SHOW}; echo 0x0
        {{ {mend}; wait_for credentials usable; {ENCRYPT}; {DECRYPT}; {HEALTHY}; }} >&2; echo ====; {READ}""").stdout
    meanwhile, after = (Found(text) for text in found.split("====\n"))
    expect_equal((meanwhile.key["state"], meanwhile.status["state"], meanwhile.status["mode"]), ("failed", "degraded", "tpm"))
    named = [problem for problem in meanwhile.status["problems"] if problem.startswith("keys: credentials: ")]
    expect(len(named) == 1 and cause in named[0], str(meanwhile.status["problems"]))
    expect(cause in meanwhile.key["problem"], meanwhile.key["problem"])
    expect_usable(after)
    expect_equal(after.handles, OURS)
    expect_equal(log(folder).count("key credentials (rsa-2048) is there"), 1, log(folder))


def test_folder_that_cannot_be_written_for_a_moment_costs_no_boot(folder):
    boot(folder, *OFF)
    in_the_way = pathlib.Path(folder, "persist/tpmidd/keys")
    in_the_way.write_bytes(b"")
    check_mended(folder, f"rm {in_the_way}", "keys")


def test_object_of_others_that_goes_away_again_costs_no_boot(folder):
    foreign = f"tpm2_createprimary -Q -C o -g sha256 -G ecc -c {folder}/x; tpm2_evictcontrol -Q -C o -c {folder}/x {HANDLE}"
    boot(folder, *OFF, script=f"{{ {foreign}; }} >&2")
    check_mended(folder, evict(), "CredentialsKeyHandle")


def is_about(command, handle):
    return command[10:14] == int(handle, 16).to_bytes(4, "big")


def test_check_that_fails_leaves_a_healthy_key_usable(folder):
    os.chmod(folder, 0o711)  # tpmidd goes through it to the relay
    full, checked = pathlib.Path(folder, "full"), pathlib.Path(folder, "checked")

    def hold(command, _number):
        if full.exists() and slow_tpm.code_of(command) == slow_tpm.CC_READ_PUBLIC and is_about(command, HANDLE):
            checked.touch()
            return slow_tpm.refusal(slow_tpm.RC_OBJECT_MEMORY)
        return None

    with relayed(folder, hold) as (_relay, _tpm, options):
        first = Found(boot(folder, *options, script=f"{{ {ENCRYPT}; }} >&2; {SHOW}").stdout)
        full.touch()
        failed = f"grep -q 'key credentials could not be made' {folder}/tpmidd.log"
        looked = f"for i in $(seq 300); do {failed} && break; sleep 0.1; done; idle"
        out = boot(folder, *options, script=f"""{{ {looked}; }} >&2; {SHOW}; echo ====
            {{ rm {full}; {DECRYPT}; }} >&2; {SHOW}""").stdout
    expect(checked.exists(), "nobody has looked at the key")
    for found in (Found(text) for text in out.split("====\n")):
        expect_usable(found, first.key["reference"])


def test_tpm_that_is_full_is_held_against_nobody(folder):
    os.chmod(folder, 0o711)
    full = pathlib.Path(folder, "full")

    def hold(command, _number):
        if full.exists() and slow_tpm.code_of(command) == slow_tpm.CC_RSA_DECRYPT:
            return slow_tpm.refusal(slow_tpm.RC_OBJECT_MEMORY)
        return None

    with relayed(folder, hold) as (relay, _tpm, options):
        boot(folder, *options, script=f"""{ENCRYPT}; {DECRYPT}; touch {full}
            for i in $(seq 25); do
                s=0; tpmidctl decrypt --scheme pkcs1 --in $TPMID_DEV_STATE/c >>{folder}/out 2>&1 || s=$?; test $s != 0
            done
            rm {full}; {DECRYPT}""")
        expect(relay.codes.count(slow_tpm.CC_RSA_DECRYPT) >= 27, f"{relay.codes.count(slow_tpm.CC_RSA_DECRYPT)} came through")
    out = pathlib.Path(folder, "out").read_text()
    expect(len(out.splitlines()) >= 25 and "RateLimited" not in out and "DecryptFailed" not in out, out)


# killed while it is made

@contextlib.contextmanager
def relayed(folder, hold=None, after=None):
    """The options of a boot of the device in folder whose TPM stands behind a relay."""
    tpm = slow_tpm.SoftwareTpm(folder)
    try:
        tpm.start()
        with slow_tpm.Relay(folder, hold, after) as relay:
            yield relay, tpm, ("--no-tpm", "--set", f"Tcti={relay.tcti}")
    finally:
        tpm.kill()


def tools(folder):
    return f"export TPM2TOOLS_TCTI=swtpm:path={folder}/t"


def make_device_without_credentials(folder):
    pathlib.Path(folder).mkdir(parents=True)
    with relayed(folder) as (_relay, _tpm, options):
        boot(folder, *options, *OFF)


def copy_device(device, folder):
    subprocess.run(["cp", "-a", device, folder], check=True)


def rehearse(device, folder):
    """The codes of all commands of a boot that makes the key, and how many of them the boot itself has."""
    copy_device(device, folder)
    with relayed(folder) as (relay, _tpm, options):
        found = read(folder, *options, script="settled")
        return relay.codes[:found.status["tpm"]["commands"]], found.status["tpm"]["boot-commands"]


def kill_before(folder, number, power_cut, after_it=False):
    """A boot whose daemon is killed before (or after) the TPM gets its command of this number; then the next boot."""
    reached, over = pathlib.Path(folder, "reached"), threading.Event()

    def stop(_command, n):
        if n == number:
            reached.touch()
            over.wait(LIMIT)
            raise ConnectionError

    with relayed(folder, *((None, stop) if after_it else (stop,))) as (_relay, tpm, options):
        boot(folder, *options, script=f"for i in $(seq 3000); do test -e {reached} && break; sleep 0.01; done; kill -9 $TPMID_DEV_PID; test -e {reached}")
        over.set()
        if power_cut:
            tpm.kill()
            tpm.start()
        return read(folder, *options, script=f"settled; {tools(folder)}; {ENCRYPT}; {DECRYPT}; tpm2_getcap handles-persistent >{folder}/handles")


def check_killed(folder, power_cut):
    os.chmod(folder, 0o711)  # tpmidd goes through it to the relay
    device = f"{folder}/device"
    make_device_without_credentials(device)
    codes, of_boot = rehearse(device, f"{folder}/rehearsal")
    expect(len(codes) - of_boot >= 6, f"{len(codes)} commands, {of_boot} of the boot")
    moments = [(number, False) for number in range(of_boot + 1, len(codes) + 1)] + [(len(codes), True)]
    for number, after_it in moments:
        copy = f"{folder}/{number}{'a' if after_it else ''}"
        copy_device(device, copy)
        found = kill_before(copy, number, power_cut, after_it)
        moment = f"killed {'after' if after_it else 'before'} command {number} (0x{codes[number - 1]:x})"
        expect_equal((found.key["state"], found.key["problem"]), ("usable", ""), moment)
        lines = pathlib.Path(copy, "handles").read_text().lower().replace("- ", "").split()
        expect_equal(lines, OURS, moment)
        expect_equal([path.name for path in key_file(copy).parent.glob("*") if path.suffix != ".pem"], [], moment)


def test_daemon_killed_at_any_moment_leaves_one_key_and_no_orphan(folder):
    check_killed(folder, power_cut=False)


def test_power_cut_at_any_moment_leaves_one_key_and_no_orphan(folder):
    check_killed(folder, power_cut=True)


# keys of applications

MAKE_APPS = """settled; tpmidctl keys create app.rsa --algorithm rsa-2048; tpmidctl keys create app.ec
    tpmidctl encrypt --key app.rsa --in $TPMID_DEV_STATE/s --out $TPMID_DEV_STATE/a"""
USE_APPS = """tpmidctl decrypt --key app.rsa --in $TPMID_DEV_STATE/a | cmp - $TPMID_DEV_STATE/s
    tpmidctl sign --key app.ec --in $TPMID_DEV_STATE/s --out $TPMID_DEV_STATE/sig
    tpmidctl verify --key app.ec --in $TPMID_DEV_STATE/s --signature $TPMID_DEV_STATE/sig"""


def with_apps(folder, *options):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    pathlib.Path(folder, "s").write_bytes(b"a secret\x00\xff")
    return read(folder, *options, script=MAKE_APPS)


def test_keys_of_applications_survive_a_boot(folder):
    for options in ((), ("--no-tpm",)):
        device = f"{folder}/{len(options)}"
        first = with_apps(device, *options)
        second = read(device, *options, script=USE_APPS)
        for name in ("app.rsa", "app.ec"):
            expect_equal(second.keys[name], first.keys[name])
            expect_equal(second.keys[name]["state"], "usable")
        expect_equal(second.handles, [] if options else OURS)


def test_keys_of_applications_are_missing_in_a_fault_and_come_back(folder):
    first = with_apps(folder)
    show = "tpmidctl status --json; tpmidctl keys list --json"
    use = f"s=0; tpmidctl decrypt --key app.rsa --in {folder}/a >&2 || s=$?; test $s != 0; s=0; tpmidctl keys create another >&2 || s=$?; test $s != 0"
    for options in (("--no-tpm",), ("--no-tpm", "--set", "Tpm=off")):
        found = Found(boot(folder, *options, script=f"{show}; {use}").stdout)
        expect_equal(found.status["mode"], "fault")
        for name in ("app.rsa", "app.ec", "credentials"):
            expect_equal((name, found.keys[name]["state"], found.keys[name]["reference"]), (name, "missing", first.keys[name]["reference"]))
            expect(found.keys[name]["problem"], f"{name} is missing, and does not say why")
    second = read(folder, script=f"settled; {USE_APPS}")
    expect_equal(second.keys, first.keys)


def test_garbled_file_of_an_application_is_kept_and_named(folder):
    with_apps(folder)
    key_file(folder, "app.ec").write_bytes(b"garbage")
    found = read(folder)
    expect(any("app.ec" in problem for problem in found.status["problems"]), str(found.status["problems"]))
    expect_equal((found.keys["app.rsa"]["state"], found.keys["credentials"]["state"]), ("usable", "usable"))
    expect("app.ec" not in found.keys, "a key came out of garbage")
    expect_equal(key_file(folder, "app.ec").read_bytes(), b"garbage")


# the disk

def in_private_mounts(folder, script, *options):
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, to mount")
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        raise tap.Skip("machine lacks: mount namespaces")
    return read(folder, *options, script=script, prefix=("unshare", "--mount", "--propagation", "private"))


def check_disk(folder, spoil, mend, *options):
    """A key is asked for while the disk does not play along, and again when it does."""
    keys = f"{folder}/persist/tpmidd/keys"
    found = in_private_mounts(folder, f"""settled; {spoil.format(keys=keys)}
        s=0; tpmidctl keys create app >{folder}/out 2>&1 || s=$?; test $s != 0; tpmidctl keys show app >{folder}/shown
        {mend.format(keys=keys)}; tpmidctl keys create app""", *options)
    shown = pathlib.Path(folder, "shown").read_text()
    expect("failed" in shown, shown)
    expect("keys" in pathlib.Path(folder, "out").read_text(), pathlib.Path(folder, "out").read_text())
    expect_equal((found.keys["app"]["state"], found.keys["app"]["problem"]), ("usable", ""))
    expect(key_file(folder, "app").exists(), "there is no key file")
    expect_equal(sorted(path.name for path in key_file(folder).parent.iterdir()), ["app.pem", "credentials.pem"])
    if not options:
        expect_equal(found.handles, OURS)


READ_ONLY = ("mount --bind {keys} {keys}; mount -o remount,ro,bind {keys}", "umount {keys}")
FULL = ("mount -t tmpfs -o size=4k,mode=700 none {keys}; chown --reference={keys}/.. {keys}; head -c 8192 /dev/zero >{keys}/.full || true", "umount {keys}")


def test_key_on_a_read_only_disk_fails_and_is_made_when_asked_again(folder):
    check_disk(folder, *READ_ONLY)


def test_key_on_a_full_disk_fails_and_is_made_when_asked_again(folder):
    check_disk(folder, *FULL)


def test_software_key_on_a_full_disk_fails_and_is_made_when_asked_again(folder):
    check_disk(folder, *FULL, "--no-tpm")


def test_credentials_on_a_read_only_disk_fails_and_is_there_at_the_next_boot(folder):
    boot(folder, *OFF)
    keys = f"{folder}/persist/tpmidd"
    pathlib.Path(keys, "keys").write_bytes(b"")
    found = read(folder)
    expect_equal(found.key["state"], "failed")
    expect("keys" in found.key["problem"], found.key["problem"])
    pathlib.Path(keys, "keys").unlink()
    second = read(folder, script=f"{ENCRYPT}; {DECRYPT}")
    expect_equal((second.key["state"], second.handles), ("usable", OURS))


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/boot/credentials")

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scenes in the guest have in common: the device that they branch from, and what is looked at after a boot."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import guest as machine  # noqa: E402
import image  # noqa: E402
import tap  # noqa: E402
from device import Device  # noqa: E402
from guest import Guest  # noqa: E402
from processes import wait_for  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

MARKER = "/persist/config/tpm_in_use"
CERTIFICATE = "/config/device.cert.pem"
SOFTWARE_KEY = "/config/device.key.pem"
CREDENTIALS_LIMIT = 180  # seconds; an RSA-2048 key, in a TPM and a guest that are emulated both
WRITTEN, KEPT, NONE = "written", "kept", "none"  # the marker after a boot


class Story:
    """What is made once in a run, when the first scene asks for it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tpmid-vm-", ignore_cleanup_errors=True)
        self.work = pathlib.Path(self.folder.name)
        self.trouble = self.base = self.accelerator = None
        self.device = self.reference = self.ready = None
        self.is_broken = False

    def prepare(self):
        """Image and accelerator. A machine that cannot have them skips the scenes, unless they are asked for by name."""
        if self.trouble is None and self.base is None:
            try:
                self.trouble = image.what_lacks()
                if self.trouble is None:
                    self.prepare_image()
            except image.Lacking as error:
                self.trouble = str(error)
        if self.trouble is not None:
            if os.environ.get("TPMID_VM_REQUIRED"):
                raise AssertionError(self.trouble)
            raise tap.Skip(f"machine lacks: {self.trouble.splitlines()[0]}")

    def prepare_image(self):
        started = time.monotonic()
        base = image.make(self.work, self.work / "disk")
        seconds = time.monotonic() - started
        self.accelerator = machine.choose_accelerator(base, self.work / "disk")
        made = "was there" if base.made is None else f"made in {base.made:.0f} s"
        print(f"# scene: image: Debian {made}, with tpmidd in it after {seconds:.0f} s; {' '.join(self.accelerator[:2])}", flush=True)
        self.base = base

    def new_device(self, folder):
        self.prepare()
        return Device.new(pathlib.Path(folder, "device"), self.work / "disk")

    def branch(self, folder):
        """A copy of the device that was switched on once and off again."""
        self.first_boot()
        return self.device.branch(pathlib.Path(folder, "device"))

    def run(self, device, **options):
        return Guest(device, self.base, self.accelerator, **options)

    def first_boot(self):
        if self.device is not None:
            return
        expect(not self.is_broken, "the first boot failed already, see the first scene")
        self.prepare()
        self.is_broken = True
        device = Device.new(self.work / "first", self.work / "disk")
        with self.run(device) as guest:
            found = expect_boot("first boot", guest, 16, "tpm", "first-boot", WRITTEN)
            self.reference = found["key"]["reference"]
            expect_equal(reference_of(guest.do(f"cat {CERTIFICATE}").encode()), self.reference, "key of the certificate")
            self.ready = times_of_start(guest)
            wait_for_credentials(guest)
            guest.power_off()
        expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")
        self.device, self.is_broken = device, False


STORY = Story()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that folders and guests go also then


def times_of_start(guest):
    """Seconds after the power came at which tpmidd.service was started, and was ready."""
    shown = guest.do("systemctl show tpmidd -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic; cat /proc/uptime")
    values = dict(line.split("=") for line in shown.splitlines() if "=" in line)
    now = time.monotonic() - guest.started - float(shown.splitlines()[-1].split()[0])
    return [now + int(values[name]) / 1e6 for name in ("InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")]


def configure(device, text):
    if text:
        image.write_file(device.disk, "/etc/tpmidd/tpmidd.conf.d/50-guest.conf", b"[tpmidd]\n" + text, ["/etc/tpmidd/tpmidd.conf.d"])


def wait_for_credentials(guest):
    def usable():
        return guest.try_run("tpmidctl keys show credentials --json | grep -q '\"usable\"'").status == 0

    wait_for(usable, CREDENTIALS_LIMIT, 'the key "credentials"', pause=0.5)


def status_of(guest):
    return json.loads(guest.do("tpmidctl status --json"))


def lines_of(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def tell(name, found, has_marker, seconds):
    print(f"# scene: {name}: row {found['row']}, mode {found['mode']}, reason {found['reason']}, "
          f"marker {'yes' if has_marker else 'no'}, {seconds:.1f} s", flush=True)


def expect_boot(name, guest, row, mode, reason, marker, systemd="running"):
    """Waits until the guest has booted and holds what it finds to the row, the marker's fate, and what another unit saw."""
    word = guest.wait_settled()
    found = status_of(guest)
    there = guest.try_run(f"cat {MARKER}")
    tell(name, found, there.status == 0, time.monotonic() - guest.started)
    expect_equal((found["row"], found["mode"], found["reason"]), (row, mode, reason), json.dumps(found, indent=1))
    expect_equal(word, systemd or word, "systemctl is-system-running: " + guest.do("systemctl --failed --no-legend --plain"))
    expect_marker(guest, there, mode, marker)
    expect_witness(guest, mode, reason, marker)
    if found["tpm"].get("lockout"):
        expect_equal(found["tpm"]["lockout"]["counter"], 0, "lockout counter")
    return found


def expect_marker(guest, there, mode, marker):
    expect_equal(there.status == 0, marker != NONE, "marker is there")
    if marker == WRITTEN:
        lines = lines_of(there.output)
        expect_equal((lines["MODE"], lines["BOOT_ID"]), (mode, guest.boot_id), "marker")
    elif marker == KEPT:
        expect(lines_of(there.output)["BOOT_ID"] != guest.boot_id, "the marker is not as the boot before left it")


def expect_witness(guest, mode, reason, marker):
    """A unit that is ordered after tpmidd.service has seen the truth of this boot."""
    lines = lines_of(guest.do("cat /run/witness/mode"))
    expect_equal((lines["MODE"], lines["REASON"], lines["BOOT_ID"]), (mode, reason, guest.boot_id),
                 "/run/tpmid/mode as a unit after tpmidd saw it")
    if marker == WRITTEN:
        lines = lines_of(guest.do("cat /run/witness/marker"))
        expect_equal(lines["BOOT_ID"], guest.boot_id, "the marker as a unit after tpmidd saw it")


def reference_of(certificate):
    """SHA-256 of the SubjectPublicKeyInfo of a certificate in PEM."""
    pem = pipe(["openssl", "x509", "-noout", "-pubkey"], certificate)
    der = pipe(["openssl", "pkey", "-pubin", "-outform", "DER"], pem)
    return pipe(["sha256sum"], der).decode().split()[0]


def pipe(words, content=b""):
    return subprocess.run(words, input=content, check=True, capture_output=True, timeout=60).stdout


def expect_other_key(found, reference):
    """Returns the reference of the key that there is."""
    expect(found["key"]["reference"] not in ("", None, reference), f"the key is {found['key']['reference']}, as before the reset")
    return found["key"]["reference"]


def software_pair():
    """Key and certificate as software without a TPM made them."""
    key = pipe(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"])
    with tempfile.NamedTemporaryFile() as file:
        file.write(key)
        file.flush()
        return key, pipe(["openssl", "req", "-x509", "-new", "-key", file.name, "-subj", "/CN=other", "-days", "3650"])


def kill_while_booting(folder, times, configuration=b""):
    """A new device loses power again and again, from the start of tpmidd until after it is ready; then it boots."""
    STORY.first_boot()
    device = STORY.new_device(folder)
    configure(device, configuration)
    start, ready = STORY.ready
    identity = None
    for number in range(times):
        delay = (ready - start) * 1.25 * (number + 0.4) / times
        with STORY.run(device) as guest:
            guest.wait_console(r"Starting.*tpmidd\.service")
            time.sleep(delay)
            expect(guest.qemu.poll() is None, f"QEMU ended by itself:\n{guest.trouble()}")
        certificate = device.certificate()
        found = reference_of(certificate) if certificate else None
        print(f"# killed {delay:.1f} s after the start of tpmidd, which takes about {ready - start:.1f} s: "
              f"{'a' if found else 'no'} certificate", flush=True)
        expect(identity is None or found == identity, f"after {number + 1} kills the certificate is of {found}, and was of {identity}")
        expect_equal(device.lockout_counter(), 0, "lockout counter")
        identity = found
    with STORY.run(device) as guest:
        expect_whole(guest, f"boot after {times} kills" if times > 1 else "boot after a kill", identity)
        guest.power_off()
    expect_equal(device.lockout_counter(), 0, "lockout counter of the TPM")
    return device


def expect_whole(guest, name, identity):
    """Whatever happened before: an identity, and the one that was there if there was one (`identity`, else None)."""
    word = guest.wait_settled()
    found = status_of(guest)
    there = guest.try_run(f"cat {MARKER}")
    tell(name, found, there.status == 0, time.monotonic() - guest.started)
    expect_equal(word, "running", "systemctl is-system-running")
    expect(found["row"] in (11, 12, 14, 16) and found["mode"] == "tpm", json.dumps(found, indent=1))
    expect(identity in (None, found["key"]["reference"]), f"the key is {found['key']['reference']}, the certificate was of {identity}")
    expect_equal(reference_of(guest.do(f"cat {CERTIFICATE}").encode()), found["key"]["reference"], "key of the certificate")
    expect_marker(guest, there, "tpm", WRITTEN)
    expect_equal(found["tpm"]["lockout"]["counter"], 0, "lockout counter")


# The daemon's users and what it has open.

ACCESS_DENIED, NO_TPM = 6, 7  # exit status of tpmidctl


def as_user(user, script):
    return f"setpriv --reuid {user} --regid {user} --init-groups sh -c '{script}'"


def nodes_of_tpmidd(guest):
    links = guest.do("for f in /proc/$(systemctl show tpmidd -P MainPID)/fd/*; do readlink $f; done")
    return sorted({link for link in links.split() if link.startswith("/dev/tpm")})


def expect_signature(guest, user):
    """The user signs in the guest; the signature is checked outside."""
    guest.do("echo 'a report' > /run/report")
    signature = guest.do(as_user(user, "tpmidctl sign --key device --in /run/report") + " | base64 -w0")
    with tempfile.TemporaryDirectory() as folder:
        files = {"public": guest.do("tpmidctl keys show device --public").encode(), "signature": base64.b64decode(signature),
                 "report": b"a report\n"}
        for name, content in files.items():
            pathlib.Path(folder, name).write_bytes(content)
        answer = pipe(["openssl", "dgst", "-sha256", "-verify", f"{folder}/public", "-signature", f"{folder}/signature", f"{folder}/report"])
    expect(b"Verified OK" in answer, f"openssl says {answer}")


def expect_decryption(guest, user, other):
    """What was encrypted outside, by openssl alone, the user decrypts in the guest; the other one may not."""
    with tempfile.NamedTemporaryFile() as public:
        public.write(guest.do("tpmidctl keys show credentials --public").encode())
        public.flush()
        secret = pipe(["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", public.name, "-pkeyopt", "rsa_padding_mode:oaep",
                       "-pkeyopt", "rsa_oaep_md:sha256"], b"a secret\n")
    guest.do(f"echo {base64.b64encode(secret).decode()} | base64 -d > /run/secret")
    expect_equal(guest.do(as_user(user, "tpmidctl decrypt --key credentials --in /run/secret")), "a secret\n", "what was decrypted")
    refused = guest.try_run(as_user(other, "tpmidctl decrypt --key credentials --in /run/secret"))
    expect_equal(refused.status, ACCESS_DENIED, f"{other} decrypts: {refused}")

# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scenarios: what a device is like before, what is done, and what may be found after a crash at any point of it.

To add one, add a row to SCENARIOS. `base` (and `change`, on its result) make the device; `act` is what tpmidctl is told once
it has booted, none for a boot itself; the other members say what may be found."""
import dataclasses
import shutil
import subprocess
import typing

import crash_checks
from crash_machine import CERTIFICATE, MARKER, SOFTWARE_KEY, STATE

SERIAL = "SN-0042-CRASH"
AT_REST = {"tpm": {11}, "software": {5, 7}, "fault": set(), "unprovisioned": set()}


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    base: typing.Callable             # (machine): makes the device
    change: typing.Callable = None    # (machine): changes it, power off before and after
    act: tuple = ()                   # of tpmidctl; {device} is the device's folder. Its success is an acknowledgement
    exchanges_certificate: bool = False  # of the same key
    with_tpm: bool = True             # at all boots from then on
    ownership: str = "exclusive"
    settings: tuple = ()
    cmdline: str = ""                 # of the kernel, at all boots
    modes: tuple = ("tpm",)           # after the crash
    rows: frozenset = frozenset()     # at the first boot after it; empty: any
    keeps_identity: bool = True       # else: the one before or, where one was shown, that one
    exchanges: bool = False           # the act goes between two identities that the device has: either of them
    serials: tuple = ("",)
    files: tuple = ()                 # patterns of paths that may be left besides the usual
    handles: tuple = ()               # of the TPM, the same
    foreign_passwords: bool = False
    may_leave_serial_unwritten: bool = False
    quiet: str = "^$"                 # pattern of what the second boot may do besides what a healthy one does
    kept: typing.Callable = None      # (before, found): sentences, where the act was acknowledged
    always: typing.Callable = None    # (before, found): sentences, whatever happened
    again: tuple = ()                 # exit statuses of the act, when it is told once more after the crash; empty: it is not
    after_again: typing.Callable = None  # (machine): sentences

    def rows_at_rest(self, mode):
        return AT_REST[mode]


# How a device comes to be

def new(machine):
    """As it leaves the line: a TPM that was never used."""
    machine.load(None)
    machine.power_on(True)
    machine.shut_down()


def provisioned(machine):
    machine.load(None)
    machine.boot()
    machine.shut_down()


def provisioned_shared(machine):
    machine.load(None)
    machine.boot(ownership="shared")
    machine.shut_down()


def software(machine):
    machine.load(None)
    machine.boot(with_tpm=False)
    machine.shut_down()


def told(*act):
    """A change: one boot, in which tpmidctl is told this."""
    return told_each(act)


def told_each(*acts):
    def change(machine):
        machine.boot()
        for act in acts:
            machine.must(*act)
            machine.settle()
        machine.shut_down()
    return change


def without(*paths):
    def change(machine):
        for path in paths:
            (machine.state / path).unlink()
    return change


def lose_persist(machine):
    shutil.rmtree(machine.state / "persist")


def exchange_tpm(machine):
    shutil.rmtree(machine.state / "swtpm")


def request_reset(machine):
    told("serial", "set", SERIAL)(machine)
    path = machine.state / STATE / "reset-request"
    path.touch(mode=0o600)


def make_chain(machine):
    """A certificate of the device's key, made by a CA of the line, and the CA's own."""
    folder = machine.state
    machine.boot()
    (folder / "csr.pem").write_bytes(machine.must("csr", "--key", "device", "--subject", "/CN=issued"))
    machine.shut_down()
    for command in (["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-subj",
                     "/CN=line", "-days", "3650", "-out", "ca.pem"],
                    ["x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "3650", "-out",
                     "leaf.pem"]):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    (folder / "chain.pem").write_bytes((folder / "leaf.pem").read_bytes() + (folder / "ca.pem").read_bytes())


# What an acknowledged act leaves behind for good

def serial_is_set(_before, found):
    if found.serial != SERIAL:
        yield f"the serial number was set, and is {found.serial!r}"


def serial_is_cleared(_before, found):
    if found.serial:
        yield f"the serial number was cleared, and is {found.serial!r}"


def key_is_there(_before, found):
    if "application" not in found.keys:
        yield "the key was made, and is not there"


def next_key_is_there(_before, found):
    if "device-next" not in found.keys:
        yield "the rotation was begun, and there is no key device-next"


def identity_is_new(before, found):
    if found.reference in ("", before.reference):
        yield f"the device was to become another one, and is {found.reference or 'none'}"


def mode_is(mode):
    def check(_before, found):
        if found.mode != mode:
            yield f"the device was moved to mode {mode}, and is in mode {found.mode}"
    return check


def ownership_is_released(_before, found):
    if found.tpm.auth:
        yield f"the passwords were taken back, and are set ({found.tpm.auth:#x})"


def certificate_is_installed(_before, found):
    if found.certificate is None or found.certificate != found.issued:
        yield f"the certificate was installed, and another one is there: {found.certificate}"


def certificate_is_of_the_line(before, found):
    if found.certificate not in (before.certificate, found.issued):
        yield f"the certificate is neither the one before nor the one of the line: {found.certificate}"


def certificate_is_renewed(before, found):
    if found.certificate is None or found.certificate == before.certificate:
        yield "the certificate was made anew, and it is the one before"


def request_is_gone(before, found):
    yield from identity_is_new(before, found)
    if f"{STATE}/reset-request" in found.files:
        yield "the reset was done, and its request is still there"


def software_key_is_archived(_before, found):
    if SOFTWARE_KEY in found.files or f"{SOFTWARE_KEY}.archived" not in found.files:
        yield f"the software key is not archived: {found.files}"


def serial_can_be_set(machine):
    serial = machine.must("serial").decode().strip()
    if serial != SERIAL:
        yield f"the serial number was set once more, and is {serial!r}"


MADE = frozenset({16, 11, 12})
FOUND = frozenset({11})
MENDED = frozenset({11, 12})
ARCHIVE = r"persist/tpmidd/archive/.*"
SLOTS = r"persist/tpmidd/slots/(current|next|previous|previous\.cert)\.pem"
KEPT = r"persist/tpmidd/kept/(software\.key|software\.cert|tpm\.cert|credentials\.tpm|credentials\.software)\.pem"
# A device in mode software has no storage root key at hand to hide the platform's new password behind.
CLOSES_PLATFORM = r"^TPM2_(CreatePrimary|HierarchyChangeAuth)$"
IN_TPM = (crash_checks.PARENT, crash_checks.DEVICE, crash_checks.CREDENTIALS)
COPY = f"{STATE}/device.cert.pem"

SCENARIOS = [
    # A boot
    Scenario("first-boot", new, rows=MADE, keeps_identity=False),
    Scenario("first-boot-shared", new, ownership="shared", rows=MADE, keeps_identity=False),
    Scenario("first-boot-without-tpm", new, with_tpm=False, modes=("software",), rows=frozenset({5, 6}), keeps_identity=False),
    Scenario("second-boot", provisioned, rows=FOUND),
    Scenario("marker-deleted", provisioned, without(MARKER), rows=FOUND),
    Scenario("certificate-restored", provisioned, without(CERTIFICATE), rows=MENDED),
    Scenario("certificate-regenerated", provisioned, without(CERTIFICATE, COPY), rows=MENDED, exchanges_certificate=True),
    Scenario("persist-lost", provisioned, lose_persist, rows=MENDED),
    Scenario("software-device-gets-tpm", software, without(CERTIFICATE), rows=MADE, keeps_identity=False,
             files=(r"config/device\.key\.pem\.archived", KEPT), always=software_key_is_archived),
    # A method
    Scenario("serial-set", provisioned, act=("serial", "set", SERIAL), rows=FOUND, serials=("", SERIAL), kept=serial_is_set, again=(0,),
             may_leave_serial_unwritten=True, after_again=serial_can_be_set),
    Scenario("keys-create", provisioned, act=("keys", "create", "application"), rows=FOUND, kept=key_is_there, again=(0,)),
    Scenario("serial-clear", provisioned, told("serial", "set", SERIAL), act=("serial", "clear", "--yes"),
             rows=FOUND, serials=("", SERIAL), kept=serial_is_cleared, again=(0, 4)),
    Scenario("release-ownership", provisioned, act=("release-ownership", "--yes"), rows=FOUND,
             kept=ownership_is_released),
    Scenario("reset", provisioned, told("serial", "set", SERIAL), act=("reset", "--yes"), rows=MADE | {1},
             keeps_identity=False, serials=(SERIAL,), files=(ARCHIVE,), kept=identity_is_new),
    Scenario("reset-shared", provisioned_shared, ownership="shared", act=("reset", "--yes"), rows=MADE | {1},
             keeps_identity=False, files=(ARCHIVE,), kept=identity_is_new),
    Scenario("reset-by-file", provisioned, request_reset, rows=MADE | {1}, keeps_identity=False, serials=(SERIAL,),
             files=(ARCHIVE,), always=request_is_gone),
    Scenario("reset-by-kernel", provisioned, told("serial", "set", SERIAL), cmdline="quiet tpmid.reset=line-7",
             rows=MADE | {1}, keeps_identity=False, serials=(SERIAL,), files=(ARCHIVE,), always=identity_is_new),
    Scenario("reprovision", provisioned, exchange_tpm, act=("reprovision", "--yes"), modes=("tpm", "fault"),
             keeps_identity=False, files=(ARCHIVE,), kept=identity_is_new),
    Scenario("migrate-to-tpm", software, act=("migrate", "to-tpm", "--yes"), modes=("tpm", "software"),
             keeps_identity=False, files=(KEPT,), handles=IN_TPM, kept=mode_is("tpm"), quiet=CLOSES_PLATFORM),
    Scenario("migrate-to-software", provisioned, act=("migrate", "to-software", "--yes"), modes=("tpm", "software"),
             keeps_identity=False, files=(KEPT,), handles=IN_TPM, kept=mode_is("software"), quiet=CLOSES_PLATFORM),
    Scenario("rotate-begin", provisioned, act=("rotate", "begin"), rows=FOUND, files=(SLOTS,), kept=next_key_is_there,
             again=(0,)),
    Scenario("rotate-commit", provisioned, told("rotate", "begin"), act=("rotate", "commit", "--yes"), rows=MENDED,
             keeps_identity=False, files=(SLOTS,), kept=identity_is_new),
    Scenario("rotate-rollback", provisioned, told("rotate", "begin"), act=("rotate", "rollback", "--yes"), rows=FOUND,
             files=(SLOTS,)),
    Scenario("rotate-rollback-after-commit", provisioned, told_each(("rotate", "begin"), ("rotate", "commit", "--yes")),
             act=("rotate", "rollback", "--yes"), rows=MENDED, keeps_identity=False, exchanges=True, files=(SLOTS,)),
    Scenario("migrate-back-to-tpm", provisioned, told("migrate", "to-software", "--yes"), act=("migrate", "to-tpm", "--yes"),
              modes=("tpm", "software"), keeps_identity=False, exchanges=True, files=(KEPT,), handles=IN_TPM,
             kept=mode_is("tpm"), quiet=CLOSES_PLATFORM),
    Scenario("certificate-install", provisioned, make_chain, act=("cert", "install", "{device}/chain.pem"),
             rows=FOUND, exchanges_certificate=True, files=(ARCHIVE,), kept=certificate_is_installed, always=certificate_is_of_the_line,
             again=(0,)),
    Scenario("certificate-renew", provisioned, act=("cert", "regenerate", "--yes"), rows=FOUND,
             exchanges_certificate=True, files=(ARCHIVE,), kept=certificate_is_renewed),
]

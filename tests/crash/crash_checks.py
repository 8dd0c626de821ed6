# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is found on a device, and what must hold of it after any crash."""
import base64
import hashlib
import re

import crash_disk
import crash_tpm
from crash_machine import CERTIFICATE, MARKER, Trouble

PARENT, DEVICE, CREDENTIALS = 0x81005400, 0x81005401, 0x81005402
SERIAL_INDEX, PASSWORD_INDEX, RESET_INDEX = 0x01805401, 0x01805402, 0x01805403
PROBE = b"what a device that was killed still signs"

# Files that a device may have at rest. What a scenario adds is in the scenario.
FILES = [
    r"persist/config/tpm_in_use", r"config/device\.cert\.pem", r"config/device\.key\.pem", r"config/serial",
    r"persist/tpmidd/identity", r"persist/tpmidd/device\.cert\.pem", r"persist/tpmidd/keys/[a-z0-9][a-z0-9._-]*\.pem",
    r"persist/tpmidd/ownership", r"persist/tpmidd/reset-done", r"persist/tpmidd/slots/current\.pem",
]


def der_items(data):
    """Tag, content and the whole of each element: X.690, 8.1."""
    at = 0
    while at < len(data):
        tag, size, begin = data[at], data[at + 1], at + 2
        if size & 0x80:
            begin += size & 0x7F
            size = int.from_bytes(data[at + 2:begin], "big")
        if begin + size > len(data):
            raise ValueError("cut off")
        yield tag, data[begin:begin + size], data[at:begin + size]
        at = begin + size


def read_certificate(path):
    """(reference of its key, SHA-256 of the leaf), or None where there is no whole certificate."""
    try:
        match = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", path.read_text(), re.DOTALL)
        der = base64.b64decode(match[1], validate=False)
        body = next(der_items(next(der_items(der))[1]))[1]
        fields = [whole for tag, _content, whole in der_items(body) if tag != 0xA0]  # without the version: RFC 5280, 4.1
        return hashlib.sha256(fields[5]).hexdigest(), hashlib.sha256(der).hexdigest()
    except (OSError, TypeError, ValueError, IndexError, StopIteration):
        return None


def read_words(path):
    try:
        return dict(line.split("=", 1) for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return {}


def shown(machine):
    """Who the device is by what everybody can read at this moment: [certificate's key, marker's, mode file's] where they are."""
    certificate = read_certificate(machine.state / CERTIFICATE)
    return [reference for reference in (certificate and certificate[0], read_words(machine.state / MARKER).get("KEY"),
                                        read_words(machine.run / "run" / "mode").get("KEY")) if reference]


def plain_name(path):
    """A temporary file's without what is random in it: base_file_replace()."""
    return re.sub(r"\.[A-Za-z0-9]{6}\.tmp$", ".tmp", path)


class Found:
    """A device that was booted: what tpmidd says at rest, what is on disk and in the TPM."""

    def __init__(self, machine):
        self.status = machine.ask("status")
        keys = machine.ask("keys", "list")
        if self.status is None or keys is None:
            raise Trouble("tpmidd does not answer")
        self.keys = {key["name"]: key for key in keys}
        self.reference = (self.status.get("key") or {}).get("reference", "")
        self.certificate = read_certificate(machine.state / CERTIFICATE)
        self.issued = read_certificate(machine.state / "leaf.pem")  # where a scenario had one made
        self.marker = read_words(machine.state / MARKER)
        self.ownership = self.status.get("ownership") or {}
        self.operation = self.status.get("operation") or {}
        self.log = crash_disk.Log(machine.events)
        self.files = [str(path.relative_to(machine.state)) for path in crash_disk.files_below(machine.roots()[:2])]
        self.tpm = crash_tpm.look(machine.run / "tpm") if machine.tpm is not None else None
        self.changed = {plain_name(path.removeprefix(f"{machine.state}/").removeprefix(f"{machine.run}/")) for path in self.log.paths()}

    def stop(self, machine):
        """Stops tpmidd in order, looks what it left loaded, and switches the TPM off."""
        daemon = machine.daemon
        machine.end(daemon)
        machine.kill_daemon()
        if daemon.returncode != 0:
            raise Trouble(f"tpmidd ended with status {daemon.returncode} when it was stopped")
        if machine.tpm is not None:
            left = crash_tpm.look(machine.run / "tpm")
            self.tpm = self.tpm._replace(transient=left.transient, sessions=left.sessions, counter=left.counter)
        machine.shut_down()

    def changes(self):
        """What this boot did to the device."""
        return self.changed | {f"TPM2_{crash_tpm.CHANGES[code]}" for code in self.log.commands() if code in crash_tpm.CHANGES}

    @property
    def mode(self):
        return self.status["mode"]

    @property
    def serial(self):
        return self.status["serial"]


def prove_key(machine, found):
    """The device's key signs, and the certificate's key is the one that verifies."""
    if found.mode not in ("tpm", "software"):
        return
    probe, signature = machine.folder / "probe", machine.folder / "signature"
    probe.write_bytes(PROBE)
    machine.must("sign", "--key", "device", "--in", probe, "--out", signature)
    machine.must("verify", "--key", "device", "--in", probe, "--signature", signature)


# What must hold. Each function yields sentences of what does not.

def check_decision(scenario, found, is_second):
    which = "second" if is_second else "first"
    row, mode, state = found.status["row"], found.mode, found.status["state"]
    what = f"{which} boot: mode {mode}, row {row}, {found.status['reason']}, state {state}, problems {found.status['problems']}"
    if mode not in scenario.modes:
        yield f"{what}: wanted mode {' or '.join(scenario.modes)}"
    rows = scenario.rows_at_rest(mode) if is_second else scenario.rows
    if rows and row not in rows:
        yield f"{what}: wanted row {' or '.join(map(str, sorted(rows)))}"
    if mode != "fault" and (is_second and state != "ready" or state not in ("ready", "degraded")):
        yield f"{what}: wanted ready"


def check_identity(scenario, before, seen, first, second):
    if first.reference != second.reference:
        yield f"the identity changed from the first boot, {first.reference}, to the second, {second.reference}"
    if first.certificate != second.certificate:
        yield "the certificate changed from the first boot to the second"
    for which, found in (("first", first), ("second", second)):
        if found.mode == "fault":
            continue
        if found.certificate is None or found.certificate[0] != found.reference:
            yield f"{which} boot: the certificate is of {found.certificate and found.certificate[0]}, the key is {found.reference}"
        if found.mode == "tpm" and found.marker.get("KEY") != found.reference:
            yield f"{which} boot: the marker says {found.marker or 'nothing'}"
        if found.mode == "software" and found.marker:
            yield f"{which} boot: there is a marker in software mode: {found.marker}"
    is_same = before.reference and first.reference == before.reference and before.certificate is not None
    if is_same and not scenario.exchanges_certificate and not scenario.exchanges and first.certificate != before.certificate:
        yield f"the certificate was {before.certificate[1]}, and is another one of the same key"
    new = [reference for reference in seen if reference != before.reference]
    if scenario.exchanges:
        if first.reference not in (before.reference, *seen):
            yield f"the identity is a third one, {first.reference}, besides {before.reference} and {seen}"
    elif before.reference and scenario.keeps_identity:
        if first.reference != before.reference:
            yield f"the identity was {before.reference}, and is {first.reference}"
    elif new and new[0] == seen[0] and first.reference != new[0]:
        yield f"the certificate showed {new[0]} before the crash, and the identity is {first.reference}"
    elif new and first.reference not in (new[0], before.reference):
        yield f"{new[0]} was shown before the crash, {before.reference or 'none'} before that, and the identity is {first.reference}"


def check_leftovers(scenario, second):
    allowed = FILES + list(scenario.files)
    for name in second.files:
        if name.endswith(".tmp"):
            yield f"a half-written file is left: {name}"
        elif not any(re.fullmatch(pattern, name) for pattern in allowed):
            yield f"a file is left: {name}"
    for name, key in second.keys.items():
        if key["state"] != "usable" and second.mode != "fault":
            yield f"key {name} is {key['state']}: {key['problem']}"
    if second.operation.get("state", "done") not in ("done", "incomplete"):
        yield f"an operation is left: {second.operation}"


def check_tpm(scenario, found, which):
    if found.tpm is None:
        return
    wanted = {PARENT, DEVICE, CREDENTIALS} if found.mode == "tpm" else set()
    if found.mode == "fault":
        return
    for handle in set(found.tpm.persistent) - wanted - set(scenario.handles):
        yield f"{which} boot: an object is left in the TPM at {handle:#x}"
    for handle in wanted - set(found.tpm.persistent) - {PARENT}:
        yield f"{which} boot: nothing is in the TPM at {handle:#x}"
    if found.tpm.transient or found.tpm.sessions:
        yield f"{which} boot: left loaded in the TPM: {[hex(handle) for handle in found.tpm.transient + found.tpm.sessions]}"
    if found.tpm.counter != 0:
        yield f"{which} boot: the dictionary-attack counter is {found.tpm.counter}"
    yield from check_indices(scenario, found, which)


def check_indices(scenario, found, which):
    for index, is_written in found.tpm.nv.items():
        if index == SERIAL_INDEX:
            if not is_written and not scenario.may_leave_serial_unwritten:
                yield f"{which} boot: the index of the serial number is defined and not written"
        elif index == PASSWORD_INDEX:
            if found.ownership.get("state") not in ("owned", "partial"):
                yield f"{which} boot: an index for passwords is left, and the state is {found.ownership}"
        elif index != RESET_INDEX and index not in scenario.handles:
            yield f"{which} boot: an index is left in the TPM at {index:#x}"
    is_in_nv = found.status.get("serial-source") == "tpm-nv"
    if is_in_nv != found.tpm.nv.get(SERIAL_INDEX, False):
        yield f"{which} boot: the serial number comes from {found.status.get('serial-source')}, the indices are {found.tpm.nv}"
    held = crash_tpm.OWNER_AUTH_SET | crash_tpm.LOCKOUT_AUTH_SET
    if found.tpm.auth & held and found.ownership.get("state") != "owned" and not scenario.foreign_passwords:
        yield f"{which} boot: passwords are set in the TPM ({found.tpm.auth:#x}), and the state is {found.ownership}"
    if found.ownership.get("state") == "owned" and found.tpm.auth & held != held:
        yield f"{which} boot: the state is owned, and the TPM's passwords are {found.tpm.auth:#x}"


def check_rest(scenario, second, healthy):
    more = {change for change in second.changes() - healthy.changes() if not re.search(scenario.quiet, change)}
    if more:
        yield f"the second boot was still mending: {sorted(more)}"


def check_log(log):
    for line in log.bad:
        yield f"a change that the driver has no model of: {line}"


def check_all(scenario, before, healthy, seen, first, second):
    """All sentences; `healthy` is a boot of a device of the same mode that needed nothing."""
    yield from check_decision(scenario, first, False)
    yield from check_decision(scenario, second, True)
    yield from check_identity(scenario, before, seen, first, second)
    for which, found in (("first", first), ("second", second)):
        yield from check_tpm(scenario, found, which)
        yield from check_log(found.log)
        if found.serial not in scenario.serials:
            yield f"{which} boot: the serial number is {found.serial!r}, wanted {' or '.join(map(repr, scenario.serials))}"
    if first.serial != second.serial:
        yield f"the serial number changed from {first.serial!r} to {second.serial!r}"
    yield from check_leftovers(scenario, second)
    if second.mode in healthy:
        yield from check_rest(scenario, second, healthy[second.mode])


def check_release(machine):
    """Passwords that tpmidd says are its own are known: it can take them back."""
    if (machine.ask("status").get("ownership") or {}).get("state") != "owned":
        return
    result = machine.call("release-ownership", "--yes")
    if result.returncode != 0:
        yield f"release-ownership ended with {result.returncode}: {result.stderr.decode(errors='replace').strip()}"
        return
    auth = crash_tpm.look(machine.run / "tpm").auth
    if auth & (crash_tpm.OWNER_AUTH_SET | crash_tpm.LOCKOUT_AUTH_SET):
        yield f"release-ownership succeeded, and the TPM's passwords are still set ({auth:#x})"

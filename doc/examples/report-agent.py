#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""report-agent.py [COUNT]: prints the device report as one line of JSON, and again whenever it changes; ends after COUNT
reports. Needs no rights, and no module beyond the standard library: it calls by busctl (of systemd) and listens by gdbus (of
libglib2.0-bin), as "busctl monitor" is for root alone. While tpmidd is not on the bus the report is {"running":false}."""
import base64
import hashlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

BUSCTL = ["busctl", "--system", "--json=short", "--timeout=30"]
MONITOR = ["gdbus", "monitor", "--system", "--dest", "org.tpmid1"]
# After this time without any news the report is asked for all the same; it heals a call that got no answer.
QUIET = 60  # seconds


class Absent(Exception):
    """tpmidd is not on the bus, or does not answer."""


def plain(value):
    """What busctl writes as {"type": ..., "data": ...} at any depth, as its data alone."""
    if isinstance(value, dict):
        if value.keys() == {"type", "data"} and isinstance(value["type"], str):
            return plain(value["data"])
        return {name: plain(member) for name, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value


def call(interface, method, *arguments):
    """The first value of the answer. tpmidd that an operator has stopped is not started again by bus activation."""
    command = [*BUSCTL, "--auto-start=no", "call", "org.tpmid1", "/org/tpmid1", interface, method, *arguments]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Absent(result.stderr.strip())
    return plain(json.loads(result.stdout))[0]


def certificate_sha256(pem):
    """SHA-256 over the DER of the first certificate; the empty string when there is none."""
    first = re.search("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return hashlib.sha256(base64.b64decode(first[1])).hexdigest() if first else ""


def make_report():
    status = call("org.tpmid1.Device", "GetStatus", "a{sv}", "0")
    pem = call("org.freedesktop.DBus.Properties", "Get", "ss", "org.tpmid1.Device", "Certificate")
    key, tpm = status["key"], status["tpm"]
    lockout = tpm.get("lockout", {})
    return {
        "running": True,
        **{name: status[name] for name in ("mode", "state", "reason", "serial", "serial-source")},
        "key": {name: key.get(name, "") for name in ("name", "reference")},
        "certificate-sha256": certificate_sha256(pem),
        "tpm": {
            **{name: tpm.get(name, "") for name in ("state", "manufacturer", "firmware")},
            "lockout": {name: lockout[name] for name in ("in-lockout", "counter", "limit", "interval", "recovery") if name in lockout},
        },
    }


class Agent:
    def __init__(self, count):
        self.count = count
        self.last = None

    def report(self):
        try:
            report = make_report()
        except Absent as why:
            print(f"report-agent.py: {why}", file=sys.stderr)
            report = {"running": False}
        line = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
        if line == self.last:
            return
        try:
            os.write(sys.stdout.fileno(), f"{line}\n".encode())
        except BrokenPipeError:
            sys.exit(1)  # nobody reads any more
        self.last = line
        self.count -= 1
        if self.count == 0:
            sys.exit(0)

    def follow(self):
        """Reports until the connection is lost. gdbus first says whether tpmidd is there, then what it announces; whatever
        it says, and a burst of it once, is a reason to ask anew. Only after its first words no change is missed."""
        monitor = subprocess.Popen(MONITOR, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            while True:
                ready, _, _ = select.select([monitor.stdout], [], [], QUIET)
                if ready and not os.read(monitor.stdout.fileno(), 65536):
                    return
                self.report()
        finally:
            monitor.terminate()
            monitor.wait()


def end(number, _frame):
    sys.exit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)  # so that gdbus ends too
    agent = Agent(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
    while True:
        agent.follow()
        agent.report()
        time.sleep(1)


if __name__ == "__main__":
    main()

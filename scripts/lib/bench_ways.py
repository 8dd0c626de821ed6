# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ways to the TPM that scripts/bench compares. Each is opened for a turn, as the TPM has one owner at a time, and
closed before the next one has its own."""
import collections
import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import threading
import time

from bench_relay import Relay
from boot import START_LIMIT, Boot, BootError, Interrupted, listens, pause

KEY_HANDLE = "0x81005401"  # DeviceKeyHandle's default: everybody signs with the device's own key
CREDENTIALS_HANDLE = "0x81005402"  # CredentialsKeyHandle's default
KEY_LIMIT = 60  # seconds for tpmidd to make a key in the background, with a software TPM
PATIENCE = 60  # seconds above the measured ones that a caller may take
PLAIN = bytes(range(32))  # a digest, or a secret

# One row for each operation. `key` is tpmidd's name and `handle` the TPM's for the same key; `give` makes what the operation
# works on out of PLAIN and the key, `tool` the command line of tpm2-tools out of the handle and two file names. `secret`:
# the answer is nobody's business on the way to the TPM. The C callers have a table of their own, in
# tests/bench/bench-caller.c.
Operation = collections.namedtuple("Operation", "name title key handle secret give tool")
OPERATIONS = [
    Operation("sign-p256", "ECDSA P-256 signature of a digest", "device", KEY_HANDLE, False, lambda device, key: PLAIN,
              lambda handle, given, made: ["tpm2_sign", "-c", handle, "-g", "sha256", "-s", "ecdsa", "-d", "-o", made, given]),
    Operation("decrypt-rsa2048", "RSA-2048 decryption, OAEP with SHA-256", "credentials", CREDENTIALS_HANDLE, True,
              lambda device, key: device.encrypt(key),
              lambda handle, given, made: ["tpm2_rsadecrypt", "-c", handle, "-s", "oaep", "-o", made, given]),
]

# Times in seconds; `commands` that the TPM got, None where nobody counted.
Turn = collections.namedtuple("Turn", "elapsed times commands")


class Device(Boot):
    """One device for the whole run: TPM and bus stay, tpmidd comes and goes."""

    def __init__(self, folder, stopping):
        super().__init__(None, folder, stopping)
        self.relay = None
        self.owners = []  # processes other than tpmidd that have the TPM now
        self.lacking = {}  # operation's name -> why it cannot be measured

    def open(self):
        self.start(True, "exclusive", [f"DeviceKeyHandle={KEY_HANDLE}"])  # the first boot makes the keys
        for operation in OPERATIONS:
            try:
                self.wait_for_key(operation.key)
                self.given(operation).write_bytes(operation.give(self, operation.key))
            except BootError as error:
                self.lacking[operation.name] = str(error)
        self.stop_daemon()
        self.relay = Relay(self.run / "relay", self.run / "tpm")
        self.hand_over(self.run / "relay", 0o660, "tpmidd", "tpmidd")

    def control(self, *arguments):
        """What tpmidctl says, or why it does not."""
        command = [self.build / "client" / "tpmidctl", f"--bus-address={self.bus_address}", *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            reason = json.loads(result.stderr)["error"]["message"] if "--json" in arguments else result.stderr.strip()
            raise BootError(f"tpmidctl {' '.join(arguments)}: {reason}")
        return result.stdout

    def wait_for_key(self, key):
        deadline = time.monotonic() + KEY_LIMIT
        while (state := json.loads(self.control("--json", "keys", "show", key))["state"]) == "creating":
            if self.stopping():
                raise Interrupted
            if time.monotonic() > deadline:
                raise BootError(f"tpmidd still makes the key {key} after {KEY_LIMIT} s")
            time.sleep(0.1)
        if state != "usable":
            raise BootError(f"the key {key} is {state}")

    def encrypt(self, key):
        """PLAIN for an RSA key, by OpenSSL."""
        public, plain = self.run / "public.pem", self.run / "plain"
        public.write_text(self.control("keys", "show", key, "--public"))
        plain.write_bytes(PLAIN)
        command = ["openssl", "pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-in", plain,
                   "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"]
        result = subprocess.run(command, capture_output=True)
        if result.returncode != 0:
            raise BootError(f"openssl pkeyutl: {result.stderr.decode(errors='replace').strip()}")
        return result.stdout

    def given(self, operation):
        """The file of what the operation works on."""
        return self.run / f"given-{operation.name}"

    def stop_daemon(self):
        self.end(self.daemon)
        status, self.daemon = self.daemon.returncode, None
        (self.run / "notify").unlink()
        if status != 0:
            raise BootError(f"{self.tail(self.log)}tpmidd ended with status {status}, its messages are above")

    def stop(self):
        for process in self.owners:
            self.end(process)
        super().stop()
        if self.relay is not None:
            self.relay.close()

    def tcti_through(self, relayed):
        return f"swtpm:path={self.relay.path}" if relayed else f"swtpm:path={self.run / 'tpm'}"

    def run_callers(self, way, operation, target, callers, seconds, environment, count):
        """One turn of tests/bench/bench-caller; `count` gives the number of commands so far, or None."""
        key = operation.key if way == "tpmid" else operation.handle
        command = [self.build / "tests" / "bench" / "bench-caller", way, operation.name, target, key, self.given(operation),
                   str(callers), str(max(1, round(seconds * 1000)))]
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True,
                                   env={**os.environ, "TSS2_LOG": "all+NONE", **environment})
        limit = threading.Timer(seconds + PATIENCE, process.kill)
        limit.start()
        try:
            return self.one_turn(process, count)
        finally:
            limit.cancel()
            process.kill()
            process.communicate()

    @staticmethod
    def one_turn(process, count):
        ready = process.stdout.readline()
        before = count()
        numbers = []
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("go\n")
            process.stdin.flush()
        for line in process.stdout:
            if line == "end\n":
                break
            numbers.append(int(line) / 1e9)
        after = count()
        _, messages = process.communicate()
        if ready != "ready\n" or len(numbers) < 2 or process.returncode != 0:
            raise BootError(f"bench-caller ended with status {process.returncode}: {messages.strip()}")
        return Turn(numbers[0], numbers[1:], None if before is None else after - before)


class Way:
    """`relayed`: through the relay, which then counts for everybody."""

    title = ""

    def __init__(self, device):
        self.device = device
        self.relayed = False

    def missing(self):
        """Why it cannot be measured here, and what to do about it; empty when it can."""
        return ""

    def does(self, operation):
        return True

    def callers(self, wanted):
        """How many at a time, of the numbers that are wanted."""
        return [1]

    def open(self, relayed):
        self.relayed = relayed

    def close(self):
        """Also after open() that failed."""

    def count(self):
        return self.device.relay.commands if self.relayed else None


class Bare(Way):
    """As tpmidd does it. A secret comes back encrypted, in a salted session that is there already."""

    title = "bare ESAPI loop"
    name = "esapi"

    def turn(self, operation, callers, seconds):
        return self.device.run_callers(self.name, operation, self.device.tcti_through(self.relayed), callers, seconds, {},
                                       self.count)


class BareClear(Bare):
    title = "bare, in the clear"
    name = "esapi-clear"

    def does(self, operation):
        return operation.secret


class Tpmidd(Way):
    title = "tpmidd"

    def callers(self, wanted):
        return wanted

    def open(self, relayed):
        super().open(relayed)
        self.device.tcti = self.device.tcti_through(relayed)
        self.device.start_daemon("exclusive", [f"DeviceKeyHandle={KEY_HANDLE}"])

    def close(self):
        self.device.stop_daemon()

    def count(self):
        if self.relayed:
            return super().count()
        return json.loads(self.device.control("--json", "status"))["tpm"]["commands"]

    def turn(self, operation, callers, seconds):
        return self.device.run_callers("tpmid", operation, self.device.bus_address, callers, seconds, {}, self.count)


class Abrmd(Way):
    title = "tpm2-abrmd + ESAPI"
    FEW_AND_MANY = (1, 8)
    BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""

    def __init__(self, device):
        super().__init__(device)
        self.program = shutil.which("tpm2-abrmd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        self.environment = {}
        self.process = None

    def missing(self):
        try:
            ctypes.CDLL("libtss2-tcti-tabrmd.so.0")
        except OSError:
            self.program = None
        if self.program:
            return ""
        return "not installed; get it with: apt-get install tpm2-abrmd libtss2-tcti-tabrmd0"

    def callers(self, wanted):
        return [number for number in wanted if number in self.FEW_AND_MANY] or wanted[:1]

    def open(self, relayed):
        super().open(relayed)
        if not self.environment:
            self.open_bus()
        log = self.device.run / "abrmd.log"
        command = [self.program, "--session", *(["--allow-root"] if self.device.is_root else []),
                   f"--tcti={self.device.tcti_through(relayed)}"]
        self.process = self.device.spawn(command, log, env={**os.environ, **self.environment})
        self.device.owners.append(self.process)
        self.device.wait_for(lambda: pause() or self.is_on_bus(), self.process, log, START_LIMIT, "tpm2-abrmd")

    def open_bus(self):
        run = self.device.run
        config, path, log = run / "abrmd-bus.conf", run / "abrmd-bus", run / "abrmd-bus.log"
        config.write_text(self.BUS_CONFIG.format(socket=path))
        process = self.device.spawn(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog"], log)
        self.device.processes.append(process)
        self.device.wait_for(lambda: pause() or listens(path), process, log, START_LIMIT, "dbus-daemon")
        self.environment = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={path}"}

    def is_on_bus(self):
        return subprocess.run(["gdbus", "wait", "--session", "--timeout", "1", "com.intel.tss2.Tabrmd"],
                              env={**os.environ, **self.environment}, capture_output=True).returncode == 0

    def close(self):
        if self.process is None:
            return
        self.device.end(self.process)
        self.device.owners.remove(self.process)
        self.process = None

    def turn(self, operation, callers, seconds):
        return self.device.run_callers("esapi", operation, "tabrmd:bus_type=session", callers, seconds, self.environment,
                                       self.count)


class Tools(Way):
    title = "tpm2-tools"

    def turn(self, operation, callers, seconds):
        made = self.device.run / "made"
        command = operation.tool(operation.handle, str(self.device.given(operation)), str(made))
        environment = {**os.environ, "TPM2TOOLS_TCTI": self.device.tcti_through(self.relayed), "TSS2_LOG": "all+NONE"}
        times = []
        before, start = self.count(), time.monotonic()
        while not times or time.monotonic() < start + seconds:
            begin = time.monotonic()
            result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
            times.append(time.monotonic() - begin)
            if result.returncode != 0 or not made.exists():
                raise BootError(f"{command[0]} ended with status {result.returncode}: {result.stderr.strip()}")
        elapsed = time.monotonic() - start
        return Turn(elapsed, times, None if before is None else self.count() - before)


WAYS = [Bare, BareClear, Tpmidd, Abrmd, Tools]

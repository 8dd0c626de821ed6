# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device that can be killed: folders copied from a snapshot, swtpm, tpmidd with the shim; the bus stays over all its boots."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))
import boot  # noqa: E402
import crash_disk  # noqa: E402

SETTLE_LIMIT = 60  # seconds
CALL_LIMIT = 60
PAUSE = 0.01
UNDECIDED = ("starting", "waiting", "provisioning")
CERTIFICATE, SOFTWARE_KEY = "config/device.cert.pem", "config/device.key.pem"
MARKER, STATE = "persist/config/tpm_in_use", "persist/tpmidd"


class Trouble(Exception):
    """What may not happen, whatever was killed when."""


class Machine(boot.Boot):
    """`folder` is the machine's own, on a file system where tpmidd's user can reach it."""

    def __init__(self, folder, build, shim):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        boot.RUN_PARENT = self.folder
        super().__init__(self.folder / "device", build, lambda: False)
        self.run.chmod(0o755)
        self.make_users()
        self.tpmidctl = self.build / "client" / "tpmidctl"
        self.program = pathlib.Path(shutil.copy(self.build / "daemon" / "tpmidd", self.run / "tpmidd"))
        self.shim = pathlib.Path(shutil.copy(shim, self.run / "shim.so"))
        self.saved, self.gate, self.events = self.folder / "saved", self.run / "gate", self.run / "events"
        self.tpm = None
        self.notify = None
        self.is_told_ready = False
        self.text = []  # what the daemons of this point said
        self.start_bus()
        self.bus = self.processes.pop()

    def close(self):
        self.power_off()
        self.end(self.bus)
        self.lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # The device

    def roots(self):
        return [self.state / "persist", self.state / "config", self.run / "run"]

    def load(self, snapshot):
        """The device as it was when the snapshot was taken; None: as it leaves the line."""
        self.power_off()
        self.text = []
        for path in (self.state, self.saved):
            shutil.rmtree(path, ignore_errors=True)
        if snapshot is not None:
            crash_disk.copy_device(snapshot, self.state)

    def save(self, snapshot):
        self.power_off()
        crash_disk.copy_device(self.state, snapshot)

    def power_on(self, with_tpm):
        """Up to where tpmidd would be started: with a boot id, and a run-time folder, that are new."""
        for name in ("sys", "proc", "run"):
            shutil.rmtree(self.run / name, ignore_errors=True)
        self.make_folders()
        if with_tpm:
            self.start_tpm()

    def power_off(self):
        """At once: nothing is told to the TPM."""
        self.kill_daemon()
        self.cut_tpm()

    # The TPM

    def start_tpm(self):
        for name in ("tpm", "tpm.ctrl"):
            (self.run / name).unlink(missing_ok=True)
        super().start_tpm()
        self.tpm = self.processes.pop()

    def cut_tpm(self):
        if self.tpm is not None:
            self.tpm.kill()
            self.tpm.wait()
        self.tpm, self.tcti = None, ""

    def shut_down(self):
        """In order: tpmidd, the TPM, the power."""
        if self.daemon is not None:
            self.end(self.daemon)
            status = self.daemon.returncode
            self.kill_daemon()
            if status != 0:
                raise Trouble(f"tpmidd ended with status {status} when it was stopped")
        if self.tpm is not None:
            self.shut_down_tpm()
        self.cut_tpm()

    # tpmidd

    def state_as_seen(self):
        return self.state

    def daemon_command(self, ownership, settings):
        command = super().daemon_command(ownership, settings)
        return [str(self.program), *command[1:]]

    def start_tpmidd(self, ownership="exclusive", settings=(), at=None, gated=False, swallow=None):
        """Events are counted from now on, or from open_gate(); `at` is the one to die after."""
        shutil.rmtree(self.saved, ignore_errors=True)
        self.gate.unlink(missing_ok=True)
        self.saved.mkdir()
        self.events.write_text("")
        for path in (self.saved, self.events):
            shutil.chown(path, boot.USER, boot.USER)
        shim = {"LD_PRELOAD": self.shim, "TPMID_CRASH_LOG": self.events, "TPMID_CRASH_SAVE": self.saved,
                "TPMID_CRASH_TPM": self.run / "tpm", "TPMID_CRASH_ROOTS": ":".join(map(str, self.roots()))}
        if at is not None:
            shim["TPMID_CRASH_AT"] = at
        if gated:
            shim["TPMID_CRASH_GATE"] = self.gate
        if swallow is not None:
            shim["TPMID_CRASH_SWALLOW"] = swallow
        self.listen()
        self.log.write_bytes(b"")
        self.daemon = self.spawn(self.daemon_command(ownership, list(settings)), self.log, boot.AS_USER, cwd=self.state, umask=0o077,
                                 env={**self.daemon_environment(), **{key: str(value) for key, value in shim.items()}})

    def open_gate(self):
        self.gate.touch()

    def listen(self):
        if self.notify is not None:
            self.notify.close()
        path = self.run / "notify"
        path.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(path))
        path.chmod(0o666)
        self.is_told_ready = False

    def kill_daemon(self):
        if self.daemon is None:
            return
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None
        if self.log.exists():
            self.text += ["-- a boot of tpmidd:", *boot.messages(self.log)]

    def is_dead(self):
        return self.daemon.poll() is not None

    def wait_ready(self):
        """Whether it got there; False when it died."""
        deadline = time.monotonic() + SETTLE_LIMIT
        if self.is_dead():
            return False
        with open_process(self.daemon.pid) as process:
            while not self.is_told_ready:
                readable = select.select([self.notify, process], [], [], max(0, deadline - time.monotonic()))[0]
                if self.notify in readable:
                    self.is_told_ready = boot.is_ready(self.notify)
                elif readable:
                    return False
                elif time.monotonic() >= deadline:
                    raise Trouble(f"tpmidd was not ready after {SETTLE_LIMIT} s")
        return True

    def settle(self):
        """Waits until tpmidd has told that it is ready and has nothing more to do. Returns whether it lives."""
        deadline = time.monotonic() + SETTLE_LIMIT
        if not self.wait_ready():
            return False
        size = -1
        while not self.is_dead():
            before, size = size, self.events.stat().st_size
            if before == size and self.is_idle():
                return not self.is_dead()
            if time.monotonic() > deadline:
                raise Trouble(f"tpmidd is still busy after {SETTLE_LIMIT} s: {self.ask('status')}")
            time.sleep(PAUSE)
        return False

    def is_idle(self):
        status = self.ask("status")
        if status is None or status["state"] in UNDECIDED or status["tpm"]["running"] or status["tpm"]["waiting"]:
            return False
        if (status.get("operation") or {}).get("state") == "running":
            return False
        keys = self.ask("keys", "list")
        return keys is not None and all(key["state"] != "creating" for key in keys) and not self.lacks_credentials(status, keys)

    @staticmethod
    def lacks_credentials(status, keys):
        return status["mode"] in ("tpm", "software") and all(key["name"] != "credentials" for key in keys)

    # tpmidctl, as root

    def environment(self):
        return {"PATH": boot.DEFAULT_PATH, "LC_ALL": "C.UTF-8", "DBUS_SYSTEM_BUS_ADDRESS": self.bus_address}

    def call(self, *arguments, data=None):
        return subprocess.run([self.tpmidctl, *map(str, arguments)], capture_output=True, timeout=CALL_LIMIT, cwd=self.folder, input=data,
                              env=self.environment())

    def call_while_alive(self, *arguments):
        """For what may kill tpmidd: tpmidctl waits for it to come back, and here it does not. Returns exit status and standard error."""
        with tempfile.TemporaryFile() as errors:
            client = subprocess.Popen([self.tpmidctl, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                      cwd=self.folder, env=self.environment())
            deadline = time.monotonic() + CALL_LIMIT
            while client.poll() is None and self.daemon.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(0.05)
            client.kill()
            client.wait()
            errors.seek(0)
            return client.returncode, errors.read().decode(errors="replace").strip()

    def ask(self, *arguments):
        """Its answer; None when there was none."""
        result = self.call(*arguments, "--json")
        return json.loads(result.stdout) if result.returncode == 0 else None

    def must(self, *arguments, data=None):
        result = self.call(*arguments, data=data)
        if result.returncode != 0:
            raise Trouble(f"tpmidctl {' '.join(map(str, arguments))} ended with {result.returncode}: "
                          f"{result.stderr.decode(errors='replace').strip()}")
        return result.stdout

    def boot(self, with_tpm=True, **options):
        """A whole boot up to rest, for what a scenario begins with."""
        self.power_on(with_tpm)
        self.start_tpmidd(**options)
        if not self.settle():
            raise Trouble(f"tpmidd died: {self.log.read_text()}")


class open_process:
    """The process as something to wait for: readable when it has ended."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        self.descriptor = os.pidfd_open(self.pid)
        return self.descriptor

    def __exit__(self, *_):
        os.close(self.descriptor)


def wait_dead(process, limit=SETTLE_LIMIT):
    """That a kill is over; the signal that ended it."""
    try:
        return -process.wait(limit) == signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False

# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run of a device in QEMU."""
import base64
import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from processes import END_LIMIT, GuestError, end, spawn, text_of, wait_for

BOOT_LIMIT = 240  # seconds, until the guest's shell answers
HANG_LIMIT = 60  # without a word on the console while it boots
SETTLE_LIMIT = 120  # until systemd has nothing left to start
SCRIPT_LIMIT = 60
OFF_LIMIT = 120
LAST_WORD_LIMIT = 15  # from the kernel's last word to the end of QEMU
PROBE_LIMIT = 20
LAST_WORDS = ("reboot: Power down", "reboot: Restarting system", "reboot: machine restart", "reboot: System halted")
COMMAND_LINE = ("root=/dev/nvme0n1 rw rootfstype=ext4 console=ttyS0 mitigations=off no_timer_check tsc=reliable audit=0 "
                "random.trust_cpu=on panic=-1 net.ifnames=0 systemd.show_status=1")
TCG = ("-accel", "tcg,thread=multi", "-cpu", "max")
KVM = ("-accel", "kvm", "-cpu", "host")
# -no-reboot: a reset inside QEMU has been seen to hang in emulation, at "machine restart"; a reboot is a new process here.
MACHINE = ("-M", "q35", "-smp", "2", "-m", "512", "-display", "none", "-nodefaults", "-no-user-config", "-nic", "none", "-no-reboot",
           "-smbios", "type=1,serial=GUEST-0001")

Answer = collections.namedtuple("Answer", "status output errors")


class Guest:
    """One run, from switching on to power off, reboots included; each boot has a QEMU and an swtpm of its own. As a context: the
    power is cut at its end."""

    hang_limit = HANG_LIMIT

    def __init__(self, device, base, accelerator=TCG, with_tpm=True, command_line=""):
        self.device = device
        self.base, self.accelerator, self.with_tpm, self.command_line = base, accelerator, with_tpm, command_line
        self.run = self.qemu = self.swtpm = self.shell = None
        try:
            self.switch_on()
        except BaseException:
            self.cut_power()
            raise

    def switch_on(self):
        self.device.keep()
        self.is_second_try = False
        self.start()

    def start(self):
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="tpmid-vm-"))
        self.console = self.run / "console"
        self.shell, self.buffer, self.boot_id = None, b"", None
        self.started = time.monotonic()
        if self.with_tpm:
            self.start_tpm()
        self.start_qemu()

    def start_tpm(self):
        self.swtpm = spawn(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.device.tpm}", "--ctrl",
                            f"type=unixio,path={self.run}/tpm", "--terminate"], self.run / "swtpm.log")
        wait_for(lambda: (self.run / "tpm").exists(), END_LIMIT, "swtpm")

    def start_qemu(self):
        words = ["qemu-system-x86_64", *MACHINE, *self.accelerator, "-kernel", self.base.kernel,
                 "-append", f"{COMMAND_LINE} {self.command_line}",
                 *disk_options(self.device.disk, "root"), "-serial", f"file:{self.console}",
                 "-chardev", f"socket,id=shell,path={self.run}/shell,server=on,wait=off", "-serial", "chardev:shell"]
        if self.device.persist.exists():
            words += disk_options(self.device.persist, "persist")
        if self.with_tpm:
            words += ["-chardev", f"socket,id=tpm,path={self.run}/tpm", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                      "-device", "tpm-tis,tpmdev=tpm0"]
        self.qemu = spawn(words, self.run / "qemu.log")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and issubclass(kind, Exception):
            self.tell_story()
        self.cut_power()

    def tell_story(self):
        """For who reads why a test failed."""
        with contextlib.suppress(Exception):  # whatever it was that failed, the guest may be in any state
            script = "journalctl -b -n 60 --no-pager -o short-monotonic -u tpmidd -u guest-witness; systemctl --failed"
            for line in self.try_run(script, 20).output.splitlines():
                print(f"# guest: {line}")

    def cut_power(self):
        """As when somebody pulls the plug: nothing is flushed, and the TPM hears no good-bye."""
        for process in (self.qemu, self.swtpm):
            if process is not None and process.poll() is None:
                process.kill()
        self.clear_away()
        self.device.forget()

    def clear_away(self):
        """What is left of a boot whose QEMU has ended; swtpm leaves by itself then, as --terminate says."""
        if self.shell is not None:
            self.shell.close()
        end(self.qemu, signal.SIGKILL)
        if self.swtpm is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.swtpm.wait(END_LIMIT)
            end(self.swtpm, signal.SIGKILL)
        self.qemu = self.swtpm = self.shell = None
        if self.run is not None:
            shutil.rmtree(self.run, ignore_errors=True)

    def trouble(self):
        """What the console said last."""
        return "\n".join(text_of(self.console).splitlines()[-25:] + text_of(self.run / "qemu.log").splitlines()[-5:])

    # A boot, as seen from outside.

    def last_line(self):
        lines = [line.strip() for line in text_of(self.console).splitlines() if line.strip()]
        return re.sub(r"\x1b\[[0-9;]*m", "", lines[-1]) if lines else ""

    def wait_boot(self, look, what):
        """Until `look` finds something. A boot that hangs is ended and begun once more on the device as it was, which is told."""
        said, since = None, time.monotonic()
        while True:
            found = look()
            if found:
                return found
            now = time.monotonic()
            size = self.console.stat().st_size if self.console.exists() else 0
            if (size, len(self.buffer)) != said:
                said, since = (size, len(self.buffer)), now
            if self.qemu.poll() is not None:
                raise GuestError(f"QEMU ended with status {self.qemu.returncode}:\n{self.trouble()}")
            if now - self.started > BOOT_LIMIT:
                raise GuestError(f"{what}: not within {BOOT_LIMIT} s:\n{self.trouble()}")
            if now - since > self.hang_limit:
                self.boot_once_more(what)
                said, since = None, time.monotonic()
            time.sleep(0.02)

    def boot_once_more(self, what):
        if self.is_second_try:
            raise GuestError(f"{what}: the boot hung twice:\n{self.trouble()}")
        print(f'# scene: a boot hung: nothing on the console for {self.hang_limit} s after "{self.last_line()}"; ended, and tried once more',
              flush=True)
        self.is_second_try = True
        self.qemu.kill()
        self.clear_away()
        self.device.put_back()
        self.start()

    def wait_console(self, pattern):
        """Until a line of the console matches while the guest boots."""
        return self.wait_boot(lambda: re.search(pattern, text_of(self.console)), f"the line {pattern} on the console")

    def wait_booted(self):
        """Until the shell inside answers; returns self."""
        self.boot_id = self.wait_boot(lambda: self.poll_line("guest-shell ready"), "the shell in the guest")
        return self

    def wait_off(self, limit):
        """Until QEMU and swtpm have ended. A QEMU that does not end after the kernel's last word is ended, which is told."""
        deadline, last_word = time.monotonic() + limit, None
        while self.qemu.poll() is None:
            now = time.monotonic()
            if last_word is None and any(word in self.last_line() for word in LAST_WORDS):
                last_word = now
            if last_word is not None and now - last_word > LAST_WORD_LIMIT:
                print(f'# scene: QEMU hung after "{self.last_line()}" and was ended', flush=True)
                self.qemu.kill()
            if now > deadline:
                raise GuestError(f"the guest was not off after {limit} s:\n{self.trouble()}")
            time.sleep(0.05)
        self.clear_away()

    # The shell inside.

    def connect(self):
        if self.shell is None:
            self.shell = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            wait_for(lambda: self.shell.connect_ex(str(self.run / "shell")) == 0, END_LIMIT, "QEMU's socket")
            self.shell.settimeout(0.2)

    def poll_line(self, start):
        """The rest of the next line that begins with `start`; None while it is not there."""
        self.connect()
        with contextlib.suppress(OSError):  # a time-out, or the end of QEMU
            self.buffer += self.shell.recv(65536)
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            found = re.search(re.escape(start) + r" (.*)", line.decode(errors="replace").strip())
            if found:
                return found[1]
        return None

    def read_line(self, start, limit):
        deadline = time.monotonic() + limit
        while True:
            found = self.poll_line(start)
            if found:
                return found
            if self.qemu.poll() is not None:
                raise GuestError(f"QEMU ended with status {self.qemu.returncode}:\n{self.trouble()}")
            if time.monotonic() > deadline:
                raise GuestError(f'no line "{start}" within {limit} s:\n{self.trouble()}')

    def wait_settled(self, limit=SETTLE_LIMIT):
        """Until systemd has started all there is; returns its word for the result, "running" or "degraded"."""
        if self.boot_id is None:
            self.wait_booted()
        return self.try_run("systemctl is-system-running --wait", limit=limit).output.strip()

    def tell(self, script):
        """Starts a script after which the shell may be gone."""
        self.connect()
        self.shell.settimeout(END_LIMIT)
        self.shell.sendall(base64.b64encode(script.encode()) + b"\n")
        self.shell.settimeout(0.2)

    def try_run(self, script, limit=SCRIPT_LIMIT):
        self.tell(script)
        status, output, errors = self.read_line("guest-shell status", limit).split(" ", 2)
        return Answer(int(status), *(base64.b64decode(text.rstrip(".")).decode(errors="replace") for text in (output, errors)))

    def do(self, script, limit=SCRIPT_LIMIT):
        """Runs a script that must succeed; returns its standard output."""
        answer = self.try_run(script, limit)
        if answer.status != 0:
            raise GuestError(f"{script}: status {answer.status}\n{answer.output}{answer.errors}")
        return answer.output

    def power_off(self, limit=OFF_LIMIT):
        """In order, as an operator does; until QEMU and the TPM are gone. Returns the seconds."""
        started = time.monotonic()
        self.tell("systemctl --no-block poweroff")
        self.wait_off(limit)
        return time.monotonic() - started

    def reboot(self):
        """In order; until the shell of the next boot answers."""
        self.tell("systemctl --no-block reboot")
        self.wait_off(OFF_LIMIT)
        self.switch_on()
        return self.wait_booted()


def disk_options(path, name):
    return ["-drive", f"file={path},if=none,id={name},format=raw", "-device", f"nvme,serial={name},drive={name}"]


def choose_accelerator(base, disk):
    """KVM where it brings the guest up to its first process within bounds, as it may be there and broken; else emulation."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return TCG
    with tempfile.TemporaryDirectory(prefix="tpmid-vm-") as folder:
        console, log = pathlib.Path(folder, "console"), pathlib.Path(folder, "log")
        process = spawn(["qemu-system-x86_64", *MACHINE, *KVM, "-snapshot", "-kernel", base.kernel, "-serial", f"file:{console}",
                         "-append", f"{COMMAND_LINE} init=/usr/bin/echo -- kvm-is-good", *disk_options(disk, "root")], log)
        try:
            deadline = time.monotonic() + PROBE_LIMIT
            while process.poll() is None and time.monotonic() < deadline and "KVM internal error" not in text_of(log):
                time.sleep(0.1)
            return KVM if any(line.strip() == "kvm-is-good" for line in text_of(console).splitlines()) else TCG
        finally:
            end(process, signal.SIGKILL)

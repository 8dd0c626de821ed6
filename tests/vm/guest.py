# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device in a folder (disk and TPM) and one run of it in QEMU."""
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

import image

BOOT_LIMIT = 120  # seconds, until the guest's shell answers
SETTLE_LIMIT = 120  # until systemd has nothing left to start
SCRIPT_LIMIT = 60
OFF_LIMIT = 120
END_LIMIT = 10
PROBE_LIMIT = 20
COMMAND_LINE = ("root=/dev/nvme0n1 rw rootfstype=ext4 console=ttyS0 mitigations=off no_timer_check tsc=reliable audit=0 "
                "random.trust_cpu=on panic=-1 net.ifnames=0 systemd.show_status=0")
TCG = ("-accel", "tcg,thread=multi", "-cpu", "max")
KVM = ("-accel", "kvm", "-cpu", "host")
MACHINE = ("-M", "q35", "-smp", "2", "-m", "512", "-display", "none", "-nodefaults", "-no-user-config", "-nic", "none",
           "-smbios", "type=1,serial=GUEST-0001")

Answer = collections.namedtuple("Answer", "status output errors")


class GuestError(Exception):
    pass


def spawn(words, log):
    """Away from the terminal's signals, and ended by the kernel should this process be killed."""
    with open(log, "ab") as output:
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, words)], stdin=subprocess.DEVNULL, stdout=output,
                                stderr=output, start_new_session=True)


def end(process, number=signal.SIGTERM):
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(condition, limit, what, pause=0.02):
    deadline = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise GuestError(f"{what}: not within {limit} s")
        time.sleep(pause)


def text_of(path):
    return path.read_text(errors="replace") if path.exists() else ""


class Device:
    """What stays when the power goes: the disk, the TPM's memory, and for some devices a disk of its own for /persist."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.disk, self.tpm, self.persist = self.folder / "disk", self.folder / "tpm", self.folder / "persist"

    @classmethod
    def new(cls, folder, disk):
        device = cls(folder)
        device.folder.mkdir(parents=True)
        copy_disk(disk, device.disk)
        device.tpm.mkdir()
        return device

    def branch(self, folder):
        """The same device, whose history takes another course from here on."""
        device = Device.new(folder, self.disk)
        shutil.copytree(self.tpm, device.tpm, dirs_exist_ok=True)
        if self.persist.exists():
            copy_disk(self.persist, device.persist)
        return device

    def add_persist(self):
        image.make_file_system(self.persist, "32M")

    def swap_tpm(self):
        shutil.rmtree(self.tpm)
        self.tpm.mkdir()

    def tpm_tool(self, *words):
        """Runs a tool on the TPM of a device that is off; on a copy of its memory, unless the tool is to change it."""
        with tempfile.TemporaryDirectory(prefix="tpm-") as folder:
            memory = self.tpm
            if words[0] == "tpm2_getcap":
                memory = shutil.copytree(self.tpm, pathlib.Path(folder, "memory"))
            path = pathlib.Path(folder, "s")
            process = spawn(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={memory}", "--server", f"type=unixio,path={path}",
                             "--ctrl", f"type=unixio,path={path}.ctrl", "--flags", "not-need-init,startup-clear"],
                            pathlib.Path(folder, "log"))
            try:
                wait_for(lambda: path.exists() and pathlib.Path(f"{path}.ctrl").exists(), END_LIMIT, "swtpm")
                return image.command(words[0], "-T", f"swtpm:path={path}", *words[1:], limit=END_LIMIT)
            finally:
                end(process)

    def lockout_counter(self):
        return int(re.search(r"TPM2_PT_LOCKOUT_COUNTER: (\w+)", self.tpm_tool("tpm2_getcap", "properties-variable"))[1], 16)

    def certificate(self):
        """The device certificate on the disk of a device that lost power, None where there is none. The disk stays as it is."""
        with tempfile.TemporaryDirectory(prefix="disk-") as folder:
            disk = copy_disk(self.disk, pathlib.Path(folder, "disk"))
            subprocess.run(["e2fsck", "-fy", disk], capture_output=True, timeout=image.TOOL_LIMIT, check=False)
            return image.read_file(disk, "/config/device.cert.pem")


def copy_disk(source, target):
    image.command("cp", "--sparse=always", "--reflink=auto", source, target)
    return target


class Guest:
    """One run, from switching on to power off, reboots included. As a context: the power is cut at its end."""

    def __init__(self, device, base, accelerator=TCG, with_tpm=True, command_line=""):
        self.device = device
        self.run = pathlib.Path(tempfile.mkdtemp(prefix="tpmid-vm-"))
        self.console = self.run / "console"
        self.qemu = self.swtpm = self.shell = None
        self.buffer = b""
        self.boot_id = None
        self.started = time.monotonic()
        try:
            if with_tpm:
                self.start_tpm()
            self.start_qemu(base, accelerator, with_tpm, command_line)
        except BaseException:
            self.cut_power()
            raise

    def start_tpm(self):
        self.swtpm = spawn(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.device.tpm}", "--ctrl",
                            f"type=unixio,path={self.run}/tpm", "--terminate"], self.run / "swtpm.log")
        wait_for(lambda: (self.run / "tpm").exists(), END_LIMIT, "swtpm")

    def start_qemu(self, base, accelerator, with_tpm, command_line):
        words = ["qemu-system-x86_64", *MACHINE, *accelerator, "-kernel", base.kernel, "-append", f"{COMMAND_LINE} {command_line}",
                 *disk_options(self.device.disk, "root"), "-serial", f"file:{self.console}",
                 "-chardev", f"socket,id=shell,path={self.run}/shell,server=on,wait=off", "-serial", "chardev:shell"]
        if self.device.persist.exists():
            words += disk_options(self.device.persist, "persist")
        if with_tpm:
            words += ["-chardev", f"socket,id=tpm,path={self.run}/tpm", "-tpmdev", "emulator,id=tpm0,chardev=tpm",
                      "-device", "tpm-tis,tpmdev=tpm0"]
        self.qemu = spawn(words, self.run / "qemu.log")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
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
        if self.shell is not None:
            self.shell.close()
        end(self.qemu, signal.SIGKILL)
        if self.swtpm is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.swtpm.wait(END_LIMIT)  # leaves by itself, as --terminate says
            end(self.swtpm)
        shutil.rmtree(self.run, ignore_errors=True)

    def console_line(self, word):
        """The first line of the console with this word; empty while there is none."""
        return next((line for line in text_of(self.console).splitlines() if word in line), "")

    def trouble(self):
        """What the console said last."""
        return "\n".join(text_of(self.console).splitlines()[-25:] + text_of(self.run / "qemu.log").splitlines()[-5:])

    # The shell inside.

    def connect(self):
        if self.shell is None:
            self.shell = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            wait_for(lambda: self.shell.connect_ex(str(self.run / "shell")) == 0, END_LIMIT, "QEMU's socket")
            self.shell.settimeout(0.2)

    def read_line(self, start, limit):
        """The rest of the next line that begins with `start`."""
        self.connect()
        deadline = time.monotonic() + limit
        while True:
            while b"\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\n", 1)
                found = re.search(re.escape(start) + r" (.*)", line.decode(errors="replace").strip())
                if found:
                    return found[1]
            if self.qemu.poll() is not None:
                raise GuestError(f"QEMU ended with status {self.qemu.returncode}:\n{self.trouble()}")
            if time.monotonic() > deadline:
                raise GuestError(f'no line "{start}" within {limit} s:\n{self.trouble()}')
            with contextlib.suppress(TimeoutError):
                self.buffer += self.shell.recv(65536)

    def wait_booted(self, limit=BOOT_LIMIT):
        """Until the shell inside answers; returns self."""
        self.boot_id = self.read_line("guest-shell ready", limit)
        return self

    def wait_settled(self, limit=SETTLE_LIMIT):
        """Until systemd has started all there is; returns its word for the result, "running" or "degraded"."""
        if self.boot_id is None:
            self.wait_booted(limit)
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
        try:
            self.qemu.wait(limit)
        except subprocess.TimeoutExpired:
            raise GuestError(f"the guest was not off after {limit} s:\n{self.trouble()}") from None
        self.cut_power()
        return time.monotonic() - started

    def reboot(self):
        """In order; until the shell of the next boot answers."""
        self.boot_id, self.started = None, time.monotonic()
        self.tell("systemctl --no-block reboot")
        return self.wait_booted(OFF_LIMIT + BOOT_LIMIT)


def disk_options(path, name):
    return ["-drive", f"file={path},if=none,id={name},format=raw", "-device", f"nvme,serial={name},drive={name}"]


def choose_accelerator(base, disk):
    """KVM where it brings the guest up to its first process within bounds, as it may be there and broken; else emulation."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return TCG
    with tempfile.TemporaryDirectory(prefix="tpmid-vm-") as folder:
        console, log = pathlib.Path(folder, "console"), pathlib.Path(folder, "log")
        process = spawn(["qemu-system-x86_64", *MACHINE, *KVM, "-no-reboot", "-snapshot", "-kernel", base.kernel,
                         "-serial", f"file:{console}", "-append", f"{COMMAND_LINE} init=/usr/bin/echo -- kvm-is-good", *disk_options(disk, "root")], log)
        try:
            deadline = time.monotonic() + PROBE_LIMIT
            while process.poll() is None and time.monotonic() < deadline and "KVM internal error" not in text_of(log):
                time.sleep(0.1)
            return KVM if any(line.strip() == "kvm-is-good" for line in text_of(console).splitlines()) else TCG
        finally:
            end(process, signal.SIGKILL)

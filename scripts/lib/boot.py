# SPDX-License-Identifier: LGPL-2.1-or-later
"""One boot of a device in a folder: software TPM, private system bus, tpmidd; all of it gone after stop()."""
import contextlib
import fcntl
import grp
import os
import pathlib
import pwd
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid

from build import ROOT

USER = "tpmidd"
AS_USER = ("--reuid", USER, "--regid", USER, "--init-groups")
READY_LIMIT = 60  # seconds
START_LIMIT = 10
STOP_LIMIT = 20
SYSUSERS = ROOT / "systemd" / "tpmidd.sysusers.conf"
TMPFILES = ROOT / "systemd" / "tpmidd.tmpfiles.conf"
POLICY = ROOT / "policy" / "org.tpmid1.conf"
RUN_PARENT = pathlib.Path("/tmp")
RUN_YOUNG = 60  # seconds
RUN_PREFIX = "tpmid-dev-"
RUN_LOCK = "lock"
# All that tpmidd gets of the caller's environment: a unit's is as short. The last ones are for who debugs it.
DAEMON_ENVIRONMENT = ("PATH", "LANG", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "G_DEBUG", "G_MESSAGES_DEBUG")
DEFAULT_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The default policy is that of dbus-daemon's system.conf in Debian; the project's own policy is read on top of it.
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.systemd1.Activator"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


class BootError(Exception):
    pass


class Interrupted(Exception):
    pass


class Boot:
    """`stopping` is asked while waiting: once it returns true, start() gives up with Interrupted."""

    def __init__(self, state, build, stopping):
        self.stopping = stopping
        self.build = pathlib.Path(build)
        self.is_root = os.geteuid() == 0
        sweep()
        self.run = pathlib.Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=RUN_PARENT))
        self.lock = lock_run_folder(self.run)
        self.state = pathlib.Path(state).absolute() if state else self.run / "device"
        self.processes = []
        self.daemon = None
        self.bus_address = f"unix:path={self.run}/bus"
        self.tcti = ""
        self.no_tcti = f"device:{self.run}/no-such-tpm"
        self.is_ready = False
        self.log = self.state / "tpmidd.log"

    def start(self, with_tpm, ownership, settings):
        self.run.chmod(0o755)
        if self.is_root:
            self.make_users()
        self.make_folders()
        if with_tpm:
            self.start_tpm()
        self.start_bus()
        self.start_daemon(ownership, settings)

    def stop(self):
        """The daemon first, as it says good-bye to the TPM; then what it used. Returns the lines of the daemon's log."""
        if self.daemon is not None:
            self.end(self.daemon)
        if self.tcti:
            self.shut_down_tpm()
        for process in reversed(self.processes):
            self.end(process)
        if self.is_ready and self.daemon is not None and self.daemon.returncode != 0:
            print(f"dev: tpmidd ended with status {self.daemon.returncode} (a negative one is a signal)", file=sys.stderr)
        last_words = messages(self.log) if self.log.exists() else []
        shutil.rmtree(self.run, ignore_errors=True)
        self.lock.close()
        return last_words

    @staticmethod
    def end(process):
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # Users and folders, as the packaged sysusers.d and tmpfiles.d files make them.

    @staticmethod
    def make_users():
        try:
            for group in (USER, "tpmid-sign", "tpmid-decrypt"):
                grp.getgrnam(group)
            pwd.getpwnam(USER)
        except KeyError:
            result = subprocess.run(["systemd-sysusers", SYSUSERS], capture_output=True, text=True)
            if result.returncode != 0:
                raise BootError(f"systemd-sysusers {SYSUSERS}: {result.stderr}")

    def make_folders(self):
        self.state.mkdir(parents=True, exist_ok=True)
        if self.is_root:
            self.state.chmod(self.state.stat().st_mode & 0o7777 | 0o011)
        for line in TMPFILES.read_text().splitlines():
            fields = line.split()
            if not fields or fields[0] not in ("d", "z", "Z") or not fields[1].startswith(("/persist", "/config")):
                continue
            path = self.state / fields[1][1:]
            if fields[0] == "d":
                path.mkdir(exist_ok=True)
            if path.exists() and not path.is_symlink():
                self.hand_over(path, int(fields[2], 8), fields[3], fields[4])
        self.make_system_folders()

    def hand_over(self, path, mode, user, group):
        """As far as it goes: a read-only file system, say, is for tpmidd to complain about."""
        with contextlib.suppress(OSError):
            if self.is_root:
                shutil.chown(path, user, group)
            if path.is_dir() or self.is_root:
                path.chmod(mode)

    def make_system_folders(self):
        """What tpmidd sees as /sys and /proc: no hardware of this machine, and each boot with an id of its own."""
        (self.run / "sys").mkdir()
        random = self.run / "proc" / "sys" / "kernel" / "random"
        random.mkdir(parents=True)
        (random / "boot_id").write_text(f"{uuid.uuid4()}\n")
        (self.run / "proc" / "cmdline").write_text("\n")
        (self.run / "run").mkdir()
        self.hand_over(self.run / "run", 0o755, USER, USER)

    # The three processes.

    @staticmethod
    def spawn(command, log, identity=(), **keywords):
        """Away from the terminal's signals, and ended by the kernel should this process be killed."""
        with open(log, "ab") as output:
            return subprocess.Popen(["setpriv", *identity, "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL,
                                    stdout=output, stderr=output, start_new_session=True, **keywords)

    def wait_for(self, condition, process, log, limit, what):
        deadline = time.monotonic() + limit
        while not condition():
            if self.stopping():
                raise Interrupted
            if process.poll() is not None:
                raise BootError(f"{what} ended with status {process.returncode}, and said:\n{self.tail(log)}")
            if time.monotonic() > deadline:
                raise BootError(f"{what} was not ready after {limit} s, and said:\n{self.tail(log)}")

    @staticmethod
    def tail(log):
        return "\n".join(f"  {line}" for line in messages(log)[-40:]) or "  nothing"

    def start_tpm(self):
        memory = self.state / "swtpm"
        memory.mkdir(exist_ok=True)
        data, control, log = self.run / "tpm", self.run / "tpm.ctrl", self.run / "swtpm.log"
        process = self.spawn(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={memory}",
                              "--server", f"type=unixio,path={data}", "--ctrl", f"type=unixio,path={control}",
                              "--flags", "not-need-init,startup-clear"], log)
        self.processes.append(process)
        self.wait_for(lambda: pause() or (data.exists() and listens(control)), process, log, START_LIMIT, "swtpm")
        for path in (data, control):
            self.hand_over(path, 0o660, USER, USER)
        self.tcti = f"swtpm:path={data}"

    def shut_down_tpm(self):
        """Tells the TPM that power goes, as the kernel does when a system shuts down (tpm-chip.c, tpm_class_shutdown)."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tpm:
            tpm.settimeout(STOP_LIMIT)
            tpm.connect(str(self.run / "tpm"))
            tpm.sendall(bytes.fromhex("8001 0000000c 00000145 0000"))  # TPM2_Shutdown(TPM_SU_CLEAR), Part 3, 9.4
            tpm.recv(64)

    def start_bus(self):
        policy = POLICY.read_text()
        if not self.is_root:
            policy = policy.replace(f'user="{USER}"', f'user="{pwd.getpwuid(os.geteuid()).pw_name}"')
        (self.run / "policy.conf").write_text(policy)
        config, path, log = self.run / "bus.conf", self.run / "bus", self.run / "bus.log"
        config.write_text(BUS_CONFIG.format(socket=path, policy=self.run / "policy.conf"))
        process = self.spawn(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog"], log)
        self.processes.append(process)
        self.wait_for(lambda: pause() or listens(path), process, log, START_LIMIT, "dbus-daemon")

    def start_daemon(self, ownership, settings):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self.run / "notify"))
            (self.run / "notify").chmod(0o666)
            self.log.write_bytes(b"")
            self.daemon = self.spawn(self.daemon_command(ownership, settings), self.log,
                                     AS_USER if self.is_root else (), cwd=self.state, umask=0o077,
                                     env=self.daemon_environment())
            self.wait_for(lambda: is_ready(notify), self.daemon, self.log, READY_LIMIT, "tpmidd")
        self.is_ready = True

    def show_warnings(self):
        """What is wrong with the settings, although tpmidd runs."""
        for line in messages(self.log):
            if re.match(r"\S+: unknown key ", line):
                print(f"dev: tpmidd: {line}", file=sys.stderr)

    def daemon_environment(self):
        inherited = {name: os.environ[name] for name in DAEMON_ENVIRONMENT if name in os.environ}
        return {"PATH": DEFAULT_PATH, **inherited, "NOTIFY_SOCKET": str(self.run / "notify"),
                "DBUS_SYSTEM_BUS_ADDRESS": self.bus_address}

    def daemon_command(self, ownership, settings):
        seen = self.state_as_seen()
        program = self.build / "daemon" / "tpmidd"
        if self.is_root and not reachable(program):
            program = pathlib.Path(shutil.copy(program, self.run / "tpmidd"))
        config = self.run / "tpmidd.conf"
        if (self.state / "tpmidd.conf").exists():
            config = seen / "tpmidd.conf"
        else:
            config.write_text("# Nothing is set here.\n")
        paths = {
            "Ownership": ownership,
            "Tcti": self.tcti or self.no_tcti,
            "MarkerPath": seen / "persist" / "config" / "tpm_in_use",
            "CertificatePath": seen / "config" / "device.cert.pem",
            "SoftwareKeyPath": seen / "config" / "device.key.pem",
            "StatePath": seen / "persist" / "tpmidd",
            "SerialFile": seen / "config" / "serial",
            "RuntimePath": self.run / "run",
            "SysfsRoot": self.run / "sys",
            "ProcRoot": self.run / "proc",
        }
        command = [str(program), "--config", str(config)]
        for setting in [f"{key}={value}" for key, value in paths.items()] + settings:
            command += ["--set", setting]
        return command

    def state_as_seen(self):
        """The state folder by a path that the daemon's user can walk: where a parent folder is closed to it (a folder
        of mktemp, /root), by way of the daemon's working folder, which needs no parent."""
        if not self.is_root or reachable(self.state):
            return self.state
        return pathlib.Path("/proc/self/cwd")


def lock_run_folder(run):
    """Held as long as this process lives. Under its name the lock is never free while its boot runs: see sweep()."""
    lock = open(run / f"{RUN_LOCK}.new", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(run / f"{RUN_LOCK}.new", run / RUN_LOCK)
    return lock


def sweep():
    """Removes our run folders of boots that were killed: those whose lock nobody holds. Young ones stay, as somebody may look."""
    for run in RUN_PARENT.glob(f"{RUN_PREFIX}*"):
        with contextlib.suppress(OSError):
            if run.is_symlink() or run.stat().st_uid != os.geteuid() or time.time() - run.stat().st_mtime < RUN_YOUNG:
                continue
            with open(os.open(run / RUN_LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(run, ignore_errors=True)


def messages(log):
    """The lines of a log, without the priorities that tpmidd puts before them for the journal."""
    return [re.sub(r"^<[0-7]>", "", line) for line in log.read_text(errors="replace").splitlines()]


def pause():
    time.sleep(0.002)


def is_ready(notify):
    if not select.select([notify], [], [], 0.05)[0]:
        return False
    return "READY=1" in notify.recv(4096).decode(errors="replace").splitlines()


def listens(path):
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(path))
        return True
    except OSError:
        return False


def reachable(path):
    """Whether the daemon's user can get at a folder or program: asked of the kernel, in a child that is that user."""
    return subprocess.run(["setpriv", *AS_USER, "test", "-x", path], cwd="/").returncode == 0

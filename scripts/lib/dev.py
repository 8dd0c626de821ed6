# SPDX-License-Identifier: LGPL-2.1-or-later
"""One boot of a device. The device is the folder DIR: the software TPM's memory (swtpm/), persist/ and config/; the next
call on the same folder is the next boot of the same device. tpmidd runs on a private system bus, under its own user where
the caller is root; then COMMAND (or a shell) runs, and everything is shut down in order when it ends.

COMMAND finds tpmidctl on its PATH, the bus in DBUS_SYSTEM_BUS_ADDRESS, the TPM in TPMID_DEV_TCTI and TPM2TOOLS_TCTI, DIR in
TPMID_DEV_STATE, the daemon's log and process id in TPMID_DEV_LOG and TPMID_DEV_PID, and the boot's run folder in
TPMID_DEV_RUN. With --no-tpm TPMID_DEV_TCTI is empty and TPM2TOOLS_TCTI names a TPM that does not exist, as tpm2-tools would
otherwise take the TPM of this machine. Settings may also stand in DIR/tpmidd.conf. Of the caller's environment tpmidd gets
PATH, LANG, TMPDIR, the options of the sanitizers (ASAN_OPTIONS, ...), G_DEBUG and G_MESSAGES_DEBUG alone.

Whoever is not root plays the daemon's part too: tpmidd runs as the caller, and what takes root on a device (serial set) or
the groups tpmid-sign (sign, csr) and tpmid-decrypt (decrypt), or one of the two (keys create), is refused by it, or given
where the caller is in them; the rest works.

Everything ends with this program, even when it is killed; the run folders that a killed one leaves in /tmp are removed by
the next one.

Exit status: that of COMMAND (128+N when signal N ended it), 2 for wrong usage, 125 when the device did not start.
TPMID_BUILD names a build folder to use as it is; without it build/ is brought up to date first."""
import argparse
import ctypes
import fcntl
import os
import pathlib
import select
import shlex
import signal
import subprocess
import sys
import time

import build
from boot import DEFAULT_PATH, Boot, BootError, Interrupted

FAILED = 125
TARGETS = ["daemon/tpmidd", "client/tpmidctl"]
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def parse_arguments(arguments):
    command = []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, command = arguments[:split], arguments[split + 1:]
    parser = argparse.ArgumentParser(prog="dev", usage="scripts/dev [--state DIR] [--no-tpm] [--shared] [--set KEY=VALUE]... "
                                     "[--verbose] [-- COMMAND...]", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--state", metavar="DIR", help="the device; without it, a new one that is gone at the end")
    parser.add_argument("--no-tpm", action="store_true", help="a device without a TPM")
    parser.add_argument("--shared", action="store_true", help="Ownership=shared; exclusive otherwise")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="set a key of tpmidd.conf(5)")
    parser.add_argument("--verbose", action="store_true", help="show the daemon's log on standard error at the end")
    options = parser.parse_args(arguments)
    options.command = command
    return options


class Signals:
    """Notes the first signal that asks for the end, and makes waits return early by a readable file descriptor."""

    def __init__(self):
        self.received = None
        self.reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self.note)

    def note(self, number, _frame):
        if self.received is None and not (number == signal.SIGINT and self.terminal_is_ours()):
            self.received = number

    @staticmethod
    def terminal_is_ours():
        """A Ctrl-C at a terminal reaches COMMAND too, which decides what to do about it."""
        try:
            return os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            return False


def build_folder():
    """The folder that TPMID_BUILD names, as it is; else build/, brought up to date."""
    named = os.environ.get("TPMID_BUILD")
    folder = pathlib.Path(named or build.ROOT / "build").absolute()
    if not named:
        if not all((folder / target).exists() for target in TARGETS):
            print(f"dev: building in {folder}, which is done once", file=sys.stderr)
        build.update(folder, targets=TARGETS)
    for target in TARGETS:
        if not (folder / target).exists():
            raise BootError(f"there is no {target} in {folder}, which TPMID_BUILD names: build it with ninja -C, or unset TPMID_BUILD")
    return folder


def lock_device(state):
    """One boot at a time: a device has one TPM."""
    try:
        pathlib.Path(state).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BootError(f"--state {state} is not a folder, or leads through a file; name a folder, which is made where it lacks") from None
    lock = open(pathlib.Path(state) / ".lock", "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BootError(f"{state} is running already, in another scripts/dev; one device boots once at a time") from None
    return lock


def environment(boot, folder):
    return {
        **os.environ,
        "PATH": f"{folder / 'client'}:{os.environ.get('PATH', DEFAULT_PATH)}",
        "DBUS_SYSTEM_BUS_ADDRESS": boot.bus_address,
        "TPMID_DEV_TCTI": boot.tcti,
        "TPM2TOOLS_TCTI": boot.tcti or boot.no_tcti,
        "TPMID_DEV_STATE": str(boot.state),
        "TPMID_DEV_RUN": str(boot.run),
        "TPMID_DEV_LOG": str(boot.log),
        "TPMID_DEV_PID": str(boot.daemon.pid),
    }


def shell(boot, environ):
    """The caller's shell, with a prompt that shows where one is (its $ are for the shell to expand)."""
    program = os.environ.get("SHELL") or "/bin/bash"
    print(f"dev: a shell inside one boot of {boot.state}; exit (or Ctrl-D) switches the device off", file=sys.stderr)
    environ["PS1"] = "[$TPMID_DEV_STATE] $PWD \\$ "
    if os.path.basename(program) != "bash":
        return [program]
    startup = boot.run / "bashrc"
    startup.write_text(f"[ -r ~/.bashrc ] && . ~/.bashrc\nPATH={shlex.quote(environ['PATH'])}\nPS1='[$TPMID_DEV_STATE] \\w \\$ '\n")
    return [program, "--rcfile", str(startup)]


def end_with_parent():
    """Runs in the child: the kernel kills it when this process is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_command(command, environ, umask, signals):
    """Runs COMMAND to its end, or to ours. At a terminal it stays in our process group, so that job control works; else it
    gets one of its own, so that what it left behind ends with it, and dies with us."""
    own_group = not os.isatty(0)
    try:
        process = subprocess.Popen(command, env=environ, umask=umask, process_group=0 if own_group else None,
                                   preexec_fn=end_with_parent if own_group else None)
    except OSError as error:
        print(f"dev: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    descriptor = os.pidfd_open(process.pid)
    wait_readable(descriptor, signals, limit=None)
    # Signalled before it is waited for: until then the process id, and so the group's, cannot be another's.
    if own_group or signals.received is not None:
        end_command(process, own_group, signal.SIGTERM)
    wait_readable(descriptor, None, limit=5)
    if not select.select([descriptor], [], [], 0)[0]:
        end_command(process, own_group, signal.SIGKILL)
    process.wait()
    os.close(descriptor)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def end_command(process, own_group, number):
    try:
        (os.killpg if own_group else os.kill)(process.pid, number)
    except ProcessLookupError:
        pass


def wait_readable(descriptor, signals, limit):
    deadline = None if limit is None else time.monotonic() + limit
    while signals is None or signals.received is None:
        rest = None if deadline is None else max(0, deadline - time.monotonic())
        ready, _, _ = select.select([descriptor] + ([signals.reader] if signals else []), [], [], rest)
        if descriptor in ready or not ready:
            return
        os.read(signals.reader, 64)


def boot_and_run(options, folder, signals):
    boot = Boot(options.state, folder, lambda: signals.received is not None)
    try:
        boot.start(not options.no_tpm, "shared" if options.shared else "exclusive", options.set)
        if not options.verbose:
            boot.show_warnings()
        environ = environment(boot, folder)
        return run_command(options.command or shell(boot, environ), environ, options.umask, signals)
    finally:
        log = boot.stop()
        if options.verbose and boot.is_ready:
            sys.stderr.write("".join(f"{line}\n" for line in log))


def sentence(error):
    """An error of the system as one would say it: the file, then what is wrong with it."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    advice = "; choose a folder that you may write to" if isinstance(error, PermissionError) else ""
    return f"{error.filename}: {error.strerror}{advice}" if error.filename else error.strerror


def main():
    options = parse_arguments(sys.argv[1:])
    options.umask = os.umask(0o022)
    signals = Signals()
    try:
        folder = build_folder()
        lock = lock_device(options.state) if options.state else None
        status = boot_and_run(options, folder, signals)
        del lock
    except Interrupted:
        status = FAILED
    except (BootError, build.BuildError, OSError) as error:
        print(f"dev: {sentence(error)}", file=sys.stderr)
        return FAILED
    return 128 + signals.received if signals.received is not None else status


if __name__ == "__main__":
    sys.exit(main())

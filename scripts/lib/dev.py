# SPDX-License-Identifier: LGPL-2.1-or-later
"""One boot of a device. The device is the folder DIR: the software TPM's memory (swtpm/), persist/ and config/; the next
call on the same folder is the next boot of the same device. tpmidd runs on a private system bus, under its own user where
the caller is root; then COMMAND (or a shell) runs, and everything is shut down in order when it ends.

COMMAND finds tpmidctl on its PATH, the bus in DBUS_SYSTEM_BUS_ADDRESS, the TPM in TPMID_DEV_TCTI and TPM2TOOLS_TCTI (empty
without one), DIR in TPMID_DEV_STATE, the daemon's log and process id in TPMID_DEV_LOG and TPMID_DEV_PID, and the boot's
run folder in TPMID_DEV_RUN. Settings may also stand in DIR/tpmidd.conf.

Exit status: that of COMMAND (128+N when signal N ended it), 2 for wrong usage, 125 when the device did not start.
TPMID_BUILD names a build folder to use as it is; without it build/ is brought up to date first."""
import argparse
import fcntl
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

import build
from boot import Boot, BootError, Interrupted

FAILED = 125
TARGETS = ["daemon/tpmidd", "client/tpmidctl"]


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
    options.command = command or [os.environ.get("SHELL") or "/bin/bash"]
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


def lock_device(state):
    """One boot at a time: a device has one TPM."""
    pathlib.Path(state).mkdir(parents=True, exist_ok=True)
    lock = open(pathlib.Path(state) / ".lock", "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BootError(f"{state} is running already, in another scripts/dev; one device boots once at a time") from None
    return lock


def environment(boot, folder):
    return {
        **os.environ,
        "PATH": f"{folder / 'client'}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
        "DBUS_SYSTEM_BUS_ADDRESS": boot.bus_address,
        "TPMID_DEV_TCTI": boot.tcti,
        "TPM2TOOLS_TCTI": boot.tcti,
        "TPMID_DEV_STATE": str(boot.state),
        "TPMID_DEV_RUN": str(boot.run),
        "TPMID_DEV_LOG": str(boot.log),
        "TPMID_DEV_PID": str(boot.daemon.pid),
    }


def run_command(command, environ, umask, signals):
    """Runs COMMAND to its end, or to ours. At a terminal it stays in our process group, so that job control works; else it
    gets one of its own, so that what it left behind ends with it."""
    own_group = not os.isatty(0)
    try:
        process = subprocess.Popen(command, env=environ, umask=umask, process_group=0 if own_group else None)
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
        return run_command(options.command, environment(boot, folder), options.umask, signals)
    finally:
        log = boot.stop()
        if options.verbose:
            sys.stderr.write(log)


def main():
    options = parse_arguments(sys.argv[1:])
    options.umask = os.umask(0o022)
    signals = Signals()
    try:
        folder = pathlib.Path(os.environ.get("TPMID_BUILD") or build.ROOT / "build").absolute()
        if not os.environ.get("TPMID_BUILD"):
            build.update(folder, targets=TARGETS)
        lock = lock_device(options.state) if options.state else None
        status = boot_and_run(options, folder, signals)
        del lock
    except Interrupted:
        status = FAILED
    except (BootError, build.BuildError, OSError) as error:
        print(f"dev: {error}", file=sys.stderr)
        return FAILED
    return 128 + signals.received if signals.received is not None else status


if __name__ == "__main__":
    sys.exit(main())

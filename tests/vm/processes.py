# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processes that do not outlive the test, however that ends, and waits that end."""
import os
import signal
import subprocess
import time

END_LIMIT = 10  # seconds, for a process that was asked to end


class GuestError(Exception):
    pass


def spawn(words, log):
    """Away from the terminal's signals, and ended by the kernel should this process be killed: also in the instant before the
    kernel knows of that wish, hence the look at the parent after it."""
    guard = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid())]
    with open(log, "ab") as output:
        return subprocess.Popen([*guard, *map(str, words)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                start_new_session=True)


def end(process, number=signal.SIGTERM):
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_running(pid):
    """One that ended and that nobody has asked for yet does not run."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


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

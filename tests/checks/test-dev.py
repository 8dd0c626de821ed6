#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What scripts/dev promises to whoever runs something in it: exit status, output, and that nothing is left."""
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

LIMIT = 120


def dev(*arguments, **keywords):
    return subprocess.run([ROOT / "scripts" / "dev", *arguments], capture_output=True, text=True, timeout=LIMIT,
                          stdin=subprocess.DEVNULL, **keywords)


def running(run):
    """The processes that name this run folder on their command line."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if run in path.read_text(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            pass  # it has just ended
    return found


def expect_nothing_left(run):
    expect(not os.path.exists(run), f"{run} is left")
    expect_equal(running(run), [])


def start(folder, script):
    """A boot in the background; returns it and its run folder, once the script has begun."""
    process = subprocess.Popen([ROOT / "scripts" / "dev", "--state", folder, "--", "sh", "-c", f'echo "$TPMID_DEV_RUN"; {script}'],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_status_and_output_are_the_command_s(folder):
    result = dev("--state", folder, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    expect_equal((result.returncode, result.stdout, result.stderr), (7, "out\n", "err\n"))


def test_command_killed_by_a_signal_is_128_and_the_signal(folder):
    expect_equal(dev("--state", folder, "--", "sh", "-c", "kill -9 $$").returncode, 137)


def test_missing_command_is_127(folder):
    expect_equal(dev("--state", folder, "--", "no-such-command").returncode, 127)


def test_wrong_usage_is_2(folder):
    expect_equal(dev("--state", folder, "command-without-dashes").returncode, 2)


def test_daemon_that_does_not_start_is_125_and_shows_why(folder):
    result = dev("--state", folder, "--set", "TpmWaitSec=soon", "--", "true")
    expect_equal((result.returncode, result.stdout), (125, ""))
    expect("TpmWaitSec" in result.stderr, result.stderr)


def test_configuration_in_the_state_folder_is_read(folder):
    pathlib.Path(folder, "tpmidd.conf").write_text("[tpmidd]\nTpm=sometimes\n")
    result = dev("--state", folder, "--", "true")
    expect_equal(result.returncode, 125)
    expect("tpmidd.conf:2" in result.stderr, result.stderr)


def test_device_boots_once_at_a_time(folder):
    process, run = start(folder, "sleep 60")
    second = dev("--state", folder, "--", "true")
    process.terminate()
    process.communicate(timeout=LIMIT)
    expect_equal(second.returncode, 125)
    expect("running already" in second.stderr, second.stderr)
    expect_nothing_left(run)


def test_nothing_is_left_after_the_end(folder):
    run = dev("--state", folder, "--", "sh", "-c", 'sleep 60 >/dev/null 2>&1 & echo "$TPMID_DEV_RUN"').stdout.strip()
    expect_nothing_left(run)


def test_signals_end_everything(folder):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process, run = start(folder, "sleep 61 & sleep 62")
        os.kill(process.pid, number)
        process.communicate(timeout=LIMIT)
        expect_equal(process.returncode, 128 + number)
        expect_nothing_left(run)


def test_killed_outright_leaves_no_process(folder):
    process, run = start(folder, "sleep 3")
    process.kill()
    process.communicate(timeout=LIMIT)
    deadline = time.monotonic() + LIMIT
    while running(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    expect_equal(running(run), [])
    subprocess.run(["rm", "-rf", "--", run], check=True)


def test_state_folder_below_a_closed_one_works(folder):
    os.chmod(folder, 0o700)
    closed = os.path.join(folder, "closed", "device")
    result = dev("--state", closed, "--", "tpmidctl", "status", umask=0o077)
    expect_equal(result.returncode, 0, result.stderr)
    expect(os.path.exists(os.path.join(closed, "persist/config/tpm_in_use")), "no marker")


def test_without_state_the_device_is_gone_at_the_end(_folder):
    state = dev("--", "sh", "-c", 'test -d "$TPMID_DEV_STATE" && echo "$TPMID_DEV_STATE"').stdout.strip()
    expect(state != "" and not os.path.exists(state), f"{state!r} is left")


def test_tpm_is_shut_down_in_order(folder):
    for mode in ("--verbose", "--shared"):
        dev("--state", folder, mode, "--", "true")
        known = dev("--state", folder, mode, "--", "tpmidctl", "status", "--json").stdout
        expect('"orderly" : true' in known, known)


def test_without_a_tpm_no_tpm_is_named(folder):
    result = dev("--state", folder, "--no-tpm", "--", "sh", "-c", 'echo "[$TPMID_DEV_TCTI]"; tpmidctl status --json')
    expect(result.stdout.startswith("[]\n"), result.stdout)
    expect('"mode" : "software"' in result.stdout, result.stdout)


def test_root_may_not_be_org_tpmid1(folder):
    """Whoever runs dev without being root plays the daemon's part, and may."""
    script = 'gdbus call --address "$DBUS_SYSTEM_BUS_ADDRESS" --dest org.freedesktop.DBus --object-path /org/freedesktop/DBus ' \
             '--method org.freedesktop.DBus.RequestName org.tpmid1 4'
    result = dev("--state", folder, "--", "sh", "-c", script)
    if os.geteuid() == 0:
        expect(result.returncode != 0 and "AccessDenied" in result.stderr, result.stdout + result.stderr)
    else:
        expect_equal(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/dev")

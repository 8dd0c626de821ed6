#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-agents.py report-agent report-agent.py report-agent.sh tpmidctl libtpmid.so [WORD]: the three report agents of doc/examples beside the real
daemon, run by somebody without any right. TAP.

Each case is a boot by scripts/dev, in which this program runs again, with the name of the case's inner part: begin_...()."""
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import tap  # noqa: E402
from tap import expect, expect_equal  # noqa: E402

BOOT_LIMIT = 120  # seconds
REPORT_LIMIT = 20
NOBODY = 65534  # the uid without rights that every system has; a bus refuses one that it does not know
PROGRAMS = [pathlib.Path(argument).absolute() for argument in sys.argv[1:6]]
ABSENT = {"running": False}
# What a serial number may have in it, and JSON, sed and shells care about.
AWKWARD = 'SN-"7",\\n{x}$`%s\'&'


# The inner part, in scripts/dev


class Agent:
    """An agent with its output; `folder` has all that it needs, where anybody can read it."""

    def __init__(self, folder, name, *arguments):
        environ = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
        environ |= {"PATH": f"{folder}:/usr/bin:/bin", "LD_LIBRARY_PATH": folder, "TMPDIR": f"{folder}/tmp",
                    "DBUS_SYSTEM_BUS_ADDRESS": os.environ["DBUS_SYSTEM_BUS_ADDRESS"], "TPMID_DEV_RUN": os.environ["TPMID_DEV_RUN"]}
        self.name = name
        self.rest = b""
        self.process = subprocess.Popen([*identity(), "setpriv", "--pdeathsig", "TERM", os.path.join(folder, name), *arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/", env=environ)

    def line(self):
        """The next line; nothing else is waited for longer than REPORT_LIMIT."""
        deadline = time.monotonic() + REPORT_LIMIT
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            expect(ready, f"{self.name}: no report for {REPORT_LIMIT} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            expect(data, f"{self.name}: ended with status {self.process.poll()}")
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def report(self):
        return json.loads(self.line())

    def wait_for(self, what, condition):
        """The next report of which `condition` holds."""
        deadline = time.monotonic() + REPORT_LIMIT
        while time.monotonic() < deadline:
            report = self.report()
            if condition(report):
                return report
        raise AssertionError(f"{self.name}: no report with {what} for {REPORT_LIMIT} s")

    def end(self):
        self.process.terminate()
        status = self.process.wait(REPORT_LIMIT)
        self.process.stdout.close()
        expect(status in (-signal.SIGTERM, 128 + signal.SIGTERM), f"{self.name}: status {status} after SIGTERM")

    def end_anyhow(self):
        """First so that it can end what it has started."""
        self.process.terminate()
        try:
            self.process.wait(REPORT_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def identity():
    """Without root there is nobody else to be."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]


class Agents:
    """All three, and none of them at the end of the block."""

    def __init__(self, *arguments):
        folder = pathlib.Path(os.environ["TPMID_DEV_RUN"], "agents")
        if not folder.exists():
            folder.mkdir(mode=0o755)
            (folder / "tmp").mkdir()
            (folder / "tmp").chmod(0o1777)
            for program in PROGRAMS:
                shutil.copy(program, folder / soname(program)).chmod(0o755)
        self.agents = [Agent(str(folder), program.name, *arguments) for program in PROGRAMS[:3]]

    def __enter__(self):
        return self.agents

    def __exit__(self, *_):
        for agent in self.agents:
            agent.end_anyhow()


def soname(program):
    """libtpmid.so.0.1.0 is looked for as libtpmid.so.0"""
    return ".".join(program.name.split(".")[:3]) if ".so." in program.name else program.name


def start_daemon(command):
    """tpmidd once more, as it was started by scripts/dev."""
    user = ["setpriv", "--reuid", "tpmidd", "--regid", "tpmidd", "--init-groups"] if os.geteuid() == 0 else []
    environ = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    with open(os.environ["TPMID_DEV_LOG"], "ab") as log:
        return subprocess.Popen([*user, "setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                cwd=os.environ["TPMID_DEV_STATE"], umask=0o077, env=environ)


def daemon_command():
    return pathlib.Path("/proc", os.environ["TPMID_DEV_PID"], "cmdline").read_bytes().decode().split("\0")[:-1]


def stop_first_daemon():
    """It is another process's child: gone is when nothing of it is left but its status."""
    pid = int(os.environ["TPMID_DEV_PID"])
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    ready, _, _ = select.select([descriptor], [], [], REPORT_LIMIT)
    os.close(descriptor)
    expect(ready, "tpmidd does not end")


def left_over():
    """Processes of agents, and what these have started, that still run."""
    mark, found = f"TPMID_DEV_RUN={os.environ['TPMID_DEV_RUN']}", []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = path.read_text(errors="replace").split("\0")
            if mark in variables and f"PATH={os.environ['TPMID_DEV_RUN']}/agents:/usr/bin:/bin" in variables:
                found.append((path.parent / "cmdline").read_text(errors="replace").replace("\0", " "))
        except OSError:
            pass  # it has just ended
    return found


def expect_nothing_left():
    deadline = time.monotonic() + REPORT_LIMIT
    while left_over() and time.monotonic() < deadline:
        time.sleep(0.02)
    expect_equal(left_over(), [])
    expect_equal(os.listdir(pathlib.Path(os.environ["TPMID_DEV_RUN"], "agents", "tmp")), [])


def expect_report(report):
    """As it should be by what tpmidctl says."""
    status = json.loads(subprocess.run(["tpmidctl", "status", "--json"], check=True, capture_output=True, text=True).stdout)
    pem = subprocess.run(["tpmidctl", "cert", "show"], check=True, capture_output=True, text=True).stdout
    line = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=pem, check=True, capture_output=True,
                          text=True).stdout
    fingerprint = line.strip().split("=")[1].replace(":", "").lower()
    expect_equal(report, {
        "running": True,
        **{name: status[name] for name in ("mode", "state", "reason", "serial", "serial-source")},
        "key": {name: status["key"][name] for name in ("name", "reference")},
        "certificate-sha256": fingerprint,
        "tpm": {
            **{name: status["tpm"].get(name, "") for name in ("state", "manufacturer", "firmware")},
            "lockout": status["tpm"]["lockout"],
        },
    })


def expect_same(lines):
    expect_equal(len(set(lines)), 1, "different: " + "\n".join(lines))
    return json.loads(lines[0])


def begin_with_tpm():
    with Agents() as agents:
        first = expect_same([agent.line() for agent in agents])
        expect_report(first)
        expect_equal((first["mode"], first["serial"], first["serial-source"]), ("tpm", "", "none"))

        subprocess.run(["tpmidctl", "serial", "set", AWKWARD], check=True, capture_output=True)
        second = expect_same([agent.line() for agent in agents])
        expect_report(second)
        expect_equal(second, {**first, "serial": AWKWARD, "serial-source": "tpm-nv"})
        for agent in agents:
            agent.end()
    expect_nothing_left()


def begin_without_tpm():
    with Agents() as agents:
        report = expect_same([agent.line() for agent in agents])
    expect_report(report)
    expect_equal((report["mode"], report["tpm"]["lockout"]), ("software", {}))


def begin_restart():
    command = daemon_command()
    with Agents() as agents:
        before = expect_same([agent.line() for agent in agents])
        stop_first_daemon()
        for agent in agents:
            agent.wait_for("running: false", lambda report: report == ABSENT)
        daemon = start_daemon(command)
        try:
            for agent in agents:
                after = agent.wait_for("state ready", lambda report: report.get("state") == "ready")
                expect_equal(after, {**before, "reason": "found"}, agent.name)
        finally:
            daemon.terminate()
            daemon.wait(REPORT_LIMIT)


def begin_before_daemon():
    command = daemon_command()
    stop_first_daemon()
    with Agents() as agents:
        for agent in agents:
            expect_equal(agent.report(), ABSENT, agent.name)
        daemon = start_daemon(command)
        try:
            for agent in agents:
                agent.wait_for("state ready", lambda report: report.get("state") == "ready")
        finally:
            daemon.terminate()
            daemon.wait(REPORT_LIMIT)


def begin_count():
    with Agents("2") as agents:
        for agent in agents:
            agent.line()
        expect_equal([agent.process.poll() for agent in agents], [None] * 3)
        subprocess.run(["tpmidctl", "serial", "set", "COUNT-2"], check=True, capture_output=True)
        for agent in agents:
            expect_equal(agent.report()["serial"], "COUNT-2", agent.name)
            expect_equal(agent.process.wait(REPORT_LIMIT), 0, agent.name)


def begin_nobody_reads():
    with Agents() as agents:
        for agent in agents:
            agent.line()
            agent.process.stdout.close()
        subprocess.run(["tpmidctl", "serial", "set", "UNREAD"], check=True, capture_output=True)
        for agent in agents:
            expect(agent.process.wait(REPORT_LIMIT) != 0, f"{agent.name}: status 0, though its report was lost")
    expect_nothing_left()


# The cases


def boot(folder, part, *options):
    environ = {**os.environ, "TPMID_AGENTS_PART": part}
    result = subprocess.run([ROOT / "scripts" / "dev", "--state", folder, *options, "--", sys.executable, "-B", os.path.abspath(__file__), *PROGRAMS],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BOOT_LIMIT,
                            env=environ)
    expect_equal(result.returncode, 0, result.stdout)


def need_root():
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, who may set a serial number")


def test_agents_print_the_same_report_and_again_when_the_serial_number_is_set(folder):
    need_root()
    boot(folder, "with_tpm")


def test_agents_report_a_device_without_a_tpm(folder):
    boot(folder, "without_tpm", "--no-tpm")


def test_agents_survive_a_restart_of_the_daemon(folder):
    boot(folder, "restart")


def test_agents_that_start_before_the_daemon_wait_for_it(folder):
    boot(folder, "before_daemon")


def test_agents_end_after_as_many_reports_as_asked_for(folder):
    need_root()
    boot(folder, "count")


def test_agents_end_when_nobody_reads_them(folder):
    need_root()
    boot(folder, "nobody_reads")


if __name__ == "__main__":
    if "TPMID_AGENTS_PART" in os.environ:
        globals()[f"begin_{os.environ['TPMID_AGENTS_PART']}"]()
    else:
        sys.argv[1:6] = []  # what is left may be a word of a case's name
        tap.run(sys.modules[__name__], "/agents")

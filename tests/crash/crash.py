#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kills tpmidd after each of its TPM commands and each of its changes to files, boots the device twice, and checks what is left.

Every scenario goes through three variants: "killed" (tpmidd alone dies, the TPM stays as it is), "torn" and "lost" (power cuts:
the TPM loses its memory without a shutdown, and the disk what was not synced: of the files' content; of the names as well). After a
command means that the TPM has carried it out and that tpmidd has not read the answer.

Prints TAP, a case for each scenario and variant, each failed point with what was violated and the path of its log, and in the end
"crash points: N tried, N survived". Status 0 when all tried points survived. Takes root, and a build without sanitizers."""
import argparse
import collections
import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import crash_checks
import crash_machine
import crash_point
import crash_scenarios
from crash_machine import ROOT

SECONDS = 150
PROGRESS = 100
BEYOND = 40  # points beyond the number that was counted, where a run has more events than the first one had
FAST_PARENTS = ("/dev/shm", "/tmp")  # a file system in memory syncs at once

Prepared = collections.namedtuple("Prepared", "snapshot before healthy")
Job = collections.namedtuple("Job", "scenario variant at")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--all", action="store_true", help="every point; otherwise a spread over all scenarios")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long points are begun without --all ({SECONDS})")
    parser.add_argument("--points", type=int, help="at most so many points")
    parser.add_argument("--offset", type=int, default=0, help="another spread")
    parser.add_argument("--scenario", default="", help="those whose name has this word")
    parser.add_argument("--variant", choices=crash_point.VARIANTS, help="this one alone")
    parser.add_argument("--at", help="this point alone: tpm:K, file:K or end")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="points at the same time (one for each processor)")
    parser.add_argument("--logs", type=pathlib.Path, help="folder for the logs of failed points (crash-logs in the build folder)")
    parser.add_argument("--tap", action="store_true", help="the last line as a comment, as TAP wants it")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    return parser.parse_args()


def build_folder():
    return pathlib.Path(os.environ.get("TPMID_BUILD") or ROOT / "build").absolute()


def make_shared_folder():
    """Where all machines are: in memory if possible, in a place that tpmidd's user can reach."""
    parent = next(path for path in FAST_PARENTS if os.path.isdir(path) and os.access(path, os.W_OK))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tpmid-crash-", dir=parent))
    folder.chmod(0o755)
    return folder


# In the workers

class Worker:
    """One machine in each process; made by the first point, gone with the shared folder."""
    machine = None

    @classmethod
    def begin(cls, folder):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        path = pathlib.Path(tempfile.mkdtemp(prefix="m", dir=folder))
        path.chmod(0o755)
        cls.machine = crash_machine.Machine(path / "m", build_folder(), build_folder() / "tests" / "crash" / "libcrash-shim.so")


def prepare(name, folder):
    """Makes the device of a scenario, and counts its events in a run that is cut at its end."""
    scenario = by_name()[name]
    snapshot = folder / f"device-{name}"
    scenario.base(Worker.machine)
    before = crash_point.remember(Worker.machine)
    if scenario.change is not None:
        scenario.change(Worker.machine)
    Worker.machine.save(snapshot)
    prepared = Prepared(snapshot, before, {})
    return prepared, crash_point.Point(Worker.machine, scenario, prepared).run("killed", crash_point.END)


def find_healthy():
    """A boot of each mode that has nothing to do."""
    healthy = {}
    for base, with_tpm in ((crash_scenarios.provisioned, True), (crash_scenarios.software, False)):
        base(Worker.machine)
        Worker.machine.boot(with_tpm=with_tpm)
        found = crash_checks.Found(Worker.machine)
        found.stop(Worker.machine)
        healthy[found.mode] = found
    return healthy


def try_point(job, prepared):
    started = time.monotonic()
    result = crash_point.Point(Worker.machine, by_name()[job.scenario], prepared).run(job.variant, job.at)
    return job, result, time.monotonic() - started


@functools.cache
def by_name():
    return {scenario.name: scenario for scenario in crash_scenarios.SCENARIOS}


# The plan

def spread(count, offset):
    """0 ... count - 1, every beginning of it as even as can be: van der Corput's sequence, begun elsewhere."""
    bits = max(1, (count - 1).bit_length())
    order = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits)]
    return [(index + offset) % count for index in order if index < count]


def plan(scenario, variant, counts, offset):
    """All points of a case."""
    points = [*(f"tpm:{k + 1}" for k in range(counts.tpm)), *(f"file:{k + 1}" for k in range(counts.file)), crash_point.END]
    middle = len(points) // 2  # where there is time for one point only, it is one that interrupts something
    return [Job(scenario, variant, points[(index + middle) % len(points)]) for index in spread(len(points), offset)]


def in_turns(plans):
    """One of each plan, then the next of each, so that wherever it is cut off all had as many."""
    rounds = max(map(len, plans), default=0)
    return [jobs[index] for index in range(rounds) for jobs in plans if index < len(jobs)]


def next_points(job, result, counted):
    """A run that still has events where the counted one had none is followed to its end."""
    if job.at == crash_point.END or not result.is_reached:
        return []
    kind, number = job.at.split(":")
    if counted <= int(number) < counted + BEYOND:
        return [job._replace(at=f"{kind}:{int(number) + 1}")]
    return []


class Tally:
    def __init__(self, logs):
        self.logs = logs
        self.tried, self.failed, self.seconds = collections.Counter(), collections.Counter(), 0

    def add(self, job, result, seconds):
        case = (job.scenario, job.variant)
        if not result.is_reached and not result.wrong:
            return  # it ended before: nothing was killed
        self.tried[case] += 1
        self.seconds += seconds
        if self.tried.total() % PROGRESS == 0:
            say(f"{self.tried.total()} points tried")
        if not result.wrong:
            return
        self.failed[case] += 1
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{job.scenario}-{job.variant}-{job.at.replace(':', '-')}.log"
        path.write_text("\n".join([*result.wrong, "", result.text, ""]))
        say(f"failed: {job.scenario}, {job.variant}, {job.at} ({result.event}): {'; '.join(result.wrong)}; log {path}")

    def print(self, cases, is_tap):
        print(f"1..{len(cases)}")
        for number, case in enumerate(cases, 1):
            tried, bad = self.tried[case], self.failed[case]
            is_good = tried > 0 and bad == 0
            print(f"{'' if is_good else 'not '}ok {number} /crash/{case[0]}/{case[1]}")
            say(f"{tried} points tried, {bad} failed")
        tried, bad = self.tried.total(), self.failed.total()
        if tried:
            say(f"{self.seconds / tried:.2f} s for a point")
        print(f"{'# ' if is_tap else ''}crash points: {tried} tried, {tried - bad} survived")
        return all(self.tried[case] for case in cases) and bad == 0


def say(text):
    for line in text.splitlines():
        print(f"# {line}", flush=True)


def run_jobs(pool, options, jobs, prepared, counts, tally):
    """As many at a time as there are workers, so that it can stop at any of them."""
    deadline = None if options.all or options.at else time.monotonic() + options.seconds
    jobs, running = collections.deque(jobs), set()
    begun = 0
    while jobs or running:
        may_begin = (deadline is None or time.monotonic() < deadline) and (options.points is None or begun < options.points)
        while jobs and may_begin and len(running) < options.jobs:
            job = jobs.popleft()
            running.add(pool.submit(try_point, job, prepared[job.scenario]))
            begun += 1
        if not running:
            break
        done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            job, result, seconds = future.result()
            tally.add(job, result, seconds)
            if options.all:
                jobs.extend(next_points(job, result, getattr(counts[job.scenario], job.at.split(":")[0], 0)))
    if jobs:
        say(f"{len(jobs)} points were left out; --all tries them")


def prepare_all(pool, folder, scenarios):
    """A scenario whose device cannot be made is named, and fails with no point tried."""
    healthy = pool.submit(find_healthy)
    futures = {scenario.name: pool.submit(prepare, scenario.name, folder) for scenario in scenarios}
    prepared, counts = {}, {}
    for name, future in futures.items():
        try:
            ready, counts[name] = future.result()
        except (crash_machine.Trouble, OSError, subprocess.SubprocessError) as error:
            say(f"failed: {name}: the device cannot be made: {error}")
            continue
        prepared[name] = ready._replace(healthy=healthy.result())
        say(f"{name}: {counts[name].tpm} TPM commands, {counts[name].file} changes of files")
    return prepared, counts


def run(options, scenarios, folder):
    tally = Tally(options.logs or build_folder() / "crash-logs")
    variants = [options.variant] if options.variant else crash_point.VARIANTS
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, context, Worker.begin, (folder,)) as pool:
        prepared, counts = prepare_all(pool, folder, scenarios)
        cases = [(scenario.name, variant) for scenario in scenarios for variant in variants]
        if options.at:
            jobs = [Job(*case, options.at) for case in cases if case[0] in prepared]
        else:
            jobs = in_turns([plan(*case, counts[case[0]], options.offset) for case in cases if case[0] in prepared])
        run_jobs(pool, options, jobs, prepared, counts, tally)
    return tally.print([case for case in cases if options.points is None or tally.tried[case]], options.tap)


def main():
    options = parse_arguments()
    scenarios = [scenario for scenario in crash_scenarios.SCENARIOS if options.scenario in scenario.name]
    if options.list:
        for scenario in scenarios:
            say(scenario.name)
        return 0
    if os.geteuid() != 0 or not scenarios:
        print("Bail out! " + ("it takes root: run it by sudo" if scenarios else f"no scenario has {options.scenario!r} in its name"))
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the folder goes
    folder = make_shared_folder()
    try:
        return 0 if run(options, scenarios, folder) else 1
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())

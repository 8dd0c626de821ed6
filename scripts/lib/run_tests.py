# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds with gcc and clang, warnings being errors, and runs all tests: as they are, and under AddressSanitizer and
UndefinedBehaviorSanitizer, and in a guest that boots. Ends with the line "N passed, N failed, N skipped"; status 0 when none
failed and none was skipped, save for want of a feature of the machine (a skip that begins with "machine lacks:")."""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import build

PERMITTED_SKIP = "machine lacks:"
STRICT = ["-Dwerror=true"]
NOT_LONG = ["--no-suite", "vm", "--no-suite", "vm-whole", "--no-suite", "crash-whole"]
SANITIZERS = [*STRICT, "-Db_sanitize=address,undefined", "-Db_lundef=false"]
# clang takes a variable that is there for its clean-up alone (g_autofree) for unused; gcc, which does not, holds that rule.
CLANG = [*STRICT, "-Dc_args=-Wno-unused-variable"]
# A case of the Test Anything Protocol: "ok 3 - name # SKIP reason".
CASE = re.compile(r"^(?P<bad>not )?ok\b *\d* *(?:- )?(?P<name>[^#\n]*)(?:# *(?P<skip>SKIP)\S* *(?P<reason>.*))?$", re.MULTILINE | re.IGNORECASE)
# What the tests of a TPM in trouble say of themselves at their end.
FAULTS = re.compile(r"^# faults: (\d+) injected, (\d+) survived$", re.MULTILINE)
FIGURE = re.compile(r"^# ((?:recoveries|status|scene|power cuts|not in this build): .*)$", re.MULTILINE)
CRASHES = re.compile(r"^(?:# )?crash points: (\d+) tried, (\d+) survived$", re.MULTILINE)

Outcome = collections.namedtuple("Outcome", "tier name result reason")  # result: passed, failed or skipped


class Run:
    """One build folder and the result of all tests in it."""

    def __init__(self, folder, title, compiler, options, selection=()):
        self.folder = build.ROOT / folder
        self.title = title
        self.compiler = compiler
        self.options = options
        self.environment = {}
        self.selection = selection
        self.outcomes = []
        self.faults = [0, 0]  # injected, survived
        self.crashes = [0, 0]  # tried, survived
        self.figures = []

    def make(self):
        print(f"== {self.title}: building in {self.folder.name}/", flush=True)
        build.update(self.folder, self.options, environment=[f"CC={self.compiler}"])

    def test(self):
        started = time.monotonic()
        log = self.folder / "meson-logs" / "testlog.json"
        log.unlink(missing_ok=True)
        # Who ends this program ends meson, which then ends its tests; not if it cannot say so, hence a file and no pipe.
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            command = ["setpriv", "--pdeathsig", "TERM", "meson", "test", "-C", self.folder, "--no-rebuild", *self.selection]
            status = subprocess.run(command, stdout=output, stderr=output, env={**os.environ, **self.environment}).returncode
            output.seek(0)
            said = output.read()
        if not log.exists():
            raise build.BuildError(f"{said}\nmeson test left no result in {log}")
        known = {test["name"]: test for test in json.loads(self.introspect())}
        for line in log.read_text().splitlines():
            self.read(json.loads(line), known)
        if status != 0 and all(outcome.result != "failed" for outcome in self.outcomes):
            self.outcomes.append(Outcome("meson", "meson test", "failed", said))
        for tier in sorted({outcome.tier for outcome in self.outcomes}):
            print(f"   {tier}: {summary(outcome for outcome in self.outcomes if outcome.tier == tier)}")
        for figure in self.figures:
            print(f"   {figure}")
        for outcome in self.outcomes:
            if outcome.result == "skipped":
                print(f"   skipped: {outcome.name}: {outcome.reason}")
        print(f"   faults: {self.faults[0]} injected, {self.faults[1]} survived")
        print(f"   in {time.monotonic() - started:.0f} s", flush=True)

    def introspect(self):
        return subprocess.run(["meson", "introspect", "--tests", self.folder], capture_output=True, text=True, check=True).stdout

    def read(self, test, known):
        """Counts the cases of one test program. One that died, or lost a case of its plan, has failed besides."""
        name = test["name"].split(" / ")[-1]
        tier = known[name]["suite"][0].split(":")[-1]
        output = test.get("stdout") or ""
        cases = []
        if known[name]["protocol"] == "tap":
            for match in CASE.finditer(output):
                result = "failed" if match["bad"] else "skipped" if match["skip"] else "passed"
                cases.append(Outcome(tier, f"{name}: {match['name'].strip()}", result, match["reason"] or ""))
        for match in FAULTS.finditer(output):
            self.faults = [total + int(number) for total, number in zip(self.faults, match.groups())]
        for match in CRASHES.finditer(output):
            self.crashes = [total + int(number) for total, number in zip(self.crashes, match.groups())]
        self.figures += [f"{name}: {match[1]}" for match in FIGURE.finditer(output)]
        good = test["result"] in ("OK", "SKIP", "EXPECTEDFAIL")
        if good and not cases:
            skipped = test["result"] == "SKIP"
            reason = re.search(r"# *SKIP\S* *(.*)", output, re.IGNORECASE)
            cases.append(Outcome(tier, name, "skipped" if skipped else "passed", reason[1] if reason else ""))
        if not good and all(case.result != "failed" for case in cases):
            cases.append(Outcome(tier, f"{name}: the program itself ({test['result']}, status {test['returncode']})", "failed", ""))
        self.outcomes += cases
        if not good:
            print(f"--- {name}: {test['result']}\n{output}{test.get('stderr') or ''}--- end of {name}", flush=True)


class SanitizedRun(Run):
    """Reports go to files, so that one of a daemon whose output nobody reads, at its very end even, counts as well."""

    def test(self):
        with tempfile.TemporaryDirectory(prefix="tpmid-reports-", dir="/tmp") as folder:
            os.chmod(folder, 0o1777)
            self.environment = {
                "ASAN_OPTIONS": f"detect_leaks=1:detect_stack_use_after_return=1:log_path={folder}/report",
                "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:log_path={folder}/report",
            }
            super().test()
            for report in sorted(pathlib.Path(folder).iterdir()):
                print(f"--- sanitizer\n{report.read_text(errors='replace')}--- end of sanitizer")
                self.outcomes.append(Outcome("sanitizer", f"report of process {report.suffix[1:]}", "failed", ""))


class GuestRun(Run):
    """The scenes in a guest that boots, of the build that is there."""

    def __init__(self, title, suites, is_required):
        super().__init__("build", title, "gcc", STRICT, [word for suite in suites for word in ("--suite", suite)])
        if is_required:  # that the machine cannot have a guest is a failure then
            self.environment["TPMID_VM_REQUIRED"] = "1"


def summary(outcomes):
    count = collections.Counter(outcome.result for outcome in outcomes)
    return f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped"


def complaints(run):
    for outcome in run.outcomes:
        if outcome.result == "failed":
            yield f"failed: {outcome.name} ({run.title})"
        elif outcome.result == "skipped" and not outcome.reason.startswith(PERMITTED_SKIP):
            yield f"skipped without leave: {outcome.name}: {outcome.reason or 'no reason given'} ({run.title})"


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one build and one run, without guest, clang and sanitizers")
    parser.add_argument("--vm", action="store_true", help="all scenes in a guest that boots (tests/vm), and nothing else")
    parser.add_argument("--crash", action="store_true", help="every point at which tpmidd can be killed (tests/crash), and nothing else")
    options = parser.parse_args()

    plain = Run("build", "gcc", "gcc", STRICT, NOT_LONG)
    sanitized = SanitizedRun("build-asan", "sanitizers", "gcc", SANITIZERS, ["--no-suite", "check", *NOT_LONG])
    clang = Run("build-clang", "clang", "clang", CLANG)
    runs = [plain] if options.quick else [plain, GuestRun("guest, short form", ["vm"], is_required=False), sanitized]
    if options.vm:
        runs = [GuestRun("guest", ["vm", "vm-whole"], is_required=True)]
    if options.crash:
        runs = [Run("build", "crashes", "gcc", STRICT, ["--suite", "crash-whole"])]
    try:
        for run in runs if options.quick or options.vm or options.crash else [*runs, clang]:
            run.make()
        for run in runs:
            print(f"== {run.title}: testing", flush=True)
            run.test()
    except build.BuildError as error:
        print(error)
        print("0 passed, 1 failed, 0 skipped")
        return 1
    tried, survived = (sum(numbers) for numbers in zip(*(run.crashes for run in runs)))
    if tried:
        print(f"crash points: {tried} tried, {survived} survived")
    found = [complaint for run in runs for complaint in complaints(run)]
    print("\n".join(found + [summary(outcome for run in runs for outcome in run.outcomes)]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

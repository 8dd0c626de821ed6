# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of the TPM's speed is left to tpmidd's callers, beside other ways to the same TPM: a bare ESAPI loop,
tpm2-abrmd with the ESAPI, and tpm2-tools, a process for each operation. All use one software TPM and the same key of it,
take turns in rounds, and are measured where the caller stands. Then all again with 50 ms added to each command, as a real
chip takes. What is decrypted comes back encrypted, through a salted session that was there before; "in the clear" is the
same without a session, which is what tpm2-tools do.

ratio       operations per second, to those of the bare loop in the same round
per second  operations of all callers
p50, p99    of one operation as its caller sees it, ms
commands    that the TPM got for one operation: through a relay that counts, and by tpmidd's own status where it has no relay

All but the last are medians over the rounds, of the figures that each round had. A row that could not be measured says why,
and the status is 1.

The TPM is on the same processors here, and so is everything else that runs: the line below a table says how far the bare
loop itself was from its median. TPMID_BUILD names a build folder to use as it is; without it build/ is brought up to date."""
import argparse
import json
import math
import os
import pathlib
import signal
import statistics
import sys

import build
from bench_ways import OPERATIONS, WAYS, Bare, Device
from boot import BootError, Interrupted

CHIP_DELAY = 0.05  # seconds for each command: an ECDSA signature takes discrete TPMs 40 to 200 ms
COUNT_SECONDS = 0.05
CALLERS_MAX = 256  # of tests/bench/bench-caller
TARGETS = ["daemon/tpmidd", "client/tpmidctl", "tests/bench/bench-caller"]


class Row:
    """What one way with so many callers did, over the rounds."""

    def __init__(self, way, callers):
        self.way, self.callers = way, callers
        self.turns = []
        self.counted = None  # commands for one operation, as the relay counted them beforehand
        self.failure = ""

    def rates(self):
        return [len(turn.times) / turn.elapsed for turn in self.turns]

    def commands(self):
        counted = [turn for turn in self.turns if turn.commands is not None]
        if not counted:
            return self.counted
        return sum(turn.commands for turn in counted) / sum(len(turn.times) for turn in counted)

    def quantile(self, part):
        return statistics.median(quantile(sorted(turn.times), part) for turn in self.turns)

    def figures(self, bare):
        head = {"way": self.way.title, "callers": self.callers}
        failure = self.failure or (bare.failure and "there is no bare loop to compare with")
        if failure:
            return {**head, "failed": failure}
        ratios = [mine / its for mine, its in zip(self.rates(), bare.rates())]
        return {
            **head,
            "ratio": round(statistics.median(ratios), 4),
            "ratios": [round(ratio, 4) for ratio in ratios],
            "per-second": round(statistics.median(self.rates()), 2),
            "p50-ms": round(self.quantile(0.50) * 1000, 4),
            "p99-ms": round(self.quantile(0.99) * 1000, 4),
            "commands": round(self.commands(), 3),
            "operations": sum(len(turn.times) for turn in self.turns),
        }


def quantile(times, part):
    return times[max(0, math.ceil(part * len(times)) - 1)]


def make_rows(ways, operation, callers):
    return [Row(way, count) for way in ways if way.does(operation) for count in way.callers(callers)]


def run_turn(row, operation, seconds, delay, take):
    """The delay is for the operations, not for starting up."""
    relay = row.way.device.relay
    relay.delay = delay
    try:
        take(row, row.way.turn(operation, row.callers, seconds))
    except BootError as error:
        row.failure = str(error)
    finally:
        relay.delay = 0.0


def run_round(rows, operation, relayed, seconds, delay, take):
    """One turn of every row that has not failed yet; `take` gets the row and its turn."""
    for way in dict.fromkeys(row.way for row in rows if not row.failure):
        turns = [row for row in rows if row.way is way and not row.failure]
        try:
            way.open(relayed)
            for row in turns:
                run_turn(row, operation, seconds, delay, take)
        except BootError as error:
            for row in turns:
                row.failure = row.failure or str(error)
        finally:
            way.close()


def measure(ways, operation, delay, options):
    """The rows of one operation, all rounds done. What nobody counts without the relay is counted with it first, which
    also has every program in the cache."""
    rows = make_rows(ways, operation, options.callers)
    for row in rows:
        row.failure = row.way.device.lacking.get(operation.name, "")

    def count(row, turn):
        row.counted = turn.commands / len(turn.times)

    run_round(rows, operation, True, min(COUNT_SECONDS, options.seconds), 0.0, count)
    for turn in range(options.rounds):
        progress(f"{operation.name}, {delay * 1000:.0f} ms added, round {turn + 1} of {options.rounds}")
        run_round(rows, operation, delay > 0, options.seconds, delay, lambda row, made: row.turns.append(made))
    progress("")
    return rows


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def result_of(operation, delay, rows):
    bare = next(row for row in rows if type(row.way) is Bare)
    rates = [] if bare.failure else bare.rates()
    return {
        "operation": operation.name,
        "title": operation.title,
        "delay-ms": delay * 1000,
        "noise": round(max((abs(rate / statistics.median(rates) - 1) for rate in rates), default=0), 4),
        "rows": [row.figures(bare) for row in rows],
    }


def run_all(device, options):
    ways = [way(device) for way in WAYS]
    missing = {way.title: way.missing() for way in ways if way.missing()}
    ways = [way for way in ways if way.title not in missing]
    load = os.getloadavg()[0]
    device.open()
    results = [result_of(operation, delay, measure(ways, operation, delay, options))
               for operation in OPERATIONS for delay in (0.0, CHIP_DELAY)]
    return {"rounds": options.rounds, "seconds": options.seconds, "processors": os.cpu_count(),
            "load-before": round(load, 2), "results": results, "missing": missing}


def print_row(row):
    figures = row.get("failed")
    if not figures:
        figures = f"{row['per-second']:>10.1f} {row['p50-ms']:>10.3f} {row['p99-ms']:>10.3f} {row['commands']:>10.2f}"
    ratio = "failed" if "failed" in row else f"{row['ratio']:.3f}"
    print(f"  {ratio:<7} {row['callers']:>7}  {row['way']:<20} {figures}")


def print_table(result, report):
    how = "the software TPM as it is" if not result["delay-ms"] else f"{result['delay-ms']:.0f} ms added to each command"
    print(f"{result['title']}, {how}\n")
    failures = {row.get("failed") for row in result["rows"]}
    if len(failures) == 1 and None not in failures:
        print(f"  failed: {failures.pop()}\n")
        return
    print("  ratio   callers  way                  per second     p50 ms     p99 ms   commands")
    for row in result["rows"]:
        print_row(row)
    print(f"\n  medians of {report['rounds']} rounds of {report['seconds']:g} s; the bare loop was up to "
          f"{result['noise'] * 100:.0f} % off its median\n")


def print_tables(report):
    for result in report["results"]:
        print_table(result, report)
    print(f"{report['processors']} processors, load {report['load-before']} before the run")
    for way, reason in report["missing"].items():
        print(f"left out: {way}: {reason}")


def number(kind, largest):
    def convert(text):
        value = kind(text)
        if not 0 < value <= largest:
            raise ValueError
        return value
    convert.__name__ = f"number (above 0, at most {largest})"
    return convert


def number_list(text):
    return [number(int, CALLERS_MAX)(part) for part in text.split(",")]


number_list.__name__ = "list of numbers"


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=number(int, 1000), default=9, metavar="N", help="turns for each row (9)")
    parser.add_argument("--seconds", type=number(float, 600), default=0.5, metavar="S", help="length of a turn (0.5)")
    parser.add_argument("--callers", type=number_list, default=[1, 4, 8, 16], metavar="N,...",
                        help="how many callers at a time, one row for each (1,4,8,16)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, with the ratio of each round")
    return parser.parse_args()


def interrupt(_number, _frame):
    """Once; what follows must be able to clean up."""
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    raise Interrupted


def run(options):
    folder = pathlib.Path(os.environ.get("TPMID_BUILD") or build.ROOT / "build").absolute()
    if not os.environ.get("TPMID_BUILD"):
        build.update(folder, targets=TARGETS)
    device = Device(folder, lambda: False)
    try:
        return run_all(device, options)
    finally:
        device.stop()


def main():
    options = parse_arguments()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, interrupt)
    try:
        report = run(options)
    except Interrupted:
        return 130
    except (BootError, build.BuildError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_tables(report)
    return 1 if any("failed" in row for result in report["results"] for row in result["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())

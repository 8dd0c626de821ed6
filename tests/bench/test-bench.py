#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/bench measures what it says, and leaves nothing. Nothing here is about speed."""
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from tap import Skip, expect, expect_equal, run  # noqa: E402

LIMIT = 200
OWN_ROWS = [("bare ESAPI loop", 1), ("tpmidd", 1), ("tpmidd", 3)]
CLEAR, ABRMD, TOOLS = ("bare, in the clear", 1), ("tpm2-abrmd + ESAPI", 1), ("tpm2-tools", 1)
MEASURED = [(operation, delay) for operation in ("sign-p256", "decrypt-rsa2048") for delay in (0, 50)]


# What it starts can be told by our folder's name in its environment.
def start(folder, *options):
    if os.geteuid() != 0:
        raise Skip("machine lacks: root, who may sign with the device's key")
    return subprocess.Popen([ROOT / "scripts" / "bench", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "TPMID_BENCH_TEST": folder})


def finish(process):
    try:
        return process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate(timeout=LIMIT)


def left_of(folder):
    """Processes that were started by our scripts/bench, as (id, command)."""
    mark = f"TPMID_BENCH_TEST={folder}".encode()
    found = []
    for process in pathlib.Path("/proc").iterdir():
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
        except (OSError, ValueError):
            continue
    return found


def run_folders_of(processes):
    return {pathlib.Path(match) for _, command in processes for match in re.findall(r"/tmp/tpmid-dev-\w+", command)}


@functools.cache
def measure():
    """One short run, which all cases look at."""
    with tempfile.TemporaryDirectory(prefix="tpmid-") as folder:
        process = start(folder, "--json", "--rounds=1", "--seconds=0.1", "--callers=1,3")
        output, messages = finish(process)
        expect_equal(set(re.findall(r'"failed": "(.*)"', output)), set(), "reasons of rows that failed")
        expect_equal((process.returncode, messages), (0, ""), "status and messages")
        expect_equal(left_of(folder), [], "processes left")
        return json.loads(output)


def test_each_row_runs_and_a_warm_operation_is_one_command(folder):
    report = measure()
    expect_equal([(result["operation"], result["delay-ms"]) for result in report["results"]], MEASURED)
    for result in report["results"]:
        check_rows(result)


def check_rows(result):
    rows = {(row["way"], row["callers"]): row for row in result["rows"] if row["way"] != ABRMD[0]}
    one_command = OWN_ROWS + ([CLEAR] if result["operation"] == "decrypt-rsa2048" else [])
    expect_equal(sorted(rows), sorted(one_command + [TOOLS]), "rows")
    for row in rows.values():
        check_row(row, result["delay-ms"])
    for name in one_command:
        expect_equal(rows[name]["commands"], 1, f"commands of {name} for {result['operation']}")
    expect_equal(rows[OWN_ROWS[0]]["ratio"], 1, "ratio of the bare loop to itself")


def check_row(row, delay):
    expect(row["operations"] >= row["callers"] and row["per-second"] > 0, f"nothing was done: {row}")
    expect(row["p99-ms"] >= row["p50-ms"] >= delay * row["commands"], f"faster than the TPM: {row}")


def test_tpm2_abrmd_has_its_row(folder):
    report = measure()
    if ABRMD[0] in report["missing"]:
        raise Skip("machine lacks: tpm2-abrmd and its TCTI")
    for result in report["results"]:
        rows = [row for row in result["rows"] if row["way"] == ABRMD[0]]
        expect_equal([(row["way"], row["callers"]) for row in rows], [ABRMD], f"rows of {result['operation']}")
        check_row(rows[0], result["delay-ms"])  # it puts sessions away when the answer is out already


def test_an_interrupted_run_leaves_no_process_and_no_folder(folder):
    process = start(folder, "--rounds=100", "--seconds=1")
    deadline = time.monotonic() + LIMIT
    while not any("bench-caller" in command for _, command in left_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    folders = run_folders_of(left_of(folder))
    process.send_signal(signal.SIGTERM)
    output, _ = finish(process)
    expect_equal((process.returncode, output), (130, ""), "status and output")
    expect_equal(left_of(folder), [], "processes left")
    expect(folders and not any(path.exists() for path in folders), f"folders left: {folders}")


if __name__ == "__main__":
    run(sys.modules[__name__], "/bench")

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/bench measures what it says, and leaves nothing. Nothing here is about speed."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from tap import Skip, expect, expect_equal, run  # noqa: E402

LIMIT = 120
OWN_ROWS = [("bare ESAPI loop", 1), ("tpmidd", 1), ("tpmidd", 3)]


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


def test_each_row_runs_and_a_warm_signature_is_one_command(folder):
    process = start(folder, "--json", "--rounds=1", "--seconds=0.1", "--callers=1,3")
    output, messages = finish(process)
    expect_equal((process.returncode, messages), (0, ""), "status and messages")
    report = json.loads(output)
    expect_equal([(result["operation"], result["delay-ms"]) for result in report["results"]], [("sign-p256", 0), ("sign-p256", 50)])
    for result in report["results"]:
        check_rows(result, report["missing"])
    expect_equal(left_of(folder), [], "processes left")


def check_rows(result, missing):
    rows = {(row["way"], row["callers"]): row for row in result["rows"]}
    wanted = OWN_ROWS + [("tpm2-tools", 1)]
    if "tpm2-abrmd + ESAPI" not in missing:
        wanted += [("tpm2-abrmd + ESAPI", 1), ("tpm2-abrmd + ESAPI", 3)]
    expect_equal(sorted(rows), sorted(wanted), "rows")
    for name, row in rows.items():
        expect(row["operations"] >= row["callers"] and row["per-second"] > 0, f"{name} did nothing: {row}")
        expect(row["p99-ms"] >= row["p50-ms"] >= result["delay-ms"] * row["commands"], f"{name} was faster than its TPM: {row}")
    for name in OWN_ROWS:
        expect_equal(rows[name]["commands"], 1, f"commands for a signature by {name}")
    expect_equal(rows[OWN_ROWS[0]]["ratio"], 1, "ratio of the bare loop to itself")


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

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Brings the build folder up to date, one caller at a time."""
import fcntl
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BuildError(Exception):
    pass


def run(command, log):
    with open(log, "ab") as output:
        result = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if result.returncode != 0:
        text = log.read_text(errors="replace")
        raise BuildError(f"{text}\n{' '.join(map(str, command))} failed, with the messages above")


def update(folder, options=(), targets=(), environment=()):
    """Configures `folder` where that is not done yet and builds `targets` (all by default).

    Installs the packages that are missing before a folder is configured. `environment` are KEY=VALUE for the configuring.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    log = folder / "scripts-build.log"
    with open(folder / ".scripts-lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        log.write_bytes(b"")
        if not (folder / "build.ninja").exists():
            run([ROOT / "scripts" / "deps"], log)
            run(["env", *environment, "meson", "setup", *options, folder, ROOT], log)
        elif options:
            run(["meson", "configure", *options, folder], log)
        run(["ninja", "--quiet", "-C", folder, "-j", str(os.cpu_count()), *targets], log)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole boots of one device through scripts/dev, and a look at what they left."""
import json
import os
import pathlib
import shutil
import subprocess
import time

from tap import expect, expect_equal

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 120
FOREIGN_KEY = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]


def boot(folder, *options, script="true", check=True):
    """One boot of the device in folder; returns the process, whose stdout is script's."""
    result = subprocess.run([ROOT / "scripts" / "dev", "--state", folder, *options, "--", "sh", "-ec", script],
                            capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
    if check:
        expect_equal(result.returncode, 0, f"scripts/dev: {result.stderr}")
    return result


def status(folder, *options, script="true"):
    """One boot; runs script (its output goes to stderr), then returns tpmidctl status --json."""
    return json.loads(boot(folder, *options, script=f"{{ {script}; }} >&2; tpmidctl status --json").stdout)


def marker(folder):
    path = pathlib.Path(folder, "persist/config/tpm_in_use")
    if not path.exists():
        return None
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def certificate(folder):
    return pathlib.Path(folder, "config/device.cert.pem")


def reference_of(certificate_path):
    spki = subprocess.run(["openssl", "x509", "-in", certificate_path, "-noout", "-pubkey"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], check=True, input=spki, capture_output=True).stdout
    return subprocess.run(["sha256sum"], check=True, input=der, capture_output=True).stdout.decode().split()[0]


def expect_ends_in(found, row, mode, reason):
    expect_equal((found["row"], found["mode"], found["reason"]), (row, mode, reason), json.dumps(found, indent=1))


def make_software_pair(folder, key=True):
    """What older software left behind: key and self-signed certificate."""
    config = pathlib.Path(folder, "config")
    config.mkdir(parents=True, exist_ok=True)
    key_path = config / "device.key.pem" if key else pathlib.Path(folder, "foreign.key.pem")
    key_path.write_bytes(subprocess.run(FOREIGN_KEY, check=True, capture_output=True).stdout)
    subprocess.run(["openssl", "req", "-x509", "-new", "-key", key_path, "-subj", "/CN=older", "-days", "3650", "-out",
                    certificate(folder)], check=True, capture_output=True)
    for path in (key_path, certificate(folder)):
        shutil.chown(path, "tpmidd") if os.geteuid() == 0 else None
        path.chmod(0o644)


def in_tpm(folder, script):
    """What somebody else does with the device's TPM between two boots of it: script, with tpm2-tools on the software TPM."""
    memory, socket, control = pathlib.Path(folder, "swtpm"), f"{folder}/s", f"{folder}/s.ctrl"
    memory.mkdir(exist_ok=True)
    tpm = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={memory}", "--server",
                            f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={control}", "--flags", "not-need-init,startup-clear"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + LIMIT
        while not os.path.exists(socket) or not os.path.exists(control):
            expect(time.monotonic() < deadline, "swtpm does not come up")
            time.sleep(0.01)
        result = subprocess.run(["sh", "-ec", f"{script}\ntpm2_shutdown -c"], capture_output=True, text=True, timeout=LIMIT,
                                env={**os.environ, "TPM2TOOLS_TCTI": f"swtpm:path={socket}", "TSS2_LOG": "all+NONE"})
        expect_equal(result.returncode, 0, result.stderr)
        return result.stdout
    finally:
        tpm.terminate()
        tpm.wait(LIMIT)
        for path in (socket, control):
            pathlib.Path(path).unlink(missing_ok=True)

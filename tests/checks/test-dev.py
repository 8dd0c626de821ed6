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
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # whoever runs this by nohup
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


def test_daemon_that_does_not_start_is_125_and_shows_why_once(folder):
    result = dev("--state", folder, "--verbose", "--set", "TpmWaitSec=soon", "--", "true")
    expect_equal((result.returncode, result.stdout), (125, ""))
    expect_equal((result.stderr.count("TpmWaitSec=soon"), result.stderr.count("status 78"), "<3>" in result.stderr), (1, 1, False),
                 result.stderr)


def test_unknown_key_is_a_warning_on_standard_error(folder):
    result = dev("--state", folder, "--set", "Colour=red", "--", "true")
    expect_equal((result.returncode, result.stdout), (0, ""))
    expect("unknown key Colour" in result.stderr, result.stderr)


def expect_sentence(result, *words):
    expect_equal((result.returncode, result.stdout), (125, ""), result.stderr)
    expect(result.stderr.startswith("dev: ") and result.stderr.count("\n") == 1 and "[Errno" not in result.stderr, result.stderr)
    for word in words:
        expect(word in result.stderr, result.stderr)


def test_state_that_is_a_file_is_named(folder):
    path = pathlib.Path(folder, "file")
    path.write_text("kept")
    expect_sentence(dev("--state", path, "--", "true"), str(path), "not a folder")
    expect_sentence(dev("--state", path / "below", "--", "true"), str(path), "not a folder")
    expect_equal(path.read_text(), "kept")


def test_state_that_may_not_be_written_is_named(folder):
    if os.geteuid() == 0:
        os.chmod(folder, 0o755)
    else:
        os.chmod(folder, 0o555)
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    expect_sentence(dev("--state", f"{folder}/device", "--", "true", **user), f"{folder}/device", "Permission denied")


def test_build_without_a_daemon_is_named(folder):
    expect_sentence(dev("--", "true", env={**os.environ, "TPMID_BUILD": folder}), folder, "TPMID_BUILD", "daemon/tpmidd")


def test_daemon_gets_a_short_environment(folder):
    environment = {**os.environ, "TSS2_LOG": "all+trace", "SECRET": "x", "LD_PRELOAD": "", "G_DEBUG": "fatal-criticals"}
    out = dev("--state", folder, "--", "sh", "-c", 'cat "/proc/$TPMID_DEV_PID/environ"', env=environment).stdout
    names = {entry.split("=")[0] for entry in out.split("\0") if entry}
    known = {"PATH", "LANG", "TMPDIR", "NOTIFY_SOCKET", "DBUS_SYSTEM_BUS_ADDRESS", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
             "G_DEBUG", "G_MESSAGES_DEBUG"}
    expect(names <= known and {"PATH", "G_DEBUG", "NOTIFY_SOCKET"} <= names, str(names))


def test_shell_says_how_to_leave_and_knows_the_device(folder):
    result = subprocess.run([ROOT / "scripts" / "dev", "--state", folder], input="echo $TPMID_DEV_STATE; exit 3\n", capture_output=True,
                            text=True, timeout=LIMIT, env={**os.environ, "SHELL": "/bin/bash"})
    expect_equal((result.returncode, result.stdout, result.stderr.count("\n")), (3, f"{folder}\n", 1))
    expect(folder in result.stderr and "exit" in result.stderr, result.stderr)


def test_shell_s_prompt_names_the_device(folder):
    script = f'export SHELL=/bin/bash HOME={folder}; exec "{ROOT}/scripts/dev" --state "{folder}"'
    result = subprocess.run(["script", "-qec", script, "/dev/null"], input="exit\n", capture_output=True, text=True, timeout=LIMIT)
    expect(f"[{folder}] " in result.stdout, result.stdout)


def test_folders_are_those_of_a_device(folder):
    dev("--state", folder, "--", "true")
    modes = {name: pathlib.Path(folder, name).stat() for name in ("config", "persist/config", "persist/tpmidd")}
    expect_equal([oct(each.st_mode & 0o7777) for each in modes.values()], ["0o1775", "0o1775", "0o700"])
    if os.geteuid() == 0:
        expect_equal([each.owner() for each in (pathlib.Path(folder, name) for name in modes)], ["tpmidd"] * 3)


def test_software_key_of_root_s_is_handed_over(folder):
    """As a device has it that was set up by older software."""
    config = pathlib.Path(folder, "config")
    config.mkdir()
    for command in (["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", config / "device.key.pem"],
                    ["req", "-x509", "-new", "-key", config / "device.key.pem", "-subj", "/CN=older", "-out", config / "device.cert.pem"]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    (config / "device.key.pem").chmod(0o600)
    result = dev("--state", folder, "--no-tpm", "--", "tpmidctl", "status", "--json")
    expect('"row" : 5' in result.stdout, result.stdout + result.stderr)


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


def has_ended(pid):
    """Whether a process is gone, or only waits for somebody to ask how it ended."""
    try:
        return pathlib.Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0] in ("Z", "X")
    except OSError:
        return True


def test_killed_outright_leaves_no_process_and_a_later_boot_sweeps(folder):
    process, run = start(folder, 'echo $$ $TPMID_DEV_PID; exec sleep 600')
    pids = process.stdout.readline().split()
    expect_equal([has_ended(pid) for pid in pids], [False, False])
    other, other_run = start(f"{folder}/other", "sleep 600")
    try:
        process.kill()
        process.communicate(timeout=LIMIT)
        deadline = time.monotonic() + LIMIT
        while (running(run) or not all(has_ended(pid) for pid in pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        expect_equal((running(run), [has_ended(pid) for pid in pids]), ([], [True, True]))
        expect_equal(dev("--state", folder, "--", "true").returncode, 0)
        expect(os.path.exists(run), "a run folder that may be about to be used was swept")
        for path in (run, other_run):
            os.utime(path, (0, 0))
        expect_equal(dev("--state", folder, "--", "true").returncode, 0)
        expect_equal((os.path.exists(run), os.path.exists(f"{other_run}/bus")), (False, True))
    finally:
        other.terminate()
        other.communicate(timeout=LIMIT)


def test_state_folder_below_a_closed_one_works(folder):
    os.chmod(folder, 0o700)
    closed = os.path.join(folder, "closed", "device")
    result = dev("--state", closed, "--", "tpmidctl", "status", umask=0o077)
    expect_equal(result.returncode, 0, result.stderr)
    expect(os.path.exists(os.path.join(closed, "persist/config/tpm_in_use")), "no marker")


def test_tmpfiles_hands_over_what_root_left(folder):
    """The real systemd-tmpfiles, twice: the second time the folders are tpmidd's already, and files of root's lie in them."""
    if os.geteuid() != 0:
        raise tap.Skip("machine lacks: root, who may give files away")
    dev("--", "true")  # makes the users
    lines = (ROOT / "systemd" / "tpmidd.tmpfiles.conf").read_text().splitlines()
    config = pathlib.Path(folder, "tmpfiles.conf")
    config.write_text("".join(f"{line}\n" for line in lines if "/sys/" not in line).replace(" /", f" {folder}/"))
    os.chmod(folder, 0o755)
    subprocess.run(["systemd-tmpfiles", "--create", config], check=True, timeout=LIMIT)
    left = [pathlib.Path(folder, name) for name in ("persist/config/tpm_in_use", "config/device.cert.pem", "config/device.key.pem")]
    for path in left:
        path.write_text("root's\n")
        path.chmod(0o640)
    subprocess.run(["systemd-tmpfiles", "--create", config], check=True, timeout=LIMIT)
    expect_equal([(path.owner(), oct(path.stat().st_mode & 0o777)) for path in left],
                 [("tpmidd", "0o644"), ("tpmidd", "0o644"), ("tpmidd", "0o600")])


def test_without_state_the_device_is_gone_at_the_end(_folder):
    state = dev("--", "sh", "-c", 'test -d "$TPMID_DEV_STATE" && echo "$TPMID_DEV_STATE"').stdout.strip()
    expect(state != "" and not os.path.exists(state), f"{state!r} is left")


def test_tpm_is_shut_down_in_order(folder):
    for mode in ("--verbose", "--shared"):
        dev("--state", folder, mode, "--", "true")
        known = dev("--state", folder, mode, "--", "tpmidctl", "status", "--json").stdout
        expect('"orderly" : true' in known, known)


def test_without_a_tpm_no_tpm_is_named(folder):
    script = 'echo "[$TPMID_DEV_TCTI] $TPM2TOOLS_TCTI $TPMID_DEV_RUN"; tpm2_getrandom 1 2>/dev/null && exit 9; tpmidctl status --json'
    result = dev("--state", folder, "--no-tpm", "--", "sh", "-c", script)
    named, tools, run = result.stdout.split("\n")[0].split(" ")
    expect_equal((result.returncode, named, tools), (0, "[]", f"device:{run}/no-such-tpm"))
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

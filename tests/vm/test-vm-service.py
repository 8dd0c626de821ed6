#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tpmidd as a service of a guest's systemd: nodes, sandbox, users, journal, watchdog, stop and restart. All in one boot."""
import atexit
import re
import sys
import time

import scenes
import tap
from scenes import STORY, WRITTEN, expect, expect_boot, expect_equal, status_of

EXPOSURE_LIMIT = 15  # tenths
STOP_LIMIT = 10  # seconds in an emulated guest
WATCHDOG_WAIT = 65  # WatchdogSec=60 of the unit, and a little
DRIVER = "/sys/bus/platform/drivers/tpm_tis"
TPM = "MSFT0101:00"
CREDENTIALS = "/run/credentials/tpmidd.service"
DROP_IN = "/etc/systemd/system/tpmidd.service.d/owner.conf"
running = []


def guest():
    """The one guest of all cases; another one where a case broke it."""
    if running and running[0].try_run("true").status != 0:
        running.pop().cut_power()
    if not running:
        STORY.first_boot()
        device = STORY.device.branch(STORY.work / f"service-{time.monotonic_ns()}")
        running.append(STORY.run(device, command_line="systemd.set_credential=tpmidd.lockout-auth:sesame"))
        expect_boot("service", running[0], 11, "tpm", "found", WRITTEN)
    return running[0]


@atexit.register
def end():
    for machine in running:
        machine.cut_power()


def show(name):
    return guest().do(f"systemctl show tpmidd -P {name}").strip()


def test_shared_uses_the_resource_manager_alone(folder):
    held = scenes.nodes_of_tpmidd(guest())
    expect(held in ([], ["/dev/tpmrm0"]), f"tpmidd has {held} open")


def test_nodes_are_for_tpmidd_alone(folder):
    shown = guest().do("stat -c '%n %U %G %a' /dev/tpm0 /dev/tpmrm0").split("\n")[:2]
    expect_equal(shown, ["/dev/tpm0 tpmidd tpmidd 660", "/dev/tpmrm0 tpmidd tpmidd 660"], "nodes")
    for user in ("mallory", "alice"):
        for node in ("/dev/tpm0", "/dev/tpmrm0"):
            refused = guest().try_run(scenes.as_user(user, f": <> {node}"))
            expect(refused.status != 0 and "Permission denied" in refused.errors, f"{user} opens {node}: {refused}")


def test_sandbox_is_in_effect(folder):
    analysis = guest().try_run(f"systemd-analyze security tpmidd.service --threshold={EXPOSURE_LIMIT} --no-pager")
    expect(analysis.status == 0 and re.search(r"exposure level.*: \d", analysis.output),
           f"systemd-analyze security: {analysis.output}{analysis.errors}")
    pid = show("MainPID")
    lines = dict(line.split(":\t", 1) for line in guest().do(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    expect_equal([lines[name] for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapBnd")], ["1", "2", "0" * 16, "0" * 16], "of the process")
    expect_equal(lines["Uid"].split()[0], guest().do("id -u tpmidd").strip(), "uid")
    expect_equal(guest().do(f"nsenter -t {pid} -n cat /proc/net/dev").count(":"), 1, "network interfaces (the loopback)")
    for path, writable in (("/usr/probe", False), ("/etc/tpmidd/probe", False), ("/var/probe", False), ("/config/probe", True),
                           ("/persist/tpmidd/probe", True), ("/run/tpmid/probe", True)):
        answer = guest().try_run(f"nsenter -t {pid} -m sh -c 'touch {path} && rm {path}'")
        expect_equal(answer.status == 0, writable, f"{path} can be written in tpmidd's name space: {answer.errors}")


def test_credentials_come_from_system_and_store_and_may_be_missing(folder):
    expect_equal(credentials(), {"tpmidd.lockout-auth": "sesame"}, "credentials of tpmidd")
    guest().do("mkdir -p -m 0700 /etc/credstore /etc/credstore.encrypted /etc/systemd/system/tpmidd.service.d && umask 077 && "
               "printf swordfish > /etc/credstore/tpmidd.owner-auth && systemctl restart tpmidd")
    expect_equal(credentials(), {"tpmidd.lockout-auth": "sesame", "tpmidd.owner-auth": "swordfish"}, "credentials of tpmidd")
    owner, mode = guest().do(f"stat -c '%U %a' {CREDENTIALS}/tpmidd.owner-auth").split()
    print(f"# a credential belongs to {owner}, mode {mode}", flush=True)
    encrypted = "/etc/credstore.encrypted/tpmidd.owner-auth"
    guest().do(f"printf aladdin | systemd-creds encrypt --with-key=host --name=tpmidd.owner-auth - {encrypted} && "
               f"printf '[Service]\nLoadCredentialEncrypted=tpmidd.owner-auth:{encrypted}\n' > {DROP_IN} && "
               "systemctl daemon-reload && systemctl restart tpmidd")
    expect_equal(credentials().get("tpmidd.owner-auth"), "aladdin", "the encrypted credential")
    guest().do(f"rm /etc/credstore/tpmidd.owner-auth {DROP_IN} && systemctl daemon-reload && "
               "systemctl restart tpmidd")
    expect_equal(credentials(), {"tpmidd.lockout-auth": "sesame"}, "credentials of tpmidd")


def credentials():
    """What tpmidd finds in $CREDENTIALS_DIRECTORY, as its user reads it."""
    expect_equal(show("ActiveState"), "active", "state of the unit")
    environment = guest().do(f"tr '\\0' '\\n' < /proc/{show('MainPID')}/environ").split()
    expect(f"CREDENTIALS_DIRECTORY={CREDENTIALS}" in environment, "no $CREDENTIALS_DIRECTORY")
    script = f'cd {CREDENTIALS} && for f in *; do echo "$f=$(cat $f)"; done'
    return scenes.lines_of(guest().do(f"nsenter -t {show('MainPID')} -m " + scenes.as_user("tpmidd", script)))


def test_member_of_tpmid_sign_signs_and_others_are_refused(folder):
    scenes.expect_signature(guest(), "alice")
    for user in ("bob", "mallory"):
        refused = guest().try_run(scenes.as_user(user, "tpmidctl sign --key device --in /etc/hostname --out /dev/null"))
        expect_equal(refused.status, scenes.ACCESS_DENIED, f"{user} signs: {refused}")


def test_member_of_tpmid_decrypt_decrypts_and_others_are_refused(folder):
    scenes.expect_decryption(guest(), "bob", "alice")


def test_serial_number_is_that_of_the_firmware(folder):
    expect_equal(guest().do(scenes.as_user("mallory", "tpmidctl serial")).strip(), "GUEST-0001", "serial number")


def test_journal_has_the_words_of_the_catalogue(folder):
    scenes.expect_signature(guest(), "alice")
    guest().try_run(scenes.as_user("mallory", "tpmidctl sign --key device --in /etc/hostname --out /dev/null"))
    text = guest().do("journalctl -b -u tpmidd -x --no-pager")
    for words in ("Subject: tpmidd has started", "Subject: The identity of this device is decided for this boot",
                  "Mode: tpm, by row 11 of", "Subject: A private key was used",
                  "Operation org.tpmid1.Key.Sign with the key device, for uid 1001", "Subject: A caller was refused", "Uid 1003 ("):
        expect(words in text, f'the journal lacks "{words}":\n{text}')
    expect("The TPM answers again" not in text, f"the TPM came back, which was never lost:\n{text}")
    expect(not re.search(r"@TPMID_\w+@", text), f"a field of the catalogue is not filled in:\n{text}")


def test_restart_and_stop_are_in_time_and_free_the_tpm(folder):
    pid = show("MainPID")
    started = time.monotonic()
    guest().do("systemctl restart tpmidd")
    seconds = time.monotonic() - started
    expect(show("MainPID") != pid, "the process is the same after a restart")
    expect(seconds < STOP_LIMIT + scenes.STORY.ready[1], f"the restart took {seconds:.1f} s")
    expect_equal(status_of(guest())["row"], 11, "row after a restart")
    started = time.monotonic()
    guest().do("systemctl stop tpmidd")
    stop = time.monotonic() - started
    expect(stop < STOP_LIMIT, f"the stop took {stop:.1f} s")
    expect_equal(show("Result"), "success", "result of the service")
    guest().do(": <> /dev/tpm0")
    guest().do("systemctl start tpmidd")
    expect_equal(status_of(guest())["row"], 11, "row after stop and start")
    print(f"# restart in {seconds:.1f} s, stop in {stop:.1f} s", flush=True)


def test_killed_daemon_is_started_again(folder):
    pid = show("MainPID")
    restarts = int(show("NRestarts"))
    guest().do(f"kill -KILL {pid}")
    scenes.wait_for(lambda: show("ActiveState") == "active" and show("MainPID") not in (pid, "0"), 60,
                            "systemd starts tpmidd again", pause=0.2)
    expect_equal(int(show("NRestarts")), restarts + 1, "restarts")
    found = status_of(guest())
    expect_equal((found["row"], found["mode"], found["key"]["reference"]), (11, "tpm", STORY.reference), "after SIGKILL")
    scenes.expect_signature(guest(), "alice")
    expect_equal(found["tpm"]["lockout"]["counter"], 0, "lockout counter")


def test_tpm_that_vanishes_is_named_and_used_again_when_it_returns(folder):
    sign = scenes.as_user("alice", "tpmidctl sign --key device --in /etc/hostname --out /dev/null")
    guest().do(f"echo {TPM} > {DRIVER}/unbind")
    started = time.monotonic()
    gone = guest().try_run(sign)
    expect(gone.status == scenes.NO_TPM and "the kernel knows no TPM" in gone.errors, f"a signature without a TPM: {gone}")
    expect_equal(status_of(guest())["tpm"]["state"], "no-device", "state of the TPM")
    guest().do(f"echo {TPM} > {DRIVER}/bind")
    scenes.wait_for(lambda: guest().try_run(sign).status == 0, 60, "a signature by the TPM that is back", pause=0.5)
    found = status_of(guest())
    has_marker = guest().try_run(f"test -f {scenes.MARKER}").status == 0
    scenes.tell("TPM vanished and back", found, has_marker, time.monotonic() - started)
    expect_equal((found["row"], found["mode"], found["tpm"]["state"]), (11, "tpm", "ready"), "after the TPM's return")
    expect_equal(guest().do("stat -c '%U %G %a' /dev/tpmrm[0-9]").strip(), "tpmidd tpmidd 660", "the node of the TPM that is back")


def test_watchdog_is_fed(folder):
    pid, restarts, before = show("MainPID"), show("NRestarts"), show("WatchdogTimestampMonotonic")
    expect_equal(show("WatchdogUSec"), "1min", "watchdog of the unit")
    time.sleep(WATCHDOG_WAIT)
    expect_equal((show("MainPID"), show("NRestarts")), (pid, restarts), "process and restarts after a minute")
    expect(int(show("WatchdogTimestampMonotonic")) > int(before), "the watchdog was not fed")


def test_switches_off_in_time(folder):
    machine = guest()
    seconds = machine.power_off(60)
    running.clear()
    expect_equal(machine.device.lockout_counter(), 0, "lockout counter of the TPM")
    print(f"# off in {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    tap.run(sys.modules[__name__], "/vm/service")

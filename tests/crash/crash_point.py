# SPDX-License-Identifier: LGPL-2.1-or-later
"""One point: the scenario up to the crash, then two boots, and what is wrong after them."""
import collections

import crash_checks
import crash_disk
import crash_tpm
from crash_machine import CERTIFICATE, STATE, Trouble, wait_dead

# killed: tpmidd alone dies. The others are power cuts: the TPM dies with it; see crash_disk for what the disk forgets.
VARIANTS = ("killed", "torn", "lost")
END = "end"  # everything was done, and then it is cut

Before = collections.namedtuple("Before", "reference certificate")
# event: what happened last, in words; tpm, file: how many events there were; wrong: sentences; text: what a person wants to read
Result = collections.namedtuple("Result", "event is_reached tpm file wrong text")


def remember(machine):
    """Who the device in the machine's folder is by its records."""
    try:
        lines = (machine.state / STATE / "identity").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    record = dict(line.split("=", 1) for line in lines if "=" in line)
    return Before(record.get("key-reference", ""), crash_checks.read_certificate(machine.state / CERTIFICATE))


class Point:
    def __init__(self, machine, scenario, prepared, swallow=None):
        self.machine, self.scenario, self.prepared, self.swallow = machine, scenario, prepared, swallow
        self.text, self.wrong = [], []
        self.is_acknowledged = False

    def run(self, variant, at):
        try:
            log = self.crash(variant, None if at == END else at)
            self.check(log)
        except (Trouble, OSError, ConnectionError, TimeoutError) as error:
            self.wrong.append(str(error))
            log = crash_disk.Log(self.machine.events)
        self.machine.power_off()
        last = self.log.events[-1] if hasattr(self, "log") and self.log.events else None
        log = getattr(self, "log", log)
        return Result(describe(last, self.machine), log.crash is not None or at == END, log.counted("tpm"), log.counted("file"),
                      self.wrong, "\n".join([*self.text, *self.machine.text]))

    def crash(self, variant, at):
        machine, scenario = self.machine, self.scenario
        machine.load(self.prepared.snapshot)
        self.power_on()
        machine.start_tpmidd(scenario.ownership, scenario.settings, at=at, gated=bool(scenario.act), swallow=self.swallow)
        stock = crash_disk.take_stock(machine.roots())
        is_alive = machine.settle()
        if is_alive and scenario.act:
            machine.open_gate()
            self.act()
            is_alive = machine.settle()
        if is_alive:
            machine.daemon.kill()
        self.log = crash_disk.Log(machine.events)
        if not wait_dead(machine.daemon) or (not is_alive and self.log.crash is None):
            raise Trouble("tpmidd died by itself")
        machine.kill_daemon()
        self.note(f"-- {variant} after {at or END}; events:", *(describe(event, machine) for event in self.log.events))
        self.notice_others(stock)
        self.seen = crash_checks.shown(machine)
        self.note(f"-- shown at that moment: {self.seen}")
        if variant == "killed" and scenario.ownership == "shared":
            crash_tpm.flush(machine.run / "tpm")
        if variant != "killed":
            machine.cut_tpm()
            self.note("-- power cut", *crash_disk.Disk(self.log, machine.saved).lose(machine.roots()[:2], variant == "lost"))
            self.power_on()
        return self.log

    def power_on(self):
        self.machine.power_on(self.scenario.with_tpm)
        (self.machine.run / "proc" / "cmdline").write_text(f"{self.scenario.cmdline}\n")

    def act(self):
        status, said = self.machine.call_while_alive(*self.act_words())
        self.is_acknowledged = status == 0
        self.note(f"-- {' '.join(self.act_words())} ended with {status}", said)

    def act_words(self):
        return [word.format(device=self.machine.state) for word in self.scenario.act]

    def notice_others(self, before):
        """Files that changed although the shim saw nothing: what it does not stand in for."""
        known = self.log.paths()
        for path, facts in crash_disk.take_stock(self.machine.roots()).items():
            if before.get(path) != facts and path not in known:
                raise Trouble(f"{path} was changed in a way that the shim does not see")

    def boot(self, is_second):
        machine, scenario = self.machine, self.scenario
        machine.start_tpmidd(scenario.ownership, scenario.settings)
        if not machine.settle():
            raise Trouble(f"tpmidd died at the {'second' if is_second else 'first'} boot after the crash")
        found = crash_checks.Found(machine)
        self.note(f"-- {'second' if is_second else 'first'} boot: {found.status}", f"files: {found.files}", f"TPM: {found.tpm}",
                  *(describe(event, machine) for event in found.log.events))
        if is_second:
            crash_checks.prove_key(machine, found)
            self.tell_again()
        found.stop(machine)
        return found

    def tell_again(self):
        if not self.scenario.again:
            self.wrong += crash_checks.check_release(self.machine)
            return
        result = self.machine.call(*self.act_words())
        if result.returncode not in self.scenario.again:
            self.wrong.append(f"told once more, it ended with {result.returncode}: {result.stderr.decode(errors='replace').strip()}")
        elif self.scenario.after_again is not None:
            self.wrong += self.scenario.after_again(self.machine)
        self.machine.settle()

    def check(self, log):
        first = self.boot(False)
        self.power_on()
        second = self.boot(True)
        before = self.prepared.before
        self.wrong += crash_checks.check_log(log)
        self.wrong += crash_checks.check_all(self.scenario, before, self.prepared.healthy, self.seen, first, second)
        for check in [self.scenario.always, self.scenario.kept if self.is_acknowledged else None]:
            if check is not None:
                self.wrong += check(before, second)

    def note(self, *lines):
        self.text += [line for line in lines if line]


def describe(event, machine):
    if event is None:
        return "nothing"
    if event.kind == "tpm":
        return f"tpm:{event.number} {crash_tpm.name_of(event.what)}"
    names = [field.removeprefix(f"{machine.state}/").removeprefix(f"{machine.run}/") for field in event.fields if field.startswith("/")]
    return f"file:{event.number} {event.what} {' '.join(names)}"

"""Chaos: a test is detonated and cleaned up by the commands a person types, on a host that does its worst.

`python tests/winrm/chaos.py --schedules 1000` (or `make chaos`) runs many; `--only 317` runs one again and says more.
A schedule is what a number makes of chance: how the host is reached, and which faults come at which exchanges.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.cli.main import main
from harness.telemetry.lab.journal import list_owed_cleanups, read_journal
from tests.winrm.certificates import make
from tests.winrm.chaos_proxy import KINDS, ChaosProxy, Fault, Trap
from tests.winrm.powershell_shell import PowerShellShell
from tests.winrm.windows_machine import Machine
from tests.winrm.wsman_server import PASSWORD, WSManServer

ROOT = Path(__file__).parents[2]
LONGEST = 30.0
FOR_EVER = 10**9
WAYS = tuple(
    (wire, authentication, scheme)
    for wire in ("winrm", "psrp")
    for authentication, scheme in (("basic", "https"), ("ntlm", "https"), ("ntlm", "http"))
)
# As many exchanges as there are where nothing fails, about: facts, test, collection, clean-up and goodbye of a
# detonation; the clean-up alone of a debt.
EXCHANGES = {("winrm", "detonate"): 122, ("psrp", "detonate"): 60, ("winrm", "cleanup"): 10, ("psrp", "cleanup"): 8}
CONNECTIONS = []


@dataclass(frozen=True)
class Schedule:
    number: int
    wire: str
    authentication: str
    scheme: str
    command: str
    faults: tuple


def schedule(number):
    """The schedule of a number, the same for ever."""
    chance = random.Random(f"detlab {number}")
    wire, authentication, scheme = chance.choice(WAYS)
    command = chance.choice(["detonate", "detonate", "detonate", "cleanup"])
    faults = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        kind = KINDS[number % len(KINDS)] if not faults else chance.choice(KINDS)
        times = chance.choice([1, 1, 1, 3, FOR_EVER])
        faults.append(Fault(kind, chance.randint(1, EXCHANGES[wire, command]), times, chance.randrange(1 << 30)))
    return Schedule(number, wire, authentication, scheme, command, tuple(faults))


def detlab(*arguments):
    """Exit code and output of a command line, in this process: the start of an interpreter costs more than the rest."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main.main(list(arguments))
        except SystemExit as end:
            code = end.code
    text = out.getvalue() + err.getvalue()
    assert "Traceback" not in text and "error[bug]" not in text, text
    assert PASSWORD not in text, text
    assert code in (0, 1, 2, 3), f"exit code {code}: {text}"
    return code, text


class World:
    """A host, what stands in front of it, the machine to which nobody talks, and an inventory."""

    def __init__(self, folder, certificates, plan):
        self.folder, self.plan = folder, plan
        self.machine = Machine(lag=0)
        schemes = ("Basic",) if plan.authentication == "basic" else ("Negotiate", "NTLM")
        self.server = WSManServer(
            self.machine,
            users={"lab": PASSWORD},
            auth=schemes,
            powershell=PowerShellShell if plan.wire == "psrp" else None,
        )
        self.trap = Trap()
        self.certificates = certificates

    def __enter__(self):
        self.trap.__enter__()
        self.server.__enter__()
        good = self.certificates / "good.pem" if self.plan.scheme == "https" else None
        self.proxy = ChaosProxy(self.server.port, self.trap.port, certificate=good).__enter__()
        for name, answer, reconnect in (("hasty.yaml", 0.4, 0.6), ("patient.yaml", 20, 20)):
            (self.folder / name).write_text(self.inventory(answer, reconnect))
        os.environ["DETLAB_STATE"] = str(self.folder / "state")
        os.environ["LAB_TEST_PASSWORD"] = PASSWORD
        return self

    def __exit__(self, *_):
        self.proxy.__exit__()
        self.server.__exit__()
        self.trap.__exit__()

    def inventory(self, answer, reconnect):
        return f"""\
lab: purple
hosts:
  win10:
    address: 127.0.0.1
    port: {self.proxy.port}
    user: lab
    password: {{env: LAB_TEST_PASSWORD}}
    ca: {self.certificates / "authority.crt"}
    scheme: {self.plan.scheme}
    wire: {self.plan.wire}
    authentication: {self.plan.authentication}
    connect_timeout: 2
    answer_timeout: {answer}
    reconnect: {reconnect}
"""

    def detonate(self, name="hasty.yaml"):
        recording = str(self.folder / "recording")
        how = ["--yes", "--no-judge", "--set", "port=1", "--quiet-for", "0.1", "--timeout", "4", "--whole-timeout", "8"]
        inventory = ["--inventory", str(self.folder / name)]
        return detlab("detonate", "T1583.004-4", "--host", "win10", *how, *inventory, "--out", recording)

    def clean_up_hastily(self):
        return self.clean_up("hasty.yaml")

    def clean_up(self, name, *options):
        return detlab("cleanup", "--inventory", str(self.folder / name), *options)


def watch_connections():
    """Notes every address that this process ever connects to or asks a resolver for."""

    def hook(event, arguments):
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            CONNECTIONS.append(arguments[1][:2])
        elif event == "socket.getaddrinfo":
            CONNECTIONS.append((arguments[0], arguments[1]))

    sys.addaudithook(hook)


def run_schedule(folder, certificates, plan):
    """Runs a schedule and checks what has to hold; what became of its command, and how long that took."""
    CONNECTIONS.clear()
    with World(folder, certificates, plan) as world:
        if plan.command == "cleanup":
            leave_debt(world)
        world.proxy.faults = plan.faults
        code, seconds, text = timed(world.detonate if plan.command == "detonate" else world.clean_up_hastily)
        owed = check_debts(world, code, text)
        timed(world.clean_up_hastily)
        check_debts(world, 1, "after a clean-up under the same faults")
        world.proxy.faults = ()
        code_paid, text_paid = world.clean_up("patient.yaml")
        assert code_paid == 0, f"what is owed cannot be paid: {text_paid}"
        assert world.machine.tasks == {}, "a task is left after everything was paid"
        assert world.clean_up("patient.yaml", "--list") == (0, "nothing is owed\n")
        check_connections(world)
        hit = any(kind for _, _, kind in world.proxy.seen)
        return code, seconds, hit, owed, text


def timed(command):
    """Exit code, seconds and output of a command, which has to end by itself in its time."""
    start = time.monotonic()
    code, text = command()
    seconds = time.monotonic() - start
    assert seconds < LONGEST, f"it took {seconds:.0f} s: {text}"
    return code, seconds, text


def leave_debt(world):
    """A detonation whose clean-up fails on the host, so that it is owed."""
    inner = world.machine.do_schtasks
    world.machine.do_schtasks = lambda rest, process, io: 5 if "/Delete" in rest else inner(rest, process, io)
    code, text = world.detonate("patient.yaml")
    assert (code, list(world.machine.tasks)) == (1, ["WindowsNetworkHealth"]), text
    world.machine.do_schtasks = inner
    world.proxy.count, world.proxy.seen = 0, []


def check_connections(world):
    """Nothing is open any more, nothing was sent elsewhere, and nothing was done twice."""
    runs = sum("schtasks.exe /Create" in c for c in world.machine.ran)
    assert runs <= 1, f"the test ran {runs} times"
    deadline = time.monotonic() + 5
    while world.proxy.open and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not world.proxy.open, "a connection is still open"
    assert world.trap.visits == 0, "another machine was talked to"
    known = {("127.0.0.1", port) for port in (world.proxy.port, world.server.port, 1)}
    assert set(CONNECTIONS) <= known, f"other addresses: {set(CONNECTIONS) - known}"


def check_debts(world, code, text):
    """What is left on the host is listed, and what the journal owes is what the list says."""
    listed, lines = world.clean_up("patient.yaml", "--list")
    steps = [e.step for p in (world.folder / "state" / "journals").glob("*.journal") for e in read_journal(p)[0]]
    debt = list_owed_cleanups(world.folder / "state")
    assert bool(debt) == ("started" in steps and "cleaned" not in steps), steps
    assert (listed == 1) == bool(debt), lines
    assert all(o.test in lines for o in debt)
    assert debt or not world.machine.tasks, f"a task is left and nothing says so: {text}"
    assert code != 0 or not debt, f"exit code 0 with a debt: {text}"
    return bool(debt)


def prepare(folder):
    """The certificates that all schedules share."""
    issuer = make(folder, "authority")
    make(folder, "good", issuer=issuer)
    return folder


def one(work):
    """One schedule in a process of the pool."""
    number, certificates = work
    plan = schedule(number)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        try:
            return number, plan, None, run_schedule(Path(folder), certificates, plan)
        except BaseException:
            return number, plan, traceback.format_exc(), None


def main_program():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-ca-") as folder:
        certificates = prepare(Path(folder))
        if given.only is not None:
            watch_connections()
            _, plan, failure, result = one((given.only, certificates))
            print(plan, failure or result, sep="\n")
            return bool(failure)
        work = [(n, certificates) for n in range(given.first, given.first + given.schedules)]
        return report(given, work)


def report(given, work):
    start, codes, kinds, failures, times, met, debts = time.monotonic(), Counter(), Counter(), [], [], 0, 0
    with multiprocessing.get_context("spawn").Pool(given.processes, watch_connections) as pool:
        for number, plan, failure, result in pool.imap_unordered(one, work):
            if failure:
                failures.append(number)
                print(f"schedule {number} {plan}\n{failure}", flush=True)
                continue
            code, seconds, hit, owed, _ = result
            codes[f"{plan.command} {code}"] += 1
            times.append((seconds, number))
            met += hit
            debts += owed
            kinds.update(f.kind for f in plan.faults)
    print(f"{len(work)} schedules in {time.monotonic() - start:.0f} s, {len(failures)} failed: {failures}")
    print(f"{met} met a fault, {debts} were left with a debt (listed, and paid afterwards)")
    print(f"commands and exit codes: {dict(sorted(codes.items()))}")
    print(f"longest: {[(round(s, 1), n) for s, n in sorted(times)[-5:]]}")
    print(f"faults: {dict(sorted(kinds.items()))}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main_program())

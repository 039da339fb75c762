"""What is simulated of an atomic is what a host records when it is detonated: the same texts, the same verdicts."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.compute as pc
import pytest

from harness.run import Bench
from harness.scenario.atomic_command import render_atomic
from harness.scenario.scenario import Launch
from harness.telemetry.format import write_telemetry
from harness.telemetry.lab.detonate import detonate
from harness.telemetry.lab.remote import connect
from harness.telemetry.recording import open_recording
from harness.telemetry.scenario_telemetry import find_atomic
from harness.telemetry.simulation.attack import AtomicAttack
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.telemetry.simulation.simulate import ScheduledAction, simulate
from tests.winrm.powershell_shell import PowerShellShell
from tests.winrm.test_detonation import ROOT, listener, plan, recorder, watch
from tests.winrm.windows_machine import Machine

__all__ = ["listener"]

BEHAVIOURS = {1: "beacon", 2: "dns_lookups", 3: "port_probe", 4: "scheduled_task"}
SYSMON = 'index=* source="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational" EventCode=1'
SCRIPT = "index=* EventCode=4104"
RULES = {
    "parent.spl": f'{SYSMON} ParentImage="*\\\\cmd.exe"',
    "shell.spl": f'{SYSMON} ParentImage="*\\\\winrshost.exe"',
    "remoting.spl": f'{SYSMON} ParentImage="*\\\\wsmprovhost.exe"',
    "request.spl": f'{SYSMON} CommandLine="*Invoke-WebRequest*" NOT Image="*\\\\cmd.exe"',
    "lookup.spl": f'{SYSMON} CommandLine="*Resolve-DnsName*"',
    "sockets.spl": f'{SYSMON} CommandLine="*Net.Sockets.TcpClient*"',
    "hidden.spl": f'{SYSMON} ParentCommandLine="*-s Schedule" CommandLine="*-WindowStyle Hidden*"',
    "create.spl": f'{SYSMON} CommandLine="schtasks.exe  /Create*"',
    "at_once.spl": f'{SYSMON} CommandLine="schtasks.exe  /Run*"',
    "request_script.spl": f'{SCRIPT} ScriptBlockText="*Invoke-WebRequest*"',
    "lookup_script.spl": f'{SCRIPT} ScriptBlockText="*Resolve-DnsName*"',
    "tcp_script.spl": f'{SCRIPT} ScriptBlockText="*TcpClient*"',
}


# The user agent says which run it is; in a simulation it is none.
RUN = "20261122T000000-abc123"
# Consoles the machine has none of; the host of a shell begins before the mark by which a lab knows its processes.
UNLABELLED = ("conhost.exe", "winrshost.exe")


def parameters(number, listener):
    """A behaviour's own, and the atomic's of the same meaning."""
    http, tcp = listener.ports["http"][0], listener.ports["tcp"]
    return {
        1: (
            {"server": "127.0.0.1", "port": http, "every": "1s", "times": 2},
            {"port": http, "interval": 1, "count": 2, "run": RUN},
        ),
        2: ({"domains": ["one.example"]}, {"domains": "one.example"}),
        3: ({"ports": list(tcp)}, {"ports": ",".join(map(str, tcp))}),
        4: ({"port": http}, {"port": http, "run": RUN}),
    }[number]


def texts(telemetry):
    """What rules on processes read, without what differs from run to run."""
    found = set()
    for events in telemetry.events:
        rows = [{**events.constants, **row} for row in events.columns.to_pylist() if row["@cause"] == 0]
        if (events.sensor, events.kind) == ("sysmon", "1"):
            found |= {
                tuple(re.sub(r"DETLAB=[^&]+&", "DETLAB=&", row[n]) for n in ("Image", "CommandLine", "ParentImage"))
                for row in rows
                if not row["Image"].endswith(UNLABELLED)
            }
        if (events.sensor, events.kind) == ("powershell", "4104"):
            found |= {("4104", row["ScriptBlockText"]) for row in rows}
    # File names are alike on Windows whatever the case.
    return {tuple(p.replace("WinrsHost", "winrshost").replace(RUN, "none") for p in each) for each in found}


def verdicts(telemetry, folder, tmp_path):
    """Whether each rule has rows, at the door that a person uses."""
    events = tmp_path / f"{folder}.ndjson"
    # What the lab itself does is no part of the attack.
    mine = [e.with_columns(e.columns.filter(pc.equal(e.columns.column("@cause"), 0))) for e in telemetry.events]
    with events.open("wb") as out:
        write_telemetry(replace(telemetry, events=tuple(e for e in mine if len(e))), "ndjson", out)
    found = {}
    with Bench() as bench:
        for name, text in RULES.items():
            rule = tmp_path / name
            rule.write_text(f"{text} | stats count")
            found[name] = any(row["count"] for row in bench.query(rule, [events]).rows.records())
    return found


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("launched", [Launch.WINRM, Launch.PSRP])
def test_a_rule_says_the_same_of_both(lab, listener, tmp_path, number, launched):
    if launched is Launch.PSRP:
        pytest.importorskip("psrpcore", reason="the server side of PSRP is not installed")
    given, arguments = parameters(number, listener)
    atomic = find_atomic(ROOT / "scenarios" / "T1583.004", f"T1583.004-{number}")
    machine = Machine(resolver=lambda name: None)
    options = {"wire": "psrp", "powershell": PowerShellShell} if launched is Launch.PSRP else {}
    made = lab(machine=machine, **options)
    todo = plan(tmp_path, (render_atomic(atomic, arguments),))
    recording = recorder(tmp_path, todo)
    (outcome,) = detonate(todo, [made.host], connect, watch(todo, recording.keep))
    assert outcome.error is None
    detonated = open_recording(recording.finish(outcome.tests, todo.state)).telemetry("T1583.004", number)

    step = ScheduledAction(
        behaviour=BEHAVIOURS[number],
        given={**given, **({} if number == 2 else {"listener": True})},
        malicious=True,
        attack=AtomicAttack(atomic=atomic, launched=launched),
    )
    simulated = simulate(
        [step], behaviours=load_behaviours(ROOT / "generators"), start=datetime(2026, 3, 3, 9, 12, tzinfo=UTC)
    )
    assert texts(simulated) == texts(detonated)
    told = verdicts(simulated, "simulated", tmp_path)
    assert told == verdicts(detonated, "detonated", tmp_path)
    assert any(told.values())

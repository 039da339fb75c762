"""The PowerShell remoting transport against the protocol over real HTTPS."""

import subprocess
import sys
import time

import pytest

pytest.importorskip("psrpcore", reason="the server side of PSRP is not installed")

from harness.diagnostics import HarnessError
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Command
from harness.telemetry.lab.command_line import build_marked_line, facts, powershell, split_outputs
from harness.telemetry.lab.psrp import LAUNCH, connect, read_launch_output
from harness.telemetry.lab.remote import LostError
from tests.winrm.powershell_shell import PowerShellShell
from tests.winrm.windows_machine import Machine


def cmd(text, mark="r1.1"):
    return build_marked_line(Command(shell=Shell.COMMAND_PROMPT, text=text), mark)


@pytest.fixture
def psrp(lab):
    return lambda **options: lab(wire="psrp", powershell=PowerShellShell, **options)


@pytest.mark.parametrize("auth", ["basic", "ntlm"])
def test_a_command_gives_its_output_errors_and_exit_code(psrp, auth):
    made = psrp(auth=auth)
    remote = connect(made.host)
    ended = remote.run(cmd("echo h\u00e9llo & reg query HKLM\\No /v No & exit 7"), timeout=20)
    assert (ended.exit_code, ended.ok, ended.timed_out, ended.complete) == (7, False, False, True)
    assert ended.stdout.strip() == "h\u00e9llo"
    assert "unable to find the specified registry key" in ended.stderr
    remote.close()
    assert made.server.shells == {}


def test_the_client_prints_nothing_of_a_message_that_it_cannot_read():
    # In a process of its own, since pytest has filters of its own.
    script = (
        "import warnings, harness.telemetry.lab.psrp, pypsrp.messages\n"
        "warnings.warn_explicit('\\x1b[2J', UserWarning, pypsrp.messages.__file__, 1, module='pypsrp.messages')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr == b""


def test_long_output_and_long_scripts_arrive_whole(psrp):
    remote = connect(psrp().host)
    ended = remote.run(powershell("'0123456789' * 30000", "r1.1"), timeout=30)
    assert ended.stdout == "0123456789" * 30000 + "\r\n"
    script = "\n".join([f"# {'x' * 90} {i}" for i in range(2000)] + ["Write-Output 'done \u00fc'", "exit 3"])
    ended = remote.run(powershell(script, "r1.1"), timeout=30)
    assert (ended.exit_code, ended.stdout) == (3, "done \u00fc\r\n")
    remote.close()


def test_output_that_is_not_utf_8_is_read_by_the_hosts_code_page(psrp):
    made = psrp()
    made.machine.do_fc = lambda rest, process, io: io.out(b"Pr\x81fung\r\n") or io.err("\u65e5\r\n") or 0
    remote = connect(made.host)
    ended = remote.run(cmd("fc"), timeout=20)
    assert (ended.stdout, ended.stderr, ended.exit_code) == ("Pr\u00fcfung\r\n", "\u65e5\r\n", 0)
    remote.close()


def test_what_is_launched_is_powershell():
    grammar = pytest.importorskip("tree_sitter_powershell", reason="the grammar of PowerShell is not installed")
    tree_sitter = pytest.importorskip("tree_sitter")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert not parser.parse(LAUNCH.encode()).root_node.has_error


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (["3", "aGk=", "", "850"], (3, "hi", "")),
        (["timed out", "", "", ""], (None, "", "")),
        (["3", "aGk=", ""], None),
        (["three", "", "", "850"], None),
        (["3", "not base64", "", "850"], None),
    ],
)
def test_what_a_launch_says_is_taken_or_refused_as_a_whole(output, expected):
    if expected:
        assert read_launch_output(output) == expected
    else:
        with pytest.raises(ValueError):
            read_launch_output(output)


def test_a_command_over_its_time_is_killed_with_all_it_started(psrp):
    made = psrp()
    remote = connect(made.host)
    start = time.monotonic()
    ended = remote.run(cmd('powershell.exe -NoProfile -Command "Start-Sleep -Seconds 60"', "r1.9"), timeout=1)
    assert (ended.exit_code, ended.timed_out) == (None, True)
    assert time.monotonic() - start < 10
    assert not any("Start-Sleep" in p.line for p in made.machine.processes.values())
    assert remote.run(cmd("echo alive"), timeout=10).ok
    remote.close()


def test_a_dropped_connection_is_made_again(psrp):
    made = psrp()
    remote = connect(made.host)
    assert remote.run(cmd("echo one"), timeout=20).ok
    made.server.schedule.faults = {("Receive", made.server.schedule.seen.count("Receive") + 1): "before"}
    ended = remote.run(cmd("echo two"), timeout=20)
    assert (ended.stdout.strip(), ended.complete) == ("two", False)
    remote.close()


def test_a_command_whose_end_was_lost_is_lost_at_once(psrp):
    made = psrp()
    remote = connect(made.host)
    assert remote.run(cmd("echo one"), timeout=20).ok
    first = made.server.schedule.seen.count("Receive") + 1
    made.server.schedule.faults = {("Receive", n): "after" for n in range(first, first + 3)}
    start = time.monotonic()
    with pytest.raises(LostError, match="has ended the command, and how it ended was lost"):
        remote.run(cmd("echo two"), timeout=60)
    assert time.monotonic() - start < 10
    assert remote.run(cmd("echo three"), timeout=20).stdout.strip() == "three"
    remote.close()


def test_a_command_is_never_sent_twice(psrp):
    made = psrp()
    made.server.schedule.faults = {("Command", 1): "after"}
    remote = connect(made.host)
    with pytest.raises(LostError, match="went after a command was sent"):
        remote.run(cmd("echo once"), timeout=20)
    time.sleep(0.3)
    assert made.machine.ran.count("echo once") == 1
    remote.close()


def test_a_host_that_restarts_loses_the_command_and_takes_the_next(psrp):
    made = psrp()
    remote = connect(made.host)
    assert remote.run(cmd("echo one"), timeout=20).ok
    made.server.reboot()
    with pytest.raises(LostError, match="was it restarted"):
        remote.run(cmd("echo two"), timeout=20)
    assert remote.run(cmd("echo three"), timeout=20).stdout.strip() == "three"
    remote.close()


@pytest.mark.parametrize(
    ("options", "code"),
    [({"certificate": "expired"}, "certificate"), ({"certificate": "foreign"}, "certificate")],
)
def test_a_bad_certificate_is_one_clear_message(psrp, options, code):
    remote = connect(psrp(**options).host)
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=20)
    assert (caught.value.code, caught.value.exit_code) == (code, 3)


@pytest.mark.parametrize("auth", ["basic", "ntlm"])
def test_a_wrong_password_is_one_clear_message(psrp, auth, monkeypatch):
    made = psrp(auth=auth)
    monkeypatch.setenv("LAB_TEST_PASSWORD", "not-the-password")
    with pytest.raises(HarnessError) as caught:
        connect(made.host).run(facts(), timeout=20)
    assert (caught.value.code, caught.value.exit_code) == ("credentials", 3)
    assert "not-the-password" not in caught.value.render()


# What a transport puts between its service and a command: parts of parents' command lines, outermost first.
CHAINS = {
    "winrm": ("winrshost.exe -Embedding", "cmd.exe /C set DETLAB="),
    "psrp": ("wsmprovhost.exe -Embedding", 'cmd.exe" /d /s /c "set DETLAB='),
}


def test_the_chain_of_processes_is_what_expectations_know(psrp, lab):
    from harness.telemetry.lab import winrm  # noqa: PLC0415

    for wire, made, transport in (("psrp", psrp(machine=Machine()), None), ("winrm", lab(machine=Machine()), winrm)):
        remote = (transport.connect if transport else connect)(made.host)
        assert split_outputs(remote.run(cmd("hostname"), timeout=20).stdout) == ["WIN10"]
        remote.close()
        records = "".join(x for _, x in made.machine.logs["Microsoft-Windows-Sysmon/Operational"].records)
        for link in CHAINS[wire]:
            assert link.lower() in records.lower().replace("&amp;", "&"), (wire, link)

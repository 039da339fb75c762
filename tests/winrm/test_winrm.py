"""The WinRS transport against the protocol over real HTTPS, and the server against both public clients."""

import socket
import time
from importlib import import_module

import msgspec
import pytest

from harness.diagnostics import HarnessError
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Command
from harness.telemetry.lab.command_line import build_marked_line, facts, powershell, split_outputs
from harness.telemetry.lab.remote import LostError
from harness.telemetry.lab.winrm import connect
from tests.winrm.windows_machine import CODE_PAGES


def cmd(text, mark="r1.1"):
    return build_marked_line(Command(shell=Shell.COMMAND_PROMPT, text=text), mark)


@pytest.fixture(params=["basic", "ntlm"])
def remote(request, lab):
    made = lab(auth=request.param)
    found = connect(made.host)
    yield found
    found.close()
    assert made.server.shells == {}


def test_a_command_gives_its_output_errors_and_exit_code(remote):
    ended = remote.run(cmd("echo h\u00e9llo & reg query HKLM\\No /v No & exit 7"), timeout=20)
    assert (ended.exit_code, ended.ok, ended.timed_out, ended.complete) == (7, False, False, True)
    assert ended.stdout.strip() == "h\u00e9llo"
    assert "unable to find the specified registry key" in ended.stderr


def test_commands_share_a_shell(lab):
    made = lab()
    remote = connect(made.host)
    for word in ("one", "two"):
        assert remote.run(cmd(f"echo {word}"), timeout=20).stdout.strip() == word
    assert made.server.schedule.seen.count("Create") == 1
    remote.close()


def test_long_output_arrives_whole(lab):
    remote = connect(lab().host)
    ended = remote.run(powershell("'0123456789' * 30000", "r1.1"), timeout=30)
    assert ended.stdout == "0123456789" * 30000 + "\r\n"
    remote.close()


def test_a_script_longer_than_a_command_line_goes_through_the_input(lab):
    made = lab()
    remote = connect(made.host)
    script = "\n".join([f"# {'x' * 90} {i}" for i in range(2000)] + ["Write-Output 'done \u00fc'", "exit 3"])
    ended = remote.run(powershell(script, "r1.1"), timeout=30)
    assert (ended.exit_code, ended.stdout) == (3, "done \u00fc\r\n")
    long = remote.run(cmd("\n".join(f"echo {i} {'y' * 70}" for i in range(200))), timeout=30)
    assert long.stdout.count("\n") == 200
    remote.close()


def test_lines_of_a_batch_mean_what_they_mean_in_a_batch(lab):
    made = lab()
    remote = connect(made.host)
    text = "rem first\n:: and\nif exist left.txt (\n  echo there\n) else (\n  echo gone\n)\necho a ^\n  b\nexit 7\n"
    ended = remote.run(cmd(text), timeout=30)
    assert (ended.exit_code, ended.stdout.split()) == (7, ["gone", "a", "b"])
    assert made.machine.files == {}
    made.machine.files["left.txt"] = ""
    ended = remote.run(cmd("rem nothing to see\ndel left.txt\n"), timeout=30)
    assert (ended.exit_code, made.machine.files) == (0, {})
    remote.close()


def test_output_that_is_not_utf_8_is_read_by_the_hosts_code_page_which_is_asked_once(lab):
    made = lab()
    made.machine.do_fc = lambda rest, process, io: io.out(b"Pr\x81fung\r\n") or io.err(b"\x84\r\n") or 0
    remote = connect(made.host)
    assert remote.run(cmd("echo Gr\u00fc\u00dfe"), timeout=20).stdout.strip() == "Gr\u00fc\u00dfe"
    assert not any("CodePage" in c for c in made.machine.ran)
    for _ in range(2):
        ended = remote.run(cmd("fc"), timeout=20)
        assert (ended.stdout, ended.stderr, ended.exit_code) == ("Pr\u00fcfung\r\n", "\u00e4\r\n", 0)
    assert sum("CodePage" in c for c in made.machine.ran) == 1
    remote.close()


def test_a_host_that_does_not_tell_its_code_page_has_its_strays_replaced(lab):
    made = lab()
    made.machine.do_fc = lambda rest, process, io: io.out(b"Pr\x81fung\r\n") or 0
    made.machine.registry.pop(CODE_PAGES)
    remote = connect(made.host)
    assert remote.run(cmd("fc"), timeout=20).stdout == "Pr\ufffdfung\r\n"
    remote.close()


def test_a_host_that_forgets_each_shell_as_it_is_opened_is_not_asked_for_ever(lab):
    made = lab()
    made.server.handle = forget_shells(made.server, made.server.handle)
    remote = connect(made.host)
    with pytest.raises(HarnessError):
        remote.run(cmd("echo never"), timeout=20)
    assert made.server.schedule.seen.count("Create") == 2
    remote.close()


def forget_shells(server, handle):
    """A server that knows no shell when a command is to be started in it."""

    def forgetful(request):
        if request.verb == "Command":
            server.reboot()
        return handle(request)

    return forgetful


def test_errors_of_powershell_are_text_and_not_xml(lab):
    remote = connect(lab().host)
    ended = remote.run(powershell("Write-Error 'caf\u00e9'", "r1.1"), timeout=20)
    assert ended.stderr == "caf\u00e9 : wrong\n"
    remote.close()


def test_a_command_over_its_time_is_killed_with_all_it_started(lab):
    made = lab()
    remote = connect(made.host)
    before = set(made.machine.processes)
    start = time.monotonic()
    ended = remote.run(cmd('powershell.exe -NoProfile -Command "Start-Sleep -Seconds 60"', "r1.9"), timeout=1.5)
    assert (ended.exit_code, ended.timed_out) == (None, True)
    assert time.monotonic() - start < 10
    deadline = time.monotonic() + 3
    while set(made.machine.processes) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(made.machine.processes) - before == set()
    assert remote.run(cmd("echo alive"), timeout=10).ok
    remote.close()


def test_a_dropped_connection_is_made_again_and_the_output_called_incomplete(lab):
    made = lab()
    made.server.schedule.faults = {("Receive", 1): "before"}
    remote = connect(made.host)
    ended = remote.run(cmd("echo still here"), timeout=20)
    assert (ended.exit_code, ended.stdout.strip(), ended.complete) == (0, "still here", False)
    remote.close()


def test_a_command_is_never_sent_twice(lab):
    made = lab()
    made.server.schedule.faults = {("Command", 1): "after"}
    remote = connect(made.host)
    with pytest.raises(LostError, match="went after a command was sent"):
        remote.run(cmd("echo once"), timeout=20)
    time.sleep(0.3)
    assert made.machine.ran.count("echo once") == 1
    remote.close()


def test_a_shell_that_the_host_forgot_is_opened_again_for_the_next_command(lab):
    made = lab()
    remote = connect(made.host)
    assert remote.run(cmd("echo one"), timeout=20).ok
    made.server.reboot()
    assert remote.run(cmd("echo two"), timeout=20).stdout.strip() == "two"
    remote.close()


def test_a_host_that_restarts_under_a_command_loses_it(lab):
    made = lab()
    made.server.schedule.faults = {("Receive", 1): "reboot"}
    remote = connect(made.host)
    with pytest.raises(LostError, match="no longer knows the command: was it restarted"):
        remote.run(cmd('powershell.exe -Command "Start-Sleep -Seconds 30"'), timeout=20)
    remote.close()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"certificate": "expired"}, "certificate", "certificate has expired"),
        ({"certificate": "foreign"}, "certificate", "ip address mismatch"),
    ],
)
def test_a_bad_certificate_is_one_clear_message(lab, options, code, message):
    remote = connect(lab(**options).host)
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=20)
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert message in caught.value.message
    remote.close()


@pytest.mark.parametrize("auth", ["basic", "ntlm"])
def test_a_wrong_password_is_one_clear_message_without_the_password(lab, auth, monkeypatch):
    made = lab(auth=auth)
    monkeypatch.setenv("LAB_TEST_PASSWORD", "not-the-password")
    remote = connect(made.host)
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=20)
    assert (caught.value.code, caught.value.exit_code) == ("credentials", 3)
    assert "does not let `lab` in with" in caught.value.message
    assert "not-the-password" not in caught.value.render()
    remote.close()


def test_access_denied_is_one_clear_message(lab):
    made = lab()
    made.server.denied = True
    remote = connect(made.host)
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=20)
    assert (caught.value.code, caught.value.exit_code) == ("access-denied", 3)
    remote.close()


def test_a_host_that_is_off_is_one_clear_message(lab):
    made = lab()
    made.server.http.shutdown()
    made.server.http.server_close()
    remote = connect(made.host, reconnect=0.5)
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=5)
    assert (caught.value.code, caught.value.exit_code) == ("unreachable", 3)
    assert "it refuses the connection" in caught.value.message
    made.server.http.shutdown = made.server.http.server_close = lambda: None


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_a_host_that_never_answers_is_one_clear_message(lab, wire):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        made = lab()
        entry = msgspec.structs.replace(made.host.entry, port=silent.getsockname()[1], connect_timeout=1)
        host = type(made.host)(name="win10", entry=entry, folder=made.folder)
        remote = import_module(f"harness.telemetry.lab.{wire}").connect(host, reconnect=0.2)
        start = time.monotonic()
        with pytest.raises(HarnessError) as caught:
            remote.run(facts(), timeout=5)
        assert (caught.value.code, caught.value.exit_code) == ("unreachable", 3)
        assert "cannot be reached: it does not answer" in caught.value.message
        assert time.monotonic() - start < 10
        remote.close()


def test_facts_are_kept_apart(lab):
    remote = connect(lab().host)
    found = split_outputs(remote.run(facts(), timeout=20).stdout)
    assert len(found) == 4
    assert found[0].endswith("Lab    REG_SZ    purple")
    assert found[1].endswith("ProductType    REG_SZ    WinNT")
    assert found[3] == "WIN10"
    remote.close()


def test_the_server_speaks_with_the_other_client_too(lab):
    wsman = pytest.importorskip("pypsrp.wsman")
    shell = pytest.importorskip("pypsrp.shell")
    made = lab()
    connection = wsman.WSMan(
        "127.0.0.1",
        port=made.server.port,
        username="lab",
        password=made.host.open_password().reveal(),
        ssl=True,
        auth="basic",
        cert_validation=made.host.entry.ca,
        no_proxy=True,
    )
    with connection, shell.WinRS(connection) as opened:
        process = shell.Process(opened, "echo", ["hello", "there"])
        process.invoke()
        process.signal(shell.SignalCode.TERMINATE)
        assert (process.rc, process.stdout) == (0, b"hello there\r\n")

"""A lab host is made to be attacked, so whoever holds it answers us: nothing it sends leads elsewhere or goes on."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from requests import Session
from requests.exceptions import RequestException

from harness.diagnostics import HarnessError
from harness.telemetry.lab.bounded_http import BoundedAdapter, Budget, RefusedAnswerError, bind_session
from harness.telemetry.lab.command_line import facts
from harness.telemetry.lab.remote import LostError
from tests.winrm.chaos_proxy import ChaosProxy, Fault, Trap
from tests.winrm.powershell_shell import PowerShellShell
from tests.winrm.wsman_server import PASSWORD

ROOT = Path(__file__).parents[2]
FOR_EVER = 10**9
MEASURED = (
    "import atexit, resource, sys; from harness.cli.main import main; "
    "atexit.register(lambda: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)); "
    "main()"
)


class Hostile:
    """A host in front of which something stands that does its worst, and another machine to which nobody may talk."""

    def __init__(self, made, proxy, trap):
        self.made, self.proxy, self.trap = made, proxy, trap
        text = made.text.replace(f"port: {made.server.port}", f"port: {proxy.port}")
        self.text = text.replace("scheme: http\n", "scheme: https\n") + "    answer_timeout: 1\n    reconnect: 1\n"
        changes = {"port": proxy.port, "scheme": "https", "answer_timeout": 1, "reconnect": 1}
        entry = msgspec.structs.replace(made.host.entry, **changes)
        self.host = type(made.host)(name="win10", entry=entry, folder=made.folder)

    def connect(self):
        wire = import_module(f"harness.telemetry.lab.{self.host.entry.wire}")
        return wire.connect(self.host)

    def detonate(self, *options, **environment):
        """The command as a person types it: its end, the seconds it took and the most memory it had."""
        (self.made.folder / "hosts.yaml").write_text(self.text)
        given = ["detonate", "T1583.004-4", "--host", "win10", "--yes", "--no-judge", "--set", "port=1", *options]
        command = [sys.executable, "-c", MEASURED, *given, "--inventory", str(self.made.folder / "hosts.yaml")]
        command += ["--out", str(self.made.folder / "recording")]
        start = time.monotonic()
        run = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=100, env={**os.environ, **environment}
        )
        assert "Traceback" not in run.stderr
        assert PASSWORD not in run.stdout + run.stderr
        return run, time.monotonic() - start, int(run.stderr.rsplit("peak ", 1)[1]) << 10


@pytest.fixture
def hostile(lab, authority):
    """Makes hostile hosts: `hostile(Fault("redirect", 1, FOR_EVER), wire="psrp")`."""
    opened = []

    def build(*faults, wire="winrm", auth="basic", **options):
        made = lab(wire=wire, auth=auth, certificate=None, powershell=PowerShellShell, **options)
        trap = Trap().__enter__()
        proxy = ChaosProxy(made.server.port, trap.port, certificate=authority / "good.pem", faults=faults).__enter__()
        opened.extend((proxy, trap))
        return Hostile(made, proxy, trap)

    # The inventory of an encrypted host is checked when it is read, so that of the plain server behind is not basic.
    yield lambda *faults, **options: build(*faults, **{"auth": "ntlm", **options})
    for thing in opened:
        thing.__exit__()


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_a_redirect_ends_a_detonation_and_nothing_is_sent_elsewhere(hostile, wire):
    host = hostile(Fault("redirect", 1, FOR_EVER), wire=wire)
    run, _, _ = host.detonate()
    assert run.returncode == 3
    place = f"win10 (https://127.0.0.1:{host.proxy.port}/wsman): it redirects to "
    assert f"error[redirect]: {place}" in run.stdout
    assert f"localhost:{host.trap.port}/wsman; nothing was sent there" in run.stdout
    assert run.stdout.count("= help: a lab host answers for itself") == 1
    assert host.trap.visits == 0
    assert host.made.server.schedule.seen == []


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
@pytest.mark.parametrize("seed", range(6))
def test_no_kind_of_redirect_is_followed_wherever_it_comes(hostile, wire, seed):
    """Six seeds are all five statuses; the third exchange is inside the handshake of NTLM or right behind it."""
    for at in (1, 2, 3, 5):
        host = hostile(Fault("redirect", at, FOR_EVER, seed), wire=wire)
        remote = host.connect()
        with pytest.raises(HarnessError) as caught:
            remote.run(facts(), timeout=5)
        remote.close()
        assert (caught.value.code, caught.value.exit_code, host.trap.visits) == ("redirect", 3, 0)


TOO_MUCH = "sends more than any answer of WS-Management has"


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
@pytest.mark.parametrize(
    ("kind", "first", "said"),
    [
        ("drip", 3, "cannot be reached: its answer did not come whole in time"),
        ("drip_head", 1, "cannot be reached: its answer did not come whole in time"),
        ("endless", 1, TOO_MUCH),
        ("huge", 1, TOO_MUCH),
        ("headers", 1, TOO_MUCH),
        ("continue", 1, TOO_MUCH),
        ("gzip", 1, "its answer is compressed (gzip), which was not asked for"),
        ("garbage", 1, "its answer is no HTTP"),
        ("entities", 1, "answers with an error"),
        ("unauthorized", 1, "does not let `lab` in with ntlm"),
        ("proxy_login", 1, "a proxy answers in its place"),
    ],
)
def test_whatever_a_host_answers_a_command_ends_in_time_and_space(hostile, wire, kind, first, said):
    """The third exchange is the first whose answer has a body: two are the handshake's."""
    for at in {first, 3}:
        host = hostile(Fault(kind, at, FOR_EVER, 1), wire=wire)
        remote = host.connect()
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        with pytest.raises(HarnessError) as caught:
            remote.run(facts(), timeout=3)
        remote.close()
        assert time.monotonic() - start < 8
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
        assert caught.value.exit_code == 3
        assert caught.value.message.startswith(f"win10 (https://127.0.0.1:{host.proxy.port}/wsman)")
        assert said in caught.value.message


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
@pytest.mark.parametrize("kind", ["drip", "endless", "gzip"])
def test_a_command_that_had_started_is_lost_when_its_answers_go_on_for_ever(hostile, wire, kind):
    host = hostile(wire=wire, auth="ntlm")
    remote = host.connect()
    assert remote.run(facts(), timeout=20).ok
    host.proxy.faults = (Fault(kind, host.proxy.count + 2, FOR_EVER),)
    start = time.monotonic()
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=4)
    assert caught.value.exit_code == 3
    assert isinstance(caught.value, LostError) == (kind == "drip")
    remote.close()
    assert time.monotonic() - start < 20


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["winrm", "psrp"])
@pytest.mark.parametrize("kind", ["drip", "drip_head", "endless", "gzip"])
def test_a_detonation_on_a_host_that_never_ends_its_answer_ends(hostile, wire, kind):
    host = hostile(Fault(kind, 3, FOR_EVER), wire=wire)
    host.text = host.text.replace("answer_timeout: 1\n", "answer_timeout: 25\n").replace("reconnect: 1\n", "")
    run, seconds, peak = host.detonate("--timeout", "5", "--whole-timeout", "10")
    assert run.returncode == 3
    assert seconds < 25
    assert peak < 400 << 20
    assert run.stdout.count("error[") == 1


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_nothing_in_the_environment_makes_a_detour(hostile, wire, tmp_path):
    host = hostile(wire=wire)
    elsewhere = f"http://127.0.0.1:{host.trap.port}"
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password stolen\n")
    names = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    environment = dict.fromkeys(names, elsewhere) | {"HOME": str(tmp_path), "REQUESTS_CA_BUNDLE": "/nowhere.pem"}
    run, _, _ = host.detonate("--quiet-for", "0.3", **environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert host.trap.visits == 0


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("https://[2001:db8:0:0::1]:5986/wsman", False),
        ("https://[2001:DB8::1]:5986/wsman", False),
        ("https://[2001:db8::2]:5986/wsman", True),
        ("https://[2001:db8::1]:5985/wsman", True),
        ("http://[2001:db8::1]:5986/wsman", True),
        ("https://win10.lab.internal:5986/wsman", True),
    ],
)
def test_nothing_but_the_inventorys_address_is_ever_asked(asked, refused):
    adapter = BoundedAdapter("https://[2001:db8:0::1]:5986/wsman", Budget(0.2), connect_patience=0.2)
    with pytest.raises(RequestException) as caught:
        bind_session(Session(), adapter).post(asked)
    assert isinstance(caught.value, RefusedAnswerError) == refused
    assert not refused or caught.value.sentence == f"a request to {asked} was about to be sent"


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_an_answer_to_another_message_is_none(hostile, wire):
    for kind in ("relates", "stale"):
        host = hostile(wire=wire)
        remote = host.connect()
        assert remote.run(facts(), timeout=20).ok
        host.proxy.faults = (Fault(kind, host.proxy.count + 1, FOR_EVER),)
        with pytest.raises(LostError):
            remote.run(facts(), timeout=4)
        host.proxy.faults = ()
        remote.close()


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_a_handshake_that_never_ends_is_over_in_time(lab, wire):
    made = lab(wire=wire, auth="ntlm", certificate=None, powershell=PowerShellShell)
    with socket.create_server(("127.0.0.1", 0)) as slow:
        Thread(target=drip_handshakes, args=(slow,), daemon=True).start()
        changes = {"port": slow.getsockname()[1], "scheme": "https", "connect_timeout": 1, "reconnect": 0.5}
        host = type(made.host)(name="win10", entry=msgspec.structs.replace(made.host.entry, **changes), folder=ROOT)
        remote = import_module(f"harness.telemetry.lab.{wire}").connect(host)
        start = time.monotonic()
        with pytest.raises(HarnessError, match="cannot be reached: it does not answer"):
            remote.run(facts(), timeout=5)
        assert time.monotonic() - start < 4
        remote.close()
        # A thread that waits in accept keeps a closed socket listening.
        slow.shutdown(socket.SHUT_RDWR)


def drip_handshakes(server):
    """Answers with the first record of a handshake, one byte after another."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            with contextlib.suppress(OSError), client:
                for byte in b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb" + bytes(200):
                    client.sendall(bytes([byte]))
                    time.sleep(0.05)


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_plain_http_where_tls_was_asked_for_is_told_as_such_before_anything_is_sent(lab, wire):
    made = lab(wire=wire, auth="ntlm", certificate=None, powershell=PowerShellShell)
    entry = msgspec.structs.replace(made.host.entry, scheme="https", reconnect=1)
    host = type(made.host)(name="win10", entry=entry, folder=made.folder)
    remote = import_module(f"harness.telemetry.lab.{wire}").connect(host)
    with pytest.raises(HarnessError) as caught:
        remote.run(facts(), timeout=5)
    assert (caught.value.code, caught.value.exit_code) == ("tls", 3)
    assert "does not speak TLS as it should" in caught.value.message
    assert made.server.schedule.seen == []
    remote.close()


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_no_connection_stays_open(hostile, wire):
    for faults in ((), (Fault("endless", 4, FOR_EVER),), (Fault("redirect", 4, FOR_EVER),), (Fault("short", 4, 1),)):
        host = hostile(*faults, wire=wire)
        remote = host.connect()
        try:
            remote.run(facts(), timeout=4)
        except HarnessError:
            assert faults
        remote.close()
        end = time.monotonic() + 3
        while host.proxy.open and time.monotonic() < end:
            time.sleep(0.02)
        assert not host.proxy.open, faults


@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_messages_over_http_are_encrypted_and_an_answer_in_the_clear_is_refused(lab, wire):
    made = lab(wire=wire, auth="ntlm", certificate=None, powershell=PowerShellShell)
    with Trap() as trap, ChaosProxy(made.server.port, trap.port) as proxy:
        entry = msgspec.structs.replace(made.host.entry, port=proxy.port, answer_timeout=1, reconnect=1)
        host = type(made.host)(name="win10", entry=entry, folder=made.folder)
        remote = import_module(f"harness.telemetry.lab.{wire}").connect(host)
        assert remote.run(facts(), timeout=20).ok
        assert {verb for _, verb, _ in proxy.seen} == {"auth"}, "an action could be read on the wire"
        proxy.faults = (Fault("entities", proxy.count + 1, FOR_EVER, 1),)
        with pytest.raises(HarnessError) as caught:
            remote.run(facts(), timeout=4)
        assert caught.value.code == "unencrypted"
        assert "it answers an encrypted message in the clear" in caught.value.message
        remote.close()

"""The listener and the DNS sink without containers."""

import random
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.lab.services import Ports, connects, is_listener, query_dns_sink, reachable, start_listener
from tests.telemetry.lab.listener_log import seen_by

LAB = Path(__file__).parents[3] / "lab"


@pytest.fixture
def listener(tmp_path):
    running = start_listener(
        LAB, Ports(http=(0,), tcp=(0,), dns=(0,), domains=("c2.corp",)), tmp_path / "log" / "seen.ndjson"
    )
    yield running
    running.stop()


def test_every_port_answers_and_what_was_seen_is_written(listener):
    assert all(reachable("127.0.0.1", listener.ports).values())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(
        urllib.request.Request(f"http://127.0.0.1:{listener.ports['http'][0]}/a", headers={"User-Agent": "detlab/x"})
    )
    requests = [s for s in seen_by(listener) if s["kind"] == "http" and s["agent"]]
    assert [(r["request"], r["agent"], r["peer"]) for r in requests] == [("GET /a HTTP/1.1", "detlab/x", "127.0.0.1")]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a.example", "127.0.0.1"),
        ("x.c2.corp", "127.0.0.1"),
        ("c2.corp", "127.0.0.1"),
        ("notc2.corp", ""),
        ("www.python.org", ""),
    ],
)
def test_only_test_domains_have_an_address(listener, name, answer):
    assert query_dns_sink("127.0.0.1", listener.ports["dns"][0], name) == answer
    assert any(s["kind"] == "dns" and s["name"] == name for s in seen_by(listener))


def test_hostile_input_does_not_end_it(listener):
    chance = random.Random(5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for _ in range(300):
            udp.sendto(chance.randbytes(chance.randrange(1, 80)), ("127.0.0.1", listener.ports["dns"][0]))
    for data in (b"\x16\x03\x01" + bytes(200), b"GET " + b"a" * 100_000 + b"\r\n", b""):
        with socket.create_connection(("127.0.0.1", listener.ports["http"][0]), timeout=5) as tcp:
            tcp.sendall(data)
    assert query_dns_sink("127.0.0.1", listener.ports["dns"][0], "still.example") == "127.0.0.1"
    assert connects("127.0.0.1", listener.ports["http"][0])


def test_it_refuses_to_listen_everywhere():
    command = [sys.executable, str(LAB / "listener" / "listener.py"), "--bind", "0.0.0.0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert "listening everywhere is not for a lab" in ended.stderr


def test_a_port_in_use_is_one_clear_message(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HarnessError, match=r"the listener does not start: .*already in use"):
            start_listener(LAB, Ports(http=(port,), tcp=(), dns=()), tmp_path / "seen.ndjson")


def test_it_can_outlive_us_and_is_known_by_its_process(tmp_path):
    running = start_listener(LAB, Ports(http=(0,), tcp=(), dns=()), tmp_path / "seen.ndjson", detached=True)
    assert is_listener(running.pid)
    assert not is_listener(1)
    running.stop()
    time.sleep(0.1)
    assert not is_listener(running.pid)

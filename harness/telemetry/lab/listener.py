"""The lab's listener and DNS sink as a process of this machine, without containers."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.diagnostics import HarnessError

LISTENER_SCRIPT = Path("listener") / "listener.py"
LISTENER_PATIENCE = 15.0
# UDP loses packets: asked again within the time, as a resolver does.
ATTEMPTS = 4

# Ports of the published tests: 8888 of 1 and 4, the three below of 3; 5353, since 53 needs root.
HTTP_PORTS = (8888,)
TCP_PORTS = (4444, 8080, 8443)
DNS_PORTS = (5353,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Which ports the listener opens, and where; a port of 0 is any that is free."""

    bind: str = "127.0.0.1"
    http: Sequence[int] = HTTP_PORTS
    tcp: Sequence[int] = TCP_PORTS
    dns: Sequence[int] = DNS_PORTS
    answer: str = "127.0.0.1"
    domains: Sequence[str] = ()

    def arguments(self, log: str) -> list[str]:
        """The listener's command-line arguments."""
        lists = {"--http": self.http, "--tcp": self.tcp, "--dns": self.dns}
        found = ["--bind", self.bind, "--answer", self.answer, "--log", log, "--domains", ",".join(self.domains)]
        for name, ports in lists.items():
            found += [name, ",".join(str(p) for p in ports)]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A listener that runs: its process, its open ports and its log."""

    pid: int
    bind: str
    ports: Mapping[str, Sequence[int]]
    log: Path
    process: Any = field(default=None, repr=False)

    def stop(self) -> None:
        """Ends the listener; a detached one only if its process is still a listener."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(LISTENER_PATIENCE)
            self.process.stdout.close()
        elif is_listener(self.pid):
            os.kill(self.pid, signal.SIGTERM)


def start_listener(lab: Path, ports: Ports, log: Path, *, detached: bool = False) -> Running:
    """Starts the listener of a lab's folder and waits until its ports are open; `detached` lets it outlive us."""
    script = lab / LISTENER_SCRIPT
    if not script.is_file():
        raise HarnessError("no-listener", f"there is no {script}", help="name the lab's folder with --lab")
    log.parent.mkdir(parents=True, exist_ok=True)
    errors = log.with_suffix(".errors")
    with errors.open("wb") as trouble:
        process = subprocess.Popen(
            # Neither the current folder nor the user's packages are on its path.
            [sys.executable, "-I", str(script), *ports.arguments(str(log))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=trouble,
            start_new_session=detached,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(LISTENER_PATIENCE)
        process.stdout.close()
        said = errors.read_text("utf-8", "replace").strip().splitlines()
        hint = "another program may use a port; `detlab lab status` shows what runs"
        raise HarnessError(
            "listener", f"the listener does not start: {said[-1] if said else 'it says nothing'}", help=hint
        )
    told = json.loads(line)
    return Running(pid=process.pid, bind=told["bind"], ports=told["ready"], log=log, process=process)


def is_listener(pid: int) -> bool:
    """Whether a process is a listener of ours, not another one that was given its number later."""
    try:
        return str(LISTENER_SCRIPT).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def reachable(bind: str, ports: Mapping[str, Sequence[int]]) -> dict[str, bool]:
    """Which ports answer: `{"tcp 4444": True}`."""
    found = {f"{kind} {p}": connects(bind, p) for kind in ("http", "tcp") for p in ports.get(kind, ())}
    return {**found, **{f"dns {p}": bool(query_dns_sink(bind, p, "health.example")) for p in ports.get("dns", ())}}


def connects(host: str, port: int) -> bool:
    """Whether a TCP port takes a connection."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def query_dns_sink(host: str, port: int, name: str, *, timeout: float = 2.0) -> str:
    """The address that a DNS server gives for a name, or nothing."""
    labels = b"".join(bytes([len(part)]) + part.encode("ascii") for part in name.split("."))
    # Number `LA`, recursion desired, one question of type A in class IN.
    question = struct.pack(">HHHHHH", 0x4C41, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    answer = b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout / ATTEMPTS)
        for _ in range(ATTEMPTS):
            try:
                udp.sendto(question, (host, port))
                answer = udp.recv(512)
                break
            except OSError:
                continue
    # Our own sink answers with one address record: its last four bytes.
    return ".".join(str(b) for b in answer[-4:]) if answer[6:8] == b"\0\1" else ""


def wait_until_open(
    bind: str, ports: Mapping[str, Sequence[int]], *, patience: float = LISTENER_PATIENCE
) -> dict[str, bool]:
    """Which ports answer, asked again until all do or patience ends."""
    end = time.monotonic() + patience
    while True:
        found = reachable(bind, ports)
        if all(found.values()) or time.monotonic() > end:
            return found
        time.sleep(0.1)

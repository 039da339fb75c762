"""Targets that take what a hostile lab host sends: HTTP answers, and the SOAP within them."""

from __future__ import annotations

import base64
import os
import socket
import threading
from functools import cache
from pathlib import Path
from typing import Any

from requests import Session
from requests.exceptions import RequestException

from fuzz.promise import Target
from harness.telemetry.lab.bounded_http import BoundedAdapter, Budget, bind_session
from harness.telemetry.lab.inventory import HostEntry, LabHost
from harness.telemetry.lab.remote import CommandLine
from harness.telemetry.lab.secret import SecretSource
from harness.telemetry.lab.winrm import MESSAGE_ID, WinRM
from harness.telemetry.lab.wsman import translate_transport_error
from tests.winrm import soap

PASSWORD = "DETLAB_FUZZ_PASSWORD"
BREAK = b"\n--next answer--\n"
MESSAGE = b"@message@"
LONGEST_RUN = 0.3


@cache
def build_host() -> LabHost:
    """A lab host that nobody connects to."""
    os.environ.setdefault(PASSWORD, "fuzz-" + os.urandom(8).hex())
    entry = HostEntry(address="127.0.0.1", user="lab", password=SecretSource(env=PASSWORD), port=1)
    return LabHost(name="win10", entry=entry, folder=Path())


class AnsweringTransport:
    """What pywinrm sends its messages through: the input's answers one after the other, the last one again."""

    encryption: Any = None

    def __init__(self, data: bytes) -> None:
        self.answers, self.at = data.split(BREAK), 0

    def send_message(self, message: str | bytes) -> bytes:
        """The next answer, about this message."""
        text = message if isinstance(message, str) else message.decode()
        sent = MESSAGE_ID.search(text)
        answer = self.answers[min(self.at, len(self.answers) - 1)]
        self.at += 1
        return answer.replace(MESSAGE, sent[1].encode() if sent else b"")

    def close_session(self) -> None:
        """Nothing is open."""


def check_soap(data: bytes) -> None:
    """A command is run on a host that answers so; it ends, or an error says why not."""
    remote = WinRM(build_host(), reconnect=0.1)
    remote.protocol.transport = AnsweringTransport(data)
    try:
        remote.run(CommandLine(text="whoami", stdin=b"x"), timeout=LONGEST_RUN)
    finally:
        remote.close()


def list_soap() -> list[bytes]:
    """The answers of a whole command, and each kind of fault."""
    request = soap.Request(action="x", resource=soap.CMD, message_id=MESSAGE.decode(), timeout=1)
    command = soap.ET.Element(soap.tag("rsp:CommandResponse"))
    soap.ET.SubElement(command, soap.tag("rsp:CommandId")).text = "C1"
    empty = soap.envelope(request)

    def output(done: bool, text: bytes) -> bytes:
        streams = [("stdout", text, False), ("stderr", b"\xff\xfe", True)]
        return soap.received(request, "C1", streams, 0, done, lambda d: base64.b64encode(d).decode())

    created, started = soap.created(request, "S1"), soap.envelope(request, command)
    whole = [created, started, empty, output(False, b"a"), output(True, "\u00fc".encode("cp437")), empty]
    faults = [(soap.TIMED_OUT, "w:TimedOut"), (soap.SHELL_NOT_FOUND, "w:InvalidSelectors"), (soap.QUOTA, "w:Quota")]
    bad = [soap.fault(request, soap.Fault(code, "because", name)) for code, name in faults]
    question = [created, started, output(True, b"    OEMCP    REG_SZ    850\r\n"), empty]
    return [BREAK.join(whole + question), *(BREAK.join([created, started, empty, f, *whole[4:]]) for f in bad), bad[0]]


class OneAnswer(threading.Thread):
    """A server that reads one request and sends the same bytes, whatever was asked."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.answer = b""

    def run(self) -> None:
        """Serves one connection after the other."""
        while True:
            taken, _ = self.listening.accept()
            with taken:
                try:
                    taken.settimeout(1)
                    taken.recv(1 << 16)
                    taken.sendall(self.answer)
                except OSError:
                    continue


@cache
def start_server() -> OneAnswer:
    """The server, started once."""
    made = OneAnswer()
    made.start()
    return made


def check_http(data: bytes) -> None:
    """Bytes in place of an HTTP answer are an answer or an error that is told."""
    server = start_server()
    server.answer = data
    adapter = BoundedAdapter(f"http://127.0.0.1:{server.port}/wsman", Budget(2), connect_patience=2, ca="")
    session = bind_session(Session(), adapter)
    try:
        assert session.post(f"http://127.0.0.1:{server.port}/wsman", data=b"<a/>").content is not None
    # What the clients translate: each of their calls takes every exception of the transport.
    except (RequestException, OverflowError) as error:
        raise translate_transport_error(error, build_host()) from error
    finally:
        adapter.close()


HTTP_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/encrypted\r\nContent-Length: 4\r\n\r\n<a/>",
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://localhost:1/wsman\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 E\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
    b"HTTP/1.0 407 Proxy\r\nSet-Cookie: a=b; Domain=x\r\nX: " + b"y" * 70 + b"\r\n z\r\n\r\nbody",
]

WIRE_TARGETS: dict[str, Target] = {
    "soap": Target(check=check_soap, seeds=list_soap, words=(BREAK, MESSAGE)),
    "http": Target(check=check_http, seeds=lambda: HTTP_ANSWERS, words=(b"\r\n", b"\r\n\r\n")),
}

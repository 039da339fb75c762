"""A target that takes what a hostile host says over PowerShell remoting: SOAP around fragments around CLIXML."""

from __future__ import annotations

import base64
import re
import struct
import uuid
from pathlib import Path
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from fuzz.promise import Target
from fuzz.wire_targets import BREAK, LONGEST_RUN, MESSAGE, build_host
from harness.telemetry.lab.inventory import Authentication, HostEntry, LabHost, Wire
from harness.telemetry.lab.psrp import PSRP
from harness.telemetry.lab.remote import CommandLine
from tests.winrm import soap

# An input holds messages as text, or mutation would have to hit identifiers and lengths to get past the first check.
PSRP_MESSAGE = re.compile(rb"@psrp ([0-9a-f]{1,8}) (.*?)@", re.S)
"""A message of [MS-PSRP] in a stream: its type in hexadecimal, and its data."""
POOL_ID = re.compile(rb'ShellId="([0-9A-Fa-f-]{36})"')
COMMAND_ID = re.compile(rb'CommandId="([0-9A-Fa-f-]{36})"')
MESSAGE_ID = re.compile(rb"MessageID[^>]*>\s*([^<\s]+)")
COMMAND = b"@command@"

# What a host says of itself and of a failure, as few members as the client reads.
CAPABILITY_OBJECT = (
    '<Obj RefId="0"><MS><Version N="PSVersion">2.0</Version><Version N="protocolversion">2.3</Version>'
    '<Version N="SerializationVersion">1.1.0.1</Version></MS></Obj>'
)
PRIVATE_DATA_OBJECT = (
    '<Obj RefId="0"><MS><Obj RefId="1" N="ApplicationPrivateData"><TN RefId="0"><T>System.Collections.Hashtable'
    '</T></TN><DCT><En><S N="Key">a</S><S N="Value">b</S></En></DCT></Obj></MS></Obj>'
)
ERROR_OBJECT = (
    '<Obj RefId="0"><TN RefId="0"><T>System.Management.Automation.ErrorRecord</T></TN><ToString>no</ToString>'
    '<MS><B N="SerializeExtendedInfo">false</B><Nil N="Exception"/><Nil N="TargetObject"/>'
    '<S N="FullyQualifiedErrorId">x</S><Nil N="InvocationInfo"/><I32 N="ErrorCategory_Category">0</I32>'
    '<S N="ErrorCategory_Activity"></S><S N="ErrorCategory_Reason"></S><S N="ErrorCategory_TargetName"></S>'
    '<S N="ErrorCategory_TargetType"></S><S N="ErrorCategory_Message">no</S></MS></Obj>'
)

# 2.2.1 of [MS-PSRP].
CAPABILITY, PRIVATE_DATA, POOL_STATE, PIPELINE_OUTPUT, PIPELINE_ERROR, PIPELINE_STATE = (
    "10002", "21009", "21005", "41004", "41005", "41006",
)  # fmt: skip


def build_fragment(number: int, kind: int, data: bytes, pool: bytes, command: bytes) -> bytes:
    """One message for the client as one fragment (2.2.4 of [MS-PSRP])."""
    identifiers = b"".join(uuid.UUID(i.decode()).bytes_le if i else bytes(16) for i in (pool, command))
    message = struct.pack("<II", 1, kind & 0xFFFFFFFF) + identifiers + data
    return struct.pack(">QQBI", number, 0, 3, len(message)) + message


class AnsweringAdapter(BaseAdapter):
    """What pypsrp's session sends through: the input's answers one after the other, the last one again."""

    ca = ""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.answers, self.at, self.count = data.split(BREAK), 0, 0
        self.pool = self.command = b""

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        """The next answer, about this request and with its identifiers."""
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        sent = MESSAGE_ID.search(body)
        for name, pattern in (("pool", POOL_ID), ("command", COMMAND_ID)):
            if found := pattern.search(body):
                setattr(self, name, found[1])
        answer = self.answers[min(self.at, len(self.answers) - 1)]
        self.at += 1
        answer = answer.replace(MESSAGE, sent[1] if sent else b"").replace(COMMAND, self.command)
        response = Response()
        response.status_code = 500 if b"Fault" in answer else 200
        response.headers["Content-Type"] = "application/soap+xml;charset=UTF-8"
        response._content = PSRP_MESSAGE.sub(self.write_message, answer)
        response.request, response.url = request, request.url or ""
        return response

    def write_message(self, found: re.Match[bytes]) -> bytes:
        """A message as a stream carries it."""
        self.count += 1
        return base64.b64encode(build_fragment(self.count, int(found[1], 16), found[2], self.pool, self.command))

    def close(self) -> None:
        """Nothing is open."""


def check_psrp(data: bytes) -> None:
    """A command is run on a host that answers so; it ends, or an error says why not."""
    known = build_host().entry
    entry = HostEntry(
        address=known.address,
        user=known.user,
        password=known.password,
        port=1,
        wire=Wire.PSRP,
        # Over TLS and without a handshake, so that each answer is one of the protocol.
        authentication=Authentication.BASIC,
        answer_timeout=LONGEST_RUN,
    )
    remote = PSRP(LabHost(name="win10", entry=entry, folder=Path()), reconnect=0.1)
    remote.budget.patience = LONGEST_RUN
    remote.adapter = AnsweringAdapter(data)  # type: ignore[assignment]
    try:
        remote.run(CommandLine(text="whoami", stdin=b"x"), timeout=LONGEST_RUN)
    finally:
        remote.close()


def list_sessions() -> list[bytes]:
    """Whole sessions: a pool that opens, a command with its output, its errors, what a host may say instead."""
    request = soap.Request(action="x", resource=soap.CMD, message_id=MESSAGE.decode(), timeout=1)
    command = soap.ET.Element(soap.tag("rsp:CommandResponse"))
    soap.ET.SubElement(command, soap.tag("rsp:CommandId")).text = COMMAND.decode()
    empty = soap.envelope(request)

    def stream(*messages: tuple[str, str], of_command: bool = False, done: bool = False) -> bytes:
        written = "".join(f"@psrp {kind} {data}@" for kind, data in messages)
        # Written by hand, since the tree would change what marks a message.
        text = soap.received(request, COMMAND.decode() if of_command else None, [("stdout", b"-", False)], 0, done,
                             lambda _: "@stream@")  # fmt: skip
        return text.replace(b"@stream@", re.sub(r"@(?=@psrp)", "@ ", written).encode())

    def state(name: str, number: int) -> str:
        return f'<Obj RefId="0"><MS><I32 N="{name}">{number}</I32></MS></Obj>'

    opened = [
        soap.created(request, "S1"),
        stream((CAPABILITY, CAPABILITY_OBJECT)),
        stream((PRIVATE_DATA, PRIVATE_DATA_OBJECT)),
        stream((POOL_STATE, state("RunspaceState", 2))),
    ]
    outputs = ["<I32>0</I32>", "<S>YQ==</S>", "<S></S>", "<S>850</S>"]
    said = [stream((PIPELINE_OUTPUT, o), of_command=True) for o in outputs]
    ended = stream((PIPELINE_STATE, state("PipelineState", 4)), of_command=True, done=True)
    failed = stream((PIPELINE_STATE, state("PipelineState", 5)), of_command=True, done=True)
    wrong = stream((PIPELINE_ERROR, ERROR_OBJECT), of_command=True)
    started = soap.envelope(request, command)
    fault = soap.fault(request, soap.Fault(soap.SHELL_NOT_FOUND, "gone", "w:InvalidSelectors"))
    sessions = (
        [*opened, started, *said, ended, empty],
        [*opened, started, wrong, failed, empty],
        [*opened, started, said[0], fault, empty],
        [opened[0], stream((POOL_STATE, state("RunspaceState", 5)))],
        [*opened, started, stream((PIPELINE_OUTPUT, ERROR_OBJECT), of_command=True), ended, empty],
    )
    return [BREAK.join(answers) for answers in sessions]


PSRP_TARGETS: dict[str, Target] = {
    "psrp": Target(check=check_psrp, seeds=list_sessions, words=(BREAK, MESSAGE, COMMAND, b"@psrp 41004 "))
}

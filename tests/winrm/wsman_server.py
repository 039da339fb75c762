# ruff: noqa: E501
"""A WS-Management server that speaks the real protocol over real HTTP(S), for the real pywinrm and pypsrp clients.

It knows shells and commands; what a command does is the business of a machine (`windows_machine.py`). Before every
message a fault can be injected: see `Schedule`.
"""

import base64
import contextlib
import itertools
import os
import socket
import ssl
import tempfile
import threading
import time
import traceback
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

from tests.winrm import soap
from tests.winrm.soap import CMD, NS, Fault, tag

CHUNK = 8192
OCTETS = b"\tContent-Type: application/octet-stream\r\n"
PASSWORD = "S3cret-lab-pass\u00fc"


@dataclass
class Schedule:
    """Faults by the number of the message (from 1) or by its verb and number: `{("Command", 1): "drop"}`.

    before: the connection is closed and nothing was done; after: it is done and the answer lost; fault, denied,
    busy: a SOAP fault; http: an empty 503; hang: no answer for `patience` seconds; reboot: all shells are gone.
    """

    faults: dict = field(default_factory=dict)
    patience: float = 1.0
    seen: list = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, verb):
        with self.lock:
            self.seen.append(verb)
            count = self.seen.count(verb)
            return self.faults.pop(len(self.seen), None) or self.faults.pop((verb, count), None)


class Pipe:
    """The output of a running command, in order."""

    def __init__(self):
        self.condition = threading.Condition()
        self.chunks = []
        self.exit_code = None

    def write(self, name, data):
        with self.condition:
            for at in range(0, len(data), CHUNK):
                self.chunks.append((name, data[at : at + CHUNK]))
            self.condition.notify_all()

    def end(self, code):
        with self.condition:
            if self.exit_code is None:
                self.exit_code = code
            self.condition.notify_all()

    def take(self, timeout):
        with self.condition:
            self.condition.wait_for(lambda: self.chunks or self.exit_code is not None, timeout)
            chunk = [self.chunks.pop(0)] if self.chunks else []
            done = self.exit_code is not None and not self.chunks
            return chunk, done


class Command:
    """A command in a WinRS shell: a thread of the machine."""

    def __init__(self, server, shell, text, options):
        self.id = str(uuid.uuid4()).upper()
        self.pipe = Pipe()
        self.text = text
        self.input = bytearray()
        self.input_ended = threading.Event()
        self.stopped = threading.Event()
        self.codepage = shell.codepage
        if options.get("WINRS_CONSOLEMODE_STDIN", "TRUE").upper() == "TRUE":
            self.input_ended.set()
        self.thread = threading.Thread(target=self.run, args=(server.machine,), daemon=True)
        self.thread.start()

    def run(self, machine):
        try:
            self.pipe.end(machine.winrs(self))
        except Exception as error:
            self.pipe.write("stderr", f"the double failed: {error!r}".encode())
            self.pipe.end(255)

    def out(self, text):
        self.pipe.write("stdout", text if isinstance(text, bytes) else text.encode("utf-8"))

    def err(self, text):
        self.pipe.write("stderr", text if isinstance(text, bytes) else text.encode("utf-8"))


class Shell:
    """A WinRS shell."""

    def __init__(self, request):
        self.id = str(uuid.uuid4()).upper()
        self.codepage = request.options.get("WINRS_CODEPAGE", "437")
        self.commands = {}

    def receive(self, request):
        command = self.command(request.body.find(".//rsp:DesiredStream", NS).get("CommandId"))
        chunks, done = command.pipe.take(min(request.timeout, 60))
        if not chunks and not done:
            raise Fault(
                soap.TIMED_OUT,
                "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.",
                "w:TimedOut",
            )
        streams = [(name, data, False) for name, data in chunks]
        return soap.received(
            request, command.id, streams, command.pipe.exit_code, done, lambda d: base64.b64encode(d).decode()
        )

    def command(self, command_id):
        try:
            return self.commands[(command_id or "").upper()]
        except KeyError:
            raise Fault(soap.SHELL_NOT_FOUND, "The command ID is not known.", "w:InvalidSelectors") from None

    def start(self, request, server):
        if len(self.commands) >= server.most_commands:
            raise Fault(
                soap.QUOTA,
                "The maximum number of concurrent operations for this user has been exceeded.",
                "w:QuotaLimit",
            )
        line = request.body.find(".//rsp:CommandLine", NS)
        parts = [line.findtext("rsp:Command", "", NS), *(a.text or "" for a in line.findall("rsp:Arguments", NS))]
        command = Command(server, self, " ".join(p for p in parts if p), request.options)
        self.commands[command.id] = command
        response = ET.Element(tag("rsp:CommandResponse"))
        ET.SubElement(response, tag("rsp:CommandId")).text = command.id
        return soap.envelope(request, response)

    def send(self, request):
        stream = request.body.find(".//rsp:Stream", NS)
        command = self.command(stream.get("CommandId"))
        command.input += base64.b64decode(stream.text or "")
        if (stream.get("End") or "").lower() == "true":
            command.input_ended.set()
        return soap.envelope(request, ET.Element(tag("rsp:SendResponse")))

    def signal(self, request, server):
        signal = request.body.find(".//rsp:Signal", NS)
        command = self.command(signal.get("CommandId"))
        command.stopped.set()
        command.input_ended.set()
        self.commands.pop(command.id)
        return soap.envelope(request, ET.Element(tag("rsp:SignalResponse")))

    def close(self):
        for command in self.commands.values():
            command.stopped.set()
            command.input_ended.set()


class WSManServer:
    """The server. `users` are names and passwords; `auth` the schemes it offers."""

    def __init__(self, machine, *, users=None, auth=("Basic",), certificate=None, schedule=None, powershell=None):
        self.machine = machine
        self.users = users or {"lab": "pass-word-1"}
        self.auth = auth
        self.schedule = schedule or Schedule()
        self.powershell = powershell
        self.most_commands = 25
        self.shells = {}
        self.denied = False
        self.lock = threading.Lock()
        self.contexts = itertools.count()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=True)
        self.http.daemon_threads = True
        self.http.owner = self
        self.http.handle_error = lambda *a: traceback.print_exc() if os.environ.get("WSMAN_TRACE") else None
        self.https = certificate is not None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        if "NTLM" in self.auth:
            with tempfile.NamedTemporaryFile("w", delete=False) as users:
                users.writelines(f":{u}:{p}\n" for u, p in self.users.items())
            os.environ["NTLM_USER_FILE"] = self.users_file = users.name
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.reboot()
        if "NTLM" in self.auth:
            os.environ.pop("NTLM_USER_FILE", None)
            os.unlink(self.users_file)

    def reboot(self):
        with self.lock:
            shells, self.shells = list(self.shells.values()), {}
        for shell in shells:
            shell.close()

    def handle(self, request):
        if self.denied:
            raise Fault(soap.ACCESS_DENIED, "Access is denied.", "w:AccessDenied")
        if request.verb == "Create":
            return self.create(request)
        with self.lock:
            shell = self.shells.get(request.shell_id)
        if shell is None:
            raise Fault(
                soap.SHELL_NOT_FOUND,
                "The request for the Windows Remote Shell with ShellId failed because the shell was not found on the server.",
                "w:InvalidSelectors",
            )
        match request.verb:
            case "Command":
                return shell.start(request, self)
            case "Receive":
                return shell.receive(request)
            case "Send":
                return shell.send(request)
            case "Signal":
                return shell.signal(request, self)
            case "Delete":
                with self.lock:
                    self.shells.pop(request.shell_id).close()
                return soap.envelope(request)
        raise Fault(2150858819, f"The action {request.action} is not supported.", "w:UnsupportedFeature")

    def create(self, request):
        if request.resource == CMD:
            shell = Shell(request)
        elif self.powershell:
            shell = self.powershell(self, request)
        else:
            raise Fault(2150858778, "The resource URI is not supported.", "w:InvalidSelectors")
        with self.lock:
            self.shells[shell.id] = shell
        return soap.created(request, shell.id)


class Handler(BaseHTTPRequestHandler):
    """One connection; NTLM authenticates the connection, Basic each request."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    # Not needed for Basic, and slow to import.
    spnego = property(lambda self: import_module("spnego"))

    def setup(self):
        super().setup()
        self.ntlm = None
        self.known = False

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name == "Content-Type" for name, _ in headers):
            self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        server = self.server.owner
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.authenticated(server) or not data:
            if self.known and not data:
                self.answer(200)
            return None
        try:
            request = soap.parse(self.unsealed(data))
        except (ET.ParseError, ValueError, self.spnego.exceptions.SpnegoError):
            return self.answer(400)
        planned = server.schedule.next(request.verb)
        if planned == "before":
            return self.drop()
        if planned == "http":
            return self.answer(503)
        if planned == "hang":
            time.sleep(server.schedule.patience)
            return self.drop()
        if planned == "reboot":
            server.reboot()
            return self.drop()
        try:
            if planned == "fault":
                raise Fault(2150858811, "The WS-Management service failed.", "w:InternalError")
            if planned == "busy":
                raise Fault(soap.QUOTA, "This user has too many shells.", "w:QuotaLimit")
            answer, status = server.handle(request), 200
        except Fault as error:
            answer, status = soap.fault(request, error), error.status
        if planned == "after":
            return self.drop()
        self.answer(status, *self.sealed(answer))
        return None

    @property
    def encrypted(self):
        return self.headers.get("Content-Type", "").startswith("multipart/encrypted")

    def unsealed(self, data):
        """A message out of its envelope of [MS-WSMV] 2.2.9.1, if it has one."""
        if not self.encrypted:
            return data
        if self.ntlm is None:
            raise ValueError("a message was encrypted for another connection")
        inner = data.split(OCTETS, 1)[1].removesuffix(b"--Encrypted Boundary--\r\n")
        length = int.from_bytes(inner[:4], "little")
        return self.ntlm.unwrap_winrm(inner[4 : 4 + length], inner[4 + length :])

    def sealed(self, answer):
        """An answer as its message came, and the headers that say so."""
        if not self.encrypted:
            return answer, ()
        header, data, padding = self.ntlm.wrap_winrm(answer)
        body = (
            b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n--Encrypted Boundary\r\n"
            % (len(answer) + padding)
        ) + (OCTETS + len(header).to_bytes(4, "little") + header + data + b"--Encrypted Boundary--\r\n")
        protocol = "application/HTTP-SPNEGO-session-encrypted"
        return body, [("Content-Type", f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"')]

    def drop(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def authenticated(self, server):
        if self.known:
            return True
        given = self.headers.get("Authorization", "")
        scheme, _, token = given.partition(" ")
        if scheme == "Basic" and "Basic" in server.auth:
            user, _, password = base64.b64decode(token).decode("latin-1").partition(":")
            if server.users.get(user) == password:
                return True
        if scheme in ("Negotiate", "NTLM") and scheme in server.auth and token:
            return self.negotiate(server, scheme, base64.b64decode(token))
        self.answer(
            401, headers=[("WWW-Authenticate", a if a != "Basic" else 'Basic realm="WSMAN"') for a in server.auth]
        )
        return False

    def negotiate(self, server, scheme, token):
        spnego = self.spnego
        if self.ntlm is None:
            self.ntlm = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        try:
            reply = self.ntlm.step(token)
        except spnego.exceptions.SpnegoError as error:
            if os.environ.get("WSMAN_TRACE"):
                print("NTLM", repr(error), flush=True)
            self.ntlm = None
            self.answer(401, headers=[("WWW-Authenticate", a) for a in server.auth])
            return False
        if self.ntlm.complete:
            self.known = True
            return True
        self.answer(401, headers=[("WWW-Authenticate", f"{scheme} {base64.b64encode(reply).decode()}")])
        return False

"""A lab host that turns on us: it passes HTTP on to the server behind it, and at chosen exchanges does its worst."""

import contextlib
import gzip
import random
import re
import socket
import ssl
import struct
import threading
import time
import uuid
from dataclasses import dataclass

ACTION = re.compile(rb"Action[^>]*>[^<]*/(\w+)<")
RELATES_TO = re.compile(rb"(RelatesTo>uuid:)[^<]+(<)")
BOMB = gzip.compress(bytes(16 << 20))
ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "'
    + b"a" * 1000
    + b'">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 50) for i in range(8))
    + b"]><x>&i;</x>"
)
SOAP = b"Content-Type: application/soap+xml;charset=UTF-8\r\n"


@dataclass(frozen=True)
class Fault:
    """What happens at an exchange (from 1), how often in a row, and the chance of what it makes up."""

    kind: str
    at: int
    times: int = 1
    seed: int = 0

    def covers(self, number):
        return self.at <= number < self.at + self.times


class Trap:
    """Another machine, to which nobody may ever talk."""

    def __enter__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                self.sock.accept()[0].close()
                self.visits += 1

    def __exit__(self, *_):
        # A thread that waits in accept keeps a closed socket listening.
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class ChaosProxy:
    """Stands on the host's port; `faults` may be set between commands, `seen` has what passed and what was done to it.

    `patience` is for how many seconds a fault that goes on goes on, if the other side bears it that long.
    """

    def __init__(self, behind, trap, *, certificate=None, faults=(), patience=60.0):
        self.behind, self.trap, self.patience = behind, trap, patience
        self.faults, self.seen, self.count = tuple(faults), [], 0
        self.last = b""
        self.lock = threading.Lock()
        self.open = set()
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)

    def __enter__(self):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.close()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.sock.accept()
                threading.Thread(target=self.connection, args=(client,), daemon=True).start()

    def connection(self, client):
        client.settimeout(self.patience)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, EOFError, ValueError):
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            with self.lock:
                self.open.add(client)
            Exchanges(self, client).serve()
        with self.lock:
            self.open.discard(client)
        with contextlib.suppress(OSError):
            client.close()

    def fault(self, verb):
        with self.lock:
            self.count += 1
            found = next((f for f in self.faults if f.covers(self.count)), None)
            self.seen.append((self.count, verb, found.kind if found else ""))
            return found


def read_message(stream):
    """Head and body of one request or answer; nothing where the other side has ended."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(1 << 16)
        if not line:
            raise EOFError
        head += line
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return head, stream.read(int(length[1]) if length else 0)


class Exchanges:
    """One connection of a client, with one of its own to the server behind: NTLM belongs to a connection."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.reader = client.makefile("rb")
        self.upstream = None

    def serve(self):
        try:
            going = True
            while going:
                head, body = read_message(self.reader)
                verb = ACTION.search(body)
                fault = self.proxy.fault(verb[1].decode() if verb else "auth")
                if fault is None:
                    self.pass_on(head, body)
                    continue
                going = getattr(self, f"do_{fault.kind}")(head, body, random.Random(fault.seed)) is True
        finally:
            if self.upstream:
                self.upstream.close()

    def ask(self, head, body):
        """The answer of the server behind."""
        if self.upstream is None:
            self.upstream = socket.create_connection(("127.0.0.1", self.proxy.behind), timeout=30)
            self.upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.answers = self.upstream.makefile("rb")
        self.upstream.sendall(head + body)
        return read_message(self.answers)

    def pass_on(self, head, body):
        answer = b"".join(self.ask(head, body))
        self.proxy.last = answer
        self.client.sendall(answer)

    def send(self, status, body, *headers):
        lines = b"".join(h + b"\r\n" for h in headers)
        head = b"HTTP/1.1 %s\r\n%s%sContent-Length: %d\r\n\r\n" % (status, SOAP, lines, len(body))
        self.client.sendall(head + body)

    def go_on(self, make):
        """Sends one piece after another until the other side has enough of it."""
        end = time.monotonic() + self.proxy.patience
        while time.monotonic() < end:
            self.client.sendall(make())

    # -- what a host may do; an answer of True keeps the connection -------------

    def do_drop(self, head, body, chance):
        pass

    def do_lose(self, head, body, chance):
        self.ask(head, body)

    def do_reset(self, head, body, chance):
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def do_delay(self, head, body, chance):
        answer = b"".join(self.ask(head, body))
        time.sleep(min(2.0, self.proxy.patience))
        self.client.sendall(answer)

    def do_late(self, head, body, chance):
        answer = b"".join(self.ask(head, body))
        time.sleep(0.1)
        self.client.sendall(answer)
        return True

    def drip(self, data):
        end = time.monotonic() + self.proxy.patience
        for at in range(len(data)):
            if time.monotonic() > end:
                return
            self.client.sendall(data[at : at + 1])
            time.sleep(0.05)

    def do_drip(self, head, body, chance):
        answer, content = self.ask(head, body)
        self.client.sendall(answer)
        self.drip(content)

    def do_drip_head(self, head, body, chance):
        self.drip(b"".join(self.ask(head, body)))

    def do_garbage(self, head, body, chance):
        self.ask(head, body)
        self.client.sendall(chance.randbytes(chance.choice([1, 300, 70_000])))

    def do_binary(self, head, body, chance):
        self.ask(head, body)
        self.send(b"200 OK", chance.randbytes(chance.choice([0, 10, 2000])))
        return True

    def do_html(self, head, body, chance):
        self.send(chance.choice([b"200 OK", b"404 Not Found", b"500 Error"]), b"<html><body>hello</body></html>")
        return True

    def do_entities(self, head, body, chance):
        self.send(chance.choice([b"200 OK", b"500 Error"]), ENTITIES)
        return True

    def do_redirect(self, head, body, chance):
        status = chance.choice([b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
        scheme = chance.choice([b"http", b"https"])
        self.send(status, b"", b"Location: %s://localhost:%d/wsman" % (scheme, self.proxy.trap))
        return True

    def do_endless(self, head, body, chance):
        self.ask(head, body)
        self.client.sendall(b"HTTP/1.1 200 OK\r\n" + SOAP + b"Transfer-Encoding: chunked\r\n\r\n")
        self.go_on(lambda: b"10000\r\n" + bytes(0x10000) + b"\r\n")

    def do_huge(self, head, body, chance):
        self.ask(head, body)
        self.client.sendall(b"HTTP/1.1 200 OK\r\n" + SOAP + b"Content-Length: 99999999999\r\n\r\n")
        self.go_on(lambda: b"<a>" * 20_000)

    def do_gzip(self, head, body, chance):
        self.ask(head, body)
        self.send(b"200 OK", BOMB, b"Content-Encoding: gzip")

    def do_headers(self, head, body, chance):
        self.client.sendall(b"HTTP/1.1 200 OK\r\n")
        self.go_on(lambda: b"X-More: " + b"x" * 60_000 + b"\r\n")

    def do_continue(self, head, body, chance):
        self.go_on(lambda: b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def do_unauthorized(self, head, body, chance):
        token = chance.choice([b"", b" TlRMTVNTUAACAAAA", b" YQ==", b" !"])
        scheme = chance.choice([b"Negotiate", b"NTLM", b"Basic", b"Kerberos", b"Digest"])
        self.send(b"401 Unauthorized", b"", b"WWW-Authenticate: " + scheme + token)
        return True

    def do_proxy_login(self, head, body, chance):
        self.send(b"407 Proxy Authentication Required", b"", b"Proxy-Authenticate: NTLM")
        return True

    def do_relates(self, head, body, chance):
        answer, content = self.ask(head, body)
        self.client.sendall(answer + RELATES_TO.sub(rb"\g<1>%s\2" % str(uuid.uuid4()).upper().encode(), content))
        return True

    def do_stale(self, head, body, chance):
        self.ask(head, body)
        self.client.sendall(self.proxy.last)
        return True

    def do_truncated(self, head, body, chance):
        _, content = self.ask(head, body)
        self.send(b"200 OK", content[: chance.randrange(len(content) + 1)])
        return True

    def do_short(self, head, body, chance):
        answer, content = self.ask(head, body)
        self.client.sendall(answer + content[: chance.randrange(len(content) + 1)])


KINDS = tuple(sorted(name.removeprefix("do_") for name in dir(Exchanges) if name.startswith("do_")))

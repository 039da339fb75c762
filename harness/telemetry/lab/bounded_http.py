"""HTTP to one lab host within bounds: one address, no redirects, no proxies, a deadline and a size for each answer."""

from __future__ import annotations

import io
import ipaddress
import math
import socket
import time
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectionError, RequestException, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from harness.telemetry.lab.output import printable

# Both clients ask for envelopes of at most 150 KiB; Windows itself makes none over 500 KiB unless it is set up so.
LARGEST_ANSWER = 1 << 20
MOST_ADDRESSES = 4
SENT_PIECE = 1 << 14
PROXY_AUTHENTICATION = 407

Origin = tuple[str, str, int | None]


class RefusedAnswerError(RequestException):
    """An answer that is not taken, whatever it says: its kind, a sentence about it, and one thing to do."""

    def __init__(self, kind: str, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.kind, self.sentence, self.hint = kind, sentence, hint


class SlowAnswerError(TimeoutError):
    """An answer that is not whole when its time is over, however steadily it comes."""


class LargeAnswerError(OSError):
    """An answer with more bytes than WS-Management has a use for."""


class Budget:
    """What a host may take of us: seconds for one exchange and for a whole command, bytes for both."""

    def __init__(self, patience: float) -> None:
        """`patience` is for how many seconds one exchange may go on, from its first byte sent to its last received."""
        self.patience = patience
        self.command_end = self.exchange_end = math.inf
        self.command_bytes: float = math.inf
        self.exchange_bytes: float = LARGEST_ANSWER

    def start_command(self, seconds: float, most_bytes: float = math.inf) -> None:
        """Everything from now on is over after so many seconds and so many bytes, however many exchanges it takes."""
        self.command_end, self.command_bytes = time.monotonic() + seconds, most_bytes

    def start_exchange(self) -> None:
        """A request is about to be sent."""
        self.exchange_end, self.exchange_bytes = time.monotonic() + self.patience, LARGEST_ANSWER

    def seconds_left(self) -> float:
        """How long what is going on may go on. Raises SlowAnswerError where that is over."""
        left = min(self.exchange_end, self.command_end) - time.monotonic()
        if left <= 0:
            raise SlowAnswerError("the time for an answer is over")
        return left

    def receive(self, count: int) -> None:
        """Counts bytes that came. Raises LargeAnswerError where they are too many."""
        self.exchange_bytes -= count
        self.command_bytes -= count
        if min(self.exchange_bytes, self.command_bytes) < 0:
            raise LargeAnswerError("an answer is too large")


class BoundedStream(io.RawIOBase):
    """The bytes of one answer, from its status line to the end of its body.

    A socket's timeout is for each `recv` and starts anew with every byte, so a host that sends one byte a second is
    never late. Every read of headers and body passes here, where the timeout is what is left of the exchange.
    """

    def __init__(self, raw: Any, budget: Budget) -> None:
        """Reads from `raw`, the unbuffered file of a socket."""
        self.raw, self.budget = raw, budget
        # Both clients look for the peer's certificate under this name, to bind the authentication to it.
        self._sock = raw._sock

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Reads what is there, waiting no longer than the exchange may go on."""
        self._sock.settimeout(self.budget.seconds_left())
        try:
            count: int | None = self.raw.readinto(buffer)
        except TimeoutError as error:
            if self.budget.exchange_bytes < LARGEST_ANSWER:
                raise SlowAnswerError("an answer began and did not end") from error
            raise
        self.budget.receive(count or 0)
        return count

    def close(self) -> None:
        """Closes the socket's file too."""
        super().close()
        self.raw.close()


class Bounded:
    """What a connection does within its budget: it connects, sends and reads."""

    budget: Budget
    sock: Any

    def _new_conn(self) -> socket.socket:
        # The original tries every address of a name with the whole timeout each; a name may have hundreds.
        host, port = self._dns_host, self.port  # type: ignore[attr-defined]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:MOST_ADDRESSES]
        except OSError as error:
            raise NameResolutionError(host, self, error) from error  # type: ignore[arg-type]
        fault: OSError | None = None
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(min(self.timeout, self.budget.seconds_left()))  # type: ignore[attr-defined]
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                fault = error
        if isinstance(fault, TimeoutError):
            raise ConnectTimeoutError(self, "it does not answer") from fault
        raise NewConnectionError(self, str(fault)) from fault  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        """Sends in pieces: over TLS the timeout of a socket is for each record that the other side takes."""
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        for at in range(0, len(data), SENT_PIECE):
            self.sock.settimeout(self.budget.seconds_left())
            self.sock.sendall(data[at : at + SENT_PIECE])

    def response_class(self, sock: socket.socket, **options: Any) -> HTTPResponse:
        """An answer that is read through a bounded stream."""
        response = HTTPResponse(sock, **options)
        response.fp = io.BufferedReader(BoundedStream(response.fp.detach(), self.budget))
        return response


class BoundedHTTP(Bounded, HTTPConnection):  # type: ignore[misc]
    """A bounded connection without TLS."""


class BoundedHTTPS(Bounded, HTTPSConnection):  # type: ignore[misc]
    """A bounded connection with TLS; the handshake of the ssl module ends by itself with the connection's timeout."""


class BoundedAdapter(HTTPAdapter):
    """Sends to one address and nowhere else, verifies its certificate, and takes only bounded, plain answers."""

    def __init__(self, endpoint: str, budget: Budget, *, connect_patience: float, ca: str = "") -> None:
        """`ca` is a file with the certificate of the authority; without it those that are commonly trusted count."""
        self.origin = read_origin(endpoint)
        self.budget, self.connect_patience, self.ca = budget, connect_patience, ca
        self.opened: WeakSet[Any] = WeakSet()
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Pools whose connections have this adapter's budget."""
        super().init_poolmanager(*arguments, **options)
        makers: dict[str, Any] = {
            "http": self.build_pool_with(HTTPConnectionPool, BoundedHTTP),
            "https": self.build_pool_with(HTTPSConnectionPool, BoundedHTTPS),
        }
        self.poolmanager.pool_classes_by_scheme = makers

    def build_pool_with(self, pool_class: Any, connection_class: Any) -> Callable[..., Any]:
        """What makes pools of a class whose connections are of another class."""

        def build_connection(**options: Any) -> Any:
            connection = connection_class(**options)
            connection.budget = self.budget
            self.opened.add(connection)
            return connection

        def build_pool(*arguments: Any, **options: Any) -> Any:
            pool = pool_class(*arguments, **options)
            pool.ConnectionCls = build_connection
            return pool

        return build_pool

    def send(self, request: PreparedRequest, *_: Any, cert: Any = None, **__: Any) -> Response:
        """One exchange. What a library wants of proxies, timeouts and verification does not count."""
        if read_origin(str(request.url)) != self.origin:
            sentence = f"a request to {printable(str(request.url))} was about to be sent"
            raise RefusedAnswerError("other-address", sentence, "only the inventory's address is ever talked to")
        self.budget.start_exchange()
        request.headers["Accept-Encoding"] = "identity"
        timeout = (min(self.connect_patience, self.budget.patience), self.budget.patience)
        try:
            response = super().send(request, timeout=timeout, verify=self.ca or True, cert=cert)
        except Timeout as error:
            # Of this kind, pypsrp asks again by itself: five times, with pauses of two minutes in all.
            raise ConnectionError(error, request=request) from error
        try:
            check_answer(response)
        except RefusedAnswerError:
            response.raw.close()
            self.close()
            raise
        # Left unset, it is guessed from the bytes with work that grows with what the host sends.
        response.encoding = "utf-8"
        return response

    def close(self) -> None:
        """Closes every connection, also one whose answer was not read to its end."""
        super().close()
        for connection in list(self.opened):
            connection.close()


def check_answer(response: Response) -> None:
    """Raises RefusedAnswerError for an answer that would lead elsewhere, has to be unpacked, or may be anybody's."""
    status, headers = response.status_code, response.headers
    if status < 200 or 300 <= status < 400:
        to = printable(headers.get("Location", ""))
        sentence = f"it redirects to {to}; nothing was sent there" if to else f"it answers with status {status}"
        hint = "a lab host answers for itself: look at what listens on its port, or correct the inventory"
        raise RefusedAnswerError("redirect", sentence, hint)
    if status == PROXY_AUTHENTICATION:
        raise RefusedAnswerError("proxy", "a proxy answers in its place", "let nothing stand between here and the lab")
    content = status == 200 and headers.get("Content-Length") != "0"
    encrypted = headers.get("Content-Type", "").startswith("multipart/")
    if str(response.url).startswith("http:") and content and not encrypted:
        hint = "somebody between here and the host may have answered: use https"
        raise RefusedAnswerError("unencrypted", "it answers an encrypted message in the clear", hint)
    # Nobody asked for a compressed answer, and one that is never unpacked cannot grow.
    encoding = printable(headers.get("Content-Encoding", "identity"))
    if encoding.strip().lower() not in ("", "identity"):
        hint = "look at what listens on its port: Windows compresses no answer that was not asked for so"
        raise RefusedAnswerError("compressed", f"its answer is compressed ({encoding}), which was not asked for", hint)


def read_origin(url: str) -> Origin:
    """Scheme, host and port of a URL as they are compared, prepared as the library prepares them."""
    prepared = PreparedRequest()
    prepared.prepare_url(url, None)
    parts = urlsplit(str(prepared.url))
    try:
        host = ipaddress.ip_address(parts.hostname or "").compressed
    except ValueError:
        host = parts.hostname or ""
    return parts.scheme, host, parts.port


def bind_session(session: Session, adapter: BoundedAdapter) -> Session:
    """The session with no way out but the adapter; nothing of the environment (proxies, .netrc, CA bundles) counts."""
    session.trust_env = False
    session.proxies = {}
    session.max_redirects = 0
    session.verify = adapter.ca or True
    session.adapters.clear()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session

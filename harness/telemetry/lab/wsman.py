"""What both transports share: output as text, what goes wrong as one clear message."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from xml.sax.saxutils import unescape

import requests.exceptions as http

from harness.diagnostics import HarnessError
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.remote import LARGEST_OUTPUT, HostRefusedError, HostUnreachableError
from harness.telemetry.lab.secret import redact_secrets

CLIXML = re.compile(r"#< CLIXML\s*(<Objs.*?</Objs>)", re.DOTALL)
ERRORS = re.compile(r'<S S="(?:Error|Warning)">(.*?)</S>', re.DOTALL)
CLIXML_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
CUT = "\n[detlab: the rest of the output was left out]"


class Output:
    """One stream of a command; more than `LARGEST_OUTPUT` bytes are counted but not kept."""

    def __init__(self) -> None:
        """An empty stream."""
        self.chunks: list[bytes] = []
        self.kept = 0
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Adds a chunk; bytes beyond LARGEST_OUTPUT are counted only."""
        self.size += len(chunk)
        if self.kept < LARGEST_OUTPUT:
            self.chunks.append(chunk[: LARGEST_OUTPUT - self.kept])
            self.kept += len(self.chunks[-1])

    def text(self) -> str:
        """The whole as text; a program that does not write UTF-8 is read as the old code page of DOS."""
        data = b"".join(self.chunks)
        cut = CUT if self.size > self.kept else ""
        return decode_output(data, cut=bool(cut)) + cut


def decode_output(data: bytes, *, cut: bool = False) -> str:
    """Bytes as text: UTF-16 where they carry its mark or are mostly its zeros, UTF-8, else code page 437."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    # ASCII in UTF-16 without its mark: three quarters of the odd bytes are zero.
    if len(data) > 3 and data[1:64:2].count(0) > len(data[1:64:2]) * 3 // 4:
        return data.decode("utf-16-le", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Cut within a letter, which has at most four bytes.
        if cut and error.start >= len(data) - 3:
            return data[: error.start].decode("utf-8-sig")
        # Every byte is a letter there, so nothing is lost.
        return data.decode("cp437")


def plain_errors(text: str) -> str:
    """PowerShell's error stream as a person reads it: errors and warnings out of its XML, progress left out."""
    return CLIXML.sub(lambda m: "".join(unclixml(e) for e in ERRORS.findall(m[1])), text)


def unclixml(text: str) -> str:
    """One text of CLIXML, with its own escapes undone."""
    return CLIXML_ESCAPE.sub(lambda m: chr(int(m[1], 16)), unescape(text, {"&apos;": "'", "&quot;": '"'})).replace(
        "\r\n", "\n"
    )


# ERROR_WSMAN_INVALID_SELECTORS: a shell or command that the host no longer has.
SHELL_NOT_FOUND = 2150858843
ACCESS_DENIED = 5
# ERROR_WSMAN_QUOTA_MAX_SHELLS, _MAX_OPERATIONS, _USER and _SYSTEM.
QUOTAS = frozenset({2150859173, 2150859174, 2150859175, 2150859176})


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that it came from."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        found = queue.pop()
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            # requests and urllib3 keep what happened in `reason` and in arguments, not only as a cause.
            queue += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]


def never_sent(error: Exception) -> bool:
    """Whether no connection was made at all, so that nothing can have reached the host."""
    names = {type(c).__name__ for c in causes(error)}
    return bool(
        names
        & {
            "NewConnectionError",
            "NameResolutionError",
            "ConnectTimeoutError",
            "ConnectTimeout",
            "ConnectionRefusedError",
        }
    ) or isinstance(error, http.SSLError)


def is_transient(error: Exception) -> bool:
    """Whether an error may be gone a moment later."""
    # A handshake that is cut off may work again, a bad certificate will not.
    if isinstance(error, http.SSLError) and not isinstance(
        find_root_cause(error), ConnectionError | EOFError | ssl.SSLEOFError
    ):
        return False
    status = getattr(error, "code", None)
    return isinstance(error, http.ConnectionError | http.Timeout | http.ChunkedEncodingError) or status in (503, 502)


def find_root_cause(error: Exception) -> BaseException:
    """The last of the causes of an error."""
    return list(causes(error))[-1]


def describe_connection_fault(error: Exception) -> str:
    """The shortest true sentence about a failed connection."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message.lower()
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "it refuses the connection"
        if type(cause).__name__ in (
            "ReadTimeoutError",
            "ReadTimeout",
            "ConnectTimeoutError",
            "ConnectTimeout",
            "TimeoutError",
        ):
            return "it does not answer"
    return "it closed the connection"


def fault_code(error: Exception) -> int | None:
    """Windows' code of a SOAP fault, which the two libraries keep under different names."""
    for name in ("wsman_fault_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and type(error).__name__ == "WSManFaultError":
            return value
    return None


def translate_transport_error(error: Exception, host: LabHost) -> HarnessError:
    """An exception of a transport as an error that a person can act on."""
    if isinstance(error, HarnessError):
        return error
    kind, where = type(error).__name__, f"{host.name} ({host.endpoint})"
    if isinstance(error, http.SSLError) and not is_transient(error):
        hint = (
            "name the certificate of the lab's own authority as `ca:`"
            if "self" in describe_connection_fault(error) or "issuer" in describe_connection_fault(error)
            else "give the host a new certificate"
        )
        return HostRefusedError(
            "certificate", f"the certificate of {where} is not good: {describe_connection_fault(error)}", help=hint
        )
    if kind in ("InvalidCredentialsError", "AuthenticationError"):
        return HostRefusedError(
            "credentials",
            f"{where} does not let `{host.entry.user}` in with {host.entry.authentication}",
            help=SECRET_HINT,
        )
    if isinstance(error, http.RequestException):
        hint = "is it on, is WinRM listening, is the port open? `detlab doctor` looks"
        return HostUnreachableError(
            "unreachable", f"{where} cannot be reached: {describe_connection_fault(error)}", help=hint
        )
    code = fault_code(error)
    if code == ACCESS_DENIED:
        hint = "the account has to be a local administrator, and a local account needs LocalAccountTokenFilterPolicy=1"
        return HostRefusedError("access-denied", f"{where} denies `{host.entry.user}` a shell", help=hint)
    text = redact_secrets(re.sub(r"\s+", " ", str(getattr(error, "reason", "") or error)))[:300]
    if code in QUOTAS:
        return HostRefusedError(
            "quota", f"{where} has no room for another shell: {text}", help="restart its WinRM service"
        )
    return HostUnreachableError("wsman", f"{where} answers with an error: {text}")


SECRET_HINT = "is the password of the inventory's `password:` the account's?"


def is_port_open(host: LabHost) -> bool:
    """Whether anything takes connections on the host's port."""
    try:
        socket.create_connection((host.entry.address, host.port), timeout=3).close()
    except OSError:
        return False
    return True

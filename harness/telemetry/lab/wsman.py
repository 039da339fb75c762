"""What both transports share: a bounded connection, and what goes wrong as one clear message."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import TypeVar

import requests.exceptions as http

from harness.diagnostics import HarnessError
from harness.telemetry.lab.bounded_http import (
    BoundedAdapter,
    Budget,
    LargeAnswerError,
    RefusedAnswerError,
    SlowAnswerError,
)
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.output import printable
from harness.telemetry.lab.remote import HostRefusedError, HostUnreachableError, LostError
from harness.telemetry.lab.secret import redact_secrets

Fault = TypeVar("Fault", bound=BaseException)

# ERROR_WSMAN_INVALID_SELECTORS: a shell or command that the host no longer has.
SHELL_NOT_FOUND = 2150858843
ACCESS_DENIED = 5
# ERROR_WSMAN_QUOTA_MAX_SHELLS, _MAX_OPERATIONS, _USER and _SYSTEM.
QUOTAS = frozenset({2150859173, 2150859174, 2150859175, 2150859176})

LONGEST_POLL = 5
FIRST_MEETING = 10.0
CLOSE_PATIENCE = 5.0
KILL_PATIENCE = 30.0
EMPTY_ANSWER_PAUSE = 0.02
# A connection that the host closed meanwhile fails on the next message, of which it is
# then not known whether it arrived. Chosen.
IDLE = 20.0
BACKOFF = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)

CONNECTION_FAULTS = frozenset(
    {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ConnectTimeout", "ConnectionRefusedError"}
)
CREDENTIAL_FAULTS = frozenset({"InvalidCredentialsError", "AuthenticationError"})
SILENCES = frozenset({"ReadTimeoutError", "ReadTimeout", "ConnectTimeoutError", "ConnectTimeout", "TimeoutError"})


def poll_seconds(host: LabHost) -> int:
    """For how long a host is asked to wait for output before it answers that there is none."""
    return max(1, min(LONGEST_POLL, int(host.entry.answer_timeout)))


def build_adapter(host: LabHost, budget: Budget) -> BoundedAdapter:
    """The only way to a host."""
    ca = host.file(host.entry.ca) if host.entry.ca else ""
    return BoundedAdapter(host.endpoint, budget, connect_patience=host.entry.connect_timeout, ca=ca)


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


def find_cause(error: BaseException, kind: type[Fault]) -> Fault | None:
    """The error of a kind that an error came from, if any."""
    return next((c for c in causes(error) if isinstance(c, kind)), None)


def never_sent(error: Exception) -> bool:
    """Whether no connection was made at all, so that nothing can have reached the host."""
    unmade = any(type(c).__name__ in CONNECTION_FAULTS for c in causes(error))
    return unmade or find_cause(error, ssl.SSLCertVerificationError) is not None


def is_transient(error: Exception) -> bool:
    """Whether an error may be gone a moment later."""
    if not is_bearable(error):
        return False
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
    refused = find_cause(error, RefusedAnswerError)
    if refused:
        return refused.sentence
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message.lower()
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "it refuses the connection"
    if find_cause(error, SlowAnswerError):
        return "its answer did not come whole in time"
    if any(type(c).__name__ in SILENCES for c in causes(error)):
        return "it does not answer"
    if isinstance(error, http.SSLError) and not is_transient(error):
        return "it does not speak TLS as it should"
    wrong = find_cause(error, HTTPException)
    if wrong and not isinstance(wrong, RemoteDisconnected | IncompleteRead):
        return "its answer is no HTTP"
    return "it closed the connection"


def fault_code(error: Exception) -> int | None:
    """Windows' code of a SOAP fault, which the two libraries keep under different names."""
    for name in ("wsman_fault_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and type(error).__name__ == "WSManFaultError":
            return value
    return None


def describe_command_loss(error: Exception, host: LabHost, when: str) -> HarnessError:
    """What to say where a command may run and nothing more is known of it; `when` says at what it was lost.

    A host that redirects, floods or does not let us in any more is told as such, and nothing more is tried there.
    """
    if isinstance(error, HarnessError):
        return error
    if type(error).__name__ in CREDENTIAL_FAULTS or not is_bearable(error):
        return translate_transport_error(error, host)
    if isinstance(error, http.RequestException):
        return LostError("lost", f"the connection to {host.name} went {when}: {describe_connection_fault(error)}")
    return LostError("lost", f"{host.name} answers with an error {when}: {describe_fault(error)}")


def describe_fault(error: Exception) -> str:
    """What a host's own words for an error are, or what went wrong in reading them."""
    text = re.sub(r"\s+", " ", str(getattr(error, "reason", "") or error)).strip()
    return printable(redact_secrets(text), 300) or "its answer is no WS-Management"


def is_bearable(error: Exception) -> bool:
    """Whether a host that did this may be asked again."""
    return not (find_cause(error, RefusedAnswerError) or find_cause(error, LargeAnswerError))


def translate_transport_error(error: Exception, host: LabHost) -> HarnessError:
    """An exception of a transport as an error that a person can act on."""
    if isinstance(error, HarnessError):
        return error
    where = f"{host.name} ({host.endpoint})"
    refused = find_cause(error, RefusedAnswerError)
    if refused:
        return HostRefusedError(refused.kind, f"{where}: {refused.sentence}", help=refused.hint)
    if isinstance(error, http.SSLError) and not is_transient(error):
        return translate_tls_error(error, where)
    if type(error).__name__ in CREDENTIAL_FAULTS:
        return HostRefusedError(
            "credentials",
            f"{where} does not let `{host.entry.user}` in with {host.entry.authentication}",
            help=SECRET_HINT,
        )
    # A chunk may say any size; one that the machine's integers do not hold is no error of HTTP's for Python.
    if find_cause(error, LargeAnswerError) or isinstance(error, OverflowError):
        sentence = f"{where} sends more than any answer of WS-Management has"
        return HostUnreachableError("too-large", sentence, help="look at what listens on its port")
    if isinstance(error, http.RequestException):
        hint = "is it on, is WinRM listening, is the port open? `detlab doctor` looks"
        return HostUnreachableError(
            "unreachable", f"{where} cannot be reached: {describe_connection_fault(error)}", help=hint
        )
    return translate_fault(error, host, where)


def translate_tls_error(error: Exception, where: str) -> HarnessError:
    """A certificate that is not good, or something that is no TLS at all."""
    if find_cause(error, ssl.SSLCertVerificationError) is None:
        hint = "`winrm enumerate winrm/config/listener` on the host shows on which port its HTTPS listener is"
        return HostRefusedError("tls", f"{where} does not speak TLS as it should", help=hint)
    reason = describe_connection_fault(error)
    unknown = "self" in reason or "issuer" in reason
    hint = "name the certificate of the lab's own authority as `ca:`" if unknown else "give the host a new certificate"
    return HostRefusedError("certificate", f"the certificate of {where} is not good: {reason}", help=hint)


def translate_fault(error: Exception, host: LabHost, where: str) -> HarnessError:
    """An answer that is an error, or that is none of WS-Management."""
    code = fault_code(error)
    if code == ACCESS_DENIED:
        hint = "the account has to be a local administrator, and a local account needs LocalAccountTokenFilterPolicy=1"
        return HostRefusedError("access-denied", f"{where} denies `{host.entry.user}` a shell", help=hint)
    text = describe_fault(error)
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

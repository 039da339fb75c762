"""Commands on a host over WinRS, with pywinrm."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar

from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WSManFaultError
from winrm.protocol import Protocol
from winrm.transport import Transport

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.telemetry.lab.bounded_http import BoundedAdapter, Budget, bind_session
from harness.telemetry.lab.command_line import kill
from harness.telemetry.lab.inventory import Authentication, LabHost
from harness.telemetry.lab.output import Output, build_code_page_question, plain_errors, read_code_page
from harness.telemetry.lab.remote import CommandLine, Ended, LostError, RemoteHost
from harness.telemetry.lab.wsman import (
    BACKOFF,
    CLOSE_PATIENCE,
    EMPTY_ANSWER_PAUSE,
    FIRST_MEETING,
    IDLE,
    KILL_PATIENCE,
    SHELL_NOT_FOUND,
    build_adapter,
    describe_command_loss,
    is_port_open,
    is_transient,
    never_sent,
    poll_seconds,
    translate_transport_error,
)

T = TypeVar("T")

# Code page of the shell; pywinrm's default is 437.
UTF8 = 65001
# 64,000 characters in base64, below pywinrm's largest envelope of 153,600; a multiple of three, so never padded.
STDIN_CHUNK = 48_000
GRACE = 5.0
CODE_PAGE_PATIENCE = 10.0
MESSAGE_ID = late_pattern(r"MessageID>([^<]{1,100})<")
RELATES_TO = re.compile(rb"RELATESTO[^>]{0,200}>([^<]{1,100})<")


def connect(host: LabHost, *, reconnect: float | None = None) -> RemoteHost:
    """A connection to a host; nothing is sent before the first command."""
    return WinRM(host, reconnect=host.entry.reconnect if reconnect is None else reconnect)


class BoundedTransport(Transport):  # type: ignore[misc]
    """pywinrm's transport with no way out but a bounded adapter."""

    adapter: BoundedAdapter

    def build_session(self) -> Any:
        """The session, bound."""
        return bind_session(super().build_session(), self.adapter)

    def setup_encryption(self, session: Any) -> None:
        """Binds first: this already sends a message, before the session is returned."""
        super().setup_encryption(bind_session(session, self.adapter))


class RelatedProtocol(Protocol):  # type: ignore[misc]
    """pywinrm's messages, each of whose answers has to be its own: pywinrm looks at that only where it ends things."""

    def send_message(self, message: str) -> bytes:
        """The answer to a message. Raises WinRMError where it is the answer to another."""
        answer: bytes = super().send_message(message)
        sent = MESSAGE_ID.search(message)
        # Windows gives the identifier back in capitals.
        if sent is None or sent[1].upper().encode() not in RELATES_TO.findall(answer.upper()):
            raise WinRMError("the answer belongs to another message")
        return answer


def build_protocol(host: LabHost, adapter: BoundedAdapter) -> RelatedProtocol:
    """Pywinrm for one host; reads the password."""
    entry = host.entry
    certificate = entry.authentication is Authentication.CERTIFICATE
    kerberos = entry.authentication is Authentication.KERBEROS
    password = None if certificate or (kerberos and not entry.password) else host.open_password()
    protocol = RelatedProtocol(
        endpoint=host.endpoint,
        transport=str(entry.authentication),
        username=entry.user or None,
        password=password.reveal() if password else None,
        ca_trust_path=None,
        cert_pem=host.file(entry.certificate) if certificate else None,
        cert_key_pem=host.file(entry.key) if certificate else None,
        # ca_trust_path and proxy are given too: by default pywinrm takes both from the environment.
        server_cert_validation="validate",
        message_encryption="auto" if entry.scheme == "https" else "always",
        # Only looked at: it has to be more than the operation's, and the adapter has the deadlines.
        read_timeout_sec=poll_seconds(host) + 1,
        operation_timeout_sec=poll_seconds(host),
        proxy=None,
    )
    # The protocol makes its transport itself and takes no other; the class is all that differs.
    protocol.transport.__class__ = BoundedTransport
    protocol.transport.adapter = adapter
    return protocol


class WinRM:
    """One remote shell on a host, opened when it is needed and opened again where the host has lost it."""

    def __init__(self, host: LabHost, *, reconnect: float) -> None:
        """Reads the password; `reconnect` is for how many seconds a lost connection is tried again."""
        self.host, self.reconnect = host, reconnect
        self.poll = poll_seconds(host)
        self.budget = Budget(self.poll + host.entry.answer_timeout)
        self.adapter = build_adapter(host, self.budget)
        self.protocol = build_protocol(host, self.adapter)
        self.shell = ""
        self.met = False
        self.used = time.monotonic()
        self.code_page: str | None = None

    def run(self, line: CommandLine, *, timeout: float, stop: Event | None = None) -> Ended:
        """Runs a command to its end or kills it; see `Remote`."""
        stop = stop or Event()
        ended, streams = self.run_raw(line, timeout, stop)
        codec = self.ask_code_page if ended.exit_code is not None and not stop.is_set() else lambda: ""
        return Ended(
            exit_code=ended.exit_code,
            stdout=streams[0].text(codec),
            stderr=plain_errors(streams[1].text(codec)),
            seconds=ended.seconds,
            timed_out=ended.timed_out,
            complete=ended.complete,
        )

    def run_raw(self, line: CommandLine, timeout: float, stop: Event) -> tuple[Ended, tuple[Output, Output]]:
        """Runs a command; how it ended, and what it wrote as bytes."""
        start = time.monotonic()
        self.budget.start_command(timeout)
        self.shell = self.shell or self.again(self.open_shell)
        command = self.send_command(line)
        shell, streams = self.shell, (Output(), Output())
        self.budget.start_command(start + timeout + GRACE - time.monotonic())
        code, complete = self.receive(shell, command, streams, start + timeout, stop)
        if code is None:
            self.stop(line)
        self.quietly(lambda: self.protocol.cleanup_command(shell, command))
        seconds = time.monotonic() - start
        return Ended(exit_code=code, seconds=seconds, timed_out=code is None, complete=complete), streams

    def open_shell(self) -> str:
        """A new shell on the host."""
        found: str = self.protocol.open_shell(codepage=UTF8)
        return found

    def ask_code_page(self) -> str:
        """The codec of the host's own code page, asked once; nothing where it does not say."""
        if self.code_page is None:
            self.code_page = ""
            try:
                _, streams = self.run_raw(build_code_page_question(), CODE_PAGE_PATIENCE, Event())
                self.code_page = read_code_page(streams[0].text())
            except HarnessError:
                self.forget_connection()
        return self.code_page

    def send_command(self, line: CommandLine) -> str:
        """Starts a command: once, whatever happens. Raises LostError where it may have started and is out of reach."""
        if time.monotonic() - self.used > IDLE:
            self.forget_connection()
        try:
            # The host refused the shell, so nothing ran: this may be sent again.
            command = self.start(line)
        except WSManFaultError as error:
            if error.wsman_fault_code != SHELL_NOT_FOUND:
                raise translate_transport_error(error, self.host) from error
            self.shell = self.again(self.open_shell)
            command = self.start_again(line)
        try:
            for at in range(0, len(line.stdin), STDIN_CHUNK):
                chunk, end = line.stdin[at : at + STDIN_CHUNK], at + STDIN_CHUNK >= len(line.stdin)
                self.protocol.send_command_input(self.shell, command, chunk, end=end)
        except Exception as error:
            self.forget_connection()
            raise describe_command_loss(error, self.host, "after a command was sent") from error
        return command

    def start(self, line: CommandLine) -> str:
        """Sends the message that starts a command. Raises WSManFaultError where the host says that it did not."""
        try:
            found: str = self.protocol.run_command(self.shell, line.text, console_mode_stdin=not line.stdin)
            return found
        except WSManFaultError:
            raise
        except Exception as error:
            self.forget_connection()
            if never_sent(error):
                raise translate_transport_error(error, self.host) from error
            raise describe_command_loss(error, self.host, "after a command was sent") from error

    def start_again(self, line: CommandLine) -> str:
        """The same in a new shell, once: a host that forgets each shell as it is opened is not asked for ever."""
        try:
            return self.start(line)
        except WSManFaultError as error:
            raise translate_transport_error(error, self.host) from error

    def receive(
        self, shell: str, command: str, streams: tuple[Output, Output], deadline: float, stop: Event
    ) -> tuple[int | None, bool]:
        """Takes output until the command has ended or time is up; whether all output came is the second answer."""
        complete, broken_since = True, 0.0
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or stop.is_set():
                return None, complete
            self.protocol.operation_timeout_sec = max(1, min(self.poll, int(left)))
            try:
                stdout, stderr, code, done = self.protocol.get_command_output_raw(shell, command)
            except WinRMOperationTimeoutError:
                broken_since = 0.0
                time.sleep(EMPTY_ANSWER_PAUSE)
                continue
            except Exception as error:
                complete, broken_since = False, broken_since or time.monotonic()
                self.wait_for_host(error, deadline, broken_since)
                continue
            finally:
                self.used = time.monotonic()
            broken_since = 0.0
            streams[0].add(stdout)
            streams[1].add(stderr)
            if done:
                return code, complete
            if not stdout and not stderr:
                time.sleep(EMPTY_ANSWER_PAUSE)

    def wait_for_host(self, error: Exception, deadline: float, broken_since: float) -> None:
        """Waits until the host takes connections again. Raises LostError where that takes too long, or is no use."""
        self.forget_connection()
        if isinstance(error, WSManFaultError) and error.wsman_fault_code == SHELL_NOT_FOUND:
            self.shell = ""
            raise LostError("lost", f"{self.host.name} no longer knows the command: was it restarted?") from error
        if not is_transient(error):
            raise describe_command_loss(error, self.host, "while a command ran") from error
        end = min(deadline, broken_since + self.reconnect)
        for attempt in range(1000):
            pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
            if time.monotonic() + pause > end:
                break
            time.sleep(pause)
            if is_port_open(self.host):
                return
        if time.monotonic() < deadline:
            raise describe_command_loss(error, self.host, "while a command ran") from error

    def stop(self, line: CommandLine) -> None:
        """Kills a command that is over its time, with all it started."""
        if line.mark:
            self.quietly(lambda: WinRM(self.host, reconnect=self.reconnect).run_and_close(kill(line.mark)))

    def run_and_close(self, line: CommandLine) -> Ended:
        """Runs one command on a connection of its own."""
        try:
            return self.run(line, timeout=KILL_PATIENCE)
        finally:
            self.close()

    def again(self, call: Callable[[], T]) -> T:
        """Does what may be done twice, until it works or time for reconnecting is up."""
        patience = self.reconnect if self.met else min(self.reconnect, FIRST_MEETING)
        end = min(time.monotonic() + patience, self.budget.command_end)
        for attempt in range(1000):
            try:
                found = call()
                self.met = True
                return found
            except Exception as error:
                self.forget_connection()
                pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise translate_transport_error(error, self.host) from error
                time.sleep(pause)
        raise AssertionError

    def forget_connection(self) -> None:
        """Lets the next message use a new connection."""
        self.protocol.transport.close_session()
        # close_session() of pywinrm 0.5.0 keeps the keys of the session that it closes.
        self.protocol.transport.encryption = None
        self.adapter.close()

    def quietly(self, call: Callable[[], object]) -> None:
        """Does what is good to do and changes nothing where it fails; soon over in any case."""
        self.budget.start_command(CLOSE_PATIENCE)
        try:
            call()
        except Exception:
            self.forget_connection()

    def close(self) -> None:
        """Closes the shell and the connection."""
        if self.shell:
            shell, self.shell = self.shell, ""
            self.quietly(lambda: self.protocol.close_shell(shell))
        self.forget_connection()

"""Commands on a host over WinRS, with pywinrm."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from requests.exceptions import RequestException
from winrm.exceptions import WinRMOperationTimeoutError, WSManFaultError
from winrm.protocol import Protocol

from harness.telemetry.lab.command_line import kill
from harness.telemetry.lab.inventory import Authentication, LabHost
from harness.telemetry.lab.remote import CommandLine, Ended, LostError, RemoteHost
from harness.telemetry.lab.wsman import (
    SHELL_NOT_FOUND,
    Output,
    describe_connection_fault,
    is_port_open,
    is_transient,
    never_sent,
    plain_errors,
    translate_transport_error,
)

T = TypeVar("T")

# Code page of the shell; pywinrm's default is 437.
UTF8 = 65001
POLL = 5
# pywinrm demands more than operation_timeout_sec: a host takes that long to say that nothing came.
READ_TIMEOUT = 25
# 64,000 characters in base64, below pywinrm's largest envelope of 153,600; a multiple of three, so never padded.
STDIN_CHUNK = 48_000
RECONNECT = 60.0
FIRST_MEETING = 10.0
BACKOFF = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
# A connection that the host closed meanwhile fails on the next message, of which it is
# then not known whether it arrived. Chosen.
IDLE = 20.0


def connect(host: LabHost, *, reconnect: float = RECONNECT) -> RemoteHost:
    """A connection to a host; nothing is sent before the first command."""
    return WinRM(host, reconnect=reconnect)


class WinRM:
    """One remote shell on a host, opened when it is needed and opened again where the host has lost it."""

    def __init__(self, host: LabHost, *, reconnect: float) -> None:
        """Reads the password; `reconnect` is for how many seconds a lost connection is tried again."""
        entry = host.entry
        self.host, self.reconnect = host, reconnect
        certificate = entry.authentication is Authentication.CERTIFICATE
        password = (
            None
            if certificate or (entry.authentication is Authentication.KERBEROS and not entry.password)
            else host.open_password()
        )
        self.protocol = Protocol(
            endpoint=host.endpoint,
            transport=str(entry.authentication),
            username=entry.user or None,
            password=password.reveal() if password else None,
            ca_trust_path=host.file(entry.ca) if entry.ca else None,
            cert_pem=host.file(entry.certificate) if certificate else None,
            cert_key_pem=host.file(entry.key) if certificate else None,
            # ca_trust_path and proxy are given too: by default pywinrm takes both from the environment.
            server_cert_validation="validate",
            message_encryption="auto" if entry.scheme == "https" else "always",
            read_timeout_sec=READ_TIMEOUT,
            operation_timeout_sec=POLL,
            proxy=None,
        )
        # pywinrm's constructor takes whole numbers only; requests, which gets this, a pair: connect and read.
        self.protocol.transport.read_timeout_sec = (entry.connect_timeout, READ_TIMEOUT)
        self.shell = ""
        self.met = False
        self.used = time.monotonic()

    def run(self, line: CommandLine, *, timeout: float, stop: Event | None = None) -> Ended:
        """Runs a command to its end or kills it; see `Remote`."""
        start = time.monotonic()
        deadline = start + timeout
        self.shell = self.shell or self.again(lambda: self.protocol.open_shell(codepage=UTF8))
        command = self.send_command(self.shell, line)
        shell = self.shell
        streams = (Output(), Output())
        code, complete = self.receive(shell, command, streams, deadline, stop or Event())
        if code is None:
            self.stop(line)
        self.quietly(lambda: self.protocol.cleanup_command(shell, command))
        return Ended(
            exit_code=code,
            stdout=streams[0].text(),
            stderr=plain_errors(streams[1].text()),
            seconds=time.monotonic() - start,
            timed_out=code is None,
            complete=complete,
        )

    def send_command(self, shell: str, line: CommandLine) -> str:
        """Starts a command: once, whatever happens. Raises LostError where it may have started and is out of reach."""
        if time.monotonic() - self.used > IDLE:
            self.forget_connection()
        try:
            # In console mode standard input is a console, which no program reads to an end.
            command: str = self.protocol.run_command(shell, line.text, console_mode_stdin=not line.stdin)
        except WSManFaultError as error:
            if error.wsman_fault_code != SHELL_NOT_FOUND:
                raise translate_transport_error(error, self.host) from error
            self.shell = self.again(lambda: self.protocol.open_shell(codepage=UTF8))
            # The host refused the shell, so nothing ran: this may be sent again.
            return self.send_command(self.shell, line)
        except Exception as error:
            raise self.lost(error) from error
        try:
            for at in range(0, len(line.stdin), STDIN_CHUNK):
                chunk, end = line.stdin[at : at + STDIN_CHUNK], at + STDIN_CHUNK >= len(line.stdin)
                self.protocol.send_command_input(shell, command, chunk, end=end)
        except Exception as error:
            raise self.lost(error) from error
        return command

    def receive(
        self, shell: str, command: str, streams: tuple[Output, Output], deadline: float, stop: Event
    ) -> tuple[int | None, bool]:
        """Takes output until the command has ended or time is up; whether all output came is the second answer."""
        complete = True
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or stop.is_set():
                return None, complete
            self.protocol.operation_timeout_sec = max(1, min(POLL, int(left)))
            try:
                stdout, stderr, code, done = self.protocol.get_command_output_raw(shell, command)
            except WinRMOperationTimeoutError:
                continue
            except RequestException as error:
                complete = False
                self.wait_for_host(error, deadline)
                continue
            except WSManFaultError as error:
                if error.wsman_fault_code == SHELL_NOT_FOUND:
                    self.shell = ""
                    raise LostError(
                        "lost", f"{self.host.name} no longer knows the command: was it restarted?"
                    ) from error
                raise translate_transport_error(error, self.host) from error
            except Exception as error:
                raise translate_transport_error(error, self.host) from error
            finally:
                self.used = time.monotonic()
            streams[0].add(stdout)
            streams[1].add(stderr)
            if done:
                return code, complete

    def wait_for_host(self, error: Exception, deadline: float) -> None:
        """Waits until the host takes connections again, at most for the time that a reconnection may take."""
        end = min(deadline, time.monotonic() + self.reconnect)
        for attempt in range(1000):
            self.forget_connection()
            pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
            if time.monotonic() + pause > end:
                break
            time.sleep(pause)
            if is_port_open(self.host):
                return
        if time.monotonic() < deadline:
            raise self.lost(error) from error

    def stop(self, line: CommandLine) -> None:
        """Kills a command that is over its time, with all it started."""
        if line.mark:
            self.quietly(lambda: WinRM(self.host, reconnect=self.reconnect).run_and_close(kill(line.mark)))

    def run_and_close(self, line: CommandLine) -> Ended:
        """Runs one command on a connection of its own."""
        try:
            return self.run(line, timeout=60)
        finally:
            self.close()

    def again(self, call: Callable[[], T]) -> T:
        """Does what may be done twice, until it works or time for reconnecting is up."""
        end = time.monotonic() + (self.reconnect if self.met else min(self.reconnect, FIRST_MEETING))
        for attempt in range(1000):
            try:
                found = call()
                self.met = True
                return found
            except Exception as error:
                pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise translate_transport_error(error, self.host) from error
                self.forget_connection()
                time.sleep(pause)
        raise AssertionError

    def lost(self, error: Exception) -> Exception:
        """The error of a message without an answer: LostError where it may have been sent."""
        self.forget_connection()
        if isinstance(error, RequestException) and not never_sent(error):
            return LostError(
                "lost",
                f"the connection to {self.host.name} went after a command was sent: {describe_connection_fault(error)}",
            )
        return translate_transport_error(error, self.host)

    def forget_connection(self) -> None:
        """Lets the next message use a new connection."""
        self.protocol.transport.close_session()
        # close_session() of pywinrm 0.5.0 keeps the keys of the session that it closes.
        self.protocol.transport.encryption = None

    def quietly(self, call: Callable[[], object]) -> None:
        """Does what is good to do and changes nothing where it fails."""
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

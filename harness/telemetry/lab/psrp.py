"""Commands on a host over PowerShell remoting, with pypsrp: output, errors and exit code come apart and as text."""

from __future__ import annotations

import base64
import time
from threading import Event
from typing import Any

from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan
from requests.exceptions import RequestException

from harness.telemetry.lab.command_line import kill
from harness.telemetry.lab.inventory import Authentication, LabHost
from harness.telemetry.lab.remote import LARGEST_OUTPUT, CommandLine, Ended, LostError, RemoteHost
from harness.telemetry.lab.wsman import (
    SHELL_NOT_FOUND,
    describe_connection_fault,
    fault_code,
    is_transient,
    never_sent,
    plain_errors,
    translate_transport_error,
)

# Seconds a poll may block, so that a stop is seen soon. READ_TIMEOUT stays above operation_timeout,
# or a late answer is taken for a dead host.
POLL = 5
READ_TIMEOUT = 25
RECONNECT = 60.0
FIRST_MEETING = 10.0
# The host kills at the time-out; this is how much longer we wait for it to say so. Chosen.
GRACE = 15.0
BACKOFF = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
TIMED_OUT = "timed out"

# The session itself runs in wsmprovhost.exe, so a command started by it has no shell above it: this gives it one.
LAUNCH = """
param([string] $line, [string] $stdin, [int] $milliseconds, [int] $most)
$start = New-Object Diagnostics.ProcessStartInfo
$start.FileName = $env:ComSpec
$start.Arguments = '/d /s /c "' + $line + '"'
$start.UseShellExecute = $false
$start.RedirectStandardInput = $true
$start.RedirectStandardOutput = $true
$start.RedirectStandardError = $true
$process = [Diagnostics.Process]::Start($start)
$out = $process.StandardOutput.ReadToEndAsync()
$err = $process.StandardError.ReadToEndAsync()
if ($stdin) {
    $bytes = [Convert]::FromBase64String($stdin)
    $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
}
$process.StandardInput.Close()
if ($process.WaitForExit($milliseconds)) { $process.ExitCode }
else { taskkill.exe /F /T /PID $process.Id | Out-Null; 'timed out' }
foreach ($text in $out.Result, $err.Result) { $text.Substring(0, [Math]::Min($text.Length, $most)) }
"""


def connect(host: LabHost, *, reconnect: float = RECONNECT) -> RemoteHost:
    """A connection to a host; nothing is sent before the first command."""
    return PSRP(host, reconnect=reconnect)


class PSRP:
    """One runspace pool on a host, opened when it is needed and opened again where the host has lost it."""

    def __init__(self, host: LabHost, *, reconnect: float) -> None:
        """Keeps the host; `reconnect` is for how many seconds a lost connection is tried again."""
        self.host, self.reconnect = host, reconnect
        self.pool: Any = None
        self.met = False

    def run(self, line: CommandLine, *, timeout: float, stop: Event | None = None) -> Ended:
        """Runs a command to its end or kills it; see `Remote`."""
        start = time.monotonic()
        self.pool = self.pool or self.again()
        pipeline = PowerShell(self.pool)
        pipeline.add_script(LAUNCH)
        stdin = base64.b64encode(line.stdin).decode()
        # Cut on the host: what is beyond need not cross the wire.
        for argument in (line.text, stdin, int(timeout * 1000), LARGEST_OUTPUT):
            pipeline.add_argument(argument)
        self.begin(pipeline)
        complete = self.poll(pipeline, start + timeout + GRACE, stop or Event())
        if pipeline.state == PSInvocationState.RUNNING:
            self.abandon(line)
            return Ended(exit_code=None, seconds=time.monotonic() - start, timed_out=True, complete=False)
        return self.ended(pipeline, line, time.monotonic() - start, complete)

    def ended(self, pipeline: Any, line: CommandLine, seconds: float, complete: bool) -> Ended:
        """The exit code and output of a finished pipeline. Raises LostError where it gave fewer than three."""
        output = list(pipeline.output)
        if len(output) < 3:
            said = "; ".join(str(e) for e in pipeline.streams.error) or "it says nothing"
            raise LostError("lost", f"{self.host.name} did not run the command to its end: {said[:300]}")
        self.quietly(pipeline.close)
        code, stdout, stderr = output[0], str(output[1]), str(output[2])
        timed_out = code == TIMED_OUT
        if timed_out and line.mark:
            self.abandon(line, close=False)
        return Ended(
            exit_code=None if timed_out else int(code),
            stdout=stdout,
            stderr=plain_errors(stderr),
            seconds=seconds,
            timed_out=timed_out,
            complete=complete,
        )

    def begin(self, pipeline: Any) -> None:
        """Starts a pipeline: once, whatever happens."""
        try:
            pipeline.begin_invoke()
        except Exception as error:
            self.forget()
            # It may run now: sent again it would run twice.
            if isinstance(error, RequestException) and not never_sent(error):
                why = describe_connection_fault(error)
                raise LostError(
                    "lost", f"the connection to {self.host.name} went after a command was sent: {why}"
                ) from error
            if fault_code(error) == SHELL_NOT_FOUND:
                raise LostError("lost", f"{self.host.name} no longer knows the session: was it restarted?") from error
            raise translate_transport_error(error, self.host) from error

    def poll(self, pipeline: Any, deadline: float, stop: Event) -> bool:
        """Takes what comes until the pipeline ends or time is up; whether all of it came."""
        complete, broken_since, attempt = True, 0.0, 0
        while pipeline.state == PSInvocationState.RUNNING and time.monotonic() < deadline and not stop.is_set():
            try:
                pipeline.poll_invoke(timeout=max(1, min(POLL, int(deadline - time.monotonic()))))
                broken_since, attempt = 0.0, 0
            except RequestException as error:
                complete = False
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > self.reconnect:
                    self.forget()
                    raise LostError(
                        "lost",
                        f"{self.host.name} went while a command ran: {describe_connection_fault(error)}",
                    ) from error
                time.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
            except Exception as error:
                self.forget()
                if fault_code(error) == SHELL_NOT_FOUND:
                    message = f"{self.host.name} no longer knows the command: was it restarted?"
                    raise LostError("lost", message) from error
                raise translate_transport_error(error, self.host) from error
        return complete

    def abandon(self, line: CommandLine, *, close: bool = True) -> None:
        """Kills a command that is over its time, with all it started, from a session of its own."""
        if close:
            self.forget()
        if line.mark:
            other = PSRP(self.host, reconnect=self.reconnect)
            self.quietly(lambda: other.run(kill(line.mark), timeout=60))
            other.close()

    def open(self) -> Any:
        """A new runspace pool on a new connection; the password is read each time."""
        entry = self.host.entry
        certificate = entry.authentication is Authentication.CERTIFICATE
        kerberos = entry.authentication is Authentication.KERBEROS
        password = None if certificate or (kerberos and not entry.password) else self.host.open_password()
        wsman = WSMan(
            entry.address,
            port=self.host.port,
            username=entry.user or None,
            password=password.reveal() if password else None,
            ssl=entry.scheme == "https",
            auth=str(entry.authentication),
            cert_validation=self.host.file(entry.ca) if entry.ca else True,
            connection_timeout=entry.connect_timeout,
            read_timeout=READ_TIMEOUT,
            operation_timeout=POLL * 4,
            # auto leaves messages to TLS; over http pypsrp has to encrypt them itself.
            encryption="auto" if entry.scheme == "https" else "always",
            no_proxy=True,
            certificate_pem=self.host.file(entry.certificate) if certificate else None,
            certificate_key_pem=self.host.file(entry.key) if certificate else None,
        )
        pool = RunspacePool(wsman, max_runspaces=2)
        try:
            pool.open()
        except BaseException:
            wsman.close()
            raise
        return pool

    def again(self) -> Any:
        """Opens a pool, tried again until it works or time for reconnecting is up."""
        # A host never reached is probably off: ten seconds are enough to say so.
        end = time.monotonic() + (self.reconnect if self.met else min(self.reconnect, FIRST_MEETING))
        attempt = 0
        while True:
            try:
                found = self.open()
                self.met = True
                return found
            except Exception as error:
                pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise translate_transport_error(error, self.host) from error
                attempt += 1
                time.sleep(pause)

    def quietly(self, call: Any) -> None:
        """Does what is good to do and changes nothing where it fails."""
        try:
            call()
        except Exception:
            self.forget()

    def forget(self) -> None:
        """Lets the next command open a pool of its own."""
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.connection.close()

    def close(self) -> None:
        """Closes the pool and the connection."""
        if self.pool is not None:
            self.quietly(self.pool.close)
        self.forget()

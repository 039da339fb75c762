"""Commands on a host over PowerShell remoting, with pypsrp: output, errors and exit code come apart, as bytes."""

from __future__ import annotations

import base64
import time
import warnings
from collections.abc import Callable
from threading import Event
from typing import Any

from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import CommandState
from pypsrp.wsman import WSMan

from harness.telemetry.lab.bounded_http import Budget, bind_session
from harness.telemetry.lab.command_line import kill
from harness.telemetry.lab.inventory import Authentication, LabHost
from harness.telemetry.lab.output import Output, find_codec, plain_errors, printable
from harness.telemetry.lab.remote import LARGEST_OUTPUT, CommandLine, Ended, LostError, RemoteHost
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
    fault_code,
    is_transient,
    never_sent,
    poll_seconds,
    translate_transport_error,
)

# pypsrp prints what it cannot read of a host's message, in that host's own words, past all that screens are spared.
warnings.filterwarnings("ignore", module=r"pypsrp\.")

# The host kills at the time-out; this is how much longer we wait for it to say so. Chosen.
GRACE = 15.0
# A host starts a whole PowerShell for a session, and pypsrp takes "not yet" for an error there.
SLOWEST_OPENING = 4
TIMED_OUT = "timed out"

# Two streams of the largest kept size in base64 twice over, as PowerShell and then WS-Management put them, and as much
# again for what is around them. pypsrp keeps everything until the pipeline has ended.
LARGEST_PIPELINE = 8 * LARGEST_OUTPUT

# The session itself runs in wsmprovhost.exe, so a command started by it has no shell above it: this gives it one.
# Output is taken as bytes: what code page a program writes is for the reader to tell, and .NET would take its own.
# What a program left running keeps its output open, so the wait for the end of that has an end too.
LAUNCH = r"""
param([string] $line, [string] $stdin, [int] $milliseconds, [int] $most)
$start = New-Object Diagnostics.ProcessStartInfo
$start.FileName = $env:ComSpec
$start.Arguments = '/d /s /c "' + $line + '"'
$start.UseShellExecute = $false
$start.RedirectStandardInput = $true
$start.RedirectStandardOutput = $true
$start.RedirectStandardError = $true
$process = [Diagnostics.Process]::Start($start)
$out = New-Object IO.MemoryStream
$err = New-Object IO.MemoryStream
$copies = $process.StandardOutput.BaseStream.CopyToAsync($out), $process.StandardError.BaseStream.CopyToAsync($err)
if ($stdin) {
    $bytes = [Convert]::FromBase64String($stdin)
    $process.StandardInput.BaseStream.Write($bytes, 0, $bytes.Length)
}
$process.StandardInput.Close()
if ($process.WaitForExit($milliseconds)) { $process.ExitCode }
else { taskkill.exe /F /T /PID $process.Id | Out-Null; 'timed out' }
foreach ($copy in $copies) { [void] $copy.Wait(5000) }
foreach ($stream in $out, $err) {
    $bytes = $stream.ToArray()
    [Convert]::ToBase64String($bytes, 0, [Math]::Min($bytes.Length, $most))
}
"$((Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Control\Nls\CodePage).OEMCP)"
"""


def connect(host: LabHost, *, reconnect: float | None = None) -> RemoteHost:
    """A connection to a host; nothing is sent before the first command."""
    return PSRP(host, reconnect=host.entry.reconnect if reconnect is None else reconnect)


class PSRP:
    """One runspace pool on a host, opened when it is needed and opened again where the host has lost it."""

    def __init__(self, host: LabHost, *, reconnect: float) -> None:
        """Keeps the host; `reconnect` is for how many seconds a lost connection is tried again."""
        self.host, self.reconnect = host, reconnect
        self.poll_seconds = poll_seconds(host)
        self.budget = Budget(self.poll_seconds + host.entry.answer_timeout)
        self.adapter = build_adapter(host, self.budget)
        self.pool: Any = None
        self.met = False
        self.used = time.monotonic()
        self.command_state = CommandState.PENDING

    def run(self, line: CommandLine, *, timeout: float, stop: Event | None = None) -> Ended:
        """Runs a command to its end or kills it; see `Remote`."""
        start = time.monotonic()
        self.budget.start_command(timeout)
        if self.pool and start - self.used > IDLE:
            self.renew_connection()
        self.pool = self.pool or self.again()
        pipeline = PowerShell(self.pool)
        pipeline.add_script(LAUNCH)
        stdin = base64.b64encode(line.stdin).decode()
        # One byte more than is kept, so that it is known whether there was more.
        # Cut on the host: what is beyond need not cross the wire.
        for argument in (line.text, stdin, int(timeout * 1000), LARGEST_OUTPUT + 1):
            pipeline.add_argument(argument)
        self.begin(pipeline)
        deadline = start + timeout + min(GRACE, self.budget.patience)
        self.budget.start_command(deadline - time.monotonic(), LARGEST_PIPELINE)
        complete = self.poll(pipeline, deadline, stop or Event())
        if pipeline.state == PSInvocationState.RUNNING:
            self.abandon(line)
            if not complete:
                message = f"the connection to {self.host.name} went while a command ran: how it ended went with it"
                raise LostError("lost", message)
            return Ended(exit_code=None, seconds=time.monotonic() - start, timed_out=True, complete=False)
        return self.ended(pipeline, line, time.monotonic() - start, complete)

    def ended(self, pipeline: Any, line: CommandLine, seconds: float, complete: bool) -> Ended:
        """What a finished pipeline said."""
        self.quietly(pipeline.close)
        self.used = time.monotonic()
        # Whatever a host can put into a pipeline is an object of its making, down to how it is printed.
        try:
            code, stdout, stderr = read_launch_output([str(o) for o in pipeline.output])
        except Exception:
            said = printable(list_pipeline_errors(pipeline) or "it says nothing", 300)
            raise LostError("lost", f"{self.host.name} did not run the command to its end: {said}") from None
        if code is None and line.mark:
            self.abandon(line, close=False)
        return Ended(
            exit_code=code,
            stdout=stdout,
            stderr=plain_errors(stderr),
            seconds=seconds,
            timed_out=code is None,
            complete=complete,
        )

    def begin(self, pipeline: Any) -> None:
        """Starts a pipeline: once, whatever happens."""
        self.command_state = CommandState.PENDING
        try:
            pipeline.begin_invoke()
        except Exception as error:
            self.forget()
            # It may run now: sent again it would run twice.
            if never_sent(error):
                raise translate_transport_error(error, self.host) from error
            if fault_code(error) == SHELL_NOT_FOUND:
                raise LostError("lost", f"{self.host.name} no longer knows the session: was it restarted?") from error
            raise describe_command_loss(error, self.host, "after a command was sent") from error

    def poll(self, pipeline: Any, deadline: float, stop: Event) -> bool:
        """Takes what comes until the pipeline ends or time is up; whether all of it came."""
        complete, broken_since, attempt = True, 0.0, 0
        while pipeline.state == PSInvocationState.RUNNING and time.monotonic() < deadline and not stop.is_set():
            try:
                known = len(pipeline.output)
                pipeline.poll_invoke(timeout=max(1, min(self.poll_seconds, int(deadline - time.monotonic()))))
                broken_since, attempt = 0.0, 0
                if len(pipeline.output) == known:
                    time.sleep(EMPTY_ANSWER_PAUSE)
            except Exception as error:
                complete, broken_since = False, broken_since or time.monotonic()
                self.bear(error, broken_since)
                time.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1
            if self.command_state == CommandState.DONE and pipeline.state == PSInvocationState.RUNNING:
                self.forget()
                raise LostError("lost", f"{self.host.name} has ended the command, and how it ended was lost")
        return complete

    def remember_state(self, receive: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps what a host says of a command beside its output: pypsrp goes by the output alone, which may be lost."""

        def received(*arguments: Any, **options: Any) -> Any:
            answer = receive(*arguments, **options)
            self.command_state = answer[0]
            return answer

        return received

    def bear(self, error: Exception, broken_since: float) -> None:
        """Lets an error pass that may be gone a moment later. Raises what is to be said of any other."""
        if is_transient(error) and time.monotonic() - broken_since <= self.reconnect:
            self.renew_connection()
            return
        self.forget()
        if fault_code(error) == SHELL_NOT_FOUND:
            raise LostError("lost", f"{self.host.name} no longer knows the command: was it restarted?") from error
        raise describe_command_loss(error, self.host, "while a command ran") from error

    def abandon(self, line: CommandLine, *, close: bool = True) -> None:
        """Kills a command that is over its time, with all it started, from a session of its own."""
        if close:
            self.forget()
        if line.mark:
            other = PSRP(self.host, reconnect=self.reconnect)
            self.quietly(lambda: other.run(kill(line.mark), timeout=KILL_PATIENCE))
            other.close()

    def open(self) -> Any:
        """A new runspace pool."""
        connection = connect_wsman(self.host, self.adapter)
        pool = RunspacePool(connection, max_runspaces=2)
        pool.shell.receive = self.remember_state(pool.shell.receive)
        patience = self.budget.patience
        self.budget.patience += (SLOWEST_OPENING - 1) * self.poll_seconds
        try:
            pool.open()
        except BaseException:
            connection.close()
            raise
        finally:
            self.budget.patience = patience
        return pool

    def again(self) -> Any:
        """Opens a pool, tried again until it works or time for reconnecting is up."""
        # A host never reached is probably off: ten seconds are enough to say so.
        patience = self.reconnect if self.met else min(self.reconnect, FIRST_MEETING)
        end = min(time.monotonic() + patience, self.budget.command_end)
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

    def quietly(self, call: Callable[[], object]) -> None:
        """Does what is good to do and changes nothing where it fails; soon over in any case."""
        self.budget.start_command(CLOSE_PATIENCE)
        try:
            call()
        except Exception:
            self.forget()

    def renew_connection(self) -> None:
        """Lets the next message use a new connection; encryption belongs to the old one."""
        self.pool.connection.transport.encryption = None
        self.adapter.close()

    def forget(self) -> None:
        """Lets the next command open a pool of its own."""
        self.pool = None
        self.adapter.close()

    def close(self) -> None:
        """Closes the pool and the connection."""
        if self.pool is not None:
            self.quietly(self.pool.close)
        self.forget()


def connect_wsman(host: LabHost, adapter: Any) -> Any:
    """Pypsrp's connection to a host, with no way out but the adapter; reads the password."""
    entry = host.entry
    certificate = entry.authentication is Authentication.CERTIFICATE
    kerberos = entry.authentication is Authentication.KERBEROS
    password = None if certificate or (kerberos and not entry.password) else host.open_password()
    wsman = WSMan(
        entry.address,
        port=host.port,
        username=entry.user or None,
        password=password.reveal() if password else None,
        ssl=entry.scheme == "https",
        auth=str(entry.authentication),
        cert_validation=True,
        operation_timeout=SLOWEST_OPENING * poll_seconds(host),
        # auto leaves messages to TLS; over http pypsrp has to encrypt them itself.
        encryption="auto" if entry.scheme == "https" else "always",
        no_proxy=True,
        certificate_pem=host.file(entry.certificate) if certificate else None,
        certificate_key_pem=host.file(entry.key) if certificate else None,
    )
    # Built on first use otherwise, with adapters and settings of its own; nothing else of the library builds one.
    wsman.transport.session = bind_session(wsman.transport._build_session(), adapter)
    return wsman


def list_pipeline_errors(pipeline: Any) -> str:
    """What PowerShell says went wrong, or nothing."""
    try:
        return "; ".join(str(e) for e in pipeline.streams.error)
    except Exception:
        return ""


def read_launch_output(output: list[str]) -> tuple[int | None, str, str]:
    """Exit code (None: it was over its time), output and errors. Raises ValueError for what LAUNCH does not say."""
    if len(output) != 4:
        raise ValueError(len(output))
    code, *streams, number = output
    texts = []
    for stream in streams:
        taken = Output()
        taken.add(base64.b64decode(stream, validate=True))
        texts.append(taken.text(lambda: find_codec(number)))
    return None if code == TIMED_OUT else int(code), texts[0], texts[1]

"""How an atomic's command becomes a line for a host's command prompt, and the lines detlab itself runs there."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from harness.diagnostics import HarnessError
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Command
from harness.scenario.command_prompt import Form, choose_form, split_lines, split_rows
from harness.telemetry.lab.remote import CommandLine

# cmd.exe takes 8,191 characters; the rest is for what WinRS puts in front.
LONGEST_LINE = 8000
MARK_VARIABLE = "DETLAB"
BREAK = "----"
BATCH_NAME = "detlab-"

# Without a console PowerShell writes its progress to the error stream, as CLIXML.
QUIET = "$ProgressPreference='SilentlyContinue'\n"
POWERSHELL_COMMAND = "powershell.exe -NoProfile -NonInteractive -OutputFormat Text"
FROM_STDIN = (
    QUIET + "$text=[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String([Console]::In.ReadToEnd()))\n"
    "& ([ScriptBlock]::Create($text))\nexit $LASTEXITCODE"
)


def build_marked_line(command: Command, mark: str) -> CommandLine:
    """A command as one line that carries `mark`, so that its processes and their events are found by it.

    Lines of a batch mean what they mean in a batch. What is longer than a command prompt takes is read by the program
    from its input. Raises HarnessError for a shell that Windows does not have.
    """
    if command.shell is Shell.POWERSHELL:
        return powershell(command.text, mark)
    if command.shell is not Shell.COMMAND_PROMPT:
        message = f"a command for {command.shell} does not run on Windows"
        raise HarnessError(
            "no-such-shell", message, help="choose a test whose executor is powershell or command_prompt"
        )
    rows, lines, form = split_rows(command.text), split_lines(command.text), choose_form(command.text)
    text = prepend_mark(" & ".join(row.strip() for row in rows), mark)
    if form is Form.JOINED and len(text) <= LONGEST_LINE:
        return CommandLine(text=text, mark=mark)
    for row in rows:
        if len(row) > LONGEST_LINE:
            message = f"a line of {len(row)} characters is more than a command prompt takes ({LONGEST_LINE})"
            raise HarnessError("line-too-long", message, help="give the test shorter arguments")
    if form is Form.TYPED:
        return CommandLine(
            text=prepend_mark("cmd.exe /d /q /k rem", mark), stdin=join_rows([*lines, "exit"]), mark=mark
        )
    return CommandLine(text=prepend_mark(build_batch_line(mark), mark), stdin=join_rows(lines), mark=mark)


def build_batch_line(mark: str) -> str:
    """Writes the input to a file, runs that, removes it, and ends with the file's exit code.

    A file and not the input itself: a program of the batch that reads its input would take the lines behind it.
    """
    file, code = f'"%TEMP%\\{BATCH_NAME}{mark}.cmd"', f"{MARK_VARIABLE}_CODE"
    # `%^name%` is read by `call` alone: without the caret it would be read before anything has run.
    parts = (
        f'findstr "^" >{file}',
        f"cmd.exe /d /q /c call {file}",
        f"call set {code}=%^errorlevel%",
        f"del {file}",
        f"call exit %^{code}%",
    )
    return "& ".join(parts)


def join_rows(rows: Sequence[str]) -> bytes:
    """Lines as the input of a program on Windows."""
    return "".join(f"{row}\r\n" for row in rows).encode()


def powershell(script: str, mark: str) -> CommandLine:
    """A script that PowerShell reads from its command line, or from its input where that is too long."""
    text = prepend_mark(f"{POWERSHELL_COMMAND} -EncodedCommand {encode_powershell(QUIET + script)}", mark)
    if len(text) <= LONGEST_LINE:
        return CommandLine(text=text, mark=mark)
    # Base64, since the console's code page would change letters of the script itself.
    text = prepend_mark(f"{POWERSHELL_COMMAND} -EncodedCommand {encode_powershell(FROM_STDIN)}", mark)
    return CommandLine(text=text, stdin=base64.b64encode(script.encode("utf-8")), mark=mark)


def prepend_mark(text: str, mark: str) -> str:
    """The line with its mark in front: an environment variable, so that the command itself stays as it is."""
    # No blank before the ampersand: cmd.exe would make it a part of the value.
    return f"set {MARK_VARIABLE}={mark}& {text}"


def encode_powershell(script: str) -> str:
    """A script as PowerShell's -EncodedCommand takes it: base64 of UTF-16."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


def facts() -> CommandLine:
    """Asks a host for its marker, its product type, the rights of the account, and its name."""
    parts = (
        r"reg query HKLM\SOFTWARE\detlab /v Lab 2>nul",
        r"reg query HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions /v ProductType",
        "whoami /groups /fo csv /nh",
        "hostname",
    )
    return CommandLine(text=f" & echo {BREAK} & ".join(parts))


def build_clock_command() -> CommandLine:
    """Asks a host for its time in UTC."""
    return CommandLine(text="powershell.exe -NoProfile -NonInteractive -Command \"[DateTime]::UtcNow.ToString('o')\"")


def kill(mark: str) -> CommandLine:
    """Kills every process whose command line carries a mark, with all its descendants.

    The mark is put together on the host, so that this line does not carry it and finds only the others.
    """
    if not re.fullmatch(r"[A-Za-z0-9.-]+", mark):
        raise ValueError(mark)
    script = (
        f"$mark = '{MARK_VARIABLE}=' + '{mark}&'; $batch = '{BATCH_NAME}' + '{mark}.cmd'; "
        "Get-CimInstance Win32_Process | Where-Object { $_.CommandLine -and "
        "$_.CommandLine.Contains($mark) } | ForEach-Object { taskkill.exe /F /T /PID $_.ProcessId }; "
        "Remove-Item -ErrorAction SilentlyContinue (Join-Path $env:TEMP $batch)"
    )
    return CommandLine(text=f'powershell.exe -NoProfile -NonInteractive -Command "{script}"')


def split_outputs(text: str) -> list[str]:
    """The outputs of the commands of one line, which `echo ----` keeps apart."""
    found: list[list[str]] = [[]]
    for row in text.splitlines():
        if row.strip() == BREAK:
            found.append([])
        else:
            found[-1].append(row)
    return ["\n".join(rows).strip() for rows in found]

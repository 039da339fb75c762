"""What of an atomic does not run as it looks, and cosmetics that keep nothing from running."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import UnsetType

from harness.diagnostics import Finding, Severity, Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.atomic import (
    SHORTEST_DISPLAY_NAME,
    Atomic,
    Shell,
    SupportedPlatform,
    find_text_span,
    list_used_arguments,
)
from harness.scenario.command_prompt import (
    BATCH_PERCENT,
    TYPED_PERCENT,
    Form,
    choose_form,
    depends_on_lines,
    split_rows,
)

POWERSHELL, PROMPT = (Shell.POWERSHELL,), (Shell.COMMAND_PROMPT,)
WINDOWS_SHELLS = POWERSHELL + PROMPT


@record
class Habit:
    """Something in a command that a remote session without a person does not do."""

    code: str
    shells: tuple[Shell, ...]
    pattern: re.Pattern[str]
    message: str


def build_habit(code: str, shells: tuple[Shell, ...], pattern: str, message: str) -> Habit:
    """A habit whose pattern is read without case, line by line."""
    return Habit(code, shells, re.compile(pattern, re.IGNORECASE | re.MULTILINE), message)


WAITS = "waits for a person, and nobody is there"
ENDS = "ends the session or the host, so that nothing behind it runs and its clean-up is owed"
AT_LOGON = "takes effect at a logon, and a remote session is none: nothing is started by the test itself"
DESKTOP = "needs a desktop, and a remote session has none"
HABITS = (
    build_habit("interactive", PROMPT, r"^\s*@?pause\b|[&(]\s*pause\b", f"`pause` {WAITS}"),
    build_habit("interactive", PROMPT, r"\bset\s+/p\b(?![^\n]*<)", f"`set /p` {WAITS}"),
    build_habit("interactive", PROMPT, r"\bchoice\b(?![^\n]*\s/t\b)(?=\s*/|\s*$)", f"`choice` {WAITS}"),
    build_habit("interactive", WINDOWS_SHELLS, r"\bcmd(?:\.exe)?\s+(?:/\w\s+)*/k\b", f"`cmd /k` {WAITS}"),
    build_habit("interactive", WINDOWS_SHELLS, r"-noexit\b", f"`-NoExit` {WAITS}"),
    build_habit("interactive", POWERSHELL, r"\bRead-Host\b", f"`Read-Host` {WAITS}"),
    build_habit("interactive", POWERSHELL, r"\bGet-Credential\b", f"`Get-Credential` {WAITS}"),
    build_habit("interactive", POWERSHELL, r"\bReadKey\(|\bConsole\]::ReadLine\b", f"reading a key {WAITS}"),
    build_habit("interactive", POWERSHELL, r"\bOut-GridView\b|\bMessageBox\]::Show\b|\bPromptForCredential\(",
                f"a window {WAITS}"),
    build_habit("reboot", WINDOWS_SHELLS, r"\bshutdown(?:\.exe)?\s+[/-](?!a\b|\?)", f"`shutdown` {ENDS}"),
    build_habit("reboot", WINDOWS_SHELLS, r"\b(?:Restart|Stop)-Computer\b", f"this {ENDS}"),
    build_habit("reboot", WINDOWS_SHELLS, r"\blogoff(?:\.exe)?\b(?!\w)|\bExitWindowsEx\b", f"a logoff {ENDS}"),
    build_habit("needs-logon", WINDOWS_SHELLS, r"/sc\s+onlogon\b|-AtLogon\b", f"a task at logon {AT_LOGON}"),
    build_habit("needs-logon", WINDOWS_SHELLS, r"CurrentVersion\\Run(?:Once)?(?:Ex)?\b", f"a Run key {AT_LOGON}"),
    build_habit("needs-logon", WINDOWS_SHELLS, r"UserInitMprLogonScript|Start Menu\\Programs\\Startup\b",
                f"what is started at logon {AT_LOGON}"),
    build_habit("needs-logon", WINDOWS_SHELLS, r"\bSendKeys\b|\bCopyFromScreen\b|\bpsr(?:\.exe)?\s+/start\b",
                f"this {DESKTOP}"),
    build_habit("needs-logon", WINDOWS_SHELLS, r"\bGetAsyncKeyState\b|\bSetWindowsHookEx\b", f"keylogging {DESKTOP}"),
)  # fmt: skip
UNCALLED_BATCH = late_pattern(r'^\s*@?(?:"[^"\n]+\.(?:bat|cmd)"|[^\s"&|<>()]+\.(?:bat|cmd))(?=\s|$)', re.IGNORECASE)


def list_atomic_warnings(atomic: Atomic) -> Iterator[Finding]:
    """Everything worth knowing about one test before it is run."""
    yield from list_cosmetics(atomic)
    if SupportedPlatform.WINDOWS not in atomic.test.supported_platforms:
        return
    for keys, text in atomic.commands():
        shell = atomic.dependency_shell if keys[0] == "dependencies" else atomic.test.executor.name
        if shell not in WINDOWS_SHELLS or keys[-1] == "steps":
            continue
        place = atomic.place(*keys)
        for habit in HABITS:
            found = habit.pattern.search(text)
            if found and shell in habit.shells:
                yield report_warning(habit.code, find_text_span(place, found[0].strip()), habit.message)
        if shell is Shell.COMMAND_PROMPT:
            yield from list_prompt_warnings(text, place)


def list_prompt_warnings(text: str, place: Span) -> Iterator[Finding]:
    """What of a command prompt's lines means something else than it says."""
    rows, form = split_rows(text), choose_form(text)
    percent, typed = BATCH_PERCENT.search(text), TYPED_PERCENT.search(text)
    if percent and len(rows) < 2:
        message = f"`{percent[0]}` is for batch files; on a command line a loop's variable is written `%f`"
        yield report_warning("percent", find_text_span(place, percent[0]), message)
    elif percent and typed:
        message = f"`{typed[0]}` is written for a command line, `{percent[0]}` beside it for a batch file"
        yield report_warning("percent", find_text_span(place, typed[0]), message)
    if form is Form.TYPED and any(re.match(r"\s*@?(?:goto\b|:\w)", row, re.IGNORECASE) for row in rows):
        message = "a label is none on a command line, and `%` here is written for one"
        yield report_warning("label", place, message)
    for row in rows[:-1] if form is Form.BATCH and depends_on_lines(rows) else ():
        if found := UNCALLED_BATCH.match(row):
            message = "a batch file that another one starts without `call` does not come back"
            yield report_warning("uncalled-batch", find_text_span(place, found[0].strip()), message, "write `call`")


def list_cosmetics(atomic: Atomic) -> Iterator[Finding]:
    """What the library's own validator refuses although nothing runs otherwise for it."""
    document = atomic.document
    if atomic.number == 1 and len(str(document.value.get("display_name", ""))) < SHORTEST_DISPLAY_NAME:
        message = f"a display name has at least {SHORTEST_DISPLAY_NAME} characters"
        yield report_warning("too-short", document.span(("display_name",)), message)
    at = ("atomic_tests", atomic.number - 1)
    if not isinstance(atomic.test.dependency_executor_name, UnsetType) and not atomic.test.dependencies:
        place = document.key((*at, "dependency_executor_name"))
        yield report_warning("needless-field", place, "there are no dependencies to execute", "leave it out")
    used = list_used_arguments(atomic)
    for name in atomic.test.input_arguments:
        if name not in used:
            place = document.key((*at, "input_arguments", name))
            yield report_warning("unused-argument", place, f"no command uses `{name}`", "leave it out")


def report_warning(code: str, span: Span, message: str, help: str | None = None) -> Finding:
    """A warning about a place in an atomic's file."""
    return Finding(code=code, span=span, message=message, help=help, severity=Severity.WARNING)

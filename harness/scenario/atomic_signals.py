"""Expected signals of an atomic, in a file beside the library's own, which stays as it is.

`T1053.005/T1053.005.signals.yaml` (or `signals.yaml` in the same folder):

    '2':                                  # a test's number, or its GUID
      - {sensor: windows_security, event: 4698, at_least: 1}
"""

from __future__ import annotations

from pathlib import Path

from harness.diagnostics import HarnessError, Source, SourceError
from harness.scenario.atomic import GUID, Atomic
from harness.scenario.document import convert_document, load
from harness.scenario.scenario import Label, Scenario, ScenarioBody, Signal


def expected_signals(atomic: Atomic) -> Scenario | None:
    """A scenario that only says what a host should record of an atomic; nothing where no file beside it does."""
    home = Path(atomic.document.source.name).parent
    for path in (home / f"{atomic.technique}.signals.yaml", home / "signals.yaml"):
        if path.is_file():
            return signals_in(path, atomic)
    return None


def signals_in(path: Path, atomic: Atomic) -> Scenario | None:
    """What a file says of one atomic. Raises SourceError for a key that no test has."""
    try:
        document = load(Source(str(path), path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError("unreadable", f"{path}: {error}") from error
    found = convert_document(document, dict[str, tuple[Signal, ...]])
    for key in found:
        if not key.isdigit() and not GUID.fullmatch(key):
            raise SourceError("no-such-atomic", f"`{key}` is neither a number nor a GUID", document.key([key]))
    signals = (*found.get(str(atomic.number), ()), *found.get(atomic.guid, ()))
    if not signals:
        return None
    body = ScenarioBody(
        title=atomic.test.name,
        activity=Label.MALICIOUS,
        technique=atomic.technique,
        atomic_test=atomic.number,
        telemetry=signals,
    )
    return Scenario(path=path, body=body, document=document)

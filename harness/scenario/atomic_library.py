"""A folder of atomics, found by technique, number, GUID or name; expected signals in a file beside.

`T1053.005/T1053.005.signals.yaml`:

    '2':                                  # a test's number, or its GUID
      - {sensor: windows_security, event: 4698, at_least: 1}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.diagnostics import HarnessError, Source, SourceError, did_you_mean, explain_failure
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.atomic import GUID, TECHNIQUE_ID, Atomic, read_each_atomic
from harness.scenario.document import convert_document, load
from harness.scenario.scenario import Label, Scenario, ScenarioBody, Signal

ATOMIC_ADDRESS = late_pattern(
    rf"(?P<technique>{TECHNIQUE_ID.pattern})(?:[-#](?P<numbers>\d+(?:,\d+)*))?", re.IGNORECASE
)


@record
class Library:
    """Folders with atomics: `T1053.005/T1053.005.yaml` in the library, `T1583.004/atomic_tests.yaml` in a pack."""

    folders: tuple[Path, ...]

    def files(self, technique: str = "") -> Iterator[Path]:
        """The files of one technique or of all, each folder's in order."""
        found = False
        for folder in self.folders:
            if not folder.is_dir():
                raise HarnessError("no-atomics", f"there is no folder {folder}", help="name one with --atomics")
            own = [folder] if is_technique(folder) else [p for p in sorted(folder.iterdir()) if is_technique(p)]
            for home in own:
                # The library's own name first, then the pack's.
                for path in (home / f"{home.name}.yaml", home / "atomic_tests.yaml"):
                    if path.is_file() and technique.upper() in ("", home.name.upper()):
                        found = True
                        yield path
        if not found and not technique:
            places = " and ".join(str(f) for f in self.folders)
            raise HarnessError("no-atomics", f"no atomics are in {places}", help="a technique has a folder of its name")

    def read(self, technique: str = "") -> Iterator[Atomic]:
        """The tests of one technique or of all; of all, files that cannot be read are left out."""
        for found in self.read_each(technique):
            if isinstance(found, Atomic):
                yield found
            # A test is asked for by its technique: what is wrong with that is the answer.
            elif technique:
                raise found

    def read_each(self, technique: str = "") -> Iterator[Atomic | HarnessError]:
        """The tests of one technique or of all, and what is wrong with a file; two tests with one GUID are an error."""
        seen: dict[str, Atomic] = {}
        for path in self.files(technique):
            try:
                found: tuple[Atomic | HarnessError, ...] = read_each_atomic(path)
            except Exception as error:
                found = (explain_failure(error),)
            for each in found:
                # Tests that have no GUID yet share an empty one, which is no clash.
                other = seen.setdefault(each.guid, each) if isinstance(each, Atomic) and each.guid else each
                if other is not each and isinstance(each, Atomic) and isinstance(other, Atomic):
                    place = each.place("auto_generated_guid")
                    yield SourceError("reused-guid", f"{other.name} has this GUID too", place)
                else:
                    yield each

    def find(self, address: str) -> tuple[Atomic, ...]:
        """The tests at an address: `T1053.005` (all), `T1053.005-2`, `T1053.005-1,3`, a GUID, or an exact name."""
        matched = ATOMIC_ADDRESS.fullmatch(address.strip())
        if matched:
            return self.numbered(matched["technique"].upper(), matched["numbers"])
        word = address.strip().lower()
        found = tuple(a for a in self.read() if word in (a.guid, a.test.name.lower()))
        if found:
            return found
        kind = "GUID" if GUID.fullmatch(address.strip()) else "name"
        raise HarnessError("no-such-atomic", f"no test has the {kind} `{address}`", help=self.nearest(address))

    def numbered(self, technique: str, numbers: str | None) -> tuple[Atomic, ...]:
        """The tests of a technique with these numbers, or all of them."""
        tests = tuple(self.read_each(technique))
        if not tests:
            known = sorted({p.parent.name for p in self.files()})
            raise HarnessError(
                "no-such-atomic", f"there are no tests of {technique}", help=did_you_mean(technique, known)
            )
        by_number = {each.number: each for each in tests if isinstance(each, Atomic)}
        errors = [each for each in tests if isinstance(each, HarnessError)]
        wanted = sorted(by_number) if numbers is None else [int(n) for n in numbers.split(",")]
        # What is wrong with a test that was asked for is the answer, and with any of a technique that was.
        if errors and (numbers is None or not by_number.keys() >= set(wanted)):
            raise errors[0]
        for n in wanted:
            if n not in by_number:
                message = f"{technique} has tests 1 to {len(tests)}, not {n}"
                raise HarnessError("no-such-atomic", message, help=f"`detlab atomics list {technique}` shows them")
        return tuple(by_number[n] for n in wanted)

    def nearest(self, address: str) -> str:
        """A hint with the nearest name."""
        hint = did_you_mean(address, (a.test.name for a in self.read()))
        return hint or "an address is T1053.005, T1053.005-2, a GUID or a test's name"


def is_technique(path: Path) -> bool:
    """Whether a folder is that of a technique."""
    return path.is_dir() and TECHNIQUE_ID.fullmatch(path.name.upper()) is not None


def expected_signals(atomic: Atomic) -> Scenario | None:
    """A scenario that only says what a host should record of an atomic; nothing where no file beside it does."""
    path = Path(atomic.document.source.name).parent / f"{atomic.technique}.signals.yaml"
    return signals_in(path, atomic) if path.is_file() else None


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

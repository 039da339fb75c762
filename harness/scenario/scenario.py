"""A scenario: what is done, what a host should record of it, and what each rule should say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import HarnessError, Source, SourceError, Span, raise_together
from harness.scenario.document import Document, convert_document, load
from harness.scenario.pack import resolve_beside

# Scenarios of the pack have a few kilobytes; chosen.
LARGEST_SCENARIO = 1 << 20
LARGEST_SEED = (1 << 63) - 1


class Label(StrEnum):
    """Whether what is done is an attack."""

    MALICIOUS = "malicious"
    BENIGN = "benign"


class Outcome(StrEnum):
    """A cell of the confusion matrix."""

    TRUE_POSITIVE = "true positive"
    FALSE_NEGATIVE = "false negative"
    TRUE_NEGATIVE = "true negative"
    FALSE_POSITIVE = "false positive"

    @property
    def short(self) -> str:
        """TP, FN, TN or FP."""
        return "".join(word[0] for word in self.value.split()).upper()

    @property
    def gap(self) -> bool:
        """Whether it is a gap on record: it then needs a reason."""
        return self in (Outcome.FALSE_NEGATIVE, Outcome.FALSE_POSITIVE)


class Launch(StrEnum):
    """What starts an atomic's command: Invoke-AtomicRedTeam at a desktop, a lab over WinRM, or over PSRP."""

    RUNNER = "runner"
    WINRM = "winrm"
    PSRP = "psrp"


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that is done: a behaviour on a host with its parameters; `at` is its delay after the start.

    With `atomic` (a number of the scenario's technique, or an address as `detlab detonate` takes it) its processes run
    that test's own command, and `launched` says what starts them.
    """

    behaviour: str
    host: str = "WS01"
    given: dict[str, Any] = {}
    at: str = "0s"
    activity: Label | None = None
    atomic: int | str | None = None
    launched: Launch = Launch.RUNNER


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recorded events: a file or folder, and a filter (field to value, * is a wildcard) that labels the attack's."""

    path: str
    malicious: dict[str, Any] = {}


class Signal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events that must have been recorded: how many of one kind, and what the published page promised instead.

    `apart` bounds the seconds from each of them to the next, both included.
    """

    sensor: str
    event: str | int
    where: dict[str, Any] = {}
    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    apart: tuple[float, float] | None = None
    promised: int | str | None = None
    because: str = ""


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one rule should say, under stated conditions, switches and dialect; a gap needs its reason.

    `at_least` is how many alerts it should raise.
    """

    rule: str
    outcome: Outcome
    because: str = ""
    dialect: str = "lenient"
    conditions: dict[str, str] = {}
    switches: dict[str, str] = {}
    lost_at: str = ""
    nearest: dict[str, Any] = {}
    alert: dict[str, Any] = {}
    at_least: int | None = None


class ScenarioBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario's document as it is written."""

    title: str
    activity: Label
    technique: str = ""
    atomic_test: int | str | None = None
    description: str = ""
    # Fixed, so that a verdict does not change by itself; 2026-03-03 is a Tuesday, 09:12 within working hours.
    seed: int = 1
    start: str = "2026-03-03T09:12:00Z"
    conditions: dict[str, str] = {}
    simulate: tuple[Action, ...] = ()
    replay: tuple[Replay, ...] = ()
    telemetry: tuple[Signal, ...] = ()
    expect: tuple[Expectation, ...] = ()


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario and the document that it was read from, for the places of its parts.

    `found` are files that were found for it, which it may name though they are not beside it.
    """

    path: Path
    body: ScenarioBody
    document: Document
    found: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def file(self, name: str) -> Path:
        """The file that the scenario means by a name."""
        given = Path(name)
        return given if given in self.found else resolve_beside(self.path, name)

    def place(self, *keys: str | int) -> Span:
        """Where a part is written: `place("expect", 0, "rule")`."""
        return self.document.span(keys)


def judged_by(scenario: Scenario, rules: Sequence[Path]) -> Scenario:
    """The scenario with these rules in place of its own; each should see an attack and be quiet about all else."""
    outcome = Outcome.TRUE_POSITIVE if scenario.body.activity is Label.MALICIOUS else Outcome.TRUE_NEGATIVE
    expect = tuple(Expectation(rule=str(rule), outcome=outcome) for rule in rules)
    body = msgspec.structs.replace(scenario.body, expect=expect)
    return msgspec.structs.replace(scenario, body=body)


def read_scenario(path: Path, *, name: str | None = None) -> Scenario:
    """The scenario in a file. Raises SourceError at the place of what is wrong."""
    shown = name or str(path)
    try:
        if path.stat().st_size > LARGEST_SCENARIO:
            raise HarnessError("scenario-too-large", f"{shown} is larger than {LARGEST_SCENARIO >> 20} MiB")
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{shown} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{shown}: {error.strerror}") from error
    # Types first, then what they cannot say, so that the first error is the plainest.
    document = load(Source(shown, text))
    scenario = Scenario(path=path, body=convert_document(document, ScenarioBody), document=document)
    raise_together(list_wrong_parts(scenario))
    return scenario


def list_wrong_parts(scenario: Scenario) -> Iterator[SourceError]:
    """What types cannot say: something is done, gaps have reasons, outcomes fit the activity."""
    body = scenario.body
    if not body.simulate and not body.replay:
        message = "a scenario simulates something or replays a recording"
        hint = "add a `simulate:` list with a behaviour"
        yield SourceError("nothing-happens", message, scenario.place("title"), help=hint)
    # As numpy's generators and --seed take it.
    if not 0 <= body.seed <= LARGEST_SEED:
        message = f"a seed is a whole number from 0 to {LARGEST_SEED}, not {body.seed}"
        yield SourceError("wrong-seed", message, scenario.place("seed"))
    for i, signal in enumerate(body.telemetry):
        if signal.apart is not None and not 0 <= signal.apart[0] <= signal.apart[1]:
            message = "`apart` is the fewest and the most seconds between two events"
            yield SourceError("wrong-bounds", message, scenario.place("telemetry", i, "apart"), help="write [25, 35]")
    possible = POSSIBLE[body.activity]
    for i, expectation in enumerate(body.expect):
        place = scenario.place("expect", i, "outcome")
        if expectation.outcome not in possible:
            either = " or ".join(possible)
            yield SourceError("impossible-outcome", f"a {body.activity} activity ends in {either}", place)
        elif expectation.outcome.gap and not expectation.because.strip():
            message = f"a known {expectation.outcome} needs its reason"
            yield SourceError("gap-without-reason", message, place, help="add `because:` with one sentence")


POSSIBLE = {
    Label.MALICIOUS: (Outcome.TRUE_POSITIVE, Outcome.FALSE_NEGATIVE),
    Label.BENIGN: (Outcome.TRUE_NEGATIVE, Outcome.FALSE_POSITIVE),
}

"""Contract: everything that a run found out, how a format writes it, names of expectations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from importlib import import_module
from typing import Protocol

from harness import __version__
from harness.diagnostics import HarnessError, did_you_mean
from harness.record import record
from harness.report.console import clip_line
from harness.report.report_formats import list_report_formats
from harness.scenario.scenario import Expectation, Label, Outcome, Scenario, Signal
from harness.verdict.gates import GateFailure
from harness.verdict.verdict import Outcomes, Verdict, Visibility


def describe_setting(conditions: Mapping[str, str], switches: Mapping[str, str], dialect: str = "lenient") -> str:
    """What is special about a run: `sysmon_hostname=empty, strict`."""
    parts = [f"{n}={v}" for n, v in {**conditions, **switches}.items()]
    # Lenient is the default of scenarios; a name says only what is special.
    return ", ".join([*parts, *([dialect] if dialect != "lenient" else [])])


def describe_signal_kind(signal: Signal) -> str:
    """What a signal counts: `sysmon 3`."""
    # These names are addresses (`pytest FILE::NAME`, JUnit's history): changing one looks like a new test.
    return f"{signal.sensor} {signal.event}"


def describe_bounds(signal: Signal) -> str:
    """How many events a signal wants."""
    parts = []
    if signal.exactly is not None:
        parts.append(f"exactly {signal.exactly}")
    if signal.at_least is not None:
        parts.append(f"at least {signal.at_least}")
    if signal.at_most is not None:
        parts.append(f"at most {signal.at_most}")
    rhythm = f", {signal.apart[0]:g} to {signal.apart[1]:g} s apart" if signal.apart else ""
    return (" and ".join(parts) or "at least 1") + rhythm


def describe_fields(signal: Signal) -> str:
    """The fields that a signal asks for, short."""
    return ", ".join(f"{n}={clip_line(str(v), 40)}" for n, v in signal.where.items())


def setting_of(expectation: Expectation) -> str:
    """What an expectation sets beside what its scenario does."""
    return describe_setting(expectation.conditions, expectation.switches, expectation.dialect)


def expectation_name(expectation: Expectation) -> str:
    """What an expectation says: `server.spl (sysmon_version=10): false negative`."""
    special = setting_of(expectation)
    return f"{expectation.rule}{f' ({special})' if special else ''}: {expectation.outcome}"


def signal_name(signal: Signal) -> str:
    """What a signal says: `telemetry sysmon 3 (Image=*powershell.exe): exactly 5`."""
    fields = f" ({describe_fields(signal)})" if signal.where else ""
    return f"telemetry {describe_signal_kind(signal)}{fields}: {describe_bounds(signal)}"


PUBLISHED, BENIGN = "Published atomic tests", "Benign software"


@record(kw_only=True)
class Report:
    """A run's outcomes, and under which engine and choices they came about.

    `began` is when, in UTC as ISO 8601 writes it, or nothing; `seed` what was chosen for all scenarios. `pictures` are
    plots of studies that a page shows, each a name and a `data:` address; `gates` are those that rules do not reach.
    """

    outcomes: Outcomes
    engine: str = "duckdb"
    chosen: tuple[tuple[str, str], ...] = ()
    version: str = __version__
    began: str = ""
    seed: int | None = None
    pictures: tuple[tuple[str, str], ...] = ()
    gates: tuple[GateFailure, ...] = ()

    @property
    def differing(self) -> tuple[Verdict, ...]:
        """Verdicts other than expected."""
        return tuple(v for v in self.outcomes.verdicts if not v.as_expected)

    @property
    def unseen(self) -> tuple[Visibility, ...]:
        """Signals that were not recorded as expected."""
        return tuple(v for v in self.outcomes.visibilities if not v.as_expected)


class ReportFormat(Protocol):
    """One file in `formats/`: its module has an object of this shape called FORMAT."""

    suffix: str

    def write(self, report: Report) -> str:
        """The whole report as text."""


@record(kw_only=True)
class ReportRow:
    """A scenario under one setting, and what each rule said of it by the rule's name."""

    scenario: Scenario
    setting: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)


@record(kw_only=True)
class Chapter:
    """Scenarios that belong together: published tests, a folder of variants, benign software of one technique."""

    technique: str
    title: str
    rows: list[ReportRow] = field(default_factory=list)
    visibilities: list[Visibility] = field(default_factory=list)

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of all rules in it, in order of appearance."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.verdicts))

    def of(self, rule: str) -> Iterator[Verdict]:
        """The verdicts of one rule, row by row."""
        return (row.verdicts[rule] for row in self.rows if rule in row.verdicts)


def chapter_title(scenario: Scenario) -> str:
    """Under which heading a scenario is told: by what it is and in which folder it lies."""
    folder = scenario.path.parent
    # Benign software is judged against every rule of a technique, wherever its file lies.
    if scenario.body.activity is Label.BENIGN:
        return BENIGN
    # The published tests lie beside Atomic Red Team's own page, variants in folders below.
    if (folder / "atomic_tests.yaml").is_file():
        return PUBLISHED if scenario.body.atomic_test is not None else "Scenarios"
    return f"Variants: {folder.name}" if scenario.body.atomic_test is not None else f"Scenarios: {folder.name}"


def chapters(outcomes: Outcomes) -> list[Chapter]:
    """The run in the order in which it is told: by technique, published tests first, benign software last."""
    found: dict[tuple[str, str], Chapter] = {}
    rows: dict[tuple[str, str], ReportRow] = {}

    def chapter(scenario: Scenario) -> Chapter:
        key = (scenario.body.technique, chapter_title(scenario))
        return found.setdefault(key, Chapter(technique=key[0], title=key[1]))

    for verdict in outcomes.verdicts:
        # By path: results of other processes are copies, so identity would tell one scenario apart from itself.
        key = (str(verdict.scenario.path), setting_of(verdict.expectation))
        if key not in rows:
            rows[key] = ReportRow(scenario=verdict.scenario, setting=key[1])
            chapter(verdict.scenario).rows.append(rows[key])
        rows[key].verdicts[verdict.rule.name] = verdict
    for visibility in outcomes.visibilities:
        chapter(visibility.scenario).visibilities.append(visibility)
    for each in found.values():
        each.rows.sort(key=lambda r: (str(r.scenario.path.parent), r.scenario.path.stem))
    # All others between them.
    rank = {PUBLISHED: 0, BENIGN: 2}
    techniques = list(dict.fromkeys(t for t, _ in found))
    return sorted(found.values(), key=lambda c: (techniques.index(c.technique), rank.get(c.title, 1)))


def usual_conditions(report: Report) -> dict[str, str]:
    """The conditions that most scenarios of a run have in common."""
    settings = Counter(tuple(sorted(v.scenario.body.conditions.items())) for v in report.outcomes.verdicts)
    # Said once in the header; rows then tell only what differs.
    return dict(settings.most_common(1)[0][0]) if settings else {}


def variants_seen(row: ReportRow, rule: str, every: Sequence[Chapter]) -> tuple[list[Scenario], int]:
    """Other scenarios of the same atomic test that a rule sees, and how many others it was run on."""
    test, technique = row.scenario.body.atomic_test, row.scenario.body.technique
    others = [
        verdict
        for chapter in every
        if chapter.technique == technique and chapter.title not in (PUBLISHED, BENIGN)
        for other in chapter.rows
        if other.scenario.body.atomic_test == test and (verdict := other.verdicts.get(rule))
    ]
    return [v.scenario for v in others if v.observed is Outcome.TRUE_POSITIVE], len(others)


def format(name: str) -> ReportFormat:
    """The format of that name."""
    if name not in list_report_formats():
        hint = did_you_mean(name, list_report_formats()) or f"formats are {', '.join(list_report_formats())}"
        raise HarnessError("unknown-format", f"no report format is called `{name}`", help=hint)
    found: ReportFormat = import_module(f"harness.report.formats.{name}").FORMAT
    return found

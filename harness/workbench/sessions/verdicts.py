"""What a rule's scenarios say of its text as it is typed.

The session's child records what each scenario leaves, once; each text is judged by a child of its own that shares these
events, and is killed when the next text comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from msgspec.structs import replace as replace_struct

from harness.detection.language import Strictness, language
from harness.diagnostics import HarnessError, Source, SourceError
from harness.editor.rule_runs import list_scenarios_of
from harness.record import record
from harness.report.page_document import PageRow, SharedTexts, Slugs, build_page_cell, encode_page_verdict
from harness.report.report import setting_of
from harness.report.sentences import OUTCOME_WORDS, describe_differences, notes_of
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.foreign_tests import expand_expectations
from harness.scenario.pack import find_scenarios, split_on_request
from harness.scenario.scenario import Expectation, Scenario, judged_by, read_scenario
from harness.study_trials import expectations
from harness.supervisor import POLL, Child, End, do_work, unit_of_work
from harness.telemetry.events.event import Telemetry
from harness.telemetry.scenario_telemetry import record_scenario
from harness.verdict.store import TelemetryStore
from harness.verdict.verdict import Broken, Verdict
from harness.workbench.session_request import SessionRequest, SessionVoice

Recorded = dict[tuple[Path, tuple[tuple[str, str], ...]], Telemetry]
Stamp = tuple[tuple[str, int, int], ...]


@record(kw_only=True)
class RuleCase:
    """One expectation of a scenario: a scenario with it alone, and a key that stays the same while files do."""

    key: str
    scenario: Scenario

    @property
    def expectation(self) -> Expectation:
        """What is expected."""
        return self.scenario.body.expect[0]

    def describe(self) -> dict[str, Any]:
        """The case for the list, before it is judged."""
        body = self.scenario.body
        return {
            "key": self.key,
            "path": str(self.scenario.path),
            "title": body.title,
            "technique": body.technique,
            "test": "" if body.atomic_test is None else str(body.atomic_test),
            "activity": str(body.activity),
            "setting": setting_of(self.expectation),
            "expected": str(self.expectation.outcome),
            "gap": self.expectation.outcome.gap,
        }


@record(kw_only=True)
class RuleCases:
    """The cases of a rule; `named` is whether scenarios name it. Files that cannot be read are `faults`.

    `stamp` tells whether the scenarios that name it have changed since.
    """

    cases: tuple[RuleCase, ...]
    faults: tuple[dict[str, Any], ...]
    named: bool = True
    stamp: Stamp = ()


def find_cases(root: Path, rule: Path, chosen: RunOptions) -> RuleCases:
    """The expectations of a rule in all scenarios that name it; where none does, every scenario of the pack."""
    files = list_scenarios_of(rule)
    found = read_cases(files, lambda s: list(expectations(expand_expectations(s, chosen.sigma), rule)))
    if not found.cases and not found.faults:
        every, _ = split_on_request(find_scenarios([root]) or find_scenarios(()))
        found = replace(read_cases(every, lambda s: list(judged_by(s, [rule]).body.expect)), named=False)
    return replace(found, stamp=stamp_files(files))


def read_cases(files: Sequence[Path], choose: Callable[[Scenario], list[Expectation]]) -> RuleCases:
    """The cases of the expectations that are chosen of each scenario."""
    cases: list[RuleCase] = []
    faults: list[dict[str, Any]] = []
    for path in files:
        try:
            scenario = read_scenario(path)
            own = choose(scenario)
        except HarnessError as error:
            faults.append({"path": str(path), "error": error.as_json()})
            continue
        for number, expectation in enumerate(own):
            # Signals are the sensors' and hang on no rule.
            body = replace_struct(scenario.body, expect=(expectation,), telemetry=())
            cases.append(RuleCase(key=f"{path}#{number}", scenario=replace_struct(scenario, body=body)))
    return RuleCases(cases=tuple(cases), faults=tuple(faults))


def stamp_files(files: Sequence[Path]) -> Stamp:
    """What tells whether files have changed since."""
    found = []
    for path in files:
        with suppress(OSError):
            held = path.stat()
            found.append((str(path), held.st_mtime_ns, held.st_size))
    return tuple(found)


class KeptBench(Bench):
    """A bench whose scenarios' events are at hand already."""

    def __init__(self, options: RunOptions, recorded: Recorded) -> None:
        """`recorded` holds what scenarios left, by their path and conditions."""
        super().__init__(options)
        self.recorded = recorded
        self.stores: dict[Path, TelemetryStore] = {}

    def store(self, scenario: Scenario) -> TelemetryStore:
        """The scenario's telemetry, one store for all of its cases."""
        if scenario.path not in self.stores:
            self.stores[scenario.path] = TelemetryStore(
                self.engine, lambda conditions: record_case(scenario, conditions, self.options, self.recorded)
            )
        return self.stores[scenario.path]


def record_case(scenario: Scenario, conditions: Mapping[str, str], chosen: RunOptions, recorded: Recorded) -> Telemetry:
    """What a scenario leaves under some conditions, recorded once."""
    key = (scenario.path, tuple(sorted(conditions.items())))
    if key not in recorded:
        recorded[key] = record_scenario(scenario, conditions, seed=chosen.seed, sensors=chosen.sensors)
    return recorded[key]


@dataclass(slots=True, kw_only=True)
class VerdictSession:
    """A rule's cases, what has been recorded of them, and the child that judges the newest text.

    `waiting` is a text whose case in focus has been judged, and that is judged on all cases once these are recorded.
    """

    request: SessionRequest
    chosen: RunOptions
    orders: Connection
    tell: SessionVoice
    found: RuleCases = field(init=False)
    recorded: Recorded = field(default_factory=dict)
    unrecorded: list[RuleCase] = field(default_factory=list)
    judging: Child | None = None
    number: int = 0
    waiting: str | None = None

    def load(self) -> None:
        """Finds the cases and tells them."""
        with unit_of_work(self.chosen.limits.seconds):
            self.found = find_cases(self.request.root, self.request.rule, self.chosen)
        self.recorded.clear()
        self.unrecorded = list(reversed(self.found.cases))
        cases = [case.describe() for case in self.found.cases]
        self.tell({"cases": cases, "named": self.found.named, "faults": list(self.found.faults)})

    def follow(self) -> None:
        """Judges what it is told to, and records between orders, until the server is gone."""
        while True:
            ends = [self.orders, *([self.judging.received] if self.judging else [])]
            idle = not self.unrecorded and self.waiting is None
            patience = POLL if self.judging else None if idle else 0
            ready = wait(ends, patience)
            if self.orders in ready:
                self.take(*self.orders.recv())
            elif ready:
                self.hear()
            elif self.judging and (excess := self.judging.find_excess()):
                self.stop()
                self.finish({"error": excess.as_json()})
            elif not self.judging and self.unrecorded:
                self.record_next()
            elif not self.judging and self.waiting is not None:
                text, self.waiting = self.waiting, None
                self.begin(partial(self.judge_all, text))

    def record_next(self) -> None:
        """Records what one more case leaves; what goes wrong there is told where it is judged."""
        case = self.unrecorded.pop()
        body = case.scenario.body
        conditions = {**self.chosen.usual, **body.conditions, **case.expectation.conditions, **self.chosen.conditions}
        own = {name: value for name, value in conditions.items() if ":" not in name}
        with unit_of_work(self.chosen.limits.seconds), suppress(Exception):
            record_case(case.scenario, own, self.chosen, self.recorded)

    def take(self, number: int, text: str, focus: str, every: bool) -> None:
        """Judges a text: the case in focus in full, then `every` other."""
        self.stop()
        self.number = number
        if stamp_files(list_scenarios_of(self.request.rule)) != self.found.stamp:
            self.load()
        self.tell({"number": number, "begun": len(self.found.cases)})
        self.waiting = text if every else None
        self.begin(partial(self.judge_focus, text, focus))

    def begin(self, work: Callable[[Callable[[object], None]], None]) -> None:
        """Has a child do some work that shares what has been recorded."""
        child = Child(self.chosen.limits, close=[self.orders])
        if not child.pid:
            do_work(child, work)
        self.judging = child

    def hear(self) -> None:
        """What the judging child says, or that it is gone."""
        assert self.judging is not None
        try:
            said = self.judging.received.recv()
        except (EOFError, OSError):
            child, self.judging = self.judging, None
            self.finish({"error": child.explain_end(child.reap()).as_json()})
            return
        if not isinstance(said, End):
            self.tell({"number": self.number, **said})
            if "refused" in said:
                self.waiting = None
            return
        self.judging.reap()
        self.judging = None
        if self.waiting is None:
            self.finish({})
        elif self.unrecorded:
            self.tell({"number": self.number, "recording": len(self.unrecorded)})

    def finish(self, said: dict[str, Any]) -> None:
        """Tells the last thing that there is to say of a text."""
        self.waiting = None
        self.tell({"number": self.number, **said, "done": True})

    def stop(self) -> None:
        """Ends the child that judges a text that nobody wants any more."""
        self.waiting = None
        if self.judging is not None:
            self.judging.kill()
            self.judging = None

    def choose(self, text: str) -> RunOptions:
        """The choice for a text."""
        rule = self.request.rule
        # Named as a person's own: a scenario that does not name it finds it all the same.
        return replace(self.chosen, texts={rule: text}, rules=(rule,))

    def judge_focus(self, text: str, focus: str, send: Callable[[object], None]) -> None:
        """The first work on a text: whether it can be read, and the case in focus in full."""
        options = self.choose(text)
        with unit_of_work(self.chosen.limits.seconds):
            refused = refuse_text(self.request.rule, text, options)
        if refused is not None:
            send({"refused": refused})
            return
        wanted = next((c for c in self.found.cases if c.key == focus), next(iter(self.found.cases), None))
        if wanted is not None:
            with KeptBench(replace(options, detailed=True), self.recorded) as bench:
                ((result,),) = bench.judge_all([wanted.scenario])
            send({"focus": describe_result(wanted, result), "detail": describe_detail(wanted, result)})

    def judge_all(self, text: str, send: Callable[[object], None]) -> None:
        """The second work on a text: all cases together."""
        options = self.choose(text)
        with KeptBench(options, self.recorded) as bench:
            judged = bench.judge_all([c.scenario for c in self.found.cases])
        pairs = zip(self.found.cases, judged, strict=True)
        send({"verdicts": [describe_result(case, result) for case, (result,) in pairs]})


def refuse_text(rule: Path, text: str, options: RunOptions) -> dict[str, Any] | None:
    """Why a text cannot be read at all, with its place in it; None where it can, leniently at least."""
    with Bench(options) as bench:
        how = Strictness(options.dialect or "lenient")
        name = rule.suffix.lstrip(".").lower()
        try:
            language(name).parse(Source(rule.name, text), how, replace(bench.settings(rule), switches=options.switches))
        except SourceError as error:
            return describe_error(error, text)
        except HarnessError as error:
            return dict(error.as_json())
    return None


def describe_error(error: HarnessError, text: str) -> dict[str, Any]:
    """An error for the page, with its place as characters of the rule's text where it is there."""
    own = isinstance(error, SourceError) and error.span.source.text == text
    place = {"start": error.span.start, "end": error.span.end} if own and isinstance(error, SourceError) else {}
    return {**error.as_json(), **place}


def describe_result(case: RuleCase, result: object) -> dict[str, Any]:
    """What a case came to, for the list."""
    if isinstance(result, Broken):
        return {**case.describe(), "word": "broken", "error": result.error.as_json()}
    assert isinstance(result, Verdict)
    notes = [sentence for _, sentence in notes_of(result, verbose=False)]
    return {
        **case.describe(),
        "word": OUTCOME_WORDS[result.observed],
        "outcome": str(result.observed),
        "as_expected": result.as_expected,
        "differs": [] if result.as_expected else list(describe_differences(result)),
        "note": notes[0] if notes else "",
        "alerts": len(result.alerts),
    }


def describe_detail(case: RuleCase, result: object) -> dict[str, Any] | None:
    """All that the page shows of one case, as the page of a run does."""
    if not isinstance(result, Verdict):
        return None
    cell = build_page_cell(result, Slugs(), case.key)
    assert cell is not None
    body = case.scenario.body
    row = PageRow(
        address="",
        number="",
        title=body.title,
        setting=setting_of(case.expectation),
        path=str(case.scenario.path),
        notes=(),
        cells=(),
    )
    share = SharedTexts()
    found = encode_page_verdict(cell, row, share)
    return {**found, "texts": list(share.places)}


def run_session(request: SessionRequest, chosen: RunOptions, orders: Connection, tell: SessionVoice) -> None:
    """Judges the texts of a rule until the session is ended."""
    session = VerdictSession(request=request, chosen=chosen, orders=orders, tell=tell)
    session.load()
    session.follow()

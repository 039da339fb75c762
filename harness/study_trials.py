"""What a study runs a rule on: scenarios, each a world of its own, or recorded events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

import msgspec

from harness.diagnostics import HarnessError
from harness.record import record
from harness.run import Bench
from harness.scenario.foreign_rule import container
from harness.scenario.foreign_tests import expand_expectations
from harness.scenario.pack import DEFAULT, find_scenarios, resolve_beside, split_on_request
from harness.scenario.scenario import Expectation, Label, Scenario, judged_by, read_scenario
from harness.telemetry.events.event import Telemetry, digest_telemetry, merge_telemetry
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.scenario_telemetry import replay
from harness.telemetry.store.ingest import is_large
from harness.telemetry.store.manifest import is_store
from harness.verdict.store import TelemetryStore
from harness.verdict.study.ensemble import LabelledTrial


@record(kw_only=True)
class RecordedEvents:
    """What stands in place of scenarios: files or a world, and which of the events are an attack's."""

    paths: tuple[Path, ...] = ()
    malicious: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.paths)


def find_rule_scenarios(rule: Path, paths: Sequence[Path], *, on_request: bool = True) -> list[Scenario]:
    """The scenarios under these paths, else those in the rule's own folder and below, else the project's of the rule.

    Without `on_request` only those that a run judges which names none.
    """
    folder = require_rule(rule)
    files = find_scenarios(list(paths) or [folder])
    if not on_request and not paths:
        files, _ = split_on_request(files)
    found = [expand_expectations(read_scenario(p)) for p in files]
    if not found and not paths and DEFAULT.is_dir():
        # `detlab init` keeps rules and scenarios apart; there those of other rules say nothing of this one.
        every = [expand_expectations(read_scenario(p)) for p in find_scenarios([DEFAULT])]
        found = [scenario for scenario in every if any(expectations(scenario, rule))]
    if not found:
        where = ", ".join(map(str, paths)) or f"{folder}, and none in {DEFAULT} names {rule.name}"
        hint = f"name a folder with scenarios, or begin some: `detlab init {rule}`"
        raise HarnessError("no-scenarios", f"there is no scenario in {where}", help=hint)
    return found


def require_rule(rule: Path) -> Path:
    """The folder of a rule that is there; of one inside a file of others that file's."""
    holder = rule if rule.is_file() else container(rule)
    if holder is None:
        raise HarnessError("no-such-rule", f"there is no file {rule}")
    return holder.parent


def build_population(bench: Bench, rule: Path, paths: Sequence[Path]) -> list[LabelledTrial]:
    """The rule on each scenario that a run judges; those with the same telemetry stand for one."""
    found: dict[tuple[object, ...], LabelledTrial] = {}
    for trial in build_trials(bench, rule, paths, on_request=False):
        lot = trial.lot
        key = (trial.label, *sorted(lot.conditions.items()), digest_telemetry(lot.telemetry))
        known = found.get(key)
        found[key] = trial if known is None else replace(known, same=(*known.same, trial.name))
    return list(found.values())


def build_trials(bench: Bench, rule: Path, paths: Sequence[Path], *, on_request: bool = True) -> list[LabelledTrial]:
    """The rule on each scenario once, read alike for all: under the conditions of its first expectation of the rule."""
    found = []
    for scenario in find_rule_scenarios(rule, paths, on_request=on_request):
        plain = judged_by(scenario, [rule]).body.expect[0]
        # Conditions of the expectation count, its switches and dialect do not: a study compares like with like.
        own = next(iter(expectations(scenario, rule)), plain)
        alike = msgspec.structs.replace(plain, conditions=own.conditions)
        found.append(subject(bench, scenario, rule, alike, shown=False))
    return found


def build_expecting_trials(bench: Bench, rule: Path, paths: Sequence[Path]) -> list[LabelledTrial]:
    """The rule on each scenario that expects something of it, once for each expectation."""
    return [subject(bench, s, rule, e) for s in find_rule_scenarios(rule, paths) for e in expectations(s, rule)]


def expectations(scenario: Scenario, rule: Path) -> Iterator[Expectation]:
    """What a scenario expects of a rule."""
    for expectation in scenario.body.expect:
        named = resolve_beside(scenario.path, expectation.rule)
        if is_same_rule(named, rule):
            yield expectation


def is_same_rule(one: Path, other: Path) -> bool:
    """Whether two paths mean one rule: by file and not by name, since a rule may be reached by several paths."""
    if one.is_file():
        return other.is_file() and one.samefile(other)
    # Inside a file of others, which is there when its rule is.
    return not other.is_file() and one.resolve() == other.resolve()


def subject(bench: Bench, scenario: Scenario, rule: Path, judged: Expectation, *, shown: bool = True) -> LabelledTrial:
    """The rule on one scenario as an expectation has it; its name tells the expectation's own setting if `shown`."""
    conditions = {**scenario.body.conditions, **judged.conditions, **bench.conditions(rule)}
    switches = {**judged.switches, **bench.options.switches}
    trial = bench.trial(rule, judged.dialect, bench.store(scenario), conditions, switches)
    setting = ", ".join(f"{n}={v}" for n, v in {**judged.conditions, **judged.switches}.items())
    name = f"{scenario.path}" + (f" ({setting})" if setting and shown else "")
    return LabelledTrial(name=name, label=scenario.body.activity, trial=trial, scenario=scenario, expectation=judged)


def build_recorded_trial(bench: Bench, rule: Path, paths: Sequence[Path], recorded: RecordedEvents) -> LabelledTrial:
    """The rule on a world or on recorded events; those that fit the filter are an attack's, if they do not say so."""
    if paths:
        raise HarnessError("usage", "--events takes the place of scenarios", help="leave SCENARIO out")
    events, malicious = recorded.paths, recorded.malicious
    if any(is_store(p) for p in events) or is_large(events, bench.options.limits.memory):
        store = bench.stored(events)
    else:
        telemetry = merge_telemetry(label_recordings(events, malicious, bench.options.plain))
        store = TelemetryStore(bench.engine, lambda _: telemetry)
    trial = bench.trial(rule, "lenient", store, bench.conditions(rule), bench.options.switches)
    by_field = malicious if store.streamed else {}
    name = ", ".join(map(str, events))
    return LabelledTrial(name=name, label=Label.MALICIOUS, trial=trial, malicious=by_field)


def label_recordings(events: Sequence[Path], malicious: Mapping[str, str], plain: Input | None) -> Iterator[Telemetry]:
    """Each recording with its attack's events labelled; the filter has to match something in one of them."""
    missed: list[HarnessError] = []
    for path in events:
        try:
            # False and not an empty filter: events that say themselves who caused them keep that.
            yield replay(path, malicious=dict(malicious) or False, plain=plain)
        except HarnessError as error:
            if error.code != "no-match":
                raise
            missed.append(error)
            yield replay(path, malicious=False, plain=plain)
    if len(missed) == len(events):
        raise missed[0]

"""What a study runs a rule on: scenarios, each a world of its own, or recorded events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click
import msgspec

from harness.cli import options
from harness.cli.rule_options import complete
from harness.cli.sigma_options import add_sigma_options
from harness.diagnostics import HarnessError
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import container
from harness.scenario.foreign_tests import expand_expectations
from harness.scenario.pack import find_scenarios, resolve_beside
from harness.scenario.scenario import Expectation, Label, Scenario, judged_by, read_scenario
from harness.telemetry.events.event import merge_telemetry
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.store import TelemetryStore
from harness.verdict.study.ensemble import LabelledTrial


def add_study_options(command: options.Decorated) -> options.Decorated:
    """The options that say under what a rule is studied, handed on as one: `chosen`."""

    @wraps(command)
    def chosen(*args: Any, **given: Any) -> Any:
        engine, dialect, seed = (given.pop(n) for n in ("engine", "dialect", "seed"))
        conditions, switches = given.pop("condition"), given.pop("switch")
        limits, sigma = complete(given.pop("limits")), given.pop("sigma")
        # A study judges thousands of cases: each plan that is made or run is a unit of work of its own.
        code = options.in_child(limits, whole=False)
        if code is not None:
            return code
        choice = RunOptions(
            engine=engine,
            dialect=dialect,
            conditions=conditions,
            switches=switches,
            seed=seed,
            limits=limits,
            sigma=sigma,
        )
        return command(*args, chosen=choice, **given)

    found: Any = chosen
    # The last decorator that is applied stands first in the help.
    for option in (
        add_sigma_options,
        options.json_option,
        options.add_limits,
        options.seed,
        options.switch,
        options.condition_option,
        options.dialect,
        options.engine_option,
    ):
        found = option(found)
    return cast(options.Decorated, found)


def plot(command: options.Decorated) -> options.Decorated:
    """The option that draws."""
    return click.option(
        "--plot",
        type=options.PATH,
        metavar="FILE",
        help="Also draw it: FILE.svg, or FILE.png; needs the extra `plots`.",
    )(command)


def find_rule_scenarios(rule: Path, paths: Sequence[Path]) -> list[Scenario]:
    """The scenarios under these paths, else those in the rule's own folder and below."""
    folder = require_rule(rule)
    found = [expand_expectations(read_scenario(p)) for p in find_scenarios(list(paths) or [folder])]
    if not found:
        where = ", ".join(map(str, paths)) or str(folder)
        raise HarnessError("no-scenarios", f"there is no scenario in {where}", help="name a folder with scenarios")
    return found


def require_rule(rule: Path) -> Path:
    """The folder of a rule that is there; of one inside a file of others that file's."""
    holder = rule if rule.is_file() else container(rule)
    if holder is None:
        raise HarnessError("no-such-rule", f"there is no file {rule}")
    return holder.parent


def build_trials(bench: Bench, rule: Path, paths: Sequence[Path]) -> list[LabelledTrial]:
    """The rule on each scenario once, read alike for all: under the conditions of its first expectation of the rule."""
    found = []
    for scenario in find_rule_scenarios(rule, paths):
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


def build_recorded_trials(
    bench: Bench, rule: Path, events: Sequence[Path], malicious: Mapping[str, str], conditions: Mapping[str, str]
) -> LabelledTrial:
    """The rule on recorded events; those that fit the filter are an attack's, where they do not say so themselves."""
    # False and not an empty filter: events that say themselves who caused them keep that.
    telemetry = merge_telemetry(replay(p, malicious=dict(malicious) or False) for p in events)
    store = TelemetryStore(bench.engine, lambda _: telemetry)
    trial = bench.trial(rule, "lenient", store, {**bench.conditions(rule), **conditions}, bench.options.switches)
    return LabelledTrial(name=", ".join(map(str, events)), label=Label.MALICIOUS, trial=trial)

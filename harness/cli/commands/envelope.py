"""Map which variants of an attack a rule catches, and where the edge is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import click
import msgspec

from harness import study_trials
from harness.cli import study_options
from harness.cli.options import PATH, parse_pairs
from harness.cli.screen import paper
from harness.cli.sigma_options import Studied, show_studies
from harness.detection.plan.expressions import Kind
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.diagnostics import HarnessError, Source
from harness.report.studies import envelope as told
from harness.report.studies.plots import plot_study
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.document import convert_document, load
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Outcome, Scenario, ScenarioBody, judged_by, read_scenario
from harness.study_trials import RecordedEvents
from harness.telemetry.simulation.behaviour import Behaviour, load_behaviours, parse_duration
from harness.verdict.envelope import judge_envelope, require_varied_scenario
from harness.verdict.envelope_axis import parse_axis
from harness.verdict.study.ensemble import LabelledTrial, behaviours_of


@click.command("envelope")
@click.argument("rule", type=PATH)
@click.argument("scenario", type=PATH, required=False)
@click.option(
    "--behaviour", help="What is varied where no SCENARIO is given (default: what the rule sees most of the events of)."
)
@click.option(
    "--given", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="A parameter that all variants share."
)
@click.option(
    "-x", "across", help="The axis across (default: by the behaviour, `every`, what it does an hour, or `repeats`)."
)
@click.option(
    "-y", "upwards", help="The axis upwards (default: by the behaviour, `jitter`, `times`, `lasts` or `apart`)."
)
@click.option(
    # Otherwise slow beacons would have fewer events than fast ones only because `times` is the same.
    "--lasting",
    default="8h",
    show_default=True,
    help="How long it goes on, where it has `every` and `times`.",
)
# A Tuesday morning, not on the hour; chosen, no source.
@click.option("--start", default="2026-03-03T09:12:00Z", show_default=True, help="When it begins.")
@click.option(
    "--tries", type=click.IntRange(1, 100), default=1, show_default=True, help="Tries of each, with other chance."
)
@study_options.add_event_options
@study_options.plot
@study_options.add_study_options
def command(
    rule: Path,
    scenario: Path | None,
    behaviour: str | None,
    given: Mapping[str, str],
    across: str | None,
    upwards: str | None,
    lasting: str,
    start: str,
    tries: int,
    recorded: RecordedEvents,
    plot: Path | None,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Simulates every combination of two axes and judges all of them in one run of RULE.

    An axis is a parameter of the behaviour (LOW..HIGH:COUNT, :log behind it for even ratios, or a list), `start` (a
    delay), `lasting`, `repeats` and `apart` (so many of the steps in turn), or `condition:NAME`. What SCENARIO does in
    its first step is varied, else --behaviour, under the conditions that scenarios beside the rule have for it.

    \b
    detlab envelope server.spl                                   interval by jitter
    detlab envelope server.spl -x every=30s..2h:50:log -y lasting=10m..12h:50:log
    detlab envelope server.cql -x every=1m..1h:50 -y port=443,8443,4444 --plot edge.svg
    detlab envelope many.spl --behaviour process -x repeats=1..60:30 -y apart=1s..1h:30:log
    """
    if recorded:
        message = "an envelope varies what happens, and what was recorded has happened"
        raise HarnessError("usage", message, help="`detlab tune` and `detlab latency` take --events")
    made = partial(build_subject, given=given, behaviour=behaviour, start=start, scenario=scenario)
    study = partial(
        study_envelope, made=made, axes=(across, upwards), lasting=lasting, tries=tries, plot=plot, chosen=chosen
    )
    return show_studies(rule, chosen, study, as_json=as_json)


def study_envelope(
    rule: Path,
    *,
    made: Callable[[Bench, Path], LabelledTrial],
    axes: tuple[str | None, str | None],
    lasting: str,
    tries: int,
    plot: Path | None,
    chosen: RunOptions,
) -> Studied:
    """The map of one rule."""
    with Bench(chosen) as bench:
        subject = made(bench, rule)
        known = find_behaviour(subject)
        # One axis that is given leaves the other as it would be.
        rates = [] if all(axes) else list_rates(known)
        rate = rates[0] if len(rates) == 1 else choose_rate(bench, rule, subject, rates)
        x, y = complete_axes(axes, choose_axes(known, rate))
        varied = parse_axis(x, known), parse_axis(y, known)
        lasts = {"every", "times"} <= set(known.parameters) and not is_varied((x, y), "times")
        goes_on = parse_optional_duration(lasting) if lasts else None
        found = judge_envelope(subject, *varied, lasting=goes_on, tries=tries, seed=bench.options.seed)
    if plot:
        plot_study("envelope", found, plot)
    return Studied(document=told.encode_envelope(found), lines=lambda: told.format_envelope(found, paper()))


def find_behaviour(subject: LabelledTrial) -> Behaviour:
    """What is varied: the behaviour of a scenario's first step."""
    scenario = require_varied_scenario(subject)
    return behaviours_of(scenario, {})[scenario.body.simulate[0].behaviour]


RATES = ("per_hour", "per_day")
"""What parameters end in that say how often something happens."""
# Chosen, no source: often enough to stand out from all else that a behaviour does.
OFTEN = 60


def list_rates(behaviour: Behaviour) -> list[str]:
    """The parameters of a behaviour that say how often something happens."""
    return [n for n in behaviour.parameters if n.endswith(RATES)]


def choose_rate(bench: Bench, rule: Path, subject: LabelledTrial, rates: Sequence[str]) -> str | None:
    """Of several rates the one that leaves the most of what the rule can need; None without any."""
    scenario = require_varied_scenario(subject)
    step = scenario.body.simulate[0]
    seen: dict[str, int] = {}
    for name in rates:
        given = {**step.given, name: OFTEN}
        alone = build_scenario(rule, step.behaviour, given, scenario.body.start or "", scenario.body.conditions)
        needed, _ = count_visible_events(set_rule_against(bench, rule, alone))
        seen[name] = needed
    return max(seen, key=lambda name: seen[name]) if seen else None


def choose_axes(behaviour: Behaviour, rate: str | None = None) -> tuple[str, str]:
    """The axes of a behaviour of which nobody said any; `rate` is how often it does what the rule sees."""
    known = set(behaviour.parameters)
    # Periods from seconds to hours, so in even ratios. Fifty by fifty is chosen, no source; 2,500 variants took 9.7 s.
    if {"every", "jitter"} <= known:
        return "every=30s..2h:50:log", "jitter=0..0.9:50"
    if {"every", "times"} <= known:
        return "every=1s..1h:30:log", "times=1..60:30"
    if "lasts" in known and (rate or "every" in known):
        often = "every=1s..2h:30:log" if rate is None else f"{rate}=0.1..600:30:log"
        return often, "lasts=10m..24h:30:log"
    # What happens once is done again and again: so many processes a minute.
    return "repeats=1..60:30", "apart=1s..1h:30:log"


def complete_axes(given: tuple[str | None, str | None], usual: tuple[str, str]) -> tuple[str, str]:
    """Both axes: a missing one is the usual one, or the other usual one where that is given already.

    Raises HarnessError where both vary the same thing: one would set what the other has set.
    """
    x, y = (text or own for text, own in zip(given, usual, strict=True))
    if name_axis(x) == name_axis(y):
        if all(given):
            message = f"both axes vary `{name_axis(x)}`"
            raise HarnessError("usage", message, help="name another parameter with -x or -y")
        x, y = (x, usual[0]) if given[0] else (usual[1], y)
    return x, y


def name_axis(text: str) -> str:
    """What an axis varies."""
    return text.partition("=")[0].strip()


def build_subject(
    bench: Bench,
    rule: Path,
    *,
    scenario: Path | None,
    behaviour: str | None,
    given: Mapping[str, str],
    start: str,
) -> LabelledTrial:
    """The rule on the scenario that is varied: the one that is named, or one of a behaviour alone."""
    if scenario is not None:
        return set_rule_against(bench, rule, read_scenario(scenario))
    conditions = find_usual_conditions(rule)
    names = [behaviour] if behaviour else list_behaviours(rule, given)
    trials = [set_rule_against(bench, rule, build_scenario(rule, n, given, start, conditions)) for n in names]
    if len(trials) == 1:
        return trials[0]
    trials = [make_visible(bench, rule, t) for t in trials]
    shares = [measure_visibility(t) for t in trials]
    if not any(shares) and find_own_attack(rule) is None:
        message = f"the rule can need nothing of what {', '.join(names)} leave"
        hint = "name a scenario, a --behaviour, or a --condition under which events have what the rule reads"
        raise HarnessError("nothing-to-vary", message, help=hint)
    plain = next((t for t, share in zip(trials, shares, strict=True) if share >= PLAINLY_SEEN), None)
    usual = plain or trials[shares.index(max(shares))]
    # A rule on net.exe sees every process and still fires on none that is not net.exe.
    written = None if given or fires(bench, rule, usual) else find_own_attack(rule)
    if written is None:
        return usual
    usually = find_behaviour(usual).name
    click.echo(f"note: {written.path} is varied: the rule does not fire on a {usually} as it comes", err=True)
    return set_rule_against(bench, rule, written)


def make_visible(bench: Bench, rule: Path, subject: LabelledTrial) -> LabelledTrial:
    """The rule on a behaviour; where the rule can need nothing of it, with the rate of which it needs the most."""
    if measure_visibility(subject):
        return subject
    scenario = require_varied_scenario(subject)
    step = scenario.body.simulate[0]
    rate = choose_rate(bench, rule, subject, list_rates(find_behaviour(subject)))
    if rate is None:
        return subject
    given = {**step.given, rate: OFTEN}
    often = build_scenario(rule, step.behaviour, given, scenario.body.start or "", scenario.body.conditions)
    return set_rule_against(bench, rule, often)


def fires(bench: Bench, rule: Path, subject: LabelledTrial) -> bool:
    """Whether the rule alerts on what is varied as it stands."""
    # Anew: the engine holds the events of the last trial.
    trial = set_rule_against(bench, rule, require_varied_scenario(subject)).trial
    return bool(trial.alerts(trial.plan()))


def find_own_attack(rule: Path) -> Scenario | None:
    """The first scenario beside a rule that simulates something on which the rule is expected to fire."""
    try:
        scenarios = study_trials.find_rule_scenarios(rule, [], on_request=False)
    except HarnessError:
        return None
    for scenario in scenarios:
        outcomes = [e.outcome for e in study_trials.expectations(scenario, rule)]
        if scenario.body.simulate and Outcome.TRUE_POSITIVE in outcomes:
            return scenario
    return None


def set_rule_against(bench: Bench, rule: Path, scenario: Scenario) -> LabelledTrial:
    """The rule on a scenario, read leniently, under the conditions of its expectation."""
    if not scenario.body.simulate:
        raise HarnessError("nothing-to-vary", f"{scenario.path} simulates nothing", help="name a behaviour")
    expectation = next(study_trials.expectations(scenario, rule), None) or judged_by(scenario, [rule]).body.expect[0]
    plain = msgspec.structs.replace(expectation, switches={}, dialect="lenient")
    return study_trials.subject(bench, scenario, rule, plain, shown=False)


# In this order where a rule sees as much of one as of another: the first is the case that most rules are about.
USUAL_BEHAVIOURS = (
    *("beacon", "dns_lookups", "process", "scheduled_task", "inbound_service", "port_probe"),
    *("logons", "service_installation"),
)


# A process leaves five events of five kinds; chosen, no other source.
PLAINLY_SEEN = 0.15


def list_behaviours(rule: Path, given: Mapping[str, str]) -> list[str]:
    """The behaviours that an envelope is tried with: those that take the parameters that are given."""
    folder = study_trials.require_rule(rule)
    known = load_behaviours(*behaviour_folders(folder / "variants.yaml"))
    found = [n for n in USUAL_BEHAVIOURS if n in known and set(given) <= set(known[n].parameters)]
    if not found:
        raise HarnessError(
            "no-behaviour", "no usual behaviour takes these parameters", help="name one with --behaviour"
        )
    return found


def measure_visibility(subject: LabelledTrial) -> float:
    """Which share of what a behaviour leaves is of a kind that the rule can need."""
    needed, whole = count_visible_events(subject)
    return needed / whole if whole else 0.0


def count_visible_events(subject: LabelledTrial) -> tuple[int, int]:
    """How many events of what a behaviour leaves are of a kind that the rule can need, and how many there are."""
    trial = subject.trial
    plan = trial.plan()
    views = {str(i): v for i, v in enumerate(trial.store.views)}
    parts = [
        StoredPart(name=n, constants=v.constants, columns=dict.fromkeys(v.columns.column_names, Kind.TEXT))
        for n, v in views.items()
    ]
    needed = {p.name for several in parts_needed(plan.node, {"events": parts}).values() for p in several}
    return sum(len(views[n].columns) for n in needed), sum(len(v.columns) for v in views.values())


def find_usual_conditions(rule: Path) -> Mapping[str, str]:
    """The conditions that most scenarios beside a rule have for it; none where there is no scenario."""
    try:
        scenarios = study_trials.find_rule_scenarios(rule, [], on_request=False)
    except HarnessError:
        return {}
    found = [
        tuple(sorted({**s.body.conditions, **e.conditions}.items()))
        for s in scenarios
        for e in study_trials.expectations(s, rule)
        if e.outcome is Outcome.TRUE_POSITIVE
    ]
    return dict(Counter(found).most_common(1)[0][0]) if found else {}


def is_varied(axes: tuple[str, str], name: str) -> bool:
    """Whether an axis varies this parameter."""
    return any(text.startswith(f"{name}=") for text in axes)


def parse_optional_duration(text: str) -> timedelta | None:
    """A duration, nothing for an empty text."""
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise HarnessError("wrong-parameter", f"--lasting is {error}") from None


def build_scenario(
    rule: Path, behaviour: str, given: Mapping[str, object], start: str, conditions: Mapping[str, str]
) -> Scenario:
    """A scenario beside the rule that does one thing."""
    folder = study_trials.require_rule(rule)
    values = {n: parse_given_value(v) if isinstance(v, str) else v for n, v in given.items()}
    body = {
        "title": f"Variants of {behaviour}",
        "activity": "malicious",
        "start": start,
        "conditions": dict(conditions),
        "simulate": [{"behaviour": behaviour, "host": "WS01", "given": values}],
    }
    # As a document, so that it is checked as a file would be; JSON is YAML.
    document = load(Source("the variants", msgspec.json.encode(body).decode()))
    return Scenario(path=folder / "variants.yaml", body=convert_document(document, ScenarioBody), document=document)


def parse_given_value(text: str) -> object:
    """A given value: a number where it looks like one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

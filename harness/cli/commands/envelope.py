"""Map which variants of an attack a rule catches, and where the edge is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from harness.cli import study_subjects
from harness.cli.options import PATH, parse_pairs
from harness.cli.screen import paper
from harness.cli.sigma_options import Studied, show_studies
from harness.diagnostics import HarnessError, Source
from harness.report.studies import envelope as told
from harness.report.studies.plots import plot_study
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.document import convert_document, load
from harness.scenario.scenario import Scenario, ScenarioBody, judged_by, read_scenario
from harness.telemetry.simulation.behaviour import parse_duration
from harness.verdict.envelope import Envelope, judge_envelope, parse_axis
from harness.verdict.study.ensemble import behaviours_of


@click.command("envelope")
@click.argument("rule", type=PATH)
@click.argument("scenario", type=PATH, required=False)
@click.option("--behaviour", default="beacon", show_default=True, help="What is varied, where no SCENARIO is given.")
@click.option(
    "--given", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="A parameter that all variants share."
)
# The usual beacon: periods from seconds to hours, so in even ratios. Fifty by fifty is chosen, no source; 2,500
# variants took 9.7 s of CPU.
@click.option("-x", "across", default="every=30s..2h:50:log", show_default=True, help="The axis across.")
@click.option("-y", "upwards", default="jitter=0..0.9:50", show_default=True, help="The axis upwards.")
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
@study_subjects.plot
@study_subjects.add_study_options
def command(
    rule: Path,
    scenario: Path | None,
    behaviour: str,
    given: Mapping[str, str],
    across: str,
    upwards: str,
    lasting: str,
    start: str,
    tries: int,
    plot: Path | None,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Simulates every combination of two axes and judges all of them in one run of RULE.

    An axis is a parameter of the behaviour (LOW..HIGH:COUNT, :log behind it for even ratios, or a list), `start` (a
    delay), `lasting`, or `condition:NAME`. What SCENARIO does in its first step is varied, else --behaviour.

    \b
    detlab envelope server.spl                                   interval by jitter
    detlab envelope server.spl -x every=30s..2h:50:log -y lasting=10m..12h:50:log
    detlab envelope server.spl -x start=0m..59m:60 -y times=5..60:56 --lasting ""
    detlab envelope server.cql -x every=1m..1h:50 -y port=443,8443,4444 --plot edge.svg
    """
    body = read_scenario(scenario) if scenario else build_scenario(rule, behaviour, given, start)

    def study(own: Path) -> Studied:
        with Bench(chosen) as bench:
            found = studied_envelope(bench, own, body, (across, upwards), lasting, tries)
        if plot:
            plot_study("envelope", found, plot)
        return Studied(document=told.encode_envelope(found), lines=lambda: told.format_envelope(found, paper()))

    return show_studies(rule, chosen, study, as_json=as_json)


def studied_envelope(
    bench: Bench, rule: Path, scenario: Scenario, axes: tuple[str, str], lasting: str, tries: int
) -> Envelope:
    """The study itself."""
    behaviours = behaviours_of(scenario, {})
    if not scenario.body.simulate:
        raise HarnessError("nothing-to-vary", f"{scenario.path} simulates nothing", help="name a behaviour")
    known = behaviours[scenario.body.simulate[0].behaviour]
    x, y = (parse_axis(text, known) for text in axes)
    expectation = next(study_subjects.expectations(scenario, rule), None) or judged_by(scenario, [rule]).body.expect[0]
    plain = msgspec.structs.replace(expectation, switches={}, dialect="lenient")
    subject = study_subjects.subject(bench, scenario, rule, plain, shown=False)
    goes_on = (
        parse_optional_duration(lasting)
        if {"every", "times"} <= set(known.parameters) and not is_varied(axes, "times")
        else None
    )
    return judge_envelope(subject, x, y, lasting=goes_on, tries=tries, seed=bench.options.seed)


def is_varied(axes: tuple[str, str], name: str) -> bool:
    """Whether an axis varies this parameter."""
    return any(text.startswith(f"{name}=") for text in axes)


def parse_optional_duration(text: str) -> timedelta | None:
    """A duration, nothing for an empty text."""
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise HarnessError("wrong-parameter", f"--lasting is {error}") from None


def build_scenario(rule: Path, behaviour: str, given: Mapping[str, str], start: str) -> Scenario:
    """A scenario beside the rule that does one thing."""
    folder = study_subjects.require_rule(rule)
    values = {n: parse_given_value(v) for n, v in given.items()}
    body = {
        "title": f"Variants of {behaviour}",
        "activity": "malicious",
        "start": start,
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

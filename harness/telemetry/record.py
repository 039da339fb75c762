"""Telemetry of a scenario: its simulated actions and its recordings as one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from harness.diagnostics import HarnessError, SourceError, Span
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Label, Scenario
from harness.telemetry.behaviour import Behaviours, ParameterError, load_behaviours
from harness.telemetry.event import Telemetry, merge_telemetry
from harness.telemetry.parameter import convert_to_annotation
from harness.telemetry.replay import replay
from harness.telemetry.simulate import ScheduledAction, simulate


def record_scenario(scenario: Scenario, conditions: Mapping[str, str], *, seed: int | None = None) -> Telemetry:
    """Everything that the scenario leaves behind under these conditions; `seed` takes the place of the scenario's.

    Raises SourceError at the part of the scenario that cannot be.
    """
    parts: list[Telemetry] = []
    if scenario.body.simulate:
        behaviours = load_behaviours(*behaviour_folders(scenario.path))
        parts.append(
            simulate(
                [step(scenario, i, behaviours) for i in range(len(scenario.body.simulate))],
                behaviours=behaviours,
                start=resolve_scenario_start(scenario),
                seed=scenario.body.seed if seed is None else seed,
                conditions=conditions,
            )
        )
    for i, recording in enumerate(scenario.body.replay):
        try:
            path = scenario.file(recording.path)
            parts.append(replay(path, malicious=recording.malicious or scenario.body.activity is Label.MALICIOUS))
        # It has a place already, within the scenario.
        except SourceError:
            raise
        except HarnessError as error:
            raise locate_error(error, scenario.place("replay", i, "path")) from error
    return merge_telemetry(parts)


def step(scenario: Scenario, number: int, behaviours: Behaviours) -> ScheduledAction:
    """One action of the scenario. Raises SourceError at a behaviour, parameter or delay that cannot be."""
    written = scenario.body.simulate[number]
    try:
        # Tried here although simulate() does it again: here the place of a wrong parameter is known.
        behaviours[written.behaviour].arguments(written.given)
    except ParameterError as error:
        at = ("simulate", number, "given", error.parameter)
        place = scenario.document.key(at) if error.code == "unknown-parameter" else scenario.place(*at)
        raise locate_error(error, place) from error
    except HarnessError as error:
        raise locate_error(error, scenario.place("simulate", number, "behaviour")) from error
    try:
        delay: timedelta = convert_to_annotation(written.at, timedelta)
    except ValueError as error:
        raise SourceError("wrong-parameter", f"`at` is {error}", scenario.place("simulate", number, "at")) from error
    activity = written.activity or scenario.body.activity
    return ScheduledAction(
        behaviour=written.behaviour,
        host=written.host,
        given=written.given,
        at=delay,
        malicious=activity is Label.MALICIOUS,
        detail=scenario.body.title,
    )


def locate_error(error: HarnessError, span: Span) -> SourceError:
    """The same error with its place in the scenario."""
    return SourceError(error.code, error.message, span, help=error.help)


def resolve_scenario_start(scenario: Scenario) -> datetime:
    """When the scenario begins; a time without a zone is UTC."""
    try:
        found = datetime.fromisoformat(scenario.body.start)
    except ValueError as error:
        message = "`start` is a time such as 2026-03-03T09:12:00Z"
        raise SourceError("wrong-start", message, scenario.place("start")) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)

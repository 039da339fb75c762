"""Conditions of all sensors and platforms, and the check of a scenario's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.diagnostics import HarnessError, SourceError, did_you_mean
from harness.scenario.scenario import Scenario
from harness.telemetry.platform import Condition, platform, platform_names
from harness.telemetry.sensor import sensor, sensor_names


@cache
def list_conditions_by_name() -> dict[str, Condition]:
    """Every condition of every sensor and platform by name."""
    sensors = (c for name in sensor_names() for c in sensor(name).conditions)
    platforms = (c for name in platform_names() for c in platform(name).conditions)
    return {c.name: c for c in (*sensors, *platforms)}


def check_conditions(given: Mapping[str, str]) -> None:
    """Raises HarnessError for an unknown condition or value, with the nearest known one."""
    # Importing all sensors and platforms only where there is something to check.
    conditions = list_conditions_by_name() if given else {}
    for name, value in given.items():
        if name not in conditions:
            hint = did_you_mean(name, conditions) or "`detlab list conditions` shows them"
            raise HarnessError("unknown-condition", f"no condition is called `{name}`", help=hint)
        condition = conditions[name]
        if value not in condition.values and not condition.free:
            hint = did_you_mean(value, condition.values) or f"it has {', '.join(condition.values)}"
            raise HarnessError("unknown-condition-value", f"condition `{name}` has no value `{value}`", help=hint)


def check_scenario_conditions(scenario: Scenario) -> None:
    """Raises SourceError at an unknown condition or sensor of the scenario."""
    at: list[tuple[tuple[str | int, ...], Mapping[str, str]]] = [(("conditions",), scenario.body.conditions)]
    at += [(("expect", i, "conditions"), e.conditions) for i, e in enumerate(scenario.body.expect)]
    for keys, given in at:
        # One by one: the error has to point at its own line.
        for name, value in given.items():
            try:
                check_conditions({name: value})
            except HarnessError as error:
                place = (*keys, name)
                span = scenario.document.key(place) if error.code == "unknown-condition" else scenario.place(*place)
                raise SourceError(error.code, error.message, span, help=error.help) from error
    for i, signal in enumerate(scenario.body.telemetry):
        try:
            sensor(signal.sensor)
        except HarnessError as error:
            span = scenario.place("telemetry", i, "sensor")
            raise SourceError(error.code, error.message, span, help=error.help) from error

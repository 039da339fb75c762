"""All switches that a scenario may set, and whether what it sets can be."""

from __future__ import annotations

from collections.abc import Mapping

from harness.detection.language import Switch, language, list_languages
from harness.diagnostics import HarnessError, SourceError, did_you_mean
from harness.scenario.scenario import Scenario


def list_switches() -> dict[str, tuple[str, Switch]]:
    """Every switch by its name, with the language that it belongs to."""
    return {s.name: (name, s) for name in list_languages() for s in language(name).switches}


def check_switches(given: Mapping[str, str]) -> None:
    """Raises HarnessError for a switch or a value that there is not."""
    switches = list_switches() if given else {}
    for name, value in given.items():
        if name not in switches:
            hint = did_you_mean(name, switches) or "`detlab list switches` shows them"
            raise HarnessError("unknown-switch", f"no switch is called `{name}`", help=hint)
        values = switches[name][1].values
        if value not in values:
            hint = did_you_mean(value, values) or f"it has {', '.join(values)}"
            raise HarnessError("unknown-switch-value", f"switch `{name}` has no value `{value}`", help=hint)


def check_scenario_switches(scenario: Scenario) -> None:
    """Raises SourceError at a switch of the scenario that there is not."""
    for number, expectation in enumerate(scenario.body.expect):
        for name, value in expectation.switches.items():
            try:
                check_switches({name: value})
            except HarnessError as error:
                keys = ("expect", number, "switches", name)
                # The caret stands under what is wrong: the name of the switch, or its value.
                span = scenario.document.key(keys) if error.code == "unknown-switch" else scenario.place(*keys)
                raise SourceError(error.code, error.message, span, help=error.help) from error

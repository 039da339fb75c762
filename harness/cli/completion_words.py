"""What a shell may put where an option takes a name: engines, conditions, behaviours, switches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from harness.detection.engine import list_engines
from harness.detection.language import list_languages, list_switch_names
from harness.scenario.pack import DEFAULT, behaviour_folders, find_behaviours
from harness.telemetry.platform import list_condition_names

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_from(list_words: Callable[[], Iterable[str]]) -> Completion:
    """Completes the beginning of a word with those that there are; a word that ends in `=` wants a value behind it."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        name, equals, _ = incomplete.partition("=")
        words = [f"{name}={value}" for value in list_condition_values(name)] if equals else list_words()
        return [CompletionItem(word) for word in sorted(set(words)) if word.startswith(incomplete)]

    return complete


def list_condition_values(name: str) -> tuple[str, ...]:
    """The values of a condition or a switch; none of a name that is neither."""
    # Imported by name: both have all sensors, or all of a language.
    conditions = import_module("harness.telemetry.scenario_telemetry").list_conditions_by_name()
    if name in conditions:
        return tuple(conditions[name].values)
    switches = import_module("harness.detection.language").list_switches()
    return tuple(switches[name][1].values) if name in switches else ()


def list_behaviour_names() -> Iterable[str]:
    """The behaviours of this folder and of the bundled pack."""
    return find_behaviours(behaviour_folders(DEFAULT / "any.yaml"))


complete_engines = complete_from(list_engines)
complete_languages = complete_from(list_languages)
complete_behaviours = complete_from(list_behaviour_names)
complete_conditions = complete_from(lambda: (f"{name}=" for name in list_condition_names()))
complete_switches = complete_from(lambda: (f"{name}=" for name in list_switch_names()))

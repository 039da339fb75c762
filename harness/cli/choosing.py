"""What a person may choose for every rule that runs, as one thing: the options that all such commands share."""

from __future__ import annotations

from functools import wraps
from typing import Any

from harness.cli import options
from harness.cli.contents import build_settings, contents
from harness.cli.plain import plain_text, reading
from harness.detection.engine import DEFAULT_PATIENCE
from harness.run import RunOptions


def choosing(command: options.Decorated) -> options.Decorated:
    """Adds engine, dialect, conditions, switches, seed, content and plain text; the command gets them as `chosen`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        chosen = RunOptions(
            engine=named.pop("engine"),
            dialect=named.pop("dialect"),
            conditions=named.pop("condition"),
            switches=named.pop("switch"),
            seed=named.pop("seed"),
            # The option has no default of its own, since `coverage` has another.
            patience=named.pop("patience") or DEFAULT_PATIENCE,
            settings=build_settings(named.pop("content")),
        )
        chosen = reading(chosen, named.pop("sourcetype"), named.pop("source"), named.pop("host"))
        return command(*arguments, chosen=chosen, **named)

    return plain_text(contents(options.add_judging_options(wrapped)))  # type: ignore[return-value]

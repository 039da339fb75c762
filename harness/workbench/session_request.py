"""What a session is asked for, and how it answers: what every file of `sessions/` works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any

from harness.record import record

SessionVoice = Callable[[Any], None]
"""Says something to the page: a mapping of JSON."""


@record(kw_only=True)
class SessionRequest:
    """What a session is about: a rule as a whole path, its text as it is typed, and what a person chose besides.

    `root` is the folder of the project.
    """

    root: Path
    rule: Path = Path()
    text: str = ""
    wishes: dict[str, Any] = field(default_factory=dict)


def list_sessions() -> list[str]:
    """The kinds of sessions that there are."""
    return sorted(p.stem for p in Path(__file__).with_name("sessions").glob("*.py") if not p.stem.startswith("_"))

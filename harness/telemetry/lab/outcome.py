"""How a test ended on a host, and how its clean-up did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from harness.diagnostics import HarnessError
from harness.telemetry.lab.guard import HostFacts


class Status(StrEnum):
    """How a test ended; only of `finished` and `timed out` ones is it known that they ran to an end."""

    FINISHED = "finished"
    TIMED_OUT = "timed out"
    LOST = "lost"
    BLOCKED = "blocked"
    MANUAL = "manual"
    NOT_RUN = "not run"


class Cleaning(StrEnum):
    """Whether a host is as it was before a test."""

    CLEANED = "cleaned"
    NOTHING = "nothing to clean"
    OWED = "owed"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """One test on one host. Times are ours, not the host's."""

    host: str
    test: str
    mark: str
    status: Status
    cleaning: Cleaning = Cleaning.NOT_NEEDED
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    complete: bool = True
    started: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    why_owed: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether it ran to its end and left nothing behind."""
        return self.status is Status.FINISHED and self.cleaning is not Cleaning.OWED

    def as_json(self) -> Mapping[str, Any]:
        """The outcome for machines."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in fields.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutcome:
    """Outcomes of all tests on one host; `error` is the reason of an early end."""

    host: str
    tests: tuple[TestOutcome, ...] = ()
    facts: HostFacts = field(default_factory=HostFacts)
    error: HarnessError | None = None

    @property
    def exit_code(self) -> int:
        """0 where every test ran and nothing is owed, 1 where not, 2 refused, 3 where the host did not answer."""
        if self.error:
            return self.error.exit_code
        return 0 if all(t.as_expected for t in self.tests) else 1

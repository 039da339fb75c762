"""Facts of a host before a detonation: marker, role, rights, name and clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from harness.diagnostics import HarnessError
from harness.telemetry.lab.command_line import build_clock_command, facts, split_outputs
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.remote import RemoteHost

FACTS_PATIENCE = 60.0
# Integrity levels high, system and protected: SIDs are the same in every language.
ELEVATED = re.compile(r"S-1-16-(?:12288|16384|20480)")
REG_QUERY_VALUE = re.compile(r"\sREG_\w+\s+(.*)")


def read_facts(remote: RemoteHost, name: str) -> HostFacts:
    """Marker, product type, rights, name and clock of a host. Raises HarnessError where it does not say."""
    ended = remote.run(facts(), timeout=FACTS_PATIENCE)
    found = split_outputs(ended.stdout)
    if ended.timed_out or len(found) != 4:
        raise HarnessError("no-facts", f"{name} does not say what it is: {ended.stderr.strip()[:200]}")
    offset, uncertainty = read_clock(remote, name)
    return HostFacts(
        marker=registry_value(found[0]),
        product=registry_value(found[1]),
        elevated=ELEVATED.search(found[2]) is not None,
        computer=found[3],
        offset=offset,
        uncertainty=uncertainty,
    )


def registry_value(text: str) -> str:
    """The value in what `reg query` prints, or nothing."""
    found = REG_QUERY_VALUE.search(text)
    return found[1].strip() if found else ""


def read_clock(remote: RemoteHost, name: str) -> tuple[float, float]:
    """How many seconds the host's clock is ahead of ours, and how far off that may be; the best of three answers."""
    best: tuple[float, float] | None = None
    # The quickest answer bounds the error best.
    for _ in range(3):
        before = datetime.now(UTC)
        ended = remote.run(build_clock_command(), timeout=FACTS_PATIENCE)
        after = datetime.now(UTC)
        moment = moment_of(ended.stdout)
        if moment is None:
            raise HarnessError(
                "no-clock", f"{name} does not tell its time: {(ended.stderr or ended.stdout).strip()[:200]}"
            )
        half = (after - before) / 2
        answer = ((moment - (before + half)).total_seconds(), half.total_seconds())
        best = min(best or answer, answer, key=lambda a: a[1])
        if half < timedelta(milliseconds=300):
            break
    assert best is not None
    return best


def moment_of(text: str) -> datetime | None:
    """A time as .NET prints it, with up to seven digits of a second."""
    found = re.search(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?Z", text)
    if not found:
        return None
    micros = int((found[2] or "0").ljust(6, "0"))
    return datetime.fromisoformat(found[1]).replace(microsecond=micros, tzinfo=UTC)

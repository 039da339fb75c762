"""What `detlab coverage` found, for people and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.diagnostics import SourceError
from harness.report.console import Paper, escape_controls, format_count
from harness.report.json_document import VERSION
from harness.verdict.coverage import Covered

# Chosen, no source: -v lists all.
MOST_CONSTRUCTS = 20


def format_coverage(
    covered: Sequence[Covered], paper: Paper, *, events: Sequence[Path], verbose: bool, untried: int = 0
) -> Iterator[str]:
    """Constructs that keep rules from running by frequency, shares of each kind of rule."""
    failing = [c for c in covered if not c.runs]
    found = sorted((c for c in covered if c.rows), key=rank_hits)
    if found:
        yield ""
        yield from paper.table(HITS_HEAD, [list_hit_cells(c) for c in found], right=frozenset({2, 3}))
    if failing:
        yield ""
        frequent = Counter((str(c.stage), c.construct) for c in failing).most_common(
            None if verbose else MOST_CONSTRUCTS
        )
        rows = [(f"{number:,}", stage, construct) for (stage, construct), number in frequent]
        yield from paper.table(("rules", "fails to", "on"), rows, right=frozenset({0}))
        yield ""
    # What is excluded, unsupported or skipped stays in the denominator.
    yield from paper.table(HEAD, list(list_share_rows(covered)), right=frozenset(range(1, len(HEAD))))
    where = f"an empty store and {', '.join(map(str, events))}" if events else "an empty store"
    yield from paper.paragraph(f"every rule is in its line, whatever becomes of it; run on {where}")
    if untried:
        yield from paper.paragraph(f"interrupted: {format_count(untried, 'rule')} not tried")
    if events:
        rows_found = sum(c.rows or 0 for c in found)
        yield from paper.paragraph(
            f"{format_count(len(found), 'rule')} returned {format_count(rows_found, 'row')} on the events"
        )


HITS_HEAD = ("rule", "level", "hits", "hosts", "first", "last")
LEVELS = ("critical", "high", "medium", "low", "informational")
"""Sigma's, the gravest first; a rule without one comes last."""


def rank_hits(covered: Covered) -> tuple[int, int, str]:
    """Where a rule stands among those that find something: the gravest first, then those with most hits."""
    level = covered.level.lower()
    return LEVELS.index(level) if level in LEVELS else len(LEVELS), -(covered.rows or 0), str(covered.subject.path)


def list_hit_cells(covered: Covered, *, apart: bool = False) -> list[str]:
    """A rule that finds something, in a line; `apart` names its language, since another rule has its title."""
    hits = covered.hits
    assert hits is not None
    # One host is worth more by its name than by its number.
    hosts = escape_controls(next(iter(hits.hosts))) if len(hits.hosts) == 1 else f"{len(hits.hosts):,}"
    name = covered.title or covered.subject.path.name
    name = f"{covered.subject.path.suffix.lstrip('.').upper()}: {name}" if apart else name
    times = [format_hit_time(moment) for moment in (hits.first, hits.last)]
    return [escape_controls(name), escape_controls(covered.level), f"{hits.rows:,}", hosts, *times]


def format_hit_time(moment: float | None) -> str:
    """A time in seconds as people and machines read it; nothing where there is none, or none that a calendar has."""
    try:
        return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


HEAD = ("rules", "all", "parse", "", "run", "", "read leniently")


def list_share_rows(covered: Sequence[Covered]) -> Iterator[list[str]]:
    """A line for each kind of rule, and one for all."""
    kinds: dict[str, list[Covered]] = {}
    for each in covered:
        kinds.setdefault(describe_rule_kind(each), []).append(each)
    for name in sorted(kinds):
        yield format_share_row(name, kinds[name])
    if len(kinds) > 1:
        yield format_share_row("all", covered)


def describe_rule_kind(covered: Covered) -> str:
    """The language of a rule, and what an index says it is: `spl detection, production`."""
    facts = covered.subject.facts
    said = [facts[name] for name in ("kind", "status") if facts.get(name)]
    return " ".join([covered.language, ", ".join(said)]).strip()


def format_share_row(name: str, covered: Sequence[Covered]) -> list[str]:
    """How many parse and run, and what part of all that is."""
    size = len(covered)
    parse, run = sum(c.parses for c in covered), sum(c.runs for c in covered)
    lenient = sum(bool(c.deviations) for c in covered)
    return [
        name,
        f"{size:,}",
        f"{parse:,}",
        format_percent(parse, size),
        f"{run:,}",
        format_percent(run, size),
        f"{lenient:,}",
    ]


def format_percent(part: int, whole: int) -> str:
    """A share, never rounded up to all."""
    # Cut and not rounded: 999 of 1,000 must not read 100 %.
    return f"{int(part * 1000 / whole) / 10:.1f} %" if whole else ""


def format_failure(covered: Covered, paper: Paper, *, verbose: bool) -> Iterator[str]:
    """Why a rule does not run, in a line, or with its own text and a caret."""
    error = covered.error
    if error is None:
        return
    if verbose:
        place = [] if isinstance(error, SourceError) else [str(covered.subject.path)]
        yield from (*place, *escape_controls(error.render()).splitlines(), "")
        return
    where = str(error.span) if isinstance(error, SourceError) else str(covered.subject.path)
    yield from paper.paragraph(f"{where}: {error.message.splitlines()[0]} [{error.code}]")


def encode_coverage(covered: Sequence[Covered], *, untried: int = 0) -> dict[str, Any]:
    """The whole study for machines; every rule that was tried is listed."""
    frequent = Counter((str(c.stage), c.construct) for c in covered if not c.runs).most_common()
    return {
        "document": "coverage",
        "version": VERSION,
        "rules": len(covered),
        "untried": untried,
        "parse": sum(c.parses for c in covered),
        "run": sum(c.runs for c in covered),
        "failing": [{"stage": stage, "construct": text, "rules": number} for (stage, text), number in frequent],
        "covered": [encode_covered(c) for c in covered],
    }


def encode_covered(covered: Covered) -> dict[str, Any]:
    """One rule."""
    return {
        "path": str(covered.subject.path),
        "language": covered.language,
        "runs": covered.runs,
        "stage": str(covered.stage),
        "title": covered.title,
        "level": covered.level,
        "rows": covered.rows,
        "hosts": sorted(covered.hits.hosts) if covered.hits else None,
        "first": format_hit_time(covered.hits.first) if covered.hits and covered.hits.first is not None else None,
        "last": format_hit_time(covered.hits.last) if covered.hits and covered.hits.last is not None else None,
        "deviations": covered.deviations,
        "seconds": round(covered.seconds, 4),
        "error": covered.error.as_json() if covered.error else None,
        "facts": dict(covered.subject.facts),
    }

"""What detlab does of each language: every command and function that the product has, with how well it is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.detection.conformance import ConformanceCase, pages, parse_cases
from harness.detection.language import ReferenceEntry, SupportState, Switch, language
from harness.diagnostics import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A language's commands and functions with their states, and its switches."""

    language: str
    product: str
    entries: tuple[ReferenceEntry, ...]
    switches: tuple[Switch, ...]

    def count(self, state: SupportState) -> int:
        """How many entries are in a state."""
        return sum(e.state is state for e in self.entries)


def reference(name: str, folder: Path | None = None) -> Reference:
    """The reference of a language; `folder` holds conformance pages, whose cases are its evidence."""
    spoken = language(name)
    known = [c for n, path in (pages(folder) if folder else ()) if n == name for c in read_cases(path, name)]
    listed = sorted(spoken.reference(), key=lambda e: (e.kind, e.name.lower()))
    entries = tuple(add_evidence(e, known) for e in listed)
    return Reference(language=name, product=spoken.product, entries=entries, switches=spoken.switches)


def read_cases(path: Path, name: str) -> Sequence[ConformanceCase]:
    """The cases of a page."""
    return parse_cases(Source(str(path), path.read_text("utf-8")), name)


def add_evidence(entry: ReferenceEntry, known: Iterable[ConformanceCase]) -> ReferenceEntry:
    """An entry with its evidence; one with a known gap diverges."""
    own = [c for c in known if uses(entry).search(c.query)]
    evidence = Counter(c.evidence.partition(",")[0].strip() for c in own)
    gap = next((c.known_gap for c in own if c.known_gap), None)
    state = SupportState.DIVERGING if gap and entry.state is SupportState.SUPPORTED else entry.state
    return replace(entry, state=state, evidence=dict(evidence), because=entry.because or gap or "")


def uses(entry: ReferenceEntry) -> re.Pattern[str]:
    """Where a query has an entry: as it says, or a call of its name."""
    return re.compile(entry.usage or rf"(?<![\w:.$]){re.escape(entry.name)}\s*\(", re.I)

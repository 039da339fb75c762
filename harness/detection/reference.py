"""What detlab does of each language: every command and function that the product has, with how well it is known."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.detection.conformance import ConformanceCase, pages, parse_cases
from harness.detection.language import Switch, language
from harness.detection.product_names import list_documented_names
from harness.diagnostics import HarnessError, Source

# perc95, exactperc99 and per_hour are whole families under one name each.
PERCENTILE = re.compile(r"(?:exact|upper)?perc")


class SupportState(StrEnum):
    """What becomes of a rule that uses it."""

    SUPPORTED = "supported"
    DIVERGING = "diverging"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceEntry:
    """One command or function: its state, what it does, and its conformance cases by their evidence.

    `because` says why it is refused, or what of it differs from the product.
    """

    kind: str
    name: str
    state: SupportState
    summary: str = ""
    reference: str = ""
    evidence: Mapping[str, int] = field(default_factory=dict)
    because: str = ""


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
    listed = entries_of_spl() if name == "spl" else entries_of_cql() if name == "cql" else ()
    entries = tuple(add_evidence(e, known) for e in sorted(listed, key=lambda e: (e.kind, e.name.lower())))
    if not entries:
        raise HarnessError("no-reference", f"there is no reference of {name}")
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
    return ReferenceEntry(
        kind=entry.kind,
        name=entry.name,
        state=state,
        summary=entry.summary,
        reference=entry.reference,
        evidence=dict(evidence),
        because=entry.because or gap or "",
    )


def uses(entry: ReferenceEntry) -> re.Pattern[str]:
    """Where a query has an entry: a command after a bar or first, a function before its bracket."""
    name = re.escape(entry.name)
    if entry.kind == "command":
        return re.compile(rf"(?:^|[|\[])\s*{name}(?!\w)", re.I)
    # `stats count` and `stats avg(x)`: a statistical function needs no bracket, but `count=5` is an option.
    bare = r"|\b(?!\s*=)" if entry.kind == "statistical function" else ""
    return re.compile(rf"(?<![\w:.$]){name}(?:\s*\({bare})", re.I)


def entries_of_spl() -> Iterator[ReferenceEntry]:
    """Commands, eval functions and statistical functions of SPL."""
    folder = "harness.detection.languages.spl"
    # A registry fills as its modules are imported.
    for part in ("commands", "functions", "aggregates"):
        import_module(f"{folder}.{part}")
    registry = import_module(f"{folder}.registry")
    yield from of_table("command", registry.COMMANDS)
    yield from of_table("eval function", registry.FUNCTIONS)
    yield from of_table("statistical function", registry.AGGREGATES)


def of_table(kind: str, table: Mapping[str, Any]) -> Iterator[ReferenceEntry]:
    """Every name that the table or the product has."""
    # What the product documents and detlab lacks stays in the denominator.
    for name in dict.fromkeys((*list_documented_names(kind), *table)):
        if name in table:
            found = table[name]
            yield ReferenceEntry(
                kind=kind,
                name=name,
                state=SupportState.REFUSED if found.refused else SupportState.SUPPORTED,
                summary=found.summary,
                reference=found.reference,
                because=found.refused,
            )
        elif kind == "statistical function" and (PERCENTILE.fullmatch(name) or name.startswith("per_")):
            yield ReferenceEntry(
                kind=kind, name=name, state=SupportState.SUPPORTED, summary="With its number or its unit of time."
            )
        else:
            yield ReferenceEntry(
                kind=kind, name=name, state=SupportState.REFUSED, because="an error names it where a rule uses it"
            )


def entries_of_cql() -> Iterator[ReferenceEntry]:
    """Functions of CQL."""
    folder = "harness.detection.languages.cql"
    import_module(f"{folder}.functions")
    table = import_module(f"{folder}.registry").FUNCTIONS
    names = import_module(f"{folder}.names").FUNCTION_NAMES
    for name in dict.fromkeys((*names.values(), *table)):
        if name in table:
            lines = (inspect.getdoc(table[name].run) or "").splitlines()
            where = next((line.partition("Reference:")[2].strip() for line in lines if "Reference:" in line), "")
            yield ReferenceEntry(
                kind="function",
                name=name,
                state=SupportState.SUPPORTED,
                summary=lines[0] if lines else "",
                reference=where,
            )
        else:
            # Nobody wrote a reason; the parser's error is the same for every name that it does not have.
            because = "an error names it where a rule uses it"
            yield ReferenceEntry(kind="function", name=name, state=SupportState.REFUSED, because=because)

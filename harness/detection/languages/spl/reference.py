"""What Splunk documents of SPL, and what becomes of a search that uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.detection.language import ReferenceEntry
from harness.detection.languages.spl import aggregates, commands, functions
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, FUNCTIONS
from harness.detection.reference import list_documented_names

TABLES = (aggregates, commands, functions)
PERCENTILE = re.compile(r"(?:exact|upper)?perc")


def entries_of_spl() -> Iterator[ReferenceEntry]:
    """Commands, eval functions and statistical functions of SPL."""
    yield from of_table("command", COMMANDS, "search * | {name}", r"(?:^|[|\[])\s*{name}(?!\w)")
    yield from of_table("eval function", FUNCTIONS, "search * | eval r={name}()")
    statistic = r"(?<![\w:.$]){name}(?:\s*\(|\b(?!\s*=))"
    yield from of_table("statistical function", AGGREGATES, "search * | stats {name}(x)", statistic)


def of_table(kind: str, table: Mapping[str, Any], probe: str, usage: str = "") -> Iterator[ReferenceEntry]:
    """Every name that the table or the product has; `usage` is where a search has the `{name}`."""
    for name in dict.fromkeys((*list_documented_names(kind), *table)):
        written = rf"(?<![\w:.$]){name}\d+(?:\.\d+)?\s*\(" if PERCENTILE.fullmatch(name) else usage
        found = build_entry(kind, name, table, written.replace("{name}", re.escape(name)))
        yield replace(found, probe=probe.replace("{name}", name))


def build_entry(kind: str, name: str, table: Mapping[str, Any], usage: str) -> ReferenceEntry:
    """One name."""
    if name in table:
        found = table[name]
        refused = found.run.__name__ == "refused"
        return ReferenceEntry(
            kind=kind,
            name=name,
            summary=found.summary,
            reference=found.reference,
            because=found.summary if refused else "",
            usage=usage,
        )
    if kind == "statistical function" and (PERCENTILE.fullmatch(name) or name.startswith("per_")):
        summary = "With its number or its unit of time."
        return ReferenceEntry(kind=kind, name=name, summary=summary, usage=usage)
    because = "an error names it where a rule uses it"
    return ReferenceEntry(kind=kind, name=name, because=because, usage=usage)

"""Lookup tables: their rows, and how the rows of a search find theirs.

Reference: reference/spl.md 10
"""

from __future__ import annotations

from harness.detection.language import Lookup
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.columns import Kind
from harness.detection.plan.nodes import Values
from harness.diagnostics import SourceError, Span, did_you_mean

SUFFIXES = (".csv", ".csv.gz", ".kmz")


def table(scope: Scope, name: str, span: Span) -> Lookup:
    """The table of that name, with or without its file's suffix."""
    tables = scope.settings.lookups
    bare = name
    for suffix in SUFFIXES:
        bare = bare.removesuffix(suffix)
    for candidate in (name, bare, f"{bare}.csv"):
        if candidate in tables:
            return tables[candidate]
    hint = did_you_mean(name, tables) or "give its rows in a folder of lookups"
    raise SourceError("unknown-lookup", f"no lookup table is called `{name}`", span, help=hint)


def table_rows(scope: Scope, name: str, span: Span) -> tuple[Values, dict[str, Kind]]:
    """All rows of a table as a relation; empty cells are missing fields."""
    found = table(scope, name, span)
    columns = dict.fromkeys(found.columns, Kind.TEXT)
    rows = tuple(tuple(cell if cell != "" else None for cell in row) for row in found.rows)
    return Values(columns=columns, rows=rows, span=span), columns

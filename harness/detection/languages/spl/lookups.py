"""Lookup tables: their rows, and how the rows of a search find theirs.

Reference: reference/spl.md 10
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.detection.language import Lookup
from harness.detection.languages.spl.asking import ask_rows
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Node, Values
from harness.diagnostics import SourceError, Span, did_you_mean

MOST_WRITTEN = 5_000
ENTROPY = "ut_shannon_lookup"
SUFFIXES = (".csv", ".csv.gz", ".kmz")
EXPECTED: dict[str, tuple[str, ...]] = dict.fromkeys(
    (
        "asset_lookup_by_str",
        "asset_lookup_by_cidr",
        "identity_lookup_expanded",
        "identity_lookup",
        "interesting_ports_lookup",
        "interesting_processes_lookup",
        "interesting_services_lookup",
        "cim_corporate_email_domain_lookup",
        "cim_corporate_web_domain_lookup",
        "admon_groups_def",
    ),
    (),
)
"""Tables that security apps fill on each site, empty until somebody does."""


def resolve_lookup(scope: Scope, name: str, span: Span) -> Lookup:
    """The table of that name, with or without its file's suffix."""
    tables = scope.settings.lookups
    bare = name
    for suffix in SUFFIXES:
        bare = bare.removesuffix(suffix)
    own = find_written_rows(scope, name)
    for candidate in (name, bare, f"{bare}.csv"):
        if candidate in tables:
            found = tables[candidate]
            return found if own is None else replace(found, columns=tuple(own.columns), rows=())
    if own is not None:
        return Lookup(columns=tuple(own.columns), rows=())
    if re.search(rf"output(?:lookup|csv)\b[^|]{{0,500}}\b{re.escape(bare)}\b", scope.session.text.text, re.I):
        message = f"the search writes `{name}` itself and no rows of it are given; it counts as empty until then"
        scope.session.warn("empty-lookup", message, span, "give its rows in a folder of lookups")
        return Lookup(columns=(), rows=())
    if bare in EXPECTED:
        message = f"no rows of the lookup table `{name}` are given; it counts as empty"
        scope.session.warn("empty-lookup", message, span, "give its rows in a folder of lookups")
        return Lookup(columns=EXPECTED[bare], rows=())
    hint = did_you_mean(name, tables) or "give its rows in a folder of lookups"
    raise SourceError("unknown-lookup", f"no lookup table is called `{name}`", span, help=hint)


def resolve_table_file(scope: Scope, name: str) -> str:
    """The name under which the file of a table is known: that of its definition, or its own, without the suffix."""
    bare = scope.settings.transforms.get(name, {}).get("filename") or name
    for suffix in SUFFIXES:
        bare = bare.removesuffix(suffix)
    return bare


def find_written_rows(scope: Scope, name: str) -> Scope | None:
    """The rows that the search itself wrote to a table before."""
    return scope.session.tables.get(resolve_table_file(scope, name))


def with_rows(scope: Scope, shape: Lookup, rows: Scope, span: Span) -> Lookup:
    """A table with the rows that the search wrote to it, which has to be run up to there to know them."""
    columns = tuple(rows.columns)
    found = ask_rows(scope, rows.node, MOST_WRITTEN, span)
    if found is None:
        message = "the rows that the search wrote to this table are known only with events; here it has none"
        scope.session.note("unasked-lookup", message, span)
    told = tuple(tuple(str(row.get(c) or "") for c in columns) for row in found or ())
    return replace(shape, columns=columns, rows=told)


def build_lookup_rows(scope: Scope, name: str, span: Span) -> tuple[Node, dict[str, Kind]]:
    """All rows of a table as a relation; empty cells are missing fields."""
    own = find_written_rows(scope, name)
    if own is not None:
        return own.node, dict(own.columns)
    found = resolve_lookup(scope, name, span)
    columns = dict.fromkeys(found.columns, Kind.TEXT)
    rows = tuple(tuple(cell if cell != "" else None for cell in row) for row in found.rows)
    return Values(columns=columns, rows=rows, span=span), columns

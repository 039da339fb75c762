"""Lookup tables: their rows, and how the rows of a search find theirs.

Reference: reference/spl.md 10
"""

from __future__ import annotations

from harness.detection.language import Lookup
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.columns import Kind
from harness.detection.plan.nodes import Values
from harness.diagnostics import SourceError, Span, did_you_mean

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


def table(scope: Scope, name: str, span: Span) -> Lookup:
    """The table of that name, with or without its file's suffix."""
    tables = scope.settings.lookups
    bare = name
    for suffix in SUFFIXES:
        bare = bare.removesuffix(suffix)
    for candidate in (name, bare, f"{bare}.csv"):
        if candidate in tables:
            return tables[candidate]
    if bare in EXPECTED:
        message = f"no rows of the lookup table `{name}` are given; it counts as empty"
        scope.session.warn("empty-lookup", message, span, "give its rows in a folder of lookups")
        return Lookup(columns=EXPECTED[bare], rows=())
    hint = did_you_mean(name, tables) or "give its rows in a folder of lookups"
    raise SourceError("unknown-lookup", f"no lookup table is called `{name}`", span, help=hint)


def table_rows(scope: Scope, name: str, span: Span) -> tuple[Values, dict[str, Kind]]:
    """All rows of a table as a relation; empty cells are missing fields."""
    found = table(scope, name, span)
    columns = dict.fromkeys(found.columns, Kind.TEXT)
    rows = tuple(tuple(cell if cell != "" else None for cell in row) for row in found.rows)
    return Values(columns=columns, rows=rows, span=span), columns

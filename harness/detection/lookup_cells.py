"""What the rows of a lookup table are to a value, whatever the language: texts, patterns with wildcards, networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal, build_call
from harness.detection.plan.operations import choose_test
from harness.detection.plan.values.network import parse_ip_network

# Chosen, no source: each row is a condition of the plan.
MOST_PATTERNS = 5_000


def match_cell(value: Expression, cell: str, how: str, *, ignore_case: bool) -> Expression | None:
    """Whether a value fits a cell that is a `cidr`, a `wildcard` or a text; None where no value ever can."""
    if how == "cidr":
        return ops.cidr_contains(value, Literal(cell.strip())) if parse_ip_network(cell) is not None else None
    # A pattern without a wildcard is its text: engines find equal texts faster.
    test = ops.glob if how == "wildcard" and "*" in cell else ops.equal
    return build_call(choose_test(test, ignore_case), value, Literal(cell))


def print_lookup_rows(columns: tuple[str, ...], rows: Iterable[Mapping[str, object]]) -> tuple[tuple[str, ...], ...]:
    """Rows that a query made, of texts, as those of a lookup table, where what is missing is empty."""
    return tuple(tuple(str(row.get(c) or "") for c in columns) for row in rows)

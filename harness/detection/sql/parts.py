"""A stored table as the union of its needed parts, with the columns that are read."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import expressions as exp

from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Scan
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql import build as b
from harness.detection.sql.expressions import Printer
from harness.detection.sql.relations import Compilation
from harness.detection.sql.selects import select_columns_only


def stored_relation(c: Compilation, node: Scan, read: frozenset[str]) -> str:
    """The name of a relation that has these columns of a scan's table."""
    stored = c.tables[node.table]
    if not stored.parts:
        return stored.name
    columns = {n: k for n, k in stored.columns.items() if n in read}
    needed = c.parts[id(node)]
    whole: exp.Query | None = None
    # Where no part can give a row, one of them still says which columns and types there are; WHERE FALSE empties it.
    for part in needed or stored.parts[:1]:
        query = compile_part(c, part, columns, typed=whole is None)
        whole = query if whole is None else exp.Union(this=whole, expression=query, distinct=False)
    assert whole is not None
    if not needed:
        whole.set("where", exp.Where(this=b.sql_truth(False)))
    return c.cte("parts", whole)


def compile_part(c: Compilation, part: StoredPart, columns: Mapping[str, Kind], *, typed: bool) -> exp.Select:
    """The columns of one part as those of the whole table: its own, its constants, and nulls.

    The first part of a union says what type each column has, so that the others need not.
    """
    items: dict[str, exp.Expression] = {}
    printer = Printer(c.dialect, c.names, part.columns)
    for name, kind in columns.items():
        if name in part.columns:
            items[c.names(name)] = printer(Column(name), kind)
        elif name in part.constants:
            # Constants are no stored columns: a part's source, sourcetype or EventCode is the same in every row of it.
            made = printer(Literal(part.constants[name]), kind)
            items[c.names(name)] = b.cast(made, c.dialect.types[kind]) if typed else made
        else:
            items[c.names(name)] = printer.typed_null(kind) if typed else b.sql_null()
    return select_columns_only(items, part.name).sql

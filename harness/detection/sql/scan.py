"""Stored tables as SQL: the parts that a rule can need, with codes where all of them have the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.detection.plan.dimension import VALUE, TimeSpan
from harness.detection.plan.expressions import Column, Kind, Literal, columns_read
from harness.detection.plan.nodes import Scan
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.build import select_columns_only
from harness.detection.sql.codes import Encoded, LookUp, join_look_up
from harness.detection.sql.compilation import Compilation
from harness.detection.sql.expressions import Printer
from harness.detection.sql.joint_dimension import JointDimension, find_joint_dimension
from harness.detection.sql.relation import Relation
from harness.diagnostics import HarnessError

MOST_EVENTS = 1 << 40
"""More than any table has."""


def stored_relation(c: Compilation, node: Scan, read: frozenset[str]) -> Relation:
    """A relation that has these columns of a scan's table."""
    stored = c.tables[node.table]
    if not stored.parts:
        return Relation(name=stored.name, columns=stored.columns, held=frozenset(), codes=stored.codes)
    columns = {n: k for n, k in stored.columns.items() if n in read}
    needed = c.parts[id(node)]
    fixed = find_fixed_values(c, needed)
    codes = {
        n: d for n, k in columns.items() if n not in fixed and (d := find_joint_dimension(c, needed, n, k)) is not None
    }
    read_parts: list[q.Select] = []
    # Where no part can give a row, one of them still says which columns and types there are; WHERE FALSE empties it.
    for part in needed or stored.parts[:1]:
        read_parts.append(compile_part(c, part, columns, codes, fixed, typed=not read_parts))
    if not needed:
        read_parts[0].where = b.sql_truth(False)
    whole = read_parts[0] if len(read_parts) == 1 else q.UnionAll(read_parts)
    held = {c.names(n): d.dimension for n, d in codes.items()}
    spans = {c.names(n): s for n, k in columns.items() if (s := find_joint_span(c, needed, n, k)) is not None}
    return Relation(name=c.cte("parts", whole), columns=stored.columns, held=frozenset(), codes=held, spans=spans)


def find_joint_span(c: Compilation, parts: Sequence[StoredPart], name: str, kind: Kind) -> TimeSpan | None:
    """The stretch of time of a column over all parts that have it, if it is known of each and there are rows enough."""
    having = [p for p in parts if name in p.columns or name in p.constants]
    spans = [p.spans().get(name) for p in having if p.file] if kind is Kind.NUMBER else []
    known = [s for s in spans if s is not None]
    if not known or len(known) < len(having):
        return None
    events = sum(s.events for s in known)
    # A test says 0: then no table is too small.
    events = events if c.codes_from else MOST_EVENTS
    return TimeSpan(min(s.low for s in known), max(s.high for s in known), events) if events >= c.codes_from else None


def find_fixed_values(c: Compilation, parts: Sequence[StoredPart]) -> dict[str, str]:
    """Columns of codes that hold one value in all parts, as a folder of one kind of log has one sourcetype."""
    large = [p for p in parts if p.dimensions]
    if not large or len(large) < len(parts) or sum(p.count() for p in large) < c.codes_from:
        return {}
    first, *others = [part.fixed() for part in parts]
    return {n: v for n, v in first.items() if all(other.get(n) == v for other in others)}


def compile_part(
    c: Compilation,
    part: StoredPart,
    columns: Mapping[str, Kind],
    codes: Mapping[str, JointDimension],
    fixed: Mapping[str, str],
    *,
    typed: bool,
) -> q.Select:
    """The columns of one part as those of the whole table: its own, its constants, and nulls; codes of some.

    The first part of a union says what type each column has, so that the others need not.
    """
    items: dict[str, exp.Expression] = {}
    joins: list[q.Join] = []
    printer = Printer(c.dialect, c.names, part.columns)
    for name, kind in columns.items():
        constant = fixed.get(name, part.constants.get(name))
        if name in codes:
            code: exp.Expression = b.sql_null()
            if name in part.columns or name in part.constants:
                code, join = codes[name].encode_part(c, part, f"d{len(joins)}")
                joins += [join] if join is not None else []
            items[c.names(name)] = b.cast(code, "INT")
        elif constant is not None:
            # Constants are no stored columns: a part's source, sourcetype or EventCode is the same in every row of it.
            made = printer(Literal(constant), kind)
            items[c.names(name)] = b.cast(made, c.dialect.types[kind]) if typed else made
        elif name in part.dimensions:
            found = Encoded(code=b.sql_column(c.names(name)), dimension=part.dimensions[name])
            joins.append(join_look_up(LookUp(encoded=found), short := f"d{len(joins)}"))
            items[c.names(name)] = printer.converted(b.sql_column(VALUE, short), part.columns[name], kind)
        elif name in part.columns:
            items[c.names(name)] = printer(Column(name), kind)
        else:
            items[c.names(name)] = printer.typed_null(kind) if typed else b.sql_null()
    query = select_columns_only(items, part.name, "s").sql
    query.joins = joins
    return query


def compile_scan(c: Compilation, node: Scan) -> None:
    """The stored table's columns that are read."""
    if node.table not in c.tables:
        raise HarnessError("unknown-table", f"the store has no table `{node.table}`")
    stored = c.tables[node.table]
    columns = c.shape(node)
    wanted = node.order if c.wants_order(node) else ()
    read = frozenset(columns) | frozenset(n for k in wanted for n in columns_read(k.expression))
    source = stored_relation(c, node, read)
    bench = c.over(source)
    items = {
        # A column that the store lacks is null and no error: rules name fields that none of their events carries.
        c.names(n): b.sql_column(c.names(n)) if n in stored.columns else bench.printer.typed_null(k)
        for n, k in columns.items()
    }
    order, made, ordering = bench.order_columns(wanted)
    items |= made
    query = select_columns_only(items, bench.relation())
    codes = {n: d for n, d in source.codes.items() if n in items} | dict(ordering)
    spans = {n: s for n, s in source.spans.items() if n in items}
    c.add(node, replace(query, codes=codes, spans=spans), columns, order)

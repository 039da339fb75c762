"""What SQL lacks, joined in: computed before a statement runs for distinct arguments, and looked up by them.

One operation on one argument in many columns, as free text asks each field of wide events, is computed together and
joined in by one look-up a row. A join for each column held the memory of as many hash tables: 518 of them took 19 GB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.build import build_select, table_as
from harness.detection.sql.dialect import Construct
from harness.detection.sql.relation import Computation, Pending

if TYPE_CHECKING:
    from harness.detection.sql.compilation import Compilation

# Chosen: fewer columns are joined one by one as fast, since an engine finds the values of one without making lists.
FEWEST_TOGETHER = 8
"""Columns of one operation from which the values of all are asked for in one statement."""

PendingColumn = tuple[str, Pending]


def join_computations(
    c: Compilation, pending: Sequence[PendingColumn], source: str, joins: list[q.Join]
) -> tuple[str, Mapping[str, exp.Expression]]:
    """Joins the results of computations to the relation `source`: what to read in its place, the SQL of each column."""
    groups = group_alike(pending)
    planned = [plan_computation(c, group, source) for group in groups]
    found: dict[str, exp.Expression] = {}
    many = [(g, p) for g, p in zip(groups, planned, strict=True) if len(g) > 1]
    if many:
        number = c.fresh("number")
        count = exp.Window(this=b.fn("row_number"))
        # MATERIALIZED: read twice, it has to give each row the same number.
        source = c.cte("numbered", build_select([exp.Star(), b.alias(count, number)], source))
        c.solid.add(source)
        for group, computation in many:
            short = f"c{len(joins)}"
            results = c.cte("results", map_results(c, group, computation, source, number))
            on = b.eq(b.sql_column(number, "s"), b.sql_column(number, short))
            joins.append(q.Join(this=table_as(results, short), on=on, side="LEFT"))
            held = b.sql_column(computation.value, short)
            spelling = c.dialect.spelling(Construct.MAP_VALUE)
            found |= {column: spelling(held, b.sql_integer(i)) for i, (column, _) in enumerate(group)}
    for group, computation in zip(groups, planned, strict=True):
        if len(group) == 1:
            found[group[0][0]] = join_result(c, group[0][1], computation, joins)
    return source, found


def group_alike(pending: Sequence[PendingColumn]) -> list[list[PendingColumn]]:
    """The computations of a level: those of one operation on one argument together, if they are many."""
    alike: dict[object, list[PendingColumn]] = {}
    for column, made in pending:
        varying = list_varying(made)
        # A statement for each column scans all events as often: 123 of them took 15 s.
        single = len(varying) == 1 and not made.elements
        others = tuple(None if a is varying[0] else a.sql() for a in made.arguments) if single else column
        alike.setdefault((made.operation, others, made.types, made.kind), []).append((column, made))
    return [
        group
        for columns in alike.values()
        for group in ([columns] if len(columns) >= FEWEST_TOGETHER else [[one] for one in columns])
    ]


def list_varying(made: Pending) -> list[exp.Expression]:
    """The arguments that are no literals."""
    return [a for a in made.arguments if not b.is_literal(a)]


def plan_computation(c: Compilation, group: Sequence[PendingColumn], source: str) -> Computation:
    """Plans a computation over a relation, of the values of all of these columns."""
    column, made = group[0]
    literals = {i: b.read_literal(a) for i, a in enumerate(made.arguments) if b.is_literal(a)}
    varying = list_varying(made)
    keys = tuple(c.fresh("argument") for _ in varying)
    items = [b.alias(a, k) for a, k in zip(varying, keys, strict=True)]
    if len(group) > 1:
        items = [b.alias(list_elements(c, group), keys[0])]
    inner = build_select(items, source)
    if made.elements:
        inner.source = unnest_elements(c, made.elements, source)
    inner.distinct = True  # a pattern costs 1.3 us a row, 0.1 us by distinct value (engine.md 8)
    text = c.dialect.print(c.statement(inner))
    # By content, so it is not run again; with its column, as runs that number otherwise took each other's table.
    mark = sha256(repr((made.operation, literals, text, column)).encode()).hexdigest()[:12]
    computation = Computation(
        table=f"computed_{mark}",
        operation=made.operation,
        query=text,
        literals=literals,
        keys=keys,
        value=column,
        kind=made.kind,
    )
    c.before.append(computation)
    return computation


def list_elements(c: Compilation, group: Sequence[PendingColumn]) -> exp.Expression:
    """A row for each of the columns, with the argument that is no literal."""
    return c.dialect.spell_out(Construct.ELEMENTS, b.array(*(list_varying(made)[0] for _, made in group)))


def map_results(
    c: Compilation, group: Sequence[PendingColumn], computation: Computation, source: str, number: str
) -> q.Select:
    """The query of a map for each numbered row, from the places of its columns to their results that are not null."""
    place, (key,) = c.fresh("place"), computation.keys
    places = c.dialect.spelling(Construct.ELEMENTS)(b.array(*(b.sql_integer(i) for i in range(len(group)))))
    items = [b.sql_column(number), b.alias(list_elements(c, group), key), b.alias(places, place)]
    each = q.Subquery(build_select(items, source), exp.to_identifier("e"))
    value = b.sql_column(computation.value, "k")
    mapped = c.dialect.spelling(Construct.MAP_OF)(b.sql_column(place, "e"), value)
    query = q.Select(expressions=[b.sql_column(number, "e"), b.alias(mapped, computation.value)])
    query.source = each
    on = b.eq(b.sql_column(key, "e"), b.sql_column(key, "k"))
    query.joins = [q.Join(table_as(computation.table, "k"), on)]
    query.where = b.not_null(value)
    query.group = [exp.Literal.number("1")]
    return query


def join_result(c: Compilation, made: Pending, computation: Computation, joins: list[q.Join]) -> exp.Expression:
    """Joins the table of a computation in, and gives the result."""
    keys = computation.keys
    if made.elements:
        typed = [b.cast(b.sql_column(k), t) for k, t in zip(keys, made.types, strict=True)]
        whole = query_map(c, computation.table, typed, computation.value)
        subquery = q.Subquery(whole, exp.to_identifier(f"m{len(joins)}"))
        joins.append(q.Join(this=subquery, kind="CROSS"))
        return b.sql_column(computation.value)
    short = f"c{len(joins)}"
    pairs = zip(list_varying(made), keys, strict=True)
    on = b.sql_balanced(exp.And, [b.eq(b.sql_column(a.name, "s"), b.sql_column(k, short)) for a, k in pairs])
    # LEFT, since a null argument is equal to no key: such rows stay, with null for the result.
    joins.append(q.Join(this=table_as(computation.table, short), on=on, side="LEFT"))
    return b.sql_column(computation.value, short)


def unnest_elements(c: Compilation, elements: Iterable[tuple[str, exp.Expression]], source: str) -> exp.Expression:
    """A relation with a row for each combination of elements, those under the names of their parameters."""
    found: exp.Expression = table_as(source)
    for name, lists in elements:
        element = b.alias(c.dialect.spelling(Construct.ELEMENTS)(lists), name)
        whole = q.Select([exp.Star(), element])
        whole.source = found
        found = q.Subquery(whole, exp.to_identifier("e"))
    return found


def query_map(c: Compilation, table: str, keys: list[exp.Expression], column: str) -> q.Select:
    """The query that makes one map of a table of results, without rows that have a null argument."""
    made = c.dialect.spelling(Construct.MAP_OF)(build_map_key(list(keys)), b.sql_column(column))
    whole = build_select([b.alias(made, column)], table)
    # DuckDB: "Map keys can not be NULL"; a look-up of null then gives null, which is what an operation of null is.
    whole.where = b.sql_balanced(exp.And, [b.not_null(k) for k in keys])
    return whole


def build_map_key(values: list[exp.Expression]) -> exp.Expression:
    """The key of a map: the value, or several as one."""
    return values[0] if len(values) == 1 else b.fn("row", *values)

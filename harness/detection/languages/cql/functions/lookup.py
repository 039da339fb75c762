"""Functions that look values up in tables: files, tables of the query, places, indicators."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from harness.detection.language import Lookup, Strictness
from harness.detection.languages.cql.arguments import Names, RowCount
from harness.detection.languages.cql.coercion import PASSES
from harness.detection.languages.cql.discovery import ask_rows
from harness.detection.languages.cql.functions.group_by import find_step_span
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, Preamble, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Pipeline
from harness.detection.languages.cql.time_range import restart_search
from harness.detection.lookup_cells import MOST_PATTERNS, match_cell, print_lookup_rows
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, TRUE, Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Join, JoinKind, Limit, Node, Reverse, Select, Union, Unnest, Values
from harness.detection.plan.operations import all_of
from harness.detection.plan.values.network import parse_ip_network
from harness.diagnostics import HarnessError, Severity, SourceError

MATCH_MODES = ("string", "glob", "cidr")
# No column of a table begins with `@`.
PLACE = "@place"
Pair = tuple[Expression, str]
"""A value of the row, and the column of the table that it is looked up in."""


def build_lookup_relation(lookup: Lookup) -> Values:
    """A lookup's rows as a relation."""
    return Values(columns=dict.fromkeys(lookup.columns, Kind.TEXT), rows=lookup.rows)


def join_table(
    row: RowScope, table: Node, names: Sequence[str], pairs: Sequence[Pair], *, ignore_case: bool = False
) -> tuple[Expression, dict[str, Expression]]:
    """Whether the last row of the table that agrees was found, and its columns."""
    if row.local:
        raise SourceError(
            "unsupported", "a lookup inside an array function is not supported", row.meaning.source.whole()
        )
    flow = row.flow
    own = {n: flow.meaning.temporary() for n in names}
    found = flow.meaning.temporary()
    chosen = tuple((own[n], Column(n)) for n in names)
    # Of several matching rows the last is used (reference/cql.md 13.1), and a join takes the first.
    right: Node = Select(source=Reverse(source=table), columns=(*chosen, (found, TRUE)))
    fold: Callable[[Expression], Expression] = ops.lower if ignore_case else (lambda v: v)
    keys = tuple((fold(value), fold(Column(own[c]))) for value, c in pairs)
    taken = tuple((n, Column(n)) for n in (*own.values(), found))
    known = dict.fromkeys(own.values(), Kind.TEXT) | {found: Kind.BOOLEAN}
    joined = Join(left=flow.node, right=right, kind=JoinKind.LEFT, keys=keys, columns=taken, most=1)
    flow.become(joined, Scope(flow.meaning, right, known))
    return ops.is_true(Column(found)), {n: Column(c) for n, c in own.items()}


def join_patterns(
    row: RowScope, lookup: Lookup, pairs: Sequence[Pair], mode: str, *, ignore_case: bool = False
) -> tuple[Expression, dict[str, Expression]]:
    """The same where the table's column holds patterns or networks."""
    if len(lookup.rows) > MOST_PATTERNS:
        raise HarnessError("lookup-too-large", f"a table of patterns has at most {MOST_PATTERNS} rows")
    branches: list[Expression] = []
    # The first test that holds gives the row's number, by which its columns are joined.
    for number, cells in numbered_rows(lookup, pairs, mode):
        tests = tuple(match_table_pattern(v, cells[lookup.columns.index(c)], mode, ignore_case) for v, c in pairs)
        branches += [all_of(tests), Literal(str(number))]
    which = row.flow.keep(ops.case(NULL, *branches) if branches else NULL)
    found, columns = join_table(row, numbered_table(lookup), (*lookup.columns, PLACE), ((which, PLACE),))
    return found, {n: v for n, v in columns.items() if n != PLACE}


def numbered_rows(lookup: Lookup, pairs: Sequence[Pair], mode: str) -> list[tuple[int, tuple[str, ...]]]:
    """A table's rows with their numbers, those that count first: the most exact networks, the last rows."""
    numbered = list(enumerate(lookup.rows))
    # Of several rows that fit the last counts, of networks the most specific (reference/cql.md 13.1).
    numbered.reverse()
    if mode == "cidr":
        at = lookup.columns.index(pairs[0][1])
        numbered.sort(key=lambda r: -count_fixed_bits(r[1][at]))
    return numbered


def numbered_table(lookup: Lookup) -> Values:
    """A table's rows with a column for their number."""
    rows = tuple((*cells, str(number)) for number, cells in enumerate(lookup.rows))
    return Values(columns=dict.fromkeys((*lookup.columns, PLACE), Kind.TEXT), rows=rows)


def count_fixed_bits(network: str) -> int:
    """How many bits of a network are fixed."""
    found = parse_ip_network(network)
    return -1 if found is None else found.prefixlen


def match_table_pattern(value: Expression, pattern: str, mode: str, ignore_case: bool) -> Expression:
    """Whether a value fits a pattern of the table."""
    # Patterns of LogScale match anywhere in a value.
    cell, how = (pattern, "cidr") if mode == "cidr" else (f"*{pattern.strip('*')}*", "wildcard")
    return match_cell(value, cell, how, ignore_case=ignore_case) or Literal(False)


def refuse_missing_table(row: RowScope, name: str, kind: str) -> None:
    """Says that a table is not at hand, or refuses to go on without it."""
    place = row.flow.span or row.meaning.source.whole()
    message = f"the {kind} `{name}` is not at hand"
    if row.meaning.dialect is Strictness.STRICT or row.meaning.switch("missing-content") == "refuse":
        raise SourceError("missing-lookup", message, place)
    row.meaning.tell("missing-lookup", name, f"{message}; events pass without it", place)


@FUNCTIONS.filter("match", unnamed="file", joins=True)
def match(
    row: RowScope,
    *,
    file: str = "",
    table: str = "",
    field: Names,
    column: Names = (),
    include: Names = (),
    mode: str = "string",
    glob: bool = False,
    ignoreCase: bool = False,
    strict: bool = True,
    nrows: RowCount = 1,
) -> Expression:
    """Whether a row of a file or a table has the field's value; its other columns become fields.

        a := 1 | match(file="none.csv", field=a, strict=false) -> a=1

    Reference: library.humio.com, match()
    """
    named = bind_table_name(row, file, table)
    found = found_rows(row, named, field, column, mode_of(row, glob, mode), ignoreCase)
    # Without the table nobody knows which events match; dropping all would look like a rule that finds nothing.
    if found is None:
        return PASSES
    there, columns = found
    for name, value in select_included_columns(row, named, columns, include).items():
        row.offer(name, value)
    return there if strict else TRUE


def bind_table_name(row: RowScope, file: str, table: str) -> str:
    """The file or the table that is given."""
    if not (file or table):
        place_in = row.flow.span or row.meaning.source.whole()
        raise SourceError("missing-parameter", "`match` needs `file` or `table`", place_in, help="add `file=`")
    return file or table


def mode_of(row: RowScope, glob: bool, mode: str) -> str:
    """How values are compared with a table's column."""
    if mode not in MATCH_MODES:
        place_in = row.flow.span or row.meaning.source.whole()
        raise SourceError("argument", f"`mode` is {', '.join(MATCH_MODES)}, not `{mode[:40]}`", place_in)
    return "glob" if glob else mode


def select_included_columns(
    row: RowScope, name: str, columns: dict[str, Expression], include: Names
) -> dict[str, Expression]:
    """The columns of a table that are to be included, all of them unless some are named.

    A table of the query has no fixed columns: what none of its events has is NULL.
    """
    if not include or include == ("*",):
        return columns
    # A table of the query has the columns that its events had, which may be fewer today.
    if name in row.meaning.tables:
        return {c: columns[c] for c in include if c in columns}
    check_table_columns(row, name, columns, include)
    return {c: columns[c] for c in include}


def match_fields_to_columns(row: RowScope, field: Names, column: Names) -> tuple[Pair, ...]:
    """Each field's value with the column that it is compared with."""
    if column and len(column) != len(field):
        message = f"`column` names {len(column)} columns for {len(field)} fields"
        raise SourceError("argument", message, row.flow.span or row.meaning.source.whole())
    return tuple((row.text(f), c) for f, c in zip(field, column or field, strict=True))


def rows_of_table(table: Scope) -> Lookup | None:
    """The rows of a table of the query, where the events can be asked for them."""
    place_in, row = find_step_span(table), RowScope(table)
    names = table.visible()
    node = Select(source=table.node, columns=tuple((n, row.text(n)) for n in names))
    rows = ask_rows(table.meaning, node, MOST_PATTERNS + 1, place_in)
    if rows is None:
        return None
    # As a file would hold it, where a missing value is empty.
    return Lookup(columns=names, rows=print_lookup_rows(names, rows))


def found_rows(
    row: RowScope, name: str, field: Names, column: Names, mode: str, ignore_case: bool
) -> tuple[Expression, dict[str, Expression]] | None:
    """The row of a file or a table of the query that agrees with the fields; None without such a table."""
    pairs = match_fields_to_columns(row, field, column)
    known = row.meaning.tables.get(name)
    # Keys are joined in the engine; only patterns have to be known before it runs.
    if known is not None and mode == "string":
        names = tuple(dict.fromkeys((*known.visible(), *(c for _, c in pairs))))
        return join_table(row, known.node, names, cast_pairs_to_table(pairs, known), ignore_case=ignore_case)
    lookup = row.meaning.lookup(name) if known is None else patterns_of(row, name, known)
    if lookup is None:
        refuse_missing_table(row, name, "lookup")
        return None
    check_table_columns(row, name, lookup.columns, [c for _, c in pairs])
    if mode in ("glob", "cidr"):
        return join_patterns(row, lookup, pairs, mode, ignore_case=ignore_case)
    return join_table(row, build_lookup_relation(lookup), lookup.columns, pairs, ignore_case=ignore_case)


def patterns_of(row: RowScope, name: str, table: Scope) -> Lookup:
    """The patterns of a table of the query; they have to be known before the query runs."""
    found = rows_of_table(table)
    if found is None:
        message = f"the patterns of the table `{name}` are known only with events; it counts as empty"
        row.meaning.tell("unknown-patterns", name, message, row.flow.span or row.meaning.source.whole())
        return Lookup(columns=tuple(table.visible()), rows=())
    return found


def check_table_columns(row: RowScope, name: str, columns: Container[str], wanted: Iterable[str]) -> None:
    """Refuses what is no column of a table."""
    missing = [c for c in wanted if c not in columns]
    if missing:
        message = f"the lookup `{name}` has no column `{missing[0]}`"
        raise SourceError("unknown-column", message, row.flow.span or row.meaning.source.whole())


def cast_pairs_to_table(pairs: Sequence[Pair], table: Scope) -> tuple[Pair, ...]:
    """Values in the kind that the table's columns have."""
    # A count in a table is a number, the event's field a text.
    return tuple((ops.to_number(v) if table.columns.get(c) is Kind.NUMBER else v, c) for v, c in pairs)


@FUNCTIONS.multiplying("match", parameter="nrows", when=lambda text: text != "1")
def match_several(
    flow: Scope,
    *,
    field: Names,
    file: str = "",
    table: str = "",
    column: Names = (),
    include: Names = (),
    nrows: RowCount = 1,
    strict: bool = True,
    mode: str = "string",
    glob: bool = False,
    ignoreCase: bool = False,
) -> None:
    """The form of `match` that gives an event for each row found, the last ones first."""
    row = RowScope(flow)
    name = bind_table_name(row, file, table)
    how = mode_of(row, glob, mode)
    known = flow.meaning.tables.get(name)
    lookup = flow.meaning.lookup(name) if known is None else None
    if known is not None and how != "string":
        lookup = patterns_of(row, name, known)
        known = None
    if known is None and lookup is None:
        refuse_missing_table(row, name, "lookup")
        return
    pairs = match_fields_to_columns(row, field, column)
    if lookup is not None:
        check_table_columns(row, name, lookup.columns, [c for _, c in pairs])
    if lookup is not None and how != "string":
        several_patterns(flow, lookup, pairs, how, int(nrows), include, strict=strict, ignore_case=ignoreCase)
        return
    right = relation(flow, lookup) if lookup is not None else known.copy() if known is not None else flow
    several_rows(flow, right, name, pairs, int(nrows), include, strict=strict, ignore_case=ignoreCase)


def relation(flow: Scope, lookup: Lookup) -> Scope:
    """A lookup's rows as a relation of the query."""
    return Scope(flow.meaning, build_lookup_relation(lookup), dict.fromkeys(lookup.columns, Kind.TEXT))


def several_rows(
    flow: Scope,
    right: Scope,
    name: str,
    pairs: Sequence[Pair],
    most: int,
    include: Names,
    *,
    strict: bool,
    ignore_case: bool,
) -> None:
    """An event for each row of a table that agrees, the last ones first."""
    fold: Callable[[Expression], Expression] = ops.lower if ignore_case else (lambda v: v)
    taken = select_included_columns(RowScope(flow), name, {n: Column(n) for n in right.visible()}, include)
    keys = tuple((fold(v), fold(RowScope(right).text(c))) for v, c in pairs)
    right.become(Reverse(source=right.node))
    kind = JoinKind.INNER if strict else JoinKind.LEFT
    columns = tuple(taken.items())
    made = Join(left=flow.node, right=right.node, kind=kind, keys=keys, columns=columns, most=most, span=flow.span)
    flow.become(made, right)


def several_patterns(
    flow: Scope,
    lookup: Lookup,
    pairs: Sequence[Pair],
    mode: str,
    most: int,
    include: Names,
    *,
    strict: bool,
    ignore_case: bool,
) -> None:
    """An event for each pattern that fits."""
    row, which = RowScope(flow), flow.meaning.temporary()
    fits: list[Expression] = []
    for number, cells in numbered_rows(lookup, pairs, mode):
        tests = tuple(match_table_pattern(v, cells[lookup.columns.index(c)], mode, ignore_case) for v, c in pairs)
        fits.append(ops.if_(all_of(tests), Literal(str(number)), NULL))
    # Nulls of patterns that do not fit are left out of lists, so the first `most` are those that fit.
    places = ops.list_slice(ops.list_(*fits), Literal(1), Literal(most)) if fits else NULL
    flow.keep(places, which)
    if flow.columns[which] is Kind.LIST:
        flow.become(Unnest(source=flow.node, column=which, keep_empty=not strict, span=flow.span))
    elif strict:
        flow.require(Literal(False), flow.span)
    row = RowScope(flow)
    _, columns = join_table(row, numbered_table(lookup), (*lookup.columns, PLACE), ((row.text(which), PLACE),))
    del columns[PLACE]
    for name, value in select_included_columns(row, "", columns, include).items():
        row.assign(name, value)
    row.flush(flow.span)


@FUNCTIONS.step("readFile", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS)
def read_file(flow: Scope, file: Names, *, include: Names = (), limit: float | None = None) -> None:
    """The rows of files or tables, one after the other, in the place of events.

    Reference: library.humio.com, readFile()
    """
    row, parts = RowScope(flow), []
    for name in file:
        known = flow.meaning.tables.get(name)
        lookup = None if known else flow.meaning.lookup(name)
        if known is not None:
            parts.append(known.copy())
        elif lookup is not None:
            parts.append(Scope(flow.meaning, build_lookup_relation(lookup), dict.fromkeys(lookup.columns, Kind.TEXT)))
        else:
            refuse_missing_table(row, name, "lookup")
    if len(parts) == 1:
        flow.node, flow.columns = parts[0].node, dict(parts[0].columns)
    elif parts:
        flow.become(Union(sources=tuple(p.node for p in parts), span=flow.span), *parts)
    else:
        flow.node, flow.columns = Values(columns={}, rows=()), {}
    # Free text after readFile searches the rows of the file.
    flow.origin, flow.present, flow.timed = dict(flow.columns), frozenset(), False
    if limit is not None:
        flow.become(Limit(source=flow.node, count=max(0, int(limit)), span=flow.span))
    if include and include != ("*",):
        if parts:
            select_included_columns(row, file[0], {n: Column(n) for n in flow.columns}, include)
        flow.select((n, Column(n)) for n in include)


@FUNCTIONS.step(
    "defineTable", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS, joins=True, preamble=Preamble.TABLE
)
def define_table(
    flow: Scope, query: Pipeline, *, name: str, include: Names, start: str = "", end: str = "", view: str = ""
) -> None:
    """A table made by a query of its own, for `match` and `readFile` further on.

    Reference: library.humio.com, defineTable()
    """
    made = restart_search(flow, start, end)
    if view:
        message = "all events at hand are searched, whatever their repository"
        flow.meaning.tell("repository-not-chosen", view, message, find_step_span(flow), severity=Severity.NOTE)
    flow.meaning.run(made, query)
    if include != ("*",):
        made.select((n, RowScope(made).read(n)) for n in include)
    flow.meaning.tables[name] = made

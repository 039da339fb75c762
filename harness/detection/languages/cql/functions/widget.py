"""Functions that shape rows for widgets: flows between values, places on a map, rows as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.detection.languages.cql.aggregation import aggregate_functions
from harness.detection.languages.cql.arguments import Name
from harness.detection.languages.cql.discovery import ask_rows
from harness.detection.languages.cql.functions.geolocation import MOST_PRECISE, add_table_columns, geohash_of
from harness.detection.languages.cql.functions.group_by import build_count_call, find_step_span
from harness.detection.languages.cql.product_limits import Usual, build_limit_finding, note_cut
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Filter, Named, Select, Union, Values, Window
from harness.diagnostics import Severity, SourceError

# 1,000 is the product's greatest `limit`; 50 columns are named without asking the events, chosen, no source.
MOST_TURNED, FEW_TURNED = 1_000, 50
USUAL_TURNED = Usual(5)


@FUNCTIONS.step("sankey", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def sankey(flow: Scope, *, source: Name, target: Name, weight: Syntax | None = None) -> None:
    """How often one value goes with another.

        createEvents(["a=1 b=2", "a=1 b=2"]) | kvParse() | sankey(source=a, target=b) -> source=1 target=2 weight=2

    Reference: library.humio.com, sankey()
    """
    row, span = RowScope(flow), find_step_span(flow)
    keys = (("source", row.text(source)), ("target", row.text(target)))
    there = ops.and_(*(ops.not_(ops.is_null(v)) for _, v in keys))
    flow.become(Filter(source=flow.node, condition=there, span=span))
    aggregate_functions(flow, keys, weight or build_count_call(span), span, "weight")


@FUNCTIONS.step("worldMap", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def world_map(
    flow: Scope,
    *,
    ip: Name = "",
    lat: Name = "",
    lon: Name = "",
    magnitude: Syntax | None = None,
    precision: float = 4,
) -> None:
    """Events by their place: the cell of a geohash, from the fields `lat` and `lon` or from the address in `ip`.

    Without coordinates at hand each address is a place of its own.

        createEvents(["a.lat=57.64911 a.lon=10.40744"]) | kvParse() | worldMap(lat=a.lat, lon=a.lon)
        -> geohash=u4pr magnitude=1

    Reference: library.humio.com, worldMap()
    """
    span = find_step_span(flow)
    if not 1 <= precision <= MOST_PRECISE:
        raise SourceError("argument", f"`precision` is a number from 1 to {MOST_PRECISE}", span)
    if bool(lat) != bool(lon) or not (ip or lat):
        raise SourceError("missing-parameter", "`worldMap` needs `ip`, or `lat` and `lon`", span, help="add `ip=`")
    row = RowScope(flow)
    if ip and not lat:
        add_table_columns(row, "ipLocation", ip, ip, "network", "cidr")
        row.flush(span)
    row, north, east = RowScope(flow), lat or f"{ip}.lat", lon or f"{ip}.lon"
    located = row.has(north) and row.has(east)
    name = "geohash" if located else "ip"
    key = geohash_of(row.number(north), row.number(east), int(precision)) if located else row.text(ip or north)
    flow.keep(key, name)
    flow.require(ops.not_(ops.is_null(Column(name))), span)
    aggregate_functions(flow, ((name, Column(name)),), magnitude or build_count_call(span), span, "magnitude")


@FUNCTIONS.step("transpose", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, reads_all=True)
def transpose(
    flow: Scope,
    pivot: Name | None = None,
    *,
    header: Name | None = None,
    column: str | None = None,
    limit: float = USUAL_TURNED,
) -> None:
    """Rows as columns, one row for each field: `row[1]`, `row[2]`, or named by the values of the field `header`.

    Values that name columns are those of the events at hand. `pivot` is both header and column.

        createEvents(["a=1", "a=2"]) | kvParse() | select([a]) | transpose() -> column=a row[1]=1 row[2]=2
        createEvents(["a=1", "a=2"]) | kvParse() | select([a]) | transpose(column=f) -> f=a row[1]=1 row[2]=2

    Reference: library.humio.com, transpose()
    """
    span = find_step_span(flow)
    if not 1 <= limit <= MOST_TURNED:
        raise SourceError("argument", f"`limit` is a number from 1 to {MOST_TURNED}", span)
    names, named_by = [n for n in flow.visible() if n != "@timestamp"], header or pivot
    names = [n for n in names if n not in flow.partition]
    mark, label = flow.meaning.temporary(), column or pivot or "column"
    within: tuple[Expression, ...] = tuple(Column(n) for n in flow.partition)
    flow.become(Window(source=flow.node, partition=within, measures=((mark, ops.row_number()),)))
    # Only the silent default surprises; who writes a limit knows of it.
    if isinstance(limit, Usual) and not flow.partition:
        message = f"`transpose` turns {limit} rows unless it is given a `limit`, and there were more"
        note_cut(
            flow,
            build_limit_finding(flow, message, f"give it a `limit`, at most {MOST_TURNED}"),
            flow.node,
            limit,
            flow.node,
        )
    flow.become(Filter(source=flow.node, condition=ops.less_equal(Column(mark), Literal(int(limit))), span=span))
    heads = headings(flow, mark, named_by, int(limit))
    transpose_rows(flow, [n for n in names if n != named_by], label, mark, heads)


def transpose_rows(flow: Scope, names: Sequence[str], label: str, mark: str, heads: Mapping[int, str]) -> None:
    """A row for each field, with its values in the rows that have a heading."""
    own: tuple[Named, ...] = tuple((n, Column(n)) for n in flow.partition)
    row, cells, value = RowScope(flow), [], flow.meaning.temporary()
    for name in names:
        chosen: tuple[Named, ...] = (*own, (label, Literal(name)), (mark, Column(mark)), (value, row.text(name)))
        there = Filter(source=flow.node, condition=ops.not_(ops.is_null(row.read(name))))
        cells.append(Select(source=there, columns=chosen))
    shape = {**{n: flow.columns[n] for n in flow.partition}, label: Kind.TEXT, mark: Kind.NUMBER, value: Kind.TEXT}
    flow.node = Union(sources=tuple(cells), span=flow.span) if cells else Values(columns=shape, rows=())
    flow.columns = shape
    measures: list[Named] = []
    for i, name in heads.items():
        here = ops.equal(Column(mark), Literal(i))
        measures.append((name, ops.first(Column(value), where=here)))
    keys = (*own, (label, Column(label)))
    flow.become(Aggregate(source=flow.node, keys=keys, measures=tuple(measures), span=flow.span))
    flow.events = flow.timed = False


def headings(flow: Scope, mark: str, header: str | None, limit: int) -> dict[int, str]:
    """The names of the columns that rows become, by the row's number."""
    span = find_step_span(flow)
    if header is None and limit <= FEW_TURNED:
        return {i: f"row[{i}]" for i in range(1, limit + 1)}
    text = RowScope(flow).text(header) if header else Literal("")
    number, shown = flow.meaning.temporary(), flow.meaning.temporary()
    listed = Aggregate(source=flow.node, keys=((number, Column(mark)), (shown, text)), measures=())
    rows = ask_rows(flow.meaning, listed, MOST_TURNED, span)
    if rows is None:
        message = "how many rows become columns, and their names, are known only with events"
        flow.meaning.tell("unnamed-columns", "transpose", message, span, severity=Severity.NOTE)
        return {i: f"row[{i}]" for i in range(1, min(limit, FEW_TURNED) + 1)}
    made: dict[int, str] = {}
    for each in rows:
        number_in, found = int(float(str(each[number]))), each.get(shown)
        name = str(found) if header and found not in (None, "") else f"row[{number_in}]"
        if name not in made.values():
            made[number_in] = name
    return made

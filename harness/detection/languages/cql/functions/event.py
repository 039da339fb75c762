"""createEvents, fieldset, fieldstats, copyEvent, eventSize, eventFieldCount."""

from __future__ import annotations

from harness.detection.languages.cql.arguments import Name, Texts
from harness.detection.languages.cql.functions.group_by import find_step_span
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.time_range import parse_milliseconds
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Named, Select, Union, Values
from harness.diagnostics import Severity


@FUNCTIONS.step("createEvents", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.GIVES)
def create_events(flow: Scope, rawstring: Texts) -> None:
    """Events made of texts, one each, in the place of those that came.

        createEvents(["a=1", "a=2"]) | kvParse() | a=2 -> a=2

    Reference: library.humio.com, createEvents()
    """
    # The documented events have only @rawstring (reference/cql.md 9); a time is what every later step may need.
    now = flow.meaning.settings.now * 1000
    rows = tuple((now, text) for text in rawstring)
    flow.columns = {"@timestamp": Kind.NUMBER, "@rawstring": Kind.TEXT}
    flow.node = Values(columns=dict(flow.columns), rows=rows, span=flow.span)
    flow.origin, flow.timed, flow.events = dict(flow.columns), True, True
    flow.present = frozenset(flow.columns)


@FUNCTIONS.step("fieldset", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, reads_all=True)
def fieldset(flow: Scope) -> None:
    """The names of all fields, one a row.

        a := 1 | fieldset() | field=a -> field=a

    Reference: library.humio.com, fieldset()
    """
    field_rows(flow, statistics=False)


@FUNCTIONS.step("fieldstats", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, reads_all=True)
def fieldstats(flow: Scope, *, limit: float = 200) -> None:
    """The names of all fields, how many events have each, and how many values it has.

        a := 1 | fieldstats() | field=a -> field=a _count=1 distinct=1

    Reference: library.humio.com, fieldstats()
    """
    field_rows(flow, statistics=True)


def field_rows(flow: Scope, *, statistics: bool) -> None:
    """One row a field that an event has."""
    span, row = find_step_span(flow), RowScope(flow)
    # One pass counts all fields; their rows are cut out of it afterwards.
    names = flow.visible()
    counted: list[Named] = []
    for i, name in enumerate(names):
        counted.append((f"{i}.count", ops.count(row.read(name))))
        counted.append((f"{i}.distinct", ops.count_distinct(row.read(name))))
    whole = Aggregate(source=flow.node, keys=(), measures=tuple(counted), span=span)
    rows = []
    for i, name in enumerate(names):
        cells: list[Named] = [("field", Literal(name)), ("_count", Column(f"{i}.count"))]
        rows.append(Select(source=whole, columns=(*cells, ("distinct", Column(f"{i}.distinct")))))
    flow.columns = {"field": Kind.TEXT, "_count": Kind.NUMBER, "distinct": Kind.NUMBER}
    none = Values(columns=flow.columns, rows=(), span=span)
    flow.node = Union(sources=tuple(rows), span=span) if rows else none
    # Columns belong to all events; a field that none has is none.
    flow.require(ops.greater(Column("_count"), Literal(0)), span)
    if not statistics:
        flow.select([("field", Column("field"))])
    flow.events = flow.timed = False


@FUNCTIONS.step("copyEvent", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS)
def copy_event(flow: Scope, type: str) -> None:
    """Each event, and a copy of it whose `#type` is this one; parsers sort copies by it.

        a := 1 | copyEvent("cpu") | #type=cpu -> a=1 #type=cpu

    Reference: library.humio.com, copyEvent()
    """
    copies = flow.copy()
    copies.keep(Literal(type), "#type")
    flow.become(Union(sources=(flow.node, copies.node), span=flow.span), copies)
    # The original keeps its own type, which may be missing.
    flow.present -= {"#type"}
    flow.timed = False


@FUNCTIONS.row("eventInternals")
def event_internals(row: RowScope, *, prefix: str = "@") -> None:
    """Where an event is stored; all events at hand are in one datasource, called 1.

        eventInternals() -> @datasourceId=1
        eventInternals(prefix="in.") -> in.datasourceId=1

    Reference: library.humio.com, eventInternals()
    """
    message = "where the product would store an event is not known; all are in the datasource 1"
    span = row.flow.span or row.meaning.source.whole()
    row.meaning.tell("storage-unknown", "eventInternals", message, span, severity=Severity.NOTE)
    # The product has one datasource for each combination of tags; tags of recorded events are not those of its store.
    row.put(f"{prefix}datasourceId", Literal("1"))


@FUNCTIONS.value("beta:param", into="required")
def parameter_value(row: RowScope, parameter: str) -> Expression:
    """The value of a query's parameter, which is no value where none is given.

        a := ?{who=ann} | x := beta:param("who") -> x=ann
        x := beta:param("missing") | y := 1 -> y=1

    Reference: library.humio.com, beta:param()
    """
    # What is given wins over a default in the text.
    given = {**row.meaning.defaults, **row.meaning.settings.parameters}.get(parameter)
    return Literal(given)


@FUNCTIONS.row("beta:repeating")
def repeating(row: RowScope, interval: str = "", *, as_: Name = "") -> None:
    """How often a live query runs again; a query that runs once stays as it is.

        a := 1 | beta:repeating("5m") -> a=1

    Reference: library.humio.com, beta:repeating()
    """
    span = row.flow.span or row.meaning.source.whole()
    if interval:
        parse_milliseconds(interval, span)
    message = "a query is run once here, so `beta:repeating` changes nothing"
    row.meaning.tell("not-repeated", "beta:repeating", message, span, severity=Severity.NOTE)


@FUNCTIONS.value("eventSize", into="_eventSize", raw=True)
def event_size(row: RowScope) -> Expression:
    """How many characters the event's own text has.

        eventSize() | x := 1 -> x=1

    Reference: library.humio.com, eventSize()
    """
    return ops.length(row.text("@rawstring"))


@FUNCTIONS.value("eventFieldCount", into="_eventFieldCount", reads_all=True)
def event_field_count(row: RowScope) -> Expression:
    """How many fields the event has.

        a := 1 | b := 2 | eventFieldCount() -> _eventFieldCount=3

    Reference: library.humio.com, eventFieldCount()
    """
    total: Expression = Literal(0)
    for name in row.flow.visible():
        total = ops.add(total, ops.if_(ops.is_null(row.read(name)), Literal(0), Literal(1)))
    return total

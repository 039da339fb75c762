"""transaction, concurrency, localize."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.languages.spl.arguments import BoundOptions, bind_options, parse_truth_word
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.commands.lookup import append_rows
from harness.detection.languages.spl.conditions import SearchLowering
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.parser import transaction_item
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import NEWEST_FIRST, Scope
from harness.detection.languages.spl.syntax import (
    FieldReference,
    FreeText,
    FunctionCall,
    GeneralArguments,
    Number,
    OperandChain,
    Option,
    ParenthesisedCondition,
    Prefix,
    Stage,
    String,
    Word,
)
from harness.detection.languages.spl.time_range import seconds_of
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Reverse, Sort, Union, Window
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.diagnostics import SourceError
from harness.record import record

TRANSACTION_OPTIONS = (
    "startswith", "endswith", "maxspan", "maxpause", "maxevents", "connected", "unifyends", "keeporphans",
    "keepevicted", "mvlist", "mvraw", "delim", "nullstr", "maxopenevents", "maxopentxn", "name", "fields",
)  # fmt: skip
# How much a search head keeps in memory; here all transactions are open as long as they need.
WITHOUT_EFFECT = ("maxopenevents", "maxopentxn", "delim")
LIMITS = ("maxspan", "maxpause", "maxevents")
TRANSACTION_ENDS = ("startswith", "endswith")
# The default of `maxevents` (reference/spl.md 1.9).
MOST_TRANSACTION_EVENTS = 1000
BOOLEANS = ("t", "true", "1", "f", "false", "0")
Evaluated = Number | String | FieldReference | Prefix | OperandChain | FunctionCall


@record(kw_only=True)
class TransactionRendering:
    """How the values of a transaction's events are put together: the fields shown as lists, and how."""

    every: bool
    fields: frozenset[str]
    null: str
    raw: bool

    def listed(self, name: str) -> bool:
        """Whether a field is a list of what each event has."""
        return self.every or name in self.fields


def is_bounded_by_words(stage: Stage) -> bool:
    """Whether `startswith` or `endswith` is a word of the event."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    bounds = (i for i in items if isinstance(i, Option) and i.name in TRANSACTION_ENDS)
    return any(isinstance(i.value, Word) for i in bounds)


@COMMANDS.define(
    "transaction", "transam", order="reads", fields="keeps", raw=is_bounded_by_words, item=transaction_item
)
def transaction(scope: Scope, stage: Stage) -> None:
    """Events with equal fields as one row, cut where a condition, a pause, a span or a number says so.

    Events are taken from the newest on. Of several fields an event may lack some: it belongs to the newest transaction
    that has one of its values and contradicts none.

    Reference: Splunk Search Reference, transaction; reference/spl.md 7
    """
    found = with_fields(bind_options(stage, *TRANSACTION_OPTIONS))
    if "name" in found.options:
        message = "a transaction type of `transactiontypes.conf`"
        raise scope.unsupported(message, found.options["name"].span, "write its options here")
    for name in WITHOUT_EFFECT:
        if name in found.options:
            scope.session.note("no-effect", f"`{name}` has no effect here", found.options[name].span)
    # Events are processed newest first (reference/spl.md 7), ties in reverse order of the rows.
    scope.node = Reverse(source=Sort(source=scope.node, keys=(SortKey(Column("_time")),), span=stage.span))
    session = scope.session.fresh("session")
    number_transactions(scope, stage, found, session)
    bounded = not found.options.keys().isdisjoint(TRANSACTION_ENDS)
    evicted, orphaned = found.flag("keepevicted"), found.flag("keeporphans")
    orphans = find_orphans(scope, found, session, evicted=bounded and not evicted) if orphaned else None
    begun = gather_transactions(scope, stage, found, session)
    if bounded and not (evicted and (begun is None or not orphaned)):
        # Evicted transactions are dropped unless `keepevicted=t` (reference/spl.md 7); what no event begins is no
        # transaction, and passed on as orphans.
        kept = ops.equal(Typed(Column("closed_txn"), Kind.NUMBER), literal(1.0))
        scope.filter((ops.or_(kept, begun) if evicted and begun is not None else kept).expression, stage.span)
    scope.keep([n for n in scope.columns if not n.startswith("@")])
    if orphans is not None:
        append_rows(scope, orphans, stage)
    scope.node = Sort(source=scope.node, keys=NEWEST_FIRST[:1], span=stage.span)


def find_orphans(scope: Scope, found: BoundOptions, session: str, *, evicted: bool) -> Scope:
    """The events that are in no transaction; with `evicted` those of transactions that were not closed are too."""
    orphans, begun = scope.branch(), scope.session.fresh("begun")
    closed = ops.greater(Typed(Column(session), Kind.NUMBER), literal(0.0))
    if (start := build_end_condition(orphans, found, "startswith")) is not None:
        marks = ops.maximum(ops.if_(start, literal(1.0), literal(0.0)).expression)
        orphans.node = Window(source=orphans.node, partition=(Column(session),), measures=((begun, marks),))
        none = ops.equal(Typed(Column(begun), Kind.NUMBER), literal(0.0))
        evicted_or_none = ops.not_(closed) if evicted else ops.and_(ops.not_(closed), none)
    else:
        evicted_or_none = ops.not_(closed) if evicted else literal(False)
    alone = ops.or_(Typed(ops.is_null(Column(session)), Kind.BOOLEAN), ops.is_true(evicted_or_none))
    orphans.node = Filter(source=orphans.node, condition=alone.expression)
    orphans.derive([("_txn_orphan", literal(1.0))])
    orphans.keep([n for n in orphans.columns if not n.startswith("@")])
    return orphans


def with_fields(found: BoundOptions) -> BoundOptions:
    """The old spelling `fields="a,b"` as the fields themselves."""
    word = found.word("fields")
    if word is None:
        return found
    names = tuple(Word(n, True, word.span) for n in word.text.replace(",", " ").split())
    return replace(found, words=(*names, *found.words))


def number_transactions(scope: Scope, stage: Stage, found: BoundOptions, session: str) -> None:
    """Adds the number of each event's transaction."""
    starts, ends = build_end_condition(scope, found, "startswith"), build_end_condition(scope, found, "endswith")
    keys = [as_text(build_transaction_key(scope.typed(w.text, w.span))) for w in found.words]
    connected = found.flag("connected", True)
    most = found.number("maxevents", MOST_TRANSACTION_EVENTS)
    arguments = (
        literal(parse_time_limit(found, "maxspan")),
        literal(parse_time_limit(found, "maxpause")),
        literal(float(most) if most > 0 else None),
        literal(connected),
        literal(found.flag("unifyends", connected)),
        literal(limits_close(scope, found)),
        as_number(scope.typed("_time")),
        ends or TYPED_NULL,
        starts or TYPED_NULL,
        *keys,
    )
    measure = ops.session_of(*tuple(a.expression for a in arguments))
    scope.node = Window(source=scope.node, measures=((session, measure),), frame=Frame.RUNNING, span=stage.span)
    scope.columns[session] = Kind.NUMBER


def limits_close(scope: Scope, found: BoundOptions) -> bool:
    """Whether a limit closes a transaction that events begin or end, without both of these."""
    bounded = any(n in found.options for n in LIMITS) and any(n in found.options for n in TRANSACTION_ENDS)
    return bounded and scope.session.switch("transaction_closed") == "limits"


def build_transaction_key(value: Typed) -> Typed:
    """A field's value as one key; of several values all together."""
    return ops.list_join(value, literal("\n")) if value.kind is Kind.LIST else value


def build_end_condition(scope: Scope, found: BoundOptions, name: str) -> Typed | None:
    """The condition of startswith or endswith."""
    option = found.options.get(name)
    if option is None:
        return None
    value = option.value
    if isinstance(value, ParenthesisedCondition):
        return ops.is_true(SearchLowering(scope).condition(value.condition))
    if isinstance(value, Evaluated):
        return ops.is_true(EvalContext(scope).condition(value))
    if isinstance(value, Word):
        return ops.is_true(SearchLowering(scope).condition(FreeText(value, "", value.span)))
    raise SourceError("bad-option", f"`{name}` needs a condition", option.span)


def parse_time_limit(found: BoundOptions, name: str) -> float | None:
    """The seconds of maxspan or maxpause; none if negative or absent."""
    word = found.word(name)
    if word is None or word.text.startswith("-"):
        return None
    seconds = seconds_of(word.text)
    if seconds is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span of time", word.span, help="write `5m`")
    return float(seconds)


def parse_rendering_options(found: BoundOptions) -> TransactionRendering:
    """The rendering options."""
    word = found.word("mvlist")
    chosen = word is not None and word.text.lower() not in BOOLEANS
    names = word.text.replace(",", " ").split() if word is not None and chosen else []
    return TransactionRendering(
        every=word is not None and not chosen and parse_truth_word(word),
        fields=frozenset(names),
        null=found.text("nullstr", "NULL"),
        raw=found.flag("mvraw"),
    )


def gather_transactions(scope: Scope, stage: Stage, found: BoundOptions, session: str) -> Typed | None:
    """One row for each transaction: bounds of time, number of events, the values of all fields.

    Gives whether one of its events begins a transaction, where a condition says which do.
    """
    part, start = Column(session), build_end_condition(scope, found, "startswith")
    # The values of a transaction are listed in order of time again.
    scope.node = Reverse(source=Filter(source=scope.node, condition=ops.not_(ops.is_null(part))))
    time = as_number(scope.typed("_time"))
    fields = {w.text: scope.typed(w.text) for w in found.words}
    form = parse_rendering_options(found)
    measures = {f: Typed(ops.first(v.expression), v.kind) for f, v in fields.items() if v.kind is not Kind.NULL}
    for name in scope.columns:
        if name not in fields and name not in ("_time", "_raw") and name[0] != "@":
            value = scope.typed(name)
            if value.kind is not Kind.NULL:
                measures[name] = gather_field_values(value, form, name)
    if "_raw" in scope.columns:
        lines = Typed(ops.collect(Column("_raw")), Kind.LIST)
        measures["_raw"] = lines if form.raw else ops.list_join(lines, literal("\n"))
    low = Typed(ops.minimum(time.expression), Kind.NUMBER)
    high = Typed(ops.maximum(time.expression), Kind.NUMBER)
    # session_of numbers transactions that were cut off with negative numbers.
    closed = ops.greater(Typed(part, Kind.NUMBER), literal(0.0))
    first = Typed(ops.first(ops.if_(closed, literal(1.0), literal(0.0)).expression), Kind.NUMBER)
    measures |= {"_time": low, "duration": ops.subtract(high, low)}
    measures |= {"eventcount": Typed(ops.count(), Kind.NUMBER), "closed_txn": first}
    begun = scope.session.fresh("begun")
    if start is not None:
        measures[begun] = Typed(ops.maximum(ops.if_(start, literal(1.0), literal(0.0)).expression), Kind.NUMBER)
    node = Aggregate(
        source=scope.node,
        keys=((session, part),),
        measures=tuple((n, v.expression) for n, v in measures.items()),
        span=stage.span,
    )
    scope.replace(node, {n: v.kind for n, v in measures.items()}, events=False)
    return None if start is None else ops.equal(Typed(Column(begun), Kind.NUMBER), literal(1.0))


def gather_field_values(values: Typed, form: TransactionRendering, name: str) -> Typed:
    """What a transaction has of a field: the distinct values in order, or those of each event one after the other."""
    if not form.listed(name):
        return Typed(ops.values(gatherable(values).expression), Kind.LIST)
    if values.kind is Kind.LIST:
        return Typed(ops.collect(ops.coalesce(values, ops.list_(literal(form.null))).expression), Kind.LIST)
    return Typed(ops.collect(ops.coalesce(as_text(values), literal(form.null)).expression), Kind.LIST)


def gatherable(values: Typed) -> Typed:
    """A list as it is, anything else as text."""
    return values if values.kind is Kind.LIST else as_text(values)


@COMMANDS.define("concurrency", order="keeps", fields="keeps", raw="never")
def concurrency(scope: Scope, stage: Stage) -> None:
    """How many rows last at the time at which each row begins, itself included, in `concurrency`.

    Reference: Splunk Search Reference, concurrency
    """
    found = bind_options(stage, "duration", "start", "output")
    if "duration" not in found.options:
        raise found.error("missing-option", "`concurrency` needs `duration=` and a field")
    target = found.text("output", "concurrency")
    length = as_number(scope.typed(found.text("duration", ""), found.options["duration"].span))
    begin = as_number(scope.typed(found.text("start", "_time")))
    if Kind.NULL in (length.kind, begin.kind):
        return
    length = ops.coalesce(length, literal(0.0))
    kept, session = list(scope.columns), scope.session
    place, moment, phase, step, total = (session.fresh(n) for n in ("place", "moment", "phase", "step", "total"))
    numbered = Window(source=scope.node, measures=((place, ops.row_number()),), frame=Frame.RUNNING)
    whole = scope.branch()
    whole.node = numbered
    # At one moment ends come before starts: what ends as another begins does not overlap it. A row of no length ends
    # after its own start.
    lasting = ops.if_(ops.greater(length, literal(0.0)), literal(0.0), literal(2.0))
    ends, starts = whole.branch(), whole.branch()
    ends.derive([(moment, ops.add(begin, length)), (phase, lasting), (step, literal(-1.0))])
    starts.derive([(moment, begin), (phase, literal(1.0)), (step, literal(1.0))])
    both = Union(sources=(starts.node, ends.node), span=stage.span)
    known = ops.not_(ops.is_null(Column(moment)))
    timed = Sort(source=Filter(source=both, condition=known), keys=(SortKey(Column(moment)), SortKey(Column(phase))))
    running = ((total, ops.sum(Column(step))),)
    summed = Window(source=timed, measures=running, frame=Frame.RUNNING, span=stage.span)
    first = Filter(source=summed, condition=ops.equal(Column(step), literal(1.0).expression))
    peak = ((target, ops.maximum(Column(total))),)
    scope.node = Window(source=first, partition=(Column(moment),), measures=peak, span=stage.span)
    scope.node = Sort(source=scope.node, keys=(SortKey(Column(place)),))
    scope.columns[target] = Kind.NUMBER
    scope.defined.add(target)
    scope.keep(list(dict.fromkeys([*kept, target])))


@COMMANDS.define("localize", order="reads", fields="keeps", raw="never")
def localize(scope: Scope, stage: Stage) -> None:
    """Stretches of time in which events follow one another without a longer pause, the newest first.

    Reference: Splunk Search Reference, localize
    """
    found = bind_options(stage, "maxpause", "timeafter", "timebefore")
    time = as_number(scope.typed("_time"))
    region = scope.session.fresh("region")
    # One minute is the default of `maxpause`, 30 seconds of both edges, in the manual of localize.
    pause = parse_time_limit(found, "maxpause") if "maxpause" in found.options else 60.0
    limits = (TYPED_NULL, literal(pause), TYPED_NULL, literal(True), literal(True), literal(False))
    arguments = (*limits, time, TYPED_NULL, TYPED_NULL)
    measure = ops.session_of(*tuple(a.expression for a in arguments))
    ordered = Sort(source=scope.node, keys=(SortKey(Column("_time"), descending=True),))
    windowed = Window(source=ordered, measures=((region, measure),), frame=Frame.RUNNING, span=stage.span)
    bounds = {
        "_time": ops.minimum(time.expression),
        "endtime": ops.maximum(time.expression),
        "count": ops.count(),
    }
    node = Aggregate(source=windowed, keys=((region, Column(region)),), measures=tuple(bounds.items()), span=stage.span)
    scope.replace(node, dict.fromkeys(bounds, Kind.NUMBER), events=False)
    first, last = scope.typed("_time"), scope.typed("endtime")
    range_of = ops.subtract(last, first)
    before, after = parse_region_edge(found, "timebefore"), parse_region_edge(found, "timeafter")
    scope.derive(
        [
            ("starttime", ops.subtract(first, before)),
            ("endtime", ops.add(last, after)),
            ("duration", range_of),
            ("density", ops.divide(scope.typed("count"), range_of)),
        ]
    )
    scope.keep([n for n in scope.columns if not n.startswith("@")])
    scope.node = Sort(source=scope.node, keys=NEWEST_FIRST[:1], span=stage.span)


def parse_region_edge(found: BoundOptions, name: str) -> Typed:
    """The seconds by which a stretch grows at one end."""
    return literal(parse_time_limit(found, name) or 0.0 if name in found.options else 30.0)

"""The command that makes transactions of events."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import Given, given
from harness.detection.languages.spl.coercion import Typed, apply, listing, literal, number
from harness.detection.languages.spl.conditions import Search
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import ORDER, Scope
from harness.detection.languages.spl.statistics import present
from harness.detection.languages.spl.syntax import (
    Chain,
    Field,
    FreeText,
    Group,
    Invocation,
    Number,
    Prefix,
    Stage,
    String,
    Word,
)
from harness.detection.languages.spl.timespans import seconds_of
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, every
from harness.detection.plan.nodes import Aggregate, Frame, Sort, SortKey, Window
from harness.diagnostics import SourceError

OPTIONS = (
    "startswith", "endswith", "maxspan", "maxpause", "maxevents", "connected", "unifyends", "keeporphans",
    "keepevicted", "mvlist", "mvraw", "delim", "nullstr", "maxopenevents", "maxopentxn", "name",
)  # fmt: skip
Evaluated = Number | String | Field | Prefix | Chain | Invocation


@COMMANDS.define("transaction", "transam")
def transaction(scope: Scope, stage: Stage) -> None:
    """Events with equal fields as one row, cut where a condition, a pause or a span says so.

    Reference: reference/spl.md 7
    """
    found = given(stage, *OPTIONS)
    fields = list(found.words)
    if fields:
        place = fields[0].span.to(fields[-1].span)
        scope.filter(every(tuple(present(scope, fields)), place), place)
    starts, ends = condition(scope, found, "startswith"), condition(scope, found, "endswith")
    marks = {"start": starts, "end": ends}
    named = {k: scope.session.fresh(k) for k, v in marks.items() if v is not None}
    scope.derive([(named[k], apply("if", v, literal(1.0), literal(0.0))) for k, v in marks.items() if v is not None])
    scope.node = Sort(source=scope.node, keys=(SortKey(Column("_time")),), span=stage.span)
    keys: list[Expression] = [Column(f.text) for f in fields]
    keys = split(scope, stage, found, keys, named)
    gather(scope, stage, found, keys, named)


def condition(scope: Scope, found: Given, name: str) -> Typed | None:
    """The condition of startswith or endswith."""
    option = found.options.get(name)
    if option is None:
        return None
    value = option.value
    if isinstance(value, Group):
        return apply("is_true", Search(scope).condition(value.condition))
    if isinstance(value, Evaluated):
        return apply("is_true", Context(scope).condition(value))
    if isinstance(value, Word):
        return apply("is_true", Search(scope).condition(FreeText(value, "", value.span)))
    raise SourceError("bad-option", f"`{name}` needs a condition", option.span)


def limit(found: Given, name: str) -> float | None:
    """The seconds of maxspan or maxpause; none if negative or absent."""
    word = found.word(name)
    if word is None or word.text.startswith("-"):
        return None
    seconds = seconds_of(word.text)
    if seconds is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span of time", word.span, help="write `5m`")
    return seconds


def lagged(scope: Scope, stage: Stage, keys: list[Expression], value: Expression, kind: Kind) -> Typed:
    """The value of the event before, among those with equal keys."""
    column = scope.session.fresh("before")
    measures = ((column, Aggregation("lag", (value, literal(1.0).expression))),)
    scope.node = Window(
        source=scope.node, partition=tuple(keys), measures=measures, frame=Frame.RUNNING, span=stage.span
    )
    scope.columns[column] = kind
    return Typed(Column(column), kind)


def split(scope: Scope, stage: Stage, found: Given, keys: list[Expression], named: dict[str, str]) -> list[Expression]:
    """More keys, so that each combination is one transaction."""
    time = number(scope.typed("_time"))
    breaks: list[Typed] = []
    pause, span = limit(found, "maxpause"), limit(found, "maxspan")
    gap = pause if span is None else span if pause is None else min(pause, span)
    if gap is not None and time.kind is not Kind.NULL:
        before = lagged(scope, stage, keys, time.expression, Kind.NUMBER)
        breaks.append(apply("greater", apply("subtract", time, before), literal(gap)))
    if "start" in named:
        breaks.append(apply("equal", Typed(Column(named["start"]), Kind.NUMBER), literal(1.0)))
    if "end" in named:
        before = lagged(scope, stage, keys, Column(named["end"]), Kind.NUMBER)
        breaks.append(apply("equal", before, literal(1.0)))
    if breaks:
        part = scope.session.fresh("part")
        starts = Call("or", tuple(apply("is_true", b).expression for b in breaks))
        measures = ((part, Aggregation("count", (), starts)),)
        scope.node = Window(
            source=scope.node, partition=tuple(keys), measures=measures, frame=Frame.RUNNING, span=stage.span
        )
        keys = [*keys, Column(part)]
    if span is None or span == 0 or time.kind is Kind.NULL:
        return keys
    newest = scope.session.fresh("newest")
    measures = ((newest, Aggregation("maximum", (time.expression,))),)
    scope.node = Window(source=scope.node, partition=tuple(keys), measures=measures, span=stage.span)
    age = apply("subtract", Typed(Column(newest), Kind.NUMBER), time)
    slice_of = scope.session.fresh("slice")
    steps = apply("ceil", apply("divide", age, literal(span)))
    scope.derive([(slice_of, apply("greatest", steps, literal(1.0)))], stage.span)
    message = "a transaction longer than `maxspan` is cut in steps of it, counted back from its last event"
    scope.session.note("maxspan-steps", message, stage.span)
    return [*keys, Column(slice_of)]


def gather(scope: Scope, stage: Stage, found: Given, keys: list[Expression], named: dict[str, str]) -> None:
    """One row for each transaction: bounds of time, number of events, the values of all fields."""
    time = number(scope.typed("_time"))
    fields = [f.text for f in found.words]
    grouping = tuple((f"@by{i}", k) for i, k in enumerate(keys))
    kinds = {f: scope.columns.get(f, Kind.NULL) for f in fields}
    measures: dict[str, Typed] = {f: Typed(Aggregation("first", (Column(f),)), k) for f, k in kinds.items()}
    operation = "collect" if found.text("mvlist", "f").lower() in ("t", "true", "1") else "values"
    for name in scope.columns:
        if name not in measures and name not in ("_time", "_raw") and name[0] != "@":
            value = scope.typed(name)
            if value.kind is not Kind.NULL:
                measures[name] = Typed(Aggregation(operation, (listing(value).expression,)), Kind.LIST)
    if "_raw" in scope.columns:
        lines = Typed(Aggregation("collect", (Column("_raw"),)), Kind.LIST)
        measures["_raw"] = apply("list_join", lines, literal("\n"))
    low = Typed(Aggregation("minimum", (time.expression,)), Kind.NUMBER)
    high = Typed(Aggregation("maximum", (time.expression,)), Kind.NUMBER)
    measures |= {"_time": low, "duration": apply("subtract", high, low)}
    measures["eventcount"] = Typed(Aggregation("count"), Kind.NUMBER)
    for key, operation in (("start", "first"), ("end", "last")):
        if key in named:
            measures[named[key]] = Typed(Aggregation(operation, (Column(named[key]),)), Kind.NUMBER)
    node = Aggregate(
        source=scope.node,
        keys=grouping,
        measures=tuple((n, v.expression) for n, v in measures.items()),
        span=stage.span,
    )
    scope.replace(node, {n: v.kind for n, v in measures.items()}, events=False)
    closed = [Call("equal", (Column(m), literal(1.0).expression)) for m in named.values()]
    complete = every(tuple(closed))
    if closed and not found.flag("keepevicted"):
        scope.filter(complete, stage.span)
    done = literal(1.0) if not closed else apply("if", Typed(complete, Kind.BOOLEAN), literal(1.0), literal(0.0))
    scope.derive([("closed_txn", done)], stage.span)
    scope.keep([n for n in scope.columns if not n.startswith("@")])
    scope.node = Sort(source=scope.node, keys=ORDER[:1], span=stage.span)

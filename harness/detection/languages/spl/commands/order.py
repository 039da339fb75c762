"""Commands that change the order of rows, or look at the rows around: sort, filldown, accum, delta."""

from __future__ import annotations

import re

from harness.detection.languages.spl.argument_grammar import signed_item
from harness.detection.languages.spl.arguments import bind_options, parse_renames
from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.sorting import parse_sort_keys
from harness.detection.languages.spl.statistics import parse_whole_word
from harness.detection.languages.spl.syntax import GeneralArguments, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind
from harness.detection.plan.nodes import Frame, Limit, Reverse, Sort, Window
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError

MOST_SORTED = 10_000
MOST_AVERAGED = 10_000
AVERAGE = re.compile(r"(sma|wma|ema)(\d{1,5})\((.+)\)", re.I | re.S)


def describe_sort_limit(stage: Stage) -> tuple[str, str | None] | None:
    """What lint tells of a `sort` that does not say how many rows it keeps."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    words = [i.text for i in items if isinstance(i, Word)]
    if not words or words[0].isdigit():
        return None
    return f"`sort` keeps the first {MOST_SORTED:,} rows", "write `sort 0` for all"


@COMMANDS.define("sort", order="keeps", fields="keeps", raw="never", item=signed_item, limit=describe_sort_limit)
def sort(scope: Scope, stage: Stage) -> None:
    """The rows in the order of fields, at most 10,000 of them unless a number says otherwise; 0 is all.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "limit")
    words = list(found.words)
    count = found.number("limit", MOST_SORTED)
    if words and words[0].text.isdigit() and not words[0].quoted:
        count = parse_whole_word(words.pop(0))
    turned = bool(words) and not words[-1].quoted and words[-1].text.lower() in ("d", "desc") and len(words) > 1
    if turned or (len(words) > 1 and words[-1].text.lower() in ("a", "asc") and not words[-1].quoted):
        words.pop()
    keys = parse_sort_keys(scope, words)
    if not words:
        raise found.error("missing-field", "`sort` needs a field")
    if keys:
        scope.node = Sort(source=scope.node, keys=tuple(keys), span=stage.span)
    if turned:
        scope.node = Reverse(source=scope.node, span=stage.span)
    if count:
        scope.node = Limit(source=scope.node, count=count, span=stage.span)


def add_running_measure(scope: Scope, stage: Stage, name: str, measure: Expression, kind: Kind) -> None:
    """Adds a column that looks at the rows up to the current one."""
    scope.node = Window(source=scope.node, measures=((name, measure),), frame=Frame.RUNNING, span=stage.span)
    scope.columns[name] = kind
    scope.defined.add(name)


@COMMANDS.define("filldown", order="reads", fields="keeps", raw="never")
def filldown(scope: Scope, stage: Stage) -> None:
    """A missing value is that of the last row that had one.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage)
    patterns = [w.text for w in found.words] or ["*"]
    for name in dict.fromkeys(n for p in patterns for n in scope.matching(p)):
        add_running_measure(scope, stage, name, ops.fill(Column(name)), scope.columns[name])


@COMMANDS.define("accum", order="reads", fields="keeps", raw="never")
def accum(scope: Scope, stage: Stage) -> None:
    """The running total of a field.

    Reference: reference/spl.md 7
    """
    ((field, name),) = parse_one_rename(stage)
    amount = as_number(scope.typed(field.text, field.span))
    add_running_measure(scope, stage, name.text, ops.sum(amount.expression), Kind.NUMBER)


@COMMANDS.define("delta", order="reads", fields="keeps", raw="never")
def delta(scope: Scope, stage: Stage) -> None:
    """The difference between a field and the same field some rows before.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "p")
    ((field, name),) = parse_one_rename(stage, "p")
    amount = as_number(scope.typed(field.text, field.span))
    before = scope.session.fresh("before")
    rows = literal(float(found.number("p", 1)))
    target = name.text if name is not field else f"delta({field.text})"
    add_running_measure(scope, stage, before, ops.lag(amount.expression, rows.expression), Kind.NUMBER)
    scope.derive([(target, ops.subtract(amount, Typed(Column(before), Kind.NUMBER)))], stage.span)
    scope.keep([n for n in scope.columns if n != before])


@COMMANDS.define("autoregress", order="reads", fields="keeps", raw="never")
def autoregress(scope: Scope, stage: Stage) -> None:
    """Copies of a field from some rows before: `autoregress f p=1-3`.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "p")
    ((field, name),) = parse_one_rename(stage, "p")
    low, _, high = found.text("p", "1").partition("-")
    steps = range(int(low), int(high or low) + 1) if low.isdigit() and (high or low).isdigit() else range(0)
    if not steps or len(steps) > 100:
        raise found.error("bad-option", "`p` is a number or a range of at most 100")
    value = scope.typed(field.text, field.span)
    for step in steps:
        target = name.text if name is not field else f"{field.text}_p{step}"
        rows = literal(float(step)).expression
        add_running_measure(scope, stage, target, ops.lag(value.expression, rows), value.kind)


@COMMANDS.define("trendline", order="reads", fields="keeps", raw="never")
def trendline(scope: Scope, stage: Stage) -> None:
    """Moving averages of a field: simple, weighted, exponential: `trendline sma5(f) as x wma5(f) ema10(g)`.

    Reference: Splunk Search Reference, trendline
    """
    found = bind_options(stage)
    if not found.words:
        raise found.error("missing-field", "`trendline` needs an average such as `sma5(f)`")
    for field, name in parse_renames(list(found.words)):
        form = AVERAGE.fullmatch(field.text)
        size = int(form[2]) if form else 0
        if form is None or not 2 <= size <= MOST_AVERAGED:
            message = f"`{field.text[:40]}` is no moving average"
            help = f"write sma, wma or ema, a number from 2 to {MOST_AVERAGED:,}, and a field: `sma5(f)`"
            raise SourceError("bad-argument", message, field.span, help=help)
        amount = as_number(scope.typed(form[3].strip("\"' "), field.span))
        add_moving_average(scope, stage, form[1].lower(), size, amount, name.text)


def add_moving_average(scope: Scope, stage: Stage, form: str, size: int, amount: Typed, target: str) -> None:
    """One moving average; the first rows, which have too few before them, have none."""
    kept = list(scope.columns)
    mean, count = scope.session.fresh("mean"), scope.session.fresh("count")
    measures: tuple[tuple[str, Expression], ...]
    if form == "ema":
        measure = ops.smoothed(amount.expression, literal(2.0 / (size + 1)).expression)
        scope.node = Window(source=scope.node, measures=((mean, measure),), frame=Frame.RUNNING, span=stage.span)
        measures = ((count, ops.count()),)
    elif form == "wma":
        place, weight = scope.session.fresh("place"), scope.session.fresh("weighted")
        number_of = ((place, ops.row_number()),)
        scope.node = Window(source=scope.node, measures=number_of, frame=Frame.RUNNING, span=stage.span)
        weighted = ops.multiply(amount, Typed(Column(place), Kind.NUMBER))
        totals = {weight: weighted, mean: amount}
        sums = tuple((n, ops.sum(v.expression)) for n, v in totals.items())
        measures = (*sums, (count, ops.count()))
    else:
        measures = ((mean, ops.mean(amount.expression)), (count, ops.count()))
    scope.node = Window(source=scope.node, measures=measures, frame=Frame.RUNNING, rows=size, span=stage.span)
    value = Typed(Column(mean), Kind.NUMBER)
    if form == "wma":
        first = ops.subtract(Typed(Column(place), Kind.NUMBER), literal(float(size)))
        total = ops.subtract(Typed(Column(weight), Kind.NUMBER), ops.multiply(first, value))
        value = ops.divide(total, literal(size * (size + 1) / 2.0))
    full = ops.equal(Typed(Column(count), Kind.NUMBER), literal(float(size)))
    scope.derive([(target, ops.if_(full, value, literal(None)))], stage.span)
    scope.keep(list(dict.fromkeys([*kept, target])))


def parse_one_rename(stage: Stage, *options: str) -> list[tuple[Word, Word]]:
    """The one field and its new name."""
    found = bind_options(stage, *options)
    several = parse_renames(list(found.words))
    if len(several) != 1:
        raise found.error("bad-argument", f"`{stage.name}` takes one field")
    return several

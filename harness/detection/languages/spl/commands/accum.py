"""accum, delta, autoregress, trendline, outlier, anomalydetection."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import BoundOptions, bind_options, find_unnamed_effect, parse_renames
from harness.detection.languages.spl.coercion import as_number, as_text, literal, same_kind
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind
from harness.detection.plan.nodes import Frame, Window
from harness.detection.plan.operation import Typed
from harness.detection.plan.operations import any_of
from harness.diagnostics import SourceError, did_you_mean
from harness.late_pattern import late_pattern

# The cap of windows in streamstats (reference/spl.md 1.9).
MOST_AVERAGED = 10_000
AVERAGE = late_pattern(r"(sma|wma|ema)(\d{1,5})\((.+)\)", re.I | re.S)


def add_running_measure(scope: Scope, stage: Stage, name: str, measure: Expression, kind: Kind) -> None:
    """Adds a column that looks at the rows up to the current one."""
    scope.node = Window(source=scope.node, measures=((name, measure),), frame=Frame.RUNNING, span=stage.span)
    scope.columns[name] = kind
    scope.defined.add(name)


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
    # Helping columns must not be seen by a later `table *`.
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
    # Chosen, no source: each is a column.
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
        # The usual smoothing factor of an exponential average over n values.
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
        # Weights are 1 to n in each window: the sum of (place - first) * value over 1 + 2 + ... + n, from two running
        # sums.
        first = ops.subtract(Typed(Column(place), Kind.NUMBER), literal(float(size)))
        total = ops.subtract(Typed(Column(weight), Kind.NUMBER), ops.multiply(first, value))
        value = ops.divide(total, literal(size * (size + 1) / 2.0))
    # Splunk gives no average before the window is full.
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


OUTLIER_OPTIONS = ("action", "mark", "param", "uselower", "type")
ACTIONS = {"transform": "transform", "tf": "transform", "remove": "remove", "rm": "remove"}


@COMMANDS.define("outlier", order="keeps", fields=find_unnamed_effect, raw="never")
def outlier(scope: Scope, stage: Stage) -> None:
    """Numbers far outside the quartiles of their field brought back to the limit, or their rows taken out.

    Reference: Splunk Search Reference, outlier
    """
    limit_outliers(scope, stage, bind_options(stage, *OUTLIER_OPTIONS))


@COMMANDS.define("anomalydetection", order="keeps", fields=find_unnamed_effect, raw="never")
def anomalydetection(scope: Scope, stage: Stage) -> None:
    """With `method=iqr` the same as outlier; the other methods are not documented as formulas.

    Reference: Splunk Search Reference, anomalydetection
    """
    found = bind_options(stage, "method", "pthresh", "cutoff", *OUTLIER_OPTIONS)
    word = found.word("method")
    if word is None or word.text.lower() != "iqr":
        place = word.span if word else stage.span
        raise scope.unsupported("a score whose formula the reference of the method does not give", place, "use iqr")
    for name in ("pthresh", "cutoff"):
        if name in found.options:
            raise SourceError("bad-option", f"`{name}` has no place with `method=iqr`", found.options[name].span)
    limit_outliers(scope, stage, found)


def limit_outliers(scope: Scope, stage: Stage, found: BoundOptions) -> None:
    """Limits from the quartiles of all rows, for each field."""
    word = found.word("action")
    action = ACTIONS.get(word.text.lower()) if word else "transform"
    if word is not None and action is None:
        raise SourceError(
            "bad-option", f"no action is called `{word.text[:40]}`", word.span, help=did_you_mean(word.text, ACTIONS)
        )
    # The default of `param` in Splunk's manual of outlier.
    factor = literal(found.decimal("param", 2.5))
    names = [n for w in found.words for n in scope.matching(w.text)] or [n for n in scope.columns if n[0] not in "_@"]
    kept = list(scope.columns)
    changed: list[tuple[str, Typed]] = []
    outside: list[Typed] = []
    for name in dict.fromkeys(names):
        value = as_number(scope.typed(name))
        if value.kind is not Kind.NUMBER:
            continue
        marks = scope.session.fresh("low"), scope.session.fresh("high")
        add_quartiles(scope, stage, value, marks)
        low, high = (Typed(Column(m), Kind.NUMBER) for m in marks)
        reach = ops.multiply(ops.subtract(high, low), factor)
        top, bottom = ops.add(high, reach), ops.subtract(low, reach)
        over = ops.greater(value, top)
        under = ops.less(value, bottom) if found.flag("uselower") else literal(False)
        outside += [over, under]
        # A value that is no number is not outside, and stays what it is.
        limits = same_kind([mark_limit(top, found), mark_limit(bottom, found), scope.typed(name)])
        changed.append((name, ops.if_(over, limits[0], ops.if_(under, limits[1], limits[2]))))
    if action == "remove":
        far = any_of(tuple(ops.is_true(o.expression) for o in outside))
        scope.filter(ops.not_(far), stage.span)
    else:
        scope.derive(changed, stage.span)
    scope.keep(kept)


def add_quartiles(scope: Scope, stage: Stage, value: Typed, names: tuple[str, str]) -> None:
    """Adds the first and the third quartile of a field as columns."""
    pairs = zip(names, (0.25, 0.75), strict=True)
    measures = tuple((n, ops.percentile(value.expression, literal(f).expression)) for n, f in pairs)
    scope.node = Window(source=scope.node, measures=measures, span=stage.span)


def mark_limit(value: Typed, found: BoundOptions) -> Typed:
    """A limit, with 000 before it if changed values are marked."""
    # `mark=t` puts 000 before changed values, as the manual says.
    return ops.concat(literal("000"), as_text(value)) if found.flag("mark") else value

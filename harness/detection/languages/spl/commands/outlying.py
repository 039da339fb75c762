"""Commands about extreme values: outlier, and anomalydetection by quartiles."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import BoundOptions, bind_options, find_unnamed_effect
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Window
from harness.detection.plan.operation import Typed
from harness.detection.plan.operations import any_of
from harness.diagnostics import SourceError, did_you_mean

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
    factor = literal(found.decimal("param", 2.5))
    names = [n for w in found.words for n in scope.matching(w.text)] or [n for n in scope.columns if n[0] not in "_@"]
    kept = list(scope.columns)
    changed: list[tuple[str, Typed]] = []
    outside: list[Typed] = []
    for name in dict.fromkeys(names):
        value = as_number(scope.typed(name))
        if value.kind is not Kind.NUMBER or scope.columns[name] is Kind.LIST:
            continue
        marks = scope.session.fresh("low"), scope.session.fresh("high")
        add_quartiles(scope, stage, value, marks)
        low, high = (Typed(Column(m), Kind.NUMBER) for m in marks)
        reach = ops.multiply(ops.subtract(high, low), factor)
        top, bottom = ops.add(high, reach), ops.subtract(low, reach)
        over = ops.greater(value, top)
        under = ops.less(value, bottom) if found.flag("uselower") else literal(False)
        outside += [over, under]
        limited = ops.if_(
            over,
            mark_limit(top, found),
            ops.if_(under, mark_limit(bottom, found), as_it_is(scope, name, found)),
        )
        changed.append((name, limited))
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
    return ops.concat(literal("000"), as_text(value)) if found.flag("mark") else value


def as_it_is(scope: Scope, name: str, found: BoundOptions) -> Typed:
    """The field's own value, in the kind of the limits."""
    value = scope.typed(name)
    if found.flag("mark"):
        return as_text(value)
    return value if value.kind is Kind.NUMBER else as_number(value)

"""The command that puts values into steps: bin."""

from __future__ import annotations

import re
from math import log as logarithm

from harness.detection.languages.spl.arguments import Given, given, renamed
from harness.detection.languages.spl.coercion import Typed, apply, literal, number, numeric, text
from harness.detection.languages.spl.commands.axis import bounds, nice_span, nice_step
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.timespans import absolute, floor_to, relative, seconds_of, span_unit, start_of
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError

LOG_SPAN = re.compile(r"([\d.]*)log([\d.]*)", re.I)
BINS = 100


@COMMANDS.define("bin", "bucket", "discretize")
def bin_(scope: Scope, stage: Stage) -> None:
    """Values in steps: times at the start of their span, numbers as ranges `10-20`.

    Without `span` the steps are so wide that all values need at most `bins` of them.

    Reference: Splunk Search Reference, bin; reference/spl.md 6.3
    """
    found = given(stage, "span", "bins", "minspan", "start", "end", "aligntime")
    pairs = renamed(list(found.words))
    if len(pairs) != 1:
        raise found.error("missing-field", "`bin` needs one field")
    field, name = pairs[0]
    value = scope.typed(field.text, field.span)
    if value.kind is Kind.NULL:
        return
    word = found.word("span")
    timed = field.text == "_time"
    if word is None:
        made = stepped(scope, stage, found, number(value), timed)
    elif timed and "aligntime" in found.options:
        made = aligned(scope, found, number(value), word)
    else:
        made = binned(scope, number(value), word, field.text)
    scope.derive([(name.text, made)], stage.span)


def binned(scope: Scope, value: Typed, word: Word, field: str) -> Typed:
    """The step that a value is in."""
    if field != "_time":
        if numeric(word.text) and float(word.text) > 0:
            return ranged(value, float(word.text))
        log = LOG_SPAN.fullmatch(word.text)
        if log is not None:
            return in_powers(value, float(log[1] or 1), float(log[2] or 10), word)
    span = span_unit(word.text) or ((float(word.text), "") if numeric(word.text) else None)
    if span is None or span[0] <= 0:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span", word.span, help="write `span=1h`")
    return start_of(scope.session, value, span)


def ranged(value: Typed, width: float) -> Typed:
    """A range `10-20` of a width."""
    size = literal(width)
    low = apply("multiply", apply("floor", apply("divide", value, size)), size)
    return apply("concat", text(low), literal("-"), text(apply("add", low, size)))


def in_powers(value: Typed, factor: float, base: float, word: Word) -> Typed:
    """A range between powers of a base, times a factor: `span=2log5` is 2-10, 10-50 and so on."""
    if base <= 1 or not 1 <= factor < base:
        message = "a logarithmic span is a factor from 1 to the base, `log`, and a base above 1"
        raise SourceError("bad-option", message, word.span, help="write `span=1log10`")
    shifted = apply("divide", apply("ln", apply("divide", value, literal(factor))), literal(logarithm(base)))
    power = apply("floor", apply("round", shifted, literal(9.0)))
    low = apply("multiply", literal(factor), apply("power", literal(base), power))
    shown = [text(apply("round", v, literal(9.0))) for v in (low, apply("multiply", low, literal(base)))]
    return apply("concat", shown[0], literal("-"), shown[1])


def aligned(scope: Scope, found: Given, value: Typed, word: Word) -> Typed:
    """Times in spans that are counted from another moment; spans of days and longer keep to their calendar."""
    span = span_unit(word.text) or ((float(word.text), "") if numeric(word.text) else None)
    moment = found.word("aligntime")
    if span is None or span[0] <= 0 or moment is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span", word.span, help="write `span=1h`")
    if span[1]:
        return floor_to(value, span, scope.settings.zone)
    written = {"earliest": "0", "latest": str(scope.settings.now)}.get(moment.text.lower(), moment.text)
    point = absolute(written, scope.settings)
    origin = literal(point) if point is not None else relative(literal(scope.settings.now), written, scope.settings)
    if origin is None:
        raise SourceError("bad-time", f"`{moment.text[:40]}` is no time", moment.span, help="write `@d` or an epoch")
    start = apply("floor", apply("divide", apply("subtract", value, origin), literal(span[0])))
    return apply("add", apply("multiply", start, literal(span[0])), origin)


def stepped(scope: Scope, stage: Stage, found: Given, value: Typed, timed: bool) -> Typed:
    """Steps from the extent of the values, which only the events can tell unless `start` and `end` do."""
    bins = found.number("bins", BINS)
    if bins < 2:
        raise SourceError("bad-option", "`bins` is at least 2", found.options["bins"].span)
    ends = bounds(scope, value, stage.span)
    given_ends = found.decimal("start", ends[0] if ends else 0.0), found.decimal("end", ends[1] if ends else 0.0)
    if ends is None and not {"start", "end"} <= set(found.options):
        if scope.settings.ask is None:
            raise scope.unsupported("`bin` without `span` and without events", stage.span, "give `span=`")
        return value
    extent = max(given_ends[1] - given_ends[0], 0.0)
    if timed:
        word = found.word("minspan")
        least = seconds_of(word.text) if word is not None else 0.0
        span = span_unit(nice_span(extent, bins, least or 0.0))
        return start_of(scope.session, value, span or (1.0, ""))
    return ranged(value, max(nice_step(extent, bins), found.decimal("minspan", 0.0)))

"""The command that puts values into steps: bin."""

from __future__ import annotations

import re
from math import log as logarithm

from harness.detection.languages.spl.arguments import BoundOptions, bind_options, parse_renames
from harness.detection.languages.spl.coercion import as_number, as_text, is_numeric_text, literal
from harness.detection.languages.spl.commands.axis import ask_extent, nice_span, nice_step
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.timespans import (
    absolute,
    apply_time_modifier,
    floor_to,
    floor_to_span,
    seconds_of,
    span_unit,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError

LOG_SPAN = re.compile(r"([\d.]*)log([\d.]*)", re.I)
BINS = 100


@COMMANDS.define("bin", "bucket", "discretize", order="keeps", fields="keeps", raw="never")
def bin_(scope: Scope, stage: Stage) -> None:
    """Values in steps: times at the start of their span, numbers as ranges `10-20`.

    Without `span` the steps are so wide that all values need at most `bins` of them.

    Reference: Splunk Search Reference, bin; reference/spl.md 6.3
    """
    found = bind_options(stage, "span", "bins", "minspan", "start", "end", "aligntime")
    pairs = parse_renames(list(found.words))
    if len(pairs) != 1:
        raise found.error("missing-field", "`bin` needs one field")
    field, name = pairs[0]
    value = scope.typed(field.text, field.span)
    if value.kind is Kind.NULL:
        return
    word = found.word("span")
    timed = field.text == "_time"
    if word is None:
        made = bin_by_extent(scope, stage, found, as_number(value), timed)
    elif timed and "aligntime" in found.options:
        made = align_time_bins(scope, found, as_number(value), word)
    else:
        made = bin_value(scope, as_number(value), word, field.text)
    scope.derive([(name.text, made)], stage.span)


def bin_value(scope: Scope, value: Typed, word: Word, field: str) -> Typed:
    """The step that a value is in."""
    if field != "_time":
        if is_numeric_text(word.text) and float(word.text) > 0:
            return print_range(value, float(word.text))
        log = LOG_SPAN.fullmatch(word.text)
        if log is not None:
            return in_powers(value, float(log[1] or 1), float(log[2] or 10), word)
    span = span_unit(word.text) or ((float(word.text), "") if is_numeric_text(word.text) else None)
    if span is None or span[0] <= 0:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span", word.span, help="write `span=1h`")
    return floor_to_span(scope.session, value, span)


def print_range(value: Typed, width: float) -> Typed:
    """A range `10-20` of a width."""
    size = literal(width)
    low = ops.multiply(ops.floor(ops.divide(value, size)), size)
    return ops.concat(as_text(low), literal("-"), as_text(ops.add(low, size)))


def in_powers(value: Typed, factor: float, base: float, word: Word) -> Typed:
    """A range between powers of a base, times a factor: `span=2log5` is 2-10, 10-50 and so on."""
    if base <= 1 or not 1 <= factor < base:
        message = "a logarithmic span is a factor from 1 to the base, `log`, and a base above 1"
        raise SourceError("bad-option", message, word.span, help="write `span=1log10`")
    shifted = ops.divide(ops.ln(ops.divide(value, literal(factor))), literal(logarithm(base)))
    power = ops.floor(ops.round(shifted, literal(9.0)))
    low = ops.multiply(literal(factor), ops.power(literal(base), power))
    shown = [as_text(ops.round(v, literal(9.0))) for v in (low, ops.multiply(low, literal(base)))]
    return ops.concat(shown[0], literal("-"), shown[1])


def align_time_bins(scope: Scope, found: BoundOptions, value: Typed, word: Word) -> Typed:
    """Times in spans that are counted from another moment; spans of days and longer keep to their calendar."""
    span = span_unit(word.text) or ((float(word.text), "") if is_numeric_text(word.text) else None)
    moment = found.word("aligntime")
    if span is None or span[0] <= 0 or moment is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span", word.span, help="write `span=1h`")
    if span[1]:
        return floor_to(value, span, scope.settings.zone)
    written = {"earliest": "0", "latest": str(scope.settings.now)}.get(moment.text.lower(), moment.text)
    point = absolute(written, scope.settings)
    origin = (
        literal(point)
        if point is not None
        else apply_time_modifier(literal(scope.settings.now), written, scope.settings)
    )
    if origin is None:
        raise SourceError("bad-time", f"`{moment.text[:40]}` is no time", moment.span, help="write `@d` or an epoch")
    start = ops.floor(ops.divide(ops.subtract(value, origin), literal(span[0])))
    return ops.add(ops.multiply(start, literal(span[0])), origin)


def bin_by_extent(scope: Scope, stage: Stage, found: BoundOptions, value: Typed, timed: bool) -> Typed:
    """Steps from the extent of the values, which only the events can tell unless `start` and `end` do."""
    bins = found.number("bins", BINS)
    if bins < 2:
        raise SourceError("bad-option", "`bins` is at least 2", found.options["bins"].span)
    ends = ask_extent(scope, value, stage.span)
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
        return floor_to_span(scope.session, value, span or (1.0, ""))
    return print_range(value, max(nice_step(extent, bins), found.decimal("minspan", 0.0)))

"""Terms of a search that bound its time: earliest, latest, their relatives by index time, and the older ones.

Reference: reference/spl.md 3.7, 8.2 and 8.3; Splunk Search Reference, time modifiers
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from harness.detection.languages.spl.coercion import YES, as_number, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import All, AnyOf, Comparison, Not, SearchCondition, Word
from harness.detection.languages.spl.timespans import absolute, apply_time_modifier
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply
from harness.diagnostics import SourceError, Span

FROM, UP_TO = ops.greater_equal, ops.less
BOUNDS = {
    "earliest": ("_time", FROM),
    "latest": ("_time", UP_TO),
    "starttime": ("_time", FROM),
    "endtime": ("_time", UP_TO),
    "starttimeu": ("_time", FROM),
    "endtimeu": ("_time", UP_TO),
    "_index_earliest": ("_indextime", FROM),
    "_index_latest": ("_indextime", UP_TO),
}
ALL_TIME = ("all", "alltime")
SEARCH_TIME_UNITS = {"days": "d", "hours": "h", "minutes": "m", "months": "mon"}
AGO = re.compile(r"(start|end|)(days|hours|minutes|months)ago|searchtimespan(days|hours|minutes|months)")
REAL_TIME = re.compile(r"rt(now)?([+-].*)?", re.I)
ISO = re.compile(r"(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
DEFAULT_FORMAT = "%m/%d/%Y:%H:%M:%S"
HELP = "write `-24h@h`, an epoch or mm/dd/yyyy:hh:mm:ss"


def time_format(condition: SearchCondition) -> str:
    """What `timeformat=` in a condition says of its times; the usual form if there is none."""
    stack = [condition]
    while stack:
        match stack.pop():
            case Comparison(Word("timeformat"), _, Word(text)):
                return text
            case All(operands) | AnyOf(operands):
                stack.extend(operands)
            case Not(operand):
                stack.append(operand)
    return DEFAULT_FORMAT


def until_now(scope: Scope, condition: SearchCondition) -> Typed | None:
    """The bound of a search that says when it begins and not when it ends: now; None if it needs none."""
    begins: Span | None = None
    stack = [condition]
    while stack:
        match stack.pop():
            case Comparison(Word(name), "=", Word(text), _, span) if name not in scope.columns:
                ago = AGO.fullmatch(name.lower())
                if BOUNDS.get(name.lower()) == ("_time", UP_TO) or (ago is not None and ago[1] == "end"):
                    return None
                begun = BOUNDS.get(name.lower()) == ("_time", FROM) or ago is not None
                begins = span if begun and text.lower() not in ALL_TIME else begins
            case All(operands) | AnyOf(operands):
                stack.extend(operands)
    subject = scope.columns.get("_time", Kind.NULL)
    if begins is None or subject is Kind.NULL or not scope.settings.now:
        return None
    return apply(UP_TO, as_number(scope.typed("_time")), literal(scope.settings.now), span=begins)


def time_term(scope: Scope, name: str, value: Word, form: str, span: Span) -> Typed | None:
    """What a bound of time means; None if the name is none."""
    if name in BOUNDS:
        return bound(scope, name, value, form, span)
    ago = AGO.fullmatch(name)
    if ago is None:
        return None
    if not re.fullmatch(r"\d{1,6}", value.text):
        raise SourceError("bad-time", f"`{value.text[:60]}` is no whole number", value.span)
    modifier = Word(f"-{value.text}{SEARCH_TIME_UNITS[ago[2] or ago[3]]}", False, value.span)
    return bound(scope, "latest" if ago[1] == "end" else "earliest", modifier, form, span)


def bound(scope: Scope, name: str, value: Word, form: str, span: Span) -> Typed:
    """A bound of time: from `earliest` on, up to and without `latest`."""
    column, operation = BOUNDS[name]
    if value.text.lower() in ALL_TIME:
        return YES
    if REAL_TIME.fullmatch(value.text):
        message = f"`{value.text[:60]}` asks for a search in real time, which waits for events to come,"
        raise scope.unsupported(message, value.span, "give a range of the past")
    when = lower_time_term(scope, value, form)
    if column == "_time":
        scope.range.setdefault(operation, when)
    subject = scope.typed(column)
    if subject.kind is Kind.NULL and column == "_indextime":
        subject = scope.typed("_time")
    if subject.kind is Kind.NULL:
        return YES
    return apply(operation, as_number(subject), when, span=span)


def lower_time_term(scope: Scope, value: Word, form: str) -> Typed:
    """The time that a value stands for: an epoch, a modifier of now, or a date in the format given."""
    settings = scope.settings
    point = (
        absolute(value.text, settings)
        if form == DEFAULT_FORMAT
        else parse_time_in_format(value.text, form, settings.zone)
    )
    if point is not None:
        return literal(point, value.span)
    found = apply_time_modifier(literal(settings.now), value.text, settings)
    if found is not None:
        return found
    point = absolute(value.text, settings)
    if point is None and not scope.session.text.strict:
        point = in_other_words(value.text, settings.zone)
        if point is not None:
            message = f"`{value.text[:60]}` is no time to Splunk, whose dates are mm/dd/yyyy:hh:mm:ss"
            scope.session.warn("date-format", message, value.span, HELP)
    if point is None:
        raise SourceError("bad-time", f"`{value.text[:60]}` is no time", value.span, help=HELP)
    return literal(point, value.span)


def parse_time_in_format(text: str, form: str, zone: str) -> float | None:
    """The epoch of a time in a format; None if it does not fit."""
    try:
        if form == "%s":
            return float(text)
        found = datetime.strptime(text, form)
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).timestamp()
    except (ValueError, OverflowError):
        return None


def in_other_words(text: str, zone: str) -> float | None:
    """The epoch of a date that people write otherwise: 2024-01-31, 2024-01-31T12:00:00, 01/31/2024."""
    for form in ("%m/%d/%Y", "%m/%d/%Y %H:%M:%S"):
        found = parse_time_in_format(text, form, zone)
        if found is not None:
            return found
    if ISO.fullmatch(text) is None:
        return None
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).timestamp()
    except (ValueError, OverflowError):
        return None

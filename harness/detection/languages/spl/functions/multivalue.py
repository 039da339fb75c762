"""Eval functions of several values."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_multivalue,
    as_number,
    as_text,
    build_element_parameter,
    is_numeric_text,
    literal,
)
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.field_usage import collect_fields, list_fields_in_order
from harness.detection.languages.spl.regex import element_matches
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import EvalExpression, FieldReference
from harness.detection.languages.spl.time_range import span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, span_of
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError


@FUNCTIONS.define
def mvappend(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """All values one after the other, nulls left out.

        mvjoin(mvappend("a", null(), "b"), ",") -> "a,b"
        mvjoin(mvappend(1, split("a,b", ",")), ",") -> "1,a,b"
        mvappend(null(), null())                -> null

    Reference: reference/spl.md 5.2
    """
    parts = [as_multivalue(v) for v in (value, *more) if v.kind is not Kind.NULL]
    return apply(ops.list_concat, *parts) if parts else TYPED_NULL


@FUNCTIONS.define
def mvcount(context: EvalContext, value: Typed) -> Typed:
    """How many values there are; null of none.

        mvcount(split("a,b", ",")) -> 2
        mvcount("a")               -> 1
        mvcount(null())            -> null
        mvcount(5)                 -> 1

    Reference: reference/spl.md 5.2
    """
    return ops.list_length(as_multivalue(value))


@FUNCTIONS.define
def mvdedup(context: EvalContext, value: Typed) -> Typed:
    """Without repetitions.

        mvjoin(mvdedup(split("a,b,a", ",")), ",") -> "a,b"
        mvjoin(mvdedup("a"), ",")                 -> "a"
        mvdedup(null())                           -> null

    Reference: reference/spl.md 5.2
    """
    return ops.list_distinct(as_multivalue(value))


@FUNCTIONS.define
def mvsort(context: EvalContext, value: Typed) -> Typed:
    """Sorted as text.

        mvjoin(mvsort(split("b,a,10,9", ",")), ",") -> "10,9,a,b"
        mvjoin(mvsort(split("b,B,a,_", ",")), ",") -> "B,_,a,b"
        mvsort(null())                             -> null

    Reference: reference/spl.md 5.2
    """
    return ops.list_sort(as_multivalue(value))


@FUNCTIONS.define
def mvreverse(context: EvalContext, value: Typed) -> Typed:
    """The last value first.

        mvjoin(mvreverse(split("a,b,c", ",")), ",") -> "c,b,a"
        mvreverse(null())                           -> null
        mvjoin(mvreverse(5), ",")                   -> "5"

    Reference: reference/spl.md 5.2
    """
    return ops.list_reverse(as_multivalue(value))


def build_list_place(index: Typed) -> Typed:
    """A place counted from 0, or from the end if negative, as the plan counts it."""
    at = as_number(index)
    if isinstance(at.constant, int | float):
        return literal(at.constant + 1 if at.constant >= 0 else at.constant)
    return ops.if_(ops.less(at, literal(0.0)), at, ops.add(at, literal(1.0)))


@FUNCTIONS.define
def mvindex(context: EvalContext, value: Typed, start: Typed, end: Typed | None = None) -> Typed:
    """The value at a place counted from 0, or all from there to `end`; negative places count from the end.

        mvindex(split("a,b,c", ","), 0)              -> "a"
        mvindex(split("a,b,c", ","), -1)             -> "c"
        mvindex(split("a,b,c", ","), 5)              -> null
        mvjoin(mvindex(split("a,b,c", ","), 1, 2), ",") -> "b,c"
        mvjoin(mvindex(split("a,b,c", ","), -2, -1), ",") -> "b,c"
        mvjoin(mvindex(split("a,b,c", ","), 1, 9), ",") -> "b,c"
        mvindex(split("a,b,c", ","), 2, 1)            -> null
        mvindex("single", 0)                          -> "single"
        mvindex(null(), 0)                            -> null
        mvindex(split("a,b,c", ","), "1")             -> "b"

    Reference: reference/spl.md 5.2
    """
    if end is None:
        return ops.list_get(as_multivalue(value), build_list_place(start))
    return ops.list_slice(as_multivalue(value), build_list_place(start), build_list_place(end))


@FUNCTIONS.define
def mvjoin(context: EvalContext, value: Typed, delimiter: Typed) -> Typed:
    """All values as one text.

        mvjoin(split("a,b", ","), ";") -> "a;b"
        mvjoin("a", ";")               -> "a"
        mvjoin(5, ";")                 -> "5"
        mvjoin(null(), ";")            -> null

    Reference: reference/spl.md 5.2
    """
    return ops.list_join(as_multivalue(value), as_text(delimiter))


@FUNCTIONS.define
def mvzip(context: EvalContext, left: Typed, right: Typed, delimiter: Typed | None = None) -> Typed:
    """Pairs of two fields' values, up to the shorter one.

        mvjoin(mvzip(split("a,b", ","), split("1,2", ",")), ";") -> "a,1;b,2"
        mvjoin(mvzip(split("a,b,c", ","), split("1,2", ","), "="), ";") -> "a=1;b=2"
        mvjoin(mvzip("a", 1), ";")                               -> "a,1"
        mvzip(split("a,b", ","), null())                         -> null

    Reference: reference/spl.md 5.2
    """
    if Kind.NULL in (left.kind, right.kind):
        return TYPED_NULL
    return ops.list_zip(as_multivalue(left), as_multivalue(right), as_text(delimiter) if delimiter else literal(","))


@FUNCTIONS.define
def mvrange(context: EvalContext, start: Typed, end: Typed, step: Typed | None = None) -> Typed:
    """Numbers from the first up to and without the second.

        mvjoin(mvrange(1, 7, 2), ",") -> "1,3,5"
        mvjoin(mvrange(5, 1, -2), ",") -> "5,3"
        mvjoin(mvrange(0, 200000, "1d"), ",") -> "0,86400,172800"
        mvjoin(mvrange(1672531200, 1680000000, "1mon"), ",") -> "1672531200,1675209600,1677628800"
        mvrange(5, 1)                  -> null
        mvrange("a", 5)                -> null

    Reference: reference/spl.md 5.2
    """
    by = literal(1.0) if step is None else step
    written = by.constant
    if isinstance(written, str) and not is_numeric_text(written):
        span = span_unit(written)
        if span is None:
            place = span_of(by.expression) or context.scope.session.text.source.whole()
            raise SourceError("bad-argument", f"`{written[:40]}` is no span of time", place, help="write `1d`")
        # Months, quarters and years have no fixed length.
        if span[1] not in ("", "day", "week"):
            return calendar_range(context, as_number(start), as_number(end), span)
        by = literal(span[0] * {"day": 86400.0, "week": 604800.0}.get(span[1], 1.0))
    return ops.list_range(as_number(start), as_number(end), as_number(by))


def calendar_range(context: EvalContext, start: Typed, end: Typed, span: tuple[float, str]) -> Typed:
    """Times a calendar's unit apart: the places 0, 1, 2, ... become times."""
    count, unit = span
    # The shortest length gives enough places; those past the end are nulls, which a list leaves out.
    shortest = {"month": 28.0, "quarter": 90.0, "year": 365.0}[unit] * 86400.0 * count
    most = ops.ceil(ops.divide(ops.subtract(end, start), literal(shortest)))
    places = ops.list_range(literal(0.0), most, literal(1.0))
    parameter, place = build_element_parameter(places)
    units = ops.multiply(as_number(place), literal(count))
    moment = ops.calendar_add(start, units, literal(unit), literal(context.scope.settings.zone))
    inside = ops.if_(ops.less(moment, end), as_text(moment), Typed(TYPED_NULL.expression, Kind.TEXT))
    return apply_to_elements(ops.list_map, places, parameter, inside)


@FUNCTIONS.define(escapes=True)
def mvfind(context: EvalContext, value: Typed, regex: Typed) -> Typed:
    """The place, counted from 0, of the first value with a match; null if there is none.

        mvfind(split("a,b,c", ","), "^c") -> 2
        mvfind(split("a,b,c", ","), "x")  -> null
        mvfind("abc", "b")                -> 0
        mvfind(null(), "b")               -> null
        mvfind(split("5,55", ","), "^5.$") -> 1

    Reference: reference/spl.md 5.2
    """
    several = as_multivalue(value)
    parameter, element = build_element_parameter(several)
    found = apply_to_elements(ops.list_index, several, parameter, element_matches(element, regex))
    return ops.subtract(found, literal(1.0))


@FUNCTIONS.define(shape="written")
def mvfilter(context: EvalContext, condition: EvalExpression) -> Typed:
    """The values for which a condition holds; it names the field, which then means each value in turn.

        mvfilter(nosuchfield > 1) -> null
        mvcount(mvfilter(_time > 1)) -> 1
        mvfilter(isnull(_time))   -> null

    Reference: reference/spl.md 5.2
    """
    names = sorted(collect_fields(condition))
    if len(names) != 1:
        message = f"`mvfilter` needs a condition on one field, this names {len(names)}"
        raise SourceError("bad-argument", message, condition.span)
    values = as_multivalue(context.value(FieldReference(names[0], True, condition.span)))
    # Numbered, since mvmap may stand inside mvmap.
    parameter, element = build_element_parameter(values, f"value{len(context.bound)}")
    inside = EvalContext(context.scope, {**context.bound, names[0]: element})
    return apply_to_elements(ops.list_filter, values, parameter, inside.condition(condition))


@FUNCTIONS.define(shape="written")
def mvmap(context: EvalContext, several: EvalExpression, body: EvalExpression) -> Typed:
    """What an expression makes of each value; the field's name in it means the value.

        mvmap(nosuchfield, nosuchfield * 2) -> null
        mvjoin(mvmap(_time, _time - 1), ",") -> "1699999999"
        mvjoin(mvmap(split("a,b", ","), "x"), ",") -> "x,x"

    Reference: reference/spl.md 5.2
    """
    # The first field named is the one whose values pass through.
    names = list_fields_in_order(several)
    values = as_multivalue(context.value(several))
    if values.kind is Kind.NULL:
        return TYPED_NULL
    parameter, element = build_element_parameter(values, f"value{len(context.bound)}")
    bound = dict.fromkeys(names[:1], element)
    inside = EvalContext(context.scope, {**context.bound, **bound})
    made = inside.value(body)
    return (
        apply_to_elements(ops.list_map, values, parameter, as_text(made)) if made.kind is not Kind.NULL else TYPED_NULL
    )


@FUNCTIONS.define
def commands(context: EvalContext, search: Typed) -> Typed:
    """Names of the commands of a search, which is given as text.

        mvjoin(commands("search a | stats count"), ",") -> "search,stats"
        mvjoin(commands("| tstats count | `macro` | head 5"), ",") -> "tstats,head"
        commands(null())                           -> null

    Reference: reference/spl.md 5.2
    """
    pattern = literal(r"(?:^|\|)\s*([a-z]+)")
    return ops.regex_extract_all(as_text(search), pattern, literal(""), literal(1.0))

"""Which argument of a call is which parameter, and what it is to the function."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from harness.detection.languages.cql.coercion import number
from harness.detection.languages.cql.flow import Row
from harness.detection.languages.cql.regex import Pattern, translated
from harness.detection.languages.cql.registry import Function
from harness.detection.languages.cql.syntax import Argument, Array, Call, Parameter, Pipeline, Regex, Syntax, Word
from harness.detection.languages.cql.values import given, text_of, texts_of
from harness.detection.languages.cql.zones import known_zone, zone_name
from harness.diagnostics import SourceError, Span, did_you_mean

Name = Annotated[str, "field"]
"""The name of a field."""

RAWSTRING = "@rawstring"
TIMESTAMP = "@timestamp"

Names = tuple[Name, ...]
Texts = tuple[str, ...]
Pairs = tuple[tuple[str, str], ...]
Duration = Annotated[float, "milliseconds"]
"""A length of time in milliseconds."""

Rows = Annotated[int, "rows"]
Groups = Annotated[int, "groups"]
"""A number of rows; `max` is the most that the product allows."""

Zone = Annotated[str, "zone"]
"""A time zone: its name or its distance from UTC; a parameter without a value leaves UTC."""

MOST_ROWS = 200_000
MOST_GROUPS = 1_000_000

JOINS = frozenset({"join", "selfJoin", "selfJoinFilter", "defineTable", "correlate", "match"})
MOST_JOINS = 50
ORDERS = frozenset({"asc", "desc", "ascending", "descending"})

MEASURED = (float, int, bool, Duration, tuple[float, ...])
"""Types of parameters for which `*`, the value of a parameter without one, is none."""

UNITS = {
    1: r"milliseconds?|millis|ms",
    1000: r"seconds?|secs?|s",
    60_000: r"minutes?|min|m",
    3_600_000: r"hours?|hrs?|h",
    86_400_000: r"days?|d",
    604_800_000: r"weeks?|w",
    2_592_000_000: r"months?|mon",
    7_776_000_000: r"quarters?|qtrs?|q",
    31_536_000_000: r"years?|yrs?|y",
}
RELATIVE = re.compile(r"(\d+(?:\.\d+)?) ?(?:" + "|".join(f"({u})" for u in UNITS.values()) + ")")


@dataclass(slots=True)
class Bound:
    """Arguments by parameter, and those that the product would not take as they are."""

    given: dict[str, Argument] = field(default_factory=dict)
    extra: list[Argument] = field(default_factory=list)
    gathered: tuple[Argument, ...] = ()
    positional: list[tuple[str, Argument]] = field(default_factory=list)
    unknown: list[Argument] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    repeated: list[Argument] = field(default_factory=list)


def pair(function: Function, call: Call, *, implied: str | None = None, assigned: bool = False) -> Bound:
    """Each argument with its parameter; the `implied` one and `assigned` outputs count as given."""
    bound, unnamed = Bound(), []
    folded = {n.lower(): n for n in function.parameters}
    for argument in call.arguments:
        if argument.label is not None and function.open:
            bound.given[argument.label] = argument
        elif argument.name is None:
            unnamed.append(argument)
        elif function.open:
            bound.given[argument.name] = argument
        elif (name := folded.get(argument.name.lower())) is not None:
            if name in bound.given:
                bound.repeated.append(argument)
            bound.given[name] = argument
        else:
            bound.unknown.append(argument)
    place_unnamed(function, bound, unnamed, implied)
    given = {*bound.given, implied, *(("as",) if assigned else ())}
    bound.missing = tuple(n for n, p in function.parameters.items() if p.required and n not in given)
    return bound


def place_unnamed(function: Function, bound: Bound, unnamed: list[Argument], implied: str | None) -> None:
    """Finds parameters for arguments without a name: the product takes one, more follow the documented order."""
    unnamed = [a for a in unnamed if not meant(function, bound, a)]
    free = [n for n in function.positional if n not in bound.given and n != implied]
    if len(unnamed) > 1 and free and gathers(function, free[0]) and not isinstance(unnamed[0].value, Array):
        bound.gathered = tuple(unnamed)
        bound.given[free[0]] = unnamed[0]
        return
    if len(unnamed) > len(free) > 0 and gathers(function, free[-1]):
        last = unnamed[len(free) - 1 :]
        items = Array(items=tuple(a.value for a in last), span=last[0].span.to(last[-1].span))
        unnamed = [*unnamed[: len(free) - 1], Argument(value=items, span=items.span)]
    for i, argument in enumerate(unnamed):
        if i >= len(free):
            bound.extra.append(argument)
            continue
        bound.given[free[i]] = argument
        if i:
            bound.positional.append((free[i], argument))


def meant(function: Function, bound: Bound, argument: Argument) -> bool:
    """Takes an argument without a name that can be one parameter only: aggregates, and the order of a sort."""
    value = argument.value
    items = value.items if isinstance(value, Array) else (value,)
    order = isinstance(value, Word) and value.text.lower() in ORDERS
    name = "order" if order else "function"
    fits = order or (bool(items) and all(isinstance(i, Call | Pipeline) for i in items))
    if not fits or name not in function.parameters or name in bound.given or name in function.positional[:1]:
        return False
    bound.given[name] = argument
    bound.positional.append((name, argument))
    return True


def implied(function: Function) -> str | None:
    """The parameter that the field left of `=~` goes to: `field`, or else the first that needs no name."""
    return "field" if "field" in function.parameters else next(iter(function.positional), None)


def gathers(function: Function, parameter: str) -> bool:
    """Whether a parameter is a list, so that several unnamed arguments can be its elements."""
    return function.hints.get(parameter) in (Names, Texts)


def bind(function: Function, call: Call, row: Row, *, assigned: bool = False) -> tuple[dict[str, Any], str | None]:
    """Arguments for the Python function, and the text of `as` where the table itself deals with it."""
    applied = implied(function) if row.implied is not None else None
    bound = pair(function, call, implied=applied, assigned=assigned)
    refuse(function, call, bound)
    joined(row, call)
    values: dict[str, Any] = {}
    if row.implied is not None and applied is not None and applied not in bound.given:
        field = Word(text=row.implied, span=call.span)
        values[function.parameters[applied].attribute] = convert(function.hints[applied], row, field)
    into = None
    for name, argument in bound.given.items():
        if name == "as" and function.into is not None:
            into = text_of(row.meaning, argument.value)
            continue
        known = function.parameters.get(name)
        value = argument.value
        if bound.gathered and argument is bound.gathered[0]:
            value = Array(items=tuple(a.value for a in bound.gathered), span=call.span)
        if argument.label is not None:
            values[name] = argument
            continue
        hint = function.hints[name] if known else Syntax
        if known and isinstance(value, Parameter) and hint in MEASURED and not given(row.meaning, value):
            if known.required:
                message = f"`{name}` is given by the parameter `{value.name}`, which has no value"
                raise SourceError("parameter-without-value", message, value.span)
            continue
        values[known.attribute if known else name] = convert(hint, row, value)
    return values, into


def joined(row: Row, call: Call) -> None:
    """Refuses more joins than an engine takes in a bounded time; the product has ten tables at most."""
    if call.name in JOINS:
        row.meaning.joined += 1
        if row.meaning.joined > MOST_JOINS:
            raise SourceError("too-many-joins", f"a query joins at most {MOST_JOINS} times", call.span)


def refuse(function: Function, call: Call, bound: Bound) -> None:
    """Raises SourceError for a call that no dialect can read."""
    if bound.unknown:
        name = bound.unknown[0].name or ""
        near = did_you_mean(name, function.parameters) or f"parameters are {', '.join(function.parameters)}"
        message = f"`{function.name}` has no parameter `{name}`"
        raise SourceError("unknown-parameter", message, bound.unknown[0].span, help=near)
    if bound.repeated:
        argument = bound.repeated[0]
        message = f"`{argument.name}` is given twice"
        raise SourceError("repeated-parameter", message, argument.span, help="several values stand in a list: `[a, b]`")
    if bound.extra:
        several = isinstance(bound.extra[0].value, Call) and "function" in function.parameters
        help = "several functions stand in a list: `function=[count(), sum(field)]`" if several else None
        message = f"`{function.name}` has no parameter for this"
        raise SourceError("too-many-arguments", message, bound.extra[0].span, help=help)
    if bound.missing:
        message = f"`{function.name}` needs `{bound.missing[0]}`"
        raise SourceError("missing-parameter", message, call.span, help=f"add `{bound.missing[0]}=`")


def convert(hint: Any, row: Row, value: Syntax) -> Any:
    """What an argument is to a parameter of this type."""
    reader = CONVERTERS.get(hint)
    if reader is None:
        return value
    return reader(row, value)


def number_of(row: Row, value: Syntax) -> float:
    """A number that stands in the text."""
    text = text_of(row.meaning, value)
    found = number(text)
    if found is None:
        raise SourceError("not-a-number", f"expected a number, found `{text[:40]}`", value.span)
    return found


def rows_of(row: Row, value: Syntax) -> int:
    """A number of rows; a parameter without a value leaves the product's most."""
    return at_most(row, value, MOST_ROWS)


def groups_of(row: Row, value: Syntax) -> int:
    """A number of groups; the same."""
    return at_most(row, value, MOST_GROUPS)


def at_most(row: Row, value: Syntax, most: int) -> int:
    """A number up to the product's most, which `max` and `*` stand for."""
    if text_of(row.meaning, value) in ("max", "*"):
        return most
    return max(0, int(min(number_of(row, value), most)))


def numbers_of(row: Row, value: Syntax) -> tuple[float, ...]:
    """Numbers of a list, or the only one."""
    items = value.items if isinstance(value, Array) else (value,)
    return tuple(number_of(row, item) for item in items)


def flag_of(row: Row, value: Syntax) -> bool:
    """`true` or `false`."""
    text = text_of(row.meaning, value).lower()
    if text not in ("true", "false"):
        raise SourceError("not-a-boolean", f"expected `true` or `false`, found `{text[:40]}`", value.span)
    return text == "true"


def pattern_of(row: Row, value: Syntax) -> Pattern:
    """A regular expression, between slashes or as a text."""
    flags = value.flags if isinstance(value, Regex) else ""
    text = text_of(row.meaning, value)
    return translated(".*" if text == "*" else text, flags, value.span)


def milliseconds(text: str, span: Span) -> float:
    """A length of time such as `15m` or `2 hours`; a bare number counts milliseconds."""
    found = RELATIVE.fullmatch(text.strip())
    if found:
        unit = next(u for u, matched in zip(UNITS, found.groups()[1:], strict=True) if matched)
        return float(found[1]) * unit
    bare = number(text)
    if bare is None:
        raise SourceError("not-a-duration", f"`{text[:40]}` is no length of time", span, help="one such as `15m`")
    return bare


def zone_of(row: Row, value: Syntax) -> str:
    """A time zone that exists."""
    text = text_of(row.meaning, value)
    zone = zone_name("" if text == "*" else text)
    if not known_zone(zone):
        help = "one such as `Europe/London` or `+02:00`"
        raise SourceError("unknown-zone", f"`{text[:40]}` is no time zone", value.span, help=help)
    return zone


def pipeline_of(row: Row, value: Syntax) -> Pipeline:
    """A sub-query, or one step in its place."""
    if isinstance(value, Word):
        raise SourceError(
            "argument", "expected a sub-query", value.span, help="a sub-query stands in braces: `{ ... }`"
        )
    return value if isinstance(value, Pipeline) else Pipeline(steps=(value,), span=value.span)


def pairs_of(row: Row, value: Syntax) -> Pairs:
    """A list of pairs of names."""
    if not isinstance(value, Array):
        raise SourceError("argument", "expected a list of pairs", value.span)
    pairs = []
    for item in value.items:
        texts = texts_of(row.meaning, item)
        if len(texts) != 2:
            raise SourceError("argument", "expected a pair of names", item.span)
        pairs.append((texts[0], texts[1]))
    return tuple(pairs)


CONVERTERS: dict[Any, Callable[[Row, Syntax], Any]] = {
    Name: lambda row, v: text_of(row.meaning, v),
    str: lambda row, v: text_of(row.meaning, v),
    Names: lambda row, v: texts_of(row.meaning, v),
    Texts: lambda row, v: texts_of(row.meaning, v),
    float: number_of,
    int: lambda row, v: int(number_of(row, v)),
    bool: flag_of,
    tuple[float, ...]: numbers_of,
    Pattern: pattern_of,
    Rows: rows_of,
    Groups: groups_of,
    Zone: zone_of,
    Duration: lambda row, v: milliseconds(text_of(row.meaning, v), v.span),
    Pipeline: pipeline_of,
    Pairs: pairs_of,
}
"""How an argument is read for each type of parameter; `evaluate` adds expressions."""

"""Which argument of a call is which parameter, and the texts and numbers that words stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from harness.detection.languages.cql.coercion import parse_number_text, refuse_too_large
from harness.detection.languages.cql.parameters import (
    has_parameter_value,
    resolve_text,
    resolve_texts,
)
from harness.detection.languages.cql.regex import CqlRegex, translate_regex
from harness.detection.languages.cql.registry import ArrayName, RegistryEntry
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Session
from harness.detection.languages.cql.syntax import (
    Argument,
    Array,
    FunctionCall,
    Pipeline,
    QueryParameter,
    Regex,
    Syntax,
    Word,
)
from harness.detection.languages.cql.time_range import known_zone, normalise_zone, parse_milliseconds
from harness.diagnostics import SourceError, did_you_mean


def resolve_name(meaning: Session, part: Syntax) -> str:
    """The name that a word or a parameter stands for."""
    return require_names((resolve_text(meaning, part),), part)[0]


def resolve_names(meaning: Session, part: Syntax) -> tuple[str, ...]:
    """The names of a list, or the only one."""
    return require_names(resolve_texts(meaning, part), part)


def require_names(names: tuple[str, ...], part: Syntax) -> tuple[str, ...]:
    """The names, none of them empty. Raises SourceError."""
    if "" in names:
        raise SourceError("argument", "the name of a field is not empty", part.span)
    return names


Name = Annotated[str, "field"]
"""The name of a field."""

RAWSTRING = "@rawstring"

Names = tuple[Name, ...]
Texts = tuple[str, ...]
NamePairs = tuple[tuple[str, str], ...]
Duration = Annotated[float, "milliseconds"]
"""A length of time in milliseconds."""

RowCount = Annotated[int, "rows"]
GroupCount = Annotated[int, "groups"]
"""A number of rows; `max` is the most that the product allows."""

Zone = Annotated[str, "zone"]
"""A time zone: its name or its distance from UTC; a parameter without a value leaves UTC."""

# StateRowLimit and GroupMaxLimit of the newest versions (reference/cql.md 12).
MOST_PRODUCT_ROWS = 200_000
MOST_GROUPS = 1_000_000

# Chosen, no source: each join runs the query before it once more.
MOST_JOINS = 50
# The long words are seen in published queries, not in the manual (reference/cql.md 7.3).
SORT_DIRECTIONS = frozenset({"asc", "desc", "ascending", "descending"})

MEASURED = (float, int, bool, Duration, tuple[float, ...])
"""Types of parameters for which `*`, the value of a parameter without one, is none."""


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


def bind_arguments(
    function: RegistryEntry, call: FunctionCall, *, implied: str | None = None, assigned: bool = False
) -> Bound:
    """Each argument with its parameter; the `implied` one and `assigned` outputs count as given."""
    bound, unnamed = Bound(), []
    # Whether the case of parameter names counts is not known (reference/cql.md 19); all that are published fit anyway.
    folded = {n.lower(): n for n in function.parameters}
    for argument in call.arguments:
        # correlate(): its sub-queries are named by the query, not by the manual.
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


def place_unnamed(function: RegistryEntry, bound: Bound, unnamed: list[Argument], implied: str | None) -> None:
    """Finds parameters for arguments without a name: the product takes one, more follow the documented order."""
    # One unnamed argument is what the product's grammar allows (reference/cql.md 3, rule 6); what else people write is
    # placed so that lint can say which names are missing.
    unnamed = [a for a in unnamed if not bind_unnamed_argument(function, bound, a)]
    free = [n for n in function.positional if n not in bound.given and n != implied]
    # `groupBy(a, b)`, which the manual's own examples have too: one list (reference/cql.md 3, rule 6).
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
        # The first needs no name in the product either; only those after it are told.
        if i:
            bound.positional.append((free[i], argument))


def bind_unnamed_argument(function: RegistryEntry, bound: Bound, argument: Argument) -> bool:
    """Takes an argument without a name that can be one parameter only: aggregates, and the order of a sort."""
    value = argument.value
    items = value.items if isinstance(value, Array) else (value,)
    # `sort(x, desc)` and `groupBy(x, count())`: the words can be nothing else.
    order = isinstance(value, Word) and value.text.lower() in SORT_DIRECTIONS
    name = "order" if order else "function"
    fits = order or (bool(items) and all(isinstance(i, FunctionCall | Pipeline) for i in items))
    if not fits or name not in function.parameters or name in bound.given or name in function.positional[:1]:
        return False
    bound.given[name] = argument
    bound.positional.append((name, argument))
    return True


def find_implied_parameter(function: RegistryEntry) -> str | None:
    """The parameter that the field left of `=~` goes to: `field`, or else the first that needs no name."""
    return "field" if "field" in function.parameters else next(iter(function.positional), None)


def gathers(function: RegistryEntry, parameter: str) -> bool:
    """Whether a parameter is a list, so that several unnamed arguments can be its elements."""
    return function.hints.get(parameter) in (Names, Texts)


def bind(
    function: RegistryEntry, call: FunctionCall, row: RowScope, *, assigned: bool = False
) -> tuple[dict[str, Any], str | None]:
    """Arguments for the Python function, and the text of `as` where the table itself deals with it."""
    applied = find_implied_parameter(function) if row.implied is not None else None
    bound = bind_arguments(function, call, implied=applied, assigned=assigned)
    check_binding(function, call, bound)
    check_join_count(row, function, call)
    values: dict[str, Any] = {}
    if row.implied is not None and applied is not None and applied not in bound.given:
        field = Word(text=row.implied, span=call.span)
        values[function.parameters[applied].attribute] = convert_argument(function.hints[applied], row, field)
    into = None
    for name, argument in bound.given.items():
        # Functions of one value need not know the name of their output; the table gives it.
        if name == "as" and function.into is not None:
            into = resolve_name(row.meaning, argument.value)
            continue
        known = function.parameters.get(name)
        value = argument.value
        if bound.gathered and argument is bound.gathered[0]:
            value = Array(items=tuple(a.value for a in bound.gathered), span=call.span)
        if argument.label is not None:
            values[name] = argument
            continue
        hint = function.hints[name] if known else Syntax
        if (
            known
            and isinstance(value, QueryParameter)
            # `*` is no number; leaving the argument out gives the function's own default.
            and hint in MEASURED
            and not has_parameter_value(row.meaning, value)
        ):
            if known.required:
                message = f"`{name}` is given by the parameter `{value.name}`, which has no value"
                raise SourceError("parameter-without-value", message, value.span)
            continue
        values[known.attribute if known else name] = convert_argument(hint, row, value)
    return values, into


def check_join_count(row: RowScope, function: RegistryEntry, call: FunctionCall) -> None:
    """Refuses more joins than an engine takes in a bounded time; the product has ten tables at most."""
    if function.joins:
        row.meaning.joined += 1
        if row.meaning.joined > MOST_JOINS:
            raise SourceError("too-many-joins", f"a query joins at most {MOST_JOINS} times", call.span)


def check_binding(function: RegistryEntry, call: FunctionCall, bound: Bound) -> None:
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
        several = isinstance(bound.extra[0].value, FunctionCall) and "function" in function.parameters
        help = "several functions stand in a list: `function=[count(), sum(field)]`" if several else None
        message = f"`{function.name}` has no parameter for this"
        raise SourceError("too-many-arguments", message, bound.extra[0].span, help=help)
    if bound.missing:
        message = f"`{function.name}` needs `{bound.missing[0]}`"
        raise SourceError("missing-parameter", message, call.span, help=f"add `{bound.missing[0]}=`")


def convert_argument(hint: Any, row: RowScope, value: Syntax) -> Any:
    """What an argument is to a parameter of this type."""
    reader = CONVERTERS.get(hint)
    if reader is None:
        return value
    return reader(row, value)


def bind_number(row: RowScope, value: Syntax) -> float:
    """A number that stands in the text."""
    text = resolve_text(row.meaning, value)
    found = parse_number_text(text)
    if found is None:
        refuse_too_large(text, value.span)
        raise SourceError("not-a-number", f"expected a number, found `{text[:40]}`", value.span)
    return found


# Beyond, a double holds no longer every whole number, and nothing counts so far.
LARGEST_INTEGER = 2**53


def bind_integer(row: RowScope, value: Syntax) -> int:
    """A whole number that stands in the text; a fraction is cut off."""
    found = bind_number(row, value)
    if abs(found) > LARGEST_INTEGER:
        raise SourceError("number-too-large", f"expected a whole number up to {LARGEST_INTEGER}", value.span)
    return int(found)


def bind_row_count(row: RowScope, value: Syntax) -> int:
    """A number of rows; a parameter without a value leaves the product's most."""
    return at_most(row, value, MOST_PRODUCT_ROWS)


def groups_of(row: RowScope, value: Syntax) -> int:
    """A number of groups; the same."""
    return at_most(row, value, MOST_GROUPS)


def at_most(row: RowScope, value: Syntax, most: int) -> int:
    """A number up to the product's most, which `max` and `*` stand for."""
    # `limit=max` stands in about 400 published calls (reference/cql.md 17).
    if resolve_text(row.meaning, value) in ("max", "*"):
        return most
    return max(0, int(min(bind_number(row, value), most)))


def numbers_of(row: RowScope, value: Syntax) -> tuple[float, ...]:
    """Numbers of a list, or the only one."""
    items = value.items if isinstance(value, Array) else (value,)
    return tuple(bind_number(row, item) for item in items)


def flag_of(row: RowScope, value: Syntax) -> bool:
    """`true` or `false`."""
    text = resolve_text(row.meaning, value).lower()
    if text not in ("true", "false"):
        raise SourceError("not-a-boolean", f"expected `true` or `false`, found `{text[:40]}`", value.span)
    return text == "true"


def bind_regex(row: RowScope, value: Syntax) -> CqlRegex:
    """A regular expression, between slashes or as a text."""
    flags = value.flags if isinstance(value, Regex) else ""
    text = resolve_text(row.meaning, value)
    # A parameter without a value is `*`, which is no regular expression but means anything.
    return translate_regex(".*" if text == "*" else text, flags, value.span)


def bind_zone(row: RowScope, value: Syntax) -> str:
    """A time zone that exists."""
    text = resolve_text(row.meaning, value)
    zone = normalise_zone("" if text == "*" else text)
    if not known_zone(zone):
        help = "one such as `Europe/London` or `+02:00`"
        raise SourceError("unknown-zone", f"`{text[:40]}` is no time zone", value.span, help=help)
    return zone


def pipeline_of(row: RowScope, value: Syntax) -> Pipeline:
    """A sub-query, or one step in its place."""
    if isinstance(value, Word):
        raise SourceError(
            # A word alone would be read as free text, which nobody means who writes `percentage(status)`.
            "argument",
            "expected a sub-query",
            value.span,
            help="a sub-query stands in braces: `{ ... }`",
        )
    return value if isinstance(value, Pipeline) else Pipeline(steps=(value,), span=value.span)


def bind_name_pairs(row: RowScope, value: Syntax) -> NamePairs:
    """A list of pairs of names."""
    if not isinstance(value, Array):
        raise SourceError("argument", "expected a list of pairs", value.span)
    pairs = []
    for item in value.items:
        texts = resolve_texts(row.meaning, item)
        if len(texts) != 2:
            raise SourceError("argument", "expected a pair of names", item.span)
        pairs.append((texts[0], texts[1]))
    return tuple(pairs)


CONVERTERS: dict[Any, Callable[[RowScope, Syntax], Any]] = {
    Name: lambda row, v: resolve_name(row.meaning, v),
    ArrayName: lambda row, v: resolve_name(row.meaning, v),
    str: lambda row, v: resolve_text(row.meaning, v),
    Names: lambda row, v: resolve_names(row.meaning, v),
    Texts: lambda row, v: resolve_texts(row.meaning, v),
    float: bind_number,
    int: bind_integer,
    bool: flag_of,
    tuple[float, ...]: numbers_of,
    CqlRegex: bind_regex,
    RowCount: bind_row_count,
    GroupCount: groups_of,
    Zone: bind_zone,
    Duration: lambda row, v: parse_milliseconds(resolve_text(row.meaning, v), v.span),
    Pipeline: pipeline_of,
    NamePairs: bind_name_pairs,
}
"""How an argument is read for each type of parameter; `evaluate` adds expressions."""

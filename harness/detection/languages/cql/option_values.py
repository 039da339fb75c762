"""Parameters that are one of a few words: the product refuses any other, and so does binding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, get_args

from harness.detection.languages.cql.arguments import CONVERTERS
from harness.detection.languages.cql.parameters import resolve_text
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.diagnostics import SourceError, did_you_mean

Current = Annotated[str, ("include", "exclude")]
"""Whether the row itself counts among those up to it."""

Direction = Annotated[str, ("preceding", "succeeding")]
"""Which neighbour of a row."""

PositionWord = Annotated[str, ("before", "after")]
"""On which side of a row that meets the condition a partition ends."""

Rounding = Annotated[str, ("round", "ceil", "floor")]
"""Which of the integers around a number."""

Endian = Annotated[str, ("big", "little")]
"""Which byte of a number is written first."""

TimeUnit = Annotated[str, ("auto", "seconds", "s", "milliseconds", "ms", "millis")]
"""What a number counts that is a time."""

Orders = Annotated[tuple[str, ...], ("desc", "asc")]
"""The direction of each key of an order; published queries write `des`, `asce` and `descending` too."""

KeyTypes = Annotated[tuple[str, ...], ("number", "string", "hex", "any")]
"""What the values of each key of an order are compared as."""

RegexFlags = Annotated[str, "flags"]
"""Letters that change how a regular expression is read; `g` says what holds anyway."""

DOCUMENTED_FLAGS = "dmigF"


def build_choice_binder(*words: str, short: bool = False) -> Callable[[RowScope, Syntax], str]:
    """A reader of one of the words, or of what begins like one; a parameter without a value leaves the first."""

    def read(row: RowScope, value: Syntax) -> str:
        text = resolve_text(row.meaning, value)
        if text == "*":
            return words[0]
        if text.lower() not in words and not (short and text[:3].lower() in {w[:3] for w in words}):
            near = did_you_mean(text.lower(), words)
            shown = " or ".join(f"`{w}`" for w in words)
            raise SourceError("argument", f"expected {shown}, found `{text[:40]}`", value.span, help=near)
        return text.lower()

    return read


def each_chosen(*words: str, short: bool = False) -> Callable[[RowScope, Syntax], tuple[str, ...]]:
    """A reader of a list of these words, or of one of them."""
    one = build_choice_binder(*words, short=short)

    def read(row: RowScope, value: Syntax) -> tuple[str, ...]:
        return tuple(one(row, item) for item in (value.items if isinstance(value, Array) else (value,)))

    return read


def bind_regex_flags(row: RowScope, value: Syntax) -> str:
    """The flags of a regular expression."""
    text = resolve_text(row.meaning, value)
    strange = next((letter for letter in text if letter not in DOCUMENTED_FLAGS), None)
    if strange is not None and text != "*":
        help = "flags are d, g, i, m and F"
        raise SourceError("regex-flag", f"a regular expression has no flag `{strange}`", value.span, help=help)
    return text.strip("*")


def check_range(row: RowScope, name: str, value: float, low: int, high: int) -> int:
    """The value of a parameter that is a number of a range; raises SourceError for any other."""
    if not low <= value <= high:
        place = row.flow.span or row.meaning.source.whole()
        raise SourceError("argument", f"`{name}` is a number from {low} to {high}", place)
    return int(value)


for hint in (Current, Direction, PositionWord, Rounding, Endian, TimeUnit):
    CONVERTERS[hint] = build_choice_binder(*get_args(hint)[1])
CONVERTERS[Orders] = each_chosen(*get_args(Orders)[1], short=True)
CONVERTERS[KeyTypes] = each_chosen(*get_args(KeyTypes)[1])
CONVERTERS[RegexFlags] = bind_regex_flags

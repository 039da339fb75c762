# mypy: disable-error-code="empty-body"
"""Lists of text: no operation gives an empty one, but null."""

from __future__ import annotations

from harness.detection.plan.operation import (
    Boolean,
    ElementTest,
    ElementText,
    Multivalue,
    Number,
    Text,
    V,
    null_operation,
    operation,
)
from harness.diagnostics import Span


# No empty list: in both languages a field has values or there is no field.
@null_operation
def list_(*texts: Text[V], span: Span | None = None) -> Multivalue[V]:
    """The texts that are not null; null of none."""


@null_operation
def list_concat(values: Multivalue[V], *more: Multivalue[V], span: Span | None = None) -> Multivalue[V]:
    """One after the other, nulls left out; texts count as lists of one; null of none."""


@operation
def list_length(values: Multivalue[V], *, span: Span | None = None) -> Number[V]:
    """How many elements; null of null."""


# Places are counted from 1, as SQL's are; languages that count from 0 add one.
@operation
def list_get(values: Multivalue[V], place: Number[V], *, span: Span | None = None) -> Text[V]:
    """The element at `place`, counted from the end if negative; null outside."""


@operation
def list_slice(values: Multivalue[V], first: Number[V], last: Number[V], *, span: Span | None = None) -> Multivalue[V]:
    """Elements from place `first` to place `last`, both included, negative ones counted from the end; null if empty."""


@operation
def list_join(values: Multivalue[V], separator: Text[V], *, span: Span | None = None) -> Text[V]:
    """The elements as one text."""


@operation
def list_split(text: Text[V], separator: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """The pieces between separators; every character for an empty separator."""


@operation
def list_distinct(values: Multivalue[V], *, span: Span | None = None) -> Multivalue[V]:
    """The elements without repetitions; the first of each stays in place."""


@operation
def list_sort(values: Multivalue[V], *, span: Span | None = None) -> Multivalue[V]:
    """The elements sorted by bytes."""


# LogScale's array:sort (reference/cql.md 9): strings without case, numbers before strings.
@operation
def list_ordered(
    values: Multivalue[V], how: Text[V], descending: Boolean[V], *, span: Span | None = None
) -> Multivalue[V]:
    """Elements sorted as `text` but for case, or as `number` and then other text."""


@operation
def list_reverse(values: Multivalue[V], *, span: Span | None = None) -> Multivalue[V]:
    """The elements backwards."""


@operation
def list_contains(values: Multivalue[V], element: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether the list has this element."""


@operation
def list_position(values: Multivalue[V], element: Text[V], *, span: Span | None = None) -> Number[V]:
    """The place of the first such element; null if there is none."""


@operation
def list_zip(
    left: Multivalue[V], right: Multivalue[V], separator: Text[V], *, span: Span | None = None
) -> Multivalue[V]:
    """Pairs joined to text, up to the end of the shorter list."""


@operation
def list_range(start: Number[V], end: Number[V], step: Number[V], *, span: Span | None = None) -> Multivalue[V]:
    """Numbers as text from `start` up to `end`, which is not included."""


@null_operation
def list_filter(values: Multivalue[V], test: ElementTest[V], *, span: Span | None = None) -> Multivalue[V]:
    """Elements for which the test is true; null if none."""


@null_operation
def list_map(values: Multivalue[V], change: ElementText[V], *, span: Span | None = None) -> Multivalue[V]:
    """What `change` makes of each element, nulls left out; null if none."""


@null_operation
def list_any(values: Multivalue[V], test: ElementTest[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether the test is true for at least one element; null of null."""


@null_operation
def list_index(values: Multivalue[V], test: ElementTest[V], *, span: Span | None = None) -> Number[V]:
    """The place of the first element for which the test is true; null if none."""


@operation
def list_statistic(
    values: Multivalue[V], statistic: Text[V], fraction: Number[V] = ..., *, span: Span | None = None
) -> Number[V]:
    """A statistic of the numbers among the elements; null of none.

    One of sum, mean, minimum, maximum, {stdev, variance}_{sample, population}, or percentile or rank by `fraction`;
    each is as the aggregate of that name.
    """


@operation
def list_mode(values: Multivalue[V], *, span: Span | None = None) -> Text[V]:
    """The most frequent element, the smallest of several."""

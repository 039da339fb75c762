# mypy: disable-error-code="empty-body"
"""Times as epoch seconds, in time zones named by IANA or as +hh:mm."""

from __future__ import annotations

from harness.detection.plan.operation import Number, Text, V, operation
from harness.diagnostics import Span


@operation
def format_time(seconds: Number[V], format: Text[V], zone: Text[V], *, span: Span | None = None) -> Text[V]:
    """An epoch as text, by the strftime codes of `plan.timeformat`."""


# Null rather than an error: no row may end a search.
@operation
def parse_time(text: Text[V], format: Text[V], zone: Text[V], *, span: Span | None = None) -> Number[V]:
    """Epoch seconds of a text; null where it does not fit; `zone` counts where the text has none.

    Several formats stand one after the other, with the character 1e between them; the first that fits counts.
    """


@operation
def time_floor(seconds: Number[V], step: Number[V], origin: Number[V], *, span: Span | None = None) -> Number[V]:
    """The start of the span of `step` seconds, counted from the epoch `origin`."""


# SPL's weeks begin on Sunday (`@w`, reference/spl.md 8.2), those of LogScale's week numbers on Monday, by ISO 8601.
@operation
def calendar_floor(seconds: Number[V], unit: Text[V], zone: Text[V], *, span: Span | None = None) -> Number[V]:
    """Start of the second, minute, hour, day, week (Sunday), isoweek, month, quarter or year in a zone."""


@operation
def moved_time(seconds: Number[V], move: Text[V], zone: Text[V], *, span: Span | None = None) -> Number[V]:
    """An epoch moved by a text such as -1d@d; null of another text; see `plan/values/calendar.py`."""


@operation
def calendar_add(
    seconds: Number[V], count: Number[V], unit: Text[V], zone: Text[V], *, span: Span | None = None
) -> Number[V]:
    """An epoch `count` units later by the calendar of a zone."""


# 1 is Monday as in LogScale's time:dayOfWeek() (reference/cql.md 11).
@operation
def time_part(seconds: Number[V], part: Text[V], zone: Text[V], *, span: Span | None = None) -> Number[V]:
    """Year, month, day, hour, minute, second, dayofweek (1 is Monday), dayofyear or isoweek in a zone."""

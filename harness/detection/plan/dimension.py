"""Dimensions: what the codes of a stored column stand for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from harness.detection.plan.expressions import Kind
from harness.record import record

# Of no value: row numbers begin at 0.
CODE, VALUE = "code", "value"
"""The columns of a dimension."""
NULL_CODE = -1
"""The code of a row that has none, in dimensions that say what becomes of such a row."""


@record
class TimeSpan:
    """The least and the greatest value of a stored column of times, in its own unit, and how many events there are."""

    low: float
    high: float
    events: int


Measured = tuple[int, bool]
"""How many codes there are, and whether they are distinct."""


class Dimension:
    """A table of the store with the columns `code` (integer) and `value`, of one kind.

    `measure` says how many codes there are, and whether they are distinct: no value stands there twice, and none is
    null. It is asked when that is first looked at, since most dimensions of a store are read by no rule. One
    `with_null` has a value for rows that have no code; of an `ordered` one a greater code has a greater value.
    """

    def __init__(
        self,
        table: str,
        kind: Kind,
        measure: Callable[[], Measured],
        *,
        with_null: bool = False,
        ordered: bool = False,
    ) -> None:
        self.table, self.kind, self.measure = table, kind, measure
        self.with_null, self.ordered = with_null, ordered

    @cached_property
    def measured(self) -> Measured:
        """What `measure` says."""
        return self.measure()

    @property
    def size(self) -> int:
        """How many codes there are."""
        return self.measured[0]

    @property
    def distinct(self) -> bool:
        """Whether each code has a value that no other has."""
        return self.measured[1]
